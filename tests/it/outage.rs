//! AWS down, or hanging, at any time: deadlines hold, nothing is left behind, and no restart is needed.

use std::sync::Arc;

use futures_util::future::join_all;
use idp_proxy::domain::Action;
use tokio::{net::TcpListener, sync::Semaphore};
use tonic::Code;

use crate::{
    deadline::client,
    rpcs::{self, Rpc},
    support::{Answer, FakeAws, Proxy, SANDBOX_PORTAL, SANDBOX_USER_POOL, ScriptedAws, eventually, info, metric},
};

/// As operators have it: AWS's quotas are in force, so that calls wait for those too.
const QUOTAS: [(&str, &str); 4] = [
    ("IDP_PROXY__QUOTA__COGNITO_WRITE", "15"),
    ("IDP_PROXY__QUOTA__COGNITO_READ", "20"),
    ("IDP_PROXY__QUOTA__COGNITO_PER_POOL", "5"),
    ("IDP_PROXY__QUOTA__WORKSPACESWEB", "10"),
];

async fn is_calm(proxy: &Proxy) {
    eventually("no call in flight", async || metric(proxy, "idp_proxy_in_flight").await.filter(|&calls| calls == 0))
        .await;
}

#[tokio::test]
async fn where_aws_is_down_calls_say_so_and_when_it_is_back_they_succeed() {
    // A port that nobody listens on, to which AWS comes later.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let once = ("IDP_PROXY__AWS__ATTEMPTS_MAX", "1");
    let proxy = Proxy::against(&format!("http://{address}"), &[&QUOTAS[..], &[once]].concat()).await;
    let channel = proxy.channel().await;
    let describe = Rpc::of(Action::CognitoDescribe);
    for round in 0..3 {
        for rpc in rpcs::all() {
            let refused = rpc.call(channel.clone()).await.unwrap_err();
            let reason = info(&refused).reason;
            assert_eq!((refused.code(), &*reason), (Code::Unavailable, "AWS_UNREACHABLE"), "{round} {}", rpc.action);
        }
        is_calm(&proxy).await;
        let aws =
            FakeAws::start_on(&address.to_string(), &["--user-pool", SANDBOX_USER_POOL, "--portal", SANDBOX_PORTAL])
                .await;
        let answered = describe.call(channel.clone()).await.unwrap_err();
        assert_eq!((answered.code(), &*info(&answered).metadata["origin"]), (Code::NotFound, "aws"), "AWS is back");
        aws.terminate().await;
    }
}

#[tokio::test]
async fn where_aws_hangs_deadlines_hold_and_when_it_answers_again_calls_succeed() {
    let gate = Arc::new(Semaphore::new(0));
    let aws = ScriptedAws::always(Answer::new(200, "{}").held_by(&gate)).await;
    let proxy = Proxy::against(&aws.endpoint, &QUOTAS).await;
    let channel = proxy.channel().await;
    for _ in 0..2 {
        let calls = (0..4).flat_map(|_| rpcs::all()).map(|rpc| {
            let mut client = client(&proxy);
            async move {
                (rpc.action, rpc.send(&mut client, rpc.valid.clone(), &[("grpc-timeout", "2S")]).await.unwrap_err())
            }
        });
        for (action, status) in join_all(calls).await {
            // What was not sent in time for want of a token was refused before.
            let reason = info(&status).reason;
            let is_told = matches!((status.code(), &*reason), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"))
                || matches!((status.code(), &*reason), (Code::ResourceExhausted, "PROXY_RATE_LIMITED"))
                || matches!((status.code(), &*reason), (Code::Unknown, "OUTCOME_UNKNOWN"));
            assert!(is_told, "{action}: {status:?}");
        }
        is_calm(&proxy).await;
    }
    let rpc = Rpc::of(Action::CognitoList);
    aws.now(rpc.answer());
    rpc.call(channel).await.expect("AWS answers again");
    is_calm(&proxy).await;
}

#[tokio::test]
async fn calls_whose_callers_left_while_aws_hung_leave_nothing_behind() {
    let gate = Arc::new(Semaphore::new(0));
    let aws = ScriptedAws::always(Answer::new(200, "{}").held_by(&gate)).await;
    let more = [&QUOTAS[..], &[("IDP_PROXY__SERVER__DEADLINE_MAX_MS", "3000")]].concat();
    let proxy = Proxy::against(&aws.endpoint, &more).await;
    let calls: Vec<_> = {
        let channel = proxy.channel().await;
        let call = |rpc: Rpc| {
            tokio::spawn({
                let channel = channel.clone();
                async move { rpc.call(channel).await }
            })
        };
        (0..4).flat_map(|_| rpcs::all()).map(call).collect()
    };
    aws.has_seen(rpcs::all().len()).await;
    for call in calls {
        call.abort();
    }
    is_calm(&proxy).await;
    let rpc = Rpc::of(Action::WebGet);
    aws.now(rpc.answer());
    rpc.call(proxy.channel().await).await.expect("there is room");
    assert_eq!(proxy.terminate().await.code(), Some(0), "writes that went on have ended");
}
