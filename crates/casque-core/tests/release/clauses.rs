//! Access policies, security, attestation and platforms that secrets fill in.

use assert_matches::assert_matches;
use casque_appraise::{AppraiseError, Evidence};
use casque_core::{
    AttestError, Blame, ExportRequest, PutPolicyError, ReadPolicyError, ResolveError, StoreError,
};
use casque_policy::Credentials;
use casque_secrets::SecretValue;
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation};
use casque_testkit::sgx::QuoteFlaw;
use casque_types::{KeyHash, Secret};
use pollster::block_on;

use crate::policies::{assert_nothing_released, reasons};
use crate::support::{AAD, after, fault, shelf, value};

/// A policy with one service `s` and these further keys of the service and of the policy.
fn open(service: &str, rest: &str) -> String {
    format!(
        "name: b\nversion: \"0.3.12\"\nservices:\n  - name: s\n    command: s\n    environment: {{Y: hello}}\n{service}{rest}"
    )
}

/// A policy `a` that exports the fragment `f` to `b`.
fn fragment(value: &str) -> String {
    let secrets = format!(
        "secrets:\n  - name: f\n    kind: config-fragment\n    export: {{session: b}}\n    value: {value}"
    );
    shelf("a", &secrets)
}

const IMPORTED: &str =
    "secrets:\n  - {name: f, kind: config-fragment, import: {session: a, secret: f}}\n";
const ATTESTATION: &str = "    attestation: [$$SCONE::f$$]\n";

fn measurement() -> String {
    TestWorld::program().mr_enclave.to_string()
}

fn read(world: &TestWorld, name: &str, caller: KeyHash) -> Result<(), ReadPolicyError> {
    let caller = Credentials::of_tls(caller);
    let answer = block_on((world.casque).read_policy(&name.parse().unwrap(), None, &caller));
    answer.map(drop)
}

#[test]
fn attestation_by_an_imported_fragment_grants_what_it_lists() {
    let measurement = measurement();
    let other = "66".repeat(32);
    for (value, is_granted) in [
        (format!("[{{mrenclave: [\"{measurement}\"]}}]"), true),
        (format!("{{mrenclave: \"{measurement}\"}}"), true),
        (
            format!("[{{mrenclave: [\"{other}\"]}}, {{mrenclave: [\"{measurement}\"]}}]"),
            true,
        ),
        (format!("[{{mrenclave: [\"{other}\"]}}]"), false),
    ] {
        let world = TestWorld::new();
        let _ = world.put(&fragment(&value));
        let _ = world.put(&open(ATTESTATION, IMPORTED));
        let answer = world.attest("b/s");
        if is_granted {
            assert!(answer.is_ok(), "{value}: {answer:?}");
        } else {
            assert_eq!(reasons(answer), ["measurement-mismatch"]);
            assert_nothing_released(&world);
        }
    }
}

#[test]
fn attestation_by_an_imported_text_is_the_measurement_that_it_says() {
    let world = TestWorld::new();
    let text = format!(
        "secrets:\n  - {{name: m, kind: binary, value: \"{}\", export: {{session: b}}}}",
        measurement()
    );
    let _ = world.put(&shelf("a", &text));
    let rest = "secrets:\n  - {name: m, kind: binary, import: {session: a, secret: m}}\n";
    let service = "    attestation: {mrenclave: [\"$$SCONE::m:hex$$\"]}\n";
    let _ = world.put(&open(service, rest));
    assert_eq!(value(&world, "b"), "hello");
}

#[test]
fn attestation_by_a_generated_value_is_what_was_generated() {
    let world = TestWorld::new();
    let rest = "secrets:\n  - {name: m, kind: binary, size: 32}\n";
    let service = "    attestation: {mrenclave: [\"$$SCONE::m:hex$$\"]}\n";
    let _ = world.put(&open(service, rest));
    assert_eq!(reasons(world.attest("b/s")), ["measurement-mismatch"]);
}

#[test]
fn attestation_by_a_fragment_of_the_policy_itself_grants_what_it_lists() {
    let world = TestWorld::new();
    let rest = format!(
        "secrets:\n  - {{name: f, kind: config-fragment, value: {{mrenclave: \"{}\"}}}}\n",
        measurement()
    );
    let _ = world.put(&open(ATTESTATION, &rest));
    assert_eq!(value(&world, "b"), "hello");
}

