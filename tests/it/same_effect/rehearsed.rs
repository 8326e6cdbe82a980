//! `validate_only`: what a write would answer, found out by reads.

use std::collections::BTreeMap;

use idp_proxy::{
    domain::Action,
    proto::{cognito::v1 as c, workspacesweb::v1 as w},
};
use serde_json::json;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use super::{create, for_many_callers, from, said};
use crate::{
    rpcs::{self, Rpc, edit},
    support::{
        Answer, FakeAws, Proxy, SANDBOX_PORTAL, SANDBOX_USER_POOL, Scratch, ScriptedAws, assert_refused, details,
        ended, is_leaking, map,
    },
};

fn pool() -> String {
    SANDBOX_USER_POOL.to_owned()
}

async fn providers(proxy: &Proxy) -> Vec<c::ProviderDescription> {
    let list = c::ListIdentityProvidersRequest { user_pool_id: pool(), ..Default::default() };
    proxy.cognito().await.list_identity_providers(list).await.unwrap().into_inner().providers
}

#[tokio::test]
async fn cognito_writes_answer_what_they_would_and_change_nothing() {
    let fake = FakeAws::start(&[]).await;
    let proxy = Proxy::against(&fake.endpoint, &[]).await;
    let mut client = proxy.cognito().await;
    let would = |request_id: &str| c::CreateIdentityProviderRequest { validate_only: true, ..create(request_id) };

    let foretold = client.create_identity_provider(would("")).await.unwrap().into_inner();
    assert!(!is_leaking(&foretold));
    let foretold = foretold.identity_provider.unwrap();
    assert!(providers(&proxy).await.is_empty(), "nothing was made");
    let made = client.create_identity_provider(create("i-1")).await.unwrap().into_inner().identity_provider.unwrap();
    let expected = c::IdentityProvider {
        creation_date: None,
        last_modified_date: None,
        effective_details: BTreeMap::new(),
        ..made.clone()
    };
    assert!(foretold == expected, "all but what only AWS knows");

    assert_refused(client.create_identity_provider(would("")).await, Code::AlreadyExists, "IDENTITY_PROVIDER_EXISTS");
    // A repetition would be told success.
    let again = client.create_identity_provider(would("i-1")).await.unwrap().into_inner();
    assert_eq!(again.identity_provider.unwrap().creation_date, made.creation_date);

    let update = c::UpdateIdentityProviderRequest {
        user_pool_id: pool(),
        provider_name: "Corp".to_owned(),
        attribute_mapping: map(&[("email", "other")]),
        validate_only: true,
        ..Default::default()
    };
    let foretold = client.update_identity_provider(update.clone()).await.unwrap().into_inner();
    assert!(!is_leaking(&foretold));
    let foretold = foretold.identity_provider.unwrap();
    assert_eq!(
        (&foretold.attribute_mapping, &foretold.provider_details),
        (&map(&[("email", "other")]), &made.provider_details)
    );
    assert_eq!(foretold.idp_identifiers.len(), 2, "what is not sent stays");
    let read = c::DescribeIdentityProviderRequest { user_pool_id: pool(), provider_name: "Corp".to_owned() };
    let now = client.describe_identity_provider(read).await.unwrap().into_inner().identity_provider.unwrap();
    assert_eq!((&now.attribute_mapping, now.last_modified_date), (&made.attribute_mapping, made.last_modified_date));
    // New details keep what AWS set.
    let details = c::UpdateIdentityProviderRequest { provider_details: details("OIDC"), ..update.clone() };
    let foretold = client.update_identity_provider(details).await.unwrap().into_inner().identity_provider.unwrap();
    assert_eq!(foretold.effective_details, now.effective_details);
    assert_eq!(foretold.secret_fingerprints, now.secret_fingerprints, "the same secret");

    let delete = |name: &str| c::DeleteIdentityProviderRequest {
        user_pool_id: pool(),
        provider_name: name.to_owned(),
        validate_only: true,
        ..Default::default()
    };
    client.delete_identity_provider(delete("Corp")).await.unwrap();
    assert_eq!(providers(&proxy).await.len(), 1, "nothing was removed");
    assert_refused(client.delete_identity_provider(delete("Nobody")).await, Code::NotFound, "RESOURCE_NOT_FOUND");
    let update = c::UpdateIdentityProviderRequest { provider_name: "Nobody".to_owned(), ..update };
    assert_refused(client.update_identity_provider(update).await, Code::NotFound, "RESOURCE_NOT_FOUND");
    let nowhere = c::CreateIdentityProviderRequest { user_pool_id: "us-east-1_Nowhere1".to_owned(), ..would("") };
    let status = assert_refused(client.create_identity_provider(nowhere).await, Code::NotFound, "RESOURCE_NOT_FOUND");
    assert_eq!(status.get_details_resource_info().unwrap().resource_type, "cognito-idp:UserPool");
}

