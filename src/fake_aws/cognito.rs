//! Cognito user pools: the six identity-provider operations, in memory. It does not know HTTP.

use std::{collections::BTreeMap, ops::Bound, sync::LazyLock};

use http::StatusCode;
use regex::Regex;
use serde_json::{Map, Value};

use super::{
    constraint::anchored,
    fault::Fault,
    members::Members,
    page,
    quota::{COGNITO_PROVIDERS_PER_POOL, Category},
};

mod input;
mod pool;

use pool::{Pool, Provider};

/// The signing name.
pub(super) const SERVICE: &str = "cognito-idp";

/// What precedes the operation in `X-Amz-Target`.
const TARGET_PREFIX: &str = "AWSCognitoIdentityProviderService.";

/// Providers in one page of a list, the default too: the model allows `MaxResults` up to 60 and lists up to 50.
const PAGE_MAX: usize = 50;

/// `us-east-1_AbCdEfGhI`: a region, and letters and digits.
static POOL_WITH_REGION: LazyLock<Regex> = LazyLock::new(|| anchored("[a-z]{2,}(-[a-z]+)+-[0-9]+_[0-9A-Za-z]+"));

/// The region in which a pool is, if `id` is a pool ID.
pub(super) fn pool_region(id: &str) -> Option<String> {
    let length_max = input::USER_POOL_ID.max;
    let (region, _) = id.split_once('_')?;
    (id.len() <= length_max && POOL_WITH_REGION.is_match(id)).then(|| region.to_owned())
}

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Describe,
    Update,
    Delete,
    List,
    GetByIdentifier,
}

impl Operation {
    /// Reads an `X-Amz-Target` header.
    pub(super) fn of_target(target: &str) -> Option<Self> {
        let name = target.strip_prefix(TARGET_PREFIX)?;
        let all = [Self::Create, Self::Describe, Self::Update, Self::Delete, Self::List, Self::GetByIdentifier];
        all.into_iter().find(|operation| operation.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "CreateIdentityProvider",
            Self::Describe => "DescribeIdentityProvider",
            Self::Update => "UpdateIdentityProvider",
            Self::Delete => "DeleteIdentityProvider",
            Self::List => "ListIdentityProviders",
            Self::GetByIdentifier => "GetIdentityProviderByIdentifier",
        }
    }

    pub(super) fn category(self) -> Category {
        match self {
            Self::Create | Self::Update | Self::Delete => Category::UserPoolResourceUpdate,
            Self::Describe | Self::List | Self::GetByIdentifier => Category::UserPoolResourceRead,
        }
    }
}

/// Every pool.
pub(super) struct State {
    pools: BTreeMap<String, Pool>,
    providers_max: usize,
}

impl State {
    /// Pools by ID and region.
    pub(super) fn new(pools: Vec<(String, String)>, hard_quota: bool) -> Self {
        Self {
            pools: pools.into_iter().map(|(id, region)| (id.clone(), Pool::new(id, region))).collect(),
            providers_max: if hard_quota { COGNITO_PROVIDERS_PER_POOL } else { usize::MAX },
        }
    }

    /// The ID of the pool that a request is about, if it exists in `region`.
    pub(super) fn existing_pool(&self, region: &str, members: &Members) -> Option<String> {
        let id = members.text("UserPoolId").ok()??;
        self.pool(region, &id).is_ok().then_some(id)
    }

    /// Does one operation. `None` is an answer without a body.
    pub(super) fn call(
        &mut self,
        operation: Operation,
        region: &str,
        members: &Members,
    ) -> Result<Option<Value>, Fault> {
        match operation {
            Operation::Create => self.create(region, &input::Create::read(members)?).map(Some),
            Operation::Describe => self.describe(region, &input::Named::read(members)?).map(Some),
            Operation::Update => self.update(region, input::Update::read(members)?).map(Some),
            Operation::Delete => self.delete(region, &input::Named::read(members)?).map(|()| None),
            Operation::List => self.list(region, &input::List::read(members)?).map(Some),
            Operation::GetByIdentifier => self.by_identifier(region, &input::ByIdentifier::read(members)?).map(Some),
        }
    }

    fn pool(&self, region: &str, id: &str) -> Result<&Pool, Fault> {
        // Each region is an endpoint of its own and does not know the pools of another.
        self.pools.get(id).filter(|pool| pool.region == region).ok_or_else(|| no_pool(id))
    }

    fn pool_mut(&mut self, region: &str, id: &str) -> Result<&mut Pool, Fault> {
        self.pools.get_mut(id).filter(|pool| pool.region == region).ok_or_else(|| no_pool(id))
    }

