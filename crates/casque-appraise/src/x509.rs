//! Certificates (RFC 5280) as far as chains of TEE vendors need them, over `x509-cert` and aws-lc-rs.
//!
//! What is judged: signature, names of issuer and subject, validity, `basicConstraints` with its path length,
//! `keyCertSign`, and that no critical extension stands there that nobody here understands. What is not: name
//! constraints and policies (a certificate that makes them critical is refused), and revocation, which
//! [`RevocationList`] knows. Trust comes from the caller: it names the certificate that a chain must end in.
//!
//! Signatures go over the bytes as they came, never over an encoding made again.

mod algorithm;
mod chain;
mod crl;
mod error;
mod memory;
mod pem;

#[cfg(test)]
mod tests;

use aws_lc_rs::signature::{ParsedPublicKey, VerificationAlgorithm};
use casque_types::{Digest, Timestamp, sha256};
use der::asn1::ObjectIdentifier;
use der::{Decode as _, Encode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;

pub(crate) use chain::{chain_to, verify_chain};
pub(crate) use crl::RevocationList;
pub use error::CertificateError;
pub(crate) use memory::{Memory, Window};
pub(crate) use pem::parse_pem_bundle;

/// A certificate, parsed, not verified.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    der: Vec<u8>,
    digest: Digest<32>,
    signed: Signed,
    parsed: x509_cert::Certificate,
    spki_der: Vec<u8>,
}

/// The parts of something signed, as RFC 5280 lays out certificates and revocation lists alike.
#[derive(Clone, Debug)]
struct Signed {
    /// What the signature goes over, with its tag and length.
    tbs: Vec<u8>,
    /// The algorithm, DER.
    algorithm: Vec<u8>,
    /// The signature.
    signature: Vec<u8>,
}

impl Signed {
    fn from_der(bytes: &[u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(bytes)?;
        let signed = reader.sequence(|parts| {
            let tbs = parts.tlv_bytes()?.to_vec();
            let algorithm = parts.tlv_bytes()?.to_vec();
            let signature = der::asn1::BitStringRef::decode(parts)?;
            let signature = signature
                .as_bytes()
                .ok_or_else(|| der::Tag::BitString.value_error())?
                .to_vec();
            Ok::<_, der::Error>(Self {
                tbs,
                algorithm,
                signature,
            })
        })?;
        reader.finish()?;
        Ok(signed)
    }
}

impl Certificate {
    /// Reads one certificate of at most `limit_bytes`.
    ///
    /// # Errors
    /// [`CertificateError::TooLong`], or [`CertificateError::Malformed`]: not one X.509 certificate in DER, or
    /// its two statements of the signature's algorithm differ, or an extension stands twice.
    pub(crate) fn from_der(der: &[u8], limit_bytes: usize) -> Result<Self, CertificateError> {
        expect_length(der, limit_bytes)?;
        let malformed = |_| CertificateError::Malformed {
            expected: "a certificate in DER",
        };
        let signed = Signed::from_der(der).map_err(malformed)?;
        let parsed = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        let tbs = parsed.tbs_certificate();
        if tbs.signature() != parsed.signature_algorithm() {
            return Err(CertificateError::Malformed {
                expected: "the same algorithm inside and outside of what is signed",
            });
        }
        expect_each_extension_once(tbs.extensions().map_or(&[], Vec::as_slice))?;
        let spki_der = tbs.subject_public_key_info().to_der().map_err(malformed)?;
        Ok(Self {
            der: der.to_vec(),
            digest: sha256(der),
            signed,
            parsed,
            spki_der,
        })
    }

    /// The bytes as they came.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the bytes.
    pub(crate) const fn digest(&self) -> &Digest<32> {
        &self.digest
    }

    /// The subject's public key with its algorithm (`SubjectPublicKeyInfo`), DER.
    pub(crate) fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// Whether both certify the same key of the same owner, when ever they were issued.
    pub(crate) fn is_for_key_of(&self, other: &Self) -> bool {
        self.subject_name() == other.subject_name() && self.spki_der() == other.spki_der()
    }

    /// The subject's common name, or its whole name; for people: at most 64 characters, printable ASCII.
    pub(crate) fn subject(&self) -> String {
        printable_name(self.subject_name())
    }

    /// The issuer's, likewise.
    pub(crate) fn issuer(&self) -> String {
        printable_name(self.issuer_name())
    }

    pub(crate) fn subject_name(&self) -> &Name {
        self.parsed.tbs_certificate().subject()
    }

    pub(crate) fn issuer_name(&self) -> &Name {
        self.parsed.tbs_certificate().issuer()
    }

    /// Whether it names itself as its issuer, as roots do; proves nothing.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject_name() == self.issuer_name()
    }

    /// The serial number, big endian, as it is encoded.
    pub(crate) fn serial(&self) -> &[u8] {
        self.parsed.tbs_certificate().serial_number().as_bytes()
    }

    /// The first second in which it is valid.
    pub(crate) fn not_before(&self) -> Timestamp {
        timestamp_of(&self.parsed.tbs_certificate().validity().not_before)
    }

    /// The last second in which it is valid.
    pub(crate) fn not_after(&self) -> Timestamp {
        timestamp_of(&self.parsed.tbs_certificate().validity().not_after)
    }

    /// The contents of an extension, without the octet string around it.
    pub(crate) fn extension(&self, oid: ObjectIdentifier) -> Option<&[u8]> {
        let extensions = self.parsed.tbs_certificate().extensions()?;
        let found = extensions.iter().find(|one| one.extn_id == oid)?;
        Some(found.extn_value.as_bytes())
    }

