//! The configuration: file, environment and flags → one checked value, or every mistake at once.
//!
//! Read once, before anything else happens. Other modules never look at the environment.

mod accounts;
mod reader;
mod source;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use url::Url;

pub use self::reader::Mistake;
use self::{
    reader::{Limit, Reader},
    source::Sources,
};
use crate::{
    audit::AuditSink,
    domain::UnknownKeys,
    identity::{Anonymous, JwtIssuer, KeySource, Mesh, MeshHeader, TrustedPeer},
    operation::Rules,
    quota::Limits,
    server::{Listen, ServerSettings, TlsFiles},
    telemetry::{LogFormat, OtlpTarget, check_filter},
    upstream::{AccountSection, ClientLimits, check_endpoint},
};

/// Every key with its default; the documentation of the configuration.
pub const DEFAULTS: &str = include_str!("config/config.default.toml");

/// What the command line says; it wins over everything else.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--admin-listen`.
    pub admin_listen: Option<String>,
    /// `--sandbox`.
    pub is_sandbox: bool,
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything of our own is replaced by stand-ins: AWS by the fake, identity and policy by none.
    pub is_sandbox: bool,
    /// `[server]`.
    pub server: ServerSettings,
    /// `[server.tls]`.
    pub tls: Option<TlsFiles>,
    /// `[identity]`: callers without a proof.
    pub anonymous: Anonymous,
    /// `[identity.mesh]`.
    pub mesh: Option<Mesh>,
    /// `[[identity.jwt]]`.
    pub issuers: Vec<JwtIssuer>,
    /// `[policy]`: the directory; none in the sandbox.
    pub policies: Option<PathBuf>,
    /// `[audit]`.
    pub audit: AuditSink,
    /// `[audit]`: the file with the key of fingerprints.
    pub fingerprint_key_file: Option<PathBuf>,
    /// `[aws]`.
    pub aws: ClientLimits,
    /// `[quota]`.
    pub quota: Limits,
    /// `[[aws.account]]`; none in the sandbox.
    pub accounts: Vec<AccountSection>,
    /// `[validation]`.
    pub rules: Rules,
    /// `[telemetry]`.
    pub log_format: LogFormat,
    /// `[telemetry]`: where spans go.
    pub traces: Option<OtlpTarget>,
    /// `RUST_LOG`.
    pub log_filter: Option<String>,
}

