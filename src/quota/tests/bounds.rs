//! What is kept: calls, lanes, pools; and that everything is given back.

use std::time::Duration;

use super::{World, ms, place};
use crate::quota::{
    book::{Answer, Place},
    lane::End,
};

#[test]
fn a_full_queue_takes_from_who_has_most() {
    let mut world = World::new(4);
    let lane = place(1, None, 1);
    assert_eq!(world.join(lane, 1), 0);
    let greedy: Vec<_> = (0..4).map(|_| world.join(lane, 1)).collect();
    // Its own fifth has no room …
    assert!(matches!(world.ask(lane, 1, Duration::from_hours(1)), Answer::Ends(End::TooLate(_))));
    assert!(world.ends.is_empty());
    // … another caller's has, in another lane too: the room is one.
    world.join(place(2, None, 1), 9);
    let other = world.join(place(2, None, 1), 2);
    assert_eq!(world.ends.len(), 1);
    assert!(matches!(world.ends[0], (ticket, End::TooLate(_), _) if ticket == greedy[3]), "{:?}", world.ends);
    // Until both have the same: then the one that asks has no room.
    let second = world.join(lane, 2);
    assert!(matches!(world.ends[1], (ticket, End::TooLate(_), _) if ticket == greedy[2]), "{:?}", world.ends);
    assert!(matches!(world.ask(lane, 2, Duration::from_hours(1)), Answer::Ends(End::TooLate(_))));
    world.pass_all();
    let mut served = world.served();
    served.sort_unstable();
    let mut wanted = vec![greedy[0], greedy[1], other, second];
    wanted.sort_unstable();
    assert_eq!(served, wanted);
}

#[test]
fn a_call_that_goes_away_leaves_the_queue_and_spends_nothing() {
    let mut world = World::new(512);
    let lane = place(1, None, 1);
    assert_eq!(world.join(lane, 1), 0);
    let calls: Vec<_> = (0..3).map(|_| world.join(lane, 1)).collect();
    assert_eq!(world.book.leave(lane.lane, calls[0], world.now), Some(Vec::new()));
    assert_eq!(world.book.leave(lane.lane, calls[0], world.now), None);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.served(), calls[1..]);
    // One that was served and not sent gives its token to the next.
    let next = world.join(lane, 1);
    assert!(world.book.give_back(lane, world.now).is_empty());
    world.pass(ms(0));
    assert_eq!(world.served().last(), Some(&next));
}

#[test]
fn who_becomes_late_because_another_left_is_told_at_once() {
    // Whose turn it is picks the pool, so without one call another pool can come first; found by trying all small cases.
    let mut world = World::new(512);
    let calls = [(0, 2), (0, 1), (1, 1), (0, 1), (1, 0), (0, 0)];
    let mut waits = Vec::new();
    for (number, (caller, pool)) in calls.into_iter().enumerate() {
        // Of 310 ms half is left for AWS.
        let patience = if number == 2 { ms(310) } else { Duration::from_hours(1) };
        let answer = world.ask(place(1, Some(pool), 12), caller, patience);
        waits.push(if let Answer::Waits(ticket, _) = answer { Some(ticket) } else { None });
    }
    let (Some(third), Some(fourth)) = (waits[2], waits[3]) else { panic!("{waits:?}") };
    assert_eq!(world.book.outlook(third, world.now).map(|outlook| world.elapsed(outlook.at)), Some(ms(150)));
    let ends = world.book.leave(1, fourth, world.now).expect("it waited");
    assert!(matches!(ends[..], [(ticket, End::TooLate(_))] if ticket == third), "{ends:?}");
}

