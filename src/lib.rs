//! idp-proxy: a gRPC proxy for the identity-provider operations of Amazon Cognito user pools and Amazon `WorkSpaces` Web.
//!
//! A call goes through the modules in this order: `server` accepts it, names it and asks `identity` who calls;
//! `service` hands it to the `pipeline`, which reads it into an `operation` (values of the `domain`), asks `policy`,
//! waits for `quota`, and lets the operation call AWS through `upstream`. A `fault` of any stage becomes a gRPC status in `status`.

pub mod audit;
pub mod config;
pub mod deadline;
pub mod domain;
pub mod fake_aws;
pub mod fault;
pub mod identity;
pub mod operation;
pub mod pipeline;
pub mod policy;
pub mod proto;
pub mod quota;
pub mod report;
pub mod same_effect;
pub mod server;
pub mod service;
pub mod start;
pub mod status;
pub mod telemetry;
pub mod upstream;
