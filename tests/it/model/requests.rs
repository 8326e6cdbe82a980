//! Requests as JSON in AWS's words, the proto messages that they stand for, and what of them reaches AWS.

use std::collections::BTreeMap;

use idp_proxy::{
    domain::Action,
    proto::{cognito::v1 as c, workspacesweb::v1 as w},
};
use serde_json::{Value, json};

/// A proto message that can be made of JSON with AWS's member names, and `updateMask` for the mask's paths.
pub(super) trait Message {
    fn of(sent: &Value) -> Self;
}

fn text(sent: &Value, name: &str) -> String {
    sent[name].as_str().unwrap_or_default().to_owned()
}

fn map(sent: &Value, name: &str) -> BTreeMap<String, String> {
    let entries = sent[name].as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().expect("a text").to_owned())).collect()
}

fn list(sent: &Value, name: &str) -> Vec<String> {
    sent[name].as_array().into_iter().flatten().map(|one| one.as_str().expect("a text").to_owned()).collect()
}

fn number(sent: &Value, name: &str) -> Option<i32> {
    sent[name].as_i64().map(|number| i32::try_from(number).expect("generated within the range"))
}

fn mask(sent: &Value, name: &str) -> Option<prost_types::FieldMask> {
    sent.get(name).map(|_| prost_types::FieldMask { paths: list(sent, name) })
}

macro_rules! messages {
    ($($message:ty { $($field:ident: $read:ident $name:literal),* $(,)? } )*) => {$(
        impl Message for $message {
            fn of(sent: &Value) -> Self {
                let mut message = Self::default();
                $(message.$field = $read(sent, $name);)*
                message
            }
        }
    )*};
}

fn tags(sent: &Value, name: &str) -> Vec<w::Tag> {
    let tag = |tag: &Value| w::Tag { key: text(tag, "Key"), value: text(tag, "Value") };
    sent[name].as_array().into_iter().flatten().map(tag).collect()
}

messages! {
    c::CreateIdentityProviderRequest {
        user_pool_id: text "UserPoolId", provider_name: text "ProviderName", provider_type: text "ProviderType",
        provider_details: map "ProviderDetails", attribute_mapping: map "AttributeMapping",
        idp_identifiers: list "IdpIdentifiers", acr_mapping: map "AcrMapping",
    }
    c::DescribeIdentityProviderRequest { user_pool_id: text "UserPoolId", provider_name: text "ProviderName" }
    c::UpdateIdentityProviderRequest {
        user_pool_id: text "UserPoolId", provider_name: text "ProviderName", provider_details: map "ProviderDetails",
        attribute_mapping: map "AttributeMapping", idp_identifiers: list "IdpIdentifiers", acr_mapping: map "AcrMapping", update_mask: mask "updateMask" }
    c::DeleteIdentityProviderRequest { user_pool_id: text "UserPoolId", provider_name: text "ProviderName" }
    c::ListIdentityProvidersRequest {
        user_pool_id: text "UserPoolId", max_results: number "MaxResults", next_token: text "NextToken",
    }
    c::GetIdentityProviderByIdentifierRequest { user_pool_id: text "UserPoolId", idp_identifier: text "IdpIdentifier" }
    w::CreateIdentityProviderRequest {
        portal_arn: text "portalArn", identity_provider_name: text "identityProviderName",
        identity_provider_type: text "identityProviderType", identity_provider_details: map "identityProviderDetails",
        client_token: text "clientToken", tags: tags "tags",
    }
    w::GetIdentityProviderRequest { identity_provider_arn: text "identityProviderArn" }
    w::UpdateIdentityProviderRequest {
        identity_provider_arn: text "identityProviderArn", identity_provider_name: text "identityProviderName",
        identity_provider_type: text "identityProviderType", identity_provider_details: map "identityProviderDetails",
        client_token: text "clientToken", update_mask: mask "updateMask" }
    w::ListIdentityProvidersRequest {
        portal_arn: text "portalArn", next_token: text "nextToken", max_results: number "maxResults",
    }
    w::DeleteIdentityProviderRequest { identity_provider_arn: text "identityProviderArn" }
}

