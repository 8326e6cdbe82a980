//! One SDK client for each account, region and way of retrying, made when it is first needed.

use std::{convert::Infallible, hash::Hash, sync::Arc, time::Duration};

use aws_config::{
    AppName, BehaviorVersion, Region as SdkRegion, SdkConfig, identity::IdentityCache, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_cognitoidentityprovider as cognito;
use aws_sdk_workspacesweb as workspacesweb;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use quick_cache::sync::Cache;

use super::{
    accounts::{Account, AccountSection, Accounts},
    attempts::Watch,
    classify::{self, RetryRule},
    failure::UpstreamFault,
    guard,
    identity::CallersSession,
    measure::Measure,
    user_agent::KeptUserAgent,
};
use crate::{
    domain::{AccountId, Action, PortalArn, Region, Repeat, Resource, Service, SessionName, UserPoolId},
    telemetry::Metrics,
};

/// Clients of one service. AWS has some 40 regions, but the region comes from a caller's text and accounts may be many:
/// beyond this the least used ones make place, which costs the next call to them a client and nothing else.
const CLIENTS_MAX: usize = 256;

/// Where attempts may take longer than this, transfers that stand still are ended before.
const STALLS_WATCHED_FROM: Duration = Duration::from_secs(10);

/// Limits on each call to AWS, beside the caller's deadline.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Attempts for one call, the first one counted.
    pub attempts_max: u32,
    /// For a connection to come about: DNS, TCP and TLS.
    pub connect_timeout: Duration,
    /// For one attempt, from sending to the answer's last byte.
    pub attempt_timeout: Duration,
}

/// The way to AWS: both APIs in every region of every account.
#[derive(Debug)]
pub struct Upstream {
    sdk: SdkConfig,
    accounts: Accounts,
    metrics: Arc<Metrics>,
    cognito: Cache<(Place, bool), cognito::Client>,
    workspacesweb: Cache<Place, workspacesweb::Client>,
}

/// The account, where a section names it, and the region.
type Place = (Option<AccountId>, Region);

impl Upstream {
    /// With the AWS SDK's own chain for credentials, endpoints and the rest: environment, profile, web identity,
    /// container and instance metadata.
    pub async fn from_environment(limits: ClientLimits, accounts: Vec<AccountSection>, metrics: Arc<Metrics>) -> Self {
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(guard::http_client())
            .retry_config(retries(limits))
            .timeout_config(timeouts(limits))
            .stalled_stream_protection(stalls(limits));
        Self::new(loader.load().await, accounts, metrics)
    }

    /// With one endpoint for everything and credentials that are worth nothing; no setting of the environment counts.
    pub fn of_sandbox(endpoint: &str, limits: ClientLimits, metrics: Arc<Metrics>) -> Self {
        let worthless = Credentials::new("AKIDSANDBOX", "sandbox", None, None, "sandbox");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(guard::http_client_without_tls())
            .credentials_provider(SharedCredentialsProvider::new(worthless))
            .endpoint_url(endpoint)
            .retry_config(retries(limits))
            .timeout_config(timeouts(limits))
            .stalled_stream_protection(stalls(limits));
        Self::new(sdk.build(), Vec::new(), metrics)
    }

    fn new(sdk: SdkConfig, accounts: Vec<AccountSection>, metrics: Arc<Metrics>) -> Self {
        let mut sdk = sdk.into_builder();
        sdk.set_app_name(AppName::new("idp-proxy").ok());
        let sdk = sdk.build();
        let accounts = Accounts::new(accounts, &sdk);
        Self { sdk, accounts, metrics, cognito: Cache::new(CLIENTS_MAX), workspacesweb: Cache::new(CLIENTS_MAX) }
    }

    fn measure(&self, service: Service, region: &Region) -> Measure {
        Measure { service, region: region.clone(), metrics: Arc::clone(&self.metrics) }
    }

    /// The account that a resource belongs to, where its ARN or a section of the configuration says so.
    pub fn account<'a>(&'a self, resource: Resource<'a>) -> Option<&'a AccountId> {
        resource.account().or_else(|| self.accounts.of(resource).map(|account| account.id()))
    }

