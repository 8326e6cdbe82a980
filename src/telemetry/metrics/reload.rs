//! What is read anew while the server runs: how often, with which outcome, when it last went well.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// What is read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The policies.
    Policies,
    /// The server's certificate and key, and the clients' authorities.
    Certificates,
    /// The keys of one token issuer.
    KeySets,
}

impl Reloaded {
    const ALL: [Self; 3] = [Self::Policies, Self::Certificates, Self::KeySets];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Policies => "policies",
            Self::Certificates => "certificates",
            Self::KeySets => "key_sets",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    what: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

/// The metrics of all sources.
#[derive(Debug)]
pub(super) struct Reloads {
    outcomes: Family<Outcome, Counter>,
    failing: Family<What, Gauge>,
    last_success: Family<What, Gauge>,
}

impl Reloads {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let reloads = Self { outcomes: Family::default(), failing: Family::default(), last_success: Family::default() };
        for what in Reloaded::ALL.map(Reloaded::as_str) {
            drop(reloads.outcomes.get_or_create(&Outcome { what, outcome: "ok" }));
            drop(reloads.outcomes.get_or_create(&Outcome { what, outcome: "failed" }));
            drop(reloads.failing.get_or_create(&What { what }));
        }
        let outcomes = "Loads of policies, certificates and key sets, the first one too";
        registry.register("idp_proxy_reloads", outcomes, reloads.outcomes.clone());
        let failing = "Sources whose last load failed, so that older content stays in force";
        registry.register("idp_proxy_reload_failing", failing, reloads.failing.clone());
        let last = "When content was last taken into force (Unix time)";
        registry.register("idp_proxy_reload_last_success_timestamp_seconds", last, reloads.last_success.clone());
        reloads
    }

    pub(super) fn source(&self, what: Reloaded) -> Reload {
        let what = what.as_str();
        let outcome = |outcome| self.outcomes.get_or_create_owned(&Outcome { what, outcome });
        Reload(Arc::new(Source {
            ok: outcome("ok"),
            failed: outcome("failed"),
            failing: self.failing.get_or_create_owned(&What { what }),
            last_success: self.last_success.get_or_create_owned(&What { what }),
            is_failing: AtomicBool::new(false),
        }))
    }
}

/// One source; a clone is the same one.
#[derive(Clone, Debug)]
pub struct Reload(Arc<Source>);

#[derive(Debug)]
struct Source {
    ok: Counter,
    failed: Counter,
    failing: Gauge,
    last_success: Gauge,
    is_failing: AtomicBool,
}

impl Reload {
    /// What the source holds is in force.
    pub fn succeeded(&self) {
        let Source { ok, failing, last_success, is_failing, .. } = &*self.0;
        ok.inc();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        last_success.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        if is_failing.swap(false, Ordering::Relaxed) {
            failing.dec();
        }
    }

    /// What the source holds could not be taken into force.
    pub fn failed(&self) {
        self.0.failed.inc();
        if !self.0.is_failing.swap(true, Ordering::Relaxed) {
            self.0.failing.inc();
        }
    }
}
