//! What policies export to each other: both sides are asked at each release.

use assert_matches::assert_matches;
use casque_core::{
    AuditAction, ExportRequest, ReadValueError, ResolveError, SourceKind, StoreError,
};
use casque_secrets::{IdentityKey, SecretValue};
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation};
use casque_types::{KeyHash, PolicyHash, Seconds, Secret, SecretKind};
use pollster::block_on;

use crate::policies::assert_nothing_released;
use crate::support::{AAD, after, fault, policy, put_fault, refresh, shelf, text, value};

/// A policy that exports the given text `x`, `hello`, as `export` says.
fn exporter(name: &str, export: &str) -> String {
    shelf(
        name,
        &format!("secrets:\n  - {{name: x, kind: ascii, value: hello{export}}}"),
    )
}

/// A policy that imports `x` of another.
fn importer(name: &str, import: &str) -> String {
    let secrets = format!("secrets:\n  - {{name: y, import: {{{import}}}}}");
    policy(name, &[("Y", "$$SCONE::y$$")], &secrets)
}

/// What an importer of `x` of `a` is refused with.
fn refusal(world: &TestWorld, importer: &str) -> ResolveError {
    let (secret, cause) = fault(world.attest(&format!("{importer}/s")));
    assert_eq!(secret, "y");
    assert_nothing_released(world);
    cause
}

fn assert_not_exported(cause: &ResolveError) {
    assert_matches!(cause, ResolveError::NotExported { policy, secret }
        if policy.as_str() == "a" && secret.as_str() == "x");
}

#[test]
fn import_of_an_export_to_the_session_is_the_exporters_value() {
    for export in [
        ", export: {session: b}",
        ", export: [{session: c}, {session: b}]",
        ", export: \"/session=b\"",
        ", export_public: true",
        ", export: {namespace: /}",
    ] {
        let world = TestWorld::new();
        let _ = world.put(&exporter("a", export));
        let _ = world.put(&importer("b", "session: a, secret: x"));
        assert_eq!(value(&world, "b"), "hello", "{export}");
    }
}

#[test]
fn import_of_what_is_not_exported_or_not_there_is_refused_alike() {
    for text in [
        exporter("a", ""),
        exporter("a", ", export: {session: c}"),
        exporter("a", ", export: {namespace: b/c}"),
        shelf(
            "a",
            "secrets:\n  - {name: z, kind: ascii, value: hello, export: {session: b}}",
        ),
        exporter("z", ", export: {session: b}"),
    ] {
        let world = TestWorld::new();
        let _ = world.put(&text);
        let _ = world.put(&importer("b", "session: a, secret: x"));
        assert_not_exported(&refusal(&world, "b"));
    }
}

#[test]
fn import_from_within_an_exported_namespace_is_let_and_from_beside_it_is_not() {
    let world = TestWorld::new();
    let _ = world.put(&exporter("a", ", export: {namespace: n}"));
    for name in ["n", "n/m", "n/m/o", "nn"] {
        let _ = world.put(&importer(name, "session: a, secret: x"));
    }
    assert_not_exported(&refusal(&world, "nn"));
    for name in ["n", "n/m", "n/m/o"] {
        assert_eq!(value(&world, name), "hello");
    }
}

#[test]
fn import_by_relative_names_is_from_where_the_policies_stand() {
    let world = TestWorld::new();
    let _ = world.put(&shelf("n", ""));
    let _ = world.put(&exporter("n/a", ", export: [{session: ../b}]"));
    let _ = world.put(&importer("n/b", "session: ../a, secret: x"));
    assert_eq!(value(&world, "n/b"), "hello");
}

#[test]
fn import_after_the_exporter_withdrew_is_refused() {
    let world = TestWorld::new();
    let first = world.put(&exporter("a", ", export: {session: b}"));
    let _ = world.put(&importer("b", "session: a, secret: x"));
    assert_eq!(value(&world, "b"), "hello");
    let _ = world.put(&after(first, &exporter("a", "")));
    let (_, cause) = fault(world.attest("b/s"));
    assert_not_exported(&cause);
}

