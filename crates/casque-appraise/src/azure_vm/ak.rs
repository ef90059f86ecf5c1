//! The certificate of the attestation key (NV index 0x01C101D0), and its chain to Azure's root for virtual TPMs.
//!
//! Guests read the certificate with the rest of its index behind it, zeros, and some put all of it in PEM. Its
//! intermediates are not in the TPM: where none came (or the root alone), nothing is proved by the certificate, and
//! nothing refused; where some came, the chain must hold. The leaf is the certificate of the attestation key, wherever
//! it stands: tools write chains in either order.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_types::{AttestationKeyProof, Timestamp};
use der::{Decode as _, Header, Reader as _, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::paravisor::AttestationKey;
use crate::x509::{self, Certificate};
use crate::{Appraiser, AzureVmAppraiseError, CertificateError, EvidenceParseError};

/// One to five certificates, in any order.
#[derive(Clone, Debug)]
pub(super) struct AkChain(Vec<Certificate>);

/// What a chain proved, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct AkProof {
    pub(super) proof: AttestationKeyProof,
    pub(super) until: Option<Timestamp>,
}

impl AkProof {
    /// No certificate proves anything; the report of the TEE does.
    pub(super) const NO_CERTIFICATE: Self = Self {
        proof: AttestationKeyProof::Report,
        until: None,
    };
}

impl AkChain {
    /// Reads one to five certificates, PEM or DER; zeros behind each count nothing.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, EvidenceParseError> {
        if bytes.len() > MAX_BYTES {
            return Err(EvidenceParseError::TooLong {
                kind: KIND,
                limit_bytes: MAX_BYTES,
                found_bytes: bytes.len(),
            });
        }
        let mut all = Vec::new();
        if bytes.first() == Some(&DER_SEQUENCE) {
            read_der(bytes, &mut all)?;
        } else {
            read_pem(bytes, &mut all)?;
        }
        match all.is_empty() {
            true => Err(malformed("a certificate")),
            false => Ok(Self(all)),
        }
    }

    /// Verifies that one is of `key`, and that its chain holds at `now`, if there is one.
    pub(super) fn verify(
        &self,
        key: &AttestationKey,
        appraiser: &Appraiser,
        now: Timestamp,
    ) -> Result<AkProof, AzureVmAppraiseError> {
        let mut all = self.0.iter();
        let leaf = all.find(|one| rsa_key_of(one).as_ref() == Some(key));
        let leaf = leaf.ok_or(AzureVmAppraiseError::AkCertificateKey)?;
        let root = root_of(appraiser)?;
        let root = root.as_ref();
        let is_alone = self.0.iter().all(|one| one == leaf || one == root);
        if is_alone && leaf.issuer_name() != root.subject_name() {
            return Ok(AkProof::NO_CERTIFICATE);
        }
        let chain = x509::chain_to(leaf, &self.0, root).map_err(AzureVmAppraiseError::of_chain)?;
        let memory = &appraiser.certificates;
        let window = memory
            .chain(&chain, now)
            .map_err(AzureVmAppraiseError::of_chain)?;
        Ok(AkProof {
            proof: AttestationKeyProof::ReportAndCertificate,
            until: Some(window.until),
        })
    }

    /// One line for people, about the certificate that issued none of the others.
    pub(super) fn describe(&self) -> String {
        let is_issuer = |one: &Certificate| {
            let mut others = self.0.iter().filter(|other| *other != one);
            others.any(|other| other.issuer_name() == one.subject_name())
        };
        let leaf = self.0.iter().find(|one| !is_issuer(one));
        let Some(leaf) = leaf.or_else(|| self.0.first()) else {
            return String::new();
        };
        let (subject, issuer) = (leaf.subject(), leaf.issuer());
        match self.0.iter().filter(|one| *one != leaf).count() {
            0 => format!(
                "`{subject}`, issued by `{issuer}`; chain incomplete: no intermediates came"
            ),
            others => format!("`{subject}`, issued by `{issuer}`, with {others} more of its chain"),
        }
    }
}

