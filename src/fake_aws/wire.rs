//! HTTP: which protocol a request speaks, the order of the checks, and how answers and errors are written in awsJson1.1
//! and restJson1. It does not know what an operation does.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Quota, cognito,
    fault::Fault,
    members::Members,
    quota::Budgets,
    signature,
    workspacesweb::{self, PortalArn},
};

/// Bytes of a request. A metadata file has at most 131072 characters, of which JSON may make six times as many bytes.
const BODY_MAX: usize = 4 << 20;

/// A body that is too large is read up to here, so that its sender reads the answer and does not see a reset.
const DRAINED_MAX: usize = 64 << 20;

/// All that exists.
pub(super) struct World {
    cognito: Mutex<cognito::State>,
    workspacesweb: Mutex<workspacesweb::State>,
    /// Absent without quotas.
    budgets: Option<Budgets>,
}

impl World {
    pub(super) fn new(pools: Vec<(String, String)>, portals: BTreeSet<PortalArn>, quota: Quota) -> Self {
        let real = quota == Quota::Real;
        Self {
            cognito: Mutex::new(cognito::State::new(pools, real)),
            workspacesweb: Mutex::new(workspacesweb::State::new(portals, real)),
            budgets: real.then(Budgets::new),
        }
    }

    fn cognito(&self, operation: cognito::Operation, region: &str, body: &[u8]) -> Result<Option<Value>, Fault> {
        let members = Members::parse(body)?;
        let mut state = lock(&self.cognito);
        // Every request to a pool counts, also one that is refused after this.
        if let Some(budgets) = &self.budgets
            && let Some(pool) = state.existing_pool(region, &members)
        {
            budgets
                .spend_cognito(region, &pool, operation.name(), operation.category())
                .map_err(|_| cognito::too_many_requests())?;
        }
        state.call(operation, region, &members)
    }

    fn workspacesweb(&self, call: workspacesweb::Call, region: &str, body: &[u8]) -> Result<Value, Fault> {
        let mut state = lock(&self.workspacesweb);
        if let Some(budgets) = &self.budgets
            && state.is_region(region)
        {
            budgets
                .spend_workspacesweb(region)
                .map_err(|throttled| workspacesweb::throttled(throttled.wait.as_secs() + 1))?;
        }
        state.call(call, region, body)
    }
}

/// No operation panics while it holds the lock; if one did, its change is either made or not.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves both services on one port.
pub(super) fn router(world: Arc<World>) -> Router {
    Router::new().fallback(answer).with_state(world)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// awsJson1.1, Cognito.
    AwsJson,
    /// restJson1, `WorkSpaces` Web.
    RestJson,
}

impl Protocol {
    fn of(head: &Parts) -> Self {
        let is_rpc =
            head.headers.contains_key("x-amz-target") || (head.method == Method::POST && head.uri.path() == "/");
        if is_rpc { Self::AwsJson } else { Self::RestJson }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::AwsJson => "application/x-amz-json-1.1",
            Self::RestJson => "application/json",
        })
    }
}

async fn answer(State(world): State<Arc<World>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let protocol = Protocol::of(&head);
    let request_id = Uuid::new_v4().to_string();
    let routed = Routed::of(protocol, &head);
    let operation = routed.as_ref().ok().map(Routed::operation);
    let outcome = match (routed, read(body).await) {
        (Ok(routed), Ok(body)) => routed.call(&world, &head, &body),
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    };
    // Neither a message nor a path: both can hold what the caller sent.
    let code = outcome.as_ref().err().map(|fault| fault.code);
    tracing::debug!(?protocol, operation, code, request_id, "answered");
    let mut response = match outcome {
        Ok(document) => success(document.as_ref()),
        Err(fault) => error(protocol, fault),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, protocol.content_type());
    if let Ok(request_id) = HeaderValue::from_str(&request_id) {
        headers.insert("x-amzn-requestid", request_id);
    }
    response
}

/// An operation that exists.
enum Routed {
    Cognito(cognito::Operation),
    WorkSpacesWeb(workspacesweb::Call),
}

impl Routed {
    fn of(protocol: Protocol, head: &Parts) -> Result<Self, Fault> {
        let path = head.uri.path();
        match protocol {
            Protocol::AwsJson => head
                .headers
                .get("x-amz-target")
                .filter(|_| head.method == Method::POST && path == "/")
                .and_then(|target| cognito::Operation::of_target(target.to_str().ok()?))
                .map(Self::Cognito)
                .ok_or_else(Fault::unknown_operation),
            Protocol::RestJson => {
                let query = head.uri.query().unwrap_or_default();
                workspacesweb::Call::route(&head.method, path, query).map(Self::WorkSpacesWeb)
            }
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Cognito(operation) => operation.name(),
            Self::WorkSpacesWeb(call) => call.name(),
        }
    }

    /// The signature first, then all the rest.
    fn call(self, world: &World, head: &Parts, body: &[u8]) -> Result<Option<Value>, Fault> {
        match self {
            Self::Cognito(operation) => {
                let region = signature::region(&head.headers, cognito::SERVICE)?;
                world.cognito(operation, &region, body)
            }
            Self::WorkSpacesWeb(call) => {
                let region = signature::region(&head.headers, workspacesweb::SERVICE)?;
                world.workspacesweb(call, &region, body).map(Some)
            }
        }
    }
}

async fn read(mut body: Body) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let mut received = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Fault::malformed_http("The body cannot be read."))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        received = received.saturating_add(data.len());
        if received <= BODY_MAX {
            bytes.extend_from_slice(&data);
        } else if received > DRAINED_MAX {
            break;
        }
    }
    if received > BODY_MAX { Err(Fault::entity_too_large()) } else { Ok(bytes) }
}

fn success(document: Option<&Value>) -> Response {
    Response::new(document.map_or_else(Body::empty, |document| Body::from(document.to_string())))
}

fn error(protocol: Protocol, fault: Fault) -> Response {
    let mut members = fault.members;
    if protocol == Protocol::AwsJson {
        members.insert("__type".to_owned(), fault.code.into());
    }
    members.insert("message".to_owned(), fault.message.into());
    let mut response = Response::new(Body::from(Value::from(members).to_string()));
    *response.status_mut() = match (protocol, fault.status) {
        // Cognito answers every client error so, whatever the model says; 413 comes from what is in front of it.
        (Protocol::AwsJson, status) if status.is_client_error() && status != StatusCode::PAYLOAD_TOO_LARGE => {
            StatusCode::BAD_REQUEST
        }
        (_, status) => status,
    };
    let headers = response.headers_mut();
    headers.insert("x-amzn-errortype", HeaderValue::from_static(fault.code));
    if let Some(seconds) = fault.retry_after_s {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
