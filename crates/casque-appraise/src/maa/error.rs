//! Why a token proves nothing.

use casque_types::{MaaUrl, Timestamp};
use thiserror::Error;

use crate::{AciAppraiseError, EvidenceKind, EvidenceParseError, SnpAppraiseError};

/// Why a token proves nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum MaaAppraiseError {
    /// `alg` is `none`: a draft of an attestation policy was tried out.
    #[error(
        "the token is unsigned (`alg` is `none`): it answers a request with `draftPolicyForAttestation`; ask without one"
    )]
    Unsigned,
    /// `alg` is not RS256.
    #[error("the token's `alg` is `{found}`, expected `RS256`")]
    Algorithm {
        /// What it is.
        found: String,
    },
    /// `typ` is not JWT.
    #[error("the token's `typ` is `{found}`, expected `JWT`")]
    Type {
        /// What it is.
        found: String,
    },
    /// Another instance issued it.
    #[error(
        "the token was issued by `{found}`, expected `{expected}`; attest with the instance that the policy names"
    )]
    Issuer {
        /// The instance that the policy names.
        expected: MaaUrl,
        /// `iss`.
        found: String,
    },
    /// `jku` is not the issuer's key document.
    #[error("the token names `{found}` as its keys, expected `{expected}`")]
    KeyUrl {
        /// The issuer's `/certs`.
        expected: String,
        /// `jku`.
        found: String,
    },
    /// Its key is not among the instance's.
    #[error(
        "the instance has no key `{key_id}`; its keys may have changed since the token was issued: attest again"
    )]
    UnknownKey {
        /// `kid`.
        key_id: String,
    },
    /// It is older than is accepted.
    #[error(
        "the token was issued at {issued}, more than {max_age_s} s ago, now it is {now}; attest again"
    )]
    TooOld {
        /// `iat`.
        issued: Timestamp,
        /// The most that is accepted.
        max_age_s: u64,
        /// The time of the appraisal.
        now: Timestamp,
    },
    /// Its key is too short to be trusted.
    #[error("the token's key has {found_bits} bits, expected at least {expected_bits}")]
    KeyTooShort {
        /// The least that is trusted.
        expected_bits: u32,
        /// How many it has.
        found_bits: u32,
    },
    /// The signature does not fit.
    #[error("the token's signature does not fit: it was changed, or signed with another key")]
    Signature,
    /// Not valid yet.
    #[error("the token is not valid before {not_before}, now it is {now}; check both clocks")]
    NotYetValid {
        /// `nbf`.
        not_before: Timestamp,
        /// The time of the appraisal.
        now: Timestamp,
    },
    /// Issued later than now.
    #[error("the token was issued at {issued}, now it is {now}; check both clocks")]
    IssuedInFuture {
        /// `iat`.
        issued: Timestamp,
        /// The time of the appraisal.
        now: Timestamp,
    },
    /// Its life is over.
    #[error("the token expired at {expires}, now it is {now}; attest again")]
    Expired {
        /// `exp`.
        expires: Timestamp,
        /// The time of the appraisal.
        now: Timestamp,
    },
    /// It is about no TEE that Casque knows.
    #[error(
        "the token's `x-ms-attestation-type` is `{found}`, expected `sgx`, `sevsnpvm`, `tdxvm`, or `azurevm` around one of the two before"
    )]
    AttestationType {
        /// What it is.
        found: String,
    },
    /// A virtual machine of Azure without a TEE (trusted launch).
    #[error(
        "the token is about a virtual machine without a TEE: it has no `x-ms-isolation-tee`; trusted launch is not enough, use a confidential virtual machine"
    )]
    NoTee,
    /// The paravisor is not said to be Azure's.
    #[error(
        "the token's `x-ms-compliance-status` is `{}`, expected `azure-compliant-cvm`: nothing says that the paravisor, which speaks for the virtual TPM, is Azure's",
        found.as_deref().unwrap_or("absent")
    )]
    NotCompliant {
        /// What it is, if it is there.
        found: Option<String>,
    },
    /// A claim of the identity is not there.
    #[error("the token has no claim `{claim}`")]
    MissingClaim {
        /// Its name.
        claim: &'static str,
    },
    /// Bound to another request.
    #[error(
        "the token is bound to another request: its `x-ms-runtime` (or `x-ms-sgx-ehd`) is not the runtime data that came with it, and no `user-data` or `client-payload.nonce` of an Azure VM is their digest; attest anew for each challenge, with `runtimeData` of type JSON"
    )]
    NotBound,
    /// This kind of evidence is never submitted.
    #[error("evidence of kind `{}` cannot be judged by the attestation service", found.as_str())]
    NotSubmitted {
        /// The kind.
        found: EvidenceKind,
    },
    /// The paravisor's data of the evidence are not those that the token's report data cover.
    #[error(
        "the paravisor's data in the evidence are not those that the token speaks of: their digest is not in the token's report data; submit the evidence as it was gathered"
    )]
    ParavisorData,
    /// The token vouches for the attestation key of another virtual TPM.
    #[error(
        "the token vouches for another attestation key than that of the TPM's quote: `HCLAkPub` differs; submit the evidence as it was gathered"
    )]
    AttestationKey,
    /// The key's certificate proves no TEE.
    #[error(
        "nothing proves that the instance's key is in a TEE: its certificate holds no evidence (extension 1.3.6.1.4.1.311.105.1000.1, kind `acisevsnp`); drop `require_tee_signer`, or use an instance that publishes it"
    )]
    SignerNotProved,
    /// The key's certificate holds an SGX quote, as until 2021.
    #[error(
        "the certificate of the instance's key holds an SGX quote of the older kind, which never counts as proof: those enclaves run with DEBUG; drop `require_tee_signer`, or use an instance that publishes a report of SEV-SNP"
    )]
    SignerOldProof,
    /// The evidence in the key's certificate cannot be read.
    #[error("the evidence in the certificate of the instance's key: expected {expected}")]
    SignerMalformed {
        /// What should have stood there.
        expected: &'static str,
    },
    /// The report in the key's certificate, or the reference beside it, cannot be read.
    #[error("report or reference in the certificate of the instance's key cannot be read")]
    SignerEvidence(#[source] EvidenceParseError),
    /// The report in the key's certificate proves nothing.
    #[error("the report in the certificate of the instance's key proves nothing")]
    SignerReport(#[source] SnpAppraiseError),
    /// The report speaks of another key.
    #[error(
        "the report in the certificate of the instance's key is about another key: its report data are not the digest of this one"
    )]
    SignerKey,
    /// The key's id is that of another key.
    #[error("the id of the instance's key, `{key_id}`, is the digest of another key")]
    SignerKeyId {
        /// `kid`.
        key_id: String,
    },
    /// The instance can be read from outside.
    #[error("the instance's own TEE is being debugged: its host may read its key")]
    SignerDebug,
    /// The reference of the instance's utility virtual machine does not hold.
    #[error("nothing vouches for the utility virtual machine that the instance's key is in")]
    SignerReference(#[source] AciAppraiseError),
}

