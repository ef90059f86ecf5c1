//! Parsed policies, remembered so that a release need not parse.
//!
//! Bounded; versions never change, so an entry is never wrong, only superfluous.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use casque_types::{PolicyHash, PolicyName};

use crate::casque::LoadedPolicy;

pub(crate) struct PolicyCache {
    capacity: usize,
    by_hash: Mutex<HashMap<PolicyHash, Arc<LoadedPolicy>>>,
}

impl PolicyCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            by_hash: Mutex::default(),
        }
    }

    pub(crate) fn find(&self, name: &PolicyName, hash: &PolicyHash) -> Option<Arc<LoadedPolicy>> {
        let by_hash = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        let found = by_hash.get(hash)?;
        (found.policy.name == *name).then(|| Arc::clone(found))
    }

    /// Keeps a version; at the bound an arbitrary other one makes room.
    pub(crate) fn keep(&self, loaded: Arc<LoadedPolicy>) {
        let mut by_hash = self.by_hash.lock().unwrap_or_else(PoisonError::into_inner);
        if by_hash.len() >= self.capacity {
            let Some(superfluous) = by_hash.keys().next().copied() else {
                return;
            };
            by_hash.remove(&superfluous);
        }
        by_hash.insert(loaded.hash, loaded);
    }
}
