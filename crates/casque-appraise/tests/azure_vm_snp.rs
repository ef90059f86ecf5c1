//! Software machines of Azure on SNP: the parts that the TEE decides. What is around the report is bent in
//! `azure_vm.rs`.
#![expect(
    clippy::unwrap_used,
    reason = "the functions that tests call are tests"
)]

use std::sync::{Arc, LazyLock};

use assert_matches::assert_matches;
use casque_appraise::{
    AppraiseError, Appraiser, AzureVmAppraiseError, AzureVmEvidence, AzureVmParts, Bound,
    Endorsements, EndorsementsId, Evidence, EvidenceKind, EvidenceParseError, Identity, Scope,
    SnpAppraiseError, TrustAnchors, Verdict,
};
use casque_testkit::azure_vm::{HclFlaw, HclSpec, HclTee, SoftwareVtpm, TpmQuoteSpec};
use casque_testkit::snp::{ReportFlaw, ReportSpec, SoftwareSnp, software_snp_identity};
use casque_types::{
    AttestationKeyProof, AzureVmTee, Digest, Seconds, SnpProduct, SnpSigner, Timestamp,
};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
static VTPM: LazyLock<SoftwareVtpm> = LazyLock::new(|| SoftwareVtpm::generate(NOW).unwrap());
static MILAN: LazyLock<SoftwareSnp> =
    LazyLock::new(|| SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap());

/// A machine on SNP, and what its evidence is made from.
struct World {
    hcl: HclSpec,
    report: ReportSpec,
    brings_chain: bool,
    brings_td_quote: bool,
}

impl World {
    fn new() -> Self {
        let hcl = HclSpec::default();
        let identity = software_snp_identity(Digest::from([0x5A; 48]));
        Self {
            report: ReportSpec::new(identity, VTPM.report_data(&hcl)),
            hcl,
            brings_chain: true,
            brings_td_quote: false,
        }
    }

    fn evidence(&self) -> Result<AzureVmEvidence, EvidenceParseError> {
        let report = MILAN.report(&self.report).unwrap();
        let quote = VTPM.quote(&TpmQuoteSpec::new(b"challenge")).unwrap();
        let chain = MILAN.chain_pem(SnpSigner::Vcek);
        let ak_chain = VTPM.ak_chain().unwrap();
        AzureVmEvidence::parse(&AzureVmParts {
            hcl: &VTPM.hcl_report(&self.hcl, HclTee::Snp, &report).unwrap(),
            message: &quote.message,
            signature: &quote.signature,
            pcrs: &quote.pcrs,
            vek: self.brings_chain.then_some(chain.as_bytes()),
            td_quote: self.brings_td_quote.then_some(b"quote"),
            ak_chain: Some(ak_chain.as_bytes()),
        })
    }

    fn verify(&self) -> Result<Verdict, AppraiseError> {
        self.verify_at(NOW)
    }

    fn verify_at(&self, now: Timestamp) -> Result<Verdict, AppraiseError> {
        let evidence = Evidence::AzureVm(self.evidence()?);
        appraiser().verify(&evidence, &Endorsements::default(), now)
    }
}

fn appraiser() -> Appraiser {
    Appraiser::new(
        TrustAnchors::vendors()
            .dangerous_with_amd(vec![MILAN.anchor()])
            .dangerous_with_azure_vtpm_root(VTPM.root_der().to_vec()),
    )
}

#[test]
fn machine_is_verified() {
    let verdict = World::new().verify().unwrap();
    let Identity::AzureVm(vm) = verdict.identity() else {
        panic!("expected an Azure VM");
    };
    assert_matches!(&vm.tee, AzureVmTee::Snp(snp) if *snp.measurement.as_bytes() == [0x5A; 48]);
    let proof = AttestationKeyProof::ReportAndCertificate;
    assert_eq!(vm.attestation_key, proof);
    assert_eq!(verdict.scope(), Scope::Vm);
    assert_eq!(*verdict.bound(), Bound::ExtraData(b"challenge".to_vec()));
    let platform = verdict.tcb().snp.as_ref().unwrap();
    assert_eq!(platform.product, Some(SnpProduct::Milan));
    // The chain of the attestation key runs out after a year, AMD's after twenty.
    let year = NOW.plus(Seconds(365 * 86_400));
    assert_eq!(verdict.valid_until(), Some(year));
}

