//! What our stages cost beside the AWS SDK: CPU time for each call of identity, validation, policy (100 policies) and
//! audit, against the SDK's own call over HTTP to the fake AWS. `cargo bench --bench stages` prints it.
//!
//! CPU time of this process, user and system together, so that a busy machine changes little; the fake AWS is another
//! process. Each stage is measured in five rounds, and the median counts.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that fails panics, and prints what it found"
)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hint::black_box,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use http::HeaderMap;
use idp_proxy::{
    audit::{Audit, AuditSink, Line, Outcome},
    domain::{Fingerprinter, UnknownKeys},
    identity::{Anonymous, Caller, Identity, Mesh, MeshHeader, Peer},
    operation::{Aws, CallContext, Operation as _, Rules, cognito::Describe, cognito::Update},
    policy::Policy,
    proto::cognito::v1 as c,
    telemetry::Metrics,
    upstream::{ClientLimits, Upstream},
};

const ROUNDS: usize = 5;
const CALLS: u32 = 3000;
const POLICIES: u32 = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let directory = scratch();
    let policy = Policy::of_directory(policies(&directory)).map_err(|found| found[0].to_string()).unwrap();
    let identity = identity();
    let (peer, headers) = arrival();
    let fingerprinter = Fingerprinter::with_key(b"a key for the benchmark that is long");
    let (audit, writer) =
        Audit::open(&AuditSink::File(directory.join("audit.jsonl")), Arc::new(Metrics::new([]))).unwrap();

    let who = median(async || {
        for _ in 0..CALLS {
            black_box(identity.identify(&peer, &headers).await.expect("known"));
        }
    })
    .await;
    let caller = identity.identify(&peer, &headers).await.expect("known");
    let rules = Rules { unknown_detail_keys: UnknownKeys::Reject };
    let parse = median(async || {
        for _ in 0..CALLS {
            black_box(Update::parse(update(), &rules).expect("valid"));
        }
    })
    .await;
    let operation = Update::parse(update(), &rules).expect("valid");
    let decide = median(async || {
        for _ in 0..CALLS {
            drop(black_box(policy.authorize(&caller, &operation.subject()).expect("allowed")));
        }
    })
    .await;
    let record = median(async || {
        for _ in 0..CALLS {
            let line = line(&caller, &operation, &fingerprinter);
            audit.record(&line).await.expect("written");
            audit.complete(&line, &outcome()).await;
        }
    })
    .await;
    audit.close();
    tokio::task::spawn_blocking(move || writer.map(std::thread::JoinHandle::join)).await.unwrap();

    let sdk = sdk(fingerprinter, &policy, &caller).await;
    let ours = who + parse + decide + record;
    println!("CPU time of one call, median of {ROUNDS} rounds of {CALLS}:");
    for (name, cost) in [
        ("identity (x-forwarded-client-cert)", who),
        ("validation (OIDC, 9 detail keys)", parse),
        ("policy (100 policies)", decide),
        ("audit (two lines to a file)", record),
        ("ours together", ours),
        ("the AWS SDK's call", sdk),
    ] {
        println!("  {name:<36} {:>8.1} us", cost.as_secs_f64() * 1e6);
    }
    println!("ours / SDK: {:.2}", ours.as_secs_f64() / sdk.as_secs_f64());
    std::fs::remove_dir_all(directory).unwrap();
}

/// An update through the SDK, with nothing of ours around it but the counting of attempts.
async fn sdk(fingerprinter: Fingerprinter, policy: &Policy, caller: &Caller) -> Duration {
    let fake = Fake::start();
    let limits = ClientLimits {
        attempts_max: 3,
        connect_timeout: Duration::from_secs(1),
        attempt_timeout: Duration::from_secs(10),
    };
    let aws = Aws { upstream: Upstream::of_sandbox(&fake.endpoint, limits, Arc::new(Metrics::new([]))), fingerprinter };
    let request = c::CreateIdentityProviderRequest {
        user_pool_id: update().user_pool_id,
        provider_name: update().provider_name,
        provider_type: "OIDC".to_owned(),
        provider_details: update().provider_details,
        ..Default::default()
    };
    let create = idp_proxy::operation::cognito::Create::parse(request, &Rules::default()).expect("valid");
    let began = tokio::time::Instant::now();
    let context = CallContext { caller, began, deadline: began + Duration::from_mins(10), derived_token: None };
    create.call(&aws, policy.authorize(caller, &create.subject()).expect("allowed"), &context).await.expect("made");
    let operation = Update::parse(update(), &Rules::default()).expect("valid");
    let read = c::DescribeIdentityProviderRequest {
        user_pool_id: update().user_pool_id,
        provider_name: update().provider_name,
    };
    let read = Describe::parse(read, &Rules::default()).expect("valid");
    read.call(&aws, policy.authorize(caller, &read.subject()).expect("allowed"), &context).await.expect("there");
    // The permits are made outside of what is measured.
    let mut permits = Vec::new();
    for _ in 0..CALLS * u32::try_from(ROUNDS).unwrap() {
        permits.push(policy.authorize(caller, &operation.subject()).expect("allowed"));
    }
    let permits = std::cell::RefCell::new(permits);
    median(async || {
        for _ in 0..CALLS {
            let permit = permits.borrow_mut().pop().expect("enough");
            black_box(operation.call(&aws, permit, &context).await.expect("changed"));
        }
    })
    .await
}

