//! Nonces that the server need not remember.
//!
//! ```text
//! 16 random bytes | expiry, seconds since 1970, 8 bytes big endian | HMAC-SHA-256(key, the 24 bytes before)
//! ```
//!
//! Any replica that holds the key redeems a nonce of any other. A nonce can be redeemed more than once
//! within its life: every answer is sealed to the key that the evidence is bound to, so a replay gives
//! its sender nothing that the attester did not get.

use aws_lc_rs::hmac;
use casque_types::{KeyHash, Nonce, Rng, RngError, Seconds, Timestamp};
use thiserror::Error;

/// An offer to attest.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// To be put into the runtime data.
    pub nonce: Nonce,
    /// Until when it can be redeemed.
    pub expires: Timestamp,
    /// The server's identity, to be put into the runtime data.
    pub server: KeyHash,
}

/// The key that makes and redeems nonces.
pub struct ChallengeKey(hmac::Key);

impl ChallengeKey {
    /// A key from 32 secret bytes that all replicas share.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// A fresh nonce.
    ///
    /// # Errors
    /// No randomness.
    pub fn issue(
        &self,
        server: KeyHash,
        life: Seconds,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Result<Challenge, RngError> {
        let expires = now.plus(life);
        let mut random = [0_u8; 16];
        rng.fill(&mut random)?;
        let mut bytes = Vec::with_capacity(NONCE_BYTES);
        bytes.extend_from_slice(&random);
        bytes.extend_from_slice(&expires.as_unix_s().to_be_bytes());
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        let nonce = Nonce::from_bytes(bytes).ok_or(RngError)?;
        Ok(Challenge {
            nonce,
            expires,
            server,
        })
    }

    /// Checks that a nonce is one of ours and inside its life.
    ///
    /// # Errors
    /// [`RedeemError`].
    pub fn redeem(&self, nonce: &Nonce, now: Timestamp) -> Result<(), RedeemError> {
        let Some((body, tag)) = nonce.as_bytes().split_at_checked(24) else {
            return Err(RedeemError::Foreign);
        };
        hmac::verify(&self.0, body, tag).map_err(|_| RedeemError::Foreign)?;
        let expiry = body.last_chunk::<8>().ok_or(RedeemError::Foreign)?;
        let expires = Timestamp::from_unix_s(u64::from_be_bytes(*expiry));
        if now > expires {
            return Err(RedeemError::Stale { expires });
        }
        Ok(())
    }
}

/// Why a nonce cannot be redeemed.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum RedeemError {
    /// This server, or its replicas, did not make it.
    #[error("the nonce was not issued by this server; ask for a new challenge")]
    Foreign,
    /// Its life is over.
    #[error("the nonce was good until {expires}; ask for a new challenge")]
    Stale {
        /// The end of its life.
        expires: Timestamp,
    },
}

impl RedeemError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Foreign => "nonce-foreign",
            Self::Stale { .. } => "nonce-stale",
        }
    }
}

const NONCE_BYTES: usize = 16 + 8 + 32;
