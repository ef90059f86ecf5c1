//! Why a use case was refused or failed, sorted by whose fault it is.

use casque_appraise::{EvidenceParseError, MaaAppraiseError, SgxAppraiseError};
use casque_policy::{ClauseError, Denial, Diagnostic};
use casque_secrets::{
    EnvelopeError, ImportError, JwtError, OtpSecretParseError, RenderError, SealError, WrapError,
};
use casque_types::{
    ConfigId, PolicyHash, PolicyName, RngError, RuntimeDataError, SecretKind, SecretName,
    VolumeName,
};
use thiserror::Error;

use crate::{IssueError, RedeemError, SourceFailure, StoreError};

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
            Self::Secret { cause, .. } | Self::Factor { cause, .. } => cause.blame(),
            Self::Source(_)
            | Self::Clause { .. }
            | Self::Volume { .. }
            | Self::Store(StoreError::Unavailable { .. }) => Blame::Unavailable,
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
            Self::Clause { .. } => "demands-unreadable",
            Self::Factor { .. } => "second-factor-unavailable",
            Self::Volume { .. } => "volume-unavailable",
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
            Self::Secret { cause, .. } => cause.blame(),
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
            Self::Secret { cause, .. } => cause.blame(),
            Self::Store(StoreError::Unavailable { .. }) => Blame::Unavailable,
            Self::Store(_) | Self::StoredPolicy { .. } => Blame::Bug,
        }
    }
}
