//! The secrets of one service: resolved, all or none, and filled into its templates.

use std::collections::{BTreeMap, BTreeSet};

use casque_policy::{Image, Origin, Part, SecretSpec, Service, Template, VaultImport};
use casque_secrets::{SecretValue, render};
use casque_types::{
    Argument, ConfigId, Configuration, ConfigurationFile, EntraCredential, Seconds, Secret,
    SecretName, Timestamp,
};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use zeroize::Zeroizing;

use crate::casque::LoadedPolicy;
use crate::{
    AttestError, Casque, Ports, ResolveError, Store as _, TokenPurpose, TokenSource as _,
    VaultSource as _,
};

/// The values that a service asks for.
pub(crate) struct Resolved {
    values: BTreeMap<SecretName, SecretValue>,
    /// When the first of them runs out, if one does.
    pub(crate) expires: Option<Timestamp>,
    /// The ids, with versions, of those that came from Key Vault.
    pub(crate) vault_ids: Vec<String>,
}

/// One resolved value.
pub(crate) struct Value {
    pub(crate) value: SecretValue,
    expires: Option<Timestamp>,
    vault_id: Option<String>,
}

impl From<SecretValue> for Value {
    fn from(value: SecretValue) -> Self {
        Self {
            value,
            expires: None,
            vault_id: None,
        }
    }
}

type NamedValue = (SecretName, Value);

/// The secret at fault and the fault.
pub(crate) type SecretFault = (SecretName, ResolveError);

impl<P: Ports> Casque<P> {
    /// Resolves the secrets that a service's templates ask for, remote ones concurrently.
    pub(crate) async fn resolve(
        &self,
        loaded: &LoadedPolicy,
        service: &Service,
        config: &ConfigId,
        now: Timestamp,
    ) -> Result<Resolved, AttestError> {
        let asked = asked_secrets(loaded, service);
        let mut stored = self.stored_values(loaded, &asked).await?;
        let mut fetches: Vec<BoxFuture<'_, Result<NamedValue, SecretFault>>> = Vec::new();
        for secret in asked {
            let stored = stored.remove(&secret.name);
            let name = secret.name.clone();
            fetches.push(Box::pin(async move {
                match self.value_of(loaded, secret, stored, now).await {
                    Ok(value) => Ok((name, value)),
                    Err(cause) => Err((name, cause)),
                }
            }));
        }
        let fetches = stream::iter(fetches).buffer_unordered(MOST_CONCURRENT_FETCHES);
        let all: Result<Vec<_>, SecretFault> = fetches.try_collect().await;
        let all = all.map_err(|(secret, cause)| AttestError::Secret {
            config: config.clone(),
            secret,
            cause,
        })?;
        Ok(Resolved::gather(all))
    }

    async fn stored_values(
        &self,
        loaded: &LoadedPolicy,
        asked: &[&SecretSpec],
    ) -> Result<BTreeMap<SecretName, Secret>, AttestError> {
        let wanted: Vec<SecretName> = (asked.iter())
            .filter(|secret| matches!(secret.origin, Origin::Generated(_) | Origin::Given { .. }))
            .map(|secret| secret.name.clone())
            .collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let store = self.ports.store();
        let values = store
            .values(&loaded.policy.name, &loaded.hash, &wanted)
            .await?;
        Ok(values.into_iter().collect())
    }

    pub(crate) async fn value_of(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        stored: Option<Secret>,
        now: Timestamp,
    ) -> Result<Value, ResolveError> {
        match &secret.origin {
            Origin::Generated(_) | Origin::Given { .. } => {
                let stored = stored.ok_or(ResolveError::Missing)?;
                let value = SecretValue::from_stored(&stored).map_err(|_| ResolveError::Missing)?;
                Ok(value.into())
            }
            Origin::AadToken(credential) => self.workload_token(credential, now).await,
            Origin::KeyVault(import) => self.vault_value(loaded, secret, import, now).await,
        }
    }

    async fn workload_token(
        &self,
        credential: &EntraCredential,
        now: Timestamp,
    ) -> Result<Value, ResolveError> {
        let tokens = self.ports.tokens();
        let token = tokens
            .token(credential, TokenPurpose::Workload, now)
            .await?;
        Ok(Value {
            // the cached token stays with the source; the workload gets its own copy
            value: SecretValue::AadToken(token.token.duplicate()),
            expires: Some(token.expires),
            vault_id: None,
        })
    }

