//! The record of every call that reached policy: what it says, that no write is without one, and that none is lost.

mod kept;
mod refused;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use idp_proxy::domain::{Action, Service};
use serde_json::{Value, json};
use tonic::{Status, client::Grpc, transport::Channel};

use crate::{
    rpcs::{self, CLIENT_SECRET, PROVIDER_ARN, Rpc},
    support::{
        Answer, Proxy, SANDBOX_PORTAL, SANDBOX_USER_POOL, Scratch, ScriptedAws, audit_lines, ended, lines_about,
        printed_outcome,
    },
};

/// What both lines of a call say.
const COMMON: [&str; 11] = [
    "time",
    "stage",
    "caller",
    "caller_kind",
    "action",
    "resource",
    "decision",
    "policies",
    "request_id",
    "detail_keys",
    "fingerprints",
];

/// An AWS, a proxy in front of it for everyone, and the file that it writes its audit to.
async fn audited(scratch: &Scratch, more: &[(&str, &str)]) -> (ScriptedAws, Proxy, PathBuf) {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let file = scratch.join("audit.log");
    let sink = [("IDP_PROXY__AUDIT__SINK", file.to_str().unwrap()), ("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")];
    let proxy = Proxy::against(&aws.endpoint, &[&sink, more].concat()).await;
    (aws, proxy, file)
}

/// The valid request of an RPC under an id.
async fn send(channel: Channel, rpc: &Rpc, id: &str) -> Result<Vec<u8>, Status> {
    rpc.send(&mut Grpc::new(channel), rpc.valid.clone(), &[("x-request-id", id)]).await
}

fn keys(line: &Value) -> BTreeSet<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What a call of the table is about.
fn resource(action: Action) -> String {
    let pool = format!("userPools/{SANDBOX_USER_POOL}");
    match action {
        Action::CognitoList | Action::CognitoGetByIdentifier => pool,
        Action::WebCreate | Action::WebList => SANDBOX_PORTAL.to_owned(),
        _ if action.service() == Service::Cognito => format!("{pool}/identityProviders/MyOidc"),
        _ => PROVIDER_ARN.to_owned(),
    }
}

/// `2026-01-31T12:00:00Z`, with or without a fraction.
fn is_time(text: &str) -> bool {
    let (date, time) = text.split_once('T').unwrap_or_default();
    date.len() == 10 && date.starts_with("20") && time.ends_with('Z') && (9..=13).contains(&time.len())
}

