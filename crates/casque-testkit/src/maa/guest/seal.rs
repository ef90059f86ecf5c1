//! The sealed token: base64url of JSON whose members are in standard base64.
//!
//! ```json
//! {"Jwt": ciphertext of the JWS, "EncryptedInnerKey": RSAES-PKCS1-v1_5 of the AES key under the TPM's key,
//!  "EncryptionParams": {"Iv": 12 bytes}, "AuthenticationData": tag of 16 bytes}
//! ```
//! AES-256-GCM with the additional data `Transport Key`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::Pkcs1PublicEncryptingKey;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_types::Secret;
use serde_json::json;

use super::{AttestationInfo, GuestRefusal};
use crate::azure_vm::SEALED_FOR;

impl AttestationInfo {
    /// Seals a token to the guest's key: what stands in `token` of the answer.
    ///
    /// # Errors
    /// [`GuestRefusal::Seal`]: the provider failed.
    pub fn seal(&self, token: &str) -> Result<String, GuestRefusal> {
        self.sealed(token).map_err(|_| GuestRefusal::Seal)
    }

    fn sealed(&self, token: &str) -> Result<String, Unspecified> {
        let mut bytes = vec![0; AES_256_GCM.key_len()];
        aws_lc_rs::rand::fill(&mut bytes)?;
        let inner = Secret::new(bytes);
        let key = self.tpm.encryption_key.components().try_into()?;
        let key = Pkcs1PublicEncryptingKey::new(key)?;
        let mut encrypted = vec![0; key.ciphertext_size()];
        // Exposed: it is encrypted to the guest's key, and the token with it.
        let encrypted = key.encrypt(inner.expose(), &mut encrypted)?;
        let content = RandomizedNonceKey::new(&AES_256_GCM, inner.expose())?;
        let mut jwt = token.as_bytes().to_vec();
        let (iv, tag) = content.seal_in_place_separate_tag(Aad::from(SEALED_FOR), &mut jwt)?;
        let sealed = json!({
            "Jwt": STANDARD.encode(&jwt),
            "EncryptedInnerKey": STANDARD.encode(encrypted),
            "EncryptionParams": {"Iv": STANDARD.encode(iv.as_ref())},
            "AuthenticationData": STANDARD.encode(tag.as_ref()),
        });
        Ok(URL_SAFE_NO_PAD.encode(sealed.to_string()))
    }
}
