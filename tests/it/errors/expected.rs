//! What an error must look like, whatever it is about: sections 5 of the contract and G.2 of the API facts.

use std::collections::HashMap;

use idp_proxy::domain::{Action, Effect, Repeat, Service};
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    rpcs::{PROVIDER_ARN, Rpc},
    support::{SANDBOX_PORTAL, SANDBOX_USER_POOL},
};

/// What is said about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// `-1` for gRPC clients, and Envoy's header.
    Never,
    /// `RetryInfo`, and the same delay for gRPC clients.
    Later,
    /// `RetryInfo` for the caller, `-1` for everything that repeats blindly.
    CallerOnly,
    /// G does not say.
    Unsaid,
}

/// The details that only some errors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    Nothing,
    /// `BadRequest` with exactly these fields.
    Fields(&'static [&'static str]),
    /// `BadRequest` with any field.
    SomeField,
    /// `ResourceInfo` with what the call names.
    Requested,
    /// `ResourceInfo` with this type and name.
    Resource(&'static str, &'static str),
    /// `QuotaFailure` of a request rate.
    Rate,
    /// `QuotaFailure` with this service, quota and subject; an empty text stands for any.
    Quota(&'static str, &'static str, &'static str),
    /// `PreconditionFailure` of this type.
    Precondition(&'static str),
    /// `PreconditionFailure` of this type and subject.
    Conflict(&'static str, &'static str),
    /// G does not say.
    Unsaid,
}

/// One expectation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) code: Code,
    pub(super) reason: &'static str,
    pub(super) origin: &'static str,
    /// For writes; an error of a read may say `false` or nothing.
    pub(super) may_have_been_applied: bool,
    pub(super) extra: Extra,
    pub(super) retry: Retry,
}

/// The class of a call decides only where the outcome is not known.
pub(super) fn is_once(rpc: &Rpc) -> bool {
    rpc.repeat == Repeat::Once
}

/// Checks everything that every error has, and what this one has.
pub(super) fn check(what: &str, rpc: &Rpc, status: &Status, expected: &Expected) {
    let what = &format!("{what} for {} ({:?})", rpc.action, rpc.repeat);
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("{what}: no ErrorInfo in {status:?}"));
    assert_eq!((status.code(), &*info.reason), (expected.code, expected.reason), "{what}: {}", status.message());
    assert_eq!(info.domain, "idp-proxy", "{what}");
    envelope(what, status);

    let said = |key: &str| info.metadata.get(key).map(String::as_str);
    assert_eq!(said("origin"), Some(expected.origin), "{what}");
    assert_eq!(said("service"), Some(rpc.action.service().aws_name()), "{what}");
    assert_eq!(said("operation"), Some(rpc.action.operation()), "{what}");
    assert_eq!(said("region"), Some("us-east-1"), "{what}");
    let applied = said("mayHaveBeenApplied");
    if rpc.action.is_write() {
        let wanted = if expected.may_have_been_applied { "true" } else { "false" };
        assert_eq!(applied, Some(wanted), "{what}: mayHaveBeenApplied");
    } else {
        assert_ne!(applied, Some("true"), "{what}: a read applies nothing");
    }
    assert!(info.metadata.keys().all(|key| key.len() <= 64 && key.starts_with(|c: char| c.is_ascii_lowercase())));
    retry(what, status, expected.retry);
    extra(what, rpc, status, expected.extra);
}

/// The form: one detail of each type, `RequestInfo` among them, together small enough for every client.
fn envelope(what: &str, status: &Status) {
    assert!(status.details().len() < 4096, "{what}: {} bytes of details", status.details().len());
    let inner = tonic_types::pb::Status::decode(status.details()).expect("google.rpc.Status");
    assert_eq!((inner.code, &*inner.message), (status.code() as i32, status.message()), "{what}: two messages");
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    for detail in &inner.details {
        *kinds.entry(&detail.type_url).or_default() += 1;
    }
    assert!(kinds.values().all(|&count| count == 1), "{what}: {kinds:?}");
    assert!(kinds.contains_key("type.googleapis.com/google.rpc.ErrorInfo"), "{what}: {kinds:?}");
    let request = status.get_details_request_info().unwrap_or_else(|| panic!("{what}: no RequestInfo"));
    assert!(!request.request_id.is_empty(), "{what}");
    let header = status.metadata().get("x-request-id").and_then(|id| id.to_str().ok());
    assert_eq!(header, Some(&*request.request_id), "{what}: two ids of one call");
    assert!(!status.message().is_empty(), "{what}: a message");
}

