//! Evidence that the server submitted, and what the software MAA says of it: alone, and beside our own appraisal.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions that tests call are tests"
)]

use std::sync::{Arc, LazyLock};

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_appraise::{
    AciAppraiseError, AciEvidence, Appraisal, AppraiseError, Appraiser, AzureVmAppraiseError,
    AzureVmEvidence, AzureVmParts, Bound, Difference, Endorsements, Evidence, EvidenceKind,
    Identity, MaaAppraiseError, MaaKeys, MaaToken, MaaTrust, Scope, SgxQuote, SignerDemand,
    SnpAppraiseError, SnpEvidence, Submitted, TcbStatus, TdxQuote, TrustAnchors, Verifier,
};
use casque_testkit::aci::{SoftwareUvmIssuer, UvmSpec, software_policy};
use casque_testkit::azure_vm::{HclSpec, HclTee, SoftwareVtpm, TpmQuoteFlaw, TpmQuoteSpec};
use casque_testkit::maa::{
    JwksShape, RuntimeClaim, SoftwareMaa, TokenSpec, TokenSubject, submission,
};
use casque_testkit::runtime_data as runtime;
use casque_testkit::sgx::{SoftwareTee, software_identity};
use casque_testkit::snp::{ReportFlaw, ReportSpec, SoftwareSnp, software_snp_identity};
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{
    AttestationKeyProof, Digest, Seconds, SnpProduct, SnpSigner, Timestamp, sha256,
};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const INSTANCE: &str = "https://casque.weu.attest.azure.net";

struct World {
    maa: SoftwareMaa,
    keys: MaaKeys,
    intel: SoftwareTee,
    amd: SoftwareSnp,
    vtpm: SoftwareVtpm,
    issuer: SoftwareUvmIssuer,
    appraiser: Appraiser,
    endorsements: [Endorsements; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let maa = SoftwareMaa::generate(INSTANCE.parse().unwrap(), NOW).unwrap();
    let intel = SoftwareTee::generate(NOW).unwrap();
    let amd = SoftwareSnp::generate(SnpProduct::Genoa, NOW).unwrap();
    let issuer = SoftwareUvmIssuer::generate(NOW).unwrap();
    let anchors = TrustAnchors::vendors()
        .dangerous_with_sgx_root(intel.root_der().to_vec())
        .dangerous_with_amd(vec![amd.anchor()])
        .dangerous_with_uvm_issuers(vec![issuer.did()]);
    let of = |intel| Endorsements {
        intel: Some(Arc::new(intel)),
        amd: Some(Arc::new(amd.endorsements(NOW).unwrap())),
    };
    World {
        keys: MaaKeys::parse(maa.jwks(JwksShape::WithNumbers).as_bytes()).unwrap(),
        endorsements: [
            of(intel.endorsements(NOW).unwrap()),
            of(intel.tdx_endorsements(NOW).unwrap()),
        ],
        vtpm: SoftwareVtpm::generate(NOW).unwrap(),
        appraiser: Appraiser::new(anchors),
        maa,
        intel,
        amd,
        issuer,
    }
});

fn trust() -> MaaTrust {
    MaaTrust {
        issuer: INSTANCE.parse().unwrap(),
        min_rsa_bits: 2048,
        clock_skew: Seconds(60),
        max_age: Seconds(600),
        signer: SignerDemand::Any,
    }
}

fn report_data() -> [u8; 64] {
    *runtime(1).report_data().as_bytes()
}

// ---- evidence ----

fn sgx() -> Evidence {
    let identity = software_identity([0xe1; 32].into());
    let quote = WORLD.intel.quote(&identity, &report_data()).unwrap();
    Evidence::Sgx(SgxQuote::parse(&quote).unwrap())
}

fn tdx() -> Evidence {
    let identity = software_tdx_identity([0xd1; 48]);
    let quote = WORLD.intel.tdx_quote(&identity, &report_data()).unwrap();
    Evidence::Tdx(TdxQuote::parse(&quote).unwrap())
}

fn snp_of(spec: &ReportSpec) -> Evidence {
    let report = WORLD.amd.report(spec).unwrap();
    let chain = WORLD.amd.chain_pem(SnpSigner::Vcek);
    Evidence::Snp(SnpEvidence::parse(&report, Some(chain.as_bytes())).unwrap())
}

