//! Private keys, parsed: their public half, and signatures for issuing certificates.
//!
//! Not a general key type: a key stays PKCS#8 DER in a [`Secret`] wherever it is kept, and is parsed where
//! its public half or a signature is needed. Curves beyond what a policy can ask for (P-521) are read
//! because Key Vault makes such certificates.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use casque_types::Secret;
use der::Decode as _;
use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey,
};

/// A parsed private key.
pub(crate) enum PrivateKey {
    Ecdsa(EcdsaKeyPair, &'static SignatureAlgorithm),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl PrivateKey {
    /// Reads PKCS#8 DER of a P-256, P-384, P-521, Ed25519 or RSA key of 2048 to 8192 bits.
    pub(crate) fn parse(pkcs8: &Secret) -> Option<Self> {
        // Exposed to be parsed by the provider.
        let bytes = pkcs8.expose();
        // The provider does not refuse trailing bytes itself.
        der::asn1::AnyRef::from_der(bytes).ok()?;
        for (curve, algorithm) in CURVES {
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(curve, bytes) {
                return Some(Self::Ecdsa(pair, algorithm));
            }
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(bytes) {
            return Some(Self::Ed25519(pair));
        }
        RsaKeyPair::from_pkcs8(bytes).ok().map(Self::Rsa)
    }

    /// DER `SubjectPublicKeyInfo`; `None` when the provider failed.
    pub(crate) fn spki(&self) -> Option<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Ecdsa(pair, _) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
            Self::Rsa(pair) => pair.public_key().as_der(),
        }
        .ok()?;
        Some(der.as_ref().to_vec())
    }

    /// PKCS#8 in version 1 of a key whose usual form is version 2; `None` for other keys.
    pub(crate) fn in_version_1(&self) -> Option<Secret> {
        let Self::Ed25519(pair) = self else {
            return None;
        };
        // The provider wipes its own copy.
        let document = pair.to_pkcs8v1().ok()?;
        Some(Secret::copied_from(document.as_ref()))
    }

    /// Whether it is an RSA key, which TLS may also use for key transport.
    pub(crate) const fn is_rsa(&self) -> bool {
        matches!(self, Self::Rsa(_))
    }
}

impl PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        match self {
            Self::Ecdsa(pair, _) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
            Self::Rsa(pair) => pair.public_key().as_ref(),
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self {
            Self::Ecdsa(_, algorithm) => algorithm,
            Self::Ed25519(_) => &PKCS_ED25519,
            Self::Rsa(_) => &PKCS_RSA_SHA256,
        }
    }
}

impl SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let failed = |_| rcgen::Error::RemoteKeyError;
        let rng = SystemRandom::new();
        match self {
            Self::Ecdsa(pair, _) => {
                let signature = pair.sign(&rng, message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Self::Ed25519(pair) => {
                let signature = pair.try_sign(message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0_u8; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

static CURVES: [(&EcdsaSigningAlgorithm, &SignatureAlgorithm); 3] = [
    (&ECDSA_P256_SHA256_ASN1_SIGNING, &PKCS_ECDSA_P256_SHA256),
    (&ECDSA_P384_SHA384_ASN1_SIGNING, &PKCS_ECDSA_P384_SHA384),
    (&ECDSA_P521_SHA512_ASN1_SIGNING, &PKCS_ECDSA_P521_SHA512),
];
