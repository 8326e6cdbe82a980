//! `ListIdentityProviders`. One page of AWS's is one page of ours; tokens pass through.

use aws_sdk_cognitoidentityprovider::types::ProviderDescription as Found;

use crate::{
    domain::{Action, PageSize, PageToken, Resource, Subject, UserPoolId, Violations},
    operation::{Aws, CallContext, Operation, Rules, timestamp},
    policy::Permit,
    proto::cognito::v1::{ListIdentityProvidersRequest, ListIdentityProvidersResponse, ProviderDescription},
    upstream::UpstreamFault,
};

/// AWS `ListProvidersLimitType`.
const PAGE_SIZES: std::ops::RangeInclusive<i32> = 0..=60;
/// AWS `PaginationKeyType` has no maximum; this is far above any token and far below what a header or log bears.
const TOKEN_LENGTH_MAX: usize = 131_072;

/// A page that is to be read.
#[derive(Debug)]
pub struct List {
    pool: UserPoolId,
    size: Option<PageSize>,
    token: Option<PageToken>,
}

impl Operation for List {
    type Request = ListIdentityProvidersRequest;
    type Reply = ListIdentityProvidersResponse;

    const ACTION: Action = Action::CognitoList;

    fn parse(request: Self::Request, _: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let pool = found.take("user_pool_id", UserPoolId::parse(request.user_pool_id));
        let size = found.take("max_results", PageSize::parse(request.max_results, &PAGE_SIZES));
        let token = found.take("next_token", PageToken::parse(request.next_token, TOKEN_LENGTH_MAX));
        match (pool, size, token) {
            (Some(pool), Some(size), Some(token)) => Ok(Self { pool, size, token }),
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let echoes = self.token.iter().map(PageToken::as_str).collect();
        Subject { echoes, ..Subject::new(Self::ACTION, Resource::UserPool(&self.pool), None) }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let region = self.pool.region();
        let client = aws.upstream.cognito(&self.pool, self.repeat());
        let call = client
            .list_identity_providers()
            .user_pool_id(self.pool.as_str())
            .set_max_results(self.size.map(PageSize::get))
            .set_next_token(self.token.as_ref().map(|token| token.as_str().to_owned()));
        let output = aws.upstream.send(Self::ACTION, region, call.send()).await?;
        let describe = |found: Found| ProviderDescription {
            provider_name: found.provider_name.unwrap_or_default(),
            provider_type: found.provider_type.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            last_modified_date: found.last_modified_date.as_ref().and_then(timestamp),
            creation_date: found.creation_date.as_ref().and_then(timestamp),
        };
        Ok(ListIdentityProvidersResponse {
            providers: output.providers.into_iter().map(describe).collect(),
            next_token: output.next_token.unwrap_or_default(),
        })
    }
}
