//! The gRPC server: listener, limits, health, reflection and the way down.
//!
//! The accept loop is our own, on hyper: tonic's would drain without an end, answer deadlines with CANCELLED and
//! spin on accept errors (measured, see "Why" in the README).

mod admin;
mod complete;
mod connections;
mod front;
mod listen;
mod pieces;
mod tls;

use std::{io, pin::pin, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use self::{front::Front, listen::Listener};
pub use self::{
    listen::Listen,
    tls::{Tls, TlsFiles},
};
use crate::{
    domain::Service,
    identity::Identity,
    pipeline::Pipeline,
    proto::{
        DESCRIPTOR_SET, cognito::v1::identity_provider_service_server::IdentityProviderServiceServer as CognitoServer,
        workspacesweb::v1::identity_provider_service_server::IdentityProviderServiceServer as WorkspacesWebServer,
    },
    telemetry::{Metrics, Traces},
};

/// Bytes of a request's message. Metadata of 131,072 characters of four bytes each, and room for the rest.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// For answers to leave and peers to close when no call is in flight any more; health watches, which never end, are cut
/// after it.
const LINGER: Duration = Duration::from_millis(500);

/// For calls that are given up to say how far they came, before the drain time is over.
const PARTING: Duration = Duration::from_secs(1);

/// For the last answers to leave, even where the drain time is over.
const FLUSH: Duration = Duration::from_millis(100);

/// When a server that has begun to go down gives up on calls in flight, and when it should be down.
fn ends(begun: Instant, drain_max: Duration) -> (Instant, Instant) {
    (begun + drain_max.saturating_sub(PARTING.min(drain_max / 10)), begun + drain_max)
}

/// How the server serves.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where calls come in.
    pub listen: Listen,
    /// Where operators look, plain HTTP; nowhere if absent.
    pub admin_listen: Option<std::net::SocketAddr>,
    /// Whether anyone may ask for the descriptors of the services.
    pub has_reflection: bool,
    /// Calls that are served at once; beyond it they are refused at once.
    pub in_flight_max: usize,
    /// Connections that are open at once; beyond it new ones wait.
    pub connections_max: usize,
    /// For one call.
    pub deadline_max: Duration,
    /// Between saying that the server goes down and going down, for load balancers to notice.
    pub drain_delay: Duration,
    /// For the calls in flight when the server goes down.
    pub drain_max: Duration,
}

/// A server that is bound and not yet serving.
#[derive(Debug)]
pub struct Server {
    settings: ServerSettings,
    listener: Listener,
    admin: Option<tokio::net::TcpListener>,
}

impl Server {
    /// Binds both addresses.
    ///
    /// # Errors
    /// When one cannot be bound; the text names it.
    pub async fn bind(settings: ServerSettings) -> io::Result<Self> {
        let named =
            |what: String| move |why: io::Error| io::Error::new(why.kind(), format!("cannot listen on {what}: {why}"));
        let listener = Listener::bind(&settings.listen).await.map_err(named(settings.listen.to_string()))?;
        let admin = match settings.admin_listen {
            Some(address) => Some(tokio::net::TcpListener::bind(address).await.map_err(named(address.to_string()))?),
            None => None,
        };
        Ok(Self { settings, listener, admin })
    }

    /// The bound address as it can be dialled, `127.0.0.1:50051` or `unix:/path`.
    pub fn address(&self) -> String {
        self.listener.address()
    }

    /// The bound address of the admin endpoint, or `off`.
    pub fn admin_address(&self) -> String {
        let bound = self.admin.as_ref().and_then(|admin| admin.local_addr().ok());
        bound.map_or_else(|| "off".to_owned(), |address| address.to_string())
    }

    /// Serves until `stop`, then drains: it is not ready and health says `NOT_SERVING`; after the delay connections are told
    /// to go, new calls are refused, calls in flight finish. Answers whether all of them did within the drain time; those
    /// that did not have been told so.
    ///
    /// # Errors
    /// When the services cannot be built.
    pub async fn serve(
        self,
        pipeline: Pipeline,
        identity: Identity,
        tls: Option<Arc<Tls>>,
        (metrics, traces): (Arc<Metrics>, Traces),
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let Self { settings, listener, admin } = self;
        let (reporter, routes) = routes(pipeline.clone(), settings.has_reflection).await?;
        let given_up = pipeline.given_up().clone();
        let go_away = CancellationToken::new();
        let front = Front::new(routes, identity, &settings, (Arc::clone(&metrics), traces), go_away.clone(), given_up);
        let in_flight = front.in_flight();

        let admin_stop = CancellationToken::new();
        if let Some(tls) = &tls {
            tokio::spawn(Arc::clone(tls).follow_changes(stop.clone(), Arc::clone(&metrics)));
        }
        let admin = admin.map(|admin| tokio::spawn(admin::serve(admin, metrics, stop.clone(), admin_stop.clone())));
        let connections = connections::serve(listener, tls, front, settings.connections_max, go_away.clone());
        let mut connections = tokio::spawn(connections);

        stop.cancelled().await;
        // Not ready from here on. Then whoever watches is told, and then the connections, so that nobody comes back.
        for name in health_names() {
            reporter.set_service_status(name, ServingStatus::NotServing).await;
        }
        tracing::info!("draining");
        // Whoever still calls has not noticed yet, and is served.
        tokio::time::sleep(settings.drain_delay).await;
        go_away.cancel();
        let (last_call, down) = ends(Instant::now(), settings.drain_max);
        pipeline.drain(last_call);
        // Every call holds a place, so all places together are free when no call is in flight.
        let places = u32::try_from(settings.in_flight_max).unwrap_or(u32::MAX);
        let calls_done = async {
            drop(in_flight.acquire_many(places).await);
            tasks.close();
            tasks.wait().await;
        };
        let mut calls_done = pin!(calls_done);
        let is_clean = timeout_at(last_call, &mut calls_done).await.is_ok();
        if !is_clean {
            tracing::warn!("calls that are still in flight are given up");
            pipeline.given_up().cancel();
            drop(timeout(PARTING, calls_done).await);
        }
        let lingering = LINGER.min(down.saturating_duration_since(Instant::now())).max(FLUSH);
        if timeout(lingering, &mut connections).await.is_err() {
            connections.abort();
        }
        admin_stop.cancel();
        if let Some(admin) = admin {
            admin.await??;
        }
        tracing::info!(is_clean, "drained");
        Ok(is_clean)
    }
}

/// Both services, health and reflection. The limits on a message hold for every RPC.
async fn routes(
    pipeline: Pipeline,
    has_reflection: bool,
) -> Result<(HealthReporter, Routes), tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    for name in health_names() {
        reporter.set_service_status(name, ServingStatus::Serving).await;
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
            // So that grpcurl and others can show the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let mut routes = Routes::new(CognitoServer::new(pipeline.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX))
        .add_service(WorkspacesWebServer::new(pipeline).max_decoding_message_size(MESSAGE_BYTES_MAX))
        .add_service(health);
    if has_reflection {
        // Older grpcurl knows only v1alpha.
        routes = routes.add_service(reflection().build_v1()?).add_service(reflection().build_v1alpha()?);
    }
    let routes = routes.prepare();
    Ok((reporter, routes))
}

/// What health checks may ask for: the server as a whole, and each service.
fn health_names() -> [&'static str; 3] {
    ["", Service::Cognito.grpc_name(), Service::WorkspacesWeb.grpc_name()]
}
