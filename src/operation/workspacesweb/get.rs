//! `GetIdentityProvider`.

use super::{answer::provider, existing::get};
use crate::{
    domain::{Action, IdentityProviderArn, Resource, Subject, Violations},
    operation::{Aws, CallContext, Operation, Rules},
    policy::Permit,
    proto::workspacesweb::v1::{GetIdentityProviderRequest, GetIdentityProviderResponse},
    upstream::UpstreamFault,
};

/// A provider that is to be read.
#[derive(Debug)]
pub struct Get {
    arn: IdentityProviderArn,
}

impl Operation for Get {
    type Request = GetIdentityProviderRequest;
    type Reply = GetIdentityProviderResponse;

    const ACTION: Action = Action::WebGet;

    fn parse(request: Self::Request, _: &Rules) -> Result<Self, Violations> {
        let arn = IdentityProviderArn::parse(request.identity_provider_arn);
        arn.map(|arn| Self { arn }).map_err(|why| Violations::one("identity_provider_arn", why))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::new(Self::ACTION, Resource::Portal(self.arn.portal()), Some(self.arn.as_str()))
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let found = get(aws, &self.arn).await?;
        Ok(GetIdentityProviderResponse { identity_provider: Some(provider(aws, &self.arn, found)) })
    }
}
