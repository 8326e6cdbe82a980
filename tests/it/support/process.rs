//! The program under test, run as its users run it; other programs that the tests need.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use idp_proxy::proto::{
    cognito::v1::identity_provider_service_client::IdentityProviderServiceClient as CognitoClient,
    workspacesweb::v1::identity_provider_service_client::IdentityProviderServiceClient as WebClient,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::watch,
};
use tonic::transport::{Channel, Endpoint};

pub(crate) const SANDBOX_USER_POOL: &str = "us-east-1_Sandbox01";
pub(crate) const SANDBOX_PORTAL: &str =
    "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001";

/// Callers need no proof and may do everything: for tests that are about something else.
pub(crate) const ANYONE: [(&str, &str); 2] = [
    ("IDP_PROXY__IDENTITY__ANONYMOUS", "allow_for_test_purposes_only"),
    ("IDP_PROXY__POLICY__DIRECTORY", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policies/everything")),
];

/// No call waits for a quota: for tests that are about something else and make many calls.
pub(crate) const UNLIMITED: [(&str, &str); 4] = [
    ("IDP_PROXY__QUOTA__COGNITO_WRITE", "unlimited"),
    ("IDP_PROXY__QUOTA__COGNITO_READ", "unlimited"),
    ("IDP_PROXY__QUOTA__COGNITO_PER_POOL", "unlimited"),
    ("IDP_PROXY__QUOTA__WORKSPACESWEB", "unlimited"),
];

/// Longer than anything here takes on a busy machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// The repository's root.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A tool that `tests/tools/setup.sh` installs, such as `venv/bin/grpcurl`.
pub(crate) fn tool(path: &str) -> PathBuf {
    let tool = repository().join("target/tools").join(path);
    assert!(tool.exists(), "{} is missing: run tests/run, or tests/tools/setup.sh once", tool.display());
    tool
}

/// A running `idp-proxy`; killed when dropped.
#[derive(Debug)]
struct Running {
    child: Child,
    lines: watch::Receiver<Vec<String>>,
    stdout: watch::Receiver<String>,
}

impl Running {
    /// Starts the program without the environment's AWS settings, so that no test can reach anything but loopback.
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_idp-proxy"));
        command.args(arguments);
        Self::of(command, environment)
    }

    /// The same by a command that ends in the program.
    fn of(mut command: Command, environment: &[(&str, &str)]) -> Self {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", "/dev/null");
        command.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let (sender, lines) = watch::channel(Vec::new());
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr")).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                sender.send_modify(|lines| lines.push(line));
            }
        });
        let (printer, stdout) = watch::channel(String::new());
        let mut text = BufReader::new(child.stdout.take().expect("stdout")).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = text.next_line().await {
                printer.send_modify(|printed| *printed += &(line + "\n"));
            }
        });
        Self { child, lines, stdout }
    }

    /// The first log line for which `wanted` answers something; panics with the log if the program ends before.
    async fn line<T>(&self, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let mut lines = self.lines.clone();
        let find = |lines: &Vec<String>| lines.iter().find_map(|line| wanted(&fields(line)));
        let found = tokio::time::timeout(PATIENCE, lines.wait_for(|lines| find(lines).is_some())).await;
        let log = || self.lines.borrow().join("\n");
        let found = found.unwrap_or_else(|_| panic!("no such line in the log:\n{}", log()));
        let lines = found.unwrap_or_else(|_| panic!("the program ended:\n{}", log()));
        find(&lines).expect("just found")
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("still running").to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
    }

    async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("its status is known")
    }
}

/// What a log line says, in either of the log's formats.
fn fields(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| pretty_fields(line))
}

/// Of `TIME LEVEL target: message name=value name="value"`.
fn pretty_fields(line: &str) -> Value {
    let (_, said) = line.split_once(": ").unwrap_or_default();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut fields = serde_json::Map::new();
    let mut message = said;
    for (at, _) in said.match_indices('=') {
        let before = said[..at].trim_end_matches(is_name);
        let (name, value) = (&said[before.len()..at], &said[at + 1..]);
        if name.is_empty() || !before.ends_with(' ') {
            continue;
        }
        if fields.is_empty() {
            message = before.trim_end();
        }
        let value = value.strip_prefix('"').map_or_else(|| value.split(' ').next(), |quoted| quoted.split('"').next());
        fields.insert(name.to_owned(), value.into());
    }
    fields.insert("message".to_owned(), message.into());
    fields.into()
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    running: Running,
    /// `127.0.0.1:PORT`, or `unix:/path`.
    pub(crate) address: String,
    /// `127.0.0.1:PORT`, or `off`.
    pub(crate) admin: String,
}

