//! Why a token proves nothing.

use casque_types::{MaaUrl, Timestamp};
use thiserror::Error;

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
    /// It is not about an SGX enclave.
    #[error("the token's `x-ms-attestation-type` is `{found}`, expected `sgx`")]
    AttestationType {
        /// What it is.
        found: String,
    },
    /// A claim of the enclave's identity is not there.
    #[error("the token has no claim `{claim}`")]
    MissingClaim {
        /// Its name.
        claim: &'static str,
    },
    /// Bound to another request.
    #[error(
        "the token is bound to another request: its `x-ms-runtime` (or `x-ms-sgx-ehd`) is not the runtime data that came with it; attest anew for each challenge, with `runtimeData` of type JSON"
    )]
    NotBound,
}

impl MaaAppraiseError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "token-refused"
    }
}
