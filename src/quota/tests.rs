//! Exact times, order and counts, in time that a test moves by itself.

mod bounds;
mod buckets;
mod random;
mod tasks;
mod turns;

use std::time::Duration;

use tokio::time::Instant;

use super::{
    book::{Answer, Book, Place},
    lane::{End, Key, Ticket},
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Budgets with time of their own, in which everything is served at its very moment.
struct World {
    book: Book,
    start: Instant,
    now: Instant,
    ends: Vec<(Ticket, End, Duration)>,
    /// Whether what has been served is not sent.
    is_stuck: bool,
}

impl World {
    fn new(waiting_max: usize) -> Self {
        let start = Instant::now();
        Self { book: Book::new(waiting_max), start, now: start, ends: Vec::new(), is_stuck: false }
    }

    /// What has been served is sent, which tests need not say.
    fn send(&mut self) {
        if !self.is_stuck {
            self.book.send_all();
        }
    }

    fn note(&mut self, ends: Vec<(Ticket, End)>) {
        let at = self.now - self.start;
        self.ends.extend(ends.into_iter().map(|(ticket, end)| (ticket, end, at)));
    }

    /// Asks for a request that must be answered within `patience`.
    fn ask(&mut self, place: Place, caller: Key, patience: Duration) -> Answer {
        let (answer, ends) = self.book.ask(place, caller, self.now + patience, self.now);
        self.note(ends);
        self.send();
        answer
    }

    /// The same, for a call that has all the time there is; its number, and 0 for one that is served at once.
    fn join(&mut self, place: Place, caller: Key) -> Ticket {
        match self.ask(place, caller, Duration::from_hours(1)) {
            Answer::Waits(ticket, _) => ticket,
            Answer::Ends(End::Served) => 0,
            Answer::Ends(end) => panic!("{end:?}"),
        }
    }

    /// Lets time pass, and whoever can be served be served.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.book.next_at(self.now).filter(|next| *next <= until) {
            self.now = next;
            let ends = self.book.serve(next);
            self.note(ends);
            self.send();
        }
        self.now = until;
    }

    /// Until nobody waits.
    fn pass_all(&mut self) {
        self.pass(Duration::from_hours(10));
        assert_eq!(self.book.waiting(), 0);
    }

    fn served(&self) -> Vec<Ticket> {
        self.ends.iter().filter(|(_, end, _)| *end == End::Served).map(|(ticket, _, _)| *ticket).collect()
    }

    fn elapsed(&self, at: Instant) -> Duration {
        at - self.start
    }
}

/// A lane of `rate` requests per second, with pools of 5.
fn place(lane: Key, pool: Option<Key>, rate: u32) -> Place {
    Place { lane, pool, rates: (Some(rate), Some(5)) }
}

/// When a call that waits is expected to be served, since the start.
fn expected(world: &mut World, answer: Answer) -> Duration {
    let outlook = match answer {
        Answer::Waits(ticket, _) => world.book.outlook(ticket, world.now).expect("it waits"),
        Answer::Ends(End::TooLate(outlook)) => outlook,
        Answer::Ends(_) => panic!("{answer:?}"),
    };
    world.elapsed(outlook.at)
}