impl Proxy {
    /// `serve --sandbox` on free ports.
    pub(crate) async fn sandbox() -> Self {
        Self::start(&["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], &[]).await
    }

    /// `serve` in front of a stand-in for AWS, for anonymous callers and without quotas; `more` are further environment
    /// variables.
    pub(crate) async fn against(endpoint: &str, more: &[(&str, &str)]) -> Self {
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "AKIDTEST"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ANYONE[0],
            ANYONE[1],
        ];
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        Self::start(&arguments, &[&UNLIMITED, &environment[..], more].concat()).await
    }

    /// With any arguments and environment; waits until it listens.
    pub(crate) async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::bound(Running::start(arguments, environment)).await
    }

    /// By a command that becomes the program, such as `chroot`.
    pub(crate) async fn of(command: Command, environment: &[(&str, &str)]) -> Self {
        Self::bound(Running::of(command, environment)).await
    }

    async fn bound(running: Running) -> Self {
        let text = |line: &Value, name: &str| Some(line.get(name)?.as_str()?.to_owned());
        let bound = |line: &Value| Some((text(line, "listen")?, text(line, "admin_listen")?));
        let (address, admin) = running.line(bound).await;
        Self { running, address, admin }
    }

    /// A connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        let scheme = if self.address.starts_with("unix:") { "" } else { "http://" };
        let endpoint = Endpoint::new(format!("{scheme}{}", self.address)).expect("an address");
        endpoint.connect().await.expect("the proxy listens")
    }

    pub(crate) async fn cognito(&self) -> CognitoClient<Channel> {
        CognitoClient::new(self.channel().await)
    }

    pub(crate) async fn web(&self) -> WebClient<Channel> {
        WebClient::new(self.channel().await)
    }

    /// The first log line for which `wanted` answers something, waiting for it.
    pub(crate) async fn log_line<T>(&self, wanted: impl Fn(&Value) -> Option<T>) -> T {
        self.running.line(wanted).await
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.running.lines.borrow().join("\n")
    }

    /// Everything printed to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.running.stdout.borrow().clone()
    }

    /// The first line on standard output that begins like this, waiting for it.
    pub(crate) async fn printed(&self, start: &str) -> String {
        let find = |text: &String| text.lines().find(|line| line.starts_with(start)).map(str::to_owned);
        let mut stdout = self.running.stdout.clone();
        let found = tokio::time::timeout(PATIENCE, stdout.wait_for(|text| find(text).is_some())).await;
        find(&found.expect("it is printed").expect("the program ended")).expect("just found")
    }

    /// Of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.running.child.id().expect("still running")
    }

    /// Sends a signal, such as `-TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        self.running.signal(signal);
    }

    /// How it ended, waiting for it.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        self.has_ended().await
    }

    /// The same, for tests that look at what it has left.
    pub(crate) async fn has_ended(&mut self) -> ExitStatus {
        self.running.ended().await
    }

    /// SIGTERM, and how it ended.
    pub(crate) async fn terminate(self) -> ExitStatus {
        self.signal("-TERM");
        self.ended().await
    }
}

/// A running `idp-proxy fake-aws`.
#[derive(Debug)]
pub(crate) struct FakeAws {
    running: Running,
    /// `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
}

impl FakeAws {
    /// With these further arguments.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::start_on("127.0.0.1:0", arguments).await
    }

    /// The same on an address of the caller's, for one that comes back where it was.
    pub(crate) async fn start_on(address: &str, arguments: &[&str]) -> Self {
        let environment = [("RUST_LOG", "info,idp_proxy::fake_aws=debug")];
        let running = Running::start(&[&["fake-aws", "--listen", address], arguments].concat(), &environment);
        let address = running.line(|line| Some(line.get("listen")?.as_str()?.to_owned())).await;
        Self { running, endpoint: format!("http://{address}") }
    }

    /// The requests that it has answered, in order: each operation with its error code, if it was refused.
    pub(crate) fn answered(&self) -> Vec<(String, Option<String>)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let answered = |line: &String| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "answered").then(|| Some((text(&line["operation"])?, text(&line["code"]))))?
        };
        self.running.lines.borrow().iter().filter_map(answered).collect()
    }

    /// SIGTERM, and how it ended.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        self.running.signal("-TERM");
        self.running.ended().await
    }
}
