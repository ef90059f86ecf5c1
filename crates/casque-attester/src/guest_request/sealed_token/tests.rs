use aws_lc_rs::aead::Algorithm;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

/// A token that is sealed under `inner_key`, before it is encoded.
fn sealed_under(inner_key: &[u8], text: &[u8]) -> Value {
    let algorithm: &Algorithm = match inner_key.len() {
        16 => &AES_128_GCM,
        _ => &AES_256_GCM,
    };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, inner_key).unwrap());
    let nonce = Nonce::assume_unique_for_key([7; 12]);
    let mut sealed = text.to_vec();
    let aad = Aad::from(b"Transport Key");
    let tag = key
        .seal_in_place_separate_tag(nonce, aad, &mut sealed)
        .unwrap();
    json!({
        "Jwt": STANDARD.encode(sealed),
        "EncryptedInnerKey": STANDARD.encode([0xC5; 256]),
        "EncryptionParams": {"Iv": STANDARD.encode([7; 12])},
        "AuthenticationData": STANDARD.encode(tag),
    })
}

fn sealed() -> Value {
    sealed_under(&[9; 32], TOKEN.as_bytes())
}

fn parse(sealed: &Value) -> Result<SealedToken, SealedTokenError> {
    SealedToken::parse(&URL_SAFE_NO_PAD.encode(sealed.to_string()))
}

/// What is wrong after `bend`.
fn malformation(bend: impl FnOnce(&mut Value)) -> &'static str {
    let mut sealed = sealed();
    bend(&mut sealed);
    match parse(&sealed) {
        Err(SealedTokenError::Malformed { expected }) => expected,
        other => panic!("{other:?}"),
    }
}

fn open(sealed: &Value, inner_key: &[u8]) -> Result<String, SealedTokenError> {
    parse(sealed)
        .unwrap()
        .open(&Secret::copied_from(inner_key), &NONCE)
}

#[test]
fn token_opens_under_inner_keys_of_both_lengths() {
    for inner_key in [&[9; 16][..], &[9; 32]] {
        let sealed = sealed_under(inner_key, TOKEN.as_bytes());
        assert_eq!(open(&sealed, inner_key).unwrap(), TOKEN);
    }
}

/// AES-256-GCM by Python's `cryptography`, not by the provider that opens it.
#[test]
fn token_of_another_implementation_opens() {
    let sealed = json!({
        "Jwt": OTHER_CIPHERTEXT,
        "EncryptedInnerKey": STANDARD.encode([0xC5; 256]),
        "EncryptionParams": {"Iv": STANDARD.encode([7; 12])},
        "AuthenticationData": OTHER_TAG,
    });
    assert_eq!(open(&sealed, &[9; 32]).unwrap(), TOKEN);
}

#[test]
fn base64_of_either_alphabet_with_padding_or_without_is_read() {
    let json = sealed().to_string();
    for text in [
        URL_SAFE_NO_PAD.encode(&json),
        URL_SAFE.encode(&json),
        STANDARD.encode(&json),
        format!("{}\n", URL_SAFE.encode(&json)),
    ] {
        assert!(SealedToken::parse(&text).is_ok(), "{text}");
    }
    let mut sealed = sealed();
    for member in ["Jwt", "EncryptedInnerKey", "AuthenticationData"] {
        let bytes = STANDARD.decode(sealed[member].as_str().unwrap()).unwrap();
        sealed[member] = json!(URL_SAFE_NO_PAD.encode(bytes));
    }
    assert_eq!(open(&sealed, &[9; 32]).unwrap(), TOKEN);
}

#[test]
fn unknown_members_are_passed_over() {
    let mut sealed = sealed();
    sealed["Version"] = json!({"of": ["anything"]});
    sealed["EncryptionParams"]["Algorithm"] = json!("AES-GCM");
    assert_eq!(open(&sealed, &[9; 32]).unwrap(), TOKEN);
}

#[test]
fn encrypted_key_may_have_a_zero_before_it() {
    let mut sealed = sealed();
    let key = [&[0][..], &[0xC5; 256]].concat();
    sealed["EncryptedInnerKey"] = json!(STANDARD.encode(key));
    assert_eq!(parse(&sealed).unwrap().encrypted_key(), &[0xC5; 256]);
}

