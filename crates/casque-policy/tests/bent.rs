//! A valid policy, bent in one thing at a time: each must be found with its code, at its place.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "test code: a panic is a failure, and a table may be long"
)]

use std::collections::BTreeSet;
use std::ops::Add;

use assert_matches::assert_matches;
use casque_policy::{DIAGNOSTIC_CODES, Diagnostic, Policy, Position, Severity};

mod bending;

use bending::{Bend, bend, expect_all, found_in};

const BASE: &str = include_str!("base.yaml");
const CERTIFICATE: &str = include_str!("keys/certificate.pem");
const RSA: &str = include_str!("keys/rsa.pem");
const EC: &str = include_str!("keys/ec.pem");
const ENCRYPTED: &str = include_str!("keys/encrypted.pem");
const TRADITIONAL: &str = include_str!("keys/traditional.pem");

fn hinted(
    from: &'static str,
    to: &str,
    at: &'static str,
    code: &'static str,
    hint: &'static str,
) -> Bend {
    Bend {
        hint: Some(hint),
        ..bend(from, to, at, code)
    }
}

fn indented(pem: &str) -> String {
    pem.lines().map(|line| format!("      {line}\n")).collect()
}

fn general() -> Vec<Bend> {
    vec![
        bend("name: ns/app", "name: \u{1}ns", "\u{1}", "yaml-character"),
        bend("name: ns/app", "name: a\rb", "\r", "yaml-character"),
        bend("name: ns/app", "name: @ns", "@ns", "yaml-syntax"),
        bend("pwd: /srv", "pwd: a: b", ": b", "yaml-syntax"),
        hinted(
            "name: ns/app",
            "name: {{ name }}",
            "{ name",
            "yaml-key",
            "`{{` begins a template of another tool: render it, then check what it wrote",
        ),
        hinted(
            "images:",
            "_IMAGES_\nimages:",
            "images:",
            "yaml-syntax",
            "every line is `key: value`, `- item` or deeper than the key above it; \
             a template that puts in whole lines is rendered first",
        ),
        hinted(
            "pwd: /srv",
            "command: [${A}]",
            "{A}]",
            "yaml-syntax",
            "within brackets write `$NAME`, or quotes around `\"${NAME}\"`",
        ),
        bend("      MODE: hw", "\tMODE: hw", "MODE", "yaml-tab"),
        bend("name: ns/app", "name: &x ns", "&x", "yaml-alias"),
        bend("images:", "---\nimages:", "---", "yaml-documents"),
        bend("pwd: /srv", "{a: b}: c", "{a", "yaml-key"),
        bend("pwd: /srv", "pwd: !x /srv", "!x", "yaml-tag"),
        bend(
            "pwd: /srv",
            "pwd: /srv\n    pwd: /",
            "pwd: /\n",
            "duplicate-key",
        ),
        hinted(
            "pwd: /srv",
            "pdw: /srv",
            "pdw",
            "unknown-key",
            "did you mean `pwd`?",
        ),
        bend("pwd: /srv", "qqq: /srv", "qqq", "unknown-key"),
        bend(
            "pwd: /srv",
            "pwd: /srv\n    tags: [x]",
            "tags",
            "legacy-key",
        ),
        bend("predecessor: ~", "digest: create", "digest", "legacy-key"),
        bend("name: ns/app\n", "", "", "missing-key"),
        bend("name: ns/app", "name: [ns]", "[ns]", "wrong-type"),
        bend("pwd: /srv", "pwd: \"/\\0\"", "\"/", "nul-character"),
        bend("name: ns/app", "name: a b", "a b", "bad-name"),
        bend("name: job", "name: web", "web", "duplicate-name"),
        bend("version: \"0.3.10\"\n", "", "<name", "version-missing"),
        bend("\"0.3.10\"", "0.4", "0.4", "version-unknown"),
        bend("\"0.3.10\"", "0.3.13", "0.3.13", "version-unknown"),
        bend("\"0.3.10\"", "0.2", "0.2", "version-old"),
        bend("predecessor: ~", "predecessor: abc", "abc", "bad-hash"),
        bend("predecessor: ~", "creator: ~", "creator", "empty-text"),
        bend("predecessor: ~", "creator: abc", "abc", "bad-key-hash"),
    ]
}

