//! `DeleteIdentityProvider`.

use crate::{
    domain::{Action, IdentityProviderArn, Resource, Subject, Violations},
    operation::{Aws, CallContext, Operation, Rules, not_yet},
    policy::Permit,
    proto::workspacesweb::v1::{DeleteIdentityProviderRequest, DeleteIdentityProviderResponse},
    upstream::UpstreamFault,
};

/// A provider that is to be removed.
#[derive(Debug)]
pub struct Delete {
    arn: IdentityProviderArn,
}

impl Operation for Delete {
    type Request = DeleteIdentityProviderRequest;
    type Reply = DeleteIdentityProviderResponse;

    const ACTION: Action = Action::WebDelete;

    fn parse(request: Self::Request, _: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let arn = IdentityProviderArn::parse(request.identity_provider_arn);
        let arn = found.take("identity_provider_arn", arn);
        not_yet(&mut found, &request.request_id, request.validate_only);
        match arn {
            Some(arn) if found.is_empty() => Ok(Self { arn }),
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject::new(Self::ACTION, Resource::Portal(self.arn.portal()), Some(self.arn.as_str()))
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let region = self.arn.portal().region();
        let client = aws.upstream.workspacesweb(region);
        let call = client.delete_identity_provider().identity_provider_arn(self.arn.as_str());
        aws.upstream.send(Self::ACTION, region, call.send()).await?;
        Ok(DeleteIdentityProviderResponse {})
    }
}
