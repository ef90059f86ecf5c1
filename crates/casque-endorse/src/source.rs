//! Who gives documents: a bundle on this machine, or services in the network, asked in the operator's order.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use casque_types::{Seconds, Timestamp};
use reqwest::Client;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use crate::amd;
use crate::bundle::{BundleError, Bundled, manifest_of, read_bundle};
use crate::document::Document;
use crate::document_id::DocumentId;
use crate::failure::FetchError;
use crate::http::{self, Answer};
use crate::intel;
use crate::keeper::lock;

/// One source.
#[derive(Debug)]
pub(crate) enum Source {
    Bundle(BundleSource),
    Service(Service),
}

/// A service, and the pace at which it is asked.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) place: Place,
    pace: Pace,
}

/// What a service's paths are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Intel's PCS, a PCCS, or a cache with the same paths.
    Pcs {
        /// Without a slash at its end.
        base: String,
        /// The root's revocation list: Intel keeps it apart, everybody else beside the rest.
        root_crl: String,
    },
    /// AMD's key distribution service, or a cache with the same paths.
    Kds { base: String },
    /// Azure's cache of certificates of AMD's processors.
    AzureVcek { base: String },
}

impl Place {
    pub(crate) fn base(&self) -> &str {
        match self {
            Self::Pcs { base, .. } | Self::Kds { base } | Self::AzureVcek { base } => base,
        }
    }
}

/// What a source gave.
pub(crate) struct Given {
    pub(crate) document: Document,
    /// For people: the service's base URL, or the file.
    pub(crate) at: String,
    pub(crate) origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is on this machine anyway.
    Bundle,
    Network,
}

impl Source {
    /// Whether this kind of source gives this kind of document at all.
    pub(crate) const fn serves(&self, id: &DocumentId) -> bool {
        let Self::Service(service) = self else {
            return true;
        };
        matches!(
            (&service.place, id),
            (Place::Pcs { .. }, DocumentId::Intel(_))
                | (Place::AzureVcek { .. }, DocumentId::AmdVcek { .. })
                | (
                    Place::Kds { .. },
                    DocumentId::AmdVcek { .. }
                        | DocumentId::AmdChain { .. }
                        | DocumentId::AmdCrl { .. }
                )
        )
    }

    /// The document, in force at `now`.
    pub(crate) async fn give(
        &self,
        client: &Client,
        id: &DocumentId,
        now: Timestamp,
    ) -> Result<Given, FetchError> {
        match self {
            Self::Bundle(bundle) => bundle.give(id, now).await,
            Self::Service(service) => service.give(client, id, now).await,
        }
    }
}

impl Service {
    pub(crate) const fn new(place: Place, spacing: Duration) -> Self {
        Self {
            place,
            pace: Pace::new(spacing),
        }
    }

    async fn give(
        &self,
        client: &Client,
        id: &DocumentId,
        now: Timestamp,
    ) -> Result<Given, FetchError> {
        if let Some(again) = self.pace.quiet_at(now) {
            let base = self.place.base().to_owned();
            return Err(FetchError::Quiet { base, again });
        }
        let asker = Asker {
            client,
            pace: &self.pace,
        };
        let document = match id {
            DocumentId::Intel(id) => intel::fetch(&asker, &self.place, *id).await,
            _ => amd::fetch(&asker, &self.place, id).await,
        };
        match &document {
            Err(error) if error.is_throttled() => self.pace.throttled(error.retry_after(), now),
            Ok(_) => self.pace.answered(),
            Err(_) => {}
        }
        let document = document?;
        expect_in_force(&document, self.place.base(), now)?;
        Ok(Given {
            document,
            at: self.place.base().to_owned(),
            origin: Origin::Network,
        })
    }
}

/// Asks one service, at its pace.
pub(crate) struct Asker<'a> {
    client: &'a Client,
    pace: &'a Pace,
}

impl Asker<'_> {
    pub(crate) async fn get(&self, url: &str) -> Result<Answer, FetchError> {
        self.pace.turn().await;
        http::get(self.client, url, MAX_BODY_BYTES).await
    }
}

fn expect_in_force(document: &Document, url: &str, now: Timestamp) -> Result<(), FetchError> {
    let validity = document.validity();
    let url = url.to_owned();
    if now < validity.from {
        let from = validity.from;
        return Err(FetchError::NotYetValid { url, from, now });
    }
    if now > validity.until {
        return Err(FetchError::Expired {
            url,
            document: validity.ends.clone(),
            until: validity.until,
            now,
        });
    }
    Ok(())
}

/// How often a service is asked.
#[derive(Debug)]
struct Pace {
    /// Between the beginnings of two requests.
    spacing: Duration,
    /// When the next may begin.
    next: tokio::sync::Mutex<Option<Instant>>,
    quiet: Mutex<Quiet>,
}

