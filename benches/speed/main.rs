//! What a call costs, side by side, measured in one run on this machine.
//!
//! `cargo bench --bench speed` prints everything; `-- stages`, `-- scale` and `-- side-by-side` a part. Costs are CPU time, user and
//! system together, so that a busy machine changes little; each round measures everything once, so that it changes the
//! ratios even less. `-- compare FILE FILE …` measures builds of the proxy against the first one. This program is also every part of the set-up that is ours, each in a process of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark that fails panics, and prints what it found"
)]

mod canned;
mod collector;
mod compare;
mod contender;
mod direct;
mod gate;
mod load;
mod others;
mod plot;
mod process;
mod released;
mod scale;
mod served;
mod side_by_side;
mod stages;
mod table;
mod train;
mod work;

use std::net::TcpListener;

fn main() {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {
            stages::print();
            scale::print();
            side_by_side::print();
        }
        ["stages"] => stages::print(),
        ["stages", http, https] => stages::run(http, https),
        ["scale"] => scale::print(),
        ["side-by-side"] => side_by_side::print(),
        ["compare", ref builds @ ..] => compare::print(builds),
        ["train", build] => train::run(build),
        ["policies", count] => print!("{}", work::policies(count.parse().unwrap())),
        ["gate", name, calls] => gate::run(name, calls.parse().unwrap(), 1),
        ["gate", address, calls, at_once] => gate::run(address, calls.parse().unwrap(), at_once.parse().unwrap()),
        ["canned", "http"] => canned::serve(&listener(), None),
        ["canned", "https", certificate, key] => canned::serve(&listener(), Some(&canned::tls(certificate, key))),
        ["collector"] => collector::serve(listener()),
        ["echo"] => served::serve(listener(), None),
        ["naive"] => served::serve(listener(), Some(())),
        ["direct"] => direct::serve(),
        _ => panic!("speed [stages | scale | side-by-side | compare FILE... | train FILE]"),
    }
}

/// On a free port, which is printed: the line that says that the process is ready.
fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    listener
}
