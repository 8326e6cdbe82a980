//! Several proofs of who calls at once: every one that is presented must be good, and of good ones the token says who
//! calls, else the mesh's header, else the certificate.

use idp_proxy::domain::Action;
use serde_json::{Value, json};
use tonic::{Code, Status, client::Grpc, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use crate::{
    rpcs::{self, Rpc},
    support::{
        ANYONE, Authority, Proxy, Scratch, ScriptedAws, assert_refused, configured, printed_outcome, tls_channel,
        tokens::{ISSUER, Signer, claims, jwks, now, section},
    },
};

const OF_CERTIFICATE: &str = "spiffe://prod.example/ns/mesh/sa/gateway";
const OF_MESH: &str = "spiffe://prod.example/ns/iam/sa/console";
const XFCC: &str = "x-forwarded-client-cert";

/// One proof, or none of its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shown {
    Good,
    Bad,
    Absent,
}

/// The proxy with all three kinds of proof; `identity` and `mesh` are lines of those sections.
struct Stage {
    _scratch: Scratch,
    aws: ScriptedAws,
    proxy: Proxy,
    server: Authority,
    clients: Authority,
    signer: Signer,
}

impl Stage {
    async fn new(identity: &str, trusted: &str) -> Self {
        let (scratch, signer) = (Scratch::new(), Signer::ed25519("1"));
        let (server, clients) = (Authority::new("server"), Authority::new("clients"));
        let leaf = server.server();
        let toml = format!(
            "[server]\nreflection = \"off\"\n[server.tls]\ncertificate = {:?}\nprivate_key = {:?}\nclient_ca = {:?}\n\
             [identity]\n{identity}\n[identity.mesh]\nheader = {XFCC:?}\ntrusted_peers = [{trusted:?}]\n{}\
             [policy]\ndirectory = {:?}\n",
            scratch.file("server.pem", &leaf.certificate),
            scratch.file("server.key", &leaf.private_key),
            scratch.file("clients.pem", clients.pem()),
            section(&scratch.file("jwks.json", jwks(&[&signer]))),
            ANYONE[1].1,
        );
        let aws = ScriptedAws::always(Rpc::of(Action::CognitoList).answer()).await;
        let proxy = configured(&scratch, &toml, &aws.endpoint, &[]).await;
        Self { _scratch: scratch, aws, proxy, server, clients, signer }
    }

    /// A connection with a certificate; a bad one is good for TLS and names two callers.
    async fn connect(&self, certificate: Shown) -> Channel {
        let leaf = match certificate {
            Shown::Good => Some(self.clients.client(&[OF_CERTIFICATE])),
            Shown::Bad => Some(self.clients.client(&[OF_CERTIFICATE, OF_MESH])),
            Shown::Absent => None,
        };
        tls_channel(&self.proxy.address, &self.server, leaf.as_ref()).await.unwrap()
    }

    fn headers(&self, mesh: Shown, token: Shown) -> Vec<(&'static str, String)> {
        let mut good = claims("ann", &[]);
        let good_token = self.signer.token(&good);
        good["exp"] = json!(now() - 3600);
        let mut headers = Vec::new();
        match mesh {
            Shown::Good => headers.push((XFCC, format!("Hash=abc;URI={OF_MESH}"))),
            Shown::Bad => headers.push((XFCC, "Hash=abc".to_owned())),
            Shown::Absent => {}
        }
        match token {
            Shown::Good => headers.push(("authorization", format!("Bearer {good_token}"))),
            Shown::Bad => headers.push(("authorization", format!("Bearer {}", self.signer.token(&good)))),
            Shown::Absent => {}
        }
        headers
    }

