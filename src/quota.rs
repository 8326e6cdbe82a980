//! AWS's request quotas, shared fairly: token buckets by account, region and category and by pool and operation, one
//! queue in which callers take turns, and no waiting for what would come too late. Knows neither AWS's client nor gRPC.

mod book;
mod bucket;
mod lane;
mod limits;

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use self::{
    book::{Answer, Book, Ends, Place},
    lane::{End, Key, Outlook, Ticket},
    limits::first_operation,
};
pub use self::{
    lane::Bottleneck,
    limits::{Category, Limits},
};
use crate::domain::{Region, Resource, Service, Subject};

/// The quotas, and who waits for them.
#[derive(Debug)]
pub struct Quota {
    desk: Arc<Desk>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Desk {
    limits: Limits,
    hall: Mutex<Hall>,
    /// That the next call can be served at another time than before.
    changed: Notify,
    names: RandomState,
}

#[derive(Debug)]
struct Hall {
    book: Book,
    waiting: HashMap<Ticket, oneshot::Sender<End>>,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// Who calls: the id that policies use.
    pub caller: &'a str,
    /// The account whose quotas count, where the resource does not say it itself.
    pub account: Option<&'a str>,
    /// What the call is about.
    pub subject: &'a Subject<'a>,
    /// By when it must be answered.
    pub deadline: Instant,
}

/// Why a call may not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It could not be served in time.
    Limited(Limited),
    /// The server is down before it could be served.
    Draining,
}

/// The budget that is used up, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Until it would have been served.
    pub wait: Duration,
    /// The category of the request.
    pub category: Category,
    /// Whether the category's own budget is used up or the pool's in it.
    pub held_by: Bottleneck,
    /// Requests per second that this replica may spend of it.
    pub rate: u32,
}

impl Limited {
    /// The budget as the metrics name it.
    pub const fn budget(&self) -> &'static str {
        budget(self.category, self.held_by)
    }
}

const fn budget(category: Category, held_by: Bottleneck) -> &'static str {
    match held_by {
        Bottleneck::Category => category.as_str(),
        Bottleneck::Pool => "cognito_per_pool",
    }
}

impl Quota {
    /// With nothing spent. At most `waiting_max` calls wait, and never more than 256. Runs for as long as it is kept.
    pub fn new(limits: Limits, waiting_max: usize) -> Self {
        let hall = Mutex::new(Hall { book: Book::new(waiting_max), waiting: HashMap::new() });
        let desk = Arc::new(Desk { limits, hall, changed: Notify::new(), names: RandomState::new() });
        let server = tokio::spawn(serve(Arc::clone(&desk)));
        Self { desk, _server: AbortOnDropHandle::new(server) }
    }

    /// Waits until the call may be sent to AWS. Dropped before, it leaves the queue and spends nothing.
    ///
    /// # Errors
    /// At once when that would be too late, and as soon as it becomes too late because others came or AWS throttles.
    pub async fn admit(&self, demand: Demand<'_>) -> Result<Spending, Refusal> {
        let now = Instant::now();
        let Demand { caller, subject, .. } = demand;
        let payer = Payer::of(&demand);
        let category = Category::of(payer.service, first_operation(subject));
        let place = self.desk.place(&payer, first_operation(subject));
        let caller = self.desk.names.hash_one(caller);
        let (answer, receiver) = {
            let mut hall = self.desk.hall();
            let (answer, ends) = hall.book.ask(place, caller, demand.deadline, now);
            hall.tell(ends);
            let receiver = match answer {
                Answer::Waits(ticket, _) => {
                    let (sender, receiver) = oneshot::channel();
                    hall.waiting.insert(ticket, sender);
                    Some(receiver)
                }
                Answer::Ends(_) => None,
            };
            self.desk.note_change(&hall);
            (answer, receiver)
        };
        let (end, held_by) = match (answer, receiver) {
            (Answer::Waits(ticket, held_by), Some(receiver)) => {
                let waiting = Waiting { desk: &self.desk, place, ticket, receiver, is_over: false };
                (waiting.end().await, held_by)
            }
            (Answer::Ends(end), _) => (end, Bottleneck::Category),
            (Answer::Waits(..), None) => (End::Draining, Bottleneck::Category),
        };
        match end {
            End::Served => Ok(Spending {
                desk: Arc::clone(&self.desk),
                payer,
                place,
                budget: budget(category, held_by),
                is_spent: AtomicBool::new(false),
            }),
            End::TooLate(Outlook { at, held_by }) => {
                let (rate, pool_rate) = place.rates;
                let rate = if held_by == Bottleneck::Pool { pool_rate } else { rate };
                let wait = at.saturating_duration_since(Instant::now());
                Err(Refusal::Limited(Limited { wait, category, held_by, rate: rate.unwrap_or_default() }))
            }
            End::Draining => Err(Refusal::Draining),
        }
    }

    /// The server is down at `by`: calls that could not be served before are refused now, the others go on.
    pub fn drain(&self, by: Instant) {
        let mut hall = self.desk.hall();
        let ends = hall.book.close(by, Instant::now());
        hall.tell(ends);
    }

