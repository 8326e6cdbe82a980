//! Configuration → running proxy. What files hold is read before a port is bound, all mistakes at once.

mod summary;

use std::{fmt::Display, io::Write as _, net::SocketAddr, path::Path, sync::Arc};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zeroize::Zeroizing;

pub use self::summary::Summary;
use crate::{
    audit::Audit,
    config::Config,
    domain::Fingerprinter,
    fake_aws::{FakeAws, SANDBOX_PORTAL, SANDBOX_USER_POOL, Settings},
    identity::{Anonymous, Identity, JwtVerifier, check_issuers},
    operation::Aws,
    pipeline::{Pipeline, Stages},
    policy::Policy,
    quota::Quota,
    same_effect::{Flights, RequestIds},
    server::{Listen, Server, Tls},
    status,
    telemetry::{Metrics, Traces},
    upstream::{EndpointOverride, Upstream, check_endpoint, check_root_certificates},
};

/// Whatever ends the process.
pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Something that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(String);

/// Of the calls in flight, every second one may wait for a quota: the others' places are for calls that need not.
const WAITING_PART: usize = 2;

/// Bytes that a fingerprint key must have at least: those of the hash.
const KEY_BYTES_MIN: usize = 32;

/// What the configuration's files hold.
#[derive(Debug)]
pub struct Parts {
    policy: Arc<Policy>,
    tls: Option<Arc<Tls>>,
    fingerprinter: Fingerprinter,
    tokens: Option<Arc<JwtVerifier>>,
    endpoints: Vec<EndpointOverride>,
}

impl Parts {
    /// Reads policies, certificates and keys.
    ///
    /// # Errors
    /// Every mistake in them, with the key of the configuration that leads there.
    pub fn load(config: &Config) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let policy = match &config.policies {
            Some(directory) => Policy::of_directory(directory.clone()),
            None => Policy::everything_for_the_sandbox(),
        };
        let note = |mistakes: &mut Vec<String>, key: &str, why: &dyn Display| mistakes.push(format!("{key}: {why}"));
        let policy = policy.map_err(|found| found.iter().for_each(|why| note(&mut mistakes, "policy", why)));
        let tls = config.tls.clone().map(Tls::load).transpose();
        let tls = tls.map_err(|found| found.iter().for_each(|(key, why)| note(&mut mistakes, key, why)));
        let fingerprinter = match &config.fingerprint_key_file {
            Some(file) => fingerprinter(file),
            None => Fingerprinter::of_this_process().map_err(|_| "the system gives no randomness".to_owned()),
        };
        let fingerprinter = fingerprinter.map_err(|why| note(&mut mistakes, "audit.fingerprint_key_file", &why));
        for why in check_issuers(&config.issuers) {
            note(&mut mistakes, "identity.jwt", &why);
        }
        let has_tokens = mistakes.is_empty() && !config.issuers.is_empty();
        let tokens = has_tokens.then(|| JwtVerifier::new(config.issuers.clone()).map(Arc::new)).transpose();
        let tokens = tokens.map_err(|why| note(&mut mistakes, "identity.jwt", &why));
        let endpoints = if config.is_sandbox { Vec::new() } else { endpoints(&mut mistakes) };
        match (policy, tls, fingerprinter, tokens) {
            (Ok(policy), Ok(tls), Ok(fingerprinter), Ok(tokens)) if mistakes.is_empty() => {
                Ok(Self { policy: Arc::new(policy), tls: tls.map(Arc::new), fingerprinter, tokens, endpoints })
            }
            _ => Err(mistakes),
        }
    }
}

