//! The message and the google.rpc details of an error, kept under the size that every client can read.

use std::{collections::HashMap, time::Duration};

use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, QuotaViolation, StatusExt};

use super::{
    About, DOMAIN, Verdict, fields, may_have_been_applied,
    row::{Extra, Retry, Row},
    upstream,
};
use crate::{
    domain::{AccountId, Action, Effect, Resource, Service},
    fault::Fault,
    quota::{Bottleneck, Limited},
    upstream::{AwsError, Cause, UpstreamFault},
};

/// Details of one error, encoded. They travel as base64 in one header; at 8 to 12 KiB clients begin to lose them.
const DETAILS_BYTES_MAX: usize = 4096;
/// Violations in one error; the message says how many more there are.
const VIOLATIONS_MAX: usize = 16;
/// Bytes of one violation's description.
const DESCRIPTION_BYTES_MAX: usize = 240;
/// Bytes of AWS's text in a message.
const AWS_TEXT_BYTES_MAX: usize = 400;
/// Bytes of a name or code that AWS put into an answer.
const NAME_BYTES_MAX: usize = 256;

/// How long to wait before another try: until our own queue would have served it, or what AWS asks for, else a second
/// and a random part of another, so that callers who were refused together do not come back together.
pub(super) fn delay(fault: &Fault) -> Duration {
    if let Fault::RateLimited(limited) = fault {
        // Not all at the very moment at which one of them would have been served.
        return limited.wait.mul_f64(rand::random_range(1.0..1.25)).max(Duration::from_millis(1));
    }
    let asked = upstream(fault).and_then(aws_error).and_then(|error| error.retry_after);
    asked.unwrap_or_else(|| Duration::from_millis(rand::random_range(1000..2000)))
}

/// Message and encoded details. Where all violations together would be too large, the last ones are left out.
pub(super) fn of(row: &Row, verdict: &Verdict, fault: &Fault, about: &About<'_>, delay: Duration) -> (String, Vec<u8>) {
    let violations = violations(row, fault, about);
    let mut details = ErrorDetails::new();
    details.set_error_info(verdict.reason, DOMAIN, info(verdict.code, fault, about));
    details.set_request_info(about.request_id, "");
    if matches!(verdict.retry, Retry::After | Retry::CallerAfter) {
        details.set_retry_info(Some(delay));
    }
    extra(row, fault, about, &mut details);
    let encode = |shown: &[FieldViolation]| {
        let mut details = details.clone();
        if !shown.is_empty() {
            details.set_bad_request(shown.to_vec());
        }
        // The details repeat the message: some clients show only that one.
        let message = message(row, fault, about, shown, violations.len());
        let encoded = tonic::Status::with_error_details(verdict.code, &message, details).details().to_vec();
        (message, encoded)
    };
    let most = violations.len().min(VIOLATIONS_MAX);
    let fitting = (0..=most).rev().filter_map(|shown| violations.get(..shown));
    let mut fitting = fitting.map(|shown| (shown.is_empty(), encode(shown)));
    let fits = |(is_last, (_, encoded)): &(bool, (String, Vec<u8>))| *is_last || encoded.len() <= DETAILS_BYTES_MAX;
    fitting.find(fits).map(|(_, encoded)| encoded).unwrap_or_default()
}

/// The template, then what is wrong: our violations, policy's words or AWS's text without echoes.
fn message(row: &Row, fault: &Fault, about: &About<'_>, shown: &[FieldViolation], all: usize) -> String {
    let mut message = row.text.to_owned();
    let mut add = |text: &str| {
        message.push_str(": ");
        message.push_str(text);
    };
    match fault {
        Fault::Unidentified(why) => add(&why.to_string()),
        Fault::Denied(denial) => add(&denial.to_string()),
        Fault::Invalid(_) => {
            let texts: Vec<_> = shown.iter().map(|one| format!("{} {}", one.field, one.description)).collect();
            add(cut(&texts.join("; "), AWS_TEXT_BYTES_MAX * 2));
            if all > shown.len() {
                let more = format!(" (and {} more)", all - shown.len());
                message.push_str(&more);
            }
        }
        Fault::Upstream(_) if row.extra == Extra::Resource => {
            let name = about.subject.map(|(subject, _)| subject.resource_info().1).unwrap_or_default();
            add(cut(&name, NAME_BYTES_MAX));
        }
        Fault::Upstream(fault) if row.with_aws_text => {
            let text = aws_text(fault, about);
            if !text.is_empty() {
                add(&text);
            }
        }
        _ => {}
    }
    message
}

/// AWS's text where it may be passed on at all: without what the caller sent, without our role, not too long.
fn aws_text(fault: &UpstreamFault, about: &About<'_>) -> String {
    let (Some(error), Some((subject, _))) = (aws_error(fault), about.subject) else {
        return String::new();
    };
    let text = subject.scrub(&error.message);
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    cut(&text, AWS_TEXT_BYTES_MAX).trim_end_matches('.').to_owned()
}

