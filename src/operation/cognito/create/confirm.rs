//! Whether the provider that is there is the one that a create was to make: AWS has no token that would tell.
//!
//! Everything that AWS shows is compared, secrets too. What it never shows (Apple's private key) cannot be.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use aws_sdk_cognitoidentityprovider::types::IdentityProviderType;
use aws_smithy_types::DateTime;
use tokio::time::Instant;

use super::Create;
use crate::{
    domain::{AcrMapping, DetailKey, IdpIdentifiers, Presence},
    operation::{Aws, CallContext, RESOURCE_NOT_FOUND, cognito::existing::describe},
    upstream::{Attempts, UpstreamFault},
};

/// How old a provider may be that an earlier call with the same `request_id` has made.
pub(super) const WINDOW: Duration = Duration::from_mins(10);
/// AWS may still be at work on what it did not answer: these pauses are made before further looks.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1)];
/// For a look that comes after a pause.
const LOOK_MIN: Duration = Duration::from_millis(200);

impl Create {
    /// Looks whether a create whose outcome is not known has made its provider.
    ///
    /// Answers nothing where that cannot be found out in time, also because the look itself failed.
    pub(super) async fn was_made(&self, aws: &Aws, context: &CallContext<'_>) -> Option<IdentityProviderType> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let found = describe(aws, &self.pool, &self.name).await;
            let age_max = context.began.elapsed();
            match found {
                Ok(found) => return self.is_made(&found, age_max).then_some(found),
                Err(fault) if !fault.is_code(RESOURCE_NOT_FOUND) => return None,
                Err(_) => {}
            }
            let next = Instant::now() + pauses.next()?;
            if next + LOOK_MIN > context.deadline {
                return None;
            }
            tokio::time::sleep_until(next).await;
        }
    }

    /// Looks whether the provider that is in the way is the one that an earlier call with the same `request_id` made.
    ///
    /// # Errors
    /// When AWS could not be asked, except that nothing is there any more.
    pub(super) async fn was_made_before(&self, aws: &Aws) -> Result<Option<IdentityProviderType>, UpstreamFault> {
        match describe(aws, &self.pool, &self.name).await {
            Ok(found) => Ok(self.is_made(&found, WINDOW).then_some(found)),
            Err(fault) if fault.is_code(RESOURCE_NOT_FOUND) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Whether `found` is what this create makes, made no longer ago than `age_max`.
    ///
    /// AWS's own clock counts, by the `Date` of its answer; that one has whole seconds, so up to a second more passes.
    pub(super) fn is_made(&self, found: &IdentityProviderType, age_max: Duration) -> bool {
        let now = Attempts::current().aws_time().unwrap_or_else(|| std::time::SystemTime::now().into());
        let earliest = now.as_secs_f64() - age_max.as_secs_f64();
        found.creation_date().map(DateTime::as_secs_f64).is_some_and(|made| made >= earliest) && self.is_like(found)
    }

    fn is_like(&self, found: &IdentityProviderType) -> bool {
        found.provider_type().is_some_and(|kind| kind.as_str() == self.kind.as_str())
            && self.has_details(found.provider_details())
            && self.has_mapping(found.attribute_mapping())
            && self.has_identifiers(found.idp_identifiers())
            && is_equal(self.acr.as_ref().map(AcrMapping::as_map), found.acr_mapping())
    }

    /// Every detail that was sent is there, and nothing else but what AWS sets itself.
    fn has_details(&self, found: Option<&HashMap<String, String>>) -> bool {
        let there = |name: &str| found.and_then(|found| found.get(name));
        let presence = |name: &str| DetailKey::of(name).map(|key| key.presence(self.kind));
        let is_kept = self.details.iter().all(|(name, value)| match there(name) {
            Some(found) => found == value.expose(),
            // What an update may leave out is what AWS never shows again.
            None => presence(name) == Some(Presence::RequiredOnCreate),
        });
        let sent = |name: &str| self.details.iter().any(|(sent, _)| sent == name);
        let is_ours = |name: &String| sent(name) || presence(name) == Some(Presence::SetByAws);
        is_kept && found.into_iter().flat_map(HashMap::keys).all(is_ours)
    }

    /// Where none was sent, AWS stores `username` → `sub`.
    fn has_mapping(&self, found: Option<&HashMap<String, String>>) -> bool {
        match &self.mapping {
            Some(mapping) => is_equal(Some(mapping.as_map()), found),
            None => {
                found.into_iter().flatten().all(|(key, value)| (key.as_str(), value.as_str()) == ("username", "sub"))
            }
        }
    }

    /// The order is AWS's own affair.
    fn has_identifiers(&self, found: &[String]) -> bool {
        let mut sent: Vec<&str> =
            self.identifiers.iter().flat_map(IdpIdentifiers::as_slice).map(String::as_str).collect();
        let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
        sent.sort_unstable();
        found.sort_unstable();
        sent == found
    }
}

/// Whether two maps are equal; none is like an empty one.
fn is_equal(sent: Option<&BTreeMap<String, String>>, found: Option<&HashMap<String, String>>) -> bool {
    let found: BTreeMap<&String, &String> = found.into_iter().flatten().collect();
    sent.into_iter().flatten().collect::<BTreeMap<_, _>>() == found
}
