//! Key Vault in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use casque_core::{AccessToken, SourceFailure, SourceKind, VaultSecret, VaultSource};
use casque_types::{Secret, Timestamp, VaultAddress, VaultSecretName};

use super::{Calls, lock};

/// Vaults with secrets; a vault is there once something was put into it.
#[derive(Clone, Debug, Default)]
pub struct FakeVaults {
    /// What was asked, and failures to come.
    pub calls: Calls<VaultCall>,
    secrets: Arc<Mutex<BTreeMap<(String, String), Kept>>>,
}

#[derive(Debug)]
struct Kept {
    value: Secret,
    content_type: Option<String>,
}

/// One request for a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultCall {
    /// The vault.
    pub vault: VaultAddress,
    /// The secret.
    pub name: VaultSecretName,
    /// The text of the token that came with the request.
    pub token: String,
}

impl FakeVaults {
    /// Puts a secret into a vault, or replaces it.
    pub fn put(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        value: &str,
        content_type: Option<&str>,
    ) {
        let kept = Kept {
            value: Secret::copied_from(value.as_bytes()),
            content_type: content_type.map(str::to_owned),
        };
        let key = (vault.to_string(), name.as_str().to_owned());
        lock(&self.secrets).insert(key, kept);
    }
}

impl VaultSource for FakeVaults {
    async fn secret(
        &self,
        vault: &VaultAddress,
        name: &VaultSecretName,
        token: &AccessToken,
        _now: Timestamp,
    ) -> Result<VaultSecret, SourceFailure> {
        self.calls.record(VaultCall {
            vault: vault.clone(),
            name: name.clone(),
            // the fake's own text, for the test to compare
            token: token.token.expose_text().unwrap_or_default().to_owned(),
        })?;
        let secrets = lock(&self.secrets);
        let vault_text = vault.to_string();
        if !secrets.keys().any(|(there, _)| *there == vault_text) {
            return Err(absent("vault-name-unresolved", vault, name));
        }
        let kept = (secrets.get(&(vault_text, name.as_str().to_owned())))
            .ok_or_else(|| absent("vault-secret-not-found", vault, name))?;
        Ok(VaultSecret {
            // the vault keeps its own
            value: kept.value.duplicate(),
            content_type: kept.content_type.clone(),
            id: format!("https://{vault}/secrets/{}/1", name.as_str()),
        })
    }
}

fn absent(code: &'static str, vault: &VaultAddress, name: &VaultSecretName) -> SourceFailure {
    SourceFailure {
        source_kind: SourceKind::KeyVault,
        code,
        what: format!("there is no secret `{}` in `{vault}`", name.as_str()),
        mend: "create it, or correct the policy".to_owned(),
        retryable: false,
        retry_after: None,
    }
}
