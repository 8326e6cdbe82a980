//! The proto is well-formed, formatted and documented, by buf's own judgement.

use std::process::Output;

use tokio::process::Command;

use crate::support::{Scratch, finish, repository, tool};

async fn buf(arguments: &[&str]) -> Output {
    let cache = Scratch::new();
    let mut command = Command::new(tool("venv/bin/buf"));
    finish(command.args(arguments).current_dir(repository().join("proto")).env("BUF_CACHE_DIR", &*cache)).await
}

async fn assert_clean(arguments: &[&str]) {
    let output = buf(arguments).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.is_empty(), "buf {arguments:?}: {}\n{text}", output.status);
}

#[tokio::test]
async fn buf_lints_the_proto_without_a_finding_comments_included() {
    let settings = std::fs::read_to_string(repository().join("proto/buf.yaml")).unwrap();
    for rule in ["STANDARD", "COMMENTS", "WIRE_JSON"] {
        assert!(settings.contains(&format!("- {rule}\n")) || settings.ends_with(rule), "{rule} is not asked for");
    }
    for way_out in ["except", "ignore", "disable", "buf:lint"] {
        assert!(!settings.contains(way_out), "an exception in buf.yaml: {way_out}");
    }
    assert_clean(&["lint"]).await;
}

#[tokio::test]
async fn buf_would_format_the_proto_as_it_is() {
    assert_clean(&["format", "-d", "--exit-code"]).await;
}

#[tokio::test]
async fn buf_builds_the_proto_without_a_warning() {
    assert_clean(&["build"]).await;
}
