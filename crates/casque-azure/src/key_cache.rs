//! What is kept of the keys that a party publishes for its tokens, and when they are served, fetched again, or given
//! up.
//!
//! Parties change keys without notice: an unknown key id fetches them again. Since anyone can make up key ids, a
//! [`Budget`] bounds that: an ordinary change of keys is seen at once, and of a flood the party sees [`FETCHES_AT_ONCE`]
//! requests, then one in each [`REFILL`]. Whoever keeps the budget spent keeps the keys as fresh as that. When a fetch
//! fails the last good keys still serve, for [`MAX_AGE`] at most, so that whoever blocks the way cannot keep a
//! withdrawn key alive.

use std::sync::Arc;

use casque_appraise::{MaaKeys, ServiceAccountKeys};
use casque_core::SourceFailure;
use casque_types::{Seconds, Timestamp};

use crate::slots::{Kept, Slot};

/// A set of keys, each with an id.
pub(crate) trait KeySet {
    /// Whether a key with this id is there.
    fn has(&self, key_id: &str) -> bool;
}

impl KeySet for MaaKeys {
    fn has(&self, key_id: &str) -> bool {
        self.contains(key_id)
    }
}

impl KeySet for ServiceAccountKeys {
    fn has(&self, key_id: &str) -> bool {
        self.contains(key_id)
    }
}

/// What is known of one party's keys.
#[derive(Debug)]
pub(crate) struct KeysState<K> {
    keys: Option<(Arc<K>, Timestamp)>,
    last_try: Option<Timestamp>,
    /// What the last fetch failed with, if it failed.
    failure: Option<SourceFailure>,
    budget: Budget,
    flights: u64,
}

/// How many fetches may still succeed before the next pause: [`FETCHES_AT_ONCE`] when it is whole, and one more after
/// each [`REFILL`]. Failures have pauses of their own.
#[derive(Debug, Default)]
struct Budget {
    /// When it will be whole; `None` if nothing was ever spent.
    whole_at: Option<Timestamp>,
}

impl Budget {
    fn spend(&mut self, now: Timestamp) {
        let whole_at = self.whole_at.map_or(now, |at| at.max(now));
        self.whole_at = Some(whole_at.plus(REFILL));
    }

    /// From when on there is one to spend.
    fn next(&self) -> Option<Timestamp> {
        let spendable = REFILL.0.saturating_mul(FETCHES_AT_ONCE.saturating_sub(1));
        self.whole_at.map(|at| at.minus(Seconds(spendable)))
    }
}

/// What to do for an asker.
#[derive(Debug)]
pub(crate) enum Look<K> {
    /// These keys serve.
    Serve(Arc<K>),
    /// The keys are to be fetched.
    Fetch,
    /// There are none, and it is too early to ask again.
    Refuse(SourceFailure),
}

impl<K: KeySet> Slot<KeysState<K>> {
    /// The keys, with `key_id` among them if the party has it; `fetch` is polled only where they are to be fetched, by one
    /// for all who wait.
    pub(crate) async fn keys(
        &self,
        key_id: &str,
        now: Timestamp,
        fetch: impl Future<Output = Result<K, SourceFailure>> + Send,
    ) -> Result<Arc<K>, SourceFailure> {
        let flights = self.state().flights();
        let first = self.state().look(key_id, now);
        let _flight = match first {
            Look::Serve(keys) => return Ok(keys),
            Look::Refuse(failure) => return Err(failure),
            Look::Fetch => self.flight.lock().await,
        };
        let landed = self.state().landed_since(flights);
        if let Some(outcome) = landed {
            return outcome;
        }
        let fetched = fetch.await;
        self.state().settle(fetched.map(Arc::new), now)
    }
}

impl<K> Default for KeysState<K> {
    fn default() -> Self {
        Self {
            keys: None,
            last_try: None,
            failure: None,
            budget: Budget::default(),
            flights: 0,
        }
    }
}

impl<K: KeySet> KeysState<K> {
    /// How many times the party was asked.
    pub(crate) const fn flights(&self) -> u64 {
        self.flights
    }

