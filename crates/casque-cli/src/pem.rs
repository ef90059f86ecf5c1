//! PEM, RFC 7468: written in its strict form, read by rustls-pki-types.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_types::Secret;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

/// A block of this label.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let digits = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, character) in digits.chars().enumerate() {
        if index > 0 && index.is_multiple_of(64) {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

/// The first `PRIVATE KEY` block.
pub(crate) fn private_key(text: &[u8]) -> Option<Secret> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(text).ok()?;
    Some(Secret::copied_from(key.secret_pkcs8_der()))
}

/// The first `CERTIFICATE` block.
pub(crate) fn certificate(text: &[u8]) -> Option<Vec<u8>> {
    let certificate = CertificateDer::from_pem_slice(text).ok()?;
    Some(certificate.to_vec())
}

/// The first `PUBLIC KEY` block, DER `SubjectPublicKeyInfo`.
pub(crate) fn public_key(text: &[u8]) -> Option<Vec<u8>> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(text).ok()?;
    Some(key.to_vec())
}
