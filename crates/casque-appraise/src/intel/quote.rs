//! What quotes of SGX and TDX have in common (Intel SGX ECDSA Quote Library Reference and Intel TDX DCAP Quote
//! Generation Library, "Quote Format"): the header, the signature data, the certificates. Verifies nothing.
//!
//! ```text
//! header  48  version 2 | key type 2 (2: P-256) | TEE type 4 (0 SGX, 0x81 TDX) | QE SVN 2 | PCE SVN 2
//!              | QE vendor id 16 | user data 20: QE id 16, unused 4
//! body        by TEE and version; report data within
//! length   4  of all that follows
//! signature   64, by the attestation key over header and body | attestation key 64, a point of P-256
//! then, in version 3:      QE part
//! then, in versions 4, 5:  certification data: type 2 (6), length 4, QE part
//! QE part:    QE report 384 | its signature by the PCK key 64 | authentication data: length 2, bytes
//!              | certification data: type 2 (5: PCK chain in PEM), length 4, chain
//! ```
//! Integers have their least significant byte first.

use std::sync::OnceLock;

use casque_types::Digest;
use dcap_qvl::config::{Config, ParsedCert, PckCa, X509Codec};
use dcap_qvl::configs::DefaultConfig;
use dcap_qvl::{INTEL_QE_VENDOR_ID, intel};

use crate::bytes::Reader;
use crate::{Claim, EvidenceParseError, IntelEndorsementsId, IntelTee, PckAuthority};

/// A quote's bytes, and where in them stands what its attester chose and signed.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    bytes: Vec<u8>,
    report_data_at: usize,
    signed_bytes: usize,
    tee: IntelTee,
    /// Read once: certificates take longer than all the rest.
    id: OnceLock<Result<IntelEndorsementsId, EvidenceParseError>>,
}

impl Signed {
    /// A quote that was read: of which TEE, where its report data begin, how many bytes are signed.
    pub(super) fn new(
        tee: IntelTee,
        bytes: &[u8],
        report_data_at: usize,
        signed_bytes: usize,
    ) -> Self {
        Self {
            bytes: bytes.to_vec(),
            report_data_at,
            signed_bytes,
            tee,
            id: OnceLock::new(),
        }
    }

    /// All bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The parts, for a verifier.
    pub(super) fn parts(&self) -> Option<Parts<'_>> {
        let mut quote = Reader::new(&self.bytes);
        let before_report_data = quote.slice(self.report_data_at)?;
        quote.array::<REPORT_DATA_BYTES>()?;
        let read = self.report_data_at.checked_add(REPORT_DATA_BYTES)?;
        let after_report_data = quote.slice(self.signed_bytes.checked_sub(read)?)?;
        let length = quote.array::<4>()?;
        let signature = quote.array::<SIGNATURE_BYTES>()?;
        let vouched = quote.rest();
        Some(Parts {
            signed: self.bytes.get(..self.signed_bytes)?,
            signature,
            attestation_key: vouched.first_chunk()?,
            lasting: [before_report_data, after_report_data, length, vouched],
        })
    }

    /// Which endorsements it needs: family and issuer of the PCK certificate that it brings.
    pub(super) fn endorsements_id(&self) -> Result<IntelEndorsementsId, EvidenceParseError> {
        self.id.get_or_init(|| self.read_endorsements_id()).clone()
    }

    fn read_endorsements_id(&self) -> Result<IntelEndorsementsId, EvidenceParseError> {
        let kind = kind_of(self.tee);
        let malformed = |expected| EvidenceParseError::Malformed { kind, expected };
        // Read by the verifier's own parsers, so that both mean the same certificate.
        let unreadable = |_| malformed("a chain of PCK certificates in PEM");
        let quote = dcap_qvl::quote::Quote::parse(&self.bytes).map_err(unreadable)?;
        let chain = intel::extract_cert_chain(&quote).map_err(unreadable)?;
        let leaf = chain
            .first()
            .ok_or(malformed("a PCK certificate in the chain"))?;
        let extension = intel::parse_pck_extension(leaf)
            .map_err(|_| malformed("a PCK certificate with Intel's SGX extension"))?;
        let certificate = <DefaultConfig as Config>::X509::from_der(leaf).map_err(unreadable)?;
        let authority = match certificate.pck_ca() {
            Some(PckCa::Processor) => PckAuthority::Processor,
            Some(PckCa::Platform) => PckAuthority::Platform,
            None => {
                return Err(malformed(
                    "a PCK certificate issued by Intel's PCK Processor CA or PCK Platform CA",
                ));
            }
        };
        Ok(IntelEndorsementsId {
            tee: self.tee,
            fmspc: extension.fmspc,
            authority,
        })
    }

    /// What its certificates say of the platform, where they can be read.
    pub(super) fn platform_claims(&self) -> Vec<Claim> {
        self.endorsements_id().map_or_else(
            |_| Vec::new(),
            |id| {
                vec![
                    Claim::new("fmspc", hex::encode(id.fmspc)),
                    Claim::new("pck_authority", id.authority.as_str()),
                ]
            },
        )
    }
}

