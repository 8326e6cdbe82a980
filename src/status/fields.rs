//! AWS's names of fields → the proto's, so that a violation found by AWS points at the caller's own field.

use std::sync::LazyLock;

use regex::Regex;

use crate::{
    domain::{DetailKey, Service, Subject},
    upstream::FieldError,
};

/// Words of AWS's Cognito messages → fields. Wordings change between years: what is not found names no field.
const WORDS: &[(&str, &[&str])] = &[
    ("clientId, clientSecret and authorizeScopes", &["client_id", "client_secret", "authorize_scopes"]),
    ("client_id, client_secret and authorize_scopes", &["client_id", "client_secret", "authorize_scopes"]),
    ("clientId, privateKey, teamId, and keyId", &["client_id", "private_key", "team_id", "key_id"]),
    (
        "clientId, authorizeScopes, oidcIssuer and attributesRequestMethod",
        &["client_id", "authorize_scopes", "oidc_issuer", "attributes_request_method"],
    ),
    ("OIDC endpoint must start with https://", &["oidc_issuer"]),
    ("MetadataURL or MetadataFile", &["MetadataURL", "MetadataFile"]),
    ("binding location found in metadata", &["MetadataURL", "MetadataFile"]),
    ("private key cannot be used", &["private_key"]),
];

/// AWS's echo of a rejected member: `at 'providerConfiguration.oidcConfig.attributesRequestMethod' failed`.
static MEMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"at '([A-Za-z0-9_.]{1,128})' failed").ok());
/// `ActiveEncryptionCertificate is not a valid key for SAML identity provider details.`
static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"([A-Za-z0-9_]{1,64}) is not a valid key for").ok());

/// The fields that AWS's message is about; none if that cannot be told.
pub(super) fn of_text(message: &str, subject: &Subject<'_>) -> Vec<String> {
    let service = subject.action.service();
    if let Some((_, keys)) = WORDS.iter().find(|(words, _)| message.contains(words)) {
        let given = |key: &&&str| subject.details.is_none_or(|details| details.iter().any(|(name, _)| name == **key));
        // Of two alternatives only the one that was sent can be at fault.
        let sent: Vec<_> = keys.iter().filter(given).collect();
        let all = sent.is_empty() || message.contains("required") || message.contains("should be provided");
        return if all {
            keys.iter().map(|key| detail(service, key)).collect()
        } else {
            sent.into_iter().map(|key| detail(service, key)).collect()
        };
    }
    if message.contains("cannot be of type") {
        return vec!["provider_name".to_owned()];
    }
    let first = |pattern: &LazyLock<Option<Regex>>| -> Vec<String> {
        let found = pattern.as_ref().into_iter().flat_map(|pattern| pattern.captures_iter(message));
        let names = found.filter_map(|found| Some(found.get(1)?.as_str().to_owned()));
        names.filter(|name| !subject.is_telling(name)).collect()
    };
    let members = first(&MEMBER);
    if members.is_empty() {
        // A key is named only if it is one: AWS's sentence may be about anything else that the caller sent.
        let sent = |key: &str| subject.details.is_some_and(|details| details.iter().any(|(name, _)| name == key));
        let keys = first(&KEY).into_iter().filter(|key| DetailKey::of(key).is_some() || sent(key));
        return keys.map(|key| detail(service, &key)).collect();
    }
    members.iter().map(|path| of_path(service, path)).collect()
}

/// The field of one entry of `fieldList`.
pub(super) fn of_field(service: Service, error: &FieldError) -> String {
    of_path(service, &error.name)
}

fn detail(service: Service, key: &str) -> String {
    let member = match service {
        Service::Cognito => "provider_details",
        Service::WorkspacesWeb => "identity_provider_details",
    };
    format!("{member}[\"{key}\"]")
}

/// AWS's camelCase path → the proto's; a part that names a detail key becomes an entry of the details.
fn of_path(service: Service, path: &str) -> String {
    let parts = path.split(['.', '[', ']', '/', '"']).filter(|part| !part.is_empty());
    let parts: Vec<String> = parts.map(snake).collect();
    let key = parts.iter().rev().find(|part| DetailKey::of(part).is_some());
    let raw_key = path.split(['.', '[', ']', '/', '"']).rev().find(|part| DetailKey::of(part).is_some());
    if let Some(key) = key.map(String::as_str).or(raw_key) {
        return detail(service, key);
    }
    // AWS's path is made of its own names; anything else in it would be an echo and is left out.
    let own =
        |part: &&String| part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    parts.iter().take_while(own).take(3).map(String::as_str).collect::<Vec<_>>().join(".")
}

fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::{of_path, of_text};
    use crate::domain::{Action, Resource, Service, Subject, UserPoolId};

    #[test]
    fn awss_messages_lead_to_the_protos_fields() {
        let pool = UserPoolId::parse("us-east-1_Abc".to_owned()).unwrap();
        let subject = Subject::new(Action::CognitoCreate, Resource::UserPool(&pool), None);
        for (message, fields) in [
            ("OIDC endpoint must start with https://", vec![r#"provider_details["oidc_issuer"]"#]),
            ("Provider MyGoogle cannot be of type Google.", vec!["provider_name"]),
            (
                "1 validation error detected: Value 'PUT' at 'providerConfiguration.oidcConfig.attributesRequestMethod' failed to satisfy constraint",
                vec![r#"provider_details["attributes_request_method"]"#],
            ),
            (
                "2 validation errors detected: Value '' at 'userPoolId' failed x; Value '' at 'providerName' failed y",
                vec!["user_pool_id", "provider_name"],
            ),
            (
                "ActiveEncryptionCertificate is not a valid key for SAML identity provider details.",
                vec![r#"provider_details["ActiveEncryptionCertificate"]"#],
            ),
            ("Something new went wrong", vec![]),
        ] {
            assert_eq!(of_text(message, &subject), fields, "{message}");
        }
    }

    #[test]
    fn a_field_lists_paths_are_translated() {
        for (path, field) in [
            ("identityProviderName", "identity_provider_name"),
            ("identityProviderDetails.client_id", r#"identity_provider_details["client_id"]"#),
            ("identityProviderDetails.MetadataURL", r#"identity_provider_details["MetadataURL"]"#),
            ("identityProviderDetails", "identity_provider_details"),
            ("portalArn", "portal_arn"),
        ] {
            assert_eq!(of_path(Service::WorkspacesWeb, path), field, "{path}");
        }
    }
}
