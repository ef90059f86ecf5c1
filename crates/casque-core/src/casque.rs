//! The use cases over their ports: what is shared by all of them.

use std::sync::Arc;

use casque_appraise::{Appraiser, TrustAnchors};
use casque_policy::{Policy, policy_hash};
use casque_secrets::IdentityKey;
use casque_types::{KeyHash, PolicyHash, PolicyName, RngError, Seconds};

use crate::attempts::Attempts;
use crate::factors::WrongCodes;
use crate::policies::PolicyCache;
use crate::{Challenge, ChallengeKey, Clock as _, Ports, Store as _, StoreError};

/// The use cases over their ports. Each lives in a module of its own: `attest`, `put`, `read`.
pub struct Casque<P: Ports> {
    pub(crate) ports: P,
    pub(crate) identity: Arc<IdentityKey>,
    pub(crate) challenge: ChallengeKey,
    pub(crate) appraiser: Appraiser,
    pub(crate) limits: Limits,
    pub(crate) wrong_codes: WrongCodes,
    pub(crate) attempts: Attempts,
    policies: PolicyCache,
}

/// Bounds and lives that the operator may set.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Life of a nonce. Default 60 s.
    pub nonce_life: Seconds,
    /// How many parsed policies are kept in memory. Default 1024.
    pub cached_policies: usize,
    /// When an agent is told to ask again, if nothing in the configuration runs out before. Default 12 h.
    pub refresh_after: Seconds,
    /// How far the clocks of MAA, of replicas and of this server may differ. Default 120 s.
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

/// A stored version of a policy, parsed.
pub(crate) struct LoadedPolicy {
    pub(crate) policy: Policy,
    pub(crate) hash: PolicyHash,
    pub(crate) creator: KeyHash,
}

impl LoadedPolicy {
    /// The root namespace as it is before anybody claims it.
    fn default_root() -> Result<Self, LoadError> {
        let parsed = Policy::parse(DEFAULT_ROOT).map_err(|_| LoadError::Unparsable)?;
        let nobody = KeyHash::from([0; 32]);
        Ok(Self {
            hash: policy_hash(&parsed.policy, Some(&nobody)),
            policy: parsed.policy,
            creator: nobody,
        })
    }

    /// Whether it is the root namespace that nobody claimed.
    pub(crate) fn is_default_root(&self) -> bool {
        self.policy.name.is_root() && self.creator == KeyHash::from([0; 32])
    }

    /// Its creator's key, if it has a creator.
    pub(crate) fn creator_key(&self) -> Option<&KeyHash> {
        (!self.is_default_root()).then_some(&self.creator)
    }
}

/// The text of the root namespace before anybody claims it: everyone may create policies in it, and nobody
/// list it: whom all names are for is its owner's to say.
pub(crate) const DEFAULT_ROOT: &str = "\
name: /
version: \"0.3.12\"
access_policy:
  read: [ANY]
  update: [ANY]
  create_sessions: [ANY]
  list_sessions: [NONE]
";

/// Why a stored version could not be had.
pub(crate) enum LoadError {
    Store(StoreError),
    Unparsable,
}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<P: Ports> Casque<P> {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        ports: P,
        identity: Arc<IdentityKey>,
        challenge: ChallengeKey,
        anchors: TrustAnchors,
        limits: Limits,
    ) -> Self {
        let policies = PolicyCache::new(limits.cached_policies);
        Self {
            ports,
            identity,
            challenge,
            appraiser: Appraiser::new(anchors),
            limits,
            wrong_codes: WrongCodes::default(),
            attempts: Attempts::default(),
            policies,
        }
    }

    /// Offers to attest; nothing is remembered of it.
    ///
    /// # Errors
    /// No randomness.
    pub fn challenge(&self) -> Result<Challenge, RngError> {
        let now = self.ports.clock().now();
        let server = *self.identity.key_hash();
        (self.challenge).issue(server, self.limits.nonce_life, now, self.ports.rng())
    }

    /// Whether it can serve.
    ///
    /// # Errors
    /// The store cannot.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.ports.store().check().await
    }

    /// The server's identity.
    #[must_use]
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// The ports, for programs that show what stands behind them.
    #[must_use]
    pub const fn ports(&self) -> &P {
        &self.ports
    }

    /// The current version of a policy, if there is one.
    pub(crate) async fn current_policy(
        &self,
        name: &PolicyName,
    ) -> Result<Option<Arc<LoadedPolicy>>, LoadError> {
        let Some(hash) = self.ports.store().head(name).await? else {
            return match name.is_root() {
                true => LoadedPolicy::default_root().map(|root| Some(Arc::new(root))),
                false => Ok(None),
            };
        };
        self.policy_version(name, &hash).await
    }

    /// One version of a policy, parsed once and then remembered by its hash.
    pub(crate) async fn policy_version(
        &self,
        name: &PolicyName,
        hash: &PolicyHash,
    ) -> Result<Option<Arc<LoadedPolicy>>, LoadError> {
        if let Some(found) = self.policies.find(name, hash) {
            return Ok(Some(found));
        }
        let Some(record) = self.ports.store().load(name, hash).await? else {
            return Ok(None);
        };
        let text = record.text.expose_text().ok_or(LoadError::Unparsable)?;
        let parsed = Policy::parse(text).map_err(|_| LoadError::Unparsable)?;
        let loaded = Arc::new(LoadedPolicy {
            policy: parsed.policy,
            hash: record.hash,
            creator: record.creator,
        });
        self.policies.keep(Arc::clone(&loaded));
        Ok(Some(loaded))
    }
}
