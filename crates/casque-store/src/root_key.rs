//! The root key, and the first of its sources: a file that only this user can read.
//!
//! The file holds the 32 raw bytes and nothing else. Whoever has it and the database has every secret: keep it
//! on another volume than the database and its backups. A file protects against the loss of a disk or a backup
//! of the database alone, not against the machine's administrator.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use casque_types::{Rng, RngError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::error::SealFailure;
use crate::files::sync_parent;
use crate::record::{DataKey, KEY_BYTES, KeyVersion};

/// Where the root key comes from.
pub trait RootKeySource {
    /// The key of an existing database.
    ///
    /// # Errors
    /// [`RootKeyError`] when there is none, or when it is not kept well.
    fn load(&self) -> Result<RootKey, RootKeyError>;

    /// The key for a new database: the one that is there, or else a new one, kept before this returns.
    ///
    /// # Errors
    /// [`RootKeyError`] when it cannot be kept, or when the one that is there is not kept well.
    fn load_or_make(&self, rng: &dyn Rng) -> Result<RootKey, RootKeyError>;
}

/// 32 bytes that open everything else; wiped on drop.
pub struct RootKey(Zeroizing<[u8; KEY_BYTES]>);

impl RootKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// The key that wraps namespace keys.
    pub(crate) fn wrapping_key(&self) -> Result<DataKey, SealFailure> {
        DataKey::new(ROOT_KEY_VERSION, &self.0)
    }

    /// The key that authenticates the store's state.
    pub(crate) fn state_key(&self) -> hmac::Key {
        let root = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        let derived = hmac::sign(&root, STATE_KEY_LABEL);
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(32 bytes)")
    }
}

/// A root key in a file of mode 0600, made at first use.
#[derive(Clone, Debug)]
pub struct RootKeyFile {
    path: PathBuf,
}

impl RootKeyFile {
    /// The key in the file at `path`.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn make(&self, rng: &dyn Rng) -> Result<RootKey, RootKeyError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        rng.fill(bytes.as_mut_slice()).map_err(RootKeyError::Rng)?;
        self.keep(&bytes).map_err(|source| RootKeyError::NotMade {
            path: self.path.clone(),
            source,
        })?;
        Ok(RootKey(bytes))
    }

    fn keep(&self, bytes: &[u8; KEY_BYTES]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        sync_parent(&self.path)
    }

    fn read(&self, mut file: File) -> Result<RootKey, RootKeyError> {
        let path = || self.path.clone();
        let unreadable = |source| RootKeyError::Unreadable {
            path: path(),
            source,
        };
        let metadata = file.metadata().map_err(unreadable)?;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(RootKeyError::OpenToOthers { path: path(), mode });
        }
        let ours = rustix::process::geteuid().as_raw();
        if metadata.uid() != ours {
            return Err(RootKeyError::NotOurs {
                path: path(),
                owner: metadata.uid(),
                ours,
            });
        }
        if !metadata.is_file() || metadata.len() != KEY_FILE_BYTES {
            return Err(RootKeyError::Length {
                path: path(),
                found_bytes: metadata.len(),
            });
        }
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        file.read_exact(bytes.as_mut_slice()).map_err(unreadable)?;
        Ok(RootKey(bytes))
    }

    fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }
}

impl RootKeySource for RootKeyFile {
    fn load(&self) -> Result<RootKey, RootKeyError> {
        match self.open() {
            Ok(file) => self.read(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RootKeyError::Absent {
                path: self.path.clone(),
            }),
            Err(source) => Err(RootKeyError::Unreadable {
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn load_or_make(&self, rng: &dyn Rng) -> Result<RootKey, RootKeyError> {
        match self.load() {
            Err(RootKeyError::Absent { .. }) => self.make(rng),
            other => other,
        }
    }
}

impl AsRef<Path> for RootKeyFile {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// Why there is no root key.
#[derive(Debug, Error)]
pub enum RootKeyError {
    /// There is a database, but not its key.
    #[error(
        "the root key file `{path}` is missing, and there is a database that needs it: restore the file from its backup"
    )]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// Group or others have a right on the file.
    #[error(
        "the root key file `{path}` has mode {mode:04o}, expected 0600: run `chmod 600` on it, and replace the key if others were able to read it"
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to somebody else.
    #[error(
        "the root key file `{path}` belongs to user {owner}, expected user {ours}: run `chown {ours}` on it, or start as its owner"
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Our effective user id.
        ours: u32,
    },
    /// Not a regular file of 32 bytes.
    #[error(
        "the root key file `{path}` has {found_bytes} bytes, expected a regular file of exactly 32: restore it from its backup, or remove it if there is no database yet"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        found_bytes: u64,
    },
    /// The file is there and cannot be read.
    #[error(
        "the root key file `{path}` cannot be read: it must be readable by the user that runs the server"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's own error.
        #[source]
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("the root key file `{path}` cannot be made: its directory must exist and be writable")]
    NotMade {
        /// The file.
        path: PathBuf,
        /// The operating system's own error.
        #[source]
        source: io::Error,
    },
    /// No randomness for a new key.
    #[error(transparent)]
    Rng(RngError),
}

const ROOT_KEY_VERSION: KeyVersion = KeyVersion(1);
const KEY_FILE_BYTES: u64 = 32;
const STATE_KEY_LABEL: &[u8] = b"casque-store state key 1";

#[cfg(test)]
mod tests;
