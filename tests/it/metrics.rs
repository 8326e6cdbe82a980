//! What is counted, under the contract's names, in the forms that Prometheus reads.

use std::sync::Arc;

use idp_proxy::domain::Action;
use regex::Regex;
use tokio::{sync::Semaphore, time::Duration};
use tonic::client::Grpc;

use crate::{
    rpcs::Rpc,
    support::{
        ANYONE, Answer, Authority, Proxy, Scratch, ScriptedAws, configured, eventually, get, get_with, metric, metrics,
        repository, within,
    },
};

/// Changed policies and certificates take effect within this.
const RELOADED: Duration = Duration::from_secs(20);

/// Every metric that is there before anything has happened.
const FROM_THE_START: [&str; 17] = [
    "rpc_server_call_duration_seconds_count{rpc_method=\"idpproxy.cognito.v1.IdentityProviderService/ListIdentityProviders\",rpc_response_status_code=\"OK\"}",
    "idp_proxy_errors_total{reason=\"AWS_THROTTLED\"}",
    "idp_proxy_errors_total{reason=\"PROXY_INTERNAL\"}",
    "idp_proxy_in_flight",
    "idp_proxy_aws_attempts_total",
    "idp_proxy_aws_duration_seconds_count{service=\"cognito-idp\",operation=\"CreateIdentityProvider\",outcome=\"throttled\"}",
    "idp_proxy_aws_duration_seconds_count{service=\"workspaces-web\",operation=\"GetIdentityProvider\",outcome=\"ok\"}",
    "idp_proxy_policy_decisions_total{decision=\"allow\"}",
    "idp_proxy_policy_decisions_total{decision=\"deny\"}",
    "idp_proxy_quota_wait_seconds_count{category=\"cognito_write\"}",
    "idp_proxy_quota_wait_seconds_count{category=\"workspacesweb\"}",
    "idp_proxy_confirmed_total",
    "idp_proxy_audit_failures_total",
    "idp_proxy_reloads_total{what=\"policies\",outcome=\"failed\"}",
    "idp_proxy_reloads_total{what=\"certificates\",outcome=\"ok\"}",
    "idp_proxy_reload_failing{what=\"key_sets\"}",
    "idp_proxy_reload_failing{what=\"policies\"}",
];

#[tokio::test]
async fn what_alerts_ask_for_is_there_before_its_first_event() {
    let proxy = Proxy::sandbox().await;
    for name in FROM_THE_START {
        assert_eq!(metric(&proxy, name).await, Some(0), "{name}");
    }
    // The alert on unknown outcomes picks the writes, and each of them has a series.
    let alerts = std::fs::read_to_string(repository().join("deploy/prometheus/alerts.yaml")).unwrap();
    let (_, pattern) = alerts.split_once("{rpc_method=~\"").unwrap();
    let (pattern, rest) = pattern.split_once('"').unwrap();
    assert!(rest.starts_with(",rpc_response_status_code=\"UNKNOWN\"}"), "another alert has this pattern: {rest}");
    let pattern = Regex::new(&format!("^(?:{pattern})$")).unwrap();
    for action in Action::ALL {
        let method = action.grpc_method();
        let labels = format!("rpc_method=\"{method}\",rpc_response_status_code=\"UNKNOWN\"");
        let name = format!("rpc_server_call_duration_seconds_count{{{labels}}}");
        assert_eq!(metric(&proxy, &name).await, action.is_write().then_some(0), "{name}");
        assert_eq!(pattern.is_match(method), action.is_write(), "{method}");
    }
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(metric(&proxy, &format!("idp_proxy_build_info{{version=\"{version}\"}}")).await, Some(1));
    let text = metrics(&proxy).await;
    assert!(!text.contains("idp_proxy_tls_certificate_expiry_timestamp_seconds{"), "there is no TLS: {text}");
}

