//! `mode: hardware`: quotes that Casque judges itself.

use assert_matches::assert_matches;
use casque_appraise::{
    AppraiseError, Evidence, IntelEndorsement, QuoteAppraiseError, RevokedThing, SgxQuote,
    TcbStatus,
};
use casque_core::{AttestError, RedeemError, SourceKind};
use casque_testkit::fakes::{StoreOperation, failure};
use casque_testkit::sgx::{EndorsementSpec, QuoteFlaw, SoftwareTee, Standing};
use casque_testkit::{Attempt, TestWorld};
use casque_types::{Nonce, RuntimeData, Seconds};

use crate::policies::{HARDWARE, assert_nothing_released, reasons, variable, world};

#[test]
fn attest_valid_quote_gets_exactly_its_configuration() {
    let world = world(HARDWARE);
    let web = world.attest("app/web").unwrap();
    let arguments: Vec<_> = web
        .arguments
        .iter()
        .map(|a| a.value().unwrap().expose_text().unwrap())
        .collect();
    assert_eq!(arguments, ["serve", "--greeting", "hello world"]);
    let names: Vec<_> = web
        .environment
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["DB_PASSWORD", "TOKEN"]);
    assert_eq!(variable(&web, "DB_PASSWORD"), "correct horse");
    let token = "token of 3f2c210e-83b4-4217-9eee-4f747d8aeeb3 for workload";
    assert_eq!(variable(&web, "TOKEN"), token);
    assert_eq!(web.directory.as_deref(), Some("/srv"));
    let [file] = web.files.as_slice() else {
        panic!("expected one file");
    };
    assert_eq!(
        (file.path.as_str(), file.mode.bits()),
        ("/etc/web/key", 0o700)
    );
    let key = file
        .content
        .given()
        .unwrap()
        .expose_text()
        .unwrap()
        .strip_prefix("key=")
        .unwrap();
    assert_eq!(key.len(), 32);
}

#[test]
fn attest_refresh_is_before_the_token_runs_out() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/web");
    let released = world.send(&attempt, world.quote(&attempt)).unwrap();
    assert!(released.refresh_after < Seconds(3_600));
    assert!(released.refresh_after >= Seconds(30));
}

#[test]
fn attest_release_is_on_record_with_who_proved_what() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/web");
    drop(world.send(&attempt, world.quote(&attempt)).unwrap());
    let [event] = world.ports.store.releases().try_into().unwrap();
    assert_eq!(event.subject, "app/web");
    let fact = |name: &str| {
        event
            .facts
            .iter()
            .find(|(found, _)| *found == name)
            .unwrap()
    };
    assert_eq!(fact("binding").1, attempt.runtime.binding().to_string());
    let measurement = attempt.identity.mr_enclave.to_string();
    assert!(fact("identity").1.contains(&measurement));
    assert_eq!(
        fact("vault-secret").1,
        "https://my-vault/secrets/db-password/00000000000000000000000000000001"
    );
    let told = format!("{:?}", event.facts);
    assert!(!told.contains("correct horse") && !told.contains("s3cret"));
}

/// What a plain release costs the store does not grow with what the language can do.
#[test]
fn attest_without_clauses_or_factors_reads_head_and_values_and_writes_its_record_once() {
    let world = world(HARDWARE);
    drop(world.attest("app/web").unwrap());
    let all = [
        StoreOperation::Head,
        StoreOperation::Load,
        StoreOperation::Values,
        StoreOperation::AppendAudit,
        StoreOperation::Kept,
        StoreOperation::Keep,
        StoreOperation::Spend,
    ];
    let before = all.map(|operation| world.ports.store.calls(operation));
    drop(world.attest("app/web").unwrap());
    let after = all.map(|operation| world.ports.store.calls(operation));
    let made: Vec<usize> = after
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    assert_eq!(made, [1, 0, 1, 1, 0, 0, 0]);
}

#[test]
fn attest_other_services_secrets_are_not_fetched() {
    let world = world(HARDWARE);
    drop(world.attest("app/web").unwrap());
    let fetched: Vec<_> = (world.ports.vaults.calls.made())
        .iter()
        .map(|call| format!("{}/{}", call.vault, call.name.as_str()))
        .collect();
    assert_eq!(fetched, ["my-vault/db-password"]);
    let idle = world.attest("app/idle").unwrap();
    assert!(idle.environment.is_empty());
    assert_eq!(world.ports.vaults.calls.count(), 1);
}

