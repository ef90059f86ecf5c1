//! Every TEE, judged by Casque, by the attestation service, and by both: granted, and bent in one place.

use assert_matches::assert_matches;
use casque_appraise::{AppraiseError, Evidence, EvidenceKind, MaaToken, Verifier};
use casque_core::{AttemptOutcome, AttestError, Blame, MaaSource as _, SourceKind};
use casque_policy::Credentials;
use casque_testkit::fakes::{MaaCall, failure};
use casque_testkit::{Attempt, TestWorld};
use casque_types::sha256;
use pollster::block_on;

use crate::policies::{assert_nothing_released, reasons};

pub(crate) const HARDWARE: &str = "{mode: hardware}";
pub(crate) const MAA: &str =
    "{mode: maa, url: 'https://casque.eus.attest.azure.net', tolerate: [maa-managed-tcb]}";
pub(crate) const BOTH: &str =
    "{mode: maa, require: [maa, evidence], url: 'https://casque.eus.attest.azure.net'}";

/// How a kind of evidence is made.
pub(crate) type Make = fn(&TestWorld, &Attempt) -> Evidence;

/// One service for each kind of evidence, and how evidence that satisfies it is made.
const KINDS: [(&str, EvidenceKind, Make); 6] = [
    ("enclave", EvidenceKind::Sgx, TestWorld::quote),
    ("domain", EvidenceKind::Tdx, TestWorld::tdx),
    ("guest", EvidenceKind::Snp, TestWorld::snp),
    ("group", EvidenceKind::AciSnp, TestWorld::aci),
    (
        "machine-snp",
        EvidenceKind::AzureSnpVtpm,
        TestWorld::azure_snp,
    ),
    (
        "machine-tdx",
        EvidenceKind::AzureTdxVtpm,
        TestWorld::azure_tdx,
    ),
];

/// A world with a service for each kind.
pub(crate) fn world(attestation: &str) -> TestWorld {
    let world = TestWorld::new();
    let enclave = TestWorld::program().mr_enclave;
    let guest = TestWorld::guest();
    let domain = TestWorld::domain().mr_td;
    let tcb = "tcb: {milan: {snp: 1}}";
    let digest = sha256(TestWorld::containers().as_bytes());
    let issuer = world.uvm.did();
    let text = format!(
        "name: tees
version: \"0.3.12\"
security:
  attestation: {attestation}
services:
  - name: enclave
    attestation: [{{mrenclave: {enclave}}}]
    command: serve
  - name: domain
    attestation: [{{tdx: {{mrtd: {domain}}}}}]
    command: serve
  - name: guest
    attestation: [{{snp: {{measurement: {measurement}, {tcb}}}}}]
    command: serve
  - name: group
    attestation: [{{aci: {{policy_digest: {digest}, issuer: '{issuer}', feed: Casque-Software-UVM, svn_min: 100, {tcb}}}}}]
    command: serve
  - name: machine-snp
    attestation: [{{azure_vm: {{snp: {{measurement: {measurement}, {tcb}}}}}}}]
    command: serve
  - name: machine-tdx
    attestation: [{{azure_vm: {{tdx: {{mrtd: {domain}}}}}}}]
    command: serve
",
        measurement = guest.measurement,
    );
    if let Err(error) = world.try_put(&text) {
        panic!("{error:?}");
    }
    world
}

pub(crate) fn attempts(
    world: &TestWorld,
    service: &str,
) -> Vec<std::sync::Arc<casque_core::Attempt>> {
    let author = Credentials::of_tls(world.author);
    let config = format!("tees/{service}").parse().unwrap();
    block_on(world.casque.attempts(&config, &author)).unwrap()
}

#[test]
fn each_tee_is_granted_by_casque() {
    let world = world(HARDWARE);
    for (service, kind, make) in KINDS {
        let attempt = world.attempt(&format!("tees/{service}"));
        let evidence = make(&world, &attempt);
        assert_eq!(evidence.kind(), kind);
        let released = world.send(&attempt, evidence).map_err(|e| (service, e));
        let configuration = world.open(&attempt, &released.unwrap());
        assert_eq!(configuration.arguments.len(), 1, "{service}");
        let told = attempts(&world, service).remove(0);
        let verdict = told.verdict.as_ref().unwrap();
        assert_eq!(*verdict.verifier(), Verifier::Casque);
        assert_eq!(told.evidence, kind);
        assert!(!told.claims.is_empty(), "{service}");
    }
    assert_eq!(world.ports.maa.calls.count(), 0);
}

#[test]
fn each_tee_is_granted_by_the_attestation_service() {
    let world = world(MAA);
    for (service, _, make) in KINDS {
        let attempt = world.attempt(&format!("tees/{service}"));
        let evidence = make(&world, &attempt);
        let released = world.send(&attempt, evidence).map_err(|e| (service, e));
        let configuration = world.open(&attempt, &released.unwrap());
        assert_eq!(configuration.arguments.len(), 1);
        let told = attempts(&world, service).remove(0);
        let verdict = told.verdict.as_ref().unwrap();
        assert_matches!(verdict.verifier(), Verifier::Maa { .. });
    }
    assert_eq!(world.ports.endorsements.calls.count(), 0);
}

#[test]
fn each_tee_is_granted_by_both() {
    let world = world(BOTH);
    for (service, _, make) in KINDS {
        let attempt = world.attempt(&format!("tees/{service}"));
        let evidence = make(&world, &attempt);
        let released = world.send(&attempt, evidence).map_err(|e| (service, e));
        let configuration = world.open(&attempt, &released.unwrap());
        assert_eq!(configuration.arguments.len(), 1);
    }
    assert_eq!(world.ports.endorsements.calls.count(), KINDS.len());
}

