//! No line is lost: not by rotation, not by callers that go away, not by the end of the process.

use std::{path::PathBuf, sync::Arc};

use idp_proxy::domain::Action;
use serde_json::Value;
use tokio::{sync::Semaphore, task::JoinSet};
use tonic::transport::Channel;

use super::{audited, lines_of, send};
use crate::{
    rpcs::Rpc,
    support::{Scratch, ended, eventually, lines_about, metrics},
};

/// So many writes at once, with the number in their ids.
fn writes(channel: &Channel, rpc: &Arc<Rpc>, numbers: std::ops::Range<usize>) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    for number in numbers {
        let (channel, rpc) = (channel.clone(), Arc::clone(rpc));
        calls.spawn(async move { drop(send(channel, &rpc, &format!("write-{number}")).await.unwrap()) });
    }
    calls
}

/// Both lines of every write are there, once.
fn check_all(lines: &[Value], count: usize) {
    assert_eq!(lines.len(), 2 * count, "two lines for each write");
    for stage in ["intent", "outcome"] {
        let mut ids: Vec<&str> = lines
            .iter()
            .filter(|line| line["stage"] == stage)
            .map(|line| line["request_id"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{stage}");
    }
}

#[tokio::test]
async fn renaming_the_file_under_way_loses_no_line() {
    const CALLS: usize = 200;
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let rpc = Arc::new(Rpc::of(Action::CognitoUpdate));
    let gate = Arc::new(Semaphore::new(0));
    aws.now(rpc.answer().held_by(&gate));
    let (channel, mut rotated) = (proxy.channel().await, Vec::<PathBuf>::new());
    let mut rotate = |makes_new: bool| {
        rotated.push(scratch.join(format!("audit.log.{}", rotated.len())));
        std::fs::rename(&file, rotated.last().unwrap()).unwrap();
        // As logrotate does with `create`: then the path leads to a file that is not the open one.
        if makes_new {
            std::fs::write(&file, "").unwrap();
        }
    };
    // While lines before writes are written, some before it and some surely after it.
    let first = writes(&channel, &rpc, 0..CALLS / 2);
    aws.has_seen(CALLS / 4).await;
    rotate(false);
    let second = writes(&channel, &rpc, CALLS / 2..CALLS);
    aws.has_seen(CALLS).await;
    // And again before those after them are.
    rotate(true);
    gate.add_permits(1);
    first.join_all().await;
    second.join_all().await;
    for number in 0..CALLS {
        let id = format!("write-{number}");
        eventually(&id, async || {
            let there = lines_about(&file, &id).iter().any(|line| line["stage"] == "outcome");
            (there || rotated.iter().any(|old| lines_about(old, &id).len() == 2)).then_some(())
        })
        .await;
    }
    let files: Vec<_> = rotated.iter().map(PathBuf::as_path).chain([file.as_path()]).collect();
    check_all(&lines_of(&files), CALLS);
    assert!(files.iter().all(|file| !lines_of(&[file]).is_empty()), "each file has its part");
}

#[tokio::test]
async fn the_file_is_opened_anew_on_sighup() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let rpc = Arc::new(Rpc::of(Action::WebCreate));
    aws.now(rpc.answer());
    let channel = proxy.channel().await;
    writes(&channel, &rpc, 0..10).join_all().await;
    let old = scratch.join("audit.log.1");
    let calls = writes(&channel, &rpc, 10..100);
    std::fs::rename(&file, &old).unwrap();
    proxy.signal("-HUP");
    calls.join_all().await;
    // Also without any line to write: log rotation waits for the new file.
    eventually("a new file", async || file.exists().then_some(())).await;
    writes(&channel, &rpc, 100..101).join_all().await;
    ended(&file, "write-100").await;
    check_all(&lines_of(&[&old, &file]), 101);

    let older = scratch.join("audit.log.2");
    std::fs::rename(&file, &older).unwrap();
    proxy.signal("-HUP");
    eventually("a new file without a line", async || file.exists().then_some(())).await;
    assert_eq!(lines_of(&[&old, &older, &file]).len(), 202);
}

#[tokio::test]
async fn a_removed_file_is_made_anew() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let rpc = Rpc::of(Action::CognitoDelete);
    aws.now(rpc.answer());
    std::fs::remove_file(&file).unwrap();
    send(proxy.channel().await, &rpc, "after").await.unwrap();
    assert_eq!(ended(&file, "after").await.len(), 2);
}