fn snp() -> Evidence {
    let identity = software_snp_identity([0xa1; 48].into());
    snp_of(&ReportSpec::new(identity, report_data()))
}

fn aci_with(policy: &str, referenced: Digest<48>) -> Evidence {
    let mut identity = software_snp_identity([0xa2; 48].into());
    identity.host_data = sha256(software_policy("/app").as_bytes());
    let spec = ReportSpec::new(identity, report_data());
    let report = WORLD.amd.report(&spec).unwrap();
    let chain = WORLD.amd.chain_pem(SnpSigner::Vcek);
    let reference = WORLD
        .issuer
        .reference(&UvmSpec::new(referenced, NOW))
        .unwrap();
    let parsed = AciEvidence::parse(
        &report,
        Some(chain.as_bytes()),
        policy.as_bytes(),
        &reference,
    );
    Evidence::Aci(parsed.unwrap())
}

fn aci() -> Evidence {
    aci_with(&software_policy("/app"), Digest::from([0xa2; 48]))
}

#[derive(Clone)]
struct Machine {
    hcl: HclSpec,
    tee: HclTee,
    vtpm: Option<&'static SoftwareVtpm>,
    quote: TpmQuoteSpec,
    chain: bool,
}

fn machine(tee: HclTee) -> Machine {
    Machine {
        hcl: HclSpec::default(),
        tee,
        vtpm: None,
        quote: TpmQuoteSpec::new(runtime(1).binding().as_bytes()),
        chain: false,
    }
}

fn azure_vm(machine: &Machine) -> Evidence {
    let vtpm = machine.vtpm.unwrap_or(&WORLD.vtpm);
    let report_data = vtpm.report_data(&machine.hcl);
    let (hardware, td_quote) = match machine.tee {
        HclTee::Snp => {
            let identity = software_snp_identity([0xa3; 48].into());
            let report = WORLD.amd.report(&ReportSpec::new(identity, report_data));
            (report.unwrap(), None)
        }
        HclTee::Tdx => {
            let identity = software_tdx_identity([0xd3; 48]);
            let quote = WORLD.intel.tdx_quote(&identity, &report_data).unwrap();
            let mut report = vec![0; 1024];
            report[128..192].copy_from_slice(&report_data);
            (report, Some(quote))
        }
    };
    let hcl = vtpm
        .hcl_report(&machine.hcl, machine.tee, &hardware)
        .unwrap();
    let quote = vtpm.quote(&machine.quote).unwrap();
    let chain = WORLD.amd.chain_pem(SnpSigner::Vcek);
    let ak_chain = vtpm.ak_chain().unwrap();
    let parts = AzureVmParts {
        hcl: &hcl,
        message: &quote.message,
        signature: &quote.signature,
        pcrs: &quote.pcrs,
        vek: (machine.tee == HclTee::Snp).then_some(chain.as_bytes()),
        td_quote: td_quote.as_deref(),
        ak_chain: machine.chain.then_some(ak_chain.as_bytes()),
    };
    Evidence::AzureVm(AzureVmEvidence::parse(&parts).unwrap())
}

fn of_every_kind() -> [Evidence; 6] {
    let [snp_vm, tdx_vm] = [HclTee::Snp, HclTee::Tdx].map(|tee| azure_vm(&machine(tee)));
    [sgx(), tdx(), snp(), aci(), snp_vm, tdx_vm]
}

// ---- tokens ----

fn endorsements(evidence: &Evidence) -> &'static Endorsements {
    match evidence.kind() {
        EvidenceKind::Tdx | EvidenceKind::AzureTdxVtpm => &WORLD.endorsements[1],
        _ => &WORLD.endorsements[0],
    }
}

/// What the software MAA says of evidence, bent before it is signed.
fn token(evidence: &Evidence, bend: impl FnOnce(&mut TokenSpec)) -> MaaToken {
    let (submitted, claim) = submission(evidence, runtime(1).as_bytes()).unwrap();
    let all = endorsements(evidence);
    let judged = SoftwareMaa::judge(&submitted, Some(claim), all, &WORLD.appraiser, NOW);
    let mut spec = judged.unwrap();
    bend(&mut spec);
    MaaToken::parse(&WORLD.maa.token(&spec).unwrap()).unwrap()
}

fn submitted<'a>(evidence: &'a Evidence, token: &'a MaaToken) -> Submitted<'a> {
    Submitted {
        evidence,
        token,
        keys: &WORLD.keys,
    }
}

