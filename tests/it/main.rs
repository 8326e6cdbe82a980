//! Real client → real server → real AWS SDK → a stand-in for AWS over HTTP. Nothing of ours is mocked.
//!
//! `tests/run` installs what these tests need; a missing tool is a failure, never a skipped test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unnecessary_debug_formatting,
    reason = "a test that fails panics, and TOML wants paths in quotes"
)]

mod accounts;
mod audit;
mod canaries;
mod chaos;
mod cli;
mod cognito;
mod coverage;
mod deadline;
mod dependencies;
mod documents;
mod drain;
mod emulators;
mod envoy;
mod errors;
mod examples;
mod fake_aws;
mod fuzz;
mod grpcurl;
mod helm;
mod image;
mod jwt;
mod layout;
mod metrics;
mod model;
mod mtls;
mod order;
mod outage;
mod policy;
mod prometheus;
mod proofs;
mod proto;
mod quota;
mod readme;
mod release;
mod rpcs;
mod same_effect;

mod serving;
mod support;
mod systemd;
mod traces;
mod workspacesweb;
