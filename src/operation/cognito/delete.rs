//! `DeleteIdentityProvider`.

use super::existing::describe;
use crate::{
    domain::{Action, Intent, ProviderName, Repeat, Resource, Subject, UserPoolId, Violations},
    operation::{Aws, CallContext, Operation, Rules, gone_is_deleted},
    policy::Permit,
    proto::cognito::v1::{DeleteIdentityProviderRequest, DeleteIdentityProviderResponse},
    upstream::{UpstreamFault, unless_contended},
};

/// A provider that is to be removed.
#[derive(Debug)]
pub struct Delete {
    pool: UserPoolId,
    name: ProviderName,
    intent: Intent,
}

impl Operation for Delete {
    type Request = DeleteIdentityProviderRequest;
    type Reply = DeleteIdentityProviderResponse;

    const ACTION: Action = Action::CognitoDelete;

    fn parse(request: Self::Request, _: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let pool = found.take("user_pool_id", UserPoolId::parse(request.user_pool_id));
        let name = found.take("provider_name", ProviderName::parse_existing(request.provider_name));
        let intent = found.take("request_id", Intent::parse(request.request_id, request.validate_only));
        match (pool, name, intent) {
            (Some(pool), Some(name), Some(intent)) => Ok(Self { pool, name, intent }),
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let (name, intent) = (Some(self.name.as_str()), Some(&self.intent));
        Subject { name, intent, ..Subject::new(Self::ACTION, Resource::UserPool(&self.pool), name) }
    }

    fn repeat(&self) -> Repeat {
        if self.intent.validate_only() { Repeat::Read } else { Repeat::SameEffect }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        if self.intent.validate_only() {
            let _there = describe(aws, &self.pool, &self.name).await?;
            return Ok(DeleteIdentityProviderResponse {});
        }
        gone_is_deleted(unless_contended(context.deadline, || self.delete(aws)).await)?;
        Ok(DeleteIdentityProviderResponse {})
    }
}

impl Delete {
    async fn delete(&self, aws: &Aws) -> Result<(), UpstreamFault> {
        let region = self.pool.region();
        let client = aws.upstream.cognito(&self.pool, Repeat::SameEffect);
        let call = client.delete_identity_provider().user_pool_id(self.pool.as_str()).provider_name(self.name.as_str());
        aws.upstream.send(Self::ACTION, region, call.send()).await.map(drop)
    }
}