#[test]
fn members_of_another_length_are_refused() {
    let set = |member: &'static str, bytes: &'static [u8]| {
        malformation(|sealed| sealed[member] = json!(STANDARD.encode(bytes)))
    };
    let key = "256 bytes in `EncryptedInnerKey`";
    assert_eq!(set("EncryptedInnerKey", &[0xC5; 255]), key);
    assert_eq!(set("EncryptedInnerKey", &[0xC5; 257]), key);
    assert_eq!(set("EncryptedInnerKey", &[0; 258]), key);
    assert_eq!(set("EncryptedInnerKey", &[]), key);
    let tag = "16 bytes in `AuthenticationData`";
    assert_eq!(set("AuthenticationData", &[0; 15]), tag);
    assert_eq!(set("AuthenticationData", &[0; 17]), tag);
    let nonce = |bytes: &[u8]| {
        malformation(|sealed| sealed["EncryptionParams"]["Iv"] = json!(STANDARD.encode(bytes)))
    };
    assert_eq!(nonce(&[0; 11]), "12 bytes in `Iv`");
    assert_eq!(nonce(&[0; 16]), "12 bytes in `Iv`");
}

#[test]
fn members_that_are_no_base64_are_refused() {
    let set = |member: &'static str| malformation(|sealed| sealed[member] = json!("?"));
    assert_eq!(set("Jwt"), "base64 in `Jwt`");
    assert_eq!(set("EncryptedInnerKey"), "base64 in `EncryptedInnerKey`");
    assert_eq!(set("AuthenticationData"), "base64 in `AuthenticationData`");
    let nonce = malformation(|sealed| sealed["EncryptionParams"]["Iv"] = json!("?"));
    assert_eq!(nonce, "base64 in `Iv`");
}

