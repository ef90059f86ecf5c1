//! Why a secret has no value, or a volume cannot be released.

use casque_secrets::{
    EnvelopeError, ImportError, JwtError, OtpSecretParseError, RenderError, WrapError,
};
use casque_types::{PolicyHash, PolicyName, RngError, SecretKind, SecretName, VolumeName};
use thiserror::Error;

use super::Blame;
use crate::{IssueError, SourceFailure, StoreError};

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
    /// The exporting policy is not there, has no such secret, or does not export it to this one.
    #[error(
        "policy `{policy}` does not exist, or exports no secret `{secret}` to this policy: its `export` must name this policy, or a namespace that it is within"
    )]
    NotExported {
        /// The policy that should export it.
        policy: PolicyName,
        /// The secret's name there.
        secret: SecretName,
    },
    /// The import pins a version of the exporter that is not current.
    #[error(
        "policy `{policy}` is not at version {pinned}, which `session_hash` pins: look at what changed there, then pin the new version"
    )]
    OtherVersion {
        /// The exporter.
        policy: PolicyName,
        /// The version that is pinned.
        pinned: PolicyHash,
    },
    /// Imports that go on and on, or in a circle.
    #[error("its imports lead through more than 16 policies, or in a circle")]
    TooDeep,
    /// The value is of another kind than the policy states or needs.
    #[error("expected a value of kind `{expected}`, found `{found}`")]
    Kind {
        /// What was expected.
        expected: SecretKind,
        /// What was found.
        found: SecretKind,
    },
    /// The exporting policy does not parse any more: a defect.
    #[error("the stored policy `{policy}` does not parse")]
    Unparsable {
        /// Its name.
        policy: PolicyName,
    },
    /// Another CAS asks for what is imported from a third one.
    #[error(
        "it is imported from another CAS, and so is exported to none: import it there from where it is"
    )]
    RemoteChain,
    /// It is somewhere else, and who asks has proved nothing yet.
    #[error(
        "it would have to be signed, or fetched from Key Vault, Entra ID or another CAS, before anybody has proved anything, which this server does not do: keep it in a policy of this server"
    )]
    OutOfReach,
    /// Access policy, security and attestation ask for too many secrets.
    #[error("expected at most 256 secrets behind the clauses of a policy, found {found}")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// A claim of a token leads to another token.
    #[error("a claim of a `jwt` cannot be a `jwt` itself, not even an imported one")]
    NestedToken,
    /// Another CAS is pinned by its software key.
    #[error(
        "`cas_software_key` needs the other CAS's own evidence, which this version does not judge yet: pin its identity by `cas_key`"
    )]
    SoftwareKey,
    /// Nobody says where another CAS is.
    #[error("`cas_key` names another CAS, and `cas_url` does not say where it is")]
    NoAddress,
    /// Another CAS sent something that is no value.
    #[error("the other CAS sent something that is no value: is it a newer version?")]
    RemoteValue,
    /// The token that a vault is to be read with comes from another CAS, or is none.
    #[error(
        "the aad-token that authorises it must be one of a policy on this server: its credential is needed, not a token"
    )]
    NoCredential,
    /// `self::software_identity` outside of a release.
    #[error("`self::software_identity` is known only when a workload was attested")]
    NoIdentity,
    /// A certificate could not be issued again.
    #[error("it could not be issued again: {0}")]
    Issue(#[from] IssueError),
    /// Other replicas were faster again and again.
    #[error("other replicas change it at the same time; try again")]
    Busy,
    /// The envelope that a vault holds does not open.
    #[error("the envelope in the vault: {0}")]
    Envelope(#[from] EnvelopeError),
    /// A token could not be signed.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// The shared secret of one-time passwords is none.
    #[error(transparent)]
    Otp(OtpSecretParseError),
    /// A value that is kept in a vault is not the one that was written there.
    #[error(
        "the vault's secret `{name}` is not what was written when the policy was put: it was changed or rolled back in the vault; restore that version of it"
    )]
    OutsideChanged {
        /// The secret's name in the vault.
        name: String,
    },
    /// A value does not go into a vault.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// No randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ResolveError {
    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Missing | Self::Unparsable { .. } | Self::Store(StoreError::Damaged { .. }) => {
                Blame::Bug
            }
            _ => Blame::Unavailable,
        }
    }

    /// Whose fault it is while a policy is put: what no later attempt can change is its author's.
    pub(super) const fn blame_when_put(&self) -> Blame {
        match (self, self.blame()) {
            (
                Self::Source(_)
                | Self::Store(_)
                | Self::Busy
                | Self::Rng(_)
                | Self::OutsideChanged { .. },
                blame,
            )
            | (_, blame @ Blame::Bug) => blame,
            _ => Blame::Malformed,
        }
    }
}

/// Why a volume cannot be released.
#[derive(Debug, Error)]
pub enum VolumeError {
    /// The policy has no such volume: a defect of the parser.
    #[error("the policy has no such volume")]
    Unknown,
    /// The exporting policy is not there, has no such volume, or does not export it to this one.
    #[error(
        "policy `{policy}` does not exist, or exports no volume `{volume}` to this policy; one that is exported under an alias is imported under it"
    )]
    NotExported {
        /// The policy that should export it.
        policy: PolicyName,
        /// The volume's name there.
        volume: VolumeName,
    },
    /// The key is none.
    #[error("expected a key of 32 bytes or 64 hexadecimal digits, found something else")]
    Key,
    /// A value could not be had.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// No randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl VolumeError {
    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Unknown | Self::Store(StoreError::Damaged { .. }) => Blame::Bug,
            Self::Resolve(cause) => cause.blame(),
            Self::NotExported { .. } | Self::Key | Self::Rng(_) | Self::Store(_) => {
                Blame::Unavailable
            }
        }
    }
}
