//! TDX quotes of the software TEE, version 4 and 5, under the same root and by the same platform as its SGX quotes.
//!
//! ```text
//! header 48 | version 5: body type 2, body size 4 | body 584 (1.0), 648 (1.5) or 885 (1.5 with service TDs)
//!   | length 4 | signature 64 | attestation key 64 | certification data 2 (type 6) + 4
//!   | everything from the QE report on, as in an SGX quote
//! body 1.0: TEE_TCB_SVN 16, MRSEAM 48, MRSIGNERSEAM 48, SEAMATTRIBUTES 8, TDATTRIBUTES 8, XFAM 8, MRTD 48,
//!   MRCONFIGID 48, MROWNER 48, MROWNERCONFIG 48, RTMR0 to RTMR3 48 each, report data 64
//! behind it in 1.5: TEE_TCB_SVN2 16, MRSERVICETD 48
//! behind that in 1.5 with service TDs: 237 bytes, zero here
//! ```
//! Source: Intel TDX DCAP Quote Generation Library, "Quote Format"; Intel's `sgx_quote_4.h` and `sgx_quote_5.h`.
//!
//! Its endorsements: [`SoftwareTee::tdx_endorsements`], and
//! [`EndorsementSpec::valid_for`](crate::sgx::EndorsementSpec::valid_for) with
//! [`IntelTee::Tdx`](casque_appraise::IntelTee::Tdx).

use casque_types::{Digest, TdxIdentity};

use crate::sgx::quote::{TD_QE, bend_end, change_byte, extend_with_length};
use crate::sgx::{QuoteFlaw, SoftwareTee, SoftwareTeeError, pki};

/// What a quote is to say.
#[derive(Clone, Debug)]
pub struct TdxQuoteSpec {
    /// The trust domain. Its `debug` follows from the attributes and is not looked at.
    pub identity: TdxIdentity,
    /// The 64 bytes that it chose.
    pub report_data: [u8; 64],
    /// How it is laid out.
    pub format: TdxFormat,
    /// Version 1.5: the TCB of now (`TEE_TCB_SVN2`); that of launch when none.
    pub tee_tcb_svn2: Option<[u8; 16]>,
    /// Version 1.5: digest of the service TDs (`MRSERVICETD`).
    pub mr_service_td: [u8; 48],
    /// What is wrong with it.
    pub flaw: Option<QuoteFlaw>,
}

/// The versions of quote and report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TdxFormat {
    /// Quote version 4, report 1.0.
    V4,
    /// Quote version 5, report 1.0.
    V5Td10,
    /// Quote version 5, report 1.5.
    V5Td15,
    /// Quote version 5, report 1.5 with service TDs.
    V5Td15Ex,
}

impl TdxFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::V4, Self::V5Td10, Self::V5Td15, Self::V5Td15Ex];

    const fn version(self) -> u16 {
        match self {
            Self::V4 => 4,
            Self::V5Td10 | Self::V5Td15 | Self::V5Td15Ex => 5,
        }
    }

    /// Type and size of the body in version 5.
    const fn body(self) -> (u16, u32) {
        match self {
            Self::V4 | Self::V5Td10 => (2, 584),
            Self::V5Td15 => (3, 648),
            Self::V5Td15Ex => (4, 885),
        }
    }
}

impl TdxQuoteSpec {
    /// A valid quote of version 4.
    #[must_use]
    pub const fn new(identity: TdxIdentity, report_data: [u8; 64]) -> Self {
        Self {
            identity,
            report_data,
            format: TdxFormat::V4,
            tee_tcb_svn2: None,
            mr_service_td: [0; 48],
            flaw: None,
        }
    }

    /// The same in another format.
    #[must_use]
    pub const fn with_format(mut self, format: TdxFormat) -> Self {
        self.format = format;
        self
    }

    /// The same with one thing wrong.
    #[must_use]
    pub const fn with_flaw(mut self, flaw: QuoteFlaw) -> Self {
        self.flaw = Some(flaw);
        self
    }
}

impl SoftwareTee {
    /// A valid quote of this trust domain over these 64 bytes, version 4.
    ///
    /// # Errors
    /// [`SoftwareTeeError::Key`]: the provider failed.
    pub fn tdx_quote(
        &self,
        identity: &TdxIdentity,
        report_data: &[u8; 64],
    ) -> Result<Vec<u8>, SoftwareTeeError> {
        self.tdx_quote_of(&TdxQuoteSpec::new(identity.clone(), *report_data))
    }

