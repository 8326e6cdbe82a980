//! One call in the audit: what both of its lines say, rendered once, and the two lines.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_smithy_types::{DateTime, date_time::Format};
use serde::{Serialize, Serializer};

use crate::{
    domain::{AccountId, Action, DetailKey, Details, Fingerprinter, Intent, RequestId, SessionName, Subject},
    identity::Caller,
};

/// How a call ended.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The gRPC code's name.
    pub code: &'static str,
    /// The `reason` of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// AWS's id of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_request_id: Option<String>,
    /// Attempts at AWS.
    pub attempts: u32,
    /// Whether a read showed that the call succeeded, after its own answer was lost.
    #[serde(rename = "confirmed", skip_serializing_if = "is_not")]
    pub is_confirmed: bool,
    /// Whether this is the answer of an equal call that was in flight; then attempts and AWS's id are that call's.
    #[serde(rename = "joined", skip_serializing_if = "is_not")]
    pub is_joined: bool,
    /// From the call's headers to its answer, in milliseconds.
    pub duration_ms: u64,
}

/// What both lines of a call say.
#[derive(Debug, Serialize)]
struct Common<'a> {
    caller: &'a str,
    caller_kind: &'static str,
    #[serde(serialize_with = "displayed")]
    action: Action,
    resource: String,
    /// The AWS account, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    /// The name under which CloudTrail shows the call in that account, where it is made with a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_session: Option<&'a str>,
    decision: &'static str,
    policies: &'a [String],
    /// The id of the call, as in its log line and in the `RequestInfo` of its error.
    request_id: &'a str,
    /// The message's own `request_id`, under which a caller repeats a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    intent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_not")]
    validate_only: bool,
    detail_keys: Vec<&'a str>,
    #[serde(serialize_with = "by_key")]
    fingerprints: Vec<(&'a str, String)>,
}

/// A call that policy has decided on.
#[derive(Clone, Debug)]
pub struct Line {
    request_id: Arc<str>,
    /// The members of [`Common`] without the braces around them; none if they could not be rendered.
    common: Option<Vec<u8>>,
}

/// Bytes beside the common ones: the time, the stage, and how the call ended.
const REST_BYTES: usize = 256;

impl Line {
    /// About a call that policy has decided on.
    pub fn new(
        caller: &Caller,
        subject: &Subject<'_>,
        is_allowed: bool,
        policies: &[String],
        session: Option<&SessionName>,
        request_id: &Arc<str>,
        fingerprinter: &Fingerprinter,
    ) -> Self {
        let (_, resource) = subject.resource_info();
        let details = || subject.details.into_iter().flat_map(Details::iter);
        // A key that the table does not know counts as a secret.
        let secrets = details().filter(|(key, _)| DetailKey::of(key).is_none_or(|key| key.is_secret));
        let place = subject.fingerprint_place();
        let common = Common {
            caller: caller.id(),
            caller_kind: caller.proof().as_str(),
            action: subject.action,
            resource,
            account: subject.account.map(AccountId::as_str),
            aws_session: session.map(SessionName::as_str),
            decision: if is_allowed { "allow" } else { "deny" },
            policies,
            request_id,
            intent_id: subject.intent.and_then(Intent::request_id).map(RequestId::as_str),
            validate_only: subject.validate_only(),
            detail_keys: details().map(|(key, _)| key).collect(),
            fingerprints: secrets.map(|(key, value)| (key, fingerprinter.of(&place, key, value.expose()))).collect(),
        };
        let common = serde_json::to_vec(&common).ok();
        Self { request_id: Arc::clone(request_id), common }
    }

    /// The id under which log and errors know the call.
    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The line before a write is sent to AWS.
    pub(super) fn intent(&self) -> Option<Vec<u8>> {
        self.text("intent", None)
    }

    /// The line when the call is over. A write that is sent to AWS has both lines, with the same `request_id`.
    pub(super) fn outcome(&self, outcome: &Outcome) -> Option<Vec<u8>> {
        self.text("outcome", Some(outcome))
    }

    /// As it is written, with its line break.
    fn text(&self, stage: &str, outcome: Option<&Outcome>) -> Option<Vec<u8>> {
        let common = members(self.common.as_deref()?)?;
        let mut text = Vec::with_capacity(common.len() + REST_BYTES);
        text.extend_from_slice(b"{\"time\":\"");
        text.extend_from_slice(now().as_bytes());
        text.extend_from_slice(b"\",\"stage\":\"");
        text.extend_from_slice(stage.as_bytes());
        text.extend_from_slice(b"\",");
        text.extend_from_slice(common);
        if let Some(outcome) = outcome {
            text.push(b',');
            let ended = serde_json::to_vec(outcome).ok()?;
            text.extend_from_slice(members(&ended)?);
        }
        text.extend_from_slice(b"}\n");
        Some(text)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_not(flag: &bool) -> bool {
    !flag
}

/// An object without its braces.
fn members(object: &[u8]) -> Option<&[u8]> {
    object.strip_prefix(b"{")?.strip_suffix(b"}")
}

/// RFC 3339, UTC, with milliseconds.
fn now() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_millis(millis).fmt(Format::DateTime).unwrap_or_default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn displayed<S: Serializer>(action: &Action, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(action)
}

fn by_key<S: Serializer>(pairs: &[(&str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}