fn by_maa(evidence: &Evidence, token: &MaaToken) -> Result<Appraisal, AppraiseError> {
    let submitted = submitted(evidence, token);
    (WORLD.appraiser).appraise_submitted(&submitted, runtime(1), &trust(), NOW)
}

fn by_both(evidence: &Evidence, token: &MaaToken) -> Result<Appraisal, AppraiseError> {
    let (submitted, all) = (submitted(evidence, token), endorsements(evidence));
    (WORLD.appraiser).appraise_both(&submitted, runtime(1), all, &trust(), NOW)
}

/// Refused either way, for the same reason.
fn refusal(evidence: &Evidence, token: &MaaToken) -> AppraiseError {
    let refused = by_maa(evidence, token).unwrap_err();
    assert_eq!(by_both(evidence, token).unwrap_err(), refused);
    refused
}

fn differences(error: AppraiseError) -> Vec<&'static str> {
    match error {
        AppraiseError::Contradiction { differences } => differences
            .iter()
            .map(|difference| difference.claim)
            .collect(),
        other => panic!("expected a contradiction, found {other:?}"),
    }
}

// ---- what is appraised ----

#[test]
fn evidence_of_every_kind_is_appraised_by_maa() {
    for evidence in of_every_kind() {
        let kind = evidence.kind().as_str();
        let token = token(&evidence, |_| ());
        let appraisal = by_maa(&evidence, &token).unwrap();
        assert_eq!(
            Some(appraisal.identity()),
            evidence.claimed_identity().as_ref(),
            "{kind}"
        );
        let issuer = INSTANCE.parse().unwrap();
        assert_eq!(*appraisal.verifier(), Verifier::Maa { issuer }, "{kind}");
        let expected = match evidence {
            Evidence::Sgx(_) => Scope::Process,
            Evidence::Aci(_) => Scope::Pod,
            _ => Scope::Vm,
        };
        assert_eq!(appraisal.scope(), expected, "{kind}");
        assert!(appraisal.verdict().bound().fits(&runtime(1)), "{kind}");
        assert_matches!(appraisal.verdict().token(), Some(_), "{kind}");
        assert_eq!(appraisal.platform(), None, "{kind}");
    }
}

#[test]
fn evidence_of_every_kind_is_appraised_by_both() {
    for evidence in of_every_kind() {
        let kind = evidence.kind().as_str();
        let token = token(&evidence, |spec| spec.expires = NOW.plus(Seconds(60)));
        let appraisal = by_both(&evidence, &token).unwrap();
        let direct = (WORLD.appraiser)
            .appraise(&evidence, runtime(1), endorsements(&evidence), NOW)
            .unwrap();
        assert_eq!(appraisal.identity(), direct.identity(), "{kind}");
        assert_eq!(appraisal.tcb(), direct.tcb(), "{kind}");
        assert_eq!(appraisal.scope(), direct.scope(), "{kind}");
        assert_eq!(appraisal.platform(), direct.platform(), "{kind}");
        let issuer = INSTANCE.parse().unwrap();
        assert_eq!(*appraisal.verifier(), Verifier::Both { issuer }, "{kind}");
        assert_eq!(
            appraisal.valid_until(),
            Some(NOW.plus(Seconds(60))),
            "{kind}"
        );
        assert_matches!(appraisal.verdict().token(), Some(_), "{kind}");
    }
}

#[test]
fn endorsements_that_run_out_before_the_token_count() {
    let evidence = sgx();
    let long = token(&evidence, |spec| {
        spec.expires = NOW.plus(Seconds(u64::MAX / 4))
    });
    let until = by_both(&evidence, &long).unwrap().valid_until();
    assert_eq!(
        until,
        Some(
            WORLD.endorsements[0]
                .intel
                .as_ref()
                .unwrap()
                .validity()
                .unwrap()
                .until
        )
    );
}

