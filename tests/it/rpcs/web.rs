//! The five RPCs of `WorkSpaces` Web.

use idp_proxy::{
    domain::{Action, Repeat},
    proto::workspacesweb::v1 as w,
};
use prost::Message as _;
use serde_json::{Value, json};

use super::{DETAILS, PROVIDER_ARN, Rpc, details, edit, texts};
use crate::support::SANDBOX_PORTAL;

const PROVIDER_PATH: &str = "/identityProviders/arn%3Aaws%3Aworkspaces-web%3Aus-east-1%3A123456789012%3A\
    identityProvider/00000000-0000-4000-8000-000000000001/00000000-0000-4000-8000-00000000000a";
const PORTAL_PATH: &str = "/portals/arn%3Aaws%3Aworkspaces-web%3Aus-east-1%3A123456789012%3A\
    portal/00000000-0000-4000-8000-000000000001/identityProviders";

pub(super) fn all() -> Vec<Rpc> {
    [vec![create(), update(), delete()], reads()].concat()
}

fn web_answer() -> Value {
    json!({"identityProvider": {
        "identityProviderArn": PROVIDER_ARN, "identityProviderName": "My OIDC", "identityProviderType": "OIDC",
        "identityProviderDetails": details(),
    }})
}

fn create() -> Rpc {
    let create = w::CreateIdentityProviderRequest {
        portal_arn: SANDBOX_PORTAL.to_owned(),
        identity_provider_name: "My OIDC".to_owned(),
        identity_provider_type: "OIDC".to_owned(),
        identity_provider_details: texts(&DETAILS),
        client_token: "token-of-the-caller".to_owned(),
        tags: vec![w::Tag { key: "team".to_owned(), value: "identity".to_owned() }],
        ..Default::default()
    };
    Rpc {
        action: Action::WebCreate,
        repeat: Repeat::SameEffect,
        invalid: edit(&create.encode_to_vec(), |it: &mut w::CreateIdentityProviderRequest| {
            it.portal_arn = PROVIDER_ARN.into();
            it.identity_provider_type = "oidc".into();
            it.client_token = "x".repeat(513);
            it.tags.push(w::Tag { key: String::new(), value: "a&b".to_owned() });
        }),
        valid: create.encode_to_vec(),
        violations: &["portal_arn", "identity_provider_type", "client_token", "tags[1].key", "tags[1].value"],
        http: ("POST", "/identityProviders".to_owned()),
        sent: json!({
            "portalArn": SANDBOX_PORTAL, "identityProviderName": "My OIDC", "identityProviderType": "OIDC",
            "identityProviderDetails": details(), "clientToken": "token-of-the-caller",
            "tags": [{"Key": "team", "Value": "identity"}],
        }),
        success: json!({"identityProviderArn": PROVIDER_ARN}),
    }
}

fn update() -> Rpc {
    let update = w::UpdateIdentityProviderRequest {
        identity_provider_arn: PROVIDER_ARN.to_owned(),
        identity_provider_name: "My OIDC".to_owned(),
        identity_provider_type: "OIDC".to_owned(),
        identity_provider_details: texts(&DETAILS),
        client_token: "token-of-the-caller".to_owned(),
        ..Default::default()
    };
    Rpc {
        action: Action::WebUpdate,
        repeat: Repeat::SameEffect,
        invalid: edit(&update.encode_to_vec(), |it: &mut w::UpdateIdentityProviderRequest| {
            it.identity_provider_arn = SANDBOX_PORTAL.into();
            it.identity_provider_name = "_x_".into();
            it.identity_provider_details = texts(&[("MetadataURL", "https://idp.example")]);
        }),
        valid: update.encode_to_vec(),
        violations: &[
            "identity_provider_arn",
            "identity_provider_name",
            r#"identity_provider_details["MetadataURL"]"#,
            r#"identity_provider_details["client_id"]"#,
        ],
        http: ("PATCH", PROVIDER_PATH.to_owned()),
        sent: json!({
            "identityProviderName": "My OIDC", "identityProviderType": "OIDC",
            "identityProviderDetails": details(), "clientToken": "token-of-the-caller",
        }),
        success: web_answer(),
    }
}

fn delete() -> Rpc {
    Rpc {
        action: Action::WebDelete,
        repeat: Repeat::SameEffect,
        valid: w::DeleteIdentityProviderRequest {
            identity_provider_arn: PROVIDER_ARN.to_owned(),
            ..Default::default()
        }
        .encode_to_vec(),
        invalid: Vec::new(),
        violations: &["identity_provider_arn"],
        http: ("DELETE", PROVIDER_PATH.to_owned()),
        sent: Value::Null,
        success: json!({}),
    }
}

fn reads() -> Vec<Rpc> {
    let list = |portal: &str, size, token: &str| {
        let (portal_arn, next_token) = (portal.to_owned(), token.to_owned());
        w::ListIdentityProvidersRequest { portal_arn, next_token, max_results: Some(size) }.encode_to_vec()
    };
    let get = |arn: &str| w::GetIdentityProviderRequest { identity_provider_arn: arn.to_owned() }.encode_to_vec();
    let summary = json!({"identityProviderArn": PROVIDER_ARN, "identityProviderName": "My OIDC"});
    vec![
        Rpc {
            action: Action::WebGet,
            repeat: Repeat::Read,
            valid: get(PROVIDER_ARN),
            invalid: get(&format!("{PROVIDER_ARN}/../../portals")),
            violations: &["identity_provider_arn"],
            http: ("GET", PROVIDER_PATH.to_owned()),
            sent: Value::Null,
            success: web_answer(),
        },
        Rpc {
            action: Action::WebList,
            repeat: Repeat::Read,
            valid: list(SANDBOX_PORTAL, 1, "page+2/="),
            invalid: list("portal/x", 0, &"x".repeat(2049)),
            violations: &["portal_arn", "next_token", "max_results"],
            http: ("GET", format!("{PORTAL_PATH}?nextToken=page%2B2%2F%3D&maxResults=1")),
            sent: Value::Null,
            success: json!({"identityProviders": [summary]}),
        },
    ]
}
