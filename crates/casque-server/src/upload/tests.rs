use casque_secrets::{IdentityKey, SigningKey, encrypt_session};
use casque_types::Secret;
use serde_json::{Value, json};

use super::*;
use crate::ports::SystemRng;

const TEXT: &str = "name: a\nversion: \"0.3\"\n";

fn key() -> SigningKey {
    SigningKey::from_pkcs8(IdentityKey::generate().unwrap().pkcs8()).unwrap()
}

fn pem(key: &SigningKey) -> String {
    let body = STANDARD.encode(key.signer().spki());
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n")
}

/// A session that two keys signed, one in each spelling.
fn signed_by(keys: [&SigningKey; 2]) -> Value {
    let [first, second] = keys.map(|key| key.sign(&session_message(TEXT)).unwrap());
    json!({"session": TEXT, "signatures": [
        {"signer": pem(keys[0]), "signature": hex::encode(first)},
        {"signer": pem(keys[1]), "signature": STANDARD.encode(second)},
    ]})
}

fn refused(body: &Value) -> (&'static str, String) {
    let refusal = upload(body.to_string().as_bytes()).map(|_| ()).unwrap_err();
    (refusal.code, refusal.message().to_owned())
}

fn bent(bend: impl FnOnce(&mut Value)) -> (&'static str, String) {
    let (first, second) = (key(), key());
    let mut session = signed_by([&first, &second]);
    bend(&mut session);
    refused(&session)
}

#[test]
fn signed_session_has_its_text_and_all_signers() {
    let (first, second) = (key(), key());
    let body = signed_by([&first, &second]).to_string();
    let upload = upload(format!(" \n{body}\n").as_bytes()).unwrap();
    assert_eq!(*upload.text, TEXT);
    let signers = [first.signer().key_hash(), second.signer().key_hash()];
    assert_eq!(upload.signers, BTreeSet::from(signers));
}

#[test]
fn policy_in_json_is_no_signed_session() {
    for text in [
        r#"{"name": "a", "version": "0.3"}"#,
        r#"{"session": "name: a"}"#,
        r#"{"session": "name: a", "signatures": [], "version": "0.3"}"#,
        "{name: a, version: '0.3'}",
        "[]",
        "",
        r#"{"session": "name: a", "signatures": []} {}"#,
    ] {
        let upload = upload(text.as_bytes()).unwrap();
        assert_eq!(*upload.text, text);
        assert!(upload.signers.is_empty());
    }
}

#[test]
fn signed_session_with_one_wrong_signature_names_it() {
    let (code, message) = bent(|session| session["session"] = json!(format!("{TEXT} ")));
    assert_eq!(code, "session-signature-wrong");
    assert!(message.starts_with("signatures[0] of signer "), "{message}");
    let (code, message) = bent(|session| {
        session["signatures"][1]["signature"] = session["signatures"][0]["signature"].clone();
    });
    assert_eq!(code, "session-signature-wrong");
    assert!(message.starts_with("signatures[1] of signer "), "{message}");
    let other = key();
    let (code, _) = bent(|session| session["signatures"][0]["signer"] = json!(pem(&other)));
    assert_eq!(code, "session-signature-wrong");
}

#[test]
fn signed_session_with_texts_that_are_none_names_them() {
    for text in ["", "abc", "zz", "AA=A", "deadbee"] {
        let (code, message) = bent(|session| session["signatures"][1]["signature"] = json!(text));
        assert_eq!(code, "session-signature-malformed", "{text}");
        assert!(message.starts_with("signatures[1].signature: expected"));
    }
    for text in [
        "",
        "x",
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    ] {
        let (code, message) = bent(|session| session["signatures"][0]["signer"] = json!(text));
        assert_eq!(code, "session-signer-malformed", "{text}");
        assert!(
            message.starts_with("signatures[0].signer: expected"),
            "{message}"
        );
    }
}

