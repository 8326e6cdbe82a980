//! Which content came under which `request_id`, for a while.

use std::time::Duration;

use moka::sync::Cache;

use super::{Digest, Likeness, Name, digest};

/// As long as a create is taken for the one that an earlier call made.
const KEPT: Duration = Duration::from_mins(10);
/// Ids that are kept, some 200 bytes each; beyond it the least used ones are forgotten.
const IDS_MAX: u64 = 100_000;

/// The ids that this process has seen. Another replica has its own: only AWS's tokens reach further.
#[derive(Debug)]
pub struct RequestIds(Cache<Digest, Digest>);

impl Default for RequestIds {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(IDS_MAX).time_to_live(KEPT).build())
    }
}

impl RequestIds {
    /// Notes the call's `request_id`; answers whether the id is known from the same caller and RPC with other content.
    pub fn is_reused(&self, call: &Likeness<'_>) -> bool {
        let Some(Name::RequestId(id)) = call.name else { return false };
        let key = digest(&[call.caller.id().as_bytes(), call.action.grpc_method().as_bytes(), id.as_str().as_bytes()]);
        self.0.get_with(key, || *call.content.hash()) != *call.content.hash()
    }
}
