//! Confidential virtual machines of Azure: the paravisor's report, its attestation key, and a TPM quote.
//!
//! ```text
//! vendor's root ── report of SNP, or TD quote
//!                    └─ report data = SHA-256(paravisor's data), zeros
//!                         └─ `HCLAkPub` in these data, and Azure's root for virtual TPMs where a chain came
//!                              └─ TPM quote: extra data, which registers, SHA-256 over them
//! ```
//! The TEE measures the paravisor, the paravisor's virtual TPM measures all else. Checks, in this order (signatures
//! before what they sign means something):
//!
//! 1. the report or quote of the TEE, as of any guest ([`SnpEvidence`], [`TdxQuote`]);
//! 2. for TDX: the quote is over the TDREPORT in the blob;
//! 3. its report data is the digest of the paravisor's data as they came, then zeros; then that they can be read;
//! 4. the attestation key, read from these data and from nowhere else, signed the statement; then that it can be read;
//! 5. the statement selects registers of the SHA-256 bank alone, as many came, and their digest is the signed one;
//! 6. a certificate of the attestation key is of this key, and its chain holds.
//!
//! Data or a statement that cannot be read are therefore no error of [`AzureVmEvidence::parse`], but claim nothing:
//! changed on the way, they are not authentic, and that is what is said of them.
//!
//! What the evidence speaks for is the whole machine: whoever may use its TPM can make such a quote. Registers that
//! the quote does not select are not proved and are not in the identity. `user-data` binds nothing here: it is
//! shared in the machine, and the TPM's extra data are fresh.
//!
//! Source: real evidence (spec/evidence.md sections 2.3 and 3.1), TPM 2.0 Library Part 2.

mod ak;
mod error;
mod hcl;
mod paravisor;
mod proved;
mod tpm;

use std::collections::BTreeMap;

use casque_types::{AttestationKeyProof, AzureVmIdentity, AzureVmTee, Digest, Timestamp};

use crate::{
    AppraiseError, Appraiser, Bound, Claim, Endorsements, EndorsementsId, EvidenceKind,
    EvidenceParseError, Identity, Scope, SnpEvidence, SnpReport, TdxQuote, Verdict, intel, snp,
};
use ak::{AkChain, AkProof};
pub use error::AzureVmAppraiseError;
use hcl::{HclKind, HclReport};
use paravisor::{Configuration, ParavisorData};
use proved::Proved;
use tpm::TpmStatement;

/// The parts of the evidence as they come.
#[derive(Clone, Copy, Debug)]
pub struct AzureVmParts<'a> {
    /// The blob of NV index 0x01400001, at most 4 KiB.
    pub hcl: &'a [u8],
    /// `TPMS_ATTEST` of the quote, 45 bytes to 1 KiB.
    pub message: &'a [u8],
    /// Its signature, as long as the key: 256 to 512 bytes.
    pub signature: &'a [u8],
    /// The registers of the SHA-256 bank from 0 to 23, or the quoted ones alone in their order.
    pub pcrs: &'a [[u8; 32]],
    /// SNP: the VCEK, as [`SnpEvidence::parse`](crate::SnpEvidence::parse) takes it.
    pub vek: Option<&'a [u8]>,
    /// TDX: the quote over the report in the blob.
    pub td_quote: Option<&'a [u8]>,
    /// The attestation key's certificate and its authorities, PEM or DER, the key's among them, if there is one.
    pub ak_chain: Option<&'a [u8]>,
}

/// A TPM quote, and what vouches for its key; parsed, not verified.
#[derive(Clone, Debug)]
pub struct AzureVmEvidence {
    tee: Tee,
    paravisor_data: Vec<u8>,
    /// As far as `paravisor_data` can be read; an error until their digest was compared is no more than a claim.
    paravisor: Result<ParavisorData, EvidenceParseError>,
    message: Vec<u8>,
    /// As far as `message` can be read; an error until its signature was verified is no more than a claim.
    statement: Result<TpmStatement, EvidenceParseError>,
    signature: Vec<u8>,
    pcrs: Vec<[u8; 32]>,
    ak_chain: Option<AkChain>,
}

/// The hardware's evidence.
#[derive(Clone, Debug)]
enum Tee {
    Snp {
        evidence: Box<SnpEvidence>,
        report: Vec<u8>,
    },
    Tdx {
        quote: Box<TdxQuote>,
        /// Of the TDREPORT in the blob.
        report_data: [u8; 64],
    },
}

