//! Every kind of secret in every format, what readers and templates get of it, and what an update keeps.

use assert_matches::assert_matches;
use casque_core::{
    AttestError, ExportRequest, PublicValue, ReadValueError, ResolveError, ValueQuery,
};
use casque_secrets::{RenderError, SecretValue};
use casque_testkit::TestWorld;
use casque_types::{Configuration, Format, KeyHash, SecretKind};
use pollster::block_on;

use crate::policies::assert_nothing_released;
use crate::support::{AAD, after, fault, policy, put_fault, shelf, text, value};

/// One secret of each kind that Casque makes or takes, each under the name of its kind.
const ALL: &str = "secrets:
  - {name: ascii, kind: ascii, size: 24}
  - {name: binary, kind: binary, size: 33}
  - {name: private-key, kind: private-key, key_type: P-384}
  - {name: public-key, kind: public-key, private_key: private-key}
  - {name: x509-ca, kind: x509-ca, private_key: private-key, common_name: authority}
  - {name: leaf-key, kind: private-key, key_type: Ed25519}
  - {name: x509, kind: x509, private_key: leaf-key, issuer: x509-ca, dns: a.example}
  - {name: pgp-key, kind: pgp-key}
  - {name: jwt, kind: jwt, signer: private-key, alg: ES384, validity: {for: 1h}, payload: {sub: s}}
  - name: aad-token
    kind: aad-token
    tenant_id: e7cac514-f1aa-4e0d-b207-50b1d9a89d21
    client_id: 3f2c210e-83b4-4217-9eee-4f747d8aeeb3
    application_secret: s3cret
";

/// The content of a file with this template.
fn file(template: &str) -> Result<Vec<u8>, AttestError> {
    let world = TestWorld::new();
    let image = format!(
        "images:\n  - name: i\n    injection_files: [{{path: /f, content: \"{template}\"}}]\n{ALL}"
    );
    let text = policy("a", &[], &image).replace("command: s\n", "command: s\n    image_name: i\n");
    let _ = world.put(&text);
    let configuration = world.attest("a/s")?;
    Ok(configuration.files[0]
        .content
        .given()
        .unwrap()
        .expose()
        .to_vec())
}

#[test]
fn release_of_every_kind_in_every_format_is_something() {
    for kind in SecretKind::ALL {
        if matches!(kind, SecretKind::SessionCa | SecretKind::ConfigFragment) {
            continue;
        }
        for format in kind.formats() {
            let template = format!("$$SCONE::{kind}{}$$", format.suffix());
            let content = file(&template).unwrap();
            // Nothing stands above a self-signed one.
            if (*kind, *format) == (SecretKind::X509Ca, Format::Chain) {
                assert_eq!(content, b"");
                continue;
            }
            assert!(content.len() >= 20, "{template}: {} bytes", content.len());
        }
    }
}

#[test]
fn release_of_sizes_is_exact() {
    assert_eq!(file("$$SCONE::ascii$$").unwrap().len(), 24);
    assert_eq!(file("$$SCONE::binary$$").unwrap().len(), 33);
    assert_eq!(file("$$SCONE::binary:hex$$").unwrap().len(), 66);
}

