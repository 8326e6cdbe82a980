//! Builds of the proxy against each other, or against `naive` and `echo`: what a change of it costs or saves.

use std::{collections::BTreeMap, path::Path};

use crate::{
    contender::{Contender, Running},
    process::{Aws, Scratch},
    side_by_side::{AT_ONCE, CORE, on_one_core, one},
    table::Spread,
    work::Work,
};

const ROUNDS: usize = 9;
const WORK: [Work; 4] = [Work::Create, Work::Describe, Work::Invalid, Work::Denied];

pub(crate) fn print(builds: &[&str]) {
    on_one_core(measure(builds));
}

async fn measure(builds: &[&str]) {
    let scratch = Scratch::new();
    let aws = Aws::start(&scratch, CORE);
    let start = |(number, build): (usize, &&str)| match *build {
        "naive" => Contender::Naive.start(&scratch, &aws, false),
        "echo" => Contender::Echo.start(&scratch, &aws, false),
        build => Running::build(Path::new(build), number, &scratch, &aws, false),
    };
    let mut running: Vec<Running> = builds.iter().enumerate().map(start).collect();
    let mut costs = BTreeMap::<(Work, usize), Vec<Vec<f64>>>::new();
    // The first round warms up and does not count.
    for round in 0..=ROUNDS {
        for cell in WORK.iter().flat_map(|work| AT_ONCE.map(|at_once| (*work, at_once))) {
            let mut row = Vec::new();
            for running in &mut running {
                row.push(one(running, cell.0, cell.1).await.cpu_us);
            }
            if round > 0 {
                costs.entry(cell).or_default().push(row);
            }
        }
    }
    println!("CPU time of one call, median of {ROUNDS} rounds; in brackets the ratio to the first build\n");
    for ((work, at_once), rounds) in costs {
        print!("{:<30} {at_once:>3} at once", work.name());
        for build in 0..builds.len() {
            let cost = Spread::of(rounds.iter().map(|row| row[build]).collect());
            let ratio = Spread::of(rounds.iter().map(|row| row[build] / row[0]).collect());
            print!("  {:>6.1} us ({:.2})", cost.median, ratio.median);
        }
        println!();
    }
}
