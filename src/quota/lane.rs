//! One lane: the calls that share a budget of AWS's, who waits for it, and whose turn it is. Pure: time is an argument.
//!
//! Callers take turns, in the lane and again in each pool. The turn in the lane picks the pool: of the callers with a
//! call in a pool that has a token, the one that waits longest for its turn. The turn in that pool picks the call. So a
//! pool that has no token holds up nobody else, a caller with many calls gets no more than one with few, and a caller
//! that is busy elsewhere is not passed over in a pool.

use std::time::Duration;

use tokio::time::Instant;

use super::bucket::{Bucket, Rate};

/// A name that callers choose, such as a caller's id or a pool's with an operation, as a hash with this process's key:
/// small whatever its length, and nobody can aim for two that are the same.
pub(super) type Key = u64;

/// The number of a waiting call.
pub(super) type Ticket = u64;

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// The budget of the account and region.
    Category,
    /// The budget of one operation on one pool.
    Pool,
}

/// When a call is served if nothing comes in between, and what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outlook {
    pub(super) at: Instant,
    pub(super) held_by: Bottleneck,
}

/// How a call's waiting ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It may be sent.
    Served,
    /// It could not be served in time.
    TooLate(Outlook),
    /// It could have been in time, but the server goes down before.
    Draining,
}

/// A call that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    ticket: Ticket,
    caller: Key,
    pool: Option<usize>,
    /// Served later than this it is of no use.
    until: Instant,
    /// Whether that is so because the server goes down.
    is_cut: bool,
    /// Its caller's turn in the lane: the smallest is next.
    turn: u64,
    /// Its caller's turn in the pool.
    turn_in_pool: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pool {
    key: Key,
    bucket: Bucket,
}

/// A lane. A clone is a sketch of what will happen, in which nothing real changes.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// None: no limit.
    bucket: Option<Bucket>,
    pool_rate: Option<Rate>,
    pools: Vec<Pool>,
    /// In the order of arrival.
    waiting: Vec<Waiting>,
    /// When those were served that have not been sent yet: they may wait for credentials or for the audit, and would
    /// all arrive at AWS together.
    doorway: Vec<Instant>,
    turns: u64,
    /// When the last of all calls is served, as was known last.
    last: Option<Outlook>,
    /// The pool that AWS throttled last.
    throttled: Option<(Option<Key>, Instant)>,
}

/// Pools with a bucket that is not idle. At 20 requests a second that come to one each, 80 are; without a limit on the
/// category any number could be, and then the fullest are forgotten, which costs a throttle at worst.
const POOLS_MAX: usize = 1024;

/// Two pools that are throttled within this time show that it is not the one pool's own budget that is used up.
const SAME_CAUSE: Duration = Duration::from_secs(5);

/// After this, a call that was served and not sent holds up nobody: it may never be sent.
const DOORWAY_TIME: Duration = Duration::from_secs(1);

impl Lane {
    /// Nobody waits, and its budget is whole.
    pub(super) fn new(rate: Option<Rate>, pool_rate: Option<Rate>, now: Instant) -> Self {
        let bucket = rate.map(|rate| Bucket::new(rate, now));
        Self {
            bucket,
            pool_rate,
            pools: Vec::new(),
            waiting: Vec::new(),
            doorway: Vec::new(),
            turns: 0,
            last: None,
            throttled: None,
        }
    }

    /// Adds a call at the end of its caller's.
    pub(super) fn join(&mut self, ticket: Ticket, caller: Key, pool: Option<Key>, until: Instant, now: Instant) {
        let pool = self.pool(pool, now);
        let others = || self.waiting.iter().filter(|call| call.caller == caller);
        let turn = others().next().map(|call| call.turn);
        let turn_in_pool = others().find(|call| call.pool == pool).map(|call| call.turn_in_pool);
        self.turns += 1;
        let (turn, turn_in_pool) = (turn.unwrap_or(self.turns), turn_in_pool.unwrap_or(self.turns));
        self.waiting.push(Waiting { ticket, caller, pool, until, is_cut: false, turn, turn_in_pool });
    }

