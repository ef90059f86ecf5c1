//! Attestation with second factors.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_core::Clock as _;
use casque_secrets::{
    ConfigurationKey, ProofSide, SealedConfiguration, access_token_proof, open_configuration,
};
use casque_server::{SystemClock, SystemRng};
use casque_types::{ConfigId, Configuration, Nonce, RuntimeData, Secret};
use serde_json::{Value, json};

use crate::peer::Answer;
use crate::{World, policy, refusal, refused};

/// A change of a request.
type Bend = fn(&mut Value);

/// An attester without evidence.
pub struct Attester {
    key: ConfigurationKey,
    pub runtime: RuntimeData,
}

impl Attester {
    pub fn new(world: &World, config: &str) -> Self {
        let challenge = world.server.connect(None).post("/v1/challenge", b"").json();
        let nonce = Nonce::from_text(challenge["nonce"].as_str().unwrap()).unwrap();
        let key = ConfigurationKey::generate(&SystemRng::default()).unwrap();
        let config: ConfigId = config.parse().unwrap();
        let runtime = RuntimeData::new(world.server.key_hash, config, nonce, key.public().clone());
        Self { key, runtime }
    }

    fn request(&self) -> Value {
        json!({
            "runtime_data": URL_SAFE_NO_PAD.encode(self.runtime.as_bytes()),
            "evidence": {"type": "none"},
        })
    }

    pub fn attest(&self, world: &World, bend: impl FnOnce(&mut Value)) -> Answer {
        let mut request = self.request();
        bend(&mut request);
        let peer = world.server.connect(None);
        peer.post("/v1/attest", request.to_string().as_bytes())
    }

    /// Asks for the judgement of a machine with its TPM.
    fn guest(&self, world: &World, bend: impl FnOnce(&mut Value)) -> Answer {
        let mut request = self.request();
        request["attestation_info"] = json!("e30");
        bend(&mut request);
        let peer = world.server.connect(None);
        peer.post("/v1/attest/azure-guest", request.to_string().as_bytes())
    }

    pub fn open(&self, world: &World, answer: &Answer) -> Configuration {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let sealed = answer.json()["sealed"].clone();
        let bytes = |member: &str| {
            URL_SAFE_NO_PAD
                .decode(sealed[member].as_str().unwrap())
                .unwrap()
        };
        let sealed = SealedConfiguration {
            encapsulated: bytes("encapsulated"),
            ciphertext: bytes("ciphertext"),
            server_spki: bytes("server_key"),
            signature: bytes("signature"),
        };
        open_configuration(&sealed, &self.key, &self.runtime, &world.server.key_hash).unwrap()
    }

    fn proof(&self, token: &str) -> String {
        let token = Secret::copied_from(token.as_bytes());
        let binding = self.runtime.binding();
        URL_SAFE_NO_PAD.encode(access_token_proof(&token, ProofSide::Attester, &binding))
    }
}

fn service(security: &str) -> String {
    format!("services:\n  - {{name: web, command: run}}\nsecurity:\n{security}")
}

