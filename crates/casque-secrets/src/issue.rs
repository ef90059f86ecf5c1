//! Certificates issued by Casque (RFC 5280).
//!
//! Steps of [`issue_certificate`]:
//! 1. read the subject's key;
//! 2. say who it is: common name, alternative names (DNS, or IP where the text is one), a random serial
//!    of 16 bytes, from 5 minutes before now (clocks differ);
//! 3. say what it may do: an authority signs certificates and CRLs; anyone else signs, with RSA also
//!    transports keys, and serves or calls when the policy names an end;
//! 4. sign with the issuer's key, whose certificate must let it issue and whose name and key identifier
//!    are taken over; or with the subject's own key;
//! 5. check that the name written as issuer is, byte for byte, the issuer's: verifiers compare them so.

use std::net::IpAddr;

use casque_types::{Rng, RngError, Seconds, Secret, Timestamp};
use der::{Decode as _, Encode as _};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;
use x509_cert::Certificate;

use crate::certificate::spki_of;
use crate::key::PrivateKey;
use crate::{CertificateChain, MakeError};

/// What a new certificate is to say.
#[derive(Debug)]
pub struct CertificateRequest<'a> {
    /// The subject's key, PKCS#8 DER.
    pub private_key: &'a Secret,
    /// The issuer with its key; self-signed when none.
    pub issuer: Option<&'a CertificateChain>,
    /// Subject common name.
    pub common_name: &'a str,
    /// Extended key usage.
    pub endpoint: Option<EndpointUse>,
    /// DNS names.
    pub dns: &'a [String],
    /// Validity from `now`; to 9999-12-31T23:59:59Z when none (RFC 5280 section 4.1.2.5).
    pub valid_for: Option<Seconds>,
    /// Whether it may issue others.
    pub authority: bool,
    /// The present time.
    pub now: Timestamp,
}

/// Extended key usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointUse {
    /// serverAuth
    Server,
    /// clientAuth
    Client,
}

/// Issues: the new certificate, then the issuer's chain; the subject's key is copied into it.
///
/// # Errors
/// The subject's key or names cannot be used, the issuer cannot issue, or the provider failed.
pub fn issue_certificate(
    request: &CertificateRequest<'_>,
    rng: &dyn Rng,
) -> Result<CertificateChain, MakeError> {
    let key = PrivateKey::parse(request.private_key).ok_or(MakeError::SubjectKey)?;
    let params = params(request, &key, rng)?;
    let mut certificates = Vec::new();
    match request.issuer {
        None => {
            let issued = params.self_signed(&key).map_err(|_| MakeError::Sign)?;
            certificates.push(issued.der().to_vec());
        }
        Some(issuer) => {
            certificates.push(signed_by(issuer, &params, &key)?);
            certificates.extend(issuer.certificates.iter().cloned());
        }
    }
    Ok(CertificateChain {
        certificates,
        // The chain and the private-key secret that it came from are stored separately.
        private_key: Some(request.private_key.duplicate()),
    })
}

fn params(
    request: &CertificateRequest<'_>,
    key: &PrivateKey,
    rng: &dyn Rng,
) -> Result<CertificateParams, MakeError> {
    let mut params = named(request.common_name, request.dns)?;
    params.serial_number = Some(random_serial(rng)?);
    params.not_before = date(request.now.minus(CLOCK_DIFFERENCE));
    params.not_after = match request.valid_for {
        Some(span) => date(request.now.plus(span)),
        None => date(END_OF_TIME),
    };
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = match request.endpoint {
        None => Vec::new(),
        Some(EndpointUse::Server) => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Some(EndpointUse::Client) => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if request.authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        params.key_usages.push(KeyUsagePurpose::CrlSign);
    } else {
        params.is_ca = IsCa::ExplicitNoCa;
        if key.is_rsa() {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
    }
    Ok(params)
}

/// Parameters with these names, and nothing else decided.
pub(crate) fn named(
    common_name: &str,
    alternative: &[String],
) -> Result<CertificateParams, MakeError> {
    let found_characters = common_name.chars().count();
    if !(1..=MAX_COMMON_NAME_CHARACTERS).contains(&found_characters) {
        return Err(MakeError::CommonName { found_characters });
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    for (position, name) in (1..).zip(alternative) {
        let refused = MakeError::AlternativeName { position };
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if name.is_empty() => return Err(refused),
            Err(_) => SanType::DnsName(name.as_str().try_into().map_err(|_| refused)?),
        });
    }
    Ok(params)
}

/// 16 random bytes, the first bits `01`, so that the number is positive and always as long.
pub(crate) fn random_serial(rng: &dyn Rng) -> Result<SerialNumber, RngError> {
    let mut serial = [0_u8; 16];
    rng.fill(&mut serial)?;
    let [first, ..] = &mut serial;
    *first = (*first & 0x3f) | 0x40;
    Ok(SerialNumber::from_slice(&serial))
}

fn signed_by(
    issuer: &CertificateChain,
    params: &CertificateParams,
    subject: &PrivateKey,
) -> Result<Vec<u8>, MakeError> {
    let unreadable = |_| MakeError::IssuerUnreadable;
    let key = issuer.private_key.as_ref();
    let key = key.ok_or(MakeError::IssuerKeyAbsent)?;
    let certificate = Certificate::from_der(issuer.leaf()).map_err(unreadable)?;
    let tbs = certificate.tbs_certificate();
    let spki = tbs.subject_public_key_info().to_der().map_err(unreadable)?;
    if spki_of(key).ok() != Some(spki) {
        return Err(MakeError::IssuerUnreadable);
    }
    if !issuer.is_authority() {
        return Err(MakeError::IssuerNotAuthority);
    }
    // rcgen panics over an empty part of a name.
    if tbs.subject().iter_rdn().any(|part| part.is_empty()) {
        return Err(MakeError::IssuerName);
    }
    let key = PrivateKey::parse(key).ok_or(MakeError::IssuerUnreadable)?;
    let signer =
        Issuer::from_ca_cert_der(&issuer.leaf().into(), key).map_err(|_| MakeError::IssuerName)?;
    let issued = params
        .signed_by(subject, &signer)
        .map_err(|_| MakeError::Sign)?;
    let written = Certificate::from_der(issued.der()).map_err(|_| MakeError::Sign)?;
    if written.tbs_certificate().issuer() != tbs.subject() {
        return Err(MakeError::IssuerName);
    }
    Ok(issued.der().to_vec())
}

/// A date that X.509 can write.
pub(crate) fn date(at: Timestamp) -> OffsetDateTime {
    let seconds = at.as_unix_s().min(END_OF_TIME.as_unix_s());
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// 9999-12-31T23:59:59Z: no well-defined expiration (RFC 5280 section 4.1.2.5).
pub(crate) const END_OF_TIME: Timestamp = Timestamp::from_unix_s(253_402_300_799);
/// How far clocks may be behind ours.
pub(crate) const CLOCK_DIFFERENCE: Seconds = Seconds(300);
/// `ub-common-name` of RFC 5280 appendix A.
const MAX_COMMON_NAME_CHARACTERS: usize = 64;

#[cfg(test)]
mod tests;