    fn create(&mut self, region: &str, input: &input::Create) -> Result<Value, Fault> {
        let providers_max = self.providers_max;
        let pool = self.pool_mut(region, &input.pool)?;
        let provider = Provider::create(input)?;
        if pool.providers.contains_key(&input.name) {
            return Err(duplicate(format!("{} already exists for tenant {}.", input.name, input.pool)));
        }
        pool.check_identifiers(&provider.identifiers, None)?;
        if pool.providers.len() >= providers_max {
            // Our choice of the sentence.
            return Err(client_fault(
                "LimitExceededException",
                format!(
                    "Maximum number of identity providers ({providers_max}) has been reached for user pool {}.",
                    pool.id
                ),
            ));
        }
        let answer = provider.answer(&pool.id, input.content.identifiers.is_some());
        pool.providers.insert(input.name.clone(), provider);
        Ok(answer)
    }

    fn describe(&self, region: &str, input: &input::Named) -> Result<Value, Fault> {
        let pool = self.pool(region, &input.pool)?;
        let provider = pool.providers.get(&input.name).ok_or_else(|| {
            not_found(format!("Identity provider {} for tenantId {} does not exist.", input.name, input.pool))
        })?;
        Ok(provider.answer(&pool.id, true))
    }

    fn update(&mut self, region: &str, input: input::Update) -> Result<Value, Fault> {
        let input::Update { provider: named, content } = input;
        let pool = self.pool_mut(region, &named.pool)?;
        let current = pool.providers.get(&named.name).ok_or_else(|| no_provider(&named))?;
        let identifiers_sent = content.identifiers.is_some();
        let updated = current.updated(content)?;
        pool.check_identifiers(&updated.identifiers, Some(&named.name))?;
        let answer = updated.answer(&pool.id, identifiers_sent);
        pool.providers.insert(named.name, updated);
        Ok(answer)
    }

    fn delete(&mut self, region: &str, input: &input::Named) -> Result<(), Fault> {
        let pool = self.pool_mut(region, &input.pool)?;
        // Our choice: Delete has the sentence of Update, the other write; only Describe's and Update's are known.
        pool.providers.remove(&input.name).map(drop).ok_or_else(|| no_provider(input))
    }

    fn list(&self, region: &str, input: &input::List) -> Result<Value, Fault> {
        let pool = self.pool(region, &input.pool)?;
        // Our choice: sorted by name, code point by code point; the order is not documented.
        let start = match &input.next_token {
            None => Bound::Unbounded,
            // Our choice of the sentence. A token is good for the pool that it was given for.
            Some(token) => Bound::Excluded(
                page::open(&pool.id, token).ok_or_else(|| invalid_parameter("Invalid pagination token."))?,
            ),
        };
        // Our choice: 0 means the default, since the model allows it and a page without items would never end.
        let size = match input.max_results {
            0 => PAGE_MAX,
            asked => asked.min(PAGE_MAX),
        };
        let providers = pool.providers.range((start, Bound::Unbounded));
        let page = page::cut(providers, size, &pool.id, |(name, _)| (*name).clone());
        let summaries: Vec<Value> = page.items.iter().map(|(_, provider)| provider.summary()).collect();
        let mut answer = Map::new();
        answer.insert("Providers".to_owned(), summaries.into());
        if let Some(token) = page.next_token {
            answer.insert("NextToken".to_owned(), token.into());
        }
        Ok(answer.into())
    }

    fn by_identifier(&self, region: &str, input: &input::ByIdentifier) -> Result<Value, Fault> {
        let pool = self.pool(region, &input.pool)?;
        let found = pool.providers.values().find(|provider| provider.identifiers.contains(&input.identifier));
        // Our choice of the sentence, after Describe's.
        let provider = found.ok_or_else(|| {
            not_found(format!(
                "Identity provider with identifier {} for tenantId {} does not exist.",
                input.identifier, input.pool
            ))
        })?;
        Ok(provider.answer(&pool.id, true))
    }
}

/// Every error of Cognito's model but `InternalErrorException` has this status on the wire.
fn client_fault(code: &'static str, message: impl Into<String>) -> Fault {
    Fault::new(code, StatusCode::BAD_REQUEST, message)
}

fn invalid_parameter(message: impl Into<String>) -> Fault {
    client_fault("InvalidParameterException", message)
}

fn duplicate(message: impl Into<String>) -> Fault {
    client_fault("DuplicateProviderException", message)
}

fn not_found(message: impl Into<String>) -> Fault {
    client_fault("ResourceNotFoundException", message)
}

fn no_pool(id: &str) -> Fault {
    not_found(format!("User pool {id} does not exist."))
}

fn no_provider(named: &input::Named) -> Fault {
    not_found(format!("Identity provider {} in User Pool {} does not exist.", named.name, named.pool))
}

/// What a throttled request is answered.
pub(super) fn too_many_requests() -> Fault {
    client_fault("TooManyRequestsException", "Rate exceeded")
}
