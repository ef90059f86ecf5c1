//! Values of other policies (spec/policy-language.md section 3.3).
//!
//! An import is live: who imports gets what the exporter has now. Both sides are asked each time:
//! 1. the importer names policy and secret, and perhaps the version that the policy must have;
//! 2. the exporter exports it to the importer by name, perhaps by version too, to a namespace that the
//!    importer is within, or to everyone;
//! 3. a certificate's key comes along only if the exporter exports the key's secret to the importer too.
//!
//! What is missing and what is not exported is not told apart: who writes an importing policy need not be
//! one who may know.

use std::sync::Arc;

use casque_policy::{CasKey, ExportTarget, Generation, Import, Origin, RemoteCas, SecretSpec};
use casque_secrets::SecretValue;
use casque_types::{KeyHash, PolicyHash, PolicyName, Seconds, SecretKind, SecretName};

use super::{Context, Reach, Source, Value};
use crate::casque::{LoadError, LoadedPolicy};
use crate::{Casque, ExportRequest, Ports, RemoteSource as _, ResolveError};

/// Who imports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Importer<'i> {
    pub(crate) policy: &'i PolicyName,
    pub(crate) hash: &'i PolicyHash,
    /// The key of the CAS that has the importer.
    pub(crate) cas: &'i KeyHash,
    /// The key of this CAS.
    pub(crate) here: &'i KeyHash,
}

impl<P: Ports> Casque<P> {
    /// The value that another policy exports to this one.
    pub(super) async fn imported_value(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        import: &Import,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        let from = format!("{}/{}", import.session, import.secret);
        let (mut value, from) = match &import.cas {
            Some(cas) if !self.is_this(cas) => {
                let server = expect_identity(cas)?;
                let value = self.remote_value(loaded, import, cas, server, context);
                (value.await?, format!("{from} at {server}"))
            }
            _ => {
                let exporter = self
                    .exporter(&import.session, import.hash, &import.secret)
                    .await?;
                let importer = self.importer(loaded);
                let context = context.deeper()?;
                let value = self.exported_value(&exporter, &import.secret, importer, context);
                (value.await?, from)
            }
        };
        value.sources.push(Source::Import(from));
        expect_kind(secret.kind, value)
    }

    /// A policy of this CAS as one that imports.
    pub(crate) fn importer<'i>(&'i self, loaded: &'i LoadedPolicy) -> Importer<'i> {
        let here = self.identity.key_hash();
        Importer {
            policy: &loaded.policy.name,
            hash: &loaded.hash,
            cas: here,
            here,
        }
    }

    /// The value of a secret that `exporter` exports to `importer`.
    pub(crate) async fn exported_value(
        &self,
        exporter: &LoadedPolicy,
        name: &SecretName,
        importer: Importer<'_>,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        let secret = exported_to(exporter, name, importer)?;
        let value = self.value_of(exporter, secret, None, context).await?;
        let mut value = value.shown_as(secret.kind);
        if let SecretValue::X509(chain) | SecretValue::X509Ca(chain) = &mut value.value
            && !exports_key(exporter, secret, importer)
        {
            chain.private_key = None;
        }
        Ok(value)
    }

    /// The policy that an import names, at the version that it pins.
    pub(crate) async fn exporter(
        &self,
        session: &PolicyName,
        pinned: Option<PolicyHash>,
        secret: &SecretName,
    ) -> Result<Arc<LoadedPolicy>, ResolveError> {
        let exporter = self.pinned_policy(session, pinned).await?;
        exporter.ok_or_else(|| not_exported(session, secret))
    }

    /// A policy, at the version that is pinned.
    pub(crate) async fn pinned_policy(
        &self,
        name: &PolicyName,
        pinned: Option<PolicyHash>,
    ) -> Result<Option<Arc<LoadedPolicy>>, ResolveError> {
        let found = self.current_policy(name).await;
        let found = found.map_err(|error| match error {
            LoadError::Store(error) => ResolveError::Store(error),
            LoadError::Unparsable => ResolveError::Unparsable {
                policy: name.clone(),
            },
        })?;
        match (&found, pinned) {
            (Some(found), Some(pinned)) if pinned != found.hash => {
                Err(ResolveError::OtherVersion {
                    policy: name.clone(),
                    pinned,
                })
            }
            _ => Ok(found),
        }
    }

