//! Metrics: what is counted, under which names and labels. Every label's values are from a closed list, so that the
//! number of series is bounded; those that alerts divide by exist from the start, so that their first event is seen.

mod reload;
mod text;

use std::{sync::atomic::AtomicI64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use self::reload::Reloads;
pub use self::{
    reload::{Reload, Reloaded},
    text::Exposition,
};
use crate::domain::{Action, Service};

/// Labels of a finished call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    rpc_method: &'static str,
    rpc_response_status_code: &'static str,
}

/// Labels of an attempt at AWS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    service: &'static str,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Category {
    category: &'static str,
}

/// Has no series where there is no TLS: one that says 0 would be overdue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Certificate {
    certificate: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Export {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// How an attempt at AWS ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// AWS did what was asked.
    Ok,
    /// AWS refused because of too many requests.
    Throttled,
    /// AWS refused for another reason.
    Refused,
    /// AWS failed.
    Failed,
    /// It could not be signed or addressed, so AWS was not asked.
    NotSent,
    /// No answer, or none that could be read: AWS could not be reached, was too slow, or the connection was lost.
    NoAnswer,
    /// Nobody waits for it any more: the call's time was over, or the caller of a read went away.
    GivenUp,
}

impl AttemptOutcome {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Ok, Self::Throttled, Self::Refused, Self::Failed, Self::NotSent, Self::NoAnswer, Self::GivenUp];

    /// The word that metrics and spans use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NotSent => "not_sent",
            Self::NoAnswer => "no_answer",
            Self::GivenUp => "given_up",
        }
    }
}

/// The quotas at AWS that calls may wait for; the `category` of `idp_proxy_quota_wait_seconds`.
pub const QUOTA_CATEGORIES: [&str; 4] = ["cognito_write", "cognito_read", "cognito_per_pool", "workspacesweb"];

/// Upper bounds in seconds: OpenTelemetry's advice for `rpc.server.call.duration`.
const DURATIONS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

fn durations() -> Histogram {
    Histogram::new(DURATIONS)
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Durations<Call>,
    errors: Family<Reason, Counter>,
    in_flight: Gauge<i64, AtomicI64>,
    attempts: Counter,
    aws: Durations<Attempt>,
    allowed: Counter,
    denied: Counter,
    quota_waits: Durations<Category>,
    confirmed: Counter,
    audit_failures: Counter,
    spans: [Counter; 2],
    certificate_expiry: Family<Certificate, Gauge>,
    reloads: Reloads,
}

impl Metrics {
    /// None of them with an event yet; `reasons` are all that an error may have.
    pub fn new(reasons: impl IntoIterator<Item = &'static str>) -> Self {
        let mut registry = Registry::default();
        let decisions = Family::<Decision, Counter>::default();
        let decided = |decision| decisions.get_or_create_owned(&Decision { decision });
        let spans = Family::<Export, Counter>::default();
        let exported = |outcome| spans.get_or_create_owned(&Export { outcome });
        let metrics = Self {
            calls: Family::new_with_constructor(durations as fn() -> Histogram),
            errors: Family::default(),
            in_flight: Gauge::default(),
            attempts: Counter::default(),
            aws: Family::new_with_constructor(durations as fn() -> Histogram),
            allowed: decided("allow"),
            denied: decided("deny"),
            quota_waits: Family::new_with_constructor(durations as fn() -> Histogram),
            confirmed: Counter::default(),
            audit_failures: Counter::default(),
            spans: ["failed", "exported"].map(exported),
            certificate_expiry: Family::default(),
            reloads: Reloads::register(&mut registry),
            registry,
        };
        metrics.begin_at_zero(reasons);
        metrics.register(decisions, spans)
    }

    /// Where a label's values are few. A rate needs two samples: of a series that begins with its first event, that
    /// event is never seen.
    fn begin_at_zero(&self, reasons: impl IntoIterator<Item = &'static str>) {
        for action in Action::ALL {
            drop(self.calls.get_or_create(&Call::of(action.grpc_method(), "OK")));
            // One such write is worth an alert.
            if action.is_write() {
                drop(self.calls.get_or_create(&Call::of(action.grpc_method(), "UNKNOWN")));
            }
            for outcome in [AttemptOutcome::Ok, AttemptOutcome::Throttled] {
                drop(self.aws.get_or_create(&Attempt::of(action.service(), action.operation(), outcome)));
            }
        }
        for reason in reasons {
            drop(self.errors.get_or_create(&Reason { reason }));
        }
        for category in QUOTA_CATEGORIES {
            drop(self.quota_waits.get_or_create(&Category { category }));
        }
    }

