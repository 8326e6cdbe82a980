//! Why a call failed, by the stage that ended it. Knows neither gRPC nor an SDK.

use std::{collections::BTreeSet, fmt};

use crate::{
    domain::{Violation, Violations},
    identity::Unidentified,
    policy::Denial,
    quota::Limited,
    upstream::UpstreamFault,
};

/// Whose limit a call ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// The caller's `grpc-timeout`.
    Callers,
    /// The configured maximum.
    Ours,
    /// The end of the time that a server which goes down has.
    Drain,
}

/// Why a call failed.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The caller is not known.
    Unidentified(Unidentified),
    /// The request breaks rules that hold whatever the state at AWS.
    Invalid(Violations),
    /// The request's bytes are no message of the RPC's.
    Undecodable,
    /// The request is larger than the server reads.
    TooLarge,
    /// There is no such RPC.
    UnknownMethod,
    /// The request is compressed in a way that is not known.
    UnknownEncoding,
    /// Policy does not allow it.
    Denied(Denial),
    /// The `request_id` is known from a request with other content.
    RequestIdReused,
    /// A request quota of AWS's is used up for longer than the call can wait.
    RateLimited(Limited),
    /// The caller of a read went away, or that of a write which still waited for a quota.
    CallerGone,
    /// More calls are in flight than the server takes.
    Overloaded,
    /// The server is going down.
    Draining,
    /// Time ran out; for a write that was sent, AWS may have executed it.
    OutOfTime {
        /// Whose limit it was.
        deadline: Deadline,
        /// Whether AWS may have executed it.
        may_have_been_applied: bool,
    },
    /// AWS refused, or could not be asked.
    Upstream(Box<UpstreamFault>),
    /// The call could not be recorded, so it was not made.
    Unrecorded,
    /// A defect of ours.
    Internal,
}

impl fmt::Display for Fault {
    /// For the log: what happened, never what was sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unidentified(why) => write!(f, "caller unidentified: {why}"),
            Self::Invalid(found) => {
                // Members only: a caller that mixed up key and value has its secret in the rest of the path.
                let member = |one: &Violation| one.field().split(['[', '.']).next().unwrap_or_default().to_owned();
                let members: BTreeSet<String> = found.iter().map(member).collect();
                let members = Vec::from_iter(members).join(", ");
                write!(f, "invalid request: {} violations in {members}", found.len())
            }
            Self::Undecodable => f.write_str("the request could not be decoded"),
            Self::TooLarge => f.write_str("the request is too large"),
            Self::UnknownMethod => f.write_str("no such method"),
            Self::UnknownEncoding => f.write_str("the request's encoding is not known"),
            Self::Denied(denial) => write!(f, "policy denied: {denial}"),
            Self::RequestIdReused => f.write_str("the request_id was used for other content"),
            Self::RateLimited(limited) => {
                write!(f, "the budget {} is used up for {} ms", limited.budget(), limited.wait.as_millis())
            }
            Self::CallerGone => f.write_str("the caller went away; nothing was changed"),
            Self::Overloaded => f.write_str("too many calls in flight"),
            Self::Draining => f.write_str("the server is going down"),
            Self::OutOfTime { deadline: Deadline::Callers, .. } => f.write_str("the caller's deadline passed"),
            Self::OutOfTime { deadline: Deadline::Ours, .. } => f.write_str("the proxy's own limit passed"),
            Self::OutOfTime { deadline: Deadline::Drain, .. } => f.write_str("the server went down before the end"),
            Self::Upstream(fault) => write!(f, "{fault}"),
            Self::Unrecorded => f.write_str("the audit line could not be written; nothing was sent to AWS"),
            Self::Internal => f.write_str("internal error"),
        }
    }
}

impl std::error::Error for Fault {}
