//! The state folder: keys and certificates that outlive a restart, and `up.json`, which tells others where a
//! running local world is. All of it is readable by its owner alone.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A folder of this program's own, made with mode 0700.
#[derive(Clone, Debug)]
pub struct StateDirectory(PathBuf);

/// A file of the state folder could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl StateDirectory {
    /// Opens the folder; makes it, and those above it, when they are not there.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be made.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .and_then(|()| fs::canonicalize(path));
        made.map(Self).map_err(|source| FileError {
            action: "make the folder",
            path: path.to_owned(),
            source,
        })
    }

    /// The folder.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The content of a file, or `None` when it is not there.
    ///
    /// # Errors
    /// [`FileError`] when it is there and cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError {
                action: "read",
                path,
                source,
            }),
        }
    }

    /// Writes a file with mode 0600, whole or not at all.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), FileError> {
        let path = self.path(name);
        let fresh = self.path(&format!("{name}.new"));
        let written = write_private(&fresh, content).and_then(|()| fs::rename(&fresh, &path));
        written.map_err(|source| FileError {
            action: "write",
            path,
            source,
        })
    }

    /// Removes a file; one that is not there is no failure.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), FileError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(FileError {
                action: "remove",
                path,
                source,
            }),
            _ => Ok(()),
        }
    }
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