fn access_and_security() -> Vec<Bend> {
    vec![
        hinted("[ANY]", "[]", "[]", "empty-list", "`NONE` is nobody"),
        bend("[ANY]", "[ANY, CREATOR]", "ANY, ", "word-not-alone"),
        bend("[ANY]", "[CREATOR, NONE]", "NONE", "word-not-alone"),
        bend("[ANY]", "somebody", "somebody", "bad-key-hash"),
        bend(
            "[ANY]",
            "\"-----BEGIN CERTIFICATE-----\\nAA==\\n-----END CERTIFICATE-----\"",
            "\"---",
            "bad-certificate",
        ),
        hinted(
            "mode: hardware",
            "mode: maaa",
            "maaa",
            "bad-word",
            "did you mean `maa`?",
        ),
        bend(
            "mode: hardware",
            "mode: none",
            "none",
            "dangerous-mode-none",
        ),
        bend(
            "mode: hardware",
            "url: https://a.example",
            "url",
            "key-not-for-mode",
        ),
        bend(
            "mode: hardware",
            "mode: maa",
            "maa",
            "maa-managed-tcb-missing",
        ),
        bend("mode: hardware", "mode: maa", "mode", "missing-key"),
        bend(
            "mode: hardware",
            "mode: maa\n    url: http://a.example",
            "http:",
            "bad-url",
        ),
        bend(
            "mode: hardware",
            "mode: maa\n    min_rsa_signing_key_size: 1024",
            "1024",
            "rsa-key-size",
        ),
        bend("hyperthreading]", "debug]", "debug]", "debug-alias"),
        bend(
            "hyperthreading]",
            "maa-managed-tcb]",
            "maa-",
            "toleration-unused",
        ),
        hinted(
            "hyperthreading]",
            "hyper-threading]",
            "hyper-",
            "bad-word",
            "did you mean `hyperthreading`?",
        ),
        bend("INTEL-SA-00615", "INTEL-SA-615", "INTEL", "bad-advisory"),
        bend(
            "[debug-mode, hyperthreading]\n    ignore_advisories: [INTEL-SA-00615]",
            "hyperthreading\n    ignore_advisories: \"*\"",
            "\"*\"",
            "advisories-all-ignored",
        ),
    ]
}

fn services_and_images() -> Vec<Bend> {
    vec![
        bend(
            "    mrenclaves: [\"291645fc02749ef4f895da626d1ffe9bf45d34aad2177507844e1b87d220219f\"]\n",
            "",
            "<name: web\n",
            "attestation-missing",
        ),
        bend(
            "pwd: /srv",
            "attestation: {signer: {}}",
            "<mrenclaves",
            "exclusive-keys",
        ),
        bend(
            "- mrenclave: 291645fc02749ef4f895da626d1ffe9bf45d34aad2177507844e1b87d220219f\n",
            "- {}\n      - mrenclave: abc\n",
            "{}",
            "attestation-empty",
        ),
        bend("- mrenclave: 2916", "- mrenclave: x916", "x916", "bad-hash"),
        bend(
            "mrenclaves: [\"291645fc02749ef4f895da626d1ffe9bf45d34aad2177507844e1b87d220219f\"]",
            "mrenclaves: []",
            "[]",
            "empty-list",
        ),
        bend("isvprodid: 7", "isvprodid: 65536", "65536", "bad-number"),
        bend("isvprodid: 7", "isvsvn: 7", "<mrsigner", "missing-key"),
        bend("isvsvn_min: 2", "isvsvn: 2", "isvsvn_max", "exclusive-keys"),
        bend("isvsvn_max: 9", "isvsvn_max: 1", "isvsvn_max", "svn-range"),
        bend("[job, --fast]", "job 'a b", "job '", "unbalanced-quote"),
        bend("MODE: hw", "\"A=B\": hw", "\"A=B\"", "environment-name"),
        bend("MODE: hw", "MODE: [hw]", "[hw]", "wrong-type"),
        hinted(
            "image_name: web-image",
            "image_name: web-imgae",
            "web-imgae",
            "unknown-image",
            "did you mean `web-image`?",
        ),
        bend("pwd: /srv", "pwd: srv", "srv", "file-path"),
        bend(
            "path: /etc/tls.crt",
            "path: /etc/../tls.crt",
            "/etc/..",
            "file-path",
        ),
        bend(
            "path: /etc/config.json",
            "path: /etc/tls.crt",
            "/etc/tls.crt",
            "duplicate-path",
        ),
        bend("0o400", "0400", "0400", "file-permission"),
        bend("0o400", "0o1777", "0o1777", "file-permission"),
        bend(
            "- name: web-image",
            "- nam: web-image",
            "nam:",
            "missing-key",
        ),
    ]
}

