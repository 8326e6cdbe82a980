//! What is sent to STS, how often, and what the calls are signed with.

use std::{sync::Arc, time::Duration};

use idp_proxy::proto::cognito::v1::CreateIdentityProviderRequest as Create;
use tokio::sync::Semaphore;
use tonic::Code;

use super::{
    A, B, POOL_A, POOL_A2, POOL_B, POOL_OWN, field, header, key, list, list_as, nothing, portal, proxy, refusal, role,
    session, web_list,
};
use crate::support::{Answer, ScriptedAws, Seen, assert_refused, details, eventually, info, printed_outcome};

/// Callers say who they are with Linkerd's header.
const BY_HEADER: [(&str, &str); 2] = [
    ("IDP_PROXY__IDENTITY__MESH__HEADER", "l5d-client-id"),
    ("IDP_PROXY__IDENTITY__MESH__TRUSTED_PEERS", "[\"127.0.0.1/32\"]"),
];

/// A session for each account, and its key says for which.
fn sts_of_both(seen: &Seen) -> Answer {
    let account = if field(seen, "RoleArn").unwrap() == role(A) { "A" } else { "B" };
    session(&format!("AKIDOF{account}"), 3600)
}

#[tokio::test]
async fn a_call_is_made_with_the_role_of_the_resources_account() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    let sts = ScriptedAws::start(|_, seen| sts_of_both(seen)).await;
    let proxy = proxy(&aws, &sts, &[]).await;
    let (mut cognito, mut web) = (proxy.cognito().await, proxy.web().await);

    list(&mut cognito, POOL_A).await.unwrap();
    let asked = sts.seen();
    assert_eq!(asked.len(), 1);
    let said = |name| field(&asked[0], name);
    assert_eq!(said("Action").as_deref(), Some("AssumeRole"));
    assert_eq!(said("RoleArn"), Some(role(A)));
    assert_eq!(said("RoleSessionName").as_deref(), Some("anonymous"));
    assert_eq!(said("ExternalId").as_deref(), Some("tenant-a"));
    assert_eq!(said("DurationSeconds"), None, "AWS's own hour");
    assert_eq!(key(&asked[0]), "AKIDTEST", "STS is asked with the proxy's own credentials");

    list(&mut cognito, POOL_B).await.unwrap();
    assert_eq!(field(&sts.seen()[1], "ExternalId").as_deref(), Some("tenant-b"));
    list(&mut cognito, POOL_OWN).await.unwrap();
    web.list_identity_providers(web_list(B)).await.unwrap();
    web.list_identity_providers(web_list(A)).await.unwrap();
    web.list_identity_providers(web_list("777788889999")).await.unwrap();
    // Pools by the list, portals by their ARN, the rest with the proxy's own credentials.
    let used: Vec<String> = aws.seen().iter().map(key).collect();
    assert_eq!(used, ["AKIDOFA", "AKIDOFB", "AKIDTEST", "AKIDOFB", "AKIDOFA", "AKIDTEST"]);
    assert_eq!(header(&aws.seen()[0], "x-amz-security-token"), "token-of-AKIDOFA");
    assert_eq!(sts.seen().len(), 2, "both services share a session");
}

#[tokio::test]
async fn sts_is_asked_once_for_a_caller_and_an_account() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    let sts = ScriptedAws::start(|_, seen| sts_of_both(seen)).await;
    let proxy = proxy(&aws, &sts, &[("AWS_REGION", "eu-central-1")]).await;
    let mut client = proxy.cognito().await;
    for pool in [POOL_A, POOL_A2, POOL_A, POOL_A2] {
        list(&mut client, pool).await.unwrap();
    }
    // Calls that come together wait for one answer.
    let together: Vec<_> = (0..8)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { list(&mut client, POOL_B).await })
        })
        .collect();
    for call in together {
        call.await.unwrap().unwrap();
    }
    let roles: Vec<_> = sts.seen().iter().map(|seen| field(seen, "RoleArn").unwrap()).collect();
    assert_eq!(roles, [role(A), role(B)]);
    assert!(header(&sts.seen()[0], "authorization").contains("/eu-central-1/sts/"), "STS of the proxy's own region");
}

#[tokio::test]
async fn without_a_region_of_its_own_the_proxy_asks_sts_where_the_resource_is() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    let sts = ScriptedAws::start(|_, seen| sts_of_both(seen)).await;
    let proxy = proxy(&aws, &sts, &[]).await;
    let mut client = proxy.cognito().await;
    for (at, (pool, scope)) in [(POOL_A, "/us-east-1/sts/"), (POOL_A2, "/eu-west-1/sts/")].into_iter().enumerate() {
        list(&mut client, pool).await.unwrap();
        assert!(header(&sts.seen()[at], "authorization").contains(scope), "{pool}");
    }
}