/// A quote cut where its signature is.
pub(super) struct Parts<'a> {
    /// Header and body.
    pub(super) signed: &'a [u8],
    /// `r` and `s`.
    pub(super) signature: &'a [u8; SIGNATURE_BYTES],
    /// `x` and `y`.
    pub(super) attestation_key: &'a [u8; 64],
    /// Everything but the report data and the signature: the same in all quotes of one state of one platform.
    pub(super) lasting: [&'a [u8]; 4],
}

/// What the header says.
pub(super) struct Header {
    pub(super) version: u16,
    pub(super) qe_svn: u16,
    pub(super) pce_svn: u16,
    pub(super) qe_id: Digest<16>,
}

impl Header {
    /// Reads it; `layout` says which versions there may be.
    pub(super) fn parse(
        quote: &mut Reader<'_>,
        layout: &Layout,
    ) -> Result<Self, EvidenceParseError> {
        let malformed = |expected| EvidenceParseError::Malformed {
            kind: kind_of(layout.tee),
            expected,
        };
        let cut_off = malformed(MORE_BYTES);
        let version = quote.u16_le().ok_or(cut_off.clone())?;
        if !layout.versions.contains(&version) {
            return Err(malformed(layout.expected_version));
        }
        if quote.u16_le() != Some(ECDSA_P256) {
            return Err(malformed("attestation key type 2, ECDSA with P-256"));
        }
        if quote.array::<4>() != Some(layout.tee_type) {
            return Err(malformed(layout.expected_tee_type));
        }
        let qe_svn = quote.u16_le().ok_or(cut_off.clone())?;
        let pce_svn = quote.u16_le().ok_or(cut_off.clone())?;
        if quote.array::<16>() != Some(&INTEL_QE_VENDOR_ID) {
            return Err(malformed("Intel's QE vendor id"));
        }
        let qe_id = *quote.array::<16>().ok_or(cut_off.clone())?;
        quote.array::<4>().ok_or(cut_off)?; // user data that is not used
        Ok(Self {
            version,
            qe_svn,
            pce_svn,
            qe_id: Digest::from(qe_id),
        })
    }

    /// What it says, for people. The versions of QE and PCE are judged from the certified QE report instead.
    pub(super) fn claims(&self) -> Vec<Claim> {
        vec![
            Claim::new("version", self.version),
            Claim::new("qe_svn", self.qe_svn),
            Claim::new("pce_svn", self.pce_svn),
            Claim::new("qe_id", self.qe_id),
        ]
    }
}

/// What a header of one TEE must say.
pub(super) struct Layout {
    pub(super) tee: IntelTee,
    pub(super) versions: &'static [u16],
    pub(super) expected_version: &'static str,
    pub(super) tee_type: &'static [u8; 4],
    pub(super) expected_tee_type: &'static str,
}

/// Refuses what is longer than any quote.
pub(super) const fn expect_bounded(tee: IntelTee, bytes: &[u8]) -> Result<(), EvidenceParseError> {
    if bytes.len() > MAX_QUOTE_BYTES {
        return Err(EvidenceParseError::TooLong {
            kind: kind_of(tee),
            limit_bytes: MAX_QUOTE_BYTES,
            found_bytes: bytes.len(),
        });
    }
    Ok(())
}

/// Signature and attestation key.
pub(super) fn parse_signature_and_key(
    tee: IntelTee,
    data: &mut Reader<'_>,
) -> Result<(), EvidenceParseError> {
    data.array::<{ SIGNATURE_BYTES + 64 }>()
        .map(|_| ())
        .ok_or(cut_off(tee))
}

/// The QE part, to its end.
pub(super) fn parse_qe_part(tee: IntelTee, mut part: Reader<'_>) -> Result<(), EvidenceParseError> {
    let kind = kind_of(tee);
    let malformed = |expected| EvidenceParseError::Malformed { kind, expected };
    part.array::<{ REPORT_BYTES + SIGNATURE_BYTES }>()
        .ok_or(cut_off(tee))?;
    let authentication_bytes = part.u16_le().ok_or(cut_off(tee))?;
    part.slice(usize::from(authentication_bytes))
        .ok_or(cut_off(tee))?;
    if part.u16_le() != Some(CERTIFICATION_PCK_CHAIN) {
        return Err(malformed(
            "certification data of type 5, the PCK certificate chain",
        ));
    }
    let chain_bytes = part.length_u32_le().ok_or(cut_off(tee))?;
    part.slice(chain_bytes).ok_or(cut_off(tee))?;
    if !part.is_at_end() {
        return Err(malformed("nothing after the PCK certificate chain"));
    }
    Ok(())
}

/// The kind, for people.
pub(super) const fn kind_of(tee: IntelTee) -> &'static str {
    match tee {
        IntelTee::Sgx => "SGX quote",
        IntelTee::Tdx => "TDX quote",
    }
}

/// It ends too early.
pub(super) const fn cut_off(tee: IntelTee) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: kind_of(tee),
        expected: MORE_BYTES,
    }
}

pub(super) const MAX_QUOTE_BYTES: usize = 16 * 1024;
pub(super) const HEADER_BYTES: usize = 48;
pub(super) const REPORT_BYTES: usize = 384;
pub(super) const REPORT_DATA_BYTES: usize = 64;
const SIGNATURE_BYTES: usize = 64;
const MORE_BYTES: &str = "more bytes: it is cut off";
const ECDSA_P256: u16 = 2;
const CERTIFICATION_PCK_CHAIN: u16 = 5;
