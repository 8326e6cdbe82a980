//! What a call is about: the words that policy, errors and the log share.

use super::{
    action::Action,
    arn::PortalArn,
    details::Details,
    pool::{Region, UserPoolId},
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
    /// The region that the resource lives in.
    pub fn region(self) -> &'a Region {
        match self {
            Self::UserPool(pool) => pool.region(),
            Self::Portal(portal) => portal.region(),
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
    /// The provider's name (Cognito) or ARN (`WorkSpaces` Web), where the call is about one that has one.
    pub provider: Option<&'a str>,
    /// The details that the call sends.
    pub details: Option<&'a Details>,
    /// Everything else the caller sent that AWS might echo: mappings, identifiers, names of claims, tags, tokens.
    pub echoes: Vec<&'a str>,
}

impl<'a> Subject<'a> {
    /// About a resource as a whole, or about `provider` in it.
    pub fn new(action: Action, resource: Resource<'a>, provider: Option<&'a str>) -> Self {
        Self { action, resource, provider, details: None, echoes: Vec::new() }
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

    /// AWS's text without what the caller sent and without our role: AWS echoes both.
    pub fn scrub(&self, text: &str) -> String {
        /// A submitted text that is no secret and shorter than this says nothing, and replacing it would garble the rest.
        const ECHO_BYTES_MIN: usize = 4;
        let secret = |key: &str| super::keys::DetailKey::of(key).is_none_or(|key| key.is_secret);
        let details = self.details.into_iter().flat_map(Details::iter);
        let details = details.filter(|(key, value)| secret(key) || value.expose().len() >= ECHO_BYTES_MIN);
        let mut values: Vec<&str> = details.map(|(_, value)| value.expose()).collect();
        values.extend(self.echoes.iter().filter(|echo| echo.len() >= ECHO_BYTES_MIN));
        values.retain(|value| !value.is_empty());
        // The longest first, so that a value that contains another one leaves no rest.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mut text = super::text::without_echoes(text);
        for value in values {
            text = text.replace(value, "…");
        }
        text
    }
}