fn placeholders() -> Vec<Bend> {
    vec![
        bend(
            "$$SCONE::password$$",
            "$$SCONE::password",
            "$$SCONE::password",
            "placeholder-syntax",
        ),
        bend(
            "$$SCONE::password$$",
            "$$SCONE::pass word$$",
            "$$SCONE",
            "placeholder-syntax",
        ),
        bend(
            "$$SCONE::password$$",
            "$$SCONE:password$$",
            "$$SCONE",
            "placeholder-typo",
        ),
        hinted(
            "$$SCONE::password$$",
            "$$SCONE::pasword$$",
            "$$SCONE",
            "unknown-secret",
            "did you mean `password`?",
        ),
        bend(
            "$$SCONE::server.key$$",
            "$$SCONE::sevrer.key$$",
            "$$SCONE",
            "unknown-secret",
        ),
        hinted(
            "$$SCONE::password$$",
            "$$SCONE::password:hex$$",
            "$$SCONE",
            "format-not-of-kind",
            "`ascii` has no suffix",
        ),
        bend(
            "$$SCONE::server:crt$$",
            "$$SCONE::server:hex$$",
            "$$SCONE",
            "format-not-of-kind",
        ),
        hinted(
            "$$SCONE::blob:hex$$",
            "$$SCONE::blob:hexx$$",
            "$$SCONE",
            "unknown-format",
            "`binary` has no suffix, `:bin`, `:hex`, `:base64`, `:base64url`, `:base32`, `:base32nopad`",
        ),
        bend(
            "$$SCONE::token|",
            "$$SCONE::token:hex|",
            "$$SCONE",
            "aad-token-suffix",
        ),
        bend(
            "|escape(json)",
            "|escape(xml)",
            "<$$SCONE",
            "unknown-encoding",
        ),
    ]
}

