//! A collector of OpenTelemetry's own making that tells the test which spans it got.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::watch,
};

use super::{repository, tool};

/// Longer than anything here takes on a busy machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running collector; killed when dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    _child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    lines: watch::Receiver<Vec<Value>>,
}

impl Collector {
    /// On plain HTTP, or with `arguments` for TLS.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(tool("venv/bin/python"));
        command.arg(repository().join("tests/python/otlp_collector.py")).args(arguments);
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let (sender, mut lines) = watch::channel(Vec::new());
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout")).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stdout.next_line().await {
                let line: Value = serde_json::from_str(&line).expect("JSON");
                sender.send_modify(|lines| lines.push(line));
            }
        });
        let started = tokio::time::timeout(PATIENCE, lines.wait_for(|lines| !lines.is_empty())).await;
        let port = started.expect("it starts").expect("it says its port")[0]["port"].clone();
        Self { _child: child, address: format!("127.0.0.1:{port}"), lines }
    }

    /// The spans so far.
    pub(crate) fn spans(&self) -> Vec<Value> {
        self.lines.borrow()[1..].to_vec()
    }

    /// The spans once there are this many.
    pub(crate) async fn has(&self, count: usize) -> Vec<Value> {
        let mut lines = self.lines.clone();
        let enough = tokio::time::timeout(PATIENCE, lines.wait_for(|lines| lines.len() > count)).await;
        drop(enough.unwrap_or_else(|_| panic!("not {count} spans: {:#?}", self.spans())).expect("it runs"));
        self.spans()
    }
}
