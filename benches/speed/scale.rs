//! How the cost of a call grows: with the size of its message, with the number of policies, with the number of callers that
//! wait, and with what the caches hold.

use std::{fmt::Write as _, hint::black_box, sync::Arc, time::Duration};

use futures_util::future::join_all;
use http::HeaderMap;
use idp_proxy::{
    domain::{AccountId, Repeat, RoleArn, UserPoolId},
    identity::{Anonymous, Caller, Identity, Mesh, MeshHeader, Peer},
    operation::{Operation as _, Rules, cognito::Create},
    policy::Policy,
    proto::cognito::v1 as c,
    quota::{Demand, Limits, Quota},
    telemetry::Metrics,
    upstream::{AccountSection, ClientLimits, Upstream},
};
use prost::Message as _;
use tokio::{runtime::Runtime, time::Instant};

use crate::{
    contender::Contender,
    load,
    process::{Aws, Scratch, own_cpu},
    table::Spread,
    work::{self, Work},
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
    let curves = [
        whole_calls(&runtime),
        message_size(),
        policies_seen(&runtime),
        policies_new(&runtime),
        callers(&runtime),
        queue(&runtime),
        pools(&runtime),
        accounts(&runtime),
    ];
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
    let [cost] = costs(calls, |_, at| call(at));
    cost
}

/// The median cost of a call at each point of a curve. Their rounds are interleaved: a machine that grows busy changes all points.
fn costs<const POINTS: usize>(calls: usize, mut call: impl FnMut(usize, usize)) -> [f64; POINTS] {
    let mut rounds = [const { Vec::new() }; POINTS];
    for round in 0..ROUNDS {
        for (point, rounds) in rounds.iter_mut().enumerate() {
            let before = own_cpu();
            for at in 0..calls {
                call(point, round * calls + at);
            }
            let calls = u32::try_from(calls).unwrap();
            rounds.push(own_cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(calls));
        }
    }
    rounds.map(|rounds| Spread::of(rounds).median)
}

/// Bytes of SAML metadata; the last is the most that the API takes.
const SIZES: [usize; 5] = [1024, 4096, 16 * 1024, 64 * 1024, 128 * 1024];

fn saml_create(bytes: usize) -> Vec<u8> {
    let mut request = work::saml_create();
    request.provider_details.insert("MetadataFile".to_owned(), "x".repeat(bytes));
    request.encode_to_vec()
}

/// The whole proxy, and what the SDK does, for a SAML create with so many bytes of metadata, 16 calls at once.
fn whole_calls(runtime: &Runtime) -> Curve {
    const CALLS: u32 = 500;
    let scratch = Scratch::new();
    let aws = Aws::start(&scratch, 1);
    let ours = Contender::Ours.start(&scratch, &aws, false);
    let points = SIZES.map(|bytes| {
        let messages = vec![work::framed(&saml_create(bytes))];
        let caller = runtime.block_on(load::Caller::with(&ours.process.ready, Work::SamlCreate, messages, true));
        let cost = |_| {
            let before = ours.process.cpu();
            runtime.block_on(caller.run(CALLS as usize, 16));
            ours.process.cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(CALLS)
        };
        (bytes, Spread::of((0..ROUNDS).map(cost).collect()).median)
    });
    Curve { name: "A whole call, the AWS SDK's part included", unit: "bytes", points: points.into() }
}