fn secrets() -> Vec<Bend> {
    vec![
        bend(
            "    kind: ascii\n    size",
            "    size",
            "<name: password",
            "kind-missing",
        ),
        hinted(
            "kind: ascii",
            "kind: asci",
            "asci",
            "kind-unknown",
            "did you mean `ascii`?",
        ),
        bend("size: 32", "size: 0", "0", "bad-number"),
        bend("size: 32", "size: 65537", "65537", "bad-number"),
        bend("size: 32", "size: 32\n    value: x", "size", "size-unused"),
        bend(
            "size: 32",
            "key_type: P-256",
            "key_type",
            "key-not-for-kind",
        ),
        bend("size: 32", "value:", "value", "empty-text"),
        bend(
            "size: 32",
            "value: a$$SCONE::blob$$",
            "$$SCONE",
            "nested-placeholder",
        ),
        bend("\"00ff\"", "\"00f\"", "\"00f\"", "bad-hex"),
        bend("migrate: true", "migrate: yes", "yes", "bad-word"),
        bend(
            "key_type: P-384\n    migrate: true",
            "value: abc",
            "abc",
            "bad-private-key",
        ),
        bend("valid_for: 90 days", "valid_for: 90", "90", "bad-duration"),
        bend(
            "endpoint: server",
            "endpoint: client",
            "dns:",
            "dns-with-client",
        ),
        bend("app.example.com", "app example", "app example", "bad-name"),
        bend(
            "private_key: server-key",
            "private_key: blob",
            "blob",
            "private-key-reference",
        ),
        bend(
            "private_key: server-key",
            "private_key: none",
            "none",
            "private-key-reference",
        ),
        hinted(
            "issuer: ca",
            "issuer: cb",
            "cb",
            "issuer-reference",
            "did you mean `ca`?",
        ),
        bend("issuer: ca", "issuer: server", "server", "issuer-reference"),
        bend(
            "common_name: The authority",
            "issuer: ca",
            "ca",
            "issuer-cycle",
        ),
        bend(
            "common_name: The authority",
            "endpoint: server",
            "endpoint",
            "key-not-for-kind",
        ),
        bend(
            "common_name: The",
            "common_name: \"\" #",
            "\"\"",
            "bad-name",
        ),
        bend(
            "    private_key: server-key\n",
            "",
            "<name: server\n",
            "missing-key",
        ),
    ]
}

fn azure() -> Vec<Bend> {
    let tenant = "tenant_id: e7cac514-f1aa-4e0d-b207-50b1d9a89d21\n    client_id";
    vec![
        bend(tenant, "client_id", "<name: token", "missing-key"),
        bend(
            "tenant_id: e7cac514-f1aa",
            "tenant_id: x7cac514-f1aa",
            "x7",
            "bad-azure-id",
        ),
        bend("client_id: 3f2c210e", "client_id: x", "x-", "bad-azure-id"),
        bend(
            "    application_secret: swordfish\n",
            "",
            "<name: token",
            "credential-missing",
        ),
        bend(
            "application_secret: swordfish",
            "application_secret: swordfish\n    private_key: x",
            "private_key",
            "credential-twice",
        ),
        bend(
            "application_secret: swordfish",
            "private_key: x",
            "private_key",
            "key-without-thumbprint",
        ),
        bend(
            "application_secret: swordfish",
            "certificate_thumbprint: x",
            "certificate_thumbprint",
            "thumbprint-without-key",
        ),
        bend(
            "application_secret: swordfish",
            "application_secret: \"\"",
            "\"\"",
            "empty-text",
        ),
        bend(
            "vault: my-vault",
            "vault: http://x.vault.azure.net",
            "http",
            "bad-vault",
        ),
        bend("      vault: my-vault\n", "", "token", "missing-key"),
        bend(
            "name: db-key",
            "name: db_key",
            "import_akv",
            "vault-secret-name",
        ),
        bend(
            "vault: my-vault",
            "vault: my-vault\n      secret_name: a_b",
            "a_b",
            "vault-secret-name",
        ),
        bend(
            "token: $$SCONE::token$$",
            "token: token",
            "token\n",
            "token-reference",
        ),
        bend(
            "token: $$SCONE::token$$",
            "token: $$SCONE::blob$$",
            "$$",
            "token-reference",
        ),
        bend(
            "token: $$SCONE::token$$",
            "token: $$SCONE::token:hex$$",
            "$$",
            "aad-token-suffix",
        ),
        bend(
            "token: $$SCONE::token$$",
            "token: $$SCONE::tokem$$",
            "$$",
            "unknown-secret",
        ),
        bend(
            "    import_akv:",
            "    kind: aad-token\n    import_akv:",
            "import_akv",
            "kind-not-importable",
        ),
        bend(
            "    import_akv:",
            "    value: x\n    import_akv:",
            "value",
            "key-not-for-kind",
        ),
        bend(
            "    import_akv:",
            "    import: {session: s, secret: n}\n    import_akv:",
            "import_akv",
            "exclusive-keys",
        ),
    ]
}