#[test]
fn attest_wrong_measurement_is_denied_before_anything_is_fetched() {
    let world = world(HARDWARE);
    let mut attempt = world.attempt("app/web");
    attempt.identity.mr_enclave = [0x66; 32].into();
    let answer = world.send(&attempt, world.quote(&attempt));
    assert_eq!(reasons(answer), ["measurement-mismatch"]);
    assert_eq!(world.ports.endorsements.calls.count(), 0);
    assert_eq!(world.ports.vaults.calls.count(), 0);
    assert_nothing_released(&world);
}

#[test]
fn attest_debug_enclave_is_denied_unless_tolerated() {
    let enclave = |world: &TestWorld| {
        let mut attempt = world.attempt("app/web");
        attempt.identity.debug = true;
        attempt
    };
    let strict = world(HARDWARE);
    let attempt = enclave(&strict);
    let answer = strict.send(&attempt, strict.quote(&attempt));
    assert_eq!(reasons(answer), ["debug-enclave"]);
    assert_nothing_released(&strict);
    let lenient = world("mode: hardware\ntolerate: [debug-mode]");
    let attempt = enclave(&lenient);
    assert!(lenient.send(&attempt, lenient.quote(&attempt)).is_ok());
}

#[test]
fn attest_signed_service_takes_any_measurement_of_its_signer() {
    let world = world(HARDWARE);
    let mut attempt = world.attempt("app/signed");
    attempt.identity.mr_enclave = [0x66; 32].into();
    assert!(world.send(&attempt, world.quote(&attempt)).is_ok());
}

#[test]
fn attest_other_signer_product_or_version_is_denied() {
    type Bend = fn(&mut Attempt);
    let bends: [(Bend, &str); 3] = [
        (|a| a.identity.mr_signer = [7; 32].into(), "signer-mismatch"),
        (|a| a.identity.product_id = 2, "product-mismatch"),
        (|a| a.identity.svn = 0, "svn-too-low"),
    ];
    let world = world(HARDWARE);
    for (bend, reason) in bends {
        let mut attempt = world.attempt("app/signed");
        bend(&mut attempt);
        let answer = world.send(&attempt, world.quote(&attempt));
        assert_eq!(reasons(answer), [reason]);
    }
    assert_nothing_released(&world);
}

#[test]
fn attest_stale_nonce_is_refused() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/web");
    world.ports.clock.advance(Seconds(61));
    let answer = world.send(&attempt, world.quote(&attempt));
    let expires = TestWorld::BEGIN.plus(Seconds(60));
    assert_matches!(
        answer,
        Err(AttestError::Nonce(RedeemError::Stale { expires: found })) if found == expires
    );
    assert_nothing_released(&world);
}

#[test]
fn attest_foreign_nonce_is_refused() {
    let world = world(HARDWARE);
    let valid = world.attempt("app/web");
    for bytes in [vec![7; 56], vec![7; 3]] {
        let attempt = rebound(&valid, |runtime| {
            let nonce = Nonce::from_bytes(bytes.clone()).unwrap();
            let key = runtime.key().clone();
            RuntimeData::new(*runtime.server(), runtime.config().clone(), nonce, key)
        });
        let answer = world.send(&attempt, world.quote(&attempt));
        assert_matches!(answer, Err(AttestError::Nonce(RedeemError::Foreign)));
    }
    assert_nothing_released(&world);
}

#[test]
fn attest_runtime_data_for_another_server_is_refused() {
    let (ours, theirs) = (world(HARDWARE), world(HARDWARE));
    let attempt = theirs.attempt("app/web");
    let answer = ours.send(&attempt, ours.quote(&attempt));
    assert_matches!(answer, Err(AttestError::OtherServer));
    assert_nothing_released(&ours);
}

