//! The one table of errors: what happened → gRPC code, reason, details, and whether to try again.
//!
//! The first row that matches counts, so a row with a condition stands above the row without. Source: the project's
//! API facts, sections G.3 (answers of AWS's) and G.4 (failures without one). `tests/golden/status_table.txt` is its
//! printed form.

use tonic::Code::{
    self, Aborted, AlreadyExists, Cancelled, DeadlineExceeded, FailedPrecondition, Internal, InvalidArgument, NotFound,
    PermissionDenied, ResourceExhausted, Unauthenticated, Unavailable, Unimplemented, Unknown,
};

use super::row::{Extra, Own, Retry, Row, Trigger, When};
use crate::{
    domain::{
        Effect,
        Service::{Cognito, WorkspacesWeb},
    },
    upstream::SdkFailure,
};

const fn row(trigger: Trigger, code: Code, reason: &'static str, text: &'static str) -> Row {
    let answer = (code, reason);
    Row {
        trigger,
        service: None,
        when: When::Always,
        read: answer,
        same_effect: answer,
        once: answer,
        extra: Extra::Nothing,
        retry: Retry::Never,
        text,
        with_aws_text: false,
    }
}

const fn aws(name: &'static str, code: Code, reason: &'static str, text: &'static str) -> Row {
    row(Trigger::Code(name), code, reason, text)
}

/// A failure of the server's or of the way to it: may be repeated where repeating has no effect of its own.
const fn doubtful(trigger: Trigger, reason: &'static str, text: &'static str) -> Row {
    row(trigger, Unavailable, reason, text).but_once(Unknown, reason).retry(Retry::After)
}

/// AWS's own words are not documented: any of these says it.
const fn token_reused(words: &'static str) -> Row {
    aws(
        "ConflictException",
        FailedPrecondition,
        "IDEMPOTENCY_TOKEN_REUSED",
        "the client token was used for another request",
    )
    .of(WorkspacesWeb)
    .when(When::Text(words))
    .with(Extra::Conflict)
}

/// The same where the token follows from the caller's `request_id`: then that one was used for another request.
const fn request_id_reused(words: &'static str) -> Row {
    aws("ConflictException", InvalidArgument, "REQUEST_ID_REUSED", REQUEST_ID_REUSED)
        .of(WorkspacesWeb)
        .when(When::TextAboutDerivedToken(words))
        .with(Extra::Field("request_id"))
}

const fn sdk(failure: SdkFailure, code: Code, reason: &'static str, text: &'static str) -> Row {
    row(Trigger::Sdk(failure), code, reason, text)
}

const fn own(own: Own, code: Code, reason: &'static str, text: &'static str) -> Row {
    row(Trigger::Own(own), code, reason, text)
}

/// What no row covers; a test shows that nothing gets here.
pub(super) const LAST: Row =
    row(Trigger::HttpOther, Unknown, "AWS_UNRECOGNIZED_ERROR", "AWS answered with an error that is not known");

const INVALID: &str = "AWS refused the request";
const ROLE: &str = "AWS does not let the proxy's own identity make this call; this is not about the caller's identity";
const KEYS: &str = "AWS does not accept the proxy's own credentials; the operator has to look after them";
const SERVER: &str = "AWS failed";
const TIMEOUT: &str = "AWS took too long";
const PROXY: &str = "the proxy could not make the request";
/// For an answer without a code, whichever row its status leads to.
pub(super) const BAD_ANSWER: &str = "AWS's answer could not be understood";
const REQUEST_ID_REUSED: &str = "the request_id was used for a request with other content";
const UNRECOGNIZED: &str = "AWS answered with an error that the proxy does not know";

