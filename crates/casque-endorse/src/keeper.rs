//! Keeps documents: from memory, from disk, or from the sources, in this order.
//!
//! - What is in force is served; what is past its life never is.
//! - What was fetched more than a day ago is fetched again, since a vendor states new levels before the old
//!   statement ends. While that fails, what is still in force is served. The certificate of a processor is
//!   fetched once and kept for its life: AMD answers few requests.
//! - What is kept was verified when it came, so that a false document cannot stand in for a true one until
//!   it ends; the source after it is asked instead.
//! - One fetch at a time for each document; whoever comes meanwhile waits for it, or is served what is in force.
//! - The sources are asked in their order, until one gives a document that is in force.
//! - After a failure of all they are left alone for a while: 10 s, doubled each time up to 5 min, or as long
//!   as they say (an hour at most). A source that throttles is left alone by everybody.
//! - An id comes from evidence that nobody has verified: the number of documents in memory, of files on disk
//!   and of fetches at a time is bounded. What was used least recently makes room, and stays on disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use casque_appraise::{Appraiser, EndorsedError};
use casque_core::SourceFailure;
use casque_types::{Seconds, SnpProduct, SnpSigner, Timestamp};
use reqwest::Client;
use tokio::sync::Semaphore;

use crate::disk::{Cached, DiskCache};
use crate::document::{Content, Document};
use crate::document_id::DocumentId;
use crate::failure::{Failures, FetchError};
use crate::source::{Given, Origin, QUIET_FIRST, Source, quiet_span};

/// The documents of one vendor.
#[derive(Debug)]
pub(crate) struct Keeper {
    parts: Parts,
    limit: usize,
    slots: Mutex<HashMap<DocumentId, Arc<Slot>>>,
    /// Counts uses, to know which was the latest.
    uses: AtomicU64,
    fetches: Semaphore,
}

/// What a keeper works with.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) sources: Arc<[Source]>,
    pub(crate) disk: Option<DiskCache>,
    /// Who verifies what comes; `None` keeps it unverified.
    pub(crate) verifier: Option<Arc<Appraiser>>,
}

/// The place of one document.
#[derive(Debug, Default)]
struct Slot {
    /// Guarded for a moment, never across an await.
    held: Mutex<Option<Held>>,
    /// Held by whoever fetches.
    flight: tokio::sync::Mutex<Flight>,
    used: AtomicU64,
}

#[derive(Clone, Debug)]
struct Held {
    document: Arc<Document>,
    fetched: Timestamp,
}

/// What was tried so far.
#[derive(Debug, Default)]
struct Flight {
    disk_was_read: bool,
    failures: u32,
    refusal: Option<Refusal>,
}

/// A failure that is not tried again before `quiet_until`.
#[derive(Debug)]
struct Refusal {
    failures: Failures,
    quiet_until: Timestamp,
}

impl Keeper {
    /// Keeps at most `limit` documents in memory.
    pub(crate) fn new(parts: Parts, limit: usize) -> Self {
        Self {
            parts,
            limit,
            slots: Mutex::default(),
            uses: AtomicU64::new(0),
            fetches: Semaphore::new(MAX_FETCHES),
        }
    }

    /// The document, in force at `now`.
    pub(crate) async fn document(
        &self,
        id: &DocumentId,
        now: Timestamp,
    ) -> Result<Arc<Document>, SourceFailure> {
        let slot = self.slot(id);
        let slot = slot.map_err(|busy| Failures::one(id.clone(), busy).failure(QUIET_FIRST))?;
        let in_force = slot.held().filter(|held| held.is_in_force(now));
        let mut flight = match (in_force, slot.flight.try_lock()) {
            (Some(held), _) if held.is_fresh(now) => return Ok(held.document),
            (Some(held), Err(_)) => return Ok(held.document),
            (None, Err(_)) => slot.flight.lock().await,
            (_, Ok(flight)) => flight,
        };
        self.renew(id, &slot, &mut flight, now).await
    }

