//! Values that come from outside: given in a policy, or held by Azure Key Vault.
//!
//! Key Vault keeps text alone (spec/azure.md sections 2.2 and 2.3), and its content type is free text that
//! anyone may set: it never decides how a value is read, the value itself does.
//!
//! Without a `kind`, a vault's value is
//! 1. x509, when a line of it begins a PEM certificate; then all of it must be sound;
//! 2. ascii, the text as it stands, otherwise. That includes PKCS#12, which Key Vault writes in base64.
//!
//! With `kind: binary` the language does not say how text becomes bytes. Here it is
//! 1. hexadecimal digits, when there are an even number of digits and nothing else: the language itself
//!    writes binary values so, and the same text must mean the same bytes in a policy and in a vault;
//! 2. else base64 (RFC 4648 section 4 or 5) with its padding and canonical: what tools write into vaults;
//! 3. else the UTF-8 bytes of the text.
//!
//! Who cannot live with that order stores hexadecimal digits, which are never taken for anything else.

use casque_types::{Secret, SecretKind};
use data_encoding::{BASE64, BASE64URL, Encoding, HEXLOWER_PERMISSIVE};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::certificate::spki_of;
use crate::pem::{CERTIFICATE, PRIVATE_KEY, PUBLIC_KEY, PemBlock, has_certificate, read_pem};
use crate::public_key::is_public_key;
use crate::value::is_text;
use crate::{CertificateChain, SecretValue};

/// Why a text is no value of a kind.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum ImportError {
    /// Not UTF-8, or holds NUL.
    #[error("expected text without NUL; use `kind: binary` for other bytes")]
    Text,
    /// Not in the encoding that the policy states.
    #[error("the vault's text is not in the `encoding` that the policy states")]
    Encoding,
    /// Nobody gives a token or keeps one in a vault.
    #[error(
        "a token of kind `aad-token` is fetched from Entra ID: it has no value and is in no vault"
    )]
    Token,
    /// Nobody gives what the service makes itself.
    #[error(
        "a secret of kind `{kind}` is made by this service: it has no value and is in no vault"
    )]
    NotGiven {
        /// The kind asked for.
        kind: SecretKind,
    },
    /// No PEM block at all.
    #[error("expected PEM text for `kind: {kind}`, such as `-----BEGIN {}-----`", first_label(*.kind))]
    NotPem {
        /// The kind asked for.
        kind: SecretKind,
    },
    /// PEM in one line, with `\n` written as two characters.
    #[error(
        "expected PEM text with line feeds, found `\\n` written as two characters: store it from a file (`--file`)"
    )]
    EscapedLineFeeds,
    /// A block that is cut off, has headers, or whose base64 is wrong.
    #[error("a PEM block is damaged: cut off, with headers inside, or not base64")]
    DamagedPem,
    /// PKCS#12 where PEM is needed.
    #[error(
        "expected PEM text for `kind: {kind}`, found a PKCS#12 file in base64: set the certificate's content type to PEM in Key Vault, or leave `kind` out to get the PKCS#12 as text"
    )]
    Pkcs12 {
        /// The kind asked for.
        kind: SecretKind,
    },
    /// PEM without a certificate.
    #[error("expected a PEM block `CERTIFICATE`, found none")]
    NoCertificate,
    /// PEM without a key.
    #[error("expected a PEM block `PRIVATE KEY` (PKCS#8), found none")]
    NoPrivateKey,
    /// More than one private key.
    #[error("expected one private key, found more")]
    SeveralPrivateKeys,
    /// PKCS#1 or SEC1.
    #[error(
        "expected a private key in PKCS#8 (`PRIVATE KEY`), found the older `{label}`: convert it with `openssl pkcs8 -topk8 -nocrypt`"
    )]
    LegacyKey {
        /// The block's label.
        label: &'static str,
    },
    /// A key under a passphrase.
    #[error(
        "expected a private key without passphrase, found an encrypted one: decrypt it with `openssl pkcs8`"
    )]
    EncryptedKey,
    /// A key that cannot be used.
    #[error(
        "expected a key of type P-256, P-384, Ed25519 or RSA with 2048 to 8192 bits, in PKCS#8; found another or a damaged one"
    )]
    KeyAlgorithm,
    /// Something that is neither certificate nor private key.
    #[error("expected PEM blocks `CERTIFICATE` and `PRIVATE KEY` alone, found another")]
    OtherBlock,
    /// Certificates where a key alone is expected.
    #[error("expected a private key alone, found certificates beside it: use `kind: x509`")]
    CertificateBesideKey,
    /// A certificate that does not parse.
    #[error("certificate {position} is no X.509 certificate in DER")]
    Certificate {
        /// Which one, from 1.
        position: usize,
    },
    /// The key belongs to none of the certificates.
    #[error("the private key belongs to none of the certificates beside it")]
    KeyMismatch,
    /// Not UTF-8, or holds NUL.
    #[error("expected UTF-8 text without NUL for `kind: config-fragment`")]
    Fragment,
    /// PEM that is not one public key.
    #[error(
        "expected one PEM block `PUBLIC KEY` alone for `kind: public-key`, found another or more: `openssl pkey -pubout` writes it from a private key"
    )]
    PublicKeyBlock,
    /// A public key that cannot be used.
    #[error(
        "expected a public key of type P-256, P-384, P-521, Ed25519 or RSA with 2048 to 8192 bits, in SubjectPublicKeyInfo DER; found another or a damaged one"
    )]
    PublicKeyAlgorithm,
    /// A certificate that may not issue others.
    #[error(
        "expected a certificate that may issue others (basic constraints `CA:TRUE`) for `kind: x509-ca`; use `kind: x509` for others"
    )]
    NotAuthority,
}

