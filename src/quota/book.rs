//! All lanes, and the bounds on what they hold. Pure: time is an argument, and who has to be told what is the result.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    bucket::Rate,
    lane::{Bottleneck, End, Key, Lane, Outlook, Ticket},
};

/// Lanes with a budget that is not whole. Callers name regions, so their number is bounded; with one waiting call each
/// there are fewer than this, so that one without can always be forgotten, which costs a throttle at worst.
const LANES_MAX: usize = 1024;
/// Calls that wait at most, whatever the configuration: deciding on a call takes time with their square.
pub(super) const WAITING_MAX: usize = 256;
/// Of the time that is left, this much is kept for AWS itself, or half of it if there is less: a call that is sent with
/// no time to be answered spends a request, and if it is a write nobody knows its outcome.
const ANSWER_TIME: Duration = Duration::from_millis(250);
/// Refusals that are remembered, so that a flood of calls that are refused costs next to nothing.
const REFUSED_MAX: usize = 256;

/// The budgets that a request spends from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The account, region and category.
    pub(super) lane: Key,
    /// The pool and operation.
    pub(super) pool: Option<Key>,
    /// Requests per second of the lane, and of each pool in it; none: no limit.
    pub(super) rates: (Option<Rate>, Option<Rate>),
}

/// What becomes of a call that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It waits, first of all for this.
    Waits(Ticket, Bottleneck),
    /// It need not wait, or need not hope.
    Ends(End),
}

/// A refusal, good for further calls of the same caller's to the same pool until somebody leaves the queue.
#[derive(Clone, Copy, Debug)]
struct Refused {
    lane: Key,
    pool: Option<Key>,
    caller: Key,
    outlook: Outlook,
}

/// Who has to be told what.
pub(super) type Ends = Vec<(Ticket, End)>;

/// The lanes.
#[derive(Debug)]
pub(super) struct Book {
    lanes: HashMap<Key, Lane>,
    waiting_max: usize,
    tickets: Ticket,
    refused: Vec<Refused>,
    /// When the server is down.
    closing: Option<Instant>,
}

impl Book {
    /// Nobody waits; at most so many may.
    pub(super) fn new(waiting_max: usize) -> Self {
        let waiting_max = waiting_max.clamp(1, WAITING_MAX);
        Self { lanes: HashMap::new(), waiting_max, tickets: 0, refused: Vec::new(), closing: None }
    }

    /// A call asks for a request that must be answered by `deadline`.
    pub(super) fn ask(&mut self, place: Place, caller: Key, deadline: Instant, now: Instant) -> (Answer, Ends) {
        let left = deadline.saturating_duration_since(now);
        let until = deadline.checked_sub(ANSWER_TIME.min(left / 2)).unwrap_or(now);
        if let Some(known) = self.refused.iter().find(|known| known.is_about(place, caller))
            && known.outlook.at > until.max(now)
        {
            return (Answer::Ends(End::TooLate(known.outlook)), Vec::new());
        }
        self.tickets += 1;
        let ticket = self.tickets;
        let closing = self.closing;
        let lane = self.lane(place, now);
        lane.join(ticket, caller, place.pool, until, now);
        if let Some(closing) = closing {
            lane.end_by(closing);
        }
        let mut ends = serve_all(lane, now);
        let others_wait = lane.waiting().next().is_some();
        if let Some(own) = take(&mut ends, ticket) {
            if others_wait {
                // For their pools; what it took of the lane's budget they may have counted on.
                ends.extend(self.refuse_hopeless(place.lane, now));
            }
            return (Answer::Ends(own), ends);
        }
        let loser = if self.waiting() > self.waiting_max { self.loser(caller) } else { None };
        if loser.is_some_and(|(_, loser)| loser == ticket)
            && let Some(last) = self.lane(place, now).last(now)
        {
            self.lane(place, now).leave(ticket);
            return (Answer::Ends(End::TooLate(last)), ends);
        }
        let (answer, others) = self.look_ahead(place, caller, ticket, loser, now);
        ends.extend(others);
        (answer, ends)
    }

