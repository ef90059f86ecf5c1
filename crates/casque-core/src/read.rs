//! Reading policies: their texts, hashes, versions and names. Values: [`crate::exported`].
//!
//! Who may read is decided by the current version, so that taking somebody's right away counts for the past
//! too.

use std::sync::Arc;

use casque_policy::{Credentials, Operation, with_creator};
use casque_types::{KeyHash, PolicyHash, PolicyName, Secret, Timestamp};

use crate::casque::{DEFAULT_ROOT, LoadError, LoadedPolicy};
use crate::put::salted_key;
use crate::{
    AuditAction, AuditEvent, Casque, Clock as _, PolicyPage, PolicyRecord, Ports, ReadPolicyError,
    Store as _, VersionSummary,
};

/// A version's text.
#[derive(Debug)]
pub struct PolicyText {
    /// Its hash.
    pub hash: PolicyHash,
    /// The author's text, with `creator` added where it is part of the hash and missing.
    pub text: Secret,
}

/// A page of policy names.
#[derive(Debug, PartialEq, Eq)]
pub struct PolicyNames {
    /// In the order of their bytes.
    pub names: Vec<PolicyName>,
    /// Whether there are more after the last one.
    pub more: bool,
}

impl<P: Ports> Casque<P> {
    /// Reads a version of a policy: the current one, or any earlier one by its hash.
    ///
    /// # Errors
    /// [`ReadPolicyError`]: absent, not permitted, or the store failed.
    pub async fn read_policy(
        &self,
        name: &PolicyName,
        hash: Option<&PolicyHash>,
        caller: &Credentials,
    ) -> Result<PolicyText, ReadPolicyError> {
        let current = self.readable(name, Operation::Read, caller).await?;
        let wanted = hash.unwrap_or(&current.hash);
        if current.is_default_root() && *wanted == current.hash {
            return Ok(PolicyText {
                hash: current.hash,
                text: Secret::copied_from(DEFAULT_ROOT.as_bytes()),
            });
        }
        let record = self.ports.store().load(name, wanted).await?;
        let record = record.ok_or_else(|| ReadPolicyError::Absent { name: name.clone() })?;
        let event = read_event(
            AuditAction::PolicyRead,
            name,
            record.hash,
            caller,
            self.now(),
        );
        self.ports.store().append_audit(event).await?;
        Ok(PolicyText {
            hash: record.hash,
            text: text_with_creator(&record),
        })
    }

    /// The hash of the current version: for those who may read it, and for everyone once a version had a
    /// salt (spec/policy-language.md section 1.4).
    ///
    /// # Errors
    /// [`ReadPolicyError`]: absent, not permitted, or the store failed.
    pub async fn hash_of_policy(
        &self,
        name: &PolicyName,
        caller: &Credentials,
    ) -> Result<PolicyHash, ReadPolicyError> {
        match self.readable(name, Operation::Read, caller).await {
            Ok(current) => Ok(current.hash),
            Err(refused @ ReadPolicyError::NotPermitted { .. }) => {
                let current = self.loaded(name).await?;
                let is_salted = current.policy.salt.is_some()
                    || (self.ports.store().kept(name, &salted_key()).await?).is_some();
                match is_salted {
                    true => Ok(current.hash),
                    false => Err(refused),
                }
            }
            Err(other) => Err(other),
        }
    }

    /// Every version of a policy, the first one first, without the texts.
    ///
    /// # Errors
    /// [`ReadPolicyError`]: absent, not permitted, or the store failed.
    pub async fn history(
        &self,
        name: &PolicyName,
        caller: &Credentials,
    ) -> Result<Vec<VersionSummary>, ReadPolicyError> {
        let current = self.readable(name, Operation::Read, caller).await?;
        let versions = self.ports.store().history(name).await?;
        let action = AuditAction::HistoryRead;
        let event = read_event(action, name, current.hash, caller, self.now());
        self.ports.store().append_audit(event).await?;
        Ok(versions)
    }

    /// The names of the policies in a namespace, at any depth: at most `at_most` (1 to 1000) of those after
    /// `after`.
    ///
    /// # Errors
    /// [`ReadPolicyError`]: the namespace is absent, does not let the caller list it, or the store failed.
    pub async fn list_policies(
        &self,
        namespace: &PolicyName,
        after: Option<&PolicyName>,
        at_most: usize,
        caller: &Credentials,
    ) -> Result<PolicyNames, ReadPolicyError> {
        let operation = Operation::ListSessions;
        let current = self.readable(namespace, operation, caller).await?;
        let at_most = at_most.clamp(1, MOST_NAMES);
        let page = PolicyPage {
            under: (!namespace.is_root()).then_some(namespace),
            after,
            // One more shows that there are more; the root itself may be among them.
            at_most: at_most.saturating_add(2),
        };
        let mut names = self.ports.store().list(page).await?;
        names.retain(|name| !name.is_root());
        let more = names.len() > at_most;
        names.truncate(at_most);
        let action = AuditAction::PolicyListed;
        let event = read_event(action, namespace, current.hash, caller, self.now());
        self.ports.store().append_audit(event).await?;
        Ok(PolicyNames { names, more })
    }

    pub(crate) async fn readable(
        &self,
        name: &PolicyName,
        operation: Operation,
        caller: &Credentials,
    ) -> Result<Arc<LoadedPolicy>, ReadPolicyError> {
        let current = self.loaded(name).await?;
        let access = self.access_of(&current, self.now()).await?;
        let creator = current.creator_key();
        // Everyone may create in the unclaimed root, and so could list it: that is for its owner to say.
        let is_withheld = operation == Operation::ListSessions && current.is_default_root();
        if access.policy.permits(operation, caller, creator) && !is_withheld {
            return Ok(current);
        }
        Err(ReadPolicyError::NotPermitted {
            name: name.clone(),
            what: match operation {
                Operation::ListSessions => "list it",
                _ => "read it",
            },
            unreadable: access.unreadable,
        })
    }

    async fn loaded(&self, name: &PolicyName) -> Result<Arc<LoadedPolicy>, ReadPolicyError> {
        let current = self
            .current_policy(name)
            .await
            .map_err(|error| match error {
                LoadError::Store(error) => ReadPolicyError::Store(error),
                LoadError::Unparsable => ReadPolicyError::StoredPolicy { name: name.clone() },
            })?;
        current.ok_or_else(|| ReadPolicyError::Absent { name: name.clone() })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock().now()
    }
}

fn read_event(
    action: AuditAction,
    name: &PolicyName,
    hash: PolicyHash,
    caller: &Credentials,
    now: Timestamp,
) -> AuditEvent {
    AuditEvent {
        at: now,
        action,
        subject: name.to_string(),
        policy: hash,
        caller: caller.tls,
        facts: Vec::new(),
    }
}

fn text_with_creator(record: &PolicyRecord) -> Secret {
    let creator: &KeyHash = &record.creator;
    match record.text.expose_text() {
        // the whole text is what a reader is permitted to see
        Some(text) => Secret::new(with_creator(text, creator).into_bytes()),
        None => record.text.duplicate(),
    }
}

/// The most names in one answer.
const MOST_NAMES: usize = 1000;
