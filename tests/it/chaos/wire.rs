//! The wire between the proxy and the fake AWS: passes requests on, harms some of them, and keeps a ledger of what AWS
//! really did. It speaks TCP and HTTP to both; neither knows that it is there.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use percent_encoding::percent_decode_str;
use regex::Regex;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use super::{
    harm::{Fate, Harm},
    http1::{End, Message},
};

/// Longer than anything here takes on a busy machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A user pool of a schedule's own; its number can be read from every request about it.
pub(super) fn pool(number: u64) -> String {
    format!("us-east-1_Schedule{number:06}")
}

/// A portal of a schedule's own; the ARNs of its providers hold its number, too.
pub(super) fn portal(number: u64) -> String {
    format!("arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-{number:012}")
}

/// A request that came over the wire.
#[derive(Clone)]
pub(super) struct Passage {
    /// AWS's name of the operation.
    pub(super) operation: String,
    pub(super) client_token: Option<String>,
    /// The same in every attempt of one call of the SDK's.
    pub(super) invocation: String,
    /// What the request says, with its secrets.
    pub(super) body: Value,
    pub(super) harm: Option<Harm>,
    /// AWS's answer, if AWS has seen it.
    pub(super) answer: Option<(u16, Value)>,
}

impl Passage {
    pub(super) fn is_write(&self) -> bool {
        ["Create", "Update", "Delete"].iter().any(|verb| self.operation.starts_with(verb))
    }

    /// Whether whoever asked could not tell if AWS has done it. A refusal whose body is cut is one by its status.
    pub(super) fn left_doubt(&self) -> bool {
        let is_cut_refusal = self.harm == Some(Harm::CommitThenCut) && !self.is_committed();
        self.harm.is_some_and(Harm::leaves_doubt) && !is_cut_refusal
    }

    /// Whether AWS has done it.
    pub(super) fn is_committed(&self) -> bool {
        matches!(self.answer, Some((200, _)))
    }
}

/// Without bodies: they hold secrets.
impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.client_token.as_deref().map_or("-", |token| &token[..token.len().min(12)]);
        let code = |answer: &Value| answer["__type"].as_str().map(str::to_owned).unwrap_or_default();
        let answer = match &self.answer {
            None => "not seen by AWS".to_owned(),
            Some((status, answer)) => format!("AWS answered {status} {}", code(answer)),
        };
        let invocation = &self.invocation[..self.invocation.len().min(8)];
        write!(f, "{} invocation {invocation} token {token}: {answer}, harm {:?}", self.operation, self.harm)
    }
}

/// What came over the wire for one schedule.
#[derive(Default)]
struct Ledger {
    fate: Option<Fate>,
    passages: Vec<Passage>,
    /// Requests that the wire has not done with.
    open: watch::Sender<usize>,
    /// Requests are held here before AWS sees them.
    gate: Option<Arc<Semaphore>>,
}

struct Shared {
    aws: String,
    ledgers: Mutex<HashMap<u64, Ledger>>,
    /// All requests of all schedules.
    passed: watch::Sender<u64>,
}

/// The wire; it ends with the test's runtime.
#[derive(Clone)]
pub(super) struct Wire {
    /// `http://127.0.0.1:PORT`, for the proxy.
    pub(super) endpoint: String,
    shared: Arc<Shared>,
}

