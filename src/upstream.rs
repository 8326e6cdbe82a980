//! AWS: the SDK clients, what was sent, and what a failure means. Knows no gRPC.

mod attempts;
mod classify;
mod clients;
mod contention;
mod endpoint;
mod failure;
mod measure;
mod response;

pub use self::{
    attempts::Attempts,
    clients::{ClientLimits, Upstream},
    endpoint::{InsecureEndpoint, check_endpoint},
    failure::{AwsError, Cause, Executed, FieldError, SdkFailure, UpstreamFault},
};
pub(crate) use self::{
    classify::{foreseen, given_up, incomplete},
    contention::unless_contended,
};
