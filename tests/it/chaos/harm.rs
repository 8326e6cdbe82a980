//! What can befall a request on its way to AWS and its answer on the way back, and what does, by seed.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

/// What befalls one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Harm {
    /// AWS does it; the connection is closed without an answer.
    CommitThenClose,
    /// The same with a reset.
    CommitThenReset,
    /// AWS does it; the answer is an internal error.
    CommitThen500,
    /// AWS does it; the answer is a front-end's, without a code.
    CommitThen503,
    /// AWS does it; the answer is a success that makes no sense.
    CommitThenGarbage,
    /// AWS does it; the answer ends in the middle of its body.
    CommitThenCut,
    /// AWS does it; the answer does not come, until whoever asked gives up.
    CommitThenSilence,
    /// AWS does it after whoever asked has given up.
    DelayThenCommit,
    /// AWS never sees it.
    ResetBeforeCommit,
    /// The service's own throttle, this time and the next.
    ThrottleTwice,
    /// The service's `ConcurrentModificationException`; only Cognito's writes have it.
    Busy,
}

impl Harm {
    /// After these nobody who asked can tell whether AWS has done it.
    pub(super) const DOUBTFUL: [Self; 9] = [
        Self::CommitThenClose,
        Self::CommitThenReset,
        Self::CommitThen500,
        Self::CommitThen503,
        Self::CommitThenGarbage,
        Self::CommitThenCut,
        Self::CommitThenSilence,
        Self::DelayThenCommit,
        Self::ResetBeforeCommit,
    ];
    /// After these it is certain that AWS has not.
    pub(super) const REFUSING: [Self; 2] = [Self::ThrottleTwice, Self::Busy];

    pub(super) fn leaves_doubt(self) -> bool {
        Self::DOUBTFUL.contains(&self)
    }
}

/// Of a hundred requests, how many are harmed in doubtful ways, and how many are refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odds {
    pub(super) doubt_percent: u32,
    pub(super) refusal_percent: u32,
    /// Of one schedule, so that it comes to an end.
    pub(super) most: u32,
}

/// What befalls the requests of one schedule. It depends on the seed, the operation and how often it was asked for, not on
/// the order in which operations overtake each other.
#[derive(Debug)]
pub(super) struct Fate {
    seed: u64,
    odds: Odds,
    left: u32,
    asked: HashMap<String, u64>,
    throttled: HashMap<String, u32>,
}

impl Fate {
    pub(super) fn new(seed: u64, odds: Odds) -> Self {
        Self { seed, odds, left: odds.most, asked: HashMap::new(), throttled: HashMap::new() }
    }

    /// For the next request; `invocation` is the same in every attempt of one call of the SDK's.
    pub(super) fn next(&mut self, operation: &str, invocation: &str, can_be_busy: bool) -> Option<Harm> {
        if let Some(more) = self.throttled.get_mut(invocation)
            && *more > 0
        {
            *more -= 1;
            return Some(Harm::ThrottleTwice);
        }
        let asked = self.asked.entry(operation.to_owned()).or_default();
        *asked += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, operation, *asked).hash(&mut hasher);
        let mut rng = StdRng::seed_from_u64(hasher.finish());
        let roll = rng.random_range(0..100);
        if self.left == 0 || roll >= self.odds.doubt_percent + self.odds.refusal_percent {
            return None;
        }
        let harm = if roll < self.odds.doubt_percent {
            *Harm::DOUBTFUL.choose(&mut rng)?
        } else {
            *Harm::REFUSING.choose(&mut rng)?
        };
        let harm = if harm == Harm::Busy && !can_be_busy { Harm::ThrottleTwice } else { harm };
        if harm == Harm::ThrottleTwice {
            self.throttled.insert(invocation.to_owned(), 1);
        }
        self.left -= 1;
        Some(harm)
    }
}