/// The root that is believed, borrowed where it is the built-in one.
enum Root {
    BuiltIn(&'static Certificate),
    Other(Box<Certificate>),
}

impl AsRef<Certificate> for Root {
    fn as_ref(&self) -> &Certificate {
        match self {
            Self::BuiltIn(root) => root,
            Self::Other(root) => root,
        }
    }
}

fn root_of(appraiser: &Appraiser) -> Result<Root, AzureVmAppraiseError> {
    static AZURE: OnceLock<Result<Certificate, CertificateError>> = OnceLock::new();
    let unreadable = |source| AzureVmAppraiseError::Root { source };
    if let Some(der) = &appraiser.anchors.azure_vtpm_root {
        let root = Certificate::from_der(der, MAX_CERTIFICATE_BYTES).map_err(unreadable)?;
        return Ok(Root::Other(Box::new(root)));
    }
    let built_in = AZURE.get_or_init(|| Certificate::from_der(AZURE_ROOT, MAX_CERTIFICATE_BYTES));
    match built_in {
        Ok(root) => Ok(Root::BuiltIn(root)),
        Err(source) => Err(unreadable(source.clone())),
    }
}

/// The RSA key in a certificate; `None` for any other.
fn rsa_key_of(certificate: &Certificate) -> Option<AttestationKey> {
    let spki = SubjectPublicKeyInfoRef::from_der(certificate.spki_der()).ok()?;
    if spki.algorithm.oid != RSA_ENCRYPTION {
        return None;
    }
    let key = spki.subject_public_key.as_bytes()?;
    let mut reader = SliceReader::new(key).ok()?;
    let key = reader
        .sequence(|parts| {
            let modulus = der::asn1::UintRef::decode(parts)?;
            let exponent = der::asn1::UintRef::decode(parts)?;
            Ok::<_, der::Error>(AttestationKey {
                modulus: modulus.as_bytes().to_vec(),
                exponent: exponent.as_bytes().to_vec(),
            })
        })
        .ok()?;
    Some(key)
}

fn read_der(bytes: &[u8], all: &mut Vec<Certificate>) -> Result<(), EvidenceParseError> {
    let mut rest = bytes;
    while rest.iter().any(|byte| *byte != 0) {
        let (der, behind) = split_first_der(rest).ok_or(malformed("certificates in DER"))?;
        push(der, all)?;
        rest = behind;
    }
    Ok(())
}

fn read_pem(bytes: &[u8], all: &mut Vec<Certificate>) -> Result<(), EvidenceParseError> {
    let text = str::from_utf8(bytes).map_err(|_| malformed("PEM or DER"))?;
    let mut rest = text;
    while let Some((_, block)) = rest.split_once("-----BEGIN ") {
        let (body, behind) = block
            .strip_prefix("CERTIFICATE-----")
            .and_then(|block| block.split_once("-----END CERTIFICATE-----"))
            .ok_or(malformed("a PEM block `CERTIFICATE` with its end"))?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD
            .decode(body)
            .map_err(|_| malformed("base64 in a PEM block"))?;
        let (der, padding) =
            split_first_der(&der).ok_or(malformed("a certificate in a PEM block"))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(malformed("nothing but zeros behind a certificate"));
        }
        push(der, all)?;
        rest = behind;
    }
    Ok(())
}

/// The first element, by the length that it states, and what is behind it.
fn split_first_der(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let reader = SliceReader::new(bytes).ok()?;
    let header = Header::peek(&reader).ok()?;
    let length = usize::try_from(header.length()).ok()?;
    let header_length = usize::try_from(der::Encode::encoded_len(&header).ok()?).ok()?;
    bytes.split_at_checked(header_length.checked_add(length)?)
}

fn push(der: &[u8], all: &mut Vec<Certificate>) -> Result<(), EvidenceParseError> {
    if all.len() >= MAX_CERTIFICATES {
        return Err(malformed("at most 5 certificates"));
    }
    let certificate = Certificate::from_der(der, MAX_CERTIFICATE_BYTES)
        .map_err(|_| malformed("X.509 certificates of at most 8 KiB"))?;
    all.push(certificate);
    Ok(())
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: KIND,
        expected,
    }
}

const KIND: &str = "certificate of the attestation key";
const MAX_BYTES: usize = 64 * 1024;
const MAX_CERTIFICATES: usize = 5;
const MAX_CERTIFICATE_BYTES: usize = 8 * 1024;
const DER_SEQUENCE: u8 = 0x30;
const RSA_ENCRYPTION: der::asn1::ObjectIdentifier =
    der::asn1::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// See `anchors/azure/README.md`.
const AZURE_ROOT: &[u8] = include_bytes!("../../anchors/azure/virtual-tpm-root-2023.der");
