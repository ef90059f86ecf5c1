use proptest::prelude::*;

use super::*;
use crate::testing::secret;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..40)
}

fn any_part() -> impl Strategy<Value = ArgumentPart> {
    prop_oneof![
        bytes().prop_map(|value| ArgumentPart::Value(Secret::new(value))),
        (1..=u16::MAX).prop_map(ArgumentPart::Host),
    ]
}

fn any_variable() -> impl Strategy<Value = VariableValue> {
    prop_oneof![
        bytes().prop_map(|value| VariableValue::Value(Secret::new(value))),
        Just(()).prop_map(|()| VariableValue::Host),
    ]
}

fn any_file() -> impl Strategy<Value = ConfigurationFile> {
    let content = proptest::option::of(bytes());
    ("/[a-z/]{0,12}", 0..=0o777_u32, content).prop_map(|(path, mode, content)| ConfigurationFile {
        path,
        mode: FileMode::from_bits(mode).unwrap(),
        content: content.map_or(FileContent::Template, |content| Secret::new(content).into()),
    })
}

fn any_volume() -> impl Strategy<Value = ConfigurationVolume> {
    let tag = proptest::option::of(any::<[u8; 16]>().prop_map(Digest::from));
    let policies = prop_oneof![
        Just(UpdatePolicy::Ephemeral),
        Just(UpdatePolicy::RollbackProtected),
        Just(UpdatePolicy::NoRollbackProtection),
    ];
    let files = prop_oneof![
        Just(VolumeFiles::Encrypted),
        Just(VolumeFiles::AuthenticatedOnly),
    ];
    ("[a-z]{1,8}", "/[a-z]{0,8}", bytes(), tag, policies, files).prop_map(
        |(name, path, key, tag, update_policy, files)| ConfigurationVolume {
            name: name.parse().unwrap(),
            path,
            key: Secret::new(key),
            tag,
            update_policy,
            files,
        },
    )
}

fn any_file_system() -> impl Strategy<Value = FileSystemProtection> {
    let tag = proptest::option::of(any::<[u8; 16]>().prop_map(Digest::from));
    ("/[a-z]{0,8}", proptest::option::of(bytes()), tag).prop_map(|(path, key, tag)| {
        FileSystemProtection {
            path,
            key: key.map(Secret::new),
            tag,
        }
    })
}

pub(crate) fn any_configuration() -> impl Strategy<Value = Configuration> {
    let parts = proptest::collection::vec(any_part(), 0..3);
    let arguments = proptest::collection::vec(parts, 0..4);
    let environment = proptest::collection::btree_map("[A-Z_]{1,8}", any_variable(), 0..4);
    let files = proptest::collection::vec(any_file(), 0..4);
    let directory = proptest::option::of("/[a-z]{0,8}");
    let refresh = proptest::option::of(any::<u64>());
    let secrets = proptest::collection::vec(("[a-z]{1,8}", bytes()), 0..3);
    let volumes = proptest::collection::vec(any_volume(), 0..3);
    let system = proptest::option::of(any_file_system());
    let proof = proptest::option::of(any::<[u8; 32]>());
    let first = (arguments, environment, files, directory, refresh);
    (first, (secrets, volumes, system, proof)).prop_map(|(first, second)| {
        let (arguments, environment, files, directory, refresh) = first;
        let (secrets, volumes, file_system, access_token_proof) = second;
        Configuration {
            arguments: arguments
                .into_iter()
                .map(|parts| Argument { parts })
                .collect(),
            environment: environment.into_iter().collect(),
            directory,
            files,
            template_secrets: (secrets.into_iter())
                .map(|(name, value)| (name.parse().unwrap(), Secret::new(value)))
                .collect(),
            volumes,
            file_system,
            access_token_proof,
            refresh_after: refresh.map(Seconds),
        }
    })
}

fn small() -> Configuration {
    Configuration {
        arguments: vec![secret("a").into()],
        environment: vec![
            ("A".to_owned(), secret("1").into()),
            ("B".to_owned(), secret("2").into()),
        ],
        ..Configuration::default()
    }
}

proptest! {
    #[test]
    fn configuration_is_read_back(configuration in any_configuration()) {
        let written = write_configuration(&configuration, 0);
        let read = read_configuration(&written).unwrap();
        prop_assert_eq!(&*write_configuration(&read, 0), &*written);
        prop_assert!(written.len() <= configuration_bytes(&configuration));
        prop_assert!(written.capacity() >= configuration_bytes(&configuration));
    }

    #[test]
    fn configuration_cut_anywhere_is_refused(configuration in any_configuration(), at in any::<prop::sample::Index>()) {
        let written = write_configuration(&configuration, 0);
        prop_assert!(read_configuration(&written[..at.index(written.len())]).is_none());
    }

    #[test]
    fn configuration_of_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _read = read_configuration(&bytes);
    }
}

#[test]
fn configuration_of_other_version_or_with_more_is_refused() {
    let mut written = write_configuration(&small(), 1).to_vec();
    assert!(read_configuration(&written).is_some());
    written[0] = 1;
    assert!(read_configuration(&written).is_none());
    written[0] = 2;
    written.push(0);
    assert!(read_configuration(&written).is_none());
}

#[test]
fn configuration_with_bent_variable_names_is_refused() {
    for name in ["", "A=B", "A\0", "B"] {
        let mut bent = small();
        bent.environment[0].0 = name.to_owned();
        assert!(
            read_configuration(&write_configuration(&bent, 0)).is_none(),
            "{name:?}"
        );
    }
}

#[test]
fn configuration_with_endless_count_is_refused() {
    let mut bytes = vec![2, 0, 0];
    bytes.extend_from_slice(&u64::MAX.to_be_bytes());
    assert!(read_configuration(&bytes).is_none());
}