    async fn vault_value(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        import: &VaultImport,
        now: Timestamp,
    ) -> Result<Value, ResolveError> {
        let Some(Origin::AadToken(credential)) =
            (loaded.policy.secret(&import.token)).map(|token| &token.origin)
        else {
            return Err(ResolveError::Missing);
        };
        let purpose = TokenPurpose::Vault(&import.vault);
        let token = self.ports.tokens().token(credential, purpose, now).await?;
        let vaults = self.ports.vaults();
        let found = (vaults.secret(&import.vault, &import.secret_name, &token, now)).await?;
        let content_type = found.content_type.as_deref();
        Ok(Value {
            value: SecretValue::from_vault(secret.kind, &found.value, content_type)?,
            expires: None,
            vault_id: Some(found.id),
        })
    }
}

impl Resolved {
    fn gather(all: Vec<NamedValue>) -> Self {
        let expires = all.iter().filter_map(|(_, value)| value.expires).min();
        let mut vault_ids: Vec<String> = (all.iter())
            .filter_map(|(_, value)| value.vault_id.clone())
            .collect();
        vault_ids.sort();
        let values = all
            .into_iter()
            .map(|(name, value)| (name, value.value))
            .collect();
        Self {
            values,
            expires,
            vault_ids,
        }
    }

    /// Fills a service's templates.
    pub(crate) fn configuration(
        &self,
        service: &Service,
        image: Option<&Image>,
        refresh_after: Seconds,
    ) -> Result<Configuration, SecretFault> {
        let text = |template: &Template| self.fill(template, Nul::Refused);
        let arguments = (service.command.iter()).map(|template| text(template).map(Argument::from));
        let environment = (service.environment.iter())
            .map(|(name, value)| Ok((name.clone(), text(value)?.into())));
        let files = image.map_or(&[][..], |image| &image.injection_files);
        let files = files.iter().map(|file| {
            Ok(ConfigurationFile {
                path: file.path.clone(),
                mode: file.mode,
                content: self.fill(&file.content, Nul::Allowed)?.into(),
            })
        });
        Ok(Configuration {
            arguments: arguments.collect::<Result<_, _>>()?,
            environment: environment.collect::<Result<_, _>>()?,
            directory: service.directory.clone(),
            files: files.collect::<Result<_, _>>()?,
            refresh_after: Some(refresh_after),
            ..Configuration::default()
        })
    }

    /// Replaces each placeholder; the result is built in a buffer that is never grown, so that nothing
    /// is left behind unwiped.
    fn fill(&self, template: &Template, nul: Nul) -> Result<Secret, SecretFault> {
        let rendered: Vec<Rendered<'_>> = template
            .parts
            .iter()
            .map(|part| self.part(part, nul))
            .collect::<Result<_, _>>()?;
        let length = rendered.iter().map(|part| part.bytes().len()).sum();
        let mut filled = Zeroizing::new(Vec::with_capacity(length));
        for part in &rendered {
            filled.extend_from_slice(part.bytes());
        }
        Ok(filled.into())
    }

    fn part<'a>(&self, part: &'a Part, nul: Nul) -> Result<Rendered<'a>, SecretFault> {
        let placeholder = match part {
            Part::Text(text) => return Ok(Rendered::Text(text)),
            Part::Secret(placeholder) => placeholder,
        };
        let name = &placeholder.secret;
        let value = self
            .values
            .get(name)
            .ok_or_else(|| (name.clone(), ResolveError::Missing))?;
        let bytes = render(value, placeholder.format, placeholder.encoding)
            .map_err(|error| (name.clone(), ResolveError::Render(error)))?;
        // looked at for NUL alone: the operating system would cut the text there
        if nul == Nul::Refused && bytes.expose().contains(&0) {
            return Err((name.clone(), ResolveError::Nul));
        }
        Ok(Rendered::Value(bytes))
    }
}

/// Whether a NUL byte may stand in a filled template.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nul {
    Allowed,
    Refused,
}

enum Rendered<'a> {
    Text(&'a str),
    Value(Secret),
}

impl Rendered<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            // copied into the configuration, which is sealed next
            Self::Value(value) => value.expose(),
        }
    }
}

/// The secrets that a service's templates ask for, each once. Tokens that only authorise imports are not
/// among them: they are fetched for their vault, and never rendered.
fn asked_secrets<'a>(loaded: &'a LoadedPolicy, service: &'a Service) -> Vec<&'a SecretSpec> {
    let names: BTreeSet<&SecretName> = (loaded.policy.templates_of(service))
        .flat_map(Template::secrets)
        .collect();
    names
        .into_iter()
        .filter_map(|name| loaded.policy.secret(name))
        .collect()
}

/// How many secrets of one release are fetched at once.
const MOST_CONCURRENT_FETCHES: usize = 16;
