//! Endorsements on disk, so that a restart need not ask again.
//!
//! One file for each platform family and authority, `sgx-<fmspc>-<authority>.json`, replaced whole (written
//! beside, then renamed). Not trusted: read as from outside, dated anew, and verified by every appraisal.
//! A file that is damaged, of another version, or past its life counts as absent.

use std::io;
use std::path::{Path, PathBuf};

use casque_appraise::{IntelEndorsements, IntelEndorsementsId};
use casque_types::Timestamp;
use tokio::fs;
use tokio::io::AsyncReadExt as _;

/// Endorsements, and when they were fetched.
pub(crate) struct Cached {
    pub(crate) endorsements: IntelEndorsements,
    pub(crate) fetched: Timestamp,
}

/// Where the files are.
#[derive(Debug)]
pub(crate) struct DiskCache {
    directory: PathBuf,
}

impl DiskCache {
    pub(crate) const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// What is kept for `id`, if it can be read and is about that family.
    pub(crate) async fn load(&self, id: IntelEndorsementsId) -> Option<Cached> {
        let path = self.path(id);
        let bytes = match read_bounded(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                let (file, cause) = (path.display(), error.kind());
                tracing::warn!(%file, %cause, "cached endorsements cannot be read; they are fetched anew");
                return None;
            }
        };
        let cached =
            raw::Stored::parse(&bytes).filter(|cached| cached.endorsements.fmspc() == Ok(id.fmspc));
        if cached.is_none() {
            let file = path.display();
            tracing::warn!(%file, "cached endorsements are damaged; they are fetched anew");
        }
        cached
    }

    /// Keeps them; a failure is reported and does no harm.
    pub(crate) async fn store(&self, id: IntelEndorsementsId, cached: &Cached) {
        let path = self.path(id);
        if let Err(error) = self.replace(&path, cached).await {
            let (file, cause) = (path.display(), error.kind());
            tracing::warn!(%file, %cause, "endorsements cannot be kept; a restart will fetch them again");
        }
    }

    async fn replace(&self, path: &Path, cached: &Cached) -> io::Result<()> {
        // One flight for each id, and one process for each directory: no two writers of one file.
        let beside = path.with_extension("new");
        fs::write(&beside, raw::Stored::render(cached)?).await?;
        fs::rename(&beside, path).await
    }

    fn path(&self, id: IntelEndorsementsId) -> PathBuf {
        let fmspc = hex::encode(id.fmspc);
        let authority = id.authority.as_str();
        self.directory.join(format!("sgx-{fmspc}-{authority}.json"))
    }
}

async fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).await?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// The file's JSON.
mod raw {
    use casque_appraise::IntelEndorsements;
    use casque_types::Timestamp;
    use serde::{Deserialize, Serialize};
    use std::io;

    use super::Cached;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Stored {
        version: u32,
        fetched: u64,
        tcb_info_issuer_chain: String,
        tcb_info: String,
        tcb_info_signature: String,
        qe_identity_issuer_chain: String,
        qe_identity: String,
        qe_identity_signature: String,
        pck_crl_issuer_chain: String,
        pck_crl: String,
        root_ca_crl: String,
    }

    impl Stored {
        pub(super) fn parse(bytes: &[u8]) -> Option<Cached> {
            let stored: Self = serde_json::from_slice(bytes).ok()?;
            if stored.version != VERSION {
                return None;
            }
            Some(Cached {
                fetched: Timestamp::from_unix_s(stored.fetched),
                endorsements: IntelEndorsements {
                    tcb_info_issuer_chain: stored.tcb_info_issuer_chain,
                    tcb_info: stored.tcb_info,
                    tcb_info_signature: hex::decode(stored.tcb_info_signature).ok()?,
                    qe_identity_issuer_chain: stored.qe_identity_issuer_chain,
                    qe_identity: stored.qe_identity,
                    qe_identity_signature: hex::decode(stored.qe_identity_signature).ok()?,
                    pck_crl_issuer_chain: stored.pck_crl_issuer_chain,
                    pck_crl: hex::decode(stored.pck_crl).ok()?,
                    root_ca_crl: hex::decode(stored.root_ca_crl).ok()?,
                },
            })
        }

        pub(super) fn render(cached: &Cached) -> io::Result<Vec<u8>> {
            let of = &cached.endorsements;
            let stored = Self {
                version: VERSION,
                fetched: cached.fetched.as_unix_s(),
                tcb_info_issuer_chain: of.tcb_info_issuer_chain.clone(),
                tcb_info: of.tcb_info.clone(),
                tcb_info_signature: hex::encode(&of.tcb_info_signature),
                qe_identity_issuer_chain: of.qe_identity_issuer_chain.clone(),
                qe_identity: of.qe_identity.clone(),
                qe_identity_signature: hex::encode(&of.qe_identity_signature),
                pck_crl_issuer_chain: of.pck_crl_issuer_chain.clone(),
                pck_crl: hex::encode(&of.pck_crl),
                root_ca_crl: hex::encode(&of.root_ca_crl),
            };
            serde_json::to_vec(&stored).map_err(io::Error::from)
        }
    }

    const VERSION: u32 = 1;
}