    /// Whether a call that has joined can be served in time, and at whose cost.
    fn look_ahead(
        &mut self,
        place: Place,
        caller: Key,
        ticket: Ticket,
        loser: Option<(Key, Ticket)>,
        now: Instant,
    ) -> (Answer, Ends) {
        let lane = self.lane(place, now);
        let held_by = lane.bottleneck(ticket, now);
        if loser.is_none() && lane.is_surely_in_time(now) {
            return (Answer::Waits(ticket, held_by), Vec::new());
        }
        let schedule = lane.schedule(now);
        let of = |ticket| schedule.iter().find(|(other, _, _)| *other == ticket);
        let Some((_, outlook, end)) = of(ticket).copied() else {
            return (Answer::Ends(End::Draining), Vec::new());
        };
        if end != End::Served {
            // Without it all is as before.
            lane.leave(ticket);
            self.remember(place, caller, outlook, end, now);
            return (Answer::Ends(end), Vec::new());
        }
        let is_all_well = loser.is_none() && schedule.iter().all(|(_, _, end)| *end == End::Served);
        let mut ends = Vec::new();
        if let Some((lane, loser)) = loser {
            let lost = of(loser).map_or(outlook, |(_, lost, _)| *lost);
            self.lanes.get_mut(&lane).map(|lane| lane.leave(loser));
            ends.push((loser, End::TooLate(lost)));
            ends.extend(self.refuse_hopeless(lane, now));
        }
        if !is_all_well {
            ends.extend(self.refuse_hopeless(place.lane, now));
        }
        let own = take(&mut ends, ticket);
        (own.map_or(Answer::Waits(ticket, held_by), Answer::Ends), ends)
    }

    /// Serves every call that can be served now.
    pub(super) fn serve(&mut self, now: Instant) -> Ends {
        self.lanes.values_mut().flat_map(|lane| serve_all(lane, now)).collect()
    }

