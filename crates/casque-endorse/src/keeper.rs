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
//! - While a document in force is fetched again, nobody else waits, and who fetches waits a few seconds.
//! - An id comes from evidence that nobody has verified: what is fetched for strangers at a time, what is
//!   remembered of it (module `slots`), and the number of files on disk is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use casque_appraise::{Appraiser, EndorsedError};
use casque_core::SourceFailure;
use casque_types::{SnpProduct, SnpSigner, Timestamp};
use reqwest::Client;
use tokio::sync::Semaphore;

use crate::disk::{Cached, DiskCache};
use crate::document::{Content, Document};
use crate::document_id::DocumentId;
use crate::failure::{Failures, FetchError, Outlived};
use crate::pace::QUIET_FIRST;
use crate::slots::{Flight, Held, Home, Slot, Slots};
use crate::source::{Errand, Given, Origin, Source};

/// The documents of one vendor.
#[derive(Debug)]
pub(crate) struct Keeper {
    parts: Parts,
    slots: Slots,
    /// Of what is at hand.
    refreshes: Semaphore,
    tally: Tally,
}

/// What a keeper works with.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) sources: Arc<[Source]>,
    pub(crate) disk: Option<DiskCache>,
    /// Who verifies what comes; `None` keeps it unverified.
    pub(crate) verifier: Option<Arc<Appraiser>>,
    /// How long each source is waited for while something is at hand.
    pub(crate) patience: Duration,
}

#[derive(Debug, Default)]
struct Tally {
    fetched: AtomicU64,
    unknown: AtomicU64,
    busy: AtomicU64,
    failed: AtomicU64,
}

/// What became of fetches since a program started, and what is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndorserCounts {
    /// Fetches that gave a document.
    pub fetched: u64,
    /// Fetches that were answered with "unknown platform" by each source.
    pub unknown: u64,
    /// Requests that were refused since too many unknown platforms were asked for.
    pub busy: u64,
    /// Fetches that failed otherwise.
    pub failed: u64,
    /// Documents in memory that stay there.
    pub kept: usize,
    /// What is remembered of platforms that nothing has proved: bounded, and forgotten first.
    pub passing: usize,
}

impl Keeper {
    /// Keeps at most `limit` documents in memory, and what is remembered of strangers.
    pub(crate) fn new(parts: Parts, limit: usize) -> Self {
        Self {
            parts,
            slots: Slots::new(limit),
            refreshes: Semaphore::new(MAX_REFRESHES),
            tally: Tally::default(),
        }
    }

    /// The document, in force at `now`.
    pub(crate) async fn document(
        &self,
        id: &DocumentId,
        now: Timestamp,
    ) -> Result<Arc<Document>, SourceFailure> {
        let slot = self.slots.slot(id).map_err(|busy| {
            self.tally.busy.fetch_add(1, Ordering::Relaxed);
            Failures::one(id.clone(), busy).failure(QUIET_FIRST)
        })?;
        let found = self.document_in(&slot, id, now).await;
        if found.is_err() && slot.flight.try_lock().is_ok_and(|flight| flight.is_blank()) {
            self.slots.forget(id, &slot);
        }
        found
    }

    async fn document_in(
        &self,
        slot: &Slot,
        id: &DocumentId,
        now: Timestamp,
    ) -> Result<Arc<Document>, SourceFailure> {
        slot.loaded
            .get_or_init(async || self.load(slot, id, now).await)
            .await;
        let mut flight = match (slot.in_force(now), slot.flight.try_lock()) {
            (Some(held), _) if held.is_fresh(now) => return Ok(held.document),
            (Some(held), Err(_)) => return Ok(held.document),
            (None, Err(_)) => slot.flight.lock().await,
            (_, Ok(flight)) => flight,
        };
        // Somebody else may have fetched while this one waited.
        let at_hand = slot.in_force(now);
        if let Some(held) = at_hand.as_ref().filter(|held| held.is_fresh(now)) {
            return Ok(Arc::clone(&held.document));
        }
        let fetched = self
            .fetch_unless_quiet(id, slot, &mut flight, at_hand.is_some(), now)
            .await;
        match (fetched, at_hand) {
            (Err(_), Some(held)) => Ok(held.document),
            (fetched, _) => fetched,
        }
    }

    /// The document that is held of `id` is no stranger's: an appraisal under it succeeded.
    pub(crate) async fn proved(&self, id: &DocumentId) {
        let Some(slot) = self.slots.get(id) else {
            return;
        };
        if let Some(held) = slot.prove()
            && held.home == Home::Memory
        {
            self.write(&slot, &held.document, held.fetched).await;
        }
    }

