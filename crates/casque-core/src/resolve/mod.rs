//! The secrets of one service: resolved, all or none.
//!
//! Where a value comes from decides how: the store, Entra ID, a vault, another policy ([`import`]), another
//! CAS, or another value of the same policy. Nothing is remembered between releases but what the sources
//! behind the ports cache themselves.

mod context;
mod import;
mod stored;
mod token;
mod vault;

use std::collections::{BTreeMap, BTreeSet};

use casque_policy::{Origin, Placeholder, Policy, SecretSpec, Service, Template};
use casque_secrets::{CertificateChain, SecretValue, public_key_of, render};
use casque_types::{EntraCredential, Secret, SecretKind, SecretName, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::casque::LoadedPolicy;
use crate::{Casque, Ports, ResolveError, Store as _, StoreError, TokenPurpose, TokenSource as _};

pub(crate) use context::{Context, Place, Reach};
pub(crate) use import::{Importer, exports_to};

/// The values that a service asks for.
#[derive(Default)]
pub(crate) struct Resolved {
    pub(crate) values: BTreeMap<SecretName, SecretValue>,
    /// When the first of them runs out, if one does.
    pub(crate) expires: Option<Timestamp>,
    /// When the first of them is renewed, if one is.
    pub(crate) renew: Option<Timestamp>,
    /// Where those came from that this policy neither has nor makes.
    pub(crate) sources: Vec<Source>,
}

/// Where a value came from, as a fact of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// A vault: the id with version.
    Vault(String),
    /// Another policy: `<policy>/<secret>`, and ` at <key of the CAS>` for one of another CAS.
    Import(String),
    /// A volume of another policy: `<policy>/<volume>`.
    Volume(String),
}

impl Source {
    /// The fact.
    pub(crate) fn into_fact(self) -> (&'static str, String) {
        match self {
            Self::Vault(id) => ("vault-secret", id),
            Self::Import(from) => ("import", from),
            Self::Volume(from) => ("import-volume", from),
        }
    }
}

/// One resolved value.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) value: SecretValue,
    /// When it runs out.
    pub(crate) expires: Option<Timestamp>,
    /// When another one takes its place.
    pub(crate) renew: Option<Timestamp>,
    /// Where it came from; nothing for what this policy has or makes itself.
    pub(crate) sources: Vec<Source>,
}

impl From<SecretValue> for Value {
    fn from(value: SecretValue) -> Self {
        Self {
            value,
            expires: None,
            renew: None,
            sources: Vec::new(),
        }
    }
}

impl Value {
    /// With the dates that a certificate itself says.
    pub(crate) fn dated(value: SecretValue) -> Self {
        let chain = chain_of(&value);
        Self {
            expires: chain.and_then(CertificateChain::ends),
            renew: chain.and_then(CertificateChain::renewal),
            ..Self::from(value)
        }
    }

    /// As a placeholder, a reader or another policy may have it: a session-ca shows its certificate, and
    /// never its key.
    pub(crate) fn shown_as(mut self, kind: Option<SecretKind>) -> Self {
        if kind == Some(SecretKind::SessionCa)
            && let SecretValue::X509(chain) | SecretValue::X509Ca(chain) = &mut self.value
        {
            chain.private_key = None;
        }
        self
    }
}

/// The certificate that a value is, if it is one.
pub(crate) const fn chain_of(value: &SecretValue) -> Option<&CertificateChain> {
    match value {
        SecretValue::X509(chain) | SecretValue::X509Ca(chain) => Some(chain),
        _ => None,
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
        let Some(first) = asked.first() else {
            return Ok(Resolved::default());
        };
        let stored = self.stored_values(loaded, &asked).await;
        let mut stored =
            stored.map_err(|error| (first.name.clone(), ResolveError::Store(error)))?;
        let mut fetches: Vec<BoxFuture<'_, Result<NamedValue, SecretFault>>> = Vec::new();
        for secret in asked {
            let stored = stored.remove(&secret.name);
            let name = secret.name.clone();
            fetches.push(Box::pin(async move {
                match self.value_of(loaded, secret, stored, context).await {
                    Ok(value) => Ok((name, value.shown_as(secret.kind))),
                    Err(cause) => Err((name, cause)),
                }
            }));
        }
        let fetches = stream::iter(fetches).buffer_unordered(MOST_CONCURRENT_FETCHES);
        let all: Vec<NamedValue> = fetches.try_collect().await?;
        Ok(Resolved::gather(all))
    }

    /// What the store has of these secrets, in one read.
    pub(crate) async fn stored_values(
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
                Origin::AadToken(credential) => self.workload_token(credential, context).await,
                Origin::KeyVault(import) => self.vault_value(loaded, secret, import, context).await,
                Origin::Import(import) => {
                    self.imported_value(loaded, secret, import, context).await
                }
                Origin::PublicKey { private_key } => {
                    let key = self.value_named(loaded, private_key, context).await?;
                    Ok(Value {
                        sources: key.sources,
                        ..public_value(&key.value)?
                    })
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
    ) -> Result<(Secret, Vec<Source>), ResolveError> {
        let name = &placeholder.secret;
        let secret = loaded.policy.secret(name).ok_or(ResolveError::Missing)?;
        let value = self.value_named(loaded, name, context).await?;
        let value = value.shown_as(secret.kind);
        let text = render(&value.value, placeholder.format, placeholder.encoding)?;
        Ok((text, value.sources))
    }

    async fn workload_token(
        &self,
        credential: &EntraCredential,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        context.expect(Reach::Azure)?;
        let tokens = self.ports.tokens();
        let token = tokens
            .token(credential, TokenPurpose::Workload, context.now)
            .await?;
        Ok(Value {
            expires: Some(token.expires),
            // the cached token stays with the source; the workload gets its own copy
            ..Value::from(SecretValue::AadToken(token.token.duplicate()))
        })
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
        let mut resolved = Self::default();
        for (name, value) in all {
            resolved.expires = earlier(resolved.expires, value.expires);
            resolved.renew = earlier(resolved.renew, value.renew);
            resolved.sources.extend(value.sources);
            resolved.values.insert(name, value.value);
        }
        resolved.sources.sort();
        resolved.sources.dedup();
        resolved
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
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

/// How many secrets of one release are fetched at once.
const MOST_CONCURRENT_FETCHES: usize = 16;
