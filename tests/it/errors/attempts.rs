//! How often AWS is asked: reads and harmless writes again, a create of Cognito's only where it surely was not executed.

use futures_util::future::join_all;
use idp_proxy::domain::{
    Action,
    Service::{self, Cognito},
};
use serde_json::Value;
use tonic_types::StatusExt as _;

use super::answered::answer;
use crate::{
    rpcs::Rpc,
    support::{Answer, Proxy, ScriptedAws, Seen},
};

/// A failing AWS, a proxy of its own, one call: the requests that AWS got.
async fn requests(action: Action, failure: Answer) -> Vec<Seen> {
    let aws = ScriptedAws::always(failure).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let status = Rpc::of(action).call(proxy.channel().await).await.expect_err("AWS fails");
    let attempts = status.get_details_error_info().unwrap().metadata.get("attempts").cloned();
    assert_eq!(attempts, Some(aws.asked(action).len().to_string()), "{action}: the error says how often AWS was asked");
    aws.asked(action)
}

#[tokio::test]
async fn aws_is_asked_again_only_where_that_changes_nothing() {
    use Action::{
        CognitoCreate, CognitoDelete, CognitoDescribe, CognitoList, CognitoUpdate, WebCreate, WebDelete, WebGet,
    };
    let of = |service: Service, status, code: &str| answer(service, status, code, "{}");
    let web = Service::WorkspacesWeb;
    let cases = [
        (CognitoDescribe, of(Cognito, 500, "InternalErrorException"), 3),
        (CognitoUpdate, of(Cognito, 500, "InternalErrorException"), 3),
        (CognitoDelete, of(Cognito, 500, "InternalErrorException"), 3),
        // It may have been executed, and there is no token to tell a second one by.
        (CognitoCreate, of(Cognito, 500, "InternalErrorException"), 1),
        (CognitoCreate, of(Cognito, 503, "ServiceUnavailable"), 1),
        (CognitoCreate, of(Cognito, 400, "RequestTimeoutException"), 1),
        (CognitoCreate, Answer::new(502, "<html>"), 1),
        (CognitoCreate, Answer::new(200, "no JSON"), 1),
        // Throttled: surely not executed.
        (CognitoCreate, of(Cognito, 400, "TooManyRequestsException"), 3),
        (CognitoCreate, of(Cognito, 429, "TooManyRequestsException"), 3),
        (CognitoDescribe, of(Cognito, 400, "TooManyRequestsException"), 3),
        // A hard quota and a refusal do not go away.
        (CognitoCreate, of(Cognito, 400, "LimitExceededException"), 1),
        (CognitoList, of(Cognito, 400, "LimitExceededException"), 1),
        (CognitoCreate, of(Cognito, 400, "InvalidParameterException"), 1),
        (CognitoDescribe, of(Cognito, 400, "ResourceNotFoundException"), 1),
        (WebCreate, of(web, 500, "InternalServerException"), 3),
        (WebCreate, of(web, 402, "ServiceQuotaExceededException"), 1),
        (WebDelete, of(web, 500, "InternalServerException"), 3),
        (WebDelete, of(web, 409, "ConflictException"), 1),
        (WebGet, of(web, 429, "ThrottlingException"), 3),
        (WebGet, Answer::new(503, ""), 3),
    ];
    let calls = cases.map(|(action, failure, wanted)| async move {
        let what = format!("{action} {} {}", failure.status, failure.body);
        (what, requests(action, failure).await.len(), wanted)
    });
    for (what, found, wanted) in join_all(calls).await {
        assert_eq!(found, wanted, "{what}");
    }
}

#[tokio::test]
async fn every_attempt_of_a_create_carries_the_same_token() {
    let failure = || answer(Service::WorkspacesWeb, 500, "InternalServerException", "{}");
    let aws = ScriptedAws::always(failure()).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    Rpc::of(Action::WebCreate).without_client_token().call(proxy.channel().await).await.expect_err("AWS fails");
    let token = |seen: &Seen| serde_json::from_slice::<Value>(&seen.body).unwrap()["clientToken"].clone();
    let tokens: Vec<Value> = aws.seen().iter().map(token).collect();
    assert_eq!(tokens.len(), 3);
    assert!(tokens[0].is_string() && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

#[tokio::test]
async fn success_after_a_failed_attempt_is_a_success() {
    let rpcs = [Action::CognitoDescribe, Action::CognitoUpdate, Action::WebCreate];
    join_all(rpcs.map(|action| async move {
        let rpc = Rpc::of(action);
        let (failure, success) = (Answer::new(503, "{}"), rpc.answer());
        let aws = ScriptedAws::start(move |n, _| if n == 0 { failure.clone() } else { success.clone() }).await;
        let proxy = Proxy::against(&aws.endpoint, &[]).await;
        let reply = rpc.call(proxy.channel().await).await.unwrap_or_else(|status| panic!("{action}: {status:?}"));
        assert!(!reply.is_empty() && aws.seen().len() == 2, "{action}");
    }))
    .await;
}
