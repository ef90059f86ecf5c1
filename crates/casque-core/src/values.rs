//! The values that a version of a policy brings: made, given, or kept from its predecessor.
//!
//! What survives an update (spec/policy-language.md section 3): generated `ascii` and `binary` values
//! when name, kind and size stay the same; OpenPGP keys; private keys when both versions say
//! `migrate: true`; certificates never, they are issued anew. Values that the predecessor kept in a vault are
//! read from there, so that a change of `secret_config` moves them.

use std::collections::BTreeMap;

use casque_policy::{Generation, KeyType, Origin, SecretSpec};
use casque_secrets::{
    KeyAlgorithm, SecretValue, make_ascii, make_binary, make_pgp_key, make_private_key,
};
use casque_types::{Secret, SecretKind, SecretName, Timestamp};

use crate::casque::LoadedPolicy;
use crate::certificate::{CertificateParts, IssueError, issue};
use crate::outside::Outside;
use crate::resolve::Context;
use crate::{Casque, Ports, PutPolicyError, Store as _};

type Values = BTreeMap<SecretName, SecretValue>;

impl<P: Ports> Casque<P> {
    /// The stored values of every secret of the new version that has one.
    pub(crate) async fn values_for(
        &self,
        new: &LoadedPolicy,
        current: Option<&LoadedPolicy>,
        now: Timestamp,
    ) -> Result<Vec<(SecretName, Secret)>, PutPolicyError> {
        let mut values = self.kept_values(new, current, now).await?;
        expect_modest(new, &values)?;
        for secret in &new.policy.secrets {
            if values.contains_key(&secret.name) {
                continue;
            }
            if let Some(value) = self.plain_value(secret, now)? {
                values.insert(secret.name.clone(), value);
            }
        }
        let borrowed = self.borrowed_values(new, &values, now).await?;
        attach_given_keys(new, &mut values, &borrowed)?;
        for secret in &new.policy.secrets {
            self.issue(new, secret, &mut values, &borrowed, now)?;
        }
        Ok(values
            .into_iter()
            .map(|(name, value)| (name, value.to_stored()))
            .collect())
    }

    async fn kept_values(
        &self,
        new: &LoadedPolicy,
        current: Option<&LoadedPolicy>,
        now: Timestamp,
    ) -> Result<Values, PutPolicyError> {
        let Some(current) = current else {
            return Ok(Values::new());
        };
        let kept: Vec<&SecretSpec> = (new.policy.secrets.iter())
            .filter_map(|secret| {
                let before = current.policy.secret(&secret.name)?;
                survives(before, secret).then_some(before)
            })
            .collect();
        let names: Vec<SecretName> = kept.iter().map(|secret| secret.name.clone()).collect();
        let store = self.ports.store();
        let stored = store
            .values(&new.policy.name, &current.hash, &names)
            .await?;
        let mut values = Values::new();
        for (name, stored) in stored {
            let fault = |cause| PutPolicyError::of_secret(name.clone(), cause);
            let value = match (Outside::parse(&stored), current.policy.secret(&name)) {
                (Some(outside), Some(secret)) => self
                    .fetch_outside(current, secret, &outside, Context::at(now))
                    .await
                    .map_err(fault)?,
                _ => {
                    SecretValue::from_stored(&stored).map_err(|_| PutPolicyError::StoredPolicy {
                        policy: new.policy.name.clone(),
                    })?
                }
            };
            values.insert(name, value);
        }
        Ok(values)
    }

