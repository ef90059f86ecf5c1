//! The certificates and revocation lists of the software TEE (RFC 5280; Intel's names with other words).
//!
//! ```text
//! Root CA ─┬─ PCK Processor CA or PCK Platform CA ── PCK certificate (with the SGX extension)
//!          └─ TCB Signing
//! ```
//! All keys are ECDSA P-256, as Intel's are. Subjects are not Intel's own, so that no such certificate
//! can be taken for one; Intel's own verification library, which compares subjects, refuses them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use casque_appraise::PckAuthority;
use casque_types::{Seconds, Secret, Timestamp, sha256};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
};
use time::OffsetDateTime;

use super::{SgxPlatform, SoftwareTeeError, Standing, pck_extension};

/// A key with the certificate that vouches for it.
#[derive(Debug)]
pub(super) struct Certified {
    /// PKCS#8 DER.
    pub(super) key: Secret,
    /// X.509 DER.
    pub(super) certificate: Vec<u8>,
}

/// A new P-256 key, PKCS#8 DER.
pub(super) fn make_key() -> Result<Secret, SoftwareTeeError> {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| SoftwareTeeError::Key)?;
    Ok(Secret::copied_from(document.as_ref()))
}

/// `r || s`, 64 bytes, as quotes and PCS documents carry signatures.
pub(crate) fn sign(key: &Secret, message: &[u8]) -> Result<[u8; 64], SoftwareTeeError> {
    let signature = signing_key(key)?
        .sign(&SystemRandom::new(), message)
        .map_err(|_| SoftwareTeeError::Key)?;
    signature
        .as_ref()
        .try_into()
        .map_err(|_| SoftwareTeeError::Key)
}

/// `x || y`, 64 bytes, as quotes carry public keys.
pub(crate) fn public_point(key: &Secret) -> Result<[u8; 64], SoftwareTeeError> {
    let pair = signing_key(key)?;
    let point = pair.public_key().as_ref();
    point
        .strip_prefix(&[0x04])
        .and_then(|point| point.try_into().ok())
        .ok_or(SoftwareTeeError::Key)
}

fn signing_key(key: &Secret) -> Result<EcdsaKeyPair, SoftwareTeeError> {
    // Exposed: the provider needs the key to sign with it.
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.expose())
        .map_err(|_| SoftwareTeeError::Key)
}

pub(super) fn issue_root(now: Timestamp) -> Result<Certified, SoftwareTeeError> {
    let key = make_key()?;
    let pair = certificate_key(&key)?;
    let params = root_params(now)?;
    let certificate = params.self_signed(&pair)?.der().to_vec();
    Ok(Certified { key, certificate })
}

pub(super) fn issue_authority(
    authority: PckAuthority,
    root: &Certified,
    now: Timestamp,
) -> Result<Certified, SoftwareTeeError> {
    issue(authority_params(authority, now)?, &root_issuer(root, now)?)
}

pub(super) fn issue_pck(
    platform: &SgxPlatform,
    authority: &Certified,
    now: Timestamp,
) -> Result<Certified, SoftwareTeeError> {
    let mut params = leaf_params("Casque Software SGX PCK Certificate", now)?;
    let extension = pck_extension::encode(platform, &authority.certificate)?;
    params.custom_extensions = vec![CustomExtension::from_oid_content(
        pck_extension::OID,
        extension,
    )];
    params.crl_distribution_points = vec![CrlDistributionPoint {
        uris: vec![format!(
            "{NOWHERE}/sgx/certification/v4/pckcrl?ca={}&encoding=der",
            platform.authority.as_str()
        )],
    }];
    issue(
        params,
        &authority_issuer(platform.authority, authority, now)?,
    )
}

pub(super) fn issue_tcb_signer(
    root: &Certified,
    now: Timestamp,
) -> Result<Certified, SoftwareTeeError> {
    let params = leaf_params("Casque Software SGX TCB Signing", now)?;
    issue(params, &root_issuer(root, now)?)
}

/// Issues a certificate for a new key.
fn issue(
    mut params: CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<Certified, SoftwareTeeError> {
    let key = make_key()?;
    let pair = certificate_key(&key)?;
    params.serial_number = Some(serial_of(&key)?);
    let certificate = params.signed_by(&pair, issuer)?.der().to_vec();
    Ok(Certified { key, certificate })
}

pub(super) fn root_issuer(
    root: &Certified,
    now: Timestamp,
) -> Result<Issuer<'static, KeyPair>, SoftwareTeeError> {
    Ok(Issuer::new(root_params(now)?, certificate_key(&root.key)?))
}

