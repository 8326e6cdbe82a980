//! Decisions that were made before. A decision depends on the policies and on the facts that they read, and on nothing
//! else: Cedar knows no time and no chance. So equal facts are answered from memory while the policies are the same.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::Denial;

/// What was decided.
pub(super) type Verdict = Result<Arc<[String]>, Denial>;

/// Decisions that are kept; when they are as many, all are forgotten, which costs the next calls a decision each.
const DECISIONS_MAX: usize = 4096;
/// Bytes of the facts that one is kept for: beyond it they are rare. Together with the number 4 MiB at most.
const FACTS_BYTES_MAX: usize = 1024;

/// Decisions by the facts that they depend on, as [`super::facts::Facts::write`] writes them: equal texts are equal facts.
#[derive(Debug, Default)]
pub(super) struct Memo(RwLock<HashMap<Vec<u8>, Verdict>>);

impl Memo {
    pub(super) fn get(&self, facts: &[u8]) -> Option<Verdict> {
        if facts.len() > FACTS_BYTES_MAX {
            return None;
        }
        // A poisoned lock still holds whole decisions: they are put in by one insert.
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(facts).cloned()
    }

    /// Keeps a decision. One that could not be evaluated is made again each time, so that each is logged.
    pub(super) fn keep(&self, facts: Vec<u8>, verdict: &Verdict) {
        if facts.len() > FACTS_BYTES_MAX || matches!(verdict, Err(Denial::Broken(_))) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= DECISIONS_MAX {
            known.clear();
        }
        known.insert(facts, verdict.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{DECISIONS_MAX, FACTS_BYTES_MAX, Memo};
    use crate::policy::Denial;

    #[test]
    fn what_is_kept_is_bounded_and_a_failure_is_not_kept() {
        let memo = Memo::default();
        let allowed = Ok(Arc::from(["a".to_owned()]));
        for number in 0..=DECISIONS_MAX {
            memo.keep(number.to_le_bytes().to_vec(), &allowed);
            assert_eq!(memo.get(&number.to_le_bytes()), Some(allowed.clone()));
        }
        assert_eq!(memo.0.read().unwrap().len(), 1);
        memo.keep(vec![0; FACTS_BYTES_MAX + 1], &allowed);
        assert_eq!(memo.get(&[0; FACTS_BYTES_MAX + 1]), None);
        memo.keep(b"broken".to_vec(), &Err(Denial::Broken(Arc::from([]))));
        assert_eq!(memo.get(b"broken"), None);
        memo.keep(b"denied".to_vec(), &Err(Denial::NotPermitted));
        assert_eq!(memo.get(b"denied"), Some(Err(Denial::NotPermitted)));
    }
}
