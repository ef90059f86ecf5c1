//! An SGX quote, version 3 (Intel SGX ECDSA Quote Library Reference, "Quote Format"; Intel SDM 3D, REPORT).
//! Reads the layout; verifies nothing.
//!
//! ```text
//!   0  header     48  version 3 | key type 2 (P-256) | TEE type 0 | QE SVN | PCE SVN | QE vendor 16
//!                    | user data 20: QE id 16, unused 4
//!  48  report    384  see `parse_report`
//! 432  length      4  of all that follows, least significant byte first
//! 436  signature  64  by the attestation key, over bytes 0..432
//! 500  key        64  attestation key, P-256 point
//! 564  QE report 384, its signature 64, QE authentication data (u16 length)
//!      certification data: type (u16, must be 5: PCK chain in PEM), length (u32), chain
//! ```

use casque_types::{Digest, MrEnclave, MrSigner, SgxIdentity};
use dcap_qvl::config::{Config, ParsedCert, PckCa, X509Codec};
use dcap_qvl::configs::DefaultConfig;
use dcap_qvl::{INTEL_QE_VENDOR_ID, intel, quote::Quote};

use crate::bytes::Reader;
use crate::{Claim, EvidenceParseError, IntelEndorsementsId, IntelTee, PckAuthority};

/// An SGX quote, parsed, not verified: whatever it says, anyone may have written.
#[derive(Clone, Debug)]
pub struct SgxQuote {
    bytes: Vec<u8>,
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
        if bytes.len() > Self::MAX_BYTES {
            return Err(EvidenceParseError::TooLong {
                kind: KIND,
                limit_bytes: Self::MAX_BYTES,
                found_bytes: bytes.len(),
            });
        }
        let mut quote = Reader::new(bytes);
        let qe_id = parse_header(&mut quote)?;
        let report = quote.array::<REPORT_BYTES>().ok_or(CUT_OFF)?;
        let (identity, report_data) = parse_report(report)?;
        let length = quote.length_u32_le().ok_or(CUT_OFF)?;
        let signature = quote.slice(length).ok_or(CUT_OFF)?;
        if !quote.is_at_end() {
            return Err(malformed("nothing after the signature data"));
        }
        parse_signature(signature)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            identity,
            report_data,
            qe_id,
        })
    }

    /// Which endorsements it needs: FMSPC and issuer of the PCK certificate that it brings.
    ///
    /// # Errors
    /// [`EvidenceParseError::Malformed`] when the chain, the certificate's SGX extension
    /// (1.2.840.113741.1.13.1) or its issuer cannot be read.
    pub fn endorsements_id(&self) -> Result<IntelEndorsementsId, EvidenceParseError> {
        // Read by the verifier's own parsers, so that both mean the same certificate.
        let unreadable = |_| malformed("a chain of PCK certificates in PEM");
        let quote = Quote::parse(&self.bytes).map_err(unreadable)?;
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
            tee: IntelTee::Sgx,
            fmspc: extension.fmspc,
            authority,
        })
    }

    /// The quote as it came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
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

    /// Everything that it states.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// The most bytes that a quote may have.
    pub const MAX_BYTES: usize = 16 * 1024;
}

/// The header; what it says of the quoting enclave's id.
fn parse_header(quote: &mut Reader<'_>) -> Result<Digest<16>, EvidenceParseError> {
    if quote.u16_le() != Some(3) {
        return Err(malformed(
            "version 3 in its first two bytes (a bare quote, without the 16 bytes that Open Enclave puts before it)",
        ));
    }
    if quote.u16_le() != Some(ECDSA_P256) {
        return Err(malformed("attestation key type 2, ECDSA with P-256"));
    }
    if quote.array::<4>() != Some(&[0; 4]) {
        return Err(malformed("TEE type 0, SGX"));
    }
    quote.array::<4>().ok_or(CUT_OFF)?; // SVNs of QE and PCE: judged from the certified QE report
    if quote.array::<16>() != Some(&INTEL_QE_VENDOR_ID) {
        return Err(malformed("Intel's QE vendor id"));
    }
    let qe_id = *quote.array::<16>().ok_or(CUT_OFF)?;
    quote.array::<4>().ok_or(CUT_OFF)?; // user data that is not used
    Ok(Digest::from(qe_id))
}

/// ```text
///   0 CPUSVN 16 | MISCSELECT 4 | reserved 12 | ISVEXTPRODID 16 | ATTRIBUTES 16 (bit 1: DEBUG) | MRENCLAVE 32
///  96 reserved 32 | MRSIGNER 32 | reserved 32 | CONFIGID 64 | ISVPRODID 2 | ISVSVN 2 | CONFIGSVN 2
/// 262 reserved 42 | ISVFAMILYID 16 | REPORTDATA 64
/// ```
fn parse_report(report: &[u8; 384]) -> Result<(SgxIdentity, [u8; 64]), EvidenceParseError> {
    let mut report = Reader::new(report);
    report.array::<48>().ok_or(CUT_OFF)?;
    let [flags, ..] = *report.array::<16>().ok_or(CUT_OFF)?;
    let mr_enclave = *report.array::<32>().ok_or(CUT_OFF)?;
    report.array::<32>().ok_or(CUT_OFF)?;
    let mr_signer = *report.array::<32>().ok_or(CUT_OFF)?;
    report.array::<96>().ok_or(CUT_OFF)?;
    let product_id = report.u16_le().ok_or(CUT_OFF)?;
    let svn = report.u16_le().ok_or(CUT_OFF)?;
    report.array::<60>().ok_or(CUT_OFF)?;
    let report_data = *report.array::<64>().ok_or(CUT_OFF)?;
    let identity = SgxIdentity {
        mr_enclave: MrEnclave::from(mr_enclave),
        mr_signer: MrSigner::from(mr_signer),
        product_id,
        svn,
        debug: flags & ATTRIBUTE_DEBUG != 0,
    };
    Ok((identity, report_data))
}

fn parse_signature(bytes: &[u8]) -> Result<(), EvidenceParseError> {
    let mut signature = Reader::new(bytes);
    signature
        .array::<{ 64 + 64 + REPORT_BYTES + 64 }>()
        .ok_or(CUT_OFF)?;
    let authentication_bytes = signature.u16_le().ok_or(CUT_OFF)?;
    signature
        .slice(usize::from(authentication_bytes))
        .ok_or(CUT_OFF)?;
    if signature.u16_le() != Some(CERTIFICATION_PCK_CHAIN) {
        return Err(malformed(
            "certification data of type 5, the PCK certificate chain",
        ));
    }
    let chain_bytes = signature.length_u32_le().ok_or(CUT_OFF)?;
    signature.slice(chain_bytes).ok_or(CUT_OFF)?;
    if !signature.is_at_end() {
        return Err(malformed("nothing after the PCK certificate chain"));
    }
    Ok(())
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: KIND,
        expected,
    }
}

const KIND: &str = "SGX quote";
const CUT_OFF: EvidenceParseError = malformed("more bytes: it is cut off");
const REPORT_BYTES: usize = 384;
const ECDSA_P256: u16 = 2;
const CERTIFICATION_PCK_CHAIN: u16 = 5;
const ATTRIBUTE_DEBUG: u8 = 0b10;
