use assert_matches::assert_matches;
use casque_types::{FileMode, Secret};
use tempfile::TempDir;

use super::*;

fn file(path: impl AsRef<Path>, mode: u32, content: &str) -> ConfigurationFile {
    ConfigurationFile {
        path: path.as_ref().to_str().unwrap().to_owned(),
        mode: FileMode::from_bits(mode).unwrap(),
        content: Secret::copied_from(content.as_bytes()).into(),
    }
}

fn placed(files: Vec<ConfigurationFile>) -> Result<Placed, PlaceError> {
    place_files(files, Vec::new())
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn placed_file_has_its_content_and_exact_mode() {
    let root = tempfile::tempdir().unwrap();
    let a = root.path().join("a");
    let deep = root.path().join("x/y/b");
    // Group and others may write: what any umask would take away.
    placed(vec![file(&a, 0o666, "one"), file(&deep, 0o400, "two")]).unwrap();
    assert_eq!(fs::read_to_string(&a).unwrap(), "one");
    assert_eq!(
        fs::metadata(&a).unwrap().permissions().mode() & 0o7777,
        0o666
    );
    assert_eq!(fs::read_to_string(&deep).unwrap(), "two");
    assert_eq!(
        fs::metadata(&deep).unwrap().permissions().mode() & 0o7777,
        0o400
    );
    assert_eq!(names(&root), ["a", "x"]);
}

#[test]
fn placed_file_replaces_the_one_that_is_there() {
    let root = tempfile::tempdir().unwrap();
    let a = root.path().join("a");
    fs::write(&a, "longer than before").unwrap();
    placed(vec![file(&a, 0o600, "new")]).unwrap();
    assert_eq!(fs::read_to_string(&a).unwrap(), "new");
}

#[test]
fn place_paths_that_lead_elsewhere_are_refused() {
    for path in [
        "a",
        "",
        "/",
        "/tmp/../etc/x",
        "/tmp/./x",
        "/tmp//x",
        "/tmp/x/",
        "./x",
    ] {
        let refused = placed(vec![file(path, 0o600, "")]);
        assert_matches!(refused, Err(PlaceError::Path { .. }), "{path:?}");
    }
}

#[test]
fn place_over_symbolic_link_is_refused_and_its_target_untouched() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    fs::write(&target, "old").unwrap();
    let link = root.path().join("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let refused = placed(vec![file(&link, 0o600, "new")]);
    assert_matches!(refused, Err(PlaceError::SymbolicLink { path }) if path == link);
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
}

#[test]
fn place_over_directory_or_twice_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let refused = placed(vec![file(root.path(), 0o600, "")]);
    assert_matches!(refused, Err(PlaceError::Directory { .. }));
    let a = root.path().join("a");
    let refused = placed(vec![file(&a, 0o600, ""), file(&a, 0o600, "")]);
    assert_matches!(refused, Err(PlaceError::Twice { path }) if path == a);
}

#[test]
fn place_that_fails_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let blocker = root.path().join("blocker");
    fs::write(&blocker, "").unwrap();
    let good = root.path().join("good");
    let below_a_file = blocker.join("x");
    let refused = placed(vec![
        file(&good, 0o600, "1"),
        file(&below_a_file, 0o600, "2"),
    ]);
    assert_matches!(
        refused,
        Err(PlaceError::Io {
            action: "create the directory",
            ..
        })
    );
    assert_eq!(names(&root), ["blocker"]);
}

#[test]
fn placed_file_outside_memory_is_named() {
    let in_memory = Path::new("/dev/shm");
    let Ok(root) = tempfile::tempdir_in(in_memory) else {
        println!("skipped: /dev/shm cannot be written");
        return;
    };
    let placed_files = placed(vec![file(root.path().join("a"), 0o600, "")]).unwrap();
    assert_eq!(placed_files.on_disk, Vec::<PathBuf>::new());
    let here = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let a = here.path().join("a");
    let placed_files = placed(vec![file(&a, 0o600, "")]).unwrap();
    assert_eq!(placed_files.on_disk, [a]);
}