fn retry(what: &str, status: &Status, expected: Retry) {
    let header = |name: &str| status.metadata().get(name).map(|value| value.to_str().unwrap().to_owned());
    let pushback = header("grpc-retry-pushback-ms");
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let delay_ms = delay.map(|delay| delay.as_millis().to_string());
    // Whatever G says: what meshes replay by themselves must be safe to replay, and says when.
    let is_never = pushback.as_deref() == Some("-1");
    assert_eq!(header("x-envoy-ratelimited").as_deref() == Some("true"), is_never, "{what}: two words on retrying");
    assert!(!(is_never && status.code() == Code::Unavailable), "{what}: UNAVAILABLE invites what is forbidden");
    match expected {
        Retry::Never => assert!(is_never && delay.is_none(), "{what}: {pushback:?}, RetryInfo {delay:?}"),
        Retry::CallerOnly => assert!(is_never && delay.is_some(), "{what}: {pushback:?}, RetryInfo {delay:?}"),
        Retry::Later => {
            assert!(delay.is_some(), "{what}: no RetryInfo");
            assert_eq!(pushback, delay_ms, "{what}: pushback and RetryInfo differ");
            assert!(delay.unwrap().as_millis() >= 1000, "{what}: {delay:?} is no pause");
        }
        Retry::Unsaid => {}
    }
}

/// The type and name of what a call names.
fn requested(action: Action) -> (&'static str, String) {
    let pool = format!("userPools/{SANDBOX_USER_POOL}");
    match (action.service(), action.effect()) {
        (Service::Cognito, _) if matches!(action, Action::CognitoList | Action::CognitoGetByIdentifier) => {
            ("Pool", pool)
        }
        (Service::Cognito, _) => ("IdentityProvider", format!("{pool}/identityProviders/MyOidc")),
        (_, Effect::Create) => ("Portal", SANDBOX_PORTAL.to_owned()),
        (..) if action == Action::WebList => ("Portal", SANDBOX_PORTAL.to_owned()),
        _ => ("IdentityProvider", PROVIDER_ARN.to_owned()),
    }
}

fn extra(what: &str, rpc: &Rpc, status: &Status, expected: Extra) {
    let details = status.get_error_details();
    let fields =
        || details.bad_request().map(|it| it.field_violations.iter().map(|one| &*one.field).collect::<Vec<_>>());
    let resource = || {
        let info = details.resource_info().unwrap_or_else(|| panic!("{what}: no ResourceInfo"));
        (info.resource_type.clone(), info.resource_name.clone())
    };
    let quota = || match details.quota_failure().map(|it| &*it.violations) {
        Some([one]) => one,
        other => panic!("{what}: {other:?} is not one violated quota"),
    };
    let precondition = || match details.precondition_failure().map(|it| &*it.violations) {
        Some([one]) => one,
        other => panic!("{what}: {other:?} is not one violated precondition"),
    };
    match expected {
        Extra::Nothing => {
            let any = details.bad_request().is_some()
                || details.resource_info().is_some()
                || details.quota_failure().is_some()
                || details.precondition_failure().is_some();
            assert!(!any, "{what}: details that nobody asked for: {details:?}");
        }
        Extra::Fields(wanted) => assert_eq!(fields().as_deref(), Some(wanted), "{what}: BadRequest"),
        Extra::SomeField => assert_eq!(fields().map(|all| all.len()), Some(1), "{what}: BadRequest"),
        Extra::Requested => {
            let ((kind, name), (wanted, named)) = (resource(), requested(rpc.action));
            assert!(kind.contains(wanted) && name == named, "{what}: {kind} {name}");
        }
        Extra::Resource(kind, name) => assert_eq!(resource(), (kind.to_owned(), name.to_owned()), "{what}"),
        Extra::Rate => {
            let (read, one) = (!rpc.action.is_write(), quota());
            let metric = match rpc.action.service() {
                Service::Cognito if read => Some("UserPoolResourceRead"),
                Service::Cognito => Some("UserPoolResourceUpdate"),
                Service::WorkspacesWeb => None,
            };
            assert!(metric.is_none_or(|metric| metric == one.quota_metric), "{what}: {one:?}");
            assert!(one.subject.contains("us-east-1"), "{what}: {one:?} does not say where");
        }
        Extra::Quota(service, id, subject) => {
            let one = quota();
            let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
            let all = is(service, &one.api_service) && is(id, &one.quota_id) && is(subject, &one.subject);
            assert!(all && !one.subject.is_empty(), "{what}: {one:?}");
        }
        Extra::Precondition(kind) => assert_eq!(precondition().r#type, kind, "{what}"),
        Extra::Conflict(kind, subject) => {
            assert_eq!((&*precondition().r#type, &*precondition().subject), (kind, subject), "{what}");
        }
        Extra::Unsaid => {}
    }
}
