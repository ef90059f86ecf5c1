//! Values that a policy keeps in Azure Key Vault (`secret_config`, spec/policy-language.md section 4.3).
//!
//! Each value of a version is encrypted under a key of its own and written into the vault as secret
//! `cas-<policy hash>-<tag>`, the tag being 16 random bytes in hexadecimal. The store keeps in the value's place
//!
//! ```text
//! e0 | wrap key, 32 bytes | SHA-256 of the text that the vault holds | tag, 16 bytes
//! ```
//!
//! so that a vault value that is missing, changed or older than the version is refused: nothing but the very
//! text that was written opens. Two attempts to put one version write under different tags, and neither spoils
//! the other's. What earlier versions, and attempts that failed, left in the vault stays there.
//!
//! Not kept in the vault: certificates that were issued again, and keys that were made for volumes. They
//! outlive or follow a version, and stand in the store.

use casque_policy::{KeptIn, SecretSpec};
use casque_secrets::{SecretValue, WrapKey, unwrap_value, wrap_value};
use casque_types::{
    Digest, PolicyHash, Rng as _, Secret, SecretName, Timestamp, VaultAddress, VaultSecretName,
    ct_eq, sha256,
};
use zeroize::Zeroizing;

use crate::casque::LoadedPolicy;
use crate::resolve::{Context, SecretFault};
use crate::{AccessToken, Casque, Ports, ResolveError, VaultSource as _};

/// Where a value is, and how it is opened.
pub(crate) struct Outside {
    key: WrapKey,
    digest: Digest<32>,
    tag: Digest<16>,
}

impl Outside {
    /// What the store keeps, if it is a value that is outside; stored values begin otherwise.
    pub(crate) fn parse(stored: &Secret) -> Option<Self> {
        // Exposed to be told from a value, and taken apart.
        let (mark, rest) = stored.expose().split_first()?;
        let (key, digest) = rest.split_at_checked(32)?;
        let (digest, tag) = digest.split_first_chunk::<32>()?;
        let tag: [u8; 16] = tag.try_into().ok()?;
        if *mark != MARK {
            return None;
        }
        Some(Self {
            key: WrapKey::from_stored(&Secret::copied_from(key)).ok()?,
            digest: Digest::from(*digest),
            tag: Digest::from(tag),
        })
    }

    fn to_stored(&self) -> Secret {
        let mut stored = Zeroizing::new(Vec::with_capacity(STORED_BYTES));
        stored.push(MARK);
        // Exposed to be kept by the store, which seals it.
        stored.extend_from_slice(self.key.to_stored().expose());
        stored.extend_from_slice(self.digest.as_bytes());
        stored.extend_from_slice(self.tag.as_bytes());
        Secret::from(stored)
    }
}

impl<P: Ports> Casque<P> {
    /// Reads a value back from the vault.
    pub(crate) async fn fetch_outside(
        &self,
        loaded: &LoadedPolicy,
        secret: &SecretSpec,
        outside: &Outside,
        context: Context<'_>,
    ) -> Result<SecretValue, ResolveError> {
        let KeptIn::KeyVault { vault, token } = &loaded.policy.kept_in else {
            return Err(ResolveError::Missing);
        };
        let token = self.vault_token(loaded, token, vault, context).await?;
        let name = vault_name(&loaded.hash, &outside.tag)?;
        let vaults = self.ports.vaults();
        let found = (vaults.secret(vault, &name, None, &token, context.now)).await?;
        let changed = || ResolveError::OutsideChanged {
            name: name.as_str().to_owned(),
        };
        // Exposed to be compared with what was written.
        let digest = sha256(found.value.expose());
        if !ct_eq(digest.as_bytes(), outside.digest.as_bytes()) {
            return Err(changed());
        }
        let place = place(&loaded.hash, &secret.name);
        let stored = unwrap_value(&outside.key, &place, &found.value).map_err(|_| changed())?;
        SecretValue::from_stored(&stored).map_err(|_| changed())
    }

    /// Writes the values of a new version into its vault; what the store keeps in their place.
    pub(crate) async fn move_outside(
        &self,
        loaded: &LoadedPolicy,
        values: Vec<(SecretName, Secret)>,
        now: Timestamp,
    ) -> Result<Vec<(SecretName, Secret)>, SecretFault> {
        let KeptIn::KeyVault { vault, token } = &loaded.policy.kept_in else {
            return Ok(values);
        };
        let Some((first, _)) = values.first() else {
            return Ok(values);
        };
        let authorised = self.vault_token(loaded, token, vault, Context::at(now));
        let token = authorised.await.map_err(|cause| (first.clone(), cause))?;
        let mut kept = Vec::with_capacity(values.len());
        for (name, value) in values {
            let moved = self.moved_outside(loaded, vault, &token, (&name, &value), now);
            let moved = moved.await.map_err(|cause| (name.clone(), cause))?;
            kept.push((name, moved));
        }
        Ok(kept)
    }

    async fn moved_outside(
        &self,
        loaded: &LoadedPolicy,
        vault: &VaultAddress,
        token: &AccessToken,
        (name, value): (&SecretName, &Secret),
        now: Timestamp,
    ) -> Result<Secret, ResolveError> {
        let rng = self.ports.rng();
        let key = WrapKey::generate(rng)?;
        let mut tag = [0_u8; 16];
        rng.fill(&mut tag)?;
        let text = wrap_value(&key, &place(&loaded.hash, name), value, rng)?;
        let outside = Outside {
            key,
            digest: sha256(text.as_bytes()),
            tag: Digest::from(tag),
        };
        let text = Secret::new(text.into_bytes());
        let vault_name = vault_name(&loaded.hash, &outside.tag)?;
        let vaults = self.ports.vaults();
        (vaults.set_secret(vault, &vault_name, &text, token, now)).await?;
        Ok(outside.to_stored())
    }
}

fn vault_name(hash: &PolicyHash, tag: &Digest<16>) -> Result<VaultSecretName, ResolveError> {
    let name = format!("cas-{hash}-{tag}");
    name.parse().map_err(|_| ResolveError::Missing)
}

/// What a wrapped value is bound to: `<policy hash, 32 bytes> | <secret's name>`.
fn place(hash: &PolicyHash, secret: &SecretName) -> Vec<u8> {
    [hash.as_bytes().as_slice(), secret.as_str().as_bytes()].concat()
}

const MARK: u8 = 0xe0;
const STORED_BYTES: usize = 1 + 32 + 32 + 16;
