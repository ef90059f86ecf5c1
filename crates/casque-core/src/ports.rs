//! What the use cases need from the world. Adapters of ring 3 implement these traits; the test kit fakes them.

use std::future::Future;

use casque_types::{KeyHash, PolicyHash, PolicyName, Rng, Secret, SecretName, Timestamp};
use thiserror::Error;

pub use self::kept::{
    KeepError, Kept, KeptKey, KeptKeyError, KeptRevision, Once, OnceError, Spending,
};
pub use self::sources::{
    AccessToken, ClusterSource, EndorsementSource, ExportRequest, MaaSource, RemoteSource,
    SourceFailure, SourceKind, TokenPurpose, TokenSource, VaultSecret, VaultSource,
};

mod kept;
mod sources;

/// All ports of one running Casque.
pub trait Ports: Send + Sync + 'static {
    /// Where policies and values are kept.
    type Store: Store;
    /// What time it is.
    type Clock: Clock;
    /// Fresh randomness.
    type Rng: Rng;
    /// Entra ID.
    type Tokens: TokenSource;
    /// Key Vault.
    type Vaults: VaultSource;
    /// Microsoft Azure Attestation.
    type Maa: MaaSource;
    /// Endorsements of TEE vendors.
    type Endorsements: EndorsementSource;
    /// Kubernetes clusters.
    type Clusters: ClusterSource;
    /// Other CASes.
    type Remote: RemoteSource;

    /// The store.
    fn store(&self) -> &Self::Store;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// The source of randomness.
    fn rng(&self) -> &Self::Rng;
    /// The source of Entra tokens.
    fn tokens(&self) -> &Self::Tokens;
    /// The source of Key Vault secrets.
    fn vaults(&self) -> &Self::Vaults;
    /// The source of attestation tokens and their keys.
    fn maa(&self) -> &Self::Maa;
    /// The source of endorsements.
    fn endorsements(&self) -> &Self::Endorsements;
    /// The source of clusters' keys.
    fn clusters(&self) -> &Self::Clusters;
    /// The source of what other CASes export.
    fn remote(&self) -> &Self::Remote;
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Policies with all their versions, the values of their secrets, what is kept for them, and the audit log.
///
/// Everything confidential is encrypted by the store. Versions, their values and the audit log are never deleted
/// or changed; a kept value has its latest revision only; what was used once is forgotten when its time is over.
pub trait Store: Send + Sync {
    /// The hash of a policy's current version.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn head(
        &self,
        name: &PolicyName,
    ) -> impl Future<Output = Result<Option<PolicyHash>, StoreError>> + Send;

    /// One version of a policy.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read or a record does not open.
    fn load(
        &self,
        name: &PolicyName,
        hash: &PolicyHash,
    ) -> impl Future<Output = Result<Option<PolicyRecord>, StoreError>> + Send;

    /// The stored values of a version's secrets: those of `wanted` that have one, in any order.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read or a record does not open.
    fn values(
        &self,
        name: &PolicyName,
        hash: &PolicyHash,
        wanted: &[SecretName],
    ) -> impl Future<Output = Result<Vec<(SecretName, Secret)>, StoreError>> + Send;

    /// Puts a new version with its values and its audit record, all or nothing; durable when it returns.
    ///
    /// # Errors
    /// [`PutError::Conflict`] when the current version is not `new.record.predecessor` (compare and set).
    fn put(
        &self,
        new: NewPolicy,
        audit: AuditEvent,
    ) -> impl Future<Output = Result<(), PutError>> + Send;

    /// Appends to the audit log; durable when it returns. Waits for its group, not for a sync of its own.
    ///
    /// # Errors
    /// [`StoreError`]: the event is not on record, and what it would have recorded must not happen.
    fn append_audit(
        &self,
        event: AuditEvent,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// All versions of a policy, the first one first, the current one last; none when there is no such policy.
    ///
    /// The order is that of the predecessors. It holds one text at a time, and about 100 bytes for each version.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, a record does not open, or a version is missing.
    fn history(
        &self,
        name: &PolicyName,
    ) -> impl Future<Output = Result<Vec<VersionSummary>, StoreError>> + Send;

    /// The names of policies, in the order of their bytes.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn list(
        &self,
        page: PolicyPage<'_>,
    ) -> impl Future<Output = Result<Vec<PolicyName>, StoreError>> + Send;

    /// Uses up something that may be used once; durable when it returns, and fresh for one caller alone.
    ///
    /// `audit` is appended, all or nothing, when it is fresh, and only then. What has an `until` before `now` is
    /// spent, and is forgotten in passing: `now` must not run ahead of the clock that judges it.
    /// Waits for its group, not for a sync of its own.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been used up, and must not be accepted.
    fn spend(
        &self,
        once: Once,
        now: Timestamp,
        audit: Option<AuditEvent>,
    ) -> impl Future<Output = Result<Spending, StoreError>> + Send;

    /// A value that is kept for a policy, whatever its version, and whether or not there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or the record does not open or is not the latest.
    fn kept(
        &self,
        policy: &PolicyName,
        key: &KeptKey,
    ) -> impl Future<Output = Result<Option<Kept>, StoreError>> + Send;

    /// Keeps a value of at most [`Kept::MAX_VALUE_BYTES`] in place of the one of revision `expected`; `None` when
    /// there is to be none yet. With its audit record, all or nothing; durable when it returns. The new revision.
    ///
    /// # Errors
    /// [`KeepError::Conflict`] when the current revision is not `expected` (compare and set).
    fn keep(
        &self,
        policy: &PolicyName,
        key: &KeptKey,
        value: Secret,
        expected: Option<KeptRevision>,
        audit: Option<AuditEvent>,
    ) -> impl Future<Output = Result<KeptRevision, KeepError>> + Send;

    /// Whether it can serve; for readiness.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot.
    fn check(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// One version of a policy as it is kept.
#[derive(Debug)]
pub struct PolicyRecord {
    /// Its name.
    pub name: PolicyName,
    /// Its hash.
    pub hash: PolicyHash,
    /// The version before it.
    pub predecessor: Option<PolicyHash>,
    /// The key hash of the first version's author.
    pub creator: KeyHash,
    /// The author's text; confidential, since it can hold credentials.
    pub text: Secret,
    /// When it was put.
    pub created: Timestamp,
}

/// One version of a policy without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionSummary {
    /// Its hash.
    pub hash: PolicyHash,
    /// The version before it.
    pub predecessor: Option<PolicyHash>,
    /// When it was put.
    pub created: Timestamp,
}

