//! A failed AWS call in words of our own: what happened, whether AWS may have executed it, what AWS said.

use std::{fmt, time::Duration};

use crate::domain::{Action, Region};

/// Whether AWS executed the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executed {
    /// It surely did not.
    No,
    /// It may have.
    Maybe,
}

/// A failure that the SDK reports without an error answer of AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SdkFailure {
    /// The request could not be built.
    Construction,
    /// There are no usable credentials.
    CredentialsMissing,
    /// The source of credentials did not answer.
    CredentialsUnavailable,
    /// The session of the proxy's own credentials has expired, so that STS gives no role.
    CredentialsExpired,
    /// STS does not accept the proxy's own credentials.
    CredentialsInvalid,
    /// STS refused the role.
    AssumeRoleDenied,
    /// No endpoint exists for the region of the request.
    EndpointOfRegion,
    /// The endpoint that the operator configured cannot be used.
    EndpointOfConfiguration,
    /// No connection came about: DNS, TCP or TLS.
    Unreachable,
    /// No connection came about in time.
    ConnectTimeout,
    /// The connection ended before an answer.
    ConnectionLost,
    /// No answer came in time on a connection.
    ReadTimeout,
    /// One attempt took longer than the configured limit.
    AttemptTimeout,
    /// The transfer fell below the SDK's minimum speed.
    Stalled,
    /// An error answer without a readable error code.
    UnparsableError,
    /// An answer of success that cannot be read.
    UnparsableSuccess,
    /// An answer of success that lacks what it must have.
    IncompleteSuccess,
    /// Anything else inside the SDK, before sending.
    Other,
}

impl SdkFailure {
    /// Every failure, for the tables.
    pub const ALL: [Self; 18] = [
        Self::Construction,
        Self::CredentialsMissing,
        Self::CredentialsUnavailable,
        Self::CredentialsExpired,
        Self::CredentialsInvalid,
        Self::AssumeRoleDenied,
        Self::EndpointOfRegion,
        Self::EndpointOfConfiguration,
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::ConnectionLost,
        Self::ReadTimeout,
        Self::AttemptTimeout,
        Self::Stalled,
        Self::UnparsableError,
        Self::UnparsableSuccess,
        Self::IncompleteSuccess,
        Self::Other,
    ];
}

/// One field of a WorkSpaces Web `ValidationException`.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldError {
    /// AWS's path of the field.
    pub name: String,
    /// AWS's text; may echo what the caller sent.
    pub message: String,
}

/// What an error answer of AWS's holds. Debug shows no text, since AWS echoes what callers send.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AwsError {
    /// AWS's error code, such as `DuplicateProviderException`.
    pub code: Option<String>,
    /// AWS's text; may echo what the caller sent and name our role.
    pub message: String,
    /// Cognito `InvalidParameterException`: `reasonCode`.
    pub reason_code: Option<String>,
    /// WorkSpaces Web `ValidationException`: `reason`.
    pub reason: Option<String>,
    /// WorkSpaces Web: the resource that the error is about.
    pub resource_id: Option<String>,
    /// WorkSpaces Web: its type.
    pub resource_type: Option<String>,
    /// WorkSpaces Web: the service whose quota is meant.
    pub service_code: Option<String>,
    /// WorkSpaces Web: the quota's code, such as `L-DFC864EF`.
    pub quota_code: Option<String>,
    /// How long AWS asks to wait; absent if it does not.
    pub retry_after: Option<Duration>,
    /// WorkSpaces Web `ValidationException`: `fieldList`.
    pub fields: Vec<FieldError>,
}

impl fmt::Debug for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldError(…)")
    }
}

impl fmt::Debug for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsError({})", self.code.as_deref().unwrap_or_default())
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// AWS answered with an error.
    Aws(Box<AwsError>),
    /// The SDK failed on its own.
    Sdk(SdkFailure),
}

/// A failed call. Debug and Display hold neither AWS's text nor anything a caller sent.
#[derive(Clone)]
pub struct UpstreamFault {
    /// What was called.
    pub action: Action,
    /// Where.
    pub region: Region,
    /// What happened.
    pub cause: Cause,
    /// Whether AWS may have executed it.
    pub executed: Executed,
    /// HTTP status of the last answer.
    pub http_status: Option<u16>,
    /// AWS's id of the last attempt.
    pub request_id: Option<String>,
    /// How often the request was sent, or was about to be.
    pub attempts: u32,
    /// Whether the call carried a client token that the proxy derived from the caller's `request_id`.
    pub has_derived_token: bool,
    /// What the log may say beyond this; never AWS's text.
    pub log: String,
}

impl UpstreamFault {
    /// Whether AWS answered with this error code.
    pub fn is_code(&self, code: &str) -> bool {
        matches!(&self.cause, Cause::Aws(error) if error.code.as_deref() == Some(code))
    }
}

impl fmt::Debug for UpstreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for UpstreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: ", self.action, self.region)?;
        match &self.cause {
            Cause::Aws(error) => write!(f, "AWS answered {}", error.code.as_deref().unwrap_or("without a code"))?,
            Cause::Sdk(failure) => write!(f, "{failure:?}")?,
        }
        if let Some(status) = self.http_status {
            write!(f, ", HTTP {status}")?;
        }
        if !self.log.is_empty() {
            write!(f, ", {}", self.log)?;
        }
        Ok(())
    }
}

impl std::error::Error for UpstreamFault {}