#[tokio::test]
async fn workspaces_web_writes_answer_what_they_would_and_change_nothing() {
    let fake = FakeAws::start(&[]).await;
    let proxy = Proxy::against(&fake.endpoint, &[]).await;
    let mut client = proxy.web().await;
    let create = |validate_only| w::CreateIdentityProviderRequest {
        portal_arn: SANDBOX_PORTAL.to_owned(),
        identity_provider_name: "Corp".to_owned(),
        identity_provider_type: "OIDC".to_owned(),
        identity_provider_details: details("OIDC"),
        validate_only,
        ..Default::default()
    };
    let foretold = client.create_identity_provider(create(true)).await.unwrap().into_inner();
    assert_eq!(foretold.identity_provider_arn, "", "only AWS knows it");
    let list = w::ListIdentityProvidersRequest { portal_arn: SANDBOX_PORTAL.to_owned(), ..Default::default() };
    let listed = client.list_identity_providers(list).await.unwrap().into_inner();
    assert!(listed.identity_providers.is_empty(), "nothing was made");

    let arn = client.create_identity_provider(create(false)).await.unwrap().into_inner().identity_provider_arn;
    let update = |arn: &str| w::UpdateIdentityProviderRequest {
        identity_provider_arn: arn.to_owned(),
        identity_provider_name: "Renamed".to_owned(),
        validate_only: true,
        ..Default::default()
    };
    let foretold = client.update_identity_provider(update(&arn)).await.unwrap().into_inner();
    assert!(!is_leaking(&foretold));
    assert_eq!(foretold.identity_provider.unwrap().identity_provider_name, "Renamed");
    let get = || w::GetIdentityProviderRequest { identity_provider_arn: arn.clone() };
    let now = client.get_identity_provider(get()).await.unwrap().into_inner().identity_provider.unwrap();
    assert_eq!(now.identity_provider_name, "Corp");
    let delete = |arn: &str| w::DeleteIdentityProviderRequest {
        identity_provider_arn: arn.to_owned(),
        validate_only: true,
        ..Default::default()
    };
    client.delete_identity_provider(delete(&arn)).await.unwrap();
    client.get_identity_provider(get()).await.unwrap();
    let mut nowhere = create(true);
    nowhere.portal_arn = SANDBOX_PORTAL.replace("00000001", "00000002");
    assert_refused(client.create_identity_provider(nowhere).await, Code::NotFound, "RESOURCE_NOT_FOUND");
    let nobody = rpcs::PROVIDER_ARN;
    assert_refused(client.update_identity_provider(update(nobody)).await, Code::NotFound, "RESOURCE_NOT_FOUND");
    assert_refused(client.delete_identity_provider(delete(nobody)).await, Code::NotFound, "RESOURCE_NOT_FOUND");
}

/// The valid request of a write, as one that only asks.
fn asking(rpc: &Rpc) -> Vec<u8> {
    match rpc.action {
        Action::CognitoCreate => edit(&rpc.valid, |it: &mut c::CreateIdentityProviderRequest| it.validate_only = true),
        Action::CognitoUpdate => edit(&rpc.valid, |it: &mut c::UpdateIdentityProviderRequest| it.validate_only = true),
        Action::CognitoDelete => edit(&rpc.valid, |it: &mut c::DeleteIdentityProviderRequest| it.validate_only = true),
        Action::WebCreate => edit(&rpc.valid, |it: &mut w::CreateIdentityProviderRequest| it.validate_only = true),
        Action::WebUpdate => edit(&rpc.valid, |it: &mut w::UpdateIdentityProviderRequest| it.validate_only = true),
        Action::WebDelete => edit(&rpc.valid, |it: &mut w::DeleteIdentityProviderRequest| it.validate_only = true),
        read => panic!("{read} is no write"),
    }
}

