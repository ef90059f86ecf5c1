//! The secrets of one service: resolved, all or none.
//!
//! Where a value comes from decides how: the store, Entra ID, a vault, another policy ([`import`]), another
//! CAS, or another value of the same policy. Nothing is remembered between releases but what the sources
//! behind the ports cache themselves.

mod import;
mod stored;
mod vault;

use std::collections::{BTreeMap, BTreeSet};

use casque_policy::{
    ClaimValue, JwtSpec, Origin, Placeholder, Policy, SecretSpec, Service, Template,
};
use casque_secrets::{JwtRequest, SecretValue, public_key_of, render, sign_jwt};
use casque_types::{EntraCredential, Secret, SecretKind, SecretName, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::casque::LoadedPolicy;
use crate::{Casque, Ports, ResolveError, Store as _, StoreError, TokenPurpose, TokenSource as _};

pub(crate) use import::Importer;

/// For whom, when and how deep values are resolved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'c> {
    pub(crate) now: Timestamp,
    /// The measurement that was attested, once it was: what `self::software_identity` says.
    pub(crate) software_identity: Option<&'c str>,
    /// How many policies were followed.
    pub(crate) depth: usize,
    /// Whether other CASes may be asked: not for one that asks us, or two could wait for each other.
    pub(crate) others: Others,
}

/// Whether other CASes may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    Asked,
    NotAsked,
}

impl<'c> Context<'c> {
    /// Outside of a release.
    pub(crate) const fn at(now: Timestamp) -> Self {
        Self {
            now,
            software_identity: None,
            depth: 0,
            others: Others::Asked,
        }
    }

    /// For another CAS.
    pub(crate) const fn of_export(now: Timestamp) -> Self {
        Self {
            others: Others::NotAsked,
            ..Self::at(now)
        }
    }

    /// Within a release.
    pub(crate) const fn of_release(now: Timestamp, software_identity: &'c str) -> Self {
        Self {
            now,
            software_identity: Some(software_identity),
            ..Self::at(now)
        }
    }

    /// One policy, or one value, further on.
    pub(crate) fn deeper(self) -> Result<Self, ResolveError> {
        if self.depth >= MOST_DEPTH {
            return Err(ResolveError::TooDeep);
        }
        Ok(Self {
            depth: self.depth.saturating_add(1),
            ..self
        })
    }
}

/// The values that a service asks for.
#[derive(Default)]
pub(crate) struct Resolved {
    pub(crate) values: BTreeMap<SecretName, SecretValue>,
    /// When the first of them runs out or is renewed, if one does.
    pub(crate) expires: Option<Timestamp>,
    /// The ids, with versions, of those that came from Key Vault.
    pub(crate) vault_ids: Vec<String>,
}

/// One resolved value.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) value: SecretValue,
    /// When it runs out.
    pub(crate) expires: Option<Timestamp>,
    /// When another one takes its place.
    pub(crate) renew: Option<Timestamp>,
    pub(crate) vault_id: Option<String>,
}

impl From<SecretValue> for Value {
    fn from(value: SecretValue) -> Self {
        Self {
            value,
            expires: None,
            renew: None,
            vault_id: None,
        }
    }
}

type NamedValue = (SecretName, Value);

/// The secret at fault and the fault.
pub(crate) type SecretFault = (SecretName, ResolveError);

impl<P: Ports> Casque<P> {
    /// Resolves secrets of a policy: those kept here in one read, remote ones concurrently.
    pub(crate) async fn resolve(
        &self,
        loaded: &LoadedPolicy,
        wanted: &BTreeSet<&SecretName>,
        context: Context<'_>,
    ) -> Result<Resolved, SecretFault> {
        let asked: Vec<&SecretSpec> = (wanted.iter())
            .filter_map(|name| loaded.policy.secret(name))
            .collect();
        let mut stored = self.stored_values(loaded, &asked).await.map_err(|error| {
            let first = asked.first().map_or_else(unnamed, |s| s.name.clone());
            (first, ResolveError::Store(error))
        })?;
        let mut fetches: Vec<BoxFuture<'_, Result<NamedValue, SecretFault>>> = Vec::new();
        for secret in asked {
            let stored = stored.remove(&secret.name);
            let name = secret.name.clone();
            fetches.push(Box::pin(async move {
                match self.value_of(loaded, secret, stored, context).await {
                    Ok(value) => Ok((name, value)),
                    Err(cause) => Err((name, cause)),
                }
            }));
        }
        let fetches = stream::iter(fetches).buffer_unordered(MOST_CONCURRENT_FETCHES);
        let all: Vec<NamedValue> = fetches.try_collect().await?;
        Ok(Resolved::gather(all))
    }

