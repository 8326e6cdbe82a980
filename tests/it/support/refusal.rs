//! Reads the details of a refusal.

use tonic::{Code, Status};
use tonic_types::{ErrorInfo, StatusExt as _};

/// The one `ErrorInfo` that every refusal has.
pub(crate) fn info(status: &Status) -> ErrorInfo {
    let info = status.get_error_details().error_info().cloned();
    info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"))
}

/// The fields that a refusal is about.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

/// The call was refused with this code and reason.
#[track_caller]
pub(crate) fn assert_refused<T>(outcome: Result<T, Status>, code: Code, reason: &str) -> Status {
    let Err(status) = outcome else { panic!("not refused, wanted {code:?} {reason}") };
    assert_eq!((status.code(), info(&status).reason.as_str()), (code, reason), "{status:?}");
    status
}