/// Every key and value of the language that is recognised, and not supported yet.
fn not_yet() -> Vec<Bend> {
    let nsy =
        |from: &'static str, to: &str, at: &'static str| bend(from, to, at, "not-supported-yet");
    vec![nsy("pwd: /srv", "refresh: 1h", "refresh")]
}

/// Whether `code` is found at the place that the bend says.
#[test]
fn base_policy_has_no_findings() {
    let parsed = Policy::parse(BASE).unwrap();
    assert_eq!(parsed.warnings, []);
}

fn every_bend() -> Vec<Bend> {
    let groups = [
        general(),
        access_and_security(),
        services_and_images(),
        placeholders(),
        secrets(),
        azure(),
        not_yet(),
    ];
    groups.into_iter().flatten().collect()
}

#[test]
fn bent_policy_is_found_with_code_and_place() {
    expect_all(BASE, &every_bend());
}

/// The first finding of a text, which must be no policy.
fn refused(text: &str) -> Diagnostic {
    let found = Policy::parse(text).unwrap_err();
    let is_error = |f: &Diagnostic| f.severity == Severity::Error;
    found.into_iter().find(is_error).unwrap()
}

fn at(line: usize, column: usize) -> Position {
    Position { line, column }
}

#[test]
fn text_longer_than_a_mebibyte_is_refused_unread() {
    let found = refused(&" ".repeat((1 << 20) + 1));
    assert_eq!((found.code, found.position), ("text-too-long", at(1, 1)));
}

#[test]
fn text_that_is_no_utf8_is_refused_at_its_byte() {
    let found = Policy::parse_bytes(b"name: a\nx: \xc3\xa9\xff").unwrap_err();
    assert_eq!(
        (found[0].code, found[0].position),
        ("text-encoding", at(2, 5))
    );
}

#[test]
fn yaml_of_33_levels_is_too_deep() {
    let found = refused(&format!("name: {}", "[".repeat(40)));
    assert_eq!((found.code, found.position), ("yaml-too-deep", at(1, 38)));
}

#[test]
fn yaml_of_a_million_brackets_is_too_deep() {
    assert_eq!(refused(&"[".repeat(1 << 20)).code, "yaml-too-deep");
}

#[test]
fn yaml_of_many_nodes_is_refused() {
    assert_eq!(
        refused(&format!("[{}]", "a,".repeat(20_000))).code,
        "yaml-too-many"
    );
}

#[test]
fn yaml_of_many_tokens_is_refused_before_its_first_node() {
    for text in ["[a,", "{a: b, ", "[\"a\",", "[? "] {
        let found = refused(&text[..1].to_owned().add(&text[1..].repeat(140_000)));
        assert_eq!(found.code, "yaml-too-many", "{text}");
    }
}

#[test]
fn yaml_of_a_long_block_is_no_matter_of_tokens() {
    let text = format!("security: |\n{}", "  [a, b, {c: d}]\n".repeat(50_000));
    assert_eq!(refused(&text).code, "missing-key");
}

#[test]
fn yaml_alias_bomb_is_refused_at_its_first_anchor() {
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    let found = refused(bomb);
    assert_eq!((found.code, found.position), ("yaml-alias", at(1, 4)));
}

#[test]
fn findings_beyond_a_hundred_are_left_off() {
    let text: String = (0..5000).map(|n| format!("key{n}: x\n")).collect();
    let found = Policy::parse(&text).unwrap_err();
    let errors = found.iter().filter(|f| f.severity == Severity::Error);
    assert_eq!(errors.count(), 101);
    assert!(found.iter().any(|f| f.code == "too-many-findings"));
}

#[test]
fn every_error_is_found_not_only_the_first() {
    let text = BASE
        .replace("pwd: /srv", "pdw: /srv")
        .replace("kind: ascii", "kind: asci");
    let codes: Vec<&str> = found_in(&text).iter().map(|f| f.code).collect();
    assert_eq!(codes, ["unknown-key", "kind-unknown"]);
}

