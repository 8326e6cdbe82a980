//! `UpdateIdentityProvider`. What is not sent stays as it is at AWS; an empty map or list that is sent clears.

use aws_sdk_cognitoidentityprovider::operation::RequestId;

use super::answer::{present, provider};
use crate::{
    domain::{
        AcrMapping, Action, AttributeMapping, Details, IdpIdentifiers, ProviderName, ProviderType, Resource, Subject,
        TypeOfDetails, UpdateMask, UserPoolId, Violations,
    },
    operation::{Aws, CallContext, Operation, Rules, not_yet, sdk_details, sdk_map},
    policy::Permit,
    proto::cognito::v1::{UpdateIdentityProviderRequest, UpdateIdentityProviderResponse},
    upstream::{UpstreamFault, incomplete},
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
        not_yet(&mut found, &request.request_id, request.validate_only);
        match (pool, name, details, mapping, identifiers, acr) {
            (Some(pool), Some(name), Some(details), Some(mapping), Some(identifiers), Some(acr))
                if found.is_empty() =>
            {
                Ok(Self { pool, name, details, mapping, identifiers, acr })
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
            echoes: self.acr.iter().flat_map(|acr| acr.as_map().values().map(String::as_str)).collect(),
            ..Subject::new(Self::ACTION, Resource::UserPool(&self.pool), Some(self.name.as_str()))
        }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let region = self.pool.region();
        let client = aws.upstream.cognito(region, self.repeat());
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
        let Some(found) = present(output.identity_provider) else {
            return Err(incomplete(Self::ACTION, region, "IdentityProvider", request_id.as_deref()));
        };
        Ok(UpdateIdentityProviderResponse { identity_provider: Some(provider(aws, &self.pool, found)) })
    }
}
