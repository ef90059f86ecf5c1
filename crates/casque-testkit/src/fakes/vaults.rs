//! Key Vault in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use casque_core::{AccessToken, SourceFailure, SourceKind, VaultSecret, VaultSource};
use casque_types::{Secret, Timestamp, VaultAddress, VaultSecretName};

use super::{Calls, lock};

/// Vaults with secrets; a vault is there once it was opened or something was put into it.
#[derive(Clone, Debug, Default)]
pub struct FakeVaults {
    /// What was asked, and failures to come.
    pub calls: Calls<VaultCall>,
    vaults: Arc<Mutex<BTreeMap<String, Vault>>>,
}

/// The versions of each secret by its name, the first one first; none is ever empty.
type Vault = BTreeMap<String, Vec<Version>>;

#[derive(Debug)]
struct Version {
    value: Secret,
    content_type: Option<String>,
}

/// One request to a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultCall {
    /// The vault.
    pub vault: VaultAddress,
    /// The secret.
    pub name: VaultSecretName,
    /// What was to be done with it.
    pub action: VaultAction,
    /// The text of the token that came with the request.
    pub token: String,
}

/// What a vault is asked to do with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAction {
    /// To read this version; the current one when none.
    Read(Option<String>),
    /// To set it.
    Set,
}

impl FakeVaults {
    /// Has an empty vault there; one that is there already stays as it is.
    pub fn open(&self, vault: &VaultAddress) {
        lock(&self.vaults).entry(vault.to_string()).or_default();
    }

    /// Puts a secret into a vault, or gives it a new version; answers the version's id without address.
    pub fn put(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        value: &str,
        content_type: Option<&str>,
    ) -> String {
        let version = Version {
            value: Secret::copied_from(value.as_bytes()),
            content_type: content_type.map(str::to_owned),
        };
        let mut vaults = lock(&self.vaults);
        let secrets = vaults.entry(vault.to_string()).or_default();
        add(secrets, name, version)
    }

    /// Takes a secret with all its versions out of a vault, as if it had never been there.
    pub fn remove(&self, vault: &VaultAddress, name: &VaultSecretName) {
        if let Some(secrets) = lock(&self.vaults).get_mut(&vault.to_string()) {
            secrets.remove(name.as_str());
        }
    }

    /// How many versions a secret has; 0 when there is none.
    #[must_use]
    pub fn versions(&self, vault: &VaultAddress, name: &VaultSecretName) -> usize {
        let vaults = lock(&self.vaults);
        let secret = (vaults.get(&vault.to_string())).and_then(|all| all.get(name.as_str()));
        secret.map_or(0, Vec::len)
    }

    fn record(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        action: VaultAction,
        token: &AccessToken,
    ) -> Result<(), SourceFailure> {
        self.calls.record(VaultCall {
            vault: vault.clone(),
            name: name.clone(),
            action,
            // the fake's own text, for the test to compare
            token: token.token.expose_text().unwrap_or_default().to_owned(),
        })
    }
}

impl VaultSource for FakeVaults {
    async fn secret(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        version: Option<&str>,
        token: &AccessToken,
        _now: Timestamp,
    ) -> Result<VaultSecret, SourceFailure> {
        let action = VaultAction::Read(version.map(str::to_owned));
        self.record(vault, name, action, token)?;
        let vaults = lock(&self.vaults);
        let secrets = vaults
            .get(&vault.to_string())
            .ok_or_else(|| no_vault(vault))?;
        let versions = secrets.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let mut numbered = (1_usize..).map(version_id).zip(versions);
        let found = match version {
            None => numbered.last(),
            Some(wanted) => numbered.find(|(id, _)| id == wanted),
        };
        let (id, found) = found.ok_or_else(|| no_secret(vault, name))?;
        Ok(VaultSecret {
            // the vault keeps its own
            value: found.value.duplicate(),
            content_type: found.content_type.clone(),
            id: whole_id(vault, name, &id),
        })
    }

    async fn set_secret(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        value: &Secret,
        token: &AccessToken,
        _now: Timestamp,
    ) -> Result<String, SourceFailure> {
        self.record(vault, name, VaultAction::Set, token)?;
        let refused = |code, what: &str| failed(code, format!("a vault holds {what}"));
        if value.len() > MAX_VALUE_BYTES {
            return Err(refused("vault-value-too-large", "25,000 bytes"));
        }
        // looked at alone: a vault takes text
        if value.expose_text().is_none() {
            return Err(refused("vault-value-not-text", "text"));
        }
        let mut vaults = lock(&self.vaults);
        let secrets = vaults
            .get_mut(&vault.to_string())
            .ok_or_else(|| no_vault(vault))?;
        let version = Version {
            // the caller keeps its own
            value: value.duplicate(),
            content_type: Some("application/vnd.casque.kept".to_owned()),
        };
        let id = add(secrets, name, version);
        Ok(whole_id(vault, name, &id))
    }
}

/// Adds a version; answers its id without address.
fn add(secrets: &mut Vault, name: &VaultSecretName, version: Version) -> String {
    let versions = secrets.entry(name.as_str().to_owned()).or_default();
    versions.push(version);
    version_id(versions.len())
}

/// 32 digits, from 1.
fn version_id(number: usize) -> String {
    format!("{number:032}")
}

fn whole_id(vault: &VaultAddress, name: &VaultSecretName, version: &str) -> String {
    format!("https://{vault}/secrets/{}/{version}", name.as_str())
}

fn no_vault(vault: &VaultAddress) -> SourceFailure {
    failed(
        "vault-name-unresolved",
        format!("there is no vault `{vault}`"),
    )
}

fn no_secret(vault: &VaultAddress, name: &VaultSecretName) -> SourceFailure {
    let what = format!("there is no such secret `{}` in `{vault}`", name.as_str());
    failed("vault-secret-not-found", what)
}

fn failed(code: &'static str, what: String) -> SourceFailure {
    SourceFailure {
        source_kind: SourceKind::KeyVault,
        code,
        what,
        mend: "create it, or correct the policy".to_owned(),
        retryable: false,
        retry_after: None,
    }
}

const MAX_VALUE_BYTES: usize = 25_000;
