//! Skeleton of the use cases; filled in next.
use std::sync::Arc;

use casque_appraise::{Evidence, TrustAnchors};
use casque_policy::Diagnostic;
use casque_secrets::{IdentityKey, SealedConfiguration};
use casque_types::{KeyHash, PolicyHash, PolicyName, Seconds, Secret, SecretKind, SecretName};

use crate::{
    AttestError, Challenge, ChallengeKey, Ports, PutPolicyError, ReadPolicyError, ReadValueError,
};

/// The use cases over their ports.
pub struct Casque<P: Ports> {
    #[expect(dead_code, reason = "skeleton")]
    ports: P,
}

/// Bounds and lives that the operator may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Life of a nonce. Default 60 s.
    pub nonce_life: Seconds,
    /// How many parsed policies are kept. Default 1024.
    pub cached_policies: usize,
    /// When an agent is told to ask again, if nothing in the configuration runs out before. Default 12 h.
    pub refresh_after: Seconds,
    /// How far the clocks of MAA and this server may differ. Default 120 s.
    pub clock_skew: Seconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nonce_life: Seconds(60),
            cached_policies: 1024,
            refresh_after: Seconds(43_200),
            clock_skew: Seconds(120),
        }
    }
}

/// A request to attest.
#[derive(Debug)]
pub struct AttestRequest {
    /// The runtime data as sent.
    pub runtime_data: Vec<u8>,
    /// The evidence.
    pub evidence: Evidence,
}

/// A released configuration.
#[derive(Debug)]
pub struct Released {
    /// Sealed to the key in the runtime data, signed by the server's identity.
    pub sealed: SealedConfiguration,
    /// When to ask again.
    pub refresh_after: Seconds,
}

/// What putting a policy led to.
#[derive(Debug)]
pub struct PutOutcome {
    /// The new version.
    pub hash: PolicyHash,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// A version's text.
#[derive(Debug)]
pub struct PolicyText {
    /// Its hash.
    pub hash: PolicyHash,
    /// The author's text, with `creator` added where it is part of the hash and missing.
    pub text: Secret,
}

/// Which public values are asked for.
#[derive(Clone, Debug)]
pub struct ValueQuery {
    /// The policy.
    pub policy: PolicyName,
    /// One secret; all public ones when none.
    pub secret: Option<SecretName>,
    /// The version that must be current, if the caller pins one.
    pub hash: Option<PolicyHash>,
}

/// A public value: for certificates the PEM without key.
#[derive(Debug)]
pub struct PublicValue {
    /// The secret.
    pub name: SecretName,
    /// Its kind.
    pub kind: SecretKind,
    /// Text, or bytes for `binary`.
    pub value: Secret,
}

impl<P: Ports> Casque<P> {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        ports: P,
        _identity: Arc<IdentityKey>,
        _challenge: ChallengeKey,
        _anchors: TrustAnchors,
        _limits: Limits,
    ) -> Self {
        Self { ports }
    }
    /// Offers to attest.
    ///
    /// # Errors
    /// No randomness.
    pub fn challenge(&self) -> Result<Challenge, casque_types::RngError> {
        todo!()
    }
    /// One release.
    ///
    /// # Errors
    /// [`AttestError`].
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn attest(&self, _request: AttestRequest) -> Result<Released, AttestError> {
        todo!()
    }
    /// Puts a version of a policy.
    ///
    /// # Errors
    /// [`PutPolicyError`].
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn put_policy(
        &self,
        _text: &str,
        _caller: Option<&KeyHash>,
    ) -> Result<PutOutcome, PutPolicyError> {
        todo!()
    }
    /// Reads a version of a policy.
    ///
    /// # Errors
    /// [`ReadPolicyError`].
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn read_policy(
        &self,
        _name: &PolicyName,
        _hash: Option<&PolicyHash>,
        _caller: Option<&KeyHash>,
    ) -> Result<PolicyText, ReadPolicyError> {
        todo!()
    }
    /// Reads public values.
    ///
    /// # Errors
    /// [`ReadValueError`].
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn read_values(
        &self,
        _query: &ValueQuery,
    ) -> Result<Vec<PublicValue>, ReadValueError> {
        todo!()
    }
    /// Whether it can serve.
    ///
    /// # Errors
    /// The store cannot.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn check(&self) -> Result<(), crate::StoreError> {
        todo!()
    }
    /// The server's identity.
    #[must_use]
    pub fn identity(&self) -> &IdentityKey {
        todo!()
    }
}
