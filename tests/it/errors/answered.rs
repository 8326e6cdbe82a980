//! G.3: AWS answers with an error that has a code.

use idp_proxy::domain::{
    Action,
    Service::{self, Cognito as C, WorkspacesWeb as W},
};
use serde_json::{Value, json};
use tonic::{
    Code::{
        self, Aborted, AlreadyExists, FailedPrecondition, Internal, InvalidArgument, NotFound, PermissionDenied,
        ResourceExhausted, Unavailable, Unimplemented, Unknown,
    },
    Status,
    client::Grpc,
};
use tonic_types::StatusExt as _;

use super::expected::{
    Expected,
    Extra::{self, Conflict, Fields, Nothing, Precondition, Quota, Rate, Requested, Resource, SomeField, Unsaid},
    Retry::{self, CallerOnly, Later, Never},
    check, is_once,
};
use crate::{
    rpcs::{self, Rpc},
    support::{Answer, Proxy, ScriptedAws},
};

/// One row of G.3.
struct Row {
    code: &'static str,
    on: &'static [Service],
    status: u16,
    answer: (Code, &'static str),
    extra: Extra,
    retry: Retry,
    /// For calls that must not be repeated, where AWS may have executed them.
    once: Option<(Code, &'static str)>,
    /// Members of AWS's answer beside the code.
    body: &'static str,
    /// Of which calls; empty for all.
    of: &'static [Action],
}

const fn row(
    code: &'static str,
    on: &'static [Service],
    status: u16,
    answer: (Code, &'static str),
    extra: Extra,
    retry: Retry,
) -> Row {
    Row { code, on, status, answer, extra, retry, once: None, body: "{}", of: &[] }
}

impl Row {
    /// AWS may have executed it.
    const fn once(self, code: Code, reason: &'static str) -> Self {
        Self { once: Some((code, reason)), ..self }
    }
    const fn saying(self, body: &'static str) -> Self {
        Self { body, ..self }
    }
    const fn of(self, of: &'static [Action]) -> Self {
        Self { of, ..self }
    }
}

const BOTH: &[Service] = &[C, W];
const CREATE: &[Action] = &[Action::WebCreate];
const DENIED: (Code, &str) = (PermissionDenied, "AWS_ACCESS_DENIED");
const THROTTLED: (Code, &str) = (ResourceExhausted, "AWS_THROTTLED");
const USED_UP: (Code, &str) = (ResourceExhausted, "AWS_QUOTA_EXCEEDED");
const PARAMETER: (Code, &str) = (InvalidArgument, "AWS_INVALID_PARAMETER");
const VALIDATION: (Code, &str) = (InvalidArgument, "AWS_VALIDATION_FAILED");
const STATE: (Code, &str) = (FailedPrecondition, "AWS_PRECONDITION_FAILED");
const CONFLICT: (Code, &str) = (FailedPrecondition, "RESOURCE_CONFLICT");
const KEYS: (Code, &str) = (Internal, "PROXY_CREDENTIALS_INVALID");
const STALE: (Code, &str) = (Unavailable, "PROXY_CREDENTIALS_EXPIRED");
const CLOCK: (Code, &str) = (Unavailable, "PROXY_CLOCK_SKEW");
const UNREADABLE: (Code, &str) = (Internal, "AWS_CANNOT_PARSE");
const NO_SUCH: (Code, &str) = (Unimplemented, "AWS_UNKNOWN_OPERATION");
const BROKEN: (Code, &str) = (Unavailable, "AWS_INTERNAL");
const DOWN: (Code, &str) = (Unavailable, "AWS_UNAVAILABLE");
const SLOW: (Code, &str) = (Unavailable, "AWS_REQUEST_TIMEOUT");

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("InvalidParameterException", &[C], 400, PARAMETER, Nothing, Never),
    row("InvalidParameterException", &[C], 400, PARAMETER, Fields(&[r#"provider_details["attributes_request_method"]"#]), Never)
        .saying(r#"{"message": "1 validation error detected: Value 'PUT' at 'providerConfiguration.oidcConfig.attributesRequestMethod' failed to satisfy constraint: Member must satisfy enum value set: [POST, GET]", "reasonCode": "Why"}"#),
    row("InvalidParameterException", &[C], 400, STATE, Precondition("IDP_METADATA_FETCH"), Never)
        .saying(r#"{"message": "Non-ok status code 404 returned from remote metadata source https://idp.example"}"#),
    row("InvalidParameterException", &[C], 400, STATE, Precondition("ATTRIBUTE_MAPPING"), Never)
        .saying(r#"{"message": "AttributeMapping contains invalid mapping: [custom:groups]"}"#),
    row("UnsupportedIdentityProviderException", &[C], 400, (InvalidArgument, "UNSUPPORTED_IDENTITY_PROVIDER"), Fields(&["provider_name"]), Never),
    row("DuplicateProviderException", &[C], 400, (AlreadyExists, "IDENTITY_PROVIDER_EXISTS"), Requested, Never),
    row("ResourceNotFoundException", &[C], 400, (NotFound, "RESOURCE_NOT_FOUND"), Requested, Never),
    row("ResourceNotFoundException", &[C], 404, (NotFound, "RESOURCE_NOT_FOUND"), Requested, Never),
    row("ResourceNotFoundException", &[W], 404, (NotFound, "RESOURCE_NOT_FOUND"), Requested, Never),
    row("ResourceNotFoundException", &[W], 404, (NotFound, "RESOURCE_NOT_FOUND"), Resource("portal", "portal-1"), Never)
        .saying(r#"{"resourceType": "portal", "resourceId": "portal-1"}"#),
    row("NotAuthorizedException", &[C], 400, DENIED, Nothing, Never),
    row("NotAuthorizedException", &[C], 403, DENIED, Nothing, Never),
    row("AccessDeniedException", BOTH, 403, DENIED, Nothing, Never),
    row("AccessDeniedException", &[C], 400, DENIED, Nothing, Never),
    row("NotAuthorized", BOTH, 401, DENIED, Nothing, Never),
    row("NotAuthorized", BOTH, 400, DENIED, Nothing, Never),
    row("TooManyRequestsException", &[C], 400, THROTTLED, Rate, Later),
    row("TooManyRequestsException", &[C], 429, THROTTLED, Rate, Later),
    row("ThrottlingException", BOTH, 429, THROTTLED, Rate, Later),
    row("ThrottlingException", BOTH, 400, THROTTLED, Rate, Later),
    row("ThrottlingException", &[W], 429, THROTTLED, Quota("web-code", "L-RATE", ""), Later)
        .saying(r#"{"serviceCode": "web-code", "quotaCode": "L-RATE"}"#),
    row("LimitExceededException", &[C], 400, USED_UP, Quota("cognito-idp", "", ""), Never),
    row("ServiceQuotaExceededException", &[W], 402, USED_UP, Quota("web-code", "L-DFC864EF", "portal-1"), Never)
        .saying(r#"{"serviceCode": "web-code", "quotaCode": "L-DFC864EF", "resourceType": "portal", "resourceId": "portal-1"}"#),
    row("TooManyTagsException", &[W], 400, (ResourceExhausted, "TOO_MANY_TAGS"), Quota("", "", "arn:x"), Never)
        .saying(r#"{"resourceName": "arn:x"}"#),
    row("ConflictException", &[W], 409, (AlreadyExists, "RESOURCE_CONFLICT"), Unsaid, Never).of(CREATE)
        .saying(r#"{"resourceType": "identityProvider", "resourceId": "idp-1"}"#),
    row("ConflictException", &[W], 409, CONFLICT, Conflict("portal", "portal-1"), Never).of(CREATE)
        .saying(r#"{"resourceType": "portal", "resourceId": "portal-1"}"#),
    row("ConflictException", &[W], 409, CONFLICT, Unsaid, Never).of(CREATE),
    row("ConflictException", &[W], 409, (FailedPrecondition, "IDEMPOTENCY_TOKEN_REUSED"), Unsaid, Never).of(CREATE)
        .saying(r#"{"message": "The client token was used with other parameters"}"#),
    // A name is no word of AWS's, even if the name is of the caller's choice.
    row("ConflictException", &[W], 409, CONFLICT, Unsaid, Never).of(CREATE)
        .saying(r#"{"message": "My OIDC has the ARN arn:aws:workspaces-web:us-east-1:1:identityProvider/TokenService"}"#),
    row("ConflictException", &[W], 409, (FailedPrecondition, "RESOURCE_IN_USE"), Unsaid, Never).of(&[Action::WebDelete]),
    row("ConflictException", &[W], 409, CONFLICT, Unsaid, Never).of(&[Action::WebUpdate]),
    row("OperationNotEnabledException", &[C], 400, (FailedPrecondition, "AWS_OPERATION_NOT_ENABLED"), Precondition("OPERATION_NOT_ENABLED"), Never),
    row("ValidationException", &[W], 400, VALIDATION, Nothing, Never),
    row("ValidationException", &[W], 400, VALIDATION, Nothing, Never).saying(r#"{"reason": "other"}"#),
    row("ValidationException", &[W], 400, VALIDATION, Fields(&["identity_provider_name", r#"identity_provider_details["client_id"]"#]), Never)
        .saying(r#"{"reason": "fieldValidationFailed", "fieldList": [{"name": "identityProviderName", "message": "bad"}, {"name": "identityProviderDetails.client_id", "message": "worse"}]}"#),
    row("ValidationException", &[W], 400, UNREADABLE, Nothing, Never).saying(r#"{"reason": "cannotParse"}"#),
    row("ValidationException", &[W], 400, (InvalidArgument, "AWS_CANNOT_PARSE"), Fields(&["portal_arn"]), Never)
        .saying(r#"{"reason": "cannotParse", "fieldList": [{"name": "portalArn", "message": "bad"}]}"#),
    row("ValidationException", &[W], 400, NO_SUCH, Nothing, Never).saying(r#"{"reason": "unknownOperation"}"#),
    row("UnknownOperationException", BOTH, 404, NO_SUCH, Nothing, Never),
    row("InvalidAction", BOTH, 400, NO_SUCH, Nothing, Never),
    row("InternalErrorException", &[C], 500, BROKEN, Nothing, Later).once(Unknown, "OUTCOME_UNKNOWN"),
    // By code, not by status.
    row("InternalErrorException", &[C], 400, BROKEN, Nothing, Later).once(Unknown, "OUTCOME_UNKNOWN"),
    row("InternalServerException", &[W], 500, BROKEN, Nothing, Later).once(Unknown, "OUTCOME_UNKNOWN"),
    row("InternalFailure", BOTH, 500, BROKEN, Nothing, Later).once(Unknown, "OUTCOME_UNKNOWN"),
    row("ServiceUnavailable", BOTH, 503, DOWN, Nothing, Later).once(Unknown, "AWS_UNAVAILABLE"),
    row("RequestTimeoutException", BOTH, 408, SLOW, Nothing, Later).once(Unknown, "AWS_REQUEST_TIMEOUT"),
    row("RequestTimeout", BOTH, 400, SLOW, Nothing, Later).once(Unknown, "AWS_REQUEST_TIMEOUT"),
    row("RequestAbortedException", BOTH, 400, (Unavailable, "AWS_REQUEST_ABORTED"), Nothing, Later).once(Unknown, "AWS_REQUEST_ABORTED"),
    row("RequestExpired", BOTH, 400, CLOCK, Nothing, Later),
    row("RequestTimeTooSkewed", BOTH, 403, CLOCK, Nothing, Later),
    row("ExpiredTokenException", BOTH, 403, STALE, Nothing, Later),
    row("ExpiredToken", BOTH, 400, STALE, Nothing, Later),
    row("UnrecognizedClientException", BOTH, 403, KEYS, Nothing, Never),
    row("InvalidClientTokenId", BOTH, 403, KEYS, Nothing, Never),
    row("InvalidSignatureException", BOTH, 403, KEYS, Nothing, Never),
    row("SignatureDoesNotMatch", BOTH, 403, KEYS, Nothing, Never),
    row("IncompleteSignature", BOTH, 403, KEYS, Nothing, Never),
    row("MissingAuthenticationToken", BOTH, 403, KEYS, Nothing, Never),
    row("AuthFailure", BOTH, 403, KEYS, Nothing, Never),
    row("OptInRequired", BOTH, 403, (FailedPrecondition, "AWS_OPT_IN_REQUIRED"), Precondition("REGION_OR_SERVICE_OPT_IN"), Never),
    row("RequestEntityTooLargeException", BOTH, 413, (InvalidArgument, "REQUEST_TOO_LARGE"), SomeField, Never),
    row("MalformedHttpRequestException", BOTH, 400, UNREADABLE, Nothing, Never),
    row("SerializationException", BOTH, 400, UNREADABLE, Nothing, Never),
    row("ValidationError", BOTH, 400, VALIDATION, Nothing, Never),
    row("InvalidParameter", BOTH, 400, VALIDATION, Nothing, Never),
    row("InvalidParameterCombination", BOTH, 400, VALIDATION, Nothing, Never),
    row("InvalidParameterValue", BOTH, 400, VALIDATION, Nothing, Never),
    row("MissingParameter", BOTH, 400, VALIDATION, Nothing, Never),
    row("ConcurrentModificationException", &[C], 400, (Aborted, "CONCURRENT_MODIFICATION"), Requested, CallerOnly)
        .of(&[Action::CognitoUpdate, Action::CognitoDelete]),
];

/// An error in the wire format of a service: Cognito's code is in the body with a namespace, the other's in a header
/// with a URL.
pub(super) fn answer(service: Service, status: u16, code: &str, body: &str) -> Answer {
    let mut members: Value = serde_json::from_str(body).expect("JSON");
    if members.get("message").is_none() {
        members["message"] = json!("Words that no row looks for.");
    }
    match service {
        C => {
            members["__type"] = json!(format!("com.amazonaws.cognito.identity.idp.model#{code}"));
            Answer::new(status, members.to_string()).header("content-type", "application/x-amz-json-1.1")
        }
        W => Answer::new(status, members.to_string())
            .header("content-type", "application/json")
            .header("x-amzn-errortype", format!("{code}:http://internal.amazon.com/coral/com.amazon/")),
    }
}

/// Every kind of call: the table's, and the writes whose token only the SDK made.
pub(super) fn calls() -> Vec<Rpc> {
    let without = [Action::WebCreate, Action::WebUpdate].map(|action| Rpc::of(action).without_client_token());
    [rpcs::all(), without.into()].concat()
}

/// AWS's part of the metadata says what AWS said.
pub(super) fn check_quotation(what: &str, status: &Status, code: Option<&str>, http: Option<&str>) {
    let metadata = status.get_details_error_info().expect("ErrorInfo").metadata;
    let said = |key: &str| metadata.get(key).map(String::as_str);
    assert_eq!((said("awsErrorCode"), said("awsHttpStatus")), (code, http), "{what}");
    assert_eq!(said("awsRequestId"), http.map(|_| "aws-request-1"), "{what}");
}

#[tokio::test]
async fn every_error_that_aws_answers_with_is_told_as_specified() {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let proxy = Proxy::against(&aws.endpoint, &[("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")]).await;
    let channel = proxy.channel().await;
    for row in ROWS {
        for rpc in calls() {
            let service = rpc.action.service();
            if !row.on.contains(&service) || (!row.of.is_empty() && !row.of.contains(&rpc.action)) {
                continue;
            }
            aws.now(answer(service, row.status, row.code, row.body));
            // A pool that is being changed is asked again for as long as the caller waits.
            let is_contended = row.code == "ConcurrentModificationException";
            let metadata: &[_] = if is_contended { &[("grpc-timeout", "2S")] } else { &[] };
            let status = rpc.send(&mut Grpc::new(channel.clone()), rpc.valid.clone(), metadata).await;
            let status = status.expect_err(row.code);
            let unknown = row.once.filter(|_| is_once(&rpc));
            let (code, reason) = unknown.unwrap_or(row.answer);
            let expected = Expected {
                code,
                reason,
                origin: "aws",
                may_have_been_applied: row.once.is_some(),
                extra: row.extra,
                retry: if unknown.is_some() { Never } else { row.retry },
            };
            let what = format!("{} {} {}", row.code, row.status, row.body);
            check(&what, &rpc, &status, &expected);
            check_quotation(&what, &status, Some(row.code), Some(&row.status.to_string()));
            assert_eq!(aws.asked(rpc.action).len() > 1, is_contended, "{what}: one attempt was allowed");
        }
    }
}

#[tokio::test]
async fn what_aws_adds_to_a_code_is_passed_on() {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let proxy = Proxy::against(&aws.endpoint, &[("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")]).await;
    let channel = proxy.channel().await;
    let (update, get) = (Rpc::of(Action::CognitoUpdate), Rpc::of(Action::WebGet));
    let metadata = |status: &Status, key: &str| status.get_details_error_info().unwrap().metadata.get(key).cloned();

    aws.now(answer(C, 400, "InvalidParameterException", r#"{"reasonCode": "Why"}"#));
    let status = update.call(channel.clone()).await.unwrap_err();
    assert_eq!(metadata(&status, "reasonCode").as_deref(), Some("Why"));

    for rpc in [&update, &get] {
        aws.now(answer(rpc.action.service(), 403, "AccessDeniedException", "{}"));
        let status = rpc.call(channel.clone()).await.unwrap_err();
        let wanted = format!("{}:{}", rpc.action.service().aws_name(), rpc.action.operation());
        assert_eq!(metadata(&status, "iamAction"), Some(wanted), "the permission that the proxy lacks");
    }

    let pool = r#"{"message": "User pool us-east-1_Sandbox01 does not exist."}"#;
    aws.now(answer(C, 400, "ResourceNotFoundException", pool));
    let info = update.call(channel.clone()).await.unwrap_err().get_details_resource_info().unwrap();
    assert!(info.resource_type.contains("UserPool"), "{info:?}");
    let provider = r#"{"message": "Identity provider MyOidc in User Pool us-east-1_Sandbox01 does not exist."}"#;
    aws.now(answer(C, 400, "ResourceNotFoundException", provider));
    let info = update.call(channel.clone()).await.unwrap_err().get_details_resource_info().unwrap();
    assert!(info.resource_type.contains("IdentityProvider"), "{info:?}");

    // Retry-After in seconds is taken over; a date is no number, and the code is legible all the same.
    for (header, at_least, at_most) in
        [("7", 7000, 7000), ("Wed, 21 Oct 2026 07:28:00 GMT", 1000, 2000), ("0", 1000, 2000)]
    {
        for (code, http) in [("ThrottlingException", 429), ("InternalServerException", 500)] {
            aws.now(answer(W, http, code, "{}").header("retry-after", header));
            let status = get.call(channel.clone()).await.unwrap_err();
            assert_eq!(metadata(&status, "awsErrorCode").as_deref(), Some(code), "Retry-After: {header}");
            let delay =
                status.get_details_retry_info().and_then(|info| info.retry_delay).expect("RetryInfo").as_millis();
            assert!((at_least..=at_most).contains(&delay), "Retry-After: {header} became {delay} ms");
        }
    }
}
