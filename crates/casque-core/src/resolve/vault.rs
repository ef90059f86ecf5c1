//! Values that Azure Key Vault holds (spec/policy-language.md sections 4.1 and 4.2).

use std::sync::Arc;

use casque_policy::{Origin, SecretSpec, ValueEncoding, VaultImport, VaultSecretVersion};
use casque_secrets::{SecretValue, VaultText, open_envelope};
use casque_types::{SecretKind, SecretName, VaultAddress};

use super::import::exported_to;
use super::{Context, Reach, Source, Value};
use crate::casque::LoadedPolicy;
use crate::{
    AccessToken, Casque, Ports, ResolveError, TokenPurpose, TokenSource as _, VaultSecret,
    VaultSource as _,
};

impl<P: Ports> Casque<P> {
    pub(super) async fn vault_value(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        import: &VaultImport,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        let token = self
            .vault_token(loaded, &import.token, &import.vault, context)
            .await?;
        let mut sources = Vec::new();
        let (vault, name) = (&import.vault, &import.secret_name);
        let version = import.version.as_ref().map(VaultSecretVersion::as_str);
        let vaults = self.ports.vaults();
        let found = (vaults.secret(vault, name, version, &token, context.now)).await?;
        let value = match &import.decryption_key {
            None => plain(secret.kind, import.encoding, &found)?,
            Some(placeholder) => {
                let (key, of_key) = self.rendered(loaded, placeholder, context).await?;
                sources = of_key;
                let content_type = found.content_type.as_deref();
                open_envelope(&found.value, &key, secret.kind, content_type)?
            }
        };
        sources.push(Source::Vault(found.id));
        Ok(Value {
            sources,
            ..Value::from(value)
        })
    }

    /// A token for a vault, by an aad-token secret of the policy, own or imported.
    pub(crate) async fn vault_token(
        &self,
        loaded: &LoadedPolicy,
        token: &SecretName,
        vault: &VaultAddress,
        context: Context<'_>,
    ) -> Result<Arc<AccessToken>, ResolveError> {
        context.expect(Reach::Azure)?;
        let followed;
        let mut at = loaded;
        let mut name = token.clone();
        if let Some(Origin::Import(_)) = at.policy.secret(&name).map(|secret| &secret.origin) {
            (followed, name) = self.followed(loaded, name, context).await?;
            at = &followed;
        }
        let secret = at.policy.secret(&name).ok_or(ResolveError::Missing)?;
        let Origin::AadToken(credential) = &secret.origin else {
            return Err(match secret.kind {
                Some(found) => ResolveError::Kind {
                    expected: SecretKind::AadToken,
                    found,
                },
                None => ResolveError::NoCredential,
            });
        };
        let purpose = TokenPurpose::Vault(vault);
        let tokens = self.ports.tokens();
        Ok(tokens.token(credential, purpose, context.now).await?)
    }

    /// The policy in which an imported secret is no import any more, and its name there.
    async fn followed(
        &self,
        loaded: &LoadedPolicy,
        name: SecretName,
        mut context: Context<'_>,
    ) -> Result<(Arc<LoadedPolicy>, SecretName), ResolveError> {
        let mut here: Option<Arc<LoadedPolicy>> = None;
        let mut name = name;
        loop {
            let at = here.as_deref().unwrap_or(loaded);
            let secret = at.policy.secret(&name).ok_or(ResolveError::Missing)?;
            let Origin::Import(import) = &secret.origin else {
                return here.map(|here| (here, name)).ok_or(ResolveError::Missing);
            };
            // Another CAS gives tokens, never the credential that asks for one.
            if import.cas.as_ref().is_some_and(|cas| !self.is_this(cas)) {
                return Err(ResolveError::NoCredential);
            }
            let exporter = self
                .exporter(&import.session, import.hash, &import.secret)
                .await?;
            let _exported = exported_to(&exporter, &import.secret, self.importer(at))?;
            context = context.deeper()?;
            let there = import.secret.clone();
            (here, name) = (Some(exporter), there);
        }
    }
}

fn plain(
    kind: Option<SecretKind>,
    encoding: Option<ValueEncoding>,
    found: &VaultSecret,
) -> Result<SecretValue, ResolveError> {
    Ok(match encoding {
        None => SecretValue::from_vault(kind, &found.value)?,
        Some(encoding) => {
            let encoding = match encoding {
                ValueEncoding::Utf8 => VaultText::Utf8,
                ValueEncoding::Base64 => VaultText::Base64,
                ValueEncoding::Hex => VaultText::Hex,
            };
            SecretValue::from_vault_text(kind, &found.value, encoding)?
        }
    })
}
