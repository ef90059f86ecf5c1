//! PEM texts of a policy: certificates that name a key, and private keys (RFC 7468, RFC 5280, RFC 5958).
//!
//! A key is looked at only as far as an author can be told what is wrong with it; whoever uses it parses it.

use casque_types::{KeyHash, Secret};
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, DecodePem, Encode, SliceReader, Tagged};
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// Whether a text means to be PEM.
pub(crate) fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}

/// A text is no certificate.
#[derive(Debug, Error)]
#[error("expected one X.509 certificate in PEM")]
pub(crate) struct CertificateParseError;

/// The hash of the public key of a certificate.
pub(crate) fn key_hash_of_certificate(pem: &str) -> Result<KeyHash, CertificateParseError> {
    let certificate =
        Certificate::from_pem(pem.trim().as_bytes()).map_err(|_| CertificateParseError)?;
    let spki = certificate.tbs_certificate().subject_public_key_info();
    let der = spki.to_der().map_err(|_| CertificateParseError)?;
    Ok(KeyHash::of_spki(&der))
}

/// Why a text is no key that verifies the signatures of sessions.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum PublicKeyError {
    #[error("expected one `-----BEGIN PUBLIC KEY-----`, found another PEM text")]
    OtherLabel,
    #[error("expected a public key in the PEM block: its content is cut off or bent")]
    Malformed,
    #[error("expected a key of Ed25519, P-256 or P-384, found one of another algorithm")]
    Algorithm,
}

/// The hash of a public key of a session signer.
pub(crate) fn key_hash_of_public_key(pem: &str) -> Result<KeyHash, PublicKeyError> {
    let (label, der) = der::pem::decode_vec(pem.trim().as_bytes()).map_err(|_| {
        if pem.contains("-----BEGIN PUBLIC KEY-----") {
            PublicKeyError::Malformed
        } else {
            PublicKeyError::OtherLabel
        }
    })?;
    if label != "PUBLIC KEY" {
        return Err(PublicKeyError::OtherLabel);
    }
    let key = SubjectPublicKeyInfoRef::from_der(&der).map_err(|_| PublicKeyError::Malformed)?;
    let bytes = key
        .subject_public_key
        .as_bytes()
        .ok_or(PublicKeyError::Malformed)?;
    let curve = (key.algorithm.parameters)
        .map(|parameters| parameters.decode_as::<ObjectIdentifier>())
        .transpose();
    let curve = curve.map_err(|_| PublicKeyError::Algorithm)?;
    let expected_bytes = match (key.algorithm.oid, curve) {
        (ED25519, None) => 32,
        (EC_PUBLIC_KEY, Some(P256)) => 65,
        (EC_PUBLIC_KEY, Some(P384)) => 97,
        _ => return Err(PublicKeyError::Algorithm),
    };
    // An uncompressed point begins with 4; one key must not have two hashes.
    let is_point = curve.is_none() || bytes.first() == Some(&4);
    if bytes.len() != expected_bytes || !is_point {
        return Err(PublicKeyError::Malformed);
    }
    Ok(KeyHash::of_spki(&der))
}

/// Whether a text is one or more certificates in PEM.
pub(crate) fn expect_certificates(pem: &str) -> Result<(), CertificateParseError> {
    let chain = Certificate::load_pem_chain(pem.trim().as_bytes());
    match chain {
        Ok(certificates) if !certificates.is_empty() => Ok(()),
        _ => Err(CertificateParseError),
    }
}

/// A text is no public key.
#[derive(Debug, Error)]
#[error("expected a public key in PEM")]
pub(crate) struct PublicKeyParseError;

/// Whether a text is one `SubjectPublicKeyInfo` in PEM.
pub(crate) fn expect_public_key(pem: &str) -> Result<(), PublicKeyParseError> {
    let (label, der) =
        der::pem::decode_vec(pem.trim().as_bytes()).map_err(|_| PublicKeyParseError)?;
    let is_key = SubjectPublicKeyInfoRef::from_der(&der).is_ok();
    match label == "PUBLIC KEY" && is_key {
        true => Ok(()),
        false => Err(PublicKeyParseError),
    }
}

