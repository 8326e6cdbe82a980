//! The table of detail keys: for every key and provider type, who may set it, what it holds, whether it is secret.
//!
//! Validation, redaction, the splitting of answers and the documents read this table and nothing else.
//! Source: AWS's documents of both APIs, collected in the project's API facts, section B.1.

use super::provider::ProviderType;

/// Who sets a key for a provider type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The caller must set it.
    Required,
    /// The caller must set it on create; an update may leave it out, since AWS never shows it again.
    RequiredOnCreate,
    /// Exactly one of the keys of the type with this mark must be set.
    OneOf,
    /// The caller may set it.
    Optional,
    /// Only AWS sets it, and shows it in answers.
    SetByAws,
    /// The type has no such key.
    Absent,
}

impl Presence {
    /// Whether a caller may set the key.
    pub const fn is_callers(self) -> bool {
        !matches!(self, Self::SetByAws | Self::Absent)
    }

    /// The word that the documents use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::RequiredOnCreate => "required on create",
            Self::OneOf => "exactly one",
            Self::Optional => "optional",
            Self::SetByAws => "set by AWS",
            Self::Absent => "-",
        }
    }
}

/// What a key's value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Any text that is not empty.
    Text,
    /// A text that may be empty; if it looks like a URL, one with https.
    AnyText,
    /// A URL with https.
    HttpsUrl,
    /// `true` or `false`, as a text.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Scopes with spaces or commas between; for OIDC `openid` must be among them.
    Scopes,
}

impl Format {
    /// What the documents say of it.
    pub fn words(self) -> String {
        match self {
            Self::Text | Self::AnyText => "text".to_owned(),
            Self::HttpsUrl => "https URL".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Word(words) => format!("`{}`", words.join("` or `")),
            Self::Scopes => "scopes; for OIDC with `openid`".to_owned(),
        }
    }
}

/// One row: a key of `provider_details` or `identity_provider_details`.
#[derive(Clone, Copy, Debug)]
pub struct DetailKey {
    /// AWS's key; case-sensitive.
    pub name: &'static str,
    /// By provider type, in the order of [`ProviderType::ALL`].
    presence: [Presence; 6],
    /// What the value must look like.
    pub format: Format,
    /// Whether the value gives access to something.
    pub is_secret: bool,
    /// Other names that people give to it, from `OpenID` discovery documents and the issues of other tools.
    pub aliases: &'static [&'static str],
}

impl DetailKey {
    /// The row of a key, if AWS documents it.
    pub fn of(name: &str) -> Option<&'static Self> {
        DETAIL_KEYS.iter().find(|key| key.name == name)
    }

    /// Who sets the key for `kind`.
    pub const fn presence(&self, kind: ProviderType) -> Presence {
        let [saml, facebook, google, amazon, apple, oidc] = self.presence;
        match kind {
            ProviderType::Saml => saml,
            ProviderType::Facebook => facebook,
            ProviderType::Google => google,
            ProviderType::LoginWithAmazon => amazon,
            ProviderType::SignInWithApple => apple,
            ProviderType::Oidc => oidc,
        }
    }

    /// The key of `kind` that a caller probably meant by `name`.
    pub fn nearest(name: &str, kind: ProviderType) -> Option<&'static str> {
        /// Below this Jaro-Winkler similarity a suggestion confuses more than it helps.
        const SIMILARITY_MIN: f64 = 0.8;
        let plain = |text: &str| text.replace(['_', '-', ' '], "").to_ascii_lowercase();
        let wanted = plain(name);
        let settable = || DETAIL_KEYS.iter().filter(|key| key.presence(kind).is_callers());
        let alias = settable().find(|key| key.aliases.iter().any(|alias| plain(alias) == wanted));
        let similar = || {
            let scored = settable().map(|key| (strsim::jaro_winkler(&plain(key.name), &wanted), key));
            let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
            best.filter(|(score, _)| *score >= SIMILARITY_MIN).map(|(_, key)| key)
        };
        alias.or_else(similar).map(|key| key.name)
    }
}

const fn key(name: &'static str, presence: [Presence; 6], format: Format) -> DetailKey {
    DetailKey { name, presence, format, is_secret: false, aliases: &[] }
}

const fn secret(name: &'static str, presence: [Presence; 6], format: Format) -> DetailKey {
    DetailKey { is_secret: true, ..key(name, presence, format) }
}

const fn also(row: DetailKey, aliases: &'static [&'static str]) -> DetailKey {
    DetailKey { aliases, ..row }
}

