//! A bounded map of what is fetched from outside, one fetch at a time for each key.
//!
//! A slot has two locks. The short one guards its state and is never held across an await; the long one
//! (`flight`) is held by whoever fetches, and is per key, so that nobody waits for another key's fetch.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use casque_types::Timestamp;

/// What a slot keeps.
pub(crate) trait Kept: Default {
    /// When this is of no more use; the slot that ends first is the first to be given up.
    fn kept_until(&self) -> Timestamp;
}

/// The place of one key.
#[derive(Debug, Default)]
pub(crate) struct Slot<S> {
    /// Held while fetching.
    pub(crate) flight: tokio::sync::Mutex<()>,
    state: Mutex<S>,
}

impl<S> Slot<S> {
    /// The state; not to be held across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, S> {
        lock(&self.state)
    }
}

/// All slots.
#[derive(Debug)]
pub(crate) struct Slots<K, S> {
    by_key: Mutex<HashMap<K, Arc<Slot<S>>>>,
    limit: usize,
}

impl<K: Eq + Hash + Clone, S: Kept> Slots<K, S> {
    /// At most `limit` slots.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by_key: Mutex::new(HashMap::new()),
            limit,
        }
    }

    /// The slot of `key`. When all slots are in use by others, it is one that nobody will find again.
    pub(crate) fn slot(&self, key: &K, now: Timestamp) -> Arc<Slot<S>> {
        let mut by_key = lock(&self.by_key);
        if let Some(slot) = by_key.get(key) {
            return Arc::clone(slot);
        }
        if by_key.len() >= self.limit {
            make_room(&mut by_key, now);
        }
        let slot = Arc::new(Slot::default());
        if by_key.len() < self.limit {
            by_key.insert(key.clone(), Arc::clone(&slot));
        }
        slot
    }
}

/// Gives up what is of no more use, or else the idle slot that ends first.
fn make_room<K: Eq + Hash + Clone, S: Kept>(by_key: &mut HashMap<K, Arc<Slot<S>>>, now: Timestamp) {
    let before = by_key.len();
    by_key.retain(|_, slot| !is_idle(slot) || slot.state().kept_until() > now);
    if by_key.len() < before {
        return;
    }
    let idle = by_key.iter().filter(|(_, slot)| is_idle(slot));
    let first = idle.min_by_key(|(_, slot)| slot.state().kept_until());
    if let Some(key) = first.map(|(key, _)| key.clone()) {
        by_key.remove(&key);
    }
}

/// Whether nobody but the map holds the slot; nobody can take it meanwhile, since the map is locked.
fn is_idle<S>(slot: &Arc<Slot<S>>) -> bool {
    Arc::strong_count(slot) == 1
}

/// Every state is whole between two statements, so that a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Until(u64);

    impl Kept for Until {
        fn kept_until(&self) -> Timestamp {
            Timestamp::from_unix_s(self.0)
        }
    }

    fn filled() -> Slots<u8, Until> {
        let slots: Slots<u8, Until> = Slots::new(2);
        slots.slot(&1, Timestamp::from_unix_s(0)).state().0 = 20;
        slots.slot(&2, Timestamp::from_unix_s(0)).state().0 = 10;
        slots
    }

    #[test]
    fn slots_full_give_up_the_one_that_ends_first() {
        let slots = filled();
        let now = Timestamp::from_unix_s(5);
        slots.slot(&3, now).state().0 = 30;
        assert_eq!(slots.slot(&1, now).state().0, 20);
        assert_eq!(slots.slot(&3, now).state().0, 30);
        assert_eq!(lock(&slots.by_key).len(), 2);
    }

    #[test]
    fn slots_full_and_all_in_use_give_one_that_is_not_kept() {
        let slots = filled();
        let now = Timestamp::from_unix_s(50);
        let (one, two) = (slots.slot(&1, now), slots.slot(&2, now));
        slots.slot(&3, now).state().0 = 99;
        assert_eq!(slots.slot(&3, now).state().0, 0);
        assert_eq!((one.state().0, two.state().0), (20, 10));
    }
}
