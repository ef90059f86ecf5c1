//! Files that are replaced as a whole: written beside, made durable, renamed; readable by the owner alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Keeps other runs of the program from changing a file until dropped.
#[derive(Debug)]
pub(crate) struct FileLock(#[expect(dead_code, reason = "its drop unlocks")] File);

/// Waits until no other run changes `path`, and makes its folder if there is none.
pub(crate) fn lock(path: &Path) -> io::Result<FileLock> {
    if let Some(folder) = folder_of(path) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let file = owner_only().truncate(false).open(beside(path, "lock"))?;
    file.lock()?;
    Ok(FileLock(file))
}

/// Replaces the content of `path`; a reader sees the old or the new one, also after a power cut.
pub(crate) fn replace(_lock: &FileLock, path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = beside(path, "new");
    let mut file = owner_only().truncate(true).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match folder_of(path) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Whether others than the owner may read or write `path`.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    Ok(mode & 0o077 != 0)
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

fn folder_of(path: &Path) -> Option<&Path> {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
