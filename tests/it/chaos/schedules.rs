//! Thousands of schedules, by chance.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    harm::{Harm, Odds},
    run::{Run, Seen},
    schedule::Habits,
    wire,
    world::{SOON, World},
};

const ODDS: Odds = Odds { doubt_percent: 25, refusal_percent: 4, most: 6 };

/// A run that did not meet something proves nothing about it.
pub(super) fn assert_met(seen: &Seen, endings: &[&str]) {
    let harms: BTreeSet<Harm> = seen.harms.keys().copied().collect();
    assert_eq!(harms, BTreeSet::from_iter([Harm::DOUBTFUL.as_slice(), Harm::REFUSING.as_slice()].concat()));
    for ending in endings {
        assert!(seen.endings.keys().any(|met| met.starts_with(ending)), "{ending} never happened: {:?}", seen.endings);
    }
}

/// Every write that AWS did is on record, by the caller and about the resource; and every record is completed.
pub(super) fn assert_recorded(world: &World) {
    let intents: Vec<_> = world.replicas.iter().flat_map(|replica| replica.record.intents()).collect();
    let mut recorded = std::collections::BTreeMap::<(String, u64), usize>::new();
    for intent in intents {
        assert!(intent.caller.ends_with(".chaos.example"), "{intent:?}");
        let operation = intent.action.split_once(':').expect("an action").1.to_owned();
        let schedule = wire::number_of(&intent.resource).expect("a schedule's resource");
        *recorded.entry((operation, schedule)).or_default() += 1;
    }
    for (number, operation, invocations) in world.wire.committed() {
        let lines = recorded.get(&(operation.clone(), number)).copied().unwrap_or_default();
        assert!(lines >= invocations, "{invocations} of {operation} were done for schedule {number}, {lines} recorded");
    }
    for replica in &world.replicas {
        assert_eq!(replica.record.incomplete(), Vec::<String>::new(), "writes were begun and not completed on record");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_holds_whatever_happens_on_the_wire() {
    let habits = Habits { leave: true, name_calls: true, request_ids_percent: 80 };
    let run = Arc::new(Run::of("chaos::schedules::every_promise", 2000, habits, ODDS));
    let world = Arc::new(World::start(0..run.count, 2, SOON).await);
    let routes = |number: u64| {
        let mut routes: Vec<_> = world.replicas.iter().map(|replica| replica.channel(number)).collect();
        // Every other schedule begins at the other replica.
        routes.rotate_left(usize::from(number % 2 == 1));
        routes
    };
    run.all(&world, routes).await;
    let seen = run.verdict();
    assert_recorded(&world);
    if !run.is_replay {
        assert_met(&seen, &["OK", "OK confirmed", "AlreadyExists", "Unknown"]);
    }
}
