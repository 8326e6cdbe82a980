//! Which account a call goes to, and the role to act with there. What no section names is called with the proxy's own
//! credentials: AWS then decides by the proxy's own role.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_config::{Region as SdkRegion, SdkConfig, timeout::TimeoutConfig};
use aws_sdk_sts as sts;
use quick_cache::sync::Cache;
use sts::config::retry::RetryPartition;
use tokio::sync::Semaphore;

use super::session::{AssumeFailure, Session};
use crate::domain::{AccountId, ExternalId, Region, Resource, RoleArn, SessionName, UserPoolId};

/// Sessions of one account that are kept, one for each caller and region of STS; the least used ones make place. Each
/// has some hundred bytes, and one that is made anew costs its caller a call to STS.
const SESSIONS_MAX: usize = 1024;
/// Calls that may wait for one account's STS. Further ones are refused at once, so that they cannot take up all the calls
/// in flight that the server has (1,024 by default) from the other accounts.
const WAITING_MAX: usize = 64;
/// STS answers within a fraction of a second; the limit of an attempt is for calls that make AWS fetch metadata.
const STS_ATTEMPT_MAX: Duration = Duration::from_secs(5);

/// `[[aws.account]]`.
#[derive(Clone, Debug)]
pub struct AccountSection {
    /// Portals of this account belong to the section.
    pub account: AccountId,
    /// The role of that account to act with.
    pub role: RoleArn,
    /// What the role's trust policy asks for.
    pub external_id: Option<ExternalId>,
    /// The user pools of this account: their ids do not say whose they are.
    pub user_pools: Vec<UserPoolId>,
}

/// The sections, by what they are found by.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_id: HashMap<AccountId, Arc<Account>>,
    by_pool: HashMap<UserPoolId, Arc<Account>>,
}

impl Accounts {
    /// Nothing of one account's is shared with another's: clients of STS, what they may spend on retries, sessions.
    pub(super) fn new(sections: Vec<AccountSection>, sdk: &SdkConfig) -> Self {
        let mut accounts = Self::default();
        for section in sections {
            let pools = section.user_pools.clone();
            let account = Arc::new(Account::new(section, sdk));
            accounts.by_id.insert(account.id.clone(), Arc::clone(&account));
            accounts.by_pool.extend(pools.into_iter().map(|pool| (pool, Arc::clone(&account))));
        }
        accounts
    }

    /// The section that a resource belongs to.
    pub(super) fn of(&self, resource: Resource<'_>) -> Option<&Arc<Account>> {
        match resource {
            Resource::UserPool(pool) => self.by_pool.get(pool),
            Resource::Portal(portal) => self.by_id.get(portal.account()),
        }
    }
}

/// One section at work.
#[derive(Debug)]
pub(super) struct Account {
    id: AccountId,
    role: RoleArn,
    external_id: Option<ExternalId>,
    sts: sts::config::Builder,
    /// The proxy's own region, where it is known.
    home: Option<SdkRegion>,
    sessions: Cache<(SessionName, SdkRegion), Arc<Session>>,
    waiting: Semaphore,
}

impl Account {
    fn new(section: AccountSection, sdk: &SdkConfig) -> Self {
        let AccountSection { account, role, external_id, .. } = section;
        let attempt = sdk.timeout_config().and_then(TimeoutConfig::operation_attempt_timeout);
        let attempt = attempt.map_or(STS_ATTEMPT_MAX, |limit| limit.min(STS_ATTEMPT_MAX));
        let mut timeouts = TimeoutConfig::builder().operation_attempt_timeout(attempt).build();
        timeouts.take_defaults_from(sdk.timeout_config().unwrap_or(&TimeoutConfig::disabled()));
        let sts = sts::config::Builder::from(sdk)
            .timeout_config(timeouts)
            // By default all that call STS in a region share what they may spend on retries.
            .retry_partition(RetryPartition::new(format!("sts-{account}")));
        Self {
            id: account,
            role,
            external_id,
            sts,
            home: sdk.region().cloned(),
            sessions: Cache::new(SESSIONS_MAX),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }

    pub(super) fn id(&self) -> &AccountId {
        &self.id
    }

    /// What this account's calls to a service may spend on retries: by default all accounts would share it.
    pub(super) fn retries(&self, service: &str, region: &Region) -> RetryPartition {
        RetryPartition::new(format!("{service}-{}-{region}", self.id))
    }

    /// A caller's session in this account, for a call to `region`.
    pub(super) fn session(&self, name: &SessionName, region: &Region) -> Arc<Session> {
        // STS of the region that the proxy runs in is the nearest, and needs no opting in. Its sessions are good everywhere.
        let region = self.home.clone().unwrap_or_else(|| SdkRegion::new(region.as_str().to_owned()));
        let key = (name.clone(), region);
        let make = || {
            let sts = sts::Client::from_conf(self.sts.clone().region(key.1.clone()).build());
            let assume = sts
                .assume_role()
                .role_arn(self.role.as_str())
                .role_session_name(name.as_str())
                .set_external_id(self.external_id.as_ref().map(|id| id.as_str().to_owned()));
            Ok::<_, std::convert::Infallible>(Arc::new(Session::new(self.id.clone(), assume)))
        };
        let Ok(session) = self.sessions.get_or_insert_with(&key, make);
        session
    }

    /// A place among the calls that wait for this account's STS.
    pub(super) fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, AssumeFailure> {
        self.waiting.try_acquire().map_err(|_| AssumeFailure::crowded(&self.id))
    }
}
