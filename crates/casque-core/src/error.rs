//! Why a use case was refused or failed, sorted by whose fault it is.

use casque_appraise::{EvidenceParseError, MaaAppraiseError, SgxAppraiseError};
use casque_policy::{Denial, Diagnostic};
use casque_secrets::{ImportError, MakeError, RenderError, SealError};
use casque_types::{ConfigId, PolicyHash, PolicyName, RuntimeDataError, SecretName};
use thiserror::Error;

use crate::{RedeemError, SourceFailure, StoreError};

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
    /// The quote proves nothing.
    #[error("the SGX quote proves nothing")]
    Sgx(#[from] SgxAppraiseError),
    /// The token proves nothing.
    #[error("the token of Microsoft Azure Attestation proves nothing")]
    Maa(#[from] MaaAppraiseError),
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

/// Why a secret has no value now.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// A remote party did not give it.
    #[error(transparent)]
    Source(#[from] SourceFailure),
    /// What the vault holds is no value of its kind.
    #[error("what the vault holds is not usable: {0}")]
    Import(#[from] ImportError),
    /// It cannot be written as the placeholder wants it.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The result cannot stand where the placeholder stands (NUL in an argument or variable).
    #[error(
        "its value holds a NUL byte, which cannot stand in an argument or an environment variable; use a file, or a text format such as `:hex`"
    )]
    Nul,
    /// A value that should be stored is not: a defect.
    #[error("its value is missing from the store")]
    Missing,
}

/// Why a policy was not put.
#[derive(Debug, Error)]
pub enum PutPolicyError {
    /// The caller showed no client certificate.
    #[error("a policy can only be put with a client certificate: its key becomes the creator")]
    NoCaller,
    /// The text is no policy.
    #[error("the policy has errors")]
    Policy(Vec<Diagnostic>),
    /// There is a version already, and the text names no predecessor.
    #[error("No predecessor hash specified albeit session alias used already: `{name}`")]
    Exists {
        /// The name.
        name: PolicyName,
    },
    /// There is no version yet, and the text names a predecessor.
    #[error("Predecessor hash specified albeit session alias unused: `{name}`")]
    NoPredecessor {
        /// The name.
        name: PolicyName,
    },
    /// The named predecessor is not the current version.
    #[error("Could not create successor session. Invalid previous session digest: {found}")]
    OtherPredecessor {
        /// What the text names.
        found: PolicyHash,
    },
    /// The namespace does not exist.
    #[error("namespace `{parent}` does not exist")]
    NoNamespace {
        /// The namespace.
        parent: PolicyName,
    },
    /// The caller's key may not update the policy, or create one in the namespace.
    #[error("`{policy}` does not let this client's key {what}")]
    NotPermitted {
        /// The policy whose access policy says so.
        policy: PolicyName,
        /// `update it` or `create policies in it`.
        what: &'static str,
    },
    /// The text names a creator other than the caller.
    #[error("`creator` names another key than the one that uploads the policy")]
    OtherCreator,
    /// A value could not be made.
    #[error("secret `{secret}`: {cause}")]
    Make {
        /// The secret.
        secret: SecretName,
        /// Why.
        #[source]
        cause: MakeError,
    },
    /// A certificate needs a key or an issuer that is fetched only when a workload starts.
    #[error(
        "secret `{secret}` needs `{needed}` when the policy is put, but `{needed}` is imported, and fetched only when a workload starts; generate or give `{needed}` in the policy"
    )]
    NotHere {
        /// The certificate.
        secret: SecretName,
        /// Its key or issuer.
        needed: SecretName,
    },
    /// A given value is no value of its kind.
    #[error("secret `{secret}`: {cause}")]
    Given {
        /// The secret.
        secret: SecretName,
        /// Why.
        #[source]
        cause: ImportError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored policy or value does not parse any more: a defect.
    #[error("the stored policy `{policy}` does not parse")]
    StoredPolicy {
        /// Its name.
        policy: PolicyName,
    },
}

/// Why a policy was not read.
#[derive(Debug, Error)]
pub enum ReadPolicyError {
    /// No such policy or version.
    #[error("Session not found: `{name}`")]
    Absent {
        /// The name.
        name: PolicyName,
    },
    /// The caller's key may not read it.
    #[error("`{name}` does not let this client's key read it")]
    NotPermitted {
        /// The name.
        name: PolicyName,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored policy does not parse any more: a defect.
    #[error("the stored policy `{name}` does not parse")]
    StoredPolicy {
        /// Its name.
        name: PolicyName,
    },
}

/// Why a value was not read.
#[derive(Debug, Error)]
pub enum ReadValueError {
    /// No such policy, version or public secret; not told apart to strangers.
    #[error("Session not found, or it has no such secret that is exported to the public: `{name}`")]
    Absent {
        /// The policy.
        name: PolicyName,
    },
    /// A secret could not be resolved.
    #[error("secret `{secret}`: {cause}")]
    Secret {
        /// The secret.
        secret: SecretName,
        /// Why.
        #[source]
        cause: ResolveError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored policy does not parse any more: a defect.
    #[error("the stored policy `{name}` does not parse")]
    StoredPolicy {
        /// Its name.
        name: PolicyName,
    },
}

impl AttestError {
    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::RuntimeData(_) | Self::Evidence(_) | Self::Seal(_) => Blame::Malformed,
            Self::OtherServer | Self::Nonce(_) | Self::NotBound | Self::Sgx(_) | Self::Maa(_) => {
                Blame::Unauthenticated
            }
            Self::NoService { .. } => Blame::Absent,
            Self::Denied { .. } => Blame::Denied,
            Self::Source(_) | Self::Secret { .. } | Self::Store(StoreError::Unavailable { .. }) => {
                Blame::Unavailable
            }
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
            Self::Sgx(_) => "sgx-not-authentic",
            Self::Maa(_) => "maa-not-authentic",
            Self::NoService { .. } => "no-such-service",
            Self::Denied { .. } => "denied",
            Self::Source(failure) => failure.code,
            Self::Secret { .. } => "secret-unavailable",
            Self::Seal(_) => "sealing-key-unusable",
            Self::Store(_) => "store-unavailable",
            Self::StoredPolicy { .. } => "stored-policy-unreadable",
        }
    }
}

impl PutPolicyError {
    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::NoCaller => Blame::Unauthenticated,
            Self::Policy(_) | Self::Given { .. } | Self::NotHere { .. } | Self::OtherCreator => {
                Blame::Malformed
            }
            Self::Exists { .. } | Self::NoPredecessor { .. } | Self::OtherPredecessor { .. } => {
                Blame::Conflict
            }
            Self::NoNamespace { .. } => Blame::Absent,
            Self::NotPermitted { .. } => Blame::Denied,
            Self::Store(StoreError::Unavailable { .. }) => Blame::Unavailable,
            Self::Make { .. } | Self::Store(_) | Self::StoredPolicy { .. } => Blame::Bug,
        }
    }
}

impl ReadPolicyError {
    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Absent { .. } => Blame::Absent,
            Self::NotPermitted { .. } => Blame::Denied,
            Self::Store(StoreError::Unavailable { .. }) => Blame::Unavailable,
            Self::Store(_) | Self::StoredPolicy { .. } => Blame::Bug,
        }
    }
}

impl ReadValueError {
    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Absent { .. } => Blame::Absent,
            Self::Secret { .. } | Self::Store(StoreError::Unavailable { .. }) => Blame::Unavailable,
            Self::Store(_) | Self::StoredPolicy { .. } => Blame::Bug,
        }
    }
}
