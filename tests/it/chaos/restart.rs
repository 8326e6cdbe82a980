//! Replicas that are restarted one after the other behind Envoy, while calls go on: none of them fails.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use idp_proxy::proto::cognito::v1::{self as c, identity_provider_service_client::IdentityProviderServiceClient};
use tonic::{Request, Status, transport::Channel};

use super::{
    mesh, wire,
    world::{Settings, World},
};
use crate::support::details;

/// Longer than Envoy takes to notice that a replica goes down, on a busy machine too: its health checks come five times a
/// second, and an answer may take a second.
const SETTINGS: Settings = &[("IDP_PROXY__SERVER__DRAIN_DELAY_MS", "5000")];
/// Callers at the same time.
const CALLERS: u64 = 16;
/// Each replica is restarted so often.
const ROUNDS: usize = 2;

/// A caller's life: make, look, change, look, remove. Without request ids: nothing has to be repeated.
async fn live(number: u64, channel: Channel, over: Arc<AtomicBool>, calls: Arc<AtomicUsize>) -> Result<(), Status> {
    let mut client = IdentityProviderServiceClient::new(channel);
    let (user_pool_id, provider_name) = (wire::pool(number), "Corp".to_owned());
    let create = c::CreateIdentityProviderRequest {
        user_pool_id: user_pool_id.clone(),
        provider_name: provider_name.clone(),
        provider_type: "OIDC".to_owned(),
        provider_details: details("OIDC"),
        ..Default::default()
    };
    let describe =
        c::DescribeIdentityProviderRequest { user_pool_id: user_pool_id.clone(), provider_name: provider_name.clone() };
    let update = c::UpdateIdentityProviderRequest {
        user_pool_id: user_pool_id.clone(),
        provider_name: provider_name.clone(),
        idp_identifiers: vec!["corp.example".to_owned()],
        ..Default::default()
    };
    let delete = c::DeleteIdentityProviderRequest { user_pool_id, provider_name, ..Default::default() };
    while !over.load(Ordering::Relaxed) {
        client.create_identity_provider(by(create.clone())).await?;
        client.describe_identity_provider(by(describe.clone())).await?;
        client.update_identity_provider(by(update.clone())).await?;
        let found = client.describe_identity_provider(by(describe.clone())).await?.into_inner();
        assert_eq!(found.identity_provider.unwrap().idp_identifiers, ["corp.example"]);
        client.delete_identity_provider(by(delete.clone())).await?;
        calls.fetch_add(5, Ordering::Relaxed);
    }
    Ok(())
}

fn by<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("l5d-client-id", "caller.chaos.example".parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_behind_envoy_fails_no_call() {
    let world = World::start(0..CALLERS, 2, SETTINGS).await;
    let envoy = mesh::envoy(&world).await;
    let channels = mesh::channels(&envoy);
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut lives = tokio::task::JoinSet::new();
    for number in 0..CALLERS {
        let channel = channels[usize::try_from(number).unwrap() % channels.len()].clone();
        lives.spawn(live(number, channel, Arc::clone(&over), Arc::clone(&calls)));
    }
    let rolling = async {
        let mut served = Vec::new();
        for _ in 0..ROUNDS {
            for replica in &world.replicas {
                // Under load, and both in use.
                world.wire.passes(100).await;
                replica.roll().await;
                mesh::is_whole(&envoy).await;
                served.push(calls.load(Ordering::Relaxed));
            }
        }
        world.wire.passes(100).await;
        served
    };
    let served = tokio::select! {
        served = rolling => served,
        ended = lives.join_next() => panic!("a call failed: {:?}", ended.expect("a life").expect("no panic")),
    };
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = lives.join_next().await {
        ended.unwrap().expect("no call fails");
    }
    assert!(served.is_sorted_by(|before, after| before < after), "calls went on all the time: {served:?}");
}
