//! `services[].attestation`, section 2.1, and Casque's own entries: who a service is.
//!
//! Every member of an entry must hold; of several entries any is enough. A list of digests is a list of which
//! any may be it; an empty one stands for a key that the policy does not have.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use casque_appraise::Scope;
use casque_types::{Digest, MrEnclave, MrSigner, SnpProduct, SnpTcb};
use thiserror::Error;

use crate::Position;

/// One way to satisfy a service: every given factor must hold, section 2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationEntry {
    /// What is demanded of the TEE; none where the attestation service's claims alone count.
    pub tee: Option<TeeRule>,
    /// What is demanded of the token of the attestation service.
    pub maa: Option<MaaRule>,
    /// The service account that must be proved beside the evidence.
    pub kubernetes: Option<ServiceAccountRule>,
    /// Where it stands.
    pub position: Position,
}

impl AttestationEntry {
    /// How much evidence that satisfies it speaks for. One without a TEE counts as [`Scope::Vm`]: it may be
    /// satisfied by any.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match &self.tee {
            Some(TeeRule::Sgx(_)) => Scope::Process,
            Some(TeeRule::Aci(_)) => Scope::Pod,
            Some(TeeRule::Snp(_) | TeeRule::Tdx(_) | TeeRule::AzureVm(_)) | None => Scope::Vm,
        }
    }

    /// Whether evidence of an SGX enclave may satisfy it.
    #[must_use]
    pub const fn takes_sgx(&self) -> bool {
        matches!(self.tee, Some(TeeRule::Sgx(_)) | None)
    }
}

/// What is demanded of a TEE, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TeeRule {
    /// `mrenclave`, `signer`.
    Sgx(SgxRule),
    /// `snp`.
    Snp(Box<SnpRule>),
    /// `tdx`.
    Tdx(Box<TdxRule>),
    /// `azure_vm`.
    AzureVm(Box<AzureVmRule>),
    /// `aci`.
    Aci(Box<AciRule>),
}

/// A demand on an SGX enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SgxRule {
    /// The measurement must be one of these; empty when only the signer counts.
    pub mr_enclaves: Vec<MrEnclave>,
    /// The signer, if it counts.
    pub signer: Option<SignerRule>,
}

/// A demand on the signer of an enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerRule {
    /// The signer.
    pub mr_signer: MrSigner,
    /// The product.
    pub product_id: u16,
    /// Its security version.
    pub svn: SvnRule,
}

/// A demand on a security version; both ends count as inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SvnRule {
    /// The least accepted; 0 when none is demanded.
    pub least: u16,
    /// The greatest accepted; 65535 when none is demanded.
    pub greatest: u16,
}

/// A demand on a guest of AMD SEV-SNP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpRule {
    /// `measurement`
    pub measurements: Vec<Digest<48>>,
    /// `host_data`
    pub host_data: Vec<Digest<32>>,
    /// `id_key_digest`
    pub id_key_digests: Vec<Digest<48>>,
    /// `author_key_digest`
    pub author_key_digests: Vec<Digest<48>>,
    /// `family_id`
    pub family_ids: Vec<Digest<16>>,
    /// `image_id`
    pub image_ids: Vec<Digest<16>>,
    /// `guest_svn_min`; 0 when none is demanded.
    pub least_guest_svn: u32,
    /// `vmpl`, exactly; 0 (the highest) when the policy says nothing.
    pub vmpl: u32,
    /// `dangerous_allow_migration`
    pub migration: MigrationRule,
    /// `smt`
    pub smt: SmtRule,
    /// `tcb`, if the platform's level counts.
    pub tcb: Option<SnpFloors>,
}

/// Whether a migration agent may move the guest (guest policy, bit 18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MigrationRule {
    /// It must not. The default.
    #[default]
    Forbidden,
    /// It may: `dangerous_allow_migration: true`.
    DangerousAllowed,
}

/// Whether the guest may share a core with others (guest policy, bit 16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmtRule {
    /// It may. The default: guests of Azure all may.
    #[default]
    Allowed,
    /// It must not: `smt: forbidden`.
    Forbidden,
}