fn info(code: Code, fault: &Fault, about: &About<'_>) -> HashMap<String, String> {
    let mut info = HashMap::new();
    // What is empty is not known: it is left out. Envoy's JSON transcoder (1.40) also crashes on empty values in a map.
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            info.insert(key.to_owned(), cut(&value, NAME_BYTES_MAX).to_owned());
        }
    };
    let upstream = upstream(fault);
    let origin = match upstream.map(|fault| &fault.cause) {
        Some(Cause::Aws(_)) => "aws",
        Some(Cause::Sdk(_)) => "sdk",
        None => "proxy",
    };
    put("origin", Some(origin.to_owned()));
    if let Fault::Denied(denial) = fault {
        put("policies", Some(denial.policies().join(",")));
    }
    put("service", about.action.map(|action| action.service().aws_name().to_owned()));
    put("operation", about.action.map(|action| action.operation().to_owned()));
    let applied = may_have_been_applied(fault, code, about);
    put("mayHaveBeenApplied", applied.map(|applied| applied.to_string()));
    if let Some(fault) = upstream {
        let told = names_told(fault, about);
        let error = told.as_ref();
        put("awsErrorCode", error.and_then(|error| error.code.clone()));
        put("awsRequestId", fault.request_id.clone());
        put("awsHttpStatus", fault.http_status.map(|status| status.to_string()));
        put("attempts", Some(fault.attempts.to_string()));
        put("region", Some(fault.region.to_string()));
        // Policy has allowed the call: nobody else is told whose a user pool is.
        put("account", about.subject.and_then(|(subject, _)| subject.account).map(AccountId::to_string));
        put("reasonCode", error.and_then(|error| error.reason_code.clone()));
        if code == Code::PermissionDenied {
            let service = fault.action.service().aws_name();
            put("iamAction", Some(format!("{service}:{}", fault.action.operation())));
        }
    } else if let Some((subject, _)) = about.subject {
        put("region", Some(subject.resource.region().to_string()));
    }
    info
}

/// Every violation there is, ours or AWS's.
fn violations(row: &Row, fault: &Fault, about: &About<'_>) -> Vec<FieldViolation> {
    let violation = |field: String, text: &str| FieldViolation::new(field, cut(text, DESCRIPTION_BYTES_MAX));
    match (row.extra, fault) {
        (Extra::Violations, Fault::Invalid(found)) => {
            found.iter().map(|one| violation(one.field().to_owned(), one.description())).collect()
        }
        (Extra::Field(field), _) => vec![violation(field.to_owned(), row.text)],
        (Extra::RegionField, _) => {
            let cognito = about.action.is_none_or(|action| action.service() == Service::Cognito);
            vec![violation(if cognito { "user_pool_id" } else { "portal_arn" }.to_owned(), row.text)]
        }
        (Extra::FieldsOfText, Fault::Upstream(fault)) => {
            let (Some(error), Some((subject, _))) = (aws_error(fault), about.subject) else {
                return Vec::new();
            };
            let text = aws_text(fault, about);
            fields::of_text(&error.message, subject).into_iter().map(|field| violation(field, &text)).collect()
        }
        (Extra::FieldList, Fault::Upstream(fault)) => {
            let (Some(error), Some((subject, _))) = (names_told(fault, about), about.subject) else {
                return Vec::new();
            };
            let service = fault.action.service();
            let list = error.fields.iter();
            list.map(|one| violation(fields::of_field(service, one), &subject.scrub(&one.message))).collect()
        }
        _ => Vec::new(),
    }
}

/// The details besides `ErrorInfo`, `RequestInfo`, `RetryInfo` and `BadRequest`.
fn extra(row: &Row, fault: &Fault, about: &About<'_>, details: &mut ErrorDetails) {
    let told = upstream(fault).and_then(|fault| names_told(fault, about));
    let error = told.as_ref();
    let named = about.subject.map(|(subject, _)| subject.resource_info());
    let (kind, name) = named.map_or_else(Default::default, |(kind, name)| (kind.to_owned(), name));
    match row.extra {
        Extra::Resource => {
            // Cognito has one code for a missing pool and a missing provider; only the text tells them apart.
            let pool = error.is_some_and(|error| error.message.starts_with("User pool "));
            let (kind, name) = match (pool, name.split_once("/identityProviders/")) {
                (true, Some((pool, _))) => ("cognito-idp:UserPool".to_owned(), pool.to_owned()),
                // WorkSpaces Web may say itself which resource it means.
                _ => (
                    error.and_then(|error| error.resource_type.clone()).unwrap_or(kind),
                    error.and_then(|error| error.resource_id.clone()).unwrap_or(name),
                ),
            };
            let kind = cut(&kind, NAME_BYTES_MAX);
            details.set_resource_info(kind, cut(&name, NAME_BYTES_MAX), "", row.text);
        }
        Extra::Rate | Extra::Quota => {
            let account = about.subject.and_then(|(subject, _)| subject.account).map(AccountId::as_str);
            details.set_quota_failure(vec![quota(row, fault, error, &name, account, about)]);
        }
        Extra::Precondition(kind) => {
            details.set_precondition_failure(vec![PreconditionViolation::new(kind, name, row.text)]);
        }
        Extra::Conflict => {
            let known =
                |text: Option<&String>, other: String| text.map_or(other, |text| cut(text, NAME_BYTES_MAX).to_owned());
            let kind = known(error.and_then(|error| error.resource_type.as_ref()), kind);
            let name = known(error.and_then(|error| error.resource_id.as_ref()), name);
            details.set_precondition_failure(vec![PreconditionViolation::new(kind, name, row.text)]);
        }
        Extra::Nothing
        | Extra::Violations
        | Extra::FieldsOfText
        | Extra::FieldList
        | Extra::Field(_)
        | Extra::RegionField => {}
    }
}

