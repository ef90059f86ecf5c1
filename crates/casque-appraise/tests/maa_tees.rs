//! Tokens of the software MAA about guests of SEV-SNP, trust domains and virtual machines of Azure.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that tests call are tests"
)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_appraise::{
    AdvisoryId, Appraisal, AppraiseError, Appraiser, Bound, EvidenceParseError, Identity,
    MaaAppraiseError, MaaKeys, MaaToken, MaaTrust, Scope, SignerDemand, TcbStatus, TrustAnchors,
    Verdict,
};
use casque_testkit::maa::{
    AzureVmToken, JwksShape, RuntimeClaim, SnpToken, SoftwareMaa, TdxToken, TokenSpec, TokenSubject,
};
use casque_testkit::runtime_data as runtime;
use casque_types::{
    AttestationKeyProof, AzureVmIdentity, AzureVmTee, Digest, Seconds, SnpIdentity, SnpPlatform,
    SnpProduct, SnpTcb, TdxIdentity, Timestamp,
};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const INSTANCE: &str = "https://casque.weu.attest.azure.net";
static MAA: LazyLock<SoftwareMaa> =
    LazyLock::new(|| SoftwareMaa::generate(INSTANCE.parse().unwrap(), NOW).unwrap());
static KEYS: LazyLock<MaaKeys> =
    LazyLock::new(|| MaaKeys::parse(MAA.jwks(JwksShape::WithNumbers).as_bytes()).unwrap());

fn trust() -> MaaTrust {
    MaaTrust {
        issuer: INSTANCE.parse().unwrap(),
        min_rsa_bits: 2048,
        clock_skew: Seconds(60),
        max_age: Seconds(600),
        signer: SignerDemand::Any,
    }
}

fn guest() -> SnpIdentity {
    SnpIdentity {
        measurement: Digest::from([1; 48]),
        host_data: Digest::from([2; 32]),
        id_key_digest: Digest::from([3; 48]),
        author_key_digest: Digest::from([4; 48]),
        family_id: Digest::from([5; 16]),
        image_id: Digest::from([6; 16]),
        report_id: Digest::from([7; 32]),
        guest_svn: 65549,
        vmpl: 0,
        debug: false,
        migration_allowed: false,
        smt_allowed: true,
    }
}

fn platform() -> SnpPlatform {
    SnpPlatform {
        product: Some(SnpProduct::Genoa),
        reported_tcb: SnpTcb {
            fmc: None,
            bootloader: 10,
            tee: 0,
            snp: 23,
            microcode: 84,
        },
        chip_id: Some(vec![8; 64]),
        signer: None,
        revocation_judged: false,
    }
}