    /// A value that depends on no other secret; none for certificates and for what is fetched or derived.
    fn plain_value(
        &self,
        secret: &SecretSpec,
        now: Timestamp,
    ) -> Result<Option<SecretValue>, PutPolicyError> {
        let made = |cause| PutPolicyError::Make {
            secret: secret.name.clone(),
            cause: IssueError::Make(cause),
        };
        let rng = self.ports.rng();
        Ok(Some(match &secret.origin {
            Origin::Generated(Generation::Ascii { characters }) => {
                SecretValue::Ascii(make_ascii(*characters, rng).map_err(made)?)
            }
            Origin::Generated(Generation::Binary { bytes }) => {
                SecretValue::Binary(make_binary(*bytes, rng).map_err(made)?)
            }
            Origin::Generated(Generation::PrivateKey { key_type, .. }) => {
                let key = make_private_key(algorithm(*key_type)).map_err(made)?;
                SecretValue::PrivateKey(key)
            }
            Origin::Generated(Generation::PgpKey) => {
                SecretValue::PgpKey(make_pgp_key(rng, now).map_err(made)?)
            }
            Origin::Given { value, .. } => given(secret, value)?,
            Origin::Generated(Generation::Certificate(_))
            | Origin::AadToken(_)
            | Origin::KeyVault(_)
            | Origin::Import(_)
            | Origin::PublicKey { .. }
            | Origin::Jwt(_) => return Ok(None),
        }))
    }

    /// Values of other policies that certificates of this one need: keys and issuers that it imports.
    async fn borrowed_values(
        &self,
        new: &LoadedPolicy,
        values: &Values,
        now: Timestamp,
    ) -> Result<Values, PutPolicyError> {
        let mut borrowed = Values::new();
        for secret in &new.policy.secrets {
            for needed in needed_by(secret) {
                if values.contains_key(needed) || borrowed.contains_key(needed) {
                    continue;
                }
                let Some(spec) = new.policy.secret(needed) else {
                    continue;
                };
                if !matches!(spec.origin, Origin::Import(_)) {
                    continue;
                }
                let value = self.value_of(new, spec, None, Context::at(now)).await;
                let value =
                    value.map_err(|cause| PutPolicyError::of_secret(needed.clone(), cause))?;
                borrowed.insert(needed.clone(), value.value);
            }
        }
        Ok(borrowed)
    }

    /// Issues a certificate, its issuers before it. The parser has refused cycles, and names that are
    /// no `x509-ca` or `private-key`.
    fn issue(
        &self,
        new: &LoadedPolicy,
        secret: &SecretSpec,
        values: &mut Values,
        borrowed: &Values,
        now: Timestamp,
    ) -> Result<(), PutPolicyError> {
        let Origin::Generated(Generation::Certificate(spec)) = &secret.origin else {
            return Ok(());
        };
        if values.contains_key(&secret.name) {
            return Ok(());
        }
        if let Some(issuer) = spec
            .issuer
            .as_ref()
            .and_then(|name| new.policy.secret(name))
        {
            self.issue(new, issuer, values, borrowed, now)?;
        }
        let find = |name: &SecretName| {
            let found = values.get(name).or_else(|| borrowed.get(name));
            found.ok_or_else(|| PutPolicyError::NotHere {
                secret: secret.name.clone(),
                needed: name.clone(),
            })
        };
        let parts = CertificateParts {
            private_key: find(&spec.private_key)?,
            issuer: spec.issuer.as_ref().map(find).transpose()?,
        };
        let issued = issue(secret, spec, &parts, now, self.ports.rng());
        let value = issued.map_err(|cause| PutPolicyError::Make {
            secret: secret.name.clone(),
            cause,
        })?;
        values.insert(secret.name.clone(), value);
        Ok(())
    }
}

/// Who may put a policy may be a stranger, and keys take time: what is generated at once is bounded.
fn expect_modest(new: &LoadedPolicy, kept: &Values) -> Result<(), PutPolicyError> {
    let (mut bytes, mut keys) = (0_usize, 0_usize);
    for secret in &new.policy.secrets {
        let Origin::Generated(generation) = &secret.origin else {
            continue;
        };
        if kept.contains_key(&secret.name) {
            continue;
        }
        match generation {
            Generation::Ascii { characters: size } | Generation::Binary { bytes: size } => {
                bytes = bytes.saturating_add(*size);
            }
            Generation::PrivateKey { key_type, .. } => {
                keys = keys.saturating_add(weight_of(*key_type));
            }
            Generation::Certificate(_) | Generation::PgpKey => keys = keys.saturating_add(1),
        }
    }
    let generated = [
        ("bytes of text and randomness", bytes, MOST_BYTES),
        ("keys (an RSA key counts for 16)", keys, MOST_KEYS),
    ];
    let too_much = (generated.into_iter()).find(|(_, found, most)| found > most);
    too_much.map_or(Ok(()), |(what, found, most)| {
        Err(PutPolicyError::TooMuch { what, most, found })
    })
}

