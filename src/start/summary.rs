//! What `check` prints: what a good configuration means for callers and operators, and what to think about twice.

use std::fmt;

use super::Parts;
use crate::{
    audit::AuditSink,
    config::Config,
    domain::UnknownKeys,
    identity::{Anonymous, KeySource},
    server::Listen,
    upstream::AccountSection,
};

/// The configuration in a person's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    rows: Vec<(&'static str, Vec<String>)>,
    warnings: Vec<String>,
}

/// Columns of the names.
const NAME_WIDTH: usize = 16;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, lines) in &self.rows {
            for (at, line) in lines.iter().enumerate() {
                let name = if at == 0 { name } else { "" };
                writeln!(f, "  {name:NAME_WIDTH$}{line}")?;
            }
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        Ok(())
    }
}

impl Summary {
    /// Of what was read.
    pub fn of(config: &Config, parts: &Parts) -> Self {
        let server = &config.server;
        let admin = server.admin_listen.map_or_else(|| "off".to_owned(), |address| format!("http://{address}"));
        let seconds = |duration: std::time::Duration| format!("{} s", duration.as_secs_f64());
        let limits = [
            format!("{} for a call, {} calls at once", seconds(server.deadline_max), server.in_flight_max),
            format!("{} attempts at AWS, {} each", config.aws.attempts_max, seconds(config.aws.attempt_timeout)),
        ];
        let rows = vec![
            ("calls come in", vec![format!("at {}, {}", server.listen, transport(config))]),
            ("for operators", vec![admin]),
            ("callers prove", proofs(config)),
            ("policies", vec![policies(config, parts)]),
            ("audit", vec![audit(config)]),
            ("AWS accounts", accounts(&config.accounts)),
            ("AWS endpoints", endpoints(parts)),
            ("limits", limits.to_vec()),
        ];
        Self { rows, warnings: warnings(config, parts) }
    }
}

fn transport(config: &Config) -> String {
    match &config.tls {
        None => "plaintext".to_owned(),
        Some(files) => format!("TLS with {}", files.certificate.display()),
    }
}

fn proofs(config: &Config) -> Vec<String> {
    let by_certificate = config.tls.as_ref().and_then(|files| files.client_ca.as_ref());
    let by_certificate = by_certificate.map(|file| format!("by a certificate that {} has signed", file.display()));
    let by_header = config.mesh.as_ref().map(|mesh| {
        let peers: Vec<String> = mesh.trusted().iter().map(ToString::to_string).collect();
        format!("by the header {} from {}", mesh.header().name(), peers.join(", "))
    });
    let by_token = config.issuers.iter().map(|issuer| {
        let keys = match &issuer.keys {
            KeySource::File(file) => file.display().to_string(),
            KeySource::Url(url) => url.to_string(),
        };
        format!("by a token of {} for {} (keys: {keys})", issuer.issuer, issuer.audience)
    });
    let anonymous = (config.anonymous == Anonymous::Allow).then(|| "nothing, if they like".to_owned());
    by_certificate.into_iter().chain(by_header).chain(by_token).chain(anonymous).collect()
}

fn policies(config: &Config, parts: &Parts) -> String {
    let directory = config.policies.as_ref().map(|directory| directory.display().to_string()).unwrap_or_default();
    format!("{} in {directory}", parts.policy.count())
}

fn audit(config: &Config) -> String {
    let fingerprints =
        if config.fingerprint_key_file.is_some() { "with the configured key" } else { "with a key of each process" };
    match &config.audit {
        AuditSink::Stdout => format!("standard output, fingerprints {fingerprints}"),
        AuditSink::File(file) => format!("{}, fingerprints {fingerprints}", file.display()),
        AuditSink::Off => "off".to_owned(),
    }
}

fn accounts(sections: &[AccountSection]) -> Vec<String> {
    let section = |section: &AccountSection| {
        let pools = section.user_pools.len();
        let pools = if pools == 1 { "1 user pool".to_owned() } else { format!("{pools} user pools") };
        let external = if section.external_id.is_some() { ", with an external id" } else { "" };
        format!("{}: {pools} and its portals, as {}{external}", section.account, section.role.as_str())
    };
    let own = if sections.is_empty() { "everything" } else { "everything else" };
    sections.iter().map(section).chain([format!("{own} with the proxy's own credentials")]).collect()
}

fn endpoints(parts: &Parts) -> Vec<String> {
    if parts.endpoints.is_empty() {
        return vec!["AWS's own".to_owned()];
    }
    parts.endpoints.iter().map(ToString::to_string).collect()
}

fn warnings(config: &Config, parts: &Parts) -> Vec<String> {
    let is_local = |listen: &Listen| listen.is_local();
    let is_plain = config.tls.is_none() && !is_local(&config.server.listen);
    let found = [
        (
            config.anonymous == Anonymous::Allow,
            "callers who prove nothing are served as anonymous: for test purposes only",
        ),
        (config.audit == AuditSink::Off, "the audit is off: nobody will know who changed what"),
        (parts.policy.count() == 0, "there are no policies: nothing is allowed"),
        (is_plain, "calls come in over plaintext from other machines: secrets are legible unless a mesh encrypts them"),
        (is_plain && !config.issuers.is_empty(), "and so are bearer tokens"),
        (
            config.rules.unknown_detail_keys == UnknownKeys::Forward,
            "detail keys that AWS does not document are forwarded to AWS unchecked",
        ),
        (
            config.accounts.iter().any(|section| section.external_id.is_none()),
            "an account's role is taken without an external id",
        ),
        (!parts.endpoints.is_empty(), "AWS is called at other endpoints than its own"),
    ];
    found.into_iter().filter(|(holds, _)| *holds).map(|(_, warning)| warning.to_owned()).collect()
}