fn domain() -> TdxIdentity {
    TdxIdentity {
        mr_td: Digest::from([1; 48]),
        rtmr: [[2; 48], [3; 48], [4; 48], [5; 48]].map(Digest::from),
        mr_config_id: Digest::from([6; 48]),
        mr_owner: Digest::from([7; 48]),
        mr_owner_config: Digest::from([8; 48]),
        mr_seam: Digest::from([9; 48]),
        mr_signer_seam: Digest::from([0; 48]),
        seam_attributes: Digest::from([0; 8]),
        td_attributes: Digest::from([0, 0, 0, 0x10, 0, 0, 0, 0]),
        xfam: Digest::from([0xe7, 0x18, 6, 0, 0, 0, 0, 0]),
        tee_tcb_svn: Digest::from([5, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        debug: false,
    }
}

/// A paravisor's data, upper case as on SEV-SNP.
fn paravisor_data(user_data: &[u8]) -> Vec<u8> {
    let data = json!({
        "keys": [
            {"e": "AQAB", "key_ops": ["sign"], "kid": "HCLAkPub", "kty": "RSA", "n": "AAAA"},
            {"e": "AQAB", "key_ops": ["encrypt"], "kid": "HCLEkPub", "kty": "RSA", "n": "BBBB"},
        ],
        "user-data": hex::encode_upper(user_data),
        "vm-configuration": {"secure-boot": true, "tpm-enabled": true, "vmUniqueId": "2DEDC52A"},
    });
    data.to_string().into_bytes()
}

fn snp_spec() -> TokenSpec {
    let token = SnpToken {
        identity: guest(),
        platform: platform(),
        compliance: None,
    };
    TokenSpec::snp(token, *runtime(1).report_data().as_bytes(), NOW)
        .with_runtime(RuntimeClaim::Json(runtime(1).as_bytes().to_vec()))
}

fn tdx_spec() -> TokenSpec {
    let token = TdxToken {
        identity: domain(),
        status: TcbStatus::OutOfDate,
        advisories: vec![AdvisoryId::from_number(837).unwrap()],
        compliance: None,
    };
    TokenSpec::tdx(token, *runtime(1).report_data().as_bytes(), NOW)
        .with_runtime(RuntimeClaim::Json(runtime(1).as_bytes().to_vec()))
}

fn vm_token(tee: AzureVmTee) -> AzureVmToken {
    AzureVmToken {
        tee: Some(tee),
        platform: platform(),
        compliance: Some("azure-compliant-cvm".to_owned()),
        paravisor_data: paravisor_data(runtime(1).report_data().as_bytes()),
        secure_boot: true,
        vm_id: "2DEDC52A".to_owned(),
        pcrs: vec![0, 7],
        payload_nonce: None,
    }
}

fn vm_spec(bend: impl FnOnce(&mut AzureVmToken)) -> TokenSpec {
    let mut token = vm_token(AzureVmTee::Snp(Box::new(guest())));
    bend(&mut token);
    TokenSpec::azure_vm(token, NOW)
}

fn parse(spec: &TokenSpec) -> Result<MaaToken, EvidenceParseError> {
    MaaToken::parse(&MAA.token(spec).unwrap())
}

fn appraiser() -> Appraiser {
    Appraiser::new(TrustAnchors::vendors())
}

fn appraise(spec: &TokenSpec) -> Result<Appraisal, MaaAppraiseError> {
    let token = parse(spec).unwrap();
    let appraised = appraiser().appraise_token(&token, runtime(1), &KEYS, &trust(), NOW);
    match &appraised {
        Ok(_) => assert!(token.claims_binding(&runtime(1))),
        Err(AppraiseError::Maa(MaaAppraiseError::NotBound)) => {
            assert!(!token.claims_binding(&runtime(1)));
        }
        Err(_) => {}
    }
    appraised.map_err(|error| match error {
        AppraiseError::Maa(error) => error,
        other => panic!("expected a refused token, found {other:?}"),
    })
}

fn verify(spec: &TokenSpec) -> Verdict {
    let token = parse(spec).unwrap();
    let verified = appraiser().verify_token(&token, &KEYS, &trust(), NOW);
    verified.unwrap()
}

fn bent(mut spec: TokenSpec, bend: impl FnOnce(&mut TokenSpec)) -> TokenSpec {
    bend(&mut spec);
    spec
}

fn further(spec: TokenSpec, name: &str, value: Value) -> TokenSpec {
    bent(spec, |spec| spec.further.push((name.to_owned(), value)))
}

fn without(spec: TokenSpec, name: &'static str) -> TokenSpec {
    bent(spec, |spec| spec.without.push(name))
}

// ---- guests of SEV-SNP ----

#[test]
fn snp_token_is_appraised_with_guest_and_platform() {
    let appraisal = appraise(&snp_spec()).unwrap();
    assert_eq!(*appraisal.identity(), Identity::Snp(guest()));
    assert_eq!(appraisal.tcb().status, TcbStatus::ByVersions);
    assert_eq!(appraisal.tcb().snp, Some(platform()));
    assert_eq!(appraisal.scope(), Scope::Vm);
    let report_data = *runtime(1).report_data().as_bytes();
    assert_eq!(*appraisal.verdict().bound(), Bound::ReportData(report_data));
}

#[test]
fn snp_token_of_containers_speaks_for_a_pod() {
    for compliance in ["azure-compliant-uvm", "azure-signed-katacc-uvm"] {
        let name = "x-ms-compliance-status";
        let appraisal = appraise(&further(snp_spec(), name, json!(compliance))).unwrap();
        assert_eq!(appraisal.scope(), Scope::Pod);
    }
}

#[test]
fn snp_token_of_2022_states_neither_generation_nor_chip() {
    let spec = without(snp_spec(), "x-ms-sevsnpvm-chip-family");
    let appraisal = appraise(&without(spec, "x-ms-sevsnpvm-chipid")).unwrap();
    let expected = SnpPlatform {
        product: None,
        chip_id: None,
        ..platform()
    };
    assert_eq!(appraisal.tcb().snp, Some(expected));
}

#[test]
fn snp_token_of_turin_has_a_chip_of_eight_bytes_and_a_masked_one_has_none() {
    let spec = further(snp_spec(), "x-ms-sevsnpvm-chip-family", json!("Turin"));
    let chip = |spec: &TokenSpec| verify(spec).tcb().snp.clone().unwrap().chip_id;
    assert_eq!(chip(&spec), Some(vec![8; 8]));
    let masked = further(snp_spec(), "x-ms-sevsnpvm-chipid", json!("00".repeat(64)));
    assert_eq!(chip(&masked), None);
}

#[test]
fn snp_token_without_a_claim_of_the_identity_is_refused_by_its_name() {
    let token = parse(&snp_spec()).unwrap();
    let optional = ["chip-family", "chipid", "reportdata"];
    let claims = token.claims();
    let names = claims.iter().filter(|claim| {
        let name = claim.name.strip_prefix("x-ms-sevsnpvm-");
        name.is_some_and(|name| !optional.contains(&name))
    });
    let mut count = 0;
    for claim in names {
        let name: &'static str = Box::leak(claim.name.clone().into_owned().into_boxed_str());
        let refused = appraise(&without(snp_spec(), name)).unwrap_err();
        assert_eq!(refused, MaaAppraiseError::MissingClaim { claim: name });
        count += 1;
    }
    assert_eq!(count, 16);
}

#[test]
fn snp_token_with_a_claim_of_another_type_is_malformed_by_its_name() {
    for (name, value) in [
        ("x-ms-sevsnpvm-is-debuggable", json!("false")),
        ("x-ms-sevsnpvm-guestsvn", json!("1")),
        ("x-ms-sevsnpvm-guestsvn", json!(4_294_967_296_u64)),
        ("x-ms-sevsnpvm-microcode-svn", json!(256)),
        ("x-ms-sevsnpvm-tee-svn", json!(-1)),
        ("x-ms-sevsnpvm-vmpl", json!(0.0)),
        ("x-ms-sevsnpvm-launchmeasurement", json!("01".repeat(47))),
        ("x-ms-sevsnpvm-familyId", json!("01".repeat(17))),
        ("x-ms-sevsnpvm-imageId", json!("zz".repeat(16))),
        ("x-ms-sevsnpvm-hostdata", json!(null)),
        ("x-ms-sevsnpvm-chipid", json!("08".repeat(8))),
        ("x-ms-sevsnpvm-reportdata", json!([])),
        ("x-ms-compliance-status", json!(true)),
    ] {
        let refused = parse(&further(snp_spec(), name, value)).unwrap_err();
        assert_matches!(refused, EvidenceParseError::Malformed { expected, .. }
            if expected.contains(name));
    }
}

#[test]
fn snp_token_with_lower_case_names_lacks_them() {
    let spec = without(snp_spec(), "x-ms-sevsnpvm-familyId");
    let spec = further(spec, "x-ms-sevsnpvm-familyid", json!("05".repeat(16)));
    let claim = "x-ms-sevsnpvm-familyId";
    assert_eq!(
        appraise(&spec).unwrap_err(),
        MaaAppraiseError::MissingClaim { claim }
    );
}

#[test]
fn snp_token_bound_to_another_request_is_not_bound() {
    let other = runtime(2);
    let json = RuntimeClaim::Json(other.as_bytes().to_vec());
    let runtime = bent(snp_spec(), |spec| spec.runtime = Some(json));
    let report_data = bent(snp_spec(), |spec| {
        spec.report_data = *other.report_data().as_bytes();
    });
    let nothing = bent(snp_spec(), |spec| spec.runtime = None);
    let nonce = bent(snp_spec(), |spec| {
        spec.runtime = None;
        spec.nonce = Some(other.binding().to_string());
    });
    let more = bent(snp_spec(), |spec| spec.report_data[32] = 1);
    for spec in [runtime, report_data, nothing, nonce, more] {
        assert_eq!(appraise(&spec).unwrap_err(), MaaAppraiseError::NotBound);
    }
}

// ---- behind a paravisor ----

/// A token of `attest/SevSnpVm` or `attest/TdxVm` with the paravisor's data as runtime data.
fn behind_paravisor(spec: TokenSpec, data: &[u8]) -> TokenSpec {
    let mut spec = spec.with_runtime(RuntimeClaim::Json(data.to_vec()));
    spec.report_data = [0x77; 64];
    spec
}

#[test]
fn token_behind_a_paravisor_is_bound_by_user_data_in_any_case() {
    let binding = *runtime(1).report_data().as_bytes();
    let upper = paravisor_data(&binding);
    let lower = upper.to_ascii_lowercase();
    assert_ne!(upper, lower);
    let lower = String::from_utf8(lower).unwrap();
    let lower = lower.replace("vmuniqueid", "vmUniqueId").into_bytes();
    for spec in [snp_spec(), tdx_spec()] {
        for data in [&upper, &lower] {
            let appraisal = appraise(&behind_paravisor(spec.clone(), data)).unwrap();
            assert_eq!(*appraisal.verdict().bound(), Bound::ReportData([0x77; 64]));
        }
    }
}

#[test]
fn token_behind_a_paravisor_with_other_user_data_is_not_bound() {
    let binding = *runtime(1).report_data().as_bytes();
    let mut more = binding;
    more[63] = 1;
    let other = *runtime(2).report_data().as_bytes();
    for data in [&other[..], &more[..], &binding[..32], &[], &[0; 64]] {
        for spec in [snp_spec(), tdx_spec()] {
            let spec = behind_paravisor(spec, &paravisor_data(data));
            assert_eq!(appraise(&spec).unwrap_err(), MaaAppraiseError::NotBound);
        }
    }
}

#[test]
fn enclave_that_plays_a_paravisor_is_not_bound() {
    let binding = *runtime(1).report_data().as_bytes();
    let enclave = casque_testkit::sgx::software_identity([1; 32].into());
    let spec = TokenSpec::sgx(enclave, [0; 64], NOW);
    let spec = behind_paravisor(spec, &paravisor_data(&binding));
    assert_eq!(appraise(&spec).unwrap_err(), MaaAppraiseError::NotBound);
}

// ---- trust domains ----

#[test]
fn tdx_token_is_appraised_with_domain_status_and_advisories() {
    let appraisal = appraise(&tdx_spec()).unwrap();
    assert_eq!(*appraisal.identity(), Identity::Tdx(domain()));
    assert_eq!(appraisal.tcb().status, TcbStatus::OutOfDate);
    let advisories = [AdvisoryId::from_number(837).unwrap()];
    assert_eq!(appraisal.tcb().advisories, advisories);
    assert_eq!(appraisal.scope(), Scope::Vm);
}

#[test]
fn tdx_token_without_status_has_none_stated() {
    let spec = without(tdx_spec(), "attester_tcb_status");
    let verdict = verify(&without(spec, "attester_advisory_ids"));
    assert_eq!(verdict.tcb().status, TcbStatus::Unstated);
    assert!(verdict.tcb().advisories.is_empty());
}

#[test]
fn tdx_token_states_each_status_of_intels() {
    for (word, status) in [
        ("UpToDate", TcbStatus::UpToDate),
        ("SWHardeningNeeded", TcbStatus::SwHardeningNeeded),
        ("TDRelaunchAdvised", TcbStatus::TdRelaunchAdvised),
        ("Revoked", TcbStatus::Revoked),
    ] {
        let verdict = verify(&further(tdx_spec(), "attester_tcb_status", json!(word)));
        assert_eq!(verdict.tcb().status, status);
    }
}

#[test]
fn tdx_token_is_of_a_debugged_domain_when_any_claim_says_so() {
    let attributes = ("tdx_td_attributes", json!("0100001000000000"));
    let profiled = ("tdx_td_attributes", json!("8000001000000000"));
    let flag = ("tdx_td_attributes_debug", json!(true));
    let state = ("dbgstat", json!("enabled"));
    for (name, value) in [attributes, profiled, flag, state] {
        let verdict = verify(&further(tdx_spec(), name, value));
        assert_matches!(verdict.identity(), Identity::Tdx(domain) if domain.debug, "{name}");
    }
    let verdict = verify(&further(
        tdx_spec(),
        "dbgstat",
        json!("disabled-since-boot"),
    ));
    assert_matches!(verdict.identity(), Identity::Tdx(domain) if !domain.debug);
}

#[test]
fn tdx_token_without_a_claim_of_the_identity_is_refused_by_its_name() {
    for claim in [
        "tdx_mrtd",
        "tdx_rtmr0",
        "tdx_rtmr3",
        "tdx_mrseam",
        "tdx_mrsignerseam",
        "tdx_mrconfigid",
        "tdx_mrowner",
        "tdx_mrownerconfig",
        "tdx_seam_attributes",
        "tdx_td_attributes",
        "tdx_xfam",
        "tdx_tee_tcb_svn",
    ] {
        let refused = appraise(&without(tdx_spec(), claim)).unwrap_err();
        assert_eq!(refused, MaaAppraiseError::MissingClaim { claim });
    }
}

#[test]
fn tdx_token_with_a_claim_of_another_type_is_malformed_by_its_name() {
    for (name, value) in [
        ("tdx_mrtd", json!("01".repeat(49))),
        ("tdx_xfam", json!(231)),
        ("tdx_td_attributes", json!("0000000010000000 ")),
        ("tdx_td_attributes_debug", json!("false")),
        ("dbgstat", json!(1)),
        ("tdx_report_data", json!("00")),
        ("attester_tcb_status", json!("uptodate")),
        ("attester_tcb_status", json!("Unstated")),
        ("attester_tcb_status", json!(["UpToDate"])),
        ("attester_advisory_ids", json!("INTEL-SA-00837")),
        ("attester_advisory_ids", json!(["INTEL-SA-837"])),
        ("attester_advisory_ids", json!([837])),
        ("attester_advisory_ids", json!(vec!["INTEL-SA-00837"; 257])),
    ] {
        let refused = parse(&further(tdx_spec(), name, value)).unwrap_err();
        assert_matches!(refused, EvidenceParseError::Malformed { expected, .. }
            if expected.contains(name));
    }
}

// ---- virtual machines of Azure ----

fn machine(tee: AzureVmTee) -> Identity {
    Identity::AzureVm(AzureVmIdentity {
        tee,
        pcrs: BTreeMap::new(),
        secure_boot: Some(true),
        vm_unique_id: Some("2DEDC52A".to_owned()),
        attestation_key: AttestationKeyProof::Report,
    })
}

#[test]
fn azure_vm_token_is_appraised_with_the_tee_inside() {
    let snp = AzureVmTee::Snp(Box::new(guest()));
    let tdx = AzureVmTee::Tdx(Box::new(domain()));
    for (tee, status) in [(snp, TcbStatus::ByVersions), (tdx, TcbStatus::UpToDate)] {
        let spec = TokenSpec::azure_vm(vm_token(tee.clone()), NOW);
        let appraisal = appraise(&spec).unwrap();
        assert_eq!(*appraisal.identity(), machine(tee));
        assert_eq!(appraisal.tcb().status, status);
        assert_eq!(appraisal.scope(), Scope::Vm);
        let report_data = spec.report_data;
        assert_eq!(*appraisal.verdict().bound(), Bound::ReportData(report_data));
    }
}

#[test]
fn azure_vm_token_without_a_tee_is_refused() {
    let none = vm_spec(|token| token.tee = None);
    assert_eq!(appraise(&none).unwrap_err(), MaaAppraiseError::NoTee);
    // Claims of a TEE at the top are no TEE.
    let outside = bent(snp_spec(), |spec| {
        spec.attestation_type = "azurevm".to_owned()
    });
    assert_eq!(appraise(&outside).unwrap_err(), MaaAppraiseError::NoTee);
}

#[test]
fn azure_vm_token_around_no_tee_that_is_known_is_refused() {
    let name = "x-ms-isolation-tee.x-ms-attestation-type";
    for (value, expected) in [
        (json!("sgx"), "sgx"),
        (json!("azurevm"), "azurevm"),
        (json!(1), "nothing"),
    ] {
        let refused = appraise(&further(vm_spec(|_| ()), name, value)).unwrap_err();
        assert_matches!(refused, MaaAppraiseError::AttestationType { found } if found == expected);
    }
    let odd = further(vm_spec(|_| ()), "x-ms-isolation-tee", json!("sevsnpvm"));
    assert_matches!(parse(&odd), Err(EvidenceParseError::Malformed { .. }));
}

#[test]
fn azure_vm_token_whose_paravisor_is_not_azures_is_refused() {
    let none = vm_spec(|token| token.compliance = None);
    let found = None;
    assert_eq!(
        appraise(&none).unwrap_err(),
        MaaAppraiseError::NotCompliant { found }
    );
    let other = vm_spec(|token| token.compliance = Some("azure-compliant-uvm".to_owned()));
    let found = Some("azure-compliant-uvm".to_owned());
    assert_eq!(
        appraise(&other).unwrap_err(),
        MaaAppraiseError::NotCompliant { found }
    );
    // Said at the top, by the instance's policy, it does not count.
    let outside = vm_spec(|token| token.compliance = None);
    let outside = further(
        outside,
        "x-ms-compliance-status",
        json!("azure-compliant-cvm"),
    );
    assert_matches!(
        appraise(&outside),
        Err(MaaAppraiseError::NotCompliant { .. })
    );
}

#[test]
fn azure_vm_token_without_a_claim_inside_is_refused_by_its_name() {
    let spec = without(vm_spec(|_| ()), "x-ms-isolation-tee.x-ms-sevsnpvm-vmpl");
    // The same claim outside is nobody's.
    let spec = further(spec, "x-ms-sevsnpvm-vmpl", json!(0));
    let claim = "x-ms-sevsnpvm-vmpl";
    assert_eq!(
        appraise(&spec).unwrap_err(),
        MaaAppraiseError::MissingClaim { claim }
    );
}

#[test]
fn azure_vm_token_boots_securely_only_if_nobody_denies_it() {
    let boots = |spec: &TokenSpec| match verify(spec).identity() {
        Identity::AzureVm(machine) => machine.secure_boot,
        other => panic!("expected a virtual machine, found {other}"),
    };
    let with = |claim: bool, paravisor: bool| {
        vm_spec(|token| {
            token.secure_boot = claim;
            let data = String::from_utf8(token.paravisor_data.clone()).unwrap();
            let said = format!(r#""secure-boot":{paravisor}"#);
            token.paravisor_data = data.replace(r#""secure-boot":true"#, &said).into_bytes();
        })
    };
    assert_eq!(boots(&with(true, true)), Some(true));
    assert_eq!(boots(&with(false, true)), Some(false));
    assert_eq!(boots(&with(true, false)), Some(false));
    assert_eq!(
        boots(&without(with(true, false), "secureboot")),
        Some(false)
    );
    // The instance's policy may say it of any machine: alone it proves nothing.
    let unsaid = |claim: bool| {
        boots(&vm_spec(|token| {
            token.secure_boot = claim;
            let data = String::from_utf8(token.paravisor_data.clone()).unwrap();
            let other = data.replace("secure-boot", "other");
            assert_ne!(data, other);
            token.paravisor_data = other.into_bytes();
        }))
    };
    assert_eq!(unsaid(true), None);
    assert_eq!(unsaid(false), Some(false));
    let odd = further(vm_spec(|_| ()), "secureboot", json!("true"));
    assert_matches!(parse(&odd), Err(EvidenceParseError::Malformed { expected, .. })
        if expected.contains("secureboot"));
}

/// Nothing that the TPM signs covers the payload: who hands the guest's request on can exchange it.
#[test]
fn azure_vm_token_alone_is_not_bound_by_the_nonce_of_its_payload() {
    let binding = runtime(1).binding();
    let bytes = binding.as_bytes().to_vec();
    for nonce in [
        bytes.clone(),
        URL_SAFE_NO_PAD.encode(&bytes).into_bytes(),
        binding.to_string().into_bytes(),
        runtime(2).binding().as_bytes().to_vec(),
        Vec::new(),
    ] {
        let spec = vm_spec(|token| {
            token.paravisor_data = paravisor_data(&[0; 64]);
            token.payload_nonce = Some(nonce.clone());
        });
        assert_eq!(appraise(&spec).unwrap_err(), MaaAppraiseError::NotBound);
        // What the paravisor reports of the guest's own data binds it, whatever the payload says.
        let spec = vm_spec(|token| token.payload_nonce = Some(nonce));
        assert_matches!(appraise(&spec), Ok(_));
    }
    // Of a guest that is not behind a paravisor such a payload proves nothing.
    let payload = json!({"client-payload": {"nonce": STANDARD.encode(binding.as_bytes())}});
    let guest = bent(snp_spec(), |spec| {
        spec.runtime = Some(RuntimeClaim::Json(payload.to_string().into_bytes()));
    });
    assert_eq!(appraise(&guest).unwrap_err(), MaaAppraiseError::NotBound);
}

#[test]
fn subject_of_a_spec_can_be_bent() {
    let spec = bent(tdx_spec(), |spec| {
        if let TokenSubject::Tdx(token) = &mut spec.subject {
            token.identity.mr_td = Digest::from([0xaa; 48]);
        }
    });
    assert_matches!(verify(&spec).identity(), Identity::Tdx(domain)
        if domain.mr_td == Digest::from([0xaa; 48]));
}
