//! One line of the audit.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_smithy_types::{DateTime, date_time::Format};
use serde::Serialize;

use crate::{
    domain::{AccountId, DetailKey, Details, Fingerprinter, Intent, RequestId, SessionName, Subject},
    identity::Caller,
};

/// Which line of a call's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Before a write is sent to AWS.
    Intent,
    /// When the call is over. A write has both lines, with the same `request_id`.
    Outcome,
}

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

/// A line.
#[derive(Clone, Debug, Serialize)]
pub struct Line<'a> {
    time: String,
    /// Which line of the call's.
    pub stage: Stage,
    caller: &'a str,
    caller_kind: &'static str,
    action: String,
    resource: String,
    /// The AWS account, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    /// The name under which CloudTrail shows the call in that account, where it is made with a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_session: Option<String>,
    decision: &'static str,
    policies: &'a [String],
    /// The id of the call, as in its log line and in the `RequestInfo` of its error.
    pub request_id: &'a str,
    /// The message's own `request_id`, under which a caller repeats a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    intent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_not")]
    validate_only: bool,
    detail_keys: Vec<&'a str>,
    fingerprints: BTreeMap<&'a str, String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
}

impl<'a> Line<'a> {
    /// About a call that policy has decided on.
    pub fn new(
        caller: &'a Caller,
        subject: &Subject<'a>,
        is_allowed: bool,
        policies: &'a [String],
        request_id: &'a str,
        fingerprinter: &Fingerprinter,
    ) -> Self {
        let (_, resource) = subject.resource_info();
        let details = || subject.details.into_iter().flat_map(Details::iter);
        // A key that the table does not know counts as a secret.
        let secrets = details().filter(|(key, _)| DetailKey::of(key).is_none_or(|key| key.is_secret));
        let place = subject.fingerprint_place();
        let fingerprint =
            |(key, value): (&'a str, &crate::domain::Secret)| (key, fingerprinter.of(&place, key, value.expose()));
        Self {
            time: now(),
            stage: Stage::Intent,
            caller: caller.id(),
            caller_kind: caller.proof().as_str(),
            action: subject.action.to_string(),
            resource,
            account: subject.account.map(AccountId::as_str),
            aws_session: None,
            decision: if is_allowed { "allow" } else { "deny" },
            policies,
            request_id,
            intent_id: subject.intent.and_then(Intent::request_id).map(RequestId::as_str),
            validate_only: subject.validate_only(),
            detail_keys: details().map(|(key, _)| key).collect(),
            fingerprints: secrets.map(fingerprint).collect(),
            outcome: None,
        }
    }

    /// The same call, made in a session with a role.
    #[must_use]
    pub fn in_session(self, name: Option<SessionName>) -> Self {
        Self { aws_session: name.map(|name| name.as_str().to_owned()), ..self }
    }

    /// The same call, when it is over.
    #[must_use]
    pub fn ended(self, outcome: Outcome) -> Self {
        Self { time: now(), stage: Stage::Outcome, outcome: Some(outcome), ..self }
    }

    /// As it is written, with its line break.
    pub(super) fn text(&self) -> Option<Vec<u8>> {
        let mut text = serde_json::to_vec(self).ok()?;
        text.push(b'\n');
        Some(text)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_not(flag: &bool) -> bool {
    !flag
}

/// RFC 3339, UTC, with milliseconds.
fn now() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    DateTime::from_millis(millis).fmt(Format::DateTime).unwrap_or_default()
}