    /// A quote as specified.
    ///
    /// # Errors
    /// [`SoftwareTeeError::Key`]: the provider failed.
    pub fn tdx_quote_of(&self, spec: &TdxQuoteSpec) -> Result<Vec<u8>, SoftwareTeeError> {
        let flaw = spec.flaw;
        let mut quote = self.header(spec.format.version(), TEE_TYPE_TDX, flaw);
        quote.extend(body_header(spec));
        let body_at = quote.len();
        quote.extend(body(spec));
        let signature = pki::sign(&self.attestation_key, &quote)?;
        if flaw == Some(QuoteFlaw::ReportSignature) {
            change_byte(&mut quote, body_at.saturating_add(MR_TD_IN_BODY));
        }
        let mut authentication = signature.to_vec();
        authentication.extend(pki::public_point(&self.attestation_key)?);
        let outer = match flaw {
            Some(QuoteFlaw::OuterCertificationType(other)) => other,
            _ => CERTIFICATION_QE_REPORT,
        };
        authentication.extend(outer.to_le_bytes());
        extend_with_length(&mut authentication, &self.qe_part(&TD_QE, flaw)?)?;
        if flaw == Some(QuoteFlaw::OuterTrailingBytes) {
            authentication.push(0);
        }
        extend_with_length(&mut quote, &authentication)?;
        bend_end(&mut quote, flaw);
        Ok(quote)
    }
}

fn body_header(spec: &TdxQuoteSpec) -> Vec<u8> {
    if spec.format == TdxFormat::V4 {
        return Vec::new();
    }
    let (mut kind, mut size) = spec.format.body();
    match spec.flaw {
        Some(QuoteFlaw::BodyType(other)) => kind = other,
        Some(QuoteFlaw::BodySize(other)) => size = other,
        _ => {}
    }
    [&kind.to_le_bytes()[..], &size.to_le_bytes()].concat()
}

fn body(spec: &TdxQuoteSpec) -> Vec<u8> {
    let of = &spec.identity;
    let mut body = Vec::with_capacity(885);
    body.extend(of.tee_tcb_svn.as_bytes());
    body.extend(of.mr_seam.as_bytes());
    body.extend(of.mr_signer_seam.as_bytes());
    body.extend(of.seam_attributes.as_bytes());
    body.extend(of.td_attributes.as_bytes());
    body.extend(of.xfam.as_bytes());
    for digest in [
        &of.mr_td,
        &of.mr_config_id,
        &of.mr_owner,
        &of.mr_owner_config,
    ] {
        body.extend(digest.as_bytes());
    }
    for register in &of.rtmr {
        body.extend(register.as_bytes());
    }
    body.extend(spec.report_data);
    if matches!(spec.format, TdxFormat::V5Td15 | TdxFormat::V5Td15Ex) {
        body.extend(spec.tee_tcb_svn2.unwrap_or(*of.tee_tcb_svn.as_bytes()));
        body.extend(spec.mr_service_td);
    }
    if spec.format == TdxFormat::V5Td15Ex {
        body.extend([0; 237]);
    }
    body
}

/// The identity of a trust domain of this measurement (`MRTD`) in the software TEE: the attribute SEPT_VE_DISABLE
/// alone, the software TEE's module, everything else zero.
#[must_use]
pub fn software_tdx_identity(measurement: [u8; 48]) -> TdxIdentity {
    let zero = Digest::from([0; 48]);
    TdxIdentity {
        mr_td: Digest::from(measurement),
        rtmr: [zero; 4],
        mr_config_id: zero,
        mr_owner: zero,
        mr_owner_config: zero,
        mr_seam: Digest::from(*MODULE),
        mr_signer_seam: zero,
        seam_attributes: Digest::from([0; 8]),
        td_attributes: Digest::from(SEPT_VE_DISABLE),
        xfam: Digest::from([0xe7, 0x02, 0x06, 0, 0, 0, 0, 0]),
        tee_tcb_svn: Digest::from(TEE_TCB_SVN),
        debug: false,
    }
}

/// `TEE_TCB_SVN`: security version of the module 5, version of the module 1, microcode 6.
pub const TEE_TCB_SVN: [u8; 16] = [5, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// What the only TCB level demands of it; the module itself is judged by its identity.
pub(crate) const LEVEL: [u8; 16] = [0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const MODULE: &[u8; 48] = b"casque software TEE: the module of TDX, not real";
const SEPT_VE_DISABLE: [u8; 8] = [0, 0, 0, 0x10, 0, 0, 0, 0];
const TEE_TYPE_TDX: u32 = 0x81;
const CERTIFICATION_QE_REPORT: u16 = 6;
const MR_TD_IN_BODY: usize = 136;

#[cfg(test)]
mod tests;
