//! Who may do what by the example policies: every caller, every RPC, through the whole proxy.

use std::{collections::BTreeMap, fmt::Write as _};

use idp_proxy::{
    domain::{Action, Service},
    proto::{cognito::v1 as c, workspacesweb::v1 as w},
};
use serde_json::Value;
use tonic::{Code, Status, client::Grpc, transport::Channel};

use crate::{
    rpcs::{self, Rpc, edit},
    support::{
        Answer, Authority, Proxy, Scratch, ScriptedAws, assert_refused, configured, info, printed_outcome, repository,
        tls_channel,
        tokens::{Signer, claims, jwks, section},
    },
};

const TEAM: &str = "spiffe://prod.example/ns/checkout/sa/federation";
const ONBOARDING: &str = "spiffe://prod.example/ns/onboarding/sa/api";
const STRANGER: &str = "spiffe://prod.example/ns/elsewhere/sa/unknown";
/// The pool of the team.
const POOL: &str = "us-east-1_Checkout1";
/// An issuer that the example policies let in.
const OUR_ISSUER: &str = "https://customer.login.example";

/// Somebody who calls.
struct Caller {
    name: &'static str,
    /// As the audit has it.
    id: &'static str,
    kind: &'static str,
    channel: Channel,
    authorization: Option<String>,
}

/// What is asked for: an RPC with something about it.
struct Case {
    name: String,
    rpc: Rpc,
    message: Vec<u8>,
}

/// A request of the table about this pool, with this issuer and mapped attribute where it has them.
fn request(action: Action, pool: &str, issuer: &str, attribute: &str) -> Vec<u8> {
    let valid = Rpc::of(action).valid;
    let details = |details: &mut BTreeMap<String, String>| {
        details.insert("oidc_issuer".to_owned(), issuer.to_owned());
    };
    let mapping = || BTreeMap::from([(attribute.to_owned(), "mail".to_owned())]);
    match action {
        Action::CognitoCreate => edit(&valid, |it: &mut c::CreateIdentityProviderRequest| {
            (it.user_pool_id, it.attribute_mapping) = (pool.into(), mapping());
            details(&mut it.provider_details);
        }),
        Action::CognitoUpdate => edit(&valid, |it: &mut c::UpdateIdentityProviderRequest| {
            (it.user_pool_id, it.attribute_mapping) = (pool.into(), mapping());
            details(&mut it.provider_details);
        }),
        Action::CognitoDelete => {
            edit(&valid, |it: &mut c::DeleteIdentityProviderRequest| it.user_pool_id = pool.into())
        }
        Action::CognitoDescribe => {
            edit(&valid, |it: &mut c::DescribeIdentityProviderRequest| it.user_pool_id = pool.into())
        }
        Action::CognitoList => edit(&valid, |it: &mut c::ListIdentityProvidersRequest| it.user_pool_id = pool.into()),
        Action::CognitoGetByIdentifier => {
            edit(&valid, |it: &mut c::GetIdentityProviderByIdentifierRequest| it.user_pool_id = pool.into())
        }
        Action::WebCreate => edit(&valid, |it: &mut w::CreateIdentityProviderRequest| {
            details(&mut it.identity_provider_details);
        }),
        Action::WebUpdate => edit(&valid, |it: &mut w::UpdateIdentityProviderRequest| {
            details(&mut it.identity_provider_details);
        }),
        _ => valid,
    }
}

/// Every RPC as the policies want it, then what they are there to keep out.
fn cases() -> Vec<Case> {
    let case = |action: Action, what: &str, pool, issuer, attribute| {
        let message = request(action, pool, issuer, attribute);
        Case { name: format!("{action}{what}"), rpc: Rpc::of(action), message }
    };
    let mut cases: Vec<Case> = rpcs::all().iter().map(|rpc| case(rpc.action, "", POOL, OUR_ISSUER, "email")).collect();
    for action in rpcs::all().iter().map(|rpc| rpc.action) {
        if action.service() == Service::Cognito {
            cases.push(case(action, ", in another pool", "us-east-1_Another1", OUR_ISSUER, "email"));
        }
    }
    for action in [Action::CognitoCreate, Action::CognitoUpdate, Action::WebCreate, Action::WebUpdate] {
        for (what, issuer) in [("", "https://idp.example"), (" that looks like ours", "https://evil-login.example")] {
            cases.push(case(action, &format!(", with a foreign issuer{what}"), POOL, issuer, "email"));
        }
    }
    for action in [Action::CognitoCreate, Action::CognitoUpdate] {
        cases.push(case(action, ", with a privileged attribute", POOL, OUR_ISSUER, "custom:role"));
    }
    cases
}

