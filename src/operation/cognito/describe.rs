//! `DescribeIdentityProvider`.

use super::{answer::provider, existing::describe};
use crate::{
    domain::{Action, ProviderName, Resource, Subject, UserPoolId, Violations},
    operation::{Aws, CallContext, Operation, Rules},
    policy::Permit,
    proto::cognito::v1::{DescribeIdentityProviderRequest, DescribeIdentityProviderResponse},
    upstream::UpstreamFault,
};

/// A provider that is to be read.
#[derive(Debug)]
pub struct Describe {
    pool: UserPoolId,
    name: ProviderName,
}

impl Operation for Describe {
    type Request = DescribeIdentityProviderRequest;
    type Reply = DescribeIdentityProviderResponse;

    const ACTION: Action = Action::CognitoDescribe;

    fn parse(request: Self::Request, _: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let pool = found.take("user_pool_id", UserPoolId::parse(request.user_pool_id));
        let name = found.take("provider_name", ProviderName::parse_existing(request.provider_name));
        match (pool, name) {
            (Some(pool), Some(name)) => Ok(Self { pool, name }),
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let name = Some(self.name.as_str());
        Subject { name, ..Subject::new(Self::ACTION, Resource::UserPool(&self.pool), name) }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let found = describe(aws, &self.pool, &self.name).await?;
        Ok(DescribeIdentityProviderResponse { identity_provider: Some(provider(aws, &self.pool, found)) })
    }
}
