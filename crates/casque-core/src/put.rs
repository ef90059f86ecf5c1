//! Putting a version of a policy: who may, whether it follows the current one, and the values it brings.
//!
//! Every policy but the root stands in a namespace, which is a policy too and says who may create others in
//! it. The root namespace `/` is there from the beginning and lets everyone create; it can be claimed by an
//! update before any other policy exists, and is sealed from then on (spec/policy-language.md section 1.1).

use std::sync::Arc;

use casque_policy::{Credentials, Diagnostic, LanguageVersion, Operation, Policy, policy_hash};
use casque_types::{KeyHash, PolicyHash, PolicyName, Secret, Timestamp};

use crate::casque::{LoadError, LoadedPolicy};
use crate::{
    AuditAction, AuditEvent, Casque, Clock as _, KeptKey, NewPolicy, PolicyPage, PolicyRecord,
    Ports, PutError, PutPolicyError, Store as _,
};

/// What putting a policy led to.
#[derive(Debug)]
pub struct PutOutcome {
    /// The new version.
    pub hash: PolicyHash,
    /// What its author should look at.
    pub warnings: Vec<Diagnostic>,
}

impl<P: Ports> Casque<P> {
    /// Puts a version of a policy: its first one, or the successor of the current one.
    ///
    /// `caller` is what the client proved: the key of its certificate, and those that signed the text. On
    /// creation one of them becomes the creator: the one that the text names, or that of the certificate, or
    /// else the only signer. The values that the version generates are made here; those that an update keeps
    /// are copied from its predecessor. When this returns, policy, values and audit record are durable.
    ///
    /// # Errors
    /// [`PutPolicyError`], by whose fault it is; nothing is changed then.
    pub async fn put_policy(
        &self,
        text: &str,
        caller: &Credentials,
    ) -> Result<PutOutcome, PutPolicyError> {
        if caller.tls.is_none() && caller.signers.is_empty() {
            return Err(PutPolicyError::NoCaller);
        }
        let parsed = Policy::parse(text).map_err(PutPolicyError::Policy)?;
        let (policy, warnings) = (parsed.policy, parsed.warnings);
        let now = self.ports.clock().now();
        let current = self.loaded_for_put(&policy.name).await?;
        let creator = self
            .creator_of(&policy, current.as_deref(), caller, now)
            .await?;
        let hash = policy_hash(&policy, Some(&creator));
        let new = LoadedPolicy {
            policy,
            hash,
            creator,
        };
        let values = self.values_for(&new, current.as_deref(), now).await?;
        let values = self.move_outside(&new, values, now).await;
        let values = values.map_err(|(secret, cause)| PutPolicyError::of_secret(secret, cause))?;
        let record = record_of(&new, current.as_deref(), text, now);
        let event = put_event(&record, caller, now);
        let put = self.ports.store().put(NewPolicy { record, values }, event);
        put.await.map_err(|error| conflict(error, &new.policy))?;
        self.remember_salt(&new, current.as_deref()).await;
        Ok(PutOutcome { hash, warnings })
    }

    /// Checks that the caller may put this version here and now; answers whose policy it is.
    async fn creator_of(
        &self,
        policy: &Policy,
        current: Option<&LoadedPolicy>,
        caller: &Credentials,
        now: Timestamp,
    ) -> Result<KeyHash, PutPolicyError> {
        let creator = match current {
            Some(current) if current.is_default_root() => {
                self.check_claim(policy, current).await?;
                new_creator(policy, caller)?
            }
            None => {
                self.check_creation(policy, caller, now).await?;
                new_creator(policy, caller)?
            }
            Some(current) => {
                self.check_update(policy, current, caller, now).await?;
                current.creator
            }
        };
        match policy.creator {
            Some(named) if named != creator => Err(PutPolicyError::OtherCreator),
            _ => Ok(creator),
        }
    }

    /// The root namespace belongs to whoever updates it first, as long as nothing stands in it.
    async fn check_claim(
        &self,
        policy: &Policy,
        current: &LoadedPolicy,
    ) -> Result<(), PutPolicyError> {
        if let Some(found) = policy.predecessor
            && found != current.hash
        {
            return Err(PutPolicyError::OtherPredecessor { found });
        }
        if policy.namespace_hash.is_some() {
            return Err(PutPolicyError::NamespaceHashOnUpdate);
        }
        let first = PolicyPage {
            under: None,
            after: None,
            at_most: 1,
        };
        let found = self.ports.store().list(first).await?;
        match found.is_empty() {
            true => Ok(()),
            false => Err(PutPolicyError::RootSealed),
        }
    }

    async fn check_creation(
        &self,
        policy: &Policy,
        caller: &Credentials,
        now: Timestamp,
    ) -> Result<(), PutPolicyError> {
        if policy.predecessor.is_some() {
            return Err(PutPolicyError::NoPredecessor {
                name: policy.name.clone(),
            });
        }
        let Some(parent) = policy.name.parent() else {
            return Ok(());
        };
        let Some(namespace) = self.loaded_for_put(&parent).await? else {
            return Err(PutPolicyError::NoNamespace { parent });
        };
        if namespace.policy.version < LEAST_NAMESPACE_VERSION {
            return Err(PutPolicyError::OldNamespace { parent });
        }
        let access = self.access_of(&namespace, now).await?;
        let creator = namespace.creator_key();
        if !access
            .policy
            .permits(Operation::CreateSessions, caller, creator)
        {
            return Err(PutPolicyError::NotPermitted {
                policy: parent,
                what: "create policies in it",
                unreadable: access.unreadable,
            });
        }
        match policy.namespace_hash {
            Some(expected) if expected != namespace.hash => {
                Err(PutPolicyError::OtherNamespace { parent, expected })
            }
            _ => Ok(()),
        }
    }