/// The least level of a platform for each generation of processors; a generation without one is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnpFloors(pub BTreeMap<SnpProduct, SnpFloor>);

/// The least version of each component; 0 where none is demanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnpFloor {
    /// `fmc`; Turin alone has it.
    pub fmc: u8,
    /// `bootloader`
    pub bootloader: u8,
    /// `tee`
    pub tee: u8,
    /// `snp`
    pub snp: u8,
    /// `microcode`
    pub microcode: u8,
}

impl SnpFloor {
    /// Each component by its key: the least version, and the one that a platform has. A platform without FMC
    /// has it at 0.
    #[must_use]
    pub fn beside(&self, found: &SnpTcb) -> [(&'static str, u8, u8); 5] {
        [
            ("fmc", self.fmc, found.fmc.unwrap_or(0)),
            ("bootloader", self.bootloader, found.bootloader),
            ("tee", self.tee, found.tee),
            ("snp", self.snp, found.snp),
            ("microcode", self.microcode, found.microcode),
        ]
    }
}

/// A demand on a trust domain of Intel TDX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TdxRule {
    /// `mrtd`
    pub mr_td: Vec<Digest<48>>,
    /// `rtmr0` to `rtmr3`
    pub rtmr: [Vec<Digest<48>>; 4],
    /// `mrconfigid`
    pub mr_config_id: Vec<Digest<48>>,
    /// `mrowner`
    pub mr_owner: Vec<Digest<48>>,
    /// `mrownerconfig`
    pub mr_owner_config: Vec<Digest<48>>,
    /// `mrseam`
    pub mr_seam: Vec<Digest<48>>,
    /// `mrsignerseam`
    pub mr_signer_seam: Vec<Digest<48>>,
    /// `tee_tcb_svn_min`, if the versions of the platform's components count.
    pub floor: Option<TdxFloor>,
}

/// The least version of each component of `TEE_TCB_SVN`, one byte each in the order of the quote; 0 where none is
/// demanded. The first two are the TDX module's: its security version, and the major version that counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TdxFloor(pub Digest<16>);

impl TdxFloor {
    /// Each component that is demanded by its number: the least version, and the one of a domain.
    pub fn beside(&self, found: &Digest<16>) -> impl Iterator<Item = (usize, u8, u8)> {
        let versions = self.0.as_bytes().iter().zip(found.as_bytes());
        let numbered = versions.enumerate();
        let all = numbered.map(|(number, (least, found))| (number, *least, *found));
        all.filter(|(_, least, _)| *least > 0)
    }
}

/// A demand on a confidential virtual machine of Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureVmRule {
    /// `pcrs`: registers of the virtual TPM, SHA-256 bank, by number 0 to 23.
    pub pcrs: BTreeMap<u8, Vec<Digest<32>>>,
    /// `secure_boot`
    pub secure_boot: SecureBootRule,
    /// `vm_unique_id`; empty when it does not count.
    pub vm_unique_ids: Vec<String>,
    /// `attestation_key`
    pub attestation_key: AttestationKeyRule,
    /// What is demanded of the TEE below the paravisor.
    pub tee: AzureVmTeeRule,
}

/// Whether secure boot must be on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecureBootRule {
    /// It does not count. The default.
    #[default]
    Any,
    /// It must be on: `true`.
    On,
    /// It must be off: `false`.
    Off,
}

/// What must vouch for the attestation key of a virtual TPM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttestationKeyRule {
    /// The report of the TEE. The default.
    #[default]
    Reported,
    /// A certificate of Azure's beside it: `certified`.
    Certified,
}

/// What is demanded of the TEE below a paravisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AzureVmTeeRule {
    /// `snp`
    Snp(SnpRule),
    /// `tdx`
    Tdx(TdxRule),
}

