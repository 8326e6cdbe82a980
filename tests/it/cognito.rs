//! The life of Cognito providers through the sandbox: what goes in comes out, secrets do not.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use idp_proxy::proto::cognito::v1::{
    CreateIdentityProviderRequest as Create, DeleteIdentityProviderRequest as Delete,
    DescribeIdentityProviderRequest as Describe, GetIdentityProviderByIdentifierRequest as ByIdentifier,
    IdentityProvider, ListIdentityProvidersRequest as List, UpdateIdentityProviderRequest as Update,
    identity_provider_service_client::IdentityProviderServiceClient,
};
use prost_types::{FieldMask, Timestamp};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::support::{
    KINDS, Proxy, SANDBOX_USER_POOL, assert_refused, details, fields, is_leaking, map, saml_metadata, shown,
};

type Client = IdentityProviderServiceClient<Channel>;

/// A name that the type allows, with letters outside of ASCII where it may have any.
fn name(kind: &str) -> String {
    if ["SAML", "OIDC"].contains(&kind) { format!("Ünï-日本語-{kind}") } else { kind.to_owned() }
}

fn new(kind: &str) -> Create {
    Create {
        user_pool_id: SANDBOX_USER_POOL.to_owned(),
        provider_name: name(kind),
        provider_type: kind.to_owned(),
        provider_details: details(kind),
        ..Create::default()
    }
}

fn change(name: &str) -> Update {
    Update { user_pool_id: SANDBOX_USER_POOL.to_owned(), provider_name: name.to_owned(), ..Update::default() }
}

/// Every answer with a provider goes through one of these, so that none is ever seen to leak.
async fn create(client: &mut Client, request: Create) -> Result<IdentityProvider, Status> {
    let answer = client.create_identity_provider(request).await?.into_inner();
    assert!(!is_leaking(&answer), "a secret in the answer of create");
    Ok(answer.identity_provider.expect("a provider"))
}

async fn describe(client: &mut Client, name: &str) -> Result<IdentityProvider, Status> {
    let request = Describe { user_pool_id: SANDBOX_USER_POOL.to_owned(), provider_name: name.to_owned() };
    let answer = client.describe_identity_provider(request).await?.into_inner();
    assert!(!is_leaking(&answer), "a secret in the answer of describe");
    Ok(answer.identity_provider.expect("a provider"))
}

async fn update(client: &mut Client, request: Update) -> Result<IdentityProvider, Status> {
    let answer = client.update_identity_provider(request).await?.into_inner();
    assert!(!is_leaking(&answer), "a secret in the answer of update");
    Ok(answer.identity_provider.expect("a provider"))
}

async fn by_identifier(client: &mut Client, identifier: &str) -> Result<IdentityProvider, Status> {
    let pool = SANDBOX_USER_POOL.to_owned();
    let request = ByIdentifier { user_pool_id: pool, idp_identifier: identifier.to_owned() };
    let answer = client.get_identity_provider_by_identifier(request).await?.into_inner();
    assert!(!is_leaking(&answer), "a secret in the answer of get by identifier");
    Ok(answer.identity_provider.expect("a provider"))
}

async fn names(client: &mut Client) -> Vec<String> {
    let request = List { user_pool_id: SANDBOX_USER_POOL.to_owned(), ..List::default() };
    let answer = client.list_identity_providers(request).await.unwrap().into_inner();
    answer.providers.into_iter().map(|provider| provider.provider_name).collect()
}