fn check_common(rpc: &Rpc, line: &Value) {
    assert_eq!(
        (&line["caller"], &line["caller_kind"], &line["decision"], &line["policies"]),
        (&json!("anonymous"), &json!("anonymous"), &json!("allow"), &json!(["everything-for-tests"])),
        "{line}"
    );
    assert_eq!((&line["action"], &line["resource"]), (&json!(rpc.action.to_string()), &json!(resource(rpc.action))));
    assert!(is_time(line["time"].as_str().unwrap()), "{line}");
    let has_details = rpc.sent.to_string().contains(CLIENT_SECRET);
    let sent: BTreeSet<&str> =
        line["detail_keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    let wanted = ["attributes_request_method", "authorize_scopes", "client_id", "client_secret", "oidc_issuer"];
    assert_eq!(sent, if has_details { wanted.into() } else { BTreeSet::new() }, "{line}");
    // A hash for each secret, and for nothing else: a hash of what is public would help to guess.
    assert_eq!(keys(&line["fingerprints"]), if has_details { ["client_secret"].into() } else { BTreeSet::new() });
    if let Some(hash) = line["fingerprints"]["client_secret"].as_str() {
        assert!(hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
    }
}

#[tokio::test]
async fn a_write_has_a_line_before_and_one_after_and_a_read_has_one() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let channel = proxy.channel().await;
    for rpc in rpcs::all() {
        aws.now(rpc.answer());
        let id = format!("id-of-{}", rpc.action);
        send(channel.clone(), &rpc, &id).await.unwrap();
        let lines = ended(&file, &id).await;
        let stages: Vec<&str> = lines.iter().map(|line| line["stage"].as_str().unwrap()).collect();
        let wanted = if rpc.action.is_write() { &["intent", "outcome"][..] } else { &["outcome"] };
        assert_eq!(stages, wanted, "{}", rpc.action);
        for line in &lines {
            check_common(&rpc, line);
        }
        let (outcome, before) = lines.split_last().unwrap();
        let of_outcome = ["code", "aws_request_id", "attempts", "duration_ms"];
        // A portal's ARN says whose it is; a pool's id does not.
        let account = (rpc.action.service() == Service::WorkspacesWeb).then_some("account");
        assert_eq!(keys(outcome), COMMON.into_iter().chain(of_outcome).chain(account).collect(), "{outcome}");
        assert_eq!(
            (&outcome["code"], &outcome["aws_request_id"], &outcome["attempts"]),
            (&json!("OK"), &json!("aws-request-1"), &json!(1)),
        );
        assert!(outcome["duration_ms"].is_u64(), "{outcome}");
        for intent in before {
            assert_eq!(
                keys(intent),
                COMMON.into_iter().chain(account).collect(),
                "what is not known yet is not said: {intent}"
            );
        }
    }
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(CLIENT_SECRET) && !text.contains("https://idp.example"), "a value is in\n{text}");
    assert!(!proxy.stdout().contains("stage"), "the audit is in its file only");
}

#[tokio::test]
async fn what_aws_refuses_is_recorded_with_code_and_reason() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let channel = proxy.channel().await;
    for rpc in rpcs::all() {
        let refusal = json!({"__type": "ResourceNotFoundException", "message": "none"}).to_string();
        aws.now(Answer::new(404, refusal).header("x-amzn-errortype", "ResourceNotFoundException"));
        let id = format!("id-of-{}", rpc.action);
        send(channel.clone(), &rpc, &id).await.unwrap_err();
        let lines = ended(&file, &id).await;
        assert_eq!(lines.len(), if rpc.action.is_write() { 2 } else { 1 }, "{}", rpc.action);
        let outcome = lines.last().unwrap();
        assert_eq!(
            (&outcome["code"], &outcome["reason"], &outcome["decision"], &outcome["attempts"]),
            (&json!("NOT_FOUND"), &json!("RESOURCE_NOT_FOUND"), &json!("allow"), &json!(1)),
        );
        assert_eq!(outcome["aws_request_id"], "aws-request-1", "{outcome}");
    }
}

#[tokio::test]
async fn a_denial_has_one_line_with_the_policies_that_denied_it() {
    let scratch = Scratch::new();
    let policies = scratch.join("policies");
    std::fs::create_dir(&policies).unwrap();
    let forbids = "@id(\"b-no-deletes\") forbid (principal, action, resource) when { context.detail_keys.isEmpty() };\n\
        @id(\"a-none-at-all\") forbid (principal, action, resource) when { context.detail_keys.isEmpty() };";
    std::fs::write(policies.join("forbids.cedar"), forbids).unwrap();
    let (aws, proxy, file) = audited(&scratch, &[("IDP_PROXY__POLICY__DIRECTORY", policies.to_str().unwrap())]).await;
    let channel = proxy.channel().await;
    for rpc in rpcs::all() {
        let id = format!("id-of-{}", rpc.action);
        send(channel.clone(), &rpc, &id).await.unwrap_err();
        let lines = ended(&file, &id).await;
        assert_eq!(lines.len(), 1, "{}: {lines:#?}", rpc.action);
        let has_details = lines[0]["detail_keys"] != json!([]);
        let wanted = if has_details { json!([]) } else { json!(["a-none-at-all", "b-no-deletes"]) };
        assert_eq!(lines[0]["policies"], wanted, "{}", rpc.action);
        assert_eq!(
            (&lines[0]["decision"], &lines[0]["code"], &lines[0]["reason"], &lines[0]["attempts"]),
            (&json!("deny"), &json!("PERMISSION_DENIED"), &json!("POLICY_DENIED"), &json!(0)),
        );
        assert_eq!(lines[0].get("aws_request_id"), None, "{}", rpc.action);
    }
    assert!(aws.seen().is_empty(), "a denied call reached AWS");
}

