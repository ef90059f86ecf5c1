//! Evidence as it is sent, and as files of `casque explain` have it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{AnyB64, TpmQuote};

/// Evidence by kind; also the form of an evidence file of `casque explain`. `Debug` shows lengths of tokens and
/// certificates, not what they say.
///
/// The two kinds of Azure VMs are read from one shape: `vek`, `td_quote` and `ak_chain` may stand in both, and the one
/// that belongs to the other kind must be `null`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    deny_unknown_fields,
    try_from = "Read"
)]
pub enum Evidence {
    /// No evidence.
    None {},
    /// An SGX quote.
    Sgx {
        /// The quote.
        quote: AnyB64,
    },
    /// A TDX quote.
    Tdx {
        /// The quote.
        quote: AnyB64,
    },
    /// A report of AMD SEV-SNP.
    Snp {
        /// The report.
        report: AnyB64,
        /// The certificate of the VCEK or VLEK that signed it, which may be followed by its authorities: PEM, or
        /// DER in base64, or the host's table of certificates in base64. Left out, it is fetched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vek: Option<String>,
    },
    /// A TPM quote of an Azure VM on SEV-SNP.
    AzureSnpVtpm {
        /// The paravisor's report, from the TPM's NV index 0x01400001.
        hcl: AnyB64,
        /// The quote.
        quote: TpmQuote,
        /// As of `snp`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vek: Option<String>,
        /// Certificate of the attestation key and its authorities, PEM, or DER in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ak_chain: Option<String>,
    },
    /// A TPM quote of an Azure VM on TDX.
    AzureTdxVtpm {
        /// The paravisor's report, from the TPM's NV index 0x01400001.
        hcl: AnyB64,
        /// The quote.
        quote: TpmQuote,
        /// The TDX quote over the report.
        td_quote: AnyB64,
        /// Certificate of the attestation key and its authorities, PEM, or DER in base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ak_chain: Option<String>,
    },
    /// A report of SEV-SNP of confidential containers.
    AciSnp {
        /// The report.
        report: AnyB64,
        /// As of `snp`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vek: Option<String>,
        /// The containers' policy.
        policy: AnyB64,
        /// Microsoft's reference of the utility virtual machine, `COSE_Sign1`.
        uvm: AnyB64,
    },
    /// A token of Microsoft Azure Attestation that the attester obtained.
    Maa {
        /// The compact JWS.
        token: String,
    },
}

/// What is read, before it is known that every member belongs to its kind.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
enum Read {
    None {},
    Sgx {
        quote: AnyB64,
    },
    Tdx {
        quote: AnyB64,
    },
    Snp {
        report: AnyB64,
        vek: Option<String>,
    },
    AzureSnpVtpm(Machine),
    AzureTdxVtpm(Machine),
    AciSnp {
        report: AnyB64,
        vek: Option<String>,
        policy: AnyB64,
        uvm: AnyB64,
    },
    Maa {
        token: String,
    },
}

/// An Azure VM of either kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    hcl: AnyB64,
    quote: TpmQuote,
    vek: Option<String>,
    td_quote: Option<AnyB64>,
    ak_chain: Option<String>,
}

/// Why members do not go together.
#[derive(Debug, Error)]
enum MemberError {
    #[error("`td_quote` belongs to `azure-tdx-vtpm`: expected null or nothing in `azure-snp-vtpm`")]
    TdQuote,
    #[error("`vek` belongs to `azure-snp-vtpm`: expected null or nothing in `azure-tdx-vtpm`")]
    Vek,
    #[error("missing field `td_quote`: expected the TDX quote of an `azure-tdx-vtpm`")]
    NoTdQuote,
}

impl TryFrom<Read> for Evidence {
    type Error = MemberError;
    fn try_from(read: Read) -> Result<Self, MemberError> {
        Ok(match read {
            Read::None {} => Self::None {},
            Read::Sgx { quote } => Self::Sgx { quote },
            Read::Tdx { quote } => Self::Tdx { quote },
            Read::Snp { report, vek } => Self::Snp { report, vek },
            Read::AzureSnpVtpm(machine) => machine.on_snp()?,
            Read::AzureTdxVtpm(machine) => machine.on_tdx()?,
            Read::AciSnp {
                report,
                vek,
                policy,
                uvm,
            } => Self::AciSnp {
                report,
                vek,
                policy,
                uvm,
            },
            Read::Maa { token } => Self::Maa { token },
        })
    }
}

impl Machine {
    fn on_snp(self) -> Result<Evidence, MemberError> {
        match self.td_quote {
            None => Ok(Evidence::AzureSnpVtpm {
                hcl: self.hcl,
                quote: self.quote,
                vek: self.vek,
                ak_chain: self.ak_chain,
            }),
            Some(_) => Err(MemberError::TdQuote),
        }
    }

    fn on_tdx(self) -> Result<Evidence, MemberError> {
        if self.vek.is_some() {
            return Err(MemberError::Vek);
        }
        Ok(Evidence::AzureTdxVtpm {
            hcl: self.hcl,
            quote: self.quote,
            td_quote: self.td_quote.ok_or(MemberError::NoTdQuote)?,
            ak_chain: self.ak_chain,
        })
    }
}
