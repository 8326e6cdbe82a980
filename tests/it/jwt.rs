//! Bearer tokens through gRPC: who they name, which are refused, and keys that change under way.

use idp_proxy::domain::Action;
use serde_json::{Value, json};
use tonic::{Code, Status, client::Grpc, metadata::MetadataValue, transport::Channel};

use crate::{
    rpcs::{self, Rpc},
    support::{
        Proxy, Scratch, ScriptedAws, assert_refused, audit_lines, configured, eventually, get, idp_proxy,
        printed_outcome,
        tokens::{ISSUER, Signer, claims, jwks, now, section, unsigned},
    },
};

/// Only a group may do anything.
const POLICY: &str =
    "@id(\"admins\") permit (principal, action, resource) when { principal.groups.contains(\"admins\") };";

/// A proxy that believes these keys; `identity` are further lines of that section.
async fn believing(scratch: &Scratch, keys: &[&Signer], identity: &str) -> (ScriptedAws, Proxy) {
    let policies = scratch.join("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("admins.cedar"), POLICY).unwrap();
    let keys = section(&scratch.file("jwks.json", jwks(keys)));
    let toml = format!("[identity]\n{identity}\n{keys}[policy]\ndirectory = {policies:?}\n");
    let aws = ScriptedAws::always(Rpc::of(Action::CognitoList).answer()).await;
    let proxy = configured(scratch, &toml, &aws.endpoint, &[("RUST_LOG", "trace")]).await;
    (aws, proxy)
}

/// The plainest call there is, with an `authorization`.
async fn list(channel: &Channel, authorization: &str, id: &str) -> Result<Vec<u8>, Status> {
    let rpc = Rpc::of(Action::CognitoList);
    let metadata = [("authorization", authorization), ("x-request-id", id)];
    rpc.send(&mut Grpc::new(channel.clone()), rpc.valid.clone(), &metadata).await
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn a_token_of_each_algorithm_says_who_calls_and_in_which_groups() {
    let scratch = Scratch::new();
    let signers = [Signer::rsa("r"), Signer::p256("p"), Signer::ed25519("e")];
    let (aws, proxy) = believing(&scratch, &signers.each_ref(), "").await;
    let channel = proxy.channel().await;
    for signer in &signers {
        let algorithm = signer.algorithm();
        let subject = format!("ann of {algorithm}");
        let caller: Value = format!("{ISSUER}|{subject}").into();
        let token = bearer(&signer.token(&claims(&subject, &["staff", "admins"])));
        list(&channel, &token, algorithm).await.unwrap_or_else(|status| panic!("{algorithm}: {status:?}"));
        let line = printed_outcome(&proxy, algorithm).await;
        assert_eq!((&line["caller"], &line["caller_kind"]), (&caller, &"jwt".into()), "{line}");
        assert_eq!(line["policies"], json!(["admins"]), "{line}");

        // The same person in no such group is known, and may not.
        let outside = format!("{algorithm}-outside");
        for groups in [&["staff"][..], &[], &["Admins"], &["admins "]] {
            let token = bearer(&signer.token(&claims(&subject, groups)));
            assert_refused(list(&channel, &token, &outside).await, Code::PermissionDenied, "POLICY_DENIED");
        }
        assert_eq!(printed_outcome(&proxy, &outside).await["caller"], caller);
    }
    assert_eq!(aws.seen().len(), signers.len());
    // The scheme's name is in no case of its own (RFC 9110, 11.1).
    let token = signers[1].token(&claims("ann", &["admins"]));
    list(&channel, &format!("bearer {token}"), "lower-case").await.unwrap();
}

#[tokio::test]
async fn a_bad_token_is_refused_also_where_anonymous_callers_are_allowed() {
    let scratch = Scratch::new();
    let (signer, stranger) = (Signer::p256("1"), Signer::p256("1"));
    let (aws, proxy) = believing(&scratch, &[&signer], "anonymous = \"allow_for_test_purposes_only\"").await;
    let channel = proxy.channel().await;
    let with = |name: &str, value: Value| {
        let mut claims = claims("ann", &["admins"]);
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = claims("ann", &["admins"]);
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let good = claims("ann", &["admins"]);
    let token = signer.token(&good);
    let refused = [
        ("expired", bearer(&signer.token(&with("exp", json!(now() - 120)))), "expired"),
        ("without end", bearer(&signer.token(&without("exp"))), "exp"),
        ("with an end that is none", bearer(&signer.token(&with("exp", Value::Null))), "exp"),
        ("about an empty name", bearer(&signer.token(&with("sub", json!("")))), "sub"),
        ("not yet", bearer(&signer.token(&with("nbf", json!(now() + 600)))), "nbf"),
        ("for others", bearer(&signer.token(&with("aud", json!("another")))), "aud"),
        ("for nobody", bearer(&signer.token(&without("aud"))), "aud"),
        ("of others", bearer(&signer.token(&with("iss", json!("https://other.example")))), "iss"),
        ("about nobody", bearer(&signer.token(&without("sub"))), "sub"),
        ("of another key", bearer(&stranger.token(&good)), "signature"),
        ("unsigned", bearer(&unsigned(&good)), "alg"),
        ("of a method of its own", bearer(&signer.token_with(&json!({"alg": "HS256", "kid": "1"}), &good)), "alg"),
        ("cut off", bearer(&token[..token.len() - 10]), ""),
        ("garbage", bearer("garbage"), "three parts"),
        ("empty", "Bearer ".to_owned(), "three parts"),
        ("large", bearer(&"x".repeat(9000)), "8 KiB"),
        ("basic", "Basic YW5uOnNlY3JldA==".to_owned(), "no bearer token"),
        ("bare", token.clone(), "no bearer token"),
    ];
    for (what, authorization, said) in &refused {
        let status = assert_refused(
            list(&channel, authorization, &what.replace(' ', "-")).await,
            Code::Unauthenticated,
            "CALLER_UNIDENTIFIED",
        );
        assert!(status.message().contains(said), "{what}: {}", status.message());
    }
    // Two of them, even if both are good.
    let rpc = Rpc::of(Action::CognitoList);
    let mut request = tonic::Request::new(());
    for _ in 0..2 {
        request.metadata_mut().append("authorization", MetadataValue::try_from(bearer(&token)).unwrap());
    }
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = format!("/{}", rpc.action.grpc_method()).parse().unwrap();
    let twice = client.unary(request, path, tonic_prost::ProstCodec::<(), ()>::default()).await;
    let status = assert_refused(twice, Code::Unauthenticated, "CALLER_UNIDENTIFIED");
    assert!(status.message().contains("more than once"), "{}", status.message());
    assert!(aws.seen().is_empty(), "a bad token reached AWS");

    // Both are known: who has no token, and who has a good one.
    let anonymous = rpc.call(channel.clone()).await;
    assert_refused(anonymous, Code::PermissionDenied, "POLICY_DENIED");
    list(&channel, &bearer(&token), "good").await.unwrap();
}

#[tokio::test]
async fn a_token_is_refused_for_every_rpc_before_its_message_is_read() {
    let scratch = Scratch::new();
    let signer = Signer::ed25519("1");
    let (aws, proxy) = believing(&scratch, &[&signer], "").await;
    let channel = proxy.channel().await;
    let expired = {
        let mut claims = claims("ann", &["admins"]);
        claims["exp"] = json!(now() - 120);
        bearer(&signer.token(&claims))
    };
    for rpc in rpcs::all() {
        for message in [rpc.valid.clone(), rpc.invalid.clone(), vec![0x08, 0x01, 0x12, 0xff]] {
            for metadata in [&[("authorization", &*expired)][..], &[]] {
                let refused = rpc.send(&mut Grpc::new(channel.clone()), message.clone(), metadata).await;
                assert_refused(refused, Code::Unauthenticated, "CALLER_UNIDENTIFIED");
            }
        }
    }
    assert!(aws.seen().is_empty() && audit_lines(&proxy.stdout()).is_empty());
}

#[tokio::test]
async fn keys_come_and_go_with_their_file_without_a_restart() {
    let scratch = Scratch::new();
    let (old, new) = (Signer::p256("old"), Signer::rsa("new"));
    let (_aws, proxy) = believing(&scratch, &[&old], "").await;
    let channel = proxy.channel().await;
    let [of_old, of_new] = [&old, &new].map(|signer| bearer(&signer.token(&claims("ann", &["admins"]))));
    let takes = async |token: &str| list(&channel, token, "rotation").await.is_ok();
    assert!(takes(&of_old).await && !takes(&of_new).await);

    std::fs::write(scratch.join("jwks.json"), jwks(&[&old, &new])).unwrap();
    eventually("the new key", async || takes(&of_new).await.then_some(())).await;
    assert!(takes(&of_old).await, "both at once");

    // What cannot be read changes nothing, and is logged.
    std::fs::write(scratch.join("jwks.json"), "{").unwrap();
    let warned = |line: &Value| {
        (line["level"] == "WARN"
            && line["issuer"] == ISSUER
            && line["message"].as_str()?.contains("the last ones stay"))
        .then_some(())
    };
    proxy.log_line(warned).await;
    assert!(takes(&of_old).await && takes(&of_new).await);

    std::fs::write(scratch.join("jwks.json"), jwks(&[&new])).unwrap();
    eventually("the old key is gone", async || (!takes(&of_old).await).then_some(())).await;
    assert!(takes(&of_new).await);
}

#[tokio::test]
async fn a_token_is_nowhere_to_be_read() {
    let scratch = Scratch::new();
    let signer = Signer::ed25519("1");
    let (_aws, proxy) = believing(&scratch, &[&signer], "").await;
    let channel = proxy.channel().await;
    let tokens = [signer.token(&claims("ann", &["admins"])), Signer::ed25519("1").token(&claims("bob", &["admins"]))];
    list(&channel, &bearer(&tokens[0]), "good").await.unwrap();
    let refused = list(&channel, &bearer(&tokens[1]), "bad").await.unwrap_err();
    let basic = list(&channel, "Basic YW5uOnNlY3JldA==", "basic").await.unwrap_err();
    proxy.log_line(|line| (line["request_id"] == "basic").then_some(())).await;
    printed_outcome(&proxy, "good").await;
    let (_, _, metrics) = get(&proxy.admin, "/metrics").await;
    let all = format!("{}{}{metrics}{refused:?}{basic:?}", proxy.log(), proxy.stdout());
    for token in &tokens {
        let parts: Vec<&str> = token.split('.').collect();
        for part in [parts[1], parts[2]] {
            assert!(!all.contains(part) && !all.contains(&part[..20]), "{part} is told");
        }
    }
    assert!(!all.contains("YW5uOnNlY3JldA") && all.contains("ann"), "the search searches");
}

#[tokio::test]
async fn issuers_that_make_no_sense_end_it_with_64() {
    let scratch = Scratch::new();
    let keys = scratch.file("jwks.json", jwks(&[&Signer::p256("1")]));
    let empty = scratch.file("empty.json", "{\"keys\":[]}");
    let policies = scratch.to_str().unwrap();
    let one = |issuer: &str, rest: &str| format!("[[identity.jwt]]\nissuer = {issuer:?}\naudience = \"a\"\n{rest}\n");
    let file = |path: &std::path::Path| format!("jwks_file = {path:?}");
    for (toml, said) in [
        (one(ISSUER, ""), "jwks_file"),
        (one(ISSUER, &format!("{}\njwks_url = \"https://login.example/jwks\"", file(&keys))), "exactly one"),
        (one(ISSUER, "jwks_url = \"http://login.example/jwks\""), "https://"),
        (one(ISSUER, &file(&scratch.join("none.json"))), "none.json"),
        (one(ISSUER, &file(&empty)), "no usable key"),
        (one("https://a|b", &file(&keys)), "\"|\""),
        (one(ISSUER, &file(&keys)).repeat(2), "twice"),
    ] {
        let config = scratch.file("idp-proxy.toml", format!("{toml}[policy]\ndirectory = {policies:?}\n"));
        for command in ["check", "serve"] {
            let output = idp_proxy(&[command, "--config", config.to_str().unwrap()], &[]).await;
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(64), "{command} {toml}: {error}");
            assert!(error.contains(said) && error.contains("identity.jwt"), "{command} {toml}: {error}");
        }
    }
}