#[test]
fn import_follows_the_exporters_current_value() {
    let world = TestWorld::new();
    let text = exporter("a", ", export: {session: b}");
    let first = world.put(&text);
    let _ = world.put(&importer("b", "session: a, secret: x"));
    assert_eq!(value(&world, "b"), "hello");
    let _ = world.put(&after(first, &text.replace("hello", "good bye")));
    assert_eq!(value(&world, "b"), "good bye");
}

#[test]
fn import_pinned_to_a_version_is_refused_once_the_exporter_has_another() {
    let world = TestWorld::new();
    let text = exporter("a", ", export: {session: b}");
    let first = world.put(&text);
    let import = format!("session: a, secret: x, session_hash: {first}");
    let _ = world.put(&importer("b", &import));
    assert_eq!(value(&world, "b"), "hello");
    let _ = world.put(&after(first, &text));
    let (_, cause) = fault(world.attest("b/s"));
    assert_matches!(cause, ResolveError::OtherVersion { policy, pinned }
        if policy.as_str() == "a" && pinned == first);
}

#[test]
fn export_pinned_to_a_version_ends_with_the_importers_next_one() {
    let world = TestWorld::new();
    let text = importer("b", "session: a, secret: x");
    let first = world.put(&text);
    let export = format!(", export: {{session: b, session_hash: {first}}}");
    let _ = world.put(&exporter("a", &export));
    assert_eq!(value(&world, "b"), "hello");
    let _ = world.put(&after(first, &text));
    let (_, cause) = fault(world.attest("b/s"));
    assert_not_exported(&cause);
}

#[test]
fn import_of_an_import_asks_each_exporter() {
    let world = TestWorld::new();
    let first = world.put(&exporter("a", ", export: {session: m}"));
    let middle = "secrets:\n  - {name: x, import: {session: a, secret: x}, export: {session: b}}";
    let _ = world.put(&shelf("m", middle));
    let _ = world.put(&importer("b", "session: m, secret: x"));
    assert_eq!(value(&world, "b"), "hello");
    let _ = world.put(&after(first, &exporter("a", ", export: {session: b}")));
    let (_, cause) = fault(world.attest("b/s"));
    assert_not_exported(&cause);
}

#[test]
fn import_through_sixteen_policies_is_followed_and_no_further() {
    for (policies, is_let) in [(16, true), (17, false)] {
        let world = TestWorld::new();
        let _ = world.put(&exporter("p1", ", export_public: true"));
        for number in 2..=policies {
            let secrets = format!(
                "secrets:\n  - {{name: x, import: {{session: p{}, secret: x}}, export_public: true}}",
                number - 1
            );
            let _ = world.put(&shelf(&format!("p{number}"), &secrets));
        }
        let import = format!("session: p{policies}, secret: x");
        let _ = world.put(&importer("b", &import));
        match is_let {
            true => assert_eq!(value(&world, "b"), "hello"),
            false => assert_matches!(refusal(&world, "b"), ResolveError::TooDeep),
        }
    }
}

#[test]
fn import_in_a_circle_is_refused() {
    let world = TestWorld::new();
    for (here, there) in [("a", "m"), ("m", "a")] {
        let secrets = format!(
            "secrets:\n  - {{name: x, import: {{session: {there}, secret: x}}, export: [{{session: {there}}}, {{session: b}}]}}"
        );
        let _ = world.put(&shelf(here, &secrets));
    }
    let _ = world.put(&importer("b", "session: a, secret: x"));
    assert_matches!(refusal(&world, "b"), ResolveError::TooDeep);
}

#[test]
fn import_of_another_kind_than_stated_is_refused() {
    let world = TestWorld::new();
    let _ = world.put(&exporter("a", ", export: {session: b}"));
    let secrets = "secrets:\n  - {name: y, kind: binary, import: {session: a, secret: x}}";
    let _ = world.put(&policy("b", &[("Y", "$$SCONE::y:hex$$")], secrets));
    let cause = refusal(&world, "b");
    let (expected, found) = (SecretKind::Binary, SecretKind::Ascii);
    assert_matches!(cause, ResolveError::Kind { expected: e, found: f } if (e, f) == (expected, found));
}

