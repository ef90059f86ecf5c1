//! Values that a policy keeps in Azure Key Vault (`secret_config`, spec/policy-language.md section 4.3).
//!
//! Each value of a version is encrypted under a key of its own and written into the vault as secret
//! `cas-<policy hash>-<first 16 bytes of SHA-256 of the secret's name, hexadecimal>`. The store keeps in the
//! value's place
//!
//! ```text
//! e0 | wrap key, 32 bytes | SHA-256 of the text that the vault holds
//! ```
//!
//! so that a vault value that is missing, changed or older than the version is refused: nothing but the very
//! text that was written opens. What earlier versions left in the vault stays there.

use casque_policy::{KeptIn, SecretSpec};
use casque_secrets::{WrapKey, unwrap_value, wrap_value};
use casque_types::{
    Digest, PolicyHash, Secret, SecretName, Timestamp, VaultSecretName, ct_eq, sha256,
};
use zeroize::Zeroizing;

use crate::casque::LoadedPolicy;
use crate::resolve::Context;
use crate::{Casque, Ports, ResolveError, VaultSource as _};

/// Where a value is, and how it is opened.
pub(crate) struct Outside {
    key: WrapKey,
    digest: Digest<32>,
}

impl Outside {
    /// What the store keeps, if it is a value that is outside; stored values begin otherwise.
    pub(crate) fn parse(stored: &Secret) -> Option<Self> {
        // Exposed to be told from a value, and taken apart.
        let (mark, rest) = stored.expose().split_first()?;
        let (key, digest) = rest.split_at_checked(32)?;
        let digest: [u8; 32] = digest.try_into().ok()?;
        if *mark != MARK {
            return None;
        }
        Some(Self {
            key: WrapKey::from_stored(&Secret::copied_from(key)).ok()?,
            digest: Digest::from(digest),
        })
    }

    fn to_stored(&self) -> Secret {
        let mut stored = Zeroizing::new(Vec::with_capacity(STORED_BYTES));
        stored.push(MARK);
        // Exposed to be kept by the store, which seals it.
        stored.extend_from_slice(self.key.to_stored().expose());
        stored.extend_from_slice(self.digest.as_bytes());
        Secret::from(stored)
    }
}

impl<P: Ports> Casque<P> {
    /// Reads a value back from the vault, as stored values are written.
    pub(crate) async fn fetch_outside(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        outside: &Outside,
        context: Context<'_>,
    ) -> Result<Secret, ResolveError> {
        let KeptIn::KeyVault { vault, token } = &loaded.policy.kept_in else {
            return Err(ResolveError::Missing);
        };
        let token = self.vault_token(loaded, token, vault, context).await?;
        let name = vault_name(&loaded.hash, &secret.name)?;
        let vaults = self.ports.vaults();
        let found = (vaults.secret(vault, &name, None, &token, context.now)).await?;
        // Exposed to be compared with what was written, and to be opened.
        let text = found.value.expose();
        if !ct_eq(sha256(text).as_bytes(), outside.digest.as_bytes()) {
            return Err(ResolveError::OutsideChanged {
                name: name.as_str().to_owned(),
            });
        }
        let place = place(&loaded.hash, &secret.name);
        unwrap_value(&outside.key, &place, &found.value).map_err(|_| ResolveError::OutsideChanged {
            name: name.as_str().to_owned(),
        })
    }

    /// Writes the values of a new version into its vault; what the store keeps in their place.
    pub(crate) async fn move_outside(
        &self,
        loaded: &LoadedPolicy,
        values: Vec<(SecretName, Secret)>,
        now: Timestamp,
    ) -> Result<Vec<(SecretName, Secret)>, (SecretName, ResolveError)> {
        let KeptIn::KeyVault { vault, token } = &loaded.policy.kept_in else {
            return Ok(values);
        };
        let Some((first, _)) = values.first() else {
            return Ok(values);
        };
        let context = Context::at(now);
        let authorised = self.vault_token(loaded, token, vault, context).await;
        let token = authorised.map_err(|cause| (first.clone(), cause))?;
        let mut kept = Vec::with_capacity(values.len());
        for (name, value) in values {
            let fault = |cause: ResolveError| (name.clone(), cause);
            let rng = self.ports.rng();
            let key = WrapKey::generate(rng).map_err(|error| fault(error.into()))?;
            let place = place(&loaded.hash, &name);
            let text =
                wrap_value(&key, &place, &value, rng).map_err(|error| fault(error.into()))?;
            let outside = Outside {
                key,
                digest: sha256(text.as_bytes()),
            };
            let text = Secret::new(text.into_bytes());
            let vault_name = vault_name(&loaded.hash, &name).map_err(fault)?;
            let vaults = self.ports.vaults();
            (vaults
                .set_secret(vault, &vault_name, &text, &token, now)
                .await)
                .map_err(|error| fault(error.into()))?;
            kept.push((name, outside.to_stored()));
        }
        Ok(kept)
    }
}

fn vault_name(hash: &PolicyHash, secret: &SecretName) -> Result<VaultSecretName, ResolveError> {
    let digest = sha256(secret.as_str().as_bytes()).to_string();
    let tag = digest.get(..32).unwrap_or_default();
    let name = format!("cas-{hash}-{tag}");
    name.parse().map_err(|_| ResolveError::Missing)
}

/// What a wrapped value is bound to: `<policy hash, 32 bytes> | <secret's name>`.
fn place(hash: &PolicyHash, secret: &SecretName) -> Vec<u8> {
    [hash.as_bytes().as_slice(), secret.as_str().as_bytes()].concat()
}

const MARK: u8 = 0xe0;
const STORED_BYTES: usize = 1 + 32 + 32;
