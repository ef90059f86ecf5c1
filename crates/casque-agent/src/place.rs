//! Placing files: whole, with exact modes, by rename within their folder.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use casque_types::ConfigurationFile;
use thiserror::Error;

/// Why a file is not placed.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// Its path is not absolute, goes upwards, or names no file.
    #[error("cannot place `{}`: expected an absolute path of a file without `..`; mend the injection file's `path` in the policy", path.display())]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// A symbolic link or a folder stands there.
    #[error("cannot place `{}`: a symbolic link or a folder stands there; remove it from the image", path.display())]
    Occupied {
        /// The path.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot place `{}`", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Places all files; those placed before a failure stay.
pub(crate) fn place(files: &[ConfigurationFile]) -> Result<(), PlaceError> {
    files.iter().try_for_each(place_one)
}

fn place_one(file: &ConfigurationFile) -> Result<(), PlaceError> {
    let path = Path::new(&file.path);
    let io = |source| PlaceError::Io {
        path: path.to_owned(),
        source,
    };
    let (folder, name) = parts(path)?;
    if let Ok(found) = fs::symlink_metadata(path)
        && !found.is_file()
    {
        return Err(PlaceError::Occupied {
            path: path.to_owned(),
        });
    }
    fs::create_dir_all(folder).map_err(io)?;
    let fresh = folder.join(format!(".{name}.casque-{}", std::process::id()));
    let written = write_new(&fresh, file).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // the half-written file holds a secret; the failure itself is told below
        drop(fs::remove_file(&fresh));
    }
    written.map_err(io)
}

fn parts(path: &Path) -> Result<(&Path, &str), PlaceError> {
    let refused = || PlaceError::Path {
        path: path.to_owned(),
    };
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain || path.as_os_str().to_string_lossy().ends_with('/') {
        return Err(refused());
    }
    let folder = path.parent().ok_or_else(refused)?;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(refused)?;
    Ok((folder, name))
}

fn write_new(fresh: &Path, file: &ConfigurationFile) -> io::Result<()> {
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(fresh)?;
    // what the policy wants the program to read
    out.write_all(file.content.expose())?;
    // after the content, and not through the mode of `open`, which the umask cuts
    out.set_permissions(Permissions::from_mode(file.mode.bits()))
}

#[cfg(test)]
mod tests {
    use assert_matches::assert_matches;
    use casque_types::{FileMode, Secret};

    use super::*;

    fn file(path: &Path, mode: u32) -> ConfigurationFile {
        ConfigurationFile {
            path: path.to_str().unwrap().to_owned(),
            mode: FileMode::from_bits(mode).unwrap(),
            content: Secret::copied_from(b"secret"),
        }
    }

    #[test]
    fn place_makes_folders_and_gives_exact_modes() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o400, 0o644, 0o777, 0o100] {
            let path = folder.path().join("a/b").join(format!("{mode:o}"));
            place(&[file(&path, mode)]).unwrap();
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
                mode
            );
        }
        let left = fs::read_dir(folder.path().join("a/b")).unwrap().count();
        assert_eq!(left, 4, "nothing temporary stays");
    }

    #[test]
    fn place_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "old and longer").unwrap();
        place(&[file(&path, 0o600)]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
    }

    #[test]
    fn place_refuses_paths_that_wander() {
        for path in ["relative", "/a/../b", "/", "/folder/"] {
            assert_matches!(
                place(&[file(Path::new(path), 0o600)]),
                Err(PlaceError::Path { .. })
            );
        }
    }

    #[test]
    fn place_refuses_a_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("link"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert_matches!(
            place(&[file(&path, 0o600)]),
            Err(PlaceError::Occupied { .. })
        );
        assert!(!target.exists());
    }

    #[test]
    fn place_in_a_file_as_folder_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "").unwrap();
        assert_matches!(
            place(&[file(&path.join("g"), 0o600)]),
            Err(PlaceError::Io { .. })
        );
    }
}