    /// Permission comes first: who may not update learns nothing about the current version.
    async fn check_update(
        &self,
        policy: &Policy,
        current: &LoadedPolicy,
        caller: &Credentials,
        now: Timestamp,
    ) -> Result<(), PutPolicyError> {
        let exists = || PutPolicyError::Exists {
            name: policy.name.clone(),
        };
        let access = self.access_of(current, now).await?;
        let creator = current.creator_key();
        if !access.policy.permits(Operation::Update, caller, creator) {
            return Err(match policy.predecessor {
                None => exists(),
                Some(_) => PutPolicyError::NotPermitted {
                    policy: policy.name.clone(),
                    what: "update it",
                    unreadable: access.unreadable,
                },
            });
        }
        if policy.namespace_hash.is_some() {
            return Err(PutPolicyError::NamespaceHashOnUpdate);
        }
        match policy.predecessor {
            Some(predecessor) if predecessor == current.hash => Ok(()),
            Some(found) => Err(PutPolicyError::OtherPredecessor { found }),
            None => Err(exists()),
        }
    }

    async fn loaded_for_put(
        &self,
        name: &PolicyName,
    ) -> Result<Option<Arc<LoadedPolicy>>, PutPolicyError> {
        self.current_policy(name)
            .await
            .map_err(|error| match error {
                LoadError::Store(error) => PutPolicyError::Store(error),
                LoadError::Unparsable => PutPolicyError::StoredPolicy {
                    policy: name.clone(),
                },
            })
    }

    /// From the first version with a salt on, a policy's hash is public (section 1.4).
    ///
    /// While the version with the salt is the current one, the salt itself says so; the mark counts from the
    /// next version on, which sets it if this time it fails.
    async fn remember_salt(&self, new: &LoadedPolicy, current: Option<&LoadedPolicy>) {
        let mut versions = current.into_iter().chain([new]);
        if versions.all(|version| version.policy.salt.is_none()) {
            return;
        }
        let (store, name) = (self.ports.store(), &new.policy.name);
        let mark = Secret::new(new.hash.as_bytes().to_vec());
        // The version is durable: that the mark is not, or is there already, is no failure to put it.
        drop(store.keep(name, &salted_key(), mark, None, None).await);
    }
}

/// Under which a policy is marked that has or had a salt.
#[expect(clippy::expect_used, reason = "the text is a key")]
pub(crate) fn salted_key() -> KeptKey {
    "salted".parse().expect("the text is a key")
}

/// The key that a new policy belongs to: the caller must have proved that it holds it.
fn new_creator(policy: &Policy, caller: &Credentials) -> Result<KeyHash, PutPolicyError> {
    let mut signers = caller.signers.iter();
    let only_signer = signers.next().filter(|_| signers.next().is_none());
    match policy.creator {
        Some(named) if caller.hold(&named) => Ok(named),
        Some(_) => Err(PutPolicyError::OtherCreator),
        None => {
            (caller.tls.as_ref().or(only_signer).copied()).ok_or(PutPolicyError::AmbiguousCreator)
        }
    }
}

fn record_of(
    new: &LoadedPolicy,
    current: Option<&LoadedPolicy>,
    text: &str,
    now: Timestamp,
) -> PolicyRecord {
    // The store has no version of the root namespace before it is claimed.
    let is_claim = current.is_some_and(LoadedPolicy::is_default_root);
    let predecessor = new.policy.predecessor.filter(|_| !is_claim);
    PolicyRecord {
        name: new.policy.name.clone(),
        hash: new.hash,
        predecessor,
        creator: new.creator,
        text: Secret::copied_from(text.as_bytes()),
        created: now,
    }
}

/// The store's own compare-and-set found another version than we did a moment ago.
fn conflict(error: PutError, policy: &Policy) -> PutPolicyError {
    match (error, policy.predecessor) {
        (PutError::Store(error), _) => PutPolicyError::Store(error),
        (PutError::Conflict { .. }, Some(found)) => PutPolicyError::OtherPredecessor { found },
        (PutError::Conflict { .. }, None) => PutPolicyError::Exists {
            name: policy.name.clone(),
        },
    }
}

fn put_event(record: &PolicyRecord, caller: &Credentials, now: Timestamp) -> AuditEvent {
    let action = match record.predecessor {
        None => AuditAction::PolicyCreated,
        Some(_) => AuditAction::PolicyUpdated,
    };
    let signers = caller.signers.iter();
    AuditEvent {
        at: now,
        action,
        subject: record.name.to_string(),
        policy: record.hash,
        caller: caller.tls,
        facts: signers.map(|key| ("signer", key.to_string())).collect(),
    }
}

/// A namespace must be written in 0.3 or later (section 1.1).
const LEAST_NAMESPACE_VERSION: LanguageVersion = LanguageVersion {
    major: 0,
    minor: 3,
    patch: 0,
};