#[test]
fn requests_on_credit_put_off_those_that_wait_and_refuse_those_that_become_late() {
    let mut world = World::new(512);
    let lane = place(1, None, 10);
    for _ in 0..2 {
        assert_eq!(world.join(lane, 1), 0);
    }
    let Answer::Waits(first, _) = world.ask(lane, 1, ms(500)) else { panic!("waits") };
    let Answer::Waits(second, _) = world.ask(lane, 1, Duration::from_secs(9)) else { panic!("waits") };
    for _ in 0..3 {
        let ends = world.book.debit(lane, world.now);
        world.note(ends);
    }
    assert!(matches!(world.ends[..], [(ticket, End::TooLate(_), _)] if ticket == first), "{:?}", world.ends);
    world.pass(ms(349));
    assert!(world.served().is_empty());
    world.pass(ms(1));
    assert_eq!(world.served(), [second], "three later than 50 ms");
}

#[test]
fn a_throttle_slows_the_pool_and_a_second_pools_slows_the_region() {
    let pace = |throttled: &[u64]| {
        let mut world = World::new(512);
        for pool in throttled {
            let ends = world.book.throttled(place(1, Some(*pool), 20), world.now);
            world.note(ends);
        }
        // A pool that was never heard of, so that only the region's pace counts; and the first one.
        let other = (100..112).map(|pool| world.join(place(1, Some(pool), 20), 1)).filter(|&call| call == 0).count();
        let own = world.join(place(1, Some(1), 20), 2);
        (other, own == 0)
    };
    assert_eq!(pace(&[]), (5, false));
    assert_eq!(pace(&[1, 1]), (5, false), "one pool's throttles are its own");
    assert_eq!(pace(&[1, 2]), (0, false), "two pools' are the region's");
    let mut world = World::new(512);
    let ends = world.book.throttled(place(1, Some(1), 20), world.now);
    assert!(ends.is_empty());
    let answer = world.ask(place(1, Some(1), 20), 1, Duration::from_hours(1));
    assert_eq!(super::expected(&mut world, answer), Duration::from_nanos(285_714_286), "3.5 a second");
}

#[test]
fn where_the_server_goes_down_only_what_is_too_late_is_refused() {
    let mut world = World::new(512);
    let lane = place(1, None, 1);
    assert_eq!(world.join(lane, 1), 0);
    let calls: Vec<_> = (0..3).map(|_| world.join(lane, 1)).collect();
    let ends = world.book.close(world.now + ms(2500), world.now);
    world.note(ends);
    assert_eq!(world.ends, [(calls[2], End::Draining, ms(0))]);
    assert_eq!(world.ask(lane, 1, Duration::from_hours(1)), Answer::Ends(End::Draining));
    world.pass_all();
    assert_eq!(world.served(), calls[..2]);
}

#[test]
fn however_many_pools_and_regions_callers_name_little_is_remembered() {
    const ALL: u64 = u64::MAX;
    let mut world = World::new(512);
    for name in 0..5000 {
        assert_eq!(world.join(Place { lane: name, pool: None, rates: (Some(10), None) }, name), 0);
        assert_eq!(world.join(Place { lane: ALL, pool: Some(name), rates: (None, Some(5)) }, name), 0);
    }
    let (lanes, pools) = world.book.size();
    assert!(lanes <= 1024 && pools <= 1024, "{lanes} lanes, {pools} pools");
    // What is idle makes room at once.
    world.pass(Duration::from_secs(10));
    world.join(Place { lane: 9999, pool: None, rates: (Some(10), None) }, 1);
    world.join(Place { lane: ALL, pool: Some(9999), rates: (None, Some(5)) }, 1);
    assert_eq!(world.book.size(), (2, 1));
}

#[test]
fn a_bucket_that_is_waited_for_is_not_forgotten() {
    let mut world = World::new(512);
    let pool = |name| Place { lane: 0, pool: Some(name), rates: (None, Some(5)) };
    world.join(pool(7), 1);
    let call = world.join(pool(7), 1);
    for name in 1000..4000 {
        world.join(pool(name), 1);
    }
    world.pass(ms(149));
    assert!(!world.served().contains(&call));
    world.pass(ms(1));
    assert!(world.served().contains(&call));
}