/// The proxy with the example policies, for callers of every kind.
async fn stage(scratch: &Scratch, aws: &ScriptedAws) -> (Proxy, Vec<Caller>) {
    let (server, clients, signer) = (Authority::new("server"), Authority::new("clients"), Signer::ed25519("1"));
    let leaf = server.server();
    let tls = format!(
        "[server.tls]\ncertificate = {:?}\nprivate_key = {:?}\nclient_ca = {:?}\n",
        scratch.file("server.pem", &leaf.certificate),
        scratch.file("server.key", &leaf.private_key),
        scratch.file("clients.pem", clients.pem()),
    );
    let keys = section(&scratch.file("jwks.json", jwks(&[&signer])));
    let examples = repository().join("examples/policies");
    let toml = format!(
        "{tls}[identity]\nanonymous = \"allow_for_test_purposes_only\"\n{keys}[policy]\ndirectory = {examples:?}\n"
    );
    let proxy = configured(scratch, &toml, &aws.endpoint, &[]).await;
    let mut callers = Vec::new();
    for (name, id) in [("team", TEAM), ("onboarding", ONBOARDING), ("stranger", STRANGER)] {
        let channel = tls_channel(&proxy.address, &server, Some(&clients.client(&[id]))).await.unwrap();
        callers.push(Caller { name, id, kind: "mtls", channel, authorization: None });
    }
    let channel = tls_channel(&proxy.address, &server, None).await.unwrap();
    for (name, id, group) in [
        ("auditor", "https://login.example|ann", "auditors"),
        ("break-glass", "https://login.example|bob", "federation-break-glass"),
    ] {
        let (_, subject) = id.split_once('|').unwrap();
        let authorization = Some(format!("Bearer {}", signer.token(&claims(subject, &[group, "staff"]))));
        callers.push(Caller { name, id, kind: "jwt", channel: channel.clone(), authorization });
    }
    let nobody = Caller { name: "anonymous", id: "anonymous", kind: "anonymous", channel, authorization: None };
    callers.push(nobody);
    (proxy, callers)
}

/// The policies of a decision as they stand in the matrix.
fn named(policies: &str, otherwise: &str) -> String {
    if policies.is_empty() { otherwise.to_owned() } else { policies.replace(',', ", ") }
}

/// What a caller was told, checked against what AWS saw and the audit says.
fn cell(proxy: &Proxy, aws: &ScriptedAws, line: &Value, outcome: Result<Vec<u8>, Status>, caller: &Caller) -> String {
    assert_eq!((&line["caller"], &line["caller_kind"]), (&caller.id.into(), &caller.kind.into()), "{line}");
    let listed: Vec<&str> = line["policies"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let listed = listed.join(",");
    match outcome {
        Ok(_) => {
            assert_eq!((line["decision"].as_str(), aws.seen().len()), (Some("allow"), 1), "{line}");
            assert!(!listed.is_empty(), "somebody permits it: {line}");
            format!("allow  {}", named(&listed, ""))
        }
        refused => {
            let denied = assert_refused(refused, Code::PermissionDenied, "POLICY_DENIED");
            assert_eq!((line["decision"].as_str(), aws.seen().len()), (Some("deny"), 0), "{line}");
            let told = info(&denied).metadata.get("policies").cloned().unwrap_or_default();
            assert_eq!(told, listed, "{}: {line}", proxy.address);
            let words = if listed.is_empty() { "no policy permits it" } else { "forbidden by" };
            assert!(denied.message().contains(words), "{}", denied.message());
            format!("deny   {}", named(&listed, "no permit"))
        }
    }
}

#[tokio::test]
async fn the_example_policies_let_everyone_do_what_the_matrix_says() {
    let scratch = Scratch::new();
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let (proxy, callers) = stage(&scratch, &aws).await;
    let mut found = String::from(
        "# Who may do what by examples/policies. tests/it/policy/matrix.rs; UPDATE_GOLDEN=1 rewrites it.\n",
    );
    for case in cases() {
        writeln!(found, "\n{}", case.name).unwrap();
        for caller in &callers {
            aws.now(case.rpc.answer());
            let id = format!("{}/{}", case.name.replace(' ', "-"), caller.name);
            let mut metadata = vec![("x-request-id", id.as_str())];
            metadata.extend(caller.authorization.as_deref().map(|token| ("authorization", token)));
            let mut client = Grpc::new(caller.channel.clone());
            let outcome = case.rpc.send(&mut client, case.message.clone(), &metadata).await;
            let line = printed_outcome(&proxy, &id).await;
            let cell = cell(&proxy, &aws, &line, outcome, caller);
            writeln!(found, "  {:<12} {cell}", caller.name).unwrap();
        }
    }
    let golden = repository().join("tests/golden/policy_matrix.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(found == wanted, "not as in {} (UPDATE_GOLDEN=1 rewrites it):\n{found}", golden.display());
}