    /// When the next call can be served.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        self.lanes.values().filter_map(|lane| lane.next_at(now)).map(|outlook| outlook.at).min()
    }

    /// A call waits no longer; nothing if it did not wait.
    pub(super) fn leave(&mut self, lane: Key, ticket: Ticket, now: Instant) -> Option<Ends> {
        self.lanes.get_mut(&lane)?.leave(ticket).then(|| self.refuse_hopeless(lane, now))
    }

    /// A request that nobody waited for, on credit if need be.
    pub(super) fn debit(&mut self, place: Place, now: Instant) -> Ends {
        self.lane(place, now).debit(place.pool, now);
        self.refuse_hopeless(place.lane, now)
    }

    /// A call that was served has been sent.
    pub(super) fn sent(&mut self, lane: Key) {
        self.lanes.get_mut(&lane).into_iter().for_each(Lane::sent);
    }

    /// A request that was not made.
    pub(super) fn give_back(&mut self, place: Place, now: Instant) -> Ends {
        if let Some(lane) = self.lanes.get_mut(&place.lane) {
            lane.give_back(place.pool, now);
        }
        self.refuse_hopeless(place.lane, now)
    }

    /// AWS throttled a request.
    pub(super) fn throttled(&mut self, place: Place, now: Instant) -> Ends {
        self.lane(place, now).throttled(place.pool, now);
        self.refuse_hopeless(place.lane, now)
    }

    /// The server is down at `by`: what could not be served before is told so now.
    pub(super) fn close(&mut self, by: Instant, now: Instant) -> Ends {
        self.closing = Some(by);
        self.lanes.values_mut().for_each(|lane| lane.end_by(by));
        let lanes: Vec<Key> = self.lanes.keys().copied().collect();
        lanes.into_iter().flat_map(|lane| self.refuse_hopeless(lane, now)).collect()
    }

    /// Calls that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting().count()).sum()
    }

    /// Lanes and pools that are remembered.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.lanes.len(), self.lanes.values().map(Lane::pools).sum())
    }

    /// Whoever cannot be served in time any more is told now, not when the time has passed. Whatever changes in a lane,
    /// and if it is that somebody leaves, can put somebody off: another pool's turn comes first then.
    fn refuse_hopeless(&mut self, lane: Key, now: Instant) -> Ends {
        self.refused.retain(|known| known.lane != lane);
        let mut ends = Vec::new();
        let Some(lane) = self.lanes.get_mut(&lane) else { return ends };
        while !lane.is_surely_in_time(now) {
            let schedule = lane.schedule(now);
            let hopeless = schedule.into_iter().filter(|(_, _, end)| *end != End::Served);
            let found: Ends = hopeless.map(|(ticket, _, end)| (ticket, end)).collect();
            if found.is_empty() {
                break;
            }
            for (ticket, end) in found {
                lane.leave(ticket);
                ends.push((ticket, end));
            }
        }
        ends
    }

    /// Whatever was served has been sent.
    #[cfg(test)]
    pub(super) fn send_all(&mut self) {
        self.lanes.values_mut().for_each(Lane::send_all);
    }

    /// When a call that waits is served if nothing comes in between.
    #[cfg(test)]
    pub(super) fn outlook(&mut self, ticket: Ticket, now: Instant) -> Option<Outlook> {
        let mut schedules = self.lanes.values_mut().map(|lane| lane.schedule(now));
        schedules.find_map(|all| all.into_iter().find(|(other, _, _)| *other == ticket).map(|(_, outlook, _)| outlook))
    }

    fn lane(&mut self, place: Place, now: Instant) -> &mut Lane {
        if self.lanes.len() >= LANES_MAX && !self.lanes.contains_key(&place.lane) {
            self.lanes.retain(|_, lane| !lane.is_idle(now));
            if self.lanes.len() >= LANES_MAX {
                let unused = self.lanes.iter().find(|(_, lane)| lane.waiting().next().is_none()).map(|(key, _)| *key);
                unused.map(|key| self.lanes.remove(&key));
            }
        }
        let (rate, pool_rate) = place.rates;
        self.lanes.entry(place.lane).or_insert_with(|| Lane::new(rate, pool_rate, now))
    }

    /// The call that has no room: the newest of the caller that has the most waiting, of equals the one that asks.
    fn loser(&self, asking: Key) -> Option<(Key, Ticket)> {
        let counts = self.counts();
        let (&largest, most) = counts.iter().max_by_key(|(_, count)| **count)?;
        let loser = if counts.get(&asking) == Some(most) { asking } else { largest };
        let newest = |(key, lane): (&Key, &Lane)| Some((*key, lane.last_of(loser)?));
        self.lanes.iter().filter_map(newest).max_by_key(|(_, ticket)| *ticket)
    }

    /// Waiting calls by caller.
    fn counts(&self) -> BTreeMap<Key, usize> {
        let mut counts = BTreeMap::new();
        for caller in self.lanes.values().flat_map(Lane::waiting) {
            *counts.entry(caller).or_default() += 1;
        }
        counts
    }

    fn remember(&mut self, place: Place, caller: Key, outlook: Outlook, end: End, now: Instant) {
        if !matches!(end, End::TooLate(_)) {
            return;
        }
        self.refused.retain(|known| !known.is_about(place, caller) && known.outlook.at > now);
        if self.refused.len() >= REFUSED_MAX {
            self.refused.remove(0);
        }
        self.refused.push(Refused { lane: place.lane, pool: place.pool, caller, outlook });
    }
}

impl Refused {
    fn is_about(&self, place: Place, caller: Key) -> bool {
        (self.lane, self.pool, self.caller) == (place.lane, place.pool, caller)
    }
}

fn serve_all(lane: &mut Lane, now: Instant) -> Ends {
    std::iter::from_fn(|| lane.serve(now)).collect()
}

fn take(ends: &mut Ends, ticket: Ticket) -> Option<End> {
    let at = ends.iter().position(|(other, _)| *other == ticket)?;
    Some(ends.swap_remove(at).1)
}
