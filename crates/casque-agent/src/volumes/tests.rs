use assert_matches::assert_matches;
use casque_types::{Digest, RngError, VolumeName};

use super::*;

/// A valid volume, one thing bent.
fn volume(bend: impl FnOnce(&mut ConfigurationVolume)) -> ConfigurationVolume {
    let mut volume = ConfigurationVolume {
        name: "data".parse().unwrap(),
        path: "/srv/data".to_owned(),
        key: Secret::new(vec![7; 32]),
        tag: None,
        update_policy: UpdatePolicy::default(),
        files: VolumeFiles::default(),
    };
    bend(&mut volume);
    volume
}

fn planned(volume: ConfigurationVolume, directory: Option<&Path>) -> Result<Planned, VolumeError> {
    Planned::new(volume, directory)
}

struct BrokenRng;

impl Rng for BrokenRng {
    fn fill(&self, _out: &mut [u8]) -> Result<(), RngError> {
        Err(RngError)
    }
}

#[test]
fn volume_with_tag_is_refused_whatever_its_policy() {
    for update_policy in [
        UpdatePolicy::Ephemeral,
        UpdatePolicy::RollbackProtected,
        UpdatePolicy::NoRollbackProtection,
    ] {
        let with_tag = volume(|volume| {
            volume.tag = Some(Digest::from([1; 16]));
            volume.update_policy = update_policy;
        });
        let refused = planned(with_tag, None).err().unwrap();
        assert_matches!(&refused, VolumeError::Tag { name } if name.as_str() == "data");
        assert!(
            refused
                .to_string()
                .contains("tags of SCONE's volumes cannot be checked by")
        );
    }
}

#[test]
fn volume_with_authenticated_files_is_refused() {
    let bent = volume(|volume| volume.files = VolumeFiles::AuthenticatedOnly);
    assert_matches!(
        planned(bent, None).err(),
        Some(VolumeError::AuthenticatedOnly { .. })
    );
}

#[test]
fn volume_with_key_of_another_size_is_refused() {
    let bent = volume(|volume| volume.key = Secret::new(vec![7; 31]));
    assert_matches!(
        planned(bent, None).err(),
        Some(VolumeError::Key { found: 31, .. })
    );
}

#[test]
fn volume_paths_that_lead_elsewhere_are_refused() {
    for path in ["", "/", "data", "/srv/../data", "/srv/data/"] {
        let bent = volume(|volume| path.clone_into(&mut volume.path));
        let refused = planned(bent, None).err();
        assert_matches!(refused, Some(VolumeError::Path { .. }), "{path:?}");
    }
}

#[test]
fn volumes_at_the_same_path_are_refused_and_others_sorted() {
    let at = |name: &str, path: &str| {
        volume(|volume| {
            volume.name = name.parse().unwrap();
            path.clone_into(&mut volume.path);
        })
    };
    let refused = plan(vec![at("a", "/a"), at("b", "/a")], None).err();
    assert_matches!(refused, Some(VolumeError::Twice { path }) if path == Path::new("/a"));
    let planned = plan(vec![at("a", "/a/b"), at("b", "/a")], None).unwrap();
    let paths: Vec<_> = planned.iter().map(|one| one.path.as_path()).collect();
    assert_eq!(paths, [Path::new("/a"), Path::new("/a/b")]);
}

#[test]
fn volume_encrypted_directory_is_beside_it_or_where_the_agent_is_told() {
    let encrypted = |directory| planned(volume(|_| {}), directory).unwrap().encrypted;
    assert_eq!(encrypted(None), Path::new("/srv/data.encrypted"));
    assert_eq!(
        encrypted(Some(Path::new("/v"))),
        Path::new("/v/data.encrypted")
    );
    assert!(encrypted(Some(Path::new("v"))).is_absolute());
    // Names of dots, which would lead out of the directory, are none.
    assert!("..".parse::<VolumeName>().is_err());
}

#[test]
fn mount_point_that_is_no_empty_directory_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let made = root.path().join("a/b");
    make_mount_point(&made).unwrap();
    assert!(made.is_dir());
    let refused = make_mount_point(root.path());
    assert_matches!(refused, Err(VolumeError::NotEmpty { .. }));
    let link = root.path().join("link");
    std::os::unix::fs::symlink(&made, &link).unwrap();
    assert_matches!(
        make_mount_point(&link),
        Err(VolumeError::NotDirectory { .. })
    );
}

#[test]
fn encrypted_directory_with_other_files_is_no_volume() {
    let root = tempfile::tempdir().unwrap();
    assert_matches!(is_initialised(root.path()), Ok(false));
    fs::write(root.path().join("x"), "").unwrap();
    assert_matches!(
        is_initialised(root.path()),
        Err(VolumeError::NoVolume { .. })
    );
    fs::write(root.path().join(CONF), "").unwrap();
    assert_matches!(is_initialised(root.path()), Ok(true));
}

#[test]
fn ephemeral_directory_is_private_and_removed() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let encrypted = root.path().join("data.encrypted");
    let refused = make_ephemeral(&encrypted, &BrokenRng).err();
    assert_matches!(refused, Some(VolumeError::Random(_)));
    let directory = make_ephemeral(&encrypted, &crate::run::SystemRng).unwrap();
    let path = directory.0.clone();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    drop(directory);
    assert!(!path.exists() && !encrypted.exists());
}

#[test]
fn gocryptfs_or_fuse_that_is_absent_is_named_with_what_to_install() {
    let refused = Gocryptfs::find("/nowhere".as_ref(), Path::new("/dev/null"))
        .err()
        .unwrap();
    assert_matches!(&refused, VolumeError::NoGocryptfs { looked_in } if looked_in == "`/nowhere`");
    assert!(
        refused
            .to_string()
            .contains("packages `gocryptfs` and `fuse3`")
    );
    // A program of that name, which is all that is looked at before the device.
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/true", root.path().join("gocryptfs")).unwrap();
    let refused = Gocryptfs::find(root.path().as_os_str(), Path::new("/nowhere"))
        .err()
        .unwrap();
    assert_matches!(&refused, VolumeError::NoFuse { device } if device == Path::new("/nowhere"));
    assert!(refused.to_string().contains("--device /dev/fuse"));
}
