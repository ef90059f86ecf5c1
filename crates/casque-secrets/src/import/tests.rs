use assert_matches::assert_matches;

use super::*;
use crate::testing::{CountingRng, chain_of_three, openssl, pem, request, secret, shown};
use crate::{KeyAlgorithm, issue_certificate, make_private_key};

fn given(kind: SecretKind, text: &str) -> Result<SecretValue, ImportError> {
    SecretValue::from_given(kind, &secret(text))
}

fn vault(kind: Option<SecretKind>, text: &str) -> Result<SecretValue, ImportError> {
    SecretValue::from_vault(kind, &secret(text))
}

fn key_pem(key: &Secret) -> String {
    pem(PRIVATE_KEY, key.expose())
}

fn certificate_pem(der: &[u8]) -> String {
    pem(CERTIFICATE, der)
}

#[test]
fn given_ascii_with_nul_is_refused() {
    assert_matches!(given(SecretKind::Ascii, "ä b\n"), Ok(SecretValue::Ascii(_)));
    assert_matches!(given(SecretKind::Ascii, "a\0b"), Err(ImportError::Text));
    let latin1 = Secret::new(vec![0xe4]);
    let refused = SecretValue::from_given(SecretKind::Ascii, &latin1);
    assert_matches!(refused, Err(ImportError::Text));
}

#[test]
fn given_private_key_of_every_algorithm_is_read() {
    for algorithm in [
        KeyAlgorithm::P256,
        KeyAlgorithm::P384,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
    ] {
        let key = make_private_key(algorithm).unwrap();
        let read = given(SecretKind::PrivateKey, &key_pem(&key)).unwrap();
        assert_matches!(read, SecretValue::PrivateKey(read) if read.ct_eq(&key));
    }
}

#[test]
fn given_private_key_with_trailing_byte_is_refused() {
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let longer = [key.expose(), &[0]].concat();
    let refused = given(SecretKind::PrivateKey, &pem(PRIVATE_KEY, &longer));
    assert_matches!(refused, Err(ImportError::KeyAlgorithm));
}

#[test]
fn given_certificate_chain_in_any_order_is_put_in_order() {
    let chain = chain_of_three();
    let [leaf, middle, root] = &chain.certificates[..] else {
        panic!("expected three certificates");
    };
    let key = key_pem(chain.private_key.as_ref().unwrap());
    let blocks = [root, leaf, middle].map(|der| certificate_pem(der));
    let text = format!(
        "Bag Attributes\n{}{key}{}\n{}",
        blocks[0], blocks[1], blocks[2]
    );
    let read = given(SecretKind::X509, &text.replace('\n', "\r\n")).unwrap();
    assert_matches!(read, SecretValue::X509(read) => {
        assert_eq!(read.certificates, chain.certificates);
        assert!(read.private_key.is_some());
    });
    let without_key = blocks.concat();
    assert_matches!(given(SecretKind::X509, &without_key).unwrap(), SecretValue::X509(read) => {
        assert_eq!(read.certificates, chain.certificates);
        assert!(read.private_key.is_none());
    });
}

#[test]
fn given_certificate_twice_is_kept_once() {
    let chain = chain_of_three();
    let text = certificate_pem(chain.leaf()).repeat(2);
    assert_matches!(given(SecretKind::X509, &text).unwrap(), SecretValue::X509(read) => {
        assert_eq!(read.certificates.len(), 1);
    });
}

#[test]
fn given_key_of_another_certificate_is_refused() {
    let chain = chain_of_three();
    let other = make_private_key(KeyAlgorithm::P256).unwrap();
    let text = certificate_pem(chain.leaf()) + &key_pem(&other);
    assert_matches!(
        given(SecretKind::X509, &text),
        Err(ImportError::KeyMismatch)
    );
    let text = certificate_pem(chain.leaf());
    assert_matches!(given(SecretKind::X509, &text).unwrap(), SecretValue::X509(read) => {
        assert_matches!(read.with_private_key(other), Err(ImportError::KeyMismatch));
    });
}

#[test]
fn given_leaf_as_x509_ca_is_refused() {
    let chain = chain_of_three();
    let text = certificate_pem(chain.leaf());
    assert_matches!(
        given(SecretKind::X509Ca, &text),
        Err(ImportError::NotAuthority)
    );
    let text = certificate_pem(&chain.certificates[2]);
    assert_matches!(given(SecretKind::X509Ca, &text), Ok(SecretValue::X509Ca(_)));
}

