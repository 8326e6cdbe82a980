//! AWS's request quotas through the proxy: what AWS sees when fifty callers come at once, and what callers are told.

use std::{sync::Arc, time::Duration};

use idp_proxy::{
    domain::Action,
    proto::cognito::v1::{
        CreateIdentityProviderRequest as Create, CreateIdentityProviderResponse,
        DescribeIdentityProviderRequest as Describe,
        identity_provider_service_client::IdentityProviderServiceClient as Client,
    },
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout},
};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    rpcs::Rpc,
    support::{
        ANYONE, Answer, FakeAws, Proxy, SANDBOX_USER_POOL, Scratch, ScriptedAws, allowed, assert_refused, details,
        eventually, info, lines_about, metric,
    },
};

/// A proxy whose callers say who they are, with AWS's own quotas but for `more`, and an audit.
async fn proxy(scratch: &Scratch, endpoint: &str, more: &[(&str, &str)]) -> Proxy {
    let toml = format!(
        "[identity.mesh]\nheader = \"l5d-client-id\"\ntrusted_peers = [\"127.0.0.1/32\"]\n[policy]\ndirectory = {:?}\n[audit]\nsink = {:?}\n",
        ANYONE[1].1,
        scratch.join("audit.jsonl"),
    );
    let file = scratch.file("idp-proxy.toml", toml);
    let aws = [("AWS_ENDPOINT_URL", endpoint), ("AWS_ACCESS_KEY_ID", "AKIDTEST"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let arguments =
        ["serve", "--config", file.to_str().unwrap(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    Proxy::start(&arguments, &[&aws, more].concat()).await
}

/// A caller's request to make a provider of this name.
fn create(caller: &str, pool: &str, name: &str) -> Request<Create> {
    let create = Create {
        user_pool_id: pool.to_owned(),
        provider_name: name.to_owned(),
        provider_type: "OIDC".to_owned(),
        provider_details: details("OIDC"),
        ..Create::default()
    };
    of(caller, create)
}

fn of<T>(caller: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("l5d-client-id", format!("{caller}.team.serviceaccount.identity.linkerd").parse().unwrap());
    request
}

/// A call under way, with AWS's answer or ours.
type Calls = JoinSet<(usize, Result<CreateIdentityProviderResponse, Status>)>;

/// Sends `count` creates of a caller's at once.
fn at_once(calls: &mut Calls, client: &Client<Channel>, caller: &str, count: usize) {
    for number in 0..count {
        let (mut client, request) = (client.clone(), create(caller, SANDBOX_USER_POOL, &format!("{caller}{number}")));
        calls.spawn(async move {
            (number, client.create_identity_provider(request).await.map(tonic::Response::into_inner))
        });
    }
}

/// AWS that makes everything that it is asked for.
async fn making() -> ScriptedAws {
    ScriptedAws::always(Rpc::of(Action::CognitoCreate).answer()).await
}

/// Which providers AWS was asked to make, in order.
fn made(aws: &ScriptedAws) -> Vec<String> {
    let name = |body: &[u8]| {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        body["ProviderName"].as_str().unwrap().to_owned()
    };
    aws.seen().iter().map(|seen| name(&seen.body)).collect()
}

/// One each second to one pool.
const ONE_A_SECOND: [(&str, &str); 1] = [("IDP_PROXY__QUOTA__COGNITO_PER_POOL", "1")];

#[tokio::test]
async fn fifty_callers_at_once_are_all_served_and_aws_throttles_none() {
    let pools: Vec<String> = (0..10).map(|pool| format!("us-east-1_Pool{pool}")).collect();
    let arguments = pools.iter().flat_map(|pool| ["--user-pool", pool]).chain(["--quota", "real"]);
    let aws = FakeAws::start(&arguments.collect::<Vec<_>>()).await;
    let scratch = Scratch::new();
    let proxy = proxy(&scratch, &aws.endpoint, &[]).await;
    let channel = proxy.channel().await;
    let mut calls = JoinSet::new();
    for caller in 0..50 {
        let (mut client, pool) = (Client::new(channel.clone()), pools[caller % 10].clone());
        calls.spawn(async move {
            let (caller, name) = (format!("caller{caller}"), format!("Corp{caller}"));
            client.create_identity_provider(create(&caller, &pool, &name)).await?;
            let describe = Describe { user_pool_id: pool, provider_name: name };
            client.describe_identity_provider(of(&caller, describe)).await.map(drop)
        });
    }
    for outcome in calls.join_all().await {
        outcome.unwrap();
    }
    let answered = eventually("what AWS answered", async || Some(aws.answered()).filter(|all| all.len() >= 100)).await;
    assert_eq!(answered.len(), 100, "nothing was sent twice");
    let refused: Vec<_> = answered.iter().filter(|(_, code)| code.is_some()).collect();
    assert!(refused.is_empty(), "{refused:?}");
    for category in ["cognito_write", "cognito_read", "cognito_per_pool"] {
        let waits = metric(&proxy, &format!("idp_proxy_quota_wait_seconds_count{{category=\"{category}\"}}")).await;
        assert!(waits.is_some(), "{category}");
    }
    assert_eq!(metric(&proxy, "idp_proxy_in_flight").await, Some(0));
}

#[tokio::test]
async fn one_greedy_caller_does_not_starve_another() {
    let (aws, scratch) = (making().await, Scratch::new());
    let proxy = proxy(&scratch, &aws.endpoint, &ONE_A_SECOND).await;
    let (client, mut calls) = (proxy.cognito().await, Calls::new());
    at_once(&mut calls, &client, "greedy", 10);
    aws.has_seen(1).await;
    let mut modest = client.clone();
    modest.create_identity_provider(create("modest", SANDBOX_USER_POOL, "modest")).await.unwrap();
    let made = made(&aws);
    // One that was served before, one whose turn came first, and room for a slow machine; without turns it were eleven.
    assert!(made.len() <= 5, "{made:?}");
}

#[tokio::test]
async fn a_call_that_cannot_be_sent_in_time_is_refused_at_once_and_told_when_to_come_again() {
    let (aws, scratch) = (making().await, Scratch::new());
    let proxy = proxy(&scratch, &aws.endpoint, &ONE_A_SECOND).await;
    let (mut client, mut calls) = (proxy.cognito().await, Calls::new());
    at_once(&mut calls, &client, "team", 10);
    aws.has_seen(1).await;
    let mut late = create("team", SANDBOX_USER_POOL, "late");
    late.set_timeout(Duration::from_secs(3));
    late.metadata_mut().insert("x-request-id", "late".parse().unwrap());
    let asked = Instant::now();
    let refused =
        assert_refused(client.create_identity_provider(late).await, Code::ResourceExhausted, "PROXY_RATE_LIMITED");
    assert!(asked.elapsed() < Duration::from_secs(3), "before its time was over");
    let quota = refused.get_details_quota_failure().unwrap().violations.remove(0);
    assert_eq!((&*quota.subject, quota.quota_value), ("userPools/us-east-1_Sandbox01", 1));
    let delay = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(delay > Duration::from_secs(2), "{delay:?}, of a queue of nine");
    assert_eq!(info(&refused).metadata["mayHaveBeenApplied"], "false");
    // It is on record as what it is: not sent, with no intent to.
    let lines = eventually("its line", async || {
        Some(lines_about(&scratch.join("audit.jsonl"), "late")).filter(|lines| !lines.is_empty())
    })
    .await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["stage"], &lines[0]["reason"]), (&"outcome".into(), &"PROXY_RATE_LIMITED".into()));
    assert!(!made(&aws).contains(&"late".to_owned()));
}

#[tokio::test]
async fn a_write_whose_caller_went_away_while_it_waited_is_not_sent() {
    let (aws, scratch) = (making().await, Scratch::new());
    let proxy = proxy(&scratch, &aws.endpoint, &ONE_A_SECOND).await;
    let (client, mut calls) = (proxy.cognito().await, Calls::new());
    at_once(&mut calls, &client, "team", 4);
    aws.has_seen(1).await;
    let mut gone = create("other", SANDBOX_USER_POOL, "gone");
    gone.metadata_mut().insert("x-request-id", "gone".parse().unwrap());
    let mut leaving = proxy.cognito().await;
    // Its turn is a second from now at the soonest.
    drop(timeout(Duration::from_millis(300), leaving.create_identity_provider(gone)).await);
    let file = scratch.join("audit.jsonl");
    let lines =
        eventually("its line", async || Some(lines_about(&file, "gone")).filter(|lines| !lines.is_empty())).await;
    assert_eq!(lines.len(), 1, "no intent: {lines:?}");
    let told = ["stage", "code", "reason", "attempts"].map(|key| lines[0][key].to_string());
    assert_eq!(told, ["\"outcome\"", "\"CANCELLED\"", "\"CALLER_GONE\"", "0"]);
    for (_, outcome) in calls.join_all().await {
        outcome.unwrap();
    }
    let made = made(&aws);
    assert!(made.len() == 4 && !made.contains(&"gone".to_owned()), "{made:?}");
    eventually("no call in flight", async || metric(&proxy, "idp_proxy_in_flight").await.filter(|&calls| calls == 0))
        .await;
}

#[tokio::test]
async fn throttles_of_awss_and_the_sdks_retries_put_off_later_calls() {
    let scratch = Scratch::new();
    let good = Rpc::of(Action::CognitoCreate).answer();
    let throttled = Answer::new(400, r#"{"__type":"TooManyRequestsException","message":"Rate exceeded"}"#);
    let aws = ScriptedAws::start(move |at, _| if at == 0 { throttled.clone() } else { good.clone() }).await;
    let proxy = proxy(&scratch, &aws.endpoint, &ONE_A_SECOND).await;
    let mut client = proxy.cognito().await;
    let began = Instant::now();
    client.create_identity_provider(create("team", SANDBOX_USER_POOL, "first")).await.unwrap();
    assert_eq!(aws.seen().len(), 2, "the SDK has tried again");
    let mut second = create("team", SANDBOX_USER_POOL, "second");
    second.set_timeout(Duration::from_millis(300));
    let refused = client.create_identity_provider(second).await;
    let refused = assert_refused(refused, Code::ResourceExhausted, "PROXY_RATE_LIMITED");
    // Two requests are owed, at 0.7 a second and then little more: 2.78 seconds. Without the retry it were 1.42, without
    // the throttle 2, and a quarter more at most is added by chance.
    let delay = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(delay + began.elapsed() >= Duration::from_millis(2780), "{delay:?} after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_full_queue_leaves_room_for_calls_that_need_not_wait() {
    let (aws, scratch) = (making().await, Scratch::new());
    // Ten in flight, of which five may wait.
    let environment = [ONE_A_SECOND[0], ("IDP_PROXY__SERVER__IN_FLIGHT_MAX", "10")];
    let proxy = proxy(&scratch, &aws.endpoint, &environment).await;
    let (mut client, mut calls) = (proxy.cognito().await, Calls::new());
    at_once(&mut calls, &client, "greedy", 9);
    // One is sent, five wait, three have no room.
    for _ in 0..3 {
        let (_, outcome) = calls.join_next().await.unwrap().unwrap();
        let Err(refused) = outcome else { continue };
        assert_eq!((refused.code(), &*info(&refused).reason), (Code::ResourceExhausted, "PROXY_RATE_LIMITED"));
    }
    client.create_identity_provider(create("modest", "us-east-1_Other", "modest")).await.unwrap();
    assert!(made(&aws).contains(&"modest".to_owned()));
}

#[tokio::test]
async fn on_the_way_down_what_cannot_be_sent_any_more_is_told_so_at_once_and_the_rest_is_served() {
    let (aws, scratch) = (making().await, Scratch::new());
    let environment = [ONE_A_SECOND[0], ("IDP_PROXY__SERVER__DRAIN_MAX_MS", "3000")];
    let proxy = proxy(&scratch, &aws.endpoint, &environment).await;
    let (client, mut calls) = (proxy.cognito().await, Calls::new());
    at_once(&mut calls, &client, "team", 20);
    aws.has_seen(1).await;
    eventually("all of them in the queue", async || {
        let waiting = metric(&proxy, "idp_proxy_in_flight").await?;
        (usize::try_from(waiting).unwrap() + aws.seen().len() >= 20).then_some(())
    })
    .await;
    proxy.signal("-TERM");
    let (mut served, mut refused) = (0, 0);
    while let Some(outcome) = calls.join_next().await {
        match outcome.unwrap().1 {
            Ok(_) => served += 1,
            Err(status) => {
                assert_eq!(
                    (status.code(), &*info(&status).reason),
                    (Code::Unavailable, "PROXY_DRAINING"),
                    "{status:?}"
                );
                assert_eq!(info(&status).metadata["mayHaveBeenApplied"], "false");
                assert!(status.metadata().get("grpc-retry-pushback-ms").is_none(), "another replica may serve it");
                refused += 1;
            }
        }
    }
    assert_eq!((served + refused, served), (20, made(&aws).len()), "who was sent was answered");
    assert!(served > 1 && refused > 0, "{served} served, {refused} refused");
    assert_eq!(proxy.ended().await.code(), Some(0), "all of it within the drain time");
}

#[tokio::test]
async fn reads_that_are_equal_spend_one_request() {
    let scratch = Scratch::new();
    let gate = Arc::new(Semaphore::new(0));
    let aws = ScriptedAws::always(Rpc::of(Action::CognitoDescribe).answer().held_by(&gate)).await;
    let proxy = proxy(&scratch, &aws.endpoint, &ONE_A_SECOND).await;
    let channel = proxy.channel().await;
    let mut calls = JoinSet::new();
    for caller in 0..20 {
        let mut client = Client::new(channel.clone());
        calls.spawn(async move {
            let describe = Describe { user_pool_id: SANDBOX_USER_POOL.to_owned(), provider_name: "Corp".to_owned() };
            client.describe_identity_provider(of(&format!("caller{caller}"), describe)).await.map(drop)
        });
    }
    allowed(&proxy, 20).await;
    gate.add_permits(1);
    for outcome in calls.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(aws.seen().len(), 1);
}

#[tokio::test]
async fn an_equal_call_takes_over_when_the_first_ones_caller_leaves_the_queue() {
    // Nothing is answered before all are under way.
    let gate = Arc::new(Semaphore::new(0));
    let aws = ScriptedAws::always(Rpc::of(Action::CognitoCreate).answer().held_by(&gate)).await;
    let scratch = Scratch::new();
    let proxy = proxy(&scratch, &aws.endpoint, &ONE_A_SECOND).await;
    let (client, mut calls) = (proxy.cognito().await, Calls::new());
    at_once(&mut calls, &client, "team", 3);
    aws.has_seen(1).await;
    let equal = || {
        let mut request = create("other", SANDBOX_USER_POOL, "equal");
        request.metadata_mut().insert("x-request-id", "equal".parse().unwrap());
        request
    };
    let (mut first, mut second) = (proxy.cognito().await, proxy.cognito().await);
    let leaving = tokio::spawn(async move { first.create_identity_provider(equal()).await });
    allowed(&proxy, 4).await;
    let staying = tokio::spawn(async move { second.create_identity_provider(equal()).await });
    allowed(&proxy, 5).await;
    leaving.abort();
    gate.add_permits(1);
    staying.await.unwrap().expect("it is made for the one who stayed");
    for (_, outcome) in calls.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(made(&aws).iter().filter(|name| *name == "equal").count(), 1);
}