/// The token that the instance answers about this evidence.
fn token(world: &TestWorld, attempt: &Attempt, evidence: &Evidence) -> MaaToken {
    let url = TestWorld::MAA.parse().unwrap();
    let (maa, now) = (&world.ports.maa, TestWorld::BEGIN);
    block_on(maa.attest(&url, evidence, &attempt.runtime, now)).unwrap()
}

#[test]
fn both_with_a_token_that_the_attester_brings_ask_the_service_for_its_keys_alone() {
    let world = world(BOTH);
    let attempt = world.attempt("tees/guest");
    let evidence = world.snp(&attempt);
    let token = token(&world, &attempt, &evidence);
    let before = world.ports.maa.calls.count();
    let released = world.send_with_token(&attempt, evidence, token).unwrap();
    assert_eq!(world.open(&attempt, &released).arguments.len(), 1);
    let made = world.ports.maa.calls.made();
    let url = TestWorld::MAA.parse().unwrap();
    assert_eq!(made[before..], [MaaCall::Keys(url)]);
}

#[test]
fn both_refuse_a_token_about_another_guest() {
    let world = world(BOTH);
    let attempt = world.attempt("tees/guest");
    let mut other = TestWorld::guest();
    other.guest_svn = 9;
    let token = token(&world, &attempt, &world.snp_of(&other, &attempt));
    let answer = world.send_with_token(&attempt, world.snp(&attempt), token);
    let error = answer.unwrap_err();
    assert_matches!(&error, AttestError::Appraise(AppraiseError::Contradiction { differences })
        if !differences.is_empty());
    assert_eq!(error.blame(), Blame::Unauthenticated);
    assert_eq!(error.code(), "token-contradicts-evidence");
    assert_nothing_released(&world);
}

#[test]
fn both_refuse_a_token_of_another_request() {
    let world = world(BOTH);
    let (attempt, other) = (world.attempt("tees/guest"), world.attempt("tees/guest"));
    let token = token(&world, &other, &world.snp(&other));
    let answer = world.send_with_token(&attempt, world.snp(&attempt), token);
    assert_matches!(answer, Err(AttestError::Appraise(_)));
    assert_nothing_released(&world);
}

#[test]
fn both_need_the_evidence_itself() {
    let world = world(BOTH);
    let attempt = world.attempt("tees/enclave");
    let answer = world.send(&attempt, world.token(&attempt, |_| {}));
    assert_eq!(reasons(answer), ["verifier-mismatch"]);
    let attempt = world.attempt("tees/enclave");
    let answer = world.send(&attempt, Evidence::Absent);
    assert_eq!(reasons(answer), ["evidence-missing"]);
    assert_eq!(world.ports.maa.calls.count(), 0);
    assert_nothing_released(&world);
}

#[test]
fn both_need_both_to_answer() {
    let world = world(BOTH);
    let down = failure(SourceKind::Amd, "amd-unreachable");
    world.ports.endorsements.calls.fail_once(down);
    let attempt = world.attempt("tees/guest");
    let answer = world.send(&attempt, world.snp(&attempt));
    assert_matches!(answer, Err(AttestError::Source(found)) if found.code == "amd-unreachable");
    let down = failure(SourceKind::Maa, "maa-unavailable");
    world.ports.maa.calls.fail_once(down);
    let attempt = world.attempt("tees/guest");
    let answer = world.send(&attempt, world.snp(&attempt));
    assert_matches!(answer, Err(AttestError::Source(found)) if found.code == "maa-unavailable");
    assert_nothing_released(&world);
}

#[test]
fn guest_that_claims_another_measurement_makes_the_server_call_nobody() {
    for attestation in [HARDWARE, MAA, BOTH] {
        let world = world(attestation);
        let attempt = world.attempt("tees/guest");
        let mut other = TestWorld::guest();
        other.measurement = [0x66; 48].into();
        let answer = world.send(&attempt, world.snp_of(&other, &attempt));
        assert_eq!(reasons(answer), ["measurement-mismatch"], "{attestation}");
        assert_eq!(world.ports.endorsements.calls.count(), 0);
        assert_eq!(world.ports.maa.calls.count(), 0);
        let told = attempts(&world, "guest").remove(0);
        assert_matches!(told.outcome, AttemptOutcome::Denied);
        assert!(told.verdict.is_none());
        assert_nothing_released(&world);
    }
}

#[test]
fn evidence_of_another_tee_than_the_entry_names_is_denied() {
    let world = world(HARDWARE);
    for (service, _, _) in KINDS {
        for (_, kind, make) in KINDS {
            let attempt = world.attempt(&format!("tees/{service}"));
            let evidence = make(&world, &attempt);
            let answer = world.send(&attempt, evidence);
            match KINDS
                .iter()
                .any(|(of, own, _)| *of == service && *own == kind)
            {
                true => assert!(answer.is_ok(), "{service} {kind:?}"),
                false => assert_matches!(
                    answer,
                    Err(AttestError::Denied { .. }),
                    "{service} {kind:?}"
                ),
            }
        }
    }
}

#[test]
fn evidence_bound_to_another_request_is_refused_for_each_tee() {
    let world = world(HARDWARE);
    for (service, _, make) in KINDS {
        let config = format!("tees/{service}");
        let (attempt, other) = (world.attempt(&config), world.attempt(&config));
        let answer = world.send(&attempt, make(&world, &other));
        assert_matches!(answer, Err(AttestError::NotBound), "{service}");
    }
    assert_eq!(world.ports.endorsements.calls.count(), 0);
}