    /// Takes a call out; answers whether it waited.
    pub(super) fn leave(&mut self, ticket: Ticket) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|call| call.ticket != ticket);
        self.waiting.len() < before
    }

    /// No call is of use after `by`, since the server goes down.
    pub(super) fn end_by(&mut self, by: Instant) {
        for call in self.waiting.iter_mut().filter(|call| call.until > by) {
            (call.until, call.is_cut) = (by, true);
        }
    }

    /// When the next call is served.
    pub(super) fn next_at(&self, now: Instant) -> Option<Outlook> {
        let category = self.bucket.map_or(now, |bucket| bucket.ready_at(now)).max(self.doorway_free_at(now));
        let pool = self.waiting.iter().map(|call| self.ready_at(call.pool, now)).min()?;
        let held_by = if pool > category { Bottleneck::Pool } else { Bottleneck::Category };
        Some(Outlook { at: category.max(pool), held_by })
    }

    /// The call whose turn it is stops waiting, if there is one that can be served now. One that comes too late spends
    /// nothing and leaves its caller's turn to the next.
    pub(super) fn serve(&mut self, now: Instant) -> Option<(Ticket, End)> {
        let outlook = self.next_at(now).filter(|outlook| outlook.at <= now)?;
        let call = self.next(now)?;
        self.leave(call.ticket);
        if now > call.until {
            return Some((call.ticket, if call.is_cut { End::Draining } else { End::TooLate(outlook) }));
        }
        self.spend(call.pool, now);
        self.doorway.retain(|served| now < *served + DOORWAY_TIME);
        self.doorway.push(now);
        self.turns += 1;
        for other in self.waiting.iter_mut().filter(|other| other.caller == call.caller) {
            other.turn = self.turns;
            if other.pool == call.pool {
                other.turn_in_pool = self.turns;
            }
        }
        Some((call.ticket, End::Served))
    }

    /// Whether every call is in time in whatever order they are served, which is far cheaper to know than the order.
    ///
    /// While the last one waits, either no token is there for the lane, or none for that call's pool: together no longer
    /// than both would take on their own.
    pub(super) fn is_surely_in_time(&self, now: Instant) -> bool {
        let mut calls = vec![0_u32; self.pools.len()];
        for at in self.waiting.iter().filter_map(|call| call.pool) {
            calls.get_mut(at).into_iter().for_each(|calls| *calls += 1);
        }
        let time = |bucket: &Bucket, calls: u32| {
            bucket.ready_at(now).saturating_duration_since(now) + bucket.interval(now) * calls
        };
        let all = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let lane = self.bucket.map_or(Duration::ZERO, |bucket| time(&bucket, all));
        let pools = self.pools.iter().zip(calls).filter(|(_, calls)| *calls > 0);
        let pool = pools.map(|(pool, calls)| time(&pool.bucket, calls)).max().unwrap_or_default();
        self.waiting.iter().all(|call| now + lane + pool <= call.until)
    }

    /// What a call would wait for first.
    pub(super) fn bottleneck(&self, ticket: Ticket, now: Instant) -> Bottleneck {
        let pool = self.waiting.iter().find(|call| call.ticket == ticket).and_then(|call| call.pool);
        let category = self.bucket.map_or(now, |bucket| bucket.ready_at(now));
        if self.ready_at(pool, now) > category { Bottleneck::Pool } else { Bottleneck::Category }
    }

    /// How and when each call's waiting ends if nothing comes in between, in that order.
    pub(super) fn schedule(&mut self, mut now: Instant) -> Vec<(Ticket, Outlook, End)> {
        // What was served is sent at once, in a sketch.
        let mut sketch = Self { doorway: Vec::new(), ..self.clone() };
        let mut schedule = Vec::with_capacity(self.waiting.len());
        while let Some(outlook) = sketch.next_at(now) {
            now = outlook.at;
            let Some((ticket, end)) = sketch.serve(now) else { break };
            sketch.doorway.clear();
            // What it waits for is known from before its turn.
            let end = if let End::TooLate(_) = end { End::TooLate(outlook) } else { end };
            schedule.push((ticket, outlook, end));
        }
        self.last = schedule.last().map(|(_, outlook, _)| *outlook);
        schedule
    }

    /// About when a call would be served for which there is no room.
    pub(super) fn last(&self, now: Instant) -> Option<Outlook> {
        self.last.filter(|last| last.at > now)
    }

    /// Spends a request that nobody waited for, on credit if need be.
    pub(super) fn debit(&mut self, pool: Option<Key>, now: Instant) {
        let pool = self.pool(pool, now);
        self.spend(pool, now);
    }

    /// A call that was served has been sent, or never will be.
    pub(super) fn sent(&mut self) {
        if !self.doorway.is_empty() {
            self.doorway.remove(0);
        }
    }

    /// Takes back a request that was not made.
    pub(super) fn give_back(&mut self, pool: Option<Key>, now: Instant) {
        self.sent();
        let pool = self.pool(pool, now);
        let pool = pool.and_then(|at| self.pools.get_mut(at)).map(|pool| &mut pool.bucket);
        for bucket in self.bucket.iter_mut().chain(pool) {
            bucket.give_back(now);
        }
    }

    /// AWS throttled a request. It does not say which budget was used up: the pool's slows down, and if another pool was
    /// throttled just before, or there are no pools, the lane's does.
    pub(super) fn throttled(&mut self, key: Option<Key>, now: Instant) {
        let pool = self.pool(key, now);
        let pool = pool.and_then(|at| self.pools.get_mut(at));
        let is_all = pool.is_none()
            || self.throttled.is_some_and(|(other, at)| other != key && now.duration_since(at) < SAME_CAUSE);
        if let Some(pool) = pool {
            pool.bucket.throttled(now);
        }
        if let Some(bucket) = self.bucket.as_mut().filter(|_| is_all) {
            bucket.throttled(now);
        }
        self.throttled = Some((key, now));
    }

    /// The callers of the calls that wait, in the order of arrival.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Key> {
        self.waiting.iter().map(|call| call.caller)
    }

    /// The call of a caller's that came last.
    pub(super) fn last_of(&self, caller: Key) -> Option<Ticket> {
        self.waiting.iter().rev().find(|call| call.caller == caller).map(|call| call.ticket)
    }

    /// Whether nothing would be lost if it were made anew.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let mut buckets = self.bucket.iter().chain(self.pools.iter().map(|pool| &pool.bucket));
        self.waiting.is_empty() && self.doorway.is_empty() && buckets.all(|bucket| bucket.is_idle(now))
    }

    /// Whatever was served has been sent.
    #[cfg(test)]
    pub(super) fn send_all(&mut self) {
        self.doorway.clear();
    }

    /// Buckets that are kept.
    #[cfg(test)]
    pub(super) fn pools(&self) -> usize {
        self.pools.len()
    }

    /// The call whose turn it is among those whose pool has a token.
    fn next(&self, now: Instant) -> Option<Waiting> {
        let ready = self.waiting.iter().filter(|call| self.ready_at(call.pool, now) <= now);
        let first = ready.min_by_key(|call| (call.turn, call.ticket))?;
        if first.pool.is_none() {
            return Some(*first);
        }
        let same_pool = self.waiting.iter().filter(|call| call.pool == first.pool);
        same_pool.min_by_key(|call| (call.turn_in_pool, call.ticket)).copied()
    }

    fn ready_at(&self, pool: Option<usize>, now: Instant) -> Instant {
        pool.and_then(|at| self.pools.get(at)).map_or(now, |pool| pool.bucket.ready_at(now))
    }

    /// When there are no more calls served and not sent than AWS may get at once.
    fn doorway_free_at(&self, now: Instant) -> Instant {
        let most = self.bucket.map_or(usize::MAX, |bucket| bucket.burst());
        let blocking = self.doorway.len().checked_sub(most).and_then(|at| self.doorway.get(at));
        blocking.map_or(now, |served| (*served + DOORWAY_TIME).max(now))
    }

    fn spend(&mut self, pool: Option<usize>, now: Instant) {
        let pool = pool.and_then(|at| self.pools.get_mut(at)).map(|pool| &mut pool.bucket);
        for bucket in self.bucket.iter_mut().chain(pool) {
            bucket.take(now);
        }
    }

    /// The place of a pool's bucket, made if need be; none where pools have no limit.
    fn pool(&mut self, key: Option<Key>, now: Instant) -> Option<usize> {
        let (key, rate) = (key?, self.pool_rate?);
        if let Some(at) = self.pools.iter().position(|pool| pool.key == key) {
            return Some(at);
        }
        if self.pools.len() >= POOLS_MAX {
            self.forget_pools(now);
        }
        self.pools.push(Pool { key, bucket: Bucket::new(rate, now) });
        Some(self.pools.len() - 1)
    }

    /// Drops idle buckets, and if all are in use the fullest one that nobody waits for.
    fn forget_pools(&mut self, now: Instant) {
        let is_waited_for = |at: usize| self.waiting.iter().any(|call| call.pool == Some(at));
        let free: Vec<usize> = (0..self.pools.len()).filter(|&at| !is_waited_for(at)).collect();
        let pool = |at: &usize| self.pools.get(*at);
        let idle = |at: &usize| pool(at).is_some_and(|pool| pool.bucket.is_idle(now));
        let mut gone: Vec<usize> = free.iter().copied().filter(idle).collect();
        if gone.is_empty() {
            gone.extend(free.into_iter().min_by_key(|at| pool(at).map(|pool| pool.bucket.missing())));
        }
        // From the end, so that the places before stay what they are.
        for at in gone.into_iter().rev() {
            self.pools.swap_remove(at);
            let moved = self.pools.len();
            for call in self.waiting.iter_mut().filter(|call| call.pool == Some(moved)) {
                call.pool = Some(at);
            }
        }
    }
}
