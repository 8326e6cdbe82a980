//! A real Envoy with `deploy/envoy/sidecar.yaml` in front of the proxy: mutual TLS with SPIFFE certificates, identity handed
//! on, and nothing believed that comes from outside.

mod deploy;
mod transcoding;
mod transport;

use std::sync::atomic::{AtomicU32, Ordering};

use idp_proxy::proto::cognito::v1::{
    CreateIdentityProviderRequest as Create, ListIdentityProvidersRequest as List,
    identity_provider_service_client::IdentityProviderServiceClient,
};
use tonic::{Code, Request, metadata::AsciiMetadataKey, transport::Channel};

use crate::support::{
    Authority, Envoy, FakeAws, Leaf, Proxy, SANDBOX_USER_POOL, Scratch, assert_refused, details, info, printed_outcome,
    replaced, tls_channel,
};

type Client = IdentityProviderServiceClient<Channel>;

const CONSOLE: &str = "spiffe://prod.example/ns/iam/sa/console";
const AUDITOR: &str = "spiffe://prod.example/ns/iam/sa/auditor";
const XFCC: &str = "x-forwarded-client-cert";
const L5D: &str = "l5d-client-id";

/// The same wherever the callers' ids come from.
const POLICIES: &str = r#"
@id("console-owns-its-pool")
permit (
  principal == IdpProxy::Caller::"spiffe://prod.example/ns/iam/sa/console",
  action,
  resource == IdpProxy::UserPool::"us-east-1_Sandbox01"
);
@id("console-owns-its-portal")
permit (principal == IdpProxy::Caller::"spiffe://prod.example/ns/iam/sa/console", action, resource is IdpProxy::Portal);
@id("ann-does-everything")
permit (principal == IdpProxy::Caller::"https://login.example|ann", action, resource);
@id("auditor-reads")
permit (principal == IdpProxy::Caller::"spiffe://prod.example/ns/iam/sa/auditor", action in IdpProxy::Action::"read", resource);
@id("auditor-never-writes")
forbid (principal == IdpProxy::Caller::"spiffe://prod.example/ns/iam/sa/auditor", action in IdpProxy::Action::"write", resource);
"#;

/// The proxy with these policies; nobody is served without a proof.
struct World {
    _aws: Option<FakeAws>,
    scratch: Scratch,
    authority: Authority,
    proxy: Proxy,
}

/// The environment that makes the proxy believe Envoy when it calls from `peers`.
fn believing(peers: &str) -> [(&str, &str); 2] {
    [("IDP_PROXY__IDENTITY__MESH__HEADER", XFCC), ("IDP_PROXY__IDENTITY__MESH__TRUSTED_PEERS", peers)]
}

impl World {
    /// Behind an Envoy that calls from one of `peers`.
    async fn meshed(peers: &str) -> Self {
        let aws = FakeAws::start(&[]).await;
        let endpoint = aws.endpoint.clone();
        Self {
            _aws: Some(aws),
            ..Self::of(&endpoint, Scratch::new(), Authority::new("prod.example"), &believing(peers)).await
        }
    }

    /// With TLS of its own.
    async fn direct() -> Self {
        let aws = FakeAws::start(&[]).await;
        let endpoint = aws.endpoint.clone();
        let (scratch, authority) = (Scratch::new(), Authority::new("prod.example"));
        let server = authority.server();
        let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
        let certificate = text(scratch.file("server.pem", &server.certificate));
        let private_key = text(scratch.file("server.key", &server.private_key));
        let client_ca = text(scratch.file("clients.pem", authority.pem()));
        let tls = [
            ("IDP_PROXY__SERVER__TLS__CERTIFICATE", certificate.as_str()),
            ("IDP_PROXY__SERVER__TLS__PRIVATE_KEY", &private_key),
            ("IDP_PROXY__SERVER__TLS__CLIENT_CA", &client_ca),
        ];
        Self { _aws: Some(aws), ..Self::of(&endpoint, scratch, authority, &tls).await }
    }

    async fn of(endpoint: &str, scratch: Scratch, authority: Authority, identity: &[(&str, &str)]) -> Self {
        std::fs::create_dir(scratch.join("policies")).unwrap();
        scratch.file("policies/all.cedar", POLICIES);
        let policies = scratch.join("policies").to_str().unwrap().to_owned();
        let own = [("IDP_PROXY__IDENTITY__ANONYMOUS", "refuse"), ("IDP_PROXY__POLICY__DIRECTORY", &policies)];
        let proxy = Proxy::against(endpoint, &[&own, identity].concat()).await;
        Self { _aws: None, scratch, authority, proxy }
    }

    async fn sidecar(&self) -> Envoy {
        Envoy::sidecar(&self.authority, &self.proxy.address).await
    }

