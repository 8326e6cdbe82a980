//! The way down: what is in flight is finished, what is new is sent elsewhere, and nothing waits for ever.

use std::sync::Arc;

use http_body_util::StreamBody;
use hyper::body::Frame;
use idp_proxy::{
    domain::{Action, Repeat},
    proto::cognito::v1::{CreateIdentityProviderRequest as Create, ListIdentityProvidersRequest as List},
};
use prost::bytes::Bytes;
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, Instant},
};
use tonic::{Code, Status, body::Body};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use tower::{Service as _, ServiceExt as _};

use crate::{
    rpcs,
    support::{Answer, Proxy, SANDBOX_USER_POOL, ScriptedAws, details, eventually, get, info, metric},
};

fn list() -> List {
    List { user_pool_id: SANDBOX_USER_POOL.to_owned(), ..List::default() }
}

fn create() -> Create {
    Create {
        user_pool_id: SANDBOX_USER_POOL.to_owned(),
        provider_name: "Corp".to_owned(),
        provider_type: "OIDC".to_owned(),
        provider_details: details("OIDC"),
        ..Create::default()
    }
}

/// AWS that lets every caller wait until the gate has a permit; its answer fits every Cognito operation.
pub(crate) async fn held() -> (ScriptedAws, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let body = r#"{"Providers":[],"IdentityProvider":{"ProviderName":"Corp","ProviderType":"OIDC"}}"#;
    (ScriptedAws::always(Answer::new(200, body).held_by(&gate)).await, gate)
}

/// Waits until the proxy says that it is on its way down.
async fn draining(proxy: &Proxy) {
    proxy.log_line(|line| (line.get("message")? == "draining").then_some(())).await;
}

/// Waits until the proxy takes no connection any more: it says that it drains before its delay, and refuses calls after it.
async fn closed(proxy: &Proxy) {
    eventually("no more connections", async || TcpStream::connect(&proxy.address).await.err().map(drop)).await;
}

