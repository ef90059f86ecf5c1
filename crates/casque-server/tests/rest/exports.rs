//! Values that one CAS exports to another.

use casque_secrets::IdentityKey;
use casque_server::Config;
use serde_json::{Value, json};

use crate::attest::Attester;
use crate::peer::Answer;
use crate::{World, policy, refusal, refused};

fn exporting(importer: &str, key: &str) -> String {
    format!(
        "secrets:\n  - name: token\n    kind: ascii\n    value: over-there\n    export:\n      - {{session: {importer}, cas_key: {key}}}\n"
    )
}

fn request() -> Value {
    json!({
        "session": "db",
        "secret": "token",
        "importer": "app",
        "importer_hash": "0".repeat(64),
    })
}

fn ask(world: &World, caller: Option<&IdentityKey>, request: &Value) -> Answer {
    let peer = world.server.connect(caller);
    peer.post("/v1/exports", request.to_string().as_bytes())
}

#[test]
fn value_is_exported_to_the_named_cas_alone() {
    let world = World::new();
    let cas = IdentityKey::generate().unwrap();
    world.put(&policy(
        "db",
        &exporting("app", &cas.key_hash().to_string()),
    ));
    let answer = ask(&world, Some(&cas), &request());
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.json()["value"].is_string());
    let answer = ask(&world, None, &request());
    assert_eq!(refusal(&answer), refused(401, "client-certificate-missing"));
    let other = IdentityKey::generate().unwrap();
    let answer = ask(&world, Some(&other), &request());
    assert_eq!(refusal(&answer), refused(404, "value-absent"));
    let hint = answer.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("this CAS's key hash"), "{hint}");
}

#[test]
fn export_request_bent_is_refused() {
    let world = World::new();
    let cas = IdentityKey::generate().unwrap();
    world.put(&policy(
        "db",
        &exporting("app", &cas.key_hash().to_string()),
    ));
    for (member, value, expected) in [
        ("session", json!("other"), refused(404, "value-absent")),
        ("secret", json!("other"), refused(404, "value-absent")),
        ("importer", json!("other"), refused(404, "value-absent")),
        (
            "session_hash",
            json!("0".repeat(64)),
            refused(404, "value-absent"),
        ),
        ("session", json!("a b"), refused(400, "request-malformed")),
        ("secret", json!("a/b"), refused(400, "request-malformed")),
        ("importer", json!(""), refused(400, "request-malformed")),
        (
            "importer_hash",
            json!("00"),
            refused(400, "request-malformed"),
        ),
        (
            "session_hash",
            json!("00"),
            refused(400, "request-malformed"),
        ),
        ("public", json!(true), refused(400, "request-malformed")),
    ] {
        let mut request = request();
        request[member] = value;
        assert_eq!(
            refusal(&ask(&world, Some(&cas), &request)),
            expected,
            "{member}"
        );
    }
}

#[test]
fn value_of_another_cas_is_released_here() {
    let there = World::new();
    let address = format!("localhost:{}", there.server.address.port());
    let listed = format!("[remote]\naddresses = [\"{address}\"]\n");
    let here = World::with(|config| config.remote = Config::parse(&listed).unwrap().remote);
    there.put(&policy(
        "db",
        &exporting("app", &here.server.key_hash.to_string()),
    ));
    let lines = format!(
        "services:\n  - name: web\n    command: run $$SCONE::token$$\nsecurity:\n  attestation: {{mode: none}}\nsecrets:\n  - name: token\n    import: {{session: db, secret: token, cas_url: {address}, cas_key: {}}}\n",
        there.server.key_hash
    );
    here.put(&policy("app", &lines));
    let attester = Attester::new(&here, "app/web");
    let answer = attester.attest(&here, |_| {});
    let configuration = attester.open(&here, &answer);
    let argument = configuration.arguments[1].value().unwrap();
    assert_eq!(argument.expose_text(), Some("over-there"));
    // the operator of this one lists no other CAS
    let here = World::new();
    here.put(&policy("app", &lines));
    let answer = Attester::new(&here, "app/web").attest(&here, |_| {});
    assert_eq!(refusal(&answer), refused(503, "secret-unavailable"));
}