impl AzureVmEvidence {
    /// Reads the parts. What the paravisor's data and the statement say is not an error here, whatever it is: that they
    /// cannot be read means something only after it is known whose they are.
    ///
    /// # Errors
    /// [`EvidenceParseError`]: a part has another length than it may have, the blob or the hardware's evidence has
    /// another layout, a TD quote lacks where the blob is of TDX, or came where it is of SNP.
    pub fn parse(parts: &AzureVmParts<'_>) -> Result<Self, EvidenceParseError> {
        let hcl = HclReport::parse(parts.hcl)?;
        if !SIGNATURE_BYTES.contains(&parts.signature.len()) {
            return Err(malformed("a signature of 256 to 512 bytes"));
        }
        if parts.pcrs.len() > PCRS {
            return Err(malformed("at most 24 registers"));
        }
        tpm::expect_length(parts.message)?;
        Ok(Self {
            tee: Tee::parse(&hcl, parts)?,
            paravisor: ParavisorData::parse(hcl.data),
            paravisor_data: hcl.data.to_vec(),
            message: parts.message.to_vec(),
            statement: TpmStatement::parse(parts.message),
            signature: parts.signature.to_vec(),
            pcrs: parts.pcrs.to_vec(),
            ak_chain: parts.ak_chain.map(AkChain::parse).transpose()?,
        })
    }

    /// On SNP or TDX.
    #[must_use]
    pub const fn kind(&self) -> EvidenceKind {
        match self.tee {
            Tee::Snp { .. } => EvidenceKind::AzureSnpVtpm,
            Tee::Tdx { .. } => EvidenceKind::AzureTdxVtpm,
        }
    }

    /// What the TPM's quote says that it is for, at most 64 bytes; nothing where it cannot be read.
    #[must_use]
    pub fn extra_data(&self) -> &[u8] {
        let statement = self.statement.as_ref();
        statement.map_or(&[], |statement| &statement.extra_data)
    }

    /// The machine that it claims to be. Its registers are those that the quote selects. Data or a quote that cannot
    /// be read claim nothing: no registers, and nothing of the configuration.
    #[must_use]
    pub fn claimed_identity(&self) -> AzureVmIdentity {
        let nothing = Configuration::default();
        let paravisor = self.paravisor.as_ref();
        let configuration = paravisor.map_or(&nothing, |paravisor| &paravisor.configuration);
        let quoted = self.quoted_pcrs().unwrap_or_default();
        self.identity(configuration, quoted, AttestationKeyProof::Report)
    }

    /// The hardware's report as the attestation service takes it (an SNP report of 1184 bytes; the TD quote).
    #[must_use]
    pub fn hardware_evidence(&self) -> &[u8] {
        match &self.tee {
            Tee::Snp { report, .. } => report,
            Tee::Tdx { quote, .. } => quote.as_bytes(),
        }
    }

    /// The report of the TEE with its certificate, on SNP.
    #[must_use]
    pub fn snp(&self) -> Option<&SnpEvidence> {
        match &self.tee {
            Tee::Snp { evidence, .. } => Some(evidence),
            Tee::Tdx { .. } => None,
        }
    }

    /// The quote of the TEE, on TDX.
    #[must_use]
    pub fn tdx(&self) -> Option<&TdxQuote> {
        match &self.tee {
            Tee::Snp { .. } => None,
            Tee::Tdx { quote, .. } => Some(quote),
        }
    }

    /// The paravisor's data, JSON, whose digest the hardware's report carries: runtime data for the attestation
    /// service.
    #[must_use]
    pub fn paravisor_data(&self) -> &[u8] {
        &self.paravisor_data
    }

    /// Which endorsements it needs beside what it brings.
    ///
    /// # Errors
    /// As of the report or quote inside.
    pub fn endorsements_id(&self) -> Result<EndorsementsId, EvidenceParseError> {
        Ok(match &self.tee {
            Tee::Snp { evidence, .. } => EndorsementsId::Amd(evidence.endorsements_id()?),
            Tee::Tdx { quote, .. } => EndorsementsId::Intel(quote.endorsements_id()?),
        })
    }

