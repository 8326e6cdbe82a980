//! Whose turn it is: callers take turns, and pools do not hold each other up.

use std::time::Duration;

use super::{World, expected, ms, place};
use crate::quota::{
    book::Answer,
    lane::{Bottleneck, End},
};

const GREEDY: u64 = 1;
const MODEST: u64 = 2;
const THIRD: u64 = 3;

#[test]
fn one_greedy_caller_does_not_starve_the_rest() {
    let mut world = World::new(512);
    // One at a time, without pools: one a second.
    let lane = place(1, None, 1);
    assert_eq!(world.join(lane, GREEDY), 0, "the first is served at once");
    let greedy: Vec<_> = (0..100).map(|_| world.join(lane, GREEDY)).collect();
    let modest: Vec<_> = (0..3).map(|_| world.join(lane, MODEST)).collect();
    world.pass(Duration::from_secs(7));
    let wanted = [greedy[0], modest[0], greedy[1], modest[1], greedy[2], modest[2], greedy[3]];
    assert_eq!(world.served(), wanted);
    // Who comes later takes turns from then on.
    let third = world.join(lane, THIRD);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.served()[7..], [greedy[4], third, greedy[5]]);
}

#[test]
fn a_caller_that_sends_one_call_after_the_other_gets_its_half() {
    let mut world = World::new(512);
    let lane = place(1, None, 10);
    for _ in 0..100 {
        world.join(lane, GREEDY);
    }
    let mut modest = Vec::new();
    for _ in 0..5 {
        modest.push(world.join(lane, MODEST));
        let before = world.served().len();
        while !world.served().contains(modest.last().unwrap()) {
            world.pass(ms(1));
        }
        assert!(world.served().len() - before <= 2, "at most one call of the other's comes before");
    }
}

#[test]
fn one_busy_pool_does_not_hold_up_another() {
    let mut world = World::new(512);
    let (busy, calm) = (place(1, Some(10), 20), place(1, Some(11), 20));
    for _ in 0..50 {
        world.join(busy, GREEDY);
    }
    assert_eq!(world.join(calm, MODEST), 0, "another caller's call to another pool is served at once");
    // The same caller is not held up by its own pool either.
    world.pass(Duration::from_secs(1));
    assert_eq!(world.join(calm, GREEDY), 0);
    let answer = world.ask(busy, MODEST, Duration::from_hours(1));
    assert!(matches!(answer, Answer::Waits(_, Bottleneck::Pool)), "{answer:?}");
    let now = world.elapsed(world.now);
    assert!(expected(&mut world, answer) <= now + ms(400), "its turn in the busy pool comes after one of the other's");
}

#[test]
fn a_caller_that_is_busy_elsewhere_is_not_passed_over_in_a_pool() {
    let mut world = World::new(512);
    let (one, two) = (place(1, Some(10), 15), place(1, Some(11), 15));
    // Both pools are ready at other moments: the third caller shifts the second pool's by 100 ms.
    for _ in 0..50 {
        world.join(one, GREEDY);
    }
    world.pass(ms(100));
    for _ in 0..50 {
        world.join(two, MODEST);
    }
    let call = world.join(one, MODEST);
    world.pass(ms(450));
    assert!(world.served().contains(&call), "the second at the latest: {:?} of {:?}", call, world.served());
}

#[test]
fn calls_of_one_caller_to_one_pool_keep_their_order() {
    let mut world = World::new(512);
    let pool = place(1, Some(10), 20);
    let calls: Vec<_> = (0..20).map(|_| world.join(pool, GREEDY)).filter(|&call| call != 0).collect();
    world.pass_all();
    assert_eq!(world.served(), calls);
}

#[test]
fn regions_and_categories_do_not_wait_for_each_other() {
    let mut world = World::new(512);
    for _ in 0..10 {
        world.join(place(1, None, 1), GREEDY);
    }
    assert_eq!(world.join(place(2, None, 1), GREEDY), 0);
}

#[test]
fn a_call_that_would_be_late_is_refused_at_once_with_the_time_it_would_take() {
    let mut world = World::new(512);
    let lane = place(1, None, 2);
    assert_eq!(world.join(lane, GREEDY), 0);
    // Served after half a second, which is a quarter of a second too late for an answer.
    let answer = world.ask(lane, MODEST, ms(700));
    assert!(matches!(answer, Answer::Ends(End::TooLate(_))), "{answer:?}");
    assert_eq!(expected(&mut world, answer), ms(500));
    assert_eq!(world.book.waiting(), 0, "it is not in the queue");
    let answer = world.ask(lane, MODEST, ms(750));
    assert_eq!(expected(&mut world, answer), ms(500));
    assert!(matches!(answer, Answer::Waits(..)), "{answer:?}");
    // What need not wait may have as little time as it likes.
    world.pass(Duration::from_secs(10));
    assert_eq!(world.ask(lane, THIRD, ms(1)), Answer::Ends(End::Served));
}

#[test]
fn a_flood_of_calls_that_are_refused_is_told_the_same_each_time() {
    let mut world = World::new(512);
    let lane = place(1, None, 10);
    let mut waits = 0;
    for _ in 0..2000 {
        match world.ask(lane, GREEDY, ms(1000)) {
            Answer::Waits(..) => waits += 1,
            Answer::Ends(End::Served) => {}
            answer @ Answer::Ends(_) => assert_eq!(expected(&mut world, answer), ms(850), "{answer:?}"),
        }
    }
    // Two and a half at once, then one each 100 ms from 50 on, as long as a quarter of a second is left.
    assert_eq!(waits, 8);
    // Of another caller's calls one is served after a single one of these, so it is in time.
    let answer = world.ask(lane, MODEST, ms(1000));
    assert_eq!(expected(&mut world, answer), ms(150), "{answer:?}");
    assert_eq!(world.ends, [(10, End::TooLate(late(&world, 850)), ms(0))], "the greedy caller's last call gave way");
}

fn late(world: &World, at: u64) -> crate::quota::lane::Outlook {
    crate::quota::lane::Outlook { at: world.start + ms(at), held_by: Bottleneck::Category }
}

#[test]
fn calls_that_were_let_through_and_not_sent_hold_up_the_next_ones_for_a_while() {
    let mut world = World::new(512);
    world.is_stuck = true;
    // As if the proxy's credentials were being fetched: five are let through, and would all arrive at AWS at once.
    let lane = place(1, None, 20);
    let waiting: Vec<_> = (0..12).map(|_| world.join(lane, GREEDY)).filter(|&call| call != 0).collect();
    assert_eq!(waiting.len(), 7);
    world.pass(ms(500));
    assert!(world.served().is_empty());
    // One is sent, which makes room for one.
    world.book.sent(1);
    world.pass(ms(0));
    assert_eq!(world.served(), waiting[..1]);
    world.pass(ms(499));
    assert_eq!(world.served(), waiting[..1]);
    // After a second those that are still there count no more.
    world.pass(ms(1));
    assert_eq!(world.served(), waiting[..5]);
    // One that is given up makes room too.
    assert!(world.book.give_back(lane, world.now).is_empty());
    world.pass(ms(0));
    assert_eq!(world.served(), waiting[..6]);
}
