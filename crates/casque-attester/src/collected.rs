//! Evidence as its source gave it, and where the report data stands in it.
//!
//! Offsets: Intel SGX ECDSA QuoteLib reference (quote version 3: header 48 bytes, report body, report data
//! at its byte 320); Intel TDX DCAP quoting library (quote version 4: header 48 bytes, TD report body,
//! report data at its byte 520; version 5: 6 bytes of body type and size before the body); AMD SEV-SNP ABI
//! 56860, table 23 (report data at byte 80).

use casque_types::ReportData;

/// Evidence, untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collected {
    /// An SGX quote.
    SgxQuote(Vec<u8>),
    /// A TDX quote.
    TdxQuote(Vec<u8>),
    /// An SNP report.
    SnpReport {
        /// The report.
        report: Vec<u8>,
        /// The host's table of certificates; empty when it gives none.
        certificates: Vec<u8>,
    },
}

/// A kind of trusted execution environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeeKind {
    /// Intel SGX.
    Sgx,
    /// Intel TDX.
    Tdx,
    /// AMD SEV-SNP.
    Snp,
}

impl TeeKind {
    /// `sgx`, `tdx` or `snp`, as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sgx => "sgx",
            Self::Tdx => "tdx",
            Self::Snp => "snp",
        }
    }
}

impl std::fmt::Display for TeeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Collected {
    /// What it is evidence of.
    #[must_use]
    pub const fn kind(&self) -> TeeKind {
        match self {
            Self::SgxQuote(_) => TeeKind::Sgx,
            Self::TdxQuote(_) => TeeKind::Tdx,
            Self::SnpReport { .. } => TeeKind::Snp,
        }
    }

    /// Whether it carries this report data; proves nothing, since no signature is looked at.
    #[must_use]
    pub fn carries(&self, report_data: &ReportData) -> bool {
        let (bytes, offset) = match self {
            Self::SgxQuote(quote) => (quote, SGX_OFFSET),
            Self::TdxQuote(quote) if quote.first() == Some(&5) => (quote, TDX_5_OFFSET),
            Self::TdxQuote(quote) => (quote, TDX_4_OFFSET),
            Self::SnpReport { report, .. } => (report, SNP_OFFSET),
        };
        bytes
            .get(offset..)
            .and_then(|rest| rest.first_chunk::<64>())
            .is_some_and(|found| report_data.is_carried_by(found))
    }
}

const SGX_OFFSET: usize = 48 + 320;
const TDX_4_OFFSET: usize = 48 + 520;
const TDX_5_OFFSET: usize = 48 + 6 + 520;
const SNP_OFFSET: usize = 80;
