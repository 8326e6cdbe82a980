//! What AWS's documents say about `ProviderDetails` / `identityProviderDetails`: which keys a type needs, which ones AWS
//! sets itself and to what, and in which words a mistake is reported. Both services read these tables.

use std::fmt;

use url::Url;

use super::{members::TextMap, saml};

/// What identity provider it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProviderType {
    Saml,
    Facebook,
    Google,
    LoginWithAmazon,
    SignInWithApple,
    Oidc,
}

impl ProviderType {
    /// AWS's values, in the order in which the service itself lists them in an error.
    pub(super) const VALUES: [&'static str; 6] =
        ["Facebook", "SAML", "SignInWithApple", "LoginWithAmazon", "OIDC", "Google"];

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "Facebook" => Some(Self::Facebook),
            "SAML" => Some(Self::Saml),
            "SignInWithApple" => Some(Self::SignInWithApple),
            "LoginWithAmazon" => Some(Self::LoginWithAmazon),
            "OIDC" => Some(Self::Oidc),
            "Google" => Some(Self::Google),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Facebook => "Facebook",
            Self::Saml => "SAML",
            Self::SignInWithApple => "SignInWithApple",
            Self::LoginWithAmazon => "LoginWithAmazon",
            Self::Oidc => "OIDC",
            Self::Google => "Google",
        }
    }

    pub(super) fn is_social(self) -> bool {
        !matches!(self, Self::Saml | Self::Oidc)
    }

    /// The keys without which AWS refuses, and its sentence. `authorize_scopes` of Apple is documented as a key, but AWS's
    /// sentence does not name it; `client_secret` of OIDC is not in its sentence either. SAML has a rule of its own.
    fn required(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Facebook | Self::Google | Self::LoginWithAmazon => (
                &["client_id", "client_secret", "authorize_scopes"],
                "clientId, clientSecret and authorizeScopes are all required idp details.",
            ),
            Self::SignInWithApple => (
                &["client_id", "private_key", "team_id", "key_id"],
                "clientId, privateKey, teamId, and keyId are all required idp details.",
            ),
            Self::Oidc => (
                &["client_id", "authorize_scopes", "oidc_issuer", "attributes_request_method"],
                "clientId, authorizeScopes, oidcIssuer and attributesRequestMethod are all required idp details.",
            ),
            Self::Saml => (&[], ""),
        }
    }

    /// The keys that Cognito sets itself, with the values of the Describe examples in its API reference.
    /// `{api_version}` is Facebook's. Our choice: these values win over submitted ones, since the documents call them
    /// read-only and every infrastructure tool sees them differ from what it sent; a write that holds them is accepted, as
    /// Terraform's acceptance tests (against AWS) show.
    fn set_by_aws(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Facebook => &[
                ("attributes_url", "https://graph.facebook.com/{api_version}/me?fields="),
                ("attributes_url_add_attributes", "true"),
                ("authorize_url", "https://www.facebook.com/{api_version}/dialog/oauth"),
                ("token_request_method", "GET"),
                ("token_url", "https://graph.facebook.com/{api_version}/oauth/access_token"),
            ],
            Self::Google => &[
                ("attributes_url", "https://people.googleapis.com/v1/people/me?personFields="),
                ("attributes_url_add_attributes", "true"),
                ("authorize_url", "https://accounts.google.com/o/oauth2/v2/auth"),
                ("oidc_issuer", "https://accounts.google.com"),
                ("token_request_method", "POST"),
                ("token_url", "https://www.googleapis.com/oauth2/v4/token"),
            ],
            Self::LoginWithAmazon => &[
                ("attributes_url", "https://api.amazon.com/user/profile"),
                ("attributes_url_add_attributes", "false"),
                ("authorize_url", "https://www.amazon.com/ap/oa"),
                ("token_request_method", "POST"),
                ("token_url", "https://api.amazon.com/auth/o2/token"),
            ],
            Self::SignInWithApple => &[
                ("attributes_url_add_attributes", "false"),
                ("authorize_url", "https://appleid.apple.com/auth/authorize"),
                ("oidc_issuer", "https://appleid.apple.com"),
                ("token_request_method", "POST"),
                ("token_url", "https://appleid.apple.com/auth/token"),
            ],
            // Our choice: endpoints that the caller did not send are not added, though Cognito discovers them: the
            // documents show them in a Describe answer only where they were sent.
            Self::Oidc => &[("attributes_url_add_attributes", "false")],
            Self::Saml => &[("ActiveEncryptionCertificate", saml::ACTIVE_ENCRYPTION_CERTIFICATE)],
        }
    }
}

