//! What operators are told of a call when it is over: its line in the log, and its error in the metrics.

use std::time::Duration;

use crate::{
    domain::Action,
    fault::Fault,
    identity::Caller,
    status::{self, About},
    telemetry::Metrics,
    upstream::Attempts,
};

/// A call that is over.
#[derive(Debug)]
pub struct Report<'a> {
    /// What was called.
    pub action: Action,
    /// Who called, once known.
    pub caller: Option<&'a Caller>,
    /// What it was about.
    pub about: &'a About<'a>,
    /// What was sent to AWS, if the call came that far.
    pub attempts: Option<&'a Attempts>,
    /// From its headers to its answer.
    pub elapsed: Duration,
}

impl Report<'_> {
    fn caller(&self) -> Option<&str> {
        self.caller.map(Caller::id)
    }

    fn resource(&self) -> Option<String> {
        self.about.subject.map(|(subject, _)| subject.resource_info().1)
    }

    fn attempts(&self) -> Option<u32> {
        self.attempts.map(Attempts::started)
    }

    fn aws_request_id(&self) -> Option<String> {
        self.attempts.and_then(Attempts::aws_request_id)
    }

    /// A call that succeeded.
    pub fn success(&self) {
        tracing::info!(
            method = self.action.grpc_method(),
            code = "OK",
            caller = self.caller(),
            resource = self.resource(),
            request_id = self.about.request_id,
            aws_request_id = self.aws_request_id(),
            attempts = self.attempts(),
            elapsed_ms = millis(self.elapsed),
            "call"
        );
    }

    /// A call that failed: a warning if the operator has to look after it, information if the caller has.
    pub fn fault(&self, fault: &Fault, metrics: &Metrics) {
        let verdict = status::verdict(fault, self.about);
        metrics.failed(verdict.reason);
        macro_rules! log {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    method = self.action.grpc_method(),
                    code = status::code_name(verdict.code),
                    reason = verdict.reason,
                    caller = self.caller(),
                    resource = self.resource(),
                    request_id = self.about.request_id,
                    aws_request_id = self.aws_request_id(),
                    attempts = self.attempts(),
                    elapsed_ms = millis(self.elapsed),
                    fault = %fault,
                    "call"
                )
            };
        }
        if verdict.is_operators() { log!(tracing::Level::WARN) } else { log!(tracing::Level::INFO) }
    }
}

/// A call whose caller went away before its answer. A write that has begun goes on and leaves its own line.
pub fn cancelled(action: Action, request_id: &str, elapsed: Duration, is_going_on: bool) {
    let (method, elapsed_ms) = (action.grpc_method(), millis(elapsed));
    if is_going_on {
        tracing::info!(method, request_id, elapsed_ms, "the caller went away; its write goes on");
    } else {
        tracing::info!(method, code = "CANCELLED", request_id, elapsed_ms, "call");
    }
}

/// A call that tonic refused by itself, under the reason that it got.
pub fn refused(action: Option<Action>, fault: &Fault, about: &About<'_>, metrics: &Metrics) {
    metrics.failed(status::verdict(fault, about).reason);
    tracing::info!(method = action.map(Action::grpc_method), request_id = about.request_id, %fault, "call refused");
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