fn keys(map: &BTreeMap<String, String>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

fn moment(time: Option<Timestamp>) -> SystemTime {
    time.expect("a time").try_into().expect("a moment")
}

#[tokio::test]
async fn a_provider_of_every_type_lives_through_all_six_operations() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    for kind in KINDS {
        let before = SystemTime::now() - Duration::from_millis(1);
        let identifiers = vec![format!("{kind}.example"), "with space".to_owned() + kind];
        let mapping = map(&[("email", "claims/Ëmail"), ("custom:team", "team")]);
        let (attribute_mapping, idp_identifiers) = (mapping.clone(), identifiers.clone());
        let made = create(&mut client, Create { attribute_mapping, idp_identifiers, ..new(kind) }).await.unwrap();
        assert_eq!((made.user_pool_id.as_str(), &made.provider_name), (SANDBOX_USER_POOL, &name(kind)));
        assert_eq!((made.provider_type.as_str(), &made.attribute_mapping), (kind, &mapping));
        assert_eq!(made.provider_details, shown(details(kind)), "what may be shown of what was sent");
        assert_eq!(made.idp_identifiers, identifiers);
        assert!(moment(made.creation_date) >= before && moment(made.creation_date) <= SystemTime::now());
        assert_eq!(made.creation_date.unwrap().nanos % 1_000_000, 0, "AWS's milliseconds, exactly");

        assert!(describe(&mut client, &made.provider_name).await.unwrap() == made);
        assert!(by_identifier(&mut client, &identifiers[1]).await.unwrap() == made);
        assert_eq!(names(&mut client).await, [name(kind)]);

        let attribute_mapping = map(&[("email", "mail")]);
        let changed = update(&mut client, Update { attribute_mapping, ..change(&made.provider_name) }).await.unwrap();
        assert_eq!(changed.attribute_mapping, map(&[("email", "mail")]));
        assert_eq!(changed.creation_date, made.creation_date);
        assert!(moment(changed.last_modified_date) > moment(made.last_modified_date));

        let gone = Delete {
            user_pool_id: SANDBOX_USER_POOL.to_owned(),
            provider_name: made.provider_name.clone(),
            ..Delete::default()
        };
        client.delete_identity_provider(gone.clone()).await.unwrap();
        assert_refused(client.delete_identity_provider(gone).await, Code::NotFound, "RESOURCE_NOT_FOUND");
        assert_refused(describe(&mut client, &made.provider_name).await, Code::NotFound, "RESOURCE_NOT_FOUND");
        assert!(names(&mut client).await.is_empty());
    }
}

#[tokio::test]
async fn what_aws_sets_is_told_apart_from_what_a_caller_sets() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    let urls = ["attributes_url", "attributes_url_add_attributes", "authorize_url"];
    for (kind, effective, fingerprints) in [
        (
            "SAML",
            vec!["ActiveEncryptionCertificate", "SLORedirectBindingURI", "SSORedirectBindingURI"],
            Vec::<&str>::new(),
        ),
        ("Facebook", [&urls[..], &["token_request_method", "token_url"]].concat(), vec!["client_secret"]),
        ("Google", [&urls[..], &["oidc_issuer", "token_request_method", "token_url"]].concat(), vec!["client_secret"]),
        ("LoginWithAmazon", [&urls[..], &["token_request_method", "token_url"]].concat(), vec!["client_secret"]),
        // AWS never returns Apple's private key, so there is nothing to make a fingerprint of.
        (
            "SignInWithApple",
            [&urls[1..], &["oidc_issuer", "token_request_method", "token_url"]].concat(),
            Vec::<&str>::new(),
        ),
        ("OIDC", vec!["attributes_url_add_attributes"], vec!["client_secret"]),
    ] {
        let made = create(&mut client, new(kind)).await.unwrap();
        assert_eq!(keys(&made.effective_details), effective, "{kind}");
        assert_eq!(keys(&made.secret_fingerprints), fingerprints, "{kind}");
        assert!(made.secret_fingerprints.values().all(|print| print.len() == 32), "{kind}");
    }
}

#[tokio::test]
async fn saml_metadata_of_100_kb_with_quotes_and_line_breaks_survives_unchanged() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    let metadata = saml_metadata(120_000);
    assert!(metadata.chars().count() < 131_072, "AWS's limit on one value");
    let provider_details = map(&[("MetadataFile", &metadata), ("IDPInit", "true"), ("EncryptedResponses", "false")]);
    let made = create(&mut client, Create { provider_details: provider_details.clone(), ..new("SAML") }).await.unwrap();
    assert_eq!(made.provider_details, provider_details);
    assert_eq!(describe(&mut client, &made.provider_name).await.unwrap().provider_details, provider_details);
    assert_eq!(made.effective_details["SSORedirectBindingURI"], "https://idp.example/sso");
}