    /// Everything that it states: what the report inside does, and `secure_boot`, `vm_unique_id`, `console_enabled`,
    /// `tpm_enabled`, `tpm_persisted`, `user_data`, `extra_data`, `firmware_version`, `ak_certificate`, and `pcr0` to
    /// `pcr23` as far as the quote selects them. What the paravisor does not say is left out, and so is all that stands
    /// where nothing can be read.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims = match &self.tee {
            Tee::Snp { evidence, .. } => evidence.claims(),
            Tee::Tdx { quote, .. } => quote.claims(),
        };
        claims.extend(self.paravisor.iter().flat_map(ParavisorData::claims));
        claims.extend(self.statement.iter().flat_map(TpmStatement::claims));
        let certificate =
            (self.ak_chain.as_ref()).map_or_else(|| "none".to_owned(), AkChain::describe);
        claims.push(Claim::new("ak_certificate", certificate));
        let registers = self.quoted_pcrs().into_iter().flatten();
        claims.extend(registers.map(|(number, value)| Claim {
            name: format!("pcr{number}").into(),
            value: value.to_string(),
        }));
        claims
    }

    fn identity(
        &self,
        configuration: &Configuration,
        pcrs: BTreeMap<u8, Digest<32>>,
        attestation_key: AttestationKeyProof,
    ) -> AzureVmIdentity {
        let tee = match &self.tee {
            Tee::Snp { evidence, .. } => {
                let identity = evidence.report().claimed_identity();
                AzureVmTee::Snp(Box::new(identity.clone()))
            }
            Tee::Tdx { quote, .. } => AzureVmTee::Tdx(Box::new(quote.claimed_identity().clone())),
        };
        AzureVmIdentity {
            tee,
            pcrs,
            secure_boot: configuration.secure_boot,
            vm_unique_id: configuration.vm_unique_id.clone(),
            attestation_key,
        }
    }

    /// The registers that the quote selects; `None` where it selects anything else, another number came, or it cannot
    /// be read.
    fn quoted_pcrs(&self) -> Option<BTreeMap<u8, Digest<32>>> {
        let statement = self.statement.as_ref().ok()?;
        statement.quoted()?.of(&self.pcrs)
    }
}

impl Tee {
    fn parse(hcl: &HclReport<'_>, parts: &AzureVmParts<'_>) -> Result<Self, EvidenceParseError> {
        match (hcl.kind, parts.td_quote) {
            (HclKind::Snp, None) => {
                let report = hcl.hardware_report.get(..SnpReport::BYTES);
                let report = report.ok_or(malformed("an SNP report of 1184 bytes"))?;
                Ok(Self::Snp {
                    evidence: Box::new(SnpEvidence::parse(report, parts.vek)?),
                    report: report.to_vec(),
                })
            }
            (HclKind::Tdx, Some(quote)) => {
                let report_data = hcl.hardware_report.get(TDREPORT_DATA..);
                let report_data = report_data
                    .and_then(<[u8]>::first_chunk::<64>)
                    .ok_or(malformed("a TDREPORT of 1024 bytes"))?;
                Ok(Self::Tdx {
                    quote: Box::new(TdxQuote::parse(quote)?),
                    report_data: *report_data,
                })
            }
            (HclKind::Snp, Some(_)) => Err(malformed("no TD quote beside an HCL report of SNP")),
            (HclKind::Tdx, None) => Err(malformed("a TD quote beside an HCL report of TDX")),
        }
    }

    fn report_data(&self) -> &[u8; 64] {
        match self {
            Self::Snp { evidence, .. } => evidence.report().report_data(),
            Self::Tdx { quote, .. } => quote.report_data(),
        }
    }
}

pub(crate) fn verify(
    appraiser: &Appraiser,
    evidence: &AzureVmEvidence,
    endorsements: &Endorsements,
    now: Timestamp,
) -> Result<Verdict, AppraiseError> {
    // 1.
    let inner = match &evidence.tee {
        Tee::Snp { evidence, .. } => snp::verify(appraiser, evidence, endorsements, now)?,
        Tee::Tdx { quote, .. } => intel::verify_tdx(appraiser, quote, endorsements, now)?,
    };
    let proved = Proved::by(evidence)?;
    let paravisor = proved.paravisor;
    let AkProof { proof, until } = match &evidence.ak_chain {
        // 6.
        Some(chain) => chain.verify(&paravisor.attestation_key, appraiser, now)?,
        None => AkProof::NO_CERTIFICATE,
    };
    let identity = evidence.identity(&paravisor.configuration, proved.pcrs, proof);
    Ok(Verdict {
        identity: Identity::AzureVm(identity),
        scope: Scope::Vm,
        platform: None,
        bound: Bound::ExtraData(proved.statement.extra_data.clone()),
        valid_until: earlier(inner.valid_until, until),
        ..inner
    })
}

/// Verifies the TPM's quote alone, with the attestation key in the paravisor's data, and that the hardware's evidence
/// carries the digest of these data (steps 2 to 5): for when somebody else vouches for the hardware's evidence (a
/// token).
pub(crate) fn verify_tpm_quote(evidence: &AzureVmEvidence) -> Result<(), AzureVmAppraiseError> {
    Proved::by(evidence).map(|_| ())
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

const fn malformed(expected: &'static str) -> EvidenceParseError {
    EvidenceParseError::Malformed {
        kind: "TPM quote of an Azure VM",
        expected,
    }
}

const SIGNATURE_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
const PCRS: usize = 24;
/// `REPORTDATA` in a TDREPORT (Intel TDX Module ABI, `REPORTMACSTRUCT`).
const TDREPORT_DATA: usize = 0x80;
