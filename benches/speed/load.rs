//! The caller: HTTP/2 frames and nothing else, so that it costs little beside what it measures. Every answer is checked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::{net::TcpStream, task::JoinSet};

use crate::work::Work;

/// A connection to a contender, and what it must answer.
#[derive(Clone)]
pub(crate) struct Caller {
    connection: SendRequest<Bytes>,
    request: Request<()>,
    messages: Arc<[Bytes]>,
    turn: Arc<AtomicUsize>,
    status: &'static str,
    holds: &'static str,
}

impl Caller {
    /// `is_ours`: the contender knows callers and refuses what is wrong; the others answer everything.
    pub(crate) async fn connect(address: &str, work: Work, is_ours: bool) -> Self {
        Self::with(address, work, work.messages(), is_ours).await
    }

    /// As [`Self::connect`], with other messages, each with its gRPC prefix.
    pub(crate) async fn with(address: &str, work: Work, messages: Vec<Vec<u8>>, is_ours: bool) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        let request = Request::post(format!("http://{address}{}", work.path()))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header(
                "x-forwarded-client-cert",
                format!("Hash=0123456789abcdef;Subject=\"CN=a,O=b\";URI={}", work.caller()),
            )
            .body(())
            .unwrap();
        let status = if is_ours { work.status() } else { "0" };
        Self {
            connection: send.ready().await.unwrap(),
            request,
            messages: messages.into_iter().map(Bytes::from).collect(),
            turn: Arc::default(),
            status,
            holds: work.holds(),
        }
    }

    /// One call; its answer must be the one that is wanted.
    async fn call(&mut self) {
        std::future::poll_fn(|context| self.connection.poll_ready(context)).await.unwrap();
        let (head, ()) = self.request.clone().into_parts();
        let (response, mut body) = self.connection.send_request(Request::from_parts(head, ()), false).unwrap();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.messages.len();
        send_all(&mut body, self.messages[turn].clone()).await;
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut message = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            message.extend_from_slice(&data);
        }
        let trailers = body.trailers().await.unwrap().unwrap_or_default();
        let found = |headers: &HeaderMap| headers.get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
        let status = found(&trailers).or_else(|| found(&head.headers)).unwrap_or_default();
        assert_eq!(status, self.status, "{:?} {trailers:?}", head.headers);
        if status == "0" {
            let holds = self.holds.as_bytes();
            assert!(message.windows(holds.len()).any(|part| part == holds), "an answer lacks {}", self.holds);
        }
    }

    /// So many calls, so many of them at once.
    pub(crate) async fn run(&self, calls: usize, at_once: usize) {
        let mut tasks = JoinSet::new();
        for number in 0..at_once {
            let (mut caller, calls) = (self.clone(), calls / at_once + usize::from(number < calls % at_once));
            tasks.spawn(async move {
                for _ in 0..calls {
                    caller.call().await;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// Calls at a fixed rate, whatever becomes of those before. The time of each counts from the moment at which it was due, so
    /// that a contender that stands still is not spared the calls that wait for it.
    pub(crate) async fn at_rate(&self, calls: u32, every: Duration) -> Vec<Duration> {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..calls {
            let due = begun + every * number;
            tokio::time::sleep_until(due.into()).await;
            let mut caller = self.clone();
            tasks.spawn(async move {
                caller.call().await;
                due.elapsed()
            });
        }
        let mut times = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            times.push(ended.unwrap());
        }
        times.sort_unstable();
        times
    }
}

/// As fast as the contender takes it.
async fn send_all(body: &mut h2::SendStream<Bytes>, mut message: Bytes) {
    loop {
        body.reserve_capacity(message.len());
        let room = std::future::poll_fn(|context| body.poll_capacity(context)).await.unwrap().unwrap();
        let part = message.split_to(room.min(message.len()));
        let is_last = message.is_empty();
        body.send_data(part, is_last).unwrap();
        if is_last {
            return;
        }
    }
}
