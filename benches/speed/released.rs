//! What is released, by the command that builds releases. This program has cargo's own settings (the profile `bench`), as
//! everyone's first proxy around the AWS SDK has, so that the build counts as one of the things that make this proxy what it is.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

pub(crate) struct Released {
    pub(crate) proxy: PathBuf,
    /// This program with the release profile, but not optimised for what it executes: what `naive` costs with LTO.
    pub(crate) speed: PathBuf,
}

/// Builds them, the first time that they are asked for.
pub(crate) fn released() -> &'static Released {
    static RELEASED: OnceLock<Released> = OnceLock::new();
    RELEASED.get_or_init(|| {
        eprintln!("building what is released");
        let release = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/release/build.sh"));
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--locked", "--release"]);
        Released { proxy: built(release, ["--bin", "idp-proxy"]), speed: built(cargo, ["--bench", "speed"]) }
    })
}

/// What a command of cargo's has built of this.
fn built(mut command: Command, what: [&str; 2]) -> PathBuf {
    command.args(what).args(["--message-format", "json-render-diagnostics"]);
    let built =
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output().expect("cargo starts");
    assert!(built.status.success(), "the build failed");
    let text = String::from_utf8(built.stdout).unwrap();
    let artifacts: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_it = |artifact: &&Value| artifact["target"]["name"] == what[1] && artifact["executable"].is_string();
    let artifact = artifacts.iter().find(is_it).unwrap_or_else(|| panic!("cargo built no {}", what[1]));
    artifact["executable"].as_str().unwrap().into()
}
