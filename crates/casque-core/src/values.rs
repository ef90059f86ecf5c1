//! The values that a version of a policy brings: made, given, or kept from its predecessor.
//!
//! What survives an update (spec/policy-language.md section 3): generated `ascii` and `binary` values
//! when name, kind and size stay the same; private keys when both versions say `migrate: true`;
//! certificates never, they are issued anew.

use std::collections::BTreeMap;

use casque_policy::{CertificateSpec, Endpoint, Generation, KeyType, Origin, Policy, SecretSpec};
use casque_secrets::{
    CertificateChain, CertificateRequest, EndpointUse, KeyAlgorithm, SecretValue,
    issue_certificate, make_ascii, make_binary, make_private_key,
};
use casque_types::{Secret, SecretKind, SecretName, Timestamp};

use crate::casque::LoadedPolicy;
use crate::{Casque, Ports, PutPolicyError, Store as _};

type Values = BTreeMap<SecretName, SecretValue>;

impl<P: Ports> Casque<P> {
    /// The stored values of every secret of `policy` that has one.
    pub(crate) async fn values_for(
        &self,
        policy: &Policy,
        current: Option<&LoadedPolicy>,
        now: Timestamp,
    ) -> Result<Vec<(SecretName, Secret)>, PutPolicyError> {
        let mut values = self.kept_values(policy, current).await?;
        for secret in &policy.secrets {
            if values.contains_key(&secret.name) {
                continue;
            }
            if let Some(value) = self.plain_value(secret)? {
                values.insert(secret.name.clone(), value);
            }
        }
        attach_given_keys(policy, &mut values)?;
        for secret in &policy.secrets {
            self.issue(policy, secret, &mut values, now)?;
        }
        Ok(values
            .into_iter()
            .map(|(name, value)| (name, value.to_stored()))
            .collect())
    }

    async fn kept_values(
        &self,
        policy: &Policy,
        current: Option<&LoadedPolicy>,
    ) -> Result<Values, PutPolicyError> {
        let Some(current) = current else {
            return Ok(Values::new());
        };
        let kept: Vec<SecretName> = (policy.secrets.iter())
            .filter(|secret| {
                let before = current.policy.secret(&secret.name);
                before.is_some_and(|before| survives(before, secret))
            })
            .map(|secret| secret.name.clone())
            .collect();
        let store = self.ports.store();
        let stored = store.values(&policy.name, &current.hash, &kept).await?;
        let damaged = |_| PutPolicyError::StoredPolicy {
            policy: policy.name.clone(),
        };
        (stored.into_iter())
            .map(|(name, value)| Ok((name, SecretValue::from_stored(&value).map_err(damaged)?)))
            .collect()
    }

    /// A value that depends on no other secret; none for certificates and for what is fetched.
    fn plain_value(&self, secret: &SecretSpec) -> Result<Option<SecretValue>, PutPolicyError> {
        let made = |cause| PutPolicyError::Make {
            secret: secret.name.clone(),
            cause,
        };
        let rng = self.ports.rng();
        Ok(match &secret.origin {
            Origin::Generated(Generation::Ascii { characters }) => Some(SecretValue::Ascii(
                make_ascii(*characters, rng).map_err(made)?,
            )),
            Origin::Generated(Generation::Binary { bytes }) => {
                Some(SecretValue::Binary(make_binary(*bytes, rng).map_err(made)?))
            }
            Origin::Generated(Generation::PrivateKey { key_type, .. }) => {
                let key = make_private_key(algorithm(*key_type)).map_err(made)?;
                Some(SecretValue::PrivateKey(key))
            }
            Origin::Given { value, .. } => Some(given(secret, value)?),
            Origin::Generated(Generation::Certificate(_))
            | Origin::AadToken(_)
            | Origin::KeyVault(_) => None,
        })
    }

    /// Issues a certificate, its issuers before it. The parser has refused cycles, and names that are
    /// no `x509-ca` or `private-key`.
    fn issue(
        &self,
        policy: &Policy,
        secret: &SecretSpec,
        values: &mut Values,
        now: Timestamp,
    ) -> Result<(), PutPolicyError> {
        let Origin::Generated(Generation::Certificate(spec)) = &secret.origin else {
            return Ok(());
        };
        if values.contains_key(&secret.name) {
            return Ok(());
        }
        if let Some(issuer) = spec.issuer.as_ref().and_then(|name| policy.secret(name)) {
            self.issue(policy, issuer, values, now)?;
        }
        let chain = self.issued(secret, spec, values, now)?;
        let value = match secret.kind {
            Some(SecretKind::X509Ca) => SecretValue::X509Ca(chain),
            _ => SecretValue::X509(chain),
        };
        values.insert(secret.name.clone(), value);
        Ok(())
    }

    fn issued(
        &self,
        secret: &SecretSpec,
        spec: &CertificateSpec,
        values: &Values,
        now: Timestamp,
    ) -> Result<CertificateChain, PutPolicyError> {
        let absent = |name: &SecretName| PutPolicyError::NotHere {
            secret: secret.name.clone(),
            needed: name.clone(),
        };
        let Some(SecretValue::PrivateKey(private_key)) = values.get(&spec.private_key) else {
            return Err(absent(&spec.private_key));
        };
        let issuer = match &spec.issuer {
            None => None,
            Some(name) => match values.get(name) {
                Some(SecretValue::X509Ca(chain)) => Some(chain),
                _ => return Err(absent(name)),
            },
        };
        let request = CertificateRequest {
            private_key,
            issuer,
            common_name: &spec.common_name,
            endpoint: spec.endpoint.map(endpoint_use),
            dns: &spec.dns,
            valid_for: spec.valid_for,
            authority: secret.kind == Some(SecretKind::X509Ca),
            now,
        };
        issue_certificate(&request, self.ports.rng()).map_err(|cause| PutPolicyError::Make {
            secret: secret.name.clone(),
            cause,
        })
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
fn attach_given_keys(policy: &Policy, values: &mut Values) -> Result<(), PutPolicyError> {
    for secret in &policy.secrets {
        let Origin::Given {
            private_key: Some(key_name),
            ..
        } = &secret.origin
        else {
            continue;
        };
        let key = match values.get(key_name) {
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
        | (Generation::Binary { .. }, Generation::Binary { .. }) => before == after,
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

const fn endpoint_use(endpoint: Endpoint) -> EndpointUse {
    match endpoint {
        Endpoint::Server => EndpointUse::Server,
        Endpoint::Client => EndpointUse::Client,
    }
}
