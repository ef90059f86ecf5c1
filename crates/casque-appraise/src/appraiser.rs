//! The verifier: evidence, endorsements and a time become a [`Verdict`], and bound to a request an [`Appraisal`].
//!
//! What was verified once is remembered by digest until it expires: sets of endorsements, certificates, the
//! signed parts of quotes that stay the same. Memory never changes an answer, only what it costs; it is
//! bounded, and a verdict is never younger than its inputs.

use casque_types::{RuntimeData, Timestamp};

use crate::{
    Appraisal, AppraiseError, Endorsements, Evidence, MaaKeys, MaaToken, MaaTrust, TrustAnchors,
    Verdict, aci, appraise_absent, azure_vm, intel, maa, snp,
};

/// The verifier, with the roots that it believes.
#[derive(Debug)]
pub struct Appraiser {
    pub(crate) anchors: TrustAnchors,
    pub(crate) intel: intel::Memory,
    pub(crate) certificates: crate::x509::Memory,
    pub(crate) amd: snp::Anchors,
}

impl Appraiser {
    /// A verifier that believes these roots.
    #[must_use]
    pub fn new(anchors: TrustAnchors) -> Self {
        Self {
            amd: snp::Anchors::of(&anchors),
            anchors,
            intel: intel::Memory::default(),
            certificates: crate::x509::Memory::default(),
        }
    }

    /// Verifies evidence of a TEE; says nothing of freshness, and nothing of tokens ([`Appraiser::verify_token`]).
    ///
    /// # Errors
    /// [`AppraiseError`] for the first step that fails.
    pub fn verify(
        &self,
        evidence: &Evidence,
        endorsements: &Endorsements,
        now: Timestamp,
    ) -> Result<Verdict, AppraiseError> {
        match evidence {
            Evidence::Absent | Evidence::MaaToken(_) => Ok(Verdict::absent()),
            Evidence::Sgx(quote) => Ok(intel::verify_sgx(self, quote, endorsements, now)?),
            Evidence::Tdx(quote) => Ok(intel::verify_tdx(self, quote, endorsements, now)?),
            Evidence::Snp(evidence) => Ok(snp::verify(self, evidence, endorsements, now)?),
            Evidence::AzureVm(evidence) => azure_vm::verify(self, evidence, endorsements, now),
            Evidence::Aci(evidence) => aci::verify(self, evidence, endorsements, now),
        }
    }

    /// Checks that evidence is bound to `runtime`, then verifies it. Without evidence, or with a token, the
    /// appraisal proves nothing.
    ///
    /// # Errors
    /// [`AppraiseError::NotBound`], or why it does not verify.
    pub fn appraise(
        &self,
        evidence: &Evidence,
        runtime: RuntimeData,
        endorsements: &Endorsements,
        now: Timestamp,
    ) -> Result<Appraisal, AppraiseError> {
        if matches!(evidence, Evidence::Absent | Evidence::MaaToken(_)) {
            return Ok(appraise_absent(runtime));
        }
        if !evidence.claims_binding(&runtime) {
            return Err(AppraiseError::NotBound);
        }
        let verdict = self.verify(evidence, endorsements, now)?;
        if !verdict.bound().fits(&runtime) {
            return Err(AppraiseError::NotBound);
        }
        Ok(Appraisal::new(verdict, runtime))
    }

    /// Verifies that the instance issued the token and that it holds now; says nothing of freshness.
    ///
    /// # Errors
    /// [`AppraiseError::Maa`] for the first step that fails.
    pub fn verify_token(
        &self,
        token: &MaaToken,
        keys: &MaaKeys,
        trust: &MaaTrust,
        now: Timestamp,
    ) -> Result<Verdict, AppraiseError> {
        Ok(maa::verify(self, token, keys, trust, now)?)
    }

    /// Verifies a token, and that it is bound to `runtime` (see the module `maa` for how).
    ///
    /// # Errors
    /// Why it does not verify, or that it is bound to something else.
    pub fn appraise_token(
        &self,
        token: &MaaToken,
        runtime: RuntimeData,
        keys: &MaaKeys,
        trust: &MaaTrust,
        now: Timestamp,
    ) -> Result<Appraisal, AppraiseError> {
        maa::appraise(self, token, runtime, keys, trust, now)
    }

    /// The attestation service judged `evidence`, which Casque submitted, and answered `token`: verifies the
    /// token, that it speaks of this evidence, and that the evidence is bound to `runtime`. For an Azure VM the
    /// token vouches for the attestation key, with which the TPM's quote is verified here.
    ///
    /// # Errors
    /// Why the token does not verify, speaks of other evidence, or is bound to something else.
    pub fn appraise_submitted(
        &self,
        submitted: &Submitted<'_>,
        runtime: RuntimeData,
        trust: &MaaTrust,
        now: Timestamp,
    ) -> Result<Appraisal, AppraiseError> {
        maa::appraise_submitted(self, submitted, runtime, trust, now)
    }

    /// Both verifiers, unbound: verifies the evidence itself and the token about it, and compares every claim of the
    /// identity.
    ///
    /// # Errors
    /// Why one of them proves nothing, or [`AppraiseError::Contradiction`] with every claim that differs.
    pub fn verify_both(
        &self,
        submitted: &Submitted<'_>,
        endorsements: &Endorsements,
        trust: &MaaTrust,
        now: Timestamp,
    ) -> Result<Verdict, AppraiseError> {
        maa::verify_both(self, submitted, endorsements, trust, now)
    }

    /// Both verifiers: appraises the evidence itself and the token about it, and compares every claim of the
    /// identity, and the binding.
    ///
    /// # Errors
    /// Why one of them proves nothing, or [`AppraiseError::Contradiction`] with every claim that differs.
    pub fn appraise_both(
        &self,
        submitted: &Submitted<'_>,
        runtime: RuntimeData,
        endorsements: &Endorsements,
        trust: &MaaTrust,
        now: Timestamp,
    ) -> Result<Appraisal, AppraiseError> {
        maa::appraise_both(self, submitted, runtime, endorsements, trust, now)
    }
}

/// Evidence and what the attestation service says of it.
#[derive(Clone, Copy, Debug)]
pub struct Submitted<'a> {
    /// The evidence.
    pub evidence: &'a Evidence,
    /// The token.
    pub token: &'a MaaToken,
    /// The instance's keys.
    pub keys: &'a MaaKeys,
}
