//! How the cost of a call grows: with the size of its message, with the number of policies, with the number of callers.

use std::{fmt::Write as _, hint::black_box};

use http::HeaderMap;
use idp_proxy::{
    identity::{Anonymous, Caller, Identity, Mesh, MeshHeader, Peer},
    operation::{Operation as _, Rules, cognito::Create},
    policy::Policy,
    proto::cognito::v1 as c,
};
use prost::Message as _;

use crate::{
    process::{Scratch, own_cpu},
    table::Spread,
    work,
};

const ROUNDS: usize = 7;

/// One curve: what is on the axis, and the cost at each place of it in microseconds.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) points: Vec<(usize, f64)>,
}

pub(crate) fn print() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let curves = [message_size(), policies_seen(&runtime), policies_new(&runtime), callers(&runtime)];
    for curve in &curves {
        println!(
            "\n{} (CPU time, median of {ROUNDS} rounds)\n\n| {} | us | us for each |\n|---|---|---|",
            curve.name, curve.unit
        );
        for (at, cost) in &curve.points {
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            let each = cost / *at as f64;
            println!("| {at} | {cost:.1} | {each:.3} |");
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/scale.svg");
    std::fs::write(&path, crate::plot::curves(&curves)).unwrap();
    println!("\nThe plot is in benches/scale.svg.");
}

/// The median cost of a call, in microseconds.
fn cost(calls: usize, mut call: impl FnMut(usize)) -> f64 {
    let rounds = (0..ROUNDS).map(|round| {
        let before = own_cpu();
        for at in 0..calls {
            call(round * calls + at);
        }
        let calls = u32::try_from(calls).unwrap();
        own_cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(calls)
    });
    Spread::of(rounds.collect()).median
}

/// Reading and checking a SAML create with so many bytes of metadata.
fn message_size() -> Curve {
    let points = [1024, 4096, 16 * 1024, 64 * 1024, 128 * 1024].map(|bytes| {
        let mut request = work::saml_create();
        request.provider_details.insert("MetadataFile".to_owned(), "x".repeat(bytes));
        let bytes_sent = request.encode_to_vec();
        let read = |_| {
            let request = c::CreateIdentityProviderRequest::decode(&bytes_sent[..]).unwrap();
            drop(black_box(Create::parse(request, &Rules::default()).expect("valid")));
        };
        (bytes, cost(500, read))
    });
    Curve { name: "Reading and checking a message", unit: "bytes", points: points.into() }
}

fn create(number: usize) -> Create {
    let mut request = work::create();
    request.provider_details.insert("jwks_uri".to_owned(), format!("https://h{number}.example/jwks.json"));
    Create::parse(request, &Rules::default()).expect("valid")
}

fn caller(runtime: &tokio::runtime::Runtime, id: &str) -> Caller {
    let mesh = Mesh::new(MeshHeader::ForwardedClientCert, vec!["127.0.0.1/32".parse().unwrap()]);
    let peer = Peer { address: Some("127.0.0.1".parse().unwrap()), certificate: None };
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-client-cert", format!("URI={id}").parse().unwrap());
    runtime.block_on(Identity::new(Anonymous::Refuse, Some(mesh), None).identify(&peer, &headers)).expect("known")
}

/// The team that is asked about is the last one, so that it is there with any number.
fn policy(scratch: &Scratch, count: usize) -> Policy {
    let mut text = work::policies(count.max(3));
    if count < 3 {
        text = format!("@id(\"a\") permit (principal == IdpProxy::Caller::\"{}\", action, resource);", work::CALLER);
    }
    let mut name = String::from("policies-");
    write!(name, "{count}/teams.cedar").unwrap();
    scratch.with(&name, text);
    Policy::of_directory(scratch.file(&format!("policies-{count}"))).map_err(|found| found[0].to_string()).unwrap()
}

const COUNTS: [usize; 5] = [1, 10, 100, 1000, 10_000];

fn policies_seen(runtime: &tokio::runtime::Runtime) -> Curve {
    let (scratch, caller, operation) = (Scratch::new(), caller(runtime, work::CALLER), create(0));
    let points = COUNTS.map(|count| {
        let policy = policy(&scratch, count);
        (count, cost(2000, |_| drop(black_box(policy.authorize(&caller, &operation.subject()).expect("allowed")))))
    });
    Curve { name: "A decision on facts seen before", unit: "policies", points: points.into() }
}

fn policies_new(runtime: &tokio::runtime::Runtime) -> Curve {
    let (scratch, caller) = (Scratch::new(), caller(runtime, work::CALLER));
    let operations: Vec<Create> = (0..500 * ROUNDS).map(create).collect();
    let points = COUNTS.map(|count| {
        let policy = policy(&scratch, count);
        let decide =
            |at: usize| drop(black_box(policy.authorize(&caller, &operations[at].subject()).expect("allowed")));
        (count, cost(500, decide))
    });
    Curve { name: "A decision on facts not seen before", unit: "policies", points: points.into() }
}

/// So many callers take turns, each with its own policy: the memory of decisions and of policies that fit.
fn callers(runtime: &tokio::runtime::Runtime) -> Curve {
    let scratch = Scratch::new();
    let policy = policy(&scratch, 10_002);
    let points = [1, 10, 100, 1000, 10_000].map(|count| {
        let turns: Vec<(Caller, Create)> = (1..=count)
            .map(|team| {
                let mut request = work::create();
                if team > 1 {
                    request.user_pool_id = format!("us-east-1_Team{team}");
                }
                let caller = caller(runtime, &format!("spiffe://prod.example/ns/team{team}/sa/api"));
                (caller, Create::parse(request, &Rules::default()).expect("valid"))
            })
            .collect();
        let decide = |at: usize| {
            let (caller, operation) = &turns[at % turns.len()];
            drop(black_box(policy.authorize(caller, &operation.subject()).expect("allowed")));
        };
        (count, cost(count.max(1000), decide))
    });
    Curve { name: "A decision with callers taking turns, 10,000 policies", unit: "callers", points: points.into() }
}
