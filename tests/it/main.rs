//! Real client → real server → real AWS SDK → a stand-in for AWS over HTTP. Nothing of ours is mocked.
//!
//! `tests/run` installs what these tests need; a missing tool is a failure, never a skipped test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod readme;
mod support;
