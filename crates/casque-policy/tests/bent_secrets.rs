//! A policy with every secret, volume and reference of the language: what it means, and bent in one thing at
//! a time.

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

use assert_matches::assert_matches;
use casque_policy::{
    CasKey, ClaimValue, Content, Diagnostic, ExportTarget, Generation, KeptIn, Origin, Part,
    Policy, ProtectionUpdate, SecretSpec, Severity, Template, ValueEncoding, Variable,
    VolumeOrigin,
};
use proptest::prelude::*;

use casque_types::{SecretKind, UpdatePolicy, VaultAddress, VolumeFiles};

mod bending;

use bending::{Bend, expect_all, found_in};

const BASE: &str = include_str!("everything.yaml");
const P384: &str = include_str!("keys/p384.pem");
const P256: &str = include_str!("keys/ec.pem");
const PUBLIC: &str = include_str!("keys/public.pem");
const CERTIFICATE: &str = include_str!("keys/certificate.pem");
const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const KEY: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

fn base() -> Policy {
    Policy::parse(BASE).unwrap().policy
}

fn secret<'p>(policy: &'p Policy, name: &str) -> &'p SecretSpec {
    policy.secret(&name.parse().unwrap()).expect(name)
}

fn text(template: &Template) -> String {
    let parts = template.parts.iter().map(|part| match part {
        Part::Text(text) => text.clone(),
        Part::Secret(placeholder) => format!("<{}>", placeholder.secret),
        Part::Host(number) => format!("<host {number}>"),
    });
    parts.collect()
}

fn indented(pem: &str) -> String {
    pem.lines().map(|line| format!("      {line}\n")).collect()
}

#[test]
fn everything_is_accepted_with_what_only_the_runtime_can_do_named() {
    let warnings = Policy::parse(BASE).unwrap().warnings;
    let codes: Vec<&str> = warnings.iter().map(|found| found.code).collect();
    let expected = [
        "scone-runtime-only",
        "scone-runtime-only",
        "software-key-unchecked",
    ];
    assert_eq!(codes, expected);
}

#[test]
fn command_host_arguments_stand_anywhere_in_an_argument() {
    let policy = base();
    let arguments: Vec<String> = policy.services[0].command.iter().map(text).collect();
    let expected = [
        "serve",
        "--key",
        "<host 1>",
        "x<host 2>y",
        "@@3",
        "<password>",
    ];
    assert_eq!(arguments, expected);
    let arguments: Vec<String> = policy.services[1].command.iter().map(text).collect();
    assert_eq!(arguments, ["job", "a<host 7>b", "@@7", "@@"]);
}

#[test]
fn environment_scalars_are_texts_and_host_variables_have_no_value() {
    let policy = base();
    let value = |name: &str| {
        let environment = &policy.services[0].environment;
        let found = environment.iter().find(|(known, _)| known == name);
        &found.expect(name).1
    };
    assert_matches!(value("NUMBER"), Variable::Value(template) if text(template) == "1");
    assert_matches!(value("SWITCH"), Variable::Value(template) if text(template) == "true");
    assert_matches!(value("EMPTY"), Variable::Value(template) if text(template).is_empty());
    assert_matches!(value("SCONE_LAS_ADDR"), Variable::Host);
    assert_matches!(value("HOSTNAME"), Variable::Host);
}

#[test]
fn file_protection_and_images_are_read() {
    let policy = base();
    let protection = policy.services[0].file_protection.as_ref().unwrap();
    assert_eq!(protection.path, "/fspf.pb");
    assert_eq!(text(protection.key.as_ref().unwrap()), "<volume-key>");
    assert!(protection.tag.is_some());
    assert_eq!(
        protection.update_policy,
        ProtectionUpdate::NoRollbackProtection
    );
    let image = &policy.images[0];
    let files: Vec<(&str, bool, u32)> = image
        .injection_files
        .iter()
        .map(|file| {
            let is_template = file.content == Content::OfContainer;
            (file.path.as_str(), is_template, file.mode.bits())
        })
        .collect();
    let expected = [
        ("/etc/from-container.conf", true, 0o700),
        ("/etc/also.conf", true, 0o400),
        ("/etc/token", false, 0o700),
    ];
    assert_eq!(files, expected);
    let mounts: Vec<_> = image
        .mounts
        .iter()
        .map(|mount| {
            (
                mount.volume.as_str(),
                mount.path.as_str(),
                mount.update_policy,
            )
        })
        .collect();
    let expected = [
        ("data", "/data", Some(UpdatePolicy::Ephemeral)),
        ("shared", "/shared", None),
    ];
    assert_eq!(mounts, expected);
    assert_eq!(image.provide_secrets.as_ref().map(Vec::len), Some(2));
}

