//! Every input in the fuzzer's corpus, and so everything that it ever found, is read again here without the fuzzer.

#[path = "../fuzz/targets.rs"]
mod targets;

use crate::support::repository;

#[test]
fn the_promises_of_the_fuzz_targets_hold_for_the_whole_corpus() {
    let corpus = repository().join("tests/fuzz/corpus");
    for (name, target) in targets::ALL.iter().filter(|(name, _)| *name != "planted") {
        let inputs = std::fs::read_dir(corpus.join(name)).unwrap();
        let read = inputs.map(|input| target(&std::fs::read(input.unwrap().path()).unwrap())).count();
        assert!(read > 0, "{name} has no corpus");
    }
}

#[test]
fn every_target_is_run() {
    let script = std::fs::read_to_string(repository().join("tests/fuzz/run")).unwrap();
    let names: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).filter(|name| *name != "planted").collect();
    assert!(
        script.contains(&format!("\ntargets=({})\n", names.join(" "))),
        "tests/fuzz/run does not run all of {names:?}"
    );
}