#[tokio::test]
async fn every_caller_has_a_session_that_carries_its_name() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    let sts = ScriptedAws::start(|number, _| session(&format!("AKIDOF{number}"), 3600)).await;
    let callers = ["web.shop.serviceaccount.identity.linkerd.cluster.local", "api.shop.serviceaccount.identity.x"];
    let proxy = proxy(&aws, &sts, &[&BY_HEADER[..], &[("IDP_PROXY__AUDIT__SINK", "stdout")]].concat()).await;
    let mut client = proxy.cognito().await;
    for caller in [callers[0], callers[1], callers[0]] {
        list_as(&mut client, caller, POOL_A).await.unwrap();
    }
    let names: Vec<_> = sts.seen().iter().map(|seen| field(seen, "RoleSessionName").unwrap()).collect();
    assert_eq!(names, callers);
    let used: Vec<String> = aws.seen().iter().map(key).collect();
    assert_eq!(used, ["AKIDOF0", "AKIDOF1", "AKIDOF0"], "and nobody's call is made in another's session");

    // From the audit to CloudTrail: the line says the name, and whose the pool is.
    let mut request = tonic::Request::new(super::List { user_pool_id: POOL_A.to_owned(), ..Default::default() });
    request.metadata_mut().insert("l5d-client-id", callers[1].parse().unwrap());
    request.metadata_mut().insert("x-request-id", "audited".parse().unwrap());
    client.list_identity_providers(request).await.unwrap();
    let line = printed_outcome(&proxy, "audited").await;
    assert_eq!((line["aws_session"].as_str(), line["account"].as_str()), (Some(callers[1]), Some(A)), "{line}");
}

#[tokio::test]
async fn a_session_is_renewed_before_it_ends_while_calls_go_on() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    // Four minutes are left: it is time. The second session is a full one, and STS takes its time over it.
    let sts = ScriptedAws::start(move |number, _| match number {
        0 => session("AKIDFIRST", 240),
        _ => session("AKIDSECOND", 3600).held_by(&held),
    });
    let sts = sts.await;
    let proxy = proxy(&aws, &sts, &[]).await;
    let mut client = proxy.cognito().await;
    list(&mut client, POOL_A).await.unwrap();
    // STS is not asked more often than every 5 seconds for one session, whatever it gives.
    eventually("the renewal", async || {
        list(&mut client, POOL_A).await.unwrap();
        (sts.seen().len() == 2).then_some(())
    })
    .await;
    list(&mut client, POOL_A).await.unwrap();
    assert!(aws.seen().iter().all(|seen| key(seen) == "AKIDFIRST"), "no call waits for the renewal");
    gate.add_permits(1);
    eventually("the new session", async || {
        list(&mut client, POOL_A).await.unwrap();
        (key(aws.seen().last().unwrap()) == "AKIDSECOND").then_some(())
    })
    .await;
    assert_eq!(sts.seen().len(), 2);
}

#[tokio::test]
async fn a_session_that_aws_says_has_expired_is_replaced_within_the_call() {
    let expired = || Answer::new(400, r#"{"__type":"ExpiredTokenException","message":"expired"}"#);
    let aws = ScriptedAws::start(move |_, seen| if key(seen) == "AKIDOF0" { expired() } else { nothing(seen) }).await;
    let sts = ScriptedAws::start(|number, _| session(&format!("AKIDOF{number}"), 3600)).await;
    let proxy = proxy(&aws, &sts, &[]).await;
    let mut client = proxy.cognito().await;
    list(&mut client, POOL_A).await.unwrap();
    let used: Vec<String> = aws.seen().iter().map(key).collect();
    assert_eq!(used, ["AKIDOF0", "AKIDOF1"]);

    // If that one has expired too, it is not the session: the caller hears of it, and STS is not asked for ever.
    aws.by(move |_, _| expired());
    let asked = sts.seen().len();
    for _ in 0..3 {
        let refused = assert_refused(list(&mut client, POOL_A).await, Code::Unavailable, "PROXY_CREDENTIALS_EXPIRED");
        assert_eq!(info(&refused).metadata["origin"], "aws");
    }
    assert_eq!((aws.seen().len(), sts.seen().len()), (3, asked));
}

#[tokio::test]
async fn what_sts_answers_leads_to_a_row_of_the_table_and_names_no_role() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    for (status, code, grpc, reason) in [
        (403, "AccessDenied", Code::Internal, "AWS_ASSUME_ROLE_DENIED"),
        (400, "ValidationError", Code::Internal, "AWS_ASSUME_ROLE_DENIED"),
        (403, "ExpiredToken", Code::Unavailable, "PROXY_CREDENTIALS_EXPIRED"),
        (403, "InvalidClientTokenId", Code::Internal, "PROXY_CREDENTIALS_INVALID"),
        (403, "SignatureDoesNotMatch", Code::Internal, "PROXY_CREDENTIALS_INVALID"),
        (403, "RegionDisabledException", Code::Internal, "PROXY_ENDPOINT"),
        (400, "Throttling", Code::Unavailable, "PROXY_CREDENTIALS_UNAVAILABLE"),
        (503, "ServiceUnavailable", Code::Unavailable, "PROXY_CREDENTIALS_UNAVAILABLE"),
        (500, "InternalFailure", Code::Unavailable, "PROXY_CREDENTIALS_UNAVAILABLE"),
    ] {
        let sts = ScriptedAws::always(refusal(status, code)).await;
        let proxy = proxy(&aws, &sts, &[("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")]).await;
        let mut client = proxy.cognito().await;
        let refused = assert_refused(list(&mut client, POOL_A).await, grpc, reason);
        let told = info(&refused).metadata;
        assert_eq!((told["origin"].as_str(), told["account"].as_str()), ("sdk", A), "{code}");
        let text = format!("{refused:?}{}", String::from_utf8_lossy(refused.details()));
        assert!(!text.contains("role/") && !text.contains("tenant-a") && !text.contains("user/me"), "{code}: {text}");
        // The log says which code, and the caller's next calls do not use up what STS grants to all.
        proxy.log_line(|line| line.to_string().contains(&format!("STS answered {code}")).then_some(())).await;
        assert_refused(list(&mut client, POOL_A).await, grpc, reason);
        assert_eq!(sts.seen().len(), 1, "{code}");
    }
    assert!(aws.seen().is_empty(), "nothing is sent without a session");
}