    fn register(mut self, decisions: Family<Decision, Counter>, spans: Family<Export, Counter>) -> Self {
        let all = &mut self.registry;
        let calls = "Time from a call's headers to its answer";
        all.register_with_unit("rpc_server_call_duration", calls, Unit::Seconds, self.calls.clone());
        all.register("idp_proxy_errors", "Calls that failed, by the reason that callers see", self.errors.clone());
        all.register("idp_proxy_in_flight", "Calls that are being served", self.in_flight.clone());
        all.register("idp_proxy_aws_attempts", "Attempts at AWS, repetitions too", self.attempts.clone());
        let aws = "Time of one attempt at AWS, from the request to the answer's last byte";
        all.register_with_unit("idp_proxy_aws_duration", aws, Unit::Seconds, self.aws.clone());
        all.register("idp_proxy_policy_decisions", "Decisions of the policies", decisions);
        let waits = "Time that a call waited for its share of a quota at AWS";
        all.register_with_unit("idp_proxy_quota_wait", waits, Unit::Seconds, self.quota_waits.clone());
        let confirmed = "Writes of unknown outcome that a read at AWS has found executed";
        all.register("idp_proxy_confirmed", confirmed, self.confirmed.clone());
        let audit = "Tries to write audit lines that failed, and lines that were lost";
        all.register("idp_proxy_audit_failures", audit, self.audit_failures.clone());
        all.register("idp_proxy_spans", "Spans that were sent to the collector, or could not be", spans);
        let expiry = "When the server's certificate, or another one of its chain, expires first (Unix time)";
        all.register("idp_proxy_tls_certificate_expiry_timestamp_seconds", expiry, self.certificate_expiry.clone());
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        all.register("idp_proxy_build_info", "1, with the version of this program", build);
        self
    }

    /// Counts a call while it is being served; the count falls again when the answer is dropped.
    pub fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Notes a finished call.
    pub fn finish(&self, rpc_method: &'static str, code: &'static str, elapsed: Duration) {
        self.calls.get_or_create(&Call::of(rpc_method, code)).observe(elapsed.as_secs_f64());
    }

    /// Notes why a call failed.
    pub fn failed(&self, reason: &'static str) {
        self.errors.get_or_create(&Reason { reason }).inc();
    }

    /// Notes that an attempt at AWS begins.
    pub fn attempt(&self) {
        self.attempts.inc();
    }

    /// Notes how an attempt at AWS ended; `operation` is AWS's name of it.
    pub fn attempted(&self, service: Service, operation: &'static str, outcome: AttemptOutcome, elapsed: Duration) {
        self.aws.get_or_create(&Attempt::of(service, operation, outcome)).observe(elapsed.as_secs_f64());
    }

    /// Notes a decision of the policies.
    pub fn decided(&self, is_allowed: bool) {
        if is_allowed { &self.allowed } else { &self.denied }.inc();
    }

    /// Notes how long a call waited for its share of a quota, also if not at all; `category` is one of
    /// [`QUOTA_CATEGORIES`].
    pub fn quota_waited(&self, category: &'static str, waited: Duration) {
        self.quota_waits.get_or_create(&Category { category }).observe(waited.as_secs_f64());
    }

    /// Notes a write of unknown outcome that a read at AWS has found executed.
    pub fn confirmed(&self) {
        self.confirmed.inc();
    }

    /// Notes that audit lines could not be written, or are lost.
    pub fn audit_failed(&self) {
        self.audit_failures.inc();
    }

    /// Notes that so many spans were sent to the collector, or could not be.
    pub(super) fn exported(&self, is_sent: bool, count: u64) {
        let [failed, exported] = &self.spans;
        if is_sent { exported } else { failed }.inc_by(count);
    }

    /// When the server's chain expires, in seconds since 1970.
    pub fn certificate_expires(&self, at_s: i64) {
        self.certificate_expiry.get_or_create(&Certificate { certificate: "server" }).set(at_s);
    }

    /// For one source of what is read anew while the server runs.
    pub fn source(&self, what: Reloaded) -> Reload {
        self.reloads.source(what)
    }
}

impl Call {
    fn of(rpc_method: &'static str, rpc_response_status_code: &'static str) -> Self {
        Self { rpc_method, rpc_response_status_code }
    }
}

impl Attempt {
    fn of(service: Service, operation: &'static str, outcome: AttemptOutcome) -> Self {
        Self { service: service.aws_name(), operation, outcome: outcome.as_str() }
    }
}

/// A call that is being served.
#[derive(Debug)]
pub struct InFlight(Gauge<i64, AtomicI64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
