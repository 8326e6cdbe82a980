//! Why a call fails, in AWS's words: an error code, a message, a status and the members that the model gives the error.
//! It does not know how the two protocols write it (that is `wire`).

use http::StatusCode;
use serde_json::{Map, Value};

/// An AWS error. It has no `Debug`: AWS's messages echo what the caller sent, and that may be a secret.
pub(super) struct Fault {
    /// The error code, such as `InvalidParameterException`.
    pub(super) code: &'static str,
    /// The status as modelled. Cognito answers 400 for every client error whatever this says.
    pub(super) status: StatusCode,
    /// The text for humans.
    pub(super) message: String,
    /// Further members of the error's body.
    pub(super) members: Map<String, Value>,
    /// Seconds for the `Retry-After` header.
    pub(super) retry_after_s: Option<u64>,
}

impl Fault {
    pub(super) fn new(code: &'static str, status: StatusCode, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), members: Map::new(), retry_after_s: None }
    }

    /// The same fault with one more member in its body.
    pub(super) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    // The errors common to all actions. Statuses are those of the current list of "Common Errors"; the messages are
    // known from use of AWS and not documented.

    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn unknown_operation() -> Self {
        Self::new("UnknownOperationException", StatusCode::NOT_FOUND, "The requested operation is not supported.")
    }

    pub(super) fn missing_authentication_token() -> Self {
        Self::new("MissingAuthenticationTokenException", StatusCode::FORBIDDEN, "Missing Authentication Token")
    }

    pub(super) fn incomplete_signature(message: impl Into<String>) -> Self {
        Self::new("IncompleteSignature", StatusCode::FORBIDDEN, message)
    }

    pub(super) fn invalid_signature(message: impl Into<String>) -> Self {
        Self::new("InvalidSignatureException", StatusCode::FORBIDDEN, message)
    }

    pub(super) fn malformed_http(message: impl Into<String>) -> Self {
        Self::new("MalformedHttpRequestException", StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn entity_too_large() -> Self {
        Self::new("RequestEntityTooLargeException", StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large.")
    }

    pub(super) fn internal_failure() -> Self {
        Self::new(
            "InternalFailure",
            StatusCode::INTERNAL_SERVER_ERROR,
            "The request processing has failed because of an unknown error.",
        )
    }
}
