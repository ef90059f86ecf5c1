//! The source: from memory, from disk, or from the service, in this order.
//!
//! - What is in force is served; what is past its `nextUpdate` never is.
//! - What was fetched more than a day ago is fetched again, since Intel states new levels before the old
//!   statement ends. While that fails, what is still in force is served.
//! - One fetch at a time for each platform family and authority; whoever comes meanwhile waits for it, or
//!   is served what is in force.
//! - After a failure the service is left alone for a while: 10 s, doubled each time up to 5 min, or as long
//!   as it says (an hour at most).
//! - An id comes from a certificate that nobody has verified: the number of ids in memory and of fetches at
//!   a time is bounded.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use casque_appraise::{Endorsements, EndorsementsId, IntelEndorsements, IntelEndorsementsId};
use casque_core::{EndorsementSource, SourceFailure};
use casque_types::{Seconds, Timestamp};
use reqwest::Client;
use tokio::sync::Semaphore;

use crate::cache::{Cached, DiskCache};
use crate::failure::FetchError;
use crate::fetch::fetch;
use crate::settings::Service;
use crate::{EndorserSettings, EndorserSetupError, http};

/// Intel's PCS, or a PCCS, with a cache in memory and on disk.
#[derive(Debug)]
pub struct IntelPcs {
    client: Client,
    service: Service,
    disk: DiskCache,
    slots: Mutex<HashMap<IntelEndorsementsId, Arc<Slot>>>,
    fetches: Semaphore,
}

/// The place of one platform family and authority.
#[derive(Debug, Default)]
struct Slot {
    /// Guarded for a moment, never across an await.
    held: Mutex<Option<Held>>,
    /// Held by whoever fetches.
    flight: tokio::sync::Mutex<Flight>,
}

#[derive(Clone, Debug)]
struct Held {
    endorsements: Arc<IntelEndorsements>,
    fetched: Timestamp,
    from: Timestamp,
    until: Timestamp,
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
    error: FetchError,
    quiet_until: Timestamp,
}

impl IntelPcs {
    /// Sets the source up; asks nobody yet.
    ///
    /// # Errors
    /// [`EndorserSetupError`] when the base URL, the CA file or the cache directory is not usable.
    pub fn new(settings: EndorserSettings) -> Result<Self, EndorserSetupError> {
        let service = Service::parse(settings.base_url.as_deref())?;
        let client = http::client(settings.ca_file.as_deref())?;
        let directory = settings.cache_directory;
        fs::create_dir_all(&directory).map_err(|source| EndorserSetupError::CacheDirectory {
            path: directory.clone(),
            source,
        })?;
        Ok(Self {
            client,
            service,
            disk: DiskCache::new(directory),
            slots: Mutex::default(),
            fetches: Semaphore::new(MAX_FETCHES),
        })
    }

    /// The slot of `id`; makes room among those that hold nothing and that nobody waits for.
    fn slot(&self, id: IntelEndorsementsId) -> Result<Arc<Slot>, FetchError> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(&id) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= MAX_SLOTS {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.held().is_some());
        }
        if slots.len() >= MAX_SLOTS {
            return Err(FetchError::Busy { limit: MAX_SLOTS });
        }
        let slot = Arc::<Slot>::default();
        slots.insert(id, Arc::clone(&slot));
        Ok(slot)
    }

    /// Called by the one who holds the flight.
    async fn renew(
        &self,
        id: IntelEndorsementsId,
        slot: &Slot,
        flight: &mut Flight,
        now: Timestamp,
    ) -> Result<Arc<IntelEndorsements>, SourceFailure> {
        if !flight.disk_was_read {
            flight.disk_was_read = true;
            let cached = self.disk.load(id).await;
            slot.hold(cached.and_then(Held::new));
        }
        // Somebody else may have fetched while this one waited.
        if let Some(held) = slot.held().filter(|held| held.is_fresh(now)) {
            return Ok(held.endorsements);
        }
        match self.fetch_unless_quiet(id, slot, flight, now).await {
            Ok(endorsements) => Ok(endorsements),
            Err(failure) => slot
                .held()
                .filter(|held| held.is_in_force(now))
                .map(|held| held.endorsements)
                .ok_or(failure),
        }
    }

    async fn fetch_unless_quiet(
        &self,
        id: IntelEndorsementsId,
        slot: &Slot,
        flight: &mut Flight,
        now: Timestamp,
    ) -> Result<Arc<IntelEndorsements>, SourceFailure> {
        if let Some(failure) = flight.refusal_at(now) {
            return Err(failure);
        }
        let fetched = {
            // Never closed, so that a failure to acquire cannot come.
            let _permit = self.fetches.acquire().await;
            fetch(&self.client, &self.service, id, now).await
        };
        match fetched {
            Ok(endorsements) => {
                *flight = Flight::landed();
                Ok(self.keep(id, slot, endorsements, now).await)
            }
            Err(error) => {
                tracing::warn!(code = error.code(), cause = %error, "endorsements cannot be fetched");
                Err(flight.fail(error, now))
            }
        }
    }

    async fn keep(
        &self,
        id: IntelEndorsementsId,
        slot: &Slot,
        endorsements: IntelEndorsements,
        now: Timestamp,
    ) -> Arc<IntelEndorsements> {
        let cached = Cached {
            endorsements,
            fetched: now,
        };
        self.disk.store(id, &cached).await;
        let endorsements = Arc::new(cached.endorsements);
        slot.hold(Held::of(Arc::clone(&endorsements), now));
        endorsements
    }
}