#[tokio::test]
async fn each_reader_gets_the_format_that_it_asks_for() {
    let proxy = Proxy::sandbox().await;
    let (_, head, text) = get(&proxy.admin, "/metrics").await;
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(!text.contains("# UNIT") && !text.contains("# EOF"), "{text}");
    assert!(text.contains("# TYPE idp_proxy_confirmed_total counter\nidp_proxy_confirmed_total 0\n"), "{text}");
    // As a Prometheus server asks.
    let accept = "accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";
    let (_, head, text) = get_with(&proxy.admin, "/metrics", accept).await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(text.ends_with("# EOF\n"), "a whole OpenMetrics text");
    assert!(text.contains("# TYPE idp_proxy_confirmed counter\nidp_proxy_confirmed_total 0\n"), "{text}");
}

fn aws_count(action: Action, outcome: &str) -> String {
    let (service, operation) = (action.service().aws_name(), action.operation());
    let labels = format!("service=\"{service}\",operation=\"{operation}\",outcome=\"{outcome}\"");
    format!("idp_proxy_aws_duration_seconds_count{{{labels}}}")
}

#[tokio::test]
async fn every_attempt_at_aws_is_counted_by_its_outcome() {
    let refused = |status, code: &str| Answer::new(status, format!("{{\"__type\":\"{code}\",\"message\":\"no\"}}"));
    for action in [Action::CognitoList, Action::WebGet] {
        let rpc = Rpc::of(action);
        let throttled = match action {
            Action::CognitoList => refused(400, "TooManyRequestsException"),
            _ => refused(429, "ThrottlingException"),
        };
        let (failed, good) = (refused(500, "InternalErrorException"), rpc.answer());
        let answers = [throttled, failed, good];
        let aws = ScriptedAws::start(move |at, _| answers[at.min(2)].clone()).await;
        let proxy = Proxy::against(&aws.endpoint, &[]).await;
        let channel = proxy.channel().await;
        rpc.call(channel.clone()).await.expect("the third attempt succeeds");
        for outcome in ["throttled", "failed", "ok"] {
            assert_eq!(metric(&proxy, &aws_count(action, outcome)).await, Some(1), "{action} {outcome}");
        }
        assert_eq!(metric(&proxy, "idp_proxy_aws_attempts_total").await, Some(3));
        aws.now(refused(400, "ResourceNotFoundException"));
        assert!(rpc.call(channel.clone()).await.is_err());
        assert_eq!(metric(&proxy, &aws_count(action, "refused")).await, Some(1));
        let errors = "idp_proxy_errors_total{reason=\"RESOURCE_NOT_FOUND\"}";
        assert_eq!(metric(&proxy, errors).await, Some(1));

        // The caller's time is over before AWS answers.
        aws.now(Answer::new(200, "{}").held_by(&Arc::new(Semaphore::new(0))));
        let mut client = Grpc::new(channel);
        drop(rpc.send(&mut client, rpc.valid.clone(), &[("grpc-timeout", "300m")]).await);
        eventually("the attempt that was given up", async || metric(&proxy, &aws_count(action, "given_up")).await)
            .await;
        assert_eq!(metric(&proxy, "idp_proxy_aws_attempts_total").await, Some(5));
    }
}

#[tokio::test]
async fn an_attempt_without_an_answer_or_a_signature_has_its_own_outcome() {
    let rpc = Rpc::of(Action::CognitoList);
    let (gate, slow) = (Arc::new(Semaphore::new(0)), [("IDP_PROXY__AWS__ATTEMPT_TIMEOUT_MS", "200")]);
    let aws = ScriptedAws::always(Answer::new(200, "{}").held_by(&gate)).await;
    let once = [slow[0], ("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")];
    let proxy = Proxy::against(&aws.endpoint, &once).await;
    assert!(rpc.call(proxy.channel().await).await.is_err());
    assert_eq!(metric(&proxy, &aws_count(Action::CognitoList, "no_answer")).await, Some(1));

    let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let proxy = Proxy::start(&arguments, &[("AWS_ENDPOINT_URL", &aws.endpoint), ANYONE[0], ANYONE[1]]).await;
    assert!(rpc.call(proxy.channel().await).await.is_err(), "there are no credentials");
    assert_eq!(metric(&proxy, &aws_count(Action::CognitoList, "not_sent")).await, Some(1));
}

