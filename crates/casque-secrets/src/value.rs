//! Values of secrets, and the bytes in which the store keeps them.
//!
//! Stored form, version 1 (`vectors/secrets/stored-*.txt`); numbers and fields as in `fields.rs`:
//!
//! ```text
//! 01 | kind, 1 byte | fields
//!
//! kind  fields
//! 01    ascii: the text
//! 02    binary: the bytes
//! 03    private-key: PKCS#8 DER
//! 04    x509: PKCS#8 DER or empty when no key is held, then every certificate, leaf first
//! 05    x509-ca: the same
//! 06    aad-token: the token
//! 07    public-key: SubjectPublicKeyInfo DER
//! 08    config-fragment: the text
//! 09    pgp-key: the transferable secret key, binary
//! 0a    jwt: the token
//! ```
//!
//! A session-ca is the x509-ca that it shows. Nothing may follow. The bytes are plaintext: the store seals them.

use casque_types::{Secret, SecretKind};
use thiserror::Error;

use crate::CertificateChain;
use crate::fields::{FieldReader, FieldWriter, field_bytes};

/// The value of a secret, of one of the language's kinds.
#[derive(Debug)]
pub enum SecretValue {
    /// Text without NUL.
    Ascii(Secret),
    /// Bytes.
    Binary(Secret),
    /// A private key, PKCS#8 DER.
    PrivateKey(Secret),
    /// A certificate with its issuers and, if held, its key.
    X509(CertificateChain),
    /// A certificate that may issue others.
    X509Ca(CertificateChain),
    /// An access token.
    AadToken(Secret),
    /// A public key, DER `SubjectPublicKeyInfo`.
    PublicKey(Vec<u8>),
    /// A part of a policy: UTF-8 text, YAML in flow style or JSON.
    ConfigFragment(Secret),
    /// An OpenPGP key: a transferable secret key, binary, without passphrase.
    PgpKey(Secret),
    /// A JSON Web Token, compact.
    Jwt(Secret),
}

/// Stored bytes are no value.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum ValueParseError {
    /// Written by a later version of Casque, or no value at all.
    #[error("the stored value has version {found}, expected {VERSION}: written by a newer Casque?")]
    Version {
        /// The version found; 0 when there is no byte at all.
        found: u8,
    },
    /// A kind that this version does not know.
    #[error("the stored value is of kind {found}, expected 1 to 10")]
    Kind {
        /// The kind found; 0 when there is none.
        found: u8,
    },
    /// The fields do not fit the kind: cut off, or followed by more.
    #[error("the stored value of kind `{kind}` is damaged")]
    Fields {
        /// The kind.
        kind: SecretKind,
    },
}

impl SecretValue {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> SecretKind {
        match self {
            Self::Ascii(_) => SecretKind::Ascii,
            Self::Binary(_) => SecretKind::Binary,
            Self::PrivateKey(_) => SecretKind::PrivateKey,
            Self::X509(_) => SecretKind::X509,
            Self::X509Ca(_) => SecretKind::X509Ca,
            Self::AadToken(_) => SecretKind::AadToken,
            Self::PublicKey(_) => SecretKind::PublicKey,
            Self::ConfigFragment(_) => SecretKind::ConfigFragment,
            Self::PgpKey(_) => SecretKind::PgpKey,
            Self::Jwt(_) => SecretKind::Jwt,
        }
    }

    /// The value as the store keeps it (layout in this module; versioned by its first byte).
    #[must_use]
    pub fn to_stored(&self) -> Secret {
        let fields = self.fields();
        let size = fields.iter().fold(2_usize, |size, field| {
            size.saturating_add(field_bytes(field.len()))
        });
        let mut writer = FieldWriter::with_capacity(size);
        writer.byte(VERSION);
        writer.byte(kind_byte(self.kind()));
        for field in fields {
            writer.field(field);
        }
        Secret::from(writer.finish())
    }

    /// Reads [`SecretValue::to_stored`] back.
    ///
    /// # Errors
    /// [`ValueParseError`]: the bytes are not what this version writes.
    pub fn from_stored(bytes: &Secret) -> Result<Self, ValueParseError> {
        // Exposed to be taken apart; each part is owned by a Secret again.
        let mut reader = FieldReader::new(bytes.expose());
        let found = reader.byte().unwrap_or_default();
        if found != VERSION {
            return Err(ValueParseError::Version { found });
        }
        let found = reader.byte().unwrap_or_default();
        let kind = kind_of_byte(found).ok_or(ValueParseError::Kind { found })?;
        let damaged = ValueParseError::Fields { kind };
        let value = Self::read_fields(kind, &mut reader).ok_or(damaged)?;
        if !reader.is_at_end() {
            return Err(damaged);
        }
        Ok(value)
    }

