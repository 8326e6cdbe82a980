//! Reads an error answer of AWS's from its bytes, the same way for both protocols and all operations.
//!
//! The SDK has an error enum for each operation and loses the code where one header does not parse; the
//! answer itself says the same in every case.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde_json::Value;

use super::failure::{AwsError, FieldError};

/// More of an error answer than this is not read: AWS's own have a few hundred bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Fields of a `ValidationException` that are kept.
const FIELDS_MAX: usize = 64;

/// Code and members of an error answer.
pub(super) fn read(response: &HttpResponse) -> AwsError {
    let body = response.body().bytes().filter(|body| body.len() <= BODY_BYTES_MAX).unwrap_or_default();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |names: &[&str]| names.iter().find_map(|name| body.get(name)?.as_str()).map(str::to_owned);
    let header = |name: &str| response.headers().get(name);
    AwsError {
        code: header("x-amzn-errortype")
            .map(str::to_owned)
            .or_else(|| text(&["code", "__type"]))
            .and_then(|raw| plain(&raw)),
        message: text(&["message", "Message", "errorMessage"]).unwrap_or_default(),
        reason_code: text(&["reasonCode"]),
        reason: text(&["reason"]),
        resource_id: text(&["resourceId", "resourceName"]),
        resource_type: text(&["resourceType"]),
        service_code: text(&["serviceCode"]),
        quota_code: text(&["quotaCode"]),
        retry_after: header("retry-after")
            .and_then(|text| text.parse().ok())
            .filter(|&s| s > 0)
            .map(Duration::from_secs),
        fields: fields(&body),
    }
}

/// Only the code, for deciding on a retry.
pub(super) fn code(response: &HttpResponse) -> Option<String> {
    read(response).code
}

/// Codes with which AWS says that there are too many requests, beside HTTP status 429.
const THROTTLED: [&str; 3] = ["TooManyRequestsException", "ThrottlingException", "Throttling"];

/// Whether an answer says that there are too many requests.
pub(super) fn is_throttle(response: &HttpResponse) -> bool {
    let is_named = || code(response).is_some_and(|code| THROTTLED.contains(&code.as_str()));
    response.status().as_u16() == 429 || (response.status().as_u16() >= 400 && is_named())
}

/// The code without the namespace before `#` and the URL after `:`; nothing if it is not a plausible code.
fn plain(raw: &str) -> Option<String> {
    let code = raw.split(':').next()?.rsplit('#').next()?.trim();
    let is_plausible =
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    is_plausible.then(|| code.to_owned())
}

fn fields(body: &Value) -> Vec<FieldError> {
    let list = body.get("fieldList").and_then(Value::as_array);
    let read = |field: &Value| {
        let text = |name| field.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(FieldError { name: text("name")?, message: text("message").unwrap_or_default() })
    };
    list.into_iter().flatten().take(FIELDS_MAX).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_code_is_read_without_namespace_and_url() {
        for (raw, code) in [
            ("DuplicateProviderException", Some("DuplicateProviderException")),
            ("com.amazonaws.cognito#DuplicateProviderException", Some("DuplicateProviderException")),
            ("ValidationException:http://internal.amazon.com/coral/", Some("ValidationException")),
            ("", None),
            ("not a code", None),
        ] {
            assert_eq!(plain(raw).as_deref(), code, "{raw}");
        }
    }
}
