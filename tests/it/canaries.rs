//! No secret anywhere: random ones in every call, answer and setting, then a search of all that the proxy says to callers
//! and operators, at every log level, in every writing.

mod answers;
mod longer;
mod requests;
mod search;

use std::{future::pending, sync::Arc};

use futures_util::future::join_all;
use idp_proxy::domain::Action;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::Semaphore,
};
use tonic::{Status, client::Grpc, transport::Channel};

use self::{
    answers::{Echo, answers},
    requests::Call,
    search::Canaries,
};
use crate::{
    rpcs::Rpc,
    support::{
        Answer, Authority, Collector, Proxy, Scratch, ScriptedAws, audit_lines, configured, ended, eventually, get,
        tls_channel,
        tokens::{Signer, claims, jwks, section},
    },
};

/// Everyone with a token may do everything; who has none may not, and is known all the same.
const POLICIES: &str = "@id(\"all\") permit (principal, action, resource);\n\
    @id(\"not-without-a-token\") forbid (principal, action, resource) when { principal.kind == \"anonymous\" };";

/// What callers were told.
#[derive(Default)]
struct Told {
    answers: Vec<Vec<u8>>,
    refusals: Vec<(String, Status)>,
}

impl Told {
    fn note(&mut self, call: &Call, outcome: Result<Vec<u8>, Status>) {
        match outcome {
            Ok(answer) => self.answers.push(answer),
            Err(status) => self.refusals.push((call.name.clone(), status)),
        }
    }

    fn check(&self, canaries: &Canaries) {
        for answer in &self.answers {
            canaries.assert_none("an answer", answer);
        }
        for (call, status) in &self.refusals {
            let headers = format!("{:?}", status.metadata().clone().into_headers());
            for (part, text) in [
                ("message", status.message().as_bytes()),
                ("details", status.details()),
                ("headers", headers.as_bytes()),
                ("Debug", format!("{status:?}").as_bytes()),
            ] {
                canaries.assert_none(&format!("the {part} of the refusal of {call}"), text);
            }
        }
    }
}

/// A proxy with secrets in its settings, and all that its calls need.
struct Stage {
    scratch: Scratch,
    canaries: Canaries,
    /// Secrets that a caller sent where a key belongs: the caller is told which key, operators are not.
    misplaced: Canaries,
    signer: Signer,
    token: String,
    collector: Collector,
    proxy: Proxy,
    channel: Channel,
}

impl Stage {
    /// With these logs; `more` are further sections of the configuration.
    async fn new(endpoint: &str, filter: &str, more: &str, has_tls: bool) -> Self {
        Self::with(Canaries::new(), endpoint, filter, more, has_tls, &[]).await
    }

    /// The same with secrets of the test's own, and with variables of the environment.
    async fn with(
        mut canaries: Canaries,
        endpoint: &str,
        filter: &str,
        more: &str,
        has_tls: bool,
        variables: &[(&str, &str)],
    ) -> Self {
        let scratch = Scratch::new();
        let policies = scratch.join("policies");
        std::fs::create_dir(&policies).unwrap();
        std::fs::write(policies.join("all.cedar"), POLICIES).unwrap();
        let signer = Signer::p256("1");
        let mut claims = claims("somebody", &[]);
        claims["jti"] = canaries.make("a claim of the token").into();
        let token = signer.token(&claims);
        canaries.add("the token", &token);
        let keys = section(&scratch.file("jwks.json", jwks(&[&signer])));

        let authority = Authority::new("server");
        let leaf = authority.server();
        canaries.add("the server's key", &leaf.private_key.replace("-----BEGIN PRIVATE KEY-----", ""));
        let certificate = scratch.file("server.pem", &leaf.certificate);
        let private_key = scratch.file("server.key", &leaf.private_key);
        let tls = format!("[server.tls]\ncertificate = {certificate:?}\nprivate_key = {private_key:?}\n");
        let key = scratch.file("fingerprint.key", canaries.make("the fingerprints' key"));
        let audit = scratch.join("audit.log");
        let toml = format!(
            "[audit]\nsink = {audit:?}\nfingerprint_key_file = {key:?}\n[policy]\ndirectory = {policies:?}\n\
             [identity]\nanonymous = \"allow_for_test_purposes_only\"\n{keys}[aws]\nattempts_max = 1\n{}{more}",
            if has_tls { &tls } else { "" }
        );
        let (secret, session) = (canaries.make("AWS's secret key"), canaries.make("AWS's session token"));
        let collector = Collector::start(&[]).await;
        let otlp = format!("http://{}", collector.address);
        let environment = [
            ("AWS_SECRET_ACCESS_KEY", &*secret),
            ("AWS_SESSION_TOKEN", &*session),
            ("RUST_LOG", filter),
            ("IDP_PROXY__TELEMETRY__OTLP_ENDPOINT", &otlp),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100000"),
        ];
        let proxy = configured(&scratch, &toml, endpoint, &[&environment, variables].concat()).await;
        let channel =
            if has_tls { tls_channel(&proxy.address, &authority, None).await.unwrap() } else { proxy.channel().await };
        Self { scratch, canaries, misplaced: Canaries::new(), signer, token, collector, proxy, channel }
    }