const fn weight_of(key_type: KeyType) -> usize {
    match key_type {
        KeyType::P256 | KeyType::P384 | KeyType::Ed25519 => 1,
        KeyType::Rsa2048 | KeyType::Rsa3072 => 16,
    }
}

/// The secrets whose values a certificate is made of.
fn needed_by(secret: &SecretSpec) -> Vec<&SecretName> {
    match &secret.origin {
        Origin::Generated(Generation::Certificate(spec)) => {
            (spec.issuer.iter()).chain([&spec.private_key]).collect()
        }
        Origin::Given { private_key, .. } => private_key.iter().collect(),
        _ => Vec::new(),
    }
}

fn given(secret: &SecretSpec, value: &Secret) -> Result<SecretValue, PutPolicyError> {
    let kind = secret.kind.unwrap_or(SecretKind::Ascii);
    SecretValue::from_given(kind, value).map_err(|cause| PutPolicyError::Given {
        secret: secret.name.clone(),
        cause,
    })
}

/// Gives a certificate whose text stands in the policy the key that it names.
fn attach_given_keys(
    new: &LoadedPolicy,
    values: &mut Values,
    borrowed: &Values,
) -> Result<(), PutPolicyError> {
    for secret in &new.policy.secrets {
        let Origin::Given {
            private_key: Some(key_name),
            ..
        } = &secret.origin
        else {
            continue;
        };
        let key = match values.get(key_name).or_else(|| borrowed.get(key_name)) {
            // the certificate keeps its own copy, so that it renders without its neighbour
            Some(SecretValue::PrivateKey(key)) => key.duplicate(),
            _ => {
                return Err(PutPolicyError::NotHere {
                    secret: secret.name.clone(),
                    needed: key_name.clone(),
                });
            }
        };
        let fault = |cause| PutPolicyError::Given {
            secret: secret.name.clone(),
            cause,
        };
        let with_key = match values.remove(&secret.name) {
            Some(SecretValue::X509(chain)) => {
                SecretValue::X509(chain.with_private_key(key).map_err(fault)?)
            }
            Some(SecretValue::X509Ca(chain)) => {
                SecretValue::X509Ca(chain.with_private_key(key).map_err(fault)?)
            }
            Some(other) => other,
            None => continue,
        };
        values.insert(secret.name.clone(), with_key);
    }
    Ok(())
}

fn survives(before: &SecretSpec, after: &SecretSpec) -> bool {
    let (Origin::Generated(before), Origin::Generated(after)) = (&before.origin, &after.origin)
    else {
        return false;
    };
    match (before, after) {
        (Generation::Ascii { .. }, Generation::Ascii { .. })
        | (Generation::Binary { .. }, Generation::Binary { .. })
        | (Generation::PgpKey, Generation::PgpKey) => before == after,
        (
            Generation::PrivateKey { migrate: true, .. },
            Generation::PrivateKey { migrate: true, .. },
        ) => before == after,
        _ => false,
    }
}

const fn algorithm(key_type: KeyType) -> KeyAlgorithm {
    match key_type {
        KeyType::P256 => KeyAlgorithm::P256,
        KeyType::P384 => KeyAlgorithm::P384,
        KeyType::Ed25519 => KeyAlgorithm::Ed25519,
        KeyType::Rsa2048 => KeyAlgorithm::Rsa2048,
        KeyType::Rsa3072 => KeyAlgorithm::Rsa3072,
    }
}

const MOST_BYTES: usize = 4 * 1024 * 1024;
const MOST_KEYS: usize = 1024;
