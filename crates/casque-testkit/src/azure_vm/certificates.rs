//! Certificates of attestation keys under a root of its own (RFC 5280; Azure's shape with other words).

use casque_types::{Seconds, Secret, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SubjectPublicKeyInfo,
};
use time::OffsetDateTime;

use super::{SoftwareVtpm, SoftwareVtpmError};
use crate::pem;

/// One thing wrong with the certificate of an attestation key or with its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AkChainFlaw {
    /// The certificate is of another key.
    OtherKey,
    /// No intermediates came with it.
    NoIntermediates,
    /// The root came with it, and no intermediates.
    RootAlone,
    /// The first intermediate alone came with it.
    OneIntermediate,
    /// The certificate was changed after it was signed.
    Signature,
    /// It is another paravisor's authorities that came with it.
    ForeignIntermediates,
    /// A certificate that must not issue did.
    LeafIssues,
    /// Something other than zeros stands behind the certificate.
    Padding,
    /// Six certificates.
    TooMany,
}

/// The authorities over attestation keys.
#[derive(Debug)]
pub(super) struct Authorities {
    created: Timestamp,
    root: Authority,
    first: Authority,
    second: Authority,
}

/// An authority, and its certificate.
#[derive(Debug)]
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
}

/// An authority to be kept.
pub(super) struct Kept {
    /// PKCS#8 DER.
    pub(super) key: Secret,
    /// X.509 DER.
    pub(super) certificate: Vec<u8>,
}

impl Authorities {
    pub(super) fn issue(now: Timestamp) -> Result<Self, SoftwareVtpmError> {
        let key = KeyPair::generate()?;
        let params = authority(ROOT, now)?;
        let certificate = params.self_signed(&key)?.der().to_vec();
        let root = Authority {
            issuer: Issuer::new(params, key),
            certificate,
        };
        let first = root.issue(FIRST, now)?;
        let second = first.issue(SECOND, now)?;
        Ok(Self {
            created: now,
            root,
            first,
            second,
        })
    }

    pub(super) const fn created(&self) -> Timestamp {
        self.created
    }

    /// Root first.
    pub(super) fn kept(&self) -> [Kept; 3] {
        [&self.root, &self.first, &self.second].map(|authority| Kept {
            key: Secret::new(authority.issuer.key().serialize_der()),
            certificate: authority.certificate.clone(),
        })
    }

    /// What [`Authorities::kept`] gave out.
    pub(super) fn from_kept(kept: [Kept; 3], now: Timestamp) -> Result<Self, SoftwareVtpmError> {
        let read = |kept: Kept, name: &str| {
            // Exposed: the certificate writer signs with it.
            let der = kept.key.expose().into();
            let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256)?;
            Ok::<_, SoftwareVtpmError>(Authority {
                issuer: Issuer::new(authority(name, now)?, key),
                certificate: kept.certificate,
            })
        };
        let [root, first, second] = kept;
        Ok(Self {
            created: now,
            root: read(root, ROOT)?,
            first: read(first, FIRST)?,
            second: read(second, SECOND)?,
        })
    }

    pub(super) fn root_der(&self) -> &[u8] {
        &self.root.certificate
    }
}

impl Authority {
    fn issue(&self, name: &str, now: Timestamp) -> Result<Self, SoftwareVtpmError> {
        let key = KeyPair::generate()?;
        let params = authority(name, now)?;
        let certificate = params.signed_by(&key, &self.issuer)?.der().to_vec();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }
}

impl SoftwareVtpm {
    /// The certificate of the attestation key with zeros behind it, as in its NV index, then both intermediates; PEM.
    ///
    /// # Errors
    /// [`SoftwareVtpmError`]: a certificate could not be issued.
    pub fn ak_chain(&self) -> Result<String, SoftwareVtpmError> {
        self.ak_chain_of(None)
    }

