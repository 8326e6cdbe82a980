//! `UpdateIdentityProvider`. What is not sent stays as it is at AWS; an empty map or list that is sent clears.

use aws_sdk_cognitoidentityprovider::{operation::RequestId, types::IdentityProviderType};

use super::{
    answer::{present, provider},
    existing::describe,
};
use crate::{
    domain::{
        AcrMapping, Action, AttributeMapping, DetailKey, Details, IdpIdentifiers, Intent, Presence, ProviderName,
        ProviderType, Repeat, Resource, Subject, TypeOfDetails, UpdateMask, UserPoolId, Violations,
    },
    operation::{Aws, CallContext, Operation, Rules, sdk_details, sdk_map},
    policy::Permit,
    proto::cognito::v1::{UpdateIdentityProviderRequest, UpdateIdentityProviderResponse},
    upstream::{UpstreamFault, incomplete, unless_contended},
};

/// What an `update_mask` may name.
const MEMBERS: [&str; 4] = ["provider_details", "attribute_mapping", "idp_identifiers", "acr_mapping"];

/// The members that are to be replaced; an absent one is not sent.
#[derive(Debug)]
pub struct Update {
    pool: UserPoolId,
    name: ProviderName,
    details: Option<Details>,
    mapping: Option<AttributeMapping>,
    identifiers: Option<IdpIdentifiers>,
    acr: Option<AcrMapping>,
    intent: Intent,
}

impl Operation for Update {
    type Request = UpdateIdentityProviderRequest;
    type Reply = UpdateIdentityProviderResponse;

    const ACTION: Action = Action::CognitoUpdate;

    fn parse(request: Self::Request, rules: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let paths = request.update_mask.unwrap_or_default().paths;
        let mask = found.take("update_mask", UpdateMask::parse(&paths, &MEMBERS));
        let sends = |member, is_populated| mask.as_ref().map_or(is_populated, |mask| mask.sends(member, is_populated));

        let pool = found.take("user_pool_id", UserPoolId::parse(request.user_pool_id));
        // A social provider is named after its type, which an update does not state.
        let kind = TypeOfDetails::Unstated(ProviderType::of(&request.provider_name).filter(|kind| kind.is_social()));
        let name = found.take("provider_name", ProviderName::parse_existing(request.provider_name));
        let details = Some(request.provider_details).filter(|map| sends("provider_details", !map.is_empty()));
        let details = details.map(|map| Details::parse("provider_details", map, kind, rules.unknown_detail_keys));
        let details = found.take_all(details.transpose());
        let mapping = Some(request.attribute_mapping).filter(|map| sends("attribute_mapping", !map.is_empty()));
        let mapping = found.take_all(mapping.map(AttributeMapping::parse).transpose());
        let identifiers = Some(request.idp_identifiers).filter(|list| sends("idp_identifiers", !list.is_empty()));
        let identifiers = found.take_all(identifiers.map(IdpIdentifiers::parse).transpose());
        let acr = Some(request.acr_mapping).filter(|map| sends("acr_mapping", !map.is_empty()));
        let acr = found.take_all(acr.map(AcrMapping::parse).transpose());
        let intent = found.take("request_id", Intent::parse(request.request_id, request.validate_only));
        match (pool, name, details, mapping, identifiers, acr, intent) {
            (Some(pool), Some(name), Some(details), Some(mapping), Some(identifiers), Some(acr), Some(intent))
                if found.is_empty() =>
            {
                Ok(Self { pool, name, details, mapping, identifiers, acr, intent })
            }
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            name: Some(self.name.as_str()),
            details: self.details.as_ref(),
            mapping: self.mapping.as_ref(),
            identifiers: self.identifiers.as_ref(),
            intent: Some(&self.intent),
            echoes: self.acr.iter().flat_map(|acr| acr.as_map().values().map(String::as_str)).collect(),
            ..Subject::new(Self::ACTION, Resource::UserPool(&self.pool), Some(self.name.as_str()))
        }
    }

    fn repeat(&self) -> Repeat {
        if self.intent.validate_only() { Repeat::Read } else { Repeat::SameEffect }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let changed = if self.intent.validate_only() {
            self.applied_to(describe(aws, &self.pool, &self.name).await?)
        } else {
            unless_contended(context.deadline, || self.change(aws)).await?
        };
        Ok(UpdateIdentityProviderResponse { identity_provider: Some(provider(aws, &self.pool, changed)) })
    }
}

impl Update {
    async fn change(&self, aws: &Aws) -> Result<IdentityProviderType, UpstreamFault> {
        let region = self.pool.region();
        let client = aws.upstream.cognito(&self.pool, Repeat::SameEffect);
        let call = client
            .update_identity_provider()
            .user_pool_id(self.pool.as_str())
            .provider_name(self.name.as_str())
            .set_provider_details(self.details.as_ref().map(sdk_details))
            .set_attribute_mapping(self.mapping.as_ref().map(|mapping| sdk_map(mapping.as_map())))
            .set_idp_identifiers(self.identifiers.as_ref().map(|list| list.as_slice().to_vec()))
            .set_acr_mapping(self.acr.as_ref().map(|acr| sdk_map(acr.as_map())));
        let output = aws.upstream.send(Self::ACTION, region, call.send()).await?;
        let request_id = output.request_id().map(str::to_owned);
        present(output.identity_provider)
            .ok_or_else(|| incomplete(Self::ACTION, region, "IdentityProvider", request_id.as_deref()))
    }

    /// What the call would make of the provider: each member that is sent takes the place of the one that is there.
    /// Keys that only AWS sets stay as they are, since it is not known what it would make of them.
    fn applied_to(&self, found: IdentityProviderType) -> IdentityProviderType {
        let kind = found.provider_type().and_then(|kind| ProviderType::of(kind.as_str()));
        let details = self.details.as_ref().map(|details| {
            let is_aws = |name: &str| {
                let presence = DetailKey::of(name).zip(kind).map(|(key, kind)| key.presence(kind));
                presence == Some(Presence::SetByAws)
            };
            let kept = found.provider_details.iter().flatten().filter(|(name, _)| is_aws(name));
            let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
            kept.chain(sdk_details(details)).collect()
        });
        let mapping = self.mapping.as_ref().map(|mapping| sdk_map(mapping.as_map()));
        let identifiers = self.identifiers.as_ref().map(|list| list.as_slice().to_vec());
        let acr = self.acr.as_ref().map(|acr| sdk_map(acr.as_map()));
        IdentityProviderType::builder()
            .set_user_pool_id(found.user_pool_id)
            .set_provider_name(found.provider_name)
            .set_provider_type(found.provider_type)
            .set_provider_details(details.or(found.provider_details))
            .set_attribute_mapping(mapping.or(found.attribute_mapping))
            .set_idp_identifiers(identifiers.or(found.idp_identifiers))
            .set_acr_mapping(acr.or(found.acr_mapping))
            .set_creation_date(found.creation_date)
            .set_last_modified_date(found.last_modified_date)
            .build()
    }
}