fn reasons(answer: &Answer) -> Vec<String> {
    assert_eq!(refusal(answer), refused(403, "denied"), "{}", answer.body);
    let reasons = answer.json()["error"]["reasons"].clone();
    let codes = reasons.as_array().unwrap().iter();
    codes
        .map(|reason| reason["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn one_time_password_reaches_the_decision_and_the_metrics() {
    let world = World::new();
    let lines =
        format!("  attestation:\n    mode: none\n    one_time_password_shared_secret: {SECRET}\n");
    world.put(&policy("app", &service(&lines)));
    let attester = Attester::new(&world, "app/web");
    assert_eq!(reasons(&attester.attest(&world, |_| {})), ["otp-missing"]);
    let right = otp_now();
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    let attester = Attester::new(&world, "app/web");
    let answer = attester.attest(&world, |request| request["otp"] = json!(wrong));
    assert_eq!(reasons(&answer), ["otp-wrong"]);
    let attester = Attester::new(&world, "app/web");
    let answer = attester.attest(&world, |request| request["otp"] = json!(right));
    assert_eq!(attester.open(&world, &answer).arguments.len(), 1);
    let attester = Attester::new(&world, "app/web");
    let answer = attester.attest(&world, |request| request["otp"] = json!(right));
    assert_eq!(reasons(&answer), ["otp-used"]);
    let metrics = world.get_as_stranger("/metrics").body;
    for code in ["otp-missing", "otp-wrong", "otp-used"] {
        let line = format!("casque_denial_reasons_total{{code=\"{code}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
    let line = "casque_answers_total{route=\"attest\",status=\"403\",code=\"denied\"} 3";
    assert!(metrics.contains(line), "{metrics}");
}

/// What an authenticator app shows for the secret `SECRET` (RFC 6238).
fn otp_now() -> String {
    let key = hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        b"Hello!\xde\xad\xbe\xefHello!\xde\xad\xbe\xef",
    );
    let step = SystemClock.now().as_unix_s() / 30;
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(mac.as_ref()[19] & 0xf);
    let four: [u8; 4] = mac.as_ref()[offset..offset + 4].try_into().unwrap();
    format!(
        "{:06}",
        (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000
    )
}

const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

#[test]
fn access_token_proof_reaches_the_decision() {
    let world = World::new();
    let token = "a-token-that-both-ends-know";
    let lines = format!("  service_access_token: {token}\n  attestation: {{mode: none}}\n");
    world.put(&policy("app", &service(&lines)));
    let attester = Attester::new(&world, "app/web");
    assert_eq!(
        reasons(&attester.attest(&world, |_| {})),
        ["access-token-missing"]
    );
    let attester = Attester::new(&world, "app/web");
    let proof = attester.proof("another token");
    let answer = attester.attest(&world, |request| {
        request["access_token_proof"] = json!(proof)
    });
    assert_eq!(reasons(&answer), ["access-token-wrong"]);
    let attester = Attester::new(&world, "app/web");
    let proof = attester.proof(token);
    let answer = attester.attest(&world, |request| {
        request["access_token_proof"] = json!(proof)
    });
    attester.open(&world, &answer);
}

#[test]
fn attest_request_bent_is_refused() {
    let world = World::new();
    world.put(&policy("app", &service("  attestation: {mode: none}\n")));
    type Bend = fn(&mut Value);
    let bends: [(Bend, &str); 8] = [
        (
            |request| request["maa_token"] = json!(7),
            "expected an attestation request in JSON",
        ),
        (|request| request["otp"] = json!("12345"), "otp: expected"),
        (
            |request| request["otp"] = json!(123_456),
            "expected an attestation request in JSON",
        ),
        (
            |request| request["access_token_proof"] = json!("AAAA"),
            "access_token_proof: expected 32 bytes",
        ),
        (
            |request| request["access_token_proof"] = json!("?"),
            "expected base64url",
        ),
        (
            |request| request["skip"] = json!(true),
            "unknown field `skip`",
        ),
        (
            |request| request["evidence"] = json!({"type": "tdx"}),
            "expected an attestation request in JSON",
        ),
        (
            |request| *request = json!([]),
            "expected an attestation request in JSON",
        ),
    ];
    for (bend, says) in bends {
        let answer = Attester::new(&world, "app/web").attest(&world, bend);
        assert_eq!(refusal(&answer), refused(400, "request-malformed"));
        assert!(answer.body.contains(says), "{says} {}", answer.body);
        assert!(answer.json()["msg"].is_null(), "no route of SCONE's");
    }
    let answer = Attester::new(&world, "app/none").attest(&world, |_| {});
    assert_eq!(refusal(&answer), refused(404, "no-such-service"));
    let answer = Attester::new(&world, "app/web").attest(&world, |request| {
        request["runtime_data"] = json!("e30");
    });
    assert_eq!(refusal(&answer), refused(400, "runtime-data-malformed"));
    let attester = Attester::new(&World::new(), "app/web");
    let answer = attester.attest(&world, |_| {});
    assert_eq!(refusal(&answer), refused(401, "runtime-data-other-server"));
    let answer = Attester::new(&world, "app/web").attest(&world, |request| {
        request["evidence"] = json!({"type": "sgx", "quote": "AAAA"});
    });
    assert_eq!(refusal(&answer), refused(400, "evidence-malformed"));
}

#[test]
fn tokens_that_are_none_are_refused() {
    let world = World::new();
    world.put(&policy("app", &service("  attestation: {mode: none}\n")));
    for member in ["maa_token", "service_account_token"] {
        let bend = |request: &mut Value| request[member] = json!("secret-a.b");
        let answer = Attester::new(&world, "app/web").attest(&world, bend);
        assert_eq!(refusal(&answer), refused(400, "evidence-malformed"));
        assert!(!answer.body.contains("secret-a"), "{}", answer.body);
    }
}

#[test]
fn request_of_a_guest_that_is_none_is_refused() {
    let world = World::new();
    world.put(&policy("app", &service("  attestation: {mode: none}\n")));
    let guest = |bend: Bend| Attester::new(&world, "app/web").guest(&world, bend);
    let bends: [(Bend, &str); 4] = [
        (
            |_| {},
            "expected evidence of an Azure virtual machine (`azure-snp-vtpm` or `azure-tdx-vtpm`), found `none`",
        ),
        (
            |request| request["attestation_info"] = json!(7),
            "expected a request of a guest in JSON",
        ),
        (
            |request| request["otp"] = json!("123456"),
            "unknown field `otp`",
        ),
        (
            |request| *request = json!([]),
            "expected a request of a guest in JSON",
        ),
    ];
    for (bend, says) in bends {
        let answer = guest(bend);
        assert_eq!(refusal(&answer), refused(400, "request-malformed"));
        assert!(answer.body.contains(says), "{says} {}", answer.body);
    }
}

#[test]
fn challenge_lists_every_kind_of_evidence() {
    let world = World::new();
    let challenge = world.server.connect(None).post("/v1/challenge", b"").json();
    let kinds = [
        "sgx",
        "tdx",
        "snp",
        "azure-snp-vtpm",
        "azure-tdx-vtpm",
        "aci-snp",
        "maa",
        "none",
    ];
    assert_eq!(challenge["evidence"], json!(kinds));
}

#[test]
fn large_evidence_is_read_and_larger_one_is_refused() {
    let world = World::new();
    world.put(&policy("app", &service("  attestation: {mode: none}\n")));
    let with_policy = |bytes: usize| {
        move |request: &mut Value| {
            let policy = "A".repeat(bytes);
            request["evidence"] =
                json!({"type": "aci-snp", "report": "AAAA", "policy": policy, "uvm": "AAAA"});
        }
    };
    let answer = Attester::new(&world, "app/web").attest(&world, with_policy(1_398_104));
    assert_eq!(refusal(&answer), refused(400, "evidence-malformed"));
    let answer = Attester::new(&world, "app/web").attest(&world, with_policy(2 * 1024 * 1024));
    assert_eq!(refusal(&answer), refused(413, "body-too-large"));
}

#[test]
fn attempts_are_told_by_every_spelling_of_their_path() {
    let world = World::new();
    world.put(&policy("team", ""));
    let lines =
        format!("  attestation:\n    mode: none\n    one_time_password_shared_secret: {SECRET}\n");
    let hash = world.put(&policy("team/app", &service(&lines)));
    let none = world.get("/v1/attempts/team/app/web");
    assert_eq!((none.status, none.json()), (200, json!({"attempts": []})));
    let attester = Attester::new(&world, "team/app/web");
    assert_eq!(reasons(&attester.attest(&world, |_| {})), ["otp-missing"]);
    let attester = Attester::new(&world, "team/app/web");
    let answer = attester.attest(&world, |request| request["otp"] = json!(otp_now()));
    assert_eq!(answer.status, 200);
    for path in [
        "/v1/attempts/team/app/web",
        "/v1/attempts//team/app/web",
        "/v1/attempts/team%2Fapp%2Fweb",
    ] {
        let told = world.get(path);
        assert_eq!(told.status, 200, "{path} {}", told.body);
        let attempts = told.json()["attempts"].clone();
        assert_eq!(attempts.as_array().unwrap().len(), 2);
        assert_eq!(attempts[0]["outcome"], "granted");
        assert_eq!(attempts[0]["evidence"], "none");
        assert_eq!(attempts[1]["outcome"], "denied");
        assert_eq!(attempts[1]["session_hash"], hash);
        let rules = attempts[1]["decision"]["rules"].as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["code"].is_string());
        let rule = rule.unwrap();
        assert_eq!(
            (&rule["code"], &rule["holds"]),
            (&json!("otp-missing"), &json!(false))
        );
        assert!(!told.body.contains(SECRET) && !told.body.contains(&otp_now()));
    }
}

#[test]
fn attempts_are_refused_to_strangers_and_of_what_does_not_exist() {
    let world = World::new();
    world.put(&policy("team", ""));
    world.put(&policy(
        "team/app",
        &service("  attestation: {mode: none}\n"),
    ));
    let stranger = world.get_as_stranger("/v1/attempts/team/app/web");
    assert_eq!(refusal(&stranger), refused(403, "not-permitted"));
    let absent = world.get("/v1/attempts/team/app/other");
    assert_eq!(refusal(&absent), refused(404, "service-absent"));
    let absent = world.get("/v1/attempts/team/none/web");
    assert_eq!(refusal(&absent), refused(404, "policy-absent"));
    let malformed = world.get("/v1/attempts/web");
    assert_eq!(refusal(&malformed), refused(400, "request-malformed"));
}
