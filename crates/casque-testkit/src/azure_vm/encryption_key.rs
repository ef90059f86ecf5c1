//! The key of a guest's TPM that the attestation service seals its tokens to, what the TPM says of it, and opening.
//!
//! ```text
//! TPM2B_PUBLIC: size 2 | TPMT_PUBLIC: type 0001 | nameAlg 000B | objectAttributes 4 | authPolicy 2 + 32
//!   | symmetric 0010 | scheme 0010 | keyBits 2 | exponent 4 | unique 2 + 256
//! name: 000B | SHA-256(TPMT_PUBLIC)
//! TPMS_ATTEST, type 8017: head | name 2 + 34 | qualifiedName 2 + 34
//! policy: SHA-256(32 zeros | TPM_CC_PolicyPCR 0000017F | TPML_PCR_SELECTION | SHA-256(registers))
//! ```
//! Source: TPM 2.0 Library Part 1 section 16 (names), Part 2 sections 8.3, 10.12 and 12.2, Part 3 section 23.7.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_types::{Secret, sha256};
use serde::Deserialize;
use thiserror::Error;

use super::quote::{SHA_256, StatementHead, sign, sized};
use super::{SoftwareVtpm, SoftwareVtpmError, public_numbers};

/// A key pair of the TPM: RSA of 2048 bits.
#[derive(Debug)]
pub struct TpmEncryptionKey {
    /// PKCS#8 DER.
    private: Secret,
    /// `TPMT_PUBLIC`.
    area: Vec<u8>,
}

/// One thing wrong with the public area of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptionKeyFlaw {
    /// These attributes (`TPMA_OBJECT`).
    Attributes(u32),
    /// This policy.
    Policy([u8; 32]),
}

/// What the TPM says of a key.
#[derive(Clone, Debug)]
pub struct TpmCertification {
    /// `TPMS_ATTEST` of `TPM2_Certify`.
    pub message: Vec<u8>,
    /// RSASSA-PKCS1 with SHA-256.
    pub signature: Vec<u8>,
}

/// One thing wrong with what the TPM says of a key; it is signed as it stands, unless the signature is it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TpmCertificationFlaw {
    /// Another type, such as 8018 (`TPM_ST_ATTEST_QUOTE`).
    Type(u16),
    /// Another name.
    Name,
    /// A byte stands behind it.
    TrailingByte,
    /// Changed after it was signed.
    Signature,
}

/// Why a sealed token cannot be opened.
#[derive(Debug, Error)]
pub enum UnsealError {
    /// It has another form.
    #[error(
        "expected a sealed token: JSON with `Jwt`, `EncryptedInnerKey`, `EncryptionParams.Iv`, `AuthenticationData`"
    )]
    Form,
    /// The content's key is sealed to another key.
    #[error("the sealed token's key is sealed to another key, or changed")]
    InnerKey,
    /// The content is not what was sealed.
    #[error("the sealed token's content was changed")]
    Content,
}

impl TpmEncryptionKey {
    /// A key as clients have their TPM make it: to be used while these registers hold these values.
    ///
    /// # Errors
    /// [`SoftwareVtpmError::Key`]: the provider failed.
    pub fn generate(registers: &[(u8, [u8; 32])]) -> Result<Self, SoftwareVtpmError> {
        Self::generate_flawed(registers, None)
    }