    /// The slot of `id`; makes room among those that nobody waits for.
    fn slot(&self, id: &DocumentId) -> Result<Arc<Slot>, FetchError> {
        let mut slots = lock(&self.slots);
        let use_number = self.uses.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = slots.get(id) {
            slot.used.store(use_number, Ordering::Relaxed);
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= self.limit {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.held().is_some());
        }
        if slots.len() >= self.limit {
            let idle = slots
                .iter()
                .filter(|(_, slot)| Arc::strong_count(slot) == 1);
            let oldest = idle.min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed));
            let oldest = oldest.map(|(id, _)| id.clone());
            let limit = self.limit;
            slots.remove(&oldest.ok_or(FetchError::Busy { limit })?);
        }
        let slot = Arc::<Slot>::default();
        slot.used.store(use_number, Ordering::Relaxed);
        slots.insert(id.clone(), Arc::clone(&slot));
        Ok(slot)
    }

    /// Called by the one who holds the flight.
    async fn renew(
        &self,
        id: &DocumentId,
        slot: &Slot,
        flight: &mut Flight,
        now: Timestamp,
    ) -> Result<Arc<Document>, SourceFailure> {
        if !flight.disk_was_read {
            flight.disk_was_read = true;
            slot.hold(self.load(id, now).await);
        }
        // Somebody else may have fetched while this one waited.
        if let Some(held) = slot.held().filter(|held| held.is_fresh(now)) {
            return Ok(held.document);
        }
        match self.fetch_unless_quiet(id, slot, flight, now).await {
            Ok(document) => Ok(document),
            Err(failure) => slot
                .held()
                .filter(|held| held.is_in_force(now))
                .map(|held| held.document)
                .ok_or(failure),
        }
    }

    /// From disk, where anybody may have written; what has ended need not be verified.
    async fn load(&self, id: &DocumentId, now: Timestamp) -> Option<Held> {
        let cached = self.parts.disk.as_ref()?.load(id).await?;
        let is_in_force = cached.document.is_in_force(now);
        if let Err(error) = is_in_force
            .then(|| self.verify(&cached.document, now))
            .transpose()
        {
            tracing::warn!(document = %id, cause = %error, "cached endorsements are not authentic; they are fetched anew");
            return None;
        }
        Some(Held {
            document: Arc::new(cached.document),
            fetched: cached.fetched,
        })
    }

    fn verify(&self, document: &Document, now: Timestamp) -> Result<(), EndorsedError> {
        let Some(verifier) = &self.parts.verifier else {
            return Ok(());
        };
        match (document.id(), document.content()) {
            (_, Content::Intel(endorsements)) => {
                verifier.verify_intel_endorsements(endorsements, now)
            }
            (DocumentId::AmdVcek { product, vcek }, Content::Certificate(der)) => {
                let chain = self.chain_at_hand(*product);
                verifier.verify_vcek(*product, vcek, der, &chain, now)
            }
            (DocumentId::AmdChain { product, .. }, Content::Chain(chain)) => {
                verifier.verify_amd_chain(*product, chain, now)
            }
            (DocumentId::AmdCrl { product, .. }, Content::Crl(der)) => {
                verifier.verify_amd_list(*product, der, now)
            }
            // `Document::new` lets no other pair be.
            _ => Ok(()),
        }
    }

    /// The chain that was had last, verified; empty where there is none.
    fn chain_at_hand(&self, product: SnpProduct) -> Vec<Vec<u8>> {
        let signer = SnpSigner::Vcek;
        let slots = lock(&self.slots);
        let slot = slots.get(&DocumentId::AmdChain { product, signer });
        let held = slot.and_then(|slot| slot.held());
        match held.as_ref().map(|held| held.document.content()) {
            Some(Content::Chain(chain)) => chain.clone(),
            _ => Vec::new(),
        }
    }

    async fn fetch_unless_quiet(
        &self,
        id: &DocumentId,
        slot: &Slot,
        flight: &mut Flight,
        now: Timestamp,
    ) -> Result<Arc<Document>, SourceFailure> {
        if let Some(failure) = flight.refusal_at(now) {
            return Err(failure);
        }
        match self.fetch(id, now).await {
            Ok(given) => {
                *flight = Flight::landed();
                Ok(self.keep(slot, given, now).await)
            }
            Err(failures) => {
                failures.report();
                Err(flight.fail(failures, now))
            }
        }
    }

    /// From the first source that gives it.
    async fn fetch(&self, id: &DocumentId, now: Timestamp) -> Result<Given, Failures> {
        // Never closed, so that a failure to acquire cannot come.
        let _permit = self.fetches.acquire().await;
        let mut errors = Vec::new();
        for source in self.parts.sources.iter().filter(|source| source.serves(id)) {
            let given = source.give(&self.parts.client, id, now).await;
            match given.and_then(|given| self.verified(given, now)) {
                Ok(given) => return Ok(given),
                Err(error) => errors.push(error),
            }
        }
        let none = || {
            let document = id.clone();
            Failures::one(id.clone(), FetchError::NoSource { document })
        };
        Err(Failures::all(id.clone(), errors).unwrap_or_else(none))
    }

    fn verified(&self, given: Given, now: Timestamp) -> Result<Given, FetchError> {
        match self.verify(&given.document, now) {
            Ok(()) => Ok(given),
            Err(source) => Err(FetchError::NotAuthentic {
                at: given.at,
                source,
            }),
        }
    }

    async fn keep(&self, slot: &Slot, given: Given, now: Timestamp) -> Arc<Document> {
        let document = Arc::new(given.document);
        if let (Some(disk), Origin::Network) = (&self.parts.disk, given.origin) {
            let cached = Cached {
                document: (*document).clone(),
                fetched: now,
            };
            disk.store(cached).await;
        }
        slot.hold(Some(Held {
            document: Arc::clone(&document),
            fetched: now,
        }));
        document
    }
}

impl Slot {
    fn held(&self) -> Option<Held> {
        lock(&self.held).clone()
    }

    fn hold(&self, held: Option<Held>) {
        *lock(&self.held) = held;
    }
}

impl Held {
    fn is_in_force(&self, now: Timestamp) -> bool {
        self.document.is_in_force(now)
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        let lasts = match self.document.id() {
            DocumentId::AmdVcek { .. } => true,
            // An authority may get another key, so that its chain is one of these.
            DocumentId::Intel(_) | DocumentId::AmdCrl { .. } | DocumentId::AmdChain { .. } => {
                now.since(self.fetched) < FRESH
            }
        };
        lasts && self.is_in_force(now)
    }
}

impl Flight {
    /// After a fetch that succeeded.
    const fn landed() -> Self {
        Self {
            disk_was_read: true,
            failures: 0,
            refusal: None,
        }
    }

    fn refusal_at(&self, now: Timestamp) -> Option<SourceFailure> {
        let refusal = self.refusal.as_ref()?;
        let quiet = refusal.quiet_until.since(now);
        (quiet.0 > 0).then(|| refusal.failures.failure(quiet))
    }

    fn fail(&mut self, failures: Failures, now: Timestamp) -> SourceFailure {
        let quiet = quiet_span(self.failures, Some(failures.retry_after()));
        let failure = failures.failure(quiet);
        self.failures = self.failures.saturating_add(1);
        self.refusal = Some(Refusal {
            failures,
            quiet_until: now.plus(quiet),
        });
        failure
    }
}

/// A lock that is never held across a panic's path leaves its value whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const FRESH: Seconds = Seconds(24 * 60 * 60);
const MAX_FETCHES: usize = 8;