#[test]
fn given_other_pem_is_refused_by_what_it_is() {
    let kind = SecretKind::PrivateKey;
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let refused = |text: &str| given(kind, text).unwrap_err();
    assert_eq!(refused("hunter2"), ImportError::NotPem { kind });
    assert_eq!(
        refused(&key_pem(&key).replace('\n', "\\n")),
        ImportError::EscapedLineFeeds
    );
    assert_eq!(
        refused(&key_pem(&key).repeat(2)),
        ImportError::SeveralPrivateKeys
    );
    assert_eq!(
        refused(&pem("ENCRYPTED PRIVATE KEY", b"x")),
        ImportError::EncryptedKey
    );
    assert_eq!(refused(&pem("PUBLIC KEY", b"x")), ImportError::OtherBlock);
    let label = "EC PRIVATE KEY";
    assert_eq!(refused(&pem(label, b"x")), ImportError::LegacyKey { label });
    let chain = chain_of_three();
    let with_certificate = key_pem(&key) + &certificate_pem(chain.leaf());
    assert_eq!(
        refused(&with_certificate),
        ImportError::CertificateBesideKey
    );
    assert_eq!(
        refused(&certificate_pem(chain.leaf())),
        ImportError::CertificateBesideKey
    );
    assert_eq!(
        given(SecretKind::X509, &key_pem(&key)).unwrap_err(),
        ImportError::NoCertificate
    );
}

#[test]
fn given_damaged_pem_is_refused() {
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let sound = key_pem(&key);
    let refused = |text: &str| given(SecretKind::PrivateKey, text).unwrap_err();
    let cut = sound.trim_end().trim_end_matches('-');
    assert_eq!(refused(cut), ImportError::DamagedPem);
    assert_eq!(
        refused(&sound.replacen("\nM", "\n?", 1)),
        ImportError::DamagedPem
    );
    let other_end = sound.replace("END PRIVATE", "END PUBLIC");
    assert_eq!(refused(&other_end), ImportError::DamagedPem);
    let endless = sound.repeat(65);
    assert_eq!(refused(&endless), ImportError::DamagedPem);
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(refused(legacy), ImportError::EncryptedKey);
}

#[test]
fn given_certificate_that_is_none_names_its_position() {
    let chain = chain_of_three();
    let text = certificate_pem(chain.leaf()) + &certificate_pem(b"no certificate");
    let refused = given(SecretKind::X509, &text).unwrap_err();
    assert_eq!(refused, ImportError::Certificate { position: 2 });
}

#[test]
fn given_aad_token_is_refused() {
    assert_matches!(given(SecretKind::AadToken, "eyJ"), Err(ImportError::Token));
    assert_matches!(
        vault(Some(SecretKind::AadToken), "eyJ"),
        Err(ImportError::Token)
    );
}

#[test]
fn vault_value_without_kind_is_inferred() {
    let chain = chain_of_three();
    let key = key_pem(chain.private_key.as_ref().unwrap());
    let with_key = key.clone() + &certificate_pem(chain.leaf());
    assert_matches!(vault(None, &with_key), Ok(SecretValue::X509(_)));
    assert_matches!(
        vault(None, &certificate_pem(chain.leaf())),
        Ok(SecretValue::X509(_))
    );
    assert_matches!(vault(None, &key), Ok(SecretValue::Ascii(_)));
    assert_matches!(vault(None, "hunter2"), Ok(SecretValue::Ascii(_)));
    let damaged = with_key.replace("END CERT", "END KERT");
    assert_matches!(vault(None, &damaged), Err(ImportError::DamagedPem));
}

#[test]
fn vault_certificate_as_private_key_gives_its_key() {
    let chain = chain_of_three();
    let key = chain.private_key.as_ref().unwrap();
    let text = key_pem(key) + &certificate_pem(chain.leaf());
    let read = vault(Some(SecretKind::PrivateKey), &text).unwrap();
    assert_matches!(read, SecretValue::PrivateKey(read) if read.ct_eq(key));
    let text = certificate_pem(chain.leaf());
    let refused = vault(Some(SecretKind::PrivateKey), &text);
    assert_matches!(refused, Err(ImportError::NoPrivateKey));
}

