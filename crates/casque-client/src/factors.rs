//! What a workload shows beside its evidence: a one-time password, that it knows the service access token
//! (spec/policy-language.md section 9), a service account token.

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
    /// A projected service account token of Kubernetes, sent as it is: whoever has it is the pod until it expires.
    pub service_account_token: Option<Secret>,
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

    /// The service account token as it is sent; bytes that are no text are for the server to refuse.
    pub(crate) fn service_account_token(&self) -> Option<String> {
        let token = self.service_account_token.as_ref()?;
        // Exposed to be sent: it is what the server verifies.
        let text = String::from_utf8_lossy(token.expose());
        Some(text.trim().to_owned())
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
