//! Fifty callers and one account's request quotas: each with the AWS SDK of its own, and all through the proxy.
//! `cargo bench --profile dev --bench quota` prints the comparison; it is about counts and seconds of waiting, so an
//! optimised build changes nothing.
//!
//! AWS is the fake one with AWS's quotas, in a process of its own, and counts what it throttled. A call is a
//! `CreateIdentityProvider` with a time limit of 30 seconds; whoever fails goes on with the next call.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark that fails panics, and prints what it found"
)]

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use aws_sdk_cognitoidentityprovider::{
    Client as Sdk,
    config::{BehaviorVersion, Credentials, Region},
    types::IdentityProviderTypeType,
};
use idp_proxy::proto::cognito::v1::{
    CreateIdentityProviderRequest, identity_provider_service_client::IdentityProviderServiceClient as Proxied,
};
use tokio::{task::JoinSet, time::timeout};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

const CALLERS: usize = 50;
const POOLS: usize = 10;
/// For one call, as the proxy has it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Calls of each caller, one after the other.
const CALLS: usize = 6;
/// Calls that one greedy caller makes at once, while each of the others makes [`CALLS`] one after the other.
const GREEDY_CALLS: usize = 200;

/// What one caller did.
struct Done {
    caller: usize,
    asked: usize,
    succeeded: usize,
    /// Of each call that succeeded.
    times: Vec<Duration>,
}

#[derive(Clone)]
enum Way {
    Sdk(Sdk),
    Proxy(Proxied<Channel>),
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!(
            "| {CALLERS} callers | way | calls that succeed | throttled by AWS | fairness | the slowest caller is done after | median and longest call |"
        );
        println!("|---|---|---|---|---|---|---|");
        for is_greedy in [false, true] {
            for is_proxied in [false, true] {
                compare(is_greedy, is_proxied).await;
            }
        }
    });
}

/// One row.
async fn compare(is_greedy: bool, is_proxied: bool) {
    let pools: Vec<String> = (0..POOLS).map(|pool| format!("us-east-1_Pool{pool}")).collect();
    let fake = Running::fake_aws(&pools);
    let scratch = Scratch::new();
    let proxy = is_proxied.then(|| Running::proxy(&scratch.0, &fake.address));
    let mut callers = JoinSet::new();
    let began = Instant::now();
    for caller in 0..CALLERS {
        let way = match &proxy {
            Some(proxy) => {
                let endpoint = Endpoint::new(format!("http://{}", proxy.address)).unwrap();
                Way::Proxy(Proxied::new(endpoint.connect_lazy()))
            }
            None => Way::Sdk(sdk(&format!("http://{}", fake.address))),
        };
        let pools = pools.clone();
        callers.spawn(async move {
            if is_greedy && caller == 0 {
                greedy(caller, &way, &pools).await
            } else {
                patient(caller, &way, &pools).await
            }
        });
    }
    let done = callers.join_all().await;
    let took = began.elapsed();
    print(is_greedy, is_proxied, &done, took, fake.throttled.load(Ordering::Relaxed));
}

/// One call after the other, to one pool.
async fn patient(caller: usize, way: &Way, pools: &[String]) -> Done {
    let mut done = Done { caller, asked: CALLS, succeeded: 0, times: Vec::new() };
    let pool = pools.get(caller % POOLS).unwrap();
    for call in 0..CALLS {
        done.note(create(way, caller, pool, &format!("Caller{caller}x{call}")).await);
    }
    done
}

/// All calls at once, to all pools.
async fn greedy(caller: usize, way: &Way, pools: &[String]) -> Done {
    let mut done = Done { caller, asked: GREEDY_CALLS, succeeded: 0, times: Vec::new() };
    let mut calls = JoinSet::new();
    for call in 0..GREEDY_CALLS {
        let (way, pool) = (way.clone(), pools.get(call % POOLS).unwrap().clone());
        calls.spawn(async move { create(&way, caller, &pool, &format!("Greedy{call}")).await });
    }
    for outcome in calls.join_all().await {
        done.note(outcome);
    }
    done
}

impl Done {
    fn note(&mut self, succeeded_in: Option<Duration>) {
        self.succeeded += usize::from(succeeded_in.is_some());
        self.times.extend(succeeded_in);
    }
}

