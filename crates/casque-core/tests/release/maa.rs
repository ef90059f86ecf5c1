//! `mode: maa`: tokens that the agent brought, and quotes that the server has judged.

use assert_matches::assert_matches;
use casque_appraise::{AppraiseError, MaaAppraiseError};
use casque_core::{AttestError, Blame, SourceKind};
use casque_testkit::TestWorld;
use casque_testkit::fakes::{MaaCall, failure};
use casque_testkit::maa::{RuntimeClaim, TokenAlgorithm, TokenSpec};
use casque_testkit::sgx::QuoteFlaw;
use casque_types::{RuntimeData, Seconds};

use crate::policies::{MAA, assert_nothing_released, reasons, variable, world};

/// What a token, bent before it was signed, is answered with; nothing may be released.
fn refusal(bend: impl FnOnce(&mut TokenSpec)) -> AttestError {
    let world = world(MAA);
    let attempt = world.attempt("app/web");
    let answer = world.send(&attempt, world.token(&attempt, bend));
    assert_nothing_released(&world);
    answer.unwrap_err()
}

fn maa_refusal(bend: impl FnOnce(&mut TokenSpec)) -> MaaAppraiseError {
    match refusal(bend) {
        AttestError::Appraise(AppraiseError::Maa(error)) => error,
        other => panic!("expected a refused token, found {other:?}"),
    }
}

#[test]
fn attest_valid_token_is_granted_without_a_remote_judgement() {
    let world = world(MAA);
    let attempt = world.attempt("app/web");
    let released = world.send(&attempt, world.token(&attempt, |_| {})).unwrap();
    let configuration = world.open(&attempt, &released);
    assert_eq!(variable(&configuration, "DB_PASSWORD"), "correct horse");
    let url = TestWorld::MAA.parse().unwrap();
    assert_eq!(world.ports.maa.calls.made(), [MaaCall::Keys(url)]);
    assert_eq!(world.ports.endorsements.calls.count(), 0);
}

#[test]
fn attest_quote_is_submitted_to_the_policys_maa() {
    let world = world(MAA);
    let configuration = world.attest("app/web").unwrap();
    assert_eq!(variable(&configuration, "DB_PASSWORD"), "correct horse");
    let url = || TestWorld::MAA.parse().unwrap();
    let expected = [MaaCall::Attest(url()), MaaCall::Keys(url())];
    assert_eq!(world.ports.maa.calls.made(), expected);
}

#[test]
fn attest_quote_that_maa_refuses_is_the_callers_fault() {
    let world = world(MAA);
    let attempt = world.attempt("app/web");
    let bent = world.quote_with(&attempt, Some(QuoteFlaw::QeReportSignature));
    let error = world.send(&attempt, bent).unwrap_err();
    assert_matches!(&error, AttestError::Source(found) if found.code == "maa-evidence-refused");
    assert_eq!(error.blame(), Blame::Unauthenticated);
    assert_nothing_released(&world);
}

#[test]
fn attest_maa_that_fails_is_unavailable() {
    let world = world(MAA);
    let down = failure(SourceKind::Maa, "maa-unavailable");
    world.ports.maa.calls.fail_once(down.clone());
    let attempt = world.attempt("app/web");
    let answer = world.send(&attempt, world.token(&attempt, |_| {}));
    let error = answer.unwrap_err();
    assert_eq!(error.blame(), Blame::Unavailable);
    assert_matches!(error, AttestError::Source(found) if found == down);
    assert_nothing_released(&world);
}

#[test]
fn attest_token_of_another_issuer_is_refused() {
    let other = "https://evil.eus.attest.azure.net";
    let refused = maa_refusal(|token| token.issuer = Some(other.to_owned()));
    assert_matches!(refused, MaaAppraiseError::Issuer { found, .. } if found == other);
}

#[test]
fn attest_token_that_names_other_keys_is_refused() {
    let other = "https://evil.example/certs";
    let refused = maa_refusal(|token| token.key_url = Some(other.to_owned()));
    assert_matches!(refused, MaaAppraiseError::KeyUrl { found, .. } if found == other);
}

#[test]
fn attest_token_unsigned_is_refused() {
    let refused = maa_refusal(|token| token.algorithm = TokenAlgorithm::Unsigned);
    assert_matches!(refused, MaaAppraiseError::Unsigned);
}

