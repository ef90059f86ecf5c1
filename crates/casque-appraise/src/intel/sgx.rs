//! An SGX quote, version 3 (Intel SGX ECDSA Quote Library Reference, "Quote Format"; Intel SDM 3D, REPORT; the
//! fields of key separation and sharing, KSS, as in Intel's `sgx_report.h`). Reads the layout; verifies nothing.
//!
//! ```text
//!   0  header     48  see the module `quote`
//!  48  report    384  see `Report`
//! 432  length      4  of the signature data, which end the quote
//! ```

use casque_types::{Digest, MrEnclave, MrSigner, SgxIdentity};

use super::quote::{self, HEADER_BYTES, Header, Layout, REPORT_BYTES, REPORT_DATA_BYTES, Signed};
use crate::bytes::Reader;
use crate::{Claim, EvidenceParseError, IntelEndorsementsId, IntelTee};

/// An SGX quote, parsed, not verified: whatever it says, anyone may have written.
#[derive(Clone, Debug)]
pub struct SgxQuote {
    signed: Signed,
    identity: SgxIdentity,
    report_data: [u8; 64],
    qe_id: Digest<16>,
}

impl SgxQuote {
    /// Reads a version 3 quote with an ECDSA-P256 signature and an embedded PCK certificate chain: at most
    /// 16 KiB, exactly the layout above, nothing behind it.
    ///
    /// # Errors
    /// [`EvidenceParseError`] says what should have stood at the first place that is not as it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceParseError> {
        quote::expect_bounded(TEE, bytes)?;
        let mut quote = Reader::new(bytes);
        let header = Header::parse(&mut quote, &LAYOUT)?;
        let report = quote.array::<REPORT_BYTES>().ok_or(CUT_OFF)?;
        let report = Report::parse(report).ok_or(CUT_OFF)?;
        let length = quote.length_u32_le().ok_or(CUT_OFF)?;
        let mut data = Reader::new(quote.slice(length).ok_or(CUT_OFF)?);
        if !quote.is_at_end() {
            return Err(malformed("nothing after the signature data"));
        }
        quote::parse_signature_and_key(TEE, &mut data)?;
        quote::parse_qe_part(TEE, data)?;
        Ok(Self {
            signed: Signed::new(TEE, bytes, REPORT_DATA_AT, SIGNED_BYTES),
            identity: report.identity(),
            report_data: report.report_data,
            qe_id: header.qe_id,
        })
    }

    /// Which endorsements it needs: FMSPC and issuer of the PCK certificate that it brings.
    ///
    /// # Errors
    /// [`EvidenceParseError::Malformed`] when the chain, the certificate's SGX extension
    /// (1.2.840.113741.1.13.1) or its issuer cannot be read.
    pub fn endorsements_id(&self) -> Result<IntelEndorsementsId, EvidenceParseError> {
        self.signed.endorsements_id()
    }

    /// The quote as it came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The 64 bytes that the enclave chose.
    #[must_use]
    pub const fn report_data(&self) -> &[u8; 64] {
        &self.report_data
    }

    /// The id of the quoting enclave on its platform: the first 16 bytes of the header's user data.
    #[must_use]
    pub const fn qe_id(&self) -> &Digest<16> {
        &self.qe_id
    }

    /// The enclave that it claims to be from.
    #[must_use]
    pub const fn claimed_identity(&self) -> &SgxIdentity {
        &self.identity
    }

    /// Everything that it states: header, report, and what the PCK certificate says of the platform (`fmspc`,
    /// `pck_authority`) where it can be read.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let mut quote = Reader::new(self.as_bytes());
        let mut claims = Header::parse(&mut quote, &LAYOUT)
            .map_or_else(|_| Vec::new(), |header| header.claims());
        let report = quote.array::<REPORT_BYTES>().and_then(Report::parse);
        claims.extend(report.map_or_else(Vec::new, |report| report.claims()));
        claims.extend(self.signed.platform_claims());
        claims
    }

    /// What a verifier needs.
    pub(super) const fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The most bytes that a quote may have.
    pub const MAX_BYTES: usize = quote::MAX_QUOTE_BYTES;
}

