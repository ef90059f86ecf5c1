//! Every software TEE of a local world: what they state, who vouches for it, and the roots of that.
//!
//! Those of Intel and AMD are kept in the state folder (`tee`); the TPM and the issuer of references are made anew at each
//! start.

use std::sync::Arc;

use casque_appraise::{AmdEndorsements, Endorsements, EndorsementsId, IntelTee, TrustAnchors};
use casque_testkit::aci::{SoftwareUvmError, SoftwareUvmIssuer, software_policy};
use casque_testkit::azure_vm::{MachineEvidence, SoftwareVtpm, SoftwareVtpmError};
use casque_testkit::sgx::{SoftwareTee, SoftwareTeeError, software_identity};
use casque_testkit::snp::{ReportSpec, SoftwareSnp, software_snp_identity};
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{Digest, MrEnclave, SnpSigner, Timestamp};
use casque_wire::{AnyB64, Evidence, TpmQuote};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::system_now;
use crate::measure::Measurements;
use crate::roots::{AmdRoots, SoftwareRoots};
use crate::state::StateDirectory;
use crate::tee::{self, TeeError};

/// The platforms of one local world.
#[derive(Debug)]
pub struct SoftwareTees {
    /// SGX and TDX.
    pub intel: Arc<SoftwareTee>,
    /// SEV-SNP: a Milan.
    pub snp: Arc<SoftwareSnp>,
    /// The TPM of its Azure VMs.
    pub vtpm: SoftwareVtpm,
    /// Who knows its utility virtual machines.
    pub uvm: SoftwareUvmIssuer,
}

/// A kind of TEE that a program is run in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TeeKind {
    /// An SGX enclave.
    #[default]
    Sgx,
    /// A guest of SEV-SNP.
    Snp,
    /// A trust domain of TDX.
    Tdx,
    /// An Azure VM on SEV-SNP: its virtual TPM quotes.
    AzureSnp,
    /// An Azure VM on TDX.
    AzureTdx,
    /// A group of confidential containers.
    Aci,
}

