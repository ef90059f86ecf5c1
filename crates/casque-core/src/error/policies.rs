//! Why a policy, or a value of it, was not put or read.

use casque_policy::Diagnostic;
use casque_secrets::{ImportError, MakeError};
use casque_types::{ConfigId, PolicyHash, PolicyName, SecretName};
use thiserror::Error;

use super::{Blame, ResolveError};
use crate::{IssueError, StoreError};

/// Why a policy was not put.
#[derive(Debug, Error)]
pub enum PutPolicyError {
    /// The caller showed no client certificate, and nobody signed.
    #[error(
        "a policy can only be put with a client certificate or a signature: its key becomes the creator"
    )]
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
    /// The namespace is written in a language that had none.
    #[error("`{parent}` is written in a language before 0.3, and so is no namespace")]
    OldNamespace {
        /// The namespace.
        parent: PolicyName,
    },
    /// The namespace is at another version than the text expects.
    #[error("namespace `{parent}` is not at version {expected}, which `namespace_hash` expects")]
    OtherNamespace {
        /// The namespace.
        parent: PolicyName,
        /// What the text expects.
        expected: PolicyHash,
    },
    /// `namespace_hash` in an update.
    #[error(
        "`namespace_hash` is checked when a policy is created, and must not stand in an update"
    )]
    NamespaceHashOnUpdate,
    /// The root namespace was not claimed before something was created in it.
    #[error(
        "the root namespace can be claimed only before any other policy exists; it is sealed now"
    )]
    RootSealed,
    /// The caller's key may not update the policy, or create one in the namespace.
    #[error("`{policy}` does not let this client's key {what}{}", because(.unreadable))]
    NotPermitted {
        /// The policy whose access policy says so.
        policy: PolicyName,
        /// `update it` or `create policies in it`.
        what: &'static str,
        /// Secrets that the access policy asks for and that could not be had.
        unreadable: Vec<SecretName>,
    },
    /// The text names a creator other than the caller.
    #[error("`creator` names another key than the one that uploads or signs the policy")]
    OtherCreator,
    /// Several keys signed, no client certificate, and the text does not say which is the creator's.
    #[error("several keys signed the policy, and `creator` does not say whose it is")]
    AmbiguousCreator,
    /// A value could not be made.
    #[error("secret `{secret}`: {cause}")]
    Make {
        /// The secret.
        secret: SecretName,
        /// Why.
        #[source]
        cause: IssueError,
    },
    /// It would have too much made for it.
    #[error("expected at most {most} {what} to be generated for a version, found {found}")]
    TooMuch {
        /// What is generated: `bytes of text and randomness`, or `keys` with RSA keys for 16 each.
        what: &'static str,
        /// How much is taken.
        most: usize,
        /// How much it would be.
        found: usize,
    },
    /// A value that the version needs, or must be moved, could not be had.
    #[error("secret `{secret}`: {cause}")]
    Secret {
        /// The secret.
        secret: SecretName,
        /// Why.
        #[source]
        cause: ResolveError,
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
    /// The policy has no such service.
    #[error("the current version of the policy has no service `{config}`")]
    NoService {
        /// What was asked for.
        config: ConfigId,
    },
    /// The caller's key may not read or list it.
    #[error("`{name}` does not let this client's key {what}{}", because(.unreadable))]
    NotPermitted {
        /// The name.
        name: PolicyName,
        /// `read it` or `list it`.
        what: &'static str,
        /// Secrets that the access policy asks for and that could not be had.
        unreadable: Vec<SecretName>,
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

/// That entries of an access policy count for nobody.
fn because(unreadable: &[SecretName]) -> String {
    if unreadable.is_empty() {
        return String::new();
    }
    let names: Vec<String> = unreadable.iter().map(|name| format!("`{name}`")).collect();
    let names = names.join(", ");
    format!(
        "; entries of its access policy that ask for {names} count for nobody: the values cannot be had or do not fit"
    )
}

impl PutPolicyError {
    /// A store that fails is no fault of a secret.
    pub(crate) fn of_secret(secret: SecretName, cause: ResolveError) -> Self {
        match cause {
            ResolveError::Store(error) => Self::Store(error),
            cause => Self::Secret { secret, cause },
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::NoCaller => Blame::Unauthenticated,
            Self::TooMuch { .. } => Blame::TooLarge,
            Self::Policy(_)
            | Self::Given { .. }
            | Self::NotHere { .. }
            | Self::OtherCreator
            | Self::AmbiguousCreator
            | Self::OldNamespace { .. }
            | Self::NamespaceHashOnUpdate => Blame::Malformed,
            Self::Exists { .. }
            | Self::NoPredecessor { .. }
            | Self::OtherPredecessor { .. }
            | Self::OtherNamespace { .. }
            | Self::RootSealed => Blame::Conflict,
            Self::Secret { cause, .. } => cause.blame_when_put(),
            Self::Make { cause, .. } => blame_of_make(cause),
            Self::NoNamespace { .. } => Blame::Absent,
            Self::NotPermitted { .. } => Blame::Denied,
            Self::Store(StoreError::Unavailable { .. }) => Blame::Unavailable,
            Self::Store(_) | Self::StoredPolicy { .. } => Blame::Bug,
        }
    }
}

/// What the author asked for cannot be made, or the provider failed.
const fn blame_of_make(cause: &IssueError) -> Blame {
    match cause {
        IssueError::Make(MakeError::Rng(_) | MakeError::Provider | MakeError::Sign) => Blame::Bug,
        _ => Blame::Malformed,
    }
}

impl ReadPolicyError {
    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Absent { .. } | Self::NoService { .. } => Blame::Absent,
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
            Self::Secret { cause, .. } => cause.blame(),
            Self::Store(StoreError::Unavailable { .. }) => Blame::Unavailable,
            Self::Store(_) | Self::StoredPolicy { .. } => Blame::Bug,
        }
    }
}
