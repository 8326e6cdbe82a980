//! Who may do what: Cedar policies, deny by default. A [`Permit`] is made here and nowhere else, and no AWS call can be
//! made without one.
//!
//! Knows no gRPC and no AWS. It sees parsed values only, so nobody else can read a host or a name differently.

mod directory;
mod engine;
mod explain;
mod facts;
mod index;
mod memo;
mod question;
mod reads;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use self::{directory::Snapshot, engine::Engine};
pub use self::{
    engine::{PolicyMistake, SCHEMA},
    explain::{Expectation, Explanation, explain},
};
use crate::{
    domain::Subject,
    identity::Caller,
    telemetry::{Metrics, Reload, Reloaded},
};

/// Leave to make one AWS call.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    policies: Arc<[String]>,
}

impl Permit {
    /// The policies that gave it.
    pub fn policies(&self) -> &Arc<[String]> {
        &self.policies
    }
}

/// Why there is no leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Policies forbid it; these.
    Forbidden(Arc<[String]>),
    /// No policy permits it.
    NotPermitted,
    /// Policies could not be evaluated; these. Cedar would skip them, and a skipped `forbid` opens.
    Broken(Arc<[String]>),
}

impl Denial {
    /// The policies that decided.
    pub fn policies(&self) -> &[String] {
        match self {
            Self::Forbidden(policies) | Self::Broken(policies) => policies,
            Self::NotPermitted => &[],
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(policies) => write!(f, "forbidden by {}", policies.join(", ")),
            Self::NotPermitted => f.write_str("no policy permits it"),
            Self::Broken(policies) => write!(f, "{} could not be evaluated", policies.join(", ")),
        }
    }
}

/// How often the directory is looked at: changed policies take effect within 5 seconds.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The rules in force; replaced as a whole when their files change.
#[derive(Debug)]
pub struct Policy {
    engine: ArcSwap<Engine>,
    /// The directory, and what it held at the start: what has changed since then has to be seen.
    directory: Option<(PathBuf, Snapshot)>,
}

impl Policy {
    /// Every `*.cedar` file of a directory. No file means that nothing is allowed.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub fn of_directory(directory: PathBuf) -> Result<Self, Vec<PolicyMistake>> {
        let loaded = Snapshot::read(&directory)?;
        let engine = Engine::load(loaded.files())?;
        for warning in engine.warnings() {
            tracing::warn!(warning, "policy");
        }
        tracing::info!(policies = engine.len(), "policies loaded");
        Ok(Self { engine: ArcSwap::from_pointee(engine), directory: Some((directory, loaded)) })
    }

    /// Everyone may do everything: for the sandbox.
    ///
    /// # Errors
    /// When the one policy is wrong, which a test rules out.
    pub fn everything_for_the_sandbox() -> Result<Self, Vec<PolicyMistake>> {
        let text = "@id(\"sandbox\") permit (principal, action, resource);";
        let engine = Engine::load([("sandbox.cedar", text)])?;
        Ok(Self { engine: ArcSwap::from_pointee(engine), directory: None })
    }

    /// How many policies are in force.
    pub fn count(&self) -> usize {
        self.engine.load().len()
    }

    /// Judges a call that is identified and parsed.
    ///
    /// # Errors
    /// When the rules do not allow it.
    pub fn authorize(&self, caller: &Caller, subject: &Subject<'_>) -> Result<Permit, Denial> {
        let decided = self.engine.load().decide(caller, subject);
        decided.map(|policies| Permit { policies })
    }

    /// Takes changed files into force until `stop`. A set with a mistake leaves the last good one in force.
    pub async fn follow_changes(self: Arc<Self>, stop: CancellationToken, metrics: Arc<Metrics>) {
        let Some((directory, loaded)) = self.directory.clone() else { return };
        let reload = metrics.source(Reloaded::Policies);
        reload.succeeded();
        let mut seen = Some(loaded);
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let (policy, last) = (Arc::clone(&self), seen.take());
            let (directory, reload) = (directory.clone(), reload.clone());
            let look = tokio::task::spawn_blocking(move || policy.look(&directory, last.as_ref(), &reload));
            seen = look.await.unwrap_or_default();
        }
    }

    /// One look at the directory; answers what was seen.
    fn look(&self, directory: &Path, last: Option<&Snapshot>, reload: &Reload) -> Option<Snapshot> {
        let report = |mistakes: Vec<PolicyMistake>| {
            reload.failed();
            for mistake in mistakes {
                tracing::error!(%mistake, "policies not reloaded; the last good ones stay in force");
            }
        };
        let now = match Snapshot::read(directory) {
            Ok(now) if last == Some(&now) => return Some(now),
            Ok(now) => now,
            Err(mistakes) => {
                report(mistakes);
                return None;
            }
        };
        match Engine::load(now.files()) {
            Ok(engine) => {
                for warning in engine.warnings() {
                    tracing::warn!(warning, "policy");
                }
                tracing::info!(policies = engine.len(), "policies reloaded");
                self.engine.store(Arc::new(engine));
                reload.succeeded();
            }
            Err(mistakes) => report(mistakes),
        }
        Some(now)
    }
}

#[cfg(test)]
mod tests;