/// Why there is no evidence, or nothing that vouches for it.
#[derive(Debug, Error)]
pub enum TeesError {
    /// A TEE.
    #[error(transparent)]
    Tee(#[from] SoftwareTeeError),
    /// One that is kept.
    #[error(transparent)]
    Kept(#[from] TeeError),
    /// The virtual TPM.
    #[error(transparent)]
    Vtpm(#[from] SoftwareVtpmError),
    /// The issuer of references.
    #[error(transparent)]
    Uvm(#[from] SoftwareUvmError),
}

impl SoftwareTees {
    /// Those of a state folder.
    ///
    /// # Errors
    /// [`TeesError`]: the folder cannot be used, or the crypto provider failed.
    pub fn load_or_make(state: &StateDirectory) -> Result<Self, TeesError> {
        let now = system_now();
        Ok(Self {
            intel: tee::load_or_make(state)?,
            snp: tee::load_or_make_snp(state)?,
            vtpm: SoftwareVtpm::generate(now)?,
            uvm: SoftwareUvmIssuer::generate(now)?,
        })
    }

    /// Their roots.
    #[must_use]
    pub fn anchors(&self) -> TrustAnchors {
        TrustAnchors::vendors()
            .dangerous_with_sgx_root(self.intel.root_der().to_vec())
            .dangerous_with_amd(vec![self.snp.anchor()])
            .dangerous_with_azure_vtpm_root(self.vtpm.root_der().to_vec())
            .dangerous_with_uvm_issuers(vec![self.uvm.did()])
    }

    /// The same, to be written to a file.
    #[must_use]
    pub fn roots(&self) -> SoftwareRoots {
        let anchor = self.snp.anchor();
        SoftwareRoots {
            sgx: AnyB64(self.intel.root_der().to_vec()),
            amd: AmdRoots {
                product: anchor.product.to_string(),
                ark: AnyB64(anchor.ark),
                ask: AnyB64(anchor.ask),
                asvk: AnyB64(anchor.asvk),
            },
            azure_vtpm: AnyB64(self.vtpm.root_der().to_vec()),
            uvm_issuers: vec![self.uvm.did()],
        }
    }

    /// What their vendors would state at `now`; nothing of other platforms.
    ///
    /// # Errors
    /// [`TeesError`]: the crypto provider failed.
    pub fn endorsements(
        &self,
        id: &EndorsementsId,
        now: Timestamp,
    ) -> Result<Endorsements, TeesError> {
        let mut endorsements = Endorsements::default();
        match id {
            EndorsementsId::Intel(id) if id.fmspc == self.intel.platform().fmspc => {
                let found = match id.tee {
                    IntelTee::Sgx => self.intel.endorsements(now)?,
                    IntelTee::Tdx => self.intel.tdx_endorsements(now)?,
                };
                endorsements.intel = Some(Arc::new(found));
            }
            EndorsementsId::Amd(id) if id.product == self.snp.platform().product => {
                let found: AmdEndorsements = self.snp.endorsements(now)?;
                endorsements.amd = Some(Arc::new(found));
            }
            EndorsementsId::Intel(_) | EndorsementsId::Amd(_) => {}
        }
        Ok(endorsements)
    }

    /// Evidence of a program with these measurements, bound to `report_data`; in an Azure VM to its first half.
    ///
    /// # Errors
    /// [`TeesError`]: the crypto provider failed.
    pub fn evidence(
        &self,
        kind: TeeKind,
        program: &Measurements,
        report_data: [u8; 64],
    ) -> Result<Evidence, TeesError> {
        let (extra_data, _) = report_data.split_at(32);
        let snp = software_snp_identity(program.sha384);
        let tdx = software_tdx_identity(*program.sha384.as_bytes());
        Ok(match kind {
            TeeKind::Sgx => Evidence::Sgx {
                quote: AnyB64(
                    self.intel
                        .quote(&software_identity(program.sha256), &report_data)?,
                ),
            },
            TeeKind::Tdx => Evidence::Tdx {
                quote: AnyB64(self.intel.tdx_quote(&tdx, &report_data)?),
            },
            TeeKind::Snp => Evidence::Snp {
                report: AnyB64(self.snp.report(&ReportSpec::new(snp, report_data))?),
                vek: Some(self.snp.chain_pem(SnpSigner::Vcek)),
            },
            TeeKind::AzureSnp => {
                let vm = self.vtpm.on_snp(&self.snp, &snp, extra_data)?;
                Evidence::AzureSnpVtpm {
                    quote: quote_of(&vm),
                    hcl: AnyB64(vm.hcl),
                    vek: vm.vek,
                    ak_chain: Some(vm.ak_chain),
                }
            }
            TeeKind::AzureTdx => {
                let vm = self.vtpm.on_tdx(&self.intel, &tdx, extra_data)?;
                Evidence::AzureTdxVtpm {
                    quote: quote_of(&vm),
                    hcl: AnyB64(vm.hcl),
                    td_quote: AnyB64(vm.td_quote.unwrap_or_default()),
                    ak_chain: Some(vm.ak_chain),
                }
            }
            TeeKind::Aci => {
                let policy = containers_policy(&program.sha256);
                let uvm = software_snp_identity(utility_machine());
                let group = self
                    .uvm
                    .group(&self.snp, &uvm, policy.as_bytes(), report_data)?;
                Evidence::AciSnp {
                    report: AnyB64(group.report),
                    vek: Some(group.vek),
                    policy: AnyB64(group.policy),
                    uvm: AnyB64(group.uvm),
                }
            }
        })
    }
}

/// The policy of the containers in which a program runs alone: it names the program's digest.
#[must_use]
pub fn containers_policy(program: &MrEnclave) -> String {
    software_policy(&program.to_string())
}

/// The measurement of every utility virtual machine of the local world.
fn utility_machine() -> Digest<48> {
    Digest::from([0x55; 48])
}

fn quote_of(vm: &MachineEvidence) -> TpmQuote {
    TpmQuote {
        message: AnyB64(vm.quote.message.clone()),
        signature: AnyB64(vm.quote.signature.clone()),
        pcrs: vm.quote.pcrs.iter().map(hex::encode).collect(),
    }
}
