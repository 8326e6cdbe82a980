//! Logs and metrics. Nothing here is given a message, a detail's value or an SDK type.

mod log;
mod metrics;

pub use self::{
    log::{CallLine, LogFormat, check_filter, init, log_cancelled, log_fault, log_success},
    metrics::Metrics,
};
