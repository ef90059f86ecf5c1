//! Keys that sign reports, and what their certificates say (AMD publication 57230, section 3).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair as _,
};
use casque_types::{Secret, SnpTcb, Timestamp};

use super::SnpSoftwarePlatform;
use super::authorities::Authority;
use super::der_text::{
    A_DAY, Critical, TWENTY_YEARS, bit_string, extension, ia5_string, integer, octet_string, oid,
    sequence,
};
use crate::sgx::SoftwareTeeError;

/// A key that signs reports, with its certificate.
#[derive(Clone, Debug)]
pub struct SoftwareVek {
    /// PKCS#8, DER.
    pub(super) key: std::sync::Arc<Secret>,
    /// X.509, DER.
    pub certificate: Vec<u8>,
}

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct VekSpec {
    /// The product as it is spelled, such as `Milan-B0`.
    pub product: String,
    /// The level.
    pub tcb: SnpTcb,
    /// Whose key it is.
    pub holder: VekHolder,
    /// Who issues it.
    pub authority: Authority,
    /// First and last second of its life.
    pub valid: (Timestamp, Timestamp),
    /// Its serial number, big endian; AMD's are zero.
    pub serial: Vec<u8>,
    /// What is wrong with it.
    pub flaw: Option<VekFlaw>,
}

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VekHolder {
    /// One chip's: a VCEK.
    Chip(Vec<u8>),
    /// A cloud provider's: a VLEK.
    Provider(String),
}

/// One thing wrong with a certificate; it is signed all the same, unless the signature is it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VekFlaw {
    /// Its issuer did not sign it.
    Signature,
    /// It is signed with SHA-256 and a shorter salt.
    ShortSalt,
    /// It has no extension for the product.
    NoProduct,
    /// It has no extension for the microcode's level.
    NoMicrocode,
    /// It names both a chip and a provider.
    BothHolders,
    /// It names neither.
    NoHolder,
    /// The hardware id is inside an octet string; no flaw, some of AMD's are so.
    WrappedHardwareId,
    /// The key is on P-256.
    OtherCurve,
    /// A critical extension that nobody knows.
    CriticalExtension,
}

impl VekSpec {
    /// The VCEK of a platform.
    #[must_use]
    pub fn vcek(platform: &SnpSoftwarePlatform, now: Timestamp) -> Self {
        Self {
            product: platform.product.as_str().to_owned(),
            tcb: platform.tcb,
            holder: VekHolder::Chip(platform.chip_id.clone()),
            authority: Authority::Ask,
            valid: (now.minus(A_DAY), now.plus(TWENTY_YEARS)),
            serial: vec![0],
            flaw: None,
        }
    }

    /// The VLEK of its provider.
    #[must_use]
    pub fn vlek(platform: &SnpSoftwarePlatform, now: Timestamp) -> Self {
        Self {
            holder: VekHolder::Provider(platform.provider.clone()),
            authority: Authority::Asvk,
            ..Self::vcek(platform, now)
        }
    }

    /// The same with one thing wrong.
    #[must_use]
    pub const fn with_flaw(mut self, flaw: VekFlaw) -> Self {
        self.flaw = Some(flaw);
        self
    }

    pub(super) const fn common_name(&self) -> &'static str {
        match self.holder {
            VekHolder::Chip(_) => "Casque SEV-VCEK",
            VekHolder::Provider(_) => "Casque SEV-VLEK",
        }
    }

    /// AMD's extensions, one after the other.
    pub(super) fn extensions(&self) -> Result<Vec<u8>, SoftwareTeeError> {
        let mut all = Vec::new();
        let mut add = |number: &str, contents: &[u8]| {
            let kind = format!("{ARC}.{number}");
            all.extend(extension(&kind, Critical::No, contents)?);
            Ok::<_, SoftwareTeeError>(())
        };
        add("1", &integer(&[1]))?;
        if self.flaw != Some(VekFlaw::NoProduct) {
            add("2", &ia5_string(&self.product))?;
        }
        add("3.1", &integer(&[self.tcb.bootloader]))?;
        add("3.2", &integer(&[self.tcb.tee]))?;
        for reserved in ["3.4", "3.5", "3.6", "3.7"] {
            add(reserved, &integer(&[0]))?;
        }
        add("3.3", &integer(&[self.tcb.snp]))?;
        if self.flaw != Some(VekFlaw::NoMicrocode) {
            add("3.8", &integer(&[self.tcb.microcode]))?;
        }
        if let Some(fmc) = self.tcb.fmc {
            add("3.9", &integer(&[fmc]))?;
        }
        match &self.holder {
            _ if self.flaw == Some(VekFlaw::NoHolder) => {}
            VekHolder::Chip(id) if self.flaw == Some(VekFlaw::WrappedHardwareId) => {
                add("4", &octet_string(id))?;
            }
            VekHolder::Chip(id) => add("4", id)?,
            VekHolder::Provider(name) => add("5", &ia5_string(name))?,
        }
        if self.flaw == Some(VekFlaw::BothHolders) {
            add("5", &ia5_string("CN=casque.invalid"))?;
        }
        if self.flaw == Some(VekFlaw::CriticalExtension) {
            let kind = format!("{ARC}.99");
            all.extend(extension(&kind, Critical::Yes, &integer(&[1]))?);
        }
        Ok(all)
    }

    fn curve(&self) -> (&'static EcdsaSigningAlgorithm, &'static str) {
        if self.flaw == Some(VekFlaw::OtherCurve) {
            (&ECDSA_P256_SHA256_FIXED_SIGNING, "1.2.840.10045.3.1.7")
        } else {
            (&ECDSA_P384_SHA384_FIXED_SIGNING, "1.3.132.0.34")
        }
    }
}

impl SoftwareVek {
    pub(super) fn make_key(spec: &VekSpec) -> Result<std::sync::Arc<Secret>, SoftwareTeeError> {
        let document = EcdsaKeyPair::generate_pkcs8(spec.curve().0, &SystemRandom::new())
            .map_err(|_| SoftwareTeeError::Key)?;
        Ok(std::sync::Arc::new(Secret::copied_from(document.as_ref())))
    }

    /// The public key with its curve, as a certificate has it.
    pub(super) fn spki(key: &Secret, spec: &VekSpec) -> Result<Vec<u8>, SoftwareTeeError> {
        let (algorithm, curve) = spec.curve();
        // Exposed: the provider needs the key to tell its public half.
        let pair =
            EcdsaKeyPair::from_pkcs8(algorithm, key.expose()).map_err(|_| SoftwareTeeError::Key)?;
        let algorithm = sequence(&[&oid("1.2.840.10045.2.1")?, &oid(curve)?]);
        Ok(sequence(&[
            &algorithm,
            &bit_string(pair.public_key().as_ref()),
        ]))
    }

    /// `r || s`, big endian, 48 bytes each.
    pub(super) fn sign(&self, message: &[u8]) -> Result<[u8; 96], SoftwareTeeError> {
        // Exposed: the provider needs the key to sign with it.
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, self.key.expose())
            .map_err(|_| SoftwareTeeError::Key)?;
        let signature = pair
            .sign(&SystemRandom::new(), message)
            .map_err(|_| SoftwareTeeError::Key)?;
        signature
            .as_ref()
            .try_into()
            .map_err(|_| SoftwareTeeError::Key)
    }
}

const ARC: &str = "1.3.6.1.4.1.3704.1";
