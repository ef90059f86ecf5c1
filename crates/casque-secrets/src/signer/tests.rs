use std::sync::LazyLock;

use assert_matches::assert_matches;
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::*;
use crate::testing::{openssl, pem};
use crate::{IdentityKey, KeyAlgorithm, make_private_key, verify};

const ALGORITHMS: [(KeyAlgorithm, SignerAlgorithm); 3] = [
    (KeyAlgorithm::Ed25519, SignerAlgorithm::Ed25519),
    (KeyAlgorithm::P384, SignerAlgorithm::P384),
    (KeyAlgorithm::P256, SignerAlgorithm::P256),
];

fn signing_key(algorithm: KeyAlgorithm) -> SigningKey {
    SigningKey::from_pkcs8(&make_private_key(algorithm).unwrap()).unwrap()
}

fn base58check(body: &[u8]) -> String {
    let check = sha256(sha256(body).as_bytes());
    bs58::encode([body, &check.as_bytes()[..4]].concat()).into_string()
}

fn legacy(key: &SigningKey) -> String {
    base58check(&[&[10], &key.signer().spki()[12..]].concat())
}

#[test]
fn signature_is_verified_by_its_signer_alone() {
    for (of_key, algorithm) in ALGORITHMS {
        let key = signing_key(of_key);
        assert_eq!(key.signer().algorithm(), algorithm);
        let signature = key.sign(b"message").unwrap();
        key.signer().verify(b"message", &signature).unwrap();
        let refused = |signer: &SignerKey, message: &[u8], signature: &[u8]| {
            assert_eq!(signer.verify(message, signature), Err(SignatureError));
        };
        refused(key.signer(), b"messagE", &signature);
        refused(key.signer(), b"message", &signature[1..]);
        refused(key.signer(), b"message", &[&signature[..], &[0]].concat());
        refused(key.signer(), b"message", &[]);
        refused(signing_key(of_key).signer(), b"message", &signature);
    }
}

#[test]
fn signature_of_one_algorithm_is_none_of_another() {
    let [ed25519, p384, p256] = ALGORITHMS.map(|(of_key, _)| signing_key(of_key));
    let signature = ed25519.sign(b"message").unwrap();
    assert_eq!(signature.len(), 64);
    for other in [p384, p256] {
        let refused = other.signer().verify(b"message", &signature);
        assert_eq!(refused, Err(SignatureError));
    }
}

#[test]
fn signature_of_an_identity_is_one_of_its_p256_key() {
    let identity = IdentityKey::generate().unwrap();
    let key = SigningKey::from_pkcs8(identity.pkcs8()).unwrap();
    assert_eq!(key.signer().key_hash(), *identity.key_hash());
    verify(identity.spki(), b"message", &key.sign(b"message").unwrap()).unwrap();
}

#[test]
fn signing_key_of_another_type_is_refused() {
    let rsa = make_private_key(KeyAlgorithm::Rsa2048).unwrap();
    for bent in [rsa, Secret::new(vec![0x30, 0]), Secret::new(vec![])] {
        let refused = SigningKey::from_pkcs8(&bent).unwrap_err();
        assert_eq!(refused, SigningKeyError::Key);
    }
}

#[test]
fn signer_printed_is_read_back() {
    for (of_key, _) in ALGORITHMS {
        let key = signing_key(of_key);
        let text = key.signer().to_string();
        assert!(text.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        assert!(text.ends_with("-----END PUBLIC KEY-----"));
        assert_eq!(SignerKey::from_spki_pem(&text).as_ref(), Ok(key.signer()));
        assert_eq!(text.parse::<SignerKey>().as_ref(), Ok(key.signer()));
    }
}

#[test]
fn signer_of_older_text_is_the_same_key() {
    let key = signing_key(KeyAlgorithm::Ed25519);
    let text = legacy(&key);
    assert_eq!(SignerKey::from_legacy(&text).as_ref(), Ok(key.signer()));
    assert_eq!(
        format!(" {text}\n").parse::<SignerKey>().as_ref(),
        Ok(key.signer())
    );
}

#[test]
fn signer_of_older_text_bent_is_refused_by_what_was_bent() {
    let refused = |text: &str| text.parse::<SignerKey>().unwrap_err();
    let key = signing_key(KeyAlgorithm::Ed25519);
    let mut bent = legacy(&key);
    let last = bent.pop().unwrap();
    bent.push(if last == '2' { '3' } else { '2' });
    assert_eq!(refused(&bent), SignerKeyError::Checksum);
    assert_eq!(refused("0OIl"), SignerKeyError::NotBase58);
    assert_eq!(refused(""), SignerKeyError::Truncated);
    assert_eq!(refused(&base58check(&[])), SignerKeyError::Truncated);
    assert_eq!(refused(&base58check(&[10; 32])), SignerKeyError::Truncated);
    assert_eq!(refused(&base58check(&[10; 34])), SignerKeyError::Truncated);
    assert_eq!(refused(&"2".repeat(65)), SignerKeyError::TooLong);
    let key_hash = key.signer().key_hash().to_string();
    assert_eq!(refused(&key_hash), SignerKeyError::Version { found: 1 });
    assert!(
        refused(&key_hash)
            .to_string()
            .ends_with("does not hold the key")
    );
}

#[test]
fn signer_pem_that_is_none_is_refused_by_cause() {
    let refused = |text: &str| text.parse::<SignerKey>().unwrap_err();
    let key = signing_key(KeyAlgorithm::P384);
    let sound = key.signer().to_string();
    let spki = key.signer().spki();
    assert_eq!(
        refused(&format!("{sound}\n{sound}")),
        SignerKeyError::NotPem
    );
    assert_eq!(
        refused(&sound.replace("-----END", "-----")),
        SignerKeyError::NotPem
    );
    assert_eq!(
        refused(&pem("CERTIFICATE", spki)),
        SignerKeyError::OtherBlock
    );
    assert_eq!(
        refused(&format!("{sound}\n{}", " ".repeat(8192))),
        SignerKeyError::TooLong
    );
    let rsa = PrivateKey::parse(&make_private_key(KeyAlgorithm::Rsa2048).unwrap());
    let rsa = rsa.unwrap().spki().unwrap();
    let longer = [spki, &[0]].concat();
    for other in [&rsa[..], &longer, &spki[..spki.len() - 1], &[]] {
        assert_eq!(
            refused(&pem("PUBLIC KEY", other)),
            SignerKeyError::Algorithm
        );
    }
    let mut bent = spki.to_vec();
    bent[60] ^= 1;
    assert_eq!(refused(&pem("PUBLIC KEY", &bent)), SignerKeyError::Point);
}

#[test]
fn signing_key_debug_shows_its_key_hash_alone() {
    let key = signing_key(KeyAlgorithm::Ed25519);
    let hash = key.signer().key_hash();
    assert_eq!(format!("{key:?}"), format!("SigningKey({hash})"));
    assert_eq!(format!("{:?}", key.signer()), format!("SignerKey({hash})"));
}

/// A folder of a test's own, removed with it.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("casque-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// How `openssl` is told to sign and verify: EdDSA hashes itself, ECDSA is given the hash's name.
fn openssl_arguments(algorithm: SignerAlgorithm) -> [&'static [&'static str]; 2] {
    match algorithm {
        SignerAlgorithm::Ed25519 => [&["genpkey", "-algorithm", "ed25519"], &["-rawin"]],
        SignerAlgorithm::P384 => [
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-384",
            ],
            &["-rawin", "-digest", "sha384"],
        ],
        SignerAlgorithm::P256 => [
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ],
            &["-rawin", "-digest", "sha256"],
        ],
    }
}

