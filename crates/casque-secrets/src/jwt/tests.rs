use std::path::PathBuf;
use std::process::Command;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use casque_types::{Encoding, Format};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{NOW, secret, shown};
use crate::{KeyAlgorithm, SecretValue, make_private_key, public_key_of, render};

fn claims(pairs: &[(&str, &str)]) -> Vec<(String, Secret)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), secret(value));
    pairs.iter().map(owned).collect()
}

fn request<'a>(private_key: &'a Secret, claims: &'a [(String, Secret)]) -> JwtRequest<'a> {
    JwtRequest {
        private_key,
        claims,
        valid_for: Seconds(86_400),
        now: NOW,
    }
}

fn p384() -> Secret {
    make_private_key(KeyAlgorithm::P384).unwrap()
}

/// Header and payload of a token whose signature is the key's.
fn verified(token: &str, key: &Secret) -> (Value, String) {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("{token}");
    };
    let decoded = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    let pair = key_pair(key).unwrap();
    let signature = decoded(signature);
    assert_eq!(signature.len(), 96);
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, pair.public_key().as_ref())
        .verify(format!("{header}.{payload}").as_bytes(), &signature)
        .unwrap();
    (
        serde_json::from_slice(&decoded(header)).unwrap(),
        String::from_utf8(decoded(payload)).unwrap(),
    )
}

#[test]
fn jwt_says_the_claims_in_order_then_the_times() {
    let key = p384();
    let claims = claims(&[("sub", "casque"), ("aud", "a \"b\"\n"), ("a", "")]);
    let token = sign_jwt(&request(&key, &claims)).unwrap();
    let (header, payload) = verified(shown(&token), &key);
    let kid = thumbprint(&key_pair(&key).unwrap()).unwrap();
    assert_eq!(header, json!({"alg": "ES384", "typ": "JWT", "kid": kid}));
    assert_eq!(
        payload,
        r#"{"sub":"casque","aud":"a \"b\"\n","a":"","iat":1795000000,"nbf":1795000000,"exp":1795086400}"#
    );
}

#[test]
fn jwt_without_claims_says_the_times() {
    let key = p384();
    let token = sign_jwt(&request(&key, &[])).unwrap();
    let (_, payload) = verified(shown(&token), &key);
    assert_eq!(
        payload,
        r#"{"iat":1795000000,"nbf":1795000000,"exp":1795086400}"#
    );
}

#[test]
fn jwt_key_id_is_the_thumbprint_over_the_key_as_json() {
    // RFC 7638 section 3.2: the required members, by name, without spaces.
    let key = p384();
    let pair = key_pair(&key).unwrap();
    let point = pair.public_key().as_ref();
    let jwk = json!({
        "crv": "P-384",
        "kty": "EC",
        "x": BASE64URL_NOPAD.encode(&point[1..49]),
        "y": BASE64URL_NOPAD.encode(&point[49..]),
    });
    let expected = sha256(jwk.to_string().as_bytes());
    let expected = BASE64URL_NOPAD.encode(expected.as_bytes());
    assert_eq!(thumbprint(&pair).unwrap(), expected);
}

#[test]
fn jwt_by_another_type_of_key_is_refused() {
    for algorithm in [
        KeyAlgorithm::P256,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
    ] {
        let key = make_private_key(algorithm).unwrap();
        assert_eq!(
            sign_jwt(&request(&key, &[])).unwrap_err(),
            JwtError::KeyType
        );
    }
    let mut longer = p384().expose().to_vec();
    longer.push(0);
    for bytes in [longer, Vec::new()] {
        let key = Secret::new(bytes);
        assert_eq!(sign_jwt(&request(&key, &[])).unwrap_err(), JwtError::Key);
    }
}

#[test]
fn jwt_claims_that_cannot_be_said_are_refused() {
    let key = p384();
    let refused = |claims: &[(String, Secret)]| sign_jwt(&request(&key, claims)).unwrap_err();
    for claim in ["iat", "nbf", "exp"] {
        let given = claims(&[("sub", "casque"), (claim, "1")]);
        assert_eq!(refused(&given), JwtError::ReservedClaim { claim });
    }
    let given = claims(&[("sub", "a"), ("aud", "b"), ("sub", "a")]);
    assert_eq!(refused(&given), JwtError::RepeatedClaim { position: 3 });
    let given = [("sub".to_owned(), Secret::new(vec![0xff]))];
    assert_eq!(refused(&given), JwtError::NotText { position: 1 });
}

