//! The policies of these tests, and what is read off an answer.

use casque_core::AttestError;
use casque_testkit::TestWorld;
use casque_types::Configuration;

/// `web` uses a given, a generated and a vault secret; `batch` another vault's.
pub(crate) const APP: &str = r#"
name: app
version: "0.3.10"
security:
  attestation:
    SECURITY
services:
  - name: web
    image_name: web
    mrenclaves: ["MRENCLAVE"]
    command: ["serve", "--greeting", "$$SCONE::GREETING$$"]
    environment:
      DB_PASSWORD: $$SCONE::DB_PASSWORD$$
      TOKEN: $$SCONE::AAD$$
    pwd: /srv
  - name: batch
    mrenclaves: ["MRENCLAVE"]
    command: batch
    environment:
      OTHER: $$SCONE::OTHER$$
  - name: signed
    attestation:
      - signer: {mrsigner: MRSIGNER, isvprodid: 1, isvsvn_min: 1}
    command: signed
  - name: idle
    mrenclaves: ["MRENCLAVE"]
    command: idle
images:
  - name: web
    injection_files:
      - path: /etc/web/key
        content: "key=$$SCONE::KEY:hex$$"
secrets:
  - name: GREETING
    kind: ascii
    value: "hello world"
  - name: KEY
    kind: binary
    size: 16
  - name: AAD
    kind: aad-token
    tenant_id: e7cac514-f1aa-4e0d-b207-50b1d9a89d21
    client_id: 3f2c210e-83b4-4217-9eee-4f747d8aeeb3
    application_secret: "s3cret~value"
  - name: DB_PASSWORD
    kind: ascii
    import_akv: {vault: my-vault, secret_name: db-password}
  - name: OTHER
    kind: ascii
    import_akv: {vault: other-vault, secret_name: other}
"#;

/// [`APP`] under these `security.attestation` lines, for the world's program.
pub(crate) fn app(security: &str) -> String {
    let program = TestWorld::program();
    APP.replace("SECURITY", &security.replace('\n', "\n    "))
        .replace("MRENCLAVE", &program.mr_enclave.to_string())
        .replace("MRSIGNER", &program.mr_signer.to_string())
}

/// A world that holds [`APP`] under these lines, and its vault's secret.
pub(crate) fn world(security: &str) -> TestWorld {
    let world = TestWorld::new();
    let _ = world.put(&app(security));
    keep_password(&world);
    world
}

/// Puts the password of `web` into its vault.
pub(crate) fn keep_password(world: &TestWorld) {
    let vault = "my-vault".parse().unwrap();
    let name = "db-password".parse().unwrap();
    (world.ports.vaults).put(&vault, &name, "correct horse", None);
}

/// Casque judges quotes itself.
pub(crate) const HARDWARE: &str = "mode: hardware";
/// The world's MAA judges.
pub(crate) const MAA: &str =
    "mode: maa\nurl: https://casque.eus.attest.azure.net\ntolerate: [maa-managed-tcb]";

/// The value of a variable.
pub(crate) fn variable<'a>(configuration: &'a Configuration, name: &str) -> &'a str {
    let found = configuration
        .environment
        .iter()
        .find(|(found, _)| found == name);
    found.unwrap().1.value().unwrap().expose_text().unwrap()
}

/// The codes of a denial's reasons.
pub(crate) fn reasons<T: std::fmt::Debug>(answer: Result<T, AttestError>) -> Vec<&'static str> {
    match answer {
        Err(AttestError::Denied { denial, .. }) => denial
            .reasons
            .iter()
            .map(|reason| reason.code.as_str())
            .collect(),
        other => panic!("expected a denial, found {other:?}"),
    }
}

/// Nothing was released: no record of one, and the answer was an error.
pub(crate) fn assert_nothing_released(world: &TestWorld) {
    assert_eq!(world.ports.store.releases(), []);
}
