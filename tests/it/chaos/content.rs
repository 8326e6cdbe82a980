//! What callers want a provider to be, what it then is at AWS, and whether the two are the same.

use std::{collections::BTreeMap, fmt};

use idp_proxy::proto::{cognito::v1 as c, workspacesweb::v1 as w};
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::Value;

use crate::support::map;

type Texts = BTreeMap<String, String>;

/// Keys that hold secrets, which no answer shows.
const SECRETS: [&str; 1] = ["client_secret"];

/// What a caller sends. What is absent is not sent. It has no derived `Debug`: it holds secrets.
#[derive(Clone, PartialEq)]
pub(super) struct Content {
    pub(super) kind: &'static str,
    pub(super) details: Texts,
    pub(super) mapping: Option<Texts>,
    pub(super) identifiers: Option<Vec<String>>,
    pub(super) acr: Option<Texts>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {:?}", self.kind, self.details.keys())
    }
}

impl Content {
    /// Any content; `mark` is part of it, so that contents with different marks differ.
    pub(super) fn any(rng: &mut StdRng, mark: &str) -> Self {
        let kind = if rng.random_ratio(1, 4) { "SAML" } else { "OIDC" };
        let details = match kind {
            "SAML" => map(&[("MetadataURL", "https://idp.example/metadata"), ("IDPSignout", "true")]),
            _ => map(&[
                ("client_id", "client"),
                ("client_secret", "the secret"),
                ("authorize_scopes", "openid email"),
                ("oidc_issuer", "https://idp.example"),
                ("attributes_request_method", "GET"),
            ]),
        };
        let mut content = Self { kind, details, mapping: None, identifiers: None, acr: None };
        if rng.random() {
            content.mapping = Some(map(&[("email", "mail"), ("username", "sub")]));
        }
        if rng.random() {
            content.identifiers = Some(vec![format!("{mark}.example"), "corp.example".to_owned()]);
        }
        if kind == "OIDC" && rng.random() {
            content.acr = Some(map(&[("Level1", "urn:acr:1")]));
        }
        content.details.insert(content.host_key().to_owned(), format!("https://{mark}.example"));
        content
    }

    /// The detail that holds the mark.
    fn host_key(&self) -> &'static str {
        if self.kind == "SAML" { "MetadataURL" } else { "oidc_issuer" }
    }

    /// A content that differs in one place, and what place that is. `WorkSpaces` Web knows only type and details.
    pub(super) fn rival(&self, rng: &mut StdRng, has_mappings: bool) -> (Self, &'static str) {
        let mut other = self.clone();
        let mut places = vec!["one detail", "one detail more"];
        if self.kind == "OIDC" {
            places.extend(["the secret", "no secret"]);
        }
        if has_mappings {
            places.extend(["the mapping", "the identifiers", "no identifiers"]);
            if self.kind == "OIDC" {
                places.push("the ACR mapping");
            }
        }
        let place = *places.choose(rng).expect("some places");
        let mut set = |key: &str, value: &str| drop(other.details.insert(key.to_owned(), value.to_owned()));
        match (place, self.kind) {
            ("one detail", "SAML") => set("IDPSignout", "false"),
            ("one detail", _) => set("authorize_scopes", "openid"),
            ("one detail more", "SAML") => set("IDPInit", "true"),
            ("one detail more", _) => set("token_url", "https://idp.example/token"),
            ("the secret", _) => set("client_secret", "another secret"),
            ("no secret", _) => drop(other.details.remove("client_secret")),
            ("the mapping", _) => other.mapping = Some(map(&[("email", "other"), ("username", "sub")])),
            ("the ACR mapping", _) => other.acr = Some(map(&[("Level1", "urn:acr:2")])),
            ("the identifiers", _) => other.identifiers = Some(vec!["other.example".to_owned()]),
            (_, _) if self.identifiers.is_some() => other.identifiers = None,
            // Nothing to leave out.
            (_, _) => other.identifiers = Some(vec!["other.example".to_owned()]),
        }
        (other, place)
    }
}

/// A provider as AWS holds it, with what AWS sets itself. It has no derived `Debug`: it holds secrets.
#[derive(Clone, PartialEq)]
pub(super) struct Held {
    /// Of `WorkSpaces` Web.
    pub(super) arn: Option<String>,
    kind: String,
    details: Texts,
    mapping: Texts,
    identifiers: Vec<String>,
    acr: Texts,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {:?} {:?} {:?}", self.kind, self.details.keys(), self.mapping, self.identifiers)
    }
}