/// Why a text is no usable private key.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum PrivateKeyError {
    #[error("expected a private key in PEM, found no `-----BEGIN PRIVATE KEY-----`")]
    NotPem,
    #[error("expected an unencrypted private key, found an encrypted one")]
    Encrypted,
    #[error("expected `-----BEGIN PRIVATE KEY-----` (PKCS#8), found the older form `{label}`")]
    Legacy { label: String },
    #[error("expected a private key, found `{label}`")]
    OtherLabel { label: String },
    #[error("expected PKCS#8 in the PEM block: its content is empty, cut off or bent")]
    Malformed,
    #[error("expected an RSA key, found one of another algorithm")]
    NotRsa,
}

impl PrivateKeyError {
    /// How to mend it.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Encrypted | Self::Legacy { .. } => {
                "convert it: `openssl pkcs8 -topk8 -nocrypt -in key.pem`"
            }
            Self::NotRsa => "Entra ID verifies assertions by RSA keys alone",
            Self::NotPem | Self::OtherLabel { .. } | Self::Malformed => {
                "write the PEM text under `|`, indented as a block, whole"
            }
        }
    }
}

/// Which algorithms a key may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Any,
    Rsa,
}

/// Whether a text is one PKCS#8 private key in PEM.
pub(crate) fn expect_private_key(pem: &str, algorithm: Algorithm) -> Result<(), PrivateKeyError> {
    if !is_pem(pem) {
        return Err(PrivateKeyError::NotPem);
    }
    let (label, der) = der::pem::decode_vec(pem.trim().as_bytes()).map_err(|_| {
        let label = pem.trim().lines().next().unwrap_or_default();
        label_error(label.trim_matches('-').trim_start_matches("BEGIN "))
            .unwrap_or(PrivateKeyError::Malformed)
    })?;
    // Looked at to find its algorithm; wiped when this function ends.
    let der = Secret::new(der);
    if let Some(error) = label_error(label) {
        return Err(error);
    }
    // To read the version and the algorithm in front of the key.
    let found = algorithm_of(der.expose()).map_err(|_| PrivateKeyError::Malformed)?;
    if algorithm == Algorithm::Rsa && found != RSA_ENCRYPTION {
        return Err(PrivateKeyError::NotRsa);
    }
    Ok(())
}

fn label_error(label: &str) -> Option<PrivateKeyError> {
    match label {
        "PRIVATE KEY" => None,
        "ENCRYPTED PRIVATE KEY" => Some(PrivateKeyError::Encrypted),
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Some(PrivateKeyError::Legacy {
            label: label.to_owned(),
        }),
        other => Some(PrivateKeyError::OtherLabel {
            label: other.chars().take(40).collect(),
        }),
    }
}

/// Whether a PKCS#8 private key in PEM is one of the curve P-384.
pub(crate) fn is_p384(pem: &[u8]) -> bool {
    let Ok((_, der)) = der::pem::decode_vec(pem.trim_ascii()) else {
        return false;
    };
    // Looked at to find its curve; wiped when this function ends.
    let der = Secret::new(der);
    // To read the algorithm in front of the key.
    parameters_of(der.expose()).is_ok_and(|oid| oid == SECP384R1)
}

/// The curve beside the algorithm.
fn parameters_of(der: &[u8]) -> der::Result<ObjectIdentifier> {
    let whole = AnyRef::from_der(der)?;
    let mut reader = SliceReader::new(whole.value())?;
    u8::decode(&mut reader)?;
    let algorithm = AnyRef::decode(&mut reader)?;
    let mut inner = SliceReader::new(algorithm.value())?;
    let _algorithm: ObjectIdentifier = ObjectIdentifier::decode(&mut inner)?;
    ObjectIdentifier::decode(&mut inner)
}

/// `PrivateKeyInfo ::= SEQUENCE { version INTEGER, privateKeyAlgorithm AlgorithmIdentifier, … }`
fn algorithm_of(der: &[u8]) -> der::Result<ObjectIdentifier> {
    let whole = AnyRef::from_der(der)?;
    whole.tag().assert_eq(der::Tag::Sequence)?;
    let mut reader = SliceReader::new(whole.value())?;
    u8::decode(&mut reader)?;
    let algorithm = AnyRef::decode(&mut reader)?;
    AnyRef::decode(&mut reader)?;
    let mut inner = SliceReader::new(algorithm.value())?;
    let oid = ObjectIdentifier::decode(&mut inner)?;
    Ok(oid)
}

const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