#[derive(Debug)]
struct Quiet {
    until: Timestamp,
    times: u32,
}

impl Pace {
    const fn new(spacing: Duration) -> Self {
        Self {
            spacing,
            next: tokio::sync::Mutex::const_new(None),
            quiet: Mutex::new(Quiet {
                until: Timestamp::from_unix_s(0),
                times: 0,
            }),
        }
    }

    /// Waits until it is this request's turn: first come, first served.
    async fn turn(&self) {
        if self.spacing.is_zero() {
            return;
        }
        let mut next = self.next.lock().await;
        if let Some(at) = *next {
            sleep_until(at).await;
        }
        *next = Instant::now().checked_add(self.spacing);
    }

    fn quiet_at(&self, now: Timestamp) -> Option<Seconds> {
        let left = lock(&self.quiet).until.since(now);
        (left.0 > 0).then_some(left)
    }

    fn throttled(&self, asked: Option<Seconds>, now: Timestamp) {
        let mut quiet = lock(&self.quiet);
        let span = quiet_span(quiet.times, asked);
        quiet.times = quiet.times.saturating_add(1);
        quiet.until = quiet.until.max(now.plus(span));
    }

    fn answered(&self) {
        lock(&self.quiet).times = 0;
    }
}

/// How long nobody is asked after so many failures: 10 s, doubled each time up to 5 min, or as long as was
/// asked for, an hour at most.
pub(crate) fn quiet_span(failures_before: u32, asked: Option<Seconds>) -> Seconds {
    let factor = 2_u64.saturating_pow(failures_before);
    let doubled = QUIET_FIRST.0.saturating_mul(factor).min(QUIET_MOST.0);
    let asked = asked.map_or(0, |span| span.0.min(QUIET_MOST_ASKED.0));
    Seconds(doubled.max(asked))
}

pub(crate) const QUIET_FIRST: Seconds = Seconds(10);
const QUIET_MOST: Seconds = Seconds(300);
const QUIET_MOST_ASKED: Seconds = Seconds(3600);
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A mounted bundle, read again when it changes.
#[derive(Debug)]
pub(crate) struct BundleSource {
    path: PathBuf,
    loaded: Arc<Mutex<Option<Loaded>>>,
}

/// What was read, and what the manifest looked like then.
#[derive(Clone, Debug)]
struct Loaded {
    stamp: (Option<SystemTime>, u64),
    documents: Arc<HashMap<DocumentId, Bundled>>,
}

impl BundleSource {
    /// Reads it once, so that a bundle that is none is found when a program starts.
    pub(crate) fn open(path: PathBuf) -> Result<Self, BundleError> {
        let source = Self {
            path,
            loaded: Arc::default(),
        };
        documents(&source.path, &source.loaded)?;
        Ok(source)
    }

    async fn give(&self, id: &DocumentId, now: Timestamp) -> Result<Given, FetchError> {
        let (path, loaded) = (self.path.clone(), Arc::clone(&self.loaded));
        let read = spawn_blocking(move || documents(&path, &loaded)).await;
        let documents = read.map_err(|_| BundleError::Read {
            path: self.path.clone(),
            kind: std::io::ErrorKind::Other,
        })??;
        let bundled = documents.get(id).ok_or_else(|| FetchError::BundleLacks {
            bundle: self.path.clone(),
            document: id.clone(),
        })?;
        let (file, validity) = (bundled.file.clone(), bundled.document.validity());
        if now < validity.from {
            let from = validity.from;
            return Err(FetchError::BundleNotYetValid { file, from, now });
        }
        if now > validity.until {
            return Err(FetchError::BundleExpired {
                file,
                document: validity.ends.clone(),
                until: validity.until,
                now,
            });
        }
        Ok(Given {
            document: bundled.document.clone(),
            at: file.display().to_string(),
            origin: Origin::Bundle,
        })
    }
}

fn documents(
    path: &std::path::Path,
    loaded: &Mutex<Option<Loaded>>,
) -> Result<Arc<HashMap<DocumentId, Bundled>>, BundleError> {
    let manifest = manifest_of(path);
    let metadata = fs::metadata(&manifest).map_err(|error| BundleError::Read {
        path: manifest,
        kind: error.kind(),
    })?;
    let stamp = (metadata.modified().ok(), metadata.len());
    let mut loaded = lock(loaded);
    if let Some(same) = loaded.as_ref().filter(|loaded| loaded.stamp == stamp) {
        return Ok(Arc::clone(&same.documents));
    }
    let all = read_bundle(path)?.into_iter();
    let documents = all.map(|bundled| (bundled.document.id().clone(), bundled));
    let documents = Arc::new(documents.collect::<HashMap<_, _>>());
    *loaded = Some(Loaded {
        stamp,
        documents: Arc::clone(&documents),
    });
    Ok(documents)
}