    /// Calls that wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.desk.hall().book.waiting()
    }
}

/// Serves the queues, each call at its moment.
async fn serve(desk: Arc<Desk>) {
    loop {
        let next = {
            let mut hall = desk.hall();
            let now = Instant::now();
            let ends = hall.book.serve(now);
            hall.tell(ends);
            hall.book.next_at(now)
        };
        let changed = desk.changed.notified();
        match next {
            Some(next) => tokio::select! {
                () = sleep_until(next) => {}
                () = changed => {}
            },
            None => changed.await,
        }
    }
}

impl Desk {
    fn hall(&self) -> MutexGuard<'_, Hall> {
        // Nothing panics while it holds the lock; if it did, the next call would find whole lanes.
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next call can be served is to be found out anew, if any waits.
    fn note_change(&self, hall: &Hall) {
        if !hall.waiting.is_empty() {
            self.changed.notify_one();
        }
    }

    /// The budgets that a request of this operation spends from.
    fn place(&self, payer: &Payer, operation: &str) -> Place {
        let category = Category::of(payer.service, operation);
        let rates = (self.limits.of(category), self.limits.per_pool(category));
        let lane = self.key((&payer.account, payer.region.as_str(), category));
        let pool = payer.pool.as_deref().filter(|_| rates.1.is_some());
        Place { lane, pool: pool.map(|pool| self.key((pool, operation))), rates }
    }

    fn key(&self, name: impl Hash) -> Key {
        self.names.hash_one(name)
    }
}

impl Hall {
    fn tell(&mut self, ends: Ends) {
        for (ticket, end) in ends {
            // Whoever waits no longer has been told in vain, and takes care of that itself.
            self.waiting.remove(&ticket).map(|sender| sender.send(end));
        }
    }
}

/// A place in the queue.
struct Waiting<'a> {
    desk: &'a Desk,
    place: Place,
    ticket: Ticket,
    receiver: oneshot::Receiver<End>,
    is_over: bool,
}

impl Waiting<'_> {
    async fn end(mut self) -> End {
        let end = (&mut self.receiver).await;
        self.is_over = true;
        // The sender is dropped unused only with everything else.
        end.unwrap_or(End::Draining)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut hall = self.desk.hall();
        hall.waiting.remove(&self.ticket);
        let now = Instant::now();
        let ends = match hall.book.leave(self.place.lane, self.ticket, now) {
            Some(ends) => ends,
            None if self.receiver.try_recv() == Ok(End::Served) => hall.book.give_back(self.place, now),
            None => Ends::new(),
        };
        hall.tell(ends);
        self.desk.note_change(&hall);
    }
}

/// Whose budgets a call spends.
#[derive(Clone, Debug)]
struct Payer {
    service: Service,
    account: Option<String>,
    region: Region,
    pool: Option<String>,
}

impl Payer {
    fn of(demand: &Demand<'_>) -> Self {
        let resource = demand.subject.resource;
        let (service, account, pool) = match resource {
            Resource::UserPool(pool) => (Service::Cognito, demand.account, Some(pool.as_str().to_owned())),
            Resource::Portal(portal) => (Service::WorkspacesWeb, Some(portal.account().as_str()), None),
        };
        Self { service, account: account.map(str::to_owned), region: resource.region().clone(), pool }
    }
}

/// Leave to send one request; further ones are noted and paid for afterwards. Dropped unspent, the token goes back.
#[derive(Debug)]
pub struct Spending {
    desk: Arc<Desk>,
    payer: Payer,
    place: Place,
    budget: &'static str,
    is_spent: AtomicBool,
}

impl Spending {
    /// The budget that was waited for, as the metrics name it.
    pub fn budget(&self) -> &'static str {
        self.budget
    }

    /// A request of this operation is sent. The first one has been waited for; the SDK's retries and whatever else a
    /// call does are on credit, which later calls wait for.
    pub fn sent(&self, operation: &str) {
        if !self.is_spent.swap(true, Ordering::Relaxed) {
            self.change(|hall| {
                hall.book.sent(self.place.lane);
                Ends::new()
            });
            return;
        }
        let place = self.desk.place(&self.payer, operation);
        self.change(|hall| hall.book.debit(place, Instant::now()));
    }

    /// AWS throttled a request of this operation: others share its quota.
    pub fn throttled(&self, operation: &str) {
        let place = self.desk.place(&self.payer, operation);
        self.change(|hall| hall.book.throttled(place, Instant::now()));
    }

    fn change(&self, change: impl FnOnce(&mut Hall) -> Ends) {
        let mut hall = self.desk.hall();
        let ends = change(&mut hall);
        hall.tell(ends);
        self.desk.note_change(&hall);
    }
}

impl Drop for Spending {
    fn drop(&mut self) {
        if !self.is_spent.load(Ordering::Relaxed) {
            self.change(|hall| hall.book.give_back(self.place, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests;