#[test]
fn machine_appraised_by_maa_has_the_registers_that_were_quoted() {
    let quoted = TpmQuoteSpec::new(runtime(1).binding().as_bytes()).with_select(&[0x81, 0, 0]);
    let evidence = azure_vm(&Machine {
        quote: quoted,
        chain: true,
        ..machine(HclTee::Snp)
    });
    let appraisal = by_maa(&evidence, &token(&evidence, |_| ())).unwrap();
    let Identity::AzureVm(machine) = appraisal.identity() else {
        panic!("expected a virtual machine");
    };
    assert_eq!(machine.pcrs.keys().copied().collect::<Vec<u8>>(), [0, 7]);
    // The token says nothing of the certificate that came along.
    assert_eq!(machine.attestation_key, AttestationKeyProof::Report);
    assert_eq!(appraisal.tcb().status, TcbStatus::ByVersions);
    let binding = runtime(1).binding().as_bytes().to_vec();
    assert_eq!(*appraisal.verdict().bound(), Bound::ExtraData(binding));
}

#[test]
fn token_of_type_azurevm_along_with_the_machines_evidence_is_appraised() {
    let evidence = azure_vm(&machine(HclTee::Snp));
    let guest = passport(&evidence, |_| ());
    assert_matches!(by_both(&evidence, &guest), Ok(_));
    assert_matches!(by_maa(&evidence, &guest), Ok(_));
    let other = passport(&evidence, |token| {
        token.secure_boot = false;
        if let Some(casque_types::AzureVmTee::Snp(guest)) = &mut token.tee {
            guest.vmpl = 1;
        }
    });
    assert_eq!(
        differences(refusal(&evidence, &other)),
        ["vmpl", "secure_boot"]
    );
}

#[test]
fn token_of_type_azurevm_is_of_the_request_by_the_nonce_of_its_payload() {
    let evidence = azure_vm(&machine(HclTee::Snp));
    let with = |nonce: Option<Vec<u8>>| passport(&evidence, |token| token.payload_nonce = nonce);
    let binding = runtime(1).binding();
    let bytes = binding.as_bytes().to_vec();
    for nonce in [
        bytes.clone(),
        URL_SAFE_NO_PAD.encode(&bytes).into_bytes(),
        binding.to_string().into_bytes(),
        binding.to_string().to_ascii_uppercase().into_bytes(),
    ] {
        let token = with(Some(nonce));
        assert_matches!(by_maa(&evidence, &token), Ok(_));
        assert_matches!(by_both(&evidence, &token), Ok(_));
    }
    // Issued at another time, for another request, or for nobody knows which.
    for nonce in [
        Some(runtime(2).binding().to_string().into_bytes()),
        Some(bytes[..31].to_vec()),
        Some(STANDARD.encode(&bytes).into_bytes()),
        Some(Vec::new()),
        None,
    ] {
        let token = with(nonce);
        for refused in [by_maa(&evidence, &token), by_both(&evidence, &token)] {
            let expected = AppraiseError::Maa(MaaAppraiseError::NotBound);
            assert_eq!(refused.unwrap_err(), expected);
        }
    }
}

#[test]
fn token_of_type_azurevm_is_of_the_request_by_what_the_guest_had_the_paravisor_report() {
    let mut bound = machine(HclTee::Snp);
    bound.hcl.user_data = report_data();
    let evidence = azure_vm(&bound);
    let token = passport(&evidence, |token| token.payload_nonce = None);
    assert_matches!(by_both(&evidence, &token), Ok(_));
    assert_matches!(by_maa(&evidence, &token), Ok(_));
}

/// The token that `attest/AzureGuest` gives the guest itself, for this request.
fn passport(
    evidence: &Evidence,
    bend: impl FnOnce(&mut casque_testkit::maa::AzureVmToken),
) -> MaaToken {
    let (Evidence::AzureVm(vm), Some(Identity::AzureVm(identity))) =
        (evidence, evidence.claimed_identity())
    else {
        panic!("expected a virtual machine");
    };
    let verdict = (WORLD.appraiser)
        .verify(evidence, endorsements(evidence), NOW)
        .unwrap();
    let mut token = casque_testkit::maa::AzureVmToken {
        tee: Some(identity.tee),
        platform: verdict.tcb().snp.clone().unwrap(),
        compliance: Some("azure-compliant-cvm".to_owned()),
        paravisor_data: vm.paravisor_data().to_vec(),
        secure_boot: true,
        vm_id: "any".to_owned(),
        pcrs: vec![0, 7],
        payload_nonce: Some(runtime(1).binding().to_string().into_bytes()),
    };
    bend(&mut token);
    let token = WORLD.maa.token(&TokenSpec::azure_vm(token, NOW)).unwrap();
    MaaToken::parse(&token).unwrap()
}

// ---- contradictions ----

