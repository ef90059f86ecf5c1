//! The server's identity key in a file of mode 0600, made at first start.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use casque_secrets::{IdentityError, IdentityKey};
use casque_types::Secret;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why the server has no identity.
#[derive(Debug, Error)]
pub enum IdentityFileError {
    /// The file cannot be read or made.
    #[error("cannot read or make the identity key `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner can read or change the file.
    #[error("the identity key `{}` has mode {mode:o}, expected 600: run `chmod 600` on it, and if others could read it, move it away and let clients pin the new identity", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no identity key.
    #[error("the identity key `{}` is damaged; restore it from a backup, or move it away and let clients pin the new identity", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: IdentityError,
    },
}

/// Loads the identity key, or makes one. A half-written file cannot be left behind: the key is written
/// beside, made durable, and then linked into place.
pub(crate) fn load_or_make(path: &Path) -> Result<IdentityKey, IdentityFileError> {
    let io = |source| IdentityFileError::Io {
        path: path.to_owned(),
        source,
    };
    match File::open(path) {
        Ok(file) => load(path, file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = IdentityKey::generate().map_err(|source| IdentityFileError::Key {
                path: path.to_owned(),
                source,
            })?;
            write_new(path, key.pkcs8()).map_err(io)?;
            load(path, File::open(path).map_err(io)?)
        }
        Err(error) => Err(io(error)),
    }
}

fn load(path: &Path, file: File) -> Result<IdentityKey, IdentityFileError> {
    let io = |source| IdentityFileError::Io {
        path: path.to_owned(),
        source,
    };
    let mode = file.metadata().map_err(io)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityFileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    let mut der = Zeroizing::new(Vec::with_capacity(MOST_KEY_BYTES));
    file.take(u64::try_from(MOST_KEY_BYTES).unwrap_or(u64::MAX))
        .read_to_end(&mut der)
        .map_err(io)?;
    IdentityKey::from_pkcs8(&Secret::from(der)).map_err(|source| IdentityFileError::Key {
        path: path.to_owned(),
        source,
    })
}

fn write_new(path: &Path, key: &Secret) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    // the only place where the server's private key is written out
    file.write_all(key.expose())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

const MOST_KEY_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use assert_matches::assert_matches;

    use super::*;

    #[test]
    fn identity_made_once_is_the_same_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity.key");
        let made = load_or_make(&path).unwrap();
        let loaded = load_or_make(&path).unwrap();
        assert_eq!(made.key_hash(), loaded.key_hash());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn identity_readable_by_others_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity.key");
        load_or_make(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_matches!(
            load_or_make(&path),
            Err(IdentityFileError::Mode { mode: 0o640, .. })
        );
    }

    #[test]
    fn identity_damaged_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity.key");
        load_or_make(&path).unwrap();
        fs::write(&path, b"not a key").unwrap();
        assert_matches!(load_or_make(&path), Err(IdentityFileError::Key { .. }));
    }
}
