//! A mesh between callers and replicas that repeats calls by itself: the real Envoy with Istio's default retries.

use std::sync::Arc;

use tonic::transport::{Channel, Endpoint};

use super::{
    harm::Odds,
    killed::reap,
    run::Run,
    schedule::Habits,
    schedules::{assert_met, assert_recorded},
    world::{SOON, World},
};
use crate::support::{Envoy, eventually, replaced};

/// Connections to Envoy, so that no limit on streams is met.
const CHANNELS: usize = 4;
/// Callers do not name their calls, Envoy does; and they do not go away, since then nobody knows the name.
const HABITS: Habits = Habits { leave: false, name_calls: false, request_ids_percent: 50 };

/// Envoy in front of the replicas.
pub(super) async fn envoy(world: &World) -> Envoy {
    let mut text = include_str!("mesh.yaml").to_owned();
    for (place, replica) in ["FIRST", "SECOND"].into_iter().zip(&world.replicas) {
        let (address, port) = replica.address.rsplit_once(':').unwrap();
        let endpoint = format!("{{ socket_address: {{ address: {address}, port_value: {port} }} }}");
        text = replaced(&text, 1, place, &endpoint);
    }
    Envoy::of(&text).await
}

/// Waits until Envoy counts on both replicas again.
pub(super) async fn is_whole(envoy: &Envoy) {
    eventually("both replicas are healthy", async || {
        let healthy = envoy.counter("cluster.replicas.membership_healthy").await;
        (healthy == 2).then_some(())
    })
    .await;
}

/// Connections through Envoy.
pub(super) fn channels(envoy: &Envoy) -> Vec<Channel> {
    let channel = |_| Endpoint::new(format!("http://{}", envoy.address)).expect("an address").connect_lazy();
    (0..CHANNELS).map(channel).collect()
}

async fn run(run: Run) -> (Arc<World>, super::run::Seen, u64) {
    let run = Arc::new(Run { is_meshed: true, ..run });
    let world = Arc::new(World::start(0..run.count, 2, SOON).await);
    let envoy = envoy(&world).await;
    let channels = channels(&envoy);
    let reaper = run.is_deadly.then(|| tokio::spawn(reap(Arc::clone(&world), run.seed)));
    run.all(&world, |number| vec![channels[usize::try_from(number).unwrap() % CHANNELS].clone()]).await;
    if let Some(reaper) = reaper {
        reaper.abort();
        assert!(reaper.await.is_err_and(|why| why.is_cancelled()), "the reaper failed");
    }
    let retries = envoy.counter("cluster.replicas.upstream_rq_retry").await;
    let seen = run.verdict();
    assert_recorded(&world);
    (world, seen, retries)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mesh_that_repeats_calls_makes_nothing_twice() {
    let odds = Odds { doubt_percent: 40, refusal_percent: 4, most: 12 };
    let wanted = Run::of("chaos::mesh::a_mesh_that_repeats", 300, HABITS, odds);
    let is_replay = wanted.is_replay;
    let (_world, seen, retries) = run(wanted).await;
    if !is_replay {
        assert_met(&seen, &["OK", "Unknown"]);
        assert!(retries > 0, "Envoy never repeated a call");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_die_behind_a_mesh_lose_nothing_and_make_nothing_twice() {
    let odds = Odds { doubt_percent: 20, refusal_percent: 2, most: 6 };
    let wanted = Run::of("chaos::mesh::replicas_that_die", 300, HABITS, odds);
    run(Run { is_deadly: true, ..wanted }).await;
}
