use assert_matches::assert_matches;
use casque_types::{ConfigurationFile, FileMode, Nonce, Seconds};

use super::*;
use crate::testing::{BrokenRng, CountingRng, secret, shown};

struct Sealed {
    key: ConfigurationKey,
    runtime: RuntimeData,
    identity: IdentityKey,
    answer: SealedConfiguration,
}

fn runtime_of(key: &ConfigurationKey, identity: &IdentityKey, nonce: u8) -> RuntimeData {
    RuntimeData::new(
        *identity.key_hash(),
        "ns/app/web".parse().unwrap(),
        Nonce::from_bytes(vec![nonce; 32]).unwrap(),
        key.public().clone(),
    )
}

fn sealed() -> Sealed {
    let rng = CountingRng::default();
    let key = ConfigurationKey::generate(&rng).unwrap();
    let identity = IdentityKey::generate().unwrap();
    let runtime = runtime_of(&key, &identity, 7);
    let answer = seal_configuration(&configuration(), &runtime, &identity, &rng).unwrap();
    Sealed {
        key,
        runtime,
        identity,
        answer,
    }
}

fn configuration() -> Configuration {
    Configuration {
        arguments: vec![secret("app").into(), secret("--token=hunter2").into()],
        environment: vec![("DB".to_owned(), secret("postgres://").into())],
        directory: Some("/srv".to_owned()),
        files: vec![ConfigurationFile {
            path: "/run/tls.key".to_owned(),
            mode: FileMode::from_bits(0o400).unwrap(),
            content: secret("key").into(),
        }],
        refresh_after: Some(Seconds(300)),
        ..Configuration::default()
    }
}

impl Sealed {
    fn open(&self) -> Result<Configuration, OpenError> {
        let server = self.identity.key_hash();
        open_configuration(&self.answer, &self.key, &self.runtime, server)
    }

    /// Signs again what was bent, as a server that lies would.
    fn sign_again(&mut self) {
        let answer = &self.answer;
        let binding = self.runtime.binding();
        let message = signed_message(binding.as_bytes(), &answer.encapsulated, &answer.ciphertext);
        self.answer.signature = self.identity.sign(&message).unwrap();
    }
}

#[test]
fn sealed_answer_opens_to_the_same_configuration() {
    let opened = sealed().open().unwrap();
    assert_eq!(
        shown(opened.arguments[1].value().unwrap()),
        "--token=hunter2"
    );
    assert_eq!(opened.environment[0].0, "DB");
    assert_eq!(opened.directory.as_deref(), Some("/srv"));
    assert_eq!(opened.files[0].mode.bits(), 0o400);
    assert_eq!(opened.refresh_after, Some(Seconds(300)));
}

#[test]
fn sealed_answer_of_another_server_is_refused_by_its_key_hash() {
    let mut sealed = sealed();
    let other = IdentityKey::generate().unwrap();
    let expected = *sealed.identity.key_hash();
    let found = *other.key_hash();
    sealed.answer.server_spki = other.spki().to_vec();
    assert_eq!(
        sealed.open().unwrap_err(),
        OpenError::Server { expected, found }
    );
}

#[test]
fn sealed_answer_with_one_bit_flipped_fails_its_signature() {
    let mut one = sealed();
    one.answer.ciphertext[0] ^= 1;
    assert_eq!(one.open().unwrap_err(), OpenError::Signature);
    let mut two = sealed();
    two.answer.encapsulated[0] ^= 1;
    assert_eq!(two.open().unwrap_err(), OpenError::Signature);
    let mut three = sealed();
    let last = three.answer.signature.len() - 1;
    three.answer.signature[last] ^= 1;
    assert_eq!(three.open().unwrap_err(), OpenError::Signature);
}

#[test]
fn sealed_answer_to_another_request_fails_its_signature() {
    let mut sealed = sealed();
    sealed.runtime = runtime_of(&sealed.key, &sealed.identity, 8);
    assert_eq!(sealed.open().unwrap_err(), OpenError::Signature);
}

