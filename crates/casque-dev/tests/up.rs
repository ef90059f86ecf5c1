//! The program itself: what `up` prints, and a whole release with `run`, granted and denied.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: a panic is its failure"
)]

mod world;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;

use world::{Up, casque_dev, stderr, stdout};

#[test]
fn up_prints_one_line_with_every_member_and_ends_when_told() {
    let mut up = Up::start();
    assert_eq!(up.line.matches('\n').count(), 1);
    for member in [
        "ca_file",
        "authority",
        "tenant_id",
        "client_id",
        "client_secret",
        "client_key_file",
        "client_certificate_file",
        "client_thumbprint",
        "vault",
        "maa",
        "imds",
        "cas",
        "cas_key_hash",
    ] {
        assert!(!up.text(member).is_empty(), "{member}");
    }
    for member in ["ca_file", "client_key_file", "client_certificate_file"] {
        assert!(Path::new(up.text(member)).is_file(), "{member}");
    }
    assert_eq!(up.text("client_thumbprint").len(), 40);
    let kept = up.folder.path().join("up.json");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), up.line.trim());
    assert!(up.stop());
    assert!(!kept.exists());
    let mut rest = String::new();
    let stdout = up.child.stdout.as_mut().unwrap();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn up_twice_on_one_folder_is_refused_by_the_second() {
    let up = Up::start();
    let second = up.run(&["up"]);
    assert!(!second.status.success());
    assert!(stderr(&second).contains("runs in"), "{}", stderr(&second));
}

#[test]
fn up_again_keeps_keys_and_identity() {
    let mut up = Up::start();
    let keep = |up: &Up| {
        let members = ["client_thumbprint", "cas_key_hash"];
        members.map(|member| up.text(member).to_owned())
    };
    let before = keep(&up);
    assert!(up.stop());
    let mut again = casque_dev(up.folder.path(), &["up"]);
    up.child = again.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let stdout = up.child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    up.world = serde_json::from_str(&line).unwrap();
    assert_eq!(keep(&up), before);
}

#[test]
fn run_without_a_world_says_what_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = casque_dev(folder.path(), &["run", "a/b"]).output().unwrap();
    assert_eq!(output.status.code(), Some(100));
    assert!(stderr(&output).contains("casque-dev up"));
}

fn policy(up: &Up, security: &str, service: &str) -> String {
    let vault = up.text("vault");
    format!(
        r#"
name: shop
version: "0.3"
security: {{attestation: {security}}}
secrets:
  - name: token
    kind: aad-token
    tenant_id: "{}"
    client_id: "{}"
    application_secret: "{}"
  - {{name: password, kind: ascii, import_akv: {{vault: "{vault}", secret_name: db-password}}}}
  - {{name: pfx, import_akv: {{vault: "{vault}", secret_name: web-pfx}}}}
services:
  - name: web
    {service}
    environment: {{PFX: $$SCONE::pfx$$}}
"#,
        up.text("tenant_id"),
        up.text("client_id"),
        up.text("client_secret"),
    )
}

const SHOW: &str = "#!/bin/sh\necho \"$1 ${#PFX}\"\nexit 7\n";

#[test]
fn run_with_maa_is_granted_and_a_changed_program_is_denied() {
    let up = Up::start();
    let script = up.script("show", SHOW);
    let service = format!(
        "command: [\"{script}\", \"$$SCONE::password$$\"]\n    mrenclaves: [{}]",
        up.measure(&script)
    );
    let security = format!(
        "{{mode: maa, url: \"{}\", tolerate: [maa-managed-tcb]}}",
        up.text("maa")
    );
    up.put(&policy(&up, &security, &service));
    let granted = up.run(&["run", "shop/web"]);
    assert_eq!(granted.status.code(), Some(7), "{}", stderr(&granted));
    assert!(stdout(&granted).starts_with("correct horse battery staple "));
    let changed = up.script("changed", &format!("{SHOW}\n"));
    let denied = up.run(&["run", "shop/web", "--", &changed]);
    assert_eq!(denied.status.code(), Some(103));
    assert_eq!(stdout(&denied), "");
    assert!(stderr(&denied).contains("measurement-mismatch"));
}

#[test]
fn run_with_hardware_mode_is_granted_by_the_quote_itself() {
    let up = Up::start();
    let script = up.script("show", SHOW);
    let service = format!(
        "command: [\"{script}\", \"$$SCONE::password$$\"]\n    mrenclaves: [{}]",
        up.measure(&script)
    );
    up.put(&policy(&up, "{mode: hardware}", &service));
    let granted = up.run(&["run", "shop/web"]);
    assert_eq!(granted.status.code(), Some(7), "{}", stderr(&granted));
}

#[test]
fn run_without_command_asks_for_a_program() {
    let up = Up::start();
    let service = format!("mrenclaves: [{}]", up.measure("sh"));
    up.put(&policy(&up, "{mode: hardware}", &service));
    let refused = up.run(&["run", "shop/web"]);
    assert_eq!(refused.status.code(), Some(100));
    assert!(stderr(&refused).contains("behind `--`"));
    let granted = up.run(&["run", "shop/web", "--", "sh", "-c", "exit 9"]);
    assert_eq!(granted.status.code(), Some(9), "{}", stderr(&granted));
}
