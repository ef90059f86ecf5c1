use casque_types::{Encoding, Format, SecretKind};

use super::*;
use crate::pem::{PRIVATE_KEY, PUBLIC_KEY};
use crate::testing::{ALGORITHMS, openssl, pem, secret, shown};
use crate::{KeyAlgorithm, make_private_key, render};

fn given(text: &str) -> Result<SecretValue, ImportError> {
    SecretValue::from_given(SecretKind::PublicKey, &secret(text))
}

fn spki(algorithm: KeyAlgorithm) -> Vec<u8> {
    spki_of(&make_private_key(algorithm).unwrap()).unwrap()
}

#[test]
fn public_key_of_each_algorithm_is_what_openssl_derives() {
    for algorithm in ALGORITHMS {
        let key = make_private_key(algorithm).unwrap();
        let value = public_key_of(&key).unwrap();
        let text = render(&value, Format::SpkiPem, Encoding::Verbatim).unwrap();
        let private = pem(PRIVATE_KEY, key.expose());
        // OpenSSL 3.0 does not read version 2 of PKCS#8, in which Ed25519 keys are written.
        if algorithm != KeyAlgorithm::Ed25519 {
            let Some(derived) = openssl(&["pkey", "-pubout"], private.as_bytes()) else {
                return;
            };
            assert_eq!(derived, (true, shown(&text).to_owned()), "{algorithm:?}");
        }
        let Some((read, _)) = openssl(&["pkey", "-pubin", "-noout"], text.expose()) else {
            return;
        };
        assert!(read, "{algorithm:?}");
    }
}

#[test]
fn public_key_rendered_is_read_back() {
    for algorithm in ALGORITHMS {
        let value = public_key_of(&make_private_key(algorithm).unwrap()).unwrap();
        let stored = value.to_stored();
        for format in [Format::Plain, Format::SpkiPem] {
            let text = render(&value, format, Encoding::Verbatim).unwrap();
            let read = given(shown(&text)).unwrap();
            assert!(read.to_stored().ct_eq(&stored), "{algorithm:?} {format:?}");
        }
    }
}

#[test]
fn public_key_of_what_is_no_private_key_is_refused() {
    let refused = |bytes: &[u8]| public_key_of(&Secret::copied_from(bytes)).unwrap_err();
    assert_eq!(refused(b""), ImportError::KeyAlgorithm);
    assert_eq!(
        refused(&spki(KeyAlgorithm::P256)),
        ImportError::KeyAlgorithm
    );
}

#[test]
fn public_key_given_as_another_block_is_refused() {
    let public = pem(PUBLIC_KEY, &spki(KeyAlgorithm::P256));
    assert!(given(&public).is_ok());
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let private = pem(PRIVATE_KEY, key.expose());
    for text in [
        private.clone(),
        public.clone() + &private,
        public.clone() + &public,
        public.replace("PUBLIC", "RSA PUBLIC"),
    ] {
        assert_eq!(given(&text).unwrap_err(), ImportError::PublicKeyBlock);
    }
    let kind = SecretKind::PublicKey;
    assert_eq!(given("hello").unwrap_err(), ImportError::NotPem { kind });
}

#[test]
fn public_key_bent_is_refused() {
    let refused = |der: &[u8]| given(&pem(PUBLIC_KEY, der)).unwrap_err();
    for algorithm in ALGORITHMS {
        let sound = spki(algorithm);
        let longer = [&sound[..], &[0]].concat();
        assert_eq!(refused(&longer), ImportError::PublicKeyAlgorithm);
        let cut = &sound[..sound.len() - 1];
        assert_eq!(refused(cut), ImportError::PublicKeyAlgorithm);
    }
    let sound = spki(KeyAlgorithm::P256);
    let mut off_curve = sound.clone();
    *off_curve.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&off_curve), ImportError::PublicKeyAlgorithm);
    // The bare point, without saying of which curve it is.
    let point = &sound[sound.len() - 65..];
    assert_eq!(refused(point), ImportError::PublicKeyAlgorithm);
}

#[test]
fn public_key_in_another_spelling_or_of_another_kind_is_refused() {
    let made = |arguments: &[&str]| {
        let (succeeded, private) = openssl(arguments, b"")?;
        assert!(succeeded, "{private}");
        Some(private)
    };
    let public_of = |private: &str, more: &[&str]| {
        let arguments = [&["pkey", "-pubout"][..], more].concat();
        openssl(&arguments, private.as_bytes()).unwrap().1
    };
    let curve = ["genpkey", "-algorithm", "EC", "-pkeyopt"];
    let Some(p256) = made(&[&curve[..], &["ec_paramgen_curve:P-256"]].concat()) else {
        return;
    };
    assert!(given(&public_of(&p256, &[])).is_ok());
    let compressed = public_of(&p256, &["-ec_conv_form", "compressed"]);
    let explicit = public_of(&p256, &["-ec_param_enc", "explicit"]);
    let other = made(&[&curve[..], &["ec_paramgen_curve:secp256k1"]].concat()).unwrap();
    let x25519 = made(&["genpkey", "-algorithm", "X25519"]).unwrap();
    let short = [
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:1024",
    ];
    let short = made(&short).unwrap();
    for text in [
        compressed,
        explicit,
        public_of(&other, &[]),
        public_of(&x25519, &[]),
        public_of(&short, &[]),
    ] {
        assert_eq!(
            given(&text).unwrap_err(),
            ImportError::PublicKeyAlgorithm,
            "{text}"
        );
    }
}
