//! Azure virtual machines that the attestation service judges with their TPM: whose request is handed on, and whose not.

use assert_matches::assert_matches;
use casque_appraise::{AppraiseError, Evidence, Identity, MaaAppraiseError, MaaToken};
use casque_core::{
    AttemptOutcome, AttestError, Blame, GuestRequest, RedeemError, SealedToken, SourceKind,
};
use casque_policy::Credentials;
use casque_testkit::azure_vm::{GuestSpec, TpmEncryptionKey};
use casque_testkit::fakes::{MaaCall, failure};
use casque_testkit::{Attempt, TestWorld};
use casque_types::Seconds;
use pollster::block_on;

use crate::tees::{BOTH, HARDWARE, MAA, Make, attempts, world};

const SERVICE: &str = "tees/machine-snp";

/// The machine's request for a token about itself, and the key of its TPM that opens the answer.
fn info(world: &TestWorld, attempt: &Attempt) -> (String, TpmEncryptionKey) {
    let spec = GuestSpec::new(attempt.runtime.binding().to_string().as_bytes());
    let key = TpmEncryptionKey::generate(&spec.values()).unwrap();
    let on_tdx = attempt.runtime.config().to_string().ends_with("tdx");
    let request = match on_tdx {
        true => (world.vtpm).guest_on_tdx(&world.tee, &TestWorld::domain(), &spec, &key),
        false => (world.vtpm).guest_on_snp(&world.snp, &TestWorld::guest(), &spec, &key),
    };
    let body = request.unwrap().to_body();
    (body["AttestationInfo"].as_str().unwrap().to_owned(), key)
}

fn submit_of(
    world: &TestWorld,
    attempt: &Attempt,
    evidence: Evidence,
    info: &str,
) -> Result<SealedToken, AttestError> {
    let runtime_data = attempt.runtime.as_bytes().to_vec();
    let request = GuestRequest::new(runtime_data, evidence, info.to_owned()).unwrap();
    block_on(world.casque.submit_guest(request))
}

/// A request that is never looked into.
fn submit(world: &TestWorld, attempt: &Attempt) -> Result<SealedToken, AttestError> {
    submit_of(world, attempt, world.azure_snp(attempt), "e30")
}

#[test]
fn request_is_handed_to_the_instance_of_the_policy_and_its_answer_attests() {
    let machines: [(&str, Make); 2] = [
        ("machine-snp", TestWorld::azure_snp),
        ("machine-tdx", TestWorld::azure_tdx),
    ];
    for (service, evidence) in machines {
        for attestation in [MAA, BOTH] {
            let world = world(attestation);
            let attempt = world.attempt(&format!("tees/{service}"));
            let (info, key) = info(&world, &attempt);
            let sealed = submit_of(&world, &attempt, evidence(&world, &attempt), &info).unwrap();
            let made = world.ports.maa.calls.made();
            assert_matches!(made.as_slice(), [MaaCall::AttestGuest(url, handed_on)]
                if *url == TestWorld::MAA.parse().unwrap() && handed_on.as_str() == info);
            // What counts is the attempt that follows.
            assert!(attempts(&world, service).is_empty());
            let token = MaaToken::parse(&key.open(sealed.as_str()).unwrap()).unwrap();
            assert_matches!(token.claimed_identity(), Some(Identity::AzureVm(_)));
            let released =
                world.send_with_token(&attempt, evidence(&world, &attempt), token.clone());
            let released = released.unwrap();
            assert_eq!(world.open(&attempt, &released).arguments.len(), 1);
            let told = attempts(&world, service).remove(0);
            assert_matches!(told.outcome, AttemptOutcome::Granted);
            // It is of this request alone, whoever shows it, with evidence or without.
            let later = world.attempt(&format!("tees/{service}"));
            let answer = world.send_with_token(&later, evidence(&world, &later), token.clone());
            let not_bound = AppraiseError::Maa(MaaAppraiseError::NotBound);
            assert_matches!(answer, Err(AttestError::Appraise(found)) if found == not_bound);
            let answer = world.send(&attempt, Evidence::MaaToken(token));
            assert_matches!(answer, Err(AttestError::NotBound));
        }
    }
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
    let answer = submit_of(&world, &attempt, world.azure_snp(&other), "e30");
    assert_matches!(answer, Err(AttestError::NotBound));
    assert_eq!(world.ports.maa.calls.count(), 0);
}

#[test]
fn evidence_that_casque_itself_refuses_hands_nothing_on() {
    let world = world(BOTH);
    let down = failure(SourceKind::Amd, "amd-unreachable");
    world.ports.endorsements.calls.fail_once(down);
    let answer = submit(&world, &world.attempt(SERVICE));
    assert_matches!(answer, Err(AttestError::Source(found)) if found.code == "amd-unreachable");
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
    let answer = submit(&world, &world.attempt(SERVICE));
    assert_matches!(answer, Err(AttestError::Source(found)) if found.code == "maa-evidence-refused");
}