/// What of the requests at AWS changes nothing.
fn is_read(seen: &crate::support::Seen) -> bool {
    ["DescribeIdentityProvider", "ListIdentityProviders"].iter().any(|read| super::is(seen, read))
        || seen.method == "GET"
}

#[tokio::test]
async fn every_write_that_only_asks_sends_reads_only_whatever_aws_answers() {
    let writes: Vec<Rpc> = rpcs::all().into_iter().filter(|rpc| rpc.action.is_write()).collect();
    assert_eq!(writes.len(), 6);
    for rpc in writes {
        for answer in [Answer::new(500, "{}"), super::refusal(400, "ResourceNotFoundException"), rpc.answer()] {
            let aws = ScriptedAws::always(answer.clone()).await;
            let proxy = Proxy::against(&aws.endpoint, &[]).await;
            let mut client = tonic::client::Grpc::new(proxy.channel().await);
            let outcome = rpc.send(&mut client, asking(&rpc), &[]).await;
            assert!(!aws.seen().is_empty() && aws.seen().iter().all(is_read), "{} {answer:?}", rpc.action);
            if let Err(status) = outcome {
                assert_ne!(said(&status, "mayHaveBeenApplied").as_deref(), Some("true"), "{} {answer:?}", rpc.action);
                assert_ne!(status.code(), Code::Unknown, "{} {answer:?}: a read may be repeated", rpc.action);
                assert_eq!(said(&status, "operation").as_deref(), Some(rpc.action.operation()));
            }
        }
    }
}

#[tokio::test]
async fn role_that_may_not_read_portals_learns_less() {
    let denied = super::refusal(403, "AccessDeniedException").header("x-amzn-errortype", "AccessDeniedException");
    let listed = Rpc::of(Action::WebList).answer();
    let is_list = |seen: &crate::support::Seen| seen.path.contains("/identityProviders");
    let aws = ScriptedAws::start(move |_, seen| if is_list(seen) { listed.clone() } else { denied.clone() }).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let mut client = tonic::client::Grpc::new(proxy.channel().await);
    let rpc = Rpc::of(Action::WebCreate);
    rpc.send(&mut client, asking(&rpc), &[]).await.unwrap();
    assert_eq!(aws.seen().len(), 2);
}

#[tokio::test]
async fn call_that_only_asks_is_judged_and_recorded_as_one() {
    let (scratch, fake) = (Scratch::new(), FakeAws::start(&[]).await);
    let proxy = for_many_callers(&scratch, &fake.endpoint).await;
    let mut client = proxy.cognito().await;
    let mut request = from("a.ns", c::CreateIdentityProviderRequest { validate_only: true, ..create("i-1") });
    request.metadata_mut().insert("x-request-id", "asks".parse().unwrap());
    client.create_identity_provider(request).await.unwrap();
    proxy.log_line(|line| (line["request_id"] == "asks" && line["validate_only"] == true).then_some(())).await;
    let lines = ended(&scratch.join("audit.log"), "asks").await;
    assert_eq!((lines.len(), &lines[0]["stage"], &lines[0]["validate_only"]), (1, &json!("outcome"), &json!(true)));
    // An id that was only asked under is still free.
    let mut other = create("i-1");
    other.idp_identifiers.clear();
    client.create_identity_provider(from("a.ns", other)).await.unwrap();

    let policies = scratch.join("asking-only");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("p.cedar"), "permit (principal, action, resource) when { context.validate_only };")
        .unwrap();
    let environment = [crate::support::ANYONE[0], ("IDP_PROXY__POLICY__DIRECTORY", policies.to_str().unwrap())];
    let judged = Proxy::against(&fake.endpoint, &environment).await;
    let mut client = judged.cognito().await;
    let named = |validate_only| {
        let provider_name = "Another".to_owned();
        Request::new(c::CreateIdentityProviderRequest {
            provider_name,
            validate_only,
            idp_identifiers: vec![],
            ..create("")
        })
    };
    client.create_identity_provider(named(true)).await.unwrap();
    assert_refused(client.create_identity_provider(named(false)).await, Code::PermissionDenied, "POLICY_DENIED");
}