impl Wire {
    /// To the fake AWS at this endpoint.
    pub(super) async fn to(aws: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let aws = aws.strip_prefix("http://").expect("plain HTTP").to_owned();
        let shared = Arc::new(Shared { aws, ledgers: Mutex::default(), passed: watch::Sender::default() });
        let wire = Self { endpoint, shared };
        let accepting = wire.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().carry(End::new(stream)));
            }
        });
        wire
    }

    fn with<T>(&self, number: u64, change: impl FnOnce(&mut Ledger) -> T) -> T {
        change(self.shared.ledgers.lock().unwrap().entry(number).or_default())
    }

    /// From now on this befalls the schedule's requests.
    pub(super) fn harm(&self, number: u64, fate: Option<Fate>) {
        self.with(number, |ledger| ledger.fate = fate);
    }

    /// From now on the schedule's requests wait here.
    pub(super) fn hold(&self, number: u64, gate: &Arc<Semaphore>) {
        self.with(number, |ledger| ledger.gate = Some(Arc::clone(gate)));
    }

    /// How many requests have come for the schedule.
    pub(super) fn mark(&self, number: u64) -> usize {
        self.with(number, |ledger| ledger.passages.len())
    }

    /// What has come for the schedule since then.
    pub(super) fn since(&self, number: u64, mark: usize) -> Vec<Passage> {
        self.with(number, |ledger| ledger.passages[mark..].to_vec())
    }

    /// For every schedule and operation, how many calls have changed something, at least: one whose pool was busy goes on
    /// under another invocation of the SDK's.
    pub(super) fn committed(&self) -> Vec<(u64, String, usize)> {
        let mut invocations: BTreeMap<(u64, String), BTreeMap<String, (bool, bool)>> = BTreeMap::new();
        for (number, ledger) in &*self.shared.ledgers.lock().unwrap() {
            for passage in ledger.passages.iter().filter(|passage| passage.is_write()) {
                let place = invocations.entry((*number, passage.operation.clone())).or_default();
                let (is_done, was_busy) = place.entry(passage.invocation.clone()).or_default();
                *is_done |= passage.is_committed();
                *was_busy |= passage.harm == Some(Harm::Busy);
            }
        }
        let calls = |of: BTreeMap<_, _>| of.into_values().filter(|&marks| marks == (true, false)).count();
        invocations.into_iter().map(|((number, operation), of)| (number, operation, calls(of))).collect()
    }

    /// Waits until nothing of the schedule is on its way any more: what was delayed is done.
    pub(super) async fn settled(&self, number: u64) {
        let mut open = self.with(number, |ledger| ledger.open.subscribe());
        let settled = open.wait_for(|open| *open == 0);
        drop(tokio::time::timeout(PATIENCE, settled).await.expect("the wire comes to rest").expect("it is there"));
    }

    /// Waits until so many more requests have come, for whatever schedule.
    pub(super) async fn passes(&self, more: u64) {
        let mut passed = self.shared.passed.subscribe();
        let enough = *passed.borrow() + more;
        drop(passed.wait_for(|passed| *passed >= enough).await.expect("the wire is there"));
    }

    /// One connection of the proxy's.
    async fn carry(self, mut near: End) {
        let mut far = None;
        while let Some(request) = near.read().await {
            let (number, passage) = read(&request);
            let can_be_busy = passage.is_write() && request.header("x-amz-target").is_some();
            let (place, harm, gate) = self.with(number, |ledger| {
                let fate = ledger.fate.as_mut();
                let harm = fate.and_then(|fate| fate.next(&passage.operation, &passage.invocation, can_be_busy));
                ledger.passages.push(Passage { harm, ..passage });
                ledger.open.send_modify(|open| *open += 1);
                (ledger.passages.len() - 1, harm, ledger.gate.clone())
            });
            self.shared.passed.send_modify(|passed| *passed += 1);
            // Closed also when this future is dropped or returns.
            let open = Open { wire: self.clone(), number };
            if let Some(gate) = gate {
                gate.acquire().await.expect("the gate is there").forget();
            }
            let call = Carried { wire: &self, number, place, request: &request };
            if !call.befall(harm, &mut near, &mut far).await {
                if matches!(harm, Some(Harm::CommitThenReset | Harm::ResetBeforeCommit)) {
                    near.reset();
                }
                return;
            }
            drop(open);
        }
    }
}

/// A request that the wire has not done with.
struct Open {
    wire: Wire,
    number: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.wire.with(self.number, |ledger| ledger.open.send_modify(|open| *open -= 1));
    }
}

/// A request in the wire's hands.
struct Carried<'a> {
    wire: &'a Wire,
    number: u64,
    place: usize,
    request: &'a Message,
}

