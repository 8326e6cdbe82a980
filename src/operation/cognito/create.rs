//! `CreateIdentityProvider`. AWS has no idempotency token for it, so what may have been executed is not sent again: a
//! look at what is there finds out what became of it.

mod confirm;

use std::{collections::HashMap, pin::pin, time::Duration};

use aws_sdk_cognitoidentityprovider::{
    operation::RequestId,
    types::{IdentityProviderType, IdentityProviderTypeType},
};
use tokio::time::{Instant, timeout_at};

use super::{
    answer::{present, provider},
    existing::{describe, pool_exists},
};
use crate::{
    domain::{
        AcrMapping, Action, AttributeMapping, Details, IdpIdentifiers, Intent, ProviderName, ProviderType, Repeat,
        Resource, Subject, TypeOfDetails, UserPoolId, Violations,
    },
    operation::{Aws, CallContext, Operation, RESOURCE_NOT_FOUND, Rules, sdk_details, sdk_map},
    policy::Permit,
    proto::cognito::v1::{CreateIdentityProviderRequest, CreateIdentityProviderResponse},
    upstream::{Attempts, Executed, UpstreamFault, foreseen, given_up, incomplete},
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
    intent: Intent,
}

/// AWS's code for a name that is taken.
const DUPLICATE: &str = "DuplicateProviderException";
/// Of the time that is left, the part that is kept for a look at what became of the create, and at most so much.
const LOOK_PART: u32 = 5;
const LOOK_MAX: Duration = Duration::from_secs(1);

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
        let intent = found.take("request_id", Intent::parse(request.request_id, request.validate_only));
        match (pool, name, kind, details, mapping, identifiers, acr, intent) {
            (
                Some(pool),
                Some(name),
                Some(kind),
                Some(details),
                Some(mapping),
                Some(identifiers),
                Some(acr),
                Some(intent),
            ) if found.is_empty() => Ok(Self { pool, name, kind, details, mapping, identifiers, acr, intent }),
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
            intent: Some(&self.intent),
            echoes: self.acr.iter().flat_map(|acr| acr.as_map().values().map(String::as_str)).collect(),
            ..Subject::new(Self::ACTION, Resource::UserPool(&self.pool), Some(self.name.as_str()))
        }
    }

    fn repeat(&self) -> Repeat {
        if self.intent.validate_only() { Repeat::Read } else { Repeat::Once }
    }

    async fn call(&self, aws: &Aws, _permit: Permit, context: &CallContext<'_>) -> Result<Self::Reply, UpstreamFault> {
        let made = if self.intent.validate_only() {
            self.rehearse(aws).await?
        } else {
            self.make_or_confirm(aws, context).await?
        };
        Ok(CreateIdentityProviderResponse { identity_provider: Some(provider(aws, &self.pool, made)) })
    }
}

impl Create {
    /// Makes the provider, or finds out that it has been made.
    async fn make_or_confirm(
        &self,
        aws: &Aws,
        context: &CallContext<'_>,
    ) -> Result<IdentityProviderType, UpstreamFault> {
        let fault = match self.make_in_time(aws, context).await {
            Ok(made) => return Ok(made),
            Err(fault) => fault,
        };
        let confirmed = if fault.executed == Executed::Maybe {
            self.was_made(aws, context).await
        } else if fault.is_code(DUPLICATE) && self.intent.request_id().is_some() {
            // Where AWS cannot be asked, an earlier call may have made it: that must not be answered with "exists".
            let looked = self.was_made_before(aws).await;
            looked.map_err(|why| UpstreamFault { executed: Executed::Maybe, ..why })?
        } else {
            None
        };
        confirmed.inspect(|_| Attempts::current().confirm()).ok_or(fault)
    }

    /// Makes the provider, and gives up while there is still time for a look at what became of it.
    async fn make_in_time(&self, aws: &Aws, context: &CallContext<'_>) -> Result<IdentityProviderType, UpstreamFault> {
        let left = context.deadline.saturating_duration_since(Instant::now());
        let mut making = pin!(self.make(aws));
        match timeout_at(context.deadline - (left / LOOK_PART).min(LOOK_MAX), &mut making).await {
            Ok(outcome) => outcome,
            Err(_) if Attempts::current().may_have_executed() => Err(given_up(Self::ACTION, self.pool.region())),
            // Nothing to look for: it has not been sent yet, or AWS has refused it.
            Err(_) => making.await,
        }
    }

    async fn make(&self, aws: &Aws) -> Result<IdentityProviderType, UpstreamFault> {
        let region = self.pool.region();
        let client = aws.upstream.cognito(&self.pool, Repeat::Once);
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
        present(output.identity_provider)
            .ok_or_else(|| incomplete(Self::ACTION, region, "IdentityProvider", request_id.as_deref()))
    }

    /// What the call would make, if the pool exists and the name is free.
    async fn rehearse(&self, aws: &Aws) -> Result<IdentityProviderType, UpstreamFault> {
        let existing = describe(aws, &self.pool, &self.name).await;
        match existing {
            Ok(found) if self.intent.request_id().is_some() && self.is_made(&found, confirm::WINDOW) => Ok(found),
            Ok(_) => Err(foreseen(Self::ACTION, self.pool.region(), DUPLICATE)),
            Err(fault) if fault.is_code(RESOURCE_NOT_FOUND) => {
                // AWS has one code for a pool and for a provider that is not there.
                pool_exists(aws, &self.pool).await?;
                Ok(self.as_answered())
            }
            Err(fault) => Err(fault),
        }
    }

    /// The provider as AWS would answer it, without what only AWS can add.
    fn as_answered(&self) -> IdentityProviderType {
        let default_mapping = || HashMap::from([("username".to_owned(), "sub".to_owned())]);
        IdentityProviderType::builder()
            .user_pool_id(self.pool.as_str())
            .provider_name(self.name.as_str())
            .provider_type(IdentityProviderTypeType::from(self.kind.as_str()))
            .set_provider_details(Some(sdk_details(&self.details)))
            .set_attribute_mapping(Some(
                self.mapping.as_ref().map_or_else(default_mapping, |mapping| sdk_map(mapping.as_map())),
            ))
            .set_idp_identifiers(self.identifiers.as_ref().map(|list| list.as_slice().to_vec()))
            .set_acr_mapping(self.acr.as_ref().map(|acr| sdk_map(acr.as_map())))
            .build()
    }
}
