//! A stand-in for AWS that answers exactly what a test says, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: vec![("x-amzn-requestid", "aws-request-1".to_owned())], body: body.into() }
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

type Script = Arc<dyn Fn(usize, &Seen) -> Answer + Send + Sync>;

/// The stand-in; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct ScriptedAws {
    /// `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Mutex<Script>>,
}

impl ScriptedAws {
    /// Answers the n-th request (from 0) by `script`.
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let aws = Self { endpoint, seen: Arc::default(), script: Arc::new(Mutex::new(Arc::new(script))) };
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
        *self.script.lock().unwrap() = Arc::new(move |_, _| answer.clone());
        self.seen.lock().unwrap().clear();
    }

    /// What arrived so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(aws): State<ScriptedAws>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let seen = Seen { method: head.method.to_string(), path, headers, body };
    let (number, script) = {
        let mut all = aws.seen.lock().unwrap();
        all.push(seen.clone());
        (all.len() - 1, Arc::clone(&*aws.script.lock().unwrap()))
    };
    let answer = script(number, &seen);
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(answer.body)).expect("a response")
}
