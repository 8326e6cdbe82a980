//! A call in Cedar's form, with only those facts in it that the policies read.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};

use super::{
    facts::{CallFacts, Facts, Text, Value},
    reads::{Part, Reads},
};
use crate::domain::{Action, Resource};

/// Names of the schema, made once.
#[derive(Debug)]
pub(super) struct Names {
    caller: EntityTypeName,
    user_pool: EntityTypeName,
    portal: EntityTypeName,
    /// Each action with its groups.
    actions: HashMap<Action, (EntityUid, HashSet<EntityUid>)>,
    /// All of them, since a condition may name another action than the call's.
    action_entities: Entities,
}

/// A request in Cedar's form.
pub(super) struct Question<'a> {
    pub(super) request: Request,
    pub(super) entities: Cow<'a, Entities>,
}

impl Names {
    /// From the schema, so that its groups are the only list of them.
    pub(super) fn of_schema(schema: &Schema) -> Result<Self, String> {
        let name = |text: &str| text.parse::<EntityTypeName>().map_err(|why| why.to_string());
        let kind = name("IdpProxy::Action")?;
        let all = schema.action_entities().map_err(|why| why.to_string())?;
        let mut actions = HashMap::new();
        for action in Action::ALL {
            let id = EntityId::new(action.to_string());
            let uid = EntityUid::from_type_name_and_id(kind.clone(), id);
            all.get(&uid).ok_or_else(|| format!("the schema lacks {uid}"))?;
            let groups: HashSet<EntityUid> =
                all.ancestors(&uid).map(|groups| groups.cloned().collect()).unwrap_or_default();
            actions.insert(action, (uid, groups));
        }
        Ok(Self {
            caller: name("IdpProxy::Caller")?,
            user_pool: name("IdpProxy::UserPool")?,
            portal: name("IdpProxy::Portal")?,
            actions,
            action_entities: all,
        })
    }

    /// Whether a policy's `action == wanted` or `action in wanted` can hold for `action`.
    pub(super) fn is_action(&self, action: Action, wanted: &EntityUid) -> bool {
        self.actions.get(&action).is_some_and(|(uid, groups)| uid == wanted || groups.contains(wanted))
    }

    /// The type of callers.
    pub(super) fn caller(&self) -> &EntityTypeName {
        &self.caller
    }

    /// The type of user pools.
    pub(super) fn user_pool(&self) -> &EntityTypeName {
        &self.user_pool
    }

    /// The type of portals.
    pub(super) fn portal(&self) -> &EntityTypeName {
        &self.portal
    }

    /// The facts as Cedar takes them, as far as policies read them. Without a schema the types are not checked: they are
    /// right by construction, and a test checks them for every action.
    pub(super) fn question(
        &self,
        facts: &Facts<'_>,
        reads: Reads,
        schema: Option<&Schema>,
    ) -> Result<Question<'_>, String> {
        let (action, _) = self.actions.get(&facts.action).ok_or("an action that the schema lacks")?;
        let uid = |kind: &EntityTypeName, id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let principal = uid(&self.caller, &facts.caller.id);
        let resource = match facts.resource {
            Resource::UserPool(pool) => uid(&self.user_pool, pool.as_str()),
            Resource::Portal(portal) => uid(&self.portal, portal.as_str()),
        };
        let entity = |uid: &EntityUid, attributes| {
            Entity::new(uid.clone(), attributes, HashSet::new()).map_err(|why| why.to_string())
        };
        let mut entities = Vec::new();
        if reads.has(Part::Caller) {
            let caller = [("kind", Some(text(&facts.caller.kind))), ("groups", Some(set(&facts.caller.groups)))];
            let trust_domain = facts.caller.trust_domain.as_deref().map(text);
            let caller = caller.into_iter().chain([("trust_domain", trust_domain)]);
            entities.push(entity(&principal, attributes(caller))?);
        }
        if reads.has(Part::Resource) {
            let place = [
                ("region", Some(text(facts.resource.region().as_str()))),
                ("account", facts.account.map(|account| text(account.as_str()))),
            ];
            entities.push(entity(&resource, attributes(place))?);
        }
        let entities = if entities.is_empty() {
            Cow::Borrowed(&self.action_entities)
        } else {
            Cow::Owned(self.action_entities.clone().add_entities(entities, schema).map_err(|why| why.to_string())?)
        };
        let context = Context::from_pairs(context(&facts.call, reads)).map_err(|why| why.to_string())?;
        let request = Request::new(principal, action.clone(), resource, context, schema);
        let request = request.map_err(|why| why.to_string())?;
        Ok(Question { request, entities })
    }
}

fn context(call: &CallFacts<'_>, reads: Reads) -> HashMap<String, RestrictedExpression> {
    let value = |part| {
        Some(match call.value(part)? {
            Value::Text(value) => text(value?),
            Value::Texts(values) => set(values),
            Value::Flag(flag) => RestrictedExpression::new_bool(flag),
        })
    };
    let read = Part::CONTEXT.into_iter().filter(|(_, part)| reads.has(*part));
    attributes(read.map(|(name, part)| (name, value(part))))
}

fn attributes<'a>(
    pairs: impl IntoIterator<Item = (&'a str, Option<RestrictedExpression>)>,
) -> HashMap<String, RestrictedExpression> {
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn set(values: &BTreeSet<Text<'_>>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.iter().map(|value| text(value)))
}