#[test]
fn release_of_an_escaped_value_can_stand_in_json() {
    let world = TestWorld::new();
    let rest = "secrets:\n  - {name: x, kind: ascii, value: 'a\"\\b'}\n";
    let _ = world.put(&policy("a", &[("X", "$$SCONE::x|escape(json)$$")], rest));
    assert_eq!(value(&world, "a"), r#"a\"\\b"#);
}

fn public(
    world: &TestWorld,
    policy: &str,
    secret: Option<&str>,
) -> Result<Vec<PublicValue>, ReadValueError> {
    block_on(world.casque.read_values(&ValueQuery {
        policy: policy.parse().unwrap(),
        secret: secret.map(|name| name.parse().unwrap()),
        hash: None,
    }))
}

const SESSION_CA: &str = "secrets:
  - {name: ca, kind: session-ca, export_public: true, export: {session: b}}
  - {name: cert, kind: x509, dns: a.example}
";

/// A policy of language 0.2 with its session-ca.
fn old(variable: &str, rest: &str) -> String {
    let text = policy(
        "a",
        &[("CA", variable), ("CERT", "$$SCONE::cert:chain$$")],
        rest,
    );
    text.replace("version: \"0.3.12\"", "version: \"0.2\"")
}

#[test]
fn session_ca_issues_and_shows_its_certificate() {
    let world = TestWorld::new();
    let _ = world.put(&old("$$SCONE::ca$$", SESSION_CA));
    let configuration = world.attest("a/s").unwrap();
    let shown = text(&configuration, 0);
    assert!(shown.contains("BEGIN CERTIFICATE") && !shown.contains("PRIVATE"));
    assert_eq!(text(&configuration, 1).trim(), shown.trim());
    let [value] = public(&world, "a", None).unwrap().try_into().unwrap();
    assert_eq!(value.kind, SecretKind::SessionCa);
    assert_eq!(value.value.expose_text(), Some(shown.as_str()));
}

#[test]
fn session_ca_has_no_key_in_any_way() {
    let world = TestWorld::new();
    // Templates of the container may use all secrets.
    let image = format!("images:\n  - {{name: i, injection_files: [/etc/template]}}\n{SESSION_CA}");
    let text = old("$$SCONE::ca$$", &image);
    let text = text.replace("command: s\n", "command: s\n    image_name: i\n");
    let _ = world.put(&text);
    let configuration = world.attest("a/s").unwrap();
    let provided = configuration.template_secrets.iter();
    let mut seen = 0;
    for (name, stored) in provided {
        let value = SecretValue::from_stored(stored).unwrap();
        match (name.as_str(), value) {
            ("ca", SecretValue::X509Ca(chain)) => assert!(chain.private_key.is_none()),
            ("cert", SecretValue::X509(chain)) => assert!(chain.private_key.is_some()),
            _ => continue,
        }
        seen += 1;
    }
    assert_eq!(seen, 2);
    for import in ["", "kind: x509-ca, ", "kind: session-ca, ", "kind: x509, "] {
        let world = TestWorld::new();
        let _ = world.put(&old("$$SCONE::ca$$", SESSION_CA));
        let rest =
            format!("secrets:\n  - {{name: y, {import}import: {{session: a, secret: ca}}}}\n");
        let first = world.put(&policy("b", &[("Y", "$$SCONE::y$$")], &rest));
        assert!(value(&world, "b").contains("BEGIN CERTIFICATE"), "{import}");
        if import.contains("session-ca") {
            continue;
        }
        let _ = world.put(&after(
            first,
            &policy("b", &[("Y", "$$SCONE::y:privatekey$$")], &rest),
        ));
        let (_, cause) = fault(world.attest("b/s"));
        assert_matches!(cause, ResolveError::Render(_), "{import}");
    }
}

#[test]
fn template_of_the_container_may_use_what_is_provided_and_else_everything() {
    for (provide, expected) in [
        (", provide_secrets: [x]", vec!["x"]),
        (", provide_secrets: []", vec![]),
        ("", vec!["x", "y"]),
    ] {
        let world = TestWorld::new();
        let rest = format!(
            "images:\n  - {{name: i, injection_files: [/etc/template]{provide}}}\nsecrets:\n  - {{name: x, kind: ascii}}\n  - {{name: y, kind: ascii}}\n"
        );
        let text =
            policy("a", &[], &rest).replace("command: s\n", "command: s\n    image_name: i\n");
        let _ = world.put(&text);
        let configuration = world.attest("a/s").unwrap();
        let names: Vec<_> = configuration
            .template_secrets
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, expected, "{provide}");
        assert!(configuration.files[0].content.given().is_none());
    }
}

