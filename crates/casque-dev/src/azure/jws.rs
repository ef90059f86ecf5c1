//! Compact JWS (RFC 7515) as Entra ID signs and reads it: RS256, and PS256 for client assertions.
//!
//! Not a general JOSE library: two algorithms, no key management, no encryption.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, PublicKeyComponents};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::StartError;
use super::certificate::{self_signed_rsa, sha1};

/// An RSA key with a certificate, that signs tokens.
pub(crate) struct SigningKey {
    pair: KeyPair,
    certificate: Vec<u8>,
    key_id: String,
}

impl SigningKey {
    /// A fresh key; its id is the SHA-1 thumbprint of its certificate in base64url, as Entra does.
    pub(crate) fn generate(common_name: &str) -> Result<Self, StartError> {
        let (pkcs8, certificate) = self_signed_rsa(common_name)?;
        let pair = KeyPair::from_pkcs8(&pkcs8).map_err(|_| StartError::Key)?;
        let key_id = URL_SAFE_NO_PAD.encode(sha1(&certificate));
        Ok(Self {
            pair,
            certificate,
            key_id,
        })
    }

    /// Signs claims with RS256.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, StartError> {
        let header = json!({"typ": "JWT", "alg": "RS256", "x5t": self.key_id, "kid": self.key_id});
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0_u8; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .map_err(|_| StartError::Key)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Its public half as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        json!({
            "kty": "RSA", "use": "sig", "kid": self.key_id, "x5t": self.key_id,
            "n": URL_SAFE_NO_PAD.encode(public.n), "e": URL_SAFE_NO_PAD.encode(public.e),
            "x5c": [STANDARD.encode(&self.certificate)],
        })
    }

    /// Whether this key signed the token.
    pub(crate) fn signed(&self, token: &Jws<'_>) -> bool {
        token.is_signed_by(self.pair.public_key().as_ref())
    }
}

/// A token, taken apart; nothing of it is believed yet.
pub(crate) struct Jws<'a> {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    signed_text: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a compact JWS apart; `None` if it is none.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (signed_text, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed_text.split_once('.')?;
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed_text,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// Whether the holder of an RSA key (PKCS#1 `RSAPublicKey`, DER) signed it.
    pub(crate) fn is_signed_by(&self, public_key: &[u8]) -> bool {
        let Some(algorithm) = self.algorithm() else {
            return false;
        };
        UnparsedPublicKey::new(algorithm, public_key)
            .verify(self.signed_text.as_bytes(), &self.signature)
            .is_ok()
    }

    /// The algorithm in the header, if it is one of the two.
    pub(crate) fn algorithm(&self) -> Option<&'static RsaParameters> {
        match self.header.get("alg").and_then(Value::as_str) {
            Some("RS256") => Some(&RSA_PKCS1_2048_8192_SHA256),
            Some("PS256") => Some(&RSA_PSS_2048_8192_SHA256),
            _ => None,
        }
    }

    /// A claim that is text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// A NumericDate, which may have a fraction (RFC 7519 section 2).
    pub(crate) fn date(&self, claim: &str) -> Option<f64> {
        self.claims.get(claim).and_then(Value::as_f64)
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}
