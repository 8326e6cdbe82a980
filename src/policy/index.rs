//! Finds the policies whose scope fits a call, so that a decision costs what the fitting ones cost, however many others
//! there are. Cedar itself would look at every policy.

use std::collections::HashMap;

use cedar_policy::{ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

use super::facts::Names;
use crate::domain::Action;

/// A scope's principal and resource; absent where any fits. Callers, pools and portals have no parents, so that Cedar's
/// `in` is equality for them.
type Place = (Option<EntityUid>, Option<EntityUid>);

/// A policy, with what remains of its scope beside its place.
#[derive(Debug)]
struct Entry {
    policy: Policy,
    /// The actions that fit.
    actions: Vec<Action>,
    /// The type that the resource must have.
    resource_type: Option<EntityTypeName>,
}

/// Policies by the place of their scope.
#[derive(Debug, Default)]
pub(super) struct Index(HashMap<Place, Vec<Entry>>);

impl Index {
    /// Of all policies of a set. One whose scope can fit no call is left out.
    pub(super) fn of<'a>(policies: impl Iterator<Item = &'a Policy>, names: &Names) -> Self {
        let mut index = Self::default();
        for policy in policies {
            let principal = match policy.principal_constraint() {
                PrincipalConstraint::Any => None,
                PrincipalConstraint::Is(kind) if kind == *names.caller_type() => None,
                PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) => Some(uid),
                PrincipalConstraint::IsIn(kind, uid) if kind == *names.caller_type() => Some(uid),
                PrincipalConstraint::Is(_) | PrincipalConstraint::IsIn(..) => continue,
            };
            let (resource, resource_type) = match policy.resource_constraint() {
                ResourceConstraint::Any => (None, None),
                ResourceConstraint::Is(kind) => (None, Some(kind)),
                ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) => (Some(uid), None),
                ResourceConstraint::IsIn(kind, uid) => (Some(uid), Some(kind)),
            };
            let fits = |action: &Action| match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(uid) => names.is_action(*action, &uid),
                ActionConstraint::In(uids) => uids.iter().any(|uid| names.is_action(*action, uid)),
            };
            let actions = Action::ALL.into_iter().filter(fits).collect();
            let entry = Entry { policy: policy.clone(), actions, resource_type };
            index.0.entry((principal, resource)).or_default().push(entry);
        }
        index
    }

    /// The policies whose scope fits.
    pub(super) fn fitting<'a>(
        &'a self,
        principal: &EntityUid,
        action: Action,
        resource: &'a EntityUid,
    ) -> impl Iterator<Item = &'a Policy> {
        let principals = [None, Some(principal.clone())];
        let places = principals.into_iter().flat_map(|one| [(one.clone(), None), (one, Some(resource.clone()))]);
        let entries = places.filter_map(|place| self.0.get(&place)).flatten();
        let fits = move |entry: &&Entry| {
            let kind = entry.resource_type.as_ref();
            entry.actions.contains(&action) && kind.is_none_or(|kind| kind == resource.type_name())
        };
        entries.filter(fits).map(|entry| &entry.policy)
    }
}
