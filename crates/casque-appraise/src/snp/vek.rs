//! Certificates of the keys that sign reports: VCEK and VLEK (AMD publication 57230, section 3).
//!
//! AMD's extensions, under 1.3.6.1.4.1.3704.1: 2 product (IA5String), 3.1 boot loader, 3.2 TEE, 3.3 SNP, 3.8
//! microcode, 3.9 FMC (Turin), 4 hardware id of a VCEK, 5 cloud provider of a VLEK.
//! Exactly one of the last two stands in a certificate, and says which kind it is.

use casque_types::{SnpProduct, SnpSigner, SnpTcb};
use der::Decode as _;
use der::asn1::{Ia5StringRef, ObjectIdentifier, OctetStringRef, Utf8StringRef};

use crate::x509::Certificate;
use crate::{EvidenceParseError, VcekId};

/// A certificate of a VCEK or VLEK with its extensions read, not verified.
#[derive(Clone, Debug)]
pub(crate) struct Vek {
    pub(super) certificate: Certificate,
    pub(super) product: SnpProduct,
    pub(super) tcb: SnpTcb,
    pub(super) holder: Holder,
}

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// VCEK: one chip's, by its hardware id, 64 bytes, 8 on Turin.
    Chip(Vec<u8>),
    /// VLEK: a cloud provider's, by AMD's name for it.
    Provider(String),
}

impl Vek {
    /// Whether a certificate says that it is of a VCEK or VLEK.
    pub(super) fn is_one(certificate: &Certificate) -> bool {
        certificate.extension(PRODUCT).is_some()
    }

    /// Reads the extensions.
    ///
    /// # Errors
    /// [`EvidenceParseError::Malformed`] names the extension that is missing or cannot be read.
    pub(super) fn of(certificate: Certificate) -> Result<Self, EvidenceParseError> {
        let product = product_of(&certificate)?;
        let level = |oid, expected| level_of(&certificate, oid, expected);
        let tcb = SnpTcb {
            fmc: match product {
                SnpProduct::Turin => Some(level(FMC, "extension 3.9, the FMC's level")?),
                SnpProduct::Milan | SnpProduct::Genoa => None,
            },
            bootloader: level(BOOTLOADER, "extension 3.1, the boot loader's level")?,
            tee: level(TEE, "extension 3.2, the TEE's level")?,
            snp: level(SNP, "extension 3.3, the SNP firmware's level")?,
            microcode: level(MICROCODE, "extension 3.8, the microcode's level")?,
        };
        let holder = holder_of(&certificate, product)?;
        Ok(Self {
            certificate,
            product,
            tcb,
            holder,
        })
    }

    /// Which kind of key it is of.
    pub(super) const fn signer(&self) -> SnpSigner {
        match self.holder {
            Holder::Chip(_) => SnpSigner::Vcek,
            Holder::Provider(_) => SnpSigner::Vlek,
        }
    }
}

/// Whether a certificate says that it is of this VCEK; what cannot be read is of none.
pub(crate) fn is_of(certificate: &Certificate, product: SnpProduct, vcek: &VcekId) -> bool {
    Vek::of(certificate.clone()).is_ok_and(|vek| {
        (vek.product, vek.tcb, vek.holder)
            == (product, vcek.tcb, Holder::Chip(vcek.chip_id.clone()))
    })
}

/// `Milan-B0`, `Genoa`, `Turin-B1`: the name before a hyphen. Siena's keys are under Genoa's root (57230), and
/// so are Bergamo's; the chain, not the name, decides whether that is so.
fn product_of(certificate: &Certificate) -> Result<SnpProduct, EvidenceParseError> {
    let expected = malformed("extension 2, the product: `Milan`, `Genoa`, `Siena` or `Turin`");
    let name = certificate
        .extension(PRODUCT)
        .and_then(|bytes| Ia5StringRef::from_der(bytes).ok())
        .ok_or(expected.clone())?;
    let name = name.as_str();
    match name.split_once('-').map_or(name, |(line, _)| line) {
        "Milan" => Ok(SnpProduct::Milan),
        "Genoa" | "Siena" | "Bergamo" => Ok(SnpProduct::Genoa),
        "Turin" => Ok(SnpProduct::Turin),
        _ => Err(expected),
    }
}

fn level_of(
    certificate: &Certificate,
    oid: ObjectIdentifier,
    expected: &'static str,
) -> Result<u8, EvidenceParseError> {
    certificate
        .extension(oid)
        .and_then(|bytes| u8::from_der(bytes).ok())
        .ok_or(malformed(expected))
}

fn holder_of(certificate: &Certificate, product: SnpProduct) -> Result<Holder, EvidenceParseError> {
    let chip = certificate.extension(HARDWARE_ID);
    match (chip, certificate.extension(PROVIDER)) {
        (Some(id), None) => hardware_id_of(id, product).map(Holder::Chip),
        (None, Some(name)) => provider_of(name).map(Holder::Provider),
        _ => Err(malformed(
            "either extension 4, the hardware id of a VCEK, or 5, the provider of a VLEK",
        )),
    }
}

/// The bytes themselves; some certificates have them inside an octet string.
fn hardware_id_of(contents: &[u8], product: SnpProduct) -> Result<Vec<u8>, EvidenceParseError> {
    let length = match product {
        SnpProduct::Milan | SnpProduct::Genoa => 64,
        SnpProduct::Turin => 8,
    };
    let id = if contents.len() == length {
        Some(contents)
    } else {
        <&OctetStringRef>::from_der(contents)
            .ok()
            .map(OctetStringRef::as_bytes)
            .filter(|inner| inner.len() == length)
    };
    let expected = malformed("extension 4, the hardware id: 64 bytes, 8 on Turin");
    id.map(<[u8]>::to_vec).ok_or(expected)
}

fn provider_of(bytes: &[u8]) -> Result<String, EvidenceParseError> {
    let name = match Ia5StringRef::from_der(bytes) {
        Ok(name) => Some(name.as_str().to_owned()),
        Err(_) => Utf8StringRef::from_der(bytes)
            .ok()
            .map(|name| name.as_str().to_owned()),
    };
    name.filter(|name| name.chars().all(|c| c == ' ' || c.is_ascii_graphic()))
        .ok_or(malformed("extension 5, the provider, in printable ASCII"))
}

pub(super) const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: "certificate of an SNP signing key",
        expected,
    }
}

const PRODUCT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.2");
const BOOTLOADER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.1");
const TEE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.2");
const SNP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.3");
const MICROCODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.8");
const FMC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.3.9");
const HARDWARE_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.4");
const PROVIDER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.5");
