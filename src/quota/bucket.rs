//! One token bucket: its rate, what it may save up, its debts, and how it yields to a throttle of AWS's.
//!
//! Whole numbers throughout: a bucket that is asked twice about the same moment answers the same.

use std::time::Duration;

use tokio::time::Instant;

/// Requests per second.
pub(super) type Rate = u32;

/// Parts of one token. A rate of one request per second gains one part in each nanosecond.
const TOKEN: u128 = 1_000_000_000;
/// What an idle bucket saves up: a quarter of a second's worth. AWS lets a whole second's worth through at once, so that
/// requests which the network bunches up still pass.
const SAVED_PART: u128 = 4;

/// A full share of the configured rate, in thousandths.
const SHARE_FULL: u32 = 1000;
/// A throttle leaves 7 tenths, as in the AWS SDK's own adaptive mode.
const SHARE_KEPT: (u32, u32) = (7, 10);
/// Never less than a tenth: somebody who takes AWS's whole quota must not stop us altogether.
const SHARE_MIN: u32 = 100;
/// Each further second without a throttle gives back a fiftieth: 15 seconds after one throttle, 45 from the least share.
const SHARE_REGAINED: u32 = 20;
const SHARE_STEP: Duration = Duration::from_secs(1);
/// Throttles of requests that were under way together are one sign, not many.
const THROTTLES_APART: Duration = Duration::from_secs(1);

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    rate: Rate,
    /// Parts that are missing from a full bucket at `settled`; more than a full bucket's are a debt.
    missing: u128,
    settled: Instant,
    /// Since a throttle, until the whole rate is regained.
    slowed: Option<Slowed>,
    /// When the next token is there; follows from the rest, kept because it is asked for far more often than it changes.
    ready: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slowed {
    share: u32,
    since: Instant,
}

impl Slowed {
    /// The share at `now`, and when it grows next.
    fn at(self, now: Instant) -> (u32, Option<Instant>) {
        let steps = u32::try_from(now.saturating_duration_since(self.since).as_secs()).unwrap_or(u32::MAX);
        let share = self.share.saturating_add(steps.saturating_mul(SHARE_REGAINED));
        if share >= SHARE_FULL { (SHARE_FULL, None) } else { (share, Some(self.since + SHARE_STEP * (steps + 1))) }
    }
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate: rate.max(1), missing: 0, settled: now, slowed: None, ready: now }
    }

    /// The first moment from `now` on at which a token is there, if nobody takes one before.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        self.ready.max(now)
    }

    /// Tokens that an idle bucket gives at once.
    pub(super) fn burst(&self) -> usize {
        usize::try_from(self.capacity() / TOKEN).unwrap_or(usize::MAX)
    }

    /// Between two tokens, at the rate that holds now; it only grows.
    pub(super) fn interval(&self, now: Instant) -> Duration {
        let speed = u128::from(self.rate) * u128::from(self.share(now).0);
        let nanos = (TOKEN * u128::from(SHARE_FULL)).div_ceil(speed);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes a token, on credit where none is there.
    pub(super) fn take(&mut self, now: Instant) {
        self.change(now, |bucket| bucket.missing += TOKEN);
    }

    /// Puts a token back that was not spent.
    pub(super) fn give_back(&mut self, now: Instant) {
        self.change(now, |bucket| bucket.missing = bucket.missing.saturating_sub(TOKEN));
    }

    /// Yields to a throttle of AWS's: nothing is saved up any more, and the rate falls.
    pub(super) fn throttled(&mut self, now: Instant) {
        self.change(now, |bucket| {
            if bucket.slowed.is_some_and(|slowed| now < slowed.since + THROTTLES_APART) {
                return;
            }
            let (kept, of) = SHARE_KEPT;
            let share = (bucket.share(now).0 * kept / of).max(SHARE_MIN);
            bucket.slowed = Some(Slowed { share, since: now });
            bucket.missing = bucket.missing.max(bucket.capacity());
        });
    }

    /// Whether it is as good as a new one.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let mut settled = *self;
        settled.settle(now);
        settled.missing == 0 && settled.slowed.is_none()
    }

    /// Parts that are missing, for telling fuller ones from emptier ones.
    pub(super) fn missing(&self) -> u128 {
        self.missing
    }

    fn capacity(&self) -> u128 {
        (u128::from(self.rate) * TOKEN / SAVED_PART).max(TOKEN)
    }

    fn change(&mut self, now: Instant, change: impl FnOnce(&mut Self)) {
        self.settle(now);
        change(self);
        self.ready = self.enough_at();
    }

    /// When so little is missing that a token is there, at the rates that hold until then.
    fn enough_at(&self) -> Instant {
        let enough = self.capacity() - TOKEN;
        let (mut at, mut missing) = (self.settled, self.missing);
        while missing > enough {
            let (share, next) = self.share(at);
            let speed = u128::from(self.rate) * u128::from(share);
            let nanos = ((missing - enough) * u128::from(SHARE_FULL)).div_ceil(speed);
            let until = at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            match next.filter(|&next| next < until) {
                None => return until,
                Some(next) => (missing, at) = (missing.saturating_sub(gained(speed, next - at)), next),
            }
        }
        at
    }

    fn share(&self, at: Instant) -> (u32, Option<Instant>) {
        self.slowed.map_or((SHARE_FULL, None), |slowed| slowed.at(at))
    }

    /// Counts in what was gained until `now`, at the rates that held meanwhile.
    fn settle(&mut self, now: Instant) {
        while self.settled < now {
            let (share, next) = self.share(self.settled);
            let until = next.map_or(now, |next| next.min(now));
            let speed = u128::from(self.rate) * u128::from(share);
            self.missing = self.missing.saturating_sub(gained(speed, until - self.settled));
            self.settled = until;
        }
        if self.share(now).0 == SHARE_FULL {
            self.slowed = None;
        }
    }
}

/// Parts gained in `time` at a speed in requests per second times thousandths.
fn gained(speed: u128, time: Duration) -> u128 {
    speed * time.as_nanos() / u128::from(SHARE_FULL)
}