use self::{
    Format::{AnyText, Boolean, HttpsUrl, Scopes, Text, Word},
    Presence::{Absent as X, OneOf as E, Optional as O, Required as R, RequiredOnCreate as C, SetByAws as S},
};

/// Every detail key that AWS documents. Columns: SAML, Facebook, Google, `LoginWithAmazon`, `SignInWithApple`, OIDC.
pub const DETAIL_KEYS: &[DetailKey] = &[
    also(key("client_id", [X, R, R, R, R, R], Text), &["app_id", "services_id"]),
    also(secret("client_secret", [X, R, R, R, X, O], Text), &["app_secret", "secret"]),
    also(key("authorize_scopes", [X, R, R, R, R, R], Scopes), &["scope", "scopes", "authorization_scopes"]),
    key("api_version", [X, O, X, X, X, X], Text),
    key("team_id", [X, X, X, X, R, X], Text),
    key("key_id", [X, X, X, X, R, X], Text),
    secret("private_key", [X, X, X, X, C, X], Text),
    also(key("oidc_issuer", [X, X, S, X, S, R], HttpsUrl), &["issuer", "issuer_url"]),
    also(key("attributes_request_method", [X, X, X, X, X, R], Word(&["GET", "POST"])), &["userinfo_request_method"]),
    also(
        key("authorize_url", [X, S, S, S, S, O], HttpsUrl),
        &["authorization_endpoint", "authorization_url", "authorize_endpoint"],
    ),
    also(key("token_url", [X, S, S, S, S, O], HttpsUrl), &["token_endpoint"]),
    also(
        key("attributes_url", [X, S, S, S, X, O], HttpsUrl),
        &["userinfo_endpoint", "userinfo_url", "user_info_url", "attributes_endpoint"],
    ),
    also(key("jwks_uri", [X, X, X, X, X, O], HttpsUrl), &["jwks_url", "jwks_endpoint"]),
    key("attributes_url_add_attributes", [X, S, S, S, S, S], Boolean),
    key("token_request_method", [X, S, S, S, S, X], Word(&["GET", "POST"])),
    also(key("MetadataURL", [E, X, X, X, X, X], HttpsUrl), &["metadata", "saml_metadata_url"]),
    also(
        key("MetadataFile", [E, X, X, X, X, X], Text),
        &["metadata_xml", "metadata_document", "saml_metadata_document"],
    ),
    also(key("IDPSignout", [O, X, X, X, X, X], Boolean), &["slo", "single_logout"]),
    also(key("IDPInit", [O, X, X, X, X, X], Boolean), &["idp_initiated"]),
    key("EncryptedResponses", [O, X, X, X, X, X], Boolean),
    key("RequestSigningAlgorithm", [O, X, X, X, X, X], Word(&["rsa-sha256"])),
    key("ActiveEncryptionCertificate", [S, X, X, X, X, X], AnyText),
    key("SSORedirectBindingURI", [S, X, X, X, X, X], AnyText),
    key("SLORedirectBindingURI", [S, X, X, X, X, X], AnyText),
];

#[cfg(test)]
mod tests {
    use super::{DETAIL_KEYS, DetailKey};
    use crate::domain::ProviderType;

    #[test]
    fn names_from_discovery_documents_and_misspellings_lead_to_the_key() {
        for (wrong, right) in [
            ("token_endpoint", "token_url"),
            ("authorization_endpoint", "authorize_url"),
            ("userinfo_endpoint", "attributes_url"),
            ("issuer", "oidc_issuer"),
            ("scopes", "authorize_scopes"),
            ("clientId", "client_id"),
            ("client_secrt", "client_secret"),
            ("attributes_request_methods", "attributes_request_method"),
        ] {
            assert_eq!(DetailKey::nearest(wrong, ProviderType::Oidc), Some(right), "{wrong}");
        }
        assert_eq!(DetailKey::nearest("metadata_url", ProviderType::Saml), Some("MetadataURL"));
        assert_eq!(DetailKey::nearest("zzz", ProviderType::Oidc), None);
        // A key that only AWS sets is no suggestion.
        assert_ne!(DetailKey::nearest("token_url", ProviderType::Google), Some("token_url"));
    }

    #[test]
    fn every_key_is_there_once_and_every_alias_leads_to_one_key() {
        let mut names: Vec<&str> = DETAIL_KEYS.iter().flat_map(|key| [&[key.name], key.aliases].concat()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