impl Config {
    /// Reads everything there is.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load(flags: &Flags, environment: &BTreeMap<String, String>) -> Result<Self, Vec<Mistake>> {
        let sources = Sources::read(flags, environment)?;
        let mut reader = Reader::new(sources);
        let config = Self::read(&mut reader, flags, environment);
        check_environment(&mut reader, flags.is_sandbox, environment);
        reader.finish().and_then(|()| config.ok_or_else(Vec::new))
    }

    /// Only `policy.directory`, whatever the rest is like: for a look at policies away from the proxy.
    ///
    /// # Errors
    /// When it is missing or cannot be read.
    pub fn policies_only(flags: &Flags, environment: &BTreeMap<String, String>) -> Result<PathBuf, Vec<Mistake>> {
        let mut reader = Reader::new(Sources::read(flags, environment)?);
        let directory = reader.optional("policy.directory", |text| Ok(PathBuf::from(text)));
        directory.ok_or_else(|| {
            vec![Mistake::new("policy.directory", "is missing; name one with --policies or in --config")]
        })
    }

    fn read(reader: &mut Reader, flags: &Flags, environment: &BTreeMap<String, String>) -> Option<Self> {
        let is_sandbox = flags.is_sandbox;
        let server = server(reader);
        if let Some(server) = server.as_ref().filter(|server| is_sandbox && !server.listen.is_local()) {
            let why = format!("the sandbox serves everyone, so it cannot listen on {}", server.listen);
            reader.mistake("server.listen", &why);
        }
        let tls = tls(reader);
        let choices = [("refuse", Anonymous::Refuse), ("allow_for_test_purposes_only", Anonymous::Allow)];
        let anonymous = reader.choice("identity.anonymous", &choices);
        let mesh = mesh(reader);
        let issuers = issuers(reader);
        let has_proof =
            mesh.is_some() || !issuers.is_empty() || tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if anonymous == Some(Anonymous::Refuse) && !has_proof && !is_sandbox {
            let why = "nobody could be identified: set client_ca in [server.tls] (mutual TLS), [identity.mesh] or [[identity.jwt]], \
                or start with --sandbox";
            reader.mistake("identity", why);
        }
        let policies = reader.optional("policy.directory", |text| Ok(PathBuf::from(text)));
        if policies.is_none() && !is_sandbox {
            let why = "is missing: without policies nothing is allowed; name a directory with *.cedar files";
            reader.mistake("policy.directory", why);
        }
        let audit = reader.parsed("audit.sink", |text| {
            Ok(match text {
                "stdout" => AuditSink::Stdout,
                "off" => AuditSink::Off,
                "" => return Err("must be \"stdout\", a file's path, or \"off\"".to_owned()),
                path => AuditSink::File(PathBuf::from(path)),
            })
        });
        let fingerprint_key_file = reader.optional("audit.fingerprint_key_file", |text| Ok(PathBuf::from(text)));
        let aws = client_limits(reader);
        let accounts = accounts::accounts(reader);
        let quota = quota(reader, is_sandbox);
        let choices = [("reject", UnknownKeys::Reject), ("forward", UnknownKeys::Forward)];
        let unknown = reader.choice("validation.unknown_detail_keys", &choices);
        let choices = [("auto", LogFormat::Auto), ("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
        let log_format = reader.choice("telemetry.log_format", &choices);
        let traces = traces(reader, environment);
        Some(Self {
            is_sandbox,
            server: server?,
            tls,
            anonymous: if is_sandbox { Anonymous::Allow } else { anonymous? },
            mesh,
            issuers,
            policies: policies.filter(|_| !is_sandbox),
            audit: audit?,
            fingerprint_key_file,
            aws: aws?,
            quota,
            accounts: if is_sandbox { Vec::new() } else { accounts },
            rules: Rules { unknown_detail_keys: unknown? },
            log_format: log_format?,
            traces,
            log_filter: environment.get("RUST_LOG").cloned(),
        })
    }
}

fn server(reader: &mut Reader) -> Option<ServerSettings> {
    let listen = reader.parsed("server.listen", str::parse::<Listen>);
    let admin_listen = reader.parsed("server.admin_listen", |text| match text {
        "off" => Ok(None),
        address => address
            .parse::<SocketAddr>()
            .map(Some)
            .map_err(|_| "must be an address such as 127.0.0.1:9090, or off".to_owned()),
    });
    let reflection = reader.choice("server.reflection", &[("on", true), ("off", false)]);
    let in_flight_max = reader.integer("server.in_flight_max", 1..=100_000);
    let connections_max = reader.integer("server.connections_max", 1..=100_000);
    let deadline_max = reader.integer("server.deadline_max_ms", 100..=600_000);
    let drain_delay = reader.integer("server.drain_delay_ms", 0..=600_000);
    let drain_max = reader.integer("server.drain_max_ms", 0..=600_000);
    Some(ServerSettings {
        listen: listen?,
        admin_listen: admin_listen?,
        has_reflection: reflection?,
        in_flight_max: usize::try_from(in_flight_max?).ok()?,
        connections_max: usize::try_from(connections_max?).ok()?,
        deadline_max: Duration::from_millis(deadline_max?),
        drain_delay: Duration::from_millis(drain_delay?),
        drain_max: Duration::from_millis(drain_max?),
    })
}

fn tls(reader: &mut Reader) -> Option<TlsFiles> {
    if !reader.has_section("server.tls") {
        return None;
    }
    let path = |text: &str| Ok(PathBuf::from(text));
    let certificate = reader.parsed("server.tls.certificate", path);
    let private_key = reader.parsed("server.tls.private_key", path);
    let client_ca = reader.optional("server.tls.client_ca", path);
    Some(TlsFiles { certificate: certificate?, private_key: private_key?, client_ca })
}

fn mesh(reader: &mut Reader) -> Option<Mesh> {
    if !reader.has_section("identity.mesh") {
        return None;
    }
    let choices = [MeshHeader::ForwardedClientCert, MeshHeader::LinkerdClientId].map(|header| (header.name(), header));
    let header = reader.choice("identity.mesh.header", &choices);
    let trusted = reader.list("identity.mesh.trusted_peers", str::parse::<TrustedPeer>);
    if trusted.is_empty() {
        reader.mistake("identity.mesh.trusted_peers", "must name at least one peer, such as \"127.0.0.1/32\"");
    }
    Some(Mesh::new(header?, trusted))
}

fn issuers(reader: &mut Reader) -> Vec<JwtIssuer> {
    let one = |reader: &mut Reader, at: usize| {
        let path = |key: &str| format!("identity.jwt[{at}].{key}");
        let text = |text: &str| if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) };
        let issuer = reader.parsed(&path("issuer"), text);
        let audience = reader.parsed(&path("audience"), text);
        let file = reader.optional(&path("jwks_file"), |text| Ok(KeySource::File(PathBuf::from(text))));
        let url = reader.optional(&path("jwks_url"), |text| match Url::parse(text) {
            Ok(url) if url.scheme() == "https" => Ok(KeySource::Url(url)),
            _ => Err("must be a URL that begins with https://".to_owned()),
        });
        if file.is_some() == url.is_some() {
            reader.mistake(&path("jwks_file"), "exactly one of jwks_file and jwks_url must be set");
        }
        Some(JwtIssuer { issuer: issuer?, audience: audience?, keys: file.or(url)? })
    };
    (0..reader.tables("identity.jwt")).filter_map(|at| one(reader, at)).collect()
}

