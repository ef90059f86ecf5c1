//! Certificates of the local Azure: its TLS authority, application certificates, vault certificates.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use der::{Decode as _, Encode as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use time::{Duration, OffsetDateTime};
use x509_cert::Certificate;

use super::StartError;
use crate::clock::system_now;

/// A certification authority: PEM of its key and certificate, kept so that a restart is the same one.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate_pem: String,
    pub(crate) certificate_der: Vec<u8>,
}

/// A certificate that an [`Authority`] issued, with its key.
pub(crate) struct Issued {
    pub(crate) key_pkcs8: Vec<u8>,
    pub(crate) key_pem: String,
    pub(crate) certificate_der: Vec<u8>,
    pub(crate) certificate_pem: String,
}

impl Authority {
    /// A fresh authority with a P-256 key.
    pub(crate) fn generate(common_name: &str) -> Result<Self, StartError> {
        Self::from_key(common_name, KeyPair::generate()?)
    }

    /// The authority of a stored key; its certificate is written anew.
    pub(crate) fn from_key(common_name: &str, key: KeyPair) -> Result<Self, StartError> {
        let mut params = params_for(common_name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Issues a server certificate for these names (IP addresses among them as such).
    pub(crate) fn issue(
        &self,
        common_name: &str,
        names: &[String],
        key: &KeyPair,
    ) -> Result<Issued, StartError> {
        let mut params = params_for(common_name, names)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(key, &self.issuer)?;
        Ok(Issued {
            key_pkcs8: key.serialize_der(),
            key_pem: key.serialize_pem(),
            certificate_der: certificate.der().to_vec(),
            certificate_pem: certificate.pem(),
        })
    }

    pub(crate) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }
}

/// A fresh RSA key of 2048 bits.
pub(crate) fn rsa_key() -> Result<KeyPair, StartError> {
    Ok(KeyPair::generate_rsa_for(
        &PKCS_RSA_SHA256,
        RsaKeySize::_2048,
    )?)
}

/// A fresh RSA key, PKCS#8, and a self-signed certificate over it, both DER.
pub(crate) fn self_signed_rsa(common_name: &str) -> Result<(Vec<u8>, Vec<u8>), StartError> {
    let key = rsa_key()?;
    let certificate = self_signed(common_name, &key)?;
    Ok((key.serialize_der(), certificate.der().to_vec()))
}

/// A self-signed certificate over a key.
pub(crate) fn self_signed(
    common_name: &str,
    key: &KeyPair,
) -> Result<rcgen::Certificate, StartError> {
    Ok(params_for(common_name, &[])?.self_signed(key)?)
}

fn params_for(common_name: &str, names: &[String]) -> Result<CertificateParams, StartError> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let now = i64::try_from(system_now().as_unix_s()).unwrap_or(0);
    let start = OffsetDateTime::from_unix_timestamp(now).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    params.not_before = start - Duration::hours(1);
    params.not_after = start + Duration::days(365);
    Ok(params)
}

/// SHA-1, by which Entra and Key Vault name certificates; it secures nothing here.
pub(crate) fn sha1(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

/// The RSA key of a certificate as PKCS#1 `RSAPublicKey`, DER; `None` if it holds none.
pub(crate) fn rsa_public_key(certificate_der: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(certificate_der).ok()?;
    let spki = certificate.tbs_certificate().subject_public_key_info();
    spki.to_der().ok()?;
    spki.subject_public_key.as_bytes().map(<[u8]>::to_vec)
}
