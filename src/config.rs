//! The configuration: file, environment and flags → one checked value, or every mistake at once.
//!
//! Read once, before anything else happens. Other modules never look at the environment.

mod reader;
mod source;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

pub use self::reader::Mistake;
use self::{reader::Reader, source::Sources};
use crate::{
    domain::UnknownKeys,
    identity::Anonymous,
    operation::Rules,
    server::{Listen, ServerSettings},
    telemetry::LogFormat,
    upstream::{ClientLimits, check_endpoint},
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
    /// `[identity]`: callers without a proof.
    pub anonymous: Anonymous,
    /// `[aws]`.
    pub aws: ClientLimits,
    /// `[validation]`.
    pub rules: Rules,
    /// `[telemetry]`.
    pub log_format: LogFormat,
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

    fn read(reader: &mut Reader, flags: &Flags, environment: &BTreeMap<String, String>) -> Option<Self> {
        let is_sandbox = flags.is_sandbox;
        let server = server(reader);
        if let Some(server) = server.as_ref().filter(|server| is_sandbox && !server.listen.is_local()) {
            let why = format!("the sandbox serves everyone, so it cannot listen on {}", server.listen);
            reader.mistake("server.listen", &why);
        }
        let choices = [("refuse", Anonymous::Refuse), ("allow_for_test_purposes_only", Anonymous::Allow)];
        let anonymous = reader.choice("identity.anonymous", &choices);
        if anonymous == Some(Anonymous::Refuse) && !is_sandbox {
            let why = "this version knows no other proof of identity yet, so it would refuse every call; \
                set \"allow_for_test_purposes_only\" to serve everyone everything, or start with --sandbox";
            reader.mistake("identity.anonymous", why);
        }
        let aws = client_limits(reader);
        let choices = [("reject", UnknownKeys::Reject), ("forward", UnknownKeys::Forward)];
        let unknown = reader.choice("validation.unknown_detail_keys", &choices);
        let choices = [("auto", LogFormat::Auto), ("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
        let log_format = reader.choice("telemetry.log_format", &choices);
        Some(Self {
            is_sandbox,
            server: server?,
            anonymous: if is_sandbox { Anonymous::Allow } else { anonymous? },
            aws: aws?,
            rules: Rules { unknown_detail_keys: unknown? },
            log_format: log_format?,
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
    let in_flight_max = reader.integer("server.in_flight_max", 1..=100_000);
    let connections_max = reader.integer("server.connections_max", 1..=100_000);
    let deadline_max = reader.integer("server.deadline_max_ms", 100..=600_000);
    let drain_max = reader.integer("server.drain_max_ms", 0..=600_000);
    Some(ServerSettings {
        listen: listen?,
        admin_listen: admin_listen?,
        in_flight_max: usize::try_from(in_flight_max?).ok()?,
        connections_max: usize::try_from(connections_max?).ok()?,
        deadline_max: Duration::from_millis(deadline_max?),
        drain_max: Duration::from_millis(drain_max?),
    })
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

/// Settings of other programs that reach into this one.
fn check_environment(reader: &mut Reader, is_sandbox: bool, environment: &BTreeMap<String, String>) {
    // The SDK prints request bodies with these, whatever the log's level.
    for name in ["LOG_SENSITIVE_BODIES", "LOG_SIGNABLE_BODY"] {
        if environment.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            reader.mistake(name, "makes the AWS SDK print secrets; unset it");
        }
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