    /// The same with one thing wrong.
    ///
    /// # Errors
    /// As [`SoftwareVtpm::ak_chain`].
    pub fn ak_chain_of(&self, flaw: Option<AkChainFlaw>) -> Result<String, SoftwareVtpmError> {
        let of = &self.authorities;
        let mut leaf = self.ak_certificate(flaw)?;
        if flaw == Some(AkChainFlaw::Signature)
            && let Some(byte) = leaf.last_mut()
        {
            *byte ^= 1;
        }
        leaf.resize(LEAF_INDEX_BYTES.max(leaf.len()), 0);
        if flaw == Some(AkChainFlaw::Padding)
            && let Some(byte) = leaf.last_mut()
        {
            *byte = 1;
        }
        let (first, second) = (of.first.certificate.clone(), of.second.certificate.clone());
        let others = match flaw {
            Some(AkChainFlaw::NoIntermediates) => vec![],
            Some(AkChainFlaw::RootAlone) => vec![of.root.certificate.clone()],
            Some(AkChainFlaw::OneIntermediate) => vec![second],
            Some(AkChainFlaw::TooMany) => vec![second; 5],
            Some(AkChainFlaw::ForeignIntermediates) => {
                let other = Authorities::issue(of.created)?;
                vec![other.second.certificate, other.first.certificate]
            }
            Some(AkChainFlaw::LeafIssues) => vec![self.no_authority()?.certificate],
            _ => vec![second, first],
        };
        let all = std::iter::once(leaf).chain(others);
        Ok(all.map(|der| pem::encode("CERTIFICATE", &der)).collect())
    }

    /// A certificate of another TPM's attestation key, given as `SubjectPublicKeyInfo`; DER.
    ///
    /// # Errors
    /// [`SoftwareVtpmError`]: the key is none, or the certificate could not be issued.
    pub fn ak_certificate_of(&self, spki: &[u8]) -> Result<Vec<u8>, SoftwareVtpmError> {
        let key = SubjectPublicKeyInfo::from_der(spki)?;
        let issuer = &self.authorities.second.issuer;
        Ok(self.ak_params()?.signed_by(&key, issuer)?.der().to_vec())
    }

    fn ak_params(&self) -> Result<CertificateParams, SoftwareVtpmError> {
        let created = self.authorities.created;
        let mut params = params("casque.ConfidentialVM.Azure.invalid", created)?;
        params.not_after = date(created.plus(A_YEAR))?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        Ok(params)
    }

    fn ak_certificate(&self, flaw: Option<AkChainFlaw>) -> Result<Vec<u8>, SoftwareVtpmError> {
        let (of, params) = (&self.authorities, self.ak_params()?);
        if flaw == Some(AkChainFlaw::OtherKey) {
            let other = KeyPair::generate()?;
            return Ok(params.signed_by(&other, &of.second.issuer)?.der().to_vec());
        }
        // Exposed: the certificate writer reads the public key from it.
        let der = self.attestation_key.expose().into();
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256)?;
        let issuer = match flaw {
            Some(AkChainFlaw::LeafIssues) => self.no_authority()?,
            _ => return Ok(params.signed_by(&key, &of.second.issuer)?.der().to_vec()),
        };
        Ok(params.signed_by(&key, &issuer.issuer)?.der().to_vec())
    }

    /// Issued by the root, and no authority.
    fn no_authority(&self) -> Result<Authority, SoftwareVtpmError> {
        let of = &self.authorities;
        let key = KeyPair::generate()?;
        let mut params = params("Casque Software Virtual TPM no CA", of.created)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(&key, &of.root.issuer)?.der().to_vec();
        Ok(Authority {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }
}

fn authority(common_name: &str, now: Timestamp) -> Result<CertificateParams, SoftwareVtpmError> {
    let mut params = params(common_name, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn params(common_name: &str, now: Timestamp) -> Result<CertificateParams, SoftwareVtpmError> {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, common_name);
    distinguished_name.push(
        DnType::OrganizationName,
        "Casque software TEE, for tests only",
    );
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name;
    params.not_before = date(now.minus(A_DAY))?;
    params.not_after = date(now.plus(TWENTY_YEARS))?;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn date(at: Timestamp) -> Result<OffsetDateTime, SoftwareVtpmError> {
    let out_of_range = || SoftwareVtpmError::Time { found: at };
    let seconds = i64::try_from(at.as_unix_s()).map_err(|_| out_of_range())?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| out_of_range())
}

const ROOT: &str = "Casque Software Virtual TPM Root";
const FIRST: &str = "Casque Software Virtual TPM CA 1";
const SECOND: &str = "Casque Software Virtual TPM CA 2";
const A_DAY: Seconds = Seconds(86_400);
const A_YEAR: Seconds = Seconds(365 * 86_400);
const TWENTY_YEARS: Seconds = Seconds(20 * 365 * 86_400);
/// The certificate's NV index, with zeros behind the certificate.
const LEAF_INDEX_BYTES: usize = 4096;
