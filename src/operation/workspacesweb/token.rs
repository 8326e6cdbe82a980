//! What AWS's client token means for a write: which repetitions are the same call.

use crate::{
    domain::{ClientToken, Intent, Repeat},
    upstream::UpstreamFault,
};

/// What repeating a write does. A token of the caller's, or one that follows from its `request_id`, is the same in every
/// repetition; one from the transport's id is not if the caller itself calls again.
pub(super) fn repeat_with(token: Option<&ClientToken>, intent: &Intent) -> Repeat {
    if intent.validate_only() {
        Repeat::Read
    } else if token.is_some() || intent.request_id().is_some() {
        Repeat::SameEffect
    } else {
        Repeat::Once
    }
}

/// The fault of a call, with the source of its token: AWS's refusal of a token that follows from the `request_id` means
/// that the id was used before.
pub(super) fn with_token(fault: UpstreamFault, token: Option<&ClientToken>, intent: &Intent) -> UpstreamFault {
    UpstreamFault { has_derived_token: token.is_none() && intent.request_id().is_some(), ..fault }
}
