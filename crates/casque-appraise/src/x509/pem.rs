//! Bundles of certificates in PEM (RFC 7468): blocks `CERTIFICATE` and no others; text around them counts nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Certificate, CertificateError};

/// Reads one to `limit_certificates` certificates, each of at most `limit_bytes`, in the order of the text.
///
/// # Errors
/// [`CertificateError::TooLong`], [`CertificateError::TooMany`], or [`CertificateError::Malformed`]: no block,
/// a block of another label or without its end, not base64, or no certificate in it.
pub(crate) fn parse_pem_bundle(
    text: &[u8],
    limit_certificates: usize,
    limit_bytes: usize,
) -> Result<Vec<Certificate>, CertificateError> {
    let per_certificate = limit_bytes.saturating_mul(2);
    super::expect_length(text, per_certificate.saturating_mul(limit_certificates))?;
    let text = str::from_utf8(text).map_err(|_| malformed("PEM in ASCII"))?;
    let mut certificates = Vec::new();
    let mut rest = text;
    while let Some((_, block)) = rest.split_once(BEGIN_ANY) {
        if certificates.len() >= limit_certificates {
            return Err(CertificateError::TooMany {
                limit: limit_certificates,
            });
        }
        let (body, behind) = block
            .strip_prefix(LABEL)
            .and_then(|block| block.split_once(END))
            .ok_or(malformed("a PEM block `CERTIFICATE` with its end"))?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD
            .decode(body)
            .map_err(|_| malformed("base64 in a PEM block"))?;
        certificates.push(Certificate::from_der(&der, limit_bytes)?);
        rest = behind;
    }
    if certificates.is_empty() {
        return Err(malformed("a PEM block `CERTIFICATE`"));
    }
    Ok(certificates)
}

const fn malformed(expected: &'static str) -> CertificateError {
    CertificateError::Malformed { expected }
}

const BEGIN_ANY: &str = "-----BEGIN ";
const LABEL: &str = "CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
