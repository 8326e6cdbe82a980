//! `DeleteIdentityProvider`.

use super::existing::get;
use crate::{
    domain::{Action, IdentityProviderArn, Intent, Repeat, Resource, Subject, Violations},
    operation::{Aws, CallContext, Operation, Rules, gone_is_deleted},
    policy::Permit,
    proto::workspacesweb::v1::{DeleteIdentityProviderRequest, DeleteIdentityProviderResponse},
    upstream::UpstreamFault,
};

/// A provider that is to be removed.
#[derive(Debug)]
pub struct Delete {
    arn: IdentityProviderArn,
    intent: Intent,
}

impl Operation for Delete {
    type Request = DeleteIdentityProviderRequest;
    type Reply = DeleteIdentityProviderResponse;

    const ACTION: Action = Action::WebDelete;

    fn parse(request: Self::Request, _: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let arn = IdentityProviderArn::parse(request.identity_provider_arn);
        let arn = found.take("identity_provider_arn", arn);
        let intent = found.take("request_id", Intent::parse(request.request_id, request.validate_only));
        match (arn, intent) {
            (Some(arn), Some(intent)) => Ok(Self { arn, intent }),
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let subject = Subject::new(Self::ACTION, Resource::Portal(self.arn.portal()), Some(self.arn.as_str()));
        Subject { intent: Some(&self.intent), ..subject }
    }

    fn repeat(&self) -> Repeat {
        if self.intent.validate_only() { Repeat::Read } else { Repeat::SameEffect }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        if self.intent.validate_only() {
            let _there = get(aws, &self.arn).await?;
            return Ok(DeleteIdentityProviderResponse {});
        }
        let region = self.arn.portal().region();
        let client = aws.upstream.workspacesweb(self.arn.portal());
        let call = client.delete_identity_provider().identity_provider_arn(self.arn.as_str());
        gone_is_deleted(aws.upstream.send(Self::ACTION, region, call.send()).await)?;
        Ok(DeleteIdentityProviderResponse {})
    }
}