#[test]
fn access_by_a_generated_text_is_for_nobody() {
    let world = TestWorld::new();
    let rest = "secrets:\n  - {name: k, kind: ascii}";
    let _ = world.put(&accessed("{read: [$$SCONE::k$$, CREATOR]}", rest));
    assert_matches!(
        read(&world, "b", world.author),
        Err(ReadPolicyError::NotPermitted { unreadable, .. })
            if unreadable.iter().map(|name| name.as_str()).eq(["k"])
    );
}

#[test]
fn access_by_a_generated_certificate_lets_who_holds_its_key() {
    let world = TestWorld::new();
    let rest = "secrets:\n  - {name: key, kind: private-key, export_public: true}\n  - {name: k, kind: x509, private_key: key}\n  - {name: p, kind: public-key, private_key: key, export_public: true}";
    let _ = world.put(&accessed("{read: [$$SCONE::k$$]}", rest));
    let query = casque_core::ValueQuery {
        policy: "b".parse().unwrap(),
        secret: Some("p".parse().unwrap()),
        hash: None,
    };
    let [public] = block_on(world.casque.read_values(&query))
        .unwrap()
        .try_into()
        .unwrap();
    let kind = casque_types::SecretKind::PublicKey;
    let public = SecretValue::from_given(kind, &public.value).unwrap();
    let SecretValue::PublicKey(spki) = public else {
        panic!("expected a public key");
    };
    assert!(read(&world, "b", KeyHash::of_spki(&spki)).is_ok());
    assert!(read(&world, "b", world.author).is_err());
}

#[test]
fn attestation_follows_the_exporter_at_once() {
    let world = TestWorld::new();
    let first = world.put(&fragment(&format!("{{mrenclave: \"{}\"}}", measurement())));
    let _ = world.put(&open(ATTESTATION, IMPORTED));
    assert_eq!(value(&world, "b"), "hello");
    let next = fragment(&format!("{{mrenclave: \"{}\"}}", "66".repeat(32)));
    let _ = world.put(&after(first, &next));
    assert_eq!(reasons(world.attest("b/s")), ["measurement-mismatch"]);
}

#[test]
fn attestation_that_does_not_fit_denies_without_showing_it() {
    let world = TestWorld::new();
    let _ = world.put(&fragment("[{mrenclave: [confidential]}]"));
    let _ = world.put(&open(ATTESTATION, IMPORTED));
    let error = world.attest("b/s").unwrap_err();
    assert_matches!(&error, AttestError::Clause { config, .. } if config.to_string() == "b/s");
    assert!(!format!("{error:?}").contains("confidential"));
    assert_nothing_released(&world);
}

#[test]
fn attestation_by_a_chain_that_ends_in_a_vault_or_a_placeholder_is_refused() {
    let world = TestWorld::new();
    let nested = "secrets:\n  - {name: f, kind: ascii, import: {session: x, secret: f}, export: {session: b}}";
    let _ = world.put(&shelf("a", nested));
    let hidden =
        "secrets:\n  - {name: f, export: {session: a}, kind: ascii, import_akv: {vault: v}}\n";
    let _ = world.put(&shelf("x", &format!("{hidden}{AAD}")));
    let service = "    attestation: {mrenclave: [$$SCONE::f$$]}\n";
    let imported = IMPORTED.replace("config-fragment", "ascii");
    let _ = world.put(&open(service, &imported));
    let attempt = world.attempt("b/s");
    let (secret, cause) = fault(world.send(&attempt, Evidence::Absent));
    assert_eq!(secret, "f");
    assert_matches!(cause, ResolveError::OutOfReach);
    assert_eq!(world.ports.tokens.calls.count(), 0);
    let given = fragment("[{mrenclave: \"$$SCONE::f$$\"}]");
    assert_matches!(
        TestWorld::new().try_put(&given),
        Err(PutPolicyError::Policy(_))
    );
}

#[test]
fn attestation_by_what_is_not_exported_names_the_secret() {
    let world = TestWorld::new();
    let _ = world.put(&open(ATTESTATION, IMPORTED));
    let (secret, cause) = fault(world.attest("b/s"));
    assert_eq!(secret, "f");
    assert_matches!(cause, ResolveError::NotExported { .. });
    assert_nothing_released(&world);
}

#[test]
fn attestation_while_the_store_fails_is_the_stores_fault() {
    let world = TestWorld::new();
    let _ = world.put(&fragment(&format!("{{mrenclave: \"{}\"}}", measurement())));
    let _ = world.put(&open(ATTESTATION, IMPORTED));
    (world.ports.store).fail_once(StoreOperation::Values, StoreFault::Before);
    let answer = world.attest("b/s");
    assert_matches!(
        answer,
        Err(AttestError::Store(StoreError::Unavailable { .. }))
    );
}