impl MaaAppraiseError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "token-unsigned",
            Self::Algorithm { .. } => "token-algorithm",
            Self::Type { .. } => "token-type",
            Self::Issuer { .. } => "token-issuer",
            Self::KeyUrl { .. } => "token-key-url",
            Self::UnknownKey { .. } => "token-unknown-key",
            Self::KeyTooShort { .. } => "token-key-too-short",
            Self::Signature => "token-signature",
            Self::NotYetValid { .. } => "token-not-yet-valid",
            Self::IssuedInFuture { .. } => "token-issued-in-future",
            Self::Expired { .. } => "token-expired",
            Self::TooOld { .. } => "token-too-old",
            Self::AttestationType { .. } => "token-attestation-type",
            Self::NoTee => "token-no-tee",
            Self::NotCompliant { .. } => "token-not-compliant",
            Self::MissingClaim { .. } => "token-claim-missing",
            Self::NotBound => "token-not-bound",
            Self::NotSubmitted { .. } => "token-not-submitted",
            Self::ParavisorData => "token-paravisor-data",
            Self::AttestationKey => "token-attestation-key",
            Self::SignerNotProved => "token-signer-not-proved",
            Self::SignerOldProof => "token-signer-old-proof",
            Self::SignerMalformed { .. } => "token-signer-malformed",
            Self::SignerEvidence(_) => "token-signer-evidence",
            Self::SignerReport(_) => "token-signer-report",
            Self::SignerKey => "token-signer-key",
            Self::SignerKeyId { .. } => "token-signer-key-id",
            Self::SignerDebug => "token-signer-debug",
            Self::SignerReference(_) => "token-signer-reference",
        }
    }

    /// All codes.
    pub const CODES: &'static [&'static str] = &[
        "token-unsigned",
        "token-algorithm",
        "token-type",
        "token-issuer",
        "token-key-url",
        "token-unknown-key",
        "token-key-too-short",
        "token-signature",
        "token-not-yet-valid",
        "token-issued-in-future",
        "token-expired",
        "token-too-old",
        "token-attestation-type",
        "token-no-tee",
        "token-not-compliant",
        "token-claim-missing",
        "token-not-bound",
        "token-not-submitted",
        "token-paravisor-data",
        "token-attestation-key",
        "token-signer-not-proved",
        "token-signer-old-proof",
        "token-signer-malformed",
        "token-signer-evidence",
        "token-signer-report",
        "token-signer-key",
        "token-signer-key-id",
        "token-signer-debug",
        "token-signer-reference",
    ];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_one_for_each_cause_and_begin_alike() {
        let codes: BTreeSet<&str> = MaaAppraiseError::CODES.iter().copied().collect();
        assert_eq!(codes.len(), MaaAppraiseError::CODES.len());
        assert!(codes.iter().all(|code| code.starts_with("token-")));
        assert!(codes.contains(MaaAppraiseError::NoTee.code()));
    }
}
