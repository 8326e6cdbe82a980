//! The record of every call that reached policy: JSON lines, written before a write goes to AWS and completed after.
//!
//! Holds no secret and no detail's value: keys, and keyed hashes in place of secrets. If the line before a write cannot
//! be written, the write is refused. A full queue makes calls wait; nothing is dropped.

mod line;
mod sink;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use tokio::sync::{mpsc, oneshot};

pub use self::line::{Line, Outcome, Stage};
use self::sink::{Entry, Sink};
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
pub struct Audit {
    metrics: Arc<Metrics>,
    queue: Option<mpsc::Sender<Entry>>,
    /// Beside the queue, which may be full for good.
    is_closing: Arc<AtomicBool>,
}

impl Audit {
    /// Opens the sink and starts its writer, which [`Self::close`] ends and which answers whether every line is out.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(sink: &AuditSink, metrics: Arc<Metrics>) -> io::Result<(Self, Option<JoinHandle<bool>>)> {
        let Some(sink) = Sink::open(sink)? else {
            return Ok((Self { metrics, queue: None, is_closing: Arc::default() }, None));
        };
        let (queue, entries) = mpsc::channel(QUEUE_MAX);
        let audit = Self { metrics, queue: Some(queue), is_closing: Arc::default() };
        let (metrics, is_closing) = (Arc::clone(&audit.metrics), Arc::clone(&audit.is_closing));
        let writer = std::thread::Builder::new().name("audit".to_owned());
        let writer = writer.spawn(move || sink::run(sink, entries, &is_closing, &metrics))?;
        Ok((audit, Some(writer)))
    }

    /// Writes a line and waits until it is out.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn record(&self, line: &Line<'_>) -> Result<(), Unrecorded> {
        let Some(queue) = &self.queue else { return Ok(()) };
        let (written, outcome) = oneshot::channel();
        let text = line.text().ok_or(Unrecorded)?;
        queue.send(Entry::Line { text, written: Some(written) }).await.map_err(|_| Unrecorded)?;
        outcome.await.unwrap_or(Err(Unrecorded))
    }

    /// Hands a line over that completes what has happened already: the writer keeps it until it could be written.
    pub async fn complete(&self, line: &Line<'_>) {
        let Some(queue) = &self.queue else { return };
        let sent = match line.text() {
            Some(text) => queue.send(Entry::Line { text, written: None }).await.is_ok(),
            None => false,
        };
        if !sent {
            self.metrics.audit_failed();
            tracing::error!(request_id = line.request_id, "an audit line is lost: the writer has ended");
        }
    }

    /// Ends the writer when all lines before this are out. Whoever has a line after it learns that it is not recorded.
    pub fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            // For a writer that waits for lines; one that does not has seen the flag, or has ended.
            drop(queue.try_send(Entry::Close));
        }
    }

    /// Opens the file anew, as log rotation asks for with SIGHUP.
    pub async fn reopen(&self) {
        if let Some(queue) = &self.queue {
            // A writer that has ended has nothing to reopen.
            drop(queue.send(Entry::Reopen).await);
        }
    }
}
