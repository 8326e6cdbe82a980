//! A stand-in for AWS that answers exactly what a test says, and remembers what it was asked.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use http_body_util::BodyExt as _;
use idp_proxy::domain::Action;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

/// Longer than anything here takes on a busy machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    gate: Option<Arc<Semaphore>>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: vec![("x-amzn-requestid", "aws-request-1".to_owned())], body: body.into(), gate: None }
    }

    /// Held back until the gate has a permit; for ever if it never gets one.
    pub(crate) fn held_by(mut self, gate: &Arc<Semaphore>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Seen {
    /// Cognito's operation; WorkSpaces Web has its own in method and path.
    fn target(&self) -> Option<&str> {
        let (_, target) = self.headers.iter().find(|(name, _)| name == "x-amz-target")?;
        target.rsplit('.').next()
    }
}

type Script = Arc<dyn Fn(usize, &Seen) -> Answer + Send + Sync>;

/// The stand-in; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct ScriptedAws {
    /// `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    seen: Arc<watch::Sender<Vec<Seen>>>,
    script: Arc<Mutex<Script>>,
}

impl ScriptedAws {
    /// Answers the n-th request (from 0) by `script`.
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let aws = Self {
            endpoint,
            seen: Arc::new(watch::Sender::new(Vec::new())),
            script: Arc::new(Mutex::new(Arc::new(script))),
        };
        let routes = Router::new().fallback(answer).with_state(aws.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        aws
    }

    /// Always the same answer.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::start(move |_, _| answer.clone()).await
    }

    /// From now on, always this answer; what was seen before is forgotten.
    pub(crate) fn now(&self, answer: Answer) {
        self.by(move |_, _| answer.clone());
    }

    /// From now on by this script; what was seen before is forgotten.
    pub(crate) fn by(&self, script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
        self.seen.send_modify(Vec::clear);
    }

    /// What arrived so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// What arrived so far for the call itself: without a create's looks at what became of it.
    pub(crate) fn asked(&self, action: Action) -> Vec<Seen> {
        let is_it = |seen: &Seen| seen.target().is_none_or(|target| target == action.operation());
        self.seen().into_iter().filter(is_it).collect()
    }

    /// Waits until so many requests arrived.
    pub(crate) async fn has_seen(&self, count: usize) {
        let mut seen = self.seen.subscribe();
        let enough = seen.wait_for(|seen| seen.len() >= count);
        drop(tokio::time::timeout(PATIENCE, enough).await.expect("the request arrives").expect("AWS is there"));
    }
}

async fn answer(State(aws): State<ScriptedAws>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let seen = Seen { method: head.method.to_string(), path, headers, body };
    let script = Arc::clone(&*aws.script.lock().unwrap());
    let mut number = 0;
    aws.seen.send_modify(|all| {
        number = all.len();
        all.push(seen.clone());
    });
    let answer = script(number, &seen);
    if let Some(gate) = &answer.gate {
        drop(gate.acquire().await);
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(answer.body)).expect("a response")
}