/// The keys that a SAML provider may have; AWS refuses others by name.
const SAML_KEYS: [&str; 6] =
    ["MetadataFile", "MetadataURL", "IDPSignout", "IDPInit", "RequestSigningAlgorithm", "EncryptedResponses"];

/// The SAML options that are booleans, as strings.
const SAML_BOOLEANS: [&str; 3] = ["IDPSignout", "IDPInit", "EncryptedResponses"];

/// Facebook's version where none was sent. Our choice: the one of the API reference's example.
const FACEBOOK_API_VERSION: &str = "v17.0";

/// Provider details. Its `Debug` shows keys and never values: `client_secret` and `private_key` are among them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Details(TextMap);

impl Details {
    pub(super) fn new(map: TextMap) -> Self {
        Self(map)
    }

    /// A value that is there and not blank. Our choice: an empty required value counts as missing.
    fn filled(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    pub(super) fn as_map(&self) -> &TextMap {
        &self.0
    }

    /// Takes a secret that AWS keeps when an update leaves it out.
    pub(super) fn keep(&mut self, key: &str, earlier: &Self) {
        if let Some(value) = earlier.0.get(key)
            && !self.0.contains_key(key)
        {
            self.0.insert(key.to_owned(), value.clone());
        }
    }

    /// The rules that AWS applies on create and, treated so here, on an update that sends details.
    /// The error is AWS's sentence.
    pub(super) fn check(&self, provider_type: ProviderType) -> Result<(), String> {
        let (required, sentence) = provider_type.required();
        if required.iter().any(|key| self.filled(key).is_none()) {
            return Err(sentence.to_owned());
        }
        match provider_type {
            ProviderType::Saml => self.check_saml(),
            ProviderType::Oidc => self.check_oidc(),
            ProviderType::SignInWithApple => self.check_apple(),
            ProviderType::Facebook | ProviderType::Google | ProviderType::LoginWithAmazon => Ok(()),
        }
    }

    fn check_saml(&self) -> Result<(), String> {
        if let Some(key) = self.0.keys().find(|key| !SAML_KEYS.contains(&key.as_str())) {
            return Err(format!("{key} is not a valid key for SAML identity provider details."));
        }
        // Our choice: other texts than "true" and "false" are refused. The documents call these options boolean, and a
        // provider with `IDPSignout: yes` is a mistake that should be seen in a test and not in production.
        for key in SAML_BOOLEANS {
            if self.0.get(key).is_some_and(|value| value != "true" && value != "false") {
                return Err(format!("{key} must be either true or false."));
            }
        }
        // Documented: "Only accepts rsa-sha256". The sentence is ours.
        if self.0.get("RequestSigningAlgorithm").is_some_and(|value| value != "rsa-sha256") {
            return Err("RequestSigningAlgorithm must be rsa-sha256.".to_owned());
        }
        match (self.filled("MetadataURL"), self.filled("MetadataFile")) {
            (None, None) => Err("At least one of the MetadataURL or MetadataFile should be provided.".to_owned()),
            (Some(_), Some(_)) => Err("Only one of the MetadataURL or MetadataFile should be provided.".to_owned()),
            (Some(url), None) => saml::Endpoints::of_url(url).map(drop),
            (None, Some(file)) => saml::Endpoints::of_file(file).map(drop),
        }
    }

    fn check_oidc(&self) -> Result<(), String> {
        let issuer = self.filled("oidc_issuer").unwrap_or_default();
        if !issuer.starts_with("https://") {
            return Err("OIDC endpoint must start with https://".to_owned());
        }
        let method = self.filled("attributes_request_method").unwrap_or_default();
        if method != "GET" && method != "POST" {
            return Err(format!(
                "1 validation error detected: Value '{method}' at 'providerConfiguration.oidcConfig.attributesRequestMethod' \
                 failed to satisfy constraint: Member must satisfy enum value set: [POST, GET]"
            ));
        }
        // AWS fetches the discovery document during the call and refuses an issuer that it cannot reach; the sentence is
        // ours. Our choice: with all four endpoints by hand nothing needs to be discovered.
        let by_hand = ["authorize_url", "token_url", "attributes_url", "jwks_uri"];
        if by_hand.iter().any(|key| self.filled(key).is_none()) && is_unreachable(issuer) {
            return Err(format!("Unable to contact well-known endpoint of the OIDC issuer {issuer}"));
        }
        Ok(())
    }

    /// Our choice of what is no key for Apple: PEM of something else. Keys are not parsed, since the example in AWS's own
    /// reference is none (`1EXAMPLE`), and a key works with or without its PEM header.
    fn check_apple(&self) -> Result<(), String> {
        let key = self.filled("private_key").unwrap_or_default();
        if key.contains("-----BEGIN ") && !key.contains("-----BEGIN PRIVATE KEY-----") {
            return Err("Provided private key cannot be used for Sign in with Apple.".to_owned());
        }
        Ok(())
    }

    /// What Cognito answers: the submitted keys without `private_key`, and the ones it sets itself.
    pub(super) fn served_by_cognito(&self, provider_type: ProviderType) -> TextMap {
        let mut served = self.0.clone();
        if provider_type == ProviderType::SignInWithApple {
            served.remove("private_key");
        }
        let api_version = self.filled("api_version").unwrap_or(FACEBOOK_API_VERSION);
        for (key, value) in provider_type.set_by_aws() {
            served.insert((*key).to_owned(), value.replace("{api_version}", api_version));
        }
        if provider_type == ProviderType::Saml {
            let endpoints = match (self.filled("MetadataURL"), self.filled("MetadataFile")) {
                (Some(url), _) => saml::Endpoints::of_url(url),
                (None, file) => saml::Endpoints::of_file(file.unwrap_or_default()),
            };
            // Checked when it was written, so that it cannot fail here.
            if let Ok(endpoints) = endpoints {
                served.insert("SSORedirectBindingURI".to_owned(), endpoints.sign_on);
                if let Some(sign_out) = endpoints.sign_out {
                    served.insert("SLORedirectBindingURI".to_owned(), sign_out);
                }
            }
        }
        served
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Whether the fake treats the host of `url` as one that does not answer: `unreachable.invalid` and below.
pub(super) fn is_unreachable(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.host_str().is_some_and(|host| host == "unreachable.invalid" || host.ends_with(".unreachable.invalid"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(pairs: &[(&str, &str)]) -> Details {
        Details::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn debug_output_shows_keys_and_no_values() {
        let shown = format!("{:?}", details(&[("client_secret", "hunter2")]));
        assert_eq!(shown, r#"{"client_secret"}"#);
    }

    #[test]
    fn facebook_urls_follow_the_api_version() {
        let served = details(&[("api_version", "v19.0")]).served_by_cognito(ProviderType::Facebook);
        assert_eq!(served["token_url"], "https://graph.facebook.com/v19.0/oauth/access_token");
        let served = details(&[]).served_by_cognito(ProviderType::Facebook);
        assert_eq!(served["authorize_url"], "https://www.facebook.com/v17.0/dialog/oauth");
    }

    #[test]
    fn every_type_has_its_name() {
        for name in ProviderType::VALUES {
            assert_eq!(ProviderType::parse(name).map(ProviderType::as_str), Some(name));
        }
    }
}