    /// Sends a call with a good token, or what the call brings instead.
    async fn send(&self, call: &Call) -> Result<Vec<u8>, Status> {
        let bearer = format!("Bearer {}", self.token);
        let mut metadata = vec![];
        match &call.authorization {
            None => metadata.push(("authorization", bearer.as_str())),
            Some(text) if text.is_empty() => {}
            Some(text) => metadata.push(("authorization", text.as_str())),
        }
        metadata.extend(call.timeout.map(|timeout| ("grpc-timeout", timeout)));
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        call.rpc.send(&mut client, call.message.clone(), &metadata).await
    }

    /// Everything that operators see, once the last call has left its lines.
    async fn check(&self, told: &Told) {
        let last = Rpc::of(Action::WebGet);
        let bearer = format!("Bearer {}", self.token);
        // AWS may not answer any more.
        let metadata = [("authorization", &*bearer), ("x-request-id", "the-last"), ("grpc-timeout", "1S")];
        drop(last.send(&mut Grpc::new(self.channel.clone()), last.valid.clone(), &metadata).await);
        self.proxy.log_line(|line| (line["request_id"] == "the-last").then_some(())).await;
        ended(&self.scratch.join("audit.log"), "the-last").await;
        let is_last = |span: &Value| span["attributes"]["idp_proxy.request_id"] == "the-last";
        eventually("the last span", async || self.collector.spans().iter().any(is_last).then_some(())).await;
        let (status, _, metrics) = get(&self.proxy.admin, "/metrics").await;
        assert_eq!(status, 200);
        self.search(told, &metrics);
    }

    /// All that there is so far.
    fn search(&self, told: &Told, metrics: &str) {
        let spans: Vec<String> = self.collector.spans().iter().map(Value::to_string).collect();
        let audit = std::fs::read_to_string(self.scratch.join("audit.log")).unwrap();
        let log = self.proxy.log();
        for (place, text) in [
            ("the log", log.as_str()),
            ("standard output", &self.proxy.stdout()),
            ("the metrics", metrics),
            ("the audit", &audit),
            ("the traces", &spans.join("\n")),
        ] {
            // Line by line, so that a leak is shown with the line that it is in.
            for line in text.lines() {
                self.canaries.assert_none(place, line.as_bytes());
                self.misplaced.assert_none(place, line.as_bytes());
            }
        }
        told.check(&self.canaries);
        assert!(!log.contains("panic"), "{log}");
        assert!(!audit_lines(&audit).is_empty() && log.lines().count() > 20, "there is something to search");
    }
}

/// Filters that ask libraries for all they have.
const LOUD: [&str; 3] = [
    "trace",
    "info,aws_smithy_runtime=trace,aws_smithy_runtime_api=trace,aws_sdk_cognitoidentityprovider=trace,aws_config=trace,\
     aws_sdk_workspacesweb=trace,aws_runtime=trace,aws_sigv4=trace,aws_credential_types=trace,hyper=trace,h2=trace",
    "debug,rustls=trace,tokio_rustls=trace,hyper_util=trace,tonic=trace,tower=trace,axum=trace,cedar_policy=trace,\
     jsonwebtoken=trace,idp_proxy=trace",
];

