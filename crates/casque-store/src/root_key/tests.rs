//! Root key files: made once, refused when they are not kept well.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use assert_matches::assert_matches;
use tempfile::TempDir;

use super::*;
use crate::support::CountedRng;

/// A directory with a root key file in it.
fn made() -> (TempDir, RootKeyFile, RootKey) {
    let directory = TempDir::new().unwrap();
    let file = RootKeyFile::new(directory.path().join("root.key"));
    let key = file.load_or_make(&CountedRng::default()).unwrap();
    (directory, file, key)
}

#[test]
fn root_key_file_made_is_private_and_loads_again() {
    let (_directory, file, key) = made();
    let metadata = fs::metadata(&file.path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert_eq!(metadata.len(), 32);
    assert_eq!(file.load().unwrap().0, key.0);
    let again = file.load_or_make(&CountedRng::default()).unwrap();
    assert_eq!(again.0, key.0);
}

#[test]
fn root_key_file_missing_is_absent() {
    let (_directory, file, _) = made();
    fs::remove_file(&file.path).unwrap();
    assert_matches!(file.load(), Err(RootKeyError::Absent { .. }));
}

#[test]
fn root_key_file_readable_by_group_is_refused_with_its_mode() {
    let (_directory, file, _) = made();
    fs::set_permissions(&file.path, Permissions::from_mode(0o640)).unwrap();
    assert_matches!(
        file.load_or_make(&CountedRng::default()),
        Err(RootKeyError::OpenToOthers { mode: 0o640, .. })
    );
}

#[test]
fn root_key_file_cut_short_is_refused_with_its_length() {
    let (_directory, file, _) = made();
    fs::write(&file.path, [1; 31]).unwrap();
    assert_matches!(
        file.load_or_make(&CountedRng::default()),
        Err(RootKeyError::Length {
            found_bytes: 31,
            ..
        })
    );
}

#[test]
fn root_key_file_with_a_newline_is_refused_with_its_length() {
    let (_directory, file, _) = made();
    fs::write(&file.path, [1; 33]).unwrap();
    assert_matches!(
        file.load(),
        Err(RootKeyError::Length {
            found_bytes: 33,
            ..
        })
    );
}

#[test]
fn root_key_file_of_another_user_is_refused_with_both_ids() {
    let (_directory, file, _) = made();
    if !rustix::process::geteuid().is_root() {
        // Only root can give a file away.
        return;
    }
    std::os::unix::fs::chown(&file.path, Some(12_345), None).unwrap();
    assert_matches!(
        file.load(),
        Err(RootKeyError::NotOurs {
            owner: 12_345,
            ours: 0,
            ..
        })
    );
}

#[test]
fn root_key_file_in_no_directory_is_not_made() {
    let file = RootKeyFile::new(PathBuf::from("/nonexistent/root.key"));
    assert_matches!(
        file.load_or_make(&CountedRng::default()),
        Err(RootKeyError::NotMade { .. })
    );
}
