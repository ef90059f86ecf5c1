//! Values that were made or given when the policy was put: read from the store, or from the vault in which
//! the policy keeps them; certificates are issued again before they end.
//!
//! Renewal of a certificate (spec/policy-language.md section 3.1): when two thirds of its life, or of an
//! issuer's, are over, it is issued again over the same key, and kept beside the version under
//! `renewed/<hash>/<name>`, so that all who ask get the same one. While the old one is still good, a failure to
//! renew is no failure to release.

use casque_policy::{CertificateSpec, Generation, Origin, SecretSpec};
use casque_secrets::{CertificateChain, SecretValue};
use casque_types::{Secret, Timestamp};

use super::{Context, Value};
use crate::casque::LoadedPolicy;
use crate::certificate::{CertificateParts, issue};
use crate::outside::Outside;
use crate::{
    AuditAction, AuditEvent, Casque, KeepError, Kept, KeptKey, Ports, ResolveError, Store as _,
};

impl<P: Ports> Casque<P> {
    /// A value that the store has, or knows where to find.
    pub(super) async fn stored_value(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        stored: Option<Secret>,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        let stored = match stored {
            Some(stored) => stored,
            None => self.read_stored(loaded, secret).await?,
        };
        let stored = match Outside::parse(&stored) {
            None => stored,
            Some(outside) => {
                self.fetch_outside(loaded, secret, &outside, context)
                    .await?
            }
        };
        let value = SecretValue::from_stored(&stored).map_err(|_| ResolveError::Missing)?;
        match &secret.origin {
            Origin::Generated(Generation::Certificate(spec)) => {
                self.renewed(loaded, secret, spec, value, context).await
            }
            _ => Ok(value.into()),
        }
    }

    async fn read_stored(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
    ) -> Result<Secret, ResolveError> {
        let store = self.ports.store();
        let wanted = std::slice::from_ref(&secret.name);
        let name = &loaded.policy.name;
        let mut values = store.values(name, &loaded.hash, wanted).await?;
        let (_, value) = values.pop().ok_or(ResolveError::Missing)?;
        Ok(value)
    }

    /// The certificate itself, or the one that takes its place.
    async fn renewed(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        spec: &CertificateSpec,
        value: SecretValue,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        let Some(renewal) = renewal_of(&value) else {
            return Ok(value.into());
        };
        if context.now < renewal {
            return Ok(dated(value));
        }
        let ends = chain_of(&value).and_then(CertificateChain::not_after);
        match self.renew(loaded, secret, spec, context).await {
            Ok(renewed) => Ok(dated(renewed)),
            Err(_) if ends.is_some_and(|ends| context.now < ends) => Ok(dated(value)),
            Err(cause) => Err(cause),
        }
    }

    async fn renew(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        spec: &CertificateSpec,
        context: Context<'_>,
    ) -> Result<SecretValue, ResolveError> {
        let key = kept_key(loaded, secret)?;
        let store = self.ports.store();
        let mut found = store.kept(&loaded.policy.name, &key).await?;
        for _ in 0..MOST_ATTEMPTS {
            if let Some(good) = still_good(found.as_ref(), context.now) {
                return Ok(good);
            }
            let private_key = self
                .value_named(loaded, &spec.private_key, context)
                .await?
                .value;
            let issuer = match &spec.issuer {
                None => None,
                Some(issuer) => Some(self.value_named(loaded, issuer, context).await?.value),
            };
            let parts = CertificateParts {
                private_key: &private_key,
                issuer: issuer.as_ref(),
            };
            let renewed = issue(secret, spec, &parts, context.now, self.ports.rng())?;
            let expected = found.as_ref().map(|kept| kept.revision);
            let event = renewal_event(loaded, secret, context.now);
            let stored = renewed.to_stored();
            let name = &loaded.policy.name;
            match store.keep(name, &key, stored, expected, Some(event)).await {
                Ok(_) => return Ok(renewed),
                Err(KeepError::Conflict { .. }) => found = store.kept(name, &key).await?,
                Err(KeepError::Store(error)) => return Err(error.into()),
                Err(_) => return Err(ResolveError::Missing),
            }
        }
        Err(ResolveError::Busy)
    }
}

/// When a certificate is to be issued again, if it is one and ever ends.
pub(crate) fn renewal_of(value: &SecretValue) -> Option<Timestamp> {
    chain_of(value)?.renewal()
}

const fn chain_of(value: &SecretValue) -> Option<&CertificateChain> {
    match value {
        SecretValue::X509(chain) | SecretValue::X509Ca(chain) => Some(chain),
        _ => None,
    }
}

fn dated(value: SecretValue) -> Value {
    Value {
        expires: chain_of(&value).and_then(CertificateChain::not_after),
        renew: renewal_of(&value),
        ..Value::from(value)
    }
}

fn still_good(found: Option<&Kept>, now: Timestamp) -> Option<SecretValue> {
    let value = SecretValue::from_stored(&found?.value).ok()?;
    renewal_of(&value)
        .is_none_or(|renewal| now < renewal)
        .then_some(value)
}

fn kept_key(loaded: &LoadedPolicy, secret: &SecretSpec) -> Result<KeptKey, ResolveError> {
    let key = format!("renewed/{}/{}", loaded.hash, secret.name);
    key.parse().map_err(|_| ResolveError::Missing)
}

fn renewal_event(loaded: &LoadedPolicy, secret: &SecretSpec, now: Timestamp) -> AuditEvent {
    AuditEvent {
        at: now,
        action: AuditAction::CertificateRenewed,
        subject: loaded.policy.name.to_string(),
        policy: loaded.hash,
        caller: None,
        facts: vec![("secret", secret.name.to_string())],
    }
}

/// How often another replica may be faster.
const MOST_ATTEMPTS: usize = 4;
