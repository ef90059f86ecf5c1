//! What an appraisal proved. Useless without a policy.

use std::fmt;
use std::str::FromStr;

use casque_types::{
    AciIdentity, AzureVmIdentity, AzureVmTee, Digest, MaaUrl, RuntimeData, SgxIdentity,
    SnpIdentity, SnpPlatform, TdxIdentity, Timestamp,
};
use thiserror::Error;

use crate::Verdict;

/// The proof that evidence was authentic, fresh and bound to one request.
///
/// Private fields, and no constructor but the `appraise_*` functions of this crate: who holds one has
/// appraised. It is not `Clone`; `decide` consumes it.
#[derive(Debug)]
pub struct Appraisal {
    verdict: Verdict,
    runtime: RuntimeData,
}

impl Appraisal {
    /// Only this crate's appraisers call it, each after its last check.
    pub(crate) const fn new(verdict: Verdict, runtime: RuntimeData) -> Self {
        Self { verdict, runtime }
    }

    /// What was proved.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Who was proved to ask.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        self.verdict.identity()
    }

    /// The state of the platform's trusted computing base.
    #[must_use]
    pub const fn tcb(&self) -> &Tcb {
        self.verdict.tcb()
    }

    /// Who judged the evidence.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        self.verdict.verifier()
    }

    /// How much the evidence speaks for.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.verdict.scope()
    }

    /// The machine; see [`Verdict::platform`].
    #[must_use]
    pub const fn platform(&self) -> Option<&Digest<16>> {
        self.verdict.platform()
    }

    /// What the evidence is bound to: server, config, nonce and the key that receives the answer.
    #[must_use]
    pub const fn runtime(&self) -> &RuntimeData {
        &self.runtime
    }

    /// When the endorsements or the token behind it run out.
    #[must_use]
    pub const fn valid_until(&self) -> Option<Timestamp> {
        self.verdict.valid_until()
    }
}

/// The appraisal of a workload that brought no evidence: proves nothing but the key it asks with.
/// Only a policy with `mode: none` grants anything to it.
#[must_use]
pub const fn appraise_absent(runtime: RuntimeData) -> Appraisal {
    Appraisal::new(Verdict::absent(), runtime)
}

/// The identity that was proved.
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time is alive, and moved a few times"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// No evidence: nothing is known.
    Unattested,
    /// An SGX enclave.
    Sgx(SgxIdentity),
    /// A guest of AMD SEV-SNP.
    Snp(SnpIdentity),
    /// A trust domain of Intel TDX.
    Tdx(TdxIdentity),
    /// A confidential virtual machine of Azure, behind its paravisor.
    AzureVm(AzureVmIdentity),
    /// A group of confidential containers of Azure.
    Aci(AciIdentity),
}

impl Identity {
    /// `none`, `sgx`, `snp`, `tdx`, `azure-vm` or `aci`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unattested => "none",
            Self::Sgx(_) => "sgx",
            Self::Snp(_) => "snp",
            Self::Tdx(_) => "tdx",
            Self::AzureVm(_) => "azure-vm",
            Self::Aci(_) => "aci",
        }
    }
}

impl fmt::Display for Identity {
    /// One line for the audit log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unattested => f.write_str("unattested"),
            Self::Sgx(sgx) => write!(
                f,
                "sgx mrenclave={} mrsigner={} isvprodid={} isvsvn={} debug={}",
                sgx.mr_enclave, sgx.mr_signer, sgx.product_id, sgx.svn, sgx.debug
            ),
            Self::Snp(snp) => write_snp(f, snp),
            Self::Tdx(tdx) => write_tdx(f, tdx),
            Self::AzureVm(vm) => {
                f.write_str("azure-vm ")?;
                match &vm.tee {
                    AzureVmTee::Snp(snp) => write_snp(f, snp),
                    AzureVmTee::Tdx(tdx) => write_tdx(f, tdx),
                }
            }
            Self::Aci(aci) => {
                write!(f, "aci feed={} svn={} ", aci.uvm.feed, aci.uvm.svn)?;
                write_snp(f, &aci.snp)
            }
        }
    }
}

fn write_snp(f: &mut fmt::Formatter<'_>, snp: &SnpIdentity) -> fmt::Result {
    write!(
        f,
        "snp measurement={} host_data={} guest_svn={} vmpl={} debug={}",
        snp.measurement, snp.host_data, snp.guest_svn, snp.vmpl, snp.debug
    )
}

