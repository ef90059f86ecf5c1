//! Whether a token and evidence speak of the same TEE: every claim of the identity that both state.

use std::fmt::Display;

use casque_types::{
    AzureVmIdentity, AzureVmTee, SgxIdentity, SnpIdentity, SnpPlatform, TdxIdentity, sha256,
};

use super::subject::Subject;
use crate::{Difference, Evidence, Identity, Tcb};

/// Every claim that differs.
pub(super) fn identities(evidence: &Evidence, subject: &Subject) -> Vec<Difference> {
    let mut all = Differences::default();
    let claimed = evidence.claimed_identity();
    match (&claimed, &subject.identity) {
        (Some(Identity::Sgx(evidence)), Identity::Sgx(token)) => all.sgx(evidence, token),
        (Some(Identity::Snp(evidence)), Identity::Snp(token)) => all.snp(evidence, token),
        (Some(Identity::Aci(evidence)), Identity::Snp(token)) => all.snp(&evidence.snp, token),
        (Some(Identity::Tdx(evidence)), Identity::Tdx(token)) => all.tdx(evidence, token),
        (Some(Identity::AzureVm(evidence)), token) => all.azure_vm(evidence, token, subject),
        (evidence, token) => all.compare(
            "tee",
            evidence.as_ref().map_or("none", Identity::kind),
            token.kind(),
        ),
    }
    if let (Evidence::Sgx(quote), Some(hash)) = (evidence, &subject.quote_hash) {
        all.compare("quotehash", sha256(quote.as_bytes()), hash);
    }
    if let (Some(evidence), Some(token)) = (report_data(evidence), &subject.report_data) {
        all.compare("report_data", hex::encode(evidence), token);
    }
    all.0
}

/// Every fact of an AMD platform that differs, as far as both state it.
pub(super) fn platforms(evidence: &Tcb, token: &Tcb) -> Vec<Difference> {
    let mut all = Differences::default();
    if let (Some(evidence), Some(token)) = (&evidence.snp, &token.snp) {
        all.platform(evidence, token);
    }
    all.0
}

