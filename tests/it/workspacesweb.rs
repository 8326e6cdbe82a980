//! The life of `WorkSpaces` Web providers through the sandbox: what goes in comes out, secrets do not.

use std::collections::{BTreeMap, BTreeSet};

use idp_proxy::proto::workspacesweb::v1::{
    CreateIdentityProviderRequest as Create, DeleteIdentityProviderRequest as Delete,
    GetIdentityProviderRequest as Get, IdentityProvider, ListIdentityProvidersRequest as List, Tag,
    UpdateIdentityProviderRequest as Update, identity_provider_service_client::IdentityProviderServiceClient,
};
use prost_types::FieldMask;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::support::{
    CANARY, FakeAws, KINDS, Proxy, SANDBOX_PORTAL, assert_refused, details, fields, is_leaking, map, python,
    saml_metadata, shown,
};

type Client = IdentityProviderServiceClient<Channel>;

fn name(kind: &str) -> String {
    format!("Ünï 日本語 {kind}")
}

fn new(kind: &str) -> Create {
    Create {
        portal_arn: SANDBOX_PORTAL.to_owned(),
        identity_provider_name: name(kind),
        identity_provider_type: kind.to_owned(),
        identity_provider_details: details(kind),
        ..Create::default()
    }
}

fn change(arn: &str) -> Update {
    Update { identity_provider_arn: arn.to_owned(), ..Update::default() }
}

async fn create(client: &mut Client, request: Create) -> Result<String, Status> {
    let answer = client.create_identity_provider(request).await?.into_inner();
    assert!(!is_leaking(&answer), "a secret in the answer of create");
    Ok(answer.identity_provider_arn)
}

async fn get(client: &mut Client, arn: &str) -> Result<IdentityProvider, Status> {
    let answer = client.get_identity_provider(Get { identity_provider_arn: arn.to_owned() }).await?.into_inner();
    assert!(!is_leaking(&answer), "a secret in the answer of get");
    Ok(answer.identity_provider.expect("a provider"))
}

async fn update(client: &mut Client, request: Update) -> Result<IdentityProvider, Status> {
    let answer = client.update_identity_provider(request).await?.into_inner();
    assert!(!is_leaking(&answer), "a secret in the answer of update");
    Ok(answer.identity_provider.expect("a provider"))
}

async fn list(client: &mut Client) -> Vec<(String, String, String)> {
    let request = List { portal_arn: SANDBOX_PORTAL.to_owned(), ..List::default() };
    let answer = client.list_identity_providers(request).await.unwrap().into_inner();
    let parts = |one: idp_proxy::proto::workspacesweb::v1::IdentityProviderSummary| {
        (one.identity_provider_arn, one.identity_provider_name, one.identity_provider_type)
    };
    answer.identity_providers.into_iter().map(parts).collect()
}

fn keys(map: &BTreeMap<String, String>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_provider_of_every_type_lives_through_all_five_operations() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.web().await;
    for kind in KINDS {
        let arn = create(&mut client, new(kind)).await.unwrap();
        let of_portal = SANDBOX_PORTAL.replace(":portal/", ":identityProvider/") + "/";
        assert!(arn.starts_with(&of_portal), "{arn}");
        let read = get(&mut client, &arn).await.unwrap();
        assert_eq!((&read.identity_provider_arn, &read.identity_provider_name), (&arn, &name(kind)));
        assert_eq!(read.identity_provider_type, kind);
        assert_eq!(read.identity_provider_details, shown(details(kind)), "what may be shown of what was sent");
        assert!(read.effective_details.is_empty(), "this API adds nothing of its own");
        let secrets: Vec<String> =
            details(kind).into_iter().filter(|(_, value)| value.contains(CANARY)).map(|(key, _)| key).collect();
        assert_eq!(keys(&read.secret_fingerprints), secrets, "{kind}: every secret has its fingerprint, Apple's too");
        assert_eq!(list(&mut client).await, [(arn.clone(), name(kind), kind.to_owned())]);

        let renamed = Update { identity_provider_name: "New Name".to_owned(), ..change(&arn) };
        let renamed = update(&mut client, renamed).await.unwrap();
        assert!(renamed == IdentityProvider { identity_provider_name: "New Name".to_owned(), ..read }, "{kind}");
        assert!(get(&mut client, &arn).await.unwrap() == renamed, "{kind}");

        let gone = Delete { identity_provider_arn: arn.clone(), ..Delete::default() };
        client.delete_identity_provider(gone.clone()).await.unwrap();
        client.delete_identity_provider(gone).await.expect("AWS calls this operation idempotent");
        let refused = assert_refused(get(&mut client, &arn).await, Code::NotFound, "RESOURCE_NOT_FOUND");
        assert_eq!(refused.get_error_details().resource_info().unwrap().resource_name, arn);
        assert!(list(&mut client).await.is_empty());
    }
}

