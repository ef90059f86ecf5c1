//! Values of secrets.
use casque_types::{Secret, SecretKind};
use thiserror::Error;

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
}

/// A certificate, its issuers, its key.
#[derive(Debug)]
pub struct CertificateChain {
    /// DER; the leaf first, then each issuer up to and with the root; never empty.
    pub certificates: Vec<Vec<u8>>,
    /// PKCS#8 DER.
    pub private_key: Option<Secret>,
}

impl CertificateChain {
    /// Adds the leaf's key, PKCS#8 DER.
    ///
    /// # Errors
    /// The key is not the leaf's.
    pub fn attach_private_key(&mut self, _key: Secret) -> Result<(), ImportError> {
        todo!()
    }
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
        }
    }

    /// The value as the store keeps it (layout in this module; versioned by its first byte).
    #[must_use]
    pub fn to_stored(&self) -> Secret {
        todo!()
    }

    /// Reads [`SecretValue::to_stored`] back.
    ///
    /// # Errors
    /// Not such bytes.
    pub fn from_stored(_bytes: &Secret) -> Result<Self, ValueParseError> {
        todo!()
    }

    /// A value that a policy gives: text for ascii, bytes for binary, PEM for keys and certificates.
    ///
    /// # Errors
    /// Text that is no value of that kind.
    pub fn from_given(_kind: SecretKind, _value: &Secret) -> Result<Self, ImportError> {
        todo!()
    }

    /// The value of a Key Vault secret; `kind` as the policy says, inferred when it does not.
    ///
    /// # Errors
    /// Text that is no value of that kind.
    pub fn from_vault(
        _kind: Option<SecretKind>,
        _value: &Secret,
        _content_type: Option<&str>,
    ) -> Result<Self, ImportError> {
        todo!()
    }
}

/// Stored bytes are no value.
#[derive(Debug, Error)]
#[error("the stored value is damaged")]
pub struct ValueParseError;

/// Why a text is no value of a kind.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Not UTF-8, or holds NUL.
    #[error("expected text without NUL")]
    Text,
}