    /// The extended key usages; none where the extension is missing or cannot be read.
    pub(crate) fn extended_key_usages(&self) -> Vec<ObjectIdentifier> {
        self.extension(EXTENDED_KEY_USAGE)
            .and_then(|bytes| ExtendedKeyUsage::from_der(bytes).ok())
            .map(|usages| usages.0)
            .unwrap_or_default()
    }

    /// The subject's key, ready to verify with this algorithm.
    ///
    /// # Errors
    /// [`CertificateError::Key`]: it is a key of another kind or size.
    pub(crate) fn public_key(
        &self,
        algorithm: &'static dyn VerificationAlgorithm,
    ) -> Result<ParsedPublicKey, CertificateError> {
        let subject = || CertificateError::Key {
            subject: self.subject(),
        };
        ParsedPublicKey::new(algorithm, &self.spki_der).map_err(|_| subject())
    }

    /// Whether `now` is in its life, both ends included.
    ///
    /// # Errors
    /// [`CertificateError::NotYetValid`], [`CertificateError::Expired`].
    pub(crate) fn expect_valid_at(&self, now: Timestamp) -> Result<(), CertificateError> {
        let window = Window {
            from: self.not_before(),
            until: self.not_after(),
        };
        window.expect(now, || self.subject())
    }

    /// Whether `issuer` issued it: names, the right to issue, and the signature. Says nothing of dates.
    ///
    /// # Errors
    /// [`CertificateError`] for the first that does not hold.
    pub(crate) fn expect_issued_by(&self, issuer: &Self) -> Result<(), CertificateError> {
        if self.issuer_name() != issuer.subject_name() {
            return Err(CertificateError::Issuer {
                subject: self.subject(),
                expected: issuer.subject(),
                found: self.issuer(),
            });
        }
        issuer.path_length()?;
        self.expect_signature_of(issuer)
    }

    /// Whether `issuer`'s key signed it; nothing else.
    ///
    /// # Errors
    /// [`CertificateError::Algorithm`], [`CertificateError::Signature`].
    pub(crate) fn expect_signature_of(&self, issuer: &Self) -> Result<(), CertificateError> {
        algorithm::verify(&self.signed, issuer, || self.subject())
    }

    /// How many authorities may stand between it and a leaf; `None` is any number.
    ///
    /// # Errors
    /// [`CertificateError::NotAuthority`]: it must not issue certificates.
    fn path_length(&self) -> Result<Option<u8>, CertificateError> {
        let no_authority = || CertificateError::NotAuthority {
            subject: self.subject(),
        };
        let constraints: BasicConstraints = self.decoded(BASIC_CONSTRAINTS)?;
        if !constraints.ca {
            return Err(no_authority());
        }
        let usage: KeyUsage = self.decoded(KEY_USAGE)?;
        if !usage.key_cert_sign() {
            return Err(no_authority());
        }
        Ok(constraints.path_len_constraint)
    }

    /// An extension that an authority must have.
    fn decoded<'a, T: der::Decode<'a>>(
        &'a self,
        oid: ObjectIdentifier,
    ) -> Result<T, CertificateError> {
        self.extension(oid)
            .and_then(|bytes| T::from_der(bytes).ok())
            .ok_or_else(|| CertificateError::NotAuthority {
                subject: self.subject(),
            })
    }

    /// Whether everything in it that must be understood is.
    fn expect_critical_extensions_known(&self) -> Result<(), CertificateError> {
        let extensions = self.parsed.tbs_certificate().extensions();
        let mut critical = extensions.into_iter().flatten().filter(|one| one.critical);
        match critical.find(|one| !KNOWN_CRITICAL.contains(&one.extn_id)) {
            None => Ok(()),
            Some(unknown) => Err(CertificateError::CriticalExtension {
                subject: self.subject(),
                extension: unknown.extn_id.to_string(),
            }),
        }
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

fn expect_length(bytes: &[u8], limit_bytes: usize) -> Result<(), CertificateError> {
    if bytes.len() > limit_bytes {
        return Err(CertificateError::TooLong {
            limit_bytes,
            found_bytes: bytes.len(),
        });
    }
    Ok(())
}

fn expect_each_extension_once(
    extensions: &[x509_cert::ext::Extension],
) -> Result<(), CertificateError> {
    if extensions.len() > MAX_EXTENSIONS {
        return Err(CertificateError::Malformed {
            expected: "at most 64 extensions",
        });
    }
    let mut names: Vec<_> = extensions.iter().map(|one| one.extn_id).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() != extensions.len() {
        return Err(CertificateError::Malformed {
            expected: "each extension once",
        });
    }
    Ok(())
}

fn timestamp_of(time: &x509_cert::time::Time) -> Timestamp {
    Timestamp::from_unix_s(time.to_unix_duration().as_secs())
}

fn printable_name(name: &Name) -> String {
    let text = match name.common_name() {
        Ok(Some(common_name)) => common_name.value().into_owned(),
        _ => name.to_string(),
    };
    let printable = |c: char| {
        if c == ' ' || c.is_ascii_graphic() {
            c
        } else {
            '?'
        }
    };
    text.chars()
        .take(MAX_NAME_CHARACTERS)
        .map(printable)
        .collect()
}

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const KNOWN_CRITICAL: [ObjectIdentifier; 3] = [BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE];
const MAX_EXTENSIONS: usize = 64;
const MAX_NAME_CHARACTERS: usize = 64;
/// Enough for every certificate of AMD, Intel and Azure's virtual TPMs.
pub(crate) const CERTIFICATE_BYTES: usize = 8 * 1024;
/// How many certificates a bundle may hold.
pub(crate) const BUNDLE_CERTIFICATES: usize = 8;