#[test]
fn openssl_verifies_what_was_signed_here() {
    let message = crate::session_message("name: a\nversion: \"0.3\"\n");
    for (of_key, algorithm) in ALGORITHMS {
        let folder = Folder::new(&format!("signed-here-{algorithm:?}"));
        let key = signing_key(of_key);
        let public = folder.write("key.pem", format!("{}\n", key.signer()).as_bytes());
        let signature = folder.write("signature", &key.sign(&message).unwrap());
        let message = folder.write("message", &message);
        let [_, digest] = openssl_arguments(algorithm);
        let mut arguments = vec!["pkeyutl", "-verify", "-pubin", "-inkey", &public];
        arguments.extend(["-in", &message, "-sigfile", &signature]);
        arguments.extend(digest);
        let Some((is_verified, output)) = openssl(&arguments, b"") else {
            return;
        };
        assert!(is_verified, "{algorithm:?}: {output}");
    }
}

#[test]
fn openssl_signatures_are_verified_here() {
    let message = crate::session_message("name: a\nversion: \"0.3\"\n");
    for (_, algorithm) in ALGORITHMS {
        let folder = Folder::new(&format!("signed-there-{algorithm:?}"));
        let [generate, digest] = openssl_arguments(algorithm);
        let Some((_, key)) = openssl(generate, b"") else {
            return;
        };
        let (is_done, public) = openssl(&["pkey", "-pubout"], key.as_bytes()).unwrap();
        assert!(is_done, "{public}");
        let private = folder.write("key.pem", key.as_bytes());
        let message_file = folder.write("message", &message);
        let signature = folder.path("signature");
        let mut arguments = vec!["pkeyutl", "-sign", "-inkey", &private];
        arguments.extend(["-in", &message_file, "-out", &signature]);
        arguments.extend(digest);
        let (is_signed, output) = openssl(&arguments, b"").unwrap();
        assert!(is_signed, "{algorithm:?}: {output}");
        let signer: SignerKey = public.parse().unwrap();
        let signature = std::fs::read(signature).unwrap();
        signer.verify(&message, &signature).unwrap();
        let block = read_pem(&key).ok().unwrap().remove(0);
        let signing_key = SigningKey::from_pkcs8(&block.der).unwrap();
        assert_eq!(*signing_key.signer(), signer);
    }
}

#[test]
fn signing_key_of_another_curve_is_refused() {
    let arguments = [
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-521",
    ];
    let Some((_, key)) = openssl(&arguments, b"") else {
        return;
    };
    let block = read_pem(&key).ok().unwrap().remove(0);
    assert_matches!(
        SigningKey::from_pkcs8(&block.der),
        Err(SigningKeyError::Key)
    );
}

/// Made once: the law is of signatures.
static KEYS: LazyLock<[SigningKey; 3]> =
    LazyLock::new(|| ALGORITHMS.map(|(of_key, _)| signing_key(of_key)));

proptest! {
    #[test]
    fn signature_with_any_byte_flipped_is_refused(
        position in any::<proptest::sample::Index>(),
        flip in 1_u8..,
    ) {
        for key in KEYS.iter() {
            let mut signature = key.sign(b"message").unwrap();
            let position = position.index(signature.len());
            signature[position] ^= flip;
            prop_assert_eq!(key.signer().verify(b"message", &signature), Err(SignatureError));
        }
    }
}