/// Makes a provider; how long it took if it was made.
async fn create(way: &Way, caller: usize, pool: &str, name: &str) -> Option<Duration> {
    let began = Instant::now();
    let details = [
        ("client_id", "my-client"),
        ("client_secret", "my-secret"),
        ("authorize_scopes", "openid email"),
        ("oidc_issuer", "https://idp.example"),
        ("attributes_request_method", "GET"),
    ];
    let details = details.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let is_made = match way {
        Way::Sdk(sdk) => {
            let call = sdk.create_identity_provider().user_pool_id(pool).provider_name(name);
            let call = call.provider_type(IdentityProviderTypeType::Oidc).set_provider_details(Some(details.into()));
            timeout(PATIENCE, call.send()).await.is_ok_and(|outcome| outcome.is_ok())
        }
        Way::Proxy(client) => {
            let mut request = Request::new(CreateIdentityProviderRequest {
                user_pool_id: pool.to_owned(),
                provider_name: name.to_owned(),
                provider_type: "OIDC".to_owned(),
                provider_details: details.into(),
                ..CreateIdentityProviderRequest::default()
            });
            let id = format!("caller{caller}.team.serviceaccount.identity.linkerd.cluster.local");
            request.metadata_mut().insert("l5d-client-id", id.parse().unwrap());
            request.set_timeout(PATIENCE);
            client.clone().create_identity_provider(request).await.is_ok()
        }
    };
    is_made.then(|| began.elapsed())
}

/// As every team has it: the SDK's defaults, three attempts.
fn sdk(endpoint: &str) -> Sdk {
    let config = aws_sdk_cognitoidentityprovider::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("AKIDBENCH", "bench", None, None, "bench"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Sdk::from_conf(config.build())
}

fn print(is_greedy: bool, is_proxied: bool, done: &[Done], took: Duration, throttled: usize) {
    let sum = |of: fn(&Done) -> usize| done.iter().map(of).sum::<usize>();
    let (asked, succeeded) = (sum(|done| done.asked), sum(|done| done.succeeded));
    // Jain's index of the shares of their own calls that callers got through: 1 is equal, 1/n is all for one.
    let shares: Vec<f64> = done.iter().map(|done| done.succeeded as f64 / done.asked as f64).collect();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    let fairness = shares.iter().sum::<f64>().powi(2) / (squares * shares.len() as f64);
    // Of those who are not greedy: it is they who are to be shielded.
    let others = done.iter().filter(|done| !is_greedy || done.caller != 0);
    let mut times: Vec<Duration> = others.flat_map(|done| done.times.clone()).collect();
    times.sort();
    let seconds =
        |time: Option<&Duration>| time.map_or_else(String::new, |time| format!("{:.1} s", time.as_secs_f64()));
    println!(
        "| {} | {} | {succeeded} of {asked} ({:.0} %) | {throttled} | {fairness:.2} | {:.0} s | {} and {} |",
        if is_greedy { "one of them greedy" } else { "alike" },
        if is_proxied { "through the proxy" } else { "AWS SDK each" },
        100.0 * succeeded as f64 / asked as f64,
        took.as_secs_f64(),
        seconds(times.get(times.len() / 2)),
        seconds(times.last()),
    );
}

/// A process of ours that listens; killed when dropped.
struct Running {
    child: Child,
    address: String,
    /// Requests that the fake AWS has refused because there were too many.
    throttled: Arc<AtomicUsize>,
}

impl Running {
    fn fake_aws(pools: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_idp-proxy"));
        command.args(["fake-aws", "--listen", "127.0.0.1:0", "--quota", "real"]);
        command.args(pools.iter().flat_map(|pool| ["--user-pool", pool]));
        Self::start(command.env("RUST_LOG", "info,idp_proxy::fake_aws=debug"))
    }

    fn proxy(scratch: &Path, aws: &str) -> Self {
        std::fs::create_dir_all(scratch.join("policies")).unwrap();
        std::fs::write(scratch.join("policies/all.cedar"), "permit (principal, action, resource);").unwrap();
        let config = scratch.join("idp-proxy.toml");
        let text = format!(
            "[identity.mesh]\nheader = \"l5d-client-id\"\ntrusted_peers = [\"127.0.0.1/32\"]\n\
             [policy]\ndirectory = {:?}\n[audit]\nsink = \"off\"\n",
            scratch.join("policies").display().to_string()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_idp-proxy"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--config"]).arg(config);
        command.env("AWS_ENDPOINT_URL", format!("http://{aws}")).env("AWS_EC2_METADATA_DISABLED", "true");
        Self::start(command.env("AWS_ACCESS_KEY_ID", "AKIDBENCH").env("AWS_SECRET_ACCESS_KEY", "bench"))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (bound, address) = mpsc::channel();
        let throttled = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&throttled);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                line["listen"].as_str().map(|listen| bound.send(listen.to_owned()));
                counted.fetch_add(usize::from(line["code"] == "TooManyRequestsException"), Ordering::Relaxed);
            }
        });
        let address = address.recv_timeout(Duration::from_mins(1)).expect("it listens");
        Self { child, address, throttled }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A directory that is removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("idp-proxy-bench-quota-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}