#[tokio::test]
async fn decisions_and_refusals_are_counted() {
    let scratch = Scratch::new();
    std::fs::write(scratch.join("read.cedar"), "permit (principal, action in IdpProxy::Action::\"read\", resource);")
        .unwrap();
    let aws = ScriptedAws::always(Rpc::of(Action::CognitoList).answer()).await;
    let policies = ("IDP_PROXY__POLICY__DIRECTORY", scratch.to_str().unwrap());
    let proxy = Proxy::against(&aws.endpoint, &[policies]).await;
    let channel = proxy.channel().await;
    Rpc::of(Action::CognitoList).call(channel.clone()).await.unwrap();
    for _ in 0..2 {
        assert!(Rpc::of(Action::CognitoDelete).call(channel.clone()).await.is_err());
    }
    for (name, count) in [
        ("idp_proxy_policy_decisions_total{decision=\"allow\"}", 1),
        ("idp_proxy_policy_decisions_total{decision=\"deny\"}", 2),
        ("idp_proxy_errors_total{reason=\"POLICY_DENIED\"}", 2),
    ] {
        assert_eq!(metric(&proxy, name).await, Some(count), "{name}");
    }
}

/// What is known of the reloads of one kind: loads, failed ones, sources that fail now.
async fn reloads(proxy: &Proxy, what: &str) -> [u64; 3] {
    let loads = |outcome| format!("idp_proxy_reloads_total{{what=\"{what}\",outcome=\"{outcome}\"}}");
    let failing = format!("idp_proxy_reload_failing{{what=\"{what}\"}}");
    let mut values = [0; 3];
    for (value, name) in values.iter_mut().zip([loads("ok"), loads("failed"), failing]) {
        *value = metric(proxy, &name).await.unwrap();
    }
    values
}

#[tokio::test]
async fn reloads_are_told_and_so_is_the_expiry_of_the_certificate_in_force() {
    let (scratch, server) = (Scratch::new(), Authority::new("server"));
    let first = server.server_until(2040);
    let certificate = scratch.file("server.pem", &first.certificate);
    let private_key = scratch.file("server.key", &first.private_key);
    let policies = scratch.join("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("all.cedar"), "permit (principal, action, resource);").unwrap();
    let toml = format!(
        "[server.tls]\ncertificate = {certificate:?}\nprivate_key = {private_key:?}\n\
         [policy]\ndirectory = {policies:?}\n[identity]\nanonymous = \"allow_for_test_purposes_only\"\n"
    );
    let proxy = configured(&scratch, &toml, "http://127.0.0.1:9", &[]).await;
    let expiry = "idp_proxy_tls_certificate_expiry_timestamp_seconds{certificate=\"server\"}";
    // The first of January 2040 and 2041, in seconds since 1970.
    let (in_2040, in_2041) = (Some(2_208_988_800), Some(2_240_611_200));
    let is = async |wanted| (metric(&proxy, expiry).await == wanted).then_some(());
    eventually("the first expiry", async || is(in_2040).await).await;
    eventually("the first load", async || (reloads(&proxy, "certificates").await == [1, 0, 0]).then_some(())).await;

    // A certificate without its key, and a policy that makes no sense: what was in force stays, and that is told.
    let second = server.server_until(2041);
    std::fs::write(&certificate, &second.certificate).unwrap();
    std::fs::write(policies.join("all.cedar"), "permit (principal").unwrap();
    for what in ["certificates", "policies"] {
        within(RELOADED, what, async || (reloads(&proxy, what).await == [1, 1, 1]).then_some(())).await;
    }
    assert_eq!(metric(&proxy, expiry).await, in_2040);

    std::fs::write(&private_key, &second.private_key).unwrap();
    std::fs::write(policies.join("all.cedar"), "forbid (principal, action, resource);").unwrap();
    for what in ["certificates", "policies"] {
        within(RELOADED, what, async || (reloads(&proxy, what).await == [2, 1, 0]).then_some(())).await;
        let last = format!("idp_proxy_reload_last_success_timestamp_seconds{{what=\"{what}\"}}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let last = metric(&proxy, &last).await.unwrap();
        assert!((now - 60..=now).contains(&last), "{what}: {last} at {now}");
    }
    assert_eq!(metric(&proxy, expiry).await, in_2041);
}
