//! What a row of the table of errors holds, and which row a fault leads to.

use tonic::Code;

use super::table::{BAD_ANSWER, LAST, TABLE};
use crate::{
    domain::{Effect, Repeat, Service},
    fault::{Deadline, Fault},
    upstream::{AwsError, Cause, SdkFailure, UpstreamFault},
};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// An error code of AWS's.
    Code(&'static str),
    /// An error of AWS's with a code that no row names, by HTTP status.
    Http(u16),
    /// Such an error with any status of 500 and more.
    Http5xx,
    /// Such an error with any other status.
    HttpOther,
    /// A failure without an answer.
    Sdk(SdkFailure),
    /// Our own refusal or failure.
    Own(Own),
}

/// The faults that do not come from AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Unidentified,
    Invalid,
    Undecodable,
    TooLarge,
    UnknownMethod,
    UnknownEncoding,
    Denied,
    RequestIdReused,
    RateLimited,
    CallerGone,
    Overloaded,
    Draining,
    CallersDeadline,
    OursDeadline,
    DrainDeadline,
    Unrecorded,
    Internal,
}

/// What must hold besides the trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Nothing.
    Always,
    /// AWS's text holds this. Texts change: such a row may refine a code, never what may be repeated.
    Text(&'static str),
    /// Like `Text`, for a call whose client token follows from the caller's `request_id`.
    TextAboutDerivedToken(&'static str),
    /// AWS's `reason` is this.
    Reason(&'static str),
    /// AWS's `reason` is this, and it names no field.
    ReasonWithoutFields(&'static str),
    /// The resource that AWS names is an identity provider, and the call creates one.
    CreatesExisting,
    /// The call has this effect.
    Effect(Effect),
}

/// Which further details the error carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    /// None.
    Nothing,
    /// `BadRequest` with our own violations.
    Violations,
    /// `BadRequest` with the fields that AWS's text is about.
    FieldsOfText,
    /// `BadRequest` with AWS's `fieldList`.
    FieldList,
    /// `BadRequest` with this field.
    Field(&'static str),
    /// `BadRequest` with the field that the region was read from.
    RegionField,
    /// `ResourceInfo`.
    Resource,
    /// `QuotaFailure` for a rate.
    Rate,
    /// `QuotaFailure` for a number of things.
    Quota,
    /// `PreconditionFailure` of this type.
    Precondition(&'static str),
    /// `PreconditionFailure` with the resource that AWS names.
    Conflict,
}

/// What callers and meshes are told about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// `grpc-retry-pushback-ms: -1`: not as it is.
    Never,
    /// `RetryInfo`, and `grpc-retry-pushback-ms` with the same delay.
    After,
    /// `RetryInfo` for the caller, who must look first, and `-1` for whoever repeats blindly.
    CallerAfter,
    /// Nothing was executed: anyone may try again at once, best at another replica.
    Free,
}

/// A gRPC code with its reason.
pub(super) type Answer = (Code, &'static str);

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) trigger: Trigger,
    pub(super) service: Option<Service>,
    pub(super) when: When,
    /// For a read.
    pub(super) read: Answer,
    /// For a write whose repetition has no further effect.
    pub(super) same_effect: Answer,
    /// For a write that must not be repeated blindly.
    pub(super) once: Answer,
    pub(super) extra: Extra,
    pub(super) retry: Retry,
    /// Begins the message.
    pub(super) text: &'static str,
    /// Whether AWS's text, scrubbed, ends the message: only where it is about the caller's own input.
    pub(super) with_aws_text: bool,
}

impl Row {
    pub(super) const fn of(self, service: Service) -> Self {
        Self { service: Some(service), ..self }
    }
    pub(super) const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }
    pub(super) const fn with(self, extra: Extra) -> Self {
        Self { extra, ..self }
    }
    pub(super) const fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }
    pub(super) const fn aws_text(self) -> Self {
        Self { with_aws_text: true, ..self }
    }
    /// Another answer where the outcome of a write that must not be repeated is not known.
    pub(super) const fn but_once(self, code: Code, reason: &'static str) -> Self {
        Self { once: (code, reason), ..self }
    }
    /// Another answer for every write.
    pub(super) const fn but_write(self, code: Code, reason: &'static str) -> Self {
        Self { same_effect: (code, reason), once: (code, reason), ..self }
    }

    /// The answer for a call of this kind, and what is said about trying again. Without a kind, or where AWS
    /// surely executed nothing, a write is answered like a read.
    pub(super) fn answer(&self, repeat: Option<Repeat>) -> (Answer, Retry) {
        let answer = match repeat {
            None | Some(Repeat::Read) => self.read,
            Some(Repeat::SameEffect) => self.same_effect,
            Some(Repeat::Once) => self.once,
        };
        // Where a write is answered differently, its outcome is not known.
        (answer, if answer == self.read { self.retry } else { Retry::Never })
    }

    /// The row for a fault.
    pub(super) fn of_fault(fault: &Fault) -> Self {
        let found = match fault {
            Fault::Upstream(fault) => Self::of_upstream(fault),
            own => TABLE.iter().find(|row| row.trigger == Trigger::Own(Own::of(own))).copied(),
        };
        found.unwrap_or(LAST)
    }

    fn of_upstream(fault: &UpstreamFault) -> Option<Self> {
        let find = |trigger: Trigger| TABLE.iter().find(|row| row.trigger == trigger && row.holds(fault)).copied();
        let status = fault.http_status.unwrap_or_default();
        let general = if status >= 500 { Trigger::Http5xx } else { Trigger::HttpOther };
        let by_status = || find(Trigger::Http(status)).or_else(|| find(general));
        match &fault.cause {
            Cause::Sdk(SdkFailure::UnparsableError) => by_status().map(Self::unparsable),
            Cause::Sdk(failure) => find(Trigger::Sdk(*failure)),
            Cause::Aws(error) => {
                let code = error.code.as_deref().unwrap_or_default();
                let is_code = |row: &&Self| matches!(row.trigger, Trigger::Code(name) if name == code);
                let by_code = TABLE.iter().filter(is_code).find(|row| row.holds(fault)).copied();
                by_code.or_else(by_status)
            }
        }
    }

    /// An error answer without a code: judged by its status, under a reason of its own.
    fn unparsable(self) -> Self {
        let named = |(code, _): Answer| (code, "AWS_UNPARSABLE_RESPONSE");
        let (read, same_effect, once) = (named(self.read), named(self.same_effect), named(self.once));
        Self { read, same_effect, once, text: BAD_ANSWER, ..self }
    }

    fn holds(&self, fault: &UpstreamFault) -> bool {
        let none = AwsError::default();
        let error = if let Cause::Aws(error) = &fault.cause { error } else { &none };
        let effect = fault.action.effect();
        let says = |part: &str| error.message.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
        self.service.is_none_or(|service| service == fault.action.service())
            && match self.when {
                When::Always => true,
                When::Text(part) => says(part),
                When::TextAboutDerivedToken(part) => fault.has_derived_token && says(part),
                When::Reason(reason) => error.reason.as_deref() == Some(reason),
                When::ReasonWithoutFields(reason) => error.reason.as_deref() == Some(reason) && error.fields.is_empty(),
                When::Effect(wanted) => effect == wanted,
                When::CreatesExisting => {
                    let kind = error.resource_type.as_deref().unwrap_or_default().to_ascii_lowercase();
                    let id = error.resource_id.as_deref().unwrap_or_default();
                    effect == Effect::Create && (kind.contains("identityprovider") || id.contains(":identityProvider/"))
                }
            }
    }
}

impl Own {
    /// The key of a fault that does not come from AWS.
    fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Unidentified(_) => Self::Unidentified,
            Fault::Invalid(_) => Self::Invalid,
            Fault::Undecodable => Self::Undecodable,
            Fault::TooLarge => Self::TooLarge,
            Fault::UnknownMethod => Self::UnknownMethod,
            Fault::UnknownEncoding => Self::UnknownEncoding,
            Fault::Denied(_) => Self::Denied,
            Fault::RequestIdReused => Self::RequestIdReused,
            Fault::RateLimited(_) => Self::RateLimited,
            Fault::CallerGone => Self::CallerGone,
            Fault::Overloaded => Self::Overloaded,
            Fault::Draining => Self::Draining,
            Fault::OutOfTime { deadline: Deadline::Callers, .. } => Self::CallersDeadline,
            Fault::OutOfTime { deadline: Deadline::Ours, .. } => Self::OursDeadline,
            Fault::OutOfTime { deadline: Deadline::Drain, .. } => Self::DrainDeadline,
            Fault::Unrecorded => Self::Unrecorded,
            Fault::Upstream(_) | Fault::Internal => Self::Internal,
        }
    }
}