impl Carried<'_> {
    /// Answers whether the connection can go on.
    async fn befall(&self, harm: Option<Harm>, near: &mut End, far: &mut Option<End>) -> bool {
        match harm {
            None => {
                let answer = self.commit(far).await;
                near.write(answer.bytes()).await;
                true
            }
            Some(Harm::ResetBeforeCommit) => false,
            Some(Harm::CommitThenClose | Harm::CommitThenReset) => {
                self.commit(far).await;
                false
            }
            Some(Harm::CommitThenCut) => {
                let answer = self.commit(far).await;
                near.write(answer.cut()).await;
                // An answer without a body cannot be cut: nothing comes.
                false
            }
            Some(Harm::CommitThenSilence) => {
                self.commit(far).await;
                near.abandoned().await;
                false
            }
            Some(Harm::DelayThenCommit) => {
                near.abandoned().await;
                self.commit(far).await;
                false
            }
            Some(harm @ (Harm::CommitThen500 | Harm::CommitThen503 | Harm::CommitThenGarbage)) => {
                self.commit(far).await;
                near.write(self.own(harm).as_bytes()).await;
                true
            }
            Some(harm @ (Harm::ThrottleTwice | Harm::Busy)) => {
                near.write(self.own(harm).as_bytes()).await;
                true
            }
        }
    }

    /// Lets AWS do it, and writes it down.
    async fn commit(&self, far: &mut Option<End>) -> Message {
        if far.is_none() {
            *far = Some(End::new(TcpStream::connect(&self.wire.shared.aws).await.expect("the fake AWS listens")));
        }
        let end = far.as_mut().expect("just connected");
        end.write(self.request.bytes()).await;
        let answer = end.read().await.expect("the fake AWS answers");
        let document = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        self.wire.with(self.number, |ledger| {
            ledger.passages[self.place].answer = Some((answer.status(), document));
        });
        answer
    }

    /// An answer that AWS did not give.
    fn own(&self, harm: Harm) -> String {
        let is_cognito = self.request.header("x-amz-target").is_some();
        let (status, body) = match (harm, is_cognito) {
            (Harm::CommitThen500, true) => (500, r#"{"__type":"InternalErrorException","message":"x"}"#),
            (Harm::CommitThen500, false) => (500, r#"{"message":"x"}"#),
            (Harm::ThrottleTwice, true) => (400, r#"{"__type":"TooManyRequestsException","message":"Rate exceeded"}"#),
            (Harm::ThrottleTwice, false) => (429, r#"{"message":"Rate exceeded"}"#),
            (Harm::Busy, _) => (400, r#"{"__type":"ConcurrentModificationException","message":"x"}"#),
            (Harm::CommitThen503, _) => (503, "<html>Service Unavailable</html>"),
            _ => (200, "\u{1}not JSON"),
        };
        let code = match (harm, is_cognito) {
            (Harm::CommitThen500, false) => "x-amzn-errortype: InternalServerException\r\n",
            (Harm::ThrottleTwice, false) => "x-amzn-errortype: ThrottlingException\r\n",
            _ => "",
        };
        format!("HTTP/1.1 {status} X\r\n{code}content-length: {}\r\n\r\n{body}", body.len())
    }
}

/// The schedule's number, and what the request is.
fn read(request: &Message) -> (u64, Passage) {
    let (method, path) = request.start.split_once(' ').expect("a request's first line");
    let path = percent_decode_str(path).decode_utf8_lossy();
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let about = [body["UserPoolId"].as_str(), body["portalArn"].as_str(), Some(&path)];
    let number = about.into_iter().flatten().find_map(number_of).expect("a schedule's resource");
    let operation = match request.header("x-amz-target") {
        Some(target) => target.rsplit('.').next().expect("an operation").to_owned(),
        None => match method {
            "POST" => "CreateIdentityProvider",
            "PATCH" => "UpdateIdentityProvider",
            "DELETE" => "DeleteIdentityProvider",
            _ if path.starts_with("/portals/") => "ListIdentityProviders",
            _ => "GetIdentityProvider",
        }
        .to_owned(),
    };
    let passage = Passage {
        operation,
        client_token: body["clientToken"].as_str().map(str::to_owned),
        invocation: request.header("amz-sdk-invocation-id").unwrap_or_default().to_owned(),
        body,
        harm: None,
        answer: None,
    };
    (number, passage)
}

/// The schedule that a pool, a portal or a provider belongs to.
pub(super) fn number_of(resource: &str) -> Option<u64> {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("us-east-1_Schedule([0-9]{6})|/00000000-0000-4000-8000-([0-9]{12})").unwrap());
    let found = NUMBER.captures(resource)?;
    found.get(1).or_else(|| found.get(2))?.as_str().parse().ok()
}
