//! Signed and encrypted sessions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_secrets::{
    IdentityKey, SessionEncryptionPublicKey, SigningKey, encrypt_session, session_message,
};
use casque_server::SystemRng;
use casque_types::Secret;
use serde_json::{Value, json};

use crate::{World, policy, refused, scone_refusal};

struct Signer(SigningKey);

impl Signer {
    fn new() -> Self {
        let identity = IdentityKey::generate().unwrap();
        Self(SigningKey::from_pkcs8(identity.pkcs8()).unwrap())
    }

    fn pem(&self) -> String {
        let body = STANDARD.encode(self.0.signer().spki());
        let (first, rest) = body.split_at(64);
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{rest}\n-----END PUBLIC KEY-----\n")
    }

    fn sign(&self, text: &str) -> Value {
        let signature = self.0.sign(&session_message(text)).unwrap();
        json!({"signer": self.pem(), "signature": hex::encode(signature)})
    }
}

fn signed(text: &str, signers: &[&Signer]) -> Value {
    let signatures: Vec<Value> = signers.iter().map(|signer| signer.sign(text)).collect();
    json!({"session": text, "signatures": signatures})
}

#[test]
fn signed_session_needs_no_certificate_and_updates_by_its_signers() {
    let world = World::new();
    let (one, two) = (Signer::new(), Signer::new());
    let pem = |signer: &Signer| signer.pem().trim().replace('\n', "\n          ");
    let access = format!(
        "access_policy:\n  read: [ANY]\n  update:\n    - require-all:\n      - signer: |\n          {}\n      - signer: |\n          {}\n",
        pem(&one),
        pem(&two)
    );
    let put = |body: &Value| {
        let peer = world.server.connect(None);
        peer.post("/session", body.to_string().as_bytes())
    };
    let answer = put(&signed(&policy("app", &access), &[&one]));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let hash = answer.json()["hash"].as_str().unwrap().to_owned();
    let update = policy("app", &format!("predecessor: {hash}\n{access}"));
    let answer = put(&signed(&update, &[&one]));
    assert_eq!(scone_refusal(&answer), refused(403, "not-permitted"));
    let answer = put(&signed(&update, &[&two, &one]));
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[test]
fn signed_session_without_creator_among_many_is_refused() {
    let world = World::new();
    let (one, two) = (Signer::new(), Signer::new());
    let put = |text: &str, signers: &[&Signer]| {
        let body = signed(text, signers).to_string();
        world.server.connect(None).post("/session", body.as_bytes())
    };
    let answer = put(&policy("app", ""), &[&one, &two]);
    assert_eq!(scone_refusal(&answer), refused(400, "creator-ambiguous"));
    let creator = format!("creator: {}\n", two.0.signer().key_hash());
    let answer = put(&policy("app", &creator), &[&one, &two]);
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[test]
fn signed_session_bent_is_refused_as_a_whole() {
    let world = World::new();
    let (one, two) = (Signer::new(), Signer::new());
    let text = policy("app", "");
    let good = signed(&text, &[&one, &two]);
    type Bend = fn(&mut Value);
    let bends: [(Bend, _); 4] = [
        (
            |body| body["session"] = json!("name: b\n"),
            refused(401, "session-signature-wrong"),
        ),
        (
            |body| body["signatures"][1]["signature"] = body["signatures"][0]["signature"].clone(),
            refused(401, "session-signature-wrong"),
        ),
        (
            |body| body["signatures"][1]["signature"] = json!("?"),
            refused(400, "session-signature-malformed"),
        ),
        (
            |body| body["signatures"][1]["signer"] = json!("?"),
            refused(400, "session-signer-malformed"),
        ),
    ];
    for (bend, expected) in bends {
        let mut body = good.clone();
        bend(&mut body);
        // the client certificate does not make up for it
        let answer = world.try_put(&body.to_string());
        assert_eq!(scone_refusal(&answer), expected, "{}", answer.body);
    }
    assert_eq!(world.get("/v1/sessions/app").status, 404);
}

fn encrypted(key: &str, text: &str) -> Value {
    let public: SessionEncryptionPublicKey = key.parse().unwrap();
    let text = Secret::copied_from(text.as_bytes());
    let bytes = encrypt_session(&public, &text, &SystemRng::default()).unwrap();
    json!({"encrypted_session": STANDARD.encode(bytes), "encryption_key": key})
}

fn key_of(world: &World) -> String {
    let version = world.get("/v1/version").json();
    version["session_encryption_key"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn encrypted_session_is_put_by_certificate_or_signature() {
    let world = World::new();
    let key = key_of(&world);
    let put = |method: &str, text: &str, author| {
        let body = encrypted(&key, text).to_string();
        let peer = world.server.connect(author);
        peer.send(method, "/v1/encrypted_sessions", "", body.as_bytes())
    };
    let answer = put("PUT", &policy("a", ""), Some(&world.author));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let answer = put("POST", &policy("b", ""), Some(&world.author));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let answer = put("PUT", &policy("c", ""), None);
    assert_eq!(
        scone_refusal(&answer),
        refused(401, "client-certificate-missing")
    );
    let text = policy("c", "");
    let answer = put("PUT", &signed(&text, &[&Signer::new()]).to_string(), None);
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[test]
fn encrypted_session_bent_is_refused() {
    let world = World::new();
    let key = key_of(&world);
    let put = |body: &str| {
        let peer = world.server.connect(Some(&world.author));
        let answer = peer.send("PUT", "/v1/encrypted_sessions", "", body.as_bytes());
        (scone_refusal(&answer), answer.body)
    };
    let other = World::new();
    let (found, body) = put(&encrypted(&key_of(&other), "name: a\n").to_string());
    assert_eq!(found, refused(400, "encryption-key-other"));
    assert!(body.contains(&key), "the right key is named: {body}");
    let mut bent = encrypted(&key_of(&other), "name: a\n");
    bent["encryption_key"] = json!(key);
    assert_eq!(
        put(&bent.to_string()).0,
        refused(400, "encrypted-session-unreadable")
    );
    bent["encrypted_session"] = json!("AAAA");
    assert_eq!(
        put(&bent.to_string()).0,
        refused(400, "encrypted-session-malformed")
    );
    assert_eq!(put("name: a\n").0, refused(400, "request-malformed"));
    let unparsable = encrypted(&key, "name: [\n").to_string();
    assert_eq!(put(&unparsable).0, refused(400, "policy-malformed"));
}