#[test]
fn import_is_on_record_with_the_release() {
    let world = TestWorld::new();
    let _ = world.put(&exporter("a", ", export: {session: b}"));
    let _ = world.put(&importer("b", "session: a, secret: x"));
    drop(value(&world, "b"));
    let [event] = world.ports.store.releases().try_into().unwrap();
    let fact = ("import", "a/x".to_owned());
    assert!(event.facts.contains(&fact), "{:?}", event.facts);
    assert!(!format!("{event:?}").contains("hello"));
}

/// Exports certificate `c` to `b`, and its key `k` as `export` says.
fn certificates(export: &str) -> String {
    let secrets = format!(
        "secrets:\n  - {{name: k, kind: private-key, key_type: P-256{export}}}\n  - {{name: c, kind: x509-ca, private_key: k, common_name: the authority, export: {{session: b}}}}"
    );
    shelf("a", &secrets)
}

#[test]
fn imported_certificate_has_its_key_only_where_the_key_is_exported_too() {
    let secrets = "secrets:\n  - {name: y, import: {session: a, secret: c}}";
    for (export, has_key) in [
        ("", false),
        (", export: {session: c}", false),
        (", export: {session: b}", true),
        (", export: {namespace: b}", true),
        (", export_public: true", true),
    ] {
        let world = TestWorld::new();
        let _ = world.put(&certificates(export));
        let both = [("C", "$$SCONE::y$$"), ("K", "$$SCONE::y:privatekey$$")];
        let first = world.put(&policy("b", &both, secrets));
        let answer = world.attest("b/s");
        if has_key {
            assert!(
                text(&answer.unwrap(), 1).contains("PRIVATE KEY"),
                "{export}"
            );
            continue;
        }
        let (secret, cause) = fault(answer);
        assert_eq!(secret, "y");
        assert_matches!(cause, ResolveError::Render(_), "{export}");
        let _ = world.put(&after(first, &policy("b", &both[..1], secrets)));
        assert!(value(&world, "b").contains("BEGIN CERTIFICATE"));
    }
}

#[test]
fn imported_certificate_that_is_exported_on_loses_its_key_unless_that_is_exported_on_too() {
    for (middle, has_key) in [("", false), (", private_key: k", true)] {
        let world = TestWorld::new();
        let text = certificates(", export: {session: m}").replace("{session: b}", "{session: m}");
        let _ = world.put(&text);
        let middle = format!(
            "secrets:\n  - {{name: k, kind: private-key, import: {{session: a, secret: k}}, export: {{session: b}}}}\n  - {{name: c, kind: x509-ca, import: {{session: a, secret: c}}, export: {{session: b}}{middle}}}"
        );
        let _ = world.put(&shelf("m", &middle));
        let secrets = "secrets:\n  - {name: y, import: {session: m, secret: c}}";
        let _ = world.put(&policy("b", &[("K", "$$SCONE::y:privatekey$$")], secrets));
        assert_eq!(world.attest("b/s").is_ok(), has_key, "{middle}");
    }
}

#[test]
fn imported_issuer_issues_only_with_its_key() {
    let leaf = "secrets:
  - {name: i, kind: x509-ca, import: {session: a, secret: c}}
  - {name: k, kind: private-key}
  - {name: l, kind: x509, private_key: k, issuer: i}";
    let leaf = policy("b", &[("L", "$$SCONE::l:chain$$")], leaf);
    let world = TestWorld::new();
    let first = world.put(&certificates(""));
    let error = world.try_put(&leaf).unwrap_err();
    assert_matches!(error, casque_core::PutPolicyError::Make { ref secret, .. } if secret.as_str() == "l");
    assert_eq!(error.blame(), casque_core::Blame::Malformed);
    let _ = world.put(&after(first, &certificates(", export: {session: b}")));
    let _ = world.put(&leaf);
    assert!(value(&world, "b").contains("BEGIN CERTIFICATE"));
}

#[test]
fn imported_issuer_that_is_not_exported_is_the_authors_fault_when_put() {
    let world = TestWorld::new();
    let secrets = "secrets:
  - {name: i, kind: x509-ca, import: {session: a, secret: c}}
  - {name: k, kind: private-key}
  - {name: l, kind: x509, private_key: k, issuer: i}";
    let answer = world.try_put(&policy("b", &[], secrets));
    assert_eq!(
        answer.as_ref().unwrap_err().blame(),
        casque_core::Blame::Malformed
    );
    let (secret, cause) = put_fault(answer);
    assert_eq!(secret, "i");
    assert_matches!(cause, ResolveError::NotExported { .. });
}