fn bent_snp(bend: impl FnOnce(&mut casque_testkit::maa::SnpToken)) -> impl FnOnce(&mut TokenSpec) {
    |spec| match &mut spec.subject {
        TokenSubject::Snp(token) => bend(token),
        other => panic!("expected a guest, found {other:?}"),
    }
}

fn bent_tdx(bend: impl FnOnce(&mut casque_testkit::maa::TdxToken)) -> impl FnOnce(&mut TokenSpec) {
    |spec| match &mut spec.subject {
        TokenSubject::Tdx(token) => bend(token),
        other => panic!("expected a domain, found {other:?}"),
    }
}

#[test]
fn enclave_of_another_token_contradicts_in_every_claim() {
    let evidence = sgx();
    let other = token(&evidence, |spec| {
        let mut it = software_identity([0xe2; 32].into());
        it.mr_signer = [0x52; 32].into();
        (it.product_id, it.svn, it.debug) = (7, 8, true);
        spec.identity = it;
        spec.further.push((
            "x-ms-sgx-collateral".to_owned(),
            json!({"quotehash": "00".repeat(32)}),
        ));
    });
    let claims = [
        "mrenclave",
        "mrsigner",
        "isvprodid",
        "isvsvn",
        "debug",
        "quotehash",
    ];
    assert_eq!(differences(refusal(&evidence, &other)), claims);
    let one = token(&evidence, |spec| spec.identity.svn = 9);
    let expected = Difference {
        claim: "isvsvn",
        evidence: "1".to_owned(),
        token: "9".to_owned(),
    };
    let error = refusal(&evidence, &one);
    assert_eq!(error.code(), "token-contradicts-evidence");
    assert_matches!(error, AppraiseError::Contradiction { differences }
        if differences == [expected]);
}

#[test]
fn guest_of_another_token_contradicts_in_every_claim() {
    let claims = [
        "measurement",
        "host_data",
        "id_key_digest",
        "author_key_digest",
        "family_id",
        "image_id",
        "report_id",
        "guest_svn",
        "vmpl",
        "debug",
        "migration_allowed",
        "smt_allowed",
    ];
    for evidence in [snp(), aci(), azure_vm(&machine(HclTee::Snp))] {
        let other = token(
            &evidence,
            bent_snp(|token| {
                let it = &mut token.identity;
                it.measurement = [0xee; 48].into();
                it.host_data = [0xee; 32].into();
                it.id_key_digest = [0xee; 48].into();
                it.author_key_digest = [0xee; 48].into();
                it.family_id = [0xee; 16].into();
                it.image_id = [0xee; 16].into();
                it.report_id = [0xee; 32].into();
                it.guest_svn += 1;
                it.vmpl += 1;
                it.debug = !it.debug;
                it.migration_allowed = !it.migration_allowed;
                it.smt_allowed = !it.smt_allowed;
            }),
        );
        assert_eq!(differences(refusal(&evidence, &other)), claims);
    }
}

#[test]
fn domain_of_another_token_contradicts_in_every_claim() {
    let claims = [
        "mrtd",
        "rtmr0",
        "rtmr1",
        "rtmr2",
        "rtmr3",
        "mrconfigid",
        "mrowner",
        "mrownerconfig",
        "mrseam",
        "mrsignerseam",
        "seam_attributes",
        "tdattributes",
        "xfam",
        "tee_tcb_svn",
        "debug",
    ];
    for evidence in [tdx(), azure_vm(&machine(HclTee::Tdx))] {
        let other = token(
            &evidence,
            bent_tdx(|token| {
                let it = &mut token.identity;
                it.mr_td = [0xee; 48].into();
                it.rtmr = [[0xee; 48].into(); 4];
                it.mr_config_id = [0xee; 48].into();
                it.mr_owner = [0xee; 48].into();
                it.mr_owner_config = [0xee; 48].into();
                it.mr_seam = [0xee; 48].into();
                it.mr_signer_seam = [0xee; 48].into();
                it.seam_attributes = [0xee; 8].into();
                it.td_attributes = [0xef; 8].into();
                it.xfam = [0xee; 8].into();
                it.tee_tcb_svn = [0xee; 16].into();
                it.debug = true;
            }),
        );
        assert_eq!(differences(refusal(&evidence, &other)), claims);
    }
}