    /// A client with a certificate for these names.
    async fn client(&self, address: &str, names: &[&str]) -> Client {
        let leaf = self.authority.client(names);
        Client::new(tls_channel(address, &self.authority, Some(&leaf)).await.unwrap())
    }

    /// What comes of a call, and whom the audit names as its caller if it came that far.
    async fn decide(&self, client: &mut Client, call: &Call, headers: &[(&str, &str)]) -> Decision {
        let (request_id, outcome) = match call {
            Call::Create(pool) => {
                let (id, request) = request(create(pool), headers);
                (id, client.create_identity_provider(request).await.map(drop))
            }
            Call::List(pool) => {
                let (id, request) = request(list(pool), headers);
                (id, client.list_identity_providers(request).await.map(drop))
            }
        };
        let (code, reason, policies) = match &outcome {
            Ok(()) => (Code::Ok, String::new(), String::new()),
            Err(status) => {
                let info = info(status);
                (status.code(), info.reason, info.metadata.get("policies").cloned().unwrap_or_default())
            }
        };
        let is_audited = reason != "CALLER_UNIDENTIFIED";
        let line = if is_audited { printed_outcome(&self.proxy, &request_id).await } else { serde_json::Value::Null };
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        Decision { code, reason, policies, caller: text("caller"), kind: text("caller_kind") }
    }
}