impl SecretValue {
    /// A value that a policy gives: text for ascii, bytes for binary, PEM for keys and certificates.
    ///
    /// A certificate may have its issuers and its PKCS#8 key beside it, in any order.
    ///
    /// # Errors
    /// Text that is no value of that kind, each cause with what to do about it.
    pub fn from_given(kind: SecretKind, value: &Secret) -> Result<Self, ImportError> {
        match kind {
            SecretKind::Ascii => text(value),
            // A second owner, since the policy keeps its own.
            SecretKind::Binary => Ok(Self::Binary(value.duplicate())),
            SecretKind::PrivateKey => {
                let pem = ReadPem::read(value, kind)?;
                if !pem.certificates.is_empty() {
                    return Err(ImportError::CertificateBesideKey);
                }
                pem.private_key()
            }
            SecretKind::X509 | SecretKind::X509Ca => certificate(value, kind),
            SecretKind::AadToken => Err(ImportError::Token),
            SecretKind::PublicKey => public_key(value),
            SecretKind::ConfigFragment => fragment(value),
            kind @ (SecretKind::SessionCa | SecretKind::PgpKey | SecretKind::Jwt) => {
                Err(ImportError::NotGiven { kind })
            }
        }
    }

    /// The value of a Key Vault secret; `kind` as the policy says, inferred when it does not.
    ///
    /// `kind: private-key` takes the key out of a certificate's PEM too.
    ///
    /// # Errors
    /// Text that is no value of that kind, each cause with what to do about it.
    pub fn from_vault(kind: Option<SecretKind>, value: &Secret) -> Result<Self, ImportError> {
        match kind.unwrap_or_else(|| inferred_kind(value)) {
            SecretKind::Ascii => text(value),
            SecretKind::Binary => Ok(Self::Binary(bytes_of_text(value))),
            kind @ SecretKind::PrivateKey => ReadPem::read(value, kind)?.private_key(),
            kind @ (SecretKind::X509 | SecretKind::X509Ca) => certificate(value, kind),
            SecretKind::AadToken => Err(ImportError::Token),
            SecretKind::PublicKey => public_key(value),
            SecretKind::ConfigFragment => fragment(value),
            kind @ (SecretKind::SessionCa | SecretKind::PgpKey | SecretKind::Jwt) => {
                Err(ImportError::NotGiven { kind })
            }
        }
    }
}

fn inferred_kind(value: &Secret) -> SecretKind {
    match value.expose_text() {
        Some(text) if has_certificate(text) => SecretKind::X509,
        _ => SecretKind::Ascii,
    }
}

fn text(value: &Secret) -> Result<SecretValue, ImportError> {
    if !is_text(value) {
        return Err(ImportError::Text);
    }
    // A second owner, since whoever gave the value keeps its own.
    Ok(SecretValue::Ascii(value.duplicate()))
}

fn fragment(value: &Secret) -> Result<SecretValue, ImportError> {
    if !is_text(value) {
        return Err(ImportError::Fragment);
    }
    // A second owner, since whoever gave the value keeps its own.
    Ok(SecretValue::ConfigFragment(value.duplicate()))
}

fn public_key(value: &Secret) -> Result<SecretValue, ImportError> {
    let blocks = read_blocks(value, SecretKind::PublicKey)?;
    let [block] = &blocks[..] else {
        return Err(ImportError::PublicKeyBlock);
    };
    if block.label != PUBLIC_KEY {
        return Err(ImportError::PublicKeyBlock);
    }
    // Exposed because a public key is no secret.
    let spki = block.der.expose();
    if !is_public_key(spki) {
        return Err(ImportError::PublicKeyAlgorithm);
    }
    Ok(SecretValue::PublicKey(spki.to_vec()))
}

fn certificate(value: &Secret, kind: SecretKind) -> Result<SecretValue, ImportError> {
    let pem = ReadPem::read(value, kind)?;
    if pem.certificates.is_empty() {
        return Err(ImportError::NoCertificate);
    }
    let chain = CertificateChain::ordered(pem.certificates, pem.private_key)?;
    if kind == SecretKind::X509 {
        return Ok(SecretValue::X509(chain));
    }
    if !chain.is_authority() {
        return Err(ImportError::NotAuthority);
    }
    Ok(SecretValue::X509Ca(chain))
}