fn client_limits(reader: &mut Reader) -> Option<ClientLimits> {
    let attempts_max = reader.integer("aws.attempts_max", 1..=10);
    let connect_timeout = reader.integer("aws.connect_timeout_ms", 10..=60_000);
    let attempt_timeout = reader.integer("aws.attempt_timeout_ms", 10..=600_000);
    Some(ClientLimits {
        attempts_max: u32::try_from(attempts_max?).ok()?,
        connect_timeout: Duration::from_millis(connect_timeout?),
        attempt_timeout: Duration::from_millis(attempt_timeout?),
    })
}

/// Where spans go; nowhere if the endpoint is empty, or wrong, which the reader knows then.
fn traces(reader: &mut Reader, environment: &BTreeMap<String, String>) -> Option<OtlpTarget> {
    let choices = [("loopback_only", false), ("allow_unencrypted_to_any_host", true)];
    let may_be_plain = reader.choice("telemetry.otlp_plain_http", &choices)?;
    let endpoint = reader.parsed("telemetry.otlp_endpoint", |text| {
        if text.is_empty() { Ok(None) } else { collector(text, may_be_plain).map(Some) }
    });
    let endpoint = endpoint.flatten()?;
    let service_name = environment.get("OTEL_SERVICE_NAME").filter(|name| !name.is_empty()).cloned();
    Some(OtlpTarget { endpoint, service_name })
}

/// The endpoint of a collector. Spans hold no secret, but say who is changed when, and where credentials would go along
/// (`OTEL_EXPORTER_OTLP_HEADERS`) they would be in the clear.
fn collector(text: &str, may_be_plain: bool) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://collector.example:4317".to_owned())?;
    let is_plain_host = url.username().is_empty() && url.password().is_none() && url.path() == "/";
    if !["http", "https"].contains(&url.scheme()) || !is_plain_host || url.query().or(url.fragment()).is_some() {
        return Err("must be http:// or https:// with a host and a port, and nothing else".to_owned());
    }
    if url.scheme() == "http" && !may_be_plain && check_endpoint(text).is_err() {
        let why = "plain http must have a loopback host, unless otlp_plain_http = \"allow_unencrypted_to_any_host\"";
        return Err(why.to_owned());
    }
    Ok(text.to_owned())
}

/// OpenTelemetry's library would take what it does not know for "everything".
fn check_sampler(name: &str, ratio: Option<f64>) -> Result<(), &'static str> {
    match name {
        "" | "always_on" | "always_off" | "parentbased_always_on" | "parentbased_always_off" => Ok(()),
        "traceidratio" | "parentbased_traceidratio" if ratio.is_some_and(|ratio| (0.0..=1.0).contains(&ratio)) => {
            Ok(())
        }
        "traceidratio" | "parentbased_traceidratio" => Err("needs a number from 0 to 1 in OTEL_TRACES_SAMPLER_ARG"),
        _ => Err("must be one of always_on, always_off and traceidratio, each also with parentbased_ before it"),
    }
}

/// The sandbox's AWS has no request quotas, so there they hold only where they are asked for.
fn quota(reader: &mut Reader, is_sandbox: bool) -> Limits {
    let mut rate = |key: &str| {
        let path = format!("quota.{key}");
        let is_unlimited = is_sandbox && reader.is_default(&path);
        match reader.limit(&path, 1..=100_000) {
            Some(Limit::Of(rate)) if !is_unlimited => u32::try_from(rate).ok(),
            // What cannot be read is noted, and ends the start.
            _ => None,
        }
    };
    Limits {
        cognito_write: rate("cognito_write"),
        cognito_read: rate("cognito_read"),
        cognito_per_pool: rate("cognito_per_pool"),
        workspacesweb: rate("workspacesweb"),
    }
}

/// Settings of other programs that reach into this one.
fn check_environment(reader: &mut Reader, is_sandbox: bool, environment: &BTreeMap<String, String>) {
    // The SDK prints request bodies with these, whatever the log's level.
    for name in ["LOG_SENSITIVE_BODIES", "LOG_SIGNABLE_BODY"] {
        if environment.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            reader.mistake(name, "makes the AWS SDK print secrets; unset it");
        }
    }
    if let Err(why) = environment.get("RUST_LOG").map_or(Ok(()), |filter| check_filter(filter)) {
        reader.mistake("RUST_LOG", &why);
    }
    let sampler = environment.get("OTEL_TRACES_SAMPLER").map_or("", String::as_str);
    let ratio = environment.get("OTEL_TRACES_SAMPLER_ARG").and_then(|ratio| ratio.parse().ok());
    if let Err(why) = check_sampler(sampler, ratio) {
        reader.mistake("OTEL_TRACES_SAMPLER", why);
    }
    // The sandbox takes no endpoint from the environment.
    let endpoints = environment.iter().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL") && !is_sandbox);
    for (name, url) in endpoints {
        if let Err(why) = check_endpoint(url) {
            reader.mistake(name, &why.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