    fn fields(&self) -> Vec<&[u8]> {
        match self {
            // Exposed to be copied into the wiped buffer that the store seals.
            Self::Ascii(secret)
            | Self::Binary(secret)
            | Self::PrivateKey(secret)
            | Self::AadToken(secret)
            | Self::ConfigFragment(secret)
            | Self::PgpKey(secret)
            | Self::Jwt(secret) => vec![secret.expose()],
            Self::PublicKey(spki) => vec![spki],
            Self::X509(chain) | Self::X509Ca(chain) => {
                // Exposed for the same reason.
                let key = chain.private_key.as_ref().map_or(&[][..], Secret::expose);
                let certificates = chain.certificates.iter().map(Vec::as_slice);
                std::iter::once(key).chain(certificates).collect()
            }
        }
    }

    fn read_fields(kind: SecretKind, reader: &mut FieldReader<'_>) -> Option<Self> {
        match kind {
            SecretKind::Ascii => read_text(reader).map(Self::Ascii),
            SecretKind::ConfigFragment => read_text(reader).map(Self::ConfigFragment),
            SecretKind::Jwt => read_text(reader).map(Self::Jwt),
            SecretKind::Binary => Some(Self::Binary(Secret::copied_from(reader.field()?))),
            SecretKind::PrivateKey => Some(Self::PrivateKey(Secret::copied_from(reader.field()?))),
            SecretKind::AadToken => Some(Self::AadToken(Secret::copied_from(reader.field()?))),
            SecretKind::X509 => read_chain(reader).map(Self::X509),
            SecretKind::PgpKey => Some(Self::PgpKey(Secret::copied_from(reader.field()?))),
            SecretKind::PublicKey => Some(Self::PublicKey(reader.field()?.to_vec())),
            SecretKind::X509Ca | SecretKind::SessionCa => read_chain(reader).map(Self::X509Ca),
        }
    }
}

fn read_text(reader: &mut FieldReader<'_>) -> Option<Secret> {
    let text = Secret::copied_from(reader.field()?);
    is_text(&text).then_some(text)
}

fn read_chain(reader: &mut FieldReader<'_>) -> Option<CertificateChain> {
    let key = reader.field()?;
    let mut certificates = Vec::new();
    while !reader.is_at_end() {
        let certificate = reader.field()?;
        if certificate.is_empty() {
            return None;
        }
        certificates.push(certificate.to_vec());
    }
    (!certificates.is_empty()).then_some(CertificateChain {
        certificates,
        private_key: (!key.is_empty()).then(|| Secret::copied_from(key)),
    })
}

/// Whether it is UTF-8 without NUL.
pub(crate) fn is_text(secret: &Secret) -> bool {
    secret
        .expose_text()
        .is_some_and(|text| !text.contains('\0'))
}

const fn kind_byte(kind: SecretKind) -> u8 {
    match kind {
        SecretKind::Ascii => 1,
        SecretKind::Binary => 2,
        SecretKind::PrivateKey => 3,
        SecretKind::X509 => 4,
        SecretKind::X509Ca | SecretKind::SessionCa => 5,
        SecretKind::AadToken => 6,
        SecretKind::PublicKey => 7,
        SecretKind::ConfigFragment => 8,
        SecretKind::PgpKey => 9,
        SecretKind::Jwt => 10,
    }
}

const fn kind_of_byte(byte: u8) -> Option<SecretKind> {
    match byte {
        1 => Some(SecretKind::Ascii),
        2 => Some(SecretKind::Binary),
        3 => Some(SecretKind::PrivateKey),
        4 => Some(SecretKind::X509),
        5 => Some(SecretKind::X509Ca),
        6 => Some(SecretKind::AadToken),
        7 => Some(SecretKind::PublicKey),
        8 => Some(SecretKind::ConfigFragment),
        9 => Some(SecretKind::PgpKey),
        10 => Some(SecretKind::Jwt),
        _ => None,
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests;
