//! Values that can only be built valid: what a call speaks about, before and after AWS.
//!
//! Knows no gRPC, no AWS SDK and no I/O. Every rule of AWS's that can be checked without AWS is
//! here once; validation, redaction, the splitting of answers and the documents read it from here.

mod account;
mod action;
mod arn;
mod attributes;
mod details;
mod keys;
mod pool;
mod provider;
mod request;
mod secret;
mod subject;
mod text;
mod url;
mod violation;

pub(crate) use self::secret::hex;
pub use self::{
    account::{AccountId, ExternalId, RoleArn, SessionName},
    action::{Action, Effect, Repeat, Service},
    arn::{IdentityProviderArn, PortalArn},
    attributes::{AcrMapping, AttributeMapping, IdpIdentifiers, Tags},
    details::{AnsweredDetails, Details, TypeOfDetails, UnknownKeys},
    keys::{DETAIL_KEYS, DetailKey, Format, Presence},
    pool::{Region, UserPoolId},
    provider::{ProviderName, ProviderType, WebProviderName},
    request::{ClientToken, Intent, PageSize, PageToken, RequestId, UpdateMask},
    secret::{Fingerprinter, Secret},
    subject::{Resource, Subject},
    violation::{Violation, Violations},
};
