//! The README is true: its tables are the code's, and its session works as written.

use std::{fmt::Write as _, path::PathBuf, process::Stdio};

use idp_proxy::{
    config::DEFAULTS,
    domain::{DETAIL_KEYS, ProviderType},
};

use crate::support::{Proxy, repository, tool};

fn readme() -> (PathBuf, String) {
    let path = repository().join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The block between the markers must be `wanted`; with `UPDATE_GOLDEN` it is made so.
fn block(name: &str, wanted: &str) {
    let (path, text) = readme();
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("README.md has no block {name}"));
    let (found, after) = rest.split_once(&end).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }
    assert!(found == wanted, "the block {name} of README.md is not what the code says: UPDATE_GOLDEN=1 rewrites it");
}

/// One test, since all of them write the same file when they update it.
#[test]
fn the_readmes_tables_are_the_codes() {
    let mut keys = String::from("| key | value |");
    for kind in ProviderType::ALL {
        write!(keys, " {kind} |").unwrap();
    }
    keys.push_str("\n|---|---|---|---|---|---|---|---|\n");
    for key in DETAIL_KEYS {
        let secret = if key.is_secret { ", secret" } else { "" };
        write!(keys, "| `{}` | {}{secret} |", key.name, key.format.words()).unwrap();
        for kind in ProviderType::ALL {
            write!(keys, " {} |", key.presence(kind).word()).unwrap();
        }
        keys.push('\n');
    }
    block("detail_keys", &keys);
    block("config", &format!("```toml\n{DEFAULTS}```\n"));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(repository().join("examples/policies")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    block("policies", &format!("```cedar\n{}```\n", texts.collect::<Vec<_>>().join("\n")));
    let table = std::fs::read_to_string(repository().join("tests/golden/status_table.txt")).unwrap();
    block("status_table", &format!("```text\n{table}```\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_session_works_as_written() {
    let proxy = Proxy::sandbox().await;
    let (_, text) = readme();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("grpcurl -plaintext")).collect();
    assert!(lines.len() >= 8, "the session has {} commands", lines.len());
    let grpcurl = tool("venv/bin/grpcurl");
    let path = format!("{}:{}", grpcurl.parent().unwrap().display(), std::env::var_os("PATH").unwrap().display());
    for line in lines {
        let line = line.replace("127.0.0.1:50051", &proxy.address);
        let mut shell = tokio::process::Command::new("sh");
        let output = shell.args(["-c", &line]).env("PATH", &path).stdin(Stdio::null()).output().await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        if line.contains("token_endpoint") {
            let message = text.lines().find_map(|line| line.trim().strip_prefix("Message: ")).unwrap();
            assert!(error.contains(message), "{error}");
        } else {
            assert!(output.status.success(), "{line}\n{error}");
        }
    }
}