fn create() -> Create {
    Create {
        user_pool_id: POOL_A.to_owned(),
        provider_name: "Corp".to_owned(),
        provider_type: "OIDC".to_owned(),
        provider_details: details("OIDC"),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_write_that_was_refused_as_expired_and_got_no_other_session_surely_did_nothing() {
    let never = Arc::new(Semaphore::new(0));
    let expired = Answer::new(400, r#"{"__type":"ExpiredTokenException","message":"expired"}"#);
    let aws = ScriptedAws::always(expired).await;
    for (second, code, reason) in [
        (refusal(403, "AccessDenied"), Code::Internal, "AWS_ASSUME_ROLE_DENIED"),
        (refusal(403, "AccessDenied").held_by(&never), Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    ] {
        let asked = aws.seen().len();
        let answers = [session("AKIDFIRST", 3600), second];
        let sts = ScriptedAws::start(move |number, _| answers[number.min(1)].clone()).await;
        let proxy = proxy(&aws, &sts, &[]).await;
        let mut request = tonic::Request::new(create());
        request.set_timeout(Duration::from_secs(2));
        let refused = proxy.cognito().await.create_identity_provider(request).await;
        let refused = assert_refused(refused, code, reason);
        assert_eq!(info(&refused).metadata["mayHaveBeenApplied"], "false", "{reason}");
        assert_eq!(aws.seen().len() - asked, 1, "{reason}: there is nothing to look for");
    }
}

#[tokio::test]
async fn a_write_that_got_no_session_surely_did_nothing() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    let sts = ScriptedAws::always(refusal(403, "AccessDenied")).await;
    let proxy = proxy(&aws, &sts, &[]).await;
    let refused = proxy.cognito().await.create_identity_provider(create()).await;
    let refused = assert_refused(refused, Code::Internal, "AWS_ASSUME_ROLE_DENIED");
    assert_eq!(info(&refused).metadata["mayHaveBeenApplied"], "false");
    assert_eq!((sts.seen().len(), aws.seen().len()), (1, 0));
}

#[tokio::test]
async fn policies_know_the_account_and_can_close_what_no_section_names() {
    let aws = ScriptedAws::start(|_, seen| nothing(seen)).await;
    let sts = ScriptedAws::start(|_, seen| sts_of_both(seen)).await;
    let scratch = crate::support::Scratch::new();
    // The README's example.
    scratch.file("accounts.cedar", crate::accounts::readme_policy());
    scratch.file(
        "all.cedar",
        format!(
            "permit (principal, action, resource) unless {{ resource has account && resource.account == \"{B}\" }};"
        ),
    );
    let directory = ("IDP_PROXY__POLICY__DIRECTORY", scratch.to_str().unwrap());
    let proxy = proxy(&aws, &sts, &[directory]).await;
    let (mut cognito, mut web) = (proxy.cognito().await, proxy.web().await);
    list(&mut cognito, POOL_A).await.unwrap();
    web.list_identity_providers(web_list(A)).await.unwrap();
    for refused in [list(&mut cognito, POOL_B).await, list(&mut cognito, POOL_OWN).await] {
        let refused = assert_refused(refused, Code::PermissionDenied, "POLICY_DENIED");
        assert_eq!(info(&refused).metadata.get("account"), None, "nobody else learns whose a pool is");
    }
    assert_refused(web.list_identity_providers(web_list(B)).await, Code::PermissionDenied, "POLICY_DENIED");
    assert_eq!(portal(A).matches(A).count(), 1);
    assert_eq!(sts.seen().len(), 1);
}