#[tokio::test]
async fn what_never_reached_policy_leaves_no_line() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let channel = proxy.channel().await;
    for rpc in rpcs::all() {
        let mut client = Grpc::new(channel.clone());
        let unknown = [("authorization", "Bearer x")];
        rpc.send(&mut client, rpc.valid.clone(), &unknown).await.unwrap_err();
        rpc.send(&mut client, rpc.invalid.clone(), &[]).await.unwrap_err();
        rpc.send(&mut client, vec![0x08, 0x01, 0x12, 0xff], &[]).await.unwrap_err();
        rpc.send(&mut client, rpc.valid.clone(), &[("grpc-timeout", "soon")]).await.unwrap_err();
    }
    // The lines are written in order: none of the calls before this one has left one.
    let last = Rpc::of(Action::CognitoList);
    aws.now(last.answer());
    send(channel, &last, "the-last").await.unwrap();
    ended(&file, "the-last").await;
    assert_eq!(audit_lines(&std::fs::read_to_string(&file).unwrap()).len(), 1);
}

#[tokio::test]
async fn the_line_before_a_write_is_on_disk_when_aws_is_asked() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let channel = proxy.channel().await;
    for rpc in rpcs::all().into_iter().filter(|rpc| rpc.action.is_write()) {
        let id = format!("id-of-{}", rpc.action);
        let on_disk = Arc::new(Mutex::new(Vec::new()));
        let (answer, found, there, wanted) = (rpc.answer(), Arc::clone(&on_disk), file.clone(), id.clone());
        // Looks at the moment in which AWS has the request.
        aws.by(move |_, _| {
            found.lock().unwrap().push(lines_about(&there, &wanted));
            answer.clone()
        });
        send(channel.clone(), &rpc, &id).await.unwrap();
        let found = on_disk.lock().unwrap().clone();
        assert_eq!(found.len(), 1, "{}", rpc.action);
        assert_eq!(found[0].len(), 1, "{}: {found:#?}", rpc.action);
        assert_eq!(found[0][0]["stage"], "intent", "{}", rpc.action);
    }
}

#[tokio::test]
async fn standard_output_is_the_sink_unless_another_is_named() {
    let aws = ScriptedAws::always(Rpc::of(Action::CognitoCreate).answer()).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    send(proxy.channel().await, &Rpc::of(Action::CognitoCreate), "id-1").await.unwrap();
    assert_eq!(printed_outcome(&proxy, "id-1").await["code"], "OK");
    assert_eq!(audit_lines(&proxy.stdout()).len(), 2);

    let quiet = Proxy::against(&aws.endpoint, &[("IDP_PROXY__AUDIT__SINK", "off")]).await;
    send(quiet.channel().await, &Rpc::of(Action::CognitoCreate), "id-2").await.unwrap();
    quiet.log_line(|line| (line.get("request_id")? == "id-2").then_some(())).await;
    assert_eq!(quiet.stdout(), "");
}

#[test]
fn times_are_told_from_other_texts() {
    assert!(is_time("2026-01-31T12:00:00.123Z") && is_time("2026-01-31T12:00:00Z"));
    assert!(!is_time("1700000000") && !is_time("2026-01-31 12:00:00") && !is_time("2026-01-31T12:00:00+01:00"));
}

/// All lines of several files.
fn lines_of(files: &[&Path]) -> Vec<Value> {
    files.iter().flat_map(|file| audit_lines(&std::fs::read_to_string(file).unwrap_or_default())).collect()
}
