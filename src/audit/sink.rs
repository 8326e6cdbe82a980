//! Where the lines go, and when a line may be written by the task that has it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::AuditSink;

/// Between two looks whether the path still leads to the open file. Rotation renames a file long before it packs or
/// removes it, so a line that follows within this time is in the renamed file as those before it are.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A write that took longer than this was not to the page cache only, or its thread had to wait for a core.
const SLOW: Duration = Duration::from_millis(2);
/// When two writes were slow within so many times the length of the first, the writer's thread does the waiting for so many
/// times the length of the second: of one thread's time a twenty-fifth is lost at most, however slow the disk is.
const SLOW_TIMES: u32 = 50;

/// An open sink.
#[derive(Debug)]
pub(super) enum Sink {
    Stdout,
    File(Log),
}

/// An open file.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Device and inode of the file.
    identity: (u64, u64),
    /// Whether a write can wait for nothing but the disk: no pipe, no terminal.
    is_regular: bool,
    looked_at: Instant,
    /// Whether the last line was cut off.
    is_torn: bool,
    slowness: Slowness,
}

/// What is known of how slow writing is.
#[derive(Clone, Copy, Debug, Default)]
struct Slowness {
    /// Until then another slow write counts.
    watched_until: Option<Instant>,
    /// Until then writing is the writer's thread's.
    handed_over_until: Option<Instant>,
}

impl Slowness {
    fn is_handed_over(self, now: Instant) -> bool {
        self.handed_over_until.is_some_and(|until| now < until)
    }

    /// Notes how long a write took. One that was slow may have waited for a core, where handing over would cost more of what
    /// lacks: only a second one is the disk's.
    fn note(&mut self, begun: Instant, took: Duration) {
        if took <= SLOW {
            return;
        }
        let until = begun + took.saturating_mul(SLOW_TIMES);
        if self.watched_until.is_some_and(|watched| begun < watched) {
            self.handed_over_until = Some(until);
        }
        self.watched_until = Some(until);
    }
}

impl Sink {
    pub(super) fn open(sink: &AuditSink) -> io::Result<Option<Self>> {
        Ok(match sink {
            AuditSink::Off => None,
            AuditSink::Stdout => Some(Self::Stdout),
            AuditSink::File(path) => Some(Self::File(Log::open(path)?)),
        })
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Self::File(log) => log.write(lines, Instant::now()),
        }
    }

    /// Writes a line on a thread that has better things to do, if that is quick; answers whether it is out.
    ///
    /// A write to a file ends in the page cache, in about the time of a hand-over to another thread and a fraction of its
    /// cost. It can still wait: for a disk that cannot keep up, for a network's. Then one thread waits twice, and for
    /// [`SLOW_TIMES`] the lines go to the writer's thread.
    pub(super) fn write_at_once(&mut self, line: &[u8]) -> bool {
        let Self::File(log) = self else { return false };
        let begun = Instant::now();
        if !log.is_regular || log.slowness.is_handed_over(begun) {
            return false;
        }
        // What went wrong the writer meets too, and says.
        let is_out = log.write(line, begun).is_ok();
        log.slowness.note(begun, begun.elapsed());
        is_out
    }

    /// As after slow writes.
    #[cfg(test)]
    pub(super) fn was_slow_for_tests(&mut self) {
        if let Self::File(log) = self {
            log.slowness.handed_over_until = Some(Instant::now() + Duration::from_hours(1));
        }
    }

    pub(super) fn reopen(&mut self) {
        if let Self::File(log) = self {
            match Log::open(&log.path) {
                Ok(new) => *log = new,
                Err(why) => tracing::error!(%why, "the audit file could not be opened anew; the old one stays in use"),
            }
        }
    }
}

impl Log {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let found = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            identity: (found.dev(), found.ino()),
            is_regular: found.is_file(),
            file,
            looked_at: Instant::now(),
            is_torn: found.is_file() && is_cut_off(path, found.len()),
            slowness: Slowness::default(),
        })
    }

    fn write(&mut self, lines: &[u8], now: Instant) -> io::Result<()> {
        if now.saturating_duration_since(self.looked_at) >= LOOK_EVERY {
            if self.is_moved() {
                *self = Self { slowness: self.slowness, ..Self::open(&self.path)? };
            }
            // Only now: as long as the file cannot be opened anew, no line may go to the one that nobody finds.
            self.looked_at = now;
        }
        if self.is_torn {
            // A line that was cut off, by a full disk or the end of a process, must not swallow the next one.
            self.file.write_all(b"\n")?;
            self.is_torn = false;
        }
        self.file.write_all(lines).inspect_err(|_| self.is_torn = true)
    }

    /// Whether the path no longer leads to the open file: rotation has renamed or removed it.
    fn is_moved(&self) -> bool {
        std::fs::metadata(&self.path).map_or(true, |there| (there.dev(), there.ino()) != self.identity)
    }
}

/// Whether a file of so many bytes lacks its last line break: whoever wrote there was killed in the midst of a line.
fn is_cut_off(path: &Path, bytes: u64) -> bool {
    let Some(last) = bytes.checked_sub(1) else { return false };
    let mut end = [b'\n'];
    // One that may be written and not read is taken to be whole.
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut end, last));
    read.is_ok() && end != [b'\n']
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LOOK_EVERY, Log, SLOW, SLOW_TIMES, Slowness};

    #[test]
    fn writing_is_handed_over_after_two_slow_writes_and_for_a_bounded_time() {
        let begun = Instant::now();
        let took = 2 * SLOW;
        let mut slowness = Slowness::default();
        for (after, took, is_handed_over) in [
            (Duration::ZERO, SLOW, false),
            (Duration::ZERO, took, false),
            // As if the disk were well: quick writes in between change nothing.
            (took, SLOW, false),
            // So late that the two have nothing to do with each other.
            (took * SLOW_TIMES, took, false),
            (took * (2 * SLOW_TIMES - 1), took, true),
        ] {
            slowness.note(begun + after, took);
            assert_eq!(slowness.is_handed_over(begun + after + took), is_handed_over, "{after:?}");
        }
        assert!(!slowness.is_handed_over(begun + took * (3 * SLOW_TIMES - 1)));
    }

    #[test]
    fn a_line_that_a_killed_process_left_unfinished_does_not_swallow_the_next() {
        let path = std::env::temp_dir().join(format!("idp-proxy-sink-torn-{}", std::process::id()));
        for (before, after) in [("", "3\n"), ("1\n", "1\n3\n"), ("1\n2", "1\n2\n3\n")] {
            std::fs::write(&path, before).unwrap();
            Log::open(&path).unwrap().write(b"3\n", Instant::now()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn while_a_removed_file_cannot_be_made_anew_no_line_counts_as_written() {
        let directory = std::env::temp_dir().join(format!("idp-proxy-sink-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("audit.jsonl");
        let mut log = Log::open(&path).unwrap();
        log.write(b"1\n", Instant::now()).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        std::fs::write(&directory, "in the way").unwrap();
        // The writer tries at once again what a task could not write.
        let soon = Instant::now() + LOOK_EVERY;
        for _ in 0..3 {
            assert!(log.write(b"2\n", soon).is_err());
        }
        std::fs::remove_file(&directory).unwrap();
        std::fs::create_dir_all(&directory).unwrap();
        log.write(b"3\n", soon).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "3\n");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
