//! Equal calls in flight are one call at AWS; others are not.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use idp_proxy::{domain::Action, proto::cognito::v1 as c};
use serde_json::json;
use tokio::sync::Semaphore;
use tonic::{Code, Request};

use super::{count, create, for_many_callers, from, under};
use crate::{
    rpcs::Rpc,
    support::{Proxy, SANDBOX_USER_POOL, Scratch, ScriptedAws, allowed, assert_refused, ended},
};

/// Calls that are made together; more than the runtime has threads.
const MANY: usize = 20;

fn list() -> c::ListIdentityProvidersRequest {
    c::ListIdentityProvidersRequest { user_pool_id: SANDBOX_USER_POOL.to_owned(), ..Default::default() }
}

/// An AWS that answers as to `action` when the gate lets it.
async fn gated(action: Action) -> (Arc<Semaphore>, ScriptedAws) {
    let gate = Arc::new(Semaphore::new(0));
    let answer = Rpc::of(action).answer().held_by(&gate);
    (gate, ScriptedAws::always(answer).await)
}

#[tokio::test]
async fn equal_writes_of_one_caller_are_one_call_and_have_one_answer() {
    for what in ["request_id", "x-request-id"] {
        let request = move || match what {
            "request_id" => Request::new(create("intent-1")),
            _ => under("mesh-1", create("")),
        };
        let (gate, aws) = gated(Action::CognitoCreate).await;
        let proxy = Proxy::against(&aws.endpoint, &[]).await;
        let client = proxy.cognito().await;
        let calls = (0..MANY).map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.create_identity_provider(request()).await.unwrap().into_inner() })
        });
        let calls: Vec<_> = calls.collect();
        allowed(&proxy, MANY).await;
        gate.add_permits(MANY);
        let answers = join_all(calls).await;
        assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == answers[0].as_ref().unwrap()), "{what}");
        assert_eq!(count(&aws.seen(), "CreateIdentityProvider"), 1, "{what}");
    }
}

#[tokio::test]
async fn calls_of_two_callers_or_of_other_content_or_without_a_name_are_not_one() {
    let scratch = Scratch::new();
    let (gate, aws) = gated(Action::CognitoCreate).await;
    let proxy = for_many_callers(&scratch, &aws.endpoint).await;
    let mut other = create("intent-2");
    other.idp_identifiers.clear();
    let requests = vec![
        from("a.ns", create("intent-1")),
        from("b.ns", create("intent-1")),
        from("a.ns", other),
        from("a.ns", create("")),
        from("a.ns", create("")),
    ];
    let client = proxy.cognito().await;
    let calls = requests.into_iter().map(|request| {
        let mut client = client.clone();
        tokio::spawn(async move { client.create_identity_provider(request).await.unwrap() })
    });
    let calls: Vec<_> = calls.collect();
    aws.has_seen(5).await;
    gate.add_permits(MANY);
    join_all(calls).await;
    assert_eq!(count(&aws.seen(), "CreateIdentityProvider"), 5);
}

#[tokio::test]
async fn call_that_joined_says_so_in_the_audit_and_has_no_intent_of_its_own() {
    let scratch = Scratch::new();
    let (gate, aws) = gated(Action::CognitoCreate).await;
    let proxy = for_many_callers(&scratch, &aws.endpoint).await;
    let client = proxy.cognito().await;
    let call = |id: &str| {
        let (mut client, mut request) = (client.clone(), from("a.ns", create("intent-1")));
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
        tokio::spawn(async move { client.create_identity_provider(request).await.unwrap() })
    };
    let first = call("first");
    aws.has_seen(1).await;
    let second = call("second");
    allowed(&proxy, 2).await;
    gate.add_permits(2);
    join_all([first, second]).await;
    let audit = scratch.join("audit.log");
    let lines = ended(&audit, "first").await;
    assert_eq!((lines.len(), &lines[1]["joined"]), (2, &json!(null)), "{lines:?}");
    let lines = ended(&audit, "second").await;
    assert_eq!((lines.len(), &lines[0]["joined"]), (1, &json!(true)), "{lines:?}");
    assert_eq!((&lines[0]["attempts"], &lines[0]["code"]), (&json!(1), &json!("OK")));
}

