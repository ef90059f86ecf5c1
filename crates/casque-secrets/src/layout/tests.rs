use proptest::prelude::*;

use super::*;
use crate::testing::secret;

pub(crate) fn any_configuration() -> impl Strategy<Value = Configuration> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let arguments = proptest::collection::vec(bytes(), 0..4);
    let environment = proptest::collection::btree_map("[A-Z_]{1,8}", bytes(), 0..4);
    let files = proptest::collection::vec(("/[a-z/]{0,12}", 0..=0o777_u32, bytes()), 0..4);
    let directory = proptest::option::of("/[a-z]{0,8}");
    let refresh = proptest::option::of(any::<u64>());
    (arguments, environment, files, directory, refresh).prop_map(
        |(arguments, environment, files, directory, refresh)| Configuration {
            arguments: arguments.into_iter().map(Secret::new).collect(),
            environment: (environment.into_iter())
                .map(|(name, value)| (name, Secret::new(value)))
                .collect(),
            directory,
            files: (files.into_iter())
                .map(|(path, mode, content)| ConfigurationFile {
                    path,
                    mode: FileMode::from_bits(mode).unwrap(),
                    content: Secret::new(content),
                })
                .collect(),
            refresh_after: refresh.map(Seconds),
        },
    )
}

fn small() -> Configuration {
    Configuration {
        arguments: vec![secret("a")],
        environment: vec![("A".to_owned(), secret("1")), ("B".to_owned(), secret("2"))],
        directory: None,
        files: Vec::new(),
        refresh_after: None,
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
    written[0] = 2;
    assert!(read_configuration(&written).is_none());
    written[0] = 1;
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
    let mut bytes = vec![1, 0, 0];
    bytes.extend_from_slice(&u64::MAX.to_be_bytes());
    assert!(read_configuration(&bytes).is_none());
}