#[tokio::test]
async fn the_outcome_of_a_write_whose_caller_went_away_is_recorded() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let channel = proxy.channel().await;
    for action in Action::ALL.into_iter().filter(|action| action.is_write()) {
        let (rpc, gate) = (Arc::new(Rpc::of(action)), Arc::new(Semaphore::new(0)));
        aws.now(rpc.answer().held_by(&gate));
        let (id, on, called) = (format!("id-of-{action}"), channel.clone(), Arc::clone(&rpc));
        let call = tokio::spawn(async move { send(on, &called, &format!("id-of-{action}")).await });
        aws.has_seen(1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        // On the same connection, so that the first call's end has been read before.
        let other = Rpc::of(Action::CognitoList);
        aws.now(other.answer());
        send(channel.clone(), &other, "another").await.unwrap();
        assert_eq!(lines_about(&file, &id).len(), 1, "{action}: it is still under way");
        gate.add_permits(1);
        let lines = ended(&file, &id).await;
        assert_eq!((lines.len(), lines[1]["code"].as_str()), (2, Some("OK")), "{action}: {lines:#?}");
    }
}

#[tokio::test]
async fn a_read_whose_caller_went_away_is_recorded_and_logged_once() {
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let channel = proxy.channel().await;
    for action in Action::ALL.into_iter().filter(|action| !action.is_write()) {
        let (rpc, never) = (Rpc::of(action), Arc::new(Semaphore::new(0)));
        aws.now(rpc.answer().held_by(&never));
        let (id, on) = (format!("id-of-{action}"), channel.clone());
        let called = id.clone();
        let call = tokio::spawn(async move { send(on, &rpc, &called).await });
        aws.has_seen(1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        let lines = ended(&file, &id).await;
        let told = ["stage", "decision", "code", "reason", "attempts"].map(|key| lines[0][key].to_string());
        assert_eq!(told, ["\"outcome\"", "\"allow\"", "\"CANCELLED\"", "\"CALLER_GONE\"", "1"], "{action}");
        assert_eq!(lines.len(), 1, "{action}: {lines:#?}");
        proxy.log_line(|line| (line["request_id"] == id && line["reason"] == "CALLER_GONE").then_some(())).await;
        let logged = proxy.log().lines().filter(|line| line.contains(&format!("\"{id}\""))).count();
        assert_eq!(logged, 1, "{action}: {}", proxy.log());
    }
    let counted = metrics(&proxy).await;
    let cancelled =
        counted.lines().filter(|line| line.contains("duration_seconds_count") && line.contains("CANCELLED"));
    let reads = Action::ALL.into_iter().filter(|action| !action.is_write()).count();
    assert_eq!(cancelled.filter(|line| line.ends_with(" 1")).count(), reads, "once each:\n{counted}");
}

#[tokio::test]
async fn everything_is_written_before_the_process_ends() {
    const CALLS: usize = 100;
    let scratch = Scratch::new();
    let (aws, proxy, file) = audited(&scratch, &[]).await;
    let (rpc, gate) = (Arc::new(Rpc::of(Action::CognitoCreate)), Arc::new(Semaphore::new(0)));
    aws.now(rpc.answer().held_by(&gate));
    let calls = writes(&proxy.channel().await, &rpc, 0..CALLS);
    aws.has_seen(CALLS).await;
    proxy.signal("-TERM");
    proxy.log_line(|line| (line.get("message")? == "draining").then_some(())).await;
    gate.add_permits(1);
    calls.join_all().await;
    assert_eq!(proxy.terminate().await.code(), Some(0));
    // Not waited for: it is all there when the process has ended.
    check_all(&lines_of(&[&file]), CALLS);
}
