//! Finds the policies whose scope fits a call, so that a decision costs what the fitting ones cost, however many others
//! there are. Cedar itself would look at every policy.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint, ResourceConstraint,
};

use super::{Denial, question::Names, reads::Reads};
use crate::domain::{Action, Resource};

/// Sets that are kept; when they are as many, all are forgotten and made anew.
const SETS_MAX: usize = 4096;
/// Policies in all kept sets together: each set has a copy of its policies, a few KiB each with its text. Where a thousand
/// policies fit every call, 65 sets are kept.
const POLICIES_MAX: usize = 65_536;

/// A scope's principal and resource, each by its number; 0 where any fits, or where no scope names it. Callers, pools and
/// portals have no parents, so that Cedar's `in` is equality for them.
type Place = (u32, u32);

/// Calls for which the same policies have a scope that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    place: Place,
    action: Action,
    is_portal: bool,
}

impl Kind {
    /// Different for different kinds.
    pub(super) fn bytes(self) -> Vec<u8> {
        let (principal, resource) = self.place;
        let rest = [self.action as u8, u8::from(self.is_portal)];
        [&principal.to_le_bytes()[..], &resource.to_le_bytes()[..], &rest].concat()
    }
}

/// A policy, with what remains of its scope beside its place.
#[derive(Debug)]
struct Entry {
    policy: Policy,
    /// The actions that fit.
    actions: Vec<Action>,
    /// The type that the resource must have.
    resource_type: Option<EntityTypeName>,
    reads: Reads,
}

/// The policies that are asked about some calls, and what they read.
#[derive(Debug)]
pub(super) struct Fitting {
    pub(super) kind: Kind,
    pub(super) set: PolicySet,
    pub(super) reads: Reads,
}

/// Policies by the place of their scope.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Ids that a scope names.
    callers: HashMap<String, u32>,
    user_pools: HashMap<String, u32>,
    portals: HashMap<String, u32>,
    entries: HashMap<Place, Vec<Entry>>,
    sets: RwLock<Sets>,
}

/// What was put together before.
#[derive(Debug, Default)]
struct Sets {
    by_kind: HashMap<Kind, Arc<Fitting>>,
    /// In all of them.
    policies: usize,
}

impl Sets {
    fn keep(&mut self, made: &Arc<Fitting>) {
        if self.by_kind.contains_key(&made.kind) {
            // Another call has made the same in the meantime.
            return;
        }
        let policies = made.set.num_of_policies();
        if self.by_kind.len() >= SETS_MAX || self.policies + policies > POLICIES_MAX {
            *self = Self::default();
        }
        self.policies += policies;
        self.by_kind.insert(made.kind, Arc::clone(made));
    }
}