/// Detail keys that Cognito sets itself.
fn is_set_by_aws(kind: &str, key: &str) -> bool {
    match kind {
        "SAML" => ["ActiveEncryptionCertificate", "SSORedirectBindingURI", "SLORedirectBindingURI"].contains(&key),
        _ => key == "attributes_url_add_attributes",
    }
}

fn texts(document: &Value) -> Texts {
    serde_json::from_value(document.clone()).unwrap_or_default()
}

impl Held {
    /// Cognito's `IdentityProviderType`.
    pub(super) fn of_cognito(provider: &Value) -> Self {
        Self {
            arn: None,
            kind: provider["ProviderType"].as_str().expect("a type").to_owned(),
            details: texts(&provider["ProviderDetails"]),
            mapping: texts(&provider["AttributeMapping"]),
            identifiers: serde_json::from_value(provider["IdpIdentifiers"].clone()).unwrap_or_default(),
            acr: texts(&provider["AcrMapping"]),
        }
    }

    /// `WorkSpaces` Web's `IdentityProvider`.
    pub(super) fn of_web(provider: &Value) -> Self {
        Self {
            arn: provider["identityProviderArn"].as_str().map(str::to_owned),
            kind: provider["identityProviderType"].as_str().expect("a type").to_owned(),
            details: texts(&provider["identityProviderDetails"]),
            mapping: Texts::new(),
            identifiers: Vec::new(),
            acr: Texts::new(),
        }
    }

    /// What Cognito makes of a create.
    pub(super) fn created(content: &Content, is_cognito: bool) -> Self {
        let default = if is_cognito { map(&[("username", "sub")]) } else { Texts::new() };
        Self {
            arn: None,
            kind: content.kind.to_owned(),
            details: content.details.clone(),
            mapping: content.mapping.clone().unwrap_or(default),
            identifiers: content.identifiers.clone().unwrap_or_default(),
            acr: content.acr.clone().unwrap_or_default(),
        }
    }

    /// This provider after an update: members that were sent replace it as a whole.
    pub(super) fn updated(&self, content: &Content) -> Self {
        Self {
            arn: self.arn.clone(),
            // At Cognito both are the same.
            kind: content.kind.to_owned(),
            details: content.details.clone(),
            mapping: content.mapping.clone().unwrap_or_else(|| self.mapping.clone()),
            identifiers: content.identifiers.clone().unwrap_or_else(|| self.identifiers.clone()),
            acr: content.acr.clone().unwrap_or_else(|| self.acr.clone()),
        }
    }

    /// Whether AWS holds just this, besides what it sets itself.
    pub(super) fn is(&self, wanted: &Self) -> bool {
        let own = |key: &str| is_set_by_aws(&self.kind, key);
        let is_extra = |key: &String| !wanted.details.contains_key(key) && !own(key);
        let is_other = |(key, value): (&String, &String)| !own(key) && self.details.get(key) != Some(value);
        self.kind == wanted.kind
            && !self.details.keys().any(is_extra)
            && !wanted.details.iter().any(is_other)
            && (&self.mapping, &self.identifiers, &self.acr) == (&wanted.mapping, &wanted.identifiers, &wanted.acr)
    }

    /// Whether an answer shows this provider, as far as answers go: no secrets, identifiers only where they were sent.
    pub(super) fn is_shown_by(&self, answer: &c::IdentityProvider) -> bool {
        let mut shown = self.details.clone();
        shown.retain(|key, _| !SECRETS.contains(&key.as_str()) && !is_set_by_aws(&self.kind, key));
        let identifiers = answer.idp_identifiers.is_empty() || answer.idp_identifiers == self.identifiers;
        let maps = (&answer.provider_details, &answer.attribute_mapping, &answer.acr_mapping);
        answer.provider_type == self.kind && identifiers && maps == (&shown, &self.mapping, &self.acr)
    }

    /// The same for `WorkSpaces` Web.
    pub(super) fn is_shown_by_web(&self, answer: &w::IdentityProvider) -> bool {
        let mut shown = self.details.clone();
        shown.retain(|key, _| !SECRETS.contains(&key.as_str()));
        answer.identity_provider_type == self.kind && answer.identity_provider_details == shown
    }
}
