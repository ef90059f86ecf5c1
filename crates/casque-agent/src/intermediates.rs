//! The file of certificates between a TPM's attestation key and Azure's root (`--ak-intermediates`).
//!
//! What is in it leaves the machine, and whoever starts the agent names it: a host could name a file of the workload's.
//! So certificates alone are taken out of it, and written anew; nothing else of the file is sent. They are PEM, where
//! text around the blocks is passed over and other blocks are refused, or one certificate in DER, as the addresses in
//! `caIssuers` give it. Of a certificate its outermost form is looked at (RFC 5280, section 4.1); the server judges it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use casque_attester::certificate_pem;
use rustls_pki_types::pem::{PemObject, SectionKind};

use crate::SettingsError;

/// The certificates in a file, PEM, in its order.
pub(crate) fn read_intermediates(path: &Path) -> Result<Vec<u8>, SettingsError> {
    let path = || path.to_owned();
    let bytes = read_bounded(&path()).map_err(|source| SettingsError::AkIntermediates {
        path: path(),
        source,
    })?;
    let certificates = certificates(&bytes).map_err(|found| SettingsError::NoAkIntermediates {
        path: path(),
        found,
    })?;
    Ok(certificates
        .iter()
        .flat_map(|der| certificate_pem(der))
        .collect())
}

/// One byte more than there may be.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// DER of each, or what was found in place of certificates.
fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    if bytes.len() > MAX_BYTES {
        return Err("more than 32768 bytes");
    }
    if is_certificate(bytes) {
        return Ok(vec![bytes.to_vec()]);
    }
    let blocks: Result<Vec<(SectionKind, Vec<u8>)>, _> = PemObject::pem_slice_iter(bytes).collect();
    let blocks = blocks.map_err(|_| "PEM that is damaged")?;
    // Blocks of a kind that the reader does not know are passed over by it.
    let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    let begun = lines
        .filter(|line| line.starts_with(b"-----BEGIN "))
        .count();
    let are_certificates = |(kind, _): &(SectionKind, _)| *kind == SectionKind::Certificate;
    if begun != blocks.len() || !blocks.iter().all(are_certificates) {
        return Err("PEM with a block that is no `CERTIFICATE`");
    }
    match blocks.len() {
        0 => return Err("none"),
        1..=MAX_CERTIFICATES => (),
        _ => return Err("more than 4"),
    }
    let certificates: Vec<Vec<u8>> = blocks.into_iter().map(|(_, der)| der).collect();
    if !certificates.iter().all(|der| is_certificate(der)) {
        return Err("a `CERTIFICATE` block without a certificate in it");
    }
    Ok(certificates)
}

/// Whether it is a SEQUENCE of exactly its length, of two SEQUENCEs and a BIT STRING: a private key is none.
fn is_certificate(der: &[u8]) -> bool {
    let inside = || {
        let (content, nothing) = element(der, SEQUENCE)?;
        nothing.is_empty().then_some(())?;
        let (_to_be_signed, rest) = element(content, SEQUENCE)?;
        let (_algorithm, rest) = element(rest, SEQUENCE)?;
        let (_signature, rest) = element(rest, BIT_STRING)?;
        rest.is_empty().then_some(())
    };
    inside().is_some()
}

/// The content of an element of DER with this tag and at most 65,535 bytes, and what stands behind it (X.690, section
/// 10.1: the length takes as few bytes as it can).
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (length, rest) = match rest {
        [0x81, length, rest @ ..] if *length >= 0x80 => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] if *high > 0 => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        [length, rest @ ..] if *length < 0x80 => (usize::from(*length), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
/// As many as a verifier takes beside the key's own.
const MAX_CERTIFICATES: usize = 4;
/// At most as much as a verifier takes of a chain.
pub(crate) const MAX_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests;
