//! The private key of a registered certificate: read and checked before anything is sent.
//!
//! PEM (RFC 7468) with a PKCS#8 key; a PKCS#1 key (`RSA PRIVATE KEY`) is the same key and taken too. The
//! file that `az ad sp create-for-rbac --create-cert` writes holds the certificate as well; then its
//! thumbprint must be the policy's, which spares a round trip and a puzzle. PEM is read here and not by a
//! library so that no unwiped copy of the key is left behind.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_core::{SourceFailure, SourceKind};
use casque_types::{CertificateThumbprint, Secret};
use zeroize::Zeroizing;

use crate::code::Code;
use crate::failure::lasting;

/// An RSA key of at least 2048 bits; its `Debug` shows the public key alone.
#[derive(Debug)]
pub(super) struct SigningKey(pub(super) RsaKeyPair);

impl SigningKey {
    /// Reads `private_key`; if a certificate stands beside it, its thumbprint must be `thumbprint`.
    pub(super) fn parse(
        private_key: &Secret,
        thumbprint: &CertificateThumbprint,
    ) -> Result<Self, SourceFailure> {
        let mut key = None;
        let mut certificates = Vec::new();
        // Exposed to be read.
        let pem = private_key.expose_text().ok_or_else(malformed)?;
        for section in sections(pem)? {
            match section.label {
                "PRIVATE KEY" => key = key.or(Some(RsaKeyPair::from_pkcs8(&section.der))),
                "RSA PRIVATE KEY" => key = key.or(Some(RsaKeyPair::from_der(&section.der))),
                "ENCRYPTED PRIVATE KEY" => return Err(unsupported("a key without passphrase")),
                "EC PRIVATE KEY" => return Err(unsupported("an RSA key, found an EC key")),
                "CERTIFICATE" => certificates.push(section.der),
                _ => {}
            }
        }
        check_thumbprint(&certificates, thumbprint)?;
        match key.ok_or_else(malformed)? {
            Ok(key) if key.public_modulus_len() < MIN_MODULUS_BYTES => Err(too_small()),
            Ok(key) => Ok(Self(key)),
            Err(rejected) if rejected.description_() == "TooSmall" => Err(too_small()),
            Err(_) => Err(unsupported("an RSA key in PKCS#8")),
        }
    }
}

/// One PEM section.
struct Section<'a> {
    label: &'a str,
    der: Zeroizing<Vec<u8>>,
}

fn sections(pem: &str) -> Result<Vec<Section<'_>>, SourceFailure> {
    let mut found = Vec::new();
    let mut rest = pem;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        if found.len() >= MAX_SECTIONS {
            return Err(malformed());
        }
        let (label, body) = after.split_once("-----").ok_or_else(malformed)?;
        let end = Zeroizing::new(format!("-----END {label}-----"));
        let (body, after) = body.split_once(end.as_str()).ok_or_else(malformed)?;
        let der = decode(body).ok_or_else(malformed)?;
        found.push(Section { label, der });
        rest = after;
    }
    Ok(found)
}

fn decode(body: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(body.len()));
    text.extend(body.bytes().filter(|b| !b.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0_u8; text.len()]);
    let length = STANDARD.decode_slice(text.as_slice(), &mut der).ok()?;
    der.truncate(length);
    Some(der)
}

/// Among `certificates`, if there are any, must be the one that `thumbprint` names.
fn check_thumbprint(
    certificates: &[Zeroizing<Vec<u8>>],
    thumbprint: &CertificateThumbprint,
) -> Result<(), SourceFailure> {
    let of = |der: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref().to_vec();
    let found: Vec<Vec<u8>> = certificates.iter().map(|der| of(der)).collect();
    match found.first() {
        Some(first) if !found.iter().any(|sha1| sha1 == thumbprint.as_bytes()) => Err(lasting(
            SourceKind::Entra,
            Code::EntraThumbprintMismatch,
            format!(
                "`private_key` holds the certificate with thumbprint `{}`, and \
                 `certificate_thumbprint` is `{}`",
                shown(first),
                shown(thumbprint.as_bytes())
            ),
            "give the thumbprint and the key of the same certificate",
        )),
        _ => Ok(()),
    }
}

/// A thumbprint as Entra shows it.
pub(super) fn shown(thumbprint: &[u8]) -> String {
    thumbprint
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

fn malformed() -> SourceFailure {
    lasting(
        SourceKind::Entra,
        Code::EntraKeyMalformed,
        "expected `private_key` to be PEM with a `PRIVATE KEY` section, found none that is whole"
            .to_owned(),
        "give the key as `openssl pkcs8 -topk8 -nocrypt` writes it, line breaks kept",
    )
}

pub(super) fn unsupported(expected: &str) -> SourceFailure {
    lasting(
        SourceKind::Entra,
        Code::EntraKeyUnsupported,
        format!("expected `private_key` to be {expected}"),
        "give the RSA key of the registered certificate as `openssl pkcs8 -topk8 -nocrypt` writes it",
    )
}

fn too_small() -> SourceFailure {
    lasting(
        SourceKind::Entra,
        Code::EntraKeyTooSmall,
        "expected `private_key` to be an RSA key of at least 2048 bits, found a shorter one"
            .to_owned(),
        "register a certificate with an RSA key of 2048 bits or more",
    )
}

const MIN_MODULUS_BYTES: usize = 256;
const MAX_SECTIONS: usize = 16;

#[cfg(test)]
mod tests;
