//! What is remembered of attempts, and who is told.

use std::sync::Arc;

use assert_matches::assert_matches;
use casque_appraise::{Evidence, EvidenceKind, Identity};
use casque_core::{
    Attempt, AttemptOutcome, AuditAction, ReadPolicyError, SecondFactors, SourceKind,
};
use casque_policy::Credentials;
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation, failure};
use casque_testkit::sgx::QuoteFlaw;
use casque_types::{KeyHash, Seconds};
use pollster::block_on;

use crate::policies::{MAA, world};
use crate::support::{policy, shelf};

const HARDWARE: &str = "mode: hardware";

/// What the author is told of a service.
fn told(world: &TestWorld, config: &str) -> Vec<Arc<Attempt>> {
    let author = Credentials::of_tls(world.author);
    block_on(world.casque.attempts(&config.parse().unwrap(), &author)).unwrap()
}

/// The only attempt that there was.
fn only(world: &TestWorld, config: &str) -> Arc<Attempt> {
    let mut all = told(world, config);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// The codes of the rules that deny.
fn denied(attempt: &Attempt) -> Vec<&'static str> {
    assert_matches!(attempt.outcome, AttemptOutcome::Denied);
    let decision = attempt.decision.as_ref().unwrap();
    assert!(!decision.granted);
    let codes = decision.rules.iter().filter_map(|rule| rule.code);
    codes.map(|code| code.as_str()).collect()
}

#[test]
fn granted_attempt_tells_what_was_proved() {
    let world = world(HARDWARE);
    world.attest("app/web").unwrap();
    let attempt = only(&world, "app/web");
    assert_matches!(attempt.outcome, AttemptOutcome::Granted);
    let decision = attempt.decision.as_ref().unwrap();
    assert!(decision.granted && decision.rules.iter().all(|rule| rule.holds));
    assert_eq!(attempt.evidence, EvidenceKind::Sgx);
    assert_eq!(attempt.at, TestWorld::BEGIN);
    let verdict = attempt.verdict.as_ref().unwrap();
    assert_eq!(*verdict.identity(), Identity::Sgx(TestWorld::program()));
    assert!(told(&world, "app/batch").is_empty());
}

#[test]
fn attempt_tells_the_claims_of_its_evidence() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/idle");
    let evidence = world.quote(&attempt);
    let claims = evidence.claims();
    world.send(&attempt, evidence).unwrap();
    assert_eq!(only(&world, "app/idle").claims, claims);
}

#[test]
fn attempt_denied_after_the_evidence_was_appraised_tells_both() {
    let world = TestWorld::new();
    let secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let rest =
        format!("security:\n  attestation:\n    one_time_password_shared_secret: {secret}\n");
    let hash = world.put(&policy("a", &[], &rest));
    assert!(world.attest("a/s").is_err());
    let attempt = only(&world, "a/s");
    assert_eq!(attempt.policy, hash);
    assert!(attempt.verdict.is_some());
    assert_eq!(denied(&attempt), ["otp-missing"]);
    let rules = &attempt.decision.as_ref().unwrap().rules;
    let measured = rules.iter().find(|rule| rule.path.ends_with(".mrenclave"));
    assert!(measured.unwrap().holds, "those that hold are told too");
    assert!(!format!("{attempt:?}").contains(secret));
}

#[test]
fn attempt_with_a_used_one_time_password_tells_that_beside_what_holds() {
    let world = crate::factors::guarded_world();
    let code = crate::factors::code(&world, crate::factors::SHARED, 0);
    crate::factors::send(&world, "a/s", &code).unwrap();
    assert!(crate::factors::send(&world, "a/s", &code).is_err());
    let attempt = &told(&world, "a/s")[0];
    assert_eq!(denied(attempt), ["otp-used"]);
    assert!(attempt.decision.as_ref().unwrap().rules.len() > 1);
    assert!(!format!("{attempt:?}").contains(&code));
}

#[test]
fn attempt_screened_by_its_claims_alone_proves_nothing() {
    let world = world(HARDWARE);
    let mut attempt = world.attempt("app/web");
    attempt.identity.mr_enclave = [0x66; 32].into();
    assert!(world.send(&attempt, world.quote(&attempt)).is_err());
    let told = only(&world, "app/web");
    assert!(told.verdict.is_none());
    assert_eq!(denied(&told), ["measurement-mismatch"]);
    assert_eq!(world.ports.endorsements.calls.count(), 0);
}

#[test]
fn attempt_with_evidence_that_is_not_authentic_tells_the_code_of_its_cause() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/web");
    let bent = world.quote_with(&attempt, Some(QuoteFlaw::QeSigner));
    let error = world.send(&attempt, bent).unwrap_err();
    let told = only(&world, "app/web");
    assert!(told.verdict.is_none());
    assert_matches!(&told.outcome, AttemptOutcome::NotAuthentic(failure)
        if failure.code == error.code() && failure.message.starts_with(&error.to_string()));
}

