//! The seal around a released configuration.
use casque_types::{Configuration, KemPublicKey, KeyHash, Rng, RuntimeData};
use thiserror::Error;

use crate::IdentityKey;

/// A sealed and signed configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedConfiguration {
    /// HPKE encapsulated key.
    pub encapsulated: Vec<u8>,
    /// HPKE ciphertext with tag.
    pub ciphertext: Vec<u8>,
    /// DER SubjectPublicKeyInfo of the server's identity.
    pub server_spki: Vec<u8>,
    /// Its signature.
    pub signature: Vec<u8>,
}

/// The agent's ephemeral key pair.
#[derive(Debug)]
pub struct ConfigurationKey {
    public: KemPublicKey,
}

impl ConfigurationKey {
    /// A new pair.
    ///
    /// # Errors
    /// No randomness.
    pub fn generate(_rng: &dyn Rng) -> Result<Self, SealError> {
        todo!()
    }
    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &KemPublicKey {
        &self.public
    }
}

/// Why nothing was sealed.
#[derive(Debug, Error)]
pub enum SealError {
    /// The key is no point.
    #[error("key")]
    Key,
}

/// Why an answer was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Signed by another key than the pinned one.
    #[error("server")]
    Server,
}

/// Encodes, seals to the key in `runtime` with its binding as additional data, and signs.
///
/// # Errors
/// The key in `runtime` is unusable, or the provider failed.
pub fn seal_configuration(
    _configuration: &Configuration,
    _runtime: &RuntimeData,
    _identity: &IdentityKey,
    _rng: &dyn Rng,
) -> Result<SealedConfiguration, SealError> {
    todo!()
}

/// Checks the signature against the pinned identity, opens and decodes.
///
/// # Errors
/// Not signed by `server`, not sealed for this request, or damaged.
pub fn open_configuration(
    _sealed: &SealedConfiguration,
    _key: &ConfigurationKey,
    _runtime: &RuntimeData,
    _server: &KeyHash,
) -> Result<Configuration, OpenError> {
    todo!()
}
