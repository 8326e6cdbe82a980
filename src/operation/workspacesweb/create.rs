//! `CreateIdentityProvider`. AWS's client token makes repeating it safe, where every repetition has the same one.

use aws_sdk_workspacesweb::{
    operation::RequestId,
    types::{IdentityProviderType, Tag},
};

use super::existing::portal_exists;
use crate::{
    domain::{
        Action, ClientToken, Details, Intent, PortalArn, ProviderType, Repeat, Resource, Subject, Tags, TypeOfDetails,
        Violations, WebProviderName,
    },
    operation::{
        Aws, CallContext, Operation, Rules, sdk_details,
        workspacesweb::token::{repeat_with, with_token},
    },
    policy::Permit,
    proto::workspacesweb::v1::{CreateIdentityProviderRequest, CreateIdentityProviderResponse},
    upstream::{UpstreamFault, incomplete},
};

/// A provider that is to be made.
#[derive(Debug)]
pub struct Create {
    portal: PortalArn,
    name: WebProviderName,
    kind: ProviderType,
    details: Details,
    token: Option<ClientToken>,
    tags: Tags,
    intent: Intent,
}

impl Operation for Create {
    type Request = CreateIdentityProviderRequest;
    type Reply = CreateIdentityProviderResponse;

    const ACTION: Action = Action::WebCreate;

    fn parse(request: Self::Request, rules: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let portal = found.take("portal_arn", PortalArn::parse(request.portal_arn));
        let name = found.take("identity_provider_name", WebProviderName::parse(request.identity_provider_name));
        let kind = found.take("identity_provider_type", ProviderType::parse(&request.identity_provider_type));
        let expected = kind.map_or(TypeOfDetails::Unstated(None), TypeOfDetails::New);
        let details = request.identity_provider_details;
        let details = Details::parse("identity_provider_details", details, expected, rules.unknown_detail_keys);
        let details = found.take_all(details);
        let token = found.take("client_token", ClientToken::parse(request.client_token));
        let tags = request.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        let tags = found.take_all(Tags::parse(tags));
        let intent = found.take("request_id", Intent::parse(request.request_id, request.validate_only));
        match (portal, name, kind, details, token, tags, intent) {
            (Some(portal), Some(name), Some(kind), Some(details), Some(token), Some(tags), Some(intent)) => {
                Ok(Self { portal, name, kind, details, token, tags, intent })
            }
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let tags = self.tags.as_slice().iter().flat_map(|(key, value)| [key.as_str(), value]);
        // AWS marks the name as sensitive.
        let echoes = tags.chain(self.token.iter().map(ClientToken::as_str)).chain([self.name.as_str()]);
        Subject {
            name: Some(self.name.as_str()),
            kind: Some(self.kind),
            details: Some(&self.details),
            intent: Some(&self.intent),
            echoes: echoes.collect(),
            ..Subject::new(Self::ACTION, Resource::Portal(&self.portal), None)
        }
    }

    fn repeat(&self) -> Repeat {
        repeat_with(self.token.as_ref(), &self.intent)
    }

    async fn call(&self, aws: &Aws, _permit: Permit, context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        if self.intent.validate_only() {
            portal_exists(aws, &self.portal).await?;
            // AWS gives the ARN when it makes the provider.
            return Ok(CreateIdentityProviderResponse::default());
        }
        let token = self.token.as_ref().or(context.derived_token.as_ref());
        let region = self.portal.region();
        // A tag that lacks key or value cannot be built; parsed ones have both.
        let tag = |(key, value): &(String, String)| Tag::builder().key(key).value(value).build().ok();
        let tags: Vec<Tag> = self.tags.as_slice().iter().filter_map(tag).collect();
        let call = aws
            .upstream
            .workspacesweb(&self.portal)
            .create_identity_provider()
            .portal_arn(self.portal.as_str())
            .identity_provider_name(self.name.as_str())
            .identity_provider_type(IdentityProviderType::from(self.kind.as_str()))
            .set_identity_provider_details(Some(sdk_details(&self.details)))
            .set_client_token(token.map(|token| token.as_str().to_owned()))
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()));
        let output = aws.upstream.send(Self::ACTION, region, call.send()).await;
        let output = output.map_err(|fault| with_token(fault, self.token.as_ref(), &self.intent))?;
        // The SDK fills a missing member with an empty text.
        if output.identity_provider_arn.is_empty() {
            return Err(incomplete(Self::ACTION, region, "identityProviderArn", output.request_id()));
        }
        Ok(CreateIdentityProviderResponse { identity_provider_arn: output.identity_provider_arn })
    }
}
