//! Which thread writes a line, and that none overtakes another of the same call.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{Audit, AuditSink, Line, Outcome, Way, sink::Sink, writer::Desk};
use crate::{
    domain::{Action, Fingerprinter, Resource, Subject, UserPoolId},
    identity::{Proof, caller_for_tests},
    telemetry::Metrics,
};

fn line(id: &str) -> Line {
    let pool = UserPoolId::parse("us-east-1_Abc".to_owned()).unwrap();
    let subject = Subject::new(Action::CognitoDelete, Resource::UserPool(&pool), Some("Corp \"1\""));
    let caller = caller_for_tests("me", Proof::Mtls, &[], None);
    let fingerprinter = Fingerprinter::with_key(b"a key for the tests that is long enough");
    Line::new(&caller, &subject, true, &["p".to_owned()], None, &Arc::from(id), &fingerprinter)
}

const OUTCOME: Outcome = Outcome {
    code: "OK",
    reason: None,
    aws_request_id: None,
    attempts: 1,
    is_confirmed: false,
    is_joined: false,
    duration_ms: 7,
};

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new([]))
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("idp-proxy-audit-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    fn lines(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let read = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["request_id"].as_str().unwrap().to_owned(), line["stage"].as_str().unwrap().to_owned())
        };
        text.lines().map(read).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn pair(id: &str, stage: &str) -> (String, String) {
    (id.to_owned(), stage.to_owned())
}

#[tokio::test]
async fn a_line_to_a_file_needs_no_writer() {
    let scratch = Scratch::new("direct");
    let desk = Arc::new(Desk::new(Sink::open(&AuditSink::File(scratch.file())).unwrap().unwrap()));
    let (queue, nobody) = tokio::sync::mpsc::channel(1);
    drop(nobody);
    Audit(Some(Way { metrics: metrics(), desk, queue })).record(&line("a")).await.unwrap();
    assert_eq!(scratch.lines(), [pair("a", "intent")]);
}

#[tokio::test]
async fn both_lines_of_a_call_say_what_it_was() {
    let scratch = Scratch::new("both");
    let (audit, writer) = Audit::open(&AuditSink::File(scratch.file()), metrics()).unwrap();
    audit.record(&line("a")).await.unwrap();
    audit.complete(&line("a"), &OUTCOME).await;
    audit.close();
    assert!(writer.unwrap().join().unwrap());
    assert_eq!(scratch.lines(), [pair("a", "intent"), pair("a", "outcome")]);
    let text = std::fs::read_to_string(scratch.file()).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["resource"], "userPools/us-east-1_Abc/identityProviders/Corp \"1\"");
    assert_eq!((&last["duration_ms"], last.get("reason")), (&7.into(), None));
}

#[tokio::test]
async fn a_line_waits_while_the_sink_is_busy_and_none_overtakes_it() {
    let scratch = Scratch::new("busy");
    let (audit, writer) = Audit::open(&AuditSink::File(scratch.file()), metrics()).unwrap();
    let desk = Arc::clone(&audit.0.as_ref().unwrap().desk);
    let (held, holding) = std::sync::mpsc::channel::<()>();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        let sink = desk.hold_for_tests();
        held.send(()).unwrap();
        released.recv().unwrap();
        drop(sink);
    });
    holding.recv().unwrap();
    let first = line("first");
    let mut recorded = std::pin::pin!(audit.record(&first));
    // The thread of the runtime does not wait for the sink: other futures go on.
    assert!(tokio::time::timeout(Duration::ZERO, &mut recorded).await.is_err(), "it is not out");
    audit.complete(&line("second"), &OUTCOME).await;
    release.send(()).unwrap();
    other.join().unwrap();
    recorded.await.unwrap();
    audit.close();
    assert!(writer.unwrap().join().unwrap());
    assert_eq!(scratch.lines(), [pair("first", "intent"), pair("second", "outcome")]);
}

#[tokio::test]
async fn after_a_slow_write_and_after_the_end_no_task_writes() {
    let scratch = Scratch::new("slow");
    let (audit, writer) = Audit::open(&AuditSink::File(scratch.file()), metrics()).unwrap();
    let desk = Arc::clone(&audit.0.as_ref().unwrap().desk);
    assert!(desk.write_at_once(b"{}\n"));
    desk.hold_for_tests().was_slow_for_tests();
    assert!(!desk.write_at_once(b"{}\n"));
    audit.record(&line("by the writer")).await.unwrap();
    audit.close();
    assert!(writer.unwrap().join().unwrap());
    assert!(!desk.write_at_once(b"{}\n"));
    assert_eq!(audit.record(&line("late")).await, Err(super::Unrecorded));
}

#[tokio::test]
async fn what_is_no_regular_file_is_written_by_the_writer() {
    let (audit, writer) = Audit::open(&AuditSink::File("/dev/null".into()), metrics()).unwrap();
    assert!(!audit.0.as_ref().unwrap().desk.write_at_once(b"{}\n"));
    audit.record(&line("a")).await.unwrap();
    audit.close();
    assert!(writer.unwrap().join().unwrap());
}
