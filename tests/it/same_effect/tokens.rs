//! AWS's client tokens: the same for every repetition of one caller's call, and for nothing else.

use std::collections::HashSet;

use idp_proxy::{domain::Action, proto::workspacesweb::v1 as w};
use prost::Message as _;
use serde_json::Value;
use tonic::{Code, Request};

use super::{for_many_callers, from, under};
use crate::{
    rpcs::Rpc,
    support::{FakeAws, Proxy, SANDBOX_PORTAL, Scratch, ScriptedAws, assert_refused, fields, map},
};

fn create(name: &str, request_id: &str) -> w::CreateIdentityProviderRequest {
    w::CreateIdentityProviderRequest {
        portal_arn: SANDBOX_PORTAL.to_owned(),
        identity_provider_name: name.to_owned(),
        identity_provider_type: "SAML".to_owned(),
        identity_provider_details: map(&[("MetadataURL", "https://idp.example/metadata")]),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

/// The token of the one request that AWS got since the last look.
fn token(aws: &ScriptedAws, rpc: &Rpc) -> String {
    let seen = aws.seen();
    assert_eq!(seen.len(), 1, "one request");
    aws.now(rpc.answer());
    let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
    body["clientToken"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn token_follows_from_caller_and_request_id_in_every_replica() {
    let (scratch, more) = (Scratch::new(), Scratch::new());
    let rpc = Rpc::of(Action::WebCreate);
    let aws = ScriptedAws::always(rpc.answer()).await;
    let (first, second) =
        (for_many_callers(&scratch, &aws.endpoint).await, for_many_callers(&more, &aws.endpoint).await);
    let send = async |proxy: &Proxy, request: Request<w::CreateIdentityProviderRequest>| {
        proxy.web().await.create_identity_provider(request).await.unwrap();
        token(&aws, &rpc)
    };
    let one = send(&first, from("a.ns", create("Corp", "intent-1"))).await;
    assert_eq!(send(&first, from("a.ns", create("Corp", "intent-1"))).await, one, "the same call");
    assert_eq!(send(&second, from("a.ns", create("Corp", "intent-1"))).await, one, "the same call in another replica");
    // AWS itself shall notice other content.
    assert_eq!(send(&second, from("a.ns", create("Corp", "intent-2"))).await.len(), one.len());

    let tokens = [
        send(&first, from("b.ns", create("Corp", "intent-1"))).await,
        send(&first, from("a.ns", create("Corp", "intent-3"))).await,
        // Without a name of its own each call is one by itself.
        send(&first, from("a.ns", create("Corp", ""))).await,
        send(&first, from("a.ns", create("Corp", ""))).await,
        one.clone(),
    ];
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), tokens.len(), "{tokens:?}");

    let own =
        w::CreateIdentityProviderRequest { client_token: "the-callers-own".to_owned(), ..create("Corp", "intent-1") };
    let mut other = own.clone();
    other.request_id = "intent-9".to_owned();
    assert_eq!(send(&first, from("a.ns", other)).await, "the-callers-own");
}

#[tokio::test]
async fn token_follows_from_the_transports_id_and_the_content() {
    let rpc = Rpc::of(Action::WebCreate);
    let aws = ScriptedAws::always(rpc.answer()).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let send = async |id: &str, name: &str| {
        proxy.web().await.create_identity_provider(under(id, create(name, ""))).await.unwrap();
        token(&aws, &rpc)
    };
    let one = send("mesh-1", "Corp").await;
    assert_eq!(send("mesh-1", "Corp").await, one);
    assert_ne!(send("mesh-2", "Corp").await, one);
    assert_ne!(send("mesh-1", "Other").await, one, "an id that many calls share is no name of one call");
    // The two kinds of id are no names of each other.
    proxy.web().await.create_identity_provider(create("Corp", "mesh-1")).await.unwrap();
    assert_ne!(token(&aws, &rpc), one);
}

#[tokio::test]
async fn update_has_a_token_of_its_own() {
    let (create_rpc, update_rpc) = (Rpc::of(Action::WebCreate), Rpc::of(Action::WebUpdate));
    let aws = ScriptedAws::always(create_rpc.answer()).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    proxy.web().await.create_identity_provider(create("Corp", "intent-1")).await.unwrap();
    let created = token(&aws, &update_rpc);
    let mut update = w::UpdateIdentityProviderRequest::decode(&*update_rpc.valid).unwrap();
    (update.request_id, update.client_token) = ("intent-1".to_owned(), String::new());
    proxy.web().await.update_identity_provider(update.clone()).await.unwrap();
    let updated = token(&aws, &update_rpc);
    assert_ne!(updated, created);
    proxy.web().await.update_identity_provider(update).await.unwrap();
    assert_eq!(token(&aws, &update_rpc), updated);
}

#[tokio::test]
async fn repeated_create_is_one_provider_and_other_content_is_refused_by_aws_too() {
    let fake = FakeAws::start(&[]).await;
    let (first, second) = (Proxy::against(&fake.endpoint, &[]).await, Proxy::against(&fake.endpoint, &[]).await);
    let make = async |proxy: &Proxy, request| {
        let answer = proxy.web().await.create_identity_provider(request).await;
        answer.map(|answer| answer.into_inner().identity_provider_arn)
    };
    let arn = make(&first, create("Corp", "intent-1")).await.unwrap();
    assert_eq!(make(&first, create("Corp", "intent-1")).await.unwrap(), arn);
    assert_eq!(make(&second, create("Corp", "intent-1")).await.unwrap(), arn, "another replica");
    // A replica that has not seen the id: AWS knows its token.
    let third = Proxy::against(&fake.endpoint, &[]).await;
    for proxy in [&first, &third] {
        let refused = make(proxy, create("Other", "intent-1")).await;
        let status = assert_refused(refused, Code::InvalidArgument, "REQUEST_ID_REUSED");
        assert_eq!(fields(&status), ["request_id"]);
    }
}

#[tokio::test]
async fn request_id_that_is_no_name_is_refused_with_its_field() {
    let proxy = Proxy::sandbox().await;
    for wrong in ["x".repeat(129), "tab\there".to_owned(), "ünï".to_owned()] {
        let refused = proxy.web().await.create_identity_provider(create("Corp", &wrong)).await;
        let status = assert_refused(refused, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(fields(&status), ["request_id"], "{wrong:?}");
    }
    proxy.web().await.create_identity_provider(create("Corp", &"~ ".repeat(64))).await.unwrap();
}