#[test]
fn attest_token_changed_after_signing_is_refused() {
    let refused = maa_refusal(|token| token.changed = true);
    assert_matches!(refused, MaaAppraiseError::Signature);
}

#[test]
fn attest_token_of_an_unknown_key_is_refused() {
    let refused = maa_refusal(|token| token.key_id = Some("unknown".to_owned()));
    assert_matches!(refused, MaaAppraiseError::UnknownKey { key_id } if key_id == "unknown");
}

#[test]
fn attest_token_expired_is_refused_beyond_the_clocks_skew() {
    let expires = TestWorld::BEGIN.minus(Seconds(120));
    let refused = maa_refusal(|token| token.expires = expires);
    assert_matches!(refused, MaaAppraiseError::Expired { expires: found, .. } if found == expires);
    let world = world(MAA);
    let attempt = world.attempt("app/web");
    let within = TestWorld::BEGIN.minus(Seconds(119));
    let evidence = world.token(&attempt, |token| token.expires = within);
    assert!(world.send(&attempt, evidence).is_ok());
}

#[test]
fn attest_token_of_the_future_is_refused() {
    let later = TestWorld::BEGIN.plus(Seconds(121));
    let refused = maa_refusal(|token| token.not_before = later);
    assert_matches!(refused, MaaAppraiseError::NotYetValid { .. });
    let refused = maa_refusal(|token| token.issued = later);
    assert_matches!(refused, MaaAppraiseError::IssuedInFuture { .. });
}

#[test]
fn attest_token_about_another_kind_of_tee_is_refused() {
    let refused = maa_refusal(|token| token.attestation_type = "sevsnpvm".to_owned());
    assert_matches!(refused, MaaAppraiseError::AttestationType { found } if found == "sevsnpvm");
}

#[test]
fn attest_token_for_another_request_is_not_bound() {
    let world = world(MAA);
    let recorded = world.attempt("app/web");
    let thief = world.attempt("app/web");
    let answer = world.send(&thief, world.token(&recorded, |_| {}));
    assert_matches!(answer, Err(AttestError::NotBound));
    let answer = world.send(&world.attempt("app/idle"), world.token(&recorded, |_| {}));
    assert_matches!(answer, Err(AttestError::NotBound));
    assert_nothing_released(&world);
}

#[test]
fn attest_token_with_the_nonce_as_a_claim_alone_is_not_bound() {
    let refused = refusal(|token| {
        let Some(RuntimeClaim::Json(bytes)) = token.runtime.take() else {
            panic!("expected runtime data");
        };
        let runtime = RuntimeData::parse(&bytes).unwrap();
        token.nonce = Some(runtime.nonce().to_text());
    });
    assert_matches!(refused, AttestError::NotBound);
}

#[test]
fn attest_token_whose_report_data_contradict_is_not_bound() {
    assert_matches!(
        refusal(|token| token.report_data[0] ^= 1),
        AttestError::NotBound
    );
}

#[test]
fn attest_token_without_runtime_data_is_not_bound() {
    assert_matches!(refusal(|token| token.runtime = None), AttestError::NotBound);
}

#[test]
fn attest_token_of_debug_enclave_is_denied() {
    let world = world(MAA);
    let attempt = world.attempt("app/web");
    let evidence = world.token(&attempt, |token| token.identity.debug = true);
    assert_eq!(reasons(world.send(&attempt, evidence)), ["debug-enclave"]);
    assert_nothing_released(&world);
}

#[test]
fn attest_token_of_another_program_is_denied_before_keys_are_fetched() {
    let world = world(MAA);
    let attempt = world.attempt("app/web");
    let other = [0x66; 32].into();
    let evidence = world.token(&attempt, |token| token.identity.mr_enclave = other);
    assert_eq!(
        reasons(world.send(&attempt, evidence)),
        ["measurement-mismatch"]
    );
    assert_eq!(world.ports.maa.calls.count(), 0);
    assert_nothing_released(&world);
}

#[test]
fn attest_old_names_of_claims_prove_nothing() {
    let world = world(MAA);
    let attempt = world.attempt("app/web");
    // An instance's own policy issues `sgx-mrenclave` and the like as it pleases.
    let evidence = world.token(&attempt, |token| token.without = vec!["x-ms-sgx-mrenclave"]);
    assert_eq!(
        reasons(world.send(&attempt, evidence)),
        ["identity-mismatch"]
    );
    assert_nothing_released(&world);
}