    pub(crate) fn counts(&self) -> EndorserCounts {
        let (passing, kept) = self.slots.counts();
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        EndorserCounts {
            fetched: read(&self.tally.fetched),
            unknown: read(&self.tally.unknown),
            busy: read(&self.tally.busy),
            failed: read(&self.tally.failed),
            kept,
            passing,
        }
    }

    /// From disk, where anybody may have written; what has ended is not verified, and never served.
    async fn load(&self, slot: &Slot, id: &DocumentId, now: Timestamp) {
        let Some(disk) = &self.parts.disk else { return };
        let Some(cached) = disk.load(id).await else {
            return;
        };
        let has_ended = cached.document.validity().until < now;
        if !has_ended && let Err(error) = self.verify(&cached.document, now) {
            tracing::warn!(document = %id, cause = %error, "cached endorsements are not authentic; they are fetched anew");
            return;
        }
        slot.hold(Held {
            document: Arc::new(cached.document),
            fetched: cached.fetched,
            is_verified: !has_ended,
            // No stranger's is written.
            is_proved: true,
            home: Home::Disk,
        });
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
        let slot = self.slots.get(&DocumentId::AmdChain { product, signer });
        let held = slot.and_then(|slot| slot.held());
        let held = held.filter(|held| held.is_verified);
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
        in_haste: bool,
        now: Timestamp,
    ) -> Result<Arc<Document>, SourceFailure> {
        if let Some(failure) = flight.refusal_at(now, in_haste) {
            return Err(failure);
        }
        let held = slot.held();
        let errand = Errand {
            id,
            now,
            patience: in_haste.then_some(self.parts.patience),
            is_stranger: held.is_none() && id.is_named_by_evidence(),
        };
        match self.fetch(errand).await {
            Ok(given) => {
                self.tally.fetched.fetch_add(1, Ordering::Relaxed);
                *flight = Flight::landed();
                Ok(self.keep(slot, given, now).await)
            }
            Err(failures) => {
                let failures =
                    failures.of_outlived(held.and_then(|held| self.outlived(&held, now)));
                self.count(&failures);
                failures.report();
                Err(flight.fail(failures, now, in_haste))
            }
        }
    }

    fn count(&self, failures: &Failures) {
        let count = match failures {
            failures if failures.is_busy() => &self.tally.busy,
            failures if failures.is_unknown() => &self.tally.unknown,
            _ => &self.tally.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// What was had, and has ended.
    fn outlived(&self, held: &Held, now: Timestamp) -> Option<Outlived> {
        let (document, validity) = (&held.document, held.document.validity());
        let file = match held.home {
            // The source itself says it.
            Home::Bundle => return None,
            Home::Memory => None,
            Home::Disk => self.parts.disk.as_ref(),
        };
        (validity.until < now).then(|| Outlived {
            document: validity.ends.clone(),
            file: file.map(|disk| disk.path(document.id())),
            until: validity.until,
            now,
        })
    }

    /// From the first source that gives it.
    async fn fetch(&self, errand: Errand<'_>) -> Result<Given, Failures> {
        let one = |error| Failures::one(errand.id.clone(), error);
        let _permit = match errand.patience {
            None => None,
            Some(_) => Some(self.refreshes.try_acquire().map_err(|_| {
                one(FetchError::Busy {
                    waiting: MAX_REFRESHES,
                })
            })?),
        };
        let mut errors = Vec::new();
        let sources = self.parts.sources.iter();
        for source in sources.filter(|source| source.serves(errand.id)) {
            let given = source.give(&self.parts.client, errand).await;
            match given.and_then(|given| self.verified(given, errand.now)) {
                Ok(given) => return Ok(given),
                Err(error) => errors.push(error),
            }
        }
        let none = || {
            let document = errand.id.clone();
            one(FetchError::NoSource { document })
        };
        Err(Failures::all(errand.id.clone(), errors).unwrap_or_else(none))
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

    /// On disk too, unless it is on this machine anyway, or a stranger's.
    async fn keep(&self, slot: &Slot, given: Given, now: Timestamp) -> Arc<Document> {
        let document = Arc::new(given.document);
        let is_proved = !document.id().is_of_one_processor();
        let home = match given.origin {
            Origin::Bundle => Home::Bundle,
            Origin::Network => Home::Memory,
        };
        slot.hold(Held {
            document: Arc::clone(&document),
            fetched: now,
            is_verified: true,
            is_proved,
            home,
        });
        if is_proved && home == Home::Memory {
            self.write(slot, &document, now).await;
        }
        document
    }

    async fn write(&self, slot: &Slot, document: &Arc<Document>, fetched: Timestamp) {
        let Some(disk) = &self.parts.disk else { return };
        let cached = Cached {
            document: (**document).clone(),
            fetched,
        };
        if disk.store(cached).await {
            slot.written();
        }
    }
}

const MAX_REFRESHES: usize = 8;
