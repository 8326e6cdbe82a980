//! A digest over named parts of a request: tells equal content from other content without keeping the content.

use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256 over parts; each is preceded by its length, so that no two lists of parts run into one another.
pub(super) struct Digest(Context);

impl Digest {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(super) fn part(mut self, part: &str) -> Self {
        self.0.update(&part.len().to_be_bytes());
        self.0.update(part.as_bytes());
        self
    }

    /// A part that may be absent; absent differs from empty.
    pub(super) fn optional(self, part: Option<&str>) -> Self {
        match part {
            Some(part) => self.part("present").part(part),
            None => self.part("absent"),
        }
    }

    /// Pairs in an order that the caller keeps stable.
    pub(super) fn pairs<'a>(mut self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        for (key, value) in pairs {
            self = self.part("pair").part(key).part(value);
        }
        self.part("end")
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}