impl AzureVmTeeRule {
    /// Whether it tells Azure's paravisor from everything else that runs in such a TEE: by its measurement, or by
    /// the key that signed its id block.
    #[must_use]
    pub const fn pins_paravisor(&self) -> bool {
        match self {
            Self::Snp(snp) => !snp.measurements.is_empty() || !snp.id_key_digests.is_empty(),
            Self::Tdx(tdx) => !tdx.mr_td.is_empty(),
        }
    }
}

/// A demand on a group of confidential containers of Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AciRule {
    /// `policy_digest`: SHA-256 of the group's policy. Empty with [`AllowAllRule::DangerousAllowed`] alone, where any
    /// policy is accepted.
    pub policy_digests: Vec<Digest<32>>,
    /// `feed`: any of these may have published the utility virtual machine.
    pub feeds: Vec<String>,
    /// `issuer`: any of these; empty for any that the operator trusts.
    pub issuers: Vec<String>,
    /// `svn_min`: the least security version of the utility virtual machine; 0 when none is demanded.
    pub least_svn: u64,
    /// `dangerous_allow_all_policy`
    pub allow_all: AllowAllRule,
    /// `tcb`, if the platform's level counts.
    pub tcb: Option<SnpFloors>,
}

impl AciRule {
    /// `feed`, where the policy says nothing: Microsoft's utility virtual machine of Container Instances.
    pub const FEED: &'static str = "ContainerPlat-AMD-UVM";
}

/// Whether a group of containers may have the policy that allows everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowAllRule {
    /// It must not. The default.
    #[default]
    Forbidden,
    /// It may: `dangerous_allow_all_policy: true`.
    DangerousAllowed,
}

/// A demand on a token of the attestation service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaaRule {
    /// `claims`: all of them must hold.
    pub claims: Vec<ClaimCondition>,
    /// `policy_hash`: any of these, as the token writes it; empty when it does not count.
    pub policy_hashes: Vec<String>,
    /// Where it stands.
    pub position: Position,
}

/// A condition on one claim of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimCondition {
    /// The claim: names of members joined by `.`.
    pub name: String,
    /// What it must be.
    pub demand: ClaimDemand,
}

/// What a claim must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimDemand {
    /// `equals`, `any_of`: one of these, of the same type.
    AnyOf(Vec<ClaimConstant>),
    /// `at_least`: a number of at least this.
    AtLeast(u64),
}

/// A value that a claim is compared with. A text is never equal to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimConstant {
    /// A text.
    Text(String),
    /// A whole number.
    Number(u64),
    /// True or false.
    Flag(bool),
}

impl fmt::Display for ClaimConstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "`{text}`"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// A demand on the projected service account token that an attester must bring beside its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountRule {
    /// Who must have issued it, and for whom.
    pub demand: ServiceAccountDemand,
    /// `namespace`
    pub namespace: String,
    /// `service_account`
    pub service_account: String,
}

/// What a service account token must verify against, before it says anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccountDemand {
    /// `issuer`: the cluster.
    pub issuer: ClusterIssuer,
    /// `audience`
    pub audience: String,
}

impl ServiceAccountDemand {
    /// `audience`, where the policy says nothing.
    pub const AUDIENCE: &'static str = "casque";
}

/// The issuer of a cluster's service account tokens: an `https` URL, compared byte by byte with the `iss` of a token
/// (OpenID Connect Discovery 1.0 section 3), at most 512 bytes, without query and fragment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterIssuer(String);

impl ClusterIssuer {
    /// The URL as the policy writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterIssuer {
    type Err = ClusterIssuerParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text
            .strip_prefix("https://")
            .ok_or(ClusterIssuerParseError)?;
        let host = rest.split('/').next().unwrap_or_default();
        let is_plain = |b: u8| b.is_ascii_graphic() && !b"?#@\\\"<>".contains(&b);
        let fits = text.len() <= 512 && !host.is_empty() && !host.starts_with(':');
        if fits && text.bytes().all(is_plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(ClusterIssuerParseError)
    }
}

impl fmt::Display for ClusterIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no issuer of a cluster.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("expected the issuer of a cluster, `https://HOST` with its path")]
pub struct ClusterIssuerParseError;
