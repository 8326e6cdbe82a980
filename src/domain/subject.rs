//! What a call is about: the words that policy, errors and the log share.

use super::{
    account::AccountId,
    action::Action,
    arn::PortalArn,
    attributes::{AttributeMapping, IdpIdentifiers},
    details::Details,
    pool::{Region, UserPoolId},
    provider::ProviderType,
    request::Intent,
};

/// What is protected: everything inside it is judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A Cognito user pool.
    UserPool(&'a UserPoolId),
    /// A `WorkSpaces` Web portal.
    Portal(&'a PortalArn),
}

impl<'a> Resource<'a> {
    /// The pool's id or the portal's ARN.
    pub fn as_str(self) -> &'a str {
        match self {
            Self::UserPool(pool) => pool.as_str(),
            Self::Portal(portal) => portal.as_str(),
        }
    }

    /// The region that the resource lives in.
    pub fn region(self) -> &'a Region {
        match self {
            Self::UserPool(pool) => pool.region(),
            Self::Portal(portal) => portal.region(),
        }
    }

    /// The account that it says itself it belongs to: a portal's ARN does, a pool's id does not.
    pub fn account(self) -> Option<&'a AccountId> {
        match self {
            Self::UserPool(_) => None,
            Self::Portal(portal) => Some(portal.account()),
        }
    }
}

/// What one call is about. Borrowed from the operation, so that nothing is copied for a call that succeeds.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// What is called.
    pub action: Action,
    /// What is protected.
    pub resource: Resource<'a>,
    /// The AWS account that the resource belongs to, where its ARN or the configuration says so.
    pub account: Option<&'a AccountId>,
    /// The provider's name (Cognito) or ARN (`WorkSpaces` Web), where the call is about one that has one.
    pub provider: Option<&'a str>,
    /// The provider's name, where the call states one.
    pub name: Option<&'a str>,
    /// The provider's type, where the call states it.
    pub kind: Option<ProviderType>,
    /// The details that the call sends.
    pub details: Option<&'a Details>,
    /// The attribute mapping that the call sends.
    pub mapping: Option<&'a AttributeMapping>,
    /// The identifiers that the call sends.
    pub identifiers: Option<&'a IdpIdentifiers>,
    /// The identifier that the call looks up.
    pub looked_up_identifier: Option<&'a str>,
    /// What the caller of a write says about the call itself.
    pub intent: Option<&'a Intent>,
    /// What else the caller sent that AWS might echo: tokens, tags, names that AWS marks as sensitive.
    pub echoes: Vec<&'a str>,
}

impl<'a> Subject<'a> {
    /// About a resource as a whole, or about `provider` in it.
    pub fn new(action: Action, resource: Resource<'a>, provider: Option<&'a str>) -> Self {
        Self {
            action,
            resource,
            account: resource.account(),
            provider,
            name: None,
            kind: None,
            details: None,
            mapping: None,
            identifiers: None,
            looked_up_identifier: None,
            intent: None,
            echoes: Vec::new(),
        }
    }

    /// Whether the call only asks what would happen.
    pub fn validate_only(&self) -> bool {
        self.intent.is_some_and(Intent::validate_only)
    }

    /// Whether the call may change anything at AWS.
    pub fn is_write(&self) -> bool {
        self.action.is_write() && !self.validate_only()
    }

    /// Google's form of a type of resource and of its name, for `ResourceInfo`.
    pub fn resource_info(&self) -> (&'static str, String) {
        match (self.resource, self.provider) {
            (Resource::UserPool(pool), Some(name)) => {
                ("cognito-idp:IdentityProvider", format!("userPools/{}/identityProviders/{name}", pool.as_str()))
            }
            (Resource::UserPool(pool), None) => ("cognito-idp:UserPool", format!("userPools/{}", pool.as_str())),
            (Resource::Portal(_), Some(arn)) => ("workspaces-web:IdentityProvider", arn.to_owned()),
            (Resource::Portal(portal), None) => ("workspaces-web:Portal", portal.as_str().to_owned()),
        }
    }

    /// What the hashes of its secrets are bound to: the same as those of the answers about the provider, except for one
    /// that has no ARN yet.
    pub fn fingerprint_place(&self) -> String {
        match (self.resource, self.provider) {
            (Resource::UserPool(pool), name) => format!("{}/{}", pool.as_str(), name.unwrap_or_default()),
            (Resource::Portal(_), Some(arn)) => arn.to_owned(),
            (Resource::Portal(portal), None) => portal.as_str().to_owned(),
        }
    }

    /// AWS's text without what the caller sent and without our role: AWS echoes both.
    pub fn scrub(&self, text: &str) -> String {
        /// A submitted text that is no secret and shorter than this says nothing, and replacing it would garble the rest.
        const ECHO_BYTES_MIN: usize = 4;
        let details = self.details.into_iter().flat_map(Details::iter).map(|(_, value)| value.expose());
        let mapping =
            self.mapping.into_iter().flat_map(|map| map.as_map().iter().flat_map(|(key, value)| [key, value]));
        let identifiers = self.identifiers.into_iter().flat_map(IdpIdentifiers::as_slice);
        let echoes = mapping.chain(identifiers).map(String::as_str).chain(self.echoes.iter().copied());
        let echoes = details.chain(echoes).chain(self.looked_up_identifier).filter(|echo| echo.len() >= ECHO_BYTES_MIN);
        let mut values: Vec<String> = echoes.map(str::to_owned).collect();
        values.extend(self.secrets().flat_map(writings));
        values.retain(|value| !value.is_empty());
        // The longest first, so that a value that contains another one leaves no rest.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mut text = super::text::without_echoes(text);
        for value in values {
            text = text.replace(&value, "…");
        }
        text
    }

    /// Whether a name that AWS gave holds a secret of the caller's: then it is none, and nobody is told it.
    pub fn is_telling(&self, name: &str) -> bool {
        /// What is shorter may be part of any word.
        const BYTES_MIN: usize = 4;
        self.secrets().flat_map(writings).any(|secret| secret.len() >= BYTES_MIN && name.contains(&secret))
    }

    /// The secrets among the details. A key that the table does not know counts as one.
    fn secrets(&self) -> impl Iterator<Item = &'a str> {
        let details = self.details.into_iter().flat_map(Details::iter);
        let is_secret = |key: &str| super::keys::DetailKey::of(key).is_none_or(|key| key.is_secret);
        details.filter(move |(key, _)| is_secret(key)).map(|(_, value)| value.expose())
    }
}

/// How a secret may stand in AWS's text: as it is, or its parts between what a quotation of it would escape.
fn writings(secret: &str) -> Vec<String> {
    /// A shorter part may be part of any text, and tells nothing.
    const PART_BYTES_MIN: usize = 8;
    let is_escaped = |letter: char| !(letter.is_ascii_graphic() || letter == ' ') || "\"\\'<>&/".contains(letter);
    let parts = secret.split(is_escaped).filter(|part| part.len() >= PART_BYTES_MIN && part.len() < secret.len());
    std::iter::once(secret).chain(parts).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::writings;

    #[test]
    fn a_secret_is_known_in_a_quotation_of_it_too() {
        let quoted = serde_json::to_string("a \"quoted\" one\nof two long lines").unwrap();
        assert!(writings("a \"quoted\" one\nof two long lines").iter().skip(1).any(|part| quoted.contains(part)));
        assert_eq!(writings("plain"), ["plain"]);
        assert_eq!(writings("of-one-part-only"), ["of-one-part-only"]);
    }
}