    /// The name under which a caller's calls about a resource are made, where that takes a role.
    pub fn session_name(&self, resource: Resource<'_>, caller: &str) -> Option<SessionName> {
        self.accounts.of(resource).map(|_| SessionName::of_caller(caller))
    }

    /// Cognito's client for a pool; `repeat` says whether it may send again what may have been executed.
    pub fn cognito(&self, pool: &UserPoolId, repeat: Repeat) -> cognito::Client {
        let (account, region) = (self.accounts.of(Resource::UserPool(pool)), pool.region());
        let only_if_not_executed = repeat == Repeat::Once;
        get_or_make(&self.cognito, &(place(account, region), only_if_not_executed), || {
            let mut config = cognito::config::Builder::from(&self.sdk)
                .region(SdkRegion::new(region.as_str().to_owned()))
                .interceptor(KeptUserAgent::default())
                .interceptor(Watch)
                .interceptor(self.measure(Service::Cognito, region))
                .retry_classifier(RetryRule { only_if_not_executed });
            if let Some(account) = account {
                config = config
                    .credentials_provider(CallersSession { account: Arc::clone(account), region: region.clone() })
                    .identity_cache(IdentityCache::no_cache())
                    .retry_partition(account.retries("cognito-idp", region));
            }
            cognito::Client::from_conf(config.build())
        })
    }

    /// `WorkSpaces` Web's client for a portal. Its writes carry a token that is the same in every attempt.
    pub fn workspacesweb(&self, portal: &PortalArn) -> workspacesweb::Client {
        let (account, region) = (self.accounts.of(Resource::Portal(portal)), portal.region());
        get_or_make(&self.workspacesweb, &place(account, region), || {
            let mut config = workspacesweb::config::Builder::from(&self.sdk)
                .region(SdkRegion::new(region.as_str().to_owned()))
                .interceptor(KeptUserAgent::default())
                .interceptor(Watch)
                .interceptor(self.measure(Service::WorkspacesWeb, region))
                .retry_classifier(RetryRule { only_if_not_executed: false });
            if let Some(account) = account {
                config = config
                    .credentials_provider(CallersSession { account: Arc::clone(account), region: region.clone() })
                    .identity_cache(IdentityCache::no_cache())
                    .retry_partition(account.retries("workspaces-web", region));
            }
            workspacesweb::Client::from_conf(config.build())
        })
    }

    /// Awaits a call of the SDK's and says in our words how it failed.
    ///
    /// On the heap: a call of the SDK's has some five kilobytes, and each hand that it goes through would copy it, or, in a
    /// debug build, cost the stack as much again.
    ///
    /// # Errors
    /// When it failed.
    pub fn send<T, E>(
        &self,
        action: Action,
        region: &Region,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, UpstreamFault>>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let call = Box::pin(call);
        async move { call.await.map_err(|error| classify::fault(action, region, &error)) }
    }
}

fn place(account: Option<&Arc<Account>>, region: &Region) -> Place {
    (account.map(|account| account.id().clone()), region.clone())
}

/// A client is a reference, so cloning it out is cheap.
fn get_or_make<K: Eq + Hash + Clone, C: Clone>(cache: &Cache<K, C>, key: &K, make: impl FnOnce() -> C) -> C {
    let Ok(client) = cache.get_or_insert_with(key, || Ok::<_, Infallible>(make()));
    client
}

fn retries(limits: ClientLimits) -> RetryConfig {
    RetryConfig::standard().with_max_attempts(limits.attempts_max)
}

/// The SDK gives up on a transfer that stands still for five seconds. It looks once a second, which costs a timer for each
/// body: not worth it where the attempt ends soon anyway.
fn stalls(limits: ClientLimits) -> StalledStreamProtectionConfig {
    if limits.attempt_timeout > STALLS_WATCHED_FROM {
        StalledStreamProtectionConfig::enabled().build()
    } else {
        StalledStreamProtectionConfig::disabled()
    }
}

fn timeouts(limits: ClientLimits) -> TimeoutConfig {
    // No operation timeout: the pipeline bounds the whole call by the caller's deadline. No read timeout: of two
    // equal limits now the one and now the other would fire, under different reasons.
    TimeoutConfig::builder()
        .connect_timeout(limits.connect_timeout)
        .operation_attempt_timeout(limits.attempt_timeout)
        .build()
}
