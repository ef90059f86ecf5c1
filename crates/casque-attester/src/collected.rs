//! Evidence as its source gave it, and where the report data stands in it.
//!
//! Offsets: Intel SGX ECDSA QuoteLib reference (quote version 3: header 48 bytes, report body, report data
//! at its byte 320); Intel TDX DCAP quoting library (quote version 4: header 48 bytes, TD report body,
//! report data at its byte 520; version 5: 6 bytes of body type and size before the body); AMD SEV-SNP ABI
//! 56860, table 23 (report data at byte 80). A TPM quote carries the first 32 bytes as its `extraData`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tpm::attest::Quote;
use crate::tpm::wire::ALL_REGISTERS;
use crate::{GuestData, SecurityContext};

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
    /// A quote of the TPM of an Azure virtual machine on SNP.
    AzureSnp {
        /// The TPM's part.
        vm: AzureVm,
        /// Certificate of the key that signed the report in the blob, then its authorities, PEM; `None` when the
        /// metadata service did not give them, and the verifier has to fetch them.
        vek: Option<String>,
    },
    /// A quote of the TPM of an Azure virtual machine on TDX.
    AzureTdx {
        /// The TPM's part.
        vm: AzureVm,
        /// The TDX quote over the report in the blob.
        td_quote: Vec<u8>,
    },
    /// An SNP report from a confidential container.
    AciSnp {
        /// The report.
        report: Vec<u8>,
        /// The host's table of certificates; empty when it gives none.
        certificates: Vec<u8>,
        /// What the host says of the container.
        context: SecurityContext,
    },
}

/// What the TPM of an Azure virtual machine gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureVm {
    /// The paravisor's report, the whole of NV index 0x01400001.
    pub hcl: Vec<u8>,
    /// The quote by the attestation key.
    pub quote: TpmQuote,
    /// The attestation key's certificate, DER; empty when there is none.
    pub ak_certificate: Vec<u8>,
    /// The authorities between that certificate and Azure's root, PEM, as they were configured; empty when none
    /// were, or when there is no certificate.
    pub ak_intermediates: Vec<u8>,
}

impl AzureVm {
    /// The attestation key's certificate and its authorities, as a verifier takes them: DER of the certificate alone,
    /// PEM of all of them, or nothing.
    #[must_use]
    pub fn ak_chain(&self) -> Vec<u8> {
        if self.ak_certificate.is_empty() || self.ak_intermediates.is_empty() {
            return self.ak_certificate.clone();
        }
        [
            certificate_pem(&self.ak_certificate),
            self.ak_intermediates.clone(),
        ]
        .concat()
    }
}

/// A certificate in PEM (RFC 7468).
#[must_use]
pub fn certificate_pem(der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(PEM_LINE_BYTES);
    let lines: Vec<u8> = lines.flat_map(|line| [line, b"\n"].concat()).collect();
    let (begin, end) = (
        &b"-----BEGIN CERTIFICATE-----\n"[..],
        &b"-----END CERTIFICATE-----\n"[..],
    );
    [begin, &lines, end].concat()
}

/// A quote over all registers of the SHA-256 bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmQuote {
    /// `TPMS_ATTEST`.
    pub message: Vec<u8>,
    /// The RSASSA-PKCS1-v1_5 signature over it with SHA-256, without `TPMT_SIGNATURE` around it.
    pub signature: Vec<u8>,
    /// The registers from 0 to 23; their digest is the quoted one.
    pub pcrs: Vec<[u8; 32]>,
}

/// A kind of trusted execution environment, and of the evidence that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeeKind {
    /// Intel SGX.
    Sgx,
    /// Intel TDX.
    Tdx,
    /// AMD SEV-SNP.
    Snp,
    /// Azure virtual machine on SNP.
    AzureSnp,
    /// Azure virtual machine on TDX.
    AzureTdx,
    /// Confidential containers of Azure on SNP.
    AciSnp,
}

impl TeeKind {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sgx => "sgx",
            Self::Tdx => "tdx",
            Self::Snp => "snp",
            Self::AzureSnp => "azure-snp-vtpm",
            Self::AzureTdx => "azure-tdx-vtpm",
            Self::AciSnp => "aci-snp",
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
            Self::AzureSnp { .. } => TeeKind::AzureSnp,
            Self::AzureTdx { .. } => TeeKind::AzureTdx,
            Self::AciSnp { .. } => TeeKind::AciSnp,
        }
    }

    /// Whether it carries this report data; proves nothing, since no signature is looked at.
    #[must_use]
    pub fn carries(&self, report_data: &GuestData) -> bool {
        let (bytes, offset) = match self {
            Self::SgxQuote(quote) => (quote, SGX_OFFSET),
            Self::TdxQuote(quote) if quote.first() == Some(&5) => (quote, TDX_5_OFFSET),
            Self::TdxQuote(quote) => (quote, TDX_4_OFFSET),
            Self::SnpReport { report, .. } | Self::AciSnp { report, .. } => (report, SNP_OFFSET),
            Self::AzureSnp { vm, .. } | Self::AzureTdx { vm, .. } => {
                return vm.quote.is_for(report_data);
            }
        };
        bytes
            .get(offset..)
            .and_then(|rest| rest.first_chunk::<64>())
            .is_some_and(|found| report_data.is_carried_by(found))
    }
}

impl TpmQuote {
    fn is_for(&self, report_data: &GuestData) -> bool {
        let mut found = [0_u8; 64];
        let Some(quote) = Quote::parse(&self.message, ALL_REGISTERS) else {
            return false;
        };
        let (Some(start), Ok(extra)) = (
            found.first_chunk_mut::<32>(),
            <[u8; 32]>::try_from(quote.extra_data),
        ) else {
            return false;
        };
        *start = extra;
        report_data.is_carried_by(&found)
    }
}

const SGX_OFFSET: usize = 48 + 320;
const TDX_4_OFFSET: usize = 48 + 520;
const TDX_5_OFFSET: usize = 48 + 6 + 520;
const SNP_OFFSET: usize = 80;
/// RFC 7468.
const PEM_LINE_BYTES: usize = 64;

#[cfg(test)]
mod tests;