#[tokio::test]
async fn what_describe_answers_can_be_edited_and_sent_back() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    for kind in KINDS {
        let identifiers = vec![format!("{kind}.example")];
        create(&mut client, Create { idp_identifiers: identifiers.clone(), ..new(kind) }).await.unwrap();
        let mut read = describe(&mut client, &name(kind)).await.unwrap();
        let (edited, value) = match kind {
            "SAML" => ("IDPSignout", "false"),
            _ => ("authorize_scopes", "openid profile"),
        };
        read.provider_details.insert(edited.to_owned(), value.to_owned());
        let mut back = Update {
            user_pool_id: read.user_pool_id.clone(),
            provider_name: read.provider_name.clone(),
            provider_details: read.provider_details.clone(),
            attribute_mapping: read.attribute_mapping.clone(),
            idp_identifiers: read.idp_identifiers.clone(),
            acr_mapping: read.acr_mapping.clone(),
            ..Update::default()
        };
        // AWS keeps Apple's key, asks the three others for the secret again, and takes OIDC without one.
        if ["Facebook", "Google", "LoginWithAmazon"].contains(&kind) {
            let refused =
                assert_refused(update(&mut client, back.clone()).await, Code::InvalidArgument, "INVALID_REQUEST");
            assert_eq!(fields(&refused), [r#"provider_details["client_secret"]"#], "{kind}");
        }
        if let Some(secret) = details(kind).get("client_secret") {
            back.provider_details.insert("client_secret".to_owned(), secret.clone());
        }
        update(&mut client, back).await.unwrap_or_else(|refused| panic!("{kind}: {refused:?}"));
        let now = describe(&mut client, &name(kind)).await.unwrap();
        assert!(
            now == IdentityProvider { last_modified_date: now.last_modified_date, ..read },
            "{kind}: nothing but the edit"
        );
    }
}

#[tokio::test]
async fn a_fingerprint_tells_whether_a_secret_changed_and_nothing_else() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    let print = |provider: &IdentityProvider| provider.secret_fingerprints["client_secret"].clone();
    let with = |name: &str| Create { provider_name: name.to_owned(), ..new("OIDC") };
    let first = create(&mut client, with("First")).await.unwrap();
    let second = create(&mut client, with("Second")).await.unwrap();
    assert_ne!(print(&first), print(&second), "equal secrets of two providers look different");
    assert_eq!(print(&describe(&mut client, "First").await.unwrap()), print(&first));

    let same = Update { provider_details: details("OIDC"), ..change("First") };
    assert_eq!(print(&update(&mut client, same.clone()).await.unwrap()), print(&first));
    let mut other = same.clone();
    other.provider_details.insert("client_secret".to_owned(), "canary7f3a, but another".to_owned());
    assert_ne!(print(&update(&mut client, other).await.unwrap()), print(&first));
    let mut without = same;
    without.provider_details.remove("client_secret");
    assert!(update(&mut client, without).await.unwrap().secret_fingerprints.is_empty());
}

#[tokio::test]
async fn an_update_sends_what_the_mask_names_or_else_what_is_populated() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    let identifiers = vec!["one.example".to_owned()];
    let acr_mapping = map(&[("Level1", "urn:acr:1"), ("Level4", "urn:acr:4")]);
    let mut request = Create { idp_identifiers: identifiers.clone(), acr_mapping: acr_mapping.clone(), ..new("OIDC") };
    request.provider_name = "Masked".to_owned();
    let made = create(&mut client, request).await.unwrap();
    assert_eq!(made.acr_mapping, acr_mapping);
    assert_eq!(made.attribute_mapping, map(&[("username", "sub")]), "AWS's default where none was sent");
    let masked = |paths: &[&str], request: Update| Update {
        update_mask: Some(FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }),
        ..request
    };
    let email = Update { attribute_mapping: map(&[("email", "mail")]), ..change("Masked") };

    for request in [email.clone(), masked(&[], email.clone())] {
        update(&mut client, request).await.unwrap();
        let now = describe(&mut client, "Masked").await.unwrap();
        assert_eq!(now.attribute_mapping, map(&[("email", "mail")]));
        assert_eq!((&now.idp_identifiers, &now.acr_mapping), (&identifiers, &acr_mapping), "not sent: kept");
        assert_eq!(now.provider_details, made.provider_details, "not sent: kept");
    }
    // Populated, but not named: not sent. Named, but empty: cleared.
    update(&mut client, masked(&["idp_identifiers"], email)).await.unwrap();
    let now = describe(&mut client, "Masked").await.unwrap();
    assert!(now.idp_identifiers.is_empty());
    assert_eq!((&now.attribute_mapping, &now.acr_mapping), (&map(&[("email", "mail")]), &acr_mapping));
    update(&mut client, masked(&["attribute_mapping", "acr_mapping"], change("Masked"))).await.unwrap();
    let now = describe(&mut client, "Masked").await.unwrap();
    assert!(now.attribute_mapping.is_empty() && now.acr_mapping.is_empty());

    for wrong in ["*", "ProviderDetails", "providerDetails", "provider_name", "provider_details.client_id", ""] {
        let refused = update(&mut client, masked(&["idp_identifiers", wrong], change("Masked"))).await;
        let refused = assert_refused(refused, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(fields(&refused), ["update_mask"], "{wrong}");
    }
    let refused = update(&mut client, masked(&["provider_details"], change("Masked"))).await;
    let refused = assert_refused(refused, Code::InvalidArgument, "INVALID_REQUEST");
    assert!(fields(&refused).iter().all(|field| field.starts_with("provider_details")), "details cannot be cleared");
}