/// The claims of a token, not verified here.
fn claims(token: &str) -> String {
    let body = token.split('.').nth(1).unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD
        .decode(body.as_bytes())
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

fn token_policy(payload: &str, rest: &str) -> String {
    let secrets = format!(
        "secrets:\n  - {{name: k, kind: private-key, key_type: P-384}}\n  - {{name: t, kind: jwt, signer: k, alg: ES384, validity: {{for: 2h}}, payload: {{{payload}}}}}\n{rest}"
    );
    policy("a", &[("T", "$$SCONE::t$$")], &secrets)
}

#[test]
fn jwt_says_who_was_attested_and_what_secrets_say() {
    let world = TestWorld::new();
    let payload = "id: $$SCONE::self::software_identity$$, x: $$SCONE::x$$, y: text";
    let rest = "  - {name: x, kind: ascii, import: {session: b, secret: x}}\n";
    let _ = world.put(&token_policy(payload, rest));
    let exporter = "secrets:\n  - {name: x, kind: ascii, value: hello, export: {session: a}}";
    let _ = world.put(&shelf("b", exporter));
    let claims = claims(&value(&world, "a"));
    let id = TestWorld::program().mr_enclave;
    let now = TestWorld::BEGIN.as_unix_s();
    for expected in [
        format!("\"id\":\"{id}\""),
        "\"x\":\"hello\"".to_owned(),
        "\"y\":\"text\"".to_owned(),
        format!("\"exp\":{}", now + 7_200),
    ] {
        assert!(claims.contains(&expected), "{claims}");
    }
    let [event] = world.ports.store.releases().try_into().unwrap();
    assert!(event.facts.contains(&("import", "b/x".to_owned())));
}

#[test]
fn jwt_within_a_jwt_is_refused_even_when_it_is_imported() {
    let world = TestWorld::new();
    let exporter = "secrets:\n  - {name: k, kind: private-key, key_type: P-384}\n  - {name: t, kind: jwt, signer: k, alg: ES384, validity: {for: 2h}, payload: {a: b}, export: {session: a}}";
    let _ = world.put(&shelf("b", exporter));
    let rest = "  - {name: x, import: {session: b, secret: t}}\n";
    let _ = world.put(&token_policy("x: $$SCONE::x$$", rest));
    let (secret, cause) = fault(world.attest("a/s"));
    assert_eq!(secret, "t");
    assert_matches!(cause, ResolveError::NestedToken);
}

#[test]
fn jwt_imported_says_who_was_attested_at_the_importer() {
    let world = TestWorld::new();
    let payload = "id: $$SCONE::self::software_identity$$";
    let text = token_policy(payload, "").replace("validity:", "export: {session: b}, validity:");
    let _ = world.put(&text);
    let rest = "secrets:\n  - {name: y, kind: jwt, import: {session: a, secret: t}}\n";
    let _ = world.put(&policy("b", &[("Y", "$$SCONE::y$$")], rest));
    let id = TestWorld::program().mr_enclave.to_string();
    assert!(claims(&value(&world, "b")).contains(&id));
}

#[test]
fn config_fragment_that_is_public_reads_as_its_yaml() {
    let world = TestWorld::new();
    let exporter =
        "secrets:\n  - {name: f, kind: config-fragment, value: [a, b], export_public: true}";
    let _ = world.put(&shelf("a", exporter));
    let [value] = public(&world, "a", Some("f")).unwrap().try_into().unwrap();
    assert_eq!(value.kind, SecretKind::ConfigFragment);
    let text = value.value.expose_text().unwrap();
    assert!(text.contains('a') && text.contains('b'), "{text}");
}

#[test]
fn session_ca_has_no_key_for_another_cas_either() {
    let world = TestWorld::new();
    let caller = KeyHash::of_spki(b"caller");
    let exported = format!("export: {{session: b, cas_key: {caller}}}}}");
    let secrets = SESSION_CA.replace("export: {session: b}}", &exported);
    let _ = world.put(&old("$$SCONE::ca$$", &secrets));
    for secret in ["ca", "cert"] {
        let request = ExportRequest {
            session: "a".parse().unwrap(),
            session_hash: None,
            secret: secret.parse().unwrap(),
            importer: "b".parse().unwrap(),
            importer_hash: [7; 32].into(),
        };
        match block_on(world.casque.export_value(&request, &caller)) {
            Ok(stored) => assert_matches!(
                SecretValue::from_stored(&stored),
                Ok(SecretValue::X509Ca(chain)) if chain.private_key.is_none() && secret == "ca"
            ),
            Err(ReadValueError::Absent { .. }) => assert_eq!(secret, "cert"),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn public_values_are_those_exported_to_everyone_without_their_keys() {
    let world = TestWorld::new();
    let secrets = format!(
        "secrets:
  - {{name: x, kind: ascii, value: hello, export_public: true}}
  - {{name: hidden, kind: ascii}}
  - {{name: shared, kind: ascii, export: {{session: b}}}}
  - {{name: k, kind: private-key}}
  - {{name: c, kind: x509-ca, private_key: k, common_name: authority, export_public: true}}
  - {{name: p, kind: pgp-key, export_public: true}}
  - {{name: q, kind: public-key, private_key: k, export_public: true}}
  - {{name: v, kind: ascii, import_akv: {{vault: my-vault}}, export_public: true}}
{AAD}"
    );
    let hash = world.put(&shelf("a", &secrets));
    let values = public(&world, "a", None).unwrap();
    let names: Vec<_> = values.iter().map(|value| value.name.as_str()).collect();
    assert_eq!(names, ["x", "c", "p", "q"]);
    for value in &values {
        let text = value.value.expose_text().unwrap();
        assert!(!text.contains("PRIVATE"), "{}", value.name);
    }
    for secret in ["hidden", "shared", "k", "v", "absent"] {
        let answer = public(&world, "a", Some(secret));
        assert_matches!(answer, Err(ReadValueError::Absent { .. }), "{secret}");
    }
    assert_eq!(world.ports.vaults.calls.count(), 0);
    let query = |hash| ValueQuery {
        policy: "a".parse().unwrap(),
        secret: Some("x".parse().unwrap()),
        hash: Some(hash),
    };
    assert!(block_on(world.casque.read_values(&query(hash))).is_ok());
    let other = [7; 32].into();
    let answer = block_on(world.casque.read_values(&query(other)));
    assert_matches!(answer, Err(ReadValueError::Absent { .. }));
}

#[test]
fn public_key_of_an_imported_key_asks_no_other_cas() {
    let world = TestWorld::new();
    let key = KeyHash::of_spki(b"far");
    let secrets = format!(
        "secrets:\n  - {{name: k, kind: private-key, import: {{session: a, secret: k, cas_url: \"far:1\", cas_key: {key}}}}}\n  - {{name: q, kind: public-key, private_key: k, export_public: true}}"
    );
    let _ = world.put(&shelf("a", &secrets));
    assert_matches!(
        public(&world, "a", None),
        Err(ReadValueError::Absent { .. })
    );
    assert_eq!(world.ports.remote.calls.count(), 0);
}

/// What a variable with this template is before and after an update that changes one secret.
fn update(template: &str, before: &str, next: &str) -> (String, String) {
    let world = TestWorld::new();
    let text = |secret: &str| policy("a", &[("X", template)], &format!("secrets:\n{secret}\n"));
    let first = world.put(&text(before));
    let old = value(&world, "a");
    let _ = world.put(&after(first, &text(next)));
    (old, value(&world, "a"))
}

#[test]
fn update_keeps_generated_values_of_the_same_kind_and_size() {
    let ascii = "  - {name: x, kind: ascii}";
    let binary = "  - {name: x, kind: binary, size: 16}";
    let pgp = "  - {name: x, kind: pgp-key}";
    let migrating = "  - {name: x, kind: private-key, migrate: true}";
    let public = "  - {name: k, kind: private-key, migrate: true}\n  - {name: x, kind: public-key, private_key: k}";
    for (template, secret) in [
        ("$$SCONE::x$$", ascii),
        ("$$SCONE::x:hex$$", binary),
        ("$$SCONE::x:privatekey:base64$$", pgp),
        ("$$SCONE::x$$", migrating),
        ("$$SCONE::x$$", public),
    ] {
        let (old, new) = update(template, secret, secret);
        assert_eq!(old, new, "{secret}");
    }
}

#[test]
fn update_makes_anew_what_it_does_not_keep() {
    let key = "  - {name: x, kind: private-key}";
    let migrating = "  - {name: x, kind: private-key, migrate: true}";
    let other_type = "  - {name: x, kind: private-key, key_type: P-384, migrate: true}";
    let cert = "  - {name: k, kind: private-key, migrate: true}\n  - {name: x, kind: x509, private_key: k}";
    let given = "  - {name: x, kind: ascii, value: 01234567890123456789}";
    let ascii = "  - {name: x, kind: ascii}";
    for (before, next) in [
        (key, key),
        (key, migrating),
        (migrating, key),
        (migrating, other_type),
        (cert, cert),
        (ascii, "  - {name: x, kind: ascii, size: 21}"),
        (given, ascii),
        (ascii, given),
        (
            ascii,
            "  - {name: x, kind: aad-token, tenant_id: e7cac514-f1aa-4e0d-b207-50b1d9a89d21, client_id: 3f2c210e-83b4-4217-9eee-4f747d8aeeb3, application_secret: s}",
        ),
    ] {
        let (old, new) = update("$$SCONE::x$$", before, next);
        assert_ne!(old, new, "{before} {next}");
    }
    let binary = "  - {name: x, kind: binary, size: 16}";
    let longer = "  - {name: x, kind: binary, size: 17}";
    let (old, new) = update("$$SCONE::x:hex$$", binary, longer);
    assert_eq!((old.len(), new.len()), (32, 34));
    assert!(!new.starts_with(&old));
}

#[test]
fn update_issues_a_certificate_over_the_key_that_it_keeps() {
    let secret = "  - {name: k, kind: private-key, migrate: true}\n  - {name: x, kind: x509, private_key: k}";
    let (old, new) = update("$$SCONE::x:privatekey$$", secret, secret);
    assert_eq!(old, new);
}

#[test]
fn put_of_a_given_certificate_takes_the_key_that_it_names() {
    let world = TestWorld::new();
    let made =
        "secrets:\n  - {name: k, kind: private-key}\n  - {name: c, kind: x509, private_key: k}\n";
    let _ = world.put(&policy(
        "a",
        &[("C", "$$SCONE::c$$"), ("K", "$$SCONE::c:privatekey$$")],
        made,
    ));
    let configuration = world.attest("a/s").unwrap();
    let quoted = |index| text(&configuration, index).replace('\n', "\\n");
    let (certificate, key) = (quoted(0), quoted(1));
    let given = format!(
        "secrets:\n  - {{name: k, kind: private-key, value: \"{key}\"}}\n  - {{name: c, kind: x509, private_key: k, value: \"{certificate}\"}}\n"
    );
    let _ = world.put(&policy("b", &[("K", "$$SCONE::c:privatekey$$")], &given));
    assert_eq!(value(&world, "b").replace('\n', "\\n"), key);
    let other = given.replace(&format!("private-key, value: \"{key}\""), "private-key");
    let answer = world.try_put(&policy("c", &[], &other));
    assert_matches!(answer, Err(casque_core::PutPolicyError::Given { secret, .. }) if secret.as_str() == "c");
}

#[test]
fn put_of_a_certificate_over_an_imported_key_reads_it_then() {
    let world = TestWorld::new();
    let rest = "secrets:\n  - {name: k, kind: private-key, import: {session: x, secret: k}}\n  - {name: c, kind: x509, private_key: k}\n";
    let text = policy("a", &[("K", "$$SCONE::c:privatekey$$")], rest);
    let (secret, cause) = put_fault(world.try_put(&text));
    assert_eq!(secret, "k");
    assert_matches!(cause, ResolveError::NotExported { .. });
    assert_nothing_released(&world);
    let exporter = "secrets:\n  - {name: k, kind: private-key, export: {session: a}}";
    let _ = world.put(&shelf("x", exporter));
    let _ = world.put(&text);
    assert!(value(&world, "a").contains("PRIVATE KEY"));
}

#[test]
fn pkcs12_of_a_token_is_refused_with_the_kind() {
    let world = TestWorld::new();
    let rest = "secrets:\n  - {name: y, import: {session: x, secret: a}}\n";
    let _ = world.put(&policy(
        "a",
        &[("Y", "$$SCONE::y:pkcs12-with-private-key$$")],
        rest,
    ));
    let exporter = "secrets:\n  - {name: a, kind: binary, export: {session: a}}";
    let _ = world.put(&shelf("x", exporter));
    let (_, cause) = fault::<Configuration>(world.attest("a/s"));
    assert_matches!(
        cause,
        ResolveError::Render(RenderError::Format {
            kind: SecretKind::Binary,
            ..
        })
    );
}

#[test]
fn put_of_a_policy_that_has_too_much_made_is_refused_before_anything_is_made() {
    let world = TestWorld::new();
    let many = |count: usize, secret: &str| -> String {
        (0..count)
            .map(|number| format!("  - {{name: x{number}, {secret}}}\n"))
            .collect()
    };
    let most = 4 * 1024 * 1024;
    for (secrets, expected) in [
        (many(65, "kind: ascii, size: 65536"), most),
        (many(65, "kind: binary, size: 65536"), most),
        (many(65, "kind: private-key, key_type: RSA-3072"), 1024),
        (many(1025, "kind: pgp-key"), 1024),
    ] {
        let answer = world.try_put(&shelf("a", &format!("secrets:\n{secrets}")));
        let error = answer.unwrap_err();
        assert_eq!(error.blame(), casque_core::Blame::TooLarge);
        assert_matches!(error, casque_core::PutPolicyError::TooMuch { most, .. } if most == expected);
    }
    let first = world.put(&shelf(
        "a",
        "secrets:\n  - {name: x, kind: ascii, size: 65536}",
    ));
    // What the update keeps does not count.
    let secrets = many(65, "kind: ascii, size: 65536").replace("x0,", "x,");
    let _ = world.put(&after(first, &shelf("a", &format!("secrets:\n{secrets}"))));
}
