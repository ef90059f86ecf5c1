//! `casque explain` with a policy, over real evidence: what it decides, and every rule of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod explain_vectors;
mod harness;

use explain_vectors::{
    Case, SHARED, aci, azure_snp, azure_tdx, phala_sgx, quote, shared_token, virtee_milan,
};
use harness::{Place, Ran, assert_snapshot};
use serde_json::{Value, json};

const HYPERTHREADED: &str = "mode: hardware
    tolerate: [hyperthreading, software-hardening-needed]
    ignore_advisories: [INTEL-SA-00289, INTEL-SA-00615]";

/// A policy with one service.
fn policy(security: &str, attestation: &str) -> String {
    format!(
        "name: my-namespace/shop
version: \"0.3.12\"
security:
  attestation:
    {security}
services:
  - name: web
    command: web
    attestation:
      {attestation}
"
    )
}

fn judged(case: &Case, policy: &str) -> Ran {
    let place = Place::new();
    place.write("policy.yaml", policy);
    case.explain(&place, &["--policy", "policy.yaml", "--service", "web"])
}

fn printed(ran: &Ran) -> Value {
    assert_eq!(ran.stderr, "");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// What the evidence states.
fn claim(case: &Case, name: &str) -> String {
    let found = printed(&case.explain(&Place::new(), &[]));
    found["claims"][name].as_str().unwrap().to_owned()
}

/// The rules that fail, by path and code.
fn failing(found: &Value) -> Vec<(&str, &str)> {
    let rules = found["decision"]["rules"].as_array().unwrap();
    let failing = rules.iter().filter(|rule| rule["holds"] == false);
    let told = failing.map(|rule| {
        assert!(!rule["expected"].as_str().unwrap().is_empty());
        assert!(!rule["found"].as_str().unwrap().is_empty());
        assert!(!rule["hint"].as_str().unwrap().is_empty());
        (
            rule["path"].as_str().unwrap(),
            rule["code"].as_str().unwrap(),
        )
    });
    told.collect()
}

fn assert_granted(case: &Case, policy: &str) {
    let ran = judged(case, policy);
    let found = printed(&ran);
    let kind = &case.evidence["type"];
    let ended = (ran.code, &found["outcome"]);
    assert_eq!(
        ended,
        (0, &json!("granted")),
        "{kind}: {:?}",
        failing(&found)
    );
    assert_eq!(found["decision"]["config"], "my-namespace/shop/web");
    assert_eq!(found["decision"]["granted"], true);
    assert!(!found["decision"]["rules"].as_array().unwrap().is_empty());
}

fn assert_denied(case: &Case, policy: &str, expected: &[(&str, &str)]) {
    let ran = judged(case, policy);
    let found = printed(&ran);
    assert_eq!((ran.code, &found["outcome"]), (4, &json!("denied")));
    assert_eq!(found["decision"]["granted"], false);
    assert!(found.get("code").is_none(), "codes are the rules'");
    assert_eq!(failing(&found), expected);
}

#[test]
fn enclave_is_granted_by_its_measurement_and_what_its_platform_needs() {
    let Some(sgx) = phala_sgx() else { return };
    let measurement = claim(&sgx, "mrenclave");
    let entry = format!("- mrenclave: {measurement}");
    assert_granted(&sgx, &policy(HYPERTHREADED, &entry));
    let other = format!("- mrenclave: {}", "ab".repeat(32));
    let path = "services[web].attestation[0].mrenclave";
    assert_denied(
        &sgx,
        &policy(HYPERTHREADED, &other),
        &[(path, "measurement-mismatch")],
    );
}

#[test]
fn platform_is_denied_for_each_thing_that_is_not_tolerated() {
    let Some(sgx) = phala_sgx() else { return };
    let entry = format!("- mrenclave: {}", claim(&sgx, "mrenclave"));
    let advisory = "security.attestation.ignore_advisories";
    let tolerated = "security.attestation.tolerate";
    let cases: [(&str, &[(&str, &str)]); 3] = [
        (
            "mode: hardware",
            &[
                (tolerated, "tcb-needs-configuration"),
                (tolerated, "tcb-needs-hardening"),
                (advisory, "advisory-not-ignored"),
                (advisory, "advisory-not-ignored"),
            ],
        ),
        (
            "tolerate: [hyperthreading, software-hardening-needed]\n    ignore_advisories: [INTEL-SA-00289]",
            &[(advisory, "advisory-not-ignored")],
        ),
        (
            "tolerate: software-hardening-needed\n    ignore_advisories: \"*\"",
            &[(tolerated, "tcb-needs-configuration")],
        ),
    ];
    for (security, expected) in cases {
        assert_denied(&sgx, &policy(security, &entry), expected);
    }
}

#[test]
fn debug_domain_is_what_the_policy_makes_of_it() {
    let domain = quote(
        "tdx",
        "tdx-dcap/trustee-tdx_quote_4.dat",
        "tdx-dcap/collateral_50806f000000.dcap-qvl.json",
        "2023-06-18T09:42:58Z",
    );
    let Some(domain) = domain else { return };
    let found = printed(&domain.explain(&Place::new(), &[]));
    let entry = format!(
        "tdx: {{mrtd: {}}}",
        found["claims"]["mrtd"].as_str().unwrap()
    );
    let ran = judged(&domain, &policy("mode: hardware", &entry));
    let found = printed(&ran);
    assert_eq!((ran.code, &found["outcome"]), (4, &json!("denied")));
    let codes: Vec<&str> = failing(&found).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["debug-enclave"]);
    assert_granted(&domain, &policy("tolerate: debug-mode", &entry));
}

