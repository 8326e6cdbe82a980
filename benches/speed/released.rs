//! What is released, built with the release profile. This program has cargo's own settings (the profile `bench`), as everyone's
//! first proxy around the AWS SDK has, so that the build counts as one of the things that make this proxy what it is.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// Programs with the settings of a release.
pub(crate) struct Released {
    pub(crate) proxy: PathBuf,
    /// This program: what `naive` costs with the proxy's build settings.
    pub(crate) speed: PathBuf,
}

/// Builds them, the first time that they are asked for.
pub(crate) fn released() -> &'static Released {
    static RELEASED: OnceLock<Released> = OnceLock::new();
    RELEASED.get_or_init(|| {
        eprintln!("building what is released");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--locked", "--release", "--bin", "idp-proxy", "--bench", "speed"]);
        cargo.args(["--message-format", "json-render-diagnostics"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let built = cargo.stderr(Stdio::inherit()).output().expect("cargo starts");
        assert!(built.status.success(), "the build failed");
        let text = String::from_utf8(built.stdout).unwrap();
        let artifacts: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let program = |name: &str| {
            let of_target =
                |artifact: &&Value| artifact["target"]["name"] == name && artifact["executable"].is_string();
            let artifact = artifacts.iter().find(of_target).unwrap_or_else(|| panic!("cargo built no {name}"));
            artifact["executable"].as_str().unwrap().into()
        };
        Released { proxy: program("idp-proxy"), speed: program("speed") }
    })
}
