//! `ListIdentityProviders`. One page of AWS's is one page of ours; tokens pass through.

use aws_sdk_workspacesweb::types::IdentityProviderSummary as Found;

use crate::{
    domain::{Action, PageSize, PageToken, PortalArn, Resource, Subject, Violations},
    operation::{Aws, CallContext, Operation, Rules},
    policy::Permit,
    proto::workspacesweb::v1::{IdentityProviderSummary, ListIdentityProvidersRequest, ListIdentityProvidersResponse},
    upstream::UpstreamFault,
};

/// AWS `MaxResults` has no maximum.
const PAGE_SIZES: std::ops::RangeInclusive<i32> = 1..=i32::MAX;
/// AWS `PaginationToken`.
const TOKEN_LENGTH_MAX: usize = 2048;

/// A page that is to be read.
#[derive(Debug)]
pub struct List {
    portal: PortalArn,
    size: Option<PageSize>,
    token: Option<PageToken>,
}

impl Operation for List {
    type Request = ListIdentityProvidersRequest;
    type Reply = ListIdentityProvidersResponse;

    const ACTION: Action = Action::WebList;

    fn parse(request: Self::Request, _: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let portal = found.take("portal_arn", PortalArn::parse(request.portal_arn));
        let token = found.take("next_token", PageToken::parse(request.next_token, TOKEN_LENGTH_MAX));
        let size = found.take("max_results", PageSize::parse(request.max_results, &PAGE_SIZES));
        match (portal, size, token) {
            (Some(portal), Some(size), Some(token)) => Ok(Self { portal, size, token }),
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let echoes = self.token.iter().map(PageToken::as_str).collect();
        Subject { echoes, ..Subject::new(Self::ACTION, Resource::Portal(&self.portal), None) }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let region = self.portal.region();
        let call = aws
            .upstream
            .workspacesweb(&self.portal)
            .list_identity_providers()
            .portal_arn(self.portal.as_str())
            .set_max_results(self.size.map(PageSize::get))
            .set_next_token(self.token.as_ref().map(|token| token.as_str().to_owned()));
        let output = aws.upstream.send(Self::ACTION, region, call.send()).await?;
        let summarize = |found: Found| IdentityProviderSummary {
            identity_provider_arn: found.identity_provider_arn,
            identity_provider_name: found.identity_provider_name.unwrap_or_default(),
            identity_provider_type: found
                .identity_provider_type
                .map(|kind| kind.as_str().to_owned())
                .unwrap_or_default(),
        };
        Ok(ListIdentityProvidersResponse {
            identity_providers: output.identity_providers.unwrap_or_default().into_iter().map(summarize).collect(),
            next_token: output.next_token.unwrap_or_default(),
        })
    }
}
