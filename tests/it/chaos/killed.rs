//! `kill -9` of replicas at any time, with callers that try again at another one.

use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    harm::Odds,
    run::Run,
    schedule::Habits,
    schedules::{assert_met, assert_recorded},
    world::{SOON, World},
};

/// Kills one replica after the other, each after some more requests to AWS, until it is aborted between two of them.
pub(super) async fn reap(world: Arc<World>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    loop {
        world.wire.passes(rng.random_range(10..80)).await;
        let replica = Arc::clone(&world.replicas[rng.random_range(0..world.replicas.len())]);
        // In a task of its own: aborted half way, it would leave the replica dead.
        tokio::spawn(async move { replica.kill_and_start_anew().await }).await.expect("the replica starts anew");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_killed_lose_nothing_and_make_nothing_twice() {
    let habits = Habits { leave: true, name_calls: true, request_ids_percent: 90 };
    let odds = Odds { doubt_percent: 15, refusal_percent: 2, most: 4 };
    let run = Run::of("chaos::killed::replicas_that_are_killed", 500, habits, odds);
    let run = Arc::new(Run { is_deadly: true, ..run });
    let world = Arc::new(World::start(0..run.count, 2, SOON).await);
    let reaper = tokio::spawn(reap(Arc::clone(&world), run.seed));
    let routes = |number: u64| {
        let mut routes: Vec<_> = world.replicas.iter().map(|replica| replica.channel(number)).collect();
        routes.rotate_left(usize::from(number % 2 == 1));
        routes
    };
    run.all(&world, routes).await;
    reaper.abort();
    assert!(reaper.await.is_err_and(|why| why.is_cancelled()), "the reaper failed");
    let seen = run.verdict();
    assert_recorded(&world);
    if !run.is_replay {
        assert_met(&seen, &["OK", "OK confirmed"]);
        let torn: usize = world.replicas.iter().map(|replica| replica.record.torn()).sum();
        assert!(torn > 0, "no replica was killed in the middle of a write");
    }
}