/// Every row, the more special ones first.
pub(super) static TABLE: &[Row] = &[
    // --- answers of AWS's (G.3) ---
    aws(
        "InvalidParameterException",
        FailedPrecondition,
        "AWS_PRECONDITION_FAILED",
        "AWS could not use the metadata that the request points to",
    )
    .of(Cognito)
    .when(When::Text("remote metadata source"))
    .with(Extra::Precondition("IDP_METADATA_FETCH"))
    .aws_text(),
    aws(
        "InvalidParameterException",
        FailedPrecondition,
        "AWS_PRECONDITION_FAILED",
        "the user pool lacks an attribute of the mapping",
    )
    .of(Cognito)
    .when(When::Text("AttributeMapping contains invalid mapping"))
    .with(Extra::Precondition("ATTRIBUTE_MAPPING"))
    .aws_text(),
    aws("InvalidParameterException", InvalidArgument, "AWS_INVALID_PARAMETER", INVALID)
        .with(Extra::FieldsOfText)
        .aws_text(),
    aws(
        "UnsupportedIdentityProviderException",
        InvalidArgument,
        "UNSUPPORTED_IDENTITY_PROVIDER",
        "AWS does not support this for the identity provider",
    )
    .with(Extra::Field("provider_name")),
    aws(
        "DuplicateProviderException",
        AlreadyExists,
        "IDENTITY_PROVIDER_EXISTS",
        "the identity provider exists already",
    )
    .with(Extra::Resource),
    aws("ResourceNotFoundException", NotFound, "RESOURCE_NOT_FOUND", "AWS does not know the resource")
        .with(Extra::Resource),
    aws("NotAuthorizedException", PermissionDenied, "AWS_ACCESS_DENIED", ROLE),
    aws("AccessDeniedException", PermissionDenied, "AWS_ACCESS_DENIED", ROLE),
    aws("NotAuthorized", PermissionDenied, "AWS_ACCESS_DENIED", ROLE),
    aws("TooManyRequestsException", ResourceExhausted, "AWS_THROTTLED", "AWS throttles the account")
        .with(Extra::Rate)
        .retry(Retry::After),
    aws("ThrottlingException", ResourceExhausted, "AWS_THROTTLED", "AWS throttles the account")
        .with(Extra::Rate)
        .retry(Retry::After),
    aws("LimitExceededException", ResourceExhausted, "AWS_QUOTA_EXCEEDED", "a quota of the user pool is used up")
        .with(Extra::Quota),
    aws("ServiceQuotaExceededException", ResourceExhausted, "AWS_QUOTA_EXCEEDED", "a quota of the account is used up")
        .with(Extra::Quota),
    aws("TooManyTagsException", ResourceExhausted, "TOO_MANY_TAGS", "the resource would have too many tags")
        .with(Extra::Quota),
    aws(
        "ConcurrentModificationException",
        Aborted,
        "CONCURRENT_MODIFICATION",
        "the user pool is being changed by another call; read again and decide anew",
    )
    .with(Extra::Resource)
    .retry(Retry::CallerAfter),
    // More than the one word: names of the caller's choice are in the text too.
    request_id_reused("client token"),
    request_id_reused("clientToken"),
    request_id_reused("idempoten"),
    token_reused("client token"),
    token_reused("clientToken"),
    token_reused("idempoten"),
    aws("ConflictException", AlreadyExists, "RESOURCE_CONFLICT", "an identity provider like it exists already")
        .of(WorkspacesWeb)
        .when(When::CreatesExisting)
        .with(Extra::Resource),
    aws("ConflictException", FailedPrecondition, "RESOURCE_IN_USE", "the identity provider is in use")
        .of(WorkspacesWeb)
        .when(When::Effect(Effect::Delete))
        .with(Extra::Conflict),
    aws(
        "ConflictException",
        FailedPrecondition,
        "RESOURCE_CONFLICT",
        "AWS reports a conflict with the state of the resource",
    )
    .with(Extra::Conflict),
    aws(
        "OperationNotEnabledException",
        FailedPrecondition,
        "AWS_OPERATION_NOT_ENABLED",
        "AWS has not enabled the operation here",
    )
    .with(Extra::Precondition("OPERATION_NOT_ENABLED")),
    aws("ValidationException", Internal, "AWS_CANNOT_PARSE", "AWS could not read the proxy's request")
        .of(WorkspacesWeb)
        .when(When::ReasonWithoutFields("cannotParse")),
    aws("ValidationException", InvalidArgument, "AWS_CANNOT_PARSE", INVALID)
        .of(WorkspacesWeb)
        .when(When::Reason("cannotParse"))
        .with(Extra::FieldList)
        .aws_text(),
    aws(
        "ValidationException",
        Unimplemented,
        "AWS_UNKNOWN_OPERATION",
        "AWS does not know the operation at this endpoint",
    )
    .when(When::Reason("unknownOperation")),
    aws("ValidationException", InvalidArgument, "AWS_VALIDATION_FAILED", INVALID).with(Extra::FieldList).aws_text(),
    aws(
        "UnknownOperationException",
        Unimplemented,
        "AWS_UNKNOWN_OPERATION",
        "AWS does not know the operation at this endpoint",
    ),
    aws("InvalidAction", Unimplemented, "AWS_UNKNOWN_OPERATION", "AWS does not know the operation at this endpoint"),
    doubtful(Trigger::Code("InternalErrorException"), "AWS_INTERNAL", SERVER).but_once(Unknown, "OUTCOME_UNKNOWN"),
    doubtful(Trigger::Code("InternalServerException"), "AWS_INTERNAL", SERVER).but_once(Unknown, "OUTCOME_UNKNOWN"),
    doubtful(Trigger::Code("InternalFailure"), "AWS_INTERNAL", SERVER).but_once(Unknown, "OUTCOME_UNKNOWN"),
    doubtful(Trigger::Code("ServiceUnavailable"), "AWS_UNAVAILABLE", "AWS is not available"),
    doubtful(Trigger::Code("ServiceUnavailableException"), "AWS_UNAVAILABLE", "AWS is not available"),
    doubtful(Trigger::Code("RequestTimeoutException"), "AWS_REQUEST_TIMEOUT", TIMEOUT),
    doubtful(Trigger::Code("RequestTimeout"), "AWS_REQUEST_TIMEOUT", TIMEOUT),
    doubtful(Trigger::Code("RequestAbortedException"), "AWS_REQUEST_ABORTED", "AWS ended the request before an answer"),
    aws("RequestExpired", Unavailable, "PROXY_CLOCK_SKEW", "the proxy's clock is wrong").retry(Retry::After),
    aws("RequestTimeTooSkewed", Unavailable, "PROXY_CLOCK_SKEW", "the proxy's clock is wrong").retry(Retry::After),
    aws("ExpiredTokenException", Unavailable, "PROXY_CREDENTIALS_EXPIRED", "the proxy's own AWS session has expired")
        .retry(Retry::After),
    aws("ExpiredToken", Unavailable, "PROXY_CREDENTIALS_EXPIRED", "the proxy's own AWS session has expired")
        .retry(Retry::After),
    aws("UnrecognizedClientException", Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    aws("InvalidClientTokenId", Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    aws("InvalidSignatureException", Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    aws("SignatureDoesNotMatch", Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    aws("IncompleteSignature", Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    aws("IncompleteSignatureException", Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    aws("MissingAuthenticationToken", Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    aws("MissingAuthenticationTokenException", Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    aws("AuthFailure", Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    aws(
        "OptInRequired",
        FailedPrecondition,
        "AWS_OPT_IN_REQUIRED",
        "the AWS account has not opted in to the region or service",
    )
    .with(Extra::Precondition("REGION_OR_SERVICE_OPT_IN")),
    aws("RequestEntityTooLargeException", InvalidArgument, "REQUEST_TOO_LARGE", "the request is too large for AWS")
        .with(Extra::Field("")),
    aws("MalformedHttpRequestException", Internal, "AWS_CANNOT_PARSE", "AWS could not read the proxy's request"),
    aws("SerializationException", Internal, "AWS_CANNOT_PARSE", "AWS could not read the proxy's request"),
    aws("ValidationError", InvalidArgument, "AWS_VALIDATION_FAILED", INVALID).with(Extra::FieldsOfText).aws_text(),
    aws("InvalidParameter", InvalidArgument, "AWS_VALIDATION_FAILED", INVALID).with(Extra::FieldsOfText).aws_text(),
    aws("InvalidParameterCombination", InvalidArgument, "AWS_VALIDATION_FAILED", INVALID)
        .with(Extra::FieldsOfText)
        .aws_text(),
    aws("InvalidParameterValue", InvalidArgument, "AWS_VALIDATION_FAILED", INVALID)
        .with(Extra::FieldsOfText)
        .aws_text(),
    aws("InvalidQueryParameter", InvalidArgument, "AWS_VALIDATION_FAILED", INVALID)
        .with(Extra::FieldsOfText)
        .aws_text(),
    aws("MissingParameter", InvalidArgument, "AWS_VALIDATION_FAILED", INVALID).with(Extra::FieldsOfText).aws_text(),
    // --- codes that no row names, by HTTP status ---
    row(Trigger::Http(400), Unknown, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED).of(Cognito),
    row(Trigger::Http(400), InvalidArgument, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED),
    row(Trigger::Http(401), PermissionDenied, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED),
    row(Trigger::Http(402), ResourceExhausted, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED),
    row(Trigger::Http(403), PermissionDenied, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED),
    row(Trigger::Http(404), NotFound, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED).with(Extra::Resource),
    doubtful(Trigger::Http(408), "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED),
    row(Trigger::Http(409), FailedPrecondition, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED),
    row(Trigger::Http(413), InvalidArgument, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED),
    row(Trigger::Http(429), ResourceExhausted, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED)
        .with(Extra::Rate)
        .retry(Retry::After),
    doubtful(Trigger::Http5xx, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED),
    row(Trigger::HttpOther, Unknown, "AWS_UNRECOGNIZED_ERROR", UNRECOGNIZED),
    // --- failures without an answer (G.4) ---
    sdk(SdkFailure::Construction, Internal, "PROXY_REQUEST_CONSTRUCTION", PROXY),
    sdk(
        SdkFailure::CredentialsMissing,
        Internal,
        "PROXY_CREDENTIALS_MISSING",
        "the proxy has no AWS credentials; the operator has to look after them",
    ),
    sdk(
        SdkFailure::CredentialsUnavailable,
        Unavailable,
        "PROXY_CREDENTIALS_UNAVAILABLE",
        "the source of the proxy's AWS credentials does not answer",
    )
    .retry(Retry::After),
    sdk(
        SdkFailure::CredentialsExpired,
        Unavailable,
        "PROXY_CREDENTIALS_EXPIRED",
        "the proxy's own AWS session has expired",
    )
    .retry(Retry::After),
    sdk(SdkFailure::CredentialsInvalid, Internal, "PROXY_CREDENTIALS_INVALID", KEYS),
    sdk(
        SdkFailure::AssumeRoleDenied,
        Internal,
        "AWS_ASSUME_ROLE_DENIED",
        "AWS does not let the proxy take on its role",
    ),
    sdk(SdkFailure::EndpointOfRegion, InvalidArgument, "PROXY_ENDPOINT", "AWS has no endpoint for this region")
        .with(Extra::RegionField),
    sdk(
        SdkFailure::EndpointOfConfiguration,
        Internal,
        "PROXY_ENDPOINT",
        "the configured AWS endpoint cannot be used; the operator has to look after it",
    ),
    sdk(SdkFailure::Unreachable, Unavailable, "AWS_UNREACHABLE", "AWS could not be reached; nothing was sent")
        .retry(Retry::After),
    sdk(
        SdkFailure::ConnectTimeout,
        Unavailable,
        "AWS_CONNECT_TIMEOUT",
        "AWS could not be reached in time; nothing was sent",
    )
    .retry(Retry::After),
    doubtful(
        Trigger::Sdk(SdkFailure::ConnectionLost),
        "AWS_CONNECTION_LOST",
        "the connection to AWS ended before an answer",
    ),
    doubtful(Trigger::Sdk(SdkFailure::ReadTimeout), "AWS_READ_TIMEOUT", "AWS did not answer in time"),
    doubtful(Trigger::Sdk(SdkFailure::AttemptTimeout), "AWS_TIMEOUT", TIMEOUT).but_once(Unknown, "OUTCOME_UNKNOWN"),
    doubtful(Trigger::Sdk(SdkFailure::Stalled), "AWS_STALLED", "the transfer from AWS stalled"),
    sdk(SdkFailure::UnparsableSuccess, Internal, "AWS_UNPARSABLE_RESPONSE", BAD_ANSWER)
        .but_write(Unknown, "OUTCOME_UNKNOWN"),
    sdk(SdkFailure::IncompleteSuccess, Internal, "AWS_INCOMPLETE_RESPONSE", "AWS's answer lacks what it must have")
        .but_write(Unknown, "AWS_INCOMPLETE_RESPONSE"),
    sdk(SdkFailure::Other, Internal, "PROXY_INTERNAL", PROXY),
    // --- our own ---
    own(Own::Unidentified, Unauthenticated, "CALLER_UNIDENTIFIED", "the caller is not known"),
    own(Own::Invalid, InvalidArgument, "INVALID_REQUEST", "the request is invalid").with(Extra::Violations),
    own(Own::Undecodable, InvalidArgument, "INVALID_REQUEST", "the request is no message of this method")
        .with(Extra::Field("")),
    own(Own::TooLarge, InvalidArgument, "REQUEST_TOO_LARGE", "the request is larger than this server reads")
        .with(Extra::Field("")),
    own(Own::UnknownMethod, Unimplemented, "UNKNOWN_METHOD", "the server has no such method"),
    own(
        Own::UnknownEncoding,
        Unimplemented,
        "UNKNOWN_ENCODING",
        "the server does not know the compression of the request",
    ),
    own(Own::Denied, PermissionDenied, "POLICY_DENIED", "policy does not allow this call"),
    own(Own::RequestIdReused, InvalidArgument, "REQUEST_ID_REUSED", REQUEST_ID_REUSED).with(Extra::Field("request_id")),
    own(
        Own::RateLimited,
        ResourceExhausted,
        "PROXY_RATE_LIMITED",
        "a request quota at AWS is used up for longer than this call can wait; nothing was sent",
    )
    .with(Extra::Rate)
    .retry(Retry::After),
    own(Own::CallerGone, Cancelled, "CALLER_GONE", "the caller went away; nothing was changed"),
    own(Own::Overloaded, Unavailable, "PROXY_OVERLOADED", "more calls are in flight than this server takes")
        .retry(Retry::Free),
    own(Own::Draining, Unavailable, "PROXY_DRAINING", "the server is going down").retry(Retry::Free),
    own(Own::CallersDeadline, DeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline passed before the call was done"),
    row(Trigger::Own(Own::OursDeadline), Unavailable, "AWS_TIMEOUT", "the call took longer than this server allows")
        .but_once(Unknown, "OUTCOME_UNKNOWN")
        .retry(Retry::After),
    row(
        Trigger::Own(Own::DrainDeadline),
        Unavailable,
        "PROXY_DRAINING",
        "the server went down before the call was done",
    )
    .but_once(Unknown, "OUTCOME_UNKNOWN")
    .retry(Retry::Free),
    own(Own::Unrecorded, Internal, "PROXY_INTERNAL", "the call could not be recorded, so it was not made"),
    own(Own::Internal, Internal, "PROXY_INTERNAL", "the proxy failed"),
];
