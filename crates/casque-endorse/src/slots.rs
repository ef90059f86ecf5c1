//! The places of documents in memory, and which of them make room.
//!
//! Whose id is in evidence that nobody has verified is a stranger. Its place is passing: at most 1024 of
//! those are remembered, with what failed, and the older half of them makes room for others. A place is kept
//! once its document can no stranger's be:
//! - the vendor's lists and chains, and Intel's documents, which are verified, and of which a vendor has few;
//! - the certificate of a processor under which an appraisal succeeded. That it is AMD's proves nothing: AMD
//!   has one for each level of each processor, and whoever knows one processor's id can ask for them all.
//!
//! Strangers take no place from what is kept, so that a flood of them evicts nothing that is in use. What is
//! kept makes room for other such things alone, that which was used least recently.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use casque_core::SourceFailure;
use casque_types::{Seconds, Timestamp};
use tokio::sync::OnceCell;

use crate::document::Document;
use crate::document_id::DocumentId;
use crate::failure::{Failures, FetchError};
use crate::pace::{QUIET_MOST, quiet_span};

/// The places of one vendor's documents.
#[derive(Debug)]
pub(crate) struct Slots {
    by_id: Mutex<HashMap<DocumentId, Arc<Slot>>>,
    /// How many are kept.
    limit: usize,
    /// Counts uses, to know which was the latest.
    uses: AtomicU64,
}

/// The place of one document.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Guarded for a moment, never across an await.
    held: Mutex<Option<Held>>,
    /// Whether the disk was read.
    pub(crate) loaded: OnceCell<()>,
    /// Held by whoever fetches.
    pub(crate) flight: tokio::sync::Mutex<Flight>,
    used: AtomicU64,
    is_kept: AtomicBool,
}

/// A document in memory.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) document: Arc<Document>,
    pub(crate) fetched: Timestamp,
    /// Not, where it had ended before it was read from disk: it is there for the failure's text alone.
    pub(crate) is_verified: bool,
    /// Whether it is no stranger's.
    pub(crate) is_proved: bool,
    pub(crate) home: Home,
}

/// Where a document is beside memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// Nowhere.
    Memory,
    /// In the cache's directory.
    Disk,
    /// In a bundle.
    Bundle,
}

/// What was tried so far.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    failures: u32,
    refusal: Option<Refusal>,
}

/// A failure that is not tried again before `quiet_until`.
#[derive(Debug)]
struct Refusal {
    failures: Failures,
    quiet_until: Timestamp,
    /// Whether no source was waited for longer than what was at hand allowed.
    in_haste: bool,
}

impl Slots {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by_id: Mutex::default(),
            limit,
            uses: AtomicU64::new(0),
        }
    }

    /// The slot of `id`, made if it is not there.
    pub(crate) fn slot(&self, id: &DocumentId) -> Result<Arc<Slot>, FetchError> {
        let mut slots = lock(&self.by_id);
        let use_number = self.uses.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = slots.get(id) {
            slot.used.store(use_number, Ordering::Relaxed);
            return Ok(Arc::clone(slot));
        }
        self.make_room(&mut slots)?;
        let slot = Arc::<Slot>::default();
        slot.used.store(use_number, Ordering::Relaxed);
        slots.insert(id.clone(), Arc::clone(&slot));
        Ok(slot)
    }

    /// The slot of `id`, if there is one; not counted as a use.
    pub(crate) fn get(&self, id: &DocumentId) -> Option<Arc<Slot>> {
        lock(&self.by_id).get(id).cloned()
    }

    /// Drops a slot that its caller alone uses, and that holds nothing.
    pub(crate) fn forget(&self, id: &DocumentId, slot: &Arc<Slot>) {
        let mut slots = lock(&self.by_id);
        if Arc::strong_count(slot) == USED_BY_ONE && lock(&slot.held).is_none() {
            slots.remove(id);
        }
    }

    /// How many are passing and how many are kept.
    pub(crate) fn counts(&self) -> (usize, usize) {
        counts(&lock(&self.by_id))
    }

    fn make_room(&self, slots: &mut HashMap<DocumentId, Arc<Slot>>) -> Result<(), FetchError> {
        if slots.len() < self.limit.min(MAX_PASSING) {
            return Ok(());
        }
        let (passing, kept) = counts(slots);
        remove_oldest(slots, true, kept.saturating_sub(self.limit));
        if passing < MAX_PASSING {
            return Ok(());
        }
        match remove_oldest(slots, false, MAX_PASSING / 2) {
            0 => Err(FetchError::Busy { waiting: passing }),
            _ => Ok(()),
        }
    }
}

