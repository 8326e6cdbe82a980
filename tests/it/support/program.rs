//! Programs that run to their end.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Output,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::process::Command;

use super::tool;

/// Longer than the slowest of them takes on a busy machine, which is the judge of the quotas with some 70 seconds.
const PATIENCE: Duration = Duration::from_mins(4);

/// Runs a program to its end.
pub(crate) async fn finish(command: &mut Command) -> Output {
    let ended = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
    ended.expect("it ends").expect("it starts")
}

/// The program under test with nothing in its environment but this, until it ends.
pub(crate) async fn idp_proxy(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idp-proxy"));
    finish(command.args(arguments).env_clear().envs(environment.iter().copied())).await
}

/// Runs Python with the tests' packages and answers what it printed; panics if it fails.
pub(crate) async fn python<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    let mut command = Command::new(tool("venv/bin/python"));
    command.args(arguments).env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let output = finish(command.env("PYTHONDONTWRITEBYTECODE", "1")).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout);
    // The last lines say what is wrong; the ones before say what is right.
    let last: Vec<_> = printed.lines().rev().take(5).collect();
    assert!(output.status.success(), "{}\n{last:#?}\n{}", output.status, text(&output.stderr));
    printed
}

/// A directory of a test's own, short enough for a unix socket's path; removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("idp-proxy-it-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a new directory");
        Self(path)
    }

    /// Writes a file and answers its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, content).expect("a file");
        path
    }
}

impl std::ops::Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