#[test]
fn sealed_answer_to_another_binding_signed_again_does_not_decrypt() {
    let mut sealed = sealed();
    sealed.runtime = runtime_of(&sealed.key, &sealed.identity, 8);
    sealed.sign_again();
    assert_eq!(sealed.open().unwrap_err(), OpenError::Decrypt);
}

#[test]
fn sealed_answer_to_another_key_does_not_decrypt() {
    let mut sealed = sealed();
    sealed.key = ConfigurationKey::generate(&CountingRng::default()).unwrap();
    sealed.open().unwrap();
    let rng = CountingRng::default();
    rng.fill(&mut [0]).unwrap();
    sealed.key = ConfigurationKey::generate(&rng).unwrap();
    assert_eq!(sealed.open().unwrap_err(), OpenError::Decrypt);
}

#[test]
fn sealed_answer_bent_and_signed_again_does_not_decrypt() {
    let mut sealed = sealed();
    sealed.answer.ciphertext[3] ^= 1;
    sealed.sign_again();
    assert_eq!(sealed.open().unwrap_err(), OpenError::Decrypt);
}

#[test]
fn sealed_answer_truncated_and_signed_again_is_refused() {
    let mut one = sealed();
    one.answer.ciphertext.pop();
    one.sign_again();
    assert_eq!(one.open().unwrap_err(), OpenError::Decrypt);
    one.answer.ciphertext.truncate(15);
    one.sign_again();
    let found_bytes = 15;
    assert_eq!(
        one.open().unwrap_err(),
        OpenError::CiphertextLength { found_bytes }
    );
    let mut two = sealed();
    two.answer.encapsulated.pop();
    two.sign_again();
    let found_bytes = 1119;
    assert_eq!(
        two.open().unwrap_err(),
        OpenError::Encapsulated { found_bytes }
    );
}

#[test]
fn sealed_bytes_that_are_no_configuration_are_refused() {
    let mut sealed = sealed();
    let mut buffer = Zeroizing::new(Vec::with_capacity(1 + TAG_BYTES));
    buffer.push(9);
    let rng = CountingRng::default();
    sealed.answer = seal_bytes(buffer, &sealed.runtime, &sealed.identity, &rng).unwrap();
    assert_eq!(sealed.open().unwrap_err(), OpenError::Layout);
}

#[test]
fn seal_too_long_a_configuration_is_refused() {
    let sealed = sealed();
    let mut long = configuration();
    long.arguments = vec![Secret::new(vec![0; MAX_CONFIGURATION_BYTES]).into()];
    let rng = CountingRng::default();
    let refused = seal_configuration(&long, &sealed.runtime, &sealed.identity, &rng);
    assert_matches!(refused, Err(SealError::TooLong { .. }));
}

#[test]
fn seal_to_key_that_is_none_is_refused() {
    let sealed = sealed();
    // Coefficients of an ML-KEM key are below 3329 (FIPS 203 section 7.2): all ones are not.
    let bent = KemPublicKey::from_bytes(Kem::XWing, vec![0xff; 1216]).unwrap();
    let runtime = RuntimeData::new(
        *sealed.runtime.server(),
        sealed.runtime.config().clone(),
        sealed.runtime.nonce().clone(),
        bent,
    );
    let rng = CountingRng::default();
    let refused = seal_configuration(&configuration(), &runtime, &sealed.identity, &rng);
    assert_matches!(refused, Err(SealError::Key));
}

#[test]
fn seal_without_randomness_is_refused() {
    let sealed = sealed();
    let refused = seal_configuration(
        &configuration(),
        &sealed.runtime,
        &sealed.identity,
        &BrokenRng,
    );
    assert_matches!(refused, Err(SealError::Rng(RngError)));
    assert_matches!(
        ConfigurationKey::generate(&BrokenRng),
        Err(SealError::Rng(RngError))
    );
}

#[test]
fn configuration_key_debug_shows_nothing() {
    let key = ConfigurationKey::generate(&CountingRng::default()).unwrap();
    assert_eq!(format!("{key:?}"), "ConfigurationKey { .. }");
}
