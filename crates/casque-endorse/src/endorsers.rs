//! The one source of endorsements of a program.

use std::fs;
use std::sync::Arc;

use casque_appraise::{
    AmdEndorsements, AmdEndorsementsId, Appraiser, Endorsements, EndorsementsId, IntelEndorsements,
    IntelEndorsementsId, TrustAnchors,
};
use casque_core::{EndorsementSource, SourceFailure};
use casque_types::Timestamp;

use crate::disk::DiskCache;
use crate::document::{Content, Document};
use crate::document_id::{DocumentId, Vendor};
use crate::failure::{Failures, FetchError};
use crate::keeper::{EndorserCounts, Keeper, Parts};
use crate::pace::QUIET_FIRST;
use crate::source::{BundleSource, Source};
use crate::{EndorserSettings, EndorserSetupError, http, settings};

/// Intel's and AMD's endorsements: from memory, from disk, from a bundle, from services.
#[derive(Debug)]
pub struct Endorsers {
    intel: Keeper,
    amd: Keeper,
}

impl Endorsers {
    /// Sets the sources up; reads the bundle, and asks nobody yet. What comes is verified under these roots.
    ///
    /// # Errors
    /// [`EndorserSetupError`] when a source, the CA file, the bundle or the cache directory is not usable.
    pub fn new(
        settings: &EndorserSettings,
        anchors: &TrustAnchors,
    ) -> Result<Self, EndorserSetupError> {
        Self::with(settings, Some(&Arc::new(Appraiser::new(anchors.clone()))))
    }

    /// The same, and what comes is taken as it is: for documents under roots that this program does not know.
    ///
    /// # Errors
    /// As [`Endorsers::new`].
    pub fn dangerous_unverified(settings: &EndorserSettings) -> Result<Self, EndorserSetupError> {
        Self::with(settings, None)
    }

    fn with(
        settings: &EndorserSettings,
        verifier: Option<&Arc<Appraiser>>,
    ) -> Result<Self, EndorserSetupError> {
        let client = http::client(settings.ca_file.as_deref())?;
        let disk = disk_of(settings)?;
        let keeper = |services: Vec<Source>, limit| {
            let mut sources = Vec::new();
            if let Some(path) = &settings.bundle {
                sources.push(Source::Bundle(BundleSource::open(path.clone())?));
            }
            sources.extend(services);
            let parts = Parts {
                client: client.clone(),
                sources: sources.into(),
                disk: disk.clone(),
                verifier: verifier.cloned(),
                patience: settings.refresh_patience,
            };
            Ok::<_, EndorserSetupError>(Keeper::new(parts, limit))
        };
        Ok(Self {
            intel: keeper(settings::intel_services(settings)?, MAX_INTEL)?,
            amd: keeper(settings::amd_services(settings)?, MAX_AMD)?,
        })
    }

    /// One document, in force at `now`.
    ///
    /// # Errors
    /// [`SourceFailure`] when none is at hand and none can be fetched: it names each source that was tried
    /// and what came of it.
    pub async fn document(
        &self,
        id: &DocumentId,
        now: Timestamp,
    ) -> Result<Arc<Document>, SourceFailure> {
        match id.vendor() {
            Vendor::Intel => self.intel.document(id, now).await,
            Vendor::Amd => self.amd.document(id, now).await,
        }
    }

    /// Intel's endorsements alone.
    ///
    /// # Errors
    /// As [`Endorsers::document`].
    pub async fn intel(
        &self,
        id: IntelEndorsementsId,
        now: Timestamp,
    ) -> Result<Arc<IntelEndorsements>, SourceFailure> {
        let id = DocumentId::Intel(id);
        let document = self.intel.document(&id, now).await?;
        match document.content() {
            Content::Intel(endorsements) => Ok(Arc::clone(endorsements)),
            // Never: a document of Intel's has no other content.
            Content::Certificate(_) | Content::Chain(_) | Content::Crl(_) => {
                let error = FetchError::NoSource {
                    document: id.clone(),
                };
                Err(Failures::one(id, error).failure(QUIET_FIRST))
            }
        }
    }

    /// AMD's endorsements alone: the revocation list must be had, and the certificate if it is asked for.
    /// Without a chain those that are built into the appraisal count.
    ///
    /// # Errors
    /// As [`Endorsers::document`].
    pub async fn amd(
        &self,
        id: &AmdEndorsementsId,
        now: Timestamp,
    ) -> Result<Arc<AmdEndorsements>, SourceFailure> {
        let (product, signer) = (id.product, id.signer);
        let chain = DocumentId::AmdChain { product, signer };
        let list = DocumentId::AmdCrl { product, signer };
        let (chain, list) = tokio::join!(self.document(&chain, now), self.document(&list, now));
        let list = list?;
        // The certificate last: it is verified by the chain.
        let vcek = match DocumentId::vcek_of(id) {
            None => None,
            Some(vcek) => Some(self.document(&vcek, now).await?),
        };
        let mut endorsements = AmdEndorsements::default();
        for document in chain.into_iter().chain([list]).chain(vcek) {
            match document.content() {
                Content::Certificate(der) => endorsements.vcek = Some(der.clone()),
                Content::Crl(der) => endorsements.crl = Some(der.clone()),
                Content::Chain(chain) => endorsements.chain.clone_from(chain),
                Content::Intel(_) => {}
            }
        }
        Ok(Arc::new(endorsements))
    }
}

impl Endorsers {
    /// What became of fetches so far: Intel's, then AMD's.
    #[must_use]
    pub fn counts(&self) -> (EndorserCounts, EndorserCounts) {
        (self.intel.counts(), self.amd.counts())
    }
}

impl EndorsementSource for Endorsers {
    async fn endorsements(
        &self,
        id: &EndorsementsId,
        now: Timestamp,
    ) -> Result<Endorsements, SourceFailure> {
        Ok(match id {
            EndorsementsId::Intel(id) => Endorsements {
                intel: Some(self.intel(*id, now).await?),
                amd: None,
            },
            EndorsementsId::Amd(id) => Endorsements {
                intel: None,
                amd: Some(self.amd(id, now).await?),
            },
        })
    }

    async fn proved(&self, id: &EndorsementsId) {
        if let EndorsementsId::Amd(id) = id
            && let Some(vcek) = DocumentId::vcek_of(id)
        {
            self.amd.proved(&vcek).await;
        }
    }
}

fn disk_of(settings: &EndorserSettings) -> Result<Option<DiskCache>, EndorserSetupError> {
    let Some(directory) = &settings.cache_directory else {
        return Ok(None);
    };
    fs::create_dir_all(directory).map_err(|source| EndorserSetupError::CacheDirectory {
        path: directory.clone(),
        source,
    })?;
    Ok(Some(DiskCache::new(directory.clone())))
}

/// Families of platforms times two authorities: some 100 kB each.
const MAX_INTEL: usize = 256;
/// Processors times levels: some 2 kB each.
const MAX_AMD: usize = 4096;
