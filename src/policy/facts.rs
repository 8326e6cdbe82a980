//! What policy knows of a call, in plain values: from a parsed operation, or from a file for `policy explain`.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};
use serde::Deserialize;

use crate::{
    domain::{AccountId, Action, Details, IdpIdentifiers, Resource, Subject},
    identity::Caller,
};

type Text<'a> = Cow<'a, str>;

/// Who calls.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerFacts<'a> {
    pub(super) id: Text<'a>,
    pub(super) kind: Text<'a>,
    #[serde(default)]
    pub(super) groups: BTreeSet<Text<'a>>,
    #[serde(default)]
    pub(super) trust_domain: Option<Text<'a>>,
}

/// What the call would do; the fields are those of the schema.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CallFacts<'a> {
    pub(super) provider_type: Option<Text<'a>>,
    pub(super) provider_name: Option<Text<'a>>,
    pub(super) hosts: BTreeSet<Text<'a>>,
    pub(super) issuer_host: Option<Text<'a>>,
    pub(super) metadata_host: Option<Text<'a>>,
    pub(super) scopes: BTreeSet<Text<'a>>,
    pub(super) detail_keys: BTreeSet<Text<'a>>,
    pub(super) mapped_attributes: BTreeSet<Text<'a>>,
    pub(super) idp_identifiers: BTreeSet<Text<'a>>,
    pub(super) validate_only: bool,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) caller: CallerFacts<'a>,
    pub(super) action: Action,
    pub(super) resource: Resource<'a>,
    pub(super) account: Option<&'a AccountId>,
    pub(super) call: CallFacts<'a>,
}

impl<'a> Facts<'a> {
    /// From an identified and parsed call.
    pub(super) fn of_call(caller: &'a Caller, subject: &'a Subject<'a>) -> Self {
        let details = subject.details;
        let host = |key| details.and_then(|details| details.hosts().get(key)).map(|host| Text::from(host.as_str()));
        let texts = |list: &mut dyn Iterator<Item = &'a str>| list.map(Text::from).collect();
        let identifiers = subject.identifiers.map(IdpIdentifiers::as_slice).unwrap_or_default();
        Self {
            caller: CallerFacts {
                id: caller.id().into(),
                kind: caller.proof().as_str().into(),
                groups: texts(&mut caller.groups().iter().map(String::as_str)),
                trust_domain: caller.trust_domain().map(Text::from),
            },
            action: subject.action,
            resource: subject.resource,
            account: subject.account,
            call: CallFacts {
                provider_type: subject.kind.map(|kind| Text::from(kind.as_str())),
                provider_name: subject.name.map(Text::from),
                hosts: texts(&mut details.into_iter().flat_map(|details| details.hosts().values().map(String::as_str))),
                issuer_host: host("oidc_issuer"),
                metadata_host: host("MetadataURL"),
                scopes: texts(&mut details.into_iter().flat_map(Details::scopes)),
                detail_keys: texts(&mut details.into_iter().flat_map(|details| details.iter().map(|(key, _)| key))),
                mapped_attributes: texts(
                    &mut subject.mapping.into_iter().flat_map(|map| map.as_map().keys().map(String::as_str)),
                ),
                idp_identifiers: texts(&mut identifiers.iter().map(String::as_str).chain(subject.looked_up_identifier)),
                validate_only: subject.validate_only(),
            },
        }
    }
}

/// Names of the schema, made once.
#[derive(Debug)]
pub(super) struct Names {
    caller: EntityTypeName,
    user_pool: EntityTypeName,
    portal: EntityTypeName,
    /// Each action with its groups.
    actions: HashMap<Action, (EntityUid, Entities, HashSet<EntityUid>)>,
}

/// A request in Cedar's form.
pub(super) struct Question {
    pub(super) principal: EntityUid,
    pub(super) resource: EntityUid,
    pub(super) request: Request,
    pub(super) entities: Entities,
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
            let entity = all.get(&uid).ok_or_else(|| format!("the schema lacks {uid}"))?.clone();
            let groups: HashSet<EntityUid> =
                all.ancestors(&uid).map(|groups| groups.cloned().collect()).unwrap_or_default();
            let own = Entities::from_entities([entity], None).map_err(|why| why.to_string())?;
            actions.insert(action, (uid, own, groups));
        }
        Ok(Self {
            caller: name("IdpProxy::Caller")?,
            user_pool: name("IdpProxy::UserPool")?,
            portal: name("IdpProxy::Portal")?,
            actions,
        })
    }

    /// Whether a policy's `action == wanted` or `action in wanted` can hold for `action`.
    pub(super) fn is_action(&self, action: Action, wanted: &EntityUid) -> bool {
        self.actions.get(&action).is_some_and(|(uid, _, groups)| uid == wanted || groups.contains(wanted))
    }

    /// The type of callers.
    pub(super) fn caller_type(&self) -> &EntityTypeName {
        &self.caller
    }

    /// The facts as Cedar takes them. Without a schema the types are not checked: they are right by construction, and a
    /// test checks them for every action.
    pub(super) fn question(&self, facts: &Facts<'_>, schema: Option<&Schema>) -> Result<Question, String> {
        let (action, own, _) = self.actions.get(&facts.action).ok_or("an action that the schema lacks")?;
        let uid = |kind: &EntityTypeName, id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let principal = uid(&self.caller, &facts.caller.id);
        let resource = match facts.resource {
            Resource::UserPool(pool) => uid(&self.user_pool, pool.as_str()),
            Resource::Portal(portal) => uid(&self.portal, portal.as_str()),
        };
        let account = facts.account.map(|account| text(account.as_str()));
        let caller = [("kind", Some(text(&facts.caller.kind))), ("groups", Some(set(&facts.caller.groups)))];
        let trust_domain = facts.caller.trust_domain.as_deref().map(text);
        let caller = attributes(caller.into_iter().chain([("trust_domain", trust_domain)]));
        let place = [("region", Some(text(facts.resource.region().as_str()))), ("account", account)];
        let entity = |uid: &EntityUid, attributes| {
            Entity::new(uid.clone(), attributes, HashSet::new()).map_err(|why| why.to_string())
        };
        let entities = [entity(&principal, caller)?, entity(&resource, attributes(place))?];
        let entities = own.clone().add_entities(entities, schema).map_err(|why| why.to_string())?;
        let context = Context::from_pairs(context(&facts.call)).map_err(|why| why.to_string())?;
        let request = Request::new(principal.clone(), action.clone(), resource.clone(), context, schema);
        let request = request.map_err(|why| why.to_string())?;
        Ok(Question { principal, resource, request, entities })
    }
}

fn context(call: &CallFacts<'_>) -> HashMap<String, RestrictedExpression> {
    let optional = |value: &Option<Text<'_>>| value.as_deref().map(text);
    attributes([
        ("provider_type", optional(&call.provider_type)),
        ("provider_name", optional(&call.provider_name)),
        ("hosts", Some(set(&call.hosts))),
        ("issuer_host", optional(&call.issuer_host)),
        ("metadata_host", optional(&call.metadata_host)),
        ("scopes", Some(set(&call.scopes))),
        ("detail_keys", Some(set(&call.detail_keys))),
        ("mapped_attributes", Some(set(&call.mapped_attributes))),
        ("idp_identifiers", Some(set(&call.idp_identifiers))),
        ("validate_only", Some(RestrictedExpression::new_bool(call.validate_only))),
    ])
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
