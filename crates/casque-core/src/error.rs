//! Why a use case was refused or failed, sorted by whose fault it is.

use casque_appraise::{AppraiseError, EvidenceParseError};
use casque_policy::{ClauseError, Denial};
use casque_secrets::SealError;
use casque_types::{ConfigId, PolicyName, RuntimeDataError, SecretName};
use thiserror::Error;

use crate::{RedeemError, SourceFailure, StoreError};

pub use self::policies::{PutPolicyError, ReadPolicyError, ReadValueError};
pub use self::resolve::{ResolveError, VolumeError};

mod policies;
mod resolve;

/// Whose fault a failure is; decides the HTTP status, in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The caller sent something that is no such thing (400).
    Malformed,
    /// The caller sent more than is taken (413).
    TooLarge,
    /// The caller did not prove who it is (401).
    Unauthenticated,
    /// The caller proved who it is, and may not (403).
    Denied,
    /// There is no such thing (404).
    Absent,
    /// Somebody was faster, or the predecessor is wrong (409).
    Conflict,
    /// A party that is needed did not do its part; may be tried again (503).
    Unavailable,
    /// A defect of Casque (500).
    Bug,
}

/// Why nothing was released.
#[derive(Debug, Error)]
pub enum AttestError {
    /// Not runtime data.
    #[error(transparent)]
    RuntimeData(#[from] RuntimeDataError),
    /// Not evidence.
    #[error(transparent)]
    Evidence(#[from] EvidenceParseError),
    /// The runtime data is meant for another server: a relay, or a wrong pin.
    #[error("the runtime data is meant for another server")]
    OtherServer,
    /// The nonce is not ours, or too old.
    #[error(transparent)]
    Nonce(#[from] RedeemError),
    /// The evidence is bound to other runtime data: to another config, nonce, server or key.
    #[error(
        "the evidence is not bound to this request: its report data is not the digest of the runtime data that came with it"
    )]
    NotBound,
    /// The evidence, or the token, proves nothing.
    #[error(transparent)]
    Appraise(#[from] AppraiseError),
    /// No such policy, or no such service in it; not told apart to strangers.
    #[error("there is no service `{config}`")]
    NoService {
        /// What was asked for.
        config: ConfigId,
    },
    /// The policy does not grant it.
    #[error("the policy does not grant the configuration of `{config}`")]
    Denied {
        /// What was asked for.
        config: ConfigId,
        /// Why not.
        denial: Denial,
        /// Whether anyone may read the policy, and so see what it expects.
        expected_is_public: bool,
    },
    /// Evidence is to be judged with the attestation service's help, and the policy has none.
    #[error(
        "the policy of `{config}` has no instance of the attestation service that could judge a guest"
    )]
    NoGuestJudge {
        /// What was asked for.
        config: ConfigId,
    },
    /// A verifier or endorser did not do its part.
    #[error(transparent)]
    Source(#[from] SourceFailure),
    /// A secret could not be resolved.
    #[error("secret `{secret}` of `{config}`: {cause}")]
    Secret {
        /// What was asked for.
        config: ConfigId,
        /// The secret.
        secret: SecretName,
        /// Why.
        #[source]
        cause: ResolveError,
    },
    /// What the secrets of `security`, `attestation` or `platforms` say does not fit there.
    #[error("the demands of `{config}` cannot be read")]
    Clause {
        /// What was asked for.
        config: ConfigId,
        /// Why.
        #[source]
        cause: ClauseError,
    },
    /// A second factor cannot be checked.
    #[error("`{what}` of `{config}`: {cause}")]
    Factor {
        /// What was asked for.
        config: ConfigId,
        /// The key of the policy that asks for it.
        what: &'static str,
        /// Why.
        #[source]
        cause: ResolveError,
    },
    /// A volume cannot be released.
    #[error("volume `{volume}` of `{config}`: {cause}")]
    Volume {
        /// What was asked for.
        config: ConfigId,
        /// The volume, or `fspf` for the service's own file system.
        volume: String,
        /// Why.
        #[source]
        cause: VolumeError,
    },
    /// The answer could not be sealed to the key in the runtime data.
    #[error("the answer cannot be sealed to the key in the runtime data")]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored policy does not parse any more: a defect.
    #[error("the stored policy `{policy}` does not parse")]
    StoredPolicy {
        /// Its name.
        policy: PolicyName,
    },
}

impl AttestError {
    /// The remote party that failed, if one did: it says what to do next.
    #[must_use]
    pub const fn source_failure(&self) -> Option<&SourceFailure> {
        match self {
            Self::Source(failure)
            | Self::Secret {
                cause: ResolveError::Source(failure),
                ..
            }
            | Self::Factor {
                cause: ResolveError::Source(failure),
                ..
            }
            | Self::Volume {
                cause: VolumeError::Resolve(ResolveError::Source(failure)),
                ..
            } => Some(failure),
            _ => None,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::RuntimeData(_) | Self::Evidence(_) | Self::Seal(_) => Blame::Malformed,
            Self::OtherServer | Self::Nonce(_) | Self::NotBound | Self::Appraise(_) => {
                Blame::Unauthenticated
            }
            Self::NoService { .. } => Blame::Absent,
            Self::Denied { .. } | Self::NoGuestJudge { .. } => Blame::Denied,
            Self::Secret { cause, .. } | Self::Factor { cause, .. } => cause.blame(),
            Self::Volume { cause, .. } => cause.blame(),
            Self::Source(failure) => failure.blame(),
            Self::Clause { .. } | Self::Store(StoreError::Unavailable { .. }) => Blame::Unavailable,
            Self::Store(StoreError::Damaged { .. }) | Self::StoredPolicy { .. } => Blame::Bug,
        }
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RuntimeData(_) => "runtime-data-malformed",
            Self::Evidence(_) => "evidence-malformed",
            Self::OtherServer => "runtime-data-other-server",
            Self::Nonce(error) => error.code(),
            Self::NotBound => "evidence-not-bound",
            Self::Appraise(error) => error.code(),
            Self::NoService { .. } => "no-such-service",
            Self::Denied { .. } => "denied",
            Self::NoGuestJudge { .. } => "guest-judge-absent",
            Self::Source(failure) => failure.code,
            Self::Secret { .. } => "secret-unavailable",
            Self::Clause { .. } => "demands-unreadable",
            Self::Factor { .. } => "second-factor-unavailable",
            Self::Volume { .. } => "volume-unavailable",
            Self::Seal(_) => "sealing-key-unusable",
            Self::Store(_) => "store-unavailable",
            Self::StoredPolicy { .. } => "stored-policy-unreadable",
        }
    }
}
