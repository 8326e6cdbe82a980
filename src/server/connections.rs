//! Accepts connections and serves HTTP/2 on each until the server stops.

use std::{sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    front::Front,
    listen::{Listener, Stream},
};

/// Between two tries after accepting failed, for example for want of file descriptors: not to spin.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// Calls at once on one connection: far above what one client needs, far below the server's own limit.
const STREAMS_MAX: u32 = 256;
/// Bytes of one request's headers: a JWT or a certificate chain fits, a flood does not.
const HEADER_BYTES_MAX: u32 = 32 * 1024;
/// How often an idle peer is asked whether it is still there, and how long it may take to answer: load balancers
/// and firewalls drop idle connections silently.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until `stop`, then tells every peer to go and waits until all have gone.
pub(super) async fn serve(listener: Listener, front: Front, connections_max: usize, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(connections_max));
    let tracker = TaskTracker::new();
    loop {
        let next = async {
            // The place comes first: a connection that could not be served stays in the kernel's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        match (place, accepted) {
            (Ok(place), Ok(stream)) => {
                tracker.spawn(connection(stream, front.clone(), stop.clone(), place));
            }
            (_, Err(why)) => {
                tracing::warn!(%why, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
            (Err(_), Ok(_)) => break,
        }
    }
    drop(listener);
    tracker.close();
    tracker.wait().await;
}

async fn connection(stream: Box<dyn Stream>, front: Front, stop: CancellationToken, _place: OwnedSemaphorePermit) {
    let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(front));
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(why) = ended {
        // Peers come and go as they like; only their number would be news.
        tracing::debug!(%why, "a connection ended with an error");
    }
}
