//! `DeleteIdentityProvider`.

use crate::{
    domain::{Action, ProviderName, Resource, Subject, UserPoolId, Violations},
    operation::{Aws, CallContext, Operation, Rules, not_yet},
    policy::Permit,
    proto::cognito::v1::{DeleteIdentityProviderRequest, DeleteIdentityProviderResponse},
    upstream::UpstreamFault,
};

/// A provider that is to be removed.
#[derive(Debug)]
pub struct Delete {
    pool: UserPoolId,
    name: ProviderName,
}

impl Operation for Delete {
    type Request = DeleteIdentityProviderRequest;
    type Reply = DeleteIdentityProviderResponse;

    const ACTION: Action = Action::CognitoDelete;

    fn parse(request: Self::Request, _: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let pool = found.take("user_pool_id", UserPoolId::parse(request.user_pool_id));
        let name = found.take("provider_name", ProviderName::parse_existing(request.provider_name));
        not_yet(&mut found, &request.request_id, request.validate_only);
        match (pool, name) {
            (Some(pool), Some(name)) if found.is_empty() => Ok(Self { pool, name }),
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let name = Some(self.name.as_str());
        Subject { name, ..Subject::new(Self::ACTION, Resource::UserPool(&self.pool), name) }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let region = self.pool.region();
        let client = aws.upstream.cognito(region, self.repeat());
        let call = client.delete_identity_provider().user_pool_id(self.pool.as_str()).provider_name(self.name.as_str());
        aws.upstream.send(Self::ACTION, region, call.send()).await?;
        Ok(DeleteIdentityProviderResponse {})
    }
}