    async fn remote_value(
        &self,
        loaded: &LoadedPolicy,
        import: &Import,
        cas: &RemoteCas,
        server: &KeyHash,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        context.expect(Reach::Others)?;
        let address = cas.address.as_deref().ok_or(ResolveError::NoAddress)?;
        let request = ExportRequest {
            session: import.session.clone(),
            session_hash: import.hash,
            secret: import.secret.clone(),
            importer: loaded.policy.name.clone(),
            importer_hash: loaded.hash,
        };
        let remote = self.ports.remote();
        let stored = remote
            .exported(address, server, &request, context.now)
            .await?;
        let value = SecretValue::from_stored(&stored).map_err(|_| ResolveError::RemoteValue)?;
        let mut value = Value::dated(value);
        if let SecretValue::AadToken(_) | SecretValue::Jwt(_) = value.value {
            value.renew = Some(context.now.plus(RENEW_REMOTE_TOKEN));
        }
        Ok(value)
    }

    pub(super) fn is_this(&self, cas: &RemoteCas) -> bool {
        cas.key == CasKey::Identity(*self.identity.key_hash())
    }
}

/// The key by which another CAS is asked.
const fn expect_identity(cas: &RemoteCas) -> Result<&KeyHash, ResolveError> {
    match &cas.key {
        CasKey::Identity(server) => Ok(server),
        CasKey::Software(_) => Err(ResolveError::SoftwareKey),
    }
}

/// The secret, if it is there and exported to the importer.
pub(crate) fn exported_to<'e>(
    exporter: &'e LoadedPolicy,
    name: &SecretName,
    importer: Importer<'_>,
) -> Result<&'e SecretSpec, ResolveError> {
    let secret = exporter.policy.secret(name);
    let exported = secret.filter(|secret| exports(secret, importer));
    exported.ok_or_else(|| not_exported(&exporter.policy.name, name))
}

fn exports(secret: &SecretSpec, importer: Importer<'_>) -> bool {
    secret.public || exports_to(secret, importer)
}

/// Whether the secret's `export` names the importer.
pub(crate) fn exports_to(secret: &SecretSpec, importer: Importer<'_>) -> bool {
    secret.exports.iter().any(|target| match target {
        ExportTarget::Session { session, hash, cas } => {
            session == importer.policy
                && hash.as_ref().is_none_or(|hash| hash == importer.hash)
                && is_at(cas.as_ref(), importer)
        }
        ExportTarget::Namespace { namespace, cas } => {
            importer.policy.is_within(namespace) && is_at(cas.as_ref(), importer)
        }
    })
}

/// An importer is at the CAS that the exporter names by its identity key, or here when it names none. A
/// software key names no CAS that could be known by its handshake.
fn is_at(cas: Option<&RemoteCas>, importer: Importer<'_>) -> bool {
    match cas {
        None => importer.cas == importer.here,
        Some(expected) => expected.key == CasKey::Identity(*importer.cas),
    }
}

/// Whether the exporter lets the key of a certificate go along. A certificate that is itself imported has
/// lost its key already where it may not have it, and keeps what it has only if the name of its key here is
/// exported too.
fn exports_key(exporter: &LoadedPolicy, certificate: &SecretSpec, importer: Importer<'_>) -> bool {
    let name = match &certificate.origin {
        Origin::Generated(Generation::Certificate(spec)) => Some(&spec.private_key),
        Origin::Given { private_key, .. } => private_key.as_ref(),
        _ => certificate.private_key.as_ref(),
    };
    let key = name.and_then(|name| exporter.policy.secret(name));
    // Of a certificate that comes from a vault together with its key there is one secret alone.
    match (key, &certificate.origin) {
        (Some(key), _) => key.public || exports_to(key, importer),
        (None, Origin::KeyVault(_) | Origin::Given { .. }) => exports_to(certificate, importer),
        (None, _) => false,
    }
}

/// A value is of the kind that the importer states, if it states one. An authority is a certificate too, and
/// what a session-ca shows.
fn expect_kind(stated: Option<SecretKind>, mut value: Value) -> Result<Value, ResolveError> {
    value.value = match (stated, value.value) {
        (Some(SecretKind::X509), SecretValue::X509Ca(chain)) => SecretValue::X509(chain),
        (_, other) => other,
    };
    let found = value.value.kind();
    match stated {
        Some(SecretKind::SessionCa) if found == SecretKind::X509Ca => Ok(value),
        Some(expected) if found != expected => Err(ResolveError::Kind { expected, found }),
        _ => Ok(value),
    }
}

fn not_exported(policy: &PolicyName, secret: &SecretName) -> ResolveError {
    ResolveError::NotExported {
        policy: policy.clone(),
        secret: secret.clone(),
    }
}

/// Another CAS does not say how long its tokens live: the agent is to ask again soon, and long before Entra
/// ID's run out.
const RENEW_REMOTE_TOKEN: Seconds = Seconds(600);
