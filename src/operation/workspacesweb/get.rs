//! `GetIdentityProvider`.

use aws_sdk_workspacesweb::operation::RequestId;

use super::answer::{present, provider};
use crate::{
    domain::{Action, IdentityProviderArn, Resource, Subject, Violations},
    operation::{Aws, CallContext, Operation, Rules},
    policy::Permit,
    proto::workspacesweb::v1::{GetIdentityProviderRequest, GetIdentityProviderResponse},
    upstream::{UpstreamFault, incomplete},
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
        let region = self.arn.portal().region();
        let client = aws.upstream.workspacesweb(region);
        let call = client.get_identity_provider().identity_provider_arn(self.arn.as_str());
        let output = aws.upstream.send(Self::ACTION, region, call.send()).await?;
        let request_id = output.request_id().map(str::to_owned);
        let Some(found) = present(output.identity_provider) else {
            return Err(incomplete(Self::ACTION, region, "identityProvider", request_id.as_deref()));
        };
        Ok(GetIdentityProviderResponse { identity_provider: Some(provider(aws, &self.arn, found)) })
    }
}
