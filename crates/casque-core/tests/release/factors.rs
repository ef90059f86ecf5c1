//! One-time passwords and the service access token.

use assert_matches::assert_matches;
use casque_appraise::AppraiseError;
use casque_core::{AttestError, ResolveError, SecondFactors, SourceKind, StoreError};
use casque_secrets::{ProofSide, access_token_proof};
use casque_testkit::fakes::{StoreFault, StoreOperation, failure};
use casque_testkit::{Attempt, TestWorld};
use casque_types::{Configuration, Seconds, Secret};

use crate::policies::{assert_nothing_released, reasons};
use crate::support::{AAD, policy};

/// 20 bytes, those of RFC 6238 appendix B.
pub(crate) const SHARED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const OTHER_SHARED: &str = "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U";

/// The code of a shared secret so many steps after the present one, by the RFC's own recipe.
pub(crate) fn code(world: &TestWorld, shared: &str, steps: i64) -> String {
    let now = casque_core::Clock::now(&world.ports.clock).as_unix_s();
    let step = (now / 30).checked_add_signed(steps).unwrap();
    let key = data_encoding::BASE32_NOPAD
        .decode(shared.as_bytes())
        .unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let mac = aws_lc_rs::hmac::sign(&key, &step.to_be_bytes());
    let mac = mac.as_ref();
    let offset = usize::from(mac[19] & 0xf);
    let four: [u8; 4] = mac[offset..offset + 4].try_into().unwrap();
    format!(
        "{:06}",
        (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000
    )
}

/// A code that is none of the three that count.
fn wrong_code(world: &TestWorld) -> String {
    let right: Vec<String> = (-1..=1).map(|steps| code(world, SHARED, steps)).collect();
    let mut codes = (0..).map(|n| format!("{n:06}"));
    codes.find(|code| !right.contains(code)).unwrap()
}

fn with_code(code: &str) -> SecondFactors {
    SecondFactors {
        one_time_password: Some(code.parse().unwrap()),
        ..SecondFactors::default()
    }
}

pub(crate) fn send(
    world: &TestWorld,
    config: &str,
    code: &str,
) -> Result<Configuration, AttestError> {
    let attempt = world.attempt(config);
    let evidence = world.quote(&attempt);
    let released = world.send_with(&attempt, evidence, with_code(code))?;
    Ok(world.open(&attempt, &released))
}

fn guarded(name: &str) -> String {
    let security =
        format!("security:\n  attestation:\n    one_time_password_shared_secret: {SHARED}\n");
    policy(name, &[("Y", "hello")], &security)
}

pub(crate) fn guarded_world() -> TestWorld {
    let world = TestWorld::new();
    let _ = world.put(&guarded("a"));
    world
}

#[test]
fn otp_of_this_step_and_the_two_beside_it_is_let() {
    for steps in [-1, 0, 1] {
        let world = guarded_world();
        let code = code(&world, SHARED, steps);
        assert!(send(&world, "a/s", &code).is_ok(), "{steps}");
    }
}

#[test]
fn otp_absent_wrong_or_of_another_secret_is_denied() {
    let world = guarded_world();
    assert_eq!(reasons(world.attest("a/s")), ["otp-missing"]);
    for code in [
        wrong_code(&world),
        code(&world, OTHER_SHARED, 0),
        code(&world, SHARED, 2),
    ] {
        assert_eq!(reasons(send(&world, "a/s", &code)), ["otp-wrong"]);
    }
    assert_nothing_released(&world);
}

#[test]
fn otp_used_twice_is_denied_and_the_next_one_let() {
    let world = guarded_world();
    let first = code(&world, SHARED, 0);
    assert!(send(&world, "a/s", &first).is_ok());
    assert_eq!(reasons(send(&world, "a/s", &first)), ["otp-used"]);
    world.ports.clock.advance(Seconds(30));
    assert_eq!(reasons(send(&world, "a/s", &first)), ["otp-used"]);
    let next = code(&world, SHARED, 0);
    assert!(send(&world, "a/s", &next).is_ok());
    assert_eq!(world.ports.store.releases().len(), 2);
}

#[test]
fn otp_used_at_another_replica_or_before_a_restart_is_denied() {
    let mut world = guarded_world();
    let code = code(&world, SHARED, 0);
    assert!(send(&world, "a/s", &code).is_ok());
    world.restart();
    assert_eq!(reasons(send(&world, "a/s", &code)), ["otp-used"]);
    assert_eq!(world.ports.store.releases().len(), 1);
}

#[test]
fn otp_counts_once_for_each_service() {
    let world = guarded_world();
    let _ = world.put(&guarded("b"));
    let code = code(&world, SHARED, 0);
    assert!(send(&world, "a/s", &code).is_ok());
    assert!(send(&world, "b/s", &code).is_ok());
}

#[test]
fn otp_after_ten_wrong_ones_is_not_looked_at_until_the_next_step() {
    let world = guarded_world();
    let _ = world.put(&guarded("b"));
    let wrong = wrong_code(&world);
    for _ in 0..10 {
        assert_eq!(reasons(send(&world, "a/s", &wrong)), ["otp-wrong"]);
    }
    let right = code(&world, SHARED, 1);
    assert_eq!(reasons(send(&world, "a/s", &right)), ["otp-blocked"]);
    assert!(send(&world, "b/s", &right).is_ok());
    world.ports.clock.advance(Seconds(30));
    assert!(send(&world, "a/s", &right).is_ok());
}

#[test]
fn otp_nine_wrong_ones_do_not_block() {
    let world = guarded_world();
    for _ in 0..9 {
        assert_eq!(
            reasons(send(&world, "a/s", &wrong_code(&world))),
            ["otp-wrong"]
        );
    }
    let right = code(&world, SHARED, 0);
    assert!(send(&world, "a/s", &right).is_ok());
}

#[test]
fn otp_of_a_service_stands_in_for_the_policys() {
    let world = TestWorld::new();
    let text = guarded("a").replace(
        "    command: s\n",
        &format!("    command: s\n    one_time_password_shared_secret: {OTHER_SHARED}\n"),
    );
    let _ = world.put(&text);
    let policys = code(&world, SHARED, 0);
    assert_eq!(reasons(send(&world, "a/s", &policys)), ["otp-wrong"]);
    let services = code(&world, OTHER_SHARED, 0);
    assert!(send(&world, "a/s", &services).is_ok());
}

#[test]
fn otp_secret_may_be_a_binary_secret_in_base32() {
    let world = TestWorld::new();
    let hex = data_encoding::HEXLOWER.encode(b"12345678901234567890");
    let rest = format!(
        "security:\n  attestation:\n    one_time_password_shared_secret: \"$$SCONE::o:base32nopad$$\"\nsecrets:\n  - {{name: o, kind: binary, value: \"{hex}\"}}\n"
    );
    let _ = world.put(&policy("a", &[], &rest));
    let code = code(&world, SHARED, 0);
    assert!(send(&world, "a/s", &code).is_ok());
}

#[test]
fn otp_secret_that_is_none_releases_nothing() {
    let world = TestWorld::new();
    let rest = "security:\n  attestation:\n    one_time_password_shared_secret: \"$$SCONE::o$$\"\nsecrets:\n  - {name: o, import: {session: x, secret: o}}\n";
    let _ = world.put(&policy("a", &[], rest));
    let exporter = "name: x\nversion: \"0.3.12\"\nsecrets:\n  - {name: o, kind: ascii, value: \"not base32!\", export: {session: a}}\n";
    let answer = send(&world, "a/s", "123456");
    assert_matches!(
        answer,
        Err(AttestError::Factor {
            cause: ResolveError::NotExported { .. },
            ..
        })
    );
    let _ = world.put(exporter);
    let error = send(&world, "a/s", "123456").unwrap_err();
    assert_matches!(&error, AttestError::Factor { what, cause: ResolveError::Otp(_), .. }
        if *what == "one_time_password_shared_secret");
    assert!(!format!("{error:?}").contains("base32!"));
    assert_nothing_released(&world);
}

#[test]
fn otp_secret_in_a_vault_is_fetched_for_a_code_alone_and_for_no_guesser_for_long() {
    let world = TestWorld::new();
    let rest = format!(
        "security:\n  attestation:\n    mode: none\n    one_time_password_shared_secret: \"$$SCONE::v$$\"\nsecrets:\n{AAD}  - {{name: v, kind: ascii, import_akv: {{vault: my-vault}}}}\n"
    );
    let _ = world.put(&policy("a", &[], &rest));
    let vault = "my-vault".parse().unwrap();
    (world.ports.vaults).put(&vault, &"v".parse().unwrap(), SHARED, None);
    for _ in 0..20 {
        assert_eq!(reasons(world.attest("a/s")), ["otp-missing"]);
    }
    assert_eq!(world.ports.vaults.calls.count(), 0);
    let wrong = wrong_code(&world);
    for _ in 0..20 {
        assert!(send(&world, "a/s", &wrong).is_err());
    }
    assert_eq!(world.ports.vaults.calls.count(), 10);
    world.ports.clock.advance(Seconds(30));
    let right = code(&world, SHARED, 0);
    assert!(send(&world, "a/s", &right).is_ok());
}

#[test]
fn otp_is_not_looked_at_before_the_evidence_is_appraised() {
    let world = guarded_world();
    let mut attempt = world.attempt("a/s");
    attempt.identity.mr_enclave = [0x66; 32].into();
    let code = code(&world, SHARED, 0);
    let answer = world.send_with(&attempt, world.quote(&attempt), with_code(&code));
    assert_eq!(reasons(answer), ["measurement-mismatch"]);
    let attempt = world.attempt("a/s");
    let flaw = Some(casque_testkit::sgx::QuoteFlaw::QeSigner);
    let bent = world.quote_with(&attempt, flaw);
    for _ in 0..11 {
        let wrong = with_code(&wrong_code(&world));
        let bent = world.quote_with(&attempt, flaw);
        assert_matches!(
            world.send_with(&attempt, bent, wrong),
            Err(AttestError::Appraise(AppraiseError::Quote(_)))
        );
    }
    let answer = world.send_with(&attempt, bent, with_code(&code));
    assert_matches!(answer, Err(AttestError::Appraise(AppraiseError::Quote(_))));
    assert!(send(&world, "a/s", &code).is_ok());
}

/// A guarded policy that needs a vault as well.
fn guarded_vault_world() -> TestWorld {
    let world = TestWorld::new();
    let secrets = format!(
        "security:\n  attestation:\n    one_time_password_shared_secret: {SHARED}\nsecrets:\n{AAD}  - {{name: v, kind: ascii, import_akv: {{vault: my-vault}}}}\n"
    );
    let _ = world.put(&policy("a", &[("V", "$$SCONE::v$$")], &secrets));
    let vault = "my-vault".parse().unwrap();
    (world.ports.vaults).put(&vault, &"v".parse().unwrap(), "value", None);
    world
}

#[test]
fn otp_is_burnt_by_a_release_alone() {
    let world = guarded_vault_world();
    let code = code(&world, SHARED, 0);
    let mut attempt = world.attempt("a/s");
    attempt.identity.debug = true;
    let answer = world.send_with(&attempt, world.quote(&attempt), with_code(&code));
    assert_eq!(reasons(answer), ["debug-enclave"]);
    let down = failure(SourceKind::KeyVault, "vault-timeout");
    world.ports.vaults.calls.fail_once(down);
    assert_matches!(send(&world, "a/s", &code), Err(AttestError::Secret { .. }));
    (world.ports.store).fail_once(StoreOperation::Spend, StoreFault::Before);
    assert_matches!(send(&world, "a/s", &code), Err(AttestError::Store(_)));
    assert_nothing_released(&world);
    assert!(send(&world, "a/s", &code).is_ok());
    assert_eq!(reasons(send(&world, "a/s", &code)), ["otp-used"]);
}

#[test]
fn otp_spent_but_not_acknowledged_releases_nothing_and_is_burnt() {
    let world = guarded_world();
    let code = code(&world, SHARED, 0);
    (world.ports.store).fail_once(StoreOperation::Spend, StoreFault::After);
    assert_matches!(
        send(&world, "a/s", &code),
        Err(AttestError::Store(StoreError::Unavailable { .. }))
    );
    assert_eq!(reasons(send(&world, "a/s", &code)), ["otp-used"]);
}

#[test]
fn otp_that_is_not_asked_for_does_not_count() {
    let world = TestWorld::new();
    let _ = world.put(&policy("a", &[], ""));
    assert!(send(&world, "a/s", "123456").is_ok());
    assert_eq!(world.ports.store.calls(StoreOperation::Spend), 0);
}

const TOKEN: &str = "9f0c confidential token";

fn token_policy() -> String {
    policy(
        "a",
        &[],
        &format!("security:\n  service_access_token: \"{TOKEN}\"\n"),
    )
}

fn proof(attempt: &Attempt, token: &str, side: ProofSide) -> SecondFactors {
    let token = Secret::copied_from(token.as_bytes());
    let proof = access_token_proof(&token, side, &attempt.runtime.binding());
    SecondFactors {
        access_token_proof: Some(proof),
        ..SecondFactors::default()
    }
}

#[test]
fn access_token_absent_or_wrong_is_denied() {
    let world = TestWorld::new();
    let _ = world.put(&token_policy());
    assert_eq!(reasons(world.attest("a/s")), ["access-token-missing"]);
    let attempt = world.attempt("a/s");
    let other = world.attempt("a/s");
    for factors in [
        proof(&attempt, "another", ProofSide::Attester),
        proof(&attempt, "", ProofSide::Attester),
        proof(&attempt, TOKEN, ProofSide::Server),
        proof(&other, TOKEN, ProofSide::Attester),
    ] {
        let answer = world.send_with(&attempt, world.quote(&attempt), factors);
        assert_eq!(reasons(answer), ["access-token-wrong"]);
    }
    assert_nothing_released(&world);
}

#[test]
fn access_token_right_is_answered_with_the_servers_proof() {
    let world = TestWorld::new();
    let _ = world.put(&token_policy());
    let attempt = world.attempt("a/s");
    let factors = proof(&attempt, TOKEN, ProofSide::Attester);
    let released = world
        .send_with(&attempt, world.quote(&attempt), factors)
        .unwrap();
    let configuration = world.open(&attempt, &released);
    let expected = proof(&attempt, TOKEN, ProofSide::Server).access_token_proof;
    assert_eq!(configuration.access_token_proof, expected);
}

#[test]
fn access_token_that_is_not_asked_for_is_not_answered() {
    let world = TestWorld::new();
    let _ = world.put(&policy("a", &[], ""));
    assert_eq!(world.attest("a/s").unwrap().access_token_proof, None);
}

#[test]
fn access_token_of_the_policy_is_never_in_a_denial() {
    let world = TestWorld::new();
    let text = format!("{}access_policy: {{read: ANY}}\n", token_policy());
    let _ = world.put(&text);
    let error = world.attest("a/s").unwrap_err();
    assert_matches!(
        &error,
        AttestError::Denied {
            expected_is_public: true,
            ..
        }
    );
    assert!(!format!("{error:?}").contains("confidential"));
}

#[test]
fn both_factors_are_told_together() {
    let world = TestWorld::new();
    let rest = format!(
        "security:\n  service_access_token: \"{TOKEN}\"\n  attestation:\n    one_time_password_shared_secret: {SHARED}\n"
    );
    let _ = world.put(&policy("a", &[], &rest));
    let expected = ["otp-missing", "access-token-missing"];
    assert_eq!(reasons(world.attest("a/s")), expected);
}
