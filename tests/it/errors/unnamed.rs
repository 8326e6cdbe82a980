//! G.3, last row, and G.4: codes that nobody knows, and error answers without a code, by their HTTP status.

use idp_proxy::domain::Service::{Cognito, WorkspacesWeb};
use tonic::Code::{
    self, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted, Unavailable, Unknown,
};

use super::{
    answered::{answer, calls, check_quotation},
    expected::{
        Expected,
        Extra::Unsaid,
        Retry::{self, Never},
        check, is_once,
    },
};
use crate::support::{Answer, Proxy, ScriptedAws};

/// Status, code at Cognito, code at `WorkSpaces` Web, whether AWS may have executed it.
const BY_STATUS: &[(u16, Code, Code, bool)] = &[
    // At Cognito 400 is the status of everything: it says nothing.
    (400, Unknown, InvalidArgument, false),
    (401, PermissionDenied, PermissionDenied, false),
    (402, ResourceExhausted, ResourceExhausted, false),
    (403, PermissionDenied, PermissionDenied, false),
    (404, NotFound, NotFound, false),
    (408, Unavailable, Unavailable, true),
    (409, FailedPrecondition, FailedPrecondition, false),
    (413, InvalidArgument, InvalidArgument, false),
    (418, Unknown, Unknown, false),
    (429, ResourceExhausted, ResourceExhausted, false),
    (500, Unavailable, Unavailable, true),
    (501, Unavailable, Unavailable, true),
    (502, Unavailable, Unavailable, true),
    (503, Unavailable, Unavailable, true),
    (504, Unavailable, Unavailable, true),
    (302, Unknown, Unknown, true),
];

/// What an unnamed error with a status must look like for a call.
fn expected(rpc: &crate::rpcs::Rpc, row: (u16, Code, Code, bool), reason: &'static str) -> Expected {
    let (status, cognito, web, may) = row;
    let plain = match rpc.action.service() {
        Cognito => cognito,
        WorkspacesWeb => web,
    };
    let code = if may && is_once(rpc) { Unknown } else { plain };
    let retry = match status {
        // Like the throttling that it most likely is, or like a code that nobody knows: G says both.
        429 => Retry::Unsaid,
        _ if code == Unavailable => Retry::Later,
        _ => Never,
    };
    // An error that says nothing does not say that nothing was done.
    Expected { code, reason, origin: "aws", may_have_been_applied: may || code == Unknown, extra: Unsaid, retry }
}

#[tokio::test]
async fn code_that_nobody_knows_is_told_by_its_http_status() {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let proxy = Proxy::against(&aws.endpoint, &[("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")]).await;
    let channel = proxy.channel().await;
    for row in BY_STATUS {
        for rpc in calls() {
            aws.now(answer(rpc.action.service(), row.0, "SomethingNewException", "{}"));
            let status = rpc.call(channel.clone()).await.expect_err("an error");
            let what = format!("SomethingNewException {}", row.0);
            check(&what, &rpc, &status, &expected(&rpc, *row, "AWS_UNRECOGNIZED_ERROR"));
            check_quotation(&what, &status, Some("SomethingNewException"), Some(&row.0.to_string()));
        }
    }
}

#[tokio::test]
async fn error_answer_without_a_code_is_told_by_its_http_status() {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let proxy = Proxy::against(&aws.endpoint, &[("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")]).await;
    let channel = proxy.channel().await;
    for body in ["{}", "<html>Bad gateway</html>", "", r#"{"__type": "not a code!", "message": 7}"#] {
        for row in BY_STATUS {
            for rpc in calls() {
                aws.now(Answer::new(row.0, body));
                let status = rpc.call(channel.clone()).await.expect_err("an error");
                let what = format!("{} with {body:?}", row.0);
                let expected = Expected { origin: "sdk", ..expected(&rpc, *row, "AWS_UNPARSABLE_RESPONSE") };
                check(&what, &rpc, &status, &expected);
                check_quotation(&what, &status, None, Some(&row.0.to_string()));
            }
        }
    }
}