#[test]
fn access_certificate_stands_for_its_key() {
    let text = BASE.replace(
        "read: [ANY]",
        &format!("read: |\n{}", indented(CERTIFICATE)),
    );
    let policy = Policy::parse(&text).unwrap().policy;
    let expected = "a19d068050e386f66bf93ad90286c95c9834f908132d77df805e7fe96775a1f9";
    let expected = casque_policy::Principal::Key(expected.parse().unwrap());
    let access = policy.access.stated().unwrap();
    assert_matches!(&access.read, casque_policy::Principals::Listed(entries) if *entries == [expected]);
}

fn with_token_key(pem: &str) -> String {
    let key = format!("private_key: |\n{}", indented(pem));
    let thumbprint = "    certificate_thumbprint: B033DB596639F3CA02D6537055E85B8EFE060756";
    BASE.replace(
        "application_secret: swordfish\n",
        &format!("{key}{thumbprint}\n"),
    )
}

#[test]
fn aad_token_with_rsa_key_is_read() {
    let policy = Policy::parse(&with_token_key(RSA)).unwrap().policy;
    let token = policy.secret(&"token".parse().unwrap()).unwrap();
    assert_matches!(&token.origin, casque_policy::Origin::AadToken(credential)
        if matches!(credential.proof, casque_types::ClientProof::Certificate { .. }));
}

#[test]
fn aad_token_with_unusable_key_says_how_to_convert_it() {
    let convert = "convert it: `openssl pkcs8 -topk8 -nocrypt -in key.pem`";
    for (pem, message, hint) in [
        (TRADITIONAL, "older form `RSA PRIVATE KEY`", convert),
        (ENCRYPTED, "found an encrypted one", convert),
        (
            EC,
            "another algorithm",
            "Entra ID verifies assertions by RSA keys alone",
        ),
        (
            CERTIFICATE,
            "found `CERTIFICATE`",
            "write the PEM text under `|`, indented as a block, whole",
        ),
    ] {
        let found = refused(&with_token_key(pem));
        assert_eq!(
            (found.code, found.hint.as_deref()),
            ("bad-private-key", Some(hint))
        );
        assert!(found.message.contains(message), "{}", found.message);
    }
}

#[test]
fn import_without_token_among_two_lists_both() {
    let second = "  - name: other\n    kind: aad-token\n    tenant_id: contoso.example\n    client_id: 3f2c210e-83b4-4217-9eee-4f747d8aeeb3\n    application_secret: x\n  - name: db-key";
    let text = BASE
        .replace("      token: $$SCONE::token$$\n", "")
        .replace("  - name: db-key", second);
    let found = refused(&text);
    assert_eq!(found.code, "token-ambiguous");
    let hint = "the aad-tokens are `$$SCONE::other$$`, `$$SCONE::token$$`";
    assert_eq!(found.hint.as_deref(), Some(hint));
}

#[test]
fn import_without_token_takes_the_only_one() {
    let text = BASE.replace("      token: $$SCONE::token$$\n", "");
    assert_eq!(Policy::parse(&text).unwrap().warnings, []);
}

#[test]
fn import_without_any_token_is_refused() {
    let text = "name: a\nversion: \"0.3\"\nsecrets:\n  - name: x\n    import_akv:\n      vault: my-vault\n";
    let found = refused(text);
    assert_eq!((found.code, found.position), ("token-missing", at(5, 5)));
}

#[test]
fn import_without_kind_may_be_asked_for_in_any_format() {
    let text = BASE.replace("$$SCONE::password$$", "$$SCONE::db-key:privatekey$$");
    assert_eq!(Policy::parse(&text).unwrap().warnings, []);
}

#[test]
fn placeholder_with_dot_names_the_secret_of_that_name_first() {
    let named = "  - name: server.key\n    kind: ascii\n  - name: password";
    let text = BASE.replace("  - name: password", named);
    let policy = Policy::parse(&text).unwrap().policy;
    let names: Vec<&str> = policy
        .templates_of(&policy.services[0])
        .flat_map(casque_policy::Template::secrets)
        .map(casque_types::SecretName::as_str)
        .collect();
    assert_eq!(names, ["blob", "password", "server", "token", "server.key"]);
}

