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
    domain::{Action, ClientToken, Details, Effect, Fingerprinter, Repeat, Subject, UnknownKeys, Violations},
    identity::Caller,
    policy::Permit,
    upstream::{Attempts, Upstream, UpstreamFault},
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
    /// The token that makes AWS take every repetition of the call for the same one, where one can be derived.
    pub derived_token: Option<ClientToken>,
}

/// One RPC, read and found valid. An implementation holds what the RPC needs, says what it is about, and calls AWS.
pub trait Operation: Sized + Send + Sync + 'static {
    /// The decoded message.
    type Request: prost::Message + 'static;
    /// The message to answer with; equal calls in flight share it.
    type Reply: Clone + Send + Sync + 'static;

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

/// A provider that is gone after an attempt of this call whose outcome is not known was removed by that attempt.
fn gone_is_deleted<T>(outcome: Result<T, UpstreamFault>) -> Result<(), UpstreamFault> {
    let attempts = Attempts::current();
    match outcome {
        // Only AWS's own word for it: a bare 404 may be some gateway's.
        Err(fault) if fault.is_code(RESOURCE_NOT_FOUND) && attempts.has_doubt() => {
            attempts.confirm();
            Ok(())
        }
        outcome => outcome.map(drop),
    }
}

/// AWS's code for a pool, portal or provider that does not exist, in both APIs.
const RESOURCE_NOT_FOUND: &str = "ResourceNotFoundException";

/// The details as the SDK takes them: the one place where they are exposed.
fn sdk_details(details: &Details) -> HashMap<String, String> {
    details.iter().map(|(key, value)| (key.to_owned(), value.expose().to_owned())).collect()
}

/// A map as the SDK takes it.
fn sdk_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