    pub(crate) fn look(&self, key_id: &str, now: Timestamp) -> Look<K> {
        let good = self.good(now);
        if let Some((keys, fetched)) = &good
            && keys.has(key_id)
            && now < fetched.plus(FRESH)
        {
            return Look::Serve(Arc::clone(keys));
        }
        let next_try = self.next_try(good.is_some());
        match (good, &self.failure) {
            _ if next_try.is_none_or(|next| next <= now) => Look::Fetch,
            (Some((keys, _)), _) => Look::Serve(keys),
            (None, Some(failure)) => Look::Refuse(SourceFailure {
                retry_after: next_try.map(|next| next.since(now)),
                ..failure.clone()
            }),
            (None, None) => Look::Fetch,
        }
    }

    /// The outcome of a fetch that landed since there were `flights`: it is the waiting asker's too.
    pub(crate) fn landed_since(&self, flights: u64) -> Option<Result<Arc<K>, SourceFailure>> {
        if self.flights == flights {
            return None;
        }
        match (&self.keys, &self.failure) {
            (Some((keys, _)), _) => Some(Ok(Arc::clone(keys))),
            (None, Some(failure)) => Some(Err(failure.clone())),
            (None, None) => None,
        }
    }

    /// Notes what a fetch brought; after a failure the last good keys serve.
    pub(crate) fn settle(
        &mut self,
        fetched: Result<Arc<K>, SourceFailure>,
        now: Timestamp,
    ) -> Result<Arc<K>, SourceFailure> {
        self.flights = self.flights.wrapping_add(1);
        self.last_try = Some(now);
        match fetched {
            Ok(keys) => {
                self.keys = Some((Arc::clone(&keys), now));
                self.failure = None;
                self.budget.spend(now);
                Ok(keys)
            }
            Err(failure) => {
                self.failure = Some(failure.clone());
                self.keys = self.good(now);
                self.keys
                    .as_ref()
                    .map_or(Err(failure), |(keys, _)| Ok(Arc::clone(keys)))
            }
        }
    }

    /// The keys that are not too old to serve.
    fn good(&self, now: Timestamp) -> Option<(Arc<K>, Timestamp)> {
        let (keys, fetched) = self.keys.as_ref()?;
        (now < fetched.plus(MAX_AGE)).then(|| (Arc::clone(keys), *fetched))
    }

    /// Not before then is the party asked again; `None` if it was never asked.
    fn next_try(&self, has_keys: bool) -> Option<Timestamp> {
        let Some(failure) = &self.failure else {
            return self.budget.next();
        };
        let pause = if has_keys {
            PAUSE_WITH_KEYS
        } else {
            PAUSE_WITHOUT_KEYS
        };
        let last_try = self.last_try?;
        Some(last_try.plus(failure.retry_after.unwrap_or(pause).max(pause)))
    }
}

impl<K: KeySet> Kept for KeysState<K> {
    fn kept_until(&self) -> Timestamp {
        let keys = self.keys.as_ref().map(|(_, fetched)| fetched.plus(MAX_AGE));
        let pause = self.next_try(keys.is_some());
        keys.max(pause).unwrap_or(Timestamp::from_unix_s(0))
    }
}

/// How long keys serve without being fetched again.
const FRESH: Seconds = Seconds(24 * 3600);
/// How long they serve when they cannot be fetched again.
const MAX_AGE: Seconds = Seconds(7 * 24 * 3600);
/// How many fetches a whole budget has: the first, and those for a change of keys or two.
const FETCHES_AT_ONCE: u64 = 4;
/// The time in which a budget gains one fetch.
const REFILL: Seconds = Seconds(60);
/// The time after a fetch that failed, while there are keys.
const PAUSE_WITH_KEYS: Seconds = Seconds(60);
/// The time after a fetch that failed, while there are none.
const PAUSE_WITHOUT_KEYS: Seconds = Seconds(5);

#[cfg(test)]
mod tests;
