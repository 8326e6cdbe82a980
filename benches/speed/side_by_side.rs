//! All contenders, all work, in interleaved rounds.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    contender::{Contender, Running},
    others, plot,
    process::{Aws, Scratch},
    released::released,
    table::{self, Figures, Size, Spread},
    work::Work,
};

/// The core of the caller and of the fake AWS.
pub(crate) const CORE: usize = 1;
/// Each round measures everything once.
const ROUNDS: usize = 5;
/// Calls at once.
pub(crate) const AT_ONCE: [usize; 2] = [1, 64];
/// The open loop: so many calls, one every so long.
const RATE_CALLS: u32 = 1000;
const RATE_EVERY: Duration = Duration::from_millis(2);
const RATE_ROUNDS: usize = 3;
/// Calls before memory is looked at.
const LOADED_CALLS: usize = 10_000;

pub(crate) fn print() {
    others::install();
    released();
    on_one_core(measure());
}

/// Runs what calls the contenders on the core that they do not have.
pub(crate) fn on_one_core(work: impl Future<Output = ()>) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(CORE);
    rustix::thread::sched_setaffinity(Some(rustix::process::getpid()), &set).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work);
}

/// What is measured: a contender, over TLS to AWS or not, at some work, so many calls at once.
pub(crate) type Cell = (Contender, bool, Work, usize);

async fn measure() {
    let scratch = Scratch::new();
    let aws = Aws::start(&scratch, CORE);
    let mut sizes = BTreeMap::new();
    let mut plain = Vec::new();
    for contender in Contender::ALL {
        eprintln!("starting {}", contender.name());
        let running = contender.start(&scratch, &aws, false);
        let size = Size {
            ready: running.process.ready_after,
            idle_bytes: running.process.rss(),
            loaded_bytes: 0,
            binary_bytes: contender.binary().map(|path| table::stripped(&path, &scratch)),
        };
        sizes.insert(contender, size);
        plain.push(running);
    }
    let encrypted = [Contender::Direct, Contender::Naive, Contender::Ours];
    let mut encrypted: Vec<Running> = encrypted.map(|contender| contender.start(&scratch, &aws, true)).into();

    let mut costs = BTreeMap::<Cell, Vec<Cost>>::new();
    // The first round warms up and does not count.
    for round in 0..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for at_once in AT_ONCE {
            for work in Work::ALL {
                for running in plain.iter_mut().filter(|running| running.contender.does(work)) {
                    let cost = one(running, work, at_once).await;
                    costs.entry((running.contender, false, work, at_once)).or_default().push(cost);
                }
            }
            for running in &mut encrypted {
                let cost = one(running, Work::Create, at_once).await;
                costs.entry((running.contender, true, Work::Create, at_once)).or_default().push(cost);
            }
        }
    }
    for costs in costs.values_mut() {
        costs.remove(0);
    }
    let mut times = BTreeMap::<Contender, Vec<(f64, f64)>>::new();
    for round in 1..=RATE_ROUNDS {
        eprintln!("open loop {round} of {RATE_ROUNDS}");
        for running in &mut plain {
            let times_of = running.at_rate(Work::Create, RATE_CALLS, RATE_EVERY).await;
            let at = |percent: usize| times_of[times_of.len() * percent / 100].as_secs_f64() * 1e3;
            times.entry(running.contender).or_default().push((at(50), at(99)));
        }
    }
    for running in &mut plain {
        let calls = if running.contender == Contender::Python { LOADED_CALLS / 5 } else { LOADED_CALLS };
        running.run(Work::Create, calls, 64).await;
        sizes.get_mut(&running.contender).unwrap().loaded_bytes = running.process.rss();
    }
    let spread = |cell: &Cell, of: fn(&Cost) -> f64| Spread::of(costs[cell].iter().map(of).collect());
    let figures = Figures {
        costs: costs.keys().map(|cell| (*cell, spread(cell, |cost| cost.cpu_us))).collect(),
        rates: costs.keys().map(|cell| (*cell, spread(cell, |cost| cost.calls_per_s))).collect(),
        raw: costs.iter().map(|(cell, costs)| (*cell, costs.iter().map(|cost| cost.cpu_us).collect())).collect(),
        p50: times.iter().map(|(one, times)| (*one, Spread::of(times.iter().map(|(p50, _)| *p50).collect()))).collect(),
        p99: times.iter().map(|(one, times)| (*one, Spread::of(times.iter().map(|(_, p99)| *p99).collect()))).collect(),
        sizes,
    };
    print!("{}", figures.text());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side-by-side.svg");
    std::fs::write(&path, plot::bars(&figures)).unwrap();
    println!("\nThe plot is in benches/side-by-side.svg.");
}

/// What a call cost in one measurement.
pub(crate) struct Cost {
    pub(crate) cpu_us: f64,
    calls_per_s: f64,
}

pub(crate) async fn one(running: &mut Running, work: Work, at_once: usize) -> Cost {
    let calls = running.contender.calls(at_once);
    let (cpu, begun) = (running.process.cpu(), Instant::now());
    running.run(work, calls, at_once).await;
    let (cpu, took) = (running.process.cpu().saturating_sub(cpu), begun.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let calls = calls as f64;
    Cost { cpu_us: cpu.as_secs_f64() * 1e6 / calls, calls_per_s: calls / took.as_secs_f64() }
}
