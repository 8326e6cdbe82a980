//! What every request meets before its message is read, outermost first: an id, the metrics, the drain, the limit on
//! calls in flight, the caller's identity. Health and reflection need none of it but the id.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use tokio::{
    sync::{Semaphore, TryAcquireError},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tower::{Service, ServiceExt as _};

use super::{ServerSettings, complete};
use crate::{
    deadline::TimeLimit,
    domain::Action,
    fault::{Deadline, Fault},
    identity::{Identity, Peer},
    pipeline::{Arrival, Place, REQUEST_ID_HEADER},
    report::{self, Report},
    status::{self, About},
    telemetry::{CallTrace, Metrics, Traces},
};

/// Beyond the limit on a call, for the pipeline's own answer.
const SLACK: Duration = Duration::from_secs(1);

/// The service that each connection is served with.
#[derive(Clone, Debug)]
pub(super) struct Front {
    routes: Routes,
    shared: Arc<Shared>,
    peer: Arc<Peer>,
}

#[derive(Debug)]
struct Shared {
    identity: Identity,
    metrics: Arc<Metrics>,
    traces: Traces,
    in_flight: Arc<Semaphore>,
    limit: Duration,
    stop: CancellationToken,
    given_up: CancellationToken,
}

impl Front {
    pub(super) fn new(
        routes: Routes,
        identity: Identity,
        settings: &ServerSettings,
        (metrics, traces): (Arc<Metrics>, Traces),
        stop: CancellationToken,
        given_up: CancellationToken,
    ) -> Self {
        let in_flight = Arc::new(Semaphore::new(settings.in_flight_max));
        let limit = settings.deadline_max;
        let shared = Arc::new(Shared { identity, metrics, traces, in_flight, limit, stop, given_up });
        Self { routes, shared, peer: Arc::default() }
    }

    /// For one connection.
    pub(super) fn of_peer(&self, peer: Peer) -> Self {
        Self { peer: Arc::new(peer), ..self.clone() }
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
        let front = self.clone();
        Box::pin(async move { Ok(answer(front, request.map(Body::new)).await) })
    }
}

/// The order.
async fn answer(front: Front, mut request: Request<Body>) -> Response<Body> {
    let Front { routes, shared, peer } = front;
    let action = Action::of_path(request.uri().path());
    let trace = |action: Action| shared.traces.call(request.headers(), action.grpc_method());
    let trace = action.map_or_else(CallTrace::default, trace);
    let arrival = Arrival::now(request_id(request.headers()), trace);
    request.extensions_mut().insert(arrival.clone());
    let unfinished = action.map(|action| Unfinished {
        metrics: Arc::clone(&shared.metrics),
        action,
        arrival: arrival.clone(),
        is_finished: false,
    });
    let mut response = match action {
        Some(action) => call(routes, &shared, &peer, action, &arrival, request).await,
        // Health, reflection, and paths that are nothing: no identity, no limit of ours.
        None => forward(routes, request).await,
    };
    complete::complete(&mut response, action, &arrival, &shared.metrics);
    if let Some(unfinished) = unfinished {
        unfinished.finish(status::code_name_of(response.headers()));
    }
    if let Ok(id) = HeaderValue::from_str(&arrival.request_id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, id);
    }
    response
}

/// A call whose answer is not ready. Dropped like this, its caller has gone away: also that is counted, and logged here
/// unless the pipeline does it.
struct Unfinished {
    metrics: Arc<Metrics>,
    action: Action,
    arrival: Arrival,
    is_finished: bool,
}

impl Unfinished {
    fn finish(mut self, code: &'static str) {
        self.is_finished = true;
        self.end(code);
    }

    fn end(&self, code: &'static str) {
        self.metrics.finish(self.action.grpc_method(), code, self.arrival.at.elapsed());
        self.arrival.trace.end(code);
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let Arrival { request_id, at, trace, is_begun, .. } = &self.arrival;
        let (is_write, is_begun) = (self.action.is_write(), is_begun.load(Ordering::Relaxed));
        // A read that the pipeline has begun ends now and leaves its own line.
        if is_write || !is_begun {
            report::cancelled(self.action, request_id, at.elapsed(), trace, is_write && is_begun);
        }
        self.end("CANCELLED");
    }
}

/// One of our RPCs, or in its place the refusal that ended it here.
async fn call(
    routes: Routes,
    shared: &Shared,
    peer: &Peer,
    action: Action,
    arrival: &Arrival,
    request: Request<Body>,
) -> Response<Body> {
    let served = serve(routes, shared, peer, action, arrival, request).await;
    served.unwrap_or_else(|fault| {
        let about = About { action: Some(action), subject: None, request_id: &arrival.request_id };
        let (elapsed, trace) = (arrival.at.elapsed(), &arrival.trace);
        let report = Report { action, caller: None, about: &about, attempts: None, elapsed, trace };
        report.fault(&fault, &shared.metrics);
        status::of(&fault, &about).into_http()
    })
}

/// A place among the calls in flight, a caller, then the call itself; all of it in time.
async fn serve(
    routes: Routes,
    shared: &Shared,
    peer: &Peer,
    action: Action,
    arrival: &Arrival,
    mut request: Request<Body>,
) -> Result<Response<Body>, Fault> {
    let place = shared.admit()?;
    request.extensions_mut().insert(place.clone());
    // A limit that cannot be read is the pipeline's to refuse, after identity.
    let ours = TimeLimit { at: arrival.at + shared.limit, whose: Deadline::Ours };
    let limit = TimeLimit::of(request.headers(), arrival.at, shared.limit).unwrap_or(ours);
    let unread = |deadline| Fault::OutOfTime { deadline, may_have_been_applied: false };
    let caller = limit.bound(&shared.given_up, shared.identity.identify(peer, request.headers())).await;
    let caller = caller.map_err(unread)?.map_err(Fault::Unidentified)?;
    request.extensions_mut().insert(caller);
    // The pipeline keeps the limit by itself; this one ends a message that never arrives.
    let mut answer = pin!(forward(routes, request));
    let deadline = match limit.bound(&shared.given_up, &mut answer).await {
        Ok(answer) => return Ok(answer),
        Err(deadline) if !arrival.is_begun.load(Ordering::Relaxed) => return Err(unread(deadline)),
        Err(deadline) => deadline,
    };
    let out_of_time = |_| Fault::OutOfTime { deadline, may_have_been_applied: action.is_write() };
    timeout(SLACK, answer).await.map_err(out_of_time)
}

impl Shared {
    /// A place among the calls in flight, if the server is not going down and not full.
    fn admit(&self) -> Result<Place, Fault> {
        if self.stop.is_cancelled() {
            return Err(Fault::Draining);
        }
        let permit = Arc::clone(&self.in_flight).try_acquire_owned().map_err(|why| match why {
            TryAcquireError::NoPermits => Fault::Overloaded,
            TryAcquireError::Closed => Fault::Draining,
        })?;
        Ok(Place::taken(permit, self.metrics.begin()))
    }
}

async fn forward(routes: Routes, request: Request<Body>) -> Response<Body> {
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The caller's id if it can be repeated in a header and a log.
fn request_id(headers: &HeaderMap) -> Option<&str> {
    /// Enough for any tracing system's ids.
    const BYTES_MAX: usize = 128;
    let given = headers.get(REQUEST_ID_HEADER)?.to_str().ok()?;
    ((1..=BYTES_MAX).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_graphic())).then_some(given)
}
