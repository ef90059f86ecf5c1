//! A TDX quote, version 4 or 5 (Intel TDX DCAP Quote Generation Library, "Quote Format"; the bodies as in Intel's
//! `sgx_quote_4.h` and `sgx_quote_5.h`; attributes: Intel TDX Module ABI Specification 348551, table "TD attributes").
//! Reads the layout; verifies nothing.
//!
//! ```text
//!  0  header    48  see the module `quote`
//! version 4:
//! 48  body     584  TD report 1.0, see `Report`
//! version 5:
//! 48  type       2  2: TD report 1.0 | 3: 1.5 | 4: 1.5 with service TDs
//! 50  size       4  584 | 648 | 885
//! 54  body          see `Report`
//! both:
//!     length     4  of the signature data
//!     zeros         as many as the host likes
//! ```

use casque_types::{Digest, TdxIdentity};

use super::quote::{self, Header, Layout, REPORT_DATA_BYTES, Signed};
use crate::bytes::Reader;
use crate::{Claim, EvidenceParseError, IntelEndorsementsId, IntelTee};

/// A TDX quote, parsed, not verified: whatever it says, anyone may have written.
#[derive(Clone, Debug)]
pub struct TdxQuote {
    signed: Signed,
    identity: TdxIdentity,
    report_data: [u8; 64],
}

impl TdxQuote {
    /// Reads a quote with an ECDSA-P256 signature and an embedded PCK certificate chain: at most 16 KiB. Zeros
    /// behind the quote, with which clouds pad it, are cut off.
    ///
    /// # Errors
    /// [`EvidenceParseError`] says what should have stood at the first place that is not as it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceParseError> {
        quote::expect_bounded(TEE, bytes)?;
        let mut quote = Reader::new(bytes);
        let header = Header::parse(&mut quote, &LAYOUT)?;
        let body = Body::parse(&mut quote, header.version)?;
        let report = body.report().ok_or(CUT_OFF)?;
        let signed_bytes = bytes.len().saturating_sub(quote.rest().len());
        let length = quote.length_u32_le().ok_or(CUT_OFF)?;
        let data = quote.slice(length).ok_or(CUT_OFF)?;
        let padding = quote.rest();
        if padding.iter().any(|byte| *byte != 0) {
            return Err(malformed("nothing but zeros after the signature data"));
        }
        parse_signature_data(data)?;
        let whole = bytes.len().saturating_sub(padding.len());
        let report_data_at = signed_bytes
            .saturating_sub(body.bytes.len())
            .saturating_add(REPORT_DATA_IN_BODY);
        let bytes = bytes.get(..whole).ok_or(CUT_OFF)?;
        Ok(Self {
            signed: Signed::new(TEE, bytes, report_data_at, signed_bytes),
            identity: report.identity(),
            report_data: report.report_data,
        })
    }

    /// Which endorsements it needs.
    ///
    /// # Errors
    /// As [`SgxQuote::endorsements_id`](crate::SgxQuote::endorsements_id).
    pub fn endorsements_id(&self) -> Result<IntelEndorsementsId, EvidenceParseError> {
        self.signed.endorsements_id()
    }

    /// The quote, without padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The 64 bytes that the domain chose.
    #[must_use]
    pub const fn report_data(&self) -> &[u8; 64] {
        &self.report_data
    }

    /// The trust domain that it claims to be from.
    #[must_use]
    pub const fn claimed_identity(&self) -> &TdxIdentity {
        &self.identity
    }

    /// Everything that it states: header, report (with the parts of version 1.5 where it is one), and what the PCK
    /// certificate says of the platform (`fmspc`, `pck_authority`) where it can be read.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let mut quote = Reader::new(self.as_bytes());
        let Ok(header) = Header::parse(&mut quote, &LAYOUT) else {
            return Vec::new();
        };
        let mut claims = header.claims();
        if let Ok(body) = Body::parse(&mut quote, header.version) {
            claims.extend(body.claims());
        }
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

