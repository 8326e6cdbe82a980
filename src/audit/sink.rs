//! The writer: one thread, so that a slow disk never blocks the runtime, and lines that wait together go out together.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{AuditSink, QUEUE_MAX, Unrecorded};
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

/// An open sink.
#[derive(Debug)]
pub(super) enum Sink {
    Stdout,
    File { path: PathBuf, file: File, is_torn: bool },
}

impl Sink {
    pub(super) fn open(sink: &AuditSink) -> io::Result<Option<Self>> {
        Ok(match sink {
            AuditSink::Off => None,
            AuditSink::Stdout => Some(Self::Stdout),
            AuditSink::File(path) => Some(Self::File { path: path.clone(), file: open(path)?, is_torn: false }),
        })
    }

    /// Writes whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Self::File { path, file, is_torn } => {
                if is_moved(path, file) {
                    *file = open(path)?;
                    *is_torn = false;
                }
                if *is_torn {
                    // A line that was cut off by a full disk must not swallow the next one.
                    file.write_all(b"\n")?;
                    *is_torn = false;
                }
                file.write_all(lines).inspect_err(|_| *is_torn = true)
            }
        }
    }

    fn reopen(&mut self) {
        if let Self::File { path, file, .. } = self {
            match open(path) {
                Ok(new) => *file = new,
                Err(why) => tracing::error!(%why, "the audit file could not be opened anew; the old one stays in use"),
            }
        }
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Whether the path no longer leads to the open file: rotation has renamed or removed it.
fn is_moved(path: &PathBuf, file: &File) -> bool {
    let (Ok(there), Ok(open)) = (std::fs::metadata(path), file.metadata()) else { return true };
    (there.dev(), there.ino()) != (open.dev(), open.ino())
}

/// Writes until the audit is closed; answers whether everything is out.
pub(super) fn run(
    mut sink: Sink,
    mut entries: mpsc::Receiver<Entry>,
    is_closing: &AtomicBool,
    metrics: &Metrics,
) -> bool {
    // Lines that complete what has happened and could not be written yet.
    let mut kept: Vec<u8> = Vec::new();
    let mut batch = Vec::new();
    let mut tries_left = LAST_TRIES;
    loop {
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
            if batch.is_empty() && is_closing.load(Ordering::Relaxed) {
                tries_left -= 1;
            }
        }
        if is_closing.load(Ordering::Relaxed) {
            // What is in the queue is still taken; then there is nothing more.
            entries.close();
        }
        let was_failing = !kept.is_empty();
        let written = write(&mut sink, &mut kept, &mut batch);
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
