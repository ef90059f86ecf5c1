//! The author's identity: a P-256 key and a self-signed certificate over it, kept as PEM.
//!
//! Servers know it by the hash of its public key; the certificate only carries the key through TLS.

use std::path::{Path, PathBuf};

use casque_client::{ClientError, ClientIdentity};
use casque_secrets::{IdentityError, IdentityKey, SigningKey, SigningKeyError};
use casque_types::{KeyHash, Rng, RngError, Secret, Timestamp};
use thiserror::Error;

use crate::config::{Config, ConfigError};
use crate::pem;
use crate::policy_file::{FileError, read_bounded};

/// A key with its certificate.
#[derive(Debug)]
pub(crate) struct Identity {
    key: IdentityKey,
    /// DER.
    certificate: Vec<u8>,
}

/// Why there is no identity.
#[derive(Debug, Error)]
pub(crate) enum OwnIdentityError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` holds no identity: expected a `PRIVATE KEY` (PKCS#8, P-256) and a `CERTIFICATE` over it, both in PEM", path.display())]
    Pem { path: PathBuf },
    #[error("no identity could be made")]
    Make(#[source] IdentityError),
}

impl Identity {
    /// The identity in `file` if one is given, otherwise the configuration's, made now if there is none.
    pub(crate) fn load(
        file: Option<&Path>,
        config: Option<&Path>,
        now: Timestamp,
    ) -> Result<Self, OwnIdentityError> {
        if let Some(file) = file {
            let text = read_bounded(file)?;
            return Self::from_pem(&text, file);
        }
        let path = config.ok_or(ConfigError::NoPath)?;
        match Config::load(path)?.identity {
            Some(text) => Self::from_pem(&text, path),
            None => Config::change(path, |config| Self::made_once(config, path, now)),
        }
    }

    /// Between our look and the lock another run may have made one.
    fn made_once(
        config: &mut Config,
        path: &Path,
        now: Timestamp,
    ) -> Result<Self, OwnIdentityError> {
        if let Some(text) = &config.identity {
            return Self::from_pem(text, path);
        }
        let identity = Self::make(now).map_err(OwnIdentityError::Make)?;
        config.identity = Some(identity.to_pem());
        Ok(identity)
    }

    fn make(now: Timestamp) -> Result<Self, IdentityError> {
        let key = IdentityKey::generate()?;
        let certificate = key.certificate("casque", &[], now, &SystemRng)?;
        Ok(Self { key, certificate })
    }

    fn from_pem(text: &Secret, path: &Path) -> Result<Self, OwnIdentityError> {
        let unusable = || OwnIdentityError::Pem {
            path: path.to_owned(),
        };
        // exposed: PEM is decoded from memory that is wiped
        let pem = text.expose();
        let key = pem::private_key(pem).ok_or_else(unusable)?;
        let identity = Self {
            key: IdentityKey::from_pkcs8(&key).map_err(|_| unusable())?,
            certificate: pem::certificate(pem).ok_or_else(unusable)?,
        };
        // The key must be the certificate's: found out here rather than by a server.
        match identity.to_client() {
            Ok(_) => Ok(identity),
            Err(_) => Err(unusable()),
        }
    }

    fn to_pem(&self) -> Secret {
        // exposed: the file that it is kept in is its owner's alone
        let mut text = pem::encode("PRIVATE KEY", self.key.pkcs8().expose());
        text.push_str(&self.certificate_pem());
        Secret::new(text.into_bytes())
    }

    /// For TLS.
    pub(crate) fn to_client(&self) -> Result<ClientIdentity, ClientError> {
        ClientIdentity::new(self.certificate.clone(), self.key.pkcs8())
    }

    /// For signatures over sessions.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, SigningKeyError> {
        SigningKey::from_pkcs8(self.key.pkcs8())
    }

    pub(crate) const fn key_hash(&self) -> &KeyHash {
        self.key.key_hash()
    }

    pub(crate) fn certificate_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.certificate)
    }
}

/// The crypto provider's generator.
pub(crate) struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        aws_lc_rs::rand::fill(out).map_err(|_| RngError)
    }
}
