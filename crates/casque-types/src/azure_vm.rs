//! What identifies a confidential virtual machine of Azure behind its paravisor, and a confidential container.

use std::collections::BTreeMap;

use crate::{Digest, SnpIdentity, TdxIdentity};

/// A confidential virtual machine of Azure: its TEE measures the paravisor, whose virtual TPM measures the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureVmIdentity {
    /// The paravisor's TEE.
    pub tee: AzureVmTee,
    /// The registers of the virtual TPM that were quoted (SHA-256 bank), by number 0 to 23; empty in a token.
    pub pcrs: BTreeMap<u8, Digest<32>>,
    /// Whether secure boot is on, as the paravisor or the attestation service says.
    pub secure_boot: Option<bool>,
    /// `vmUniqueId`, as the paravisor says.
    pub vm_unique_id: Option<String>,
    /// What vouches for the attestation key.
    pub attestation_key: AttestationKeyProof,
}

/// The TEE under a confidential virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AzureVmTee {
    /// AMD SEV-SNP.
    Snp(Box<SnpIdentity>),
    /// Intel TDX.
    Tdx(Box<TdxIdentity>),
}

/// What vouches for the attestation key of a virtual TPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttestationKeyProof {
    /// The report of the TEE, whose report data is the digest of the paravisor's data with the key in it.
    Report,
    /// That, and a chain of certificates to Azure's root for virtual TPMs.
    ReportAndCertificate,
}

/// A group of confidential containers (Azure Container Instances, AKS pods): a utility virtual machine of
/// Microsoft's under a policy of the customer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AciIdentity {
    /// The utility virtual machine; its `host_data` is the digest of the policy.
    pub snp: SnpIdentity,
    /// Who endorses the utility virtual machine's measurement.
    pub uvm: UvmIdentity,
    /// Whether the policy is the one that allows everything.
    pub allows_all: bool,
}

/// What a reference of a utility virtual machine says (COSE, `x-ms-sevsnpvm-*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UvmIdentity {
    /// Who issued it: `did:x509:…`, as verified.
    pub issuer: String,
    /// The feed, such as `ContainerPlat-AMD-UVM`.
    pub feed: String,
    /// Its security version.
    pub svn: u64,
}
