//! One broken account does not harm another.

use std::sync::Arc;

use idp_proxy::proto::cognito::v1::DescribeIdentityProviderRequest;
use tokio::sync::Semaphore;
use tonic::{Code, Status, transport::Channel};

use super::{A, Cognito, POOL_A, POOL_B, field, key, list, list_as, nothing, proxy, role, session};
use crate::support::{Answer, ScriptedAws, assert_refused, eventually, within};

/// Fewer than the calls that wait for A may be, and enough for B.
const IN_FLIGHT: usize = 80;
/// What one account's calls may wait for STS.
const WAITING: usize = 64;

/// A read of A's that is equal to no other: equal ones would share one call.
async fn describe(mut client: Cognito<Channel>, number: usize) -> Result<(), Status> {
    let provider_name = format!("Corp{number}");
    let request = DescribeIdentityProviderRequest { user_pool_id: POOL_A.to_owned(), provider_name };
    client.describe_identity_provider(request).await.map(drop)
}

#[tokio::test]
async fn a_hanging_sts_for_one_account_leaves_the_other_at_full_speed() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    let never = Arc::new(Semaphore::new(0));
    let sts = ScriptedAws::start(move |_, seen| {
        let answer = session("AKIDOFB", 3600);
        if field(seen, "RoleArn").unwrap() == role(A) { answer.held_by(&never) } else { answer }
    })
    .await;
    let many = IN_FLIGHT.to_string();
    let proxy = proxy(&aws, &sts, &[("IDP_PROXY__SERVER__IN_FLIGHT_MAX", &many)]).await;
    let client = proxy.cognito().await;
    // As many calls for A as the server takes at all: some wait, and the rest is told to come again.
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..IN_FLIGHT {
        let client = client.clone();
        waiting.spawn(async move { describe(client, number).await });
    }
    for _ in 0..IN_FLIGHT - WAITING {
        let refused = waiting.join_next().await.unwrap().unwrap();
        assert_refused(refused, Code::Unavailable, "PROXY_CREDENTIALS_UNAVAILABLE");
    }
    // The log is read by a thread of its own, which may be behind.
    let crowded = || proxy.log().matches("too many calls wait for STS").count();
    eventually("a line for each refused call", async || (crowded() == IN_FLIGHT - WAITING).then_some(())).await;
    let mut client = client;
    for _ in 0..20 {
        list(&mut client, POOL_B).await.unwrap();
    }
    assert!(aws.seen().iter().all(|seen| key(seen) == "AKIDOFB"));
    let asked = sts.seen().iter().filter(|seen| field(seen, "RoleArn").unwrap() == role(A)).count();
    assert!(asked <= 3, "all that wait share one question, which the SDK may repeat: {asked}");
    assert_eq!(waiting.len(), WAITING, "the others still wait");
}

#[tokio::test]
async fn what_one_account_spends_on_retries_the_other_does_not_lack() {
    // A always fails; B fails once for each name, so that it needs a second attempt.
    let failed = std::sync::Mutex::new(std::collections::HashSet::new());
    let failure = || Answer::new(500, r#"{"__type":"InternalErrorException","message":""}"#);
    let aws = ScriptedAws::start(move |_, seen| match key(seen).as_str() {
        "AKIDOFA" => failure(),
        _ if failed.lock().unwrap().insert(super::header(seen, "amz-sdk-invocation-id")) => failure(),
        _ => nothing(seen),
    })
    .await;
    let sts = ScriptedAws::start(|_, seen| {
        let key = if field(seen, "RoleArn").unwrap() == role(A) { "AKIDOFA" } else { "AKIDOFB" };
        session(key, 3600)
    })
    .await;
    let proxy = proxy(&aws, &sts, &[]).await;
    let client = proxy.cognito().await;
    // The SDK's bucket has 500 tokens: until there are none for A.
    let exhausted = |refused: &Status| crate::support::info(refused).metadata["attempts"] == "1";
    within(std::time::Duration::from_mins(1), "A has used up its retries", async || {
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..60 {
            let client = client.clone();
            calls.spawn(async move { describe(client, number).await });
        }
        let all = calls.join_all().await;
        all.iter().any(|one| one.as_ref().is_err_and(exhausted)).then_some(())
    })
    .await;
    let mut client = client;
    list(&mut client, POOL_B).await.expect("B's second attempt");
}

#[tokio::test]
async fn callers_of_one_account_do_not_wait_for_each_others_sessions() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    let never = Arc::new(Semaphore::new(0));
    let sts = ScriptedAws::start(move |_, seen| {
        let answer = session("AKIDOFA", 3600);
        if field(seen, "RoleSessionName").unwrap() == "slow.ns" { answer.held_by(&never) } else { answer }
    })
    .await;
    let by_header = [
        ("IDP_PROXY__IDENTITY__MESH__HEADER", "l5d-client-id"),
        ("IDP_PROXY__IDENTITY__MESH__TRUSTED_PEERS", "[\"127.0.0.1/32\"]"),
    ];
    let proxy = proxy(&aws, &sts, &by_header).await;
    let mut client = proxy.cognito().await;
    let mut slow = client.clone();
    let slow = tokio::spawn(async move { list_as(&mut slow, "slow.ns", POOL_A).await });
    sts.has_seen(1).await;
    // The same read by another caller is another call: CloudTrail names who made it.
    list_as(&mut client, "fast.ns", POOL_A).await.unwrap();
    assert!(!slow.is_finished());
    slow.abort();
}
