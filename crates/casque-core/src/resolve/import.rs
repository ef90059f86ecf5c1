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
use casque_types::{KeyHash, PolicyHash, PolicyName, SecretKind, SecretName};

use super::{Context, Others, Value};
use crate::casque::{LoadError, LoadedPolicy};
use crate::{Casque, ExportRequest, Ports, RemoteSource as _, ResolveError};

/// Who imports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Importer<'i> {
    pub(crate) policy: &'i PolicyName,
    pub(crate) hash: &'i PolicyHash,
    /// The key of the other CAS that has the importer; none when it is this one.
    pub(crate) cas: Option<&'i KeyHash>,
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
        let value = match &import.cas {
            Some(cas) if !self.is_this(cas) => {
                self.remote_value(loaded, import, cas, context).await?
            }
            _ => {
                let (exporter, name) = self.exporter(import, context).await?;
                let importer = Importer {
                    policy: &loaded.policy.name,
                    hash: &loaded.hash,
                    cas: None,
                };
                let context = context.deeper()?;
                self.exported_value(&exporter, &name, importer, context)
                    .await?
            }
        };
        expect_kind(secret.kind, value)
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
        let mut value = self.value_of(exporter, secret, None, context).await?;
        if let SecretValue::X509(chain) | SecretValue::X509Ca(chain) = &mut value.value
            && !exports_key(exporter, secret, importer)
        {
            chain.private_key = None;
        }
        Ok(value)
    }

    /// The policy that an import names, at the version that it pins, and the secret's name there.
    pub(crate) async fn exporter(
        &self,
        import: &Import,
        context: Context<'_>,
    ) -> Result<(Arc<LoadedPolicy>, SecretName), ResolveError> {
        let _checked = context.deeper()?;
        let not_exported = || not_exported(&import.session, &import.secret);
        let exporter = self.current_policy(&import.session).await;
        let exporter = exporter.map_err(|error| match error {
            LoadError::Store(error) => ResolveError::Store(error),
            LoadError::Unparsable => ResolveError::Unparsable {
                policy: import.session.clone(),
            },
        })?;
        let exporter = exporter.ok_or_else(not_exported)?;
        match import.hash {
            Some(pinned) if pinned != exporter.hash => Err(ResolveError::OtherVersion {
                policy: import.session.clone(),
                pinned,
            }),
            _ => Ok((exporter, import.secret.clone())),
        }
    }

    async fn remote_value(
        &self,
        loaded: &LoadedPolicy,
        import: &Import,
        cas: &RemoteCas,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        if context.others == Others::NotAsked {
            return Err(ResolveError::RemoteChain);
        }
        let CasKey::Identity(server) = &cas.key else {
            return Err(ResolveError::SoftwareKey);
        };
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
        Ok(value.into())
    }

    pub(super) fn is_this(&self, cas: &RemoteCas) -> bool {
        cas.key == CasKey::Identity(*self.identity.key_hash())
    }
}

/// The secret, if it is there and exported to the importer.
pub(crate) fn exported_to<'e>(
    exporter: &'e LoadedPolicy,
    name: &SecretName,
    importer: Importer<'_>,
) -> Result<&'e SecretSpec, ResolveError> {
    let secret = exporter.policy.secret(name);
    let exported = secret.filter(|secret| secret.public || exports(secret, importer));
    exported.ok_or_else(|| not_exported(&exporter.policy.name, name))
}

fn exports(secret: &SecretSpec, importer: Importer<'_>) -> bool {
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
    match (cas, importer.cas) {
        (None, None) => true,
        (Some(expected), Some(found)) => expected.key == CasKey::Identity(*found),
        _ => false,
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
        (Some(key), _) => exports(key, importer),
        (None, Origin::KeyVault(_) | Origin::Given { .. }) => exports(certificate, importer),
        (None, _) => false,
    }
}

/// A value is of the kind that the importer states, if it states one. An authority is a certificate too.
fn expect_kind(stated: Option<SecretKind>, mut value: Value) -> Result<Value, ResolveError> {
    let found = value.value.kind();
    value.value = match (stated, value.value) {
        (Some(SecretKind::X509), SecretValue::X509Ca(chain)) => SecretValue::X509(chain),
        (_, other) => other,
    };
    match stated {
        Some(expected) if value.value.kind() != expected => {
            Err(ResolveError::Kind { expected, found })
        }
        _ => Ok(value),
    }
}

fn not_exported(policy: &PolicyName, secret: &SecretName) -> ResolveError {
    ResolveError::NotExported {
        policy: policy.clone(),
        secret: secret.clone(),
    }
}