    /// The same with one thing wrong.
    ///
    /// # Errors
    /// As [`TpmEncryptionKey::generate`].
    pub fn generate_flawed(
        registers: &[(u8, [u8; 32])],
        flaw: Option<EncryptionKeyFlaw>,
    ) -> Result<Self, SoftwareVtpmError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| SoftwareVtpmError::Key)?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| SoftwareVtpmError::Key)?;
        let (modulus, _) =
            public_numbers(pair.public_key().as_ref()).ok_or(SoftwareVtpmError::Key)?;
        let mut area = KeyArea {
            attributes: KeyArea::ENCRYPTION,
            policy: pcr_policy(registers).to_vec(),
            scheme: &[0x00, 0x10],
            modulus: &modulus,
        };
        match flaw {
            Some(EncryptionKeyFlaw::Attributes(other)) => area.attributes = other,
            Some(EncryptionKeyFlaw::Policy(other)) => area.policy = other.to_vec(),
            None => {}
        }
        Ok(Self {
            private: Secret::copied_from(pkcs8.as_ref()),
            area: area.to_bytes(),
        })
    }

    /// `TPM2B_PUBLIC`.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        sized(&self.area)
    }

    fn name(&self) -> Vec<u8> {
        name_of(&self.area)
    }

    /// Opens a token that the attestation service sealed to this key: the JWS.
    ///
    /// # Errors
    /// [`UnsealError`].
    pub fn open(&self, sealed: &str) -> Result<String, UnsealError> {
        let sealed = raw::Sealed::parse(sealed).ok_or(UnsealError::Form)?;
        let inner = self.decrypt(&sealed.encrypted_inner_key)?;
        let nonce = Nonce::try_assume_unique_for_key(&sealed.iv).map_err(|_| UnsealError::Form)?;
        let mut content = [sealed.jwt, sealed.authentication_data].concat();
        // Exposed: the content is decrypted with it.
        let key = RandomizedNonceKey::new(&AES_256_GCM, inner.expose());
        let opened = key
            .and_then(|key| key.open_in_place(nonce, Aad::from(SEALED_FOR), &mut content))
            .map_err(|_| UnsealError::Content)?;
        String::from_utf8(opened.to_vec()).map_err(|_| UnsealError::Content)
    }

    fn decrypt(&self, sealed: &[u8]) -> Result<Secret, UnsealError> {
        // Exposed: the provider needs the key to decrypt with it.
        let key = PrivateDecryptingKey::from_pkcs8(self.private.expose());
        let key = key.map_err(|_| UnsealError::InnerKey)?;
        let key = Pkcs1PrivateDecryptingKey::new(key).map_err(|_| UnsealError::InnerKey)?;
        let mut inner = vec![0; key.min_output_size()];
        let inner = key.decrypt(sealed, &mut inner);
        inner
            .map(|inner| Secret::copied_from(inner))
            .map_err(|_| UnsealError::InnerKey)
    }
}

impl SoftwareVtpm {
    /// What the TPM says of this key.
    ///
    /// # Errors
    /// [`SoftwareVtpmError::Key`]: the provider failed.
    pub fn certify(&self, key: &TpmEncryptionKey) -> Result<TpmCertification, SoftwareVtpmError> {
        self.certify_flawed(key, None)
    }

    /// The same with one thing wrong.
    ///
    /// # Errors
    /// As [`SoftwareVtpm::certify`].
    pub fn certify_flawed(
        &self,
        key: &TpmEncryptionKey,
        flaw: Option<TpmCertificationFlaw>,
    ) -> Result<TpmCertification, SoftwareVtpmError> {
        let mut head = StatementHead::of(ATTEST_CERTIFY);
        if let Some(TpmCertificationFlaw::Type(other)) = flaw {
            head.kind = other;
        }
        let mut name = key.name();
        if flaw == Some(TpmCertificationFlaw::Name)
            && let Some(byte) = name.last_mut()
        {
            *byte ^= 1;
        }
        let qualified = name_of(&name);
        let mut message = [head.to_bytes(), sized(&name), sized(&qualified)].concat();
        if flaw == Some(TpmCertificationFlaw::TrailingByte) {
            message.push(0);
        }
        let signature = sign(&self.attestation_key, &message)?;
        if flaw == Some(TpmCertificationFlaw::Signature)
            && let Some(byte) = message.last_mut()
        {
            *byte ^= 1;
        }
        Ok(TpmCertification { message, signature })
    }

    /// The public part of the attestation key, `TPM2B_PUBLIC`.
    #[must_use]
    pub fn ak_public(&self) -> Vec<u8> {
        let area = KeyArea {
            attributes: KeyArea::ATTESTATION,
            policy: Vec::new(),
            scheme: &[0x00, 0x14, 0x00, 0x0B],
            modulus: &self.modulus,
        };
        sized(&area.to_bytes())
    }
}

/// A public area, `TPMT_PUBLIC`, of an RSA key of 2048 bits that encrypts nothing symmetric.
pub(crate) struct KeyArea<'a> {
    attributes: u32,
    policy: Vec<u8>,
    /// `TPMT_RSA_SCHEME`.
    scheme: &'a [u8],
    modulus: &'a [u8],
}

