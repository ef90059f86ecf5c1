//! Reading policies and the values that they export to the public.

use std::sync::Arc;

use casque_policy::{Operation, Origin, SecretSpec, with_creator};
use casque_secrets::render;
use casque_types::{
    Encoding, Format, KeyHash, PolicyHash, PolicyName, Secret, SecretKind, SecretName,
};

use crate::casque::{LoadError, LoadedPolicy};
use crate::{
    AuditAction, AuditEvent, Casque, Clock as _, PolicyRecord, Ports, ReadPolicyError,
    ReadValueError, ResolveError, Store as _,
};

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
    /// Reads a version of a policy: the current one, or any earlier one by its hash.
    ///
    /// Who may read is decided by the current version, so that taking somebody's right away counts for
    /// the past too.
    ///
    /// # Errors
    /// [`ReadPolicyError`]: absent, not permitted, or the store failed.
    pub async fn read_policy(
        &self,
        name: &PolicyName,
        hash: Option<&PolicyHash>,
        caller: Option<&KeyHash>,
    ) -> Result<PolicyText, ReadPolicyError> {
        let absent = || ReadPolicyError::Absent { name: name.clone() };
        let current = self
            .current_policy(name)
            .await
            .map_err(|error| match error {
                LoadError::Store(error) => ReadPolicyError::Store(error),
                LoadError::Unparsable => ReadPolicyError::StoredPolicy { name: name.clone() },
            })?;
        let current = current.ok_or_else(absent)?;
        if !(current.policy.access).permits(Operation::Read, caller, &current.creator) {
            return Err(ReadPolicyError::NotPermitted { name: name.clone() });
        }
        let wanted = hash.unwrap_or(&current.hash);
        let record = self
            .ports
            .store()
            .load(name, wanted)
            .await?
            .ok_or_else(absent)?;
        self.audit_read(&record, caller).await?;
        Ok(PolicyText {
            hash: record.hash,
            text: text_with_creator(&record),
        })
    }

    async fn audit_read(
        &self,
        record: &PolicyRecord,
        caller: Option<&KeyHash>,
    ) -> Result<(), ReadPolicyError> {
        let event = AuditEvent {
            at: self.ports.clock().now(),
            action: AuditAction::PolicyRead,
            subject: record.name.to_string(),
            policy: record.hash,
            caller: caller.copied(),
            facts: Vec::new(),
        };
        Ok(self.ports.store().append_audit(event).await?)
    }

    /// Reads values that a policy exports to the public. Values that live in Key Vault are not among
    /// them: a stranger must not be able to make this server call Azure.
    ///
    /// # Errors
    /// [`ReadValueError`]: absent, or the store failed.
    pub async fn read_values(
        &self,
        query: &ValueQuery,
    ) -> Result<Vec<PublicValue>, ReadValueError> {
        let loaded = self.queried_policy(query).await?;
        let public: Vec<&SecretSpec> = (loaded.policy.secrets.iter())
            .filter(|secret| is_public(secret))
            .filter(|secret| {
                query
                    .secret
                    .as_ref()
                    .is_none_or(|name| *name == secret.name)
            })
            .collect();
        if public.is_empty() {
            return Err(absent_value(query));
        }
        let names: Vec<SecretName> = public.iter().map(|secret| secret.name.clone()).collect();
        let store = self.ports.store();
        let mut stored = store
            .values(&loaded.policy.name, &loaded.hash, &names)
            .await?;
        let now = self.ports.clock().now();
        let mut values = Vec::with_capacity(public.len());
        for secret in public {
            let index = stored.iter().position(|(name, _)| *name == secret.name);
            let stored = index.map(|index| stored.swap_remove(index).1);
            let fault = |cause| ReadValueError::Secret {
                secret: secret.name.clone(),
                cause,
            };
            let value = self
                .value_of(&loaded, secret, stored, now)
                .await
                .map_err(fault)?;
            let text = render(&value.value, Format::Plain, Encoding::Verbatim)
                .map_err(|error| fault(ResolveError::Render(error)))?;
            values.push(PublicValue {
                name: secret.name.clone(),
                kind: value.value.kind(),
                value: text,
            });
        }
        Ok(values)
    }

    async fn queried_policy(
        &self,
        query: &ValueQuery,
    ) -> Result<Arc<LoadedPolicy>, ReadValueError> {
        let found = self.current_policy(&query.policy).await;
        let found = found.map_err(|error| match error {
            LoadError::Store(error) => ReadValueError::Store(error),
            LoadError::Unparsable => ReadValueError::StoredPolicy {
                name: query.policy.clone(),
            },
        })?;
        found
            .filter(|loaded| query.hash.is_none_or(|hash| hash == loaded.hash))
            .ok_or_else(|| absent_value(query))
    }
}

const fn is_public(secret: &SecretSpec) -> bool {
    secret.public && matches!(secret.origin, Origin::Generated(_) | Origin::Given { .. })
}

fn absent_value(query: &ValueQuery) -> ReadValueError {
    ReadValueError::Absent {
        name: query.policy.clone(),
    }
}

fn text_with_creator(record: &PolicyRecord) -> Secret {
    match record.text.expose_text() {
        // the whole text is what a reader is permitted to see
        Some(text) => Secret::new(with_creator(text, &record.creator).into_bytes()),
        None => record.text.duplicate(),
    }
}
