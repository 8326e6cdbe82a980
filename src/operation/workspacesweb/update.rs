//! `UpdateIdentityProvider`. What is not sent stays as it is at AWS; name and type can change.

use aws_sdk_workspacesweb::{
    operation::RequestId,
    types::{IdentityProvider, IdentityProviderType},
};

use super::{
    answer::{present, provider},
    existing::get,
    token::{repeat_with, with_token},
};
use crate::{
    domain::{
        Action, ClientToken, Details, IdentityProviderArn, Intent, ProviderType, Repeat, Resource, Subject,
        TypeOfDetails, UpdateMask, Violations, WebProviderName,
    },
    operation::{Aws, CallContext, Operation, Rules, sdk_details},
    policy::Permit,
    proto::workspacesweb::v1::{UpdateIdentityProviderRequest, UpdateIdentityProviderResponse},
    upstream::{UpstreamFault, incomplete},
};

/// What an `update_mask` may name.
const MEMBERS: [&str; 3] = ["identity_provider_name", "identity_provider_type", "identity_provider_details"];

/// The members that are to be replaced; an absent one is not sent.
#[derive(Debug)]
pub struct Update {
    arn: IdentityProviderArn,
    name: Option<WebProviderName>,
    kind: Option<ProviderType>,
    details: Option<Details>,
    token: Option<ClientToken>,
    intent: Intent,
}

impl Operation for Update {
    type Request = UpdateIdentityProviderRequest;
    type Reply = UpdateIdentityProviderResponse;

    const ACTION: Action = Action::WebUpdate;

    fn parse(request: Self::Request, rules: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let paths = request.update_mask.unwrap_or_default().paths;
        let mask = found.take("update_mask", UpdateMask::parse(&paths, &MEMBERS));
        let sends = |member, is_populated| mask.as_ref().map_or(is_populated, |mask| mask.sends(member, is_populated));

        let arn = IdentityProviderArn::parse(request.identity_provider_arn);
        let arn = found.take("identity_provider_arn", arn);
        let name =
            Some(request.identity_provider_name).filter(|text| sends("identity_provider_name", !text.is_empty()));
        let name = found.take("identity_provider_name", name.map(WebProviderName::parse).transpose());
        let kind =
            Some(request.identity_provider_type).filter(|text| sends("identity_provider_type", !text.is_empty()));
        let kind = found.take("identity_provider_type", kind.map(|text| ProviderType::parse(&text)).transpose());
        let details = request.identity_provider_details;
        let details = Some(details).filter(|map| sends("identity_provider_details", !map.is_empty()));
        let expected = kind.flatten().map_or(TypeOfDetails::Unstated(None), TypeOfDetails::Stated);
        let read = |map| Details::parse("identity_provider_details", map, expected, rules.unknown_detail_keys);
        let details = found.take_all(details.map(read).transpose());
        let token = found.take("client_token", ClientToken::parse(request.client_token));
        let intent = found.take("request_id", Intent::parse(request.request_id, request.validate_only));
        match (arn, name, kind, details, token, intent) {
            (Some(arn), Some(name), Some(kind), Some(details), Some(token), Some(intent)) if found.is_empty() => {
                Ok(Self { arn, name, kind, details, token, intent })
            }
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        // AWS marks the name as sensitive.
        let name = self.name.iter().map(WebProviderName::as_str);
        Subject {
            name: self.name.as_ref().map(WebProviderName::as_str),
            kind: self.kind,
            details: self.details.as_ref(),
            intent: Some(&self.intent),
            echoes: name.chain(self.token.iter().map(ClientToken::as_str)).collect(),
            ..Subject::new(Self::ACTION, Resource::Portal(self.arn.portal()), Some(self.arn.as_str()))
        }
    }

    fn repeat(&self) -> Repeat {
        repeat_with(self.token.as_ref(), &self.intent)
    }

    async fn call(&self, aws: &Aws, _permit: Permit, context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let changed = if self.intent.validate_only() {
            self.applied_to(get(aws, &self.arn).await?)
        } else {
            self.change(aws, context).await?
        };
        Ok(UpdateIdentityProviderResponse { identity_provider: Some(provider(aws, &self.arn, changed)) })
    }
}

impl Update {
    async fn change(&self, aws: &Aws, context: &CallContext<'_>) -> Result<IdentityProvider, UpstreamFault> {
        let region = self.arn.portal().region();
        let token = self.token.as_ref().or(context.derived_token.as_ref());
        let call = aws
            .upstream
            .workspacesweb(self.arn.portal())
            .update_identity_provider()
            .identity_provider_arn(self.arn.as_str())
            .set_identity_provider_name(self.name.as_ref().map(|name| name.as_str().to_owned()))
            .set_identity_provider_type(self.kind.map(|kind| IdentityProviderType::from(kind.as_str())))
            .set_identity_provider_details(self.details.as_ref().map(sdk_details))
            .set_client_token(token.map(|token| token.as_str().to_owned()));
        let output = aws.upstream.send(Self::ACTION, region, call.send()).await;
        let output = output.map_err(|fault| with_token(fault, self.token.as_ref(), &self.intent))?;
        let request_id = output.request_id().map(str::to_owned);
        present(output.identity_provider)
            .ok_or_else(|| incomplete(Self::ACTION, region, "identityProvider", request_id.as_deref()))
    }

    /// What the call would make of the provider: each member that is sent takes the place of the one that is there.
    fn applied_to(&self, mut found: IdentityProvider) -> IdentityProvider {
        if let Some(name) = &self.name {
            found.identity_provider_name = Some(name.as_str().to_owned());
        }
        if let Some(kind) = self.kind {
            found.identity_provider_type = Some(IdentityProviderType::from(kind.as_str()));
        }
        if let Some(details) = &self.details {
            found.identity_provider_details = Some(sdk_details(details));
        }
        found
    }
}