pub(super) fn authority_issuer(
    which: PckAuthority,
    authority: &Certified,
    now: Timestamp,
) -> Result<Issuer<'static, KeyPair>, SoftwareTeeError> {
    let params = authority_params(which, now)?;
    Ok(Issuer::new(params, certificate_key(&authority.key)?))
}

/// A revocation list that names those of `subjects` that are revoked, DER.
pub(super) fn revocation_list(
    issuer: &Issuer<'_, KeyPair>,
    subjects: &[(&Certified, Standing)],
    issued: Timestamp,
    next_update: Timestamp,
) -> Result<Vec<u8>, SoftwareTeeError> {
    let revoked = subjects
        .iter()
        .filter(|(_, standing)| *standing == Standing::Revoked);
    let revoked_certs = revoked
        .map(|(subject, _)| {
            Ok(RevokedCertParams {
                serial_number: serial_of(&subject.key)?,
                revocation_time: date(issued)?,
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            })
        })
        .collect::<Result<Vec<_>, SoftwareTeeError>>()?;
    let list = CertificateRevocationListParams {
        this_update: date(issued)?,
        next_update: date(next_update)?,
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(issuer)?.der().to_vec())
}

/// Certificates as PEM, the first one first.
pub(super) fn pem_chain(certificates: &[&Certified]) -> String {
    (certificates.iter())
        .map(|certified| crate::pem::encode("CERTIFICATE", &certified.certificate))
        .collect()
}

/// Whether a key signs what a certificate vouches for; for stored keys.
pub(super) fn belongs_together(certified: &Certified) -> bool {
    let probe = b"casque software TEE probe";
    let Ok(signature) = sign(&certified.key, probe) else {
        return false;
    };
    let Ok(point) = public_point(&certified.key) else {
        return false;
    };
    let uncompressed = [&[0x04], point.as_slice()].concat();
    let public = UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED,
        &uncompressed,
    );
    let in_certificate =
        (certified.certificate.windows(uncompressed.len())).any(|window| window == uncompressed);
    in_certificate && public.verify(probe, &signature).is_ok()
}

fn certificate_key(key: &Secret) -> Result<KeyPair, SoftwareTeeError> {
    // Exposed: the certificate writer signs with it.
    let der = key.expose().into();
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(
        &der,
        &rcgen::PKCS_ECDSA_P256_SHA256,
    )?)
}

/// The first 20 bytes of SHA-256 over the public key, positive.
fn serial_of(key: &Secret) -> Result<SerialNumber, SoftwareTeeError> {
    let digest = sha256(&public_point(key)?);
    let mut serial = digest
        .as_bytes()
        .first_chunk::<20>()
        .copied()
        .unwrap_or([1; 20]);
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&serial))
}

fn root_params(now: Timestamp) -> Result<CertificateParams, SoftwareTeeError> {
    let mut params = params("Casque Software SGX Root CA", now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn authority_params(
    authority: PckAuthority,
    now: Timestamp,
) -> Result<CertificateParams, SoftwareTeeError> {
    let mut params = params(
        match authority {
            PckAuthority::Processor => "Casque Software SGX PCK Processor CA",
            PckAuthority::Platform => "Casque Software SGX PCK Platform CA",
        },
        now,
    )?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf_params(common_name: &str, now: Timestamp) -> Result<CertificateParams, SoftwareTeeError> {
    let mut params = params(common_name, now)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::ContentCommitment,
    ];
    Ok(params)
}

fn params(common_name: &str, now: Timestamp) -> Result<CertificateParams, SoftwareTeeError> {
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
    params.key_identifier_method = KeyIdMethod::Sha256;
    params.crl_distribution_points = vec![CrlDistributionPoint {
        uris: vec![format!("{NOWHERE}/CasqueSoftwareSGXRootCA.der")],
    }];
    Ok(params)
}

fn date(at: Timestamp) -> Result<OffsetDateTime, SoftwareTeeError> {
    let out_of_range = || SoftwareTeeError::Time { found: at };
    let seconds = i64::try_from(at.as_unix_s()).map_err(|_| out_of_range())?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| out_of_range())
}

const A_DAY: Seconds = Seconds(86_400);
const TWENTY_YEARS: Seconds = Seconds(20 * 365 * 86_400);
/// Verifiers want distribution points; there is nothing at these (`.invalid`, RFC 2606 section 2).
const NOWHERE: &str = "https://software-tee.casque.invalid";
