//! What a workload shows beside its evidence: a one-time password, and that it knows the service access token
//! (spec/policy-language.md section 9).

use casque_secrets::{OtpCode, ProofSide, access_token_proof, is_access_token_proof};
use casque_types::{Configuration, RuntimeData, Secret};

use crate::FactorError;

/// What is shown beside the evidence; nothing by default.
#[derive(Debug, Default)]
pub struct SecondFactors {
    /// A one-time password, sent as it is: the server counts it once.
    pub one_time_password: Option<OtpCode>,
    /// The service access token. Never sent: each end proves to the other that it has it.
    pub access_token: Option<Secret>,
}

impl SecondFactors {
    /// The attester's proof for the request with this runtime data, if there is a token.
    pub(crate) fn attester_proof(&self, runtime: &RuntimeData) -> Option<[u8; 32]> {
        let token = self.access_token.as_ref()?;
        Some(access_token_proof(
            token,
            ProofSide::Attester,
            &runtime.binding(),
        ))
    }

    /// That the server knows the token too, if there is one.
    pub(crate) fn require_server_proof(
        &self,
        configuration: &Configuration,
        runtime: &RuntimeData,
    ) -> Result<(), FactorError> {
        let Some(token) = &self.access_token else {
            return Ok(());
        };
        let proof = configuration
            .access_token_proof
            .ok_or(FactorError::NoProof)?;
        match is_access_token_proof(&proof, token, ProofSide::Server, &runtime.binding()) {
            true => Ok(()),
            false => Err(FactorError::OtherToken),
        }
    }
}