fn bytes_of_text(value: &Secret) -> Secret {
    for encoding in [HEXLOWER_PERMISSIVE, BASE64, BASE64URL] {
        if let Some(bytes) = decoded(&encoding, value) {
            return bytes;
        }
    }
    // A second owner, since whoever gave the value keeps its own.
    value.duplicate()
}

fn decoded(encoding: &Encoding, value: &Secret) -> Option<Secret> {
    // Exposed to be decoded into a wiped buffer.
    let text = value.expose();
    if text.is_empty() {
        return None;
    }
    let length = encoding.decode_len(text.len()).ok()?;
    let mut bytes = Zeroizing::new(vec![0_u8; length]);
    let written = encoding.decode_mut(text, &mut bytes).ok()?;
    bytes.truncate(written);
    Some(Secret::from(bytes))
}

/// Whether a text is PKCS#12 in base64, as Key Vault writes it: `PFX ::= SEQUENCE { version INTEGER 3, …`.
pub(crate) fn is_pkcs12_text(value: &Secret) -> bool {
    let Some(der) = decoded(&BASE64, value) else {
        return false;
    };
    // Exposed to look at its first bytes: tag, length of any form, then version 3 and a sequence.
    let Some((&0x30, rest)) = der.expose().split_first() else {
        return false;
    };
    let Some((&length, rest)) = rest.split_first() else {
        return false;
    };
    let more = if length > 0x80 {
        usize::from(length & 0x7f)
    } else {
        0
    };
    rest.get(more..)
        .is_some_and(|body| body.starts_with(&[0x02, 0x01, 0x03, 0x30]))
}

/// The blocks of a PEM text, sorted.
struct ReadPem {
    certificates: Vec<Vec<u8>>,
    private_key: Option<Secret>,
}

impl ReadPem {
    fn read(value: &Secret, kind: SecretKind) -> Result<Self, ImportError> {
        let blocks = read_blocks(value, kind)?;
        let mut read = Self {
            certificates: Vec::new(),
            private_key: None,
        };
        for block in blocks {
            read.take(block)?;
        }
        Ok(read)
    }

    fn take(&mut self, block: PemBlock<'_>) -> Result<(), ImportError> {
        match block.label {
            // Exposed because a certificate is no secret.
            CERTIFICATE => self.certificates.push(block.der.expose().to_vec()),
            PRIVATE_KEY if self.private_key.is_some() => {
                return Err(ImportError::SeveralPrivateKeys);
            }
            PRIVATE_KEY => self.private_key = Some(block.der),
            "RSA PRIVATE KEY" => {
                return Err(ImportError::LegacyKey {
                    label: "RSA PRIVATE KEY",
                });
            }
            "EC PRIVATE KEY" => {
                return Err(ImportError::LegacyKey {
                    label: "EC PRIVATE KEY",
                });
            }
            "ENCRYPTED PRIVATE KEY" => return Err(ImportError::EncryptedKey),
            _ => return Err(ImportError::OtherBlock),
        }
        Ok(())
    }

    fn private_key(self) -> Result<SecretValue, ImportError> {
        let key = self.private_key.ok_or(ImportError::NoPrivateKey)?;
        // Only to see that it is a key.
        let _spki = spki_of(&key)?;
        Ok(SecretValue::PrivateKey(key))
    }
}

/// The blocks of a PEM text, of which there is at least one.
fn read_blocks(value: &Secret, kind: SecretKind) -> Result<Vec<PemBlock<'_>>, ImportError> {
    let text = value.expose_text().ok_or(ImportError::NotPem { kind })?;
    let blocks = read_pem(text).map_err(|_| why_unreadable(text))?;
    if blocks.is_empty() {
        return Err(why_no_block(value, text, kind));
    }
    Ok(blocks)
}

fn why_unreadable(text: &str) -> ImportError {
    // The headers that OpenSSL writes into keys under a passphrase (RFC 1421 section 4.6.1.1).
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return ImportError::EncryptedKey;
    }
    if has_escaped_line_feeds(text) {
        return ImportError::EscapedLineFeeds;
    }
    ImportError::DamagedPem
}

/// The label of the block that a kind needs.
const fn first_label(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::PrivateKey => PRIVATE_KEY,
        SecretKind::PublicKey => PUBLIC_KEY,
        _ => CERTIFICATE,
    }
}

fn has_escaped_line_feeds(text: &str) -> bool {
    text.contains("-----BEGIN ") && text.contains("\\n")
}

fn why_no_block(value: &Secret, text: &str, kind: SecretKind) -> ImportError {
    if is_pkcs12_text(value) {
        return ImportError::Pkcs12 { kind };
    }
    if has_escaped_line_feeds(text) {
        return ImportError::EscapedLineFeeds;
    }
    ImportError::NotPem { kind }
}

#[cfg(test)]
mod tests;