#[tokio::test]
async fn equal_reads_are_one_call_whoever_asks() {
    let scratch = Scratch::new();
    let (gate, aws) = gated(Action::CognitoList).await;
    let proxy = for_many_callers(&scratch, &aws.endpoint).await;
    let client = proxy.cognito().await;
    let calls = (0..MANY).map(|n| {
        let mut client = client.clone();
        tokio::spawn(async move { client.list_identity_providers(from(&format!("c{n}.ns"), list())).await.unwrap() })
    });
    let calls: Vec<_> = calls.collect();
    allowed(&proxy, MANY).await;
    gate.add_permits(MANY);
    join_all(calls).await;
    assert_eq!(aws.seen().len(), 1);
}

#[tokio::test]
async fn reads_of_different_things_are_not_one() {
    let (gate, aws) = gated(Action::CognitoList).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let client = proxy.cognito().await;
    let pools = ["us-east-1_Pool1", "us-east-1_Pool2", "us-east-1_Pool3"];
    let calls = pools.map(|pool| {
        let (mut client, mut request) = (client.clone(), list());
        request.user_pool_id = pool.to_owned();
        tokio::spawn(async move { client.list_identity_providers(request).await.unwrap() })
    });
    aws.has_seen(pools.len()).await;
    gate.add_permits(MANY);
    join_all(calls).await;
    let asked: Vec<String> = aws.seen().iter().map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect();
    assert!(pools.iter().all(|pool| asked.iter().any(|body| body.contains(pool))), "{asked:?}");
}

#[tokio::test]
async fn read_after_a_write_does_not_join_one_from_before_it() {
    let gate = Arc::new(Semaphore::new(0));
    let (listed, created) =
        (Rpc::of(Action::CognitoList).answer().held_by(&gate), Rpc::of(Action::CognitoCreate).answer());
    let is_create = |seen: &crate::support::Seen| super::is(seen, "CreateIdentityProvider");
    let aws = ScriptedAws::start(move |_, seen| if is_create(seen) { created.clone() } else { listed.clone() }).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let client = proxy.cognito().await;
    let read = || {
        let mut client = client.clone();
        tokio::spawn(async move { client.list_identity_providers(list()).await.unwrap() })
    };
    let before = read();
    aws.has_seen(1).await;
    client.clone().create_identity_provider(create("")).await.unwrap();
    let after = read();
    aws.has_seen(3).await;
    gate.add_permits(2);
    join_all([before, after]).await;
    assert_eq!(count(&aws.seen(), "ListIdentityProviders"), 2);
}

#[tokio::test]
async fn caller_that_goes_away_or_has_no_time_does_not_take_the_others_with_it() {
    // A read ends with its caller; whoever waited for it asks by itself.
    let (gate, aws) = gated(Action::CognitoList).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let client = proxy.cognito().await;
    let read = |timeout: Option<Duration>| {
        let (mut client, mut request) = (client.clone(), Request::new(list()));
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        tokio::spawn(async move { client.list_identity_providers(request).await })
    };
    let first = read(None);
    aws.has_seen(1).await;
    let second = read(None);
    allowed(&proxy, 2).await;
    first.abort();
    aws.has_seen(2).await;
    gate.add_permits(2);
    second.await.unwrap().unwrap();

    // The same where the first one's time is over.
    let (gate, aws) = gated(Action::CognitoList).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let client = proxy.cognito().await;
    let read = |timeout: Duration| {
        let (mut client, mut request) = (client.clone(), Request::new(list()));
        request.set_timeout(timeout);
        tokio::spawn(async move { client.list_identity_providers(request).await })
    };
    let short = read(Duration::from_secs(2));
    aws.has_seen(1).await;
    let long = read(Duration::from_mins(1));
    assert_refused(short.await.unwrap(), Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    aws.has_seen(2).await;
    gate.add_permits(2);
    long.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_that_waits_for_another_call_leaves_at_its_own_deadline() {
    let (_gate, aws) = gated(Action::CognitoCreate).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let client = proxy.cognito().await;
    let mut first = client.clone();
    let first = tokio::spawn(async move { first.create_identity_provider(create("intent-1")).await });
    aws.has_seen(1).await;
    let mut request = Request::new(create("intent-1"));
    request.set_timeout(Duration::from_secs(1));
    let refused = client.clone().create_identity_provider(request).await;
    let status = assert_refused(refused, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    assert_eq!(super::said(&status, "mayHaveBeenApplied").as_deref(), Some("true"), "the other call was sent");
    assert_eq!(aws.seen().len(), 1);
    first.abort();
}