fn write_tdx(f: &mut fmt::Formatter<'_>, tdx: &TdxIdentity) -> fmt::Result {
    write!(
        f,
        "tdx mrtd={} mrconfigid={} debug={}",
        tdx.mr_td, tdx.mr_config_id, tdx.debug
    )
}

/// Who judged the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// No evidence was judged.
    Nobody,
    /// This crate, from the evidence itself.
    Casque,
    /// Microsoft Azure Attestation, by a token that this crate verified.
    Maa {
        /// The instance.
        issuer: MaaUrl,
    },
    /// Both, and what they say was compared.
    Both {
        /// The instance.
        issuer: MaaUrl,
    },
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::Casque => f.write_str("casque"),
            Self::Maa { issuer } => write!(f, "maa {issuer}"),
            Self::Both { issuer } => write!(f, "casque and maa {issuer}"),
        }
    }
}

/// How much a piece of evidence speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// No evidence.
    Nothing,
    /// One process (SGX).
    Process,
    /// One pod, or container group: everything in it.
    Pod,
    /// One virtual machine: every process and every pod in it.
    Vm,
}

impl Scope {
    /// `nothing`, `process`, `pod` or `vm`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Process => "process",
            Self::Pod => "pod",
            Self::Vm => "vm",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of the platform's trusted computing base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcb {
    /// What the vendor says of the platform's level.
    pub status: TcbStatus,
    /// The advisories that the vendor lists for that level, sorted.
    pub advisories: Vec<AdvisoryId>,
    /// The versions of an AMD platform's components, where it is one.
    pub snp: Option<SnpPlatform>,
}

impl Tcb {
    /// No statement.
    #[must_use]
    pub const fn unknown() -> Self {
        Self {
            status: TcbStatus::Unstated,
            advisories: Vec::new(),
            snp: None,
        }
    }
}

/// Intel's TCB status (DCAP), and what stands for it where nobody states one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcbStatus {
    /// Nobody states it: no evidence, or the MAA's own baseline decided (`maa-managed-tcb`).
    Unstated,
    /// AMD states none: the versions of the components count ([`Tcb::snp`]), by the floors of a policy.
    ByVersions,
    /// Up to date.
    UpToDate,
    /// Software must be hardened.
    SwHardeningNeeded,
    /// The platform must be configured.
    ConfigurationNeeded,
    /// Both of the two before.
    ConfigurationAndSwHardeningNeeded,
    /// Out of date.
    OutOfDate,
    /// Out of date, and the platform must be configured.
    OutOfDateConfigurationNeeded,
    /// TDX: the platform is up to date, the domain was launched when it was not.
    TdRelaunchAdvised,
    /// The same, and the platform must be configured.
    TdRelaunchAdvisedConfigurationNeeded,
    /// Revoked.
    Revoked,
}

impl TcbStatus {
    /// Intel's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unstated => "Unstated",
            Self::ByVersions => "ByVersions",
            Self::UpToDate => "UpToDate",
            Self::SwHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSwHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::TdRelaunchAdvised => "TDRelaunchAdvised",
            Self::TdRelaunchAdvisedConfigurationNeeded => "TDRelaunchAdvisedConfigurationNeeded",
            Self::Revoked => "Revoked",
        }
    }
}

impl fmt::Display for TcbStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A security advisory of Intel's: `INTEL-SA-` and five digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdvisoryId(u32);

impl AdvisoryId {
    /// The advisory with this number, below 100,000.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        if number < 100_000 {
            Some(Self(number))
        } else {
            None
        }
    }
}

impl FromStr for AdvisoryId {
    type Err = AdvisoryIdParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("INTEL-SA-").ok_or(AdvisoryIdParseError)?;
        if digits.len() != 5 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AdvisoryIdParseError);
        }
        digits.parse().map(Self).map_err(|_| AdvisoryIdParseError)
    }
}

impl fmt::Display for AdvisoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INTEL-SA-{:05}", self.0)
    }
}

impl fmt::Debug for AdvisoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no advisory id.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("expected an advisory such as `INTEL-SA-00615`")]
pub struct AdvisoryIdParseError;
