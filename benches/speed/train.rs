//! What releases are optimised for: the calls that are measured, made to a build of the proxy that counts what it executes.

use std::path::Path;

use crate::{
    contender::Running,
    process::{Aws, Scratch},
    side_by_side::{AT_ONCE, CORE, on_one_core},
    work::Work,
};

/// Of each kind.
const CALLS: usize = 2000;

/// `build` writes its counts when it ends: see `deploy/release/train.sh`.
pub(crate) fn run(build: &str) {
    on_one_core(calls(Path::new(build)));
}

async fn calls(build: &Path) {
    let scratch = Scratch::new();
    let aws = Aws::start(&scratch, CORE);
    for (number, is_tls) in [false, true].into_iter().enumerate() {
        let mut running = Running::build(build, number, &scratch, &aws, is_tls);
        for (work, at_once) in Work::ALL.into_iter().flat_map(|work| AT_ONCE.map(|at_once| (work, at_once))) {
            running.run(work, CALLS, at_once).await;
        }
        running.process.end();
    }
}
