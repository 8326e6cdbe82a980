//! One SDK client for each region and way of retrying, made when it is first needed.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, RwLock},
    time::Duration,
};

use aws_config::{
    AppName, BehaviorVersion, Region as SdkRegion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_cognitoidentityprovider as cognito;
use aws_sdk_workspacesweb as workspacesweb;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, orchestrator::HttpResponse, result::SdkError};

use super::{
    attempts::Watch,
    classify::{self, RetryRule},
    failure::UpstreamFault,
    measure::Measure,
};
use crate::{
    domain::{Action, Region, Repeat, Service},
    telemetry::Metrics,
};

/// AWS has some 40 regions. The region comes from a caller's text, so the cache is bounded all the same; when it
/// is full it starts anew, which costs the next calls a client each and nothing else.
const CLIENTS_MAX: usize = 256;

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

/// The way to AWS: both APIs in every region.
#[derive(Debug)]
pub struct Upstream {
    sdk: SdkConfig,
    metrics: Arc<Metrics>,
    cognito: Cache<(Region, bool), cognito::Client>,
    workspacesweb: Cache<Region, workspacesweb::Client>,
}

impl Upstream {
    /// With the AWS SDK's own chain for credentials, endpoints and the rest: environment, profile, web identity,
    /// container and instance metadata.
    pub async fn from_environment(limits: ClientLimits, metrics: Arc<Metrics>) -> Self {
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http_client())
            .retry_config(retries(limits))
            .timeout_config(timeouts(limits));
        Self::new(loader.load().await, metrics)
    }

    /// With one endpoint for everything and credentials that are worth nothing; no setting of the environment counts.
    pub fn of_sandbox(endpoint: &str, limits: ClientLimits, metrics: Arc<Metrics>) -> Self {
        let worthless = Credentials::new("AKIDSANDBOX", "sandbox", None, None, "sandbox");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http_client())
            .credentials_provider(SharedCredentialsProvider::new(worthless))
            .endpoint_url(endpoint)
            .retry_config(retries(limits))
            .timeout_config(timeouts(limits));
        Self::new(sdk.build(), metrics)
    }

    fn new(sdk: SdkConfig, metrics: Arc<Metrics>) -> Self {
        let mut sdk = sdk.into_builder();
        sdk.set_app_name(AppName::new("idp-proxy").ok());
        Self { sdk: sdk.build(), metrics, cognito: Cache::default(), workspacesweb: Cache::default() }
    }

    fn measure(&self, service: Service, region: &Region) -> Measure {
        Measure { service, region: region.clone(), metrics: Arc::clone(&self.metrics) }
    }

    /// Cognito's client for a region; `repeat` says whether it may send again what may have been executed.
    pub fn cognito(&self, region: &Region, repeat: Repeat) -> cognito::Client {
        let only_if_not_executed = repeat == Repeat::Once;
        self.cognito.get_or_make((region.clone(), only_if_not_executed), || {
            let config = cognito::config::Builder::from(&self.sdk)
                .region(SdkRegion::new(region.as_str().to_owned()))
                .interceptor(Watch)
                .interceptor(self.measure(Service::Cognito, region))
                .retry_classifier(RetryRule { only_if_not_executed });
            cognito::Client::from_conf(config.build())
        })
    }

    /// `WorkSpaces` Web's client for a region. Its writes carry a token that is the same in every attempt.
    pub fn workspacesweb(&self, region: &Region) -> workspacesweb::Client {
        self.workspacesweb.get_or_make(region.clone(), || {
            let config = workspacesweb::config::Builder::from(&self.sdk)
                .region(SdkRegion::new(region.as_str().to_owned()))
                .interceptor(Watch)
                .interceptor(self.measure(Service::WorkspacesWeb, region))
                .retry_classifier(RetryRule { only_if_not_executed: false });
            workspacesweb::Client::from_conf(config.build())
        })
    }

    /// Awaits a call of the SDK's and says in our words how it failed.
    ///
    /// # Errors
    /// When it failed.
    pub async fn send<T, E>(
        &self,
        action: Action,
        region: &Region,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, UpstreamFault>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        call.await.map_err(|error| classify::fault(action, region, &error))
    }
}

/// One connection pool for all clients, with TLS by rustls on aws-lc and the machine's root certificates.
fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
}

fn retries(limits: ClientLimits) -> RetryConfig {
    RetryConfig::standard().with_max_attempts(limits.attempts_max)
}

fn timeouts(limits: ClientLimits) -> TimeoutConfig {
    // No operation timeout: the pipeline bounds the whole call by the caller's deadline. No read timeout: of two
    // equal limits now the one and now the other would fire, under different reasons.
    TimeoutConfig::builder()
        .connect_timeout(limits.connect_timeout)
        .operation_attempt_timeout(limits.attempt_timeout)
        .build()
}

/// A bounded map of clients; a client is a reference, so cloning it out is cheap.
#[derive(Debug)]
struct Cache<K, C>(RwLock<HashMap<K, C>>);

impl<K, C> Default for Cache<K, C> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Eq + Hash, C: Clone> Cache<K, C> {
    fn get_or_make(&self, key: K, make: impl FnOnce() -> C) -> C {
        // A poisoned lock still holds whole clients: they are put in by one insert.
        let known = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let client = make();
            let mut clients = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            if clients.len() >= CLIENTS_MAX {
                clients.clear();
            }
            clients.entry(key).or_insert(client).clone()
        })
    }
}