#[test]
fn volumes_are_read() {
    let policy = base();
    let VolumeOrigin::Own(data) = &policy.volumes[0].origin else {
        panic!("{:?}", policy.volumes[0]);
    };
    assert_eq!(data.files, VolumeFiles::AuthenticatedOnly);
    assert!(data.key.is_some() && data.tag.is_some());
    let exports: Vec<_> = data
        .exports
        .iter()
        .map(|export| {
            (
                export.session.as_str(),
                export.hash.is_some(),
                export.update_policy,
            )
        })
        .collect();
    let expected = [
        ("reader", false, UpdatePolicy::RollbackProtected),
        ("ns/writer", true, UpdatePolicy::NoRollbackProtection),
    ];
    assert_eq!(exports, expected);
    assert_eq!(
        data.exports[1].alias.as_ref().unwrap().as_str(),
        "data-of-app"
    );
    assert_matches!(&policy.volumes[1].origin, VolumeOrigin::Own(own)
        if own.key.is_none() && own.exports[0].session.as_str() == "ns/app/child");
    assert_matches!(&policy.volumes[3].origin, VolumeOrigin::Import(import)
        if import.session.as_str() == "ns/owner" && import.volume.as_str() == "theirs");
}

#[test]
fn exports_of_every_shape_are_read() {
    let policy = base();
    let exports = &secret(&policy, "password").exports;
    let shown: Vec<String> = exports
        .iter()
        .map(|target| match target {
            ExportTarget::Session { session, hash, cas } => {
                let cas = cas.as_ref().map(|cas| match cas.key {
                    CasKey::Identity(_) => format!(" at {:?}", cas.address),
                    CasKey::Software(_) => format!(" of software at {:?}", cas.address),
                });
                let pinned = if hash.is_some() { " pinned" } else { "" };
                format!("{session}{pinned}{}", cas.unwrap_or_default())
            }
            ExportTarget::Namespace { namespace, .. } => format!("below {namespace}"),
        })
        .collect();
    let expected = [
        "reader",
        "ns/pinned pinned",
        "below ns",
        "url pinned",
        "remote at Some(\"cas.example:8081\")",
        "elsewhere of software at None",
    ];
    assert_eq!(shown, expected);
    assert_eq!(secret(&policy, "blob").exports.len(), 1);
}

