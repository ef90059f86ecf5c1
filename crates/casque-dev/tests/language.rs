//! What the policy language asks of server and agent, as programs: each policy is put on a real `casqued`, and
//! its service started by the agent in the software TEE.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test: a panic is its failure, and one-time passwords are of the present"
)]

mod world;

use std::process::{Command, Output};

use aws_lc_rs::hmac;
use world::{Up, casque_dev, stderr, stdout};

/// Runs a service with further variables in the agent's environment.
fn run(up: &Up, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command: Command = casque_dev(up.folder.path(), arguments);
    command.envs(environment.iter().copied());
    command.output().unwrap()
}

/// A service of a script that shows what it was given.
fn service(up: &Up, script: &str, more: &str) -> String {
    let script = up.script("show", script);
    format!(
        "services:\n  - name: web\n    mrenclaves: [{}]\n    command: {script}{more}",
        up.measure(&script)
    )
}

fn token(up: &Up) -> String {
    format!(
        "  - name: token\n    kind: aad-token\n    tenant_id: \"{}\"\n    client_id: \"{}\"\n    application_secret: \"{}\"\n",
        up.text("tenant_id"),
        up.text("client_id"),
        up.text("client_secret")
    )
}

#[test]
fn imported_aad_token_of_a_policy_that_nobody_may_read_opens_a_vault() {
    let up = Up::start();
    let author = up.author();
    let credentials = format!(
        "name: credentials\nversion: \"0.3.10\"\naccess_policy: {{read: NONE}}\nsecrets:\n{}    export: {{session: shop}}\n",
        token(&up)
    );
    author.put_policy(&credentials).unwrap();
    let web = service(&up, "#!/bin/sh\necho \"$PASSWORD ${#TOKEN}\"\n", "");
    let shop = format!(
        "name: shop\nversion: \"0.3.10\"\naccess_policy: {{read: ANY}}\n{web}
    environment:
      PASSWORD: $$SCONE::password$$
      TOKEN: $$SCONE::token$$
secrets:
  - name: token
    import: {{session: credentials, secret: token}}
  - name: password
    kind: ascii
    import_akv: {{vault: \"{}\", secret_name: db-password, token: $$SCONE::token$$}}
",
        up.text("vault")
    );
    author.put_policy(&shop).unwrap();
    let granted = up.run(&["run", "shop/web"]);
    assert!(granted.status.success(), "{}", stderr(&granted));
    let shown = stdout(&granted);
    let length = shown.strip_prefix("correct horse battery staple ");
    let length: usize = length.unwrap().trim().parse().unwrap();
    assert!(length > 100, "a token has {length} characters");
    // Once the exporter withdraws, the importer gets nothing any more.
    let head = author.read_policy(&"credentials".parse().unwrap(), None);
    assert!(head.is_err(), "nobody may read it");
    let other = up.author().put_policy(&credentials).unwrap_err();
    assert!(
        format!("{other:?}").contains("alias used already"),
        "{other:?}"
    );
}

/// The code of RFC 6238 for this base32 secret of 20 bytes of `1`, at a time.
fn code(at: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[b'1'; 20]);
    let tag = hmac::sign(&key, &(at / 30).to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 0xf);
    let bytes: [u8; 4] = tag[offset..offset + 4].try_into().unwrap();
    format!(
        "{:06}",
        (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000
    )
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[test]
fn second_factors_are_demanded_and_a_password_counts_once() {
    let up = Up::start();
    let web = service(&up, "#!/bin/sh\nexit 7\n", "");
    // base32 of twenty times `1`
    let policy = format!(
        "name: shop\nversion: \"0.3.10\"
security:
  service_access_token: $$SCONE::access$$
  attestation:
    mode: hardware
    one_time_password_shared_secret: GEYTCMJRGEYTCMJRGEYTCMJRGEYTCMJR
{web}
secrets:
  - {{name: access, kind: ascii, value: correct-horse-battery}}
"
    );
    up.put(&policy);
    let without = up.run(&["run", "shop/web"]);
    assert_eq!(without.status.code(), Some(103), "{}", stderr(&without));
    let told = stderr(&without);
    assert!(
        told.contains("otp-missing") && told.contains("access-token-missing"),
        "{told}"
    );
    let right = ("SCONE_SERVICE_ACCESS_TOKEN", "correct-horse-battery");
    let wrong = run(
        &up,
        &["run", "shop/web@000000"],
        &[("SCONE_SERVICE_ACCESS_TOKEN", "x")],
    );
    let told = stderr(&wrong);
    assert!(
        told.contains("otp-wrong") && told.contains("access-token-wrong"),
        "{told}"
    );
    let config = format!("shop/web@{}", code(now()));
    let granted = run(&up, &["run", &config], &[right]);
    assert_eq!(granted.status.code(), Some(7), "{}", stderr(&granted));
    let again = run(&up, &["run", &config], &[right]);
    assert_eq!(again.status.code(), Some(103), "{}", stderr(&again));
    assert!(stderr(&again).contains("otp-used"), "{}", stderr(&again));
}

#[test]
fn host_gives_arguments_and_variables_that_the_policy_asks_for() {
    let up = Up::start();
    let script = "#!/bin/sh\necho \"$1|$2|$3|$HOST_NAME|$UNSET|${NOT_ASKED-none}\"\n";
    let web = service(&up, script, " first=@@2 $$SCONE::word$$ @@1");
    let policy = format!(
        "name: shop\nversion: \"0.3.10\"\nsecurity: {{attestation: {{mode: hardware}}}}\n{web}
    environment:
      \"@@HOST_NAME\": ignored
      \"@@UNSET\":
secrets:
  - {{name: word, kind: ascii, value: secret}}
"
    );
    up.put(&policy);
    let environment = [("HOST_NAME", "here"), ("NOT_ASKED", "leaked")];
    let granted = run(
        &up,
        &["run", "shop/web", "--", "", "one", "two"],
        &environment,
    );
    assert!(granted.status.success(), "{}", stderr(&granted));
    assert_eq!(stdout(&granted), "first=two|secret|one|here||none\n");
    let missing = run(&up, &["run", "shop/web", "--", "", "one"], &environment);
    assert!(!missing.status.success());
    assert!(stderr(&missing).contains("@@2"), "{}", stderr(&missing));
}

#[test]
fn container_file_is_filled_in_with_the_secrets_that_the_image_provides() {
    let up = Up::start();
    let file = up.folder.path().join("app.conf");
    std::fs::write(
        &file,
        "user=me\npassword=$$SCONE::word$$\nkey=$$SCONE::key:hex$$\n",
    )
    .unwrap();
    let path = file.display().to_string();
    let web = service(
        &up,
        &format!("#!/bin/sh\ncat {path}\n"),
        "\n    image_name: app",
    );
    let policy = format!(
        "name: shop\nversion: \"0.3.11\"\nsecurity: {{attestation: {{mode: hardware}}}}\n{web}
images:
  - name: app
    injection_files: [{path}]
    provide_secrets: [word, key]
secrets:
  - {{name: word, kind: ascii, value: hunter2}}
  - {{name: key, kind: binary, value: 00ff}}
"
    );
    up.put(&policy);
    let granted = up.run(&["run", "shop/web"]);
    assert!(granted.status.success(), "{}", stderr(&granted));
    assert_eq!(stdout(&granted), "user=me\npassword=hunter2\nkey=00ff\n");
}

#[test]
fn values_kept_in_key_vault_come_back_and_are_refused_when_they_changed() {
    let up = Up::start();
    let web = service(&up, "#!/bin/sh\necho \"$MADE\"\n", "");
    let policy = format!(
        "name: shop\nversion: \"0.3.10\"\nsecurity: {{attestation: {{mode: hardware}}}}
secret_config:
  store_in: !akv {{vault: \"{}\", token: $$SCONE::token$$}}
{web}
    environment: {{MADE: $$SCONE::made$$}}
secrets:
  - {{name: made, kind: ascii, size: 24}}
{}",
        up.text("vault"),
        token(&up)
    );
    up.put(&policy);
    let first = up.run(&["run", "shop/web"]);
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(stdout(&first).trim().len(), 24);
    let second = up.run(&["run", "shop/web"]);
    assert_eq!(stdout(&first), stdout(&second));
}

#[test]
fn fragments_of_a_central_policy_say_who_may_run_and_who_may_read() {
    let up = Up::start();
    let script = up.script("show", "#!/bin/sh\nexit 5\n");
    let author = up.author();
    let central = format!(
        "name: central\nversion: \"0.3.10\"
secrets:
  - name: measurements
    kind: config-fragment
    export: {{session: shop}}
    value: {{mrenclave: [\"{}\"]}}
  - name: readers
    kind: config-fragment
    export: {{session: shop}}
    value: {{read: [CREATOR], update: [CREATOR]}}
  - name: security
    kind: config-fragment
    export: {{session: shop}}
    value: {{attestation: {{mode: hardware}}}}
",
        up.measure(&script)
    );
    author.put_policy(&central).unwrap();
    let shop = format!(
        "name: shop\nversion: \"0.3.10\"
access_policy: $$SCONE::readers$$
security: $$SCONE::security$$
services:
  - name: web
    command: {script}
    attestation: [$$SCONE::measurements$$]
secrets:
  - {{name: readers, import: {{session: central, secret: readers}}}}
  - {{name: security, import: {{session: central, secret: security}}}}
  - {{name: measurements, import: {{session: central, secret: measurements}}}}
"
    );
    author.put_policy(&shop).unwrap();
    let granted = up.run(&["run", "shop/web"]);
    assert_eq!(granted.status.code(), Some(5), "{}", stderr(&granted));
    let changed = up.script("changed", "#!/bin/sh\nexit 5\n\n");
    let denied = up.run(&["run", "shop/web", "--", &changed]);
    assert_eq!(denied.status.code(), Some(103), "{}", stderr(&denied));
    let name = "shop".parse().unwrap();
    assert!(
        author.read_policy(&name, None).is_ok(),
        "its creator reads it"
    );
    assert!(
        up.author().read_policy(&name, None).is_err(),
        "nobody else does"
    );
}

#[test]
fn volume_is_written_in_one_start_and_read_in_the_next() {
    if !std::path::Path::new("/dev/fuse").exists()
        || Command::new("gocryptfs").arg("-version").output().is_err()
    {
        println!("skipped: gocryptfs or /dev/fuse is not here");
        return;
    }
    let up = Up::start();
    let mount = up.folder.path().join("data");
    let path = mount.display().to_string();
    let script = format!(
        "#!/bin/sh\nif [ -f {path}/x ]; then cat {path}/x; else echo kept > {path}/x; fi\n"
    );
    let web = service(&up, &script, "\n    image_name: app");
    let policy = format!(
        "name: shop\nversion: \"0.3.11\"\nsecurity: {{attestation: {{mode: hardware}}}}\n{web}
images:
  - name: app
    volumes: [{{name: data, path: {path}, update_policy: no_rollback_protection}}]
volumes:
  - name: data
"
    );
    up.put(&policy);
    let first = up.run(&["run", "shop/web"]);
    if stderr(&first).contains("fuse: device not found") || stderr(&first).contains("permitted") {
        println!("skipped: FUSE is not permitted here");
        return;
    }
    assert!(first.status.success(), "{}", stderr(&first));
    assert!(!mount.join("x").exists(), "it is unmounted again");
    let second = up.run(&["run", "shop/web"]);
    assert!(second.status.success(), "{}", stderr(&second));
    assert_eq!(stdout(&second), "kept\n");
}
