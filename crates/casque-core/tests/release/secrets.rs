//! Secrets that cannot be had, or not as asked: nothing partial is released, and the error names the secret.

use assert_matches::assert_matches;
use casque_core::{AttestError, Blame, ResolveError, SourceFailure, SourceKind, StoreError};
use casque_secrets::RenderError;
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation, failure};
use casque_types::{Configuration, Format};

use crate::policies::{HARDWARE, app, assert_nothing_released, variable, world};
use crate::support::fault;

fn source_fault(answer: Result<Configuration, AttestError>) -> (String, SourceFailure) {
    match fault(answer) {
        (secret, ResolveError::Source(failure)) => (secret, failure),
        other => panic!("expected a failed source, found {other:?}"),
    }
}

#[test]
fn attest_absent_vault_names_the_secret() {
    let world = TestWorld::new();
    let _ = world.put(&app(HARDWARE));
    let (secret, failure) = source_fault(world.attest("app/web"));
    assert_eq!(
        (secret.as_str(), failure.code),
        ("DB_PASSWORD", "vault-name-unresolved")
    );
    assert_nothing_released(&world);
}

#[test]
fn attest_absent_vault_secret_names_the_secret() {
    let world = TestWorld::new();
    let _ = world.put(&app(HARDWARE));
    let vault = "my-vault".parse().unwrap();
    (world.ports.vaults).put(&vault, &"another".parse().unwrap(), "value", None);
    let (secret, failure) = source_fault(world.attest("app/web"));
    assert_eq!(
        (secret.as_str(), failure.code),
        ("DB_PASSWORD", "vault-secret-not-found")
    );
    assert_nothing_released(&world);
}

#[test]
fn attest_entra_that_refuses_releases_nothing() {
    let world = world(HARDWARE);
    let refused = failure(SourceKind::Entra, "entra-wrong-secret");
    world.ports.tokens.calls.fail_always(Some(refused.clone()));
    let (_, found) = source_fault(world.attest("app/web"));
    assert_eq!(found, refused);
    assert_nothing_released(&world);
}

#[test]
fn attest_vault_token_is_the_one_for_that_vault() {
    let world = world(HARDWARE);
    drop(world.attest("app/web").unwrap());
    let [call] = world.ports.vaults.calls.made().try_into().unwrap();
    let expected = "token of 3f2c210e-83b4-4217-9eee-4f747d8aeeb3 for my-vault";
    assert_eq!(call.token, expected);
}

#[test]
fn attest_fault_of_another_services_secret_does_not_matter() {
    let world = world(HARDWARE);
    let (secret, _) = source_fault(world.attest("app/batch"));
    assert_eq!(secret, "OTHER");
    assert!(world.attest("app/web").is_ok());
    assert_eq!(world.ports.store.releases().len(), 1);
}

#[test]
fn attest_suffix_on_a_pkcs12_import_names_the_secret_and_why() {
    let world = TestWorld::new();
    let policy = app(HARDWARE)
        .replace(
            "    kind: ascii\n    import_akv: {vault: my-vault",
            "    import_akv: {vault: my-vault",
        )
        .replace(
            "$$SCONE::DB_PASSWORD$$",
            "$$SCONE::DB_PASSWORD:privatekey$$",
        );
    let _ = world.put(&policy);
    let (vault, name) = ("my-vault".parse().unwrap(), "db-password".parse().unwrap());
    // PFX ::= SEQUENCE { version INTEGER 3, authSafe SEQUENCE …
    (world.ports.vaults).put(&vault, &name, "MAUCAQMwAA==", Some("application/x-pkcs12"));
    let (secret, cause) = fault(world.attest("app/web"));
    assert_eq!(secret, "DB_PASSWORD");
    assert_matches!(
        cause,
        ResolveError::Render(RenderError::Pkcs12 {
            format: Format::PrivateKeyPem
        })
    );
    assert_nothing_released(&world);
}

#[test]
fn attest_pkcs12_import_without_suffix_is_the_text_as_it_is() {
    let world = TestWorld::new();
    let without_kind = app(HARDWARE).replace(
        "    kind: ascii\n    import_akv: {vault: my-vault",
        "    import_akv: {vault: my-vault",
    );
    let _ = world.put(&without_kind);
    let (vault, name) = ("my-vault".parse().unwrap(), "db-password".parse().unwrap());
    (world.ports.vaults).put(&vault, &name, "MAUCAQMwAA==", Some("application/x-pkcs12"));
    let configuration = world.attest("app/web").unwrap();
    assert_eq!(variable(&configuration, "DB_PASSWORD"), "MAUCAQMwAA==");
}

#[test]
fn attest_nul_in_a_variable_is_refused() {
    let world = TestWorld::new();
    let policy = app(HARDWARE)
        .replace(
            "kind: binary\n    size: 16",
            "kind: binary\n    value: \"610062\"",
        )
        .replace("TOKEN: $$SCONE::AAD$$", "TOKEN: $$SCONE::KEY$$");
    let _ = world.put(&policy);
    crate::policies::keep_password(&world);
    let (secret, cause) = fault(world.attest("app/web"));
    assert_eq!(secret, "KEY");
    assert_matches!(cause, ResolveError::Nul);
    assert_nothing_released(&world);
}

#[test]
fn attest_nothing_is_released_when_the_audit_write_fails() {
    let world = world(HARDWARE);
    world
        .ports
        .store
        .fail_once(StoreOperation::AppendAudit, StoreFault::Before);
    let error = world.attest("app/web").unwrap_err();
    assert_matches!(error, AttestError::Store(StoreError::Unavailable { .. }));
    assert_eq!(error.blame(), Blame::Unavailable);
    assert_nothing_released(&world);
}

#[test]
fn attest_audit_written_but_not_acknowledged_releases_nothing() {
    let world = world(HARDWARE);
    world
        .ports
        .store
        .fail_once(StoreOperation::AppendAudit, StoreFault::After);
    let answer = world.attest("app/web");
    assert_matches!(
        answer,
        Err(AttestError::Store(StoreError::Unavailable { .. }))
    );
    assert_eq!(world.ports.store.releases().len(), 1);
}

#[test]
fn attest_damaged_record_is_a_bug_not_a_denial() {
    let world = world(HARDWARE);
    world
        .ports
        .store
        .fail_once(StoreOperation::Values, StoreFault::Damaged);
    let error = world.attest("app/web").unwrap_err();
    assert_matches!(error, AttestError::Store(StoreError::Damaged { .. }));
    assert_eq!(error.blame(), Blame::Bug);
    assert_nothing_released(&world);
}

#[test]
fn attest_generated_value_stays_the_same() {
    let world = world(HARDWARE);
    let key = || {
        let web = world.attest("app/web").unwrap();
        web.files[0]
            .content
            .given()
            .unwrap()
            .expose_text()
            .unwrap()
            .to_owned()
    };
    assert_eq!(key(), key());
}