/// The pattern of the AKS document: credentials that nobody may read, tokens for another policy.
#[test]
fn imported_aad_token_is_the_exporters_whom_nobody_may_read() {
    let world = TestWorld::new();
    let hidden =
        format!("access_policy: {{read: NONE}}\nsecrets:\n{AAD}    export: {{session: b}}");
    let _ = world.put(&shelf("a", &hidden));
    let secrets = "secrets:
  - {name: t, kind: aad-token, import: {session: a, secret: aad}}
  - {name: v, kind: ascii, import_akv: {vault: my-vault, secret_name: v, token: $$SCONE::t$$}}";
    let both = [("T", "$$SCONE::t$$"), ("V", "$$SCONE::v$$")];
    let _ = world.put(&policy("b", &both, secrets));
    let vault = "my-vault".parse().unwrap();
    (world.ports.vaults).put(&vault, &"v".parse().unwrap(), "from the vault", None);
    let configuration = world.attest("b/s").unwrap();
    let token = "token of 3f2c210e-83b4-4217-9eee-4f747d8aeeb3 for";
    assert_eq!(text(&configuration, 0), format!("{token} workload"));
    assert_eq!(text(&configuration, 1), "from the vault");
    let [call] = world.ports.vaults.calls.made().try_into().unwrap();
    assert_eq!(call.token, format!("{token} my-vault"));
}

#[test]
fn imported_vault_token_that_is_not_exported_is_refused_before_anybody_is_asked() {
    let world = TestWorld::new();
    let _ = world.put(&shelf("a", &format!("secrets:\n{AAD}")));
    let secrets = "secrets:
  - {name: t, kind: aad-token, import: {session: a, secret: aad}}
  - {name: v, kind: ascii, import_akv: {vault: my-vault, secret_name: v, token: $$SCONE::t$$}}";
    let _ = world.put(&policy("b", &[("V", "$$SCONE::v$$")], secrets));
    let (secret, cause) = fault(world.attest("b/s"));
    assert_eq!(secret, "v");
    assert_matches!(cause, ResolveError::NotExported { .. });
    assert_eq!(world.ports.tokens.calls.count(), 0);
    assert_nothing_released(&world);
}

#[test]
fn import_while_the_store_fails_is_the_stores_fault() {
    let world = TestWorld::new();
    let _ = world.put(&exporter("a", ", export: {session: b}"));
    let _ = world.put(&importer("b", "session: a, secret: x"));
    (world.ports.store).fail_once(StoreOperation::Values, StoreFault::Before);
    let answer = world.attest("b/s");
    assert_matches!(
        answer,
        Err(casque_core::AttestError::Store(
            StoreError::Unavailable { .. }
        ))
    );
}

const FAR: &str = "cas.example:8081";

/// Another CAS by its key, and an importer from its `a/x`; what that CAS is asked.
fn remote(world: &TestWorld) -> (KeyHash, ExportRequest) {
    let key = *IdentityKey::generate().unwrap().key_hash();
    let import = format!("session: a, secret: x, cas_url: \"{FAR}\", cas_key: {key}");
    let hash = world.put(&importer("b", &import));
    let request = ExportRequest {
        session: "a".parse().unwrap(),
        session_hash: None,
        secret: "x".parse().unwrap(),
        importer: "b".parse().unwrap(),
        importer_hash: hash,
    };
    (key, request)
}

#[test]
fn import_from_another_cas_is_what_that_one_answers() {
    let world = TestWorld::new();
    let (key, request) = remote(&world);
    let stored = SecretValue::Ascii(Secret::copied_from(b"from afar")).to_stored();
    (world.ports.remote).export(FAR, key, request.clone(), stored);
    assert_eq!(value(&world, "b"), "from afar");
    let [call] = world.ports.remote.calls.made().try_into().unwrap();
    assert_eq!((call.address.as_str(), call.server), (FAR, key));
    assert_eq!(call.request, request);
    let [event] = world.ports.store.releases().try_into().unwrap();
    let fact = ("import", format!("a/x at {key}"));
    assert!(event.facts.contains(&fact), "{:?}", event.facts);
}