#[test]
fn attest_evidence_replayed_for_another_config_is_refused() {
    let world = world(HARDWARE);
    let recorded = world.attempt("app/idle");
    let evidence = world.quote(&recorded);
    let attempt = rebound(&recorded, |runtime| {
        let (nonce, key) = (runtime.nonce().clone(), runtime.key().clone());
        RuntimeData::new(*runtime.server(), "app/web".parse().unwrap(), nonce, key)
    });
    assert_matches!(world.send(&attempt, evidence), Err(AttestError::NotBound));
    assert_nothing_released(&world);
}

#[test]
fn attest_evidence_replayed_with_another_key_is_refused() {
    let world = world(HARDWARE);
    let recorded = world.attempt("app/web");
    let evidence = world.quote(&recorded);
    let thief = world.attempt("app/web");
    let attempt = rebound(&thief, |runtime| {
        let (nonce, key) = (recorded.runtime.nonce().clone(), runtime.key().clone());
        RuntimeData::new(*runtime.server(), runtime.config().clone(), nonce, key)
    });
    assert_matches!(world.send(&attempt, evidence), Err(AttestError::NotBound));
    assert_nothing_released(&world);
}

#[test]
fn attest_report_data_with_a_tail_is_not_bound() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/web");
    let mut report_data = *attempt.runtime.report_data().as_bytes();
    report_data[63] = 1;
    let quote = world.tee.quote(&attempt.identity, &report_data).unwrap();
    let evidence = Evidence::Sgx(SgxQuote::parse(&quote).unwrap());
    assert_matches!(world.send(&attempt, evidence), Err(AttestError::NotBound));
}

#[test]
fn attest_runtime_data_that_is_none_is_refused() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/web");
    let request = casque_core::AttestRequest {
        runtime_data: b"{}".to_vec(),
        evidence: world.quote(&attempt),
        maa_token: None,
        factors: casque_core::SecondFactors::default(),
    };
    let answer = pollster::block_on(world.casque.attest(request));
    assert_matches!(answer, Err(AttestError::RuntimeData(_)));
}

#[test]
fn attest_quote_of_another_root_is_refused() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/web");
    let other = SoftwareTee::generate(TestWorld::BEGIN).unwrap();
    let report_data = *attempt.runtime.report_data().as_bytes();
    let quote = other.quote(&attempt.identity, &report_data).unwrap();
    let evidence = Evidence::Sgx(SgxQuote::parse(&quote).unwrap());
    let answer = world.send(&attempt, evidence);
    assert_matches!(
        answer,
        Err(AttestError::Appraise(AppraiseError::Quote(
            QuoteAppraiseError::PckChain
        )))
    );
    assert_nothing_released(&world);
}

#[test]
fn attest_quote_bent_proves_nothing() {
    let world = world(HARDWARE);
    for (flaw, expected) in [
        (QuoteFlaw::QeReportSignature, QuoteAppraiseError::QeReport),
        (QuoteFlaw::QeReportData, QuoteAppraiseError::QeReport),
        (QuoteFlaw::QeSigner, QuoteAppraiseError::QeIdentity),
        (QuoteFlaw::ForeignCertificates, QuoteAppraiseError::QeReport),
    ] {
        let attempt = world.attempt("app/web");
        let answer = world.send(&attempt, world.quote_with(&attempt, Some(flaw)));
        assert_matches!(answer, Err(AttestError::Appraise(AppraiseError::Quote(found))) if found == expected, "{flaw:?}");
    }
    assert_nothing_released(&world);
}

#[test]
fn attest_revoked_platform_is_refused_whatever_is_tolerated() {
    let world = world("mode: hardware\ntolerate: [outdated-tcb, insecure-configuration]");
    let mut spec = EndorsementSpec::valid_at(TestWorld::BEGIN);
    spec.pck = Standing::Revoked;
    world.ports.endorsements.set(spec);
    let what = RevokedThing::PckCertificate;
    let expected = QuoteAppraiseError::Revoked { what };
    let attempt = world.attempt("app/web");
    let answer = world.send(&attempt, world.quote(&attempt));
    assert_matches!(answer, Err(AttestError::Appraise(AppraiseError::Quote(found))) if found == expected);
    assert_nothing_released(&world);
}