impl EndorsementSource for IntelPcs {
    async fn endorsements(
        &self,
        id: &EndorsementsId,
        now: Timestamp,
    ) -> Result<Endorsements, SourceFailure> {
        match id {
            EndorsementsId::Intel(id) => Ok(Endorsements {
                intel: Some(self.sgx(*id, now).await?),
                amd: None,
            }),
            EndorsementsId::Amd(_) => Ok(Endorsements::default()),
        }
    }
}

impl IntelPcs {
    /// Intel's endorsements alone.
    ///
    /// # Errors
    /// As [`EndorsementSource::endorsements`].
    pub async fn sgx(
        &self,
        id: IntelEndorsementsId,
        now: Timestamp,
    ) -> Result<Arc<IntelEndorsements>, SourceFailure> {
        let slot = (self.slot(id)).map_err(|busy| busy.failure(QUIET_FIRST))?;
        let in_force = slot.held().filter(|held| held.is_in_force(now));
        let mut flight = match (in_force, slot.flight.try_lock()) {
            (Some(held), _) if held.is_fresh(now) => return Ok(held.endorsements),
            (Some(held), Err(_)) => return Ok(held.endorsements),
            (None, Err(_)) => slot.flight.lock().await,
            (_, Ok(flight)) => flight,
        };
        self.renew(id, &slot, &mut flight, now).await
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
    fn new(cached: Cached) -> Option<Self> {
        Self::of(Arc::new(cached.endorsements), cached.fetched)
    }

    /// `None` if the documents state no dates.
    fn of(endorsements: Arc<IntelEndorsements>, fetched: Timestamp) -> Option<Self> {
        let validity = endorsements.validity().ok()?;
        Some(Self {
            endorsements,
            fetched,
            from: validity.from,
            until: validity.until,
        })
    }

    fn is_in_force(&self, now: Timestamp) -> bool {
        (self.from..=self.until).contains(&now)
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.is_in_force(now) && now.since(self.fetched) < FRESH
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
        (quiet.0 > 0).then(|| refusal.error.failure(quiet))
    }

    fn fail(&mut self, error: FetchError, now: Timestamp) -> SourceFailure {
        let factor = 2_u64.saturating_pow(self.failures);
        let doubled = QUIET_FIRST.0.saturating_mul(factor).min(QUIET_MOST.0);
        let asked = error
            .retry_after()
            .map_or(0, |span| span.0.min(QUIET_MOST_ASKED.0));
        let quiet = Seconds(doubled.max(asked));
        let failure = error.failure(quiet);
        self.failures = self.failures.saturating_add(1);
        self.refusal = Some(Refusal {
            error,
            quiet_until: now.plus(quiet),
        });
        failure
    }
}

/// A lock that is never held across a panic's path leaves its value whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const FRESH: Seconds = Seconds(24 * 60 * 60);
const QUIET_FIRST: Seconds = Seconds(10);
const QUIET_MOST: Seconds = Seconds(300);
const QUIET_MOST_ASKED: Seconds = Seconds(3600);
const MAX_SLOTS: usize = 256;
const MAX_FETCHES: usize = 8;
