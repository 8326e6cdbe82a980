//! No line, no write.

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use idp_proxy::{domain::Action, proto::cognito::v1 as c, proto::workspacesweb::v1 as w};
use prost::Message as _;
use serde_json::Value;
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{audited, lines_of, send};
use crate::{
    rpcs::{self, Rpc},
    support::{
        ANYONE, Answer, Proxy, Scratch, ScriptedAws, assert_refused, ended, eventually, idp_proxy, lines_about, metric,
    },
};

/// A proxy whose audit goes to a device without room, by a link that can be turned to a file later.
async fn without_room(scratch: &Scratch) -> (ScriptedAws, Proxy, std::path::PathBuf) {
    std::os::unix::fs::symlink("/dev/full", scratch.join("audit.log")).unwrap();
    audited(scratch, &[("IDP_PROXY__SERVER__DEADLINE_MAX_MS", "20000")]).await
}

#[tokio::test]
async fn a_write_that_cannot_be_recorded_is_refused_and_reads_are_still_answered() {
    let scratch = Scratch::new();
    let (aws, proxy, _) = without_room(&scratch).await;
    let channel = proxy.channel().await;
    let begun = Instant::now();
    // Again and again: neither the refusals' own lines nor those of reads may hold up what comes after them.
    for round in 0..3 {
        for rpc in rpcs::all() {
            aws.now(rpc.answer());
            let outcome = send(channel.clone(), &rpc, &format!("{}-{round}", rpc.action)).await;
            if rpc.action.is_write() {
                let refused = assert_refused(outcome, Code::Internal, "PROXY_INTERNAL");
                let metadata = refused.get_details_error_info().unwrap().metadata;
                assert_eq!(metadata.get("mayHaveBeenApplied").map(String::as_str), Some("false"), "{}", rpc.action);
                assert_eq!(metadata["origin"], "proxy");
                assert!(aws.seen().is_empty(), "{}: a write without a line", rpc.action);
            } else {
                outcome.unwrap_or_else(|status| panic!("{} of round {round}: {status:?}", rpc.action));
            }
        }
    }
    assert!(begun.elapsed().as_secs() < 20, "a refusal takes no deadline's time: {:?}", begun.elapsed());
    proxy.log_line(|line| line.get("fault")?.as_str()?.contains("audit line could not be written").then_some(())).await;
    // At least one try for each write, and those to complete what reads have left.
    let failures = metric(&proxy, "idp_proxy_audit_failures_total").await.unwrap();
    assert!(failures >= 18, "{failures}");
}

#[tokio::test]
async fn what_could_not_be_recorded_is_recorded_when_there_is_room_again() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = without_room(&scratch).await;
    let channel = proxy.channel().await;
    let (read, write) = (Rpc::of(Action::CognitoList), Rpc::of(Action::CognitoCreate));
    for number in 0..50 {
        aws.now(read.answer());
        send(channel.clone(), &read, &format!("read-{number}")).await.unwrap();
        send(channel.clone(), &write, &format!("write-{number}")).await.unwrap_err();
    }
    std::fs::remove_file(&file).unwrap();
    for number in 0..50 {
        assert_eq!(ended(&file, &format!("read-{number}")).await.len(), 1, "once");
        let refused = ended(&file, &format!("write-{number}")).await;
        assert_eq!((refused.len(), refused[0]["code"].as_str()), (1, Some("INTERNAL")), "{refused:#?}");
    }
    aws.now(write.answer());
    send(channel, &write, "in-room").await.unwrap();
    assert_eq!(ended(&file, "in-room").await.len(), 2);
    assert_eq!(lines_of(&[&file]).len(), 102, "nothing more");
}

