//! The order of a call, for every RPC: identity, then all mistakes of the message at once, then exactly one request.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tonic::{Code, Status, client::Grpc};
use tonic_types::StatusExt as _;

use crate::{
    rpcs::{self, Rpc},
    support::{Answer, Proxy, ScriptedAws, Seen},
};

fn reason(status: &Status) -> String {
    status.get_details_error_info().expect("ErrorInfo").reason
}

/// An AWS that would answer anything, and says whether it was asked.
async fn aws() -> ScriptedAws {
    ScriptedAws::always(Answer::new(500, "{}")).await
}

#[tokio::test]
async fn unknown_caller_is_refused_before_its_message_is_read() {
    let aws = aws().await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let mut client = Grpc::new(proxy.channel().await);
    for rpc in rpcs::all() {
        // Field 1 as a varint where a text belongs, then a length beyond the end: no message of any RPC.
        let garbage = vec![0x08, 0x01, 0x12, 0xff];
        for message in [rpc.valid.clone(), rpc.invalid.clone(), garbage] {
            for proof in ["authorization", "x-forwarded-client-cert", "l5d-client-id"] {
                let refused = rpc.send(&mut client, message.clone(), &[(proof, "Bearer x")]).await.unwrap_err();
                assert_eq!(refused.code(), Code::Unauthenticated, "{} {proof}", rpc.action);
                assert_eq!(reason(&refused), "CALLER_UNIDENTIFIED", "{} {proof}", rpc.action);
            }
        }
    }
    assert!(aws.seen().is_empty(), "an unknown caller reached AWS");
}

#[tokio::test]
async fn undecodable_message_of_a_known_caller_is_an_invalid_request() {
    let aws = aws().await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let mut client = Grpc::new(proxy.channel().await);
    for rpc in rpcs::all() {
        let refused = rpc.send(&mut client, vec![0x08, 0x01, 0x12, 0xff], &[]).await.unwrap_err();
        assert_eq!((refused.code(), &*reason(&refused)), (Code::InvalidArgument, "INVALID_REQUEST"), "{}", rpc.action);
    }
    assert!(aws.seen().is_empty(), "an undecodable message reached AWS");
}

#[tokio::test]
async fn all_mistakes_are_reported_at_once_and_aws_is_not_asked() {
    let aws = aws().await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let mut client = Grpc::new(proxy.channel().await);
    for rpc in rpcs::all() {
        let refused = rpc.send(&mut client, rpc.invalid.clone(), &[]).await.unwrap_err();
        assert_eq!((refused.code(), &*reason(&refused)), (Code::InvalidArgument, "INVALID_REQUEST"), "{}", rpc.action);
        let found = refused.get_details_bad_request().expect("BadRequest").field_violations;
        let fields: BTreeSet<&str> = found.iter().map(|one| one.field.as_str()).collect();
        for field in rpc.violations {
            assert!(fields.contains(field), "{}: {field} is not among {fields:?}", rpc.action);
        }
        assert!(found.iter().all(|one| !one.description.is_empty()), "{}", rpc.action);
    }
    assert!(aws.seen().is_empty(), "an invalid request reached AWS");
}

fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    seen.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A path with its query's parts in alphabetical order: AWS does not mind theirs.
fn sorted(path: &str) -> (String, BTreeSet<String>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    (path.to_owned(), query.split('&').map(str::to_owned).collect())
}

/// The one request that AWS got is the one of the table.
fn check(rpc: &Rpc, seen: &Seen) {
    let (action, (method, path)) = (rpc.action, &rpc.http);
    assert_eq!((&*seen.method, sorted(&seen.path)), (*method, sorted(path)), "{action}");
    let body: Value = if seen.body.is_empty() { Value::Null } else { serde_json::from_slice(&seen.body).unwrap() };
    assert_eq!(body, rpc.sent, "{action}");
    let (target, content_type) = match method {
        _ if path == "/" => {
            let target = format!("AWSCognitoIdentityProviderService.{}", action.operation());
            (Some(target), Some("application/x-amz-json-1.1"))
        }
        _ if rpc.sent.is_null() => (None, None),
        _ => (None, Some("application/json")),
    };
    assert_eq!(header(seen, "x-amz-target"), target.as_deref(), "{action}");
    assert_eq!(header(seen, "content-type"), content_type, "{action}");
    let scope = format!("/us-east-1/{}/aws4_request", action.service().aws_name());
    let signature = header(seen, "authorization").expect("a signature");
    assert!(signature.starts_with("AWS4-HMAC-SHA256") && signature.contains(&scope), "{action}: {signature}");
}

#[tokio::test]
async fn valid_request_is_exactly_one_request_at_aws_that_says_the_same() {
    let aws = aws().await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let channel = proxy.channel().await;
    for rpc in rpcs::all() {
        aws.now(rpc.answer());
        let reply = rpc.call(channel.clone()).await.unwrap_or_else(|status| panic!("{}: {status:?}", rpc.action));
        assert_eq!(reply.is_empty(), rpc.success == serde_json::json!({}), "{}: an answer says something", rpc.action);
        let seen = aws.seen();
        assert_eq!(seen.len(), 1, "{}", rpc.action);
        check(&rpc, &seen[0]);
    }
}

/// The SDK makes these headers for a client's first call and the proxy keeps them: they are the same in every later one.
#[tokio::test]
async fn every_request_says_once_in_the_sdks_words_what_sends_it() {
    let aws = aws().await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let channel = proxy.channel().await;
    let mut said: BTreeMap<&str, BTreeSet<Vec<String>>> = BTreeMap::new();
    for rpc in rpcs::all() {
        aws.now(rpc.answer());
        for _ in 0..2 {
            rpc.call(channel.clone()).await.unwrap();
        }
        for seen in aws.seen() {
            let of = |wanted: &str| {
                let mut values = seen.headers.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.clone());
                let value = values.next().unwrap_or_else(|| panic!("{}: no {wanted}", rpc.action));
                assert_eq!(values.next(), None, "{}: {wanted}", rpc.action);
                value
            };
            said.entry(rpc.action.service().aws_name())
                .or_default()
                .insert(vec![of("user-agent"), of("x-amz-user-agent")]);
        }
    }
    for (service, api) in [("cognito-idp", "api/cognitoidentityprovider/"), ("workspaces-web", "api/workspacesweb/")] {
        let [one] = &said[service].iter().collect::<Vec<_>>()[..] else { panic!("{service}: {said:?}") };
        let (first, second) = (&one[0], &one[1]);
        assert!(first.starts_with("aws-sdk-rust/") && first.contains("app/idp-proxy"), "{first}");
        assert!(second.starts_with("aws-sdk-rust/") && second.contains(api), "{second}");
        assert!(second.contains("app/idp-proxy"), "{second}");
    }
}

#[tokio::test]
async fn create_without_a_client_token_reaches_aws_with_a_token_all_the_same() {
    let aws = aws().await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let channel = proxy.channel().await;
    let rpc = Rpc::of(idp_proxy::domain::Action::WebCreate).without_client_token();
    aws.now(rpc.answer());
    rpc.call(channel.clone()).await.unwrap();
    rpc.call(channel).await.unwrap();
    let token = |seen: &Seen| serde_json::from_slice::<Value>(&seen.body).unwrap()["clientToken"].clone();
    let tokens: Vec<Value> = aws.seen().iter().map(token).collect();
    assert!(tokens.iter().all(|token| token.as_str().is_some_and(|text| text.len() >= 16)), "{tokens:?}");
    assert_ne!(tokens[0], tokens[1], "two creates are two intents");
}
