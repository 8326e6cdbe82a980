//! What a replica's audit says, followed while it is written.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    sync::Mutex,
};

use serde_json::Value;

/// The lines about one call, or about several with one id.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    pub(super) intents: usize,
    pub(super) outcomes: usize,
    pub(super) successes: usize,
    /// Its process was killed: the last lines are missing.
    pub(super) is_torn: bool,
}

/// What was written before one write.
#[derive(Clone, Debug)]
pub(super) struct IntentLine {
    pub(super) caller: String,
    pub(super) action: String,
    pub(super) resource: String,
}

#[derive(Debug, Default)]
struct Read {
    offset: u64,
    was_killed: bool,
    calls: HashMap<String, Lines>,
    intents: Vec<IntentLine>,
}

/// The audit of one replica; a replica that is started anew goes on writing it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) path: PathBuf,
    read: Mutex<Read>,
}

impl Record {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::default() }
    }

    /// Reads what is new.
    fn fresh<T>(&self, ask: impl FnOnce(&mut Read) -> T) -> T {
        let mut read = self.read.lock().unwrap();
        let mut text = Vec::new();
        let mut file = File::open(&self.path).expect("the audit is there");
        file.seek(SeekFrom::Start(read.offset)).expect("it can be sought");
        file.read_to_end(&mut text).expect("it can be read");
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        read.offset += whole as u64;
        for line in text[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Value = match serde_json::from_slice(line) {
                Ok(line) => line,
                // Its process was killed in the midst of it, before anything came of it.
                Err(why) if why.is_eof() && read.was_killed => continue,
                Err(why) => panic!("{why} in the audit: {}", String::from_utf8_lossy(line)),
            };
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let lines = read.calls.entry(text("request_id")).or_default();
            if line["stage"] == "intent" {
                lines.intents += 1;
                let intent = IntentLine { caller: text("caller"), action: text("action"), resource: text("resource") };
                read.intents.push(intent);
            } else {
                lines.outcomes += 1;
                lines.successes += usize::from(line["code"] == "OK");
            }
        }
        ask(&mut read)
    }

    /// The lines about a call.
    pub(super) fn about(&self, id: &str) -> Lines {
        self.fresh(|read| read.calls.get(id).cloned().unwrap_or_default())
    }

    /// Whether every write that was begun has been completed, as far as this replica has lived to complete it.
    pub(super) fn is_complete(&self, id: &str) -> bool {
        let lines = self.about(id);
        lines.is_torn || lines.outcomes >= lines.intents
    }

    /// Calls that were begun and not completed.
    pub(super) fn incomplete(&self) -> Vec<String> {
        let open = |lines: &Lines| !lines.is_torn && lines.outcomes < lines.intents;
        self.fresh(|read| read.calls.iter().filter(|(_, lines)| open(lines)).map(|(id, _)| id.clone()).collect())
    }

    /// Calls that a kill has cut off.
    pub(super) fn torn(&self) -> usize {
        self.fresh(|read| read.calls.values().filter(|lines| lines.is_torn).count())
    }

    /// Every intent.
    pub(super) fn intents(&self) -> Vec<IntentLine> {
        self.fresh(|read| read.intents.clone())
    }

    /// The replica was killed: what is open now stays open.
    pub(super) fn tear(&self) {
        self.fresh(|read| {
            read.was_killed = true;
            for lines in read.calls.values_mut().filter(|lines| lines.outcomes < lines.intents) {
                lines.is_torn = true;
            }
        });
    }
}
