//! `WorkSpaces` Web's errors with the members that its model gives them.

use http::StatusCode;
use serde_json::{Value, json};

use crate::fake_aws::{
    constraint::{Violation, Violations},
    fault::Fault,
    quota::{PROVIDERS_PER_PORTAL, PROVIDERS_PER_PORTAL_QUOTA_CODE},
    workspacesweb::SERVICE,
};

/// The resource types that errors name. Our choice: as they are written in ARNs.
pub(super) const PORTAL: &str = "portal";
pub(super) const IDENTITY_PROVIDER: &str = "identityProvider";

/// Our choice of the sentences.
pub(super) fn conflict(sentence: impl Into<String>) -> Fault {
    Fault::new("ConflictException", StatusCode::CONFLICT, sentence)
}

fn validation(reason: &str, message: &str, fields: &[(&str, &str)]) -> Fault {
    let fields: Vec<Value> = fields.iter().map(|(name, message)| json!({ "name": name, "message": message })).collect();
    Fault::new("ValidationException", StatusCode::BAD_REQUEST, message).with("reason", reason).with("fieldList", fields)
}

/// Broken constraints of the model.
pub(super) fn invalid_fields(violations: &Violations) -> Fault {
    let fields: Vec<(&str, &str)> =
        violations.iter().map(|Violation { at, constraint, .. }| (at.as_str(), constraint.as_str())).collect();
    validation("fieldValidationFailed", &violations.message(), &fields)
}

/// A rule of the service that one field breaks.
pub(super) fn invalid_field(field: &str, sentence: &str) -> Fault {
    validation("fieldValidationFailed", sentence, &[(field, sentence)])
}

/// An argument that cannot be read at all.
pub(super) fn cannot_parse(field: &str, sentence: &str) -> Fault {
    validation("cannotParse", &format!("{field}: {sentence}"), &[(field, sentence)])
}

/// Our choice of the sentence.
pub(super) fn not_found(resource_type: &str, resource_id: &str) -> Fault {
    let sentence = format!("The {resource_type} {resource_id} does not exist.");
    Fault::new("ResourceNotFoundException", StatusCode::NOT_FOUND, sentence)
        .with("resourceId", resource_id)
        .with("resourceType", resource_type)
}

/// Our choice: the resource is the portal that is full.
pub(super) fn quota_exceeded(portal_arn: &str) -> Fault {
    let sentence = format!("A portal can have {PROVIDERS_PER_PORTAL} identity provider.");
    Fault::new("ServiceQuotaExceededException", StatusCode::PAYMENT_REQUIRED, sentence)
        .with("resourceId", portal_arn)
        .with("resourceType", PORTAL)
        .with("serviceCode", SERVICE)
        .with("quotaCode", PROVIDERS_PER_PORTAL_QUOTA_CODE)
}

/// What a throttled request is answered. There is no quota code: the rate is not documented.
pub(in crate::fake_aws) fn throttled(retry_after_s: u64) -> Fault {
    let mut fault =
        Fault::new("ThrottlingException", StatusCode::TOO_MANY_REQUESTS, "Rate exceeded").with("serviceCode", SERVICE);
    fault.retry_after_s = Some(retry_after_s);
    fault
}

pub(super) fn too_many_tags(resource_arn: &str) -> Fault {
    Fault::new("TooManyTagsException", StatusCode::BAD_REQUEST, "The resource would have too many tags.")
        .with("resourceName", resource_arn)
}
