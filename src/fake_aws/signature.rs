//! The shape of a `SigV4` signature in the `Authorization` header. The signature itself is not verified: any key works,
//! and the date may be any date (a test may have a fixed clock).

use std::sync::LazyLock;

use http::HeaderMap;
use regex::Regex;

use super::{constraint::anchored, fault::Fault};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
static SIGNATURE: LazyLock<Regex> = LazyLock::new(|| anchored("[0-9a-f]{64}"));
static DATE_TIME: LazyLock<Regex> = LazyLock::new(|| anchored("[0-9]{8}T[0-9]{6}Z"));
static ACCESS_KEY_ID: LazyLock<Regex> = LazyLock::new(|| anchored("[0-9A-Za-z_]{1,128}"));
static REGION: LazyLock<Regex> = LazyLock::new(|| anchored("[a-z0-9-]{1,64}"));

/// Checks the shape for a service (its signing name) and gives the region of the credential scope.
pub(super) fn region(headers: &HeaderMap, service: &str) -> Result<String, Fault> {
    let Some(authorization) = headers.get(http::header::AUTHORIZATION) else {
        return Err(Fault::missing_authentication_token());
    };
    let authorization =
        authorization.to_str().map_err(|_| Fault::incomplete_signature("The Authorization header is not ASCII."))?;
    // Messages name what is missing and never repeat the header.
    let Some(parameters) = authorization.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(' ')) else {
        return Err(Fault::incomplete_signature(format!("Authorization header requires the algorithm '{ALGORITHM}'.")));
    };
    let parameter = |name: &str| {
        parameters
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(|| Fault::incomplete_signature(format!("Authorization header requires '{name}' parameter.")))
    };
    let credential = parameter("Credential")?;
    let signed_headers = parameter("SignedHeaders")?;
    let signature = parameter("Signature")?;
    if !SIGNATURE.is_match(signature) {
        return Err(Fault::incomplete_signature("Signature must be 64 hexadecimal digits."));
    }
    if !signed_headers.split(';').any(|name| name == "host") {
        return Err(Fault::invalid_signature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    let signed_at = headers.get("x-amz-date").and_then(|date| date.to_str().ok());
    let Some(signed_at) = signed_at.filter(|date| DATE_TIME.is_match(date)) else {
        return Err(Fault::incomplete_signature(
            "Authorization header requires existence of a 'X-Amz-Date' header in ISO-8601 basic format.",
        ));
    };
    scope_region(credential, signed_at, service)
}

/// `AKID/20260131/us-east-1/cognito-idp/aws4_request`
fn scope_region(credential: &str, signed_at: &str, service: &str) -> Result<String, Fault> {
    let parts: Vec<&str> = credential.split('/').collect();
    let [access_key_id, date, region, scope_service, terminator] = parts.as_slice() else {
        return Err(Fault::incomplete_signature(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
        ));
    };
    if !ACCESS_KEY_ID.is_match(access_key_id) {
        return Err(Fault::incomplete_signature("Credential must begin with an access key ID."));
    }
    if *terminator != "aws4_request" {
        return Err(Fault::invalid_signature("Credential should be scoped with a valid terminator: 'aws4_request'."));
    }
    if !signed_at.starts_with(&format!("{date}T")) {
        return Err(Fault::invalid_signature(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
        ));
    }
    if *scope_service != service {
        return Err(Fault::invalid_signature(format!("Credential should be scoped to correct service: '{service}'.")));
    }
    if !REGION.is_match(region) {
        return Err(Fault::invalid_signature("Credential should be scoped to a valid region."));
    }
    Ok((*region).to_owned())
}