/// Which names of policies are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyPage<'a> {
    /// Those under this name at any depth, without the name itself; `None` for all.
    pub under: Option<&'a PolicyName>,
    /// Those whose bytes come after this name, which need not exist; `None` from the first.
    pub after: Option<&'a PolicyName>,
    /// At most so many; the caller bounds it.
    pub at_most: usize,
}

/// A version to put.
#[derive(Debug)]
pub struct NewPolicy {
    /// The version.
    pub record: PolicyRecord,
    /// The values of its secrets, as `casque_secrets` writes stored values.
    pub values: Vec<(SecretName, Secret)>,
}

/// Why a version was not put.
#[derive(Debug, Error)]
pub enum PutError {
    /// Another version is current: somebody was faster, or the predecessor is wrong.
    #[error("the current version is another one")]
    Conflict {
        /// The current version, if there is one.
        current: Option<PolicyHash>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the store did not do its work.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It cannot be read or written now; the operation may be tried again.
    #[error("the store is not available")]
    Unavailable {
        /// The database's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A record does not open under its key and place: it was changed, moved or replayed, or the root key is another one.
    #[error(
        "record `{record}` does not open: it was changed outside Casque, or the root key is another one"
    )]
    Damaged {
        /// Table and row, no content.
        record: String,
    },
}

/// Something that is put on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub action: AuditAction,
    /// The policy's name or the config id.
    pub subject: String,
    /// The version concerned.
    pub policy: PolicyHash,
    /// The key of the one who asked, if one did by key; for a release the fact `binding` says what it was made for.
    pub caller: Option<KeyHash>,
    /// Further facts, without secrets: identity proved, verifier, vault secret ids.
    pub facts: Vec<(&'static str, String)>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditAction {
    /// A policy's first version was put.
    PolicyCreated,
    /// A further version was put.
    PolicyUpdated,
    /// A version's text was read.
    PolicyRead,
    /// A configuration was released.
    ConfigurationReleased,
    /// Names of policies were listed.
    PolicyListed,
    /// The versions of a policy were listed.
    HistoryRead,
    /// A value was handed to another policy.
    ValueExported,
    /// A certificate was issued again before its end.
    CertificateRenewed,
    /// The key of a volume was made.
    VolumeKeyMade,
    /// The last attempts to attest were read.
    AttemptsRead,
}

impl AuditAction {
    /// The word in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PolicyCreated => "policy-created",
            Self::PolicyUpdated => "policy-updated",
            Self::PolicyRead => "policy-read",
            Self::ConfigurationReleased => "configuration-released",
            Self::PolicyListed => "policies-listed",
            Self::HistoryRead => "history-read",
            Self::ValueExported => "value-exported",
            Self::CertificateRenewed => "certificate-renewed",
            Self::VolumeKeyMade => "volume-key-made",
            Self::AttemptsRead => "attempts-read",
        }
    }
}
