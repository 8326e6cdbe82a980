//! What operators are told of a call when it is over: its line in the log, its error in the metrics,
//! and what its span says of it.

use std::time::Duration;

use crate::{
    domain::Action,
    fault::Fault,
    identity::Caller,
    status::{self, About},
    telemetry::{CallTrace, Metrics},
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
    /// Its place in a trace.
    pub trace: &'a CallTrace,
}

impl Report<'_> {
    fn caller(&self) -> Option<&str> {
        self.caller.map(Caller::id)
    }

    fn resource(&self) -> Option<String> {
        self.about.subject.map(|(subject, _)| subject.resource_info().1)
    }

    /// Said only where it is so, as most calls are not.
    fn validate_only(&self) -> Option<bool> {
        self.about.subject.map(|(subject, _)| subject.validate_only()).filter(|asks| *asks)
    }

    fn confirmed(&self) -> Option<bool> {
        self.attempts.map(Attempts::is_confirmed).filter(|is_confirmed| *is_confirmed)
    }

    fn attempts(&self) -> Option<u32> {
        self.attempts.map(Attempts::started)
    }

    fn quota_wait_ms(&self) -> Option<u64> {
        self.attempts.and_then(Attempts::quota_wait).map(millis)
    }

    fn aws_request_id(&self) -> Option<String> {
        self.attempts.and_then(Attempts::aws_request_id)
    }

    /// What the span says beside the code. Not who called: log and audit know, and are read by fewer.
    fn note(&self, reason: Option<&'static str>) {
        self.trace.note("idp_proxy.request_id", || Some(self.about.request_id.to_owned()));
        self.trace.note("idp_proxy.resource", || self.resource());
        self.trace.note("idp_proxy.reason", || reason);
        self.trace.note("idp_proxy.attempts", || self.attempts().map(i64::from));
        self.trace.note("idp_proxy.quota_wait_ms", || self.quota_wait_ms().and_then(|wait| i64::try_from(wait).ok()));
    }

    /// A call that succeeded.
    pub fn success(&self) {
        self.note(None);
        tracing::info!(
            method = self.action.grpc_method(),
            code = "OK",
            caller = self.caller(),
            resource = self.resource(),
            validate_only = self.validate_only(),
            confirmed = self.confirmed(),
            request_id = self.about.request_id,
            aws_request_id = self.aws_request_id(),
            attempts = self.attempts(),
            quota_wait_ms = self.quota_wait_ms(),
            elapsed_ms = millis(self.elapsed),
            trace_id = self.trace.trace_id(),
            span_id = self.trace.span_id(),
            "call"
        );
    }

    /// A call that failed: a warning if the operator has to look after it, information if the caller has.
    pub fn fault(&self, fault: &Fault, metrics: &Metrics) {
        let verdict = status::verdict(fault, self.about);
        metrics.failed(verdict.reason);
        self.note(Some(verdict.reason));
        macro_rules! log {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    method = self.action.grpc_method(),
                    code = status::code_name(verdict.code),
                    reason = verdict.reason,
                    caller = self.caller(),
                    resource = self.resource(),
                    validate_only = self.validate_only(),
                    request_id = self.about.request_id,
                    aws_request_id = self.aws_request_id(),
                    attempts = self.attempts(),
                    quota_wait_ms = self.quota_wait_ms(),
                    elapsed_ms = millis(self.elapsed),
                    trace_id = self.trace.trace_id(),
                    span_id = self.trace.span_id(),
                    fault = %fault,
                    "call"
                )
            };
        }
        if verdict.is_operators() { log!(tracing::Level::WARN) } else { log!(tracing::Level::INFO) }
    }
}

/// A call whose caller went away before its answer. A write that has begun goes on and leaves its own line.
pub fn cancelled(action: Action, request_id: &str, elapsed: Duration, trace: &CallTrace, is_going_on: bool) {
    let (method, elapsed_ms) = (action.grpc_method(), millis(elapsed));
    let (trace_id, span_id) = (trace.trace_id(), trace.span_id());
    if is_going_on {
        tracing::info!(method, request_id, elapsed_ms, trace_id, span_id, "the caller went away; its write goes on");
    } else {
        tracing::info!(method, code = "CANCELLED", request_id, elapsed_ms, trace_id, span_id, "call");
    }
}

/// A call that tonic refused by itself, under the reason that it got.
pub fn refused(action: Option<Action>, fault: &Fault, about: &About<'_>, metrics: &Metrics, trace: &CallTrace) {
    let reason = status::verdict(fault, about).reason;
    metrics.failed(reason);
    trace.note("idp_proxy.request_id", || Some(about.request_id.to_owned()));
    trace.note("idp_proxy.reason", || Some(reason));
    let (method, request_id) = (action.map(Action::grpc_method), about.request_id);
    let (trace_id, span_id) = (trace.trace_id(), trace.span_id());
    tracing::info!(method, reason, request_id, trace_id, span_id, %fault, "call refused");
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
