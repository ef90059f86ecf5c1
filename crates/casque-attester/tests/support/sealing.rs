//! Seals a token as Microsoft Azure Attestation does, to the key in a request.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The JSON in `AttestationInfo`.
pub(crate) fn info_of(attestation_info: &str) -> Value {
    let json = URL_SAFE_NO_PAD.decode(attestation_info).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// The bytes of a member, base64 with padding.
pub(crate) fn member(info: &Value, path: &str) -> Vec<u8> {
    let text = info.pointer(path).unwrap().as_str().unwrap();
    STANDARD.decode(text).unwrap()
}

/// A compact JWS with these claims, and a signature that is none.
pub(crate) fn token(claims: &Value) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (header, payload) = (br#"{"alg":"RS256"}"#, claims.to_string());
    [part(header), part(payload.as_bytes()), part(b"signature")].join(".")
}

/// The claims that matter to the agent in the answer to a request with `nonce`, base64 of its text.
pub(crate) fn claims(nonce: &str) -> Value {
    let runtime = json!({"client-payload": {"nonce": nonce}});
    json!({"x-ms-attestation-type": "azurevm", "x-ms-runtime": runtime})
}

/// Seals as the service does.
pub(crate) fn seal(public: &[u8], inner_key: &[u8], text: &str) -> Value {
    // `SubjectPublicKeyInfo` of 2048 bits and the exponent 65537.
    let der = [
        &[
            0x30, 0x82, 0x01, 0x22, 0x30, 0x0D, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1,
        ][..],
        &[
            5, 0, 3, 0x82, 1, 0x0F, 0, 0x30, 0x82, 1, 0x0A, 2, 0x82, 1, 1, 0,
        ],
        public.last_chunk::<256>().unwrap(),
        &[2, 3, 1, 0, 1],
    ];
    let key = PublicEncryptingKey::from_der(&der.concat()).unwrap();
    let key = Pkcs1PublicEncryptingKey::new(key).unwrap();
    let mut encrypted = [0; 256];
    key.encrypt(inner_key, &mut encrypted).unwrap();
    let algorithm = match inner_key.len() {
        16 => &AES_128_GCM,
        _ => &AES_256_GCM,
    };
    let mut padded = inner_key.to_vec();
    padded.resize(algorithm.key_len(), 0);
    let gcm = LessSafeKey::new(UnboundKey::new(algorithm, &padded).unwrap());
    let mut sealed = text.as_bytes().to_vec();
    let nonce = Nonce::assume_unique_for_key([7; 12]);
    let aad = Aad::from(b"Transport Key");
    let tag = gcm
        .seal_in_place_separate_tag(nonce, aad, &mut sealed)
        .unwrap();
    json!({
        "Jwt": STANDARD.encode(sealed),
        "EncryptedInnerKey": STANDARD.encode(encrypted),
        "EncryptionParams": {"Iv": STANDARD.encode([7; 12])},
        "AuthenticationData": STANDARD.encode(tag),
    })
}

pub(crate) fn text_of(sealed: &Value) -> String {
    URL_SAFE_NO_PAD.encode(sealed.to_string())
}
