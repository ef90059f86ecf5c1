//! One release from the attester's side: challenge, evidence, attest, open (ARCHITECTURE.md section 4,
//! steps 1 to 3 and 12).

use std::fmt;

use casque_secrets::{ConfigurationKey, OpenError, SealError, open_configuration};
use casque_types::{ConfigId, Configuration, Rng, RuntimeData, Seconds};
use casque_wire::{Evidence, LengthOf};
use thiserror::Error;

use crate::{Challenge, Client, ClientError, SecondFactors};

/// A configuration that was released to this process.
#[derive(Debug)]
pub struct Released {
    /// The configuration.
    pub configuration: Configuration,
    /// After how long to ask again.
    pub refresh_after: Seconds,
}

/// What was gathered for one challenge. `Debug` shows the length of a token, not the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Gathered {
    /// The evidence.
    pub evidence: Evidence,
    /// A token of the attestation service about the same TEE; without one the server asks for one where a policy
    /// demands it. No secret: it says what the evidence says.
    pub maa_token: Option<String>,
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            evidence,
            maa_token,
        } = self;
        let mut shown = f.debug_struct("Gathered");
        shown.field("evidence", evidence);
        let token = maa_token.as_deref().map(LengthOf);
        shown.field("maa_token", &token).finish()
    }
}

impl From<Evidence> for Gathered {
    /// Without a token beside it.
    fn from(evidence: Evidence) -> Self {
        let maa_token = None;
        Self {
            evidence,
            maa_token,
        }
    }
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
    /// The workload has a service access token, and the server did not prove that it has it too.
    #[error("the server does not prove that it knows the service access token of this workload")]
    Factor(#[source] FactorError),
}

/// How the server failed to prove that it knows the service access token.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum FactorError {
    /// The policy has no token.
    #[error(
        "expected a proof in the released configuration, found none: set `security.service_access_token` in the policy, or start without a token"
    )]
    NoProof,
    /// The policy has another token.
    #[error(
        "the proof is over another token: compare the workload's with `security.service_access_token` in the policy"
    )]
    OtherToken,
}

impl Client {
    /// Asks for a challenge, gathers evidence by `gather`, attests with `factors` beside it and opens the
    /// answer. The key pair lives no longer than this call. With an access token in `factors`, nothing is
    /// released unless the server proves that it knows it too.
    ///
    /// # Errors
    /// [`ReleaseError`].
    pub fn release<E: std::error::Error + 'static, G: Into<Gathered>>(
        &self,
        config: ConfigId,
        rng: &dyn Rng,
        factors: &SecondFactors,
        gather: impl FnOnce(&RuntimeData, &Challenge) -> Result<G, E>,
    ) -> Result<Released, ReleaseError<E>> {
        let challenge = self.challenge()?;
        let key = ConfigurationKey::generate(rng).map_err(ReleaseError::Key)?;
        let (server, nonce) = (challenge.server, challenge.nonce.clone());
        let runtime = RuntimeData::new(server, config, nonce, key.public().clone());
        let gathered = gather(&runtime, &challenge).map_err(ReleaseError::Evidence)?;
        let (sealed, refresh_after) = self.attest(&runtime, gathered, factors)?;
        let configuration =
            open_configuration(&sealed, &key, &runtime, &server).map_err(ReleaseError::Open)?;
        factors
            .require_server_proof(&configuration, &runtime)
            .map_err(ReleaseError::Factor)?;
        Ok(Released {
            configuration,
            refresh_after,
        })
    }
}
