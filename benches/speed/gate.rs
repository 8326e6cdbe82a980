//! What the regression gate counts the instructions of; `benches/instructions.py` runs it under valgrind.

use std::sync::Arc;

use idp_proxy::{
    domain::Violations,
    fault::Fault,
    identity::{Anonymous, Identity, Mesh, MeshHeader, Peer},
    operation::{Operation as _, Rules, cognito::Create},
    policy::Policy,
    proto::cognito::v1 as c,
    status::{self, About},
};
use prost::Message as _;

use crate::{
    load::Caller,
    process::Scratch,
    work::{self, Work},
};

/// So many calls of one stage, or, so many of them at once, of the whole proxy that listens at an address.
pub(crate) fn run(name: &str, calls: usize, at_once: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bytes = work::create().encode_to_vec();
    let parse = || {
        let request = c::CreateIdentityProviderRequest::decode(&bytes[..]).unwrap();
        Create::parse(request, &Rules::default()).expect("valid")
    };
    match name {
        "parse" => {
            for _ in 0..calls {
                std::hint::black_box(parse());
            }
        }
        "policy" | "policy-new" => {
            let scratch = Scratch::new();
            scratch.with("policies/teams.cedar", work::policies(100));
            let policy = Policy::of_directory(scratch.file("policies")).map_err(|found| found[0].to_string()).unwrap();
            let caller = runtime.block_on(caller());
            let operation = parse();
            for number in 0..calls {
                if name == "policy" {
                    drop(std::hint::black_box(policy.authorize(&caller, &operation.subject()).expect("allowed")));
                } else {
                    let mut request = work::create();
                    request.provider_details.insert("jwks_uri".to_owned(), format!("https://h{number}.example/"));
                    let operation = Create::parse(request, &Rules::default()).expect("valid");
                    drop(std::hint::black_box(policy.authorize(&caller, &operation.subject()).expect("allowed")));
                }
            }
        }
        "status" => {
            let operation = parse();
            let id: Arc<str> = "0b7e6a5c-1b1f-4e0c-9a43-3a3a5d1c0f10".into();
            let about = About {
                action: Some(Create::ACTION),
                subject: Some((&operation.subject(), operation.repeat())),
                request_id: &id,
            };
            for _ in 0..calls {
                let mut found = Violations::one("provider_details[\"client_id\"]", "is required for type OIDC");
                found.add("provider_name", "must not be empty");
                drop(std::hint::black_box(status::of(&Fault::Invalid(found), &about)));
            }
        }
        address => runtime.block_on(async {
            Caller::connect(address, Work::Create, true).await.run(calls, at_once).await;
        }),
    }
}

async fn caller() -> idp_proxy::identity::Caller {
    let mesh = Mesh::new(MeshHeader::ForwardedClientCert, vec!["127.0.0.1/32".parse().unwrap()]);
    let peer = Peer { address: Some("127.0.0.1".parse().unwrap()), certificate: None };
    let mut headers = http::HeaderMap::new();
    headers.insert("x-forwarded-client-cert", format!("URI={}", work::CALLER).parse().unwrap());
    Identity::new(Anonymous::Refuse, Some(mesh), None).identify(&peer, &headers).await.expect("known")
}
