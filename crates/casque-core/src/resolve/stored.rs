//! Values that were made or given when the policy was put: read from the store, or from the vault in which
//! the policy keeps them; certificates are issued again before they end.
//!
//! Renewal of a certificate (spec/policy-language.md section 3.1): when two thirds of its life, or of an
//! issuer's, are over, it is issued again over the same key, and kept beside the version under
//! `renewed/<hash>/<name>`, so that all who ask get the same one. While the old one is still good, a failure to
//! renew is no failure to release.

use casque_policy::{CertificateSpec, Generation, Origin, SecretSpec};
use casque_secrets::{CertificateChain, SecretValue};
use casque_types::{Secret, SecretKind, Timestamp};

use super::{Context, Reach, Value, chain_of};
use crate::casque::LoadedPolicy;
use crate::certificate::{CertificateParts, issue};
use crate::outside::Outside;
use crate::{AuditAction, AuditEvent, Casque, KeepError, KeptKey, Ports, ResolveError, Store as _};

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
        let value = match (Outside::parse(&stored), &secret.origin) {
            (None, _) => SecretValue::from_stored(&stored).map_err(|_| ResolveError::Missing)?,
            // The policy's text has it as well, and the text is here.
            (Some(_), Origin::Given { value, .. }) if context.reach < Reach::Azure => {
                let kind = secret.kind.unwrap_or(SecretKind::Ascii);
                SecretValue::from_given(kind, value)?
            }
            (Some(outside), _) => {
                self.fetch_outside(loaded, secret, &outside, context)
                    .await?
            }
        };
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
        if is_fresh(&value, context.now) {
            return Ok(Value::dated(value));
        }
        let mut latest = value;
        match self.renew(loaded, secret, spec, &mut latest, context).await {
            Ok(renewed) => Ok(Value::dated(renewed)),
            Err(_) if is_good(&latest, context.now) => Ok(Value::dated(latest)),
            Err(cause) => Err(cause),
        }
    }

    /// Issues it again, unless somebody did; `latest` is the last one that is known.
    async fn renew(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        spec: &CertificateSpec,
        latest: &mut SecretValue,
        context: Context<'_>,
    ) -> Result<SecretValue, ResolveError> {
        let key = kept_key(loaded, secret)?;
        let (store, name) = (self.ports.store(), &loaded.policy.name);
        for _ in 0..MOST_ATTEMPTS {
            let kept = store.kept(name, &key).await?;
            let revision = kept.as_ref().map(|kept| kept.revision);
            if let Some(found) = kept.and_then(|kept| SecretValue::from_stored(&kept.value).ok()) {
                if is_fresh(&found, context.now) {
                    return Ok(found);
                }
                *latest = found;
            }
            // A stranger who reads a public one writes nothing here as long as there is a good one.
            if context.reach == Reach::Store && is_good(latest, context.now) {
                return Err(ResolveError::OutOfReach);
            }
            let renewed = self.issued_again(loaded, secret, spec, context).await?;
            let event = renewal_event(loaded, secret, context.now);
            let stored = renewed.to_stored();
            match store.keep(name, &key, stored, revision, Some(event)).await {
                Ok(_) => return Ok(renewed),
                Err(KeepError::Conflict { .. }) => {}
                Err(KeepError::Store(error)) => return Err(error.into()),
                Err(KeepError::TooLong { .. }) => return Err(ResolveError::Missing),
            }
        }
        Err(ResolveError::Busy)
    }

    /// Its issuer is renewed before it.
    async fn issued_again(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        spec: &CertificateSpec,
        context: Context<'_>,
    ) -> Result<SecretValue, ResolveError> {
        let private_key = self.value_named(loaded, &spec.private_key, context).await?;
        let issuer = match &spec.issuer {
            None => None,
            Some(issuer) => Some(self.value_named(loaded, issuer, context).await?),
        };
        let parts = CertificateParts {
            private_key: &private_key.value,
            issuer: issuer.as_ref().map(|issuer| &issuer.value),
        };
        let rng = self.ports.rng();
        Ok(issue(secret, spec, &parts, context.now, rng)?)
    }
}

/// Whether it need not be issued again yet.
fn is_fresh(value: &SecretValue, now: Timestamp) -> bool {
    let renewal = chain_of(value).and_then(CertificateChain::renewal);
    renewal.is_none_or(|renewal| now < renewal)
}

/// Whether it, and each of its issuers, is still valid.
fn is_good(value: &SecretValue, now: Timestamp) -> bool {
    let ends = chain_of(value).and_then(CertificateChain::ends);
    ends.is_some_and(|ends| now <= ends)
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
