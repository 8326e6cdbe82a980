//! `GetIdentityProviderByIdentifier`.

use aws_sdk_cognitoidentityprovider::operation::RequestId;

use super::answer::{present, provider};
use crate::{
    domain::{Action, IdpIdentifiers, Resource, Subject, UserPoolId, Violations},
    operation::{Aws, CallContext, Operation, Rules},
    policy::Permit,
    proto::cognito::v1::{GetIdentityProviderByIdentifierRequest, GetIdentityProviderByIdentifierResponse},
    upstream::{UpstreamFault, incomplete},
};

/// An identifier that is to be looked up.
#[derive(Debug)]
pub struct GetByIdentifier {
    pool: UserPoolId,
    identifier: String,
}

impl Operation for GetByIdentifier {
    type Request = GetIdentityProviderByIdentifierRequest;
    type Reply = GetIdentityProviderByIdentifierResponse;

    const ACTION: Action = Action::CognitoGetByIdentifier;

    fn parse(request: Self::Request, _: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let pool = found.take("user_pool_id", UserPoolId::parse(request.user_pool_id));
        let identifier = found.take("idp_identifier", IdpIdentifiers::parse_one(request.idp_identifier));
        match (pool, identifier) {
            (Some(pool), Some(identifier)) => Ok(Self { pool, identifier }),
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let resource = Resource::UserPool(&self.pool);
        Subject { looked_up_identifier: Some(&self.identifier), ..Subject::new(Self::ACTION, resource, None) }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let region = self.pool.region();
        let client = aws.upstream.cognito(&self.pool, self.repeat());
        let call = client
            .get_identity_provider_by_identifier()
            .user_pool_id(self.pool.as_str())
            .idp_identifier(&self.identifier);
        let output = aws.upstream.send(Self::ACTION, region, call.send()).await?;
        let request_id = output.request_id().map(str::to_owned);
        let Some(found) = present(output.identity_provider) else {
            return Err(incomplete(Self::ACTION, region, "IdentityProvider", request_id.as_deref()));
        };
        Ok(GetIdentityProviderByIdentifierResponse { identity_provider: Some(provider(aws, &self.pool, found)) })
    }
}
