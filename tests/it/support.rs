//! What the tests share: running processes, stand-ins for AWS, providers to make, and reading refusals.

mod certificates;
mod collector;
mod emulator;
mod envoy;
mod guarded;
mod http;
mod process;
mod program;
mod refusal;
mod samples;
mod scripted_aws;
pub(crate) mod tokens;

pub(crate) use self::{
    certificates::{Authority, Leaf, shake_hands, shown as shown_certificate, tls_channel},
    collector::Collector,
    emulator::Emulator,
    envoy::{Envoy, replaced},
    guarded::{allowed, audit_lines, configured, ended, eventually, lines_about, printed_outcome, within},
    http::{get, get_with, metric, metrics},
    process::{ANYONE, FakeAws, Proxy, SANDBOX_PORTAL, SANDBOX_USER_POOL, repository, tool},
    program::{Scratch, finish, idp_proxy, python},
    refusal::{assert_refused, fields, info},
    samples::{CANARY, KINDS, assert_no_canary, details, is_leaking, map, saml_metadata, shown},
    scripted_aws::{Answer, ScriptedAws, Seen},
};
