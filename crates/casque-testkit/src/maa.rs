//! A software Microsoft Azure Attestation: its signing key, its key document and its tokens.
//!
//! It judges nothing unless asked ([`SoftwareMaa::attest`] and [`SoftwareMaa::judge_guest`] do, with the appraiser of
//! `casque-appraise`); [`SoftwareMaa::token`] signs whatever a [`TokenSpec`] says, so that tests can bend one
//! thing. It holds 2048-bit RSA keys only: the crypto provider signs with none shorter.
//!
//! Source: spec/azure.md sections 3.1 to 3.4 (what the real service puts on the wire), RFC 7515, RFC 7517.

mod attest;
mod guest;
mod signer;
mod subject;
mod token;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_types::{Digest, MaaUrl, Seconds, Secret, Timestamp, sha256};
use der::asn1::UintRef;
use der::{Decode as _, Sequence};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

pub use attest::{MaaRefusal, submission};
pub use guest::{AttestationInfo, GuestRefusal};
pub use signer::{SignerFlaw, SignerTee};
pub use subject::{AzureVmToken, SnpToken, TdxToken, TokenSubject};
pub use token::{RuntimeClaim, TokenAlgorithm, TokenCollateral, TokenSpec, default_policy_hash};

/// One instance with one signing key.
#[derive(Debug)]
pub struct SoftwareMaa {
    url: MaaUrl,
    key: RsaKeyPair,
    certificate: Vec<u8>,
    key_id: String,
}

/// How a key document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwksShape {
    /// As in 2021: `x5c`, `kid` and `kty` alone.
    CertificateAlone,
    /// As in 2026: also `alg`, `use`, `n` and `e`.
    WithNumbers,
}

/// Why the software MAA could not make something, or is none.
#[derive(Debug, Error)]
pub enum SoftwareMaaError {
    /// The crypto provider made or took no key, or did not sign.
    #[error("the crypto provider did not make or accept a key")]
    Key,
    /// The certificate could not be issued.
    #[error("the certificate could not be issued")]
    Issue(#[from] rcgen::Error),
    /// A time that X.509 cannot say.
    #[error("expected a time before the year 10000, found {found}")]
    Time {
        /// The time.
        found: Timestamp,
    },
    /// Runtime data that are said to be JSON and are not.
    #[error("expected runtime data in JSON")]
    RuntimeData,
    /// The evidence that a key is in a TEE.
    #[error("the evidence that the key is in a TEE could not be made")]
    Tee,
    /// Stored bytes that no software MAA wrote.
    #[error("expected what `SoftwareMaa::to_bytes` wrote")]
    Stored,
}

impl SoftwareMaa {
    /// An instance at this address with a fresh key; its certificate is good from a day before `now` for a
    /// year.
    ///
    /// # Errors
    /// [`SoftwareMaaError`]: the provider failed, or `now` is past the year 9998.
    pub fn generate(url: MaaUrl, now: Timestamp) -> Result<Self, SoftwareMaaError> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| SoftwareMaaError::Key)?;
        let certificate = issue_certificate(&url, &key, now, Vec::new())?;
        Self::assemble(url, key, certificate)
    }

    fn assemble(
        url: MaaUrl,
        key: RsaKeyPair,
        certificate: Vec<u8>,
    ) -> Result<Self, SoftwareMaaError> {
        let key_id = key_id(&spki_of(&key)?);
        Ok(Self {
            url,
            key,
            certificate,
            key_id,
        })
    }

    /// The instance's address: the issuer of its tokens.
    #[must_use]
    pub const fn url(&self) -> &MaaUrl {
        &self.url
    }

    /// The `kid` of its key: standard base64 of SHA-256 over the PEM of the public key and a NUL byte.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The body of `<url>/certs`.
    #[must_use]
    pub fn jwks(&self, shape: JwksShape) -> String {
        let numbers = match shape {
            JwksShape::CertificateAlone => None,
            JwksShape::WithNumbers => RsaPublicKey::from_der(self.key.public_key().as_ref()).ok(),
        };
        let encode = |number: UintRef<'_>| URL_SAFE_NO_PAD.encode(number.as_bytes());
        token::json(&raw::Jwks {
            keys: [raw::Jwk {
                alg: numbers.as_ref().map(|_| "RS256"),
                kty: "RSA",
                key_use: numbers.as_ref().map(|_| "sig"),
                x5c: [STANDARD.encode(&self.certificate)],
                n: numbers.as_ref().map(|key| encode(key.modulus)),
                e: numbers.as_ref().map(|key| encode(key.exponent)),
                kid: self.key_id.clone(),
            }],
        })
    }

    /// Everything of it, for [`SoftwareMaa::from_bytes`].
    ///
    /// # Errors
    /// [`SoftwareMaaError::Key`]: the provider does not hand out its key.
    pub fn to_bytes(&self) -> Result<Secret, SoftwareMaaError> {
        let key: Pkcs8V1Der<'_> = self.key.as_der().map_err(|_| SoftwareMaaError::Key)?;
        let stored = raw::Stored {
            version: VERSION,
            url: self.url.as_str().to_owned(),
            key: STANDARD.encode(key.as_ref()),
            certificate: STANDARD.encode(&self.certificate),
        };
        Ok(Secret::new(token::json(&stored).into_bytes()))
    }

    /// Reads [`SoftwareMaa::to_bytes`] back.
    ///
    /// # Errors
    /// [`SoftwareMaaError::Stored`]: other bytes.
    pub fn from_bytes(bytes: &Secret) -> Result<Self, SoftwareMaaError> {
        Self::from_stored(bytes).ok_or(SoftwareMaaError::Stored)
    }

    fn from_stored(bytes: &Secret) -> Option<Self> {
        // Exposed: to be parsed.
        let stored: raw::Stored = serde_json::from_slice(bytes.expose()).ok()?;
        if stored.version != VERSION {
            return None;
        }
        let key = Secret::new(STANDARD.decode(&stored.key).ok()?);
        // Exposed: the provider needs the key to sign with it.
        let key = RsaKeyPair::from_pkcs8(key.expose()).ok()?;
        let certificate = STANDARD.decode(&stored.certificate).ok()?;
        Self::assemble(stored.url.parse().ok()?, key, certificate).ok()
    }
}