/// The endpoints that the environment and the profile set. Those of the environment have been checked before.
fn endpoints(mistakes: &mut Vec<String>) -> Vec<EndpointOverride> {
    if let Err(why) = check_root_certificates() {
        mistakes.push(why);
        return Vec::new();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let endpoints = match runtime {
        Ok(runtime) => runtime.block_on(EndpointOverride::all()),
        Err(why) => {
            mistakes.push(format!("the AWS profile cannot be read: {why}"));
            Vec::new()
        }
    };
    let insecure = endpoints.iter().filter_map(|one| check_endpoint(&one.url).err().map(|why| (one, why)));
    mistakes.extend(insecure.map(|(one, why)| format!("the AWS profile, {one}: {why}")));
    endpoints
}

fn fingerprinter(file: &Path) -> Result<Fingerprinter, String> {
    let key = std::fs::read(file).map_err(|why| format!("{} cannot be read: {why}", file.display()))?;
    let key = Zeroizing::new(key);
    if key.len() < KEY_BYTES_MIN {
        return Err(format!("{} has {} bytes; a key needs at least {KEY_BYTES_MIN}", file.display(), key.len()));
    }
    Ok(Fingerprinter::with_key(&key))
}

/// Runs the proxy until a signal, then drains; answers whether every call in flight could end and is on record.
///
/// # Errors
/// When something that it needs is not to be had.
pub async fn serve(config: Config, parts: Parts) -> Result<bool, AnyError> {
    let stop = stop_on_signal()?;
    let Parts { policy, tls, fingerprinter, tokens, endpoints } = parts;
    let metrics = Arc::new(Metrics::new(status::reasons()));
    let traces = match &config.traces {
        Some(target) => Traces::to(target, Arc::clone(&metrics))
            .map_err(|why| Misconfigured(format!("telemetry.otlp_endpoint: {why}")))?,
        None => Traces::default(),
    };
    let (audit, audit_writer) = Audit::open(&config.audit, Arc::clone(&metrics))
        .map_err(|why| Misconfigured(format!("audit.sink: cannot be opened: {why}")))?;
    reopen_on_hangup(audit.clone(), stop.clone())?;
    let upstream = if config.is_sandbox {
        sandbox(&config, &metrics).await?
    } else {
        Upstream::from_environment(config.aws, config.accounts.clone(), Arc::clone(&metrics)).await
    };

    let server = Server::bind(config.server.clone()).await?;
    tracing::info!(listen = server.address(), admin_listen = server.admin_address(), "listening");
    warm_randomness();
    for EndpointOverride { service, url } in &endpoints {
        tracing::warn!(service, endpoint = url, "AWS is called at another endpoint than its own");
    }
    if config.anonymous == Anonymous::Allow {
        tracing::warn!("callers that do not prove who they are are served as anonymous: for test purposes only");
    }
    if config.is_sandbox {
        say(&invitation(&server.address(), &config.server.listen));
    }
    tokio::spawn(Arc::clone(&policy).follow_changes(stop.clone(), Arc::clone(&metrics)));
    let tasks = TaskTracker::new();
    let pipeline = Pipeline::new(Stages {
        rules: config.rules,
        policy,
        flights: Flights::default(),
        request_ids: RequestIds::default(),
        quota: Quota::new(config.quota, config.server.in_flight_max / WAITING_PART),
        audit: audit.clone(),
        aws: Aws { upstream, fingerprinter },
        metrics: Arc::clone(&metrics),
        limit: config.server.deadline_max,
        tasks: tasks.clone(),
        given_up: CancellationToken::new(),
    });
    if let Some(tokens) = &tokens {
        tokio::spawn(Arc::clone(tokens).keep_fresh(stop.clone(), Arc::clone(&metrics)));
    }
    let identity = Identity::new(config.anonymous, config.mesh, tokens);
    let outcome = server.serve(pipeline, identity, tls, (metrics, traces.clone()), tasks, stop).await;
    // However it ended: what has happened is on record before the process ends.
    audit.close();
    let spans_sent = tokio::spawn(traces.close());
    let is_recorded = match audit_writer {
        Some(writer) => {
            tokio::task::spawn_blocking(move || writer.join()).await?.map_err(|_| "the audit's writer failed")?
        }
        None => true,
    };
    spans_sent.await?;
    Ok(outcome? && is_recorded)
}

/// The fake AWS in this process; it ends with it, since calls in flight need it until then.
async fn sandbox(config: &Config, metrics: &Arc<Metrics>) -> Result<Upstream, AnyError> {
    let fake = FakeAws::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &Settings::sandbox()).await?;
    let endpoint = format!("http://{}", fake.local_addr());
    tokio::spawn(fake.serve(std::future::pending()));
    Ok(Upstream::of_sandbox(&endpoint, config.aws, Arc::clone(metrics)))
}

/// Runs only the fake AWS until a signal.
///
/// # Errors
/// When the settings are wrong or the address cannot be bound.
pub async fn fake_aws(listen: SocketAddr, settings: Settings) -> Result<bool, AnyError> {
    let stop = stop_on_signal()?;
    let fake = FakeAws::bind(listen, &settings).await?;
    tracing::info!(listen = %fake.local_addr(), "listening");
    fake.serve(stop.cancelled_owned()).await?;
    Ok(true)
}

/// aws-lc's generator gathers entropy for some 30 ms when it is first used: not before the server listens, and not in the
/// middle of the first TLS handshake.
fn warm_randomness() {
    // If it fails, the handshakes will, and say so.
    drop(tokio::task::spawn_blocking(|| SystemRandom::new().fill(&mut [0])));
}

/// Cancelled by SIGTERM (an orchestrator's) and SIGINT (a person's).
fn stop_on_signal() -> Result<CancellationToken, AnyError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    Ok(stop)
}

/// Log rotation says SIGHUP when it has moved the audit file.
fn reopen_on_hangup(audit: Audit, stop: CancellationToken) -> Result<(), AnyError> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while stop.run_until_cancelled(hangup.recv()).await.flatten().is_some() {
            audit.reopen().await;
        }
    });
    Ok(())
}

/// What a newcomer can paste into a second terminal.
fn invitation(address: &str, listen: &Listen) -> String {
    let target = match listen {
        Listen::Tcp(_) => address.to_owned(),
        // grpcurl would take the path for the authority, which HTTP/2 servers refuse.
        Listen::Unix(path) => format!("-unix -authority localhost {}", path.display()),
    };
    format!(
        "Sandbox: user pool {SANDBOX_USER_POOL}, portal {SANDBOX_PORTAL}. Paste into another terminal:\n\n\
         grpcurl -plaintext -d '{{\"UserPoolId\":\"{SANDBOX_USER_POOL}\",\"ProviderName\":\"MyOidc\",\"ProviderType\":\"OIDC\",\
         \"ProviderDetails\":{{\"client_id\":\"my-client\",\"client_secret\":\"my-secret\",\"authorize_scopes\":\"openid email\",\
         \"oidc_issuer\":\"https://idp.example\",\"attributes_request_method\":\"GET\"}}}}' \
         {target} idpproxy.cognito.v1.IdentityProviderService/CreateIdentityProvider\n"
    )
}

/// To standard output. That nobody reads it is no reason to stop.
fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}