    async fn stored_values(
        &self,
        loaded: &LoadedPolicy,
        asked: &[&SecretSpec],
    ) -> Result<BTreeMap<SecretName, Secret>, StoreError> {
        let wanted: Vec<SecretName> = (asked.iter())
            .filter(|secret| secret.origin.is_stored())
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

    /// The value of one secret; `stored` is what the store has of it, if that was read already.
    pub(crate) fn value_of<'a>(
        &'a self,
        loaded: &'a LoadedPolicy,
        secret: &'a SecretSpec,
        stored: Option<Secret>,
        context: Context<'a>,
    ) -> BoxFuture<'a, Result<Value, ResolveError>> {
        Box::pin(async move {
            match &secret.origin {
                Origin::Generated(_) | Origin::Given { .. } => {
                    self.stored_value(loaded, secret, stored, context).await
                }
                Origin::AadToken(credential) => self.workload_token(credential, context.now).await,
                Origin::KeyVault(import) => self.vault_value(loaded, secret, import, context).await,
                Origin::Import(import) => {
                    self.imported_value(loaded, secret, import, context).await
                }
                Origin::PublicKey { private_key } => {
                    let key = self.value_named(loaded, private_key, context).await?;
                    public_value(&key.value)
                }
                Origin::Jwt(spec) => self.signed_token(loaded, spec, context).await,
            }
        })
    }

    /// The value of another secret of the same policy.
    pub(crate) async fn value_named(
        &self,
        loaded: &LoadedPolicy,
        name: &SecretName,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        let secret = loaded.policy.secret(name).ok_or(ResolveError::Missing)?;
        self.value_of(loaded, secret, None, context.deeper()?).await
    }

    /// A placeholder's text.
    pub(crate) async fn rendered(
        &self,
        loaded: &LoadedPolicy,
        placeholder: &Placeholder,
        context: Context<'_>,
    ) -> Result<Secret, ResolveError> {
        let name = &placeholder.secret;
        let value = self.value_named(loaded, name, context).await?;
        Ok(render(
            &value.value,
            placeholder.format,
            placeholder.encoding,
        )?)
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
            renew: None,
            vault_id: None,
        })
    }

    /// A token of kind `jwt`, signed for this release.
    async fn signed_token(
        &self,
        loaded: &LoadedPolicy,
        spec: &JwtSpec,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        let signer = self.value_named(loaded, &spec.signer, context).await?;
        let SecretValue::PrivateKey(private_key) = &signer.value else {
            let (expected, found) = (SecretKind::PrivateKey, signer.value.kind());
            return Err(ResolveError::Kind { expected, found });
        };
        let mut claims = Vec::with_capacity(spec.payload.len());
        for (claim, value) in &spec.payload {
            let text = self.claim(loaded, value, context).await?;
            claims.push((claim.clone(), text));
        }
        let token = sign_jwt(&JwtRequest {
            private_key,
            claims: &claims,
            valid_for: spec.valid_for,
            now: context.now,
        })?;
        Ok(Value {
            value: SecretValue::Jwt(token),
            expires: Some(context.now.plus(spec.valid_for)),
            renew: None,
            vault_id: None,
        })
    }

    async fn claim(
        &self,
        loaded: &LoadedPolicy,
        value: &ClaimValue,
        context: Context<'_>,
    ) -> Result<Secret, ResolveError> {
        match value {
            ClaimValue::SoftwareIdentity => {
                let identity = context.software_identity.ok_or(ResolveError::NoIdentity)?;
                Ok(Secret::copied_from(identity.as_bytes()))
            }
            ClaimValue::Text(template) => self.filled(loaded, template, context).await,
        }
    }
}

fn public_value(key: &SecretValue) -> Result<Value, ResolveError> {
    let SecretValue::PrivateKey(private_key) = key else {
        let (expected, found) = (SecretKind::PrivateKey, key.kind());
        return Err(ResolveError::Kind { expected, found });
    };
    Ok(public_key_of(private_key)?.into())
}

impl Resolved {
    fn gather(all: Vec<NamedValue>) -> Self {
        let expires = (all.iter())
            .flat_map(|(_, value)| [value.expires, value.renew])
            .flatten()
            .min();
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
}

/// The secrets that a service's configuration asks for, each once. Tokens that only authorise imports are
/// not among them: they are fetched for their vault, and never rendered.
pub(crate) fn asked_by<'p>(policy: &'p Policy, service: &'p Service) -> BTreeSet<&'p SecretName> {
    let mut asked: BTreeSet<&SecretName> = (policy.templates_of(service))
        .flat_map(Template::secrets)
        .collect();
    asked.extend(provided_by(policy, service));
    asked
}

/// The secrets that templates of the container itself may use; none when there are no such templates.
pub(crate) fn provided_by<'p>(
    policy: &'p Policy,
    service: &'p Service,
) -> Box<dyn Iterator<Item = &'p SecretName> + Send + 'p> {
    let image = policy.image_of(service);
    match image.filter(|image| image.has_templates()) {
        None => Box::new(std::iter::empty()),
        Some(image) => match &image.provide_secrets {
            Some(named) => Box::new(named.iter()),
            None => Box::new(policy.secrets.iter().map(|secret| &secret.name)),
        },
    }
}

#[expect(clippy::expect_used, reason = "the text is a name")]
fn unnamed() -> SecretName {
    "unnamed".parse().expect("the text is a name")
}

/// How many secrets of one release are fetched at once.
const MOST_CONCURRENT_FETCHES: usize = 16;
/// How many policies and values are followed from one to the next; a circle ends here.
const MOST_DEPTH: usize = 16;
