//! Documents on disk, so that a restart need not ask again.
//!
//! One file for each, `<kind>-<subject>.json`, replaced whole (written beside, then renamed): JSON with
//! `version`, `fetched` (seconds since 1970) and `document`, an [entry](crate::entry) with its bytes. Not
//! trusted: read as from outside, dated and verified anew. A file that is damaged, of
//! another version, or past its life counts as absent. At most 4096 files; the oldest make room.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use casque_types::Timestamp;
use tokio::task::spawn_blocking;

use crate::bundle::{BundleError, Bundled, manifest_of, read_bounded, read_bundle, replace};
use crate::document::Document;
use crate::document_id::DocumentId;

/// A document, and when it was fetched.
#[derive(Clone, Debug)]
pub(crate) struct Cached {
    pub(crate) document: Document,
    pub(crate) fetched: Timestamp,
}

/// Where the files are.
#[derive(Clone, Debug)]
pub(crate) struct DiskCache {
    directory: PathBuf,
}

impl DiskCache {
    pub(crate) const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// What is kept for `id`, if it can be read and is about that.
    pub(crate) async fn load(&self, id: &DocumentId) -> Option<Cached> {
        let (path, id) = (self.path(id), id.clone());
        // A task that panics counts as a file that cannot be read.
        spawn_blocking(move || load(&path, &id)).await.ok()?
    }

    /// Keeps it, and says whether it could; a failure is reported and does no harm.
    pub(crate) async fn store(&self, cached: Cached) -> bool {
        let (path, directory) = (self.path(cached.document.id()), self.directory.clone());
        let stored = spawn_blocking(move || {
            let written = replace(&path, &raw::Stored::render(&cached));
            (path, written.and_then(|()| make_room(&directory)))
        });
        match stored.await {
            Ok((_, Ok(()))) => true,
            Ok((path, Err(error))) => {
                let (file, cause) = (path.display(), error.kind());
                tracing::warn!(%file, %cause, "endorsements cannot be kept; a restart will fetch them again");
                false
            }
            // A task that panics.
            Err(_) => false,
        }
    }

    /// Where it is kept.
    pub(crate) fn path(&self, id: &DocumentId) -> PathBuf {
        self.directory.join(format!("{}.json", id.file_stem()))
    }
}

fn load(path: &Path, id: &DocumentId) -> Option<Cached> {
    match read_cached(path) {
        Ok(cached) if cached.document.id() == id => Some(cached),
        Err(BundleError::Read {
            kind: io::ErrorKind::NotFound,
            ..
        }) => None,
        Ok(_) | Err(_) => {
            let file = path.display();
            tracing::warn!(%file, "cached endorsements cannot be read or are damaged; they are fetched anew");
            None
        }
    }
}

fn read_cached(path: &Path) -> Result<Cached, BundleError> {
    let bytes = read_bounded(path, MAX_FILE_BYTES)?;
    raw::Stored::parse(&bytes).ok_or_else(|| BundleError::Malformed {
        path: path.to_owned(),
        expected: "a file of the cache of endorsements",
    })
}

/// Documents in a directory, and files there that hold none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that can be read.
    pub documents: Vec<Bundled>,
    /// Why others cannot.
    pub damaged: Vec<BundleError>,
}

/// The documents of a bundle, file or directory, or of a server's cache directory.
///
/// # Errors
/// [`BundleError`] when it is a bundle of which a part cannot be read, or cannot be read at all. In a cache
/// directory damaged files are left out, as a server does.
pub fn read_documents(path: &Path) -> Result<Found, BundleError> {
    if path.is_dir() && !manifest_of(path).is_file() {
        return read_cache_directory(path);
    }
    Ok(Found {
        documents: read_bundle(path)?,
        damaged: Vec::new(),
    })
}

/// All documents in a server's cache directory that can be read; and the files that cannot.
///
/// # Errors
/// [`BundleError::Read`] when the directory itself cannot be read.
pub fn read_cache_directory(directory: &Path) -> Result<Found, BundleError> {
    let files = files_in(directory).map_err(|error| BundleError::Read {
        path: directory.to_owned(),
        kind: error.kind(),
    })?;
    let mut found = Found::default();
    for (_, file) in files {
        match read_cached(&file) {
            Ok(cached) => found.documents.push(Bundled {
                file,
                document: cached.document,
            }),
            Err(error) => found.damaged.push(error),
        }
    }
    Ok(found)
}

/// The oldest go.
fn make_room(directory: &Path) -> io::Result<()> {
    let files = files_in(directory)?;
    let surplus = files.len().saturating_sub(MAX_FILES);
    let mut by_age = files;
    by_age.sort();
    by_age
        .iter()
        .take(surplus)
        .try_for_each(|(_, file)| fs::remove_file(file))
}

/// With the time of their last change, in the order of their names.
fn files_in(directory: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push((entry.metadata()?.modified()?, path));
        }
    }
    files.sort_by(|(_, left), (_, right)| left.cmp(right));
    Ok(files)
}

const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
const MAX_FILES: usize = 4096;

/// The file's JSON.
mod raw {
    use casque_types::Timestamp;
    use serde::{Deserialize, Serialize};

    use super::Cached;
    use crate::entry::Entry;
    use crate::json;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Stored {
        version: u32,
        fetched: u64,
        document: Entry,
    }

    impl Stored {
        pub(super) fn parse(bytes: &[u8]) -> Option<Cached> {
            let stored: Self = serde_json::from_slice(bytes).ok()?;
            if stored.version != VERSION {
                return None;
            }
            Some(Cached {
                fetched: Timestamp::from_unix_s(stored.fetched),
                document: stored.document.document().ok()?,
            })
        }

        pub(super) fn render(cached: &Cached) -> Vec<u8> {
            json::pretty(&Self {
                version: VERSION,
                fetched: cached.fetched.as_unix_s(),
                document: Entry::whole(&cached.document),
            })
        }
    }

    const VERSION: u32 = 2;
}
