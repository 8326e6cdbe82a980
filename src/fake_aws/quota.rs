//! AWS's quotas, on when asked for: request rates and numbers of providers.
//!
//! Rates are token buckets that hold one second's worth. A bucket exists only for regions, pools and portals that
//! exist, so that a caller cannot make the fake remember anything.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota as Rate, RateLimiter,
    clock::{Clock, DefaultClock},
};

/// `UserPoolResourceUpdate` (L-B7575496), requests per second for an account and region. Source: Cognito's quotas page.
const COGNITO_WRITES_RPS: NonZeroU32 = rps(15);
/// `UserPoolResourceRead` (L-A01C9633), requests per second for an account and region. Source: Cognito's quotas page.
const COGNITO_READS_RPS: NonZeroU32 = rps(20);
/// Each operation on each pool, requests per second. Source: Cognito's quotas page.
const COGNITO_OPERATION_OF_POOL_RPS: NonZeroU32 = rps(5);
/// Our choice: `WorkSpaces` Web's request rates are not documented.
const WORKSPACESWEB_RPS: NonZeroU32 = rps(10);
/// Identity providers in one pool (L-1B44D826), AWS's default.
pub(super) const COGNITO_PROVIDERS_PER_POOL: usize = 300;
/// Identity providers of one portal ([`PROVIDERS_PER_PORTAL_QUOTA_CODE`]), AWS's default.
pub(super) const PROVIDERS_PER_PORTAL: usize = 1;
/// The quota behind [`PROVIDERS_PER_PORTAL`].
pub(super) const PROVIDERS_PER_PORTAL_QUOTA_CODE: &str = "L-DFC864EF";

/// Which of Cognito's budgets an operation spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    UserPoolResourceUpdate,
    UserPoolResourceRead,
}

/// How long to wait until a request would be let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttled {
    pub(super) wait: Duration,
}

/// The buckets of one account.
pub(super) struct Budgets {
    cognito_writes: DefaultKeyedRateLimiter<String>,
    cognito_reads: DefaultKeyedRateLimiter<String>,
    cognito_operations: DefaultKeyedRateLimiter<(String, &'static str)>,
    workspacesweb: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

impl Budgets {
    pub(super) fn new() -> Self {
        Self {
            cognito_writes: RateLimiter::keyed(Rate::per_second(COGNITO_WRITES_RPS)),
            cognito_reads: RateLimiter::keyed(Rate::per_second(COGNITO_READS_RPS)),
            cognito_operations: RateLimiter::keyed(Rate::per_second(COGNITO_OPERATION_OF_POOL_RPS)),
            workspacesweb: RateLimiter::keyed(Rate::per_second(WORKSPACESWEB_RPS)),
            clock: DefaultClock::default(),
        }
    }

    /// Spends one request on a pool that exists.
    pub(super) fn spend_cognito(
        &self,
        region: &str,
        pool: &str,
        operation: &'static str,
        category: Category,
    ) -> Result<(), Throttled> {
        self.spend(&self.cognito_operations, &(pool.to_owned(), operation))?;
        let account_wide = match category {
            Category::UserPoolResourceUpdate => &self.cognito_writes,
            Category::UserPoolResourceRead => &self.cognito_reads,
        };
        self.spend(account_wide, &region.to_owned())
    }

    /// Spends one request in a region that has a portal.
    pub(super) fn spend_workspacesweb(&self, region: &str) -> Result<(), Throttled> {
        self.spend(&self.workspacesweb, &region.to_owned())
    }

    fn spend<K: Clone + Eq + std::hash::Hash>(
        &self,
        limiter: &DefaultKeyedRateLimiter<K>,
        key: &K,
    ) -> Result<(), Throttled> {
        limiter.check_key(key).map_err(|not_until| Throttled { wait: not_until.wait_time_from(self.clock.now()) })
    }
}

const fn rps(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_reads_20_and_writes_15_times_however_many_pools_it_has() {
        let budgets = Budgets::new();
        let through = |operation, category| {
            let calls = (0..10).flat_map(|pool| std::iter::repeat_n(pool.to_string(), 5));
            let spend = |pool: &String| budgets.spend_cognito("us-east-1", pool, operation, category).is_ok();
            calls.filter(spend).count()
        };
        // A bucket refills while the test runs, so that a slow machine sees a few more.
        let reads = through("ListIdentityProviders", Category::UserPoolResourceRead);
        assert!((20..40).contains(&reads), "{reads}");
        let writes = through("DeleteIdentityProvider", Category::UserPoolResourceUpdate);
        assert!((15..30).contains(&writes), "{writes}");
    }
}
