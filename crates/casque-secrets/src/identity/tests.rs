use assert_matches::assert_matches;
use der::Decode as _;

use super::*;
use crate::testing::{BrokenRng, CountingRng, NOW};

#[test]
fn identity_signature_is_verified_and_bent_ones_are_not() {
    let identity = IdentityKey::generate().unwrap();
    let signature = identity.sign(b"message").unwrap();
    verify(identity.spki(), b"message", &signature).unwrap();
    let other = IdentityKey::generate().unwrap();
    let refused = |spki: &[u8], message: &[u8], signature: &[u8]| {
        verify(spki, message, signature).unwrap_err()
    };
    assert_eq!(
        refused(identity.spki(), b"messagE", &signature),
        IdentityError::Signature
    );
    assert_eq!(
        refused(other.spki(), b"message", &signature),
        IdentityError::Signature
    );
    assert_eq!(
        refused(identity.spki(), b"message", &signature[1..]),
        IdentityError::Signature
    );
    assert_eq!(
        refused(&identity.spki()[26..], b"message", &signature),
        IdentityError::PublicKey
    );
    let longer = [identity.spki(), &[0]].concat();
    assert_eq!(
        refused(&longer, b"message", &signature),
        IdentityError::PublicKey
    );
}

#[test]
fn identity_read_back_is_the_same() {
    let identity = IdentityKey::generate().unwrap();
    let again = IdentityKey::from_pkcs8(identity.pkcs8()).unwrap();
    assert_eq!(again.key_hash(), identity.key_hash());
    assert_eq!(again.spki(), identity.spki());
    assert_eq!(*identity.key_hash(), KeyHash::of_spki(identity.spki()));
}

#[test]
fn identity_of_another_curve_is_refused() {
    let key = make_private_key(KeyAlgorithm::P384).unwrap();
    assert_matches!(IdentityKey::from_pkcs8(&key), Err(IdentityError::Key));
}

#[test]
fn identity_certificate_carries_the_key() {
    let identity = IdentityKey::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let der = identity
        .certificate("casqued", &names, NOW, &CountingRng::default())
        .unwrap();
    let certificate = x509_cert::Certificate::from_der(&der).unwrap();
    let tbs = certificate.tbs_certificate();
    let spki = der::Encode::to_der(tbs.subject_public_key_info()).unwrap();
    assert_eq!(spki, identity.spki());
    assert_eq!(tbs.subject().to_string(), "CN=casqued");
}

#[test]
fn identity_certificate_without_randomness_is_refused() {
    let identity = IdentityKey::generate().unwrap();
    let refused = identity.certificate("casqued", &[], NOW, &BrokenRng);
    assert_matches!(refused, Err(IdentityError::Certificate(MakeError::Rng(_))));
}

#[test]
fn identity_debug_shows_its_key_hash_alone() {
    let identity = IdentityKey::generate().unwrap();
    assert_eq!(
        format!("{identity:?}"),
        format!("IdentityKey({})", identity.key_hash())
    );
}
