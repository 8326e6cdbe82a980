//! What was answered for which client token, so that a retry has the effect and the answer of one call.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

/// Our choice: how many tokens are remembered. AWS does not document its window; this one is bounded by memory and not
/// by time, so that tests need no clock.
const TOKENS_MAX: usize = 4096;

/// Bytes of remembered answers; an answer of an update holds up to some 100 KiB of metadata.
const BYTES_MAX: usize = 16 << 20;

/// A token is scoped to an operation and a region. Our choice, as AWS does elsewhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    operation: &'static str,
    region: String,
    token: String,
}

impl Key {
    pub(super) fn new(operation: &'static str, region: &str, token: &str) -> Self {
        Self { operation, region: region.to_owned(), token: token.to_owned() }
    }
}

/// What the memory knows of a request.
pub(super) enum Known {
    /// Nothing: it is to be executed.
    New,
    /// It was executed and answered so.
    Answered(Value),
    /// The token was used for a request with other content.
    OtherContent,
}

struct Entry {
    content: Vec<u8>,
    answer: Value,
    bytes: usize,
}

/// Successful calls by token; the oldest are forgotten first. It has no `Debug`: answers hold secrets.
#[derive(Default)]
pub(super) struct Memory {
    entries: HashMap<Key, Entry>,
    oldest_first: VecDeque<Key>,
    bytes: usize,
}

impl Memory {
    pub(super) fn look_up(&self, key: &Key, content: &[u8]) -> Known {
        match self.entries.get(key) {
            None => Known::New,
            Some(entry) if entry.content == content => Known::Answered(entry.answer.clone()),
            Some(_) => Known::OtherContent,
        }
    }

    pub(super) fn remember(&mut self, key: Key, content: Vec<u8>, answer: &Value) {
        let bytes = answer.to_string().len();
        self.bytes += bytes;
        self.oldest_first.push_back(key.clone());
        let answer = answer.clone();
        self.entries.insert(key, Entry { content, answer, bytes });
        while self.entries.len() > TOKENS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.oldest_first.pop_front() else {
                break;
            };
            if let Some(forgotten) = self.entries.remove(&oldest) {
                self.bytes -= forgotten.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::new("CreateIdentityProvider", "us-east-1", &number.to_string())
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let mut memory = Memory::default();
        for number in 0..=TOKENS_MAX {
            memory.remember(key(number), vec![1], &Value::from(number));
        }
        assert_eq!(memory.entries.len(), TOKENS_MAX);
        assert!(matches!(memory.look_up(&key(0), &[1]), Known::New));
        assert!(matches!(memory.look_up(&key(TOKENS_MAX), &[1]), Known::Answered(_)));
        assert!(matches!(memory.look_up(&key(TOKENS_MAX), &[2]), Known::OtherContent));
    }

    #[test]
    fn large_answers_are_bounded_by_their_bytes() {
        let mut memory = Memory::default();
        let large = Value::from("x".repeat(BYTES_MAX / 4));
        for number in 0..8 {
            memory.remember(key(number), vec![], &large);
        }
        assert!(memory.bytes <= BYTES_MAX);
        assert_eq!(memory.entries.len(), 3);
    }
}