#[test]
fn attempt_that_is_bound_to_another_request_is_told() {
    let world = world(HARDWARE);
    let (attempt, other) = (world.attempt("app/web"), world.attempt("app/web"));
    assert!(world.send(&attempt, world.quote(&other)).is_err());
    assert_matches!(&only(&world, "app/web").outcome, AttemptOutcome::NotAuthentic(failure)
        if failure.code == "evidence-not-bound");
}

#[test]
fn attempt_that_the_attestation_service_refuses_is_not_authentic() {
    let world = world(MAA);
    let attempt = world.attempt("app/web");
    let bent = world.quote_with(&attempt, Some(QuoteFlaw::QeReportSignature));
    assert!(world.send(&attempt, bent).is_err());
    assert_matches!(&only(&world, "app/web").outcome, AttemptOutcome::NotAuthentic(failure)
        if failure.code == "maa-evidence-refused" && failure.hint.is_some());
}

#[test]
fn attempt_that_failed_tells_what_could_not_be_had() {
    let world = world(HARDWARE);
    let down = failure(SourceKind::Endorser, "endorser-unreachable");
    world.ports.endorsements.calls.fail_once(down);
    assert!(world.attest("app/web").is_err());
    let first = only(&world, "app/web");
    assert_matches!(&first.outcome, AttemptOutcome::Failed(failure)
        if failure.code == "endorser-unreachable" && failure.hint.as_deref() == Some("ask the test"));
    assert!(first.verdict.is_none());
    let down = failure(SourceKind::KeyVault, "vault-timeout");
    world.ports.vaults.calls.fail_once(down);
    assert!(world.attest("app/web").is_err());
    let second = &told(&world, "app/web")[0];
    assert_matches!(&second.outcome, AttemptOutcome::Failed(failure)
        if failure.code == "secret-unavailable" && failure.hint.as_deref() == Some("ask the test"));
    assert!(second.verdict.is_some());
}

#[test]
fn attempts_are_eight_of_a_service_and_the_unproven_make_no_room_of_the_proven() {
    let world = world(HARDWARE);
    for _ in 0..10 {
        world.attest("app/idle").unwrap();
        world.ports.clock.advance(Seconds(1));
    }
    assert_eq!(told(&world, "app/idle").len(), 8);
    assert_eq!(
        told(&world, "app/idle")[0].at,
        TestWorld::BEGIN.plus(Seconds(9))
    );
    for _ in 0..20 {
        let attempt = world.attempt("app/idle");
        assert!(world.send(&attempt, Evidence::Absent).is_err());
    }
    let all = told(&world, "app/idle");
    let proven = all.iter().filter(|attempt| attempt.verdict.is_some());
    assert_eq!((all.len(), proven.count()), (8, 4));
}

#[test]
fn attempts_for_what_does_not_exist_are_not_remembered() {
    let world = world(HARDWARE);
    assert!(world.attest("app/nobody").is_err());
    assert!(world.attest("nothing/web").is_err());
    let author = Credentials::of_tls(world.author);
    let read = |config: &str| block_on(world.casque.attempts(&config.parse().unwrap(), &author));
    assert_matches!(read("app/nobody"), Err(ReadPolicyError::NoService { config })
        if config.to_string() == "app/nobody");
    assert_matches!(read("nothing/web"), Err(ReadPolicyError::Absent { .. }));
    let _ = world.put(&shelf("nothing", ""));
    assert_matches!(read("nothing/web"), Err(ReadPolicyError::NoService { .. }));
}

#[test]
fn attempts_are_for_those_who_may_read_the_policy() {
    let world = world(HARDWARE);
    world.attest("app/idle").unwrap();
    let config = "app/idle".parse().unwrap();
    for stranger in [
        Credentials::default(),
        Credentials::of_tls(KeyHash::of_spki(b"a stranger's key")),
    ] {
        assert_matches!(
            block_on(world.casque.attempts(&config, &stranger)),
            Err(ReadPolicyError::NotPermitted { .. })
        );
    }
}

#[test]
fn reading_attempts_is_on_record_or_refused() {
    let world = world(HARDWARE);
    world.attest("app/idle").unwrap();
    assert_eq!(told(&world, "app/idle").len(), 1);
    let events = world.ports.store.audit();
    let event = events.last().unwrap();
    assert_eq!(event.action, AuditAction::AttemptsRead);
    assert_eq!(event.subject, "app/idle");
    assert_eq!(event.caller, Some(world.author));
    (world.ports.store).fail_once(StoreOperation::AppendAudit, StoreFault::Before);
    let author = Credentials::of_tls(world.author);
    let answer = block_on(world.casque.attempts(&"app/idle".parse().unwrap(), &author));
    assert_matches!(answer, Err(ReadPolicyError::Store(_)));
}

#[test]
fn restart_forgets_attempts() {
    let mut world = world(HARDWARE);
    world.attest("app/idle").unwrap();
    world.restart();
    assert!(told(&world, "app/idle").is_empty());
}

#[test]
fn attempts_hold_no_second_factor() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/idle");
    let factors = SecondFactors {
        one_time_password: Some("424242".parse().unwrap()),
        ..SecondFactors::default()
    };
    let evidence = world.quote(&attempt);
    world.send_with(&attempt, evidence, factors).unwrap();
    assert!(!format!("{:?}", only(&world, "app/idle")).contains("424242"));
}