/// The members that an update's mask may name, in AWS's words.
pub(super) const MASKED: [(&str, &str); 7] = [
    ("provider_details", "ProviderDetails"),
    ("attribute_mapping", "AttributeMapping"),
    ("idp_identifiers", "IdpIdentifiers"),
    ("acr_mapping", "AcrMapping"),
    ("identity_provider_name", "identityProviderName"),
    ("identity_provider_type", "identityProviderType"),
    ("identity_provider_details", "identityProviderDetails"),
];

fn is_empty(value: &Value) -> bool {
    value == "" || *value == json!({}) || *value == json!([])
}

/// What of an accepted request goes to AWS, by the contract: without a mask the populated members; with one exactly
/// those that it names, empty ones too.
pub(super) fn on_the_wire(action: Action, sent: &Value) -> Value {
    let paths = list(sent, "updateMask");
    let named = |member: &str| paths.iter().any(|path| MASKED.contains(&(path.as_str(), member)));
    let is_masked = |member: &str| !paths.is_empty() && MASKED.iter().any(|(_, known)| *known == member);
    let mut wire = sent.clone();
    let members = wire.as_object_mut().expect("a request");
    members.remove("updateMask");
    members.retain(|member, value| if is_masked(member) { named(member) } else { !is_empty(value) });
    for (path, member) in MASKED.iter().filter(|(path, _)| paths.iter().any(|it| it == path)) {
        let empty = if path.ends_with("identifiers") { json!([]) } else { json!({}) };
        let absent =
            if ["identity_provider_name", "identity_provider_type"].contains(path) { json!("") } else { empty };
        members.entry(*member).or_insert(absent);
    }
    debug_assert!(action.is_write() || paths.is_empty(), "reads have no mask");
    wire
}

/// Good details of each type.
fn details(kind: usize) -> (&'static str, Value) {
    let three = json!({"client_id": "a", "client_secret": "b", "authorize_scopes": "openid"});
    match kind % 6 {
        0 => (
            "OIDC",
            json!({"client_id": "a", "authorize_scopes": "openid", "oidc_issuer": "https://idp.example",
                "attributes_request_method": "GET"}),
        ),
        1 => ("SAML", json!({"MetadataFile": "<x/>", "IDPSignout": "true"})),
        2 => ("Google", three),
        3 => ("Facebook", three),
        4 => ("LoginWithAmazon", three),
        _ => (
            "SignInWithApple",
            json!({"client_id": "a", "team_id": "b", "key_id": "c", "private_key": "d", "authorize_scopes": "email"}),
        ),
    }
}

/// A good request, `kind` choosing the provider's type.
pub(super) fn base(action: Action, kind: usize) -> Value {
    let pool = "us-east-1_Abc";
    let portal = "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001";
    let arn = "arn:aws:workspaces-web:us-east-1:123456789012:identityProvider/00000000-0000-4000-8000-000000000001/00000000-0000-4000-8000-00000000000a";
    let (kind, details) = details(kind);
    // AWS names social providers after their type.
    let name = if ["OIDC", "SAML"].contains(&kind) { "Corp" } else { kind };
    match action {
        Action::CognitoCreate => {
            json!({"UserPoolId": pool, "ProviderName": name, "ProviderType": kind, "ProviderDetails": details})
        }
        Action::CognitoDescribe | Action::CognitoDelete => json!({"UserPoolId": pool, "ProviderName": name}),
        Action::CognitoUpdate => json!({"UserPoolId": pool, "ProviderName": name, "ProviderDetails": details}),
        Action::CognitoList => json!({"UserPoolId": pool}),
        Action::CognitoGetByIdentifier => json!({"UserPoolId": pool, "IdpIdentifier": "corp.example"}),
        Action::WebCreate => json!({"portalArn": portal, "identityProviderName": name, "identityProviderType": kind,
            "identityProviderDetails": details}),
        Action::WebGet | Action::WebDelete => json!({"identityProviderArn": arn}),
        Action::WebUpdate => json!({"identityProviderArn": arn, "identityProviderType": kind,
            "identityProviderDetails": details}),
        Action::WebList => json!({"portalArn": portal}),
    }
}