#[test]
fn machine_names_what_it_needs_and_brings_what_is_submitted() {
    let mut world = World::new();
    world.brings_chain = false;
    let evidence = world.evidence().unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::AzureSnpVtpm);
    assert_matches!(evidence.endorsements_id(), Ok(EndorsementsId::Amd(id)) if id.vcek.is_some());
    assert_eq!(evidence.hardware_evidence().len(), 1184);
    assert_eq!(evidence.paravisor_data(), VTPM.paravisor_data(&world.hcl));
    let endorsements = Endorsements {
        intel: None,
        amd: Some(Arc::new(MILAN.endorsements(NOW).unwrap())),
    };
    let evidence = Evidence::AzureVm(evidence);
    appraiser().verify(&evidence, &endorsements, NOW).unwrap();
    let refused = appraiser().verify(&evidence, &Endorsements::default(), NOW);
    assert_matches!(
        refused,
        Err(AppraiseError::Snp(SnpAppraiseError::CertificateMissing))
    );
}

#[test]
fn machine_whose_report_does_not_hold_is_refused_by_its_own_error() {
    let mut world = World::new();
    world.report = world.report.clone().with_flaw(ReportFlaw::Signature);
    let refused = world.verify();
    assert_matches!(
        refused,
        Err(AppraiseError::Snp(SnpAppraiseError::Signature))
    );
    let mut world = World::new();
    world.report = world.report.clone().with_flaw(ReportFlaw::OtherChip);
    let refused = world.verify();
    assert_matches!(refused, Err(AppraiseError::Snp(SnpAppraiseError::Chip)));
}

#[test]
fn machine_whose_report_carries_more_than_the_digest_is_refused() {
    let mut world = World::new();
    world.report.report_data[63] = 1;
    let refused = world.verify().unwrap_err();
    let expected = AzureVmAppraiseError::ReportData;
    assert_eq!(refused, AppraiseError::AzureVm(expected));
}

#[test]
fn machine_with_another_paravisors_report_is_refused() {
    let mut world = World::new();
    world.hcl.user_data = [1; 64];
    let refused = world.verify().unwrap_err();
    let expected = AzureVmAppraiseError::ReportData;
    assert_eq!(refused, AppraiseError::AzureVm(expected));
}

#[test]
fn blob_that_calls_its_report_a_tdreport_is_no_evidence() {
    let mut world = World::new();
    world.hcl = world.hcl.clone().with_flaw(HclFlaw::ReportType(4));
    assert_matches!(world.evidence(), Err(EvidenceParseError::Malformed { expected, .. })
        if expected == "a TD quote beside an HCL report of TDX");
}

#[test]
fn machine_on_snp_with_a_td_quote_is_no_evidence() {
    let mut world = World::new();
    world.brings_td_quote = true;
    assert_matches!(world.evidence(), Err(EvidenceParseError::Malformed { expected, .. })
        if expected == "no TD quote beside an HCL report of SNP");
}

#[test]
fn machine_after_twenty_years_is_refused_by_its_report_first() {
    let late = NOW.plus(Seconds(21 * 366 * 86_400));
    let refused = World::new().verify_at(late);
    assert_eq!(refused.unwrap_err().code(), "snp-certificate-expired");
}

#[test]
fn signature_of_another_length_is_none() {
    let world = World::new();
    let report = MILAN.report(&world.report).unwrap();
    let quote = VTPM.quote(&TpmQuoteSpec::new(b"challenge")).unwrap();
    let hcl = VTPM.hcl_report(&world.hcl, HclTee::Snp, &report).unwrap();
    for (length, fits) in [(0, false), (255, false), (257, true), (513, false)] {
        let mut signature = quote.signature.clone();
        signature.resize(length, 0);
        let evidence = AzureVmEvidence::parse(&AzureVmParts {
            hcl: &hcl,
            message: &quote.message,
            signature: &signature,
            pcrs: &quote.pcrs,
            vek: Some(MILAN.chain_pem(SnpSigner::Vcek).as_bytes()),
            td_quote: None,
            ak_chain: None,
        });
        assert_eq!(evidence.is_ok(), fits, "{length}");
        // As long as another key's: it is not this key's.
        if let Ok(evidence) = evidence {
            let evidence = Evidence::AzureVm(evidence);
            let refused = appraiser().verify(&evidence, &Endorsements::default(), NOW);
            let expected = AzureVmAppraiseError::Signature;
            assert_eq!(refused.unwrap_err(), AppraiseError::AzureVm(expected));
        }
    }
}
