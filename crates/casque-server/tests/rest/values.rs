//! Public values.

use crate::{World, policy, refused, scone_refusal};

const SECRETS: &str = "\
secrets:
  - {name: text, kind: ascii, value: hello, export_public: true}
  - {name: bytes, kind: binary, value: 00ff7F, export_public: true}
  - {name: key, kind: private-key, key_type: P-384, export_public: true}
  - {name: half, kind: public-key, private_key: key, export_public: true}
  - {name: hidden, kind: ascii, value: secret}
  - {name: part, kind: config-fragment, value: {a: [1, b]}, export_public: true}
  - {name: pgp, kind: pgp-key, export_public: true}
  - {name: ca, kind: x509-ca, private_key: key, export_public: true}
  - {name: cert, kind: x509, private_key: key, issuer: ca, dns: localhost, valid_for: 90 days, export_public: true}
";

#[test]
fn value_of_each_kind_is_read_by_everyone() {
    let world = World::new();
    world.put(&policy("ns", ""));
    world.put(&policy("ns/app", SECRETS));
    for (secret, kind, begins) in [
        ("text", "string", "hello"),
        ("bytes", "binary", "00ff7f"),
        ("key", "private-key", "-----BEGIN PRIVATE KEY-----"),
        ("half", "public-key", "-----BEGIN PUBLIC KEY-----"),
        ("part", "config-fragment", "{"),
        ("pgp", "pgp-key", "-----BEGIN PGP PUBLIC KEY BLOCK-----"),
        ("ca", "x509-ca", "-----BEGIN CERTIFICATE-----"),
        ("cert", "x509", "-----BEGIN CERTIFICATE-----"),
    ] {
        let answer = world.get_as_stranger(&format!("/v1/values/session=ns/app,secret={secret}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let value = answer.json();
        assert_eq!(value["kind"], kind);
        assert!(
            value["value"].as_str().unwrap().starts_with(begins),
            "{secret}"
        );
        assert!(!value["value"].as_str().unwrap().contains("PGP PRIVATE"));
        if secret == "cert" {
            for member in ["expires", "renew"] {
                let at = value[member]
                    .as_str()
                    .unwrap_or_else(|| panic!("{member}: {value}"));
                assert!(
                    at.len() == 20 && at.ends_with('Z') && at.as_bytes()[10] == b'T',
                    "{at}"
                );
            }
            assert!(!value["value"].as_str().unwrap().contains("PRIVATE"));
        }
        if secret == "text" {
            assert_eq!(
                answer.body,
                r#"{"kind":"string","value":"hello","expires":null,"renew":null}"#
            );
        }
    }
}

#[test]
fn authority_of_an_old_policy_is_read_without_its_key() {
    let world = World::new();
    let secrets = "secrets:\n  - {name: ca, kind: session-ca, export_public: true}\n";
    let answer = world.try_put(&format!("name: old\nversion: \"0.2\"\n{secrets}"));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let answer = world.get_as_stranger("/v1/values/session=old,secret=ca");
    let value = answer.json();
    assert_eq!(value["kind"], "session-ca", "{value}");
    let text = value["value"].as_str().unwrap();
    assert!(text.starts_with("-----BEGIN CERTIFICATE-----"), "{text}");
    assert!(!text.contains("PRIVATE"), "{text}");
}

#[test]
fn values_are_read_by_every_spelling_of_the_path() {
    let world = World::new();
    world.put(&policy("ns", ""));
    let hash = world.put(&policy("ns/app", SECRETS));
    for path in [
        "/v1/values/session=ns/app".to_owned(),
        "/v1/values/session=/ns/app".to_owned(),
        "/v1/values/session=ns%2Fapp".to_owned(),
        "/v1/values/session%3D%2Fns%2Fapp".to_owned(),
        format!("/v1/values/session=ns/app,session_hash={hash}"),
    ] {
        let answer = world.get_as_stranger(&path);
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
        let values = answer.json()["values"].clone();
        assert_eq!(values.as_object().unwrap().len(), 8, "{values}");
        assert!(values["hidden"].is_null());
    }
    let path = format!("/v1/values/session=ns%2Fapp%2Csecret=text,session_hash={hash}");
    assert_eq!(world.get_as_stranger(&path).json()["value"], "hello");
}

#[test]
fn values_bent_are_refused() {
    let world = World::new();
    world.put(&policy("app", SECRETS));
    let zeros = "0".repeat(64);
    for (query, expected) in [
        ("session=app,secret=hidden", refused(404, "value-absent")),
        ("session=app,secret=none", refused(404, "value-absent")),
        ("session=none", refused(404, "value-absent")),
        (
            &format!("session=app,session_hash={zeros}"),
            refused(404, "value-absent"),
        ),
        (
            "session=app,session_hash=00",
            refused(400, "request-malformed"),
        ),
        ("session=a%20b", refused(400, "request-malformed")),
        ("session=app,secret=a/b", refused(400, "request-malformed")),
        ("secret=text", refused(400, "request-malformed")),
        ("session=app,session=app", refused(400, "request-malformed")),
        ("app", refused(400, "request-malformed")),
        ("%ff", refused(400, "request-malformed")),
    ] {
        let answer = world.get_as_stranger(&format!("/v1/values/{query}"));
        assert_eq!(scone_refusal(&answer), expected, "{query}");
    }
}