#[test]
fn guest_is_granted_above_its_floor_and_denied_below() {
    let Some(snp) = virtee_milan() else { return };
    let with = |floor: &str| {
        let measurement = claim(&snp, "measurement");
        let entry = format!("snp: {{measurement: {measurement}, tcb: {{{floor}}}}}");
        policy("mode: hardware", &entry)
    };
    assert_granted(
        &snp,
        &with("milan: {bootloader: 3, snp: 8, microcode: 115}"),
    );
    let tcb = "services[web].attestation[0].snp.tcb";
    assert_denied(
        &snp,
        &with("milan: {bootloader: 4, snp: 8, microcode: 116}"),
        &[
            (&format!("{tcb}.milan.bootloader"), "tcb-below-minimum"),
            (&format!("{tcb}.milan.microcode"), "tcb-below-minimum"),
        ],
    );
    assert_denied(
        &snp,
        &with("genoa: {snp: 8}"),
        &[(tcb, "tcb-floor-missing-for-generation")],
    );
}

#[test]
fn machines_and_containers_are_granted_by_what_they_state() {
    let hardware = "mode: hardware";
    if let Some(vm) = azure_snp(1, "azure-snp-vtpm/x-v1-vcek.der") {
        let measurement = claim(&vm, "measurement");
        let tee = format!("snp: {{measurement: {measurement}, tcb: {{milan: {{snp: 24}}}}}}");
        let right = format!("azure_vm: {{secure_boot: true, {tee}}}");
        assert_granted(&vm, &policy(hardware, &right));
        let wrong = right.replace("true", "false");
        let path = "services[web].attestation[0].azure_vm.secure_boot";
        assert_denied(&vm, &policy(hardware, &wrong), &[(path, "secure-boot-on")]);
    }
    if let Some(vm) = azure_tdx() {
        let tee = format!("tdx: {{mrtd: {}}}", claim(&vm, "mrtd"));
        let entry = format!("azure_vm: {{secure_boot: false, {tee}}}");
        assert_granted(&vm, &policy(hardware, &entry));
        let certified = format!("azure_vm: {{attestation_key: certified, {tee}}}");
        let path = "services[web].attestation[0].azure_vm.attestation_key";
        let code = "attestation-key-not-certified";
        assert_denied(&vm, &policy(hardware, &certified), &[(path, code)]);
    }
    if let Some(group) = aci() {
        let rest = "svn_min: 22, tcb: {milan: {snp: 8}}";
        let allowed = format!("aci: {{dangerous_allow_all_policy: true, {rest}}}");
        assert_granted(&group, &policy(hardware, &allowed));
        let digest = claim(&group, "policy_digest");
        let by_digest = format!("aci: {{policy_digest: {digest}, {rest}}}");
        let path = "services[web].attestation[0].aci.dangerous_allow_all_policy";
        assert_denied(
            &group,
            &policy(hardware, &by_digest),
            &[(path, "aci-allows-all")],
        );
    }
}

