//! Logs, metrics and traces as such. Nothing here is given a message, a detail's value or an SDK type; what is told of a call is
//! in [`crate::report`].

mod log;
mod metrics;
mod trace;

pub use self::{
    log::{LogFormat, check_filter, init},
    metrics::{AttemptOutcome, Exposition, InFlight, Metrics, QUOTA_CATEGORIES, Reload, Reloaded},
    trace::{AttemptTrace, CallTrace, OtlpTarget, Traces},
};
