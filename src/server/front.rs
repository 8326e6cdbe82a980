//! What every request meets before its message is read, outermost first: an id, the metrics, the drain, the limit on
//! calls in flight, the caller's identity. Health and reflection need none of it but the id.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use tokio::{
    sync::{Semaphore, TryAcquireError},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tower::{Service, ServiceExt as _};

use super::{ServerSettings, complete};
use crate::{
    domain::Action,
    fault::{Deadline, Fault},
    identity::Identity,
    pipeline::{Arrival, REQUEST_ID_HEADER},
    status::{self, About},
    telemetry::{self, CallLine, Metrics},
};

/// Beyond the limit on a call, for its message to arrive and its answer to be made.
const SLACK: Duration = Duration::from_secs(1);

/// The service that each connection is served with.
#[derive(Clone, Debug)]
pub(super) struct Front {
    routes: Routes,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    identity: Identity,
    metrics: Arc<Metrics>,
    in_flight: Arc<Semaphore>,
    limit: Duration,
    stop: CancellationToken,
}

impl Front {
    pub(super) fn new(
        routes: Routes,
        identity: Identity,
        settings: &ServerSettings,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        let in_flight = Arc::new(Semaphore::new(settings.in_flight_max));
        let limit = settings.deadline_max + SLACK;
        Self { routes, shared: Arc::new(Shared { identity, metrics, in_flight, limit, stop }) }
    }

    /// The places for calls in flight; all are free when none is.
    pub(super) fn in_flight(&self) -> Arc<Semaphore> {
        Arc::clone(&self.shared.in_flight)
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (routes, shared) = (self.routes.clone(), Arc::clone(&self.shared));
        Box::pin(async move { Ok(answer(routes, &shared, request.map(Body::new)).await) })
    }
}

/// The order.
async fn answer(routes: Routes, shared: &Shared, mut request: Request<Body>) -> Response<Body> {
    let arrival = Arrival { request_id: request_id(request.headers()), at: Instant::now() };
    let action = Action::of_path(request.uri().path());
    request.extensions_mut().insert(arrival.clone());
    let mut response = match action {
        Some(action) => call(routes, shared, action, &arrival, request).await,
        // Health, reflection, and paths that are nothing: no identity, no limit of ours.
        None => forward(routes, request).await,
    };
    complete::complete(&mut response, action, &arrival);
    if let Some(action) = action {
        let code = status::code_name_of(response.headers());
        shared.metrics.finish(action.grpc_method(), code, arrival.at.elapsed());
    }
    if let Ok(id) = HeaderValue::from_str(&arrival.request_id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, id);
    }
    response
}

/// One of our RPCs.
async fn call(
    routes: Routes,
    shared: &Shared,
    action: Action,
    arrival: &Arrival,
    mut request: Request<Body>,
) -> Response<Body> {
    let _counted = shared.metrics.begin();
    let refuse = |fault: Fault| {
        let about = About { action: Some(action), subject: None, request_id: &arrival.request_id };
        telemetry::log_fault(&CallLine { action, caller: None, about: &about, elapsed: arrival.at.elapsed() }, &fault);
        status::of(&fault, &about).into_http()
    };
    let place = match shared.in_flight.try_acquire() {
        _ if shared.stop.is_cancelled() => Err(Fault::Draining),
        Ok(place) => Ok(place),
        Err(TryAcquireError::NoPermits) => Err(Fault::Overloaded),
        Err(TryAcquireError::Closed) => Err(Fault::Draining),
    };
    let caller = place.and_then(|place| {
        let caller = shared.identity.identify(request.headers()).map_err(Fault::Unidentified)?;
        Ok((caller, place))
    });
    match caller {
        Ok((caller, _place)) => {
            request.extensions_mut().insert(caller);
            // The pipeline keeps its own, smaller limit; this one ends a message that never arrives.
            let out_of_time = Fault::OutOfTime { deadline: Deadline::Ours, may_have_been_applied: action.is_write() };
            timeout(shared.limit, forward(routes, request)).await.unwrap_or_else(|_| refuse(out_of_time))
        }
        Err(fault) => refuse(fault),
    }
}

async fn forward(routes: Routes, request: Request<Body>) -> Response<Body> {
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The caller's id if it can be repeated in a header and a log, else one of our own.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    /// Enough for any tracing system's ids.
    const BYTES_MAX: usize = 128;
    let given = headers.get(REQUEST_ID_HEADER).and_then(|id| id.to_str().ok());
    let given =
        given.filter(|id| (1..=BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    given.map_or_else(|| uuid::Uuid::new_v4().to_string().into(), Into::into)
}