#[test]
fn platform_of_another_token_contradicts_when_both_judge() {
    let evidence = snp();
    let other = token(
        &evidence,
        bent_snp(|token| {
            token.platform.product = Some(SnpProduct::Milan);
            token.platform.reported_tcb.microcode += 1;
            token.platform.chip_id = Some(vec![0xee; 64]);
        }),
    );
    let refused = by_both(&evidence, &other).unwrap_err();
    assert_eq!(differences(refused), ["product", "reported_tcb", "chip_id"]);
    // The evidence's own certificate is not looked at otherwise.
    assert_matches!(by_maa(&evidence, &other), Ok(_));
}

#[test]
fn token_about_another_kind_of_tee_contradicts() {
    let all = of_every_kind();
    for (at, evidence) in all.iter().enumerate() {
        for (other_at, other) in all.iter().enumerate() {
            let machines = at >= 4 && other_at >= 4;
            if at >= 4 && !machines {
                // Such a token vouches for no attestation key; see below.
                continue;
            }
            let token = token(other, |spec| {
                if at < 4 && other_at >= 4 {
                    spec.runtime = Some(RuntimeClaim::Json(runtime(1).as_bytes().to_vec()));
                    spec.report_data = report_data();
                }
            });
            let kinds = [evidence, other].map(|it| it.kind());
            let refused = by_maa(evidence, &token);
            match kinds {
                [one, other] if one == other => assert_matches!(refused, Ok(_)),
                [EvidenceKind::AzureSnpVtpm, EvidenceKind::AzureTdxVtpm]
                | [EvidenceKind::AzureTdxVtpm, EvidenceKind::AzureSnpVtpm] => {
                    assert_eq!(differences(refused.unwrap_err()), ["tee"]);
                }
                _ => assert!(!differences(refused.unwrap_err()).is_empty(), "{kinds:?}"),
            }
        }
    }
}

// ---- binding ----

