//! What an RPC is: one file for each below this one.
//!
//! A twelfth RPC is the proto, one file here, one line in `service.rs` and one row in the tests' table.

pub mod cognito;
pub mod workspacesweb;

use std::collections::{BTreeMap, HashMap};

use aws_smithy_types::DateTime;
use prost_types::Timestamp;
use tokio::time::Instant;

use crate::{
    domain::{Action, Details, Effect, Fingerprinter, Repeat, Subject, UnknownKeys, Violations},
    identity::Caller,
    policy::Permit,
    upstream::{Upstream, UpstreamFault},
};

/// What the configuration says about reading requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// What happens to detail keys that the table does not let a caller set.
    pub unknown_detail_keys: UnknownKeys,
}

/// What a call to AWS needs beside the operation itself.
#[derive(Debug)]
pub struct Aws {
    /// The clients.
    pub upstream: Upstream,
    /// Hashes the secrets that AWS answers with.
    pub fingerprinter: Fingerprinter,
}

/// The call that an operation serves: what it has to know of it beside its own content.
#[derive(Clone, Debug)]
pub struct CallContext<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// When the call's headers were read.
    pub began: Instant,
    /// By when it must be answered; the pipeline ends it then.
    pub deadline: Instant,
}

/// One RPC, read and found valid. An implementation holds what the RPC needs, says what it is about, and calls AWS.
pub trait Operation: Sized + Send + Sync + 'static {
    /// The decoded message.
    type Request: Send + 'static;
    /// The message to answer with.
    type Reply: Send + 'static;

    /// What policy, metrics and errors call it.
    const ACTION: Action;

    /// Reads a request.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn parse(request: Self::Request, rules: &Rules) -> Result<Self, Violations>;

    /// What the call is about.
    fn subject(&self) -> Subject<'_>;

    /// What repeating the call does.
    fn repeat(&self) -> Repeat {
        if Self::ACTION.effect() == Effect::Read { Repeat::Read } else { Repeat::SameEffect }
    }

    /// Calls AWS, with leave to do so.
    fn call(
        &self,
        aws: &Aws,
        permit: Permit,
        context: &CallContext<'_>,
    ) -> impl Future<Output = Result<Self::Reply, UpstreamFault>> + Send;
}

/// AWS's time as protobuf's. AWS writes milliseconds as a decimal fraction, which the SDK reads as a binary one:
/// rounding gives back what AWS wrote.
fn timestamp(time: &DateTime) -> Option<Timestamp> {
    const NANOS_PER_MILLI: i32 = 1_000_000;
    let millis = (i32::try_from(time.subsec_nanos()).ok()? + NANOS_PER_MILLI / 2) / NANOS_PER_MILLI;
    Some(Timestamp { seconds: time.secs() + i64::from(millis / 1000), nanos: millis % 1000 * NANOS_PER_MILLI })
}

/// What the proxy does not do yet is refused rather than ignored: a caller would rely on it.
fn not_yet(found: &mut Violations, request_id: &str, validate_only: bool) {
    if !request_id.is_empty() {
        found.add("request_id", "is not supported yet: this version gives no guarantee for it");
    }
    if validate_only {
        found.add("validate_only", "is not supported yet: this version would make the change");
    }
}

/// The details as the SDK takes them: the one place where they are exposed.
fn sdk_details(details: &Details) -> HashMap<String, String> {
    details.iter().map(|(key, value)| (key.to_owned(), value.expose().to_owned())).collect()
}

/// A map as the SDK takes it.
fn sdk_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