#[test]
fn attest_expired_endorsements_are_refused() {
    let world = world(HARDWARE);
    let mut spec = EndorsementSpec::valid_at(TestWorld::BEGIN);
    spec.next_update = TestWorld::BEGIN.minus(Seconds(1));
    world.ports.endorsements.set(spec);
    let attempt = world.attempt("app/web");
    let answer = world.send(&attempt, world.quote(&attempt));
    let document = IntelEndorsement::TcbInfo;
    let expired = Some(TestWorld::BEGIN.minus(Seconds(1)));
    let expected = QuoteAppraiseError::EndorsementsExpired { document, expired };
    assert_matches!(answer, Err(AttestError::Appraise(AppraiseError::Quote(found))) if found == expected);
}

#[test]
fn attest_tcb_status_and_advisories_must_be_tolerated() {
    let spec = EndorsementSpec::valid_at(TestWorld::BEGIN)
        .with_tcb(TcbStatus::ConfigurationAndSwHardeningNeeded, &[289, 615]);
    let tolerance = "mode: hardware\ntolerate: [hyperthreading, software-hardening-needed]";
    let both = "\nignore_advisories: [INTEL-SA-00289, INTEL-SA-00615]";
    let one = "\nignore_advisories: [INTEL-SA-00289]";
    for (security, expected) in [
        (
            HARDWARE.to_owned(),
            &[
                "tcb-needs-configuration",
                "tcb-needs-hardening",
                "advisory-not-ignored",
                "advisory-not-ignored",
            ][..],
        ),
        (
            tolerance.to_owned(),
            &["advisory-not-ignored", "advisory-not-ignored"],
        ),
        (format!("{tolerance}{one}"), &["advisory-not-ignored"]),
        (format!("{tolerance}{both}"), &[]),
    ] {
        let world = world(&security);
        world.ports.endorsements.set(spec.clone());
        let answer = world.attest("app/idle");
        if expected.is_empty() {
            assert_eq!(answer.unwrap().arguments.len(), 1);
        } else {
            assert_eq!(reasons(answer), expected, "{security}");
            assert_nothing_released(&world);
        }
    }
}

#[test]
fn attest_endorser_that_fails_is_unavailable() {
    let world = world(HARDWARE);
    let failure = failure(SourceKind::Endorser, "endorser-unreachable");
    world.ports.endorsements.calls.fail_once(failure.clone());
    let answer = world.attest("app/web");
    assert_matches!(answer, Err(AttestError::Source(found)) if found == failure);
    assert_nothing_released(&world);
    assert!(world.attest("app/web").is_ok());
}

#[test]
fn attest_without_evidence_is_denied() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/web");
    let answer = world.send(&attempt, Evidence::Absent);
    assert_eq!(reasons(answer), ["evidence-missing"]);
    assert_nothing_released(&world);
}

#[test]
fn attest_token_where_the_policy_judges_itself_is_denied() {
    let world = world(HARDWARE);
    let attempt = world.attempt("app/web");
    let answer = world.send(&attempt, world.token(&attempt, |_| {}));
    assert_eq!(reasons(answer), ["verifier-mismatch"]);
    assert_nothing_released(&world);
}

#[test]
fn attest_absent_policy_and_absent_service_are_not_told_apart() {
    let world = world(HARDWARE);
    for config in ["app/nobody", "nothing/web"] {
        let answer = world.attest(config);
        assert_matches!(
            answer,
            Err(AttestError::NoService { config: found }) if found.to_string() == config
        );
    }
}

#[test]
fn attest_mode_none_grants_without_evidence() {
    let world = world("mode: none");
    let attempt = world.attempt("app/idle");
    let released = world.send(&attempt, Evidence::Absent).unwrap();
    assert_eq!(world.open(&attempt, &released).arguments.len(), 1);
    assert_eq!(world.ports.store.releases().len(), 1);
}

/// The same attempt with other runtime data.
fn rebound(attempt: &Attempt, rebind: impl FnOnce(&RuntimeData) -> RuntimeData) -> Attempt {
    Attempt {
        runtime: rebind(&attempt.runtime),
        key: casque_secrets::ConfigurationKey::generate(
            &casque_testkit::fakes::CountingRng::default(),
        )
        .unwrap(),
        identity: attempt.identity.clone(),
    }
}
