//! AWS: the SDK clients, what was sent, and what a failure means. Knows no gRPC.

mod accounts;
mod attempts;
mod classify;
mod clients;
mod contention;
mod endpoint;
mod failure;
mod guard;
mod identity;
mod measure;
mod response;
mod session;
mod user_agent;

pub use self::{
    accounts::AccountSection,
    attempts::Attempts,
    clients::{ClientLimits, Upstream},
    endpoint::{EndpointOverride, InsecureEndpoint, check_endpoint},
    failure::{AwsError, Cause, Executed, FieldError, SdkFailure, UpstreamFault},
    guard::check_root_certificates,
};
pub(crate) use self::{
    classify::{foreseen, given_up, incomplete},
    contention::unless_contended,
};
