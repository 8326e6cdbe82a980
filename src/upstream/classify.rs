//! `SdkError` → `UpstreamFault`, for every operation of both services.

use std::{error::Error, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http::endpoint::ResolveEndpointError;
use aws_smithy_runtime_api::client::{
    interceptors::context::{Error as InterceptorError, InterceptorContext},
    orchestrator::{HttpResponse, OrchestratorError},
    result::{ConnectorError, SdkError},
    retries::classifiers::{ClassifyRetry, RetryAction},
};
use aws_smithy_types::{error::display::DisplayErrorContext, retry::ErrorKind};

use super::{
    attempts::Attempts,
    endpoint::InsecureEndpoint,
    failure::{AwsError, Cause, Executed, SdkFailure, UpstreamFault},
    response,
    session::AssumeFailure,
};
use crate::domain::{Action, Region};

/// Codes below HTTP 500 after which AWS may still have executed the request.
const MAYBE_EXECUTED: [&str; 3] = ["RequestTimeoutException", "RequestTimeout", "RequestAbortedException"];

/// Stands for the code of an error answer that has none: its status alone counts.
const UNREADABLE: &str = "";
/// Whether AWS says that the session has ended which the request was signed with.
pub(super) fn is_expired(answer: &HttpResponse) -> bool {
    response::code(answer).is_some_and(|code| ["ExpiredTokenException", "ExpiredToken"].contains(&code.as_str()))
}

/// Turns the SDK's error of a call that `attempts` watched into ours.
pub(super) fn fault<E>(action: Action, region: &Region, error: &SdkError<E, HttpResponse>) -> UpstreamFault
where
    E: Error + Send + Sync + 'static,
{
    let attempts = Attempts::current();
    let raw = error.raw_response();
    let (cause, log) = cause(error, attempts.is_sent());
    let http_status = raw.map(|raw| raw.status().as_u16());
    let executed = match &cause {
        // The last attempt was refused or not even sent, but what became of an earlier one is not known.
        _ if attempts.has_doubt() => Executed::Maybe,
        _ if !attempts.is_sent() => Executed::No,
        Cause::Aws(aws) => executed_by_answer(aws.code.as_deref(), http_status),
        Cause::Sdk(failure) => executed_by_failure(*failure, http_status),
    };
    let header = |name| raw.and_then(|raw| raw.headers().get(name));
    let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id")).map(str::to_owned);
    UpstreamFault {
        action,
        region: region.clone(),
        cause,
        executed,
        http_status,
        request_id,
        attempts: attempts.started(),
        has_derived_token: false,
        log,
    }
}

/// A call that was given up after it was sent and before AWS answered.
pub(crate) fn given_up(action: Action, region: &Region) -> UpstreamFault {
    UpstreamFault {
        action,
        region: region.clone(),
        cause: Cause::Sdk(SdkFailure::AttemptTimeout),
        executed: Executed::Maybe,
        http_status: None,
        request_id: None,
        attempts: Attempts::current().started(),
        has_derived_token: false,
        log: "given up to leave time for a look at what became of it".to_owned(),
    }
}

/// The answer that AWS would give to a call that was not made, as a read foretells it.
pub(crate) fn foreseen(action: Action, region: &Region, code: &str) -> UpstreamFault {
    let attempts = Attempts::current();
    UpstreamFault {
        action,
        region: region.clone(),
        cause: Cause::Aws(Box::new(AwsError { code: Some(code.to_owned()), ..AwsError::default() })),
        executed: Executed::No,
        http_status: None,
        request_id: attempts.aws_request_id(),
        attempts: attempts.started(),
        has_derived_token: false,
        log: "foreseen by a read; the call was not made".to_owned(),
    }
}

/// A success of AWS's that lacks `what`, which the model requires.
pub(crate) fn incomplete(action: Action, region: &Region, what: &str, request_id: Option<&str>) -> UpstreamFault {
    UpstreamFault {
        action,
        region: region.clone(),
        cause: Cause::Sdk(SdkFailure::IncompleteSuccess),
        executed: Executed::Maybe,
        http_status: Some(200),
        request_id: request_id.map(str::to_owned),
        attempts: Attempts::current().started(),
        has_derived_token: false,
        log: format!("the answer lacks {what}"),
    }
}

fn cause<E>(error: &SdkError<E, HttpResponse>, is_sent: bool) -> (Cause, String)
where
    E: Error + Send + Sync + 'static,
{
    let sdk = |failure, log: String| (Cause::Sdk(failure), log);
    match error {
        // What the SDK says of building a request names fields, never values.
        SdkError::ConstructionFailure(_) => sdk(SdkFailure::Construction, DisplayErrorContext(error).to_string()),
        SdkError::TimeoutError(_) => sdk(SdkFailure::AttemptTimeout, String::new()),
        SdkError::DispatchFailure(failure) => {
            let Some(error) = failure.as_connector_error() else {
                return sdk(SdkFailure::Other, String::new());
            };
            let failure = dispatch(error, is_sent);
            sdk(failure, legible(failure, error))
        }
        SdkError::ResponseError(failure) => unreadable(failure.raw(), error),
        SdkError::ServiceError(failure) => {
            let aws = response::read(failure.raw());
            if aws.code.is_some() {
                (Cause::Aws(Box::new(aws)), String::new())
            } else {
                unreadable(failure.raw(), error)
            }
        }
        _ => sdk(SdkFailure::Other, "a kind of SDK error that this version does not know".to_owned()),
    }
}

/// An answer that the SDK could not read; its code may still be legible.
fn unreadable(raw: &HttpResponse, error: &(dyn Error + 'static)) -> (Cause, String) {
    if is_stalled(error) {
        return (Cause::Sdk(SdkFailure::Stalled), String::new());
    }
    let aws = response::read(raw);
    if raw.body().bytes().is_none() {
        // The connection ended inside the body, which is not the same as a body that makes no sense.
        (Cause::Sdk(SdkFailure::ConnectionLost), String::new())
    } else if raw.status().is_success() {
        (Cause::Sdk(SdkFailure::UnparsableSuccess), String::new())
    } else if aws.code.is_some() {
        (Cause::Aws(Box::new(aws)), String::new())
    } else {
        (Cause::Sdk(SdkFailure::UnparsableError), String::new())
    }
}

fn dispatch(error: &ConnectorError, is_sent: bool) -> SdkFailure {
    if let Some(session) = find::<AssumeFailure>(error) {
        return session.failure;
    }
    if let Some(credentials) = find::<CredentialsError>(error) {
        return match credentials {
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
                SdkFailure::CredentialsMissing
            }
            _ if DisplayErrorContext(credentials).to_string().contains("AccessDenied") => SdkFailure::AssumeRoleDenied,
            _ => SdkFailure::CredentialsUnavailable,
        };
    }
    if find::<InsecureEndpoint>(error).is_some() {
        return SdkFailure::EndpointOfConfiguration;
    }
    if let Some(endpoint) = find::<ResolveEndpointError>(error) {
        // "FIPS and custom endpoint are not supported" and the like: the operator's doing, not the region's.
        let is_ours = DisplayErrorContext(endpoint).to_string().contains("not supported");
        return if is_ours { SdkFailure::EndpointOfConfiguration } else { SdkFailure::EndpointOfRegion };
    }
    if never_connected(error) {
        return if error.is_timeout() { SdkFailure::ConnectTimeout } else { SdkFailure::Unreachable };
    }
    match () {
        () if is_stalled(error) => SdkFailure::Stalled,
        () if error.is_timeout() => SdkFailure::ReadTimeout,
        () if error.is_user() => SdkFailure::Other,
        // hyper's "incomplete message" (closed before an answer) comes as `other` with a kind.
        () if error.is_io() || error.as_other().is_some() || is_sent => SdkFailure::ConnectionLost,
        () => SdkFailure::Other,
    }
}

/// What the log may say of a failure. The errors of credentials hold STS's answers, and some of endpoints the whole
/// request: of those only the rules' own sentences are shown.
fn legible(failure: SdkFailure, error: &ConnectorError) -> String {
    let chain = || {
        let chain = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
        chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    };
    match failure {
        SdkFailure::Unreachable | SdkFailure::ConnectTimeout | SdkFailure::ConnectionLost | SdkFailure::ReadTimeout => {
            chain()
        }
        _ => {
            let session = find::<AssumeFailure>(error).map(ToString::to_string);
            session.or_else(|| find::<ResolveEndpointError>(error).map(ToString::to_string)).unwrap_or_default()
        }
    }
}

/// Whether the error proves that there was no connection, so that AWS cannot have executed anything.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    find::<hyper_util::client::legacy::Error>(error).is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// Whether the SDK's stalled-stream protection ended the transfer. Its error type is private; its text is not.
fn is_stalled(error: &(dyn Error + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    chain.any(|error| error.to_string().starts_with("minimum throughput was specified"))
}

fn executed_by_answer(code: Option<&str>, status: Option<u16>) -> Executed {
    // 408 says nothing of what was done, whatever the code.
    let is_refusal = status.is_some_and(|status| (400..500).contains(&status) && status != 408);
    let is_doubtful = code.is_none_or(|code| MAYBE_EXECUTED.contains(&code));
    // The codes of a server's failure, whatever their status: emulators and front-ends disagree on it.
    let is_failure = code.is_some_and(|code| code.starts_with("Internal") || code == "ServiceUnavailable");
    if is_refusal && !is_doubtful && !is_failure { Executed::No } else { Executed::Maybe }
}

fn executed_by_failure(failure: SdkFailure, status: Option<u16>) -> Executed {
    match failure {
        SdkFailure::Construction
        | SdkFailure::CredentialsMissing
        | SdkFailure::CredentialsUnavailable
        | SdkFailure::CredentialsExpired
        | SdkFailure::CredentialsInvalid
        | SdkFailure::AssumeRoleDenied
        | SdkFailure::EndpointOfRegion
        | SdkFailure::EndpointOfConfiguration
        | SdkFailure::Unreachable
        | SdkFailure::ConnectTimeout
        | SdkFailure::Other => Executed::No,
        SdkFailure::UnparsableError => executed_by_answer(Some(UNREADABLE), status),
        SdkFailure::ConnectionLost
        | SdkFailure::ReadTimeout
        | SdkFailure::AttemptTimeout
        | SdkFailure::Stalled
        | SdkFailure::UnparsableSuccess
        | SdkFailure::IncompleteSuccess => Executed::Maybe,
    }
}

/// The first error of type `E` in the chain, including what an `io::Error` wraps.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// Whether AWS may have executed an attempt that ended with this error.
pub(super) fn executed(
    answer: Option<&HttpResponse>,
    error: &OrchestratorError<InterceptorError>,
    is_sent: bool,
) -> Executed {
    match (answer, error.as_connector_error()) {
        (Some(answer), _) => {
            let code = response::code(answer);
            executed_by_answer(Some(code.as_deref().unwrap_or(UNREADABLE)), Some(answer.status().as_u16()))
        }
        (None, Some(error)) => executed_by_failure(dispatch(error, is_sent), None),
        (None, None) if is_sent => Executed::Maybe,
        (None, None) => Executed::No,
    }
}

/// Our say on the SDK's retries, ahead of its own classifiers; what it forbids stays forbidden.
#[derive(Debug)]
pub(super) struct RetryRule {
    /// Nothing that may have been executed is sent again (Cognito's create: AWS has no token for it).
    pub(super) only_if_not_executed: bool,
}

impl ClassifyRetry for RetryRule {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else {
            return RetryAction::NoActionIndicated;
        };
        let answer = context.response();
        let code = answer.and_then(response::code);
        // A hard quota, which the SDK takes for throttling: it would only wait for nothing.
        if code.as_deref() == Some("LimitExceededException") {
            return RetryAction::RetryForbidden;
        }
        // Refused before anything was done. The session is the proxy's own business: another one is begun at once.
        if answer.is_some_and(is_expired) && Attempts::current().is_session_dropped() {
            return RetryAction::retryable_error_with_explicit_delay(ErrorKind::TransientError, Duration::ZERO);
        }
        // STS has been asked again already.
        if find::<AssumeFailure>(error).is_some() {
            return RetryAction::RetryForbidden;
        }
        if !self.only_if_not_executed {
            return RetryAction::NoActionIndicated;
        }
        let executed = executed(answer, error, Attempts::current().is_sent());
        if executed == Executed::No { RetryAction::NoActionIndicated } else { RetryAction::RetryForbidden }
    }

    fn name(&self) -> &'static str {
        "idp-proxy"
    }
}