#[tokio::test]
async fn saml_metadata_of_100_kb_with_quotes_and_line_breaks_survives_unchanged() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.web().await;
    let sent = map(&[("MetadataFile", &saml_metadata(120_000)), ("IDPInit", "true")]);
    let arn = create(&mut client, Create { identity_provider_details: sent.clone(), ..new("SAML") }).await.unwrap();
    assert_eq!(get(&mut client, &arn).await.unwrap().identity_provider_details, sent);
}

#[tokio::test]
async fn what_get_answers_can_be_edited_and_sent_back() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.web().await;
    for kind in KINDS {
        let arn = create(&mut client, new(kind)).await.unwrap();
        let mut read = get(&mut client, &arn).await.unwrap();
        let (edited, value) = match kind {
            "SAML" => ("IDPSignout", "false"),
            _ => ("authorize_scopes", "openid profile"),
        };
        read.identity_provider_details.insert(edited.to_owned(), value.to_owned());
        let mut back = Update {
            identity_provider_arn: read.identity_provider_arn.clone(),
            identity_provider_name: read.identity_provider_name.clone(),
            identity_provider_type: read.identity_provider_type.clone(),
            identity_provider_details: read.identity_provider_details.clone(),
            ..Update::default()
        };
        // Without the secret AWS would lose it, or refuse where the type requires it.
        for (key, value) in details(kind).into_iter().filter(|(_, value)| value.contains(CANARY)) {
            let without = update(&mut client, back.clone()).await;
            assert!(kind == "OIDC" || without.is_err(), "{kind} was taken without its secret");
            back.identity_provider_details.insert(key, value);
        }
        let changed = update(&mut client, back).await.unwrap_or_else(|refused| panic!("{kind}: {refused:?}"));
        assert!(changed == read, "{kind}: nothing but the edit, and the secrets are the same");
    }
}

#[tokio::test]
async fn a_fingerprint_tells_whether_a_secret_changed_and_nothing_else() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.web().await;
    let with = |name: &str| Create { identity_provider_name: name.to_owned(), ..new("Google") };
    let first = create(&mut client, with("First")).await.unwrap();
    let second = create(&mut client, with("Second")).await.unwrap();
    let print = |provider: IdentityProvider| provider.secret_fingerprints["client_secret"].clone();
    let before = print(get(&mut client, &first).await.unwrap());
    assert_ne!(before, print(get(&mut client, &second).await.unwrap()), "equal secrets of two providers");
    let same = Update { identity_provider_details: details("Google"), ..change(&first) };
    assert_eq!(print(update(&mut client, same.clone()).await.unwrap()), before);
    let mut other = same;
    other.identity_provider_details.insert("client_secret".to_owned(), "canary7f3a, but another".to_owned());
    assert_ne!(print(update(&mut client, other).await.unwrap()), before);
}

#[tokio::test]
async fn name_and_type_can_change_with_details_that_fit() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.web().await;
    let arn = create(&mut client, new("SAML")).await.unwrap();
    let to_oidc = Update {
        identity_provider_name: "Was SAML".to_owned(),
        identity_provider_type: "OIDC".to_owned(),
        identity_provider_details: details("OIDC"),
        ..change(&arn)
    };
    let changed = update(&mut client, to_oidc.clone()).await.unwrap();
    assert_eq!(
        (changed.identity_provider_type.as_str(), changed.identity_provider_name.as_str()),
        ("OIDC", "Was SAML")
    );
    assert_eq!(changed.identity_provider_details, shown(details("OIDC")), "nothing of SAML's is left");
    assert_eq!(changed.identity_provider_arn, arn);

    let misfit = Update { identity_provider_details: details("SAML"), ..to_oidc };
    let refused = assert_refused(update(&mut client, misfit).await, Code::InvalidArgument, "INVALID_REQUEST");
    assert!(fields(&refused).contains(&r#"identity_provider_details["MetadataURL"]"#.to_owned()), "{refused:?}");
    // What is stored only AWS knows: that it does not fit the new type, too.
    let alone = Update { identity_provider_type: "SAML".to_owned(), ..change(&arn) };
    let refused = assert_refused(update(&mut client, alone).await, Code::InvalidArgument, "AWS_VALIDATION_FAILED");
    assert_eq!(fields(&refused), ["identity_provider_details"]);
    assert!(get(&mut client, &arn).await.unwrap() == changed, "a refused update changes nothing");
}

#[tokio::test]
async fn an_update_sends_what_the_mask_names_or_else_what_is_populated() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.web().await;
    let arn = create(&mut client, new("OIDC")).await.unwrap();
    let made = get(&mut client, &arn).await.unwrap();
    let masked = |paths: &[&str]| Update {
        identity_provider_name: "Only The Name".to_owned(),
        identity_provider_details: details("OIDC")
            .into_iter()
            .chain(map(&[("authorize_scopes", "openid x")]))
            .collect(),
        update_mask: Some(FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }),
        ..change(&arn)
    };
    let changed = update(&mut client, masked(&["identity_provider_name"])).await.unwrap();
    let wanted = IdentityProvider { identity_provider_name: "Only The Name".to_owned(), ..made };
    assert!(changed == wanted, "the details were populated but not named");
    let changed = update(&mut client, masked(&[])).await.unwrap();
    assert_eq!(changed.identity_provider_details["authorize_scopes"], "openid x", "no paths: what is populated");

    for wrong in ["*", "portal_arn", "identityProviderName", "client_token", "identity_provider_details.client_id", ""]
    {
        let refused = update(&mut client, masked(&[wrong])).await;
        let refused = assert_refused(refused, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(fields(&refused), ["update_mask"], "{wrong}");
    }
    // Nothing of this API's can be empty, so named and empty is a mistake.
    let empty = Update { identity_provider_name: String::new(), ..masked(&["identity_provider_name"]) };
    let refused = assert_refused(update(&mut client, empty).await, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(fields(&refused), ["identity_provider_name"]);
}

#[tokio::test]
async fn a_client_token_makes_two_equal_calls_one_and_refuses_other_content() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.web().await;
    let request = Create { client_token: "my-token-1".to_owned(), ..new("OIDC") };
    let arn = create(&mut client, request.clone()).await.unwrap();
    assert_eq!(create(&mut client, request.clone()).await.unwrap(), arn);
    assert_eq!(list(&mut client).await.len(), 1);
    let other = Create { identity_provider_name: "Another Name".to_owned(), ..request };
    let refused = create(&mut client, other).await;
    let refused = assert_refused(refused, Code::FailedPrecondition, "IDEMPOTENCY_TOKEN_REUSED");
    assert!(refused.get_error_details().precondition_failure().is_some());

    let renamed = |name: &str| Update {
        identity_provider_name: name.to_owned(),
        client_token: "my-token-2".to_owned(),
        ..change(&arn)
    };
    let first = update(&mut client, renamed("Renamed")).await.unwrap();
    assert!(update(&mut client, renamed("Renamed")).await.unwrap() == first);
    let refused = update(&mut client, renamed("Renamed Again")).await;
    assert_refused(refused, Code::FailedPrecondition, "IDEMPOTENCY_TOKEN_REUSED");
    // Without a token two calls are two calls.
    let refused = create(&mut client, Create { identity_provider_name: "Renamed".to_owned(), ..new("OIDC") }).await;
    let refused = assert_refused(refused, Code::AlreadyExists, "RESOURCE_CONFLICT");
    assert!(refused.get_error_details().resource_info().is_some());
}

