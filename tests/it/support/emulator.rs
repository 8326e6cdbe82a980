//! Other people's emulators of AWS, run as their users run them.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::{Scratch, get, tool};

/// A running emulator; ended when dropped.
pub(crate) struct Emulator {
    _process: Child,
    _scratch: Scratch,
    /// `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
}

impl Emulator {
    /// `MiniStack`; with `more` in its environment, such as `AUTH=true`.
    pub(crate) async fn ministack(more: &[(&str, &str)]) -> Self {
        let mut command = Command::new(tool("ministack/bin/ministack"));
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", "0");
        command.env("IOT_MTLS_ENABLED", "0").env("SFTP_ENABLED", "0").envs(more.iter().copied());
        Self::start(command, "/_ministack/ready").await
    }

    /// moto.
    pub(crate) async fn moto() -> Self {
        let mut command = Command::new(tool("venv/bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        Self::start(command, "/moto-api/data.json").await
    }

    async fn start(mut command: Command, ready: &str) -> Self {
        let scratch = Scratch::new();
        command.env("TMPDIR", &*scratch).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the emulator starts");
        let mut log = BufReader::new(process.stderr.take().expect("stderr")).lines();
        let address = loop {
            let line = log.next_line().await.unwrap().expect("the emulator says where it listens before it ends");
            if let Some((_, rest)) = line.split_once("Running on http://") {
                break rest.split(' ').next().unwrap_or_default().to_owned();
            }
        };
        // A full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        // Each question waits for its answer, so that nothing spins.
        while get(&address, ready).await.0 != 200 {}
        Self { _process: process, _scratch: scratch, endpoint: format!("http://{address}") }
    }
}
