//! What our stages cost beside the AWS SDK's own call: identity, validation, policy (100 policies) and both audit lines.
//!
//! The SDK's call is a Cognito create with the SDK's defaults, over HTTP and over TLS as a call to AWS is, to a fake AWS in
//! another process. Included is what the process itself spends: building, signing, sending, reading and parsing, and the
//! kernel's part of it. Contents differ from call to call in what people change: names, identifiers, client ids.

use std::{cell::RefCell, hint::black_box, sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_cognitoidentityprovider as cognito;
use http::HeaderMap;
use idp_proxy::{
    audit::{Audit, AuditSink, Line, Outcome},
    domain::Fingerprinter,
    identity::{Anonymous, Identity, Mesh, MeshHeader, Peer},
    operation::{Operation as _, Rules, cognito::Create},
    policy::Policy,
    proto::cognito::v1 as c,
    telemetry::Metrics,
};

use crate::{
    process::{Aws, Scratch, own_cpu, this_program},
    table::Spread,
    work,
};

/// Each round measures everything once.
const ROUNDS: usize = 9;
/// Calls of each in a round.
const CALLS: usize = 1000;
const POLICIES: usize = 100;

/// The measurement runs in a process whose environment names the certificate of the fake AWS.
pub(crate) fn print() {
    let scratch = Scratch::new();
    let aws = Aws::start(&scratch, 1);
    let mut measured = this_program(&["stages", &aws.endpoint, &aws.endpoint_tls]);
    assert!(measured.envs(aws.environment(false)).status().unwrap().success());
}

pub(crate) fn run(http: &str, https: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure(http, https));
}

fn create(number: usize, host: &str) -> c::CreateIdentityProviderRequest {
    let mut request = work::create();
    request.provider_name = format!("Corp{number}");
    request.idp_identifiers = vec![format!("corp{number}.example"), format!("corp{number}")];
    request.provider_details.insert("client_id".to_owned(), format!("client{number}"));
    request.provider_details.insert("jwks_uri".to_owned(), format!("https://{host}/jwks.json"));
    request
}