/// CPU time of one call.
async fn median(mut round: impl AsyncFnMut()) -> Duration {
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let before = cpu_time();
        round().await;
        costs.push(cpu_time().saturating_sub(before) / CALLS);
    }
    costs.sort();
    costs[ROUNDS / 2]
}

/// CPU time of this process, all threads, in nanoseconds: the first field of each thread's `schedstat`.
fn cpu_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let time = |thread: std::fs::DirEntry| -> u64 {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).unwrap();
        stat.split(' ').next().unwrap().parse().unwrap()
    };
    Duration::from_nanos(threads.map(|thread| time(thread.unwrap())).sum())
}

fn scratch() -> PathBuf {
    let directory = std::env::temp_dir().join(format!("idp-proxy-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// One for each of 100 teams, and two that hold for everyone.
fn policies(directory: &std::path::Path) -> PathBuf {
    let mut text = String::from(
        "@id(\"no-privileged-attributes\") forbid (principal, action in IdpProxy::Action::\"write\", resource)\n\
         when { context.mapped_attributes.containsAny([\"email_verified\", \"custom:role\"]) };\n",
    );
    for team in 0..POLICIES - 1 {
        writeln!(
            text,
            "@id(\"team-{team}\") permit (principal == IdpProxy::Caller::\"spiffe://prod.example/ns/team{team}/sa/api\", action,\n\
             resource == IdpProxy::UserPool::\"us-east-1_Sandbox{team:02}\")\n\
             when {{ context.hosts.contains(\"idp.example\") || !context.validate_only }};"
        )
        .unwrap();
    }
    let policies = directory.join("policies");
    std::fs::create_dir_all(&policies).unwrap();
    std::fs::write(policies.join("teams.cedar"), text).unwrap();
    policies
}

fn identity() -> Identity {
    let mesh = Mesh::new(MeshHeader::ForwardedClientCert, vec!["127.0.0.1/32".parse().unwrap()]);
    Identity::new(Anonymous::Refuse, Some(mesh), None)
}

fn arrival() -> (Peer, HeaderMap) {
    let mut headers = HeaderMap::new();
    let value = "By=spiffe://prod.example/ns/iam/sa/proxy;Hash=0123456789abcdef;Subject=\"CN=a,O=b\";\
                 URI=spiffe://prod.example/ns/team1/sa/api";
    headers.insert("x-forwarded-client-cert", value.parse().unwrap());
    (Peer { address: Some("127.0.0.1".parse().unwrap()), certificate: None }, headers)
}

fn update() -> c::UpdateIdentityProviderRequest {
    let details = [
        ("client_id", "1example23456789"),
        ("client_secret", "provider-app-client-secret"),
        ("authorize_scopes", "openid profile email"),
        ("oidc_issuer", "https://idp.example"),
        ("attributes_request_method", "GET"),
        ("authorize_url", "https://idp.example/authorize"),
        ("token_url", "https://idp.example/token"),
        ("attributes_url", "https://idp.example/userinfo"),
        ("jwks_uri", "https://idp.example/.well-known/jwks.json"),
    ];
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    c::UpdateIdentityProviderRequest {
        user_pool_id: "us-east-1_Sandbox01".to_owned(),
        provider_name: "Corp".to_owned(),
        provider_details: map(&details),
        attribute_mapping: map(&[("email", "email"), ("name", "name"), ("username", "sub")]),
        idp_identifiers: vec!["corp.example".to_owned(), "corp".to_owned()],
        ..Default::default()
    }
}

fn line(caller: &Caller, operation: &Update, fingerprinter: &Fingerprinter) -> Line {
    Line::new(caller, &operation.subject(), true, &[], None, &"0b7e6a5c-1b1f-4e0c-9a43-3a3a5d1c0f10".into(), fingerprinter)
}

fn outcome() -> Outcome {
    Outcome {
        code: "OK",
        reason: None,
        aws_request_id: Some("aws-request".to_owned()),
        attempts: 1,
        is_confirmed: false,
        is_joined: false,
        duration_ms: 12,
    }
}

/// `idp-proxy fake-aws` in a process of its own.
struct Fake {
    child: Child,
    endpoint: String,
}

impl Fake {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_idp-proxy"))
            .args(["fake-aws", "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { child, endpoint: format!("http://{}", line["listen"].as_str().unwrap()) }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