#[test]
fn vault_binary_is_hex_then_base64_then_text() {
    let read = |text: &str| match vault(Some(SecretKind::Binary), text).unwrap() {
        SecretValue::Binary(bytes) => bytes.expose().to_vec(),
        other => panic!("expected binary, found {other:?}"),
    };
    assert_eq!(read("00fF"), [0, 0xff]);
    assert_eq!(read("deadbeef"), [0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(read("AP8="), [0, 0xff]);
    assert_eq!(read("-_8="), [0xfb, 0xff]);
    assert_eq!(read("+_8="), b"+_8=", "two alphabets mixed are neither");
    assert_eq!(read("AP8"), b"AP8", "base64 without its padding");
    assert_eq!(read("AP9="), b"AP9=", "base64 with bits left over");
    assert_eq!(read("00f"), b"00f", "an odd number of digits");
    assert_eq!(read(""), b"");
    assert_eq!(read("pass word"), b"pass word");
}

#[test]
fn vault_pkcs12_is_text_without_kind_and_explained_with_one() {
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let chain = issue_certificate(&request(&key, "web"), &CountingRng::default()).unwrap();
    let pkcs12 = crate::render(
        &SecretValue::X509(chain),
        casque_types::Format::Pkcs12WithPrivateKey,
        casque_types::Encoding::Verbatim,
    )
    .unwrap();
    let text = BASE64.encode(pkcs12.expose());
    assert_matches!(vault(None, &text).unwrap(), SecretValue::Ascii(read) => {
        assert_eq!(shown(&read), text);
    });
    for kind in [SecretKind::X509, SecretKind::PrivateKey] {
        assert_matches!(vault(Some(kind), &text), Err(ImportError::Pkcs12 { kind: k }) if k == kind);
    }
    assert!(!is_pkcs12_text(&secret("MAA=")));
}

#[test]
fn given_keys_that_openssl_makes_are_read() {
    let make = |arguments: &[&str]| openssl(arguments, b"");
    let Some((_, p384)) = make(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-384",
    ]) else {
        return;
    };
    assert_matches!(
        given(SecretKind::PrivateKey, &p384),
        Ok(SecretValue::PrivateKey(_))
    );
    let (_, ed25519) = make(&["genpkey", "-algorithm", "ED25519"]).unwrap();
    assert_matches!(
        given(SecretKind::PrivateKey, &ed25519),
        Ok(SecretValue::PrivateKey(_))
    );
    let (_, x25519) = make(&["genpkey", "-algorithm", "X25519"]).unwrap();
    assert_matches!(
        given(SecretKind::PrivateKey, &x25519),
        Err(ImportError::KeyAlgorithm)
    );
    let (_, sec1) = make(&["ecparam", "-name", "prime256v1", "-genkey", "-noout"]).unwrap();
    assert_matches!(
        given(SecretKind::PrivateKey, &sec1),
        Err(ImportError::LegacyKey {
            label: "EC PRIVATE KEY"
        })
    );
}

#[test]
fn kinds_that_the_service_makes_are_neither_given_nor_in_a_vault() {
    for kind in [SecretKind::SessionCa, SecretKind::PgpKey, SecretKind::Jwt] {
        let expected = ImportError::NotGiven { kind };
        assert_eq!(given(kind, "x").unwrap_err(), expected);
        assert_eq!(vault(Some(kind), "x").unwrap_err(), expected);
    }
}

#[test]
fn config_fragment_is_text() {
    let kind = SecretKind::ConfigFragment;
    assert_matches!(given(kind, "{a: [1, ä]}").unwrap(), SecretValue::ConfigFragment(text) => {
        assert_eq!(text.expose_text(), Some("{a: [1, ä]}"));
    });
    assert_matches!(vault(Some(kind), "[1]"), Ok(SecretValue::ConfigFragment(_)));
    assert_eq!(given(kind, "a\0").unwrap_err(), ImportError::Fragment);
    let refused = SecretValue::from_given(kind, &Secret::new(vec![0xff]));
    assert_eq!(refused.unwrap_err(), ImportError::Fragment);
}

#[test]
fn pem_that_is_none_names_the_block_of_its_kind() {
    for (kind, label) in [
        (SecretKind::PrivateKey, "PRIVATE KEY"),
        (SecretKind::PublicKey, "PUBLIC KEY"),
        (SecretKind::X509, "CERTIFICATE"),
    ] {
        let said = given(kind, "hello").unwrap_err().to_string();
        let expected = format!("for `kind: {kind}`, such as `-----BEGIN {label}-----`");
        assert!(said.ends_with(&expected), "{said}");
    }
}