fn counts(slots: &HashMap<DocumentId, Arc<Slot>>) -> (usize, usize) {
    let kept = slots.values().filter(|slot| slot.is_kept()).count();
    (slots.len().saturating_sub(kept), kept)
}

/// Removes so many of those that nobody waits for; says how many there were.
fn remove_oldest(
    slots: &mut HashMap<DocumentId, Arc<Slot>>,
    is_kept: bool,
    number: usize,
) -> usize {
    if number == 0 {
        return 0;
    }
    let idle = slots
        .iter()
        .filter(|(_, slot)| slot.is_kept() == is_kept && Arc::strong_count(slot) == 1);
    let mut by_use: Vec<(u64, DocumentId)> = idle
        .map(|(id, slot)| (slot.used.load(Ordering::Relaxed), id.clone()))
        .collect();
    by_use.sort_unstable_by_key(|(used, _)| *used);
    by_use.truncate(number);
    for (_, id) in &by_use {
        slots.remove(id);
    }
    by_use.len()
}

impl Slot {
    pub(crate) fn held(&self) -> Option<Held> {
        lock(&self.held).clone()
    }

    pub(crate) fn in_force(&self, now: Timestamp) -> Option<Held> {
        self.held().filter(|held| held.is_in_force(now))
    }

    pub(crate) fn hold(&self, held: Held) {
        let mut place = lock(&self.held);
        self.is_kept.store(held.is_proved, Ordering::Relaxed);
        *place = Some(held);
    }

    /// What is held is no stranger's; `None` if that was known, or nothing is.
    pub(crate) fn prove(&self) -> Option<Held> {
        let mut place = lock(&self.held);
        let held = place.as_mut().filter(|held| !held.is_proved)?;
        held.is_proved = true;
        let held = held.clone();
        self.is_kept.store(true, Ordering::Relaxed);
        Some(held)
    }

    pub(crate) fn written(&self) {
        if let Some(held) = lock(&self.held).as_mut() {
            held.home = Home::Disk;
        }
    }

    fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Relaxed)
    }
}

impl Held {
    pub(crate) fn is_in_force(&self, now: Timestamp) -> bool {
        self.is_verified && self.document.is_in_force(now)
    }

    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
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
    pub(crate) const fn landed() -> Self {
        Self {
            failures: 0,
            refusal: None,
        }
    }

    /// Why nobody is asked at `now`; `in_haste` is whether something is at hand meanwhile.
    pub(crate) fn refusal_at(&self, now: Timestamp, in_haste: bool) -> Option<SourceFailure> {
        let refusal = self.refusal.as_ref()?;
        let quiet = refusal.quiet_until.since(now);
        let counts = quiet.0 > 0 && (in_haste || !refusal.in_haste);
        counts.then(|| refusal.failures.failure(quiet))
    }

    /// The failure, remembered; but not that there were too many others.
    pub(crate) fn fail(
        &mut self,
        failures: Failures,
        now: Timestamp,
        in_haste: bool,
    ) -> SourceFailure {
        let asked = failures.retry_after();
        let quiet = match failures.is_unknown() {
            true => Seconds(quiet_span(self.failures, Some(asked)).0.max(QUIET_MOST.0)),
            false => quiet_span(self.failures, Some(asked)),
        };
        let failure = failures.failure(quiet);
        if failures.is_busy() {
            return failure;
        }
        self.failures = self.failures.saturating_add(1);
        self.refusal = Some(Refusal {
            failures,
            quiet_until: now.plus(quiet),
            in_haste,
        });
        failure
    }

    /// Whether nothing is remembered.
    pub(crate) const fn is_blank(&self) -> bool {
        self.refusal.is_none()
    }
}

/// A lock that is never held across a panic's path leaves its value whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const FRESH: Seconds = Seconds(24 * 60 * 60);
/// Some 2 kB each.
pub(crate) const MAX_PASSING: usize = 1024;
/// The map's own, and that one's.
const USED_BY_ONE: usize = 2;
