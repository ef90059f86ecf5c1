//! Casque's own Key Vault adapter against the local Azure: values are kept there and read again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: a panic is its failure"
)]

mod support;

use std::sync::Arc;

use casque_azure::{Azure, AzureSettings, CloudSettings};
use casque_core::{SourceFailure, TokenPurpose, TokenSource as _, VaultSecret, VaultSource as _};
use casque_dev::azure::Service;
use casque_testkit::fakes::CountingRng;
use casque_types::{ClientProof, EntraCredential, Secret, Timestamp, VaultAddress};
use support::{Local, RESOURCE};

/// Casque, as one application of the local Azure.
struct Casque<'a> {
    local: &'a Local,
    azure: Azure,
    credential: EntraCredential,
}

impl<'a> Casque<'a> {
    fn of(local: &'a Local, client: &str, secret: &str) -> Self {
        let at = local.at();
        let host = |url: &str| url.strip_prefix("https://").unwrap().to_owned();
        let cloud = CloudSettings {
            name: "local".to_owned(),
            authority: at.authority.clone(),
            vault_suffixes: vec![host(&at.vault)],
            maa_hosts: Vec::new(),
            vault_scope: format!("{RESOURCE}/.default"),
            ca_file: Some(at.ca_file.clone()),
        };
        let settings = AzureSettings {
            clouds: vec![cloud],
            default_cloud: "local".to_owned(),
        };
        Self {
            local,
            azure: Azure::new(settings, Arc::new(CountingRng::default())).unwrap(),
            credential: EntraCredential {
                tenant: at.tenant_id.parse().unwrap(),
                client: client.parse().unwrap(),
                proof: ClientProof::Secret(Secret::copied_from(secret.as_bytes())),
            },
        }
    }

    fn granted(local: &'a Local) -> Self {
        Self::of(local, &local.at().client_id, &local.at().client_secret)
    }

    fn vault(&self) -> VaultAddress {
        self.local.at().vault.parse().unwrap()
    }

    fn now(&self) -> Timestamp {
        self.local.azure.faults(Service::Vault).unwrap().now()
    }

    async fn set(&self, name: &str, value: &[u8]) -> Result<String, SourceFailure> {
        let (vault, name, now) = (self.vault(), name.parse().unwrap(), self.now());
        let purpose = TokenPurpose::Vault(&vault);
        let token = self.azure.tokens.token(&self.credential, purpose, now);
        let (token, value) = (token.await?, Secret::copied_from(value));
        let vaults = &self.azure.vaults;
        vaults.set_secret(&vault, &name, &value, &token, now).await
    }

    async fn read(&self, name: &str, version: Option<&str>) -> Result<VaultSecret, SourceFailure> {
        let (vault, name, now) = (self.vault(), name.parse().unwrap(), self.now());
        let purpose = TokenPurpose::Vault(&vault);
        let token = self.azure.tokens.token(&self.credential, purpose, now);
        let (token, vaults) = (token.await?, &self.azure.vaults);
        vaults.secret(&vault, &name, version, &token, now).await
    }
}

#[tokio::test]
async fn value_that_was_set_is_current_and_each_version_is_read_by_its_id() {
    let local = Local::start().await;
    let casque = Casque::granted(&local);
    let first = casque.set("kept", b"one \"\n\xc3\xa9").await.unwrap();
    let second = casque.set("kept", b"two").await.unwrap();
    let current = casque.read("kept", None).await.unwrap();
    assert_eq!(
        (current.value.expose(), &current.id),
        (&b"two"[..], &second)
    );
    let kept = Some("application/vnd.casque.kept");
    assert_eq!(current.content_type.as_deref(), kept);
    let version = first.rsplit('/').next().unwrap();
    let old = casque.read("kept", Some(version)).await.unwrap();
    assert_eq!(old.value.expose_text(), Some("one \"\n\u{e9}"));
    assert_eq!(old.id, first);
    let absent = "0".repeat(32);
    let absent = casque.read("kept", Some(&absent)).await.unwrap_err();
    assert_eq!(absent.code, "vault-secret-not-found");
}

#[tokio::test]
async fn longest_value_is_kept_though_every_byte_is_escaped() {
    let local = Local::start().await;
    let casque = Casque::granted(&local);
    let longest = [1; 25_000];
    casque.set("kept", &longest).await.unwrap();
    let read = casque.read("kept", None).await.unwrap();
    assert_eq!(read.value.expose(), longest);
}

#[tokio::test]
async fn application_that_may_read_alone_is_told_which_role_is_missing() {
    let local = Local::start().await;
    let reader = "9b1f5d64-0c3e-4f0a-b1d8-2e7a9c4d5e44";
    let casque = Casque::of(&local, reader, "local-only-reader-secret");
    casque.read("db-password", None).await.unwrap();
    let failure = casque.set("db-password", b"x").await.unwrap_err();
    assert_eq!(failure.code, "vault-set-forbidden-by-role");
    assert!(failure.mend.contains("`Key Vault Secrets Officer`"));
}

#[tokio::test]
async fn name_of_a_deleted_secret_cannot_be_kept_to() {
    let local = Local::start().await;
    let failure = Casque::granted(&local).set("deleted-secret", b"x").await;
    assert_eq!(failure.unwrap_err().code, "vault-secret-deleted");
}