#[tokio::test]
async fn a_call_in_flight_is_finished_and_new_ones_are_sent_elsewhere() {
    let (aws, gate) = held().await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let mut client = proxy.cognito().await;
    let mut first = client.clone();
    let first = tokio::spawn(async move { first.list_identity_providers(list()).await });
    aws.has_seen(1).await;
    // A watch never ends by itself: it must not hold up the drain.
    let mut health = HealthClient::new(proxy.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    proxy.signal("-TERM");
    draining(&proxy).await;
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!((get(&proxy.admin, "/readyz").await.0, get(&proxy.admin, "/livez").await.0), (503, 200));
    closed(&proxy).await;
    // Refused with PROXY_DRAINING, or not even sent, since the connection was told to go: tonic calls that cancelled.
    let refused = client.list_identity_providers(list()).await.err().expect("a refusal");
    assert!([Code::Unavailable, Code::Cancelled].contains(&refused.code()), "{refused:?}");
    assert!(!first.is_finished() && aws.seen().len() == 1, "AWS has not answered, and has seen no second call");

    gate.add_permits(1);
    first.await.unwrap().expect("the call in flight is finished");
    let released = Instant::now();
    assert_eq!(proxy.ended().await.code(), Some(0));
    assert!(released.elapsed() < Duration::from_secs(10), "far less than the 30 seconds that calls may take");
}

/// What load balancers and meshes need: they are told first, and whoever has not heard yet is served.
#[tokio::test]
async fn until_the_delay_is_over_calls_are_served_and_health_says_that_no_more_should_come() {
    let aws = ScriptedAws::always(Answer::new(200, r#"{"Providers":[]}"#)).await;
    let proxy = Proxy::against(&aws.endpoint, &[("IDP_PROXY__SERVER__DRAIN_DELAY_MS", "10000")]).await;
    let mut client = proxy.cognito().await;
    let asked = Instant::now();
    proxy.signal("-TERM");
    draining(&proxy).await;
    let mut health = HealthClient::new(proxy.channel().await);
    let answer = health.check(HealthCheckRequest::default()).await.expect("a new connection is still taken");
    assert_eq!(answer.into_inner().status(), ServingStatus::NotServing);
    assert_eq!((get(&proxy.admin, "/readyz").await.0, get(&proxy.admin, "/livez").await.0), (503, 200));
    // On whichever connection. A machine on which this takes longer than the delay would see a refusal.
    let served =
        [client.list_identity_providers(list()).await, proxy.cognito().await.list_identity_providers(list()).await];
    assert!(served.iter().all(Result::is_ok), "{:?}", served.map(Result::err));
    assert_eq!(proxy.ended().await.code(), Some(0));
    assert!(asked.elapsed() >= Duration::from_secs(10), "nobody is sent away before the delay is over");
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_finished_before_the_end() {
    let (aws, gate) = held().await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let mut client = proxy.cognito().await;
    let call = tokio::spawn(async move { client.create_identity_provider(create()).await });
    aws.has_seen(1).await;
    call.abort();
    assert!(call.await.is_err_and(|why| why.is_cancelled()));
    proxy.signal("-TERM");
    draining(&proxy).await;
    gate.add_permits(1);
    let code = |line: &serde_json::Value| (line.get("message")? == "call").then(|| line["code"].clone());
    assert_eq!(proxy.log_line(code).await, "OK");
    assert_eq!(proxy.ended().await.code(), Some(0));
}

#[tokio::test]
async fn calls_that_outlast_the_drain_time_are_told_how_far_they_came_and_it_ends_with_1() {
    let (aws, _gate) = held().await;
    let proxy = Proxy::against(&aws.endpoint, &[("IDP_PROXY__SERVER__DRAIN_MAX_MS", "50")]).await;
    let mut calls = JoinSet::new();
    for rpc in rpcs::all() {
        let channel = proxy.channel().await;
        calls.spawn(async move { (rpc.clone(), rpc.call(channel).await.unwrap_err()) });
    }
    aws.has_seen(rpcs::all().len()).await;
    // A message that never arrives: nothing was begun.
    let mut unread = proxy.channel().await;
    let never = futures_util::stream::pending::<Result<Frame<Bytes>, std::convert::Infallible>>();
    let path = format!("http://{}/{}", proxy.address, Action::CognitoCreate.grpc_method());
    let request = http::Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    let unread =
        tokio::spawn(unread.ready().await.unwrap().call(request.body(Body::new(StreamBody::new(never))).unwrap()));
    eventually("all calls in flight", async || {
        (metric(&proxy, "idp_proxy_in_flight").await == Some(1 + rpcs::all().len() as u64)).then_some(())
    })
    .await;

    assert_eq!(proxy.terminate().await.code(), Some(1));
    for (rpc, status) in calls.join_all().await {
        // What may have happened and must not happen twice is nothing to repeat; the rest is another replica's.
        let wanted = if rpc.repeat == Repeat::Once {
            (Code::Unknown, "OUTCOME_UNKNOWN")
        } else {
            (Code::Unavailable, "PROXY_DRAINING")
        };
        let info = info(&status);
        assert_eq!((status.code(), &*info.reason), wanted, "{}", rpc.action);
        let applied = info.metadata.get("mayHaveBeenApplied").is_some_and(|applied| applied == "true");
        assert_eq!(applied, rpc.action.is_write(), "{}", rpc.action);
        let pushback = status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap());
        assert_eq!(pushback, (rpc.repeat == Repeat::Once).then_some("-1"), "{}", rpc.action);
    }
    let status = Status::from_header_map(unread.await.unwrap().unwrap().headers()).expect("a status in the headers");
    assert_eq!((status.code(), &*info(&status).reason), (Code::Unavailable, "PROXY_DRAINING"));
    assert_eq!(info(&status).metadata["mayHaveBeenApplied"], "false");
}

#[tokio::test]
async fn without_calls_it_ends_at_once_on_either_signal() {
    for signal in ["-TERM", "-INT"] {
        let proxy = Proxy::sandbox().await;
        proxy.cognito().await.list_identity_providers(list()).await.unwrap();
        let idle = proxy.channel().await;
        let asked = Instant::now();
        proxy.signal(signal);
        assert_eq!(proxy.ended().await.code(), Some(0), "{signal}");
        assert!(asked.elapsed() < Duration::from_secs(10), "an idle connection does not hold it up");
        drop(idle);
    }
}
