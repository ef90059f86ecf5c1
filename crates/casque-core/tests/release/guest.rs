//! Azure virtual machines that the attestation service judges with their TPM: whose request is handed on, and whose not.

use assert_matches::assert_matches;
use casque_appraise::{Evidence, Identity};
use casque_core::{
    AttemptOutcome, AttestError, Blame, GuestRequest, MaaSource as _, RedeemError, SealedToken,
    SourceKind,
};
use casque_policy::Credentials;
use casque_testkit::fakes::{MaaCall, failure};
use casque_testkit::{Attempt, TestWorld};
use casque_types::Seconds;
use pollster::block_on;

use crate::tees::{BOTH, HARDWARE, MAA, Make, attempts, world};

const SERVICE: &str = "tees/machine-snp";

fn submit_of(
    world: &TestWorld,
    attempt: &Attempt,
    evidence: Evidence,
) -> Result<SealedToken, AttestError> {
    let runtime_data = attempt.runtime.as_bytes().to_vec();
    let request = GuestRequest::new(runtime_data, evidence, INFO.to_owned()).unwrap();
    block_on(world.casque.submit_guest(request))
}

fn submit(world: &TestWorld, attempt: &Attempt) -> Result<SealedToken, AttestError> {
    submit_of(world, attempt, world.azure_snp(attempt))
}

#[test]
fn request_is_handed_to_the_instance_of_the_policy_unread() {
    for attestation in [MAA, BOTH] {
        let world = world(attestation);
        let machines: [(&str, Make); 2] = [
            (SERVICE, TestWorld::azure_snp),
            ("tees/machine-tdx", TestWorld::azure_tdx),
        ];
        for (service, evidence) in machines {
            let attempt = world.attempt(service);
            let sealed = submit_of(&world, &attempt, evidence(&world, &attempt)).unwrap();
            // The stand-in answers what it was asked.
            assert_eq!(sealed.as_str(), INFO);
        }
        let made = world.ports.maa.calls.made();
        assert_eq!(made.len(), 2);
        for call in made {
            assert_matches!(call, MaaCall::AttestGuest(url, info)
                if url == TestWorld::MAA.parse().unwrap() && info.as_str() == INFO);
        }
        // What counts is the attempt that follows.
        assert!(attempts(&world, "machine-snp").is_empty());
        assert_eq!(world.ports.endorsements.calls.count(), 0);
    }
}

#[test]
fn the_same_attempt_then_attests_with_the_token() {
    let world = world(BOTH);
    let attempt = world.attempt(SERVICE);
    let evidence = world.azure_snp(&attempt);
    submit_of(&world, &attempt, world.azure_snp(&attempt)).unwrap();
    let url = TestWorld::MAA.parse().unwrap();
    let maa = &world.ports.maa;
    let token = block_on(maa.attest(&url, &evidence, &attempt.runtime, TestWorld::BEGIN)).unwrap();
    let released = world.send_with_token(&attempt, evidence, token).unwrap();
    assert_eq!(world.open(&attempt, &released).arguments.len(), 1);
    let told = attempts(&world, "machine-snp").remove(0);
    assert_matches!(told.outcome, AttemptOutcome::Granted);
    assert_matches!(
        told.verdict.as_ref().unwrap().identity(),
        Identity::AzureVm(_)
    );
}

#[test]
fn policy_without_the_service_hands_nothing_on() {
    let world = world(HARDWARE);
    let error = submit(&world, &world.attempt(SERVICE)).unwrap_err();
    assert_matches!(&error, AttestError::NoGuestJudge { config } if config.to_string() == SERVICE);
    assert_eq!(error.blame(), Blame::Denied);
    assert_eq!(error.code(), "guest-judge-absent");
    let told = attempts(&world, "machine-snp").remove(0);
    assert_matches!(&told.outcome, AttemptOutcome::Failed(failure) if failure.code == "guest-judge-absent");
    assert_eq!(world.ports.maa.calls.count(), 0);
}

#[test]
fn evidence_of_another_request_hands_nothing_on() {
    let world = world(MAA);
    let (attempt, other) = (world.attempt(SERVICE), world.attempt(SERVICE));
    let answer = submit_of(&world, &attempt, world.azure_snp(&other));
    assert_matches!(answer, Err(AttestError::NotBound));
    assert_eq!(world.ports.maa.calls.count(), 0);
}

#[test]
fn machine_that_the_policy_denies_hands_nothing_on() {
    let world = world(MAA);
    let attempt = world.attempt("tees/machine-tdx");
    let answer = submit(&world, &attempt);
    assert_matches!(answer, Err(AttestError::Denied { denial, .. }) if !denial.reasons.is_empty());
    let told = attempts(&world, "machine-tdx").remove(0);
    assert_matches!(told.outcome, AttemptOutcome::Denied);
    assert_eq!(world.ports.maa.calls.count(), 0);
}

#[test]
fn stranger_hands_nothing_on() {
    let world = world(MAA);
    let attempt = world.attempt("tees/nobody");
    assert_matches!(submit(&world, &attempt), Err(AttestError::NoService { .. }));
    let attempt = world.attempt("nothing/web");
    assert_matches!(submit(&world, &attempt), Err(AttestError::NoService { .. }));
    let attempt = world.attempt(SERVICE);
    world.ports.clock.advance(Seconds(3600));
    let answer = submit(&world, &attempt);
    assert_matches!(answer, Err(AttestError::Nonce(RedeemError::Stale { .. })));
    let author = Credentials::of_tls(world.author);
    let nobody = "tees/nobody".parse().unwrap();
    assert!(block_on(world.casque.attempts(&nobody, &author)).is_err());
    assert_eq!(world.ports.maa.calls.count(), 0);
}

#[test]
fn failure_of_the_instance_is_told() {
    let world = world(MAA);
    let down = failure(SourceKind::Maa, "maa-unavailable");
    world.ports.maa.calls.fail_once(down);
    let answer = submit(&world, &world.attempt(SERVICE));
    assert_matches!(answer, Err(AttestError::Source(found)) if found.code == "maa-unavailable");
    let told = attempts(&world, "machine-snp").remove(0);
    assert_matches!(&told.outcome, AttemptOutcome::Failed(failure) if failure.code == "maa-unavailable");
}

/// Base64url; the server does not look into it.
const INFO: &str = "e30";