/// Reading and checking that message.
fn message_size() -> Curve {
    let points = SIZES.map(|bytes| {
        let bytes_sent = saml_create(bytes);
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

fn caller(runtime: &Runtime, id: &str) -> Caller {
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

fn policies_seen(runtime: &Runtime) -> Curve {
    let (scratch, caller, operation) = (Scratch::new(), caller(runtime, work::CALLER), create(0));
    let policies = COUNTS.map(|count| policy(&scratch, count));
    let costs: [f64; COUNTS.len()] = costs(2000, |point, _| {
        drop(black_box(policies[point].authorize(&caller, &operation.subject()).expect("allowed")));
    });
    Curve { name: "A decision on facts seen before", unit: "policies", points: COUNTS.into_iter().zip(costs).collect() }
}

fn policies_new(runtime: &Runtime) -> Curve {
    let (scratch, caller) = (Scratch::new(), caller(runtime, work::CALLER));
    let operations: Vec<Create> = (0..500 * ROUNDS).map(create).collect();
    let policies = COUNTS.map(|count| policy(&scratch, count));
    let costs: [f64; COUNTS.len()] = costs(500, |point, at| {
        drop(black_box(policies[point].authorize(&caller, &operations[at].subject()).expect("allowed")));
    });
    Curve {
        name: "A decision on facts not seen before",
        unit: "policies",
        points: COUNTS.into_iter().zip(costs).collect(),
    }
}

/// So many callers take turns, each with its own policy: the memory of decisions and of policies that fit.
fn callers(runtime: &Runtime) -> Curve {
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

/// So many callers ask for leave in the same moment, of a quota that has nothing saved up: those for whom there is room
/// wait until it is their turn, the others are refused at once.
fn queue(runtime: &Runtime) -> Curve {
    /// Requests per second; a quarter of a second's worth is saved up.
    const RATE: u32 = 1000;
    let operation = create(0);
    let subject = operation.subject();
    let points = [1, 10, 100, 1000, 10_000].map(|count| {
        let names: Vec<String> =
            (0..count).map(|caller| format!("spiffe://prod.example/ns/team{caller}/sa/api")).collect();
        let rounds = (0..ROUNDS).map(|_| {
            runtime.block_on(async {
                let quota = Quota::new(Limits { cognito_write: Some(RATE), ..Limits::default() }, usize::MAX);
                let deadline = Instant::now() + Duration::from_secs(30);
                let ask = async |caller: &str| {
                    let demand = Demand { caller, account: None, subject: &subject, deadline };
                    if let Ok(spending) = quota.admit(demand).await {
                        spending.sent("CreateIdentityProvider");
                    }
                };
                for _ in 0..=RATE / 4 {
                    ask("first").await;
                }
                let before = own_cpu();
                join_all(names.iter().map(|name| ask(name))).await;
                own_cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(u32::try_from(count).unwrap())
            })
        });
        (count, Spread::of(rounds.collect()).median)
    });
    Curve { name: "Leave to send, all callers at once (at most 256 wait)", unit: "callers", points: points.into() }
}

/// So many pools take turns, each with a bucket of its own that is never empty.
fn pools(runtime: &Runtime) -> Curve {
    let points = [1, 10, 100, 1000, 10_000].map(|count| {
        let turns: Vec<Create> = (0..count)
            .map(|pool| {
                let request = c::CreateIdentityProviderRequest {
                    user_pool_id: format!("us-east-1_Pool{pool}"),
                    ..work::create()
                };
                Create::parse(request, &Rules::default()).expect("valid")
            })
            .collect();
        let (often, never) = (Some(1_000_000), None);
        let limits =
            Limits { cognito_write: often, cognito_read: often, cognito_per_pool: often, workspacesweb: never };
        let guard = runtime.enter();
        let quota = Quota::new(limits, usize::MAX);
        drop(guard);
        let deadline = Instant::now() + Duration::from_mins(10);
        let admit = |at: usize| {
            let subject = turns[at % turns.len()].subject();
            let demand = Demand { caller: work::CALLER, account: None, subject: &subject, deadline };
            runtime.block_on(quota.admit(demand)).expect("room").sent("CreateIdentityProvider");
        };
        (count, cost(count.max(1000), admit))
    });
    Curve { name: "Leave to send, pools taking turns", unit: "pools", points: points.into() }
}

/// So many accounts take turns, each with clients of its own; 256 clients are kept.
fn accounts(runtime: &Runtime) -> Curve {
    let limits = ClientLimits {
        attempts_max: 3,
        connect_timeout: Duration::from_secs(1),
        attempt_timeout: Duration::from_secs(10),
    };
    let points = [1, 10, 100, 1000].map(|count| {
        let pools: Vec<UserPoolId> =
            (0..count).map(|pool| UserPoolId::parse(format!("us-east-1_Pool{pool}")).unwrap()).collect();
        let section = |(number, pool): (usize, &UserPoolId)| AccountSection {
            account: AccountId::parse(&format!("{number:012}")).unwrap(),
            role: RoleArn::parse(&format!("arn:aws:iam::{number:012}:role/idp-proxy")).unwrap(),
            external_id: None,
            user_pools: vec![pool.clone()],
        };
        let sections = pools.iter().enumerate().map(section).collect();
        let upstream = runtime.block_on(Upstream::from_environment(limits, sections, Arc::new(Metrics::new([]))));
        let find = |at: usize| drop(black_box(upstream.cognito(&pools[at % pools.len()], Repeat::Once)));
        (count, cost(count.max(100), find))
    });
    Curve { name: "Finding the SDK's client, accounts taking turns", unit: "accounts", points: points.into() }
}
