//! Values imported from Key Vault: envelopes, versions, encodings.

use assert_matches::assert_matches;
use casque_core::{AttestError, ResolveError};
use casque_secrets::{EnvelopeError, seal_envelope};
use casque_testkit::TestWorld;
use casque_testkit::fakes::{CountingRng, VaultAction};
use casque_types::Secret;

use crate::policies::assert_nothing_released;
use crate::support::{AAD, fault, policy, shelf, value};

/// A policy whose `v` is imported from `my-vault` with these further keys.
fn importing(import: &str, kind: &str, rest: &str) -> String {
    let secrets = format!(
        "secrets:\n{AAD}  - {{name: v, {kind}import_akv: {{vault: my-vault{import}}}}}\n{rest}"
    );
    policy("a", &[("V", "$$SCONE::v$$")], &secrets)
}

fn hold(world: &TestWorld, value: &str, content_type: Option<&str>) -> String {
    let vault = "my-vault".parse().unwrap();
    (world.ports.vaults).put(&vault, &"v".parse().unwrap(), value, content_type)
}

const KEY: [u8; 32] = [0x4b; 32];

fn envelope(value: &[u8], key: &[u8]) -> String {
    let (value, key) = (Secret::copied_from(value), Secret::copied_from(key));
    seal_envelope(&value, &key, &CountingRng::default()).unwrap()
}

fn key_secret() -> String {
    format!(
        "  - {{name: k, kind: binary, value: \"{}\"}}\n",
        "4b".repeat(32)
    )
}

const OPENED: &str = ", decryption_key: $$SCONE::k$$";

#[test]
fn vault_value_is_read_when_it_is_needed_and_as_it_is_then() {
    let world = TestWorld::new();
    let _ = world.put(&importing("", "kind: ascii, ", ""));
    hold(&world, "first", None);
    assert_eq!(value(&world, "a"), "first");
    hold(&world, "second", None);
    assert_eq!(value(&world, "a"), "second");
    let fact = &world.ports.store.releases()[1].facts;
    let id = format!("https://my-vault/secrets/v/{:032}", 2);
    assert!(fact.contains(&("vault-secret", id)), "{fact:?}");
}

#[test]
fn vault_version_that_is_pinned_stays() {
    let world = TestWorld::new();
    let first = hold(&world, "first", None);
    hold(&world, "second", None);
    let version = format!(", version: \"{first}\"");
    let _ = world.put(&importing(&version, "kind: ascii, ", ""));
    assert_eq!(value(&world, "a"), "first");
    let [call] = world.ports.vaults.calls.made().try_into().unwrap();
    assert_eq!(call.action, VaultAction::Read(Some(first)));
}

#[test]
fn vault_version_that_is_absent_is_refused() {
    let world = TestWorld::new();
    hold(&world, "first", None);
    let version = format!(", version: \"{:032}\"", 7);
    let _ = world.put(&importing(&version, "kind: ascii, ", ""));
    let (_, cause) = fault(world.attest("a/s"));
    assert_matches!(cause, ResolveError::Source(failure) if failure.code == "vault-secret-not-found");
    assert_nothing_released(&world);
}

#[test]
fn vault_encoding_says_what_the_text_is() {
    for (encoding, text) in [
        ("hex", "68656C6c6f"),
        ("base64", "aGVsbG8="),
        ("utf8", "hello"),
    ] {
        let world = TestWorld::new();
        hold(&world, text, None);
        let import = format!(", encoding: {encoding}");
        let _ = world.put(&importing(&import, "kind: binary, ", ""));
        assert_eq!(value(&world, "a"), "hello", "{encoding}");
    }
    let world = TestWorld::new();
    hold(&world, "no hex", None);
    let _ = world.put(&importing(", encoding: hex", "kind: binary, ", ""));
    let (_, cause) = fault(world.attest("a/s"));
    assert_matches!(cause, ResolveError::Import(_));
    assert_nothing_released(&world);
}

#[test]
fn envelope_is_opened_with_the_key_of_the_policy() {
    let world = TestWorld::new();
    hold(&world, &envelope(b"from within", &KEY), None);
    let _ = world.put(&importing(OPENED, "kind: ascii, ", &key_secret()));
    assert_eq!(value(&world, "a"), "from within");
}

