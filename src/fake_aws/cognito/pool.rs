//! A user pool and its providers: what is stored, how create and update change it, how it is shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};

use crate::fake_aws::{
    cognito::{
        input::{Content, Create},
        invalid_parameter,
    },
    detail::{Details, ProviderType},
    fault::Fault,
    members::TextMap,
};

/// The pool attributes that exist in every pool: `OpenID` Connect's standard claims, as Cognito's developer guide lists
/// them, and `username`, which the default mapping maps.
const STANDARD_ATTRIBUTES: [&str; 21] = [
    "address",
    "birthdate",
    "email",
    "email_verified",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "profile",
    "sub",
    "updated_at",
    "username",
    "website",
    "zoneinfo",
];

pub(super) struct Pool {
    pub(super) id: String,
    pub(super) region: String,
    /// By name.
    pub(super) providers: BTreeMap<String, Provider>,
}

impl Pool {
    pub(super) fn new(id: String, region: String) -> Self {
        Self { id, region, providers: BTreeMap::new() }
    }

    /// Identifiers are unique in a pool. Our choice: `InvalidParameterException`, since it is declared on create and on
    /// update (`DuplicateProviderException` is not declared on update), with a sentence of ours; an identifier twice in one
    /// list is refused likewise.
    pub(super) fn check_identifiers(&self, wanted: &[String], owner: Option<&str>) -> Result<(), Fault> {
        let mut seen = BTreeSet::new();
        for identifier in wanted {
            let taken = self
                .providers
                .iter()
                .any(|(name, provider)| Some(name.as_str()) != owner && provider.identifiers.contains(identifier));
            if taken || !seen.insert(identifier) {
                return Err(invalid_parameter(format!(
                    "Identifier {identifier} is already in use by an identity provider in user pool {}.",
                    self.id
                )));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Provider {
    name: String,
    kind: ProviderType,
    details: Details,
    attribute_mapping: TextMap,
    pub(super) identifiers: Vec<String>,
    acr_mapping: TextMap,
    /// Milliseconds since 1970.
    created_ms: u64,
    /// Milliseconds since 1970.
    modified_ms: u64,
}

impl Provider {
    /// A new provider, or why it cannot be. What is unique in the pool is for the pool to check.
    pub(super) fn create(input: &Create) -> Result<Self, Fault> {
        let provider_type = input.provider_type;
        if provider_type.is_social() && input.name != provider_type.as_str() {
            let sentence = format!("Provider {} cannot be of type {}.", input.name, provider_type.as_str());
            return Err(invalid_parameter(sentence));
        }
        input.details.check(provider_type).map_err(invalid_parameter)?;
        let content = &input.content;
        check_mappings(provider_type, content)?;
        let now_ms = now_ms();
        Ok(Self {
            name: input.name.clone(),
            kind: provider_type,
            details: input.details.clone(),
            // An absent mapping becomes this one, for every type; an empty one stays empty.
            attribute_mapping: content
                .attribute_mapping
                .clone()
                .unwrap_or_else(|| TextMap::from([("username".to_owned(), "sub".to_owned())])),
            identifiers: content.identifiers.clone().unwrap_or_default(),
            acr_mapping: content.acr_mapping.clone().unwrap_or_default(),
            created_ms: now_ms,
            modified_ms: now_ms,
        })
    }

    /// This provider with the members that were sent; each replaces the stored one as a whole, an empty one clears it.
    pub(super) fn updated(&self, content: Content) -> Result<Self, Fault> {
        check_mappings(self.kind, &content)?;
        let mut updated = self.clone();
        if let Some(mut details) = content.details {
            if self.kind == ProviderType::SignInWithApple {
                // It cannot be read back, so that an update may leave it out.
                details.keep("private_key", &self.details);
            }
            // Our choice: sent details need the required keys again (reported from deployments, not documented).
            details.check(self.kind).map_err(invalid_parameter)?;
            updated.details = details;
        }
        if let Some(mapping) = content.attribute_mapping {
            updated.attribute_mapping = mapping;
        }
        if let Some(identifiers) = content.identifiers {
            updated.identifiers = identifiers;
        }
        if let Some(mapping) = content.acr_mapping {
            updated.acr_mapping = mapping;
        }
        // Two updates within a millisecond differ too.
        updated.modified_ms = now_ms().max(self.modified_ms + 1);
        Ok(updated)
    }

    /// The answer that shows this provider. Describe always shows the identifiers, create and update only those that the
    /// request had. Our choice: an empty attribute mapping is shown, an empty ACR mapping is not (other types have none).
    pub(super) fn answer(&self, pool: &str, show_identifiers: bool) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("UserPoolId", pool.into());
        put("ProviderName", self.name.as_str().into());
        put("ProviderType", self.kind.as_str().into());
        put("ProviderDetails", object(&self.details.served_by_cognito(self.kind)));
        put("AttributeMapping", object(&self.attribute_mapping));
        if show_identifiers {
            put("IdpIdentifiers", self.identifiers.clone().into());
        }
        if !self.acr_mapping.is_empty() {
            put("AcrMapping", object(&self.acr_mapping));
        }
        put("LastModifiedDate", epoch_seconds(self.modified_ms));
        put("CreationDate", epoch_seconds(self.created_ms));
        Map::from_iter([("IdentityProvider".to_owned(), members.into())]).into()
    }

    /// What a list shows.
    pub(super) fn summary(&self) -> Value {
        let mut members = Map::new();
        members.insert("ProviderName".to_owned(), self.name.as_str().into());
        members.insert("ProviderType".to_owned(), self.kind.as_str().into());
        members.insert("LastModifiedDate".to_owned(), epoch_seconds(self.modified_ms));
        members.insert("CreationDate".to_owned(), epoch_seconds(self.created_ms));
        members.into()
    }
}

/// What can be mapped. The fake's pools have no schema: every `custom:` attribute exists.
fn check_mappings(provider_type: ProviderType, content: &Content) -> Result<(), Fault> {
    let exists = |attribute: &str| attribute.starts_with("custom:") || STANDARD_ATTRIBUTES.contains(&attribute);
    let unknown: Vec<&str> = content
        .attribute_mapping
        .iter()
        .flat_map(TextMap::keys)
        .map(String::as_str)
        .filter(|attribute| !exists(attribute))
        .collect();
    if !unknown.is_empty() {
        return Err(invalid_parameter(format!("AttributeMapping contains invalid mapping: [{}]", unknown.join(", "))));
    }
    // Documented: for OIDC only. The sentence is ours; an empty map is let through, since it changes nothing.
    if provider_type != ProviderType::Oidc && content.acr_mapping.as_ref().is_some_and(|mapping| !mapping.is_empty()) {
        return Err(invalid_parameter("AcrMapping is supported for OIDC identity providers only."));
    }
    Ok(())
}

fn object(map: &TextMap) -> Value {
    map.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>().into()
}

/// A timestamp of awsJson1.1: seconds since 1970 with a fraction of milliseconds.
fn epoch_seconds(milliseconds: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "exact for milliseconds until the year 287396")]
    let seconds = milliseconds as f64 / 1000.0;
    seconds.into()
}

fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
