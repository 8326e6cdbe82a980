//! The writer: one thread that waits for a slow sink in place of the runtime. Lines that wait together go out together.

use std::{
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{QUEUE_MAX, Unrecorded, sink::Sink};
use crate::telemetry::Metrics;

/// Between two tries to write lines that complete what has happened, while the sink fails.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Bytes of such lines that are kept, some ten thousand of them; beyond it nothing more is taken, and calls wait.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Tries to write such lines when the process ends; after that they are lost, and the log says so.
const LAST_TRIES: u32 = 25;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Entry {
    /// A line; with a sender its writer is waited for, without it the line is kept until it is written.
    Line { text: Vec<u8>, written: Option<oneshot::Sender<Result<(), Unrecorded>>> },
    /// Open the file anew.
    Reopen,
    /// Look whether the audit is being closed.
    Close,
}

/// What the writer shares with the tasks that have lines.
#[derive(Debug)]
pub(super) struct Desk {
    sink: Mutex<Sink>,
    /// Lines that were handed over and are not out.
    queued: AtomicUsize,
    /// Beside the queue, which may be full for good.
    is_closing: AtomicBool,
}

impl Desk {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink: Mutex::new(sink), queued: AtomicUsize::new(0), is_closing: AtomicBool::new(false) }
    }

    /// Writes a line by the task that has it; answers whether it is out. Not if lines wait before it, if another task
    /// is writing, if the sink is slow or fails, or if the audit is being closed. So at most one thread of the
    /// runtime waits for the disk at a time; with one core it has no other.
    pub(super) fn write_at_once(&self, line: &[u8]) -> bool {
        if self.queued.load(Ordering::Acquire) > 0 || self.is_closing.load(Ordering::Relaxed) {
            return false;
        }
        self.sink.try_lock().is_ok_and(|mut sink| sink.write_at_once(line))
    }

    /// A line is handed over.
    pub(super) fn queued(&self) {
        self.queued.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// As a task or the writer holds it while it writes.
    #[cfg(test)]
    pub(super) fn hold_for_tests(&self) -> MutexGuard<'_, Sink> {
        self.sink()
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        // A panic in the midst of a write leaves at worst a torn line, as a full disk does.
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until the audit is closed; answers whether everything is out.
pub(super) fn run(desk: &Desk, mut entries: mpsc::Receiver<Entry>, metrics: &Metrics) -> bool {
    // Lines that complete what has happened and could not be written yet.
    let mut kept: Vec<u8> = Vec::new();
    let (mut batch, mut taken) = (Vec::new(), 0);
    let mut tries_left = LAST_TRIES;
    loop {
        let is_closing = || desk.is_closing.load(Ordering::Relaxed);
        if kept.is_empty() {
            if entries.blocking_recv_many(&mut batch, QUEUE_MAX) == 0 {
                return true;
            }
        } else {
            std::thread::sleep(RETRY_AFTER);
            // Others are still taken, so that writes are refused at once and not when their time is over.
            while batch.len() < QUEUE_MAX && kept.len() < KEPT_BYTES_MAX {
                let Ok(entry) = entries.try_recv() else { break };
                batch.push(entry);
            }
            if batch.is_empty() && is_closing() {
                // A last try may succeed, and what is still in the queue fail after it.
                tries_left = tries_left.saturating_sub(1);
            }
        }
        if is_closing() {
            // What is in the queue is still taken; then there is nothing more.
            entries.close();
        }
        let was_failing = !kept.is_empty();
        taken += batch.iter().filter(|entry| matches!(entry, Entry::Line { .. })).count();
        let written = write(&mut desk.sink(), &mut kept, &mut batch);
        if kept.is_empty() {
            // Everything that was taken is out or refused: tasks may write by themselves again.
            desk.queued.fetch_sub(std::mem::take(&mut taken), Ordering::AcqRel);
        }
        if let Err(why) = written {
            metrics.audit_failed();
            if !was_failing {
                tracing::error!(%why, "audit lines could not be written; writes are refused until they can be");
            }
            if tries_left == 0 {
                tracing::error!(%why, bytes = kept.len(), "audit lines are lost");
                return false;
            }
        } else if was_failing {
            tracing::info!("audit lines can be written again");
        }
    }
}

/// Writes what was kept, then what has come; tells who waits for a line how it went and keeps the others.
fn write(sink: &mut Sink, kept: &mut Vec<u8>, batch: &mut Vec<Entry>) -> io::Result<()> {
    let (mut waiting, mut lines, mut completions) = (Vec::new(), Vec::new(), Vec::new());
    for entry in batch.drain(..) {
        match entry {
            Entry::Close => {}
            Entry::Reopen => sink.reopen(),
            Entry::Line { text, written } => {
                lines.extend_from_slice(&text);
                match written {
                    Some(written) => waiting.push(written),
                    None => completions.extend_from_slice(&text),
                }
            }
        }
    }
    let mut outcome = sink.write(kept);
    if outcome.is_ok() {
        kept.clear();
        outcome = sink.write(&lines);
    }
    if outcome.is_err() {
        kept.append(&mut completions);
    }
    for written in waiting {
        // A call that has gone away waits for nothing.
        let _gone = written.send(outcome.as_ref().copied().map_err(|_| Unrecorded));
    }
    outcome
}