#[tokio::test]
async fn acr_mappings_are_for_oidc_only() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    let request = Create { acr_mapping: map(&[("Level1", "urn:acr:1")]), ..new("SAML") };
    let refused = assert_refused(create(&mut client, request).await, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(fields(&refused), ["acr_mapping"]);
    // An update does not state the type: this one only AWS can refuse.
    create(&mut client, new("SAML")).await.unwrap();
    let request = Update { acr_mapping: map(&[("Level1", "urn:acr:1")]), ..change(&name("SAML")) };
    assert_refused(update(&mut client, request).await, Code::InvalidArgument, "AWS_INVALID_PARAMETER");
}

#[tokio::test]
async fn a_list_goes_over_its_pages_without_loss_or_repetition() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    let all: Vec<String> = (1..=5).map(|number| format!("Corp{number}")).collect();
    for name in &all {
        create(&mut client, Create { provider_name: name.clone(), ..new("OIDC") }).await.unwrap();
    }
    let mut page = List { user_pool_id: SANDBOX_USER_POOL.to_owned(), max_results: Some(2), ..List::default() };
    let mut sizes = Vec::new();
    let mut found = Vec::new();
    loop {
        let answer = client.list_identity_providers(page.clone()).await.unwrap().into_inner();
        sizes.push(answer.providers.len());
        for provider in answer.providers {
            assert_eq!(provider.provider_type, "OIDC");
            assert!(provider.creation_date.is_some() && provider.last_modified_date.is_some());
            found.push(provider.provider_name);
        }
        if answer.next_token.is_empty() {
            break;
        }
        page.next_token = answer.next_token;
    }
    assert_eq!((sizes, found), (vec![2, 2, 1], all));

    let garbage = List { next_token: "garbage".to_owned(), ..page.clone() };
    let refused = client.list_identity_providers(garbage).await;
    assert_refused(refused, Code::InvalidArgument, "AWS_INVALID_PARAMETER");
    let wrong = List { next_token: "with space".to_owned(), max_results: Some(61), ..page };
    let refused = client.list_identity_providers(wrong).await;
    let refused = assert_refused(refused, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(fields(&refused), ["max_results", "next_token"]);
}

#[tokio::test]
async fn what_aws_refuses_names_the_resource() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    create(&mut client, new("OIDC")).await.unwrap();
    let resource = |status: &Status| {
        let details = status.get_error_details();
        let resource = details.resource_info().expect("ResourceInfo").clone();
        (resource.resource_type, resource.resource_name)
    };
    let provider = |name: &str| {
        ("cognito-idp:IdentityProvider".to_owned(), format!("userPools/{SANDBOX_USER_POOL}/identityProviders/{name}"))
    };
    let again = create(&mut client, new("OIDC")).await;
    let refused = assert_refused(again, Code::AlreadyExists, "IDENTITY_PROVIDER_EXISTS");
    assert_eq!(resource(&refused), provider(&name("OIDC")));

    let refused = assert_refused(describe(&mut client, "Nobody").await, Code::NotFound, "RESOURCE_NOT_FOUND");
    assert_eq!(resource(&refused), provider("Nobody"));

    let pool = "us-east-1_Missing99".to_owned();
    let elsewhere = create(&mut client, Create { user_pool_id: pool.clone(), ..new("OIDC") }).await;
    let refused = assert_refused(elsewhere, Code::NotFound, "RESOURCE_NOT_FOUND");
    assert_eq!(resource(&refused), ("cognito-idp:UserPool".to_owned(), format!("userPools/{pool}")));

    assert_refused(by_identifier(&mut client, "nobody.example").await, Code::NotFound, "RESOURCE_NOT_FOUND");
    let taken = |name: &str| Create {
        provider_name: name.to_owned(),
        idp_identifiers: vec!["taken.example".to_owned()],
        ..new("OIDC")
    };
    create(&mut client, taken("Owner")).await.unwrap();
    let refused =
        assert_refused(create(&mut client, taken("Other")).await, Code::InvalidArgument, "AWS_INVALID_PARAMETER");
    assert!(!refused.message().contains("taken.example"), "what was submitted is not echoed");
}
