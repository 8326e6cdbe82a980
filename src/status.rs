//! Fault → `tonic::Status` with details. The only place that picks a gRPC code.

mod details;
mod fields;
mod row;
mod table;
mod transport;

use std::collections::BTreeSet;

use tonic::{
    Code, Status,
    metadata::{AsciiMetadataValue, MetadataMap},
};

use self::row::{Retry, Row};
pub use self::transport::{ACCEPT_ENCODING, TransportRefusal, code_name_of, refusal_of_tonic};
use crate::{
    domain::{Action, Repeat, Subject},
    fault::Fault,
    upstream::{Executed, UpstreamFault},
};

/// `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "idp-proxy";

/// What is known about a call when it fails, beside the fault.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// What was called, if the path names an RPC.
    pub action: Option<Action>,
    /// What it was about, if it could be parsed, and what repeating it does.
    pub subject: Option<(&'a Subject<'a>, Repeat)>,
    /// The id under which the log knows the call.
    pub request_id: &'a str,
}

/// What a caller is told, in short: for the log, the metrics and the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The gRPC code.
    pub code: Code,
    /// The `reason` of the `ErrorInfo`.
    pub reason: &'static str,
    retry: Retry,
}

impl Verdict {
    /// Whether somebody who runs the proxy has to do something about it.
    pub fn is_operators(&self) -> bool {
        matches!(self.code, Code::Internal | Code::Unknown) || self.reason == "AWS_ACCESS_DENIED"
    }
}

/// Every reason that an error can have, each once.
pub fn reasons() -> BTreeSet<&'static str> {
    let of_row = |row: &Row| [row.read.1, row.same_effect.1, row.once.1];
    table::TABLE.iter().chain([&table::LAST]).flat_map(of_row).collect()
}

/// The name of a gRPC code as the specification writes it, such as `NOT_FOUND`.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Code and reason of a fault.
pub fn verdict(fault: &Fault, about: &About<'_>) -> Verdict {
    judge(&Row::of_fault(fault), fault, about)
}

/// The status that the caller gets.
pub fn of(fault: &Fault, about: &About<'_>) -> Status {
    let row = Row::of_fault(fault);
    let verdict = judge(&row, fault, about);
    let delay = details::delay(fault);
    let (message, details) = details::of(&row, &verdict, fault, about, delay);
    Status::with_details_and_metadata(verdict.code, message, details.into(), metadata(verdict.retry, delay))
}

fn judge(row: &Row, fault: &Fault, about: &About<'_>) -> Verdict {
    let not_executed = match fault {
        Fault::Upstream(fault) => fault.executed == Executed::No,
        Fault::OutOfTime { may_have_been_applied, .. } => !may_have_been_applied,
        _ => true,
    };
    // Of a write that was never read nothing is known: it counts as one that must not be repeated.
    let unread = about.action.filter(|action| action.is_write()).map(|_| Repeat::Once);
    let repeat = about.subject.map(|(_, repeat)| repeat).or(unread).filter(|_| !not_executed);
    let (answer, retry) = row.answer(repeat);
    // A row that has one answer for all says that this attempt was refused. What became of an earlier one is not known.
    let is_refusal = answer == row.read && row.read.0 != Code::Unknown && upstream(fault).is_some();
    let is_in_doubt = repeat == Some(Repeat::Once) && is_refusal;
    let ((code, reason), retry) = if is_in_doubt { (OUTCOME_UNKNOWN, Retry::Never) } else { (answer, retry) };
    Verdict { code, reason, retry }
}

/// Of a write that must not be repeated, where nothing better can be said.
const OUTCOME_UNKNOWN: (Code, &str) = (Code::Unknown, "OUTCOME_UNKNOWN");

/// Whether a write may have been applied, where that is known.
fn may_have_been_applied(fault: &Fault, code: Code, about: &About<'_>) -> Option<bool> {
    let is_write = about.subject.map(|(subject, _)| subject.is_write());
    about.action.filter(|action| is_write.unwrap_or(action.is_write()))?;
    Some(match fault {
        // An error that the proxy does not know says nothing either way.
        Fault::Upstream(fault) => fault.executed == Executed::Maybe || code == Code::Unknown,
        Fault::OutOfTime { may_have_been_applied, .. } => *may_have_been_applied,
        Fault::Internal => return None,
        _ => false,
    })
}

/// gRPC clients obey the first header (gRFC A6), Envoy's retries the second.
fn metadata(retry: Retry, delay: std::time::Duration) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    let never = AsciiMetadataValue::from_static("-1");
    let pushback = match retry {
        Retry::Free => return metadata,
        Retry::Never | Retry::CallerAfter => {
            metadata.insert("x-envoy-ratelimited", AsciiMetadataValue::from_static("true"));
            never
        }
        Retry::After => AsciiMetadataValue::try_from(delay.as_millis().to_string()).unwrap_or(never),
    };
    metadata.insert("grpc-retry-pushback-ms", pushback);
    metadata
}

/// The upstream part of a fault.
fn upstream(fault: &Fault) -> Option<&UpstreamFault> {
    if let Fault::Upstream(fault) = fault { Some(fault) } else { None }
}

#[cfg(test)]
mod tests;