const FAR: &str = "far:1";

/// A service whose fragment another CAS exports, and that CAS; further keys of the policy.
fn far(world: &TestWorld, rest: &str, value: &str) {
    let key = KeyHash::of_spki(b"far");
    let import = format!(
        "{rest}secrets:\n  - {{name: f, kind: config-fragment, import: {{session: a, secret: f, cas_url: \"{FAR}\", cas_key: {key}}}}}\n"
    );
    let hash = world.put(&open(ATTESTATION, &import));
    let request = ExportRequest {
        session: "a".parse().unwrap(),
        session_hash: None,
        secret: "f".parse().unwrap(),
        importer: "b".parse().unwrap(),
        importer_hash: hash,
    };
    let fragment = Secret::copied_from(value.as_bytes());
    let stored = SecretValue::ConfigFragment(fragment).to_stored();
    (world.ports.remote).export(FAR, key, request, stored);
}

#[test]
fn attestation_by_another_cas_is_asked_for_once_the_evidence_is_genuine() {
    let other = "66".repeat(32);
    for (listed, is_granted) in [(measurement(), true), (other, false)] {
        let world = TestWorld::new();
        far(&world, "", &format!("[{{mrenclave: [\"{listed}\"]}}]"));
        let answer = world.attest("b/s");
        match is_granted {
            true => assert!(answer.is_ok(), "{answer:?}"),
            false => assert_eq!(reasons(answer), ["measurement-mismatch"]),
        }
        assert_eq!(world.ports.remote.calls.count(), 1);
    }
}

#[test]
fn attestation_by_another_cas_is_not_asked_for_over_evidence_that_proves_nothing() {
    let security = "security: {attestation: {mode: none}}\n";
    let listed = format!("[{{mrenclave: [\"{}\"]}}]", measurement());
    let world = TestWorld::new();
    far(&world, "", &listed);
    let attempt = world.attempt("b/s");
    let forged = world.quote_with(&attempt, Some(QuoteFlaw::QeSigner));
    assert_matches!(
        world.send(&attempt, forged),
        Err(AttestError::Appraise(AppraiseError::Quote(_)))
    );
    for evidence in [Evidence::Absent, world.token(&attempt, |_| {})] {
        let (secret, cause) = fault(world.send(&attempt, evidence));
        assert_eq!(secret, "f");
        assert_matches!(cause, ResolveError::OutOfReach);
    }
    assert_eq!(world.ports.remote.calls.count(), 0);
    let world = TestWorld::new();
    far(&world, security, &listed);
    assert_matches!(fault(world.attest("b/s")).1, ResolveError::OutOfReach);
    assert_eq!(world.ports.remote.calls.count(), 0);
    assert_nothing_released(&world);
}

#[test]
fn attestation_by_a_vault_is_asked_for_once_the_evidence_is_genuine() {
    let world = TestWorld::new();
    let rest =
        format!("secrets:\n{AAD}  - {{name: m, kind: ascii, import_akv: {{vault: my-vault}}}}\n");
    let service = "    attestation: {mrenclave: [\"$$SCONE::m$$\"]}\n";
    let _ = world.put(&open(service, &rest));
    let attempt = world.attempt("b/s");
    let forged = world.quote_with(&attempt, Some(QuoteFlaw::QeSigner));
    assert_matches!(
        world.send(&attempt, forged),
        Err(AttestError::Appraise(AppraiseError::Quote(_)))
    );
    assert_eq!(world.ports.tokens.calls.count(), 0);
    let (_, cause) = fault(world.attest("b/s"));
    assert_matches!(cause, ResolveError::Source(failure) if failure.code == "vault-name-unresolved");
    let vault = "my-vault".parse().unwrap();
    (world.ports.vaults).put(&vault, &"m".parse().unwrap(), &measurement(), None);
    assert_eq!(value(&world, "b"), "hello");
}

#[test]
fn security_by_a_secret_of_others_is_refused_and_nobody_is_asked() {
    let key = KeyHash::of_spki(b"far");
    let world = TestWorld::new();
    let service = format!("    mrenclaves: [\"{}\"]\n", measurement());
    let rest = format!(
        "security: $$SCONE::f$$\nsecrets:\n  - {{name: f, kind: config-fragment, import: {{session: a, secret: f, cas_url: \"{FAR}\", cas_key: {key}}}}}\n"
    );
    let _ = world.put(&open(&service, &rest));
    let (secret, cause) = fault(world.attest("b/s"));
    assert_eq!(secret, "f");
    assert_matches!(cause, ResolveError::OutOfReach);
    assert_eq!(world.ports.remote.calls.count(), 0);
}