    /// Who a call with these proofs is by, as the audit has it.
    async fn caller(
        &self,
        channel: &Channel,
        id: &str,
        headers: &[(&'static str, String)],
    ) -> Result<[Value; 2], Status> {
        let rpc = Rpc::of(Action::CognitoList);
        let mut metadata = vec![("x-request-id", id)];
        metadata.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        rpc.send(&mut Grpc::new(channel.clone()), rpc.valid.clone(), &metadata).await?;
        let line = printed_outcome(&self.proxy, id).await;
        Ok([line["caller"].clone(), line["caller_kind"].clone()])
    }
}

/// The rule, written down a second time.
fn expected(
    certificate: Shown,
    mesh: Shown,
    token: Shown,
    is_anonymous_allowed: bool,
) -> Option<(String, &'static str)> {
    match (certificate, mesh, token) {
        (Shown::Bad, ..) | (_, Shown::Bad, _) | (.., Shown::Bad) => None,
        (.., Shown::Good) => Some((format!("{ISSUER}|ann"), "jwt")),
        (_, Shown::Good, _) => Some((OF_MESH.to_owned(), "mesh")),
        (Shown::Good, ..) => Some((OF_CERTIFICATE.to_owned(), "mtls")),
        _ => is_anonymous_allowed.then(|| ("anonymous".to_owned(), "anonymous")),
    }
}

async fn check_all_combinations(stage: &Stage, is_anonymous_allowed: bool, is_mesh_trusted: bool) {
    let all = [Shown::Good, Shown::Bad, Shown::Absent];
    let mut served = 0;
    for certificate in all {
        let channel = stage.connect(certificate).await;
        for (mesh, token) in all.into_iter().flat_map(|mesh| all.map(|token| (mesh, token))) {
            let id = format!("{certificate:?}-{mesh:?}-{token:?}");
            // From a peer that is not trusted, any header is a bad one.
            let worth = if mesh == Shown::Absent || is_mesh_trusted { mesh } else { Shown::Bad };
            let outcome = stage.caller(&channel, &id, &stage.headers(mesh, token)).await;
            match expected(certificate, worth, token, is_anonymous_allowed) {
                Some((caller, kind)) => {
                    let found = outcome.unwrap_or_else(|status| panic!("{id}: {status:?}"));
                    assert_eq!(found, [Value::from(caller), Value::from(kind)], "{id}");
                    served += 1;
                }
                None => drop(assert_refused(outcome, Code::Unauthenticated, "CALLER_UNIDENTIFIED")),
            }
            assert_eq!(stage.aws.seen().len(), served, "{id}");
        }
    }
}

#[tokio::test]
async fn every_proof_must_be_good_and_the_nearest_one_says_who_calls() {
    let stage = Stage::new("anonymous = \"refuse\"", "127.0.0.1/32").await;
    check_all_combinations(&stage, false, true).await;
}

#[tokio::test]
async fn where_anonymous_callers_are_allowed_a_bad_proof_does_not_make_one() {
    let stage = Stage::new("anonymous = \"allow_for_test_purposes_only\"", "127.0.0.1/32").await;
    check_all_combinations(&stage, true, true).await;
}

#[tokio::test]
async fn the_meshs_header_is_refused_from_peers_that_are_not_trusted() {
    let stage = Stage::new("anonymous = \"allow_for_test_purposes_only\"", "192.0.2.0/24").await;
    check_all_combinations(&stage, true, false).await;
    let channel = stage.connect(Shown::Good).await;
    let refused = stage.caller(&channel, "forged", &stage.headers(Shown::Good, Shown::Absent)).await.unwrap_err();
    assert!(refused.message().contains("not trusted"), "{}", refused.message());
    // The header of another mesh is no proof, and is not passed over.
    let linkerd = [("l5d-client-id", "console.iam.serviceaccount.identity.linkerd.cluster.local".to_owned())];
    let refused = stage.caller(&channel, "another-mesh", &linkerd).await;
    assert_refused(refused, Code::Unauthenticated, "CALLER_UNIDENTIFIED");
}

#[tokio::test]
async fn the_last_element_of_the_header_counts() {
    let stage = Stage::new("", "127.0.0.0/8").await;
    let channel = stage.connect(Shown::Absent).await;
    for (at, (value, caller)) in [
        (format!("URI=spiffe://evil.example/x,By=spiffe://a.example/b;URI={OF_MESH}"), Some(OF_MESH)),
        (format!("Subject=\"CN=x,URI=spiffe://evil.example/x\";URI={OF_MESH}"), Some(OF_MESH)),
        (format!("URI={OF_MESH},By=spiffe://a.example/b"), None),
        (format!("URI={OF_MESH};URI=spiffe://evil.example/x"), None),
    ]
    .into_iter()
    .enumerate()
    {
        let found = stage.caller(&channel, &format!("element-{at}"), &[(XFCC, value.clone())]).await;
        assert_eq!(found.ok().map(|found| found[0].clone()), caller.map(Value::from), "{value}");
    }
}

#[tokio::test]
async fn bad_proofs_are_refused_for_every_rpc_whatever_its_message() {
    let stage = Stage::new("", "127.0.0.1/32").await;
    for (certificate, mesh, token) in [
        (Shown::Bad, Shown::Good, Shown::Good),
        (Shown::Good, Shown::Bad, Shown::Good),
        (Shown::Good, Shown::Good, Shown::Bad),
    ] {
        let channel = stage.connect(certificate).await;
        let headers = stage.headers(mesh, token);
        let metadata: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for rpc in rpcs::all() {
            for message in [rpc.valid.clone(), vec![0x08, 0x01, 0x12, 0xff]] {
                let refused = rpc.send(&mut Grpc::new(channel.clone()), message, &metadata).await;
                assert_refused(refused, Code::Unauthenticated, "CALLER_UNIDENTIFIED");
            }
        }
        // Health is for everyone, whatever they show.
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    }
    assert!(stage.aws.seen().is_empty() && stage.proxy.stdout().is_empty());
}

#[tokio::test]
async fn without_reflection_the_rpcs_and_health_work() {
    let stage = Stage::new("", "127.0.0.1/32").await;
    let channel = stage.connect(Shown::Good).await;
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(channel.clone());
    let asked = reflection.server_reflection_info(futures_util::stream::iter([question])).await;
    assert_eq!(asked.expect_err("reflection is off").code(), Code::Unimplemented);
    HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
    for rpc in rpcs::all() {
        stage.aws.now(rpc.answer());
        rpc.call(channel.clone()).await.unwrap_or_else(|status| panic!("{}: {status:?}", rpc.action));
    }
}
