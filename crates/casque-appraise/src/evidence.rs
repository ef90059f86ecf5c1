//! Evidence: claims that nobody has judged yet.

use casque_types::RuntimeData;
use thiserror::Error;

use crate::{
    AciEvidence, AzureVmEvidence, Bound, Claim, EndorsementsId, Identity, MaaToken, SgxQuote,
    SnpEvidence, TdxQuote,
};

/// What an attester brought.
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time is alive, and moved a few times"
)]
#[derive(Debug)]
pub enum Evidence {
    /// Nothing; only `mode: none` asks for that.
    Absent,
    /// An SGX quote (ECDSA, version 3).
    Sgx(SgxQuote),
    /// A TDX quote (version 4 or 5).
    Tdx(TdxQuote),
    /// A report of SEV-SNP.
    Snp(SnpEvidence),
    /// A quote of the virtual TPM of a confidential virtual machine of Azure, with what vouches for its key.
    AzureVm(AzureVmEvidence),
    /// A report of SEV-SNP of confidential containers, with policy and reference.
    Aci(AciEvidence),
    /// A token that the attester had Microsoft Azure Attestation issue (passport model).
    MaaToken(MaaToken),
}

impl Evidence {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> EvidenceKind {
        match self {
            Self::Absent => EvidenceKind::Absent,
            Self::Sgx(_) => EvidenceKind::Sgx,
            Self::Tdx(_) => EvidenceKind::Tdx,
            Self::Snp(_) => EvidenceKind::Snp,
            Self::AzureVm(vm) => vm.kind(),
            Self::Aci(_) => EvidenceKind::AciSnp,
            Self::MaaToken(_) => EvidenceKind::MaaToken,
        }
    }

    /// What it says that it is bound to; proves nothing until signatures are verified.
    #[must_use]
    pub fn claimed_binding(&self) -> Bound {
        match self {
            Self::Absent | Self::MaaToken(_) => Bound::Nothing,
            Self::Sgx(quote) => Bound::ReportData(*quote.report_data()),
            Self::Tdx(quote) => Bound::ReportData(*quote.report_data()),
            Self::Snp(snp) => Bound::ReportData(*snp.report().report_data()),
            Self::AzureVm(vm) => Bound::ExtraData(vm.extra_data().to_vec()),
            Self::Aci(aci) => Bound::ReportData(*aci.report().report_data()),
        }
    }

    /// Whether it says that it is bound to `runtime`; cheap, and proves nothing until signatures are verified.
    #[must_use]
    pub fn claims_binding(&self, runtime: &RuntimeData) -> bool {
        match self {
            Self::Absent => true,
            Self::MaaToken(token) => token.claims_binding(runtime),
            other => other.claimed_binding().fits(runtime),
        }
    }

    /// The identity that it claims; proves nothing until signatures are verified. `None` where a token lacks a
    /// claim of it, or there is no evidence.
    #[must_use]
    pub fn claimed_identity(&self) -> Option<Identity> {
        match self {
            Self::Absent => None,
            Self::Sgx(quote) => Some(Identity::Sgx(quote.claimed_identity().clone())),
            Self::Tdx(quote) => Some(Identity::Tdx(quote.claimed_identity().clone())),
            Self::Snp(snp) => Some(Identity::Snp(snp.report().claimed_identity().clone())),
            Self::AzureVm(vm) => Some(Identity::AzureVm(vm.claimed_identity())),
            Self::Aci(aci) => Some(Identity::Aci(aci.claimed_identity())),
            Self::MaaToken(token) => token.claimed_identity(),
        }
    }

    /// Which endorsements it needs beside what it brings; `None` for tokens and for no evidence.
    ///
    /// # Errors
    /// [`EvidenceParseError`] when the part that says it cannot be read.
    pub fn endorsements_id(&self) -> Result<Option<EndorsementsId>, EvidenceParseError> {
        Ok(match self {
            Self::Absent | Self::MaaToken(_) => None,
            Self::Sgx(quote) => Some(EndorsementsId::Intel(quote.endorsements_id()?)),
            Self::Tdx(quote) => Some(EndorsementsId::Intel(quote.endorsements_id()?)),
            Self::Snp(snp) => Some(EndorsementsId::Amd(snp.endorsements_id()?)),
            Self::AzureVm(vm) => Some(vm.endorsements_id()?),
            Self::Aci(aci) => Some(EndorsementsId::Amd(aci.snp().endorsements_id()?)),
        })
    }

    /// Everything that it states, for people; proves nothing until signatures are verified.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        match self {
            Self::Absent => Vec::new(),
            Self::Sgx(quote) => quote.claims(),
            Self::Tdx(quote) => quote.claims(),
            Self::Snp(snp) => snp.claims(),
            Self::AzureVm(vm) => vm.claims(),
            Self::Aci(aci) => aci.claims(),
            Self::MaaToken(token) => token.claims(),
        }
    }
}

/// A kind of evidence, by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EvidenceKind {
    /// No evidence.
    Absent,
    /// An SGX quote.
    Sgx,
    /// A TDX quote.
    Tdx,
    /// A report of SEV-SNP.
    Snp,
    /// A TPM quote of an Azure VM on SEV-SNP.
    AzureSnpVtpm,
    /// A TPM quote of an Azure VM on TDX.
    AzureTdxVtpm,
    /// A report of SEV-SNP of confidential containers.
    AciSnp,
    /// A token of Microsoft Azure Attestation.
    MaaToken,
}

impl EvidenceKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Sgx,
        Self::Tdx,
        Self::Snp,
        Self::AzureSnpVtpm,
        Self::AzureTdxVtpm,
        Self::AciSnp,
        Self::MaaToken,
        Self::Absent,
    ];

    /// `none`, `sgx`, `tdx`, `snp`, `azure-snp-vtpm`, `azure-tdx-vtpm`, `aci-snp` or `maa`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "none",
            Self::Sgx => "sgx",
            Self::Tdx => "tdx",
            Self::Snp => "snp",
            Self::AzureSnpVtpm => "azure-snp-vtpm",
            Self::AzureTdxVtpm => "azure-tdx-vtpm",
            Self::AciSnp => "aci-snp",
            Self::MaaToken => "maa",
        }
    }
}

/// Why bytes are no evidence of the kind that they were said to be.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum EvidenceParseError {
    /// More bytes than evidence of that kind can have.
    #[error("{kind}: expected at most {limit_bytes} bytes, found {found_bytes}")]
    TooLong {
        /// The kind, such as `SGX quote`.
        kind: &'static str,
        /// The limit.
        limit_bytes: usize,
        /// How many there are.
        found_bytes: usize,
    },
    /// The layout is not the kind's.
    #[error("{kind}: expected {expected}")]
    Malformed {
        /// The kind, such as `SGX quote`.
        kind: &'static str,
        /// What should have stood there.
        expected: &'static str,
    },
}
