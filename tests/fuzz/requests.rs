//! Whole messages of the eleven RPCs.

use idp_proxy::operation::{Operation, Rules, cognito, workspacesweb};
use prost::Message as _;

/// First byte: which RPC. Then the message. Whatever it holds, reading it ends in an operation or in violations.
pub(super) fn request(data: &[u8]) {
    let Some((which, message)) = data.split_first() else { return };
    match which {
        b'a' => read::<cognito::Create>(message),
        b'b' => read::<cognito::Describe>(message),
        b'c' => read::<cognito::Update>(message),
        b'd' => read::<cognito::Delete>(message),
        b'e' => read::<cognito::List>(message),
        b'f' => read::<cognito::GetByIdentifier>(message),
        b'g' => read::<workspacesweb::Create>(message),
        b'h' => read::<workspacesweb::Get>(message),
        b'i' => read::<workspacesweb::Update>(message),
        b'j' => read::<workspacesweb::List>(message),
        b'k' => read::<workspacesweb::Delete>(message),
        _ => {}
    }
}

fn read<O: Operation>(message: &[u8])
where
    O::Request: Default,
{
    let Ok(request) = O::Request::decode(message) else { return };
    match O::parse(request, &Rules::default()) {
        Ok(operation) => assert_eq!(operation.subject().action, O::ACTION),
        Err(violations) => {
            assert!(!violations.is_empty(), "refused without a reason");
            assert!(violations.iter().all(|violation| !violation.field().is_empty()));
        }
    }
}
