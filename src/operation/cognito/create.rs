//! `CreateIdentityProvider`. AWS has no idempotency token for it, so what may have been executed is not sent again.

use aws_sdk_cognitoidentityprovider::{operation::RequestId, types::IdentityProviderTypeType};

use super::answer::{present, provider};
use crate::{
    domain::{
        AcrMapping, Action, AttributeMapping, Details, IdpIdentifiers, ProviderName, ProviderType, Repeat, Resource,
        Subject, TypeOfDetails, UserPoolId, Violations,
    },
    operation::{Aws, CallContext, Operation, Rules, not_yet, sdk_details, sdk_map},
    policy::Permit,
    proto::cognito::v1::{CreateIdentityProviderRequest, CreateIdentityProviderResponse},
    upstream::{UpstreamFault, incomplete},
};

/// A provider that is to be made. An empty mapping or list is not sent: the proto cannot tell it from an absent one.
#[derive(Debug)]
pub struct Create {
    pool: UserPoolId,
    name: ProviderName,
    kind: ProviderType,
    details: Details,
    mapping: Option<AttributeMapping>,
    identifiers: Option<IdpIdentifiers>,
    acr: Option<AcrMapping>,
}

impl Operation for Create {
    type Request = CreateIdentityProviderRequest;
    type Reply = CreateIdentityProviderResponse;

    const ACTION: Action = Action::CognitoCreate;

    fn parse(request: Self::Request, rules: &Rules) -> Result<Self, Violations> {
        let mut found = Violations::none();
        let pool = found.take("user_pool_id", UserPoolId::parse(request.user_pool_id));
        let known = ProviderType::of(&request.provider_type);
        let name = found.take("provider_name", ProviderName::parse_new(request.provider_name, known));
        let kind = found.take("provider_type", ProviderType::parse(&request.provider_type));
        let unknown = rules.unknown_detail_keys;
        // Without a type the details are judged by the type that fits them best, so that their mistakes are named too.
        let expected = known.map_or(TypeOfDetails::Unstated(None), TypeOfDetails::New);
        let details = Details::parse("provider_details", request.provider_details, expected, unknown);
        let details = found.take_all(details);
        let mapping = Some(request.attribute_mapping).filter(|map| !map.is_empty());
        let mapping = found.take_all(mapping.map(AttributeMapping::parse).transpose());
        let identifiers = Some(request.idp_identifiers).filter(|list| !list.is_empty());
        let identifiers = found.take_all(identifiers.map(IdpIdentifiers::parse).transpose());
        if known.is_some_and(|kind| kind != ProviderType::Oidc) && !request.acr_mapping.is_empty() {
            found.add("acr_mapping", "is for providers of type OIDC only");
        }
        let acr = Some(request.acr_mapping).filter(|map| !map.is_empty());
        let acr = found.take_all(acr.map(AcrMapping::parse).transpose());
        not_yet(&mut found, &request.request_id, request.validate_only);
        match (pool, name, kind, details, mapping, identifiers, acr) {
            (Some(pool), Some(name), Some(kind), Some(details), Some(mapping), Some(identifiers), Some(acr))
                if found.is_empty() =>
            {
                Ok(Self { pool, name, kind, details, mapping, identifiers, acr })
            }
            _ => Err(found),
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            name: Some(self.name.as_str()),
            kind: Some(self.kind),
            details: Some(&self.details),
            mapping: self.mapping.as_ref(),
            identifiers: self.identifiers.as_ref(),
            echoes: self.acr.iter().flat_map(|acr| acr.as_map().values().map(String::as_str)).collect(),
            ..Subject::new(Self::ACTION, Resource::UserPool(&self.pool), Some(self.name.as_str()))
        }
    }

    fn repeat(&self) -> Repeat {
        Repeat::Once
    }

    async fn call(&self, aws: &Aws, _permit: Permit, _context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let region = self.pool.region();
        let client = aws.upstream.cognito(region, self.repeat());
        let call = client
            .create_identity_provider()
            .user_pool_id(self.pool.as_str())
            .provider_name(self.name.as_str())
            .provider_type(IdentityProviderTypeType::from(self.kind.as_str()))
            .set_provider_details(Some(sdk_details(&self.details)))
            .set_attribute_mapping(self.mapping.as_ref().map(|mapping| sdk_map(mapping.as_map())))
            .set_idp_identifiers(self.identifiers.as_ref().map(|list| list.as_slice().to_vec()))
            .set_acr_mapping(self.acr.as_ref().map(|acr| sdk_map(acr.as_map())));
        let output = aws.upstream.send(Self::ACTION, region, call.send()).await?;
        let request_id = output.request_id().map(str::to_owned);
        let Some(found) = present(output.identity_provider) else {
            return Err(incomplete(Self::ACTION, region, "IdentityProvider", request_id.as_deref()));
        };
        Ok(CreateIdentityProviderResponse { identity_provider: Some(provider(aws, &self.pool, found)) })
    }
}