#[test]
fn token_that_is_not_bound_by_exactly_the_runtime_data_is_refused() {
    let other = runtime(2);
    for evidence in [sgx(), tdx(), snp(), aci()] {
        let with = |bytes: &[u8]| {
            let claim = RuntimeClaim::Json(bytes.to_vec());
            token(&evidence, |spec| spec.runtime = Some(claim))
        };
        let paravisor = format!(r#"{{"keys":[],"user-data":"{}"}}"#, hex(&report_data()));
        for bytes in [other.as_bytes(), paravisor.as_bytes(), b"{}"] {
            let expected = AppraiseError::Maa(MaaAppraiseError::NotBound);
            assert_eq!(refusal(&evidence, &with(bytes)), expected);
        }
    }
}

#[test]
fn evidence_that_is_bound_to_another_request_is_refused() {
    let other = runtime(2);
    let identity = software_snp_identity([0xa1; 48].into());
    let evidence = snp_of(&ReportSpec::new(identity, *other.report_data().as_bytes()));
    let token = token(&snp(), |_| ());
    assert_eq!(refusal(&evidence, &token), AppraiseError::NotBound);
    let vm = azure_vm(&Machine {
        quote: TpmQuoteSpec::new(other.binding().as_bytes()),
        ..machine(HclTee::Snp)
    });
    let token = self::token(&vm, |_| ());
    assert_eq!(refusal(&vm, &token), AppraiseError::NotBound);
}

#[test]
fn token_that_does_not_hold_is_refused_first() {
    let evidence = snp();
    let token = token(&evidence, |spec| spec.changed = true);
    let expected = AppraiseError::Maa(MaaAppraiseError::Signature);
    assert_eq!(refusal(&evidence, &token), expected);
}

#[test]
fn evidence_that_is_never_submitted_is_refused() {
    let token = token(&snp(), |_| ());
    let passport = Evidence::MaaToken(token.clone());
    for (evidence, found) in [
        (Evidence::Absent, EvidenceKind::Absent),
        (passport, EvidenceKind::MaaToken),
    ] {
        let expected = AppraiseError::Maa(MaaAppraiseError::NotSubmitted { found });
        assert_eq!(refusal(&evidence, &token), expected);
    }
}

#[test]
fn evidence_that_does_not_verify_is_refused_by_both_alone() {
    let identity = software_snp_identity([0xa1; 48].into());
    let mut spec = ReportSpec::new(identity, report_data());
    spec.flaw = Some(ReportFlaw::Signature);
    let evidence = snp_of(&spec);
    let token = token(&snp(), |_| ());
    let refused = by_both(&evidence, &token).unwrap_err();
    assert_matches!(refused, AppraiseError::Snp(SnpAppraiseError::Signature));
}

// ---- virtual machines ----

#[test]
fn machine_whose_token_vouches_for_no_key_is_refused() {
    let evidence = azure_vm(&machine(HclTee::Snp));
    let without = token(&evidence, |spec| spec.runtime = None);
    let claim = "x-ms-runtime.keys: HCLAkPub";
    let expected = AppraiseError::Maa(MaaAppraiseError::MissingClaim { claim });
    assert_eq!(refusal(&evidence, &without), expected);
    let unbound = token(&evidence, |spec| {
        spec.without.push("x-ms-sevsnpvm-reportdata")
    });
    let claim = "report data";
    let expected = AppraiseError::Maa(MaaAppraiseError::MissingClaim { claim });
    assert_eq!(refusal(&evidence, &unbound), expected);
}

#[test]
fn machine_whose_paravisor_is_not_azures_is_refused() {
    let evidence = azure_vm(&machine(HclTee::Snp));
    let found = Some("azure-compliant-uvm".to_owned());
    let other = found.clone();
    let token = token(&evidence, bent_snp(|token| token.compliance = other));
    let expected = AppraiseError::Maa(MaaAppraiseError::NotCompliant { found });
    assert_eq!(refusal(&evidence, &token), expected);
}

#[test]
fn machine_with_other_data_or_another_key_than_the_token_is_refused() {
    let judged = azure_vm(&machine(HclTee::Snp));
    let other = azure_vm(&Machine {
        hcl: HclSpec {
            secure_boot: Some(false),
            ..HclSpec::default()
        },
        ..machine(HclTee::Snp)
    });
    let expected = AppraiseError::Maa(MaaAppraiseError::ParavisorData);
    assert_eq!(refusal(&other, &token(&judged, |_| ())), expected);
    // The digest fits, the key in the token does not.
    let lying = token(&judged, |spec| {
        let Some(RuntimeClaim::Json(data)) = &spec.runtime else {
            panic!("expected the paravisor's data");
        };
        let data = String::from_utf8(data.clone()).unwrap();
        let data = data.replace(r#""e":"AQAB""#, r#""e":"Aw""#);
        spec.runtime = Some(RuntimeClaim::Json(data.into_bytes()));
    });
    let expected = AppraiseError::Maa(MaaAppraiseError::AttestationKey);
    assert_eq!(refusal(&judged, &lying), expected);
}

#[test]
fn machine_whose_token_says_other_things_of_it_contradicts() {
    let evidence = azure_vm(&machine(HclTee::Tdx));
    let lying = token(&evidence, |spec| {
        let Some(RuntimeClaim::Json(data)) = &spec.runtime else {
            panic!("expected the paravisor's data");
        };
        let data = String::from_utf8(data.clone()).unwrap();
        let data = data
            .replace("secure-boot\":true", "secure-boot\":false")
            .replace("CA59CE00", "CA59CE01");
        spec.runtime = Some(RuntimeClaim::Json(data.into_bytes()));
    });
    assert_eq!(
        differences(refusal(&evidence, &lying)),
        ["secure_boot", "vm_unique_id"]
    );
}

#[test]
fn machine_whose_quote_does_not_hold_is_refused() {
    for tee in [HclTee::Snp, HclTee::Tdx] {
        let mut machine = machine(tee);
        machine.quote = machine.quote.with_flaw(TpmQuoteFlaw::ForeignKey);
        let evidence = azure_vm(&machine);
        let token = token(&evidence, |_| ());
        let expected = AppraiseError::AzureVm(AzureVmAppraiseError::Signature);
        assert_eq!(refusal(&evidence, &token), expected);
    }
}

// ---- confidential containers ----

#[test]
fn containers_whose_policy_or_reference_does_not_hold_are_refused() {
    let good = aci();
    let token = token(&good, |_| ());
    let other_policy = aci_with(&software_policy("/other"), Digest::from([0xa2; 48]));
    assert_matches!(
        refusal(&other_policy, &token),
        AppraiseError::Aci(AciAppraiseError::PolicyDigest { .. })
    );
    let other_reference = aci_with(&software_policy("/app"), Digest::from([0xa4; 48]));
    assert_matches!(
        refusal(&other_reference, &token),
        AppraiseError::Aci(AciAppraiseError::Measurement { .. })
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