/// ```text
///   0 CPUSVN 16 | MISCSELECT 4 | reserved 12 | ISVEXTPRODID 16 | ATTRIBUTES 16 (bit 1: DEBUG) | MRENCLAVE 32
///  96 reserved 32 | MRSIGNER 32 | reserved 32 | CONFIGID 64 | ISVPRODID 2 | ISVSVN 2 | CONFIGSVN 2
/// 262 reserved 42 | ISVFAMILYID 16 | REPORTDATA 64
/// ```
struct Report {
    cpu_svn: Digest<16>,
    misc_select: [u8; 4],
    isv_ext_prod_id: Digest<16>,
    attributes: Digest<16>,
    mr_enclave: [u8; 32],
    mr_signer: [u8; 32],
    config_id: Digest<64>,
    isv_prod_id: u16,
    isv_svn: u16,
    config_svn: u16,
    isv_family_id: Digest<16>,
    report_data: [u8; REPORT_DATA_BYTES],
}

impl Report {
    fn parse(report: &[u8; REPORT_BYTES]) -> Option<Self> {
        let mut report = Reader::new(report);
        let cpu_svn = Digest::from(*report.array()?);
        let misc_select = *report.array()?;
        report.array::<12>()?;
        let isv_ext_prod_id = Digest::from(*report.array()?);
        let attributes = Digest::from(*report.array()?);
        let mr_enclave = *report.array()?;
        report.array::<32>()?;
        let mr_signer = *report.array()?;
        report.array::<32>()?;
        let config_id = Digest::from(*report.array()?);
        let isv_prod_id = report.u16_le()?;
        let isv_svn = report.u16_le()?;
        let config_svn = report.u16_le()?;
        report.array::<42>()?;
        Some(Self {
            cpu_svn,
            misc_select,
            isv_ext_prod_id,
            attributes,
            mr_enclave,
            mr_signer,
            config_id,
            isv_prod_id,
            isv_svn,
            config_svn,
            isv_family_id: Digest::from(*report.array()?),
            report_data: *report.array()?,
        })
    }

    fn identity(&self) -> SgxIdentity {
        SgxIdentity {
            mr_enclave: MrEnclave::from(self.mr_enclave),
            mr_signer: MrSigner::from(self.mr_signer),
            product_id: self.isv_prod_id,
            svn: self.isv_svn,
            debug: self.debug(),
        }
    }

    const fn debug(&self) -> bool {
        let [flags, ..] = *self.attributes.as_bytes();
        flags & ATTRIBUTE_DEBUG != 0
    }

    fn claims(&self) -> Vec<Claim> {
        vec![
            Claim::new("mrenclave", MrEnclave::from(self.mr_enclave)),
            Claim::new("mrsigner", MrSigner::from(self.mr_signer)),
            Claim::new("isvprodid", self.isv_prod_id),
            Claim::new("isvsvn", self.isv_svn),
            Claim::new("debug", self.debug()),
            Claim::new("attributes", self.attributes),
            Claim::new("miscselect", hex::encode(self.misc_select)),
            Claim::new("cpusvn", self.cpu_svn),
            Claim::new("configid", self.config_id),
            Claim::new("configsvn", self.config_svn),
            Claim::new("isvfamilyid", self.isv_family_id),
            Claim::new("isvextprodid", self.isv_ext_prod_id),
            Claim::new("report_data", hex::encode(self.report_data)),
        ]
    }
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: quote::kind_of(TEE),
        expected,
    }
}

const TEE: IntelTee = IntelTee::Sgx;
const CUT_OFF: EvidenceParseError = quote::cut_off(TEE);
const LAYOUT: Layout = Layout {
    tee: TEE,
    versions: &[3],
    expected_version: "version 3 in its first two bytes (a bare quote, without the 16 bytes that Open Enclave puts before it)",
    tee_type: &[0; 4],
    expected_tee_type: "TEE type 0, SGX",
};
const SIGNED_BYTES: usize = HEADER_BYTES + REPORT_BYTES;
const REPORT_DATA_AT: usize = SIGNED_BYTES - REPORT_DATA_BYTES;
const ATTRIBUTE_DEBUG: u8 = 0b10;
