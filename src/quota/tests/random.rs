//! Any order of arrivals: what holds whatever happens.

use std::{collections::BTreeMap, time::Duration};

use proptest::{prelude::*, test_runner::Config};

use super::{World, ms};
use crate::quota::{
    book::{Answer, Place},
    lane::{End, Ticket},
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask { caller: u64, pool: u64, patience_ms: u64 },
    Pass { ms: u64 },
    Leave { which: usize },
    Throttle { pool: u64 },
    Debit { pool: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..5_u64, 0..4_u64, 1..6000_u64).prop_map(|(caller, pool, patience_ms)| Step::Ask { caller, pool, patience_ms }),
        3 => (0..700_u64).prop_map(|ms| Step::Pass { ms }),
        1 => (0..50_usize).prop_map(|which| Step::Leave { which }),
        1 => (0..4_u64).prop_map(|pool| Step::Throttle { pool }),
        1 => (0..4_u64).prop_map(|pool| Step::Debit { pool }),
    ];
    proptest::collection::vec(step, 1..120)
}

const RATE: u32 = 12;
const POOL_RATE: u32 = 5;

/// Pool 0 stands for none, as with portals.
fn pool(pool: u64) -> Place {
    Place { lane: 1, pool: Some(pool).filter(|&pool| pool > 0), rates: (Some(RATE), Some(POOL_RATE)) }
}

/// What was served when, and what each call was promised.
#[derive(Default)]
struct Seen {
    sent: Vec<(Duration, u64)>,
    waiting: BTreeMap<Ticket, (u64, Duration)>,
}

impl Seen {
    /// Takes in what ended; none of it later than was promised.
    fn note(&mut self, world: &mut World) {
        for (ticket, end, at) in std::mem::take(&mut world.ends) {
            let (pool, until) = self.waiting.remove(&ticket).expect("it waited");
            if end == End::Served {
                assert!(at <= until, "served {at:?}, which is after {until:?}");
                self.sent.push((at, pool));
            }
            assert!(at <= until, "told {at:?}, which is after {until:?}: {end:?}");
        }
    }

    /// Nowhere are more requests than the rate and a quarter of a second's worth allow.
    fn check_rate(&self, rate: u32, is_meant: impl Fn(u64) -> bool) {
        let times: Vec<_> = self.sent.iter().filter(|(_, pool)| is_meant(*pool)).map(|(at, _)| *at).collect();
        for (first, from) in times.iter().enumerate() {
            for (last, until) in times.iter().enumerate().skip(first) {
                let time = until.saturating_sub(*from).as_secs_f64();
                let most = f64::from(rate).mul_add(time, (f64::from(rate) / 4.0).max(1.0));
                let count = u32::try_from(last - first + 1).unwrap();
                assert!(f64::from(count) <= most + 1e-6, "{count} from {from:?} to {until:?} at {rate} a second");
            }
        }
    }
}

fn run(steps: &[Step]) {
    let mut world = World::new(20);
    let mut seen = Seen::default();
    for step in steps {
        match *step {
            Step::Ask { caller, pool: name, patience_ms } => match world.ask(pool(name), caller, ms(patience_ms)) {
                Answer::Waits(ticket, _) => {
                    let until = world.elapsed(world.now + ms(patience_ms));
                    seen.waiting.insert(ticket, (name, until));
                }
                Answer::Ends(End::Served) => seen.sent.push((world.elapsed(world.now), name)),
                Answer::Ends(End::TooLate(outlook)) => {
                    assert!(outlook.at > world.now, "refused though it could be sent");
                }
                Answer::Ends(End::Draining) => panic!("nobody goes down"),
            },
            Step::Pass { ms: time } => world.pass(ms(time)),
            Step::Leave { which } => {
                let ticket = seen.waiting.keys().nth(which).copied();
                if let Some(ticket) = ticket {
                    let ends = world.book.leave(1, ticket, world.now).expect("it waited");
                    world.note(ends);
                    seen.waiting.remove(&ticket);
                }
            }
            Step::Throttle { pool: name } => {
                let ends = world.book.throttled(pool(name), world.now);
                world.note(ends);
            }
            Step::Debit { pool: name } => {
                let ends = world.book.debit(pool(name), world.now);
                world.note(ends);
            }
        }
        seen.note(&mut world);
        assert_eq!(world.book.waiting(), seen.waiting.len());
        assert!(world.book.waiting() <= 20);
    }
    // Nothing comes in between any more: everything that waits is served, since what could not be was told so.
    world.pass_all();
    assert!(world.ends.iter().all(|(_, end, _)| *end == End::Served), "{:?}", world.ends);
    seen.note(&mut world);
    assert!(seen.waiting.is_empty(), "nobody is forgotten");
    seen.check_rate(RATE, |_| true);
    for name in 1..4 {
        seen.check_rate(POOL_RATE, |pool| pool == name);
    }
}

/// Found by chance: calls wait for their pools, and later ones, served at once, take what the lane had for them.
#[test]
fn who_is_put_off_by_a_call_that_need_not_wait_is_told_at_once() {
    let ask = |caller, pool, patience_ms| Step::Ask { caller, pool, patience_ms };
    let asks = [ask(0, 1, 1), ask(0, 1, 300), ask(0, 2, 300), ask(0, 3, 1), ask(0, 0, 1)];
    run(&[&[Step::Throttle { pool: 2 }, Step::Pass { ms: 136 }], &asks[..]].concat());
}

proptest! {
    #![proptest_config(Config { cases: 100, failure_persistence: None, ..Config::default() })]

    #[test]
    fn nobody_is_late_or_forgotten_and_no_rate_is_exceeded(steps in steps()) {
        run(&steps);
    }

    #[test]
    fn callers_with_calls_in_the_same_pool_are_served_equally(counts in proptest::collection::vec(1..40_usize, 2..6)) {
        let mut world = World::new(512);
        let mut of: BTreeMap<Ticket, (usize, usize)> = BTreeMap::new();
        for (caller, count) in counts.iter().enumerate() {
            for call in 0..*count {
                let ticket = world.join(pool(1 + call as u64 % 2), caller as u64);
                if ticket != 0 {
                    of.insert(ticket, (caller, call % 2));
                }
            }
        }
        world.pass_all();
        let mut left = BTreeMap::<(usize, usize), usize>::new();
        for flow in of.values() {
            *left.entry(*flow).or_default() += 1;
        }
        let mut served: BTreeMap<_, _> = left.keys().map(|flow| (*flow, 0_usize)).collect();
        for ticket in world.served() {
            let flow = of[&ticket];
            *served.get_mut(&flow).unwrap() += 1;
            // Whoever still waits in this pool has had as many turns as anybody else, but for the round under way.
            for (other, own) in served.iter().filter(|(other, own)| other.1 == flow.1 && **own < left[*other]) {
                prop_assert!(served[&flow] - (*own).min(served[&flow]) <= 1, "{other:?} has had {own}: {served:?} of {left:?}");
            }
        }
        prop_assert_eq!(served, left);
    }
}
