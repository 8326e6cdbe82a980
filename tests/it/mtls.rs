//! Mutual TLS: who a certificate names, which certificates are worth nothing, and files that change under way.

use std::path::PathBuf;

use idp_proxy::domain::Action;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Duration,
};
use tonic::{Code, Status, client::Grpc, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    rpcs::{self, Rpc},
    support::{
        ANYONE, Answer, Authority, Leaf, Proxy, Scratch, ScriptedAws, assert_refused, configured, idp_proxy,
        printed_outcome, shake_hands, shown_certificate, tls_channel, within,
    },
};

const CONSOLE: &str = "spiffe://prod.example/ns/iam/sa/console";
/// Changed certificates take effect within this.
const RELOADED: Duration = Duration::from_secs(20);

/// A proxy with mutual TLS that everyone with a certificate may use for everything, and an AWS behind it.
struct Stage {
    _scratch: Scratch,
    certificate: PathBuf,
    private_key: PathBuf,
    client_ca: PathBuf,
    server: Authority,
    clients: Authority,
    leaf: Leaf,
    aws: ScriptedAws,
    proxy: Proxy,
}

impl Stage {
    async fn new() -> Self {
        let (scratch, server, clients) = (Scratch::new(), Authority::new("server"), Authority::new("clients"));
        let leaf = server.server();
        let certificate = scratch.file("server.pem", &leaf.certificate);
        let private_key = scratch.file("server.key", &leaf.private_key);
        let client_ca = scratch.file("clients.pem", clients.pem());
        let policies = ANYONE[1].1;
        let toml = format!(
            "[server.tls]\ncertificate = {certificate:?}\nprivate_key = {private_key:?}\nclient_ca = {client_ca:?}\n\
             [policy]\ndirectory = {policies:?}\n"
        );
        let aws = ScriptedAws::always(Rpc::of(Action::CognitoList).answer()).await;
        let proxy = configured(&scratch, &toml, &aws.endpoint, &[]).await;
        Self { _scratch: scratch, certificate, private_key, client_ca, server, clients, leaf, aws, proxy }
    }

    /// A connection of a client with this certificate.
    async fn connect(&self, client: Option<&Leaf>) -> Channel {
        tls_channel(&self.proxy.address, &self.server, client).await.unwrap()
    }

    /// Whether a client with this certificate is served at all.
    async fn takes(&self, client: &Leaf) -> bool {
        match tls_channel(&self.proxy.address, &self.server, Some(client)).await {
            Ok(channel) => list(&channel, "whoever").await.is_ok(),
            Err(_) => false,
        }
    }

    /// Waits until the server shows this certificate to new connections.
    async fn shows(&self, authority: &Authority, leaf: &Leaf) {
        within(RELOADED, "the new certificate", async || {
            let shown = shown_certificate(&self.proxy.address, authority).await;
            shown.is_ok_and(|shown| shown == leaf.der()).then_some(())
        })
        .await;
    }

    /// Waits until the log says that a file was not taken.
    async fn complains(&self, file: &str) -> String {
        let complaint = |line: &Value| {
            let is_it = line["level"] == "ERROR" && line["file"] == file;
            is_it.then(|| line["why"].as_str().unwrap().to_owned())
        };
        self.proxy.log_line(complaint).await
    }
}

/// The plainest call there is.
async fn list(channel: &Channel, id: &str) -> Result<Vec<u8>, Status> {
    let rpc = Rpc::of(Action::CognitoList);
    rpc.send(&mut Grpc::new(channel.clone()), rpc.valid.clone(), &[("x-request-id", id)]).await
}

async fn is_healthy(channel: Channel) -> bool {
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
}

