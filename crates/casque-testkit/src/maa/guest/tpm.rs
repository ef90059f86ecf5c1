//! Structures of the TPM as a guest sends them (TPM 2.0 Library Part 2: `TPM2B_PUBLIC` 12.2, `TPMS_ATTEST` 10.12).
//! Integers are big endian. For the layouts see `azure_vm::encryption_key` and the verifier's module `azure_vm::tpm`.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::sha256;

use crate::azure_vm::name_of;

/// The public area of an RSA key of 2048 bits whose name is by SHA-256.
#[derive(Debug)]
pub(super) struct PublicArea {
    /// `TPMT_PUBLIC`.
    area: Vec<u8>,
    /// `TPMA_OBJECT`.
    pub(super) attributes: u32,
    /// `authPolicy`.
    pub(super) policy: Vec<u8>,
    pub(super) modulus: Vec<u8>,
    /// Big endian, without leading zeros.
    pub(super) exponent: Vec<u8>,
}

impl PublicArea {
    pub(super) const EXPECTED: &'static str =
        "`TPM2B_PUBLIC` of an RSA key of 2048 bits with SHA-256 as its name's algorithm";

    /// Reads `TPM2B_PUBLIC`, to its last byte.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let area = reader.sized()?;
        reader.end()?;
        let mut reader = Reader(area);
        (reader.u16()? == RSA && reader.u16()? == SHA_256).then_some(())?;
        let attributes = reader.u32()?;
        let policy = reader.sized()?.to_vec();
        (reader.u16()? == NULL).then_some(())?;
        match reader.u16()? {
            NULL | RSAES => {}
            RSASSA | RSAPSS | OAEP => drop(reader.u16()?),
            _ => return None,
        }
        (reader.u16()? == 2048).then_some(())?;
        let exponent = match reader.u32()? {
            0 => DEFAULT_EXPONENT,
            other => other,
        };
        let modulus = reader.sized()?.to_vec();
        reader.end()?;
        let is_whole = modulus.len() == 256 && modulus.first()? & 0x80 != 0;
        let exponent = exponent.to_be_bytes();
        let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
        is_whole.then(|| Self {
            area: area.to_vec(),
            attributes,
            policy,
            modulus,
            exponent: exponent.into_iter().skip(zeros).collect(),
        })
    }

    /// The algorithm of the name, and the digest of the area.
    pub(super) fn name(&self) -> Vec<u8> {
        name_of(&self.area)
    }

    /// Whether `signature` is this key's over `message` (RSASSA-PKCS1-v1_5 with SHA-256).
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = self
            .components()
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature);
        verified.is_ok()
    }

    pub(super) const fn components(&self) -> RsaPublicKeyComponents<&[u8]> {
        RsaPublicKeyComponents {
            n: self.modulus.as_slice(),
            e: self.exponent.as_slice(),
        }
    }

    /// `n` of a JWK (RFC 7518 section 6.3.1).
    pub(super) fn modulus_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.modulus)
    }

    /// `e` of a JWK.
    pub(super) fn exponent_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.exponent)
    }
}

/// What the TPM states about registers or a key.
#[derive(Debug)]
pub(super) struct Statement {
    /// `TPMS_ATTEST`, which is signed.
    pub(super) message: Vec<u8>,
    attested: Attested,
}

#[derive(Debug)]
enum Attested {
    Quote {
        /// Bank, and bits with register 0 first.
        selections: Vec<(u16, Vec<u8>)>,
        digest: Vec<u8>,
    },
    Certification {
        name: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum StatementKind {
    Quote,
    Certification,
}

impl StatementKind {
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Quote => "`TPMS_ATTEST` of a quote (FF544347, type 8018)",
            Self::Certification => "`TPMS_ATTEST` of a key's certification (FF544347, type 8017)",
        }
    }
}

impl Statement {
    /// Reads a statement of at most 1 KiB, to its last byte.
    pub(super) fn parse(message: Vec<u8>, kind: StatementKind) -> Option<Self> {
        (message.len() <= MAX_STATEMENT_BYTES).then_some(())?;
        let mut reader = Reader(&message);
        (reader.array()? == b"\xFFTCG").then_some(())?;
        let found = reader.u16()?;
        // The signer's name and the extra data.
        (reader.sized()?.len() <= 68 && reader.sized()?.len() <= 64).then_some(())?;
        let [.., is_safe] = reader.array::<17>()?;
        (*is_safe <= 1).then_some(())?;
        let _firmware_version = reader.array::<8>()?;
        let attested = match (kind, found) {
            (StatementKind::Quote, ATTEST_QUOTE) => Attested::Quote {
                selections: selections(&mut reader)?,
                digest: reader.sized()?.to_vec(),
            },
            (StatementKind::Certification, ATTEST_CERTIFY) => {
                let name = reader.sized()?.to_vec();
                let _qualified_name = reader.sized()?;
                Attested::Certification { name }
            }
            _ => return None,
        };
        reader.end()?;
        Some(Self { message, attested })
    }

    /// The registers of the SHA-256 bank that are quoted, rising, and the digest over them; `None` where another bank
    /// is, or none.
    pub(super) fn quoted(&self) -> Option<(Vec<u8>, &[u8])> {
        let Attested::Quote { selections, digest } = &self.attested else {
            return None;
        };
        let [(SHA_256, select)] = selections.as_slice() else {
            return None;
        };
        let is_set = |register: &u8| {
            let byte = select.get(usize::from(register / 8));
            byte.is_some_and(|byte| byte >> (register % 8) & 1 == 1)
        };
        Some(((0..=u8::MAX).filter(is_set).collect(), digest))
    }

    /// The name of the key that is certified.
    pub(super) fn certified_name(&self) -> Option<&[u8]> {
        match &self.attested {
            Attested::Certification { name } => Some(name),
            Attested::Quote { .. } => None,
        }
    }
}

fn selections(reader: &mut Reader<'_>) -> Option<Vec<(u16, Vec<u8>)>> {
    let count = reader.u32()?;
    (count <= MAX_SELECTIONS).then_some(())?;
    let mut selections = Vec::new();
    for _ in 0..count {
        let bank = reader.u16()?;
        let [size] = reader.array()?;
        (usize::from(*size) <= MAX_SELECT_BYTES).then_some(())?;
        selections.push((bank, reader.slice(usize::from(*size))?.to_vec()));
    }
    Some(selections)
}

/// SHA-256 over the values.
pub(super) fn digest_of(registers: &[(u8, [u8; 32])]) -> [u8; 32] {
    let values: Vec<u8> = registers.iter().flat_map(|(_, value)| *value).collect();
    *sha256(&values).as_bytes()
}

/// What is left to read; every read is bounded by it.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(first)
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().copied().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().copied().map(u32::from_be_bytes)
    }

    /// Bytes behind their length of two bytes.
    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.slice(usize::from(length))
    }

    /// `None` where something is left.
    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

// `TPM_ALG_ID`.
const RSA: u16 = 0x0001;
const SHA_256: u16 = 0x000B;
const NULL: u16 = 0x0010;
const RSASSA: u16 = 0x0014;
const RSAES: u16 = 0x0015;
const RSAPSS: u16 = 0x0016;
const OAEP: u16 = 0x0017;
// `TPM_ST`.
const ATTEST_CERTIFY: u16 = 0x8017;
const ATTEST_QUOTE: u16 = 0x8018;
const DEFAULT_EXPONENT: u32 = 65_537;
const MAX_STATEMENT_BYTES: usize = 1024;
const MAX_SELECTIONS: u32 = 16;
const MAX_SELECT_BYTES: usize = 4;
