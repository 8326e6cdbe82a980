//! Amazon `WorkSpaces` Web: the five identity-provider operations, and the tags of the providers, in memory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    detail::{Details, ProviderType},
    fault::Fault,
    members::{Members, TextMap},
    page,
    quota::PROVIDERS_PER_PORTAL,
};

mod arn;
mod call;
mod fault;
mod idempotency;
mod input;
mod tags;

pub(super) use arn::PortalArn;
pub(super) use call::Call;
pub(super) use fault::throttled;
use fault::{
    IDENTITY_PROVIDER, PORTAL, cannot_parse, conflict, invalid_field, invalid_fields, not_found, quota_exceeded,
};
use idempotency::{Key, Known, Memory};

/// The signing name, and the service code of its quotas.
pub(super) const SERVICE: &str = "workspaces-web";

/// Our choice: items in one page, the default too; the model has no maximum.
const PAGE_MAX: usize = 100;

/// A stored provider.
#[derive(Clone, Debug)]
struct Provider {
    arn: String,
    name: String,
    kind: ProviderType,
    details: Details,
    /// Shown by `ListTagsForResource` only.
    tags: TextMap,
}

impl Provider {
    /// Exactly what was submitted, secrets too: nothing is added and nothing is left out.
    fn shown(&self) -> Value {
        let details: Map<String, Value> =
            self.details.as_map().iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        json!({
            "identityProvider": {
                "identityProviderArn": self.arn,
                "identityProviderName": self.name,
                "identityProviderType": self.kind.as_str(),
                "identityProviderDetails": details,
            }
        })
    }
}

struct Portal {
    arn: PortalArn,
    /// By order of creation, which is the order of a list. Our choice: the order is not documented.
    providers: BTreeMap<u64, Provider>,
}

impl Portal {
    /// Our choice: names are unique in a portal, since AWS declares a `ConflictException` on create and nothing else
    /// could conflict.
    fn same_name(&self, name: &str, except: Option<&str>) -> Option<&Provider> {
        self.providers.values().find(|provider| provider.name == name && Some(provider.arn.as_str()) != except)
    }
}

/// Every portal.
pub(super) struct State {
    /// By ARN.
    portals: BTreeMap<String, Portal>,
    answered: Memory,
    /// How many providers were ever made.
    created: u64,
    providers_max: usize,
}

impl State {
    pub(super) fn new(portals: BTreeSet<PortalArn>, hard_quota: bool) -> Self {
        let portals =
            portals.into_iter().map(|arn| (arn.as_str().to_owned(), Portal { arn, providers: BTreeMap::new() }));
        Self {
            portals: portals.collect(),
            answered: Memory::default(),
            created: 0,
            providers_max: if hard_quota { PROVIDERS_PER_PORTAL } else { usize::MAX },
        }
    }

    /// Whether there is a portal in `region`.
    pub(super) fn is_region(&self, region: &str) -> bool {
        self.portals.values().any(|portal| portal.arn.region() == region)
    }

    /// Does one operation.
    pub(super) fn call(&mut self, call: Call, region: &str, body: &[u8]) -> Result<Value, Fault> {
        match call {
            Call::Create => self.create(region, &input::Create::read(&Members::parse(body)?)?),
            Call::Get { arn } => self.get(region, &arn),
            Call::Update { arn } => self.update(region, input::Update::read(arn, &Members::parse(body)?)?),
            Call::Delete { arn } => self.delete(region, &arn),
            Call::GetPortal { arn } => self.get_portal(region, &arn),
            Call::Tag { arn } => self.tag(region, input::Tag::read(arn, &Members::parse(body)?)?),
            Call::Untag { arn, keys } => self.untag(region, &arn, &keys),
            Call::ListTags { arn } => self.list_tags(region, &arn),
            Call::List { portal_arn, max_results, next_token } => {
                self.list(region, &input::List::read(portal_arn, max_results.as_deref(), next_token)?)
            }
        }
    }

    /// Only what identifies it: nothing else of a portal is known here.
    fn get_portal(&self, region: &str, arn: &str) -> Result<Value, Fault> {
        input::portal_arn(arn)?;
        let portal = self.portals.get(arn).filter(|portal| portal.arn.region() == region);
        let portal = portal.ok_or_else(|| not_found(PORTAL, arn))?;
        Ok(json!({ "portal": { "portalArn": portal.arn.as_str(), "portalStatus": "Active" } }))
    }

    fn create(&mut self, region: &str, input: &input::Create) -> Result<Value, Fault> {
        let key = input.content.client_token.as_deref().map(|token| Key::new("CreateIdentityProvider", region, token));
        let digest = input.digest();
        if let Some(answer) = self.earlier(key.as_ref(), &digest)? {
            return Ok(answer);
        }
        let input::Content { name, provider_type, details, .. } = &input.content;
        let (Some(name), Some(provider_type), Some(details)) = (name, *provider_type, details) else {
            return Err(Fault::internal_failure());
        };
        details.check(provider_type).map_err(|sentence| invalid_field("identityProviderDetails", &sentence))?;
        let providers_max = self.providers_max;
        let portal = self
            .portals
            .get_mut(&input.portal_arn)
            .filter(|portal| portal.arn.region() == region)
            .ok_or_else(|| not_found(PORTAL, &input.portal_arn))?;
        if let Some(taken) = portal.same_name(name, None) {
            return Err(conflict(format!("Identity provider {name} already exists."))
                .with("resourceId", taken.arn.as_str())
                .with("resourceType", IDENTITY_PROVIDER));
        }
        if portal.providers.len() >= providers_max {
            return Err(quota_exceeded(&input.portal_arn));
        }
        let provider = Provider {
            arn: portal.arn.new_identity_provider(),
            name: name.clone(),
            kind: provider_type,
            details: details.clone(),
            tags: input.tags.clone(),
        };
        let answer = json!({ "identityProviderArn": provider.arn });
        portal.providers.insert(self.created, provider);
        self.created += 1;
        if let Some(key) = key {
            self.answered.remember(key, digest, &answer);
        }
        Ok(answer)
    }