impl KeyArea<'_> {
    pub(crate) const FIXED_TPM: u32 = 1 << 1;
    pub(crate) const FIXED_PARENT: u32 = 1 << 4;
    pub(crate) const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
    pub(crate) const USER_WITH_AUTH: u32 = 1 << 6;
    pub(crate) const NO_DA: u32 = 1 << 10;
    pub(crate) const RESTRICTED: u32 = 1 << 16;
    pub(crate) const DECRYPT: u32 = 1 << 17;
    pub(crate) const SIGN: u32 = 1 << 18;
    /// Made in this TPM and never to leave it.
    const OF_THIS_TPM: u32 = Self::FIXED_TPM | Self::FIXED_PARENT | Self::SENSITIVE_DATA_ORIGIN;
    /// As clients ask for.
    const ENCRYPTION: u32 = Self::OF_THIS_TPM | Self::NO_DA | Self::DECRYPT;
    const ATTESTATION: u32 =
        Self::OF_THIS_TPM | Self::USER_WITH_AUTH | Self::RESTRICTED | Self::SIGN;

    fn to_bytes(&self) -> Vec<u8> {
        let mut area = vec![0x00, 0x01];
        area.extend(SHA_256.to_be_bytes());
        area.extend(self.attributes.to_be_bytes());
        area.extend(sized(&self.policy));
        area.extend([0x00, 0x10]);
        area.extend(self.scheme);
        area.extend(2048_u16.to_be_bytes());
        // 0 stands for 65537.
        area.extend([0; 4]);
        area.extend(sized(self.modulus));
        area
    }
}

/// `TPM2B_NAME` without its size: the algorithm, and the digest.
pub(crate) fn name_of(area: &[u8]) -> Vec<u8> {
    let digest = sha256(area);
    [SHA_256.to_be_bytes().as_slice(), digest.as_bytes()].concat()
}

/// The digest of a policy of `PolicyPCR` alone, over these registers of the SHA-256 bank, in rising order.
pub(crate) fn pcr_policy(registers: &[(u8, [u8; 32])]) -> [u8; 32] {
    let mut select = [0_u8; 3];
    let mut values = Vec::new();
    for (register, value) in registers {
        if let Some(byte) = select.get_mut(usize::from(register / 8)) {
            *byte |= 1 << (register % 8);
        }
        values.extend(value);
    }
    let mut policy = vec![0; 32];
    policy.extend(POLICY_PCR.to_be_bytes());
    policy.extend(1_u32.to_be_bytes());
    policy.extend(SHA_256.to_be_bytes());
    policy.push(3);
    policy.extend(select);
    policy.extend(sha256(&values).as_bytes());
    *sha256(&policy).as_bytes()
}

/// The additional data of the sealed content.
pub(crate) const SEALED_FOR: &[u8] = b"Transport Key";
const ATTEST_CERTIFY: u16 = 0x8017;
const POLICY_PCR: u32 = 0x0000_017F;

/// The sealed token as it stands on the wire.
mod raw {
    use base64::Engine as _;

    use super::{Deserialize, STANDARD, URL_SAFE_NO_PAD};

    /// Its members, decoded.
    pub(super) struct Sealed {
        pub(super) jwt: Vec<u8>,
        pub(super) encrypted_inner_key: Vec<u8>,
        pub(super) iv: Vec<u8>,
        pub(super) authentication_data: Vec<u8>,
    }

    impl Sealed {
        pub(super) fn parse(text: &str) -> Option<Self> {
            let json = URL_SAFE_NO_PAD.decode(text).ok()?;
            let members: Members = serde_json::from_slice(&json).ok()?;
            let decode = |text: &str| STANDARD.decode(text).ok();
            Some(Self {
                jwt: decode(&members.jwt)?,
                encrypted_inner_key: decode(&members.encrypted_inner_key)?,
                iv: decode(&members.encryption_params.iv)?,
                authentication_data: decode(&members.authentication_data)?,
            })
        }
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", deny_unknown_fields)]
    struct Members {
        jwt: String,
        encrypted_inner_key: String,
        encryption_params: Params,
        authentication_data: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", deny_unknown_fields)]
    struct Params {
        iv: String,
    }
}