/// Every kind of request against every kind of answer; what was told.
async fn run(stage: &mut Stage, aws: &ScriptedAws, form: usize) -> Told {
    let mut told = Told::default();
    let valid = requests::valid(&mut stage.canaries, form);
    let foreign = stage.canaries.make("AWS's own secret");
    let mut reached = 0;
    for call in &valid {
        let echo = Echo { secrets: call.secrets.clone(), is_secret: call.is_secret, foreign: foreign.clone() };
        for (name, answer) in answers(&call.rpc, &echo) {
            let (expected, echo) = (answer.clone(), call.secrets.clone());
            aws.by(move |_, _| expected.clone());
            let mut outcome = call.clone();
            outcome.name = format!("{} by {name}", call.name);
            // A pool that is being changed is asked again for as long as the caller waits.
            let is_contended = name.contains("ConcurrentModificationException");
            let answered = stage.send(&Call { timeout: is_contended.then_some("1S"), ..call.clone() }).await;
            told.note(&outcome, answered);
            let seen = aws.asked(call.rpc.action);
            assert!(if is_contended { !seen.is_empty() } else { seen.len() == 1 }, "{}: AWS was asked", outcome.name);
            let body: Value = serde_json::from_slice(&seen[0].body).unwrap_or_default();
            let texts = texts(&body);
            reached += echo.iter().filter(|secret| texts.contains(secret)).count();
        }
    }
    assert!(reached > 100, "the secrets did reach AWS: {reached}");
    let signer = &stage.signer;
    let refused = [
        requests::invalid(&mut stage.canaries, &mut stage.misplaced),
        requests::unidentified(&mut stage.canaries, signer),
        requests::denied(&mut stage.canaries),
    ];
    aws.now(Answer::new(500, "{}"));
    for call in refused.iter().flatten() {
        let outcome = stage.send(call).await;
        assert!(outcome.is_err(), "{} is refused", call.name);
        told.note(call, outcome);
    }
    assert!(aws.seen().is_empty(), "a refused call reached AWS");
    // All at once: each waits for its deadline.
    aws.now(Answer::new(200, "{}").held_by(&Arc::new(Semaphore::new(0))));
    let late: Vec<Call> = valid.into_iter().map(|call| Call { timeout: Some("400m"), ..call }).collect();
    for (call, outcome) in join_all(late.iter().map(async |call| (call, stage.send(call).await))).await {
        told.note(call, outcome);
    }
    told
}

/// All texts in a document.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn no_secret_is_told_to_anyone_whatever_happens_and_whatever_is_logged() {
    let runs = LOUD.iter().enumerate().map(async |(at, filter)| {
        let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
        let forward = "[validation]\nunknown_detail_keys = \"forward\"\n";
        let mut stage = Stage::new(&aws.endpoint, filter, if at == 1 { forward } else { "" }, at != 1).await;
        let told = run(&mut stage, &aws, at).await;
        assert!(told.answers.len() > 10 && told.refusals.len() > 100);
        stage.check(&told).await;
    });
    join_all(runs).await;
}

#[tokio::test]
async fn no_secret_is_told_when_the_connection_to_aws_breaks() {
    for answer in [None, Some("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{\"x\":\""), Some("garbage \u{fffd}")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut request = vec![0; 1 << 16];
                    let Ok(count) = stream.read(&mut request).await else { return };
                    if let Some(answer) = answer {
                        // With what the caller sent: some gateways are like that.
                        drop(stream.write_all(answer.as_bytes()).await);
                        drop(stream.write_all(&request[..count]).await);
                    }
                });
            }
        });
        let mut stage = Stage::new(&endpoint, "trace", "", false).await;
        let (valid, mut told) = (requests::valid(&mut stage.canaries, 1), Told::default());
        for call in &valid {
            let outcome = stage.send(call).await;
            assert!(outcome.is_err(), "{}", call.name);
            told.note(call, outcome);
        }
        stage.check(&told).await;
    }
    // Nothing listens at all, or nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let keep = tokio::spawn(async move {
        let _open = silent;
        pending::<()>().await;
    });
    let mut stage = Stage::new(&endpoint, "trace", "attempt_timeout_ms = 300\n", false).await;
    let (valid, mut told) = (requests::valid(&mut stage.canaries, 1), Told::default());
    for (call, outcome) in join_all(valid.iter().map(async |call| (call, stage.send(call).await))).await {
        assert!(outcome.is_err(), "{}", call.name);
        told.note(call, outcome);
    }
    keep.abort();
    for call in &valid {
        told.note(call, stage.send(call).await);
    }
    stage.check(&told).await;
}
