//! How releases are built (`deploy/release/`): what the script asks cargo for, and that the profile is one. The build itself takes
//! longer than all tests.

use std::path::PathBuf;

use tokio::process::Command;

use crate::support::{Scratch, finish, repository};

fn release(name: &str) -> PathBuf {
    repository().join("deploy/release").join(name)
}

/// What `build.sh` asks cargo for, and what it says, where `rustc -vV` answers `compiler`.
async fn asked(compiler: &str, arguments: &[&str]) -> (String, String) {
    let scratch = Scratch::new();
    let answer = scratch.file("compiler.txt", compiler);
    // Bash reads it first. Functions, as programs that were just written can be busy.
    let instead = format!(
        "rustc() {{ [ \"$*\" = -vV ] && cat {}; }}\ncargo() {{ echo \"${{CARGO_ENCODED_RUSTFLAGS-}}|$*\"; }}\n",
        answer.display()
    );
    let mut script = Command::new(release("build.sh"));
    let output = finish(script.args(arguments).env("BASH_ENV", scratch.file("instead.sh", instead))).await;
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

    let (asks, says) = asked(&compiler, &[]).await;
    assert_eq!((asks, says.as_str()), (format!("{profile}|{}", build("--bin idp-proxy")), ""));

    let other = compiler.replace("rustc 1.", "rustc 2.");
    let (asks, says) = asked(&other, &["--bench", "speed"]).await;
    assert_eq!(asks, format!("|{}", build("--bench speed")));
    let [made_by, this] = [&compiler, &other].map(|compiler| compiler.lines().next().unwrap());
    assert!(says.contains(&format!("made by {made_by}, this is {this}: built without it")), "{says}");
}

/// What the compiler says when it builds a program with the profile in this file.
async fn said(profile: PathBuf) -> String {
    let scratch = Scratch::new();
    let program = scratch.file("empty.rs", "#![no_std]\n");
    let mut rustc = Command::new("rustc");
    rustc.args(["--crate-type", "lib", "--out-dir"]).arg(&*scratch).arg(program);
    let output = finish(rustc.arg("-C").arg(format!("profile-use={}", profile.display()))).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn the_compiler_reads_the_profile() {
    let whole = release("calls.profdata");
    assert_eq!(said(whole.clone()).await, "");
    // It only warns, and goes on without.
    let scratch = Scratch::new();
    let bytes = std::fs::read(whole).unwrap();
    let says = said(scratch.file("half.profdata", &bytes[..bytes.len() / 2])).await;
    assert!(says.contains("half.profdata: malformed"), "{says}");
}
