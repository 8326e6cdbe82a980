//! Time: the caller's deadline, the proxy's own, and callers that do not wait for the end.

use std::{convert::Infallible, sync::Arc};

use futures_util::{future::join_all, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use idp_proxy::domain::{Action, Repeat};
use prost::bytes::Bytes;
use serde_json::Value;
use tokio::sync::Semaphore;
use tonic::{Code, Status, body::Body, client::Grpc};
use tonic_types::StatusExt as _;

use crate::{
    rpcs::{self, Rpc},
    support::{Answer, Proxy, ScriptedAws},
};

/// A client that sends `grpc-timeout` and does not enforce it: tonic's own would end the call by itself.
pub(crate) fn client(proxy: &Proxy) -> Grpc<Client<HttpConnector, Body>> {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    Grpc::with_origin(client, format!("http://{}", proxy.address).parse().unwrap())
}

/// An AWS that answers when the gate lets it, and a proxy in front of it.
async fn slow(environment: &[(&str, &str)]) -> (Arc<Semaphore>, ScriptedAws, Proxy) {
    let gate = Arc::new(Semaphore::new(0));
    let aws = ScriptedAws::always(Answer::new(200, "{}").held_by(&gate)).await;
    let proxy = Proxy::against(&aws.endpoint, environment).await;
    (gate, aws, proxy)
}

fn told(status: &Status) -> (Code, String, Option<String>) {
    let info = status.get_details_error_info().expect("ErrorInfo");
    (status.code(), info.reason, info.metadata.get("mayHaveBeenApplied").cloned())
}

fn calls() -> Vec<Rpc> {
    let without = [Action::WebCreate, Action::WebUpdate].map(|action| Rpc::of(action).without_client_token());
    [rpcs::all(), without.into()].concat()
}

#[tokio::test]
async fn callers_deadline_is_answered_by_the_proxy_before_it_has_passed() {
    let (_gate, aws, proxy) = slow(&[]).await;
    let expire = |rpc: Rpc| {
        let mut client = client(&proxy);
        async move {
            let status = rpc.send(&mut client, rpc.valid.clone(), &[("grpc-timeout", "3S")]).await.unwrap_err();
            (rpc, status)
        }
    };
    let mut elapsed_ms = Vec::new();
    for (rpc, status) in join_all(calls().into_iter().map(expire)).await {
        let applied = rpc.action.is_write().then(|| "true".to_owned());
        let (code, reason, said) = told(&status);
        assert_eq!((code, &*reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"), "{}", rpc.action);
        assert_eq!(said.filter(|said| said == "true"), applied, "{}: mayHaveBeenApplied", rpc.action);
        let id = status.get_details_request_info().unwrap().request_id;
        let of_call = |line: &Value| line["elapsed_ms"].as_u64().filter(|_| line["request_id"] == *id);
        elapsed_ms.push(proxy.log_line(of_call).await);
    }
    // From the headers' arrival. Of many calls one is on time on the busiest machine; none is early.
    assert!(elapsed_ms.iter().min() < Some(&3000), "the answers came after the deadline: {elapsed_ms:?}");
    assert!(elapsed_ms.iter().min() > Some(&2000), "the answers came long before the deadline: {elapsed_ms:?}");
    // Cognito's create keeps time for a look at what became of it.
    assert_eq!(aws.seen().len(), calls().len() + 1, "every call was on its way");
}

#[tokio::test]
async fn deadline_that_has_passed_already_asks_aws_for_nothing() {
    let (_gate, aws, proxy) = slow(&[]).await;
    let mut client = client(&proxy);
    for rpc in calls() {
        let status = rpc.send(&mut client, rpc.valid.clone(), &[("grpc-timeout", "0n")]).await.unwrap_err();
        let (code, reason, applied) = told(&status);
        assert_eq!((code, &*reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"), "{}", rpc.action);
        assert_ne!(applied.as_deref(), Some("true"), "{}: nothing was sent", rpc.action);
    }
    assert!(aws.seen().is_empty(), "a call without time reached AWS");
}

#[tokio::test]
async fn proxys_own_limit_tells_apart_what_may_be_repeated() {
    let (_gate, _aws, proxy) = slow(&[("IDP_PROXY__SERVER__DEADLINE_MAX_MS", "1000")]).await;
    let run = |rpc: Rpc, timeout: &'static str| {
        let mut client = client(&proxy);
        async move {
            let status = rpc.send(&mut client, rpc.valid.clone(), &[("grpc-timeout", timeout)]).await.unwrap_err();
            (rpc, status)
        }
    };
    // A caller that waits for longer does not make the limit its own.
    let runs = calls().into_iter().flat_map(|rpc| ["60S", "1H"].map(|timeout| run(rpc.clone(), timeout)));
    for (rpc, status) in join_all(runs).await {
        let (code, reason) = match rpc.repeat {
            Repeat::Once => (Code::Unknown, "OUTCOME_UNKNOWN"),
            Repeat::Read | Repeat::SameEffect => (Code::Unavailable, "AWS_TIMEOUT"),
        };
        let (found, why, applied) = told(&status);
        assert_eq!((found, &*why), (code, reason), "{} ({:?})", rpc.action, rpc.repeat);
        assert_eq!(applied.as_deref() == Some("true"), rpc.action.is_write(), "{}: mayHaveBeenApplied", rpc.action);
        let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().to_owned();
        assert_eq!(pushback == "-1", rpc.repeat == Repeat::Once, "{}: {pushback}", rpc.action);
    }
}

#[tokio::test]
async fn deadline_that_cannot_be_read_is_an_invalid_request() {
    let (_gate, aws, proxy) = slow(&[]).await;
    let mut client = client(&proxy);
    for timeout in ["", "S", "10", "-1S", "123456789S", "1s", "1.5S", "1 S", "0x1S", "1SS"] {
        let rpc = Rpc::of(Action::CognitoList);
        let status = rpc.send(&mut client, rpc.valid.clone(), &[("grpc-timeout", timeout)]).await.unwrap_err();
        assert_eq!(told(&status), (Code::InvalidArgument, "INVALID_REQUEST".to_owned(), None), "{timeout:?}");
        let fields = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(fields.iter().map(|one| &*one.field).collect::<Vec<_>>(), ["grpc-timeout"], "{timeout:?}");
    }
    assert!(aws.seen().is_empty());
}

#[tokio::test]
async fn write_is_finished_and_logged_when_its_caller_goes_away() {
    let gate = Arc::new(Semaphore::new(0));
    for action in Action::ALL.into_iter().filter(|action| action.is_write()) {
        let rpc = Rpc::of(action);
        let aws = ScriptedAws::always(rpc.answer().held_by(&gate)).await;
        let proxy = Proxy::against(&aws.endpoint, &[]).await;
        let mut client = client(&proxy);
        let send = rpc.clone();
        let call = tokio::spawn(async move {
            send.send(&mut client, send.valid.clone(), &[("x-request-id", "the-callers-id")]).await
        });
        aws.has_seen(1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        // Another call on a connection of its own: the first one's end has been seen by then.
        let other = Rpc::of(Action::CognitoList);
        aws.now(other.answer());
        other.call(proxy.channel().await).await.unwrap();
        gate.add_permits(1);
        let of_call =
            |line: &Value| (line["message"] == "call" && line["request_id"] == "the-callers-id").then(|| line.clone());
        let line = proxy.log_line(of_call).await;
        assert_eq!(
            (line["method"].as_str(), line["code"].as_str()),
            (Some(action.grpc_method()), Some("OK")),
            "{line}"
        );
        assert_eq!(aws.seen().len(), 1, "{action}: it was not sent again");
        gate.forget_permits(1);
    }
}

#[tokio::test]
async fn message_that_never_arrives_is_not_told_as_a_write_that_may_be_repeated_and_has_happened() {
    let (_gate, aws, proxy) = slow(&[("IDP_PROXY__SERVER__DEADLINE_MAX_MS", "100")]).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let send = |action: Action| {
        let never = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        let request = http::Request::post(format!("http://{}/{}", proxy.address, action.grpc_method()))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::new(StreamBody::new(never)))
            .unwrap();
        let answer = client.request(request);
        async move { (action, answer.await.unwrap()) }
    };
    for (action, answer) in join_all(Action::ALL.map(send)).await {
        let status = Status::from_header_map(answer.headers()).expect("a status in the headers");
        let (code, _, applied) = told(&status);
        assert_ne!(code, Code::Ok, "{action}");
        let invites_to_repeat = code == Code::Unavailable && action == Action::CognitoCreate;
        assert!(!(invites_to_repeat && applied.as_deref() == Some("true")), "{action}: {status:?}");
    }
    assert!(aws.seen().is_empty(), "there was no message to ask AWS with");
}
