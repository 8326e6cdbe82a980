//! Accepts connections and serves HTTP/2 on each until the server stops.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    front::Front,
    listen::{Listener, Stream},
    pieces::InOnePiece,
    tls::Tls,
};
use crate::identity::{Certificate, Peer};

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
pub(super) async fn serve(
    listener: Listener,
    tls: Option<Arc<Tls>>,
    front: Front,
    connections_max: usize,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(connections_max));
    // Dropped with this future, which ends them.
    let mut connections = JoinSet::new();
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
            (Ok(place), Ok((stream, address))) => {
                let (front, tls, stop) = (front.clone(), tls.clone(), stop.clone());
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    match tls {
                        None => {
                            let peer = Peer { address, certificate: None };
                            connection(stream, front.of_peer(peer), stop, place).await;
                        }
                        Some(tls) => encrypted(&tls, stream, address, front, stop, place).await,
                    }
                });
            }
            (_, Err(why)) => {
                tracing::warn!(%why, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
            (Err(_), Ok(_)) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn encrypted(
    tls: &Tls,
    stream: Box<dyn Stream>,
    address: Option<IpAddr>,
    front: Front,
    stop: CancellationToken,
    place: OwnedSemaphorePermit,
) {
    match tls.accept(stream).await {
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            let leaf = session.peer_certificates().and_then(<[_]>::first);
            let peer = Peer { address, certificate: leaf.map(|leaf| Certificate::of_der(leaf)) };
            connection(stream, front.of_peer(peer), stop, place).await;
        }
        // Also what port scanners and certificates that are not good cause; rustls's text names no names.
        Err(why) => tracing::info!(%why, peer = address.map(|address| address.to_string()), "TLS handshake failed"),
    }
}

async fn connection<S>(stream: S, front: Front, stop: CancellationToken, _place: OwnedSemaphorePermit)
where
    S: Stream + 'static,
{
    let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    let served = http.serve_connection(InOnePiece(TokioIo::new(stream)), TowerToHyperService::new(front));
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
