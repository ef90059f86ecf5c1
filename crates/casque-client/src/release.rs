//! One release from the attester's side: challenge, evidence, attest, open (ARCHITECTURE.md section 4,
//! steps 1 to 3 and 12).

use casque_secrets::{ConfigurationKey, OpenError, SealError, open_configuration};
use casque_types::{ConfigId, Configuration, Rng, RuntimeData, Seconds};
use casque_wire::Evidence;
use thiserror::Error;

use crate::{Challenge, Client, ClientError};

/// A configuration that was released to this process.
#[derive(Debug)]
pub struct Released {
    /// The configuration.
    pub configuration: Configuration,
    /// After how long to ask again.
    pub refresh_after: Seconds,
}

/// Why there is no configuration; `E` is the caller's reason to have no evidence.
#[derive(Debug, Error)]
pub enum ReleaseError<E: std::error::Error + 'static> {
    /// An exchange failed, or the server denied.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No key pair could be made.
    #[error("no key pair for the answer could be made")]
    Key(#[source] SealError),
    /// There is no evidence.
    #[error("no evidence could be gathered")]
    Evidence(#[source] E),
    /// The answer does not open, or is not signed by the server.
    #[error("the server's answer is not for this request, or not from the pinned server")]
    Open(#[source] OpenError),
}

impl Client {
    /// Asks for a challenge, gathers evidence by `gather`, attests and opens the answer. The key pair
    /// lives no longer than this call.
    ///
    /// # Errors
    /// [`ReleaseError`].
    pub fn release<E: std::error::Error + 'static>(
        &self,
        config: ConfigId,
        rng: &dyn Rng,
        gather: impl FnOnce(&RuntimeData, &Challenge) -> Result<Evidence, E>,
    ) -> Result<Released, ReleaseError<E>> {
        let challenge = self.challenge()?;
        let key = ConfigurationKey::generate(rng).map_err(ReleaseError::Key)?;
        let (server, nonce) = (challenge.server, challenge.nonce.clone());
        let runtime = RuntimeData::new(server, config, nonce, key.public().clone());
        let evidence = gather(&runtime, &challenge).map_err(ReleaseError::Evidence)?;
        let (sealed, refresh_after) = self.attest(&runtime, evidence)?;
        let configuration =
            open_configuration(&sealed, &key, &runtime, &server).map_err(ReleaseError::Open)?;
        Ok(Released {
            configuration,
            refresh_after,
        })
    }
}