const fn report_data(evidence: &Evidence) -> Option<&[u8; 64]> {
    match evidence {
        Evidence::Sgx(quote) => Some(quote.report_data()),
        Evidence::Tdx(quote) => Some(quote.report_data()),
        Evidence::Snp(snp) => Some(snp.report().report_data()),
        Evidence::Aci(aci) => Some(aci.report().report_data()),
        // Of an Azure VM it is the digest of the paravisor's data, which is compared.
        Evidence::Absent | Evidence::AzureVm(_) | Evidence::MaaToken(_) => None,
    }
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn compare(&mut self, claim: &'static str, evidence: impl Display, token: impl Display) {
        let (evidence, token) = (evidence.to_string(), token.to_string());
        if evidence != token {
            self.0.push(Difference {
                claim,
                evidence,
                token,
            });
        }
    }

    /// Compares what both state.
    fn compare_stated<T: Display>(
        &mut self,
        claim: &'static str,
        evidence: Option<T>,
        token: Option<T>,
    ) {
        if let (Some(evidence), Some(token)) = (evidence, token) {
            self.compare(claim, evidence, token);
        }
    }

    fn sgx(&mut self, evidence: &SgxIdentity, token: &SgxIdentity) {
        let SgxIdentity {
            mr_enclave,
            mr_signer,
            product_id,
            svn,
            debug,
        } = evidence;
        self.compare("mrenclave", mr_enclave, token.mr_enclave);
        self.compare("mrsigner", mr_signer, token.mr_signer);
        self.compare("isvprodid", product_id, token.product_id);
        self.compare("isvsvn", svn, token.svn);
        self.compare("debug", debug, token.debug);
    }

    fn snp(&mut self, evidence: &SnpIdentity, token: &SnpIdentity) {
        let SnpIdentity {
            measurement,
            host_data,
            id_key_digest,
            author_key_digest,
            family_id,
            image_id,
            report_id,
            guest_svn,
            vmpl,
            debug,
            migration_allowed,
            smt_allowed,
        } = evidence;
        self.compare("measurement", measurement, token.measurement);
        self.compare("host_data", host_data, token.host_data);
        self.compare("id_key_digest", id_key_digest, token.id_key_digest);
        self.compare(
            "author_key_digest",
            author_key_digest,
            token.author_key_digest,
        );
        self.compare("family_id", family_id, token.family_id);
        self.compare("image_id", image_id, token.image_id);
        self.compare("report_id", report_id, token.report_id);
        self.compare("guest_svn", guest_svn, token.guest_svn);
        self.compare("vmpl", vmpl, token.vmpl);
        self.compare("debug", debug, token.debug);
        self.compare(
            "migration_allowed",
            migration_allowed,
            token.migration_allowed,
        );
        self.compare("smt_allowed", smt_allowed, token.smt_allowed);
    }

    fn tdx(&mut self, evidence: &TdxIdentity, token: &TdxIdentity) {
        let TdxIdentity {
            mr_td,
            rtmr,
            mr_config_id,
            mr_owner,
            mr_owner_config,
            mr_seam,
            mr_signer_seam,
            seam_attributes,
            td_attributes,
            xfam,
            tee_tcb_svn,
            debug,
        } = evidence;
        self.compare("mrtd", mr_td, token.mr_td);
        let registers = ["rtmr0", "rtmr1", "rtmr2", "rtmr3"];
        for ((claim, evidence), token) in registers.into_iter().zip(rtmr).zip(&token.rtmr) {
            self.compare(claim, evidence, token);
        }
        self.compare("mrconfigid", mr_config_id, token.mr_config_id);
        self.compare("mrowner", mr_owner, token.mr_owner);
        self.compare("mrownerconfig", mr_owner_config, token.mr_owner_config);
        self.compare("mrseam", mr_seam, token.mr_seam);
        self.compare("mrsignerseam", mr_signer_seam, token.mr_signer_seam);
        self.compare("seam_attributes", seam_attributes, token.seam_attributes);
        self.compare("tdattributes", td_attributes, token.td_attributes);
        self.compare("xfam", xfam, token.xfam);
        self.compare("tee_tcb_svn", tee_tcb_svn, token.tee_tcb_svn);
        self.compare("debug", debug, token.debug);
    }

    /// The token is about the TEE, or (type `azurevm`) about the machine with the TEE inside.
    fn azure_vm(&mut self, evidence: &AzureVmIdentity, token: &Identity, subject: &Subject) {
        let stated = subject.paravisor();
        let (secure_boot, id) = match token {
            Identity::AzureVm(vm) => (vm.secure_boot, vm.vm_unique_id.as_ref()),
            _ => (
                stated.and_then(|it| it.secure_boot),
                stated.and_then(|it| it.vm_unique_id.as_ref()),
            ),
        };
        match (&evidence.tee, token) {
            (AzureVmTee::Snp(evidence), Identity::Snp(token)) => self.snp(evidence, token),
            (AzureVmTee::Tdx(evidence), Identity::Tdx(token)) => self.tdx(evidence, token),
            (evidence, Identity::AzureVm(vm)) => match (evidence, &vm.tee) {
                (AzureVmTee::Snp(evidence), AzureVmTee::Snp(token)) => self.snp(evidence, token),
                (AzureVmTee::Tdx(evidence), AzureVmTee::Tdx(token)) => self.tdx(evidence, token),
                (evidence, token) => self.compare("tee", kind(evidence), kind(token)),
            },
            (evidence, token) => self.compare("tee", kind(evidence), token.kind()),
        }
        self.compare_stated("secure_boot", evidence.secure_boot, secure_boot);
        self.compare_stated("vm_unique_id", evidence.vm_unique_id.as_ref(), id);
    }

    fn platform(&mut self, evidence: &SnpPlatform, token: &SnpPlatform) {
        self.compare_stated("product", evidence.product, token.product);
        let mut reported = evidence.reported_tcb;
        if token.reported_tcb.fmc.is_none() {
            // The service does not state it.
            reported.fmc = None;
        }
        self.compare("reported_tcb", reported, token.reported_tcb);
        let chip = |platform: &SnpPlatform| platform.chip_id.as_ref().map(hex::encode);
        self.compare_stated("chip_id", chip(evidence), chip(token));
    }
}

const fn kind(tee: &AzureVmTee) -> &'static str {
    match tee {
        AzureVmTee::Snp(_) => "snp",
        AzureVmTee::Tdx(_) => "tdx",
    }
}