#[test]
fn envelope_is_opened_with_an_imported_key_which_is_on_record() {
    let world = TestWorld::new();
    let exporter = key_secret().replace("}\n", ", export: {session: a}}");
    let _ = world.put(&shelf("x", &format!("secrets:\n{exporter}")));
    hold(&world, &envelope(b"from within", &KEY), None);
    let rest = "  - {name: k, kind: binary, import: {session: x, secret: k}}\n";
    let _ = world.put(&importing(OPENED, "kind: ascii, ", rest));
    assert_eq!(value(&world, "a"), "from within");
    let facts = &world.ports.store.releases()[0].facts;
    assert!(facts.contains(&("import", "x/k".to_owned())), "{facts:?}");
}

#[test]
fn envelope_under_another_key_or_in_clear_is_refused() {
    for held in [envelope(b"from within", &[7; 32]), "in clear!".to_owned()] {
        let world = TestWorld::new();
        hold(&world, &held, None);
        let _ = world.put(&importing(OPENED, "kind: ascii, ", &key_secret()));
        let (secret, cause) = fault(world.attest("a/s"));
        assert_eq!(secret, "v");
        assert_matches!(cause, ResolveError::Envelope(_));
        assert!(!cause.to_string().contains("in clear!"), "{cause}");
        assert_nothing_released(&world);
    }
}

#[test]
fn envelope_key_of_another_length_is_refused() {
    let world = TestWorld::new();
    let exporter = "secrets:\n  - {name: k, kind: binary, size: 31, export: {session: a}}";
    let _ = world.put(&shelf("x", exporter));
    hold(&world, &envelope(b"from within", &KEY), None);
    let rest = "  - {name: k, kind: binary, import: {session: x, secret: k}}\n";
    let _ = world.put(&importing(OPENED, "kind: ascii, ", rest));
    let (_, cause) = fault(world.attest("a/s"));
    assert_matches!(
        cause,
        ResolveError::Envelope(EnvelopeError::Key { found_bytes: 31 })
    );
}

#[test]
fn envelope_of_bytes_is_told_by_its_content_type() {
    let world = TestWorld::new();
    hold(&world, &envelope(b"\x01\x02", &KEY), Some("binary"));
    let text = importing(OPENED, "kind: binary, ", &key_secret());
    let _ = world.put(&text.replace("$$SCONE::v$$", "$$SCONE::v:hex$$"));
    assert_eq!(value(&world, "a"), "0102");
}

#[test]
fn vault_token_is_the_only_one_or_the_one_that_is_named() {
    let world = TestWorld::new();
    hold(&world, "value", None);
    let second = AAD
        .replace("name: aad", "name: other")
        .replace("3f2c210e", "4f2c210e");
    let text = importing(", token: $$SCONE::other$$", "kind: ascii, ", &second);
    let _ = world.put(&text);
    assert_eq!(value(&world, "a"), "value");
    let [call] = world.ports.vaults.calls.made().try_into().unwrap();
    assert!(call.token.contains("4f2c210e"), "{}", call.token);
    let ambiguous = importing("", "kind: ascii, ", &second).replace("name: a\n", "name: b\n");
    assert!(world.try_put(&ambiguous).is_err());
}

#[test]
fn vault_value_used_by_several_is_fetched_once_for_a_release() {
    let world = TestWorld::new();
    hold(&world, &"4b".repeat(32), None);
    let secrets = format!(
        "secrets:\n{AAD}  - {{name: v, kind: binary, import_akv: {{vault: my-vault, encoding: hex}}}}\nimages:\n  - name: i\n    volumes: [{{name: w, path: /w}}]\nvolumes:\n  - {{name: w, fspf_key: $$SCONE::v$$}}\n"
    );
    let variables = [("A", "$$SCONE::v:hex$$"), ("B", "$$SCONE::v:base64$$")];
    let text = policy("a", &variables, &secrets);
    let text = text.replace("command: s\n", "command: s\n    image_name: i\n");
    let _ = world.put(&text);
    let configuration = world.attest("a/s").unwrap();
    assert_eq!(configuration.volumes[0].key.expose(), KEY);
    assert_eq!(world.ports.vaults.calls.count(), 1);
}

#[test]
fn vault_value_that_no_service_asks_for_is_not_fetched() {
    let world = TestWorld::new();
    let text = importing("", "kind: ascii, ", "").replace("$$SCONE::v$$", "hello");
    let _ = world.put(&text);
    let answer: Result<_, AttestError> = world.attest("a/s");
    assert!(answer.is_ok());
    assert_eq!(
        world.ports.vaults.calls.count() + world.ports.tokens.calls.count(),
        0
    );
}
