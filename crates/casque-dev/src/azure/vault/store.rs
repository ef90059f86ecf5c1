//! What the vault holds: in memory, gone when the local Azure stops.

use std::collections::BTreeMap;

use casque_types::Timestamp;

use super::error::VaultError;
use super::object::{Attributes, SecretObject, SecretVersion};
use crate::clock::version_id;

/// Secrets by name, lower case: names in a vault do not depend on case.
#[derive(Default)]
pub(super) struct Store {
    secrets: BTreeMap<String, SecretObject>,
}

/// What a new version of a secret is to be.
pub(super) struct NewVersion {
    pub(super) value: String,
    pub(super) content_type: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) enabled: bool,
    pub(super) not_before: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
}

impl NewVersion {
    /// As a version, made now.
    pub(super) fn made(self, now: Timestamp) -> SecretVersion {
        SecretVersion {
            id: version_id(),
            value: self.value,
            content_type: self.content_type,
            tags: self.tags,
            attributes: Attributes {
                enabled: self.enabled,
                not_before: self.not_before,
                expires: self.expires,
                created: now,
                updated: now,
            },
        }
    }
}

impl Store {
    pub(super) fn insert(&mut self, object: SecretObject) {
        self.secrets
            .insert(object.name.to_ascii_lowercase(), object);
    }

    /// A secret that is not deleted.
    pub(super) fn secret(&self, name: &str) -> Result<&SecretObject, VaultError> {
        let found = self.secrets.get(&name.to_ascii_lowercase());
        found
            .filter(|secret| secret.deleted.is_none())
            .ok_or_else(|| not_found(name))
    }

    /// The same, to be changed.
    pub(super) fn secret_mut(&mut self, name: &str) -> Result<&mut SecretObject, VaultError> {
        let found = self.secrets.get_mut(&name.to_ascii_lowercase());
        found
            .filter(|secret| secret.deleted.is_none())
            .ok_or_else(|| not_found(name))
    }

    /// A secret whether deleted or not.
    pub(super) fn any(&self, name: &str) -> Option<&SecretObject> {
        self.secrets.get(&name.to_ascii_lowercase())
    }

    /// A secret in the bin.
    pub(super) fn deleted(&self, name: &str) -> Result<&SecretObject, VaultError> {
        let found = self.any(name).filter(|secret| secret.deleted.is_some());
        found.ok_or_else(|| deleted_not_found(name))
    }

    /// Takes a secret out of the bin.
    pub(super) fn recover(&mut self, name: &str) -> Result<&SecretObject, VaultError> {
        let found = self.secrets.get_mut(&name.to_ascii_lowercase());
        let found = found.filter(|secret| secret.deleted.is_some());
        let secret = found.ok_or_else(|| deleted_not_found(name))?;
        secret.deleted = None;
        Ok(secret)
    }

    /// Empties one secret out of the bin for good.
    pub(super) fn purge(&mut self, name: &str) -> Result<(), VaultError> {
        self.deleted(name)?;
        self.secrets.remove(&name.to_ascii_lowercase());
        Ok(())
    }

    /// All secrets, deleted ones among them.
    pub(super) fn all(&self) -> impl Iterator<Item = &SecretObject> {
        self.secrets.values()
    }

    /// Adds a version, and the secret if there is none.
    pub(super) fn set(&mut self, name: &str, version: SecretVersion) -> Result<(), VaultError> {
        let key = name.to_ascii_lowercase();
        let secret = self.secrets.entry(key).or_insert_with(|| SecretObject {
            name: name.to_owned(),
            versions: Vec::new(),
            deleted: None,
            refuse: None,
            certificate: None,
        });
        if secret.deleted.is_some() {
            let name = secret.name.clone();
            return Err(VaultError::DeletedButRecoverable { name });
        }
        secret.versions.push(version);
        Ok(())
    }
}

impl SecretObject {
    /// The newest version, or the one with this id.
    pub(super) fn version(&self, id: Option<&str>) -> Result<&SecretVersion, VaultError> {
        let found = match id {
            None => self.versions.last(),
            Some(id) => self.versions.iter().find(|version| version.id == id),
        };
        found.ok_or_else(|| not_found(&self.full_name(id)))
    }

    /// The same, to be changed.
    pub(super) fn version_mut(&mut self, id: &str) -> Result<&mut SecretVersion, VaultError> {
        let name = self.full_name(Some(id));
        let found = self.versions.iter_mut().find(|version| version.id == id);
        found.ok_or_else(|| not_found(&name))
    }

    fn full_name(&self, version: Option<&str>) -> String {
        match version {
            None => self.name.clone(),
            Some(version) => format!("{}/{version}", self.name),
        }
    }
}

fn not_found(name: &str) -> VaultError {
    VaultError::NotFound {
        kind: "secret",
        name: name.to_owned(),
    }
}

fn deleted_not_found(name: &str) -> VaultError {
    VaultError::DeletedNotFound {
        kind: "secret",
        name: name.to_owned(),
    }
}
