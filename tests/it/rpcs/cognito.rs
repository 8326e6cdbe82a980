//! The six RPCs of Cognito.

use idp_proxy::{
    domain::{Action, Repeat},
    proto::cognito::v1 as c,
};
use prost::Message as _;
use serde_json::{Value, json};

use super::{DETAILS, Rpc, details, edit, texts};
use crate::support::SANDBOX_USER_POOL;

pub(super) fn all() -> Vec<Rpc> {
    [vec![create(), update(), delete()], reads()].concat()
}

fn cognito_answer() -> Value {
    json!({"IdentityProvider": {
        "UserPoolId": SANDBOX_USER_POOL, "ProviderName": "MyOidc", "ProviderType": "OIDC", "ProviderDetails": details(),
        "LastModifiedDate": 1_700_000_000.125, "CreationDate": 1_700_000_000,
    }})
}

fn post() -> (&'static str, String) {
    ("POST", "/".to_owned())
}

fn create() -> Rpc {
    let (pool, name) = (SANDBOX_USER_POOL.to_owned(), "MyOidc".to_owned());
    let create = c::CreateIdentityProviderRequest {
        user_pool_id: pool.clone(),
        provider_name: name.clone(),
        provider_type: "OIDC".to_owned(),
        provider_details: texts(&DETAILS),
        attribute_mapping: texts(&[("email", "mail")]),
        idp_identifiers: vec!["corp.example".to_owned()],
        acr_mapping: texts(&[("Level1", "urn:acr:1")]),
        ..Default::default()
    };
    Rpc {
        action: Action::CognitoCreate,
        repeat: Repeat::Once,
        invalid: edit(&create.encode_to_vec(), |it: &mut c::CreateIdentityProviderRequest| {
            it.user_pool_id = "nowhere".into();
            it.provider_name = "a b".into();
            it.provider_details.remove("client_id");
            it.idp_identifiers.push("a,b".to_owned());
        }),
        valid: create.encode_to_vec(),
        violations: &["user_pool_id", "provider_name", r#"provider_details["client_id"]"#, "idp_identifiers[1]"],
        http: post(),
        sent: json!({
            "UserPoolId": pool, "ProviderName": name, "ProviderType": "OIDC", "ProviderDetails": details(),
            "AttributeMapping": {"email": "mail"}, "IdpIdentifiers": ["corp.example"],
            "AcrMapping": {"Level1": "urn:acr:1"},
        }),
        success: cognito_answer(),
    }
}

fn update() -> Rpc {
    let (pool, name) = (SANDBOX_USER_POOL.to_owned(), "MyOidc".to_owned());
    let update = c::UpdateIdentityProviderRequest {
        user_pool_id: pool.clone(),
        provider_name: name.clone(),
        provider_details: texts(&DETAILS),
        update_mask: Some(prost_types::FieldMask {
            paths: ["provider_details", "attribute_mapping", "idp_identifiers"].map(str::to_owned).into(),
        }),
        ..Default::default()
    };
    Rpc {
        action: Action::CognitoUpdate,
        repeat: Repeat::SameEffect,
        invalid: edit(&update.encode_to_vec(), |it: &mut c::UpdateIdentityProviderRequest| {
            it.user_pool_id.clear();
            it.provider_name = "x".repeat(33);
            it.update_mask = Some(prost_types::FieldMask { paths: vec!["provider_type".to_owned()] });
            it.acr_mapping = texts(&[("Level5", "a")]);
        }),
        valid: update.encode_to_vec(),
        violations: &["update_mask", "user_pool_id", "provider_name", r#"acr_mapping["Level5"]"#],
        http: post(),
        // Named by the mask and empty: sent, which clears them.
        sent: json!({
            "UserPoolId": pool, "ProviderName": name, "ProviderDetails": details(),
            "AttributeMapping": {}, "IdpIdentifiers": [],
        }),
        success: cognito_answer(),
    }
}

fn delete() -> Rpc {
    let (pool, name) = (SANDBOX_USER_POOL.to_owned(), "MyOidc".to_owned());
    Rpc {
        action: Action::CognitoDelete,
        repeat: Repeat::SameEffect,
        valid: c::DeleteIdentityProviderRequest {
            user_pool_id: pool.clone(),
            provider_name: name.clone(),
            ..Default::default()
        }
        .encode_to_vec(),
        invalid: Vec::new(),
        violations: &["user_pool_id", "provider_name"],
        http: post(),
        sent: json!({"UserPoolId": pool, "ProviderName": name}),
        success: json!({}),
    }
}

fn reads() -> Vec<Rpc> {
    let (pool, name) = (SANDBOX_USER_POOL.to_owned(), "MyOidc".to_owned());
    let list = |size, token: &str, pool: &str| {
        let (user_pool_id, next_token) = (pool.to_owned(), token.to_owned());
        c::ListIdentityProvidersRequest { user_pool_id, max_results: Some(size), next_token }.encode_to_vec()
    };
    let find = |pool: &str, identifier: &str| {
        let (user_pool_id, idp_identifier) = (pool.to_owned(), identifier.to_owned());
        c::GetIdentityProviderByIdentifierRequest { user_pool_id, idp_identifier }.encode_to_vec()
    };
    let read = |action, valid, invalid, violations, sent, success| Rpc {
        action,
        repeat: Repeat::Read,
        valid,
        invalid,
        violations,
        http: post(),
        sent,
        success,
    };
    vec![
        read(
            Action::CognitoDescribe,
            c::DescribeIdentityProviderRequest { user_pool_id: pool.clone(), provider_name: name.clone() }
                .encode_to_vec(),
            c::DescribeIdentityProviderRequest { user_pool_id: "us-east-1".to_owned(), provider_name: "\n".to_owned() }
                .encode_to_vec(),
            &["user_pool_id", "provider_name"],
            json!({"UserPoolId": pool, "ProviderName": name}),
            cognito_answer(),
        ),
        read(
            Action::CognitoList,
            list(7, "page-2", &pool),
            list(61, "a b", "x_"),
            &["user_pool_id", "max_results", "next_token"],
            json!({"UserPoolId": pool, "MaxResults": 7, "NextToken": "page-2"}),
            json!({"Providers": [{"ProviderName": "MyOidc", "ProviderType": "OIDC", "CreationDate": 1_700_000_000}]}),
        ),
        read(
            Action::CognitoGetByIdentifier,
            find(&pool, "corp.example"),
            find("", ""),
            &["user_pool_id", "idp_identifier"],
            json!({"UserPoolId": pool, "IdpIdentifier": "corp.example"}),
            cognito_answer(),
        ),
    ]
}
