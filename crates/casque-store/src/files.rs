//! The store's directory, its lock and its database file, for the eyes of this user alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::OpenError;

/// Whether a database was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was.
    Existing,
    /// The file was made now, and is empty.
    New,
}

/// The store's directory, locked for this process until it is dropped.
#[derive(Debug)]
pub(crate) struct OwnedDirectory {
    directory: PathBuf,
    /// The lock is released when the file is closed.
    _lock: File,
}

impl OwnedDirectory {
    /// Makes the directory (mode 0700) if it is not there, and takes its lock.
    pub(crate) fn take(directory: PathBuf) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|source| unusable(&directory, source))?;
        let path = directory.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| unusable(&path, source))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                directory,
                _lock: lock,
            }),
            Err(Errno::WOULDBLOCK) => Err(OpenError::InUse { directory }),
            Err(error) => Err(unusable(&path, error.into())),
        }
    }

    /// Where the database stands.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join(DATABASE_FILE)
    }

    /// Makes the database file (mode 0600, empty) if it is not there; SQLite gives its side files the same mode.
    pub(crate) fn make_database(&self) -> Result<(), OpenError> {
        let path = self.database();
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Ok(_) => sync_parent(&path).map_err(|source| unusable(&path, source)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(source) => Err(unusable(&path, source)),
        }
    }

    /// Whether there is a database that holds anything; an empty file is left behind by a crash at first start.
    pub(crate) fn look(&self) -> Result<Found, OpenError> {
        let path = self.database();
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.len() > 0 => Ok(Found::Existing),
            Ok(_) => Ok(Found::New),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::New),
            Err(source) => Err(unusable(&path, source)),
        }
    }
}

/// Makes a new name in the directory of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn unusable(path: &Path, source: io::Error) -> OpenError {
    OpenError::File {
        path: path.to_owned(),
        source,
    }
}

const LOCK_FILE: &str = "casque.lock";
const DATABASE_FILE: &str = "casque.db";
