//! Who gives what the store does not have: Entra ID, Key Vault, other CASes, MAA, endorsers.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use casque_appraise::{
    Endorsements, EndorsementsId, Evidence, MaaKeys, MaaToken, ServiceAccountKeys,
};
use casque_types::{
    EntraCredential, KeyHash, MaaUrl, PolicyHash, PolicyName, RuntimeData, Seconds, Secret,
    SecretName, Timestamp, VaultAddress, VaultSecretName,
};
use thiserror::Error;

use crate::{AttestationInfo, Blame, SealedToken};

/// Gets access tokens from Entra ID; caches by credential and scope, one request at a time for each.
pub trait TokenSource: Send + Sync {
    /// A token with enough life left for its purpose.
    ///
    /// # Errors
    /// [`SourceFailure`] with a sentence for the author.
    fn token(
        &self,
        credential: &EntraCredential,
        purpose: TokenPurpose<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Arc<AccessToken>, SourceFailure>> + Send;
}

/// What a token is for; authority and scope follow from it.
#[derive(Clone, Copy, Debug)]
pub enum TokenPurpose<'a> {
    /// To read from this vault.
    Vault(&'a VaultAddress),
    /// To be handed to the workload: Key Vault's scope in the default cloud.
    Workload,
}

/// An OAuth 2.0 access token.
#[derive(Debug)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// End of its life.
    pub expires: Timestamp,
}

/// Reads secrets from Key Vault, and keeps values there.
pub trait VaultSource: Send + Sync {
    /// A secret that is enabled and inside its life at `now`: its current version, or the one named, 32
    /// letters and digits.
    ///
    /// # Errors
    /// [`SourceFailure`] with a sentence for the author.
    fn secret(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        version: Option<&str>,
        token: &AccessToken,
        now: Timestamp,
    ) -> impl Future<Output = Result<VaultSecret, SourceFailure>> + Send;

    /// Sets a secret's value, at most 25,000 bytes of text, as a new version; its id.
    ///
    /// # Errors
    /// [`SourceFailure`] with a sentence for the author.
    fn set_secret(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        value: &Secret,
        token: &AccessToken,
        now: Timestamp,
    ) -> impl Future<Output = Result<String, SourceFailure>> + Send;
}

/// Asks other CASes for what they export.
pub trait RemoteSource: Send + Sync {
    /// A value that another CAS exports to a policy of this one, as `casque_secrets` writes stored values.
    ///
    /// The other CAS must have the key `server`; this one shows it its own identity key.
    ///
    /// # Errors
    /// [`SourceFailure`] with a sentence for the author.
    fn exported(
        &self,
        address: &str,
        server: &KeyHash,
        request: &ExportRequest,
        now: Timestamp,
    ) -> impl Future<Output = Result<Secret, SourceFailure>> + Send;
}

/// What one CAS asks of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRequest {
    /// The policy that exports.
    pub session: PolicyName,
    /// The version that it must have, if the importer pins it.
    pub session_hash: Option<PolicyHash>,
    /// The secret.
    pub secret: SecretName,
    /// The policy that imports.
    pub importer: PolicyName,
    /// Its version.
    pub importer_hash: PolicyHash,
}

/// A secret as a vault holds it.
#[derive(Debug)]
pub struct VaultSecret {
    /// The value; a vault holds text only.
    pub value: Secret,
    /// Free text; a hint only.
    pub content_type: Option<String>,
    /// The id with version, for the audit log.
    pub id: String,
}

/// Talks to instances of Microsoft Azure Attestation.
pub trait MaaSource: Send + Sync {
    /// Has an instance judge evidence (background-check model): SGX and TDX quotes and reports of SEV-SNP with
    /// `runtime` as runtime data; the report or quote of an Azure VM with the paravisor's data.
    ///
    /// # Errors
    /// [`SourceFailure`] when it refuses the evidence or cannot be reached.
    fn attest(
        &self,
        url: &MaaUrl,
        evidence: &Evidence,
        runtime: &RuntimeData,
        now: Timestamp,
    ) -> impl Future<Output = Result<MaaToken, SourceFailure>> + Send;