#[test]
fn json_of_another_form_is_refused() {
    for member in [
        "Jwt",
        "EncryptedInnerKey",
        "EncryptionParams",
        "AuthenticationData",
    ] {
        let absent = malformation(|sealed| {
            sealed.as_object_mut().unwrap().remove(member);
        });
        assert_eq!(absent, JSON);
        let other = malformation(|sealed| sealed[member] = json!(1));
        assert_eq!(other, JSON);
    }
    let text = sealed().to_string();
    let twice = text.replacen('{', r#"{"Jwt":"AAAA","#, 1);
    let behind = format!("{text} {{}}");
    for json in [twice, behind, "[]".to_owned(), String::new()] {
        let refused = SealedToken::parse(&URL_SAFE_NO_PAD.encode(&json)).unwrap_err();
        assert_eq!(refused, SealedTokenError::Malformed { expected: JSON });
    }
}

#[test]
fn text_that_is_no_base64_is_no_sealed_token() {
    // A token that was not sealed, and an error of the service.
    for text in [TOKEN, r#"{"error":{"code":"InvalidParameter"}}"#] {
        let refused = SealedToken::parse(text).unwrap_err();
        let expected = "base64url";
        assert_eq!(refused, SealedTokenError::Malformed { expected });
    }
}

#[test]
fn text_that_is_too_long_is_refused() {
    let longest = "A".repeat(256 * 1024);
    let expected = JSON;
    let refused = SealedToken::parse(&longest).unwrap_err();
    assert_eq!(refused, SealedTokenError::Malformed { expected });
    let refused = SealedToken::parse(&(longest + "A")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the sealed token: expected at most 262144 bytes, found 262145"
    );
}

#[test]
fn inner_key_of_another_length_is_refused() {
    for found_bytes in [0, 15, 17, 24, 33, 245] {
        let refused = open(&sealed(), &vec![9; found_bytes]);
        assert_eq!(refused, Err(SealedTokenError::InnerKey { found_bytes }));
    }
}

#[test]
fn token_that_was_changed_does_not_open() {
    let changed = |member: &str| {
        let mut sealed = sealed();
        let mut bytes = STANDARD.decode(sealed[member].as_str().unwrap()).unwrap();
        bytes[0] ^= 1;
        sealed[member] = json!(STANDARD.encode(bytes));
        open(&sealed, &[9; 32])
    };
    assert_eq!(changed("Jwt"), Err(SealedTokenError::Changed));
    assert_eq!(
        changed("AuthenticationData"),
        Err(SealedTokenError::Changed)
    );
    let mut other_nonce = sealed();
    other_nonce["EncryptionParams"]["Iv"] = json!(STANDARD.encode([8; 12]));
    assert_eq!(open(&other_nonce, &[9; 32]), Err(SealedTokenError::Changed));
    assert_eq!(open(&sealed(), &[8; 32]), Err(SealedTokenError::Changed));
    // The first half of the key, as a key of its own.
    assert_eq!(open(&sealed(), &[9; 16]), Err(SealedTokenError::Changed));
}

#[test]
fn what_is_sealed_must_be_a_compact_jws() {
    for text in [
        &b""[..],
        b"e30.e30",
        b"e30.e30.AA.AA",
        b"e30..AA",
        b"e30.e30.AA ",
        b"e30.e30.A=",
        b"e30.e30.\xFF",
        br#"{"token":"e30.e30.AA"}"#,
    ] {
        let sealed = sealed_under(&[9; 32], text);
        assert_eq!(open(&sealed, &[9; 32]), Err(SealedTokenError::NoJws));
    }
}

#[test]
fn what_is_sealed_must_answer_the_request() {
    let sealed = sealed_under(&[9; 32], NOBODYS.as_bytes());
    let expected = "`azurevm` as `x-ms-attestation-type`";
    let refused = Err(SealedTokenError::OtherNonce { expected });
    assert_eq!(open(&sealed, &[9; 32]), refused);
    let other = parse(&self::sealed()).unwrap();
    let other = other.open(&Secret::copied_from(&[9; 32]), &[0x4F; 32]);
    let expected = "the nonce that was sent, in `client-payload` of `x-ms-runtime`";
    assert_eq!(other, Err(SealedTokenError::OtherNonce { expected }));
}

#[test]
fn sealed_token_is_not_printed() {
    let shown = format!("{:?}", parse(&sealed()).unwrap());
    assert_eq!(shown, "SealedToken(277 bytes)");
}

/// With the claims that an answer to `NONCE` has, and no others.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJ4LW1zLWF0dGVzdGF0aW9uLXR5cGUiOiJhenVyZXZtIiwieC1tcy1ydW50aW1lIjp7ImNsaWVudC1wYXlsb2FkIjp7Im5vbmNlIjoiTkdVMFpUUmxOR1UwWlRSbE5HVTBaVFJsTkdVMFpUUmxOR1UwWlRSbE5HVTBaVFJsTkdVMFpUUmxOR1UwWlRSbE5HVTBaVFJsTkdVMFpUUmxOR1UwWlE9PSJ9fX0.c2lnbmF0dXJl";
/// With other claims.
const NOBODYS: &str = "eyJhbGciOiJSUzI1NiJ9.eyJ4IjoxfQ.c2lnbmF0dXJl";
const NONCE: [u8; 32] = [0x4E; 32];
const JSON: &str =
    "JSON with `Jwt`, `EncryptedInnerKey`, `EncryptionParams` and `AuthenticationData`, each once";
const OTHER_CIPHERTEXT: &str = "PMLH9wo2nHA4gx3ew7g613NRTHOuaYsPqsJGoYk61F9z24NjLnume9vs02yhk+7g9pTDF/6R+x6xUVC1tSmjVOWe3cHdebXu/OrejRAm6h9w6voWIPKllAPeRCtx+dP6ch+MTGemLj4Uif3DjMIFluqETpqGtf5MYJ7bcOnHDckGiLcOhg+AiYsA6m21gxKReZYCrV2WzWntKbnZBUYskAKRE6YiTWVcgDqyFNrPy1+eNQRsffjNO8Ethj4gFZRtb6ecT5zoDZfZ5pHzYQoi9cLOlGJvHgxPDFXbdGPcWoXT533T+F9CAYJ4U7xWxRH8jMncOEB09FupI8cgp7PQ6yDEHGiK";
const OTHER_TAG: &str = "ycVa2MNaEkTNIZ/HRYcJPg==";