impl Index {
    /// Of all policies of a set. One whose scope can fit no call is left out.
    pub(super) fn of<'a>(policies: impl Iterator<Item = &'a Policy>, names: &Names) -> Self {
        let mut index = Self::default();
        for policy in policies {
            let principal = match policy.principal_constraint() {
                PrincipalConstraint::Any => None,
                PrincipalConstraint::Is(kind) if kind == *names.caller() => None,
                PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) => Some(uid),
                PrincipalConstraint::IsIn(kind, uid) if kind == *names.caller() => Some(uid),
                PrincipalConstraint::Is(_) | PrincipalConstraint::IsIn(..) => continue,
            };
            let (resource, resource_type) = match policy.resource_constraint() {
                ResourceConstraint::Any => (None, None),
                ResourceConstraint::Is(kind) => (None, Some(kind)),
                ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) => (Some(uid), None),
                ResourceConstraint::IsIn(kind, uid) => (Some(uid), Some(kind)),
            };
            let Some(principal) = principal.map_or(Some(0), |uid| index.caller(&uid, names)) else { continue };
            let Some(resource) = resource.map_or(Some(0), |uid| index.resource(&uid, names)) else { continue };
            let fits = |action: &Action| match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(uid) => names.is_action(*action, &uid),
                ActionConstraint::In(uids) => uids.iter().any(|uid| names.is_action(*action, uid)),
            };
            let actions = Action::ALL.into_iter().filter(fits).collect();
            let entry = Entry { policy: policy.clone(), actions, resource_type, reads: Reads::of(policy) };
            index.entries.entry((principal, resource)).or_default().push(entry);
        }
        index
    }

    /// The number of a caller that a scope names; none if it names something else, which is never the caller.
    fn caller(&mut self, uid: &EntityUid, names: &Names) -> Option<u32> {
        let next = self.callers.len() + 1;
        (uid.type_name() == names.caller()).then(|| number(&mut self.callers, uid, next))?
    }

    fn resource(&mut self, uid: &EntityUid, names: &Names) -> Option<u32> {
        // One count for both, so that no pool has a portal's number.
        let next = self.user_pools.len() + self.portals.len() + 1;
        if uid.type_name() == names.user_pool() {
            number(&mut self.user_pools, uid, next)
        } else if uid.type_name() == names.portal() {
            number(&mut self.portals, uid, next)
        } else {
            None
        }
    }

    /// The policies whose scope fits.
    ///
    /// # Errors
    /// When they cannot be put together, which is a denial.
    pub(super) fn fitting(
        &self,
        caller: &str,
        action: Action,
        resource: Resource<'_>,
        names: &Names,
    ) -> Result<Arc<Fitting>, Denial> {
        let number = |known: &HashMap<String, u32>, id| known.get(id).copied().unwrap_or_default();
        let (resource, is_portal) = match resource {
            Resource::UserPool(pool) => (number(&self.user_pools, pool.as_str()), false),
            Resource::Portal(portal) => (number(&self.portals, portal.as_str()), true),
        };
        let kind = Kind { place: (number(&self.callers, caller), resource), action, is_portal };
        let known = self.sets.read().unwrap_or_else(PoisonError::into_inner).by_kind.get(&kind).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let made = Arc::new(self.make(kind, if is_portal { names.portal() } else { names.user_pool() })?);
        self.sets.write().unwrap_or_else(PoisonError::into_inner).keep(&made);
        Ok(made)
    }

    fn make(&self, kind: Kind, resource_type: &EntityTypeName) -> Result<Fitting, Denial> {
        let (principal, resource) = kind.place;
        let (mut set, mut reads) = (PolicySet::new(), Reads::default());
        let mut places = vec![(0, 0), (0, resource), (principal, 0), (principal, resource)];
        places.sort_unstable();
        places.dedup();
        let entries = places.iter().filter_map(|place| self.entries.get(place)).flatten();
        let fits = |entry: &&Entry| {
            let wanted = entry.resource_type.as_ref();
            entry.actions.contains(&kind.action) && wanted.is_none_or(|wanted| wanted == resource_type)
        };
        for entry in entries.filter(fits) {
            if let Err(why) = set.add(entry.policy.clone()) {
                tracing::error!(%why, "a policy could not be asked");
                return Err(Denial::Broken(Arc::from([entry.policy.id().to_string()])));
            }
            reads = reads.and(entry.reads);
        }
        Ok(Fitting { kind, set, reads })
    }
}

/// The number of an id: what it has, or the next one.
fn number(known: &mut HashMap<String, u32>, uid: &EntityUid, next: usize) -> Option<u32> {
    let next = u32::try_from(next).ok()?;
    Some(*known.entry(AsRef::<str>::as_ref(uid.id()).to_owned()).or_insert(next))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cedar_policy::PolicySet;

    use super::{Fitting, Kind, POLICIES_MAX, SETS_MAX, Sets};
    use crate::{domain::Action, policy::reads::Reads};

    fn fitting(place: u32, set: &PolicySet) -> Arc<Fitting> {
        let kind = Kind { place: (place, 0), action: Action::CognitoList, is_portal: false };
        Arc::new(Fitting { kind, set: set.clone(), reads: Reads::ALL })
    }

    #[test]
    fn what_is_kept_is_bounded_by_sets_and_by_their_policies() {
        let of = |count: usize| "permit (principal, action, resource);".repeat(count).parse::<PolicySet>().unwrap();
        for (count, kept) in [(0, SETS_MAX), (1, SETS_MAX), (64, POLICIES_MAX / 64), (100, POLICIES_MAX / 100)] {
            let (mut sets, set, mut most) = (Sets::default(), of(count), 0);
            for place in 0..=u32::try_from(SETS_MAX).unwrap() {
                sets.keep(&fitting(place, &set));
                sets.keep(&fitting(place, &set));
                assert!(sets.by_kind.contains_key(&fitting(place, &set).kind));
                assert_eq!(sets.policies, count * sets.by_kind.len());
                most = most.max(sets.by_kind.len());
            }
            assert_eq!(most, kept, "{count} policies each");
        }
    }
}