#[test]
fn token_is_judged_by_the_instance_that_the_policy_names() {
    let Some(token) = shared_token() else { return };
    let entry = format!("- mrenclave: {}", claim(&token, "x-ms-sgx-mrenclave"));
    let security = |more: &str| format!("mode: maa\n    url: {SHARED}\n    {more}");
    let managed = "tolerate: maa-managed-tcb";
    assert_granted(&token, &policy(&security(managed), &entry));
    let other = format!("- mrenclave: {}", "ab".repeat(32));
    let path = "services[web].attestation[0].mrenclave";
    assert_denied(
        &token,
        &policy(&security(managed), &other),
        &[(path, "measurement-mismatch")],
    );
    for (demand, code) in [
        ("require_tee_signer: true", "token-signer-old-proof"),
        ("min_rsa_signing_key_size: 4096", "token-key-too-short"),
        ("max_token_age_s: 59", "token-too-old"),
    ] {
        let security = security(&format!("{managed}\n    {demand}"));
        let ran = judged(&token, &policy(&security, &entry));
        assert_eq!(
            (ran.code, &printed(&ran)["code"]),
            (5, &json!(code)),
            "{demand}"
        );
    }
    let other = security(managed).replace(SHARED, "https://sharedweu.weu.attest.azure.net");
    let ran = judged(&token, &policy(&other, &entry));
    assert_eq!(
        (ran.code, &printed(&ran)["code"]),
        (5, &json!("token-issuer"))
    );
}

/// Without second factors, which nobody knows here.
#[test]
fn evidence_of_another_verifier_or_kind_is_denied() {
    let Some(snp) = virtee_milan() else { return };
    let entry = format!("- mrenclave: {}", "ab".repeat(32));
    let found = printed(&judged(&snp, &policy("mode: hardware", &entry)));
    let codes: Vec<&str> = failing(&found).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["identity-mismatch"]);
    let maa = format!("mode: maa\n    url: {SHARED}\n    tolerate: maa-managed-tcb");
    let ran = judged(&snp, &policy(&maa, &entry));
    assert_eq!(ran.code, 4);
    let found = printed(&ran);
    assert!(
        failing(&found)
            .iter()
            .any(|(_, code)| *code == "verifier-mismatch")
    );
}

#[test]
fn text_for_people_has_every_rule() {
    let Some(sgx) = phala_sgx() else { return };
    let place = Place::new();
    let entry =
        "- mrenclave: $BUILD\n      - signer: {mrsigner: $SIGNER, isvprodid: 7, isvsvn_min: 1}";
    place.write("policy.yaml", &policy(HYPERTHREADED, entry));
    let build = format!("BUILD={}", claim(&sgx, "mrenclave"));
    let signer = format!("SIGNER={}", "cd".repeat(32));
    let other = format!("BUILD={}", "ab".repeat(32));
    for (snapshot, build) in [("explain_granted", build), ("explain_denied", other)] {
        let mut arguments = sgx.arguments(&place);
        arguments.extend_from_slice(&["--policy", "policy.yaml", "--service", "web"]);
        arguments.extend_from_slice(&["-e", &build, "-e", &signer]);
        assert_snapshot(snapshot, &place.run(&arguments));
    }
}
