//! Uploads: a policy's text, a signed session in JSON, or either of them encrypted to this server.
//!
//! A body is a signed session if it is a JSON object of exactly the members `session` and `signatures`: no
//! policy is, since both are unknown to the language. Everything else is a policy's text, JSON too. One
//! signature that does not count refuses the whole, so that nobody believes that a policy was signed by more
//! than it was. What is signed and how a session is encrypted stands in `casque_secrets`.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_core::Blame;
use casque_secrets::{
    DecryptSessionError, SessionEncryptionKey, SessionEncryptionPublicKey, SignerKey,
    decrypt_session, session_message,
};
use casque_types::KeyHash;
use casque_wire as wire;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use crate::answer::Refusal;
use crate::body::too_large;
use crate::code::Code;

/// A policy's text, and who signed it.
pub(crate) struct Upload {
    /// May hold secrets that the author gives.
    pub(crate) text: Zeroizing<String>,
    pub(crate) signers: BTreeSet<KeyHash>,
}

/// Reads a policy or a signed session.
pub(crate) fn upload(body: &[u8]) -> Result<Upload, Refusal> {
    if is_signed(body) {
        return signed(body);
    }
    if body.len() > MOST_POLICY_BYTES {
        return Err(too_large(MOST_POLICY_BYTES, SPLIT));
    }
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, &error))?;
    Ok(Upload {
        text: Zeroizing::new(text.to_owned()),
        signers: BTreeSet::new(),
    })
}

/// Reads either of them that is encrypted to `key`.
pub(crate) fn encrypted_upload(body: &[u8], key: &SessionEncryptionKey) -> Result<Upload, Refusal> {
    let raw: wire::EncryptedSession = serde_json::from_slice(body).map_err(|error| {
        let message = format!("expected an encrypted session in JSON: {error}");
        refusal(Code::RequestMalformed, message, SHAPES)
    })?;
    let named: SessionEncryptionPublicKey = raw.encryption_key.parse().map_err(|error| {
        let message = format!("encryption_key: {error}");
        refusal(Code::RequestMalformed, message, SHAPES)
    })?;
    if named != *key.public() {
        return Err(other_key(&named, key.public()));
    }
    let encrypted = STANDARD.decode(&raw.encrypted_session).map_err(|_| {
        let message = "encrypted_session: expected base64 with padding, found something else";
        refusal(Code::EncryptedSessionMalformed, message, SHAPES)
    })?;
    let text = decrypt_session(key, &encrypted).map_err(not_decrypted)?;
    // exposed to be parsed
    upload(text.expose())
}

fn is_signed(body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return false;
    }
    let members: Result<BTreeMap<String, IgnoredAny>, _> = serde_json::from_slice(body);
    members.is_ok_and(|members| members.keys().eq(["session", "signatures"]))
}

fn signed(body: &[u8]) -> Result<Upload, Refusal> {
    let raw: wire::SignedSession = serde_json::from_slice(body).map_err(|error| {
        let message = format!("expected a signed session in JSON: {error}");
        refusal(Code::RequestMalformed, message, SHAPES)
    })?;
    let text = Zeroizing::new(raw.session);
    if text.len() > MOST_POLICY_BYTES {
        return Err(too_large(MOST_POLICY_BYTES, SPLIT));
    }
    let found = raw.signatures.len();
    if !(1..=MOST_SIGNATURES).contains(&found) {
        let message = format!("expected 1 to {MOST_SIGNATURES} signatures, found {found}");
        return Err(refusal(Code::RequestMalformed, message, SHAPES));
    }
    let message = session_message(&text);
    let signers = raw.signatures.iter().enumerate();
    let signers = signers.map(|(index, signature)| signer(index, signature, &message));
    Ok(Upload {
        signers: signers.collect::<Result<_, _>>()?,
        text,
    })
}

fn signer(index: usize, raw: &wire::SessionSignature, message: &[u8]) -> Result<KeyHash, Refusal> {
    let key: SignerKey = raw.signer.parse().map_err(|error| {
        let message = format!("signatures[{index}].signer: {error}");
        let hint = "`openssl pkey -pubout` prints the public key of a private one";
        refusal(Code::SessionSignerMalformed, message, hint)
    })?;
    let signature = signature_bytes(&raw.signature).ok_or_else(|| {
        let message = format!(
            "signatures[{index}].signature: expected hexadecimal digits, or base64 with padding"
        );
        let hint = "sign again with `casque session sign`";
        refusal(Code::SessionSignatureMalformed, message, hint)
    })?;
    key.verify(message, &signature)
        .map_err(|error| wrong_signature(index, &key, &error.to_string()))?;
    Ok(key.key_hash())
}

/// No signature in base64 has hexadecimal digits alone: one in 10^43 of them would.
fn signature_bytes(text: &str) -> Option<Vec<u8>> {
    match hex::decode(text) {
        Ok(bytes) if !bytes.is_empty() => Some(bytes),
        _ => STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty()),
    }
}

fn wrong_signature(index: usize, key: &SignerKey, error: &str) -> Refusal {
    let key = key.key_hash();
    Refusal::new(
        Blame::Unauthenticated,
        Code::SessionSignatureWrong,
        format!("signatures[{index}] of signer {key}: {error}"),
        Some(
            "sign the text again, exactly as it is sent: white space counts, and a signature holds for one text",
        ),
    )
}

fn other_key(found: &SessionEncryptionPublicKey, own: &SessionEncryptionPublicKey) -> Refusal {
    Refusal::new(
        Blame::Malformed,
        Code::EncryptionKeyOther,
        format!("the session is encrypted to the key {found}, and this server's is {own}"),
        Some(
            "encrypt it to the key of the attested server that it is meant for; `GET /v1/version` shows it",
        ),
    )
}

fn not_decrypted(error: DecryptSessionError) -> Refusal {
    match error {
        DecryptSessionError::Length { .. } => {
            refusal(Code::EncryptedSessionMalformed, error.to_string(), SHAPES)
        }
        DecryptSessionError::Decrypt => refusal(
            Code::EncryptedSessionUnreadable,
            error.to_string(),
            "encrypt it again; nothing may change it on the way",
        ),
        DecryptSessionError::NotUtf8 => refusal(
            Code::PolicyNotUtf8,
            error.to_string(),
            "save the file as UTF-8, then encrypt it",
        ),
    }
}

fn not_utf8(body: &[u8], error: &std::str::Utf8Error) -> Refusal {
    let before = body.get(..error.valid_up_to()).unwrap_or_default();
    let line = before
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        .saturating_add(1);
    let message = format!("expected a policy in UTF-8, found a byte that is none in line {line}");
    refusal(Code::PolicyNotUtf8, message, "save the file as UTF-8")
}

fn refusal(code: Code, message: impl Into<String>, hint: &str) -> Refusal {
    Refusal::new(Blame::Malformed, code, message, Some(hint))
}

/// What to do about a policy that is too large.
pub(crate) const SPLIT: &str = "split the policy, or import large values from Key Vault";
const SHAPES: &str = "docs/http.md shows the body";
/// The most bytes of a policy's text.
pub(crate) const MOST_POLICY_BYTES: usize = 1024 * 1024;
/// The most bytes of a policy with its signatures in JSON, or encrypted and in base64.
pub(crate) const MOST_UPLOAD_BYTES: usize = 2 * 1024 * 1024;
const MOST_SIGNATURES: usize = 64;

#[cfg(test)]
mod tests;
