//! The record of every call that reached policy: JSON lines, written before a write goes to AWS and completed after.
//!
//! Holds no secret and no detail's value: keys, and keyed hashes in place of secrets. If the line before a write cannot
//! be written, the write is refused. A full queue makes calls wait; nothing is dropped.

mod line;
mod sink;
mod writer;

use std::{io, path::PathBuf, sync::Arc, thread::JoinHandle};

use tokio::sync::{mpsc, oneshot};

pub use self::line::{Line, Outcome};
use self::{
    sink::Sink,
    writer::{Desk, Entry},
};
use crate::telemetry::Metrics;

/// Lines that may wait for the writer; beyond it calls wait.
const QUEUE_MAX: usize = 1024;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditSink {
    /// Standard output.
    Stdout,
    /// A file, appended to; made with mode 0600. Opened anew when it was renamed or removed, or on SIGHUP.
    File(PathBuf),
    /// Nowhere.
    Off,
}

/// The record could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit line could not be written")]
pub struct Unrecorded;

/// The audit; a clone writes to the same place.
#[derive(Clone, Debug)]
pub struct Audit(Option<Way>);

/// The way to the sink: by the task that has a line if that is quick, else by the writer's queue.
#[derive(Clone, Debug)]
struct Way {
    metrics: Arc<Metrics>,
    desk: Arc<Desk>,
    queue: mpsc::Sender<Entry>,
}

impl Audit {
    /// Opens the sink and starts its writer, which [`Self::close`] ends and which answers whether every line is out.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(sink: &AuditSink, metrics: Arc<Metrics>) -> io::Result<(Self, Option<JoinHandle<bool>>)> {
        let Some(sink) = Sink::open(sink)? else { return Ok((Self(None), None)) };
        let (queue, entries) = mpsc::channel(QUEUE_MAX);
        let desk = Arc::new(Desk::new(sink));
        let way = Way { metrics: Arc::clone(&metrics), desk: Arc::clone(&desk), queue };
        let thread = std::thread::Builder::new().name("audit".to_owned());
        let thread = thread.spawn(move || writer::run(&desk, entries, &metrics))?;
        Ok((Self(Some(way)), Some(thread)))
    }

    /// Writes the line before a write and waits until it is out.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn record(&self, line: &Line) -> Result<(), Unrecorded> {
        let Some(way) = &self.0 else { return Ok(()) };
        let text = line.intent().ok_or(Unrecorded)?;
        if way.desk.write_at_once(&text) {
            return Ok(());
        }
        let (written, outcome) = oneshot::channel();
        way.send(Entry::Line { text, written: Some(written) }).await.map_err(|_| Unrecorded)?;
        outcome.await.unwrap_or(Err(Unrecorded))
    }

    /// Writes the line that completes what has happened already, or hands it over: then the writer keeps it until it
    /// could be written.
    pub async fn complete(&self, line: &Line, outcome: &Outcome) {
        let Some(way) = &self.0 else { return };
        let lost = |why: &str| {
            way.metrics.audit_failed();
            tracing::error!(request_id = line.request_id(), "an audit line is lost: {why}");
        };
        let Some(text) = line.outcome(outcome) else { return lost("it could not be put into JSON") };
        let is_kept = way.desk.write_at_once(&text) || way.send(Entry::Line { text, written: None }).await.is_ok();
        if !is_kept {
            lost("the writer has ended");
        }
    }

    /// Ends the writer when all lines before this are out. Whoever has a line after it learns that it is not recorded.
    pub fn close(&self) {
        if let Some(way) = &self.0 {
            way.desk.close();
            // For a writer that waits for lines; one that does not has seen the flag, or has ended.
            drop(way.queue.try_send(Entry::Close));
        }
    }

    /// Opens the file anew, as log rotation asks for with SIGHUP.
    pub async fn reopen(&self) {
        if let Some(way) = &self.0 {
            // A writer that has ended has nothing to reopen.
            drop(way.queue.send(Entry::Reopen).await);
        }
    }
}

impl Way {
    /// Hands a line to the writer. It counts from now on, so that no later line is written before it.
    async fn send(&self, line: Entry) -> Result<(), Unrecorded> {
        let place = self.queue.reserve().await.map_err(|_| Unrecorded)?;
        self.desk.queued();
        place.send(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
