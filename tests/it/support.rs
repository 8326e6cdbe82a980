//! What the tests share: running processes, and stand-ins for AWS.

mod process;
mod scripted_aws;

pub(crate) use self::{
    process::{FakeAws, Proxy, SANDBOX_PORTAL, SANDBOX_USER_POOL, repository, tool},
    scripted_aws::{Answer, ScriptedAws, Seen},
};