#[tokio::test]
async fn a_sink_that_takes_nothing_makes_writes_wait_and_loses_none() {
    const CALLS: usize = 200;
    let scratch = Scratch::new();
    let pipe = scratch.join("audit.log");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open and not read: it takes 64 KiB.
    let open = |pipe: &Path| std::fs::OpenOptions::new().read(true).write(true).open(pipe).unwrap();
    let mut reader = open(&pipe);
    let (aws, proxy, _) = audited(&scratch, &[]).await;
    let rpc = Arc::new(Rpc::of(Action::CognitoCreate));
    aws.now(rpc.answer());
    let channel = proxy.channel().await;
    let calls: Vec<_> = (0..CALLS)
        .map(|number| {
            let (rpc, channel) = (Arc::clone(&rpc), channel.clone());
            tokio::spawn(async move { send(channel, &rpc, &format!("write-{number}")).await })
        })
        .collect();
    aws.has_seen(1).await;
    // Every line is longer than 256 bytes, so not all of them have room.
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel::<Value>();
    eventually("the sink is full", async || {
        let more = aws.has_seen(aws.seen().len() + 1);
        tokio::time::timeout(Duration::from_millis(300), more).await.is_err().then_some(())
    })
    .await;
    assert!(aws.seen().len() < CALLS, "writes went on without a line");
    std::thread::spawn(move || {
        use std::io::BufRead as _;
        for line in std::io::BufReader::new(&mut reader).lines() {
            let line = serde_json::from_str(&line.unwrap()).unwrap();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    for call in calls {
        call.await.unwrap().unwrap();
    }
    for _ in 0..2 * CALLS {
        lines.recv().await.unwrap();
    }
    assert_eq!(aws.seen().len(), CALLS);
}

#[tokio::test]
async fn the_file_is_its_owners_only() {
    let scratch = Scratch::new();
    let (_aws, _proxy, file) = audited(&scratch, &[]).await;
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_sink_that_cannot_be_opened_ends_it_before_it_listens() {
    let scratch = Scratch::new();
    for path in [scratch.join("none/audit.log"), scratch.to_path_buf()] {
        let sink = ("IDP_PROXY__AUDIT__SINK", path.to_str().unwrap());
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let output = idp_proxy(&arguments, &[ANYONE[0], ANYONE[1], sink]).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains("audit.sink"), "{error}");
        assert!(!error.contains("listening"), "{error}");
    }
}

/// A key that is long enough.
const KEY: [u8; 32] = [7; 32];

/// The fingerprint of the client secret in an audit line.
fn fingerprint(line: &Value) -> String {
    line["fingerprints"]["client_secret"].as_str().unwrap_or_else(|| panic!("no fingerprint in {line}")).to_owned()
}

/// The fingerprints that the audit has of a Cognito and of a web update.
async fn fingerprints(more: &[(&str, &str)]) -> [String; 2] {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, more).await;
    let mut found = Vec::new();
    for action in [Action::CognitoUpdate, Action::WebUpdate] {
        let rpc = Rpc::of(action);
        aws.now(rpc.answer());
        send(proxy.channel().await, &rpc, "update").await.unwrap();
        let lines = ended(&file, "update").await;
        let lines: Vec<&Value> = lines.iter().filter(|line| line["action"] == action.to_string()).collect();
        assert_eq!(fingerprint(lines[0]), fingerprint(lines[1]), "both lines of a call");
        found.push(fingerprint(lines[0]));
        std::fs::remove_file(&file).unwrap();
    }
    found.try_into().unwrap()
}

#[tokio::test]
async fn fingerprints_are_the_same_wherever_the_key_is_the_same() {
    let scratch = Scratch::new();
    let key = scratch.file("fingerprint.key", KEY);
    let with_key = [("IDP_PROXY__AUDIT__FINGERPRINT_KEY_FILE", key.to_str().unwrap())];
    let other = scratch.file("other.key", [8; 40]);
    let with_other = [("IDP_PROXY__AUDIT__FINGERPRINT_KEY_FILE", other.to_str().unwrap())];
    let one = fingerprints(&with_key).await;
    assert_eq!(one, fingerprints(&with_key).await, "two replicas");
    assert_ne!(one[0], one[1], "equal secrets of two providers are not told to be equal");
    let others = [fingerprints(&with_other).await, fingerprints(&[]).await, fingerprints(&[]).await];
    for (at, set) in others.iter().enumerate() {
        assert!(set.iter().all(|hash| !one.contains(hash)), "{at}: {set:?} {one:?}");
        assert!(others.iter().skip(at + 1).all(|other| other[0] != set[0]), "each process has a key of its own");
    }
    // What a read answers is the same hash: who changed the secret last can be told.
    let (aws, proxy, _file) = audited(&scratch, &with_key).await;
    let (describe, get) = (Rpc::of(Action::CognitoDescribe), Rpc::of(Action::WebGet));
    aws.now(describe.answer());
    let answer = describe.call(proxy.channel().await).await.unwrap();
    let answer = c::DescribeIdentityProviderResponse::decode(&*answer).unwrap().identity_provider.unwrap();
    assert_eq!(answer.secret_fingerprints["client_secret"], one[0]);
    aws.now(get.answer());
    let answer = get.call(proxy.channel().await).await.unwrap();
    let answer = w::GetIdentityProviderResponse::decode(&*answer).unwrap().identity_provider.unwrap();
    assert_eq!(answer.secret_fingerprints["client_secret"], one[1]);
}

#[tokio::test]
async fn a_key_that_is_too_short_or_missing_is_a_mistake_in_the_configuration() {
    let scratch = Scratch::new();
    let short = scratch.file("short.key", [7; 31]);
    for file in [short, scratch.join("none.key"), scratch.to_path_buf()] {
        let key = ("IDP_PROXY__AUDIT__FINGERPRINT_KEY_FILE", file.to_str().unwrap());
        for command in ["serve", "check"] {
            let output = idp_proxy(&[command], &[ANYONE[0], ANYONE[1], key]).await;
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(64), "{command}: {error}");
            assert!(error.contains("audit.fingerprint_key_file") && error.contains(file.to_str().unwrap()), "{error}");
        }
    }
}

#[tokio::test]
async fn a_write_that_ran_out_of_time_before_its_line_was_written_is_not_made() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let rpc = Rpc::of(Action::CognitoDelete);
    let late = [("grpc-timeout", "0n"), ("x-request-id", "late")];
    rpc.send(&mut tonic::client::Grpc::new(proxy.channel().await), rpc.valid.clone(), &late).await.unwrap_err();
    aws.now(Answer::new(200, "{}"));
    send(proxy.channel().await, &rpc, "in-time").await.unwrap();
    ended(&file, "in-time").await;
    assert_eq!(aws.seen().len(), 1, "only the one in time");
    let stages: Vec<_> = lines_about(&file, "late").iter().map(|line| line["code"].clone()).collect();
    assert!(stages.iter().all(|code| code.is_null() || code == "DEADLINE_EXCEEDED"), "{stages:?}");
}