/// The quota that is used up, in AWS's own names where it gives them.
fn quota(
    row: &Row,
    fault: &Fault,
    error: Option<&AwsError>,
    resource: &str,
    account: Option<&str>,
    about: &About<'_>,
) -> QuotaViolation {
    if let Fault::RateLimited(limited) = fault {
        return share(row, limited, about);
    }
    let Some(fault) = upstream(fault) else {
        return QuotaViolation { description: row.text.to_owned(), ..QuotaViolation::default() };
    };
    let service = fault.action.service();
    let metric = match (row.extra, service, fault.action.effect()) {
        // AWS's names of the two request-rate categories of these operations.
        (Extra::Rate, Service::Cognito, Effect::Read) => "UserPoolResourceRead",
        (Extra::Rate, Service::Cognito, _) => "UserPoolResourceUpdate",
        (Extra::Rate, Service::WorkspacesWeb, _) => "RequestRate",
        _ if error.and_then(|error| error.code.as_deref()) == Some("TooManyTagsException") => "TagsPerResource",
        (_, Service::Cognito, _) => "IdentityProvidersPerUserPool",
        (_, Service::WorkspacesWeb, _) => "IdentityProvidersPerPortal",
    };
    let text = |text: Option<&String>| text.map(|text| cut(text, NAME_BYTES_MAX).to_owned());
    let subject = text(error.and_then(|error| error.resource_id.as_ref()));
    QuotaViolation {
        subject: if row.extra == Extra::Rate {
            account.map_or_else(|| format!("region:{}", fault.region), |account| format!("{account}:{}", fault.region))
        } else {
            subject.unwrap_or_else(|| cut(resource, NAME_BYTES_MAX).to_owned())
        },
        description: row.text.to_owned(),
        api_service: text(error.and_then(|error| error.service_code.as_ref()))
            .unwrap_or_else(|| service.aws_name().to_owned()),
        quota_metric: metric.to_owned(),
        quota_id: text(error.and_then(|error| error.quota_code.as_ref())).unwrap_or_default(),
        ..QuotaViolation::default()
    }
}

/// The part of one of AWS's quotas that this replica may spend.
fn share(row: &Row, limited: &Limited, about: &About<'_>) -> QuotaViolation {
    let action = about.action.map(Action::operation).unwrap_or_default();
    let (subject, metric, code) = match (limited.held_by, about.subject.map(|(subject, _)| subject.resource)) {
        (Bottleneck::Pool, Some(Resource::UserPool(pool))) => (format!("userPools/{}", pool.as_str()), action, ""),
        (_, Some(resource)) => {
            let account = about.subject.and_then(|(subject, _)| subject.account);
            let account = account.map_or("region", AccountId::as_str);
            let subject = format!("{account}:{}", resource.region());
            (subject, limited.category.aws_name(), limited.category.aws_code())
        }
        (_, None) => Default::default(),
    };
    QuotaViolation {
        subject,
        description: format!("{}: {} requests per second from this replica", row.text, limited.rate),
        api_service: about.action.map(|action| action.service().aws_name().to_owned()).unwrap_or_default(),
        quota_metric: metric.to_owned(),
        quota_id: code.to_owned(),
        quota_value: i64::from(limited.rate),
        ..QuotaViolation::default()
    }
}

/// AWS's error with the names in it that hold no secret: AWS may put what the caller sent anywhere.
fn names_told(fault: &UpstreamFault, about: &About<'_>) -> Option<AwsError> {
    let mut error = aws_error(fault)?.clone();
    let Some((subject, _)) = about.subject else { return Some(error) };
    for name in [
        &mut error.reason_code,
        &mut error.resource_id,
        &mut error.resource_type,
        &mut error.service_code,
        &mut error.quota_code,
    ] {
        name.take_if(|name| subject.is_telling(name));
    }
    for field in error.fields.iter_mut().filter(|field| subject.is_telling(&field.name)) {
        field.name.clear();
    }
    Some(error)
}

fn aws_error(fault: &UpstreamFault) -> Option<&AwsError> {
    if let Cause::Aws(error) = &fault.cause { Some(error) } else { None }
}

/// At most `max` bytes of a text, whole characters only.
fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}
