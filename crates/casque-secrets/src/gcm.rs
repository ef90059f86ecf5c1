//! AES-256-GCM (NIST SP 800-38D) around one value: what envelopes and wrapped values share.
//!
//! A nonce is random, so that one key is good for about 2^32 values (section 8.3).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use casque_types::{Rng, RngError, Secret};
use zeroize::Zeroizing;

/// A fresh nonce.
pub(crate) fn random_nonce(rng: &dyn Rng) -> Result<[u8; NONCE_BYTES], RngError> {
    let mut nonce = [0_u8; NONCE_BYTES];
    rng.fill(&mut nonce)?;
    Ok(nonce)
}

/// `header | ciphertext | tag`; `None` when the provider failed. The tag is over the additional data and the
/// ciphertext: a header that must not change is to be among the former.
pub(crate) fn seal_value(
    key: &[u8; KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
    additional: &[u8],
    header: &[u8],
    value: &Secret,
) -> Option<Vec<u8>> {
    let around = header.len().saturating_add(TAG_BYTES);
    let size = value.len().saturating_add(around);
    // Wiped should sealing fail half-way.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    bytes.extend_from_slice(header);
    // Exposed to be encrypted in place.
    bytes.extend_from_slice(value.expose());
    let tag = key_of(key)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(additional),
            bytes.get_mut(header.len()..)?,
        )
        .ok()?;
    bytes.extend_from_slice(tag.as_ref());
    // What was plaintext is ciphertext now, and may leave its wiped buffer.
    Some(std::mem::take(&mut *bytes))
}

/// Opens `ciphertext | tag`; `None` when it is not sealed so under this key.
pub(crate) fn open_value(
    key: &[u8; KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
    additional: &[u8],
    sealed: &[u8],
) -> Option<Secret> {
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let value_bytes = key_of(key)?
        .open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(additional),
            &mut bytes,
        )
        .ok()?
        .len();
    bytes.truncate(value_bytes);
    Some(Secret::from(bytes))
}

fn key_of(bytes: &[u8; KEY_BYTES]) -> Option<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, bytes).ok()?;
    Some(LessSafeKey::new(key))
}

/// How many bytes a key has.
pub(crate) const KEY_BYTES: usize = 32;
/// How many bytes a nonce has.
pub(crate) const NONCE_BYTES: usize = NONCE_LEN;
/// How many bytes a tag has.
pub(crate) const TAG_BYTES: usize = 16;