/// The certification data of type 6 hold the QE part, and everything ends with it.
fn parse_signature_data(data: &[u8]) -> Result<(), EvidenceParseError> {
    let mut data = Reader::new(data);
    quote::parse_signature_and_key(TEE, &mut data)?;
    if data.u16_le() != Some(CERTIFICATION_QE_REPORT) {
        return Err(malformed(
            "certification data of type 6, the report of the quoting enclave",
        ));
    }
    let length = data.length_u32_le().ok_or(CUT_OFF)?;
    let part = Reader::new(data.slice(length).ok_or(CUT_OFF)?);
    if !data.is_at_end() {
        return Err(malformed("nothing after the certification data"));
    }
    quote::parse_qe_part(TEE, part)
}

/// The body, by its kind.
struct Body<'a> {
    kind: BodyKind,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyKind {
    Td10,
    Td15,
    Td15Ex,
}

impl<'a> Body<'a> {
    fn parse(quote: &mut Reader<'a>, version: u16) -> Result<Self, EvidenceParseError> {
        let kind = if version == 4 {
            BodyKind::Td10
        } else {
            Self::parse_kind(quote)?
        };
        let bytes = quote.slice(kind.size_bytes()).ok_or(CUT_OFF)?;
        Ok(Self { kind, bytes })
    }

    fn parse_kind(quote: &mut Reader<'_>) -> Result<BodyKind, EvidenceParseError> {
        let kind = match quote.u16_le().ok_or(CUT_OFF)? {
            2 => BodyKind::Td10,
            3 => BodyKind::Td15,
            4 => BodyKind::Td15Ex,
            _ => return Err(malformed("a body of type 2, 3 or 4, a TD report")),
        };
        if quote.length_u32_le().ok_or(CUT_OFF)? != kind.size_bytes() {
            return Err(malformed("the body size of its type: 584, 648 or 885"));
        }
        Ok(kind)
    }

    fn report(&self) -> Option<Report> {
        Report::parse(&mut Reader::new(self.bytes))
    }

    fn claims(&self) -> Vec<Claim> {
        let mut body = Reader::new(self.bytes);
        let mut claims = Report::parse(&mut body).map_or_else(Vec::new, |it| it.claims());
        let more: &[(&str, usize)] = match self.kind {
            BodyKind::Td10 => &[],
            BodyKind::Td15 => TD15_FIELDS.split_at(2).0,
            BodyKind::Td15Ex => TD15_FIELDS,
        };
        claims.extend(more.iter().map_while(|&(name, size_bytes)| {
            let value = body.slice(size_bytes)?;
            Some(Claim::new(name, hex::encode(value)))
        }));
        claims
    }
}

impl BodyKind {
    const fn size_bytes(self) -> usize {
        match self {
            Self::Td10 => 584,
            Self::Td15 => 648,
            Self::Td15Ex => 885,
        }
    }
}

/// What stands in each body:
///
/// ```text
///   0 TEE_TCB_SVN 16 | MRSEAM 48 | MRSIGNERSEAM 48 | SEAMATTRIBUTES 8 | TDATTRIBUTES 8 (byte 0: under debug)
/// 128 XFAM 8 | MRTD 48 | MRCONFIGID 48 | MROWNER 48 | MROWNERCONFIG 48 | RTMR0 to RTMR3 48 each
/// 520 REPORTDATA 64
/// ```
/// Behind it, in a body of version 1.5, [`TD15_FIELDS`].
struct Report {
    tee_tcb_svn: Digest<16>,
    mr_seam: Digest<48>,
    mr_signer_seam: Digest<48>,
    seam_attributes: Digest<8>,
    td_attributes: Digest<8>,
    xfam: Digest<8>,
    mr_td: Digest<48>,
    mr_config_id: Digest<48>,
    mr_owner: Digest<48>,
    mr_owner_config: Digest<48>,
    rtmr: [Digest<48>; 4],
    report_data: [u8; REPORT_DATA_BYTES],
}

