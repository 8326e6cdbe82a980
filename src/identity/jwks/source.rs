//! Keeps the key set of one issuer fresh: a file is reread, a URL fetched again. What cannot be read changes nothing.
//!
//! A set that can be read replaces the last one even if no key in it is usable: that is how an issuer revokes.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until, timeout},
};
use url::Url;

use super::{BYTES_MAX, KeySet, fetch::Fetcher};
use crate::telemetry::Reload;

/// Between two looks at a file; a change is promised to take effect within 20 s.
const REREAD_EVERY: Duration = Duration::from_secs(5);

/// Between two fetches when all is well.
const FETCH_EVERY: Duration = Duration::from_mins(5);

/// Between the starts of two fetches, whatever the reason: callers with invented key ids must not become a flood.
/// Also the first wait after a failure; each further one doubles it.
pub(in crate::identity) const FETCH_GAP: Duration = Duration::from_secs(10);

/// The longest that a caller with an unknown key id waits for a fetch.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// The current key set of an issuer, and where it comes from.
pub(in crate::identity) struct Keys {
    issuer: String,
    origin: Origin,
    current: ArcSwap<KeySet>,
    /// Set once the keys are kept fresh.
    reload: OnceLock<Reload>,
}

enum Origin {
    File {
        path: PathBuf,
        /// What was last read or why nothing was, so that each change is looked at and logged once.
        seen: Mutex<Result<Vec<u8>, String>>,
    },
    Url {
        url: Url,
        fetcher: Arc<Fetcher>,
        /// Held while a fetch is under way: who waits for it waits for its result.
        fetches: Mutex<Fetches>,
    },
}

/// What is remembered of the fetches so far.
#[derive(Default)]
struct Fetches {
    begun: Option<Instant>,
    /// Since the last success.
    failures: u32,
}

impl Fetches {
    /// Whether the last one began at least `gap` ago.
    fn may_begin(&self, gap: Duration) -> bool {
        self.begun.is_none_or(|begun| begun.elapsed() >= gap)
    }

    /// When the next one is due without a caller's need.
    fn next(&self) -> Instant {
        let wait = match self.failures.checked_sub(1) {
            None => FETCH_EVERY,
            Some(doublings) => FETCH_GAP.saturating_mul(2_u32.saturating_pow(doublings)).min(FETCH_EVERY),
        };
        self.begun.map_or_else(Instant::now, |begun| begun + wait)
    }
}

impl Keys {
    /// The keys in a file, which must hold a usable one.
    pub(in crate::identity) fn of_file(issuer: &str, path: &Path) -> Result<Self, String> {
        let content = read(path)?;
        let set = KeySet::parse(&content).map_err(|why| format!("{}: {why}", path.display()))?;
        if set.is_empty() {
            let why = set.ignored().join("; ");
            return Err(format!("{}: holds no usable key; {why}", path.display()));
        }
        let origin = Origin::File { path: path.to_owned(), seen: Mutex::new(Ok(content)) };
        let current = ArcSwap::from_pointee(set);
        Ok(Self { issuer: issuer.to_owned(), origin, current, reload: OnceLock::new() })
    }

    /// The keys at a URL; none until they are fetched.
    pub(in crate::identity) fn of_url(issuer: &str, url: Url, fetcher: Arc<Fetcher>) -> Self {
        let origin = Origin::Url { url, fetcher, fetches: Mutex::default() };
        Self { issuer: issuer.to_owned(), origin, current: ArcSwap::default(), reload: OnceLock::new() }
    }

    /// The key set as it is now.
    pub(in crate::identity) fn current(&self) -> Arc<KeySet> {
        self.current.load_full()
    }

    /// Fetches the set because a key was not found in it, if that is possible and due; waits for a while.
    pub(in crate::identity) async fn look_again(self: &Arc<Self>) {
        let Origin::Url { fetches, .. } = &self.origin else { return };
        // A lock that is taken is a fetch under way.
        if fetches.try_lock().is_ok_and(|fetches| !fetches.may_begin(FETCH_GAP)) {
            return;
        }
        let keys = Arc::clone(self);
        // A task of its own: a slow fetch must come to its end for later callers, also when this one goes away.
        let fetch = tokio::spawn(async move { keys.refresh(FETCH_GAP).await });
        // Whether it came in time shows in the key set.
        let _ = timeout(WAIT_MAX, fetch).await;
    }

    /// Keeps the set fresh for ever.
    pub(in crate::identity) async fn keep_fresh(&self, reload: Reload) {
        let reload = self.reload.get_or_init(|| reload);
        if let Origin::File { .. } = self.origin {
            reload.succeeded();
            // Not where the file is first read: `check` reads it too.
            warn_of_ignored(&self.issuer, &self.current());
        }
        loop {
            match &self.origin {
                Origin::File { .. } => sleep(REREAD_EVERY).await,
                Origin::Url { fetches, .. } => {
                    let next = fetches.lock().await.next();
                    sleep_until(next).await;
                }
            }
            self.refresh(FETCH_GAP).await;
        }
    }

    /// Rereads the file, or fetches the URL unless a fetch began less than `gap` ago.
    pub(in crate::identity) async fn refresh(&self, gap: Duration) {
        let outcome = match &self.origin {
            Origin::File { path, seen } => {
                let mut seen = seen.lock().await;
                let at = path.clone();
                let content = tokio::task::spawn_blocking(move || read(&at)).await;
                let content = content.unwrap_or_else(|why| Err(why.to_string()));
                if *seen == content {
                    return;
                }
                *seen = content;
                seen.as_ref().map_err(Clone::clone).and_then(|content| self.replace(content))
            }
            Origin::Url { url, fetcher, fetches } => {
                let mut fetches = fetches.lock().await;
                if !fetches.may_begin(gap) {
                    return;
                }
                fetches.begun = Some(Instant::now());
                let outcome = fetcher.get(url).await.and_then(|document| self.replace(&document));
                fetches.failures = if outcome.is_ok() { 0 } else { fetches.failures.saturating_add(1) };
                outcome
            }
        };
        if let Some(reload) = self.reload.get() {
            if outcome.is_ok() { reload.succeeded() } else { reload.failed() }
        }
        if let Err(why) = outcome {
            tracing::warn!(issuer = self.issuer, why, "the issuer's keys could not be read; the last ones stay");
        }
    }

    fn replace(&self, document: &[u8]) -> Result<(), String> {
        let set = KeySet::parse(document)?;
        if set == **self.current.load() {
            return Ok(());
        }
        tracing::info!(issuer = self.issuer, keys = set.len(), "the issuer's keys changed");
        warn_of_ignored(&self.issuer, &set);
        self.current.store(Arc::new(set));
        Ok(())
    }
}

fn warn_of_ignored(issuer: &str, set: &KeySet) {
    for why in set.ignored() {
        tracing::warn!(issuer, why, "a key of the issuer is ignored");
    }
    if set.is_empty() {
        tracing::warn!(issuer, "the issuer has no usable key: its tokens are refused");
    }
}

/// The content of a regular file, which must not be larger than a key set may be.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |why: std::io::Error| format!("{}: {why}", path.display());
    // A pipe would be waited for.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(format!("{}: is not a file", path.display()));
    }
    let mut content = Vec::new();
    let bound = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(failed)?.take(bound).read_to_end(&mut content).map_err(failed)?;
    if content.len() > BYTES_MAX {
        Err(format!("{}: is larger than {BYTES_MAX} bytes", path.display()))
    } else {
        Ok(content)
    }
}
