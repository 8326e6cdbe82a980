//! libFuzzer around one of the targets; `tests/fuzz/run` builds and runs it.
#![no_main]

mod targets;

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let target = targets::ALL.iter().find(|(known, _)| *known == name);
        let (_, target) = target.expect("FUZZ_TARGET names a target");
        TARGET.get_or_init(|| *target);
    },
    |data: &[u8]| TARGET.get().expect("set before the first input")(data)
);