/// `RSAPublicKey` (RFC 8017 appendix A.1.1), as the provider writes public keys.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// `SubjectPublicKeyInfo`, DER.
fn spki_of(key: &RsaKeyPair) -> Result<Vec<u8>, SoftwareMaaError> {
    let spki: PublicKeyX509Der<'_> =
        (key.public_key().as_der()).map_err(|_| SoftwareMaaError::Key)?;
    Ok(spki.as_ref().to_vec())
}

/// The key id of a public key given as DER `SubjectPublicKeyInfo`, as the real service computes it.
fn key_id(spki: &[u8]) -> String {
    STANDARD.encode(key_digest(spki).as_bytes())
}

/// What the service's reports carry of its key: of the PEM and a NUL byte.
fn key_digest(spki: &[u8]) -> Digest<32> {
    let mut text = crate::pem::encode("PUBLIC KEY", spki);
    text.push('\0');
    sha256(text.as_bytes())
}

/// Self-signed; the common name is the instance's address.
fn issue_certificate(
    url: &MaaUrl,
    key: &RsaKeyPair,
    now: Timestamp,
    extensions: Vec<CustomExtension>,
) -> Result<Vec<u8>, SoftwareMaaError> {
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(|_| SoftwareMaaError::Key)?;
    let pair =
        KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.as_ref().into(), &rcgen::PKCS_RSA_SHA256)?;
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, url.as_str());
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name;
    params.not_before = date(now.minus(A_DAY))?;
    params.not_after = date(now.plus(A_YEAR))?;
    params.custom_extensions = extensions;
    Ok(params.self_signed(&pair)?.der().to_vec())
}

fn date(at: Timestamp) -> Result<OffsetDateTime, SoftwareMaaError> {
    let out_of_range = || SoftwareMaaError::Time { found: at };
    let seconds = i64::try_from(at.as_unix_s()).map_err(|_| out_of_range())?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| out_of_range())
}

const VERSION: u32 = 1;
const A_DAY: Seconds = Seconds(86_400);
const A_YEAR: Seconds = Seconds(365 * 86_400);

/// The JSON as it stands on the wire and in the file.
mod raw {
    use super::{Deserialize, Serialize};

    #[derive(Serialize)]
    pub(super) struct Jwks {
        pub(super) keys: [Jwk; 1],
    }

    #[derive(Serialize)]
    pub(super) struct Jwk {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) alg: Option<&'static str>,
        pub(super) kty: &'static str,
        #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
        pub(super) key_use: Option<&'static str>,
        pub(super) x5c: [String; 1],
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) n: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) e: Option<String>,
        pub(super) kid: String,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Stored {
        pub(super) version: u32,
        pub(super) url: String,
        pub(super) key: String,
        pub(super) certificate: String,
    }
}

#[cfg(test)]
mod tests;