#[derive(Debug)]
enum Call {
    Create(&'static str),
    List(&'static str),
}

const CREATE: Call = Call::Create(SANDBOX_USER_POOL);

#[derive(Clone, Debug, PartialEq)]
struct Decision {
    code: Code,
    reason: String,
    policies: String,
    caller: String,
    kind: String,
}

impl Decision {
    fn new(code: Code, reason: &str, policies: &str, caller: &str, kind: &str) -> Self {
        let [reason, policies, caller, kind] = [reason, policies, caller, kind].map(str::to_owned);
        Self { code, reason, policies, caller, kind }
    }

    /// Refused by policy as the auditor's write.
    fn auditors_write(kind: &str) -> Self {
        Self::new(Code::PermissionDenied, "POLICY_DENIED", "auditor-never-writes", AUDITOR, kind)
    }

    fn unidentified() -> Self {
        Self::new(Code::Unauthenticated, "CALLER_UNIDENTIFIED", "", "", "")
    }
}

/// A name that no other call of this process has.
fn unique() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    format!("call-{}", MADE.fetch_add(1, Ordering::Relaxed))
}

fn create(pool: &str) -> Create {
    Create {
        user_pool_id: pool.to_owned(),
        provider_name: unique(),
        provider_type: "OIDC".to_owned(),
        provider_details: details("OIDC"),
        ..Create::default()
    }
}

fn list(pool: &str) -> List {
    List { user_pool_id: pool.to_owned(), ..List::default() }
}

/// With a request id to find it again by, and these headers.
fn request<T>(message: T, headers: &[(&str, &str)]) -> (String, Request<T>) {
    let (id, mut request) = (unique(), Request::new(message));
    request.metadata_mut().insert("x-request-id", id.parse().unwrap());
    for (name, value) in headers {
        let name: AsciiMetadataKey = name.parse().unwrap();
        request.metadata_mut().append(name, value.parse().unwrap());
    }
    (id, request)
}

/// What someone outside may send to be taken for the console, and whether it can be read as a header at all.
fn forgeries() -> Vec<(Vec<(&'static str, String)>, bool)> {
    let uri = format!("URI={CONSOLE}");
    let one = |value: String| vec![(XFCC, value)];
    let linkerd = (L5D, "console.iam.serviceaccount.identity.linkerd.cluster.local".to_owned());
    vec![
        (one(uri.clone()), true),
        (one(format!("URI=\"{CONSOLE}\"")), true),
        (one(format!("uri={CONSOLE}")), true),
        (one(format!("By=spiffe://prod.example/x;Hash=ab;Subject=\"CN=\\\"a,b\\\"\";{uri};DNS=console.iam")), true),
        (one(format!("URI={AUDITOR},{uri}")), true),
        (one(format!("{uri},{uri}")), true),
        (vec![(XFCC, format!("URI={AUDITOR}")), (XFCC, uri.clone())], true),
        (vec![(XFCC, uri.clone()), (XFCC, uri.clone())], true),
        (vec![linkerd.clone()], true),
        (vec![linkerd, (XFCC, uri.clone())], true),
        // Quotes and separators left open, to swallow what Envoy appends or to run into it.
        (one(format!("{uri},Subject=\"")), false),
        (one(format!("{uri};Subject=\"\\")), false),
        (one(format!("{uri},")), false),
        (one(format!("{uri};")), false),
        (one("x".to_owned()), false),
        (one(String::new()), false),
    ]
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn the_same_certificates_and_policies_lead_to_the_same_decisions_with_and_without_envoy() {
    let (meshed, direct) = (World::meshed("[\"127.0.0.1/32\"]").await, World::direct().await);
    let envoy = meshed.sidecar().await;
    let elsewhere = "us-east-1_Elsewhere1";
    let denied = |policies, caller| Decision::new(Code::PermissionDenied, "POLICY_DENIED", policies, caller, "");
    let served = |caller| Decision::new(Code::Ok, "", "", caller, "");
    for (names, call, expected) in [
        (&[CONSOLE][..], Call::Create(SANDBOX_USER_POOL), served(CONSOLE)),
        (&[CONSOLE], Call::List(SANDBOX_USER_POOL), served(CONSOLE)),
        (&[CONSOLE], Call::Create(elsewhere), denied("", CONSOLE)),
        (&[AUDITOR], Call::List(SANDBOX_USER_POOL), served(AUDITOR)),
        (&[AUDITOR], Call::Create(SANDBOX_USER_POOL), denied("auditor-never-writes", AUDITOR)),
        (&["console.iam.svc", AUDITOR], Call::Create(SANDBOX_USER_POOL), denied("auditor-never-writes", AUDITOR)),
        // One of two names would be a guess.
        (&[AUDITOR, CONSOLE], Call::Create(SANDBOX_USER_POOL), Decision::unidentified()),
    ] {
        let mut through = meshed.client(&envoy.address, names).await;
        let mut straight = direct.client(&direct.proxy.address, names).await;
        let found = meshed.decide(&mut through, &call, &[]).await;
        let alike = direct.decide(&mut straight, &call, &[]).await;
        let proof = |kind: &str| if expected.caller.is_empty() { String::new() } else { kind.to_owned() };
        assert_eq!(found, Decision { kind: proof("mesh"), ..expected.clone() }, "{names:?} {call:?} through Envoy");
        assert_eq!(alike, Decision { kind: proof("mtls"), ..expected.clone() }, "{names:?} {call:?} directly");
    }
}

#[tokio::test]
async fn forged_identity_headers_from_outside_do_not_survive() {
    let world = World::meshed("[\"127.0.0.1/32\"]").await;
    let envoy = world.sidecar().await;
    let mut auditor = world.client(&envoy.address, &[AUDITOR]).await;
    for (headers, _) in forgeries() {
        let found = world.decide(&mut auditor, &CREATE, &borrowed(&headers)).await;
        assert_eq!(found, Decision::auditors_write("mesh"), "{headers:?}");
    }
}

/// Istio's sidecars keep what came and append to it. They are not run here: this is their setting, in a real Envoy.
#[tokio::test]
async fn where_istios_setting_keeps_forged_elements_the_last_one_counts_and_it_is_envoys() {
    let world = World::meshed("[\"127.0.0.1/32\"]").await;
    let envoy = Envoy::changed(&world.authority, &world.proxy.address, |text| {
        let text = replaced(&text, 1, "SANITIZE_SET", "APPEND_FORWARD");
        replaced(&text, 1, "{ uri: true }", "{ subject: true, uri: true, dns: true }")
    });
    let envoy = envoy.await;
    let mut auditor = world.client(&envoy.address, &[AUDITOR, "auditor.iam"]).await;
    for (headers, is_readable) in forgeries() {
        let found = world.decide(&mut auditor, &CREATE, &borrowed(&headers)).await;
        // Nothing is made of a header that cannot be read as a whole. An empty one leaves Envoy's element alone.
        let expected = if is_readable || headers[0].1.is_empty() {
            Decision::auditors_write("mesh")
        } else {
            Decision::unidentified()
        };
        assert_eq!(found, expected, "{headers:?}");
    }
}

/// Where a mesh lets plaintext in (Istio's `PERMISSIVE`), it comes without an identity, whatever it says.
#[tokio::test]
async fn plaintext_through_envoy_loses_its_forged_headers_and_has_no_identity() {
    let world = World::meshed("[\"127.0.0.1/32\"]").await;
    for setting in ["SANITIZE_SET", "APPEND_FORWARD"] {
        let envoy = Envoy::changed(&world.authority, &world.proxy.address, |text| {
            let (before, rest) = text.split_once("      transport_socket:\n").unwrap();
            let (_, after) = rest.split_once("      filters:\n").unwrap();
            replaced(&format!("{before}      filters:\n{after}"), 1, "SANITIZE_SET", setting)
        });
        let envoy = envoy.await;
        let channel = Channel::from_shared(format!("http://{}", envoy.address)).unwrap().connect().await.unwrap();
        for (headers, _) in forgeries() {
            let (_, request) = request(list(SANDBOX_USER_POOL), &borrowed(&headers));
            let refused = Client::new(channel.clone()).list_identity_providers(request).await.map(drop);
            let refused = assert_refused(refused, Code::Unauthenticated, "CALLER_UNIDENTIFIED");
            assert!(refused.message().contains("no proof of identity was sent"), "{headers:?}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn only_certificates_of_the_trust_domain_and_its_ca_come_through_the_handshake() {
    let world = World::meshed("[\"127.0.0.1/32\"]").await;
    let envoy = world.sidecar().await;
    let own = |names: &[&str]| Some(world.authority.client(names));
    let names_wrong = "fail_verify_san";
    let cases: [(&str, Option<Leaf>, &str); 9] = [
        ("no certificate", None, "fail_verify_no_cert"),
        ("another CA", Some(Authority::new("other.example").client(&[CONSOLE])), "fail_verify_error"),
        ("another trust domain", own(&["spiffe://staging.example/ns/iam/sa/console"]), names_wrong),
        ("a longer trust domain", own(&["spiffe://prod.example.evil/ns/iam/sa/console"]), names_wrong),
        ("a letter for the dot", own(&["spiffe://prodxexample/ns/iam/sa/console"]), names_wrong),
        ("an id with an element in it", own(&[&format!("spiffe://prod.example/x,URI={CONSOLE}")]), names_wrong),
        ("an id with a query", own(&[&format!("{CONSOLE}?x")]), names_wrong),
        ("the id as a DNS name", own(&["prod.example"]), names_wrong),
        ("the trust domain itself", own(&["spiffe://prod.example"]), names_wrong),
    ];
    for (what, leaf, counter) in cases {
        let counter = format!("listener.idp_proxy.ssl.{counter}");
        let before = envoy.counter(&counter).await;
        let is_refused = match tls_channel(&envoy.address, &world.authority, leaf.as_ref()).await {
            Ok(channel) => {
                Client::new(channel).list_identity_providers(list(SANDBOX_USER_POOL)).await.map(drop).is_err()
            }
            Err(_) => true,
        };
        assert!(is_refused, "{what} is served");
        assert_eq!(envoy.counter(&counter).await, before + 1, "{what}: {counter}");
    }
    assert_eq!(envoy.counter("http.idp_proxy.downstream_rq_total").await, 0, "no call came out of a handshake");
}

#[tokio::test]
async fn who_is_no_trusted_peer_cannot_say_who_calls() {
    let world = World::meshed("[\"127.0.0.2/32\"]").await;
    let envoy = Envoy::changed(&world.authority, &world.proxy.address, |text| {
        let bind =
            "connect_timeout: 1s\n    upstream_bind_config: { source_address: { address: 127.0.0.2, port_value: 0 } }";
        replaced(&text, 1, "connect_timeout: 1s", bind)
    });
    let envoy = envoy.await;
    let mut console = world.client(&envoy.address, &[CONSOLE]).await;
    assert_eq!(world.decide(&mut console, &CREATE, &[]).await.code, Code::Ok, "Envoy calls from 127.0.0.2");
    // Past Envoy, from 127.0.0.1.
    let mut past = world.proxy.cognito().await;
    for headers in [vec![], vec![(XFCC, format!("URI={CONSOLE}"))], vec![(L5D, "console.iam".to_owned())]] {
        let found = world.decide(&mut past, &CREATE, &borrowed(&headers)).await;
        assert_eq!(found, Decision::unidentified(), "{headers:?}");
    }
}

#[tokio::test]
async fn over_a_unix_socket_envoy_is_believed_and_loopback_is_not_needed() {
    let world = World::meshed("[\"unix\"]").await;
    let listen = format!("unix:{}", world.scratch.join("grpc.sock").display());
    let policies = world.scratch.join("policies").to_str().unwrap().to_owned();
    let [header, peers] = believing("[\"unix\"]");
    let environment = [header, peers, ("IDP_PROXY__POLICY__DIRECTORY", &policies)];
    let proxy = Proxy::start(&["serve", "--listen", &listen, "--admin-listen", "off"], &environment).await;
    let envoy = Envoy::sidecar(&world.authority, &proxy.address).await;
    let mut auditor = world.client(&envoy.address, &[AUDITOR]).await;
    let refused = auditor.create_identity_provider(create(SANDBOX_USER_POOL)).await;
    let refused = assert_refused(refused, Code::PermissionDenied, "POLICY_DENIED");
    assert_eq!(info(&refused).metadata["policies"], "auditor-never-writes");
    // The one that listens on TCP trusts its socket only.
    let forged = [(XFCC, &*format!("URI={CONSOLE}"))];
    let found = world.decide(&mut world.proxy.cognito().await, &CREATE, &forged).await;
    assert_eq!(found, Decision::unidentified());
}
