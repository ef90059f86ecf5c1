//! JSON Web Tokens that the service signs (RFC 7519), compact (RFC 7515 section 3.1), with ES384 alone.
//!
//! ```text
//! header     {"alg":"ES384","typ":"JWT","kid":"<RFC 7638 thumbprint of the key, SHA-256>"}
//! payload    {<the claims given, texts, in their order>,"iat":<now>,"nbf":<now>,"exp":<now + validity>}
//! signature  r and s, 48 bytes each (RFC 7518 section 3.4)
//! ```
//!
//! Times are whole seconds since 1970 (RFC 7519 section 2, `NumericDate`). `nbf` is not set back for clocks
//! that differ: whoever checks a token allows for that (section 4.1.5).
//!
//! Steps of [`sign_jwt`]:
//! 1. read the key, which must be on P-384;
//! 2. refuse claims that the service sets itself, that come twice, or that are no text;
//! 3. write header and payload;
//! 4. sign them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use casque_types::{Seconds, Secret, Timestamp, sha256};
use data_encoding::BASE64URL_NOPAD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::key::PrivateKey;
use crate::render::json_escaped;

/// What a token is to say.
#[derive(Debug)]
pub struct JwtRequest<'a> {
    /// The key that signs: P-384, PKCS#8 DER.
    pub private_key: &'a Secret,
    /// Claims with their texts (UTF-8), in the order in which they are to stand in the payload.
    pub claims: &'a [(String, Secret)],
    /// How long the token is valid from `now`, at least one second.
    pub valid_for: Seconds,
    /// The present time: `iat` and `nbf`.
    pub now: Timestamp,
}

/// Why no token was signed. Positions count from 1.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum JwtError {
    /// A key of another type.
    #[error(
        "expected a private key of type P-384 as signer of `alg: ES384`, found another type: set `key_type: P-384` on the secret that `signer` names"
    )]
    KeyType,
    /// No key.
    #[error("the signer's private key is none in PKCS#8 that can be used")]
    Key,
    /// A claim that the service sets.
    #[error("the claim `{claim}` is set by the service: leave it out of `payload`")]
    ReservedClaim {
        /// Which one.
        claim: &'static str,
    },
    /// The same claim again.
    #[error("claim {position} of `payload` has the name of an earlier one: each may stand once")]
    RepeatedClaim {
        /// Which one.
        position: usize,
    },
    /// A claim whose value is no text.
    #[error(
        "expected UTF-8 text in claim {position} of `payload`, found other bytes: ask for `:hex` or `:base64`"
    )]
    NotText {
        /// Which one.
        position: usize,
    },
    /// A token that is never valid.
    #[error("expected a validity of 1 second or more, found 0")]
    Validity,
    /// The provider failed.
    #[error("the crypto provider could not sign the token")]
    Provider,
}

/// A signed token, compact; whoever holds it may be believed what it says, so it is a secret.
///
/// # Errors
/// The key is not on P-384, a claim cannot be written, or the token would never be valid.
pub fn sign_jwt(request: &JwtRequest<'_>) -> Result<Secret, JwtError> {
    // 1.
    let pair = key_pair(request.private_key)?;
    // 2.
    if request.valid_for.0 == 0 {
        return Err(JwtError::Validity);
    }
    let claims = readable(request.claims)?;
    // 3.
    let header = format!(
        r#"{{"alg":"ES384","typ":"JWT","kid":"{}"}}"#,
        thumbprint(&pair)?
    );
    let payload = payload(&claims, request);
    let size = [header.len(), payload.len(), SIGNATURE_BYTES]
        .into_iter()
        .map(|bytes| BASE64URL_NOPAD.encode_len(bytes).saturating_add(1))
        .fold(0, usize::saturating_add);
    let mut token = Zeroizing::new(String::with_capacity(size));
    BASE64URL_NOPAD.encode_append(header.as_bytes(), &mut token);
    token.push('.');
    BASE64URL_NOPAD.encode_append(payload.as_bytes(), &mut token);
    // 4.
    let signature = pair
        .sign(&SystemRandom::new(), token.as_bytes())
        .map_err(|_| JwtError::Provider)?;
    token.push('.');
    BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut token);
    Ok(Secret::new(std::mem::take(&mut *token).into_bytes()))
}

fn key_pair(key: &Secret) -> Result<EcdsaKeyPair, JwtError> {
    // Also sees that nothing follows the key.
    if PrivateKey::parse(key).is_none() {
        return Err(JwtError::Key);
    }
    // Exposed to be parsed by the provider.
    EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key.expose())
        .map_err(|_| JwtError::KeyType)
}

/// The claims as texts.
fn readable(claims: &[(String, Secret)]) -> Result<Vec<(&str, &str)>, JwtError> {
    let mut read: Vec<(&str, &str)> = Vec::with_capacity(claims.len());
    for (position, (name, value)) in (1..).zip(claims) {
        if let Some(claim) = SET_CLAIMS.iter().find(|claim| *claim == name) {
            return Err(JwtError::ReservedClaim { claim });
        }
        if read.iter().any(|(earlier, _)| earlier == name) {
            return Err(JwtError::RepeatedClaim { position });
        }
        let text = value.expose_text();
        read.push((name, text.ok_or(JwtError::NotText { position })?));
    }
    Ok(read)
}

fn payload(claims: &[(&str, &str)], request: &JwtRequest<'_>) -> Zeroizing<String> {
    let (now, end) = (request.now, request.now.plus(request.valid_for));
    let (now, end) = (now.as_unix_s(), end.as_unix_s());
    let times = format!(r#""iat":{now},"nbf":{now},"exp":{end}}}"#);
    let escaped: Vec<Secret> = claims
        .iter()
        .flat_map(|(name, text)| [json_escaped(name), json_escaped(text)])
        .collect();
    let size = escaped
        .iter()
        .fold(times.len().saturating_add(1), |size, text| {
            size.saturating_add(text.len()).saturating_add(3)
        });
    let mut payload = Zeroizing::new(String::with_capacity(size));
    payload.push('{');
    for (text, after) in escaped.iter().zip([":", ","].into_iter().cycle()) {
        payload.push('"');
        // Exposed to be copied into the wiped buffer that is signed; escaping leaves text.
        payload.push_str(text.expose_text().unwrap_or_default());
        payload.push('"');
        payload.push_str(after);
    }
    payload.push_str(&times);
    payload
}

/// RFC 7638: SHA-256 over the public key's required members in the order of their names, without spaces.
fn thumbprint(pair: &EcdsaKeyPair) -> Result<String, JwtError> {
    // A point that is not compressed (SEC 1 section 2.3.3): 4, then x and y.
    let (x, y) = pair
        .public_key()
        .as_ref()
        .strip_prefix(&[4])
        .and_then(|point| point.split_at_checked(COORDINATE_BYTES))
        .ok_or(JwtError::Provider)?;
    let jwk = format!(
        r#"{{"crv":"P-384","kty":"EC","x":"{}","y":"{}"}}"#,
        BASE64URL_NOPAD.encode(x),
        BASE64URL_NOPAD.encode(y)
    );
    Ok(BASE64URL_NOPAD.encode(sha256(jwk.as_bytes()).as_bytes()))
}

const SET_CLAIMS: [&str; 3] = ["iat", "nbf", "exp"];
const COORDINATE_BYTES: usize = 48;
const SIGNATURE_BYTES: usize = 96;

#[cfg(test)]
mod tests;
