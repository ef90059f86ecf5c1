//! Who gives documents: a bundle on this machine, or services in the network, asked in the operator's order.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use casque_types::Timestamp;
use reqwest::Client;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::amd;
use crate::bundle::{BundleError, Bundled, manifest_of, read_bundle};
use crate::document::Document;
use crate::document_id::DocumentId;
use crate::failure::FetchError;
use crate::http::{self, Answer};
use crate::intel;
use crate::pace::Pace;
use crate::slots::lock;

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
    /// Places for those who wait for documents of platforms that nothing has proved.
    strangers: Semaphore,
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

/// What is asked for, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errand<'a> {
    pub(crate) id: &'a DocumentId,
    pub(crate) now: Timestamp,
    /// How long a service is waited for; `None` is as long as the exchange may take.
    pub(crate) patience: Option<Duration>,
    /// Whether the id comes from evidence that nobody has verified.
    pub(crate) is_stranger: bool,
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
        errand: Errand<'_>,
    ) -> Result<Given, FetchError> {
        match self {
            Self::Bundle(bundle) => bundle.give(errand.id, errand.now).await,
            Self::Service(service) => service.give(client, errand).await,
        }
    }
}

impl Service {
    pub(crate) const fn new(place: Place, spacing: Duration) -> Self {
        Self {
            place,
            pace: Pace::new(spacing),
            strangers: Semaphore::const_new(MAX_STRANGERS),
        }
    }

    async fn give(&self, client: &Client, errand: Errand<'_>) -> Result<Given, FetchError> {
        let now = errand.now;
        let asker = Asker {
            client,
            service: self,
            is_stranger: errand.is_stranger,
            now,
        };
        asker.expect_not_quiet()?;
        let _place = match errand.is_stranger {
            false => None,
            true => Some(self.strangers.try_acquire().map_err(|_| FetchError::Busy {
                waiting: MAX_STRANGERS,
            })?),
        };
        let document = self.ask(&asker, errand).await;
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

    async fn ask(&self, asker: &Asker<'_>, errand: Errand<'_>) -> Result<Document, FetchError> {
        let answered = async {
            match errand.id {
                DocumentId::Intel(id) => intel::fetch(asker, &self.place, *id).await,
                id => amd::fetch(asker, &self.place, id).await,
            }
        };
        let Some(patience) = errand.patience else {
            return answered.await;
        };
        let in_time = timeout(patience, answered).await;
        in_time.unwrap_or_else(|_| {
            Err(FetchError::Timeout {
                url: self.place.base().to_owned(),
                timeout: patience,
            })
        })
    }
}

/// Asks one service, at its pace.
pub(crate) struct Asker<'a> {
    client: &'a Client,
    service: &'a Service,
    is_stranger: bool,
    now: Timestamp,
}

impl Asker<'_> {
    pub(crate) async fn get(&self, url: &str) -> Result<Answer, FetchError> {
        self.service.pace.turn(self.is_stranger).await;
        // Whoever stood before this one may have been throttled.
        self.expect_not_quiet()?;
        http::get(self.client, url, MAX_BODY_BYTES).await
    }

    fn expect_not_quiet(&self) -> Result<(), FetchError> {
        let quiet = self.service.pace.quiet_at(self.now);
        quiet.map_or(Ok(()), |again| {
            let base = self.service.place.base().to_owned();
            Err(FetchError::Quiet { base, again })
        })
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

/// At one request a second none of them waits much longer than a client does.
const MAX_STRANGERS: usize = 16;
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