#[test]
fn clauses_over_more_secrets_than_are_taken_are_refused() {
    let world = TestWorld::new();
    let numbers = 0..300;
    let asks: Vec<String> = numbers
        .clone()
        .map(|n| format!("\"$$SCONE::m{n}:hex$$\""))
        .collect();
    let secrets: String = numbers
        .map(|n| format!("  - {{name: m{n}, kind: binary, size: 32}}\n"))
        .collect();
    let service = format!("    attestation: {{mrenclave: [{}]}}\n", asks.join(", "));
    let _ = world.put(&open(&service, &format!("secrets:\n{secrets}")));
    let (_, cause) = fault(world.attest("b/s"));
    assert_matches!(cause, ResolveError::TooMany { found: 300 });
}

#[test]
fn clauses_are_filled_by_one_read_of_the_store() {
    let world = TestWorld::new();
    let asks: Vec<String> = (0..30)
        .map(|n| format!("\"$$SCONE::m{}:hex$$\"", n % 10))
        .collect();
    let secrets: String = (0..10)
        .map(|n| format!("  - {{name: m{n}, kind: binary, size: 32}}\n"))
        .collect();
    let service = format!("    attestation: {{mrenclave: [{}]}}\n", asks.join(", "));
    let _ = world.put(&open(&service, &format!("secrets:\n{secrets}")));
    let before = world.ports.store.calls(StoreOperation::Values);
    assert_eq!(reasons(world.attest("b/s")), ["measurement-mismatch"]);
    assert_eq!(world.ports.store.calls(StoreOperation::Values), before + 1);
}

#[test]
fn security_by_an_imported_fragment_tolerates_what_it_says() {
    let service = format!("    mrenclaves: [\"{}\"]\n", measurement());
    let rest = format!("security: $$SCONE::f$$\n{IMPORTED}");
    for (security, expected) in [
        ("{attestation: {tolerate: [debug-mode]}}", &[][..]),
        ("{attestation: {mode: hardware}}", &["debug-enclave"]),
    ] {
        let world = TestWorld::new();
        let _ = world.put(&fragment(security));
        let _ = world.put(&open(&service, &rest));
        let mut attempt = world.attempt("b/s");
        attempt.identity.debug = true;
        let answer = world.send(&attempt, world.quote(&attempt));
        match expected {
            [] => assert!(answer.is_ok(), "{answer:?}"),
            _ => assert_eq!(reasons(answer), expected),
        }
    }
}

#[test]
fn platforms_by_an_imported_text_deny_other_machines() {
    let world = TestWorld::new();
    let id = "ab".repeat(16);
    let text = format!(
        "secrets:\n  - {{name: p, kind: ascii, value: \"INTEL_QE_ID:{id}\", export: {{session: b}}}}"
    );
    let _ = world.put(&shelf("a", &text));
    let service = format!(
        "    mrenclaves: [\"{}\"]\n    platforms: [$$SCONE::p$$]\n",
        measurement()
    );
    let rest = "secrets:\n  - {name: p, kind: ascii, import: {session: a, secret: p}}\n";
    let _ = world.put(&open(&service, rest));
    let found = reasons(world.attest("b/s"));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("platform"), "{found:?}");
}

fn other() -> KeyHash {
    KeyHash::of_spki(b"somebody else")
}

/// A policy `b` with this access policy and these secrets.
fn accessed(access: &str, rest: &str) -> String {
    shelf("b", &format!("access_policy: {access}\n{rest}"))
}

#[test]
fn access_by_an_imported_key_hash_lets_its_holder() {
    let world = TestWorld::new();
    let text = format!(
        "secrets:\n  - {{name: k, kind: ascii, value: \"{}\", export: {{session: b}}}}",
        other()
    );
    let first = world.put(&shelf("a", &text));
    let rest = "secrets:\n  - {name: k, kind: ascii, import: {session: a, secret: k}}";
    let _ = world.put(&accessed("{read: [$$SCONE::k$$]}", rest));
    assert!(read(&world, "b", other()).is_ok());
    assert_matches!(
        read(&world, "b", world.author),
        Err(ReadPolicyError::NotPermitted { unreadable, .. }) if unreadable.is_empty()
    );
    let withdrawn = text.replace(", export: {session: b}", "");
    let _ = world.put(&after(first, &shelf("a", &withdrawn)));
    let refused = read(&world, "b", other()).unwrap_err();
    assert_eq!(refused.blame(), Blame::Denied);
    assert_matches!(&refused, ReadPolicyError::NotPermitted { unreadable, .. }
        if unreadable.iter().map(|name| name.as_str()).eq(["k"]));
    assert!(refused.to_string().contains("`k`"), "{refused}");
}

