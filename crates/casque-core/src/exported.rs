//! Values that a policy exports, read through the REST interface (spec/policy-language.md section 12).
//!
//! What is exported to the public anyone may read; the whole of a policy's values who may read the policy, but
//! for those that the server made: reading never shows a generated value that is not exported.

use std::sync::Arc;

use casque_policy::{Origin, SecretSpec};
use casque_secrets::{SecretValue, render};
use casque_types::{
    Encoding, Format, PolicyHash, PolicyName, Secret, SecretKind, SecretName, Timestamp,
};

use crate::casque::{LoadError, LoadedPolicy};
use crate::resolve::Context;
use crate::{Casque, Clock as _, Ports, ReadValueError, ResolveError};

/// Which public values are asked for.
#[derive(Clone, Debug)]
pub struct ValueQuery {
    /// The policy.
    pub policy: PolicyName,
    /// One secret; all public ones when none.
    pub secret: Option<SecretName>,
    /// The version that must be current, if the caller pins one.
    pub hash: Option<PolicyHash>,
}

/// A public value: for certificates the PEM without key.
#[derive(Debug)]
pub struct PublicValue {
    /// The secret.
    pub name: SecretName,
    /// Its kind.
    pub kind: SecretKind,
    /// Text, or bytes for `binary`.
    pub value: Secret,
    /// When it runs out.
    pub expires: Option<Timestamp>,
    /// When another one takes its place.
    pub renew: Option<Timestamp>,
}

impl<P: Ports> Casque<P> {
    /// Reads values that a policy exports to the public. Values that live in Key Vault, with Entra ID or with
    /// other policies are not among them: a stranger must not be able to make this server call others.
    ///
    /// # Errors
    /// [`ReadValueError`]: absent, or the store failed.
    pub async fn read_values(
        &self,
        query: &ValueQuery,
    ) -> Result<Vec<PublicValue>, ReadValueError> {
        let loaded = self.queried_policy(query).await?;
        let public: Vec<&SecretSpec> = (loaded.policy.secrets.iter())
            .filter(|secret| is_public(secret))
            .filter(|secret| (query.secret.as_ref()).is_none_or(|name| *name == secret.name))
            .collect();
        if public.is_empty() {
            return Err(absent_value(query));
        }
        let mut stored = self.stored_values(&loaded, &public).await?;
        let now = self.ports.clock().now();
        let mut values = Vec::with_capacity(public.len());
        for secret in public {
            let stored = stored.remove(&secret.name);
            values.extend(self.public_value(&loaded, secret, stored, now).await?);
        }
        match values.is_empty() {
            true => Err(absent_value(query)),
            false => Ok(values),
        }
    }

    /// None for a value that others would have to be asked for.
    async fn public_value(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        stored: Option<Secret>,
        now: Timestamp,
    ) -> Result<Option<PublicValue>, ReadValueError> {
        let fault = |cause| ReadValueError::Secret {
            secret: secret.name.clone(),
            cause,
        };
        let context = Context::of_stranger(now);
        let found = match self.value_of(loaded, secret, stored, context).await {
            Ok(found) => found.shown_as(secret.kind),
            Err(ResolveError::OutOfReach) => return Ok(None),
            Err(ResolveError::Store(error)) => return Err(error.into()),
            Err(cause) => return Err(fault(cause)),
        };
        let format = match found.value {
            // Of an OpenPGP key the public half.
            SecretValue::PgpKey(_) => Format::PgpPublicArmored,
            _ => Format::Plain,
        };
        let text = render(&found.value, format, Encoding::Verbatim)
            .map_err(|error| fault(ResolveError::Render(error)))?;
        Ok(Some(PublicValue {
            name: secret.name.clone(),
            kind: secret.kind.unwrap_or_else(|| found.value.kind()),
            value: text,
            expires: found.expires,
            renew: found.renew,
        }))
    }

    async fn queried_policy(
        &self,
        query: &ValueQuery,
    ) -> Result<Arc<LoadedPolicy>, ReadValueError> {
        let found = self.current_policy(&query.policy).await;
        let found = found.map_err(|error| match error {
            LoadError::Store(error) => ReadValueError::Store(error),
            LoadError::Unparsable => ReadValueError::StoredPolicy {
                name: query.policy.clone(),
            },
        })?;
        found
            .filter(|loaded| query.hash.is_none_or(|hash| hash == loaded.hash))
            .ok_or_else(|| absent_value(query))
    }
}

const fn is_public(secret: &SecretSpec) -> bool {
    secret.public
        && matches!(
            secret.origin,
            Origin::Generated(_) | Origin::Given { .. } | Origin::PublicKey { .. }
        )
}

fn absent_value(query: &ValueQuery) -> ReadValueError {
    ReadValueError::Absent {
        name: query.policy.clone(),
    }
}
