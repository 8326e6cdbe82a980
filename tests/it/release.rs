//! How releases are built (`deploy/release/`): what the script asks cargo for, and that the profile is one. The build itself takes
//! longer than all tests.

use std::path::PathBuf;

use tokio::process::Command;

use crate::support::{Scratch, finish, repository};

fn release(name: &str) -> PathBuf {
    repository().join("deploy/release").join(name)
}

/// What `build.sh` asks cargo for, and what it says, where `rustc -vV` answers `compiler`, or what it does answer.
async fn asked(compiler: Option<&str>, arguments: &[&str]) -> (String, String) {
    let scratch = Scratch::new();
    let answer = compiler.map(|compiler| scratch.file("compiler.txt", compiler));
    let rustc = answer.map(|file| format!("rustc() {{ [ \"$*\" = -vV ] && cat {}; }}\n", file.display()));
    // Bash reads it first. Functions, as programs that were just written can be busy.
    let instead = rustc.unwrap_or_default() + "cargo() { echo \"${CARGO_ENCODED_RUSTFLAGS-}|$*\"; }\n";
    let mut script = Command::new(release("build.sh"));
    script.args(arguments).env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = finish(script.env("BASH_ENV", scratch.file("instead.sh", instead))).await;
    assert!(output.status.success(), "{output:?}");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_release_is_optimised_by_the_profile_and_only_for_the_compiler_that_made_it() {
    let compiler = std::fs::read_to_string(release("compiler.txt")).unwrap();
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let manifest = release("../../Cargo.toml");
    let build = |what: &str| {
        format!("build --locked --release --target {host} --manifest-path {} {what}\n", manifest.display())
    };
    let profile = format!("-Cprofile-use={}", release("calls.profdata").display());

    let (asks, says) = asked(Some(&compiler), &[]).await;
    assert_eq!((asks, says.as_str()), (format!("{profile}|{}", build("--bin idp-proxy")), ""));

    let other = compiler.replace("rustc 1.", "rustc 2.");
    let (asks, says) = asked(Some(&other), &["--bench", "speed"]).await;
    assert_eq!(asks, format!("|{}", build("--bench speed")));
    let [made_by, this] = [&compiler, &other].map(|compiler| compiler.lines().next().unwrap());
    assert!(says.contains(&format!("made by {made_by}, this is {this}: built without it")), "{says}");
}

/// What the compiler says when it builds a program with this flag.
async fn said(flag: Option<&str>) -> String {
    let scratch = Scratch::new();
    let program = scratch.file("empty.rs", "#![no_std]\n");
    let mut rustc = Command::new("rustc");
    let output = finish(rustc.args(["--crate-type", "lib", "--out-dir"]).arg(&*scratch).arg(program).args(flag)).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_compiler_reads_the_profile_that_it_is_given() {
    let (asks, _) = asked(None, &[]).await;
    let flag = asks.split('|').next().filter(|flag| !flag.is_empty());
    assert_eq!(said(flag).await, "");
    // It only warns, and goes on without.
    let scratch = Scratch::new();
    let bytes = std::fs::read(release("calls.profdata")).unwrap();
    let half = scratch.file("half.profdata", &bytes[..bytes.len() / 2]);
    let says = said(Some(&format!("-Cprofile-use={}", half.display()))).await;
    assert!(says.contains("half.profdata"), "{says}");
}