#[test]
fn import_from_another_cas_that_does_not_export_or_answers_nonsense_is_refused() {
    let world = TestWorld::new();
    let (key, request) = remote(&world);
    let (_, cause) = fault(world.attest("b/s"));
    assert_matches!(cause, ResolveError::Source(ref failure)
        if (failure.source_kind, failure.code) == (SourceKind::Remote, "remote-unreachable"));
    let nonsense = Secret::copied_from(b"\xe0nonsense");
    (world.ports.remote).export(FAR, key, request, nonsense);
    assert_matches!(refusal(&world, "b"), ResolveError::RemoteValue);
}

#[test]
fn import_of_a_token_from_another_cas_is_asked_for_again_soon() {
    let world = TestWorld::new();
    let (key, request) = remote(&world);
    let stored = SecretValue::AadToken(Secret::copied_from(b"token")).to_stored();
    (world.ports.remote).export(FAR, key, request, stored);
    assert_eq!(refresh(&world, "b"), Seconds(600));
}

#[test]
fn import_by_software_key_is_refused_with_what_to_do() {
    let world = TestWorld::new();
    let key = KeyHash::of_spki(b"software");
    let import = format!("session: a, secret: x, cas_url: {FAR}, cas_software_key: {key}");
    let import = import.replace(FAR, &format!("\"{FAR}\""));
    let _ = world.put(&importer("b", &import));
    assert_matches!(refusal(&world, "b"), ResolveError::SoftwareKey);
    assert_eq!(world.ports.remote.calls.count(), 0);
}

#[test]
fn import_and_export_that_name_this_cas_by_its_own_key_are_local() {
    let world = TestWorld::new();
    let own = *world.casque.identity().key_hash();
    let _ = world.put(&exporter(
        "a",
        &format!(", export: {{session: b, cas_key: {own}}}"),
    ));
    let import = format!("session: a, secret: x, cas_url: \"{FAR}\", cas_key: {own}");
    let _ = world.put(&importer("b", &import));
    assert_eq!(value(&world, "b"), "hello");
    assert_eq!(world.ports.remote.calls.count(), 0);
}