#[tokio::test]
async fn a_list_goes_over_its_pages_without_loss_or_repetition() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.web().await;
    let mut made = Vec::new();
    for number in 1..=5 {
        let identity_provider_name = format!("Corp {number}");
        made.push(create(&mut client, Create { identity_provider_name, ..new("OIDC") }).await.unwrap());
    }
    let mut page = List { portal_arn: SANDBOX_PORTAL.to_owned(), max_results: Some(2), ..List::default() };
    let (mut sizes, mut found) = (Vec::new(), Vec::new());
    loop {
        let answer = client.list_identity_providers(page.clone()).await.unwrap().into_inner();
        sizes.push(answer.identity_providers.len());
        found.extend(answer.identity_providers.into_iter().map(|provider| provider.identity_provider_arn));
        if answer.next_token.is_empty() {
            break;
        }
        page.next_token = answer.next_token;
    }
    assert_eq!((sizes, &found), (vec![2, 2, 1], &made));
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 5);

    let garbage = client.list_identity_providers(List { next_token: "garbage".to_owned(), ..page.clone() }).await;
    let refused = assert_refused(garbage, Code::InvalidArgument, "AWS_VALIDATION_FAILED");
    assert_eq!(fields(&refused), ["next_token"]);
    let none = client.list_identity_providers(List { max_results: Some(0), ..page }).await;
    let refused = assert_refused(none, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(fields(&refused), ["max_results"]);
}

#[tokio::test]
async fn a_portal_that_does_not_exist_is_not_found() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.web().await;
    let portal_arn = SANDBOX_PORTAL.replace("000001", "000009");
    let refused = create(&mut client, Create { portal_arn: portal_arn.clone(), ..new("OIDC") }).await;
    let refused = assert_refused(refused, Code::NotFound, "RESOURCE_NOT_FOUND");
    let resource = refused.get_error_details().resource_info().unwrap().clone();
    assert_eq!((resource.resource_type.as_str(), resource.resource_name), ("portal", portal_arn));
}

#[tokio::test]
async fn tags_reach_aws() {
    const READ_TAGS: &str = "import boto3, sys
tags = boto3.client('workspaces-web', 'us-east-1', endpoint_url=sys.argv[1]).list_tags_for_resource(resourceArn=sys.argv[2])
print(sorted((tag['Key'], tag['Value']) for tag in tags['tags']))";
    let aws = FakeAws::start(&[]).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let mut client = proxy.web().await;
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
    let tags = vec![tag("team", "Ünï/日本語+1"), tag("empty", "")];
    let arn = create(&mut client, Create { tags, ..new("OIDC") }).await.unwrap();
    let found = python(["-c", READ_TAGS, &aws.endpoint, &arn]).await;
    assert_eq!(found.trim(), "[('empty', ''), ('team', 'Ünï/日本語+1')]");
}
