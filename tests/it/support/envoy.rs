//! The real Envoy with the configuration that is delivered.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{net::TcpStream, time::Instant};

use super::{Authority, Scratch, get, idp_proxy, repository, tool};

/// Longer than it takes on a busy machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks whether Envoy answers already.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Replaces what must be there exactly `times`.
pub(crate) fn replaced(text: &str, times: usize, what: &str, with: &str) -> String {
    assert_eq!(text.matches(what).count(), times, "of {what:?} in the configuration");
    text.replace(what, with)
}

fn tcp(address: SocketAddr) -> String {
    format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", address.ip(), address.port())
}

/// A running Envoy; ended when dropped.
pub(crate) struct Envoy {
    process: Child,
    scratch: Scratch,
    /// Where calls come in.
    pub(crate) address: String,
    admin: String,
}

impl Envoy {
    /// `deploy/envoy/sidecar.yaml` in front of `proxy` (its address), for clients of `authority`'s.
    pub(crate) async fn sidecar(authority: &Authority, proxy: &str) -> Self {
        Self::changed(authority, proxy, |text| text).await
    }

    /// The same with further changes.
    pub(crate) async fn changed(authority: &Authority, proxy: &str, change: impl FnOnce(String) -> String) -> Self {
        Self::delivered("sidecar.yaml", authority, proxy, |text, _| change(text)).await
    }

    /// `deploy/envoy/transcoder.yaml` with further changes; its descriptors are what the program writes.
    pub(crate) async fn transcoder(authority: &Authority, proxy: &str, change: impl FnOnce(String) -> String) -> Self {
        let written = idp_proxy(&["descriptor-set"], &[]).await;
        assert!(written.status.success() && written.stderr.is_empty());
        let place = |text: String, scratch: &Scratch| {
            let descriptors = scratch.file("idp-proxy.binpb", written.stdout);
            change(replaced(&text, 1, "/etc/envoy/idp-proxy.binpb", descriptors.to_str().unwrap()))
        };
        Self::delivered("transcoder.yaml", authority, proxy, place).await
    }

    async fn delivered(
        name: &str,
        authority: &Authority,
        proxy: &str,
        change: impl FnOnce(String, &Scratch) -> String,
    ) -> Self {
        let text = std::fs::read_to_string(repository().join("deploy/envoy").join(name)).unwrap();
        let upstream = match proxy.strip_prefix("unix:") {
            Some(path) => format!("{{ pipe: {{ path: {path} }} }}"),
            None => tcp(proxy.parse().unwrap()),
        };
        let text = replaced(&text, 1, "{ socket_address: { address: 127.0.0.1, port_value: 50051 } }", &upstream);
        let free = tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let text = replaced(&text, 1, "{ socket_address: { address: 127.0.0.1, port_value: 9901 } }", &free);
        let text = replaced(&text, 1, "{ socket_address: { address: 0.0.0.0, port_value: 8443 } }", &free);
        let scratch = Scratch::new();
        let text = replaced(&text, 3, "/etc/envoy/tls", scratch.to_str().unwrap());
        let server = authority.server();
        scratch.file("server.pem", &server.certificate);
        scratch.file("server.key", &server.private_key);
        scratch.file("clients-ca.pem", authority.pem());
        scratch.file("envoy.yaml", change(text, &scratch));
        Self::start(scratch).await
    }

    /// What Envoy has put on record so far.
    pub(crate) fn access_log(&self) -> String {
        std::fs::read_to_string(self.scratch.join("access.log")).unwrap()
    }

    /// With a configuration of the test's own; its listener and its admin have free ports.
    pub(crate) async fn of(configuration: &str) -> Self {
        let scratch = Scratch::new();
        scratch.file("envoy.yaml", configuration);
        Self::start(scratch).await
    }

    async fn start(scratch: Scratch) -> Self {
        let file = |name: &str| std::fs::File::create(scratch.join(name)).expect("a file");
        let mut command = Command::new(tool("venv/bin/envoy"));
        command.arg("-c").arg(scratch.join("envoy.yaml")).arg("--admin-address-path").arg(scratch.join("admin"));
        // Without hot restart there is no shared memory that a killed process would leave behind.
        command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warn"]);
        command.stdin(Stdio::null()).stdout(file("access.log")).stderr(file("envoy.log"));
        let process = command.spawn().expect("Envoy starts");
        let mut envoy = Self { process, scratch, address: String::new(), admin: String::new() };
        let start = Instant::now();
        while !envoy.is_ready().await {
            let log = || std::fs::read_to_string(envoy.scratch.join("envoy.log")).unwrap_or_default();
            assert!(envoy.process.try_wait().expect("its state").is_none(), "Envoy ended:\n{}", log());
            assert!(start.elapsed() < PATIENCE, "Envoy does not get ready:\n{}", log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let listeners = get(&envoy.admin, "/listeners?format=json").await.2;
        let listeners = &listeners[listeners.find('{').unwrap()..=listeners.rfind('}').unwrap()];
        let listeners: Value = serde_json::from_str(listeners).unwrap();
        let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        envoy.address = format!("{}:{}", address["address"].as_str().unwrap(), address["port_value"]);
        envoy
    }

    /// Ready is also that the proxy has answered Envoy's health check.
    async fn is_ready(&mut self) -> bool {
        self.admin = std::fs::read_to_string(self.scratch.join("admin")).unwrap_or_default();
        TcpStream::connect(&self.admin).await.is_ok() && get(&self.admin, "/ready").await.0 == 200
    }

    /// One of Envoy's counters; 0 where it has not counted yet.
    pub(crate) async fn counter(&self, name: &str) -> u64 {
        let (status, _, text) = get(&self.admin, &format!("/stats?filter=^{name}$")).await;
        assert_eq!(status, 200);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