#[test]
fn imports_of_every_shape_are_read() {
    let policy = base();
    let import = |name: &str| match &secret(&policy, name).origin {
        Origin::Import(import) => {
            let pinned = if import.hash.is_some() { " pinned" } else { "" };
            let far = if import.cas.is_some() { " far" } else { "" };
            format!("{}:{}{pinned}{far}", import.session, import.secret)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(import("their-key"), "ns/owner:key");
    assert_eq!(import("far"), "remote:value far");
    assert_eq!(import("short"), "other:thing");
    assert_eq!(import("same-name"), "other:same-name pinned");
    let certificate = secret(&policy, "their-certificate");
    assert_eq!(
        certificate.private_key.as_ref().unwrap().as_str(),
        "their-key"
    );
}

#[test]
fn kinds_of_issue_three_are_read() {
    let policy = base();
    assert_matches!(&secret(&policy, "password").origin, Origin::Given { value, .. }
        if value.expose() == b"42");
    assert_matches!(
        &secret(&policy, "openpgp").origin,
        Origin::Generated(Generation::PgpKey)
    );
    assert_matches!(&secret(&policy, "signing-public").origin, Origin::PublicKey { private_key }
        if private_key.as_str() == "signing-key");
    assert_matches!(&secret(&policy, "measurements").origin, Origin::Given { value, .. }
        if value.expose_text().unwrap().starts_with("{\"mrenclave\": [\"2916"));
    assert_matches!(&secret(&policy, "server").origin, Origin::Generated(Generation::Certificate(spec))
        if spec.dns == ["10.0.0.1", "*.example.com", "fe80::1"] && spec.common_name == "*.example.com");
    let Origin::Jwt(token) = &secret(&policy, "id-token").origin else {
        panic!("no token");
    };
    assert_eq!(token.valid_for.0, 86_400);
    let claims: Vec<(&str, String)> = token
        .payload
        .iter()
        .map(|(name, claim)| match claim {
            ClaimValue::Text(template) => (name.as_str(), text(template)),
            ClaimValue::SoftwareIdentity => (name.as_str(), "<software>".to_owned()),
        })
        .collect();
    let claims: Vec<(&str, &str)> = claims.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let expected = [
        ("sub", "someone"),
        ("level", "3"),
        ("pass", "<password>"),
        ("software", "<software>"),
        ("aud", ""),
    ];
    assert_eq!(claims, expected);
}

#[test]
fn vault_import_and_store_are_read() {
    let policy = base();
    assert_matches!(&secret(&policy, "vaulted").origin, Origin::KeyVault(import)
        if import.token.as_str() == "their-token"
            && import.decryption_key.as_ref().unwrap().secret.as_str() == "volume-key"
            && import.encoding == Some(ValueEncoding::Base64)
            && import.version.as_ref().unwrap().as_str().len() == 32);
    let KeptIn::KeyVault { vault, token } = &policy.kept_in else {
        panic!("{:?}", policy.kept_in);
    };
    assert_eq!(*vault, VaultAddress::Name("values-vault".parse().unwrap()));
    assert_eq!(token.as_str(), "token");
}

const OLD: &str =
    "name: ns/old\nversion: 0.2\nsecrets:\n  - name: web\n    kind: x509\n    export: other\n";

#[test]
fn language_0_2_certificate_has_a_key_and_an_issuer_of_its_own() {
    let policy = Policy::parse(OLD).unwrap().policy;
    let web = secret(&policy, "web");
    assert_eq!(web.private_key.as_ref().unwrap().as_str(), "~web-key");
    assert_matches!(&web.origin, Origin::Generated(Generation::Certificate(spec))
        if spec.issuer.as_ref().unwrap().as_str() == "~session-ca");
    let authority = secret(&policy, "~session-ca");
    assert_eq!(authority.kind, Some(SecretKind::SessionCa));
    assert_matches!(&authority.origin, Origin::Generated(Generation::Certificate(spec))
        if spec.issuer.is_none() && spec.common_name == "session CA of ns/old");
    for key in ["~web-key", "~session-ca-key"] {
        assert_matches!(
            secret(&policy, key).origin,
            Origin::Generated(Generation::PrivateKey { migrate: true, .. })
        );
    }
    assert_eq!(policy.secrets.len(), 4);
}

#[test]
fn language_0_2_session_ca_that_is_named_issues() {
    let text = format!("{OLD}  - name: authority\n    kind: session-ca\n    export_public: true\n");
    let policy = Policy::parse(&text).unwrap().policy;
    assert_matches!(&secret(&policy, "web").origin, Origin::Generated(Generation::Certificate(spec))
        if spec.issuer.as_ref().unwrap().as_str() == "authority");
    assert_matches!(&secret(&policy, "authority").origin, Origin::Generated(Generation::Certificate(spec))
        if spec.private_key.as_str() == "~session-ca-key");
    assert_eq!(policy.secrets.len(), 4);
}

#[test]
fn language_0_2_session_ca_has_no_key_to_give() {
    let text = format!(
        "{OLD}  - name: authority\n    kind: session-ca\nimages:\n  - name: i\n    injection_files:\n      - path: /x\n        content: $$SCONE::authority:privatekey$$\n"
    );
    let codes: Vec<&str> = found_in(&text).iter().map(|found| found.code).collect();
    assert!(codes.contains(&"format-not-of-kind"), "{codes:?}");
}

#[test]
fn language_0_3_certificate_without_key_is_refused_still() {
    let codes: Vec<&str> = found_in(&OLD.replace("0.2", "0.3"))
        .iter()
        .map(|found| found.code)
        .collect();
    assert_eq!(codes, ["missing-key"]);
}

#[test]
fn given_key_of_the_right_curve_signs_tokens() {
    let with = |pem: &str| {
        let key = format!("value: |\n{}", indented(pem));
        BASE.replace("key_type: P-384\n    migrate: true\n", &key)
    };
    assert_eq!(Policy::parse(&with(P384)).unwrap().warnings.len(), 3);
    let found = found_in(&with(P256));
    assert!(found.iter().any(|f| f.code == "jwt-signer"), "{found:?}");
}

#[test]
fn given_public_key_is_kept_as_it_is() {
    let with = |pem: &str| {
        let key = format!("value: |\n{}", indented(pem));
        BASE.replace(
            "private_key: signing-key\n  - name: id",
            &format!("{key}  - name: id"),
        )
    };
    let policy = Policy::parse(&with(PUBLIC)).unwrap().policy;
    assert_matches!(&secret(&policy, "signing-public").origin, Origin::Given { value, .. }
        if value.expose() == PUBLIC.as_bytes());
    for other in [CERTIFICATE, P384] {
        let found = found_in(&with(other));
        assert!(
            found.iter().any(|f| f.code == "bad-public-key"),
            "{found:?}"
        );
    }
}

#[test]
fn given_certificate_may_name_its_issuer() {
    let certificate = format!("value: |\n{}", indented(CERTIFICATE));
    let san = "san: [\"ip:10.0.0.1\", \"dns:*.example.com\", \"ip:fe80::1\"]\n";
    let policy = Policy::parse(&BASE.replace(san, &certificate))
        .unwrap()
        .policy;
    assert_matches!(secret(&policy, "server").origin, Origin::Given { .. });
}

#[test]
fn secret_store_is_casque_by_default_and_by_name() {
    let akv = "  store_in: !akv\n    vault: values-vault\n    token: $$SCONE::token$$\n";
    for text in [
        "  store_in: !cas\n",
        "  store_in: !cas {}\n",
        "  store_in: ~\n",
    ] {
        let policy = Policy::parse(&BASE.replace(akv, text)).unwrap().policy;
        assert_eq!(policy.kept_in, KeptIn::Casque, "{text}");
    }
}

proptest! {
    /// Whatever is torn out of it or doubled, a text is a policy, or has an error at a place of its own.
    #[test]
    fn torn_policy_is_refused_with_places_or_accepted(
        start in 0..BASE.lines().count(),
        length in 1_usize..6,
        doubled in any::<bool>(),
        indented in 0_usize..5,
    ) {
        let mut lines: Vec<String> = BASE.lines().map(str::to_owned).collect();
        let end = (start + length).min(lines.len());
        let torn: Vec<String> = lines.drain(start..end).collect();
        if doubled {
            let twice = torn.iter().chain(&torn);
            let shifted = twice.map(|line| format!("{}{line}", " ".repeat(indented)));
            lines.splice(start..start, shifted.collect::<Vec<String>>());
        }
        let text = lines.join("\n");
        match Policy::parse(&text) {
            Ok(parsed) => prop_assert!(parsed.warnings.iter().all(|f| f.severity == Severity::Warning)),
            Err(found) => {
                prop_assert!(found.iter().any(|f| f.severity == Severity::Error));
                prop_assert!(found.is_sorted_by_key(|f| f.position));
                prop_assert!(found.iter().all(|f| f.position.line <= lines.len() + 1));
            }
        }
    }
}

#[test]
fn warnings_by_the_hundred_refuse_nothing_and_cut_nothing() {
    let services: String = (0..150)
        .map(|number| {
            format!("  - name: s{number}\n    command: run $$SCONE::p$$ @@1\n    tags: [x]\n")
        })
        .collect();
    let text = format!(
        "name: a\nversion: 0.3\nsecurity: {{attestation: {{mode: none}}}}\nsecrets:\n  - {{name: p, kind: ascii}}\nservices:\n{services}"
    );
    let parsed = Policy::parse(&text).unwrap();
    let left_off = |found: &&Diagnostic| found.code == "too-many-findings";
    assert_eq!(parsed.warnings.len(), 101);
    assert_eq!(parsed.warnings.iter().filter(left_off).count(), 1);
    assert_eq!(parsed.policy.services.len(), 150);
    let is_whole = |command: &Vec<Template>| text_of(command) == ["run", "<p>", "<host 1>"];
    let mut commands = parsed
        .policy
        .services
        .iter()
        .map(|service| &service.command);
    assert!(commands.all(is_whole));
}

fn text_of(command: &[Template]) -> Vec<String> {
    command.iter().map(text).collect()
}

fn bend(from: &'static str, to: &str, at: &'static str, code: &'static str) -> Bend {
    Bend {
        severity: Some(Severity::Error),
        ..bending::bend(from, to, at, code)
    }
}

fn warned(from: &'static str, to: &str, at: &'static str, code: &'static str) -> Bend {
    Bend {
        severity: Some(Severity::Warning),
        ..bend(from, to, at, code)
    }
}

fn hosts_and_files() -> Vec<Bend> {
    vec![
        bend("@@1", "@@0", "@@0", "host-argument"),
        bend("@@1", "@@1000", "@@1000", "host-argument"),
        bend("@@1", "@@2", "@@2y", "host-argument"),
        bend("\\@\\@SCONE_LAS_ADDR", "\\@\\@", "\\@", "environment-name"),
        bend("\"@@HOSTNAME\"", "\"@@A=B\"", "\"@@", "environment-name"),
        bend("\"@@HOSTNAME\"", "\"@@SWITCH\"", "\"@@", "duplicate-name"),
        bend("fspf_path: /fspf.pb", "pwd: /", "pwd: /\n", "duplicate-key"),
        bend(
            "fspf_key: $$SCONE::volume-key$$",
            "fspf_key: abc",
            "abc",
            "volume-key",
        ),
        bend(
            "fspf_key: $$SCONE::volume-key$$",
            "fspf_key: $$SCONE::blob$$",
            "$$",
            "volume-key",
        ),
        bend(
            "fspf_key: $$SCONE::volume-key$$",
            "fspf_key: $$SCONE::password$$",
            "$$",
            "volume-key",
        ),
        bend(
            "fspf_key: $$SCONE::volume-key$$",
            "fspf_key: $$SCONE::volume-key:base64$$",
            "$$",
            "volume-key",
        ),
        bend("fspf_tag: 0123456789abcdef", "fspf_tag: x", "x", "bad-hash"),
        bend(
            "fspf_update_policy: no_rollback_protection",
            "fspf_update_policy: never",
            "never",
            "bad-word",
        ),
        bend(
            "name: data\n        path",
            "name: dato\n        path",
            "dato",
            "unknown-volume",
        ),
        bend("path: /data", "path: data", "data", "file-path"),
        bend(
            "path: /data",
            "path: /shared",
            "/shared\n    injection",
            "duplicate-path",
        ),
        bend(
            "update_policy: ephemeral",
            "update_policy: eternal",
            "eternal",
            "bad-word",
        ),
        bend(
            "- /etc/from-container.conf",
            "- etc/from",
            "etc/from",
            "file-path",
        ),
        bend(
            "path: /etc/also.conf",
            "path: /etc/from-container.conf",
            "/etc/from",
            "duplicate-path",
        ),
        bend(
            "[password, blob]",
            "[password, blub]",
            "blub",
            "unknown-secret",
        ),
        bend("pwd: /srv", "import: other", "import", "whole-import"),
        bend(
            "    provide_secrets",
            "    import: other\n    provide_secrets",
            "import",
            "whole-import",
        ),
        bend(
            "content: $$SCONE::id-token$$",
            "content: $$SCONE::measurements$$",
            "$$",
            "fragment-misfit",
        ),
        bend(
            "content: $$SCONE::id-token$$",
            "content: $$SCONE::self::software_identity$$",
            "$$",
            "self-placeholder",
        ),
        bend(
            "content: $$SCONE::id-token$$",
            "content: $$SCONE::openpgp$$",
            "$$",
            "format-not-of-kind",
        ),
    ]
}

fn volumes() -> Vec<Bend> {
    vec![
        bend("- name: scratch", "- name: data", "data", "duplicate-name"),
        bend(
            "    fspf_key: \"a",
            "    tag_key: \"a",
            "tag_key",
            "unknown-key",
        ),
        bend(
            "    fspf_key: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n",
            "",
            "fspf_tag",
            "missing-key",
        ),
        bend(
            "files: authenticated-only",
            "files: plain",
            "plain",
            "bad-word",
        ),
        bend(
            "{session: ./child}",
            "{namespace: ./child}",
            "./child",
            "bad-reference",
        ),
        bend(
            "{session: ./child}",
            "{session: x, cas_url: y}",
            "y}",
            "bad-reference",
        ),
        bend(
            "{session: ./child}",
            "{session_hash: ~}",
            "{session_hash",
            "missing-key",
        ),
        bend(
            "{session: ./child}",
            "{update_policy: ephemeral}",
            "{update",
            "missing-key",
        ),
        bend(
            "volume_alias: data-of-app",
            "volume_alias: a b",
            "a b",
            "bad-name",
        ),
        warned(
            "{session: ./child}",
            "{session: ns/app}",
            "{session",
            "export-unused",
        ),
        warned("{session: ./child}", "[a, a]", "a]", "export-unused"),
        bend(
            "{session: ../owner, volume: theirs}",
            "{session: ../owner}",
            "<import",
            "missing-key",
        ),
        bend(
            "{session: ../owner, volume: theirs}",
            "{volume: theirs}",
            "<import",
            "missing-key",
        ),
        bend(
            "import: {session: ../owner, volume: theirs}",
            "import: {session: a, volume: b}\n    fspf_tag: x",
            "fspf_tag",
            "exclusive-keys",
        ),
        bend(
            "import: {session: ../owner, volume: theirs}",
            "import: {session: a, volume: b}\n    export: x",
            "export",
            "exclusive-keys",
        ),
    ]
}

fn sharing() -> Vec<Bend> {
    let key = format!("{{session: x, cas_key: {KEY}, cas_software_key: {KEY}}}");
    let no_url = format!("import: {{session: x, secret: y, cas_key: {KEY}}}");
    let pinned = format!("{{namespace: .., session_hash: {HASH}}}");
    vec![
        bend(
            "namespace: ..",
            "namespace: ../../..",
            "../../..",
            "bad-name",
        ),
        warned(
            "- namespace: ..",
            "- namespace: ../..",
            "namespace",
            "export-to-all",
        ),
        warned(
            "- namespace: ..",
            "- namespace: /",
            "namespace",
            "export-to-all",
        ),
        warned(
            "kind: private-key\n",
            "kind: private-key\n    export_public: true\n",
            "export_public",
            "export-private-key",
        ),
        bend("namespace: ..", "namespace: [x]", "[x]", "wrong-type"),
        bend(
            "- namespace: ..",
            "- {session: a, namespace: b}",
            "b}",
            "exclusive-keys",
        ),
        bend(
            "- namespace: ..",
            &format!("- {pinned}"),
            HASH,
            "exclusive-keys",
        ),
        bend("- namespace: ..", "- {cas_url: x}", "x}", "cas-key-missing"),
        bend(
            "- namespace: ..",
            "- {session: ~}",
            "{session",
            "missing-key",
        ),
        bend("- namespace: ..", "- {sesion: a}", "sesion", "unknown-key"),
        bend(
            "- namespace: ..",
            &format!("- {key}"),
            "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9}",
            "exclusive-keys",
        ),
        bend("/session=url,", "/session=../url,", "/session", "bad-name"),
        bend("/session=url,", "/sesion=url,", "/sesion", "bad-reference"),
        bend(
            "/session=url,",
            "session=url,",
            "session=url",
            "bad-reference",
        ),
        bend(
            "/session=url,",
            "/session=a,session=b,",
            "/session",
            "bad-reference",
        ),
        bend(
            "cas.example:8081/",
            "cas.example:0/",
            "cas.example",
            "bad-cas-url",
        ),
        bend("cas.example:8081/", "https://cas/", "https", "bad-cas-url"),
        bend(
            "cas_software_key: b94d",
            "cas_software_key: b94",
            "b94",
            "bad-key-hash",
        ),
        bend(
            "export: old-client",
            "export: old client",
            "old client",
            "bad-name",
        ),
        bend(
            "export: old-client",
            "export: old:abc",
            "old:abc",
            "bad-hash",
        ),
        bend(
            "export: old-client",
            "export: $$SCONE::blob$$",
            "$$",
            "bad-reference",
        ),
        warned(
            "export: old-client",
            "export: ns/app",
            "ns/app",
            "export-unused",
        ),
        warned(
            "export: old-client",
            "export: [a, b, a]",
            "a]",
            "export-unused",
        ),
        bend(
            "import: {session: ../owner, secret: key}",
            "import: {session: ../owner}",
            "import",
            "missing-key",
        ),
        bend(
            "import: {session: ../owner, secret: key}",
            "import: {secret: key}",
            "import",
            "missing-key",
        ),
        bend(
            "import: {session: ../owner, secret: key}",
            &no_url,
            "b94d",
            "missing-key",
        ),
        bend(
            "import: {session: ../owner, secret: key}",
            "import: a\n    value: x",
            "value",
            "exclusive-keys",
        ),
        warned(
            "import: {session: ../owner, secret: key}",
            "import: a\n    size: 3",
            "size",
            "key-unused",
        ),
        warned(
            "import: {session: ../owner, secret: ca}",
            "import: a\n    issuer: whoever",
            "issuer",
            "key-unused",
        ),
        bend(
            "cas_url: cas.example",
            "cas_url: cas.example/x",
            "cas.example",
            "bad-cas-url",
        ),
        bend(
            "private_key: their-key\n  - name: far",
            "private_key: blob\n  - name: far",
            "blob",
            "private-key-reference",
        ),
    ]
}

fn kinds() -> Vec<Bend> {
    vec![
        warned(
            "value: 42",
            "value: a $$SCONE::blob$$",
            "$$",
            "nested-placeholder",
        ),
        bend("value: 42", "value: [42]", "[42]", "wrong-type"),
        bend(
            "key_type: P-384",
            "key_type: P-256",
            "signing-key\n    alg",
            "jwt-signer",
        ),
        bend("signer: signing-key", "signer: blob", "blob", "jwt-signer"),
        bend(
            "signer: signing-key",
            "signer: vaulted",
            "vaulted",
            "jwt-signer",
        ),
        bend("alg: ES384", "alg: ES256", "ES256", "bad-word"),
        bend("    alg: ES384\n", "", "<name: id-token", "missing-key"),
        bend("{for: 24h}", "{for: 24}", "24", "bad-duration"),
        bend("{for: 24h}", "{}", "{}", "missing-key"),
        bend("sub: someone", "exp: someone", "exp", "jwt-claim"),
        bend("sub: someone", "sub: a $$SCONE::blob$$", "$$", "jwt-claim"),
        bend(
            "sub: someone",
            "sub: $$SCONE::id-token$$",
            "$$",
            "jwt-claim",
        ),
        bend(
            "sub: someone",
            "sub: $$SCONE::measurements$$",
            "$$",
            "fragment-misfit",
        ),
        bend(
            "sub: someone",
            "sub: $$SCONE::self::name$$",
            "$$",
            "self-placeholder",
        ),
        bend("sub: someone", "sub: [a]", "[a]", "wrong-type"),
        bend(
            "sub: someone",
            "sub: $$SCONE::blub$$",
            "$$",
            "unknown-secret",
        ),
        bend(
            "kind: pgp-key",
            "kind: pgp-key\n    value: x",
            "value",
            "key-not-for-kind",
        ),
        bend(
            "      mrenclave: [2916",
            "      mrenclave: [$$SCONE::blob$$, 2916",
            "$$",
            "nested-placeholder",
        ),
        bend(
            "    private_key: signing-key\n  - name: id",
            "    private_key: blob\n  - name: id",
            "blob",
            "private-key-reference",
        ),
        bend(
            "san: [\"ip:10.0.0.1\"",
            "san: [\"ip:10.0.0\"",
            "\"ip",
            "bad-san",
        ),
        bend(
            "san: [\"ip:10.0.0.1\"",
            "san: [\"10.0.0.1\"",
            "\"10",
            "bad-san",
        ),
        bend("san: [", "dns: x\n    san: [", "dns", "exclusive-keys"),
        bend(
            "issuer: their-ca",
            "issuer: vaulted",
            "vaulted",
            "issuer-reference",
        ),
        warned(
            "kind: pgp-key",
            "kind: session-ca",
            "<name: openpgp",
            "legacy-key",
        ),
        bend(
            "kind: pgp-key",
            "kind: aad-token\n    scope: x",
            "scope",
            "not-supported-yet",
        ),
    ]
}

fn vaults() -> Vec<Bend> {
    vec![
        bend(
            "token: $$SCONE::their-token$$",
            "token: $$SCONE::far$$",
            "$$",
            "token-reference",
        ),
        bend(
            "version: 0123456789abcdef",
            "version: 01",
            "01",
            "vault-version",
        ),
        bend(
            "object: secret",
            "object: certificate",
            "certificate",
            "not-supported-yet",
        ),
        bend("object: secret", "object: thing", "thing", "bad-word"),
        bend("encoding: base64", "encoding: base32", "base32", "bad-word"),
        bend(
            "decryption_key: $$SCONE::volume-key$$",
            "decryption_key: abc",
            "abc",
            "decryption-key",
        ),
        bend(
            "decryption_key: $$SCONE::volume-key$$",
            "decryption_key: $$SCONE::blob$$",
            "$$",
            "decryption-key",
        ),
        bend(
            "decryption_key: $$SCONE::volume-key$$",
            "decryption_key: $$SCONE::password$$",
            "$$",
            "decryption-key",
        ),
        bend(
            "decryption_key: $$SCONE::volume-key$$",
            "decryption_key: $$SCONE::vaulted$$",
            "$$",
            "decryption-key",
        ),
        bend(
            "decryption_key: $$SCONE::volume-key$$",
            "decryption_key: $$SCONE::volume-key:hex$$",
            "$$",
            "decryption-key",
        ),
        bend(
            "application_secret: swordfish",
            "application_secret: $$SCONE::blob$$",
            "$$",
            "nested-placeholder",
        ),
        bend(
            "kind: binary\n    import_akv",
            "kind: pgp-key\n    import_akv",
            "import_akv",
            "kind-not-importable",
        ),
        bend("store_in: !akv\n", "store_in:\n", "vault", "wrong-type"),
        bend("vault: values-vault", "vault: a/b", "a/b", "bad-vault"),
        bend(
            "  store_in: !akv",
            "  stored: x\n  store_in: !akv",
            "stored",
            "unknown-key",
        ),
        bend(
            "token: $$SCONE::token$$\n\n",
            "token: $$SCONE::blob$$\n\n",
            "$$",
            "token-reference",
        ),
    ]
}

#[test]
fn bent_policy_is_found_with_code_place_and_severity() {
    let groups = [hosts_and_files(), volumes(), sharing(), kinds(), vaults()];
    let bends: Vec<Bend> = groups.into_iter().flatten().collect();
    expect_all(BASE, &bends);
}