    fn get(&self, region: &str, arn: &str) -> Result<Value, Fault> {
        input::identity_provider_arn(arn)?;
        Ok(self.provider(region, arn)?.shown())
    }

    fn update(&mut self, region: &str, input: input::Update) -> Result<Value, Fault> {
        let key = input.content.client_token.as_deref().map(|token| Key::new("UpdateIdentityProvider", region, token));
        let digest = input.digest();
        if let Some(answer) = self.earlier(key.as_ref(), &digest)? {
            return Ok(answer);
        }
        let missing = || not_found(IDENTITY_PROVIDER, &input.arn);
        let (portal, place) = self.place(region, &input.arn).ok_or_else(missing)?;
        let mut updated = portal.providers.get(&place).cloned().ok_or_else(missing)?;
        let input::Content { name, provider_type, details, .. } = input.content;
        if let Some(name) = name {
            // Our choice: ConflictException is not declared on update.
            if portal.same_name(&name, Some(&input.arn)).is_some() {
                return Err(invalid_field(
                    "identityProviderName",
                    &format!("Identity provider {name} already exists."),
                ));
            }
            updated.name = name;
        }
        updated.kind = provider_type.unwrap_or(updated.kind);
        // Sent details replace the stored ones as a whole, secrets too: what is shown is what was submitted.
        updated.details = details.unwrap_or(updated.details);
        // Our choice: type and details must fit after every update, also if only one of them was sent.
        let check = updated.details.check(updated.kind);
        check.map_err(|sentence| invalid_field("identityProviderDetails", &sentence))?;
        let answer = updated.shown();
        portal.providers.insert(place, updated);
        if let Some(key) = key {
            self.answered.remember(key, digest, &answer);
        }
        Ok(answer)
    }

    /// Our choice: deleting what is not there succeeds. `ResourceNotFoundException` is not declared on this operation
    /// and the model calls it idempotent.
    fn delete(&mut self, region: &str, arn: &str) -> Result<Value, Fault> {
        input::identity_provider_arn(arn)?;
        if let Some((portal, place)) = self.place(region, arn) {
            portal.providers.remove(&place);
        }
        Ok(json!({}))
    }

    /// Our choice: a portal that does not exist has an empty list. `ResourceNotFoundException` is not declared on this
    /// operation; it looks like a query that finds nothing.
    fn list(&self, region: &str, input: &input::List) -> Result<Value, Fault> {
        // Our choice of the sentence. A token is good for the portal that it was given for.
        let after = match &input.next_token {
            None => None,
            Some(token) => Some(
                page::open(&input.portal_arn, token)
                    .and_then(|cursor| cursor.parse::<u64>().ok())
                    .ok_or_else(|| invalid_field("nextToken", "Invalid pagination token."))?,
            ),
        };
        let portal = self.portals.get(&input.portal_arn).filter(|portal| portal.arn.region() == region);
        let providers = portal.into_iter().flat_map(|portal| &portal.providers);
        let rest = providers.filter(|(place, _)| after.is_none_or(|after| **place > after));
        let size = input.max_results.unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let page = page::cut(rest, size, &input.portal_arn, |(place, _)| place.to_string());
        let summary = |provider: &Provider| {
            json!({
                "identityProviderArn": provider.arn,
                "identityProviderName": provider.name,
                "identityProviderType": provider.kind.as_str(),
            })
        };
        let summaries: Vec<Value> = page.items.iter().map(|(_, provider)| summary(provider)).collect();
        let mut answer = Map::from_iter([("identityProviders".to_owned(), summaries.into())]);
        if let Some(token) = page.next_token {
            answer.insert("nextToken".to_owned(), token.into());
        }
        Ok(answer.into())
    }

    fn provider(&self, region: &str, arn: &str) -> Result<&Provider, Fault> {
        let portals = self.portals.values().filter(|portal| portal.arn.region() == region);
        let mut providers = portals.flat_map(|portal| portal.providers.values());
        providers.find(|provider| provider.arn == arn).ok_or_else(|| not_found(IDENTITY_PROVIDER, arn))
    }

    /// The portal of a provider, and the provider's place in it.
    fn place(&mut self, region: &str, arn: &str) -> Option<(&mut Portal, u64)> {
        let mut portals = self.portals.values_mut().filter(|portal| portal.arn.region() == region);
        portals.find_map(|portal| {
            let place =
                portal.providers.iter().find_map(|(place, provider)| (provider.arn == arn).then_some(*place))?;
            Some((portal, place))
        })
    }

    /// The answer that this request had before, if it is a repetition.
    fn earlier(&self, key: Option<&Key>, digest: &[u8]) -> Result<Option<Value>, Fault> {
        match key.map_or(Known::New, |key| self.answered.look_up(key, digest)) {
            Known::New => Ok(None),
            Known::Answered(answer) => Ok(Some(answer)),
            // Our choice of code and sentence; on update this code is not declared, and none of the declared ones says it.
            Known::OtherContent => {
                Err(conflict("The client token was used before for a request with other parameters."))
            }
        }
    }
}