impl Report {
    fn parse(body: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            tee_tcb_svn: digest(body)?,
            mr_seam: digest(body)?,
            mr_signer_seam: digest(body)?,
            seam_attributes: digest(body)?,
            td_attributes: digest(body)?,
            xfam: digest(body)?,
            mr_td: digest(body)?,
            mr_config_id: digest(body)?,
            mr_owner: digest(body)?,
            mr_owner_config: digest(body)?,
            rtmr: [digest(body)?, digest(body)?, digest(body)?, digest(body)?],
            report_data: *body.array()?,
        })
    }

    const fn identity(&self) -> TdxIdentity {
        TdxIdentity {
            mr_td: self.mr_td,
            rtmr: self.rtmr,
            mr_config_id: self.mr_config_id,
            mr_owner: self.mr_owner,
            mr_owner_config: self.mr_owner_config,
            mr_seam: self.mr_seam,
            mr_signer_seam: self.mr_signer_seam,
            seam_attributes: self.seam_attributes,
            td_attributes: self.td_attributes,
            xfam: self.xfam,
            tee_tcb_svn: self.tee_tcb_svn,
            debug: self.debug(),
        }
    }

    const fn debug(&self) -> bool {
        let [under_debug, ..] = *self.td_attributes.as_bytes();
        under_debug != 0
    }

    fn claims(&self) -> Vec<Claim> {
        let [rtmr0, rtmr1, rtmr2, rtmr3] = self.rtmr;
        vec![
            Claim::new("mrtd", self.mr_td),
            Claim::new("rtmr0", rtmr0),
            Claim::new("rtmr1", rtmr1),
            Claim::new("rtmr2", rtmr2),
            Claim::new("rtmr3", rtmr3),
            Claim::new("mrconfigid", self.mr_config_id),
            Claim::new("mrowner", self.mr_owner),
            Claim::new("mrownerconfig", self.mr_owner_config),
            Claim::new("tdattributes", self.td_attributes),
            Claim::new("debug", self.debug()),
            Claim::new("xfam", self.xfam),
            Claim::new("tee_tcb_svn", self.tee_tcb_svn),
            Claim::new("mrseam", self.mr_seam),
            Claim::new("mrsignerseam", self.mr_signer_seam),
            Claim::new("seamattributes", self.seam_attributes),
            Claim::new("report_data", hex::encode(self.report_data)),
        ]
    }
}

fn digest<const N: usize>(body: &mut Reader<'_>) -> Option<Digest<N>> {
    body.array().copied().map(Digest::from)
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: quote::kind_of(TEE),
        expected,
    }
}

/// What a TD report 1.5 has behind one of 1.0 (the first two), and what one with service TDs has behind those, in
/// order, with their sizes in bytes.
const TD15_FIELDS: &[(&str, usize)] = &[
    ("tee_tcb_svn2", 16),
    ("mrservicetd", 48),
    ("vm_id", 1),
    ("td_id", 32),
    ("dev_info", 48),
    ("init_service_td_hash", 48),
    ("init_service_td_attributes", 8),
    ("init_cpusvn", 16),
    ("init_tee_tcb_svn", 16),
    ("init_tee_fmspc", 12),
    ("cur_service_td_hash", 48),
    ("cur_service_td_attributes", 8),
];
const TEE: IntelTee = IntelTee::Tdx;
const CUT_OFF: EvidenceParseError = quote::cut_off(TEE);
const LAYOUT: Layout = Layout {
    tee: TEE,
    versions: &[4, 5],
    expected_version: "version 4 or 5 in its first two bytes",
    tee_type: &[0x81, 0, 0, 0],
    expected_tee_type: "TEE type 0x81, TDX",
};
const REPORT_DATA_IN_BODY: usize = 520;
const CERTIFICATION_QE_REPORT: u16 = 6;