#[test]
fn issuers_in_a_longer_circle_are_found_once() {
    let circle: String = [("a", "b"), ("b", "c"), ("c", "a")]
        .iter()
        .map(|(name, issuer)| {
            format!(
                "  - name: {name}\n    kind: x509-ca\n    private_key: k\n    issuer: {issuer}\n"
            )
        })
        .collect();
    let text = format!(
        "name: p\nversion: \"0.3\"\nsecrets:\n  - name: k\n    kind: private-key\n{circle}"
    );
    let codes: Vec<&str> = found_in(&text).iter().map(|f| f.code).collect();
    assert_eq!(codes, ["issuer-cycle"]);
}

#[test]
fn secret_put_in_the_wrong_place_is_not_shown() {
    let text = BASE
        .replace(
            "private_key: server-key",
            &format!("private_key: |\n{}", indented(EC)),
        )
        .replace("token: $$SCONE::token$$", "token: eyJhbGciOiJSUzI1NiJ9");
    let key_line = EC.lines().nth(1).unwrap();
    for found in found_in(&text) {
        let shown = found.to_string();
        assert!(!shown.contains("eyJh"), "{shown}");
        assert!(!shown.contains(&key_line[..8]), "{shown}");
    }
}

#[test]
fn every_code_is_found_by_some_test() {
    let mut seen: BTreeSet<&str> = every_bend().iter().map(|b| b.code).collect();
    seen.extend([
        "text-too-long",
        "text-encoding",
        "yaml-too-deep",
        "yaml-too-many",
    ]);
    seen.extend(["too-many-findings", "token-ambiguous", "token-missing"]);
    // Found by `bent_access.rs`.
    seen.extend([
        "bad-signer-key",
        "entry-not-here",
        "bad-count",
        "old-key-hash",
        "unknown-secret-in-access",
        "newer-than-version",
        "filled-too-large",
        "placeholder-misplaced",
        "bad-shared-secret",
        "maa-certificates-unused",
        "local-attestation",
        "bad-platform",
        "platforms-unused",
        "fragment-misfit",
    ]);
    // Tested in `bent_secrets.rs`.
    seen.extend([
        "scone-runtime-only",
        "key-unused",
        "whole-import",
        "host-argument",
        "unknown-volume",
        "volume-key",
        "bad-public-key",
        "bad-san",
        "jwt-signer",
        "jwt-claim",
        "self-placeholder",
        "bad-reference",
        "bad-cas-url",
        "cas-key-missing",
        "export-unused",
        "export-to-all",
        "export-private-key",
        "software-key-unchecked",
        "vault-version",
        "decryption-key",
    ]);
    // Tested in `bent_attestation.rs`.
    seen.extend([
        "require-contradicts",
        "tolerations-overlap",
        "nothing-pinned",
        "no-tcb-floor",
        "no-uvm-floor",
        "vm-scope-alone",
        "any-azure-vm",
        "dangerous-allow-migration",
        "dangerous-allow-all-policy",
        "bad-issuer",
    ]);
    // Of `substitute`, tested beside it.
    seen.extend(["unknown-variable", "bad-variable", "variable-unsafe"]);
    let missing: Vec<&&str> = DIAGNOSTIC_CODES
        .iter()
        .filter(|c| !seen.contains(*c))
        .collect();
    assert!(missing.is_empty(), "no test finds {missing:?}");
}

#[test]
fn image_name_of_a_policy_without_images_is_only_warned_of() {
    let measurement = "0".repeat(64);
    let text = format!(
        "name: a\nversion: \"0.3\"\nservices:\n  - name: s\n    mrenclaves: [{measurement}]\n    image_name: x/y:1\n"
    );
    let parsed = Policy::parse(&text).unwrap();
    let found: Vec<_> = parsed
        .warnings
        .iter()
        .filter(|found| found.code == "unknown-image")
        .collect();
    assert_matches!(found.as_slice(), [found] if found.severity == Severity::Warning);
}
