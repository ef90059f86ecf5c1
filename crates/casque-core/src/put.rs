//! Putting a version of a policy: who may, whether it follows the current one, and the values it brings.

use std::sync::Arc;

use casque_policy::{Diagnostic, Operation, Policy, policy_hash};
use casque_types::{KeyHash, PolicyHash, PolicyName, Secret, Timestamp};

use crate::casque::{LoadError, LoadedPolicy};
use crate::{
    AuditAction, AuditEvent, Casque, Clock as _, NewPolicy, PolicyRecord, Ports, PutError,
    PutPolicyError, Store as _,
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
    /// `caller` is the key of the client's certificate; on creation it becomes the creator. The values
    /// that the version generates are made here; those that an update keeps are copied from its
    /// predecessor. When this returns, policy, values and audit record are durable.
    ///
    /// # Errors
    /// [`PutPolicyError`], by whose fault it is; nothing is changed then.
    pub async fn put_policy(
        &self,
        text: &str,
        caller: Option<&KeyHash>,
    ) -> Result<PutOutcome, PutPolicyError> {
        let caller = caller.ok_or(PutPolicyError::NoCaller)?;
        let parsed = Policy::parse(text).map_err(PutPolicyError::Policy)?;
        let (policy, warnings) = (parsed.policy, parsed.warnings);
        let current = self.loaded_for_put(&policy.name).await?;
        let creator = self.creator_of(&policy, current.as_deref(), caller).await?;
        let hash = policy_hash(&policy, Some(&creator));
        let now = self.ports.clock().now();
        let values = self.values_for(&policy, current.as_deref(), now).await?;
        let record = PolicyRecord {
            name: policy.name.clone(),
            hash,
            predecessor: policy.predecessor,
            creator,
            text: Secret::copied_from(text.as_bytes()),
            created: now,
        };
        let event = put_event(&record, caller, now);
        let put = self
            .ports
            .store()
            .put(NewPolicy { record, values }, event)
            .await;
        put.map_err(|error| conflict(error, &policy))?;
        Ok(PutOutcome { hash, warnings })
    }

    /// Checks that the caller may put this version here and now; answers whose policy it is.
    async fn creator_of(
        &self,
        policy: &Policy,
        current: Option<&LoadedPolicy>,
        caller: &KeyHash,
    ) -> Result<KeyHash, PutPolicyError> {
        let creator = match current {
            None => {
                self.check_creation(policy, caller).await?;
                *caller
            }
            Some(current) => {
                check_update(policy, current, caller)?;
                current.creator
            }
        };
        match policy.creator {
            Some(named) if named != creator => Err(PutPolicyError::OtherCreator),
            _ => Ok(creator),
        }
    }

    async fn check_creation(
        &self,
        policy: &Policy,
        caller: &KeyHash,
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
        let access = &namespace.policy.access;
        if access.permits(Operation::CreateSessions, Some(caller), &namespace.creator) {
            return Ok(());
        }
        Err(PutPolicyError::NotPermitted {
            policy: parent,
            what: "create policies in it",
        })
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
}

/// Permission comes first: who may not update learns nothing about the current version.
fn check_update(
    policy: &Policy,
    current: &LoadedPolicy,
    caller: &KeyHash,
) -> Result<(), PutPolicyError> {
    let access = &current.policy.access;
    if !access.permits(Operation::Update, Some(caller), &current.creator) {
        return Err(match policy.predecessor {
            None => PutPolicyError::Exists {
                name: policy.name.clone(),
            },
            Some(_) => PutPolicyError::NotPermitted {
                policy: policy.name.clone(),
                what: "update it",
            },
        });
    }
    match policy.predecessor {
        Some(predecessor) if predecessor == current.hash => Ok(()),
        Some(found) => Err(PutPolicyError::OtherPredecessor { found }),
        None => Err(PutPolicyError::Exists {
            name: policy.name.clone(),
        }),
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

fn put_event(record: &PolicyRecord, caller: &KeyHash, now: Timestamp) -> AuditEvent {
    let action = match record.predecessor {
        None => AuditAction::PolicyCreated,
        Some(_) => AuditAction::PolicyUpdated,
    };
    AuditEvent {
        at: now,
        action,
        subject: record.name.to_string(),
        policy: record.hash,
        caller: Some(*caller),
        facts: Vec::new(),
    }
}
