use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use assert_matches::assert_matches;
use casque_secrets::{TemplateError, ValueParseError};
use casque_types::{ConfigurationFile, FileContent, FileMode};
use tempfile::TempDir;

use super::*;
use crate::place::{Placed, place_files};

fn template(path: &Path, mode: u32) -> ConfigurationFile {
    ConfigurationFile {
        path: path.to_str().unwrap().to_owned(),
        mode: FileMode::from_bits(mode).unwrap(),
        content: FileContent::Template,
    }
}

fn password() -> Vec<(SecretName, Secret)> {
    let value = SecretValue::Ascii(Secret::copied_from(b"hunter2"));
    vec![("password".parse().unwrap(), value.to_stored())]
}

/// A directory with a file of this text in it.
fn container(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("app.conf");
    fs::write(&path, text).unwrap();
    (root, path)
}

fn place(path: &Path) -> Result<Placed, PlaceError> {
    place_files(vec![template(path, 0o440)], password())
}

#[test]
fn template_file_is_filled_in_place_with_its_mode() {
    let (root, path) = container("p=$$SCONE::password$$\n");
    let placed = place(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "p=hunter2\n");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o440);
    assert_eq!(placed.unchanged, Vec::<PathBuf>::new());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn template_file_without_placeholder_is_named() {
    let (_root, path) = container("p=hunter2\n");
    assert_eq!(place(&path).unwrap().unchanged, [path]);
}

#[test]
fn template_file_that_is_absent_is_refused() {
    let (_root, path) = container("");
    fs::remove_file(&path).unwrap();
    assert_matches!(place(&path), Err(PlaceError::NoTemplate { path: found }) if found == path);
}

#[test]
fn template_file_that_is_a_link_or_no_file_is_refused() {
    let (root, path) = container("$$SCONE::password$$");
    let link = root.path().join("link");
    symlink(&path, &link).unwrap();
    assert_matches!(place(&link), Err(PlaceError::SymbolicLink { .. }));
    // Opening does not follow it either, should it come later than the first look.
    let secrets = TemplateSecrets::default();
    assert_matches!(secrets.fill(&link), Err(PlaceError::SymbolicLink { .. }));
    let refused = TemplateSecrets::default().fill(Path::new("/dev/null"));
    assert_matches!(refused, Err(PlaceError::NotRegular { .. }));
    let refused = TemplateSecrets::default().fill(root.path());
    assert_matches!(refused, Err(PlaceError::NotRegular { .. }));
}

#[test]
fn template_file_that_cannot_be_filled_in_stays_as_it_is() {
    let text = "a\nb=$$SCONE::pasword$$";
    let (root, path) = container(text);
    let refused = place(&path).unwrap_err();
    assert_matches!(&refused, PlaceError::Template { source: TemplateError::Unknown { place, .. }, .. } => {
        assert_eq!(place.to_string(), "2:3");
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn template_file_that_is_too_large_is_refused() {
    let (_root, path) = container("");
    let length = u64::try_from(MAX_TEMPLATE_BYTES).unwrap() + 1;
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length)
        .unwrap();
    assert_matches!(place(&path), Err(PlaceError::TemplateTooLarge { .. }));
}

#[test]
fn template_secret_that_cannot_be_read_is_named() {
    let damaged = vec![("password".parse().unwrap(), Secret::new(vec![9]))];
    let refused = place_files(Vec::new(), damaged);
    assert_matches!(refused, Err(PlaceError::Secret { name, source }) => {
        assert_eq!(name.as_str(), "password");
        assert_eq!(source, ValueParseError::Version { found: 9 });
    });
}