#[test]
fn signed_session_of_other_shape_is_refused() {
    let (code, message) = bent(|session| session["signatures"] = json!([]));
    assert_eq!(code, "request-malformed");
    assert_eq!(message, "expected 1 to 64 signatures, found 0");
    let (code, message) = bent(|session| {
        session["signatures"] = json!(vec![session["signatures"][0].clone(); 65]);
    });
    assert_eq!(code, "request-malformed");
    assert_eq!(message, "expected 1 to 64 signatures, found 65");
    assert_eq!(
        bent(|session| session["session"] = json!(1)).0,
        "request-malformed"
    );
    let (code, message) = bent(|session| session["signatures"][0]["time"] = json!(1));
    assert_eq!(code, "request-malformed");
    assert!(message.contains("unknown field `time`"), "{message}");
}

#[test]
fn text_over_its_bound_is_refused() {
    let long = " ".repeat(MOST_POLICY_BYTES + 1);
    let refused_plain = upload(long.as_bytes()).map(|_| ()).unwrap_err();
    assert_eq!(refused_plain.code, "body-too-large");
    assert_eq!(
        bent(|session| session["session"] = json!(long)).0,
        "body-too-large"
    );
    assert_eq!(
        upload(&vec![b' '; MOST_POLICY_BYTES]).unwrap().text.len(),
        MOST_POLICY_BYTES
    );
}

#[test]
fn not_utf8_names_the_line() {
    let body = [b"name: a\nb: ".as_slice(), &[0xff]].concat();
    let refusal = upload(&body).map(|_| ()).unwrap_err();
    assert_eq!(refusal.code, "policy-not-utf8");
    assert!(refusal.message().contains("line 2"));
}

fn encrypted(key: &SessionEncryptionKey, text: &str) -> Value {
    let text = Secret::copied_from(text.as_bytes());
    let bytes = encrypt_session(key.public(), &text, &SystemRng::default()).unwrap();
    json!({
        "encrypted_session": STANDARD.encode(bytes),
        "encryption_key": key.public().to_string(),
    })
}

fn session_key() -> SessionEncryptionKey {
    SessionEncryptionKey::of_identity(&IdentityKey::generate().unwrap()).unwrap()
}

fn bent_encrypted(bend: impl FnOnce(&mut Value)) -> (&'static str, String) {
    let key = session_key();
    let mut body = encrypted(&key, TEXT);
    bend(&mut body);
    let refusal = encrypted_upload(body.to_string().as_bytes(), &key);
    let refusal = refusal.map(|_| ()).unwrap_err();
    (refusal.code, refusal.message().to_owned())
}

#[test]
fn encrypted_session_is_read_signed_or_not() {
    let key = session_key();
    let body = encrypted(&key, TEXT).to_string();
    let upload = encrypted_upload(body.as_bytes(), &key).unwrap();
    assert_eq!((upload.text.as_str(), upload.signers.len()), (TEXT, 0));
    let (first, second) = (self::key(), self::key());
    let body = encrypted(&key, &signed_by([&first, &second]).to_string()).to_string();
    let upload = encrypted_upload(body.as_bytes(), &key).unwrap();
    assert_eq!((upload.text.as_str(), upload.signers.len()), (TEXT, 2));
}

#[test]
fn encrypted_session_bent_is_refused() {
    let other = session_key();
    let (code, message) = bent_encrypted(|body| *body = encrypted(&other, TEXT));
    assert_eq!(code, "encryption-key-other");
    assert!(message.contains(&other.public().to_string()), "{message}");
    let (code, _) = bent_encrypted(|body| {
        body["encrypted_session"] = encrypted(&other, TEXT)["encrypted_session"].clone();
    });
    assert_eq!(code, "encrypted-session-unreadable");
    let (code, message) = bent_encrypted(|body| body["encrypted_session"] = json!("AAAA"));
    assert_eq!(code, "encrypted-session-malformed");
    assert!(message.ends_with("found 3"), "{message}");
    let (code, _) = bent_encrypted(|body| body["encrypted_session"] = json!("%"));
    assert_eq!(code, "encrypted-session-malformed");
    let (code, message) = bent_encrypted(|body| body["encryption_key"] = json!("00"));
    assert_eq!(code, "request-malformed");
    assert!(message.starts_with("encryption_key: "), "{message}");
    let (code, message) = bent_encrypted(|body| body["version"] = json!(1));
    assert_eq!(code, "request-malformed");
    assert!(message.contains("unknown field `version`"), "{message}");
}