#[test]
fn jwt_valid_for_no_time_is_refused() {
    let key = p384();
    let mut request = request(&key, &[]);
    request.valid_for = Seconds(0);
    assert_eq!(sign_jwt(&request).unwrap_err(), JwtError::Validity);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn jwt_claims_are_read_back(pairs in proptest::collection::btree_map("\\PC{1,8}", "\\PC{0,20}|[\u{1}-\u{ff}]{0,20}", 0..6), valid_for in 1_u64..) {
        prop_assume!(SET_CLAIMS.iter().all(|claim| !pairs.contains_key(*claim)));
        let key = p384();
        let given: Vec<_> = pairs.iter().map(|(name, value)| (name.clone(), secret(value))).collect();
        let mut request = request(&key, &given);
        request.valid_for = Seconds(valid_for);
        let token = sign_jwt(&request).unwrap();
        let (_, payload) = verified(shown(&token), &key);
        let read: serde_json::Map<String, Value> = serde_json::from_str(&payload).unwrap();
        let (now, end) = (NOW.as_unix_s(), NOW.plus(Seconds(valid_for)).as_unix_s());
        let mut expected: Vec<(String, Value)> = pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        expected.extend([("iat".to_owned(), json!(now)), ("nbf".to_owned(), json!(now)), ("exp".to_owned(), json!(end))]);
        prop_assert_eq!(read.into_iter().collect::<Vec<_>>(), expected);
    }
}

/// A Python with `PyJWT[crypto]`, installed below `target` once; `None`, said aloud, where it cannot be had.
fn python_with_pyjwt() -> Option<PathBuf> {
    let venv = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/pyjwt");
    let python = venv.join("bin/python");
    let run = |program: &PathBuf, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let check = ["-c", "import jwt, cryptography"];
    if run(&python, &check) {
        return Some(python);
    }
    let system = PathBuf::from("python3");
    if run(&system, &check) {
        return Some(system);
    }
    let install = "-m pip install --quiet --timeout 10 --retries 0 PyJWT[crypto]==2.15.1";
    let install: Vec<&str> = install.split(' ').collect();
    if run(&system, &["-m", "venv", venv.to_str().unwrap()])
        && run(&python, &install)
        && run(&python, &check)
    {
        return Some(python);
    }
    println!(
        "skipped: PyJWT cannot be had (PyPI package PyJWT[crypto], Debian packages python3, python3-venv)"
    );
    None
}

const VERIFY: &str = "
import json, sys, jwt
token, key = sys.argv[1:]
times = {'verify_exp': False, 'verify_nbf': False, 'verify_iat': False}
said = jwt.decode(token, key, algorithms=['ES384'], audience='world', options=times)
header = jwt.get_unverified_header(token)
wrong = None
try:
    jwt.decode(token, key, algorithms=['ES256'], audience='world', options=times)
    wrong = 'ES256 accepted'
except jwt.InvalidAlgorithmError:
    pass
bent = token[:-1] + ('A' if token[-1] != 'A' else 'Q')
try:
    jwt.decode(bent, key, algorithms=['ES384'], audience='world', options=times)
    wrong = 'bent token accepted'
except jwt.InvalidSignatureError:
    pass
print(json.dumps([header, said, wrong]))
";

#[test]
fn jwt_is_verified_by_pyjwt() {
    let Some(python) = python_with_pyjwt() else {
        return;
    };
    let key = p384();
    let claims = claims(&[("aud", "world"), ("sub", "wörker")]);
    let token = sign_jwt(&request(&key, &claims)).unwrap();
    let public: SecretValue = public_key_of(&key).unwrap();
    let public = render(&public, Format::Plain, Encoding::Verbatim).unwrap();
    let output = Command::new(python)
        .args(["-c", VERIFY, shown(&token), shown(&public)])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kid = thumbprint(&key_pair(&key).unwrap()).unwrap();
    let (iat, exp) = (NOW.as_unix_s(), NOW.plus(Seconds(86_400)).as_unix_s());
    let payload = json!({"aud": "world", "sub": "wörker", "iat": iat, "nbf": iat, "exp": exp});
    let header = json!({"alg": "ES384", "typ": "JWT", "kid": kid});
    assert_eq!(said, json!([header, payload, null]));
}