    /// Hands on what a guest wants `attest/AzureGuest` to judge; the answer is sealed to the guest's TPM.
    ///
    /// # Errors
    /// [`SourceFailure`] when it refuses the request or cannot be reached.
    fn attest_guest(
        &self,
        url: &MaaUrl,
        info: &AttestationInfo,
        now: Timestamp,
    ) -> impl Future<Output = Result<SealedToken, SourceFailure>> + Send;

    /// The keys under `<url>/certs`: cached, fetched again (not too often) when `key_id` is not among them.
    ///
    /// # Errors
    /// [`SourceFailure`] when they cannot be had.
    fn keys(
        &self,
        url: &MaaUrl,
        key_id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Arc<MaaKeys>, SourceFailure>> + Send;
}

/// Gets endorsements; caches them, one request at a time for each.
pub trait EndorsementSource: Send + Sync {
    /// The endorsements that a piece of evidence needs.
    ///
    /// # Errors
    /// [`SourceFailure`] when there are none in the cache that are valid and none can be fetched.
    fn endorsements(
        &self,
        id: &EndorsementsId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Endorsements, SourceFailure>> + Send;

    /// Evidence with this id was appraised under them: they are of a platform that is there, and worth keeping.
    /// Until then whoever asks may have made the id up.
    fn proved(&self, id: &EndorsementsId) -> impl Future<Output = ()> + Send {
        let _ = id;
        async {}
    }
}

/// Gets the keys with which clusters sign service account tokens; caches them.
pub trait ClusterSource: Send + Sync {
    /// The keys of the cluster with this issuer, fetched again (not too often) when `key_id` is not among them.
    ///
    /// # Errors
    /// [`SourceFailure`] when the operator trusts no such cluster, or its keys cannot be had.
    fn keys(
        &self,
        issuer: &str,
        key_id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Arc<ServiceAccountKeys>, SourceFailure>> + Send;
}

/// A remote party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// Microsoft Entra ID.
    Entra,
    /// Azure Key Vault.
    KeyVault,
    /// Microsoft Azure Attestation.
    Maa,
    /// Intel's certification service.
    Endorser,
    /// AMD's key distribution service, or Azure's cache of it.
    Amd,
    /// A Kubernetes cluster, as the issuer of service account tokens.
    Cluster,
    /// Another CAS.
    Remote,
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entra => "Microsoft Entra ID",
            Self::KeyVault => "Azure Key Vault",
            Self::Maa => "Microsoft Azure Attestation",
            Self::Endorser => "Intel's certification service",
            Self::Amd => "AMD's key distribution service",
            Self::Cluster => "the Kubernetes cluster",
            Self::Remote => "another CAS",
        })
    }
}

/// Why a remote party did not give what was asked: a sentence for the policy's author, without secrets.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{source_kind}: {what}")]
pub struct SourceFailure {
    /// Which party.
    pub source_kind: SourceKind,
    /// A stable code such as `entra-wrong-secret`; all are listed in `docs/errors-azure.md` and `docs/errors-endorsements.md`.
    pub code: &'static str,
    /// What was asked, of whom, and what came back.
    pub what: String,
    /// What to do next.
    pub mend: String,
    /// Whether the same request may succeed later without any change.
    pub retryable: bool,
    /// When the party said to ask again.
    pub retry_after: Option<Seconds>,
}

impl SourceFailure {
    /// Whose fault it is, when it keeps evidence from being judged: the caller's where a verifier refuses the
    /// evidence itself, the party's otherwise.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match EVIDENCE_REFUSED.contains(&self.code) {
            true => Blame::Unauthenticated,
            false => Blame::Unavailable,
        }
    }
}

/// The codes of a verifier that looked at evidence and refuses it, or could not be given it: asking again changes
/// nothing.
const EVIDENCE_REFUSED: [&str; 3] = [
    "maa-evidence-incomplete",
    "maa-evidence-refused",
    "maa-policy-refused",
];
