//! Provider types and names.

use std::fmt;

use regex::Regex;

use super::text::{self, Pattern};

/// The six types of identity provider, the same in both APIs (AWS `IdentityProviderTypeType`, `IdentityProviderType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProviderType {
    /// SAML 2.0.
    Saml,
    /// Facebook login.
    Facebook,
    /// Google sign-in.
    Google,
    /// Login with Amazon.
    LoginWithAmazon,
    /// Sign in with Apple.
    SignInWithApple,
    /// `OpenID` Connect.
    Oidc,
}

impl ProviderType {
    /// Every type, in the order of the columns of [`super::DETAIL_KEYS`].
    pub const ALL: [Self; 6] =
        [Self::Saml, Self::Facebook, Self::Google, Self::LoginWithAmazon, Self::SignInWithApple, Self::Oidc];

    /// AWS's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Saml => "SAML",
            Self::Facebook => "Facebook",
            Self::Google => "Google",
            Self::LoginWithAmazon => "LoginWithAmazon",
            Self::SignInWithApple => "SignInWithApple",
            Self::Oidc => "OIDC",
        }
    }

    /// The type of AWS's value, if it is one of the six.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Reads a type; the values are case-sensitive.
    ///
    /// # Errors
    /// Which values there are, and the nearest one.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of(text).ok_or_else(|| {
            if text.is_empty() {
                return "is required: SAML, Facebook, Google, LoginWithAmazon, SignInWithApple or OIDC".to_owned();
            }
            let near = Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text));
            let hint = near.map(|kind| format!("; did you mean {kind}?")).unwrap_or_default();
            format!("must be SAML, Facebook, Google, LoginWithAmazon, SignInWithApple or OIDC{hint}")
        })
    }

    /// Whether AWS fixes the provider's name for this type (Cognito only).
    pub const fn is_social(self) -> bool {
        !matches!(self, Self::Saml | Self::Oidc)
    }
}

impl fmt::Display for ProviderType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a Cognito identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProviderName(String);

/// 1 to 32 in both APIs (AWS `ProviderNameType`, `IdentityProviderName`); the patterns of new names ask for 3.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 1..=32;

/// AWS `ProviderNameTypeV2`, for new names.
static NEW_NAME: Pattern =
    Pattern::new(|| Regex::new(r"^[^_\p{Z}][\p{L}\p{M}\p{S}\p{N}\p{P}][^_\p{Z}]+$").ok(), text::is_plain_name);
/// AWS `ProviderNameType`, for names that may have been made under older rules.
static OLD_NAME: Pattern =
    Pattern::new(|| Regex::new(r"^[\p{L}\p{M}\p{S}\p{N}\p{P}\p{Z}]+$").ok(), text::is_plain_name);
/// AWS WorkSpaces Web `IdentityProviderName`.
static WEB_NAME: Pattern =
    Pattern::new(|| Regex::new(r"^[^_][\p{L}\p{M}\p{S}\p{N}\p{P}][^_]+$").ok(), text::is_plain_name);

impl ProviderName {
    /// Reads the name of a provider that is to be made, whose type fixes the name if it is a social one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_new(text: String, kind: Option<ProviderType>) -> Result<Self, String> {
        if let Some(kind) = kind.filter(|kind| kind.is_social() && kind.as_str() != text) {
            return Err(format!("must be {kind}, since AWS names a provider of type {kind} after its type"));
        }
        let meaning = "3 or more characters without spaces, with no `_` but as the second one";
        NEW_NAME.check(&text, &NAME_LENGTH, meaning)?;
        Ok(Self(text))
    }

    /// Reads the name of a provider that is there already: wider, since pools hold names made under older rules.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_existing(text: String) -> Result<Self, String> {
        OLD_NAME.check(&text, &NAME_LENGTH, "letters, marks, symbols, digits, punctuation and spaces")?;
        Ok(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a WorkSpaces Web identity provider; spaces are allowed, unlike in Cognito.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebProviderName(String);

impl WebProviderName {
    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: String) -> Result<Self, String> {
        let meaning = "3 or more characters, the second one visible, with no `_` but as the second one";
        WEB_NAME.check(&text, &NAME_LENGTH, meaning)?;
        Ok(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{NEW_NAME, OLD_NAME, ProviderName, ProviderType, WEB_NAME, WebProviderName};

    #[test]
    fn what_is_taken_without_the_pattern_is_what_the_pattern_takes() {
        for pattern in [&NEW_NAME, &OLD_NAME, &WEB_NAME] {
            pattern.assert_sure_is_right();
        }
    }

    #[test]
    fn names_follow_the_pattern_of_their_api() {
        // text, new in Cognito, there already in Cognito, WorkSpaces Web
        for (text, new, existing, web) in [
            ("Corp", true, true, true),
            ("Co", false, true, false),
            ("", false, false, false),
            ("a_b", true, true, true),
            ("_ab", false, true, false),
            ("ab_", false, true, false),
            ("My Corp", false, true, true),
            ("a b", false, true, false),
            ("Ünïcødé-€", true, true, true),
            ("a\u{0}b", false, false, false),
            ("abc\n", false, false, false),
            (&"x".repeat(32), true, true, true),
            (&"x".repeat(33), false, false, false),
            (&"é".repeat(32), true, true, true),
        ] {
            let oidc = Some(ProviderType::Oidc);
            assert_eq!(ProviderName::parse_new(text.to_owned(), oidc).is_ok(), new, "new {text:?}");
            assert_eq!(ProviderName::parse_existing(text.to_owned()).is_ok(), existing, "existing {text:?}");
            assert_eq!(WebProviderName::parse(text.to_owned()).is_ok(), web, "web {text:?}");
        }
    }

    #[test]
    fn a_social_type_fixes_the_name() {
        for kind in ProviderType::ALL {
            let other = ProviderName::parse_new("MyProvider".to_owned(), Some(kind));
            let same = ProviderName::parse_new(kind.as_str().to_owned(), Some(kind));
            assert_eq!(other.is_err(), kind.is_social(), "{kind}");
            assert!(same.is_ok(), "{kind}");
        }
    }
}