#[expect(clippy::too_many_lines, reason = "a round measures everything once, in order")]
async fn measure(http: &str, https: &str) {
    let scratch = Scratch::new();
    scratch.with("policies/teams.cedar", work::policies(POLICIES));
    let policy = Policy::of_directory(scratch.file("policies")).map_err(|found| found[0].to_string()).unwrap();
    let mesh = Mesh::new(MeshHeader::ForwardedClientCert, vec!["127.0.0.1/32".parse().unwrap()]);
    let identity = Identity::new(Anonymous::Refuse, Some(mesh), None);
    let peer = Peer { address: Some("127.0.0.1".parse().unwrap()), certificate: None };
    let mut headers = HeaderMap::new();
    let xfcc = format!(
        "By=spiffe://prod.example/ns/iam/sa/proxy;Hash=0123456789abcdef;Subject=\"CN=a,O=b\";URI={}",
        work::CALLER
    );
    headers.insert("x-forwarded-client-cert", xfcc.parse().unwrap());
    let caller = identity.identify(&peer, &headers).await.expect("known");
    let fingerprinter = Fingerprinter::with_key(b"a key for the benchmark that is long");
    let (audit, writer) =
        Audit::open(&AuditSink::File(scratch.file("audit.jsonl")), Arc::new(Metrics::new([]))).unwrap();
    let id: Arc<str> = "0b7e6a5c-1b1f-4e0c-9a43-3a3a5d1c0f10".into();
    let rules = Rules::default();
    let (http, https) = (client(http).await, client(https).await);

    let parsed = |round: usize, is_new: bool| -> Vec<Create> {
        let host = |number| if is_new { format!("h{round}-{number}.example") } else { "idp.example".to_owned() };
        (0..CALLS).map(|number| Create::parse(create(number, &host(number)), &rules).expect("valid")).collect()
    };
    let mut costs: Vec<(&str, Vec<f64>)> = Vec::new();
    // The first round warms up and does not count.
    for round in 0..=ROUNDS {
        let requests = RefCell::new((0..CALLS).map(|number| create(number, "idp.example")).collect::<Vec<_>>());
        let (seen, new) = (parsed(round, false), parsed(round, true));
        let who = cost(async |_| drop(black_box(identity.identify(&peer, &headers).await.expect("known")))).await;
        let parse = cost(async |_| {
            let request = requests.borrow_mut().pop().unwrap();
            drop(black_box(Create::parse(request, &rules).expect("valid")));
        })
        .await;
        let decide = |operations: &[Create], at: usize| {
            drop(black_box(policy.authorize(&caller, &operations[at].subject()).expect("allowed")));
        };
        let remembered = cost(async |at| decide(&seen, at)).await;
        let decided = cost(async |at| decide(&new, at)).await;
        let record = cost(async |at| {
            let line = Line::new(&caller, &seen[at].subject(), true, &["team-1".to_owned()], None, &id, &fingerprinter);
            audit.record(&line).await.expect("written");
            audit.complete(&line, &outcome()).await;
        })
        .await;
        let over_http = cost(async |at| call(&http, create(at, "idp.example")).await).await;
        let over_tls = cost(async |at| call(&https, create(at, "idp.example")).await).await;
        let found = [
            ("identity (x-forwarded-client-cert)", who),
            ("validation (OIDC, 9 detail keys)", parse),
            ("policy (100 policies, facts seen before)", remembered),
            ("audit (two lines to a file)", record),
            ("ours together", who + parse + remembered + record),
            ("policy (100 policies, facts not seen)", decided),
            ("the AWS SDK's call over HTTP", over_http),
            ("the AWS SDK's call over TLS", over_tls),
            ("ours / SDK over HTTP", (who + parse + remembered + record) / over_http),
            ("ours / SDK over TLS", (who + parse + remembered + record) / over_tls),
            ("ours / SDK over HTTP, facts not seen", (who + parse + decided + record) / over_http),
        ];
        for (at, (name, cost)) in found.into_iter().enumerate().filter(|_| round > 0) {
            if costs.len() == at {
                costs.push((name, Vec::new()));
            }
            costs[at].1.push(cost);
        }
    }
    audit.close();
    tokio::task::spawn_blocking(move || writer.map(std::thread::JoinHandle::join)).await.unwrap();
    println!("CPU time of one call, median of {ROUNDS} rounds of {CALLS} calls (least to most):");
    for (name, costs) in costs {
        let Spread { median, least, most } = Spread::of(costs);
        if name.contains('/') {
            println!("  {name:<42} {median:>8.3}    ({least:.3}-{most:.3})");
        } else {
            println!("  {name:<42} {median:>8.1} us ({least:.1}-{most:.1})");
        }
    }
}

/// CPU time of one call, in microseconds.
async fn cost(mut call: impl AsyncFnMut(usize)) -> f64 {
    let before = own_cpu();
    for at in 0..CALLS {
        call(at).await;
    }
    let calls = u32::try_from(CALLS).unwrap();
    own_cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(calls)
}

fn outcome() -> Outcome {
    let aws_request_id = Some("0b7e6a5c-1b1f-4e0c-9a43-3a3a5d1c0f10".to_owned());
    let duration_ms = u64::try_from(Duration::from_millis(12).as_millis()).unwrap();
    Outcome {
        code: "OK",
        reason: None,
        aws_request_id,
        attempts: 1,
        is_confirmed: false,
        is_joined: false,
        duration_ms,
    }
}

async fn client(endpoint: &str) -> cognito::Client {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let sdk = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("us-east-1")).endpoint_url(endpoint);
    cognito::Client::new(&sdk.http_client(http).load().await)
}

async fn call(client: &cognito::Client, request: c::CreateIdentityProviderRequest) {
    let call = client
        .create_identity_provider()
        .user_pool_id(request.user_pool_id)
        .provider_name(request.provider_name)
        .provider_type(request.provider_type.as_str().into())
        .set_provider_details(Some(request.provider_details.into_iter().collect()))
        .set_attribute_mapping(Some(request.attribute_mapping.into_iter().collect()))
        .set_idp_identifiers(Some(request.idp_identifiers));
    let made = call.send().await.unwrap().identity_provider.unwrap();
    assert_eq!(made.provider_name(), Some("Corp"));
}