#[test]
fn vault_token_from_another_cas_is_refused() {
    let world = TestWorld::new();
    let key = KeyHash::of_spki(b"another");
    let secrets = format!(
        "secrets:
  - {{name: t, kind: aad-token, import: {{session: a, secret: aad, cas_url: \"{FAR}\", cas_key: {key}}}}}
  - {{name: v, kind: ascii, import_akv: {{vault: my-vault, secret_name: v, token: $$SCONE::t$$}}}}"
    );
    let _ = world.put(&policy("b", &[("V", "$$SCONE::v$$")], &secrets));
    let (_, cause) = fault(world.attest("b/s"));
    assert_matches!(cause, ResolveError::NoCredential);
}

/// Asks `world` for `a/x` as policy `b` of the CAS of this key.
fn exported(world: &TestWorld, caller: &KeyHash) -> Result<SecretValue, ReadValueError> {
    let request = ExportRequest {
        session: "a".parse().unwrap(),
        session_hash: None,
        secret: "x".parse().unwrap(),
        importer: "b".parse().unwrap(),
        importer_hash: PolicyHash::from([7; 32]),
    };
    let answer = block_on(world.casque.export_value(&request, caller));
    answer.map(|stored| SecretValue::from_stored(&stored).unwrap())
}

#[test]
fn export_value_is_for_the_cas_that_the_exporter_names() {
    let (caller, other) = (KeyHash::of_spki(b"caller"), KeyHash::of_spki(b"other"));
    let pin = PolicyHash::from([8; 32]);
    for (export, is_let) in [
        (format!(", export: {{session: b, cas_key: {caller}}}"), true),
        (
            format!(", export: {{namespace: b, cas_key: {caller}}}"),
            true,
        ),
        (", export_public: true".to_owned(), true),
        (format!(", export: {{session: b, cas_key: {other}}}"), false),
        (
            format!(", export: {{session: c, cas_key: {caller}}}"),
            false,
        ),
        (
            format!(", export: {{session: b, session_hash: {pin}, cas_key: {caller}}}"),
            false,
        ),
        (
            format!(", export: {{session: b, cas_software_key: {caller}}}"),
            false,
        ),
        (", export: {session: b}".to_owned(), false),
        (String::new(), false),
    ] {
        let world = TestWorld::new();
        let _ = world.put(&exporter("a", &export));
        match (exported(&world, &caller), is_let) {
            (Ok(SecretValue::Ascii(text)), true) => assert_eq!(text.expose(), b"hello"),
            (Err(ReadValueError::Absent { name }), false) => assert_eq!(name.as_str(), "a"),
            (other, _) => panic!("{export}: {other:?}"),
        }
        let audit = world.ports.store.audit();
        let mut events = audit.iter();
        let recorded = events.find(|event| event.action == AuditAction::ValueExported);
        assert_eq!(
            recorded.and_then(|event| event.caller),
            is_let.then_some(caller)
        );
    }
}

#[test]
fn export_value_of_another_version_than_the_pinned_one_is_absent() {
    let world = TestWorld::new();
    let current = world.put(&exporter("a", ", export_public: true"));
    for (pin, is_let) in [(current, true), (PolicyHash::from([8; 32]), false)] {
        let request = ExportRequest {
            session: "a".parse().unwrap(),
            session_hash: Some(pin),
            secret: "x".parse().unwrap(),
            importer: "b".parse().unwrap(),
            importer_hash: PolicyHash::from([7; 32]),
        };
        let caller = KeyHash::of_spki(b"caller");
        match block_on(world.casque.export_value(&request, &caller)) {
            Ok(_) => assert!(is_let),
            Err(ReadValueError::Absent { .. }) => assert!(!is_let),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn export_value_of_an_absent_policy_is_absent() {
    let world = TestWorld::new();
    let answer = exported(&world, &KeyHash::of_spki(b"caller"));
    assert_matches!(answer, Err(ReadValueError::Absent { .. }));
}

#[test]
fn export_value_of_a_third_cas_is_refused() {
    let world = TestWorld::new();
    let caller = KeyHash::of_spki(b"caller");
    let third = KeyHash::of_spki(b"third");
    let secrets = format!(
        "secrets:\n  - {{name: x, import: {{session: a, secret: x, cas_url: \"{FAR}\", cas_key: {third}}}, export: {{session: b, cas_key: {caller}}}}}"
    );
    let _ = world.put(&shelf("a", &secrets));
    let answer = exported(&world, &caller);
    assert_matches!(
        answer,
        Err(ReadValueError::Secret {
            cause: ResolveError::RemoteChain,
            ..
        })
    );
    assert_eq!(world.ports.remote.calls.count(), 0);
}

#[test]
fn export_value_asks_a_vault_for_a_named_cas_alone() {
    let caller = KeyHash::of_spki(b"caller");
    for (export, is_let) in [
        (format!("export: {{session: b, cas_key: {caller}}}"), true),
        ("export_public: true".to_owned(), false),
    ] {
        let world = TestWorld::new();
        let secrets = format!(
            "secrets:\n{AAD}  - {{name: x, kind: ascii, import_akv: {{vault: my-vault}}, {export}}}"
        );
        let _ = world.put(&shelf("a", &secrets));
        let vault = "my-vault".parse().unwrap();
        (world.ports.vaults).put(&vault, &"x".parse().unwrap(), "from the vault", None);
        let answer = exported(&world, &caller);
        assert_eq!(answer.is_ok(), is_let, "{answer:?}");
        assert_eq!(world.ports.vaults.calls.count(), usize::from(is_let));
        if !is_let {
            let fault = answer.unwrap_err();
            assert_matches!(
                fault,
                ReadValueError::Secret {
                    cause: ResolveError::OutOfReach,
                    ..
                }
            );
        }
    }
}

#[test]
fn export_value_is_not_handed_out_when_it_cannot_be_put_on_record() {
    let world = TestWorld::new();
    let _ = world.put(&exporter("a", ", export_public: true"));
    (world.ports.store).fail_once(StoreOperation::AppendAudit, StoreFault::Before);
    let answer = exported(&world, &KeyHash::of_spki(b"caller"));
    assert_matches!(
        answer,
        Err(ReadValueError::Store(StoreError::Unavailable { .. }))
    );
}