#[test]
fn access_by_an_unreadable_entry_leaves_the_other_entries() {
    let world = TestWorld::new();
    let rest = "secrets:\n  - {name: k, kind: ascii, import: {session: a, secret: k}}";
    let _ = world.put(&accessed("{read: [$$SCONE::k$$, CREATOR]}", rest));
    assert!(read(&world, "b", world.author).is_ok());
    assert_matches!(
        read(&world, "b", other()),
        Err(ReadPolicyError::NotPermitted { unreadable, .. }) if unreadable.len() == 1
    );
}

#[test]
fn access_creator_in_an_imported_fragment_is_the_importers() {
    let world = TestWorld::new();
    let exporting = Credentials::of_tls(other());
    let text = fragment("{read: [CREATOR], update: [CREATOR]}");
    world.try_put_as(&text, &exporting).unwrap();
    let _ = world.put(&accessed("$$SCONE::f$$", IMPORTED));
    assert!(read(&world, "b", world.author).is_ok());
    assert_matches!(
        read(&world, "b", other()),
        Err(ReadPolicyError::NotPermitted { .. })
    );
}

#[test]
fn access_fragment_that_does_not_fit_is_for_nobody() {
    let world = TestWorld::new();
    let _ = world.put(&fragment("{read: [nonsense]}"));
    let _ = world.put(&accessed("$$SCONE::f$$", IMPORTED));
    assert_matches!(
        read(&world, "b", world.author),
        Err(ReadPolicyError::NotPermitted { unreadable, .. })
            if unreadable.iter().map(|name| name.as_str()).eq(["f"])
    );
}

#[test]
fn access_that_needs_a_vault_asks_none_for_a_stranger() {
    let world = TestWorld::new();
    let rest =
        format!("secrets:\n{AAD}  - {{name: k, kind: ascii, import_akv: {{vault: my-vault}}}}");
    let _ = world.put(&accessed("{read: [$$SCONE::k$$, CREATOR]}", &rest));
    assert!(read(&world, "b", world.author).is_ok());
    assert!(read(&world, "b", other()).is_err());
    assert_eq!(world.ports.tokens.calls.count(), 0);
    assert_eq!(world.ports.vaults.calls.count(), 0);
}

#[test]
fn access_of_an_update_is_the_current_versions() {
    let world = TestWorld::new();
    let text = format!(
        "secrets:\n  - {{name: k, kind: ascii, value: \"{}\", export: {{session: b}}}}",
        other()
    );
    let _ = world.put(&shelf("a", &text));
    let rest = "secrets:\n  - {name: k, kind: ascii, import: {session: a, secret: k}}";
    let policy = accessed("{update: $$SCONE::k$$}", rest);
    let first = world.put(&policy);
    let next = after(first, &policy);
    assert_matches!(
        world.try_put(&next),
        Err(PutPolicyError::NotPermitted {
            what: "update it",
            ..
        })
    );
    world
        .try_put_as(&next, &Credentials::of_tls(other()))
        .unwrap();
}

/// Nothing keeps an author from it here: the CLI asks first.
#[test]
fn access_whose_secrets_vanished_locks_everybody_out() {
    let world = TestWorld::new();
    let first = world.put(&fragment("{read: ANY, update: ANY}"));
    let policy = accessed("$$SCONE::f$$", IMPORTED);
    let hash = world.put(&policy);
    let _ = world.put(&after(first, &shelf("a", "")));
    assert!(read(&world, "b", world.author).is_err());
    assert_matches!(
        world.try_put(&after(hash, &policy)),
        Err(PutPolicyError::NotPermitted { unreadable, .. }) if unreadable.len() == 1
    );
}

#[test]
fn access_while_the_store_fails_is_the_stores_fault() {
    let world = TestWorld::new();
    let _ = world.put(&fragment("{read: ANY}"));
    let _ = world.put(&accessed("$$SCONE::f$$", IMPORTED));
    (world.ports.store).fail_once(StoreOperation::Values, StoreFault::Before);
    let answer = read(&world, "b", world.author);
    assert_matches!(answer, Err(ReadPolicyError::Store(_)));
}
