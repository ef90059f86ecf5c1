//! Tokens of Microsoft Azure Attestation.
use casque_types::{Digest, MaaUrl, RuntimeData, Seconds, SgxIdentity, Timestamp};
use thiserror::Error;

use crate::{Appraisal, EndorsementsParseError, EvidenceParseError, MaaKeys};

/// A token, parsed, not verified.
#[derive(Clone, Debug)]
pub struct MaaToken {
    identity: Option<SgxIdentity>,
}

impl MaaToken {
    /// Parses a compact JWS.
    ///
    /// # Errors
    /// Not a token.
    pub fn parse(_text: &str) -> Result<Self, EvidenceParseError> {
        todo!()
    }
    /// The key id in its header.
    #[must_use]
    pub fn key_id(&self) -> &str {
        todo!()
    }
    /// Claimed SGX identity.
    #[must_use]
    pub const fn claimed_identity(&self) -> Option<&SgxIdentity> {
        self.identity.as_ref()
    }
    /// Claimed binding.
    #[must_use]
    pub fn claims_binding(&self, _runtime: &RuntimeData) -> bool {
        todo!()
    }
}

/// What the relying party demands of a token.
#[derive(Clone, Debug)]
pub struct MaaTrust {
    /// The only instance whose tokens count.
    pub issuer: MaaUrl,
    /// The least RSA modulus.
    pub min_rsa_bits: u32,
    /// How far clocks may differ.
    pub clock_skew: Seconds,
}

/// What a token's signature proves; not bound to a request.
#[derive(Clone, Debug)]
pub struct MaaVerdict {
    /// The enclave.
    pub identity: SgxIdentity,
    /// Who says so.
    pub issuer: MaaUrl,
    /// Digest of the attestation policy of the instance, if stated.
    pub policy_hash: Option<String>,
    /// Digest of the quote as it was submitted, if stated.
    pub quote_hash: Option<Digest<32>>,
    /// End of the token's life.
    pub expires: Timestamp,
}

impl MaaKeys {
    /// Reads `<url>/certs`.
    ///
    /// # Errors
    /// Not a key document.
    pub fn parse(_json: &[u8]) -> Result<Self, EndorsementsParseError> {
        todo!()
    }
    /// Whether a key with this id is there.
    #[must_use]
    pub fn contains(&self, key_id: &str) -> bool {
        self.keys.iter().any(|(id, _)| id == key_id)
    }
}

/// Why a token proves nothing.
#[derive(Debug, Error)]
pub enum MaaAppraiseError {
    /// Bound to something else.
    #[error("binding")]
    Binding,
}

/// Verifies.
///
/// # Errors
/// Not authentic.
pub fn verify_maa_token(
    _token: &MaaToken,
    _keys: &MaaKeys,
    _trust: &MaaTrust,
    _now: Timestamp,
) -> Result<MaaVerdict, MaaAppraiseError> {
    todo!()
}

/// Verifies, and checks that the token is bound to `runtime`.
///
/// # Errors
/// Not authentic or not bound.
pub fn appraise_maa(
    _token: &MaaToken,
    _runtime: &RuntimeData,
    _keys: &MaaKeys,
    _trust: &MaaTrust,
    _now: Timestamp,
) -> Result<Appraisal, MaaAppraiseError> {
    todo!()
}
