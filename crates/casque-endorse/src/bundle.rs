//! Documents for machines without a network: one file, or a directory with a manifest.
//!
//! The file, and the directory's `manifest.json`, are JSON: `{"version":1,"documents":[…]}` with one
//! [entry](crate::entry) for each document, in the order of kind and subject; the same documents make the
//! same bytes. Nobody signs a bundle: appraisals verify each document, so whoever makes it can withhold
//! documents, and nothing more.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::document::Document;
use crate::entry::Entry;
use crate::json;

/// Why a bundle cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BundleError {
    /// The operating system says no.
    #[error("`{}` cannot be read: {kind}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What it says.
        kind: io::ErrorKind,
    },
    /// It holds something else.
    #[error("`{}` is no bundle of endorsements, or damaged: expected {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What should have stood there.
        expected: &'static str,
    },
    /// It is longer than accepted.
    #[error("`{}` is longer than {limit_bytes} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: u64,
    },
}

/// A document, and the file that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundled {
    /// Where its bytes are.
    pub file: PathBuf,
    /// The document.
    pub document: Document,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    documents: Vec<Entry>,
}

/// All documents of a bundle, which is a file or a directory with a manifest.
///
/// # Errors
/// [`BundleError`] names the first file that is absent, damaged or too long.
pub fn read_bundle(path: &Path) -> Result<Vec<Bundled>, BundleError> {
    let manifest_path = manifest_of(path);
    let manifest = read_manifest(&manifest_path)?;
    let directory = manifest_path.parent().unwrap_or(Path::new(""));
    let mut left_bytes = MAX_BUNDLE_BYTES;
    let mut all = Vec::with_capacity(manifest.documents.len());
    for entry in &manifest.documents {
        all.push(read_entry(
            entry,
            &manifest_path,
            directory,
            &mut left_bytes,
        )?);
    }
    Ok(all)
}

/// The file that says what the bundle holds.
pub(crate) fn manifest_of(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join(MANIFEST),
        false => path.to_owned(),
    }
}

fn read_manifest(path: &Path) -> Result<Manifest, BundleError> {
    let bytes = read_bounded(path, MAX_BUNDLE_BYTES)?;
    let malformed = |expected| BundleError::Malformed {
        path: path.to_owned(),
        expected,
    };
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|_| malformed("JSON with `version` and `documents`"))?;
    if manifest.version != VERSION {
        return Err(malformed("`version` 1"));
    }
    if manifest.documents.len() > MAX_DOCUMENTS {
        return Err(malformed("at most 4096 documents"));
    }
    Ok(manifest)
}

fn read_entry(
    entry: &Entry,
    manifest: &Path,
    directory: &Path,
    left_bytes: &mut u64,
) -> Result<Bundled, BundleError> {
    let file = match &entry.file {
        None => manifest.to_owned(),
        Some(name) if is_plain(name) => directory.join(name),
        Some(_) => {
            return Err(BundleError::Malformed {
                path: manifest.to_owned(),
                expected: "`file` to be the name of a file in the same directory",
            });
        }
    };
    let document = match &entry.file {
        None => entry.document(),
        Some(_) => {
            let bytes = read_bounded(&file, (*left_bytes).min(MAX_DOCUMENT_BYTES))?;
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            *left_bytes = left_bytes.saturating_sub(length);
            entry.document_of(&bytes)
        }
    };
    match document {
        Ok(document) => Ok(Bundled { file, document }),
        Err(expected) => Err(BundleError::Malformed {
            path: file,
            expected,
        }),
    }
}

/// A name that leads nowhere else.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

pub(crate) fn read_bounded(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, BundleError> {
    let failed = |error: io::Error| BundleError::Read {
        path: path.to_owned(),
        kind: error.kind(),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let mut file = file.take(limit_bytes.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit_bytes) {
        return Ok(bytes);
    }
    Err(BundleError::TooLong {
        path: path.to_owned(),
        limit_bytes,
    })
}

/// The bundle of these documents as one file's bytes; of two about the same thing the later one counts.
#[must_use]
pub fn bundle_file(documents: &[Document]) -> Vec<u8> {
    let documents = ordered(documents).map(Entry::whole).collect();
    json::pretty(&Manifest {
        version: VERSION,
        documents,
    })
}

/// Writes the bundle of these documents into a directory, which is made if it is not there; the manifest
/// comes last, so that what reads it meanwhile sees the old documents or the new ones.
///
/// # Errors
/// What the operating system says.
pub fn write_bundle_directory(directory: &Path, documents: &[Document]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut entries = Vec::new();
    for document in ordered(documents) {
        let (entry, name, bytes) = Entry::beside(document);
        replace(&directory.join(name), &bytes)?;
        entries.push(entry);
    }
    let manifest = Manifest {
        version: VERSION,
        documents: entries,
    };
    replace(&directory.join(MANIFEST), &json::pretty(&manifest))
}

/// Writes beside, then renames.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

fn ordered(documents: &[Document]) -> impl Iterator<Item = &Document> {
    let keyed = documents.iter().map(|document| {
        let id = document.id();
        ((id.kind(), id.subject()), document)
    });
    keyed.collect::<BTreeMap<_, _>>().into_values()
}

const MANIFEST: &str = "manifest.json";
const VERSION: u32 = 1;
const MAX_DOCUMENTS: usize = 4096;
const MAX_DOCUMENT_BYTES: u64 = 8 * 1024 * 1024;
const MAX_BUNDLE_BYTES: u64 = 64 * 1024 * 1024;