#[tokio::test]
async fn a_certificate_says_who_calls() {
    let stage = Stage::new().await;
    for (at, (names, id)) in [
        (&[CONSOLE][..], CONSOLE),
        (&["console.example", CONSOLE], CONSOLE),
        (&["Console.Example", "other.example"], "dns:console.example"),
        (&["https://console.example", "console.example"], "dns:console.example"),
    ]
    .into_iter()
    .enumerate()
    {
        let channel = stage.connect(Some(&stage.clients.client(names))).await;
        let request_id = format!("call-{at}");
        list(&channel, &request_id).await.unwrap_or_else(|status| panic!("{names:?}: {status:?}"));
        let line = printed_outcome(&stage.proxy, &request_id).await;
        assert_eq!((&line["caller"], &line["caller_kind"]), (&id.into(), &"mtls".into()), "{names:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_names_nobody_or_two_is_refused_and_health_is_served() {
    let stage = Stage::new().await;
    let nobody: [&[&str]; 7] = [
        &[],
        &["spiffe://prod.example", "console.example"],
        &[CONSOLE, "spiffe://prod.example/ns/iam/sa/other"],
        &["spiffe://prod.example"],
        &["spiffe://Prod.example/ns/iam"],
        &["https://console.example"],
        &["*.example"],
    ];
    let leaves = nobody.map(|names| Some(stage.clients.client(names)));
    for (at, leaf) in leaves.into_iter().chain([None]).enumerate() {
        let channel = stage.connect(leaf.as_ref()).await;
        assert!(is_healthy(channel.clone()).await, "{at}: health needs no identity");
        for rpc in rpcs::all() {
            let refused = rpc.call(channel.clone()).await;
            let refused = assert_refused(refused, Code::Unauthenticated, "CALLER_UNIDENTIFIED");
            let word = if leaf.is_some() { "certificate" } else { "no proof of identity" };
            assert!(refused.message().contains(word), "{at}: {}", refused.message());
        }
    }
    assert!(stage.aws.seen().is_empty(), "an unknown caller reached AWS");
}

#[tokio::test]
async fn a_certificate_that_is_not_good_ends_the_connection() {
    let stage = Stage::new().await;
    let stranger = Authority::new("clients");
    for (what, leaf) in [
        ("of another authority with the same name", stranger.client(&[CONSOLE])),
        ("of the server's authority", stage.server.client(&[CONSOLE])),
        ("expired", stage.clients.expired_client(&[CONSOLE])),
    ] {
        // With TLS 1.3 a client learns of it after its handshake: at the latest its call fails.
        assert!(!stage.takes(&leaf).await, "{what}");
    }
    let failed = |line: &Value| line["message"].as_str()?.contains("TLS handshake failed").then_some(());
    stage.proxy.log_line(failed).await;
    assert!(stage.aws.seen().is_empty(), "a bad certificate reached AWS");
    assert!(stage.takes(&stage.clients.client(&[CONSOLE])).await, "the server goes on");
}

#[tokio::test]
async fn a_client_without_tls_gets_nowhere() {
    let stage = Stage::new().await;
    let address = format!("http://{}", stage.proxy.address);
    let plain = tonic::transport::Endpoint::new(address).unwrap().connect().await;
    let refused = match plain {
        Ok(channel) => list(&channel, "plain").await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    // Not even an error in plain text.
    let mut stream = TcpStream::connect(&stage.proxy.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    assert!(answer.len() < 16 && answer.first() != Some(&b'H'), "{answer:?}");
    assert!(stage.takes(&stage.clients.client(&[CONSOLE])).await, "the server goes on");
}

#[tokio::test]
async fn changed_files_take_effect_without_dropping_a_connection() {
    let stage = Stage::new().await;
    let (old_client, old_leaf) = (stage.clients.client(&[CONSOLE]), &stage.leaf);
    let open = stage.connect(Some(&old_client)).await;
    list(&open, "before").await.unwrap();
    assert_eq!(shown_certificate(&stage.proxy.address, &stage.server).await.unwrap(), old_leaf.der());

    // The server's certificate and key, of another authority.
    let authority = Authority::new("the next server's");
    let next = authority.server();
    std::fs::write(&stage.private_key, &next.private_key).unwrap();
    std::fs::write(&stage.certificate, &next.certificate).unwrap();
    stage.shows(&authority, &next).await;
    assert!(shown_certificate(&stage.proxy.address, &stage.server).await.is_err(), "the old one is gone");
    list(&open, "after").await.expect("an open connection goes on");

    // Who signs the clients' certificates: both for a while, then only the new one.
    let clients = Authority::new("the next clients'");
    let new_client = clients.client(&[CONSOLE]);
    let takes = async |client: &Leaf| {
        let channel = tls_channel(&stage.proxy.address, &authority, Some(client)).await;
        matches!(channel, Ok(channel) if list(&channel, "new").await.is_ok())
    };
    assert!(takes(&old_client).await && !takes(&new_client).await);
    std::fs::write(&stage.client_ca, stage.clients.pem() + &clients.pem()).unwrap();
    within(RELOADED, "the new client", async || takes(&new_client).await.then_some(())).await;
    assert!(takes(&old_client).await, "both at once");
    std::fs::write(&stage.client_ca, clients.pem()).unwrap();
    within(RELOADED, "the old client is refused", async || (!takes(&old_client).await).then_some(())).await;
    assert!(takes(&new_client).await);
    list(&open, "at the end").await.expect("an open connection goes on");
}

#[tokio::test]
async fn files_with_a_mistake_leave_the_last_good_ones_in_force() {
    let stage = Stage::new().await;
    let client = stage.clients.client(&[CONSOLE]);
    let open = stage.connect(Some(&client)).await;
    let other = stage.server.server();
    for (key, file, content) in [
        // A certificate without its key, as it is between two steps of a rotation.
        ("server.tls.private_key", &stage.certificate, &other.certificate),
        ("server.tls.certificate", &stage.certificate, &"no PEM at all".to_owned()),
        ("server.tls.client_ca", &stage.client_ca, &String::new()),
    ] {
        let good = std::fs::read(file).unwrap();
        std::fs::write(file, content).unwrap();
        let why = stage.complains(key).await;
        assert!(!why.contains("BEGIN") && !why.contains("no PEM at all"), "{why}");
        let shown = shown_certificate(&stage.proxy.address, &stage.server).await.unwrap();
        assert_eq!(shown, stage.leaf.der(), "{key}");
        assert!(stage.takes(&client).await, "{key}");
        list(&open, "meanwhile").await.expect("an open connection goes on");
        std::fs::write(file, good).unwrap();
    }
    std::fs::remove_file(&stage.private_key).unwrap();
    let gone = |line: &Value| {
        (line["file"] == "server.tls.private_key" && line["why"].as_str()?.contains("cannot be read")).then_some(())
    };
    stage.proxy.log_line(gone).await;
    assert!(stage.takes(&client).await);
    // When they are good again, they are taken.
    std::fs::write(&stage.private_key, &other.private_key).unwrap();
    std::fs::write(&stage.certificate, &other.certificate).unwrap();
    stage.shows(&stage.server, &other).await;
    assert!(stage.takes(&client).await);
}

#[tokio::test]
async fn the_start_is_refused_with_everything_that_is_wrong_with_the_files() {
    let scratch = Scratch::new();
    let (authority, other) = (Authority::new("server"), Authority::new("other").server());
    let leaf = authority.server();
    let certificate = scratch.file("server.pem", &leaf.certificate);
    let key = scratch.file("server.key", &leaf.private_key);
    let mismatch = scratch.file("other.key", &other.private_key);
    let text = scratch.file("text.pem", "no PEM");
    let none = scratch.join("none.pem");
    for (certificate, key, ca, said) in [
        (&certificate, &mismatch, None, &["server.tls.private_key"][..]),
        (&text, &key, None, &["server.tls.certificate"]),
        (&certificate, &text, None, &["server.tls.private_key"]),
        (&certificate, &key, Some(&text), &["server.tls.client_ca"]),
        (&none, &none, Some(&none), &["server.tls.certificate", "server.tls.private_key", "server.tls.client_ca"]),
    ] {
        let ca = ca.map(|ca| format!("client_ca = {ca:?}\n")).unwrap_or_default();
        let toml = format!("[server.tls]\ncertificate = {certificate:?}\nprivate_key = {key:?}\n{ca}");
        let file = scratch.file("idp-proxy.toml", toml);
        for command in ["check", "serve"] {
            let output = idp_proxy(&[command, "--config", file.to_str().unwrap()], &ANYONE).await;
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(64), "{said:?}: {error}");
            assert!(said.iter().all(|key| error.contains(key)) && !error.contains("PRIVATE KEY"), "{said:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_holds_up_nobody_else() {
    let stage = Stage::new().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(&stage.proxy.address).await.unwrap());
    }
    stage.aws.now(Answer::new(200, Rpc::of(Action::CognitoList).success.to_string()));
    assert!(stage.takes(&stage.clients.client(&[CONSOLE])).await);
    assert!(shake_hands(&stage.proxy.address, &stage.server, None).await.is_ok());
    drop(silent);
}
