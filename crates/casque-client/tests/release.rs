//! A whole release against a server that seals as the real one does.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod fake_server;

use std::convert::Infallible;

use assert_matches::assert_matches;
use casque_client::{
    Client, FactorError, Gathered, ReleaseError, Released, SecondFactors, ServerTrust, Timeouts,
};
use casque_secrets::{
    IdentityKey, OpenError, ProofSide, access_token_proof, is_access_token_proof,
    seal_configuration,
};
use casque_types::{Configuration, Rng, RngError, RuntimeData, Seconds, Secret, Timestamp};
use casque_wire::{self as wire, Evidence};
use fake_server::{FakeServer, Reply, Seen, TestIdentity};

struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        aws_lc_rs::rand::fill(out).map_err(|_| RngError)
    }
}

fn test_identity(key: &IdentityKey) -> TestIdentity {
    let now = Timestamp::from_unix_s(1_795_424_399);
    TestIdentity {
        pkcs8: key.pkcs8().expose().to_vec(),
        spki: key.spki().to_vec(),
        certificate: key.certificate("casqued", &[], now, &SystemRng).unwrap(),
    }
}

fn token(text: &str) -> Secret {
    Secret::copied_from(text.as_bytes())
}

/// What a policy with this token, or with none, answers.
fn attest_answer(request: &Seen, signer: &IdentityKey, token_of_policy: Option<&str>) -> String {
    let request: wire::AttestRequest = serde_json::from_slice(&request.body).unwrap();
    let runtime = RuntimeData::parse(&request.runtime_data.0).unwrap();
    let server_proof =
        |text| access_token_proof(&token(text), ProofSide::Server, &runtime.binding());
    let configuration = Configuration {
        arguments: vec![Secret::new(b"web".to_vec()).into()],
        access_token_proof: token_of_policy.map(server_proof),
        ..Configuration::default()
    };
    let sealed = seal_configuration(&configuration, &runtime, signer, &SystemRng).unwrap();
    let answer = wire::AttestAnswer {
        sealed: wire::Sealed {
            encapsulated: wire::B64(sealed.encapsulated),
            ciphertext: wire::B64(sealed.ciphertext),
            server_key: wire::B64(sealed.server_spki),
            signature: wire::B64(sealed.signature),
        },
        refresh_after_s: 3600,
    };
    serde_json::to_string(&answer).unwrap()
}

/// Releases from a server whose TLS key is `identity`'s and whose answers `signer` signs.
fn released(
    identity: &IdentityKey,
    signer: impl Fn() -> IdentityKey + Send + Sync + 'static,
) -> Result<Released, ReleaseError<Infallible>> {
    let answer = |seen: &Seen, signer: &IdentityKey| attest_answer(seen, signer, None);
    released_by(identity, signer, answer, &SecondFactors::default())
}

fn released_by(
    identity: &IdentityKey,
    signer: impl Fn() -> IdentityKey + Send + Sync + 'static,
    answer: impl Fn(&Seen, &IdentityKey) -> String + Send + Sync + 'static,
    factors: &SecondFactors,
) -> Result<Released, ReleaseError<Infallible>> {
    let gathered = Evidence::None {};
    released_with(identity, signer, answer, factors, &gathered.into())
}

fn released_with(
    identity: &IdentityKey,
    signer: impl Fn() -> IdentityKey + Send + Sync + 'static,
    answer: impl Fn(&Seen, &IdentityKey) -> String + Send + Sync + 'static,
    factors: &SecondFactors,
    gathered: &Gathered,
) -> Result<Released, ReleaseError<Infallible>> {
    let key_hash = *identity.key_hash();
    let server = FakeServer::start(&test_identity(identity), move |seen| {
        if seen.line == "POST /v1/attest" {
            return Reply::Json(200, answer(seen, &signer()));
        }
        let challenge = wire::Challenge {
            nonce: wire::B64(vec![7; 32]),
            expires: 1_795_424_399,
            server: key_hash.to_string(),
            kems: vec!["X-Wing".to_owned()],
            evidence: vec!["none".to_owned()],
        };
        Reply::Json(200, serde_json::to_string(&challenge).unwrap())
    });
    let address = server.address.to_string().parse().unwrap();
    let trust = ServerTrust::Pinned(key_hash);
    let client = Client::new(address, &trust, None, Timeouts::default()).unwrap();
    let config = "demo/web".parse().unwrap();
    client.release(config, &SystemRng, factors, |runtime, challenge| {
        assert_eq!(runtime.nonce(), &challenge.nonce);
        Ok(gathered.clone())
    })
}

fn signer_of(identity: &IdentityKey) -> impl Fn() -> IdentityKey + Send + Sync + 'static {
    let pkcs8 = identity.pkcs8().expose().to_vec();
    move || IdentityKey::from_pkcs8(&Secret::new(pkcs8.clone())).unwrap()
}

/// Releases with the workload's token from a server whose policy has another, or none.
fn released_with_tokens(
    of_workload: Option<&str>,
    of_policy: Option<&'static str>,
) -> Result<Released, ReleaseError<Infallible>> {
    let identity = IdentityKey::generate().unwrap();
    let factors = SecondFactors {
        one_time_password: None,
        access_token: of_workload.map(token),
        ..SecondFactors::default()
    };
    let answer = move |seen: &Seen, signer: &IdentityKey| attest_answer(seen, signer, of_policy);
    released_by(&identity, signer_of(&identity), answer, &factors)
}

#[test]
fn release_of_the_pinned_server_opens() {
    let identity = IdentityKey::generate().unwrap();
    let signer = signer_of(&identity);
    let released = released(&identity, signer).unwrap();
    assert_eq!(released.refresh_after, Seconds(3600));
    assert_eq!(
        released.configuration.arguments[0]
            .value()
            .unwrap()
            .expose_text(),
        Some("web")
    );
}

#[test]
fn release_signed_by_another_key_does_not_open() {
    let identity = IdentityKey::generate().unwrap();
    let refused = released(&identity, || IdentityKey::generate().unwrap());
    assert_matches!(refused, Err(ReleaseError::Open(OpenError::Server { .. })));
}

#[test]
fn release_sends_the_code_and_the_proof_and_never_the_token() {
    let identity = IdentityKey::generate().unwrap();
    let factors = SecondFactors {
        one_time_password: Some("012345".parse().unwrap()),
        access_token: Some(token("shared-token")),
        ..SecondFactors::default()
    };
    let answer = |seen: &Seen, signer: &IdentityKey| {
        let text = std::str::from_utf8(&seen.body).unwrap();
        assert!(!text.contains("shared-token"));
        let request: wire::AttestRequest = serde_json::from_str(text).unwrap();
        assert_eq!(request.otp.as_deref(), Some("012345"));
        let runtime = RuntimeData::parse(&request.runtime_data.0).unwrap();
        assert_eq!(runtime.config().to_string(), "demo/web");
        let (proof, token) = (request.access_token_proof.unwrap().0, token("shared-token"));
        let binding = runtime.binding();
        assert!(is_access_token_proof(
            &proof,
            &token,
            ProofSide::Attester,
            &binding
        ));
        attest_answer(seen, signer, Some("shared-token"))
    };
    released_by(&identity, signer_of(&identity), answer, &factors).unwrap();
}

#[test]
fn release_without_factors_sends_none() {
    let identity = IdentityKey::generate().unwrap();
    let answer = |seen: &Seen, signer: &IdentityKey| {
        let text = std::str::from_utf8(&seen.body).unwrap();
        assert!(!text.contains("otp") && !text.contains("_token"), "{text}");
        attest_answer(seen, signer, None)
    };
    let factors = SecondFactors::default();
    released_by(&identity, signer_of(&identity), answer, &factors).unwrap();
}

#[test]
fn release_sends_the_tokens_beside_the_evidence() {
    let identity = IdentityKey::generate().unwrap();
    let factors = SecondFactors {
        service_account_token: Some(token("d.e.f\n")),
        ..SecondFactors::default()
    };
    let gathered = Gathered {
        evidence: Evidence::None {},
        maa_token: Some("a.b.c".to_owned()),
    };
    assert!(!format!("{factors:?}").contains("d.e.f"));
    let answer = |seen: &Seen, signer: &IdentityKey| {
        let request: wire::AttestRequest = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(request.service_account_token.as_deref(), Some("d.e.f"));
        assert_eq!(request.maa_token.as_deref(), Some("a.b.c"));
        attest_answer(seen, signer, None)
    };
    released_with(&identity, signer_of(&identity), answer, &factors, &gathered).unwrap();
}

#[test]
fn release_with_a_token_needs_the_servers_proof() {
    assert!(released_with_tokens(Some("shared"), Some("shared")).is_ok());
    assert!(released_with_tokens(None, Some("shared")).is_ok());
    let refused = released_with_tokens(Some("shared"), None);
    assert_matches!(refused, Err(ReleaseError::Factor(FactorError::NoProof)));
    let refused = released_with_tokens(Some("shared"), Some("other"));
    assert_matches!(refused, Err(ReleaseError::Factor(FactorError::OtherToken)));
}

#[test]
fn gathered_debug_shows_no_token() {
    let token = "hunter2.hunter2.hunter2";
    let bare = Gathered::from(Evidence::Maa {
        token: token.to_owned(),
    });
    let shown = "Gathered { evidence: Maa { token: Text(23 bytes) }, maa_token: None }";
    assert_eq!(format!("{bare:?}"), shown);
    let beside = Gathered {
        evidence: Evidence::None {},
        maa_token: Some(token.to_owned()),
    };
    let shown = "Gathered { evidence: None, maa_token: Some(Text(23 bytes)) }";
    assert_eq!(format!("{beside:?}"), shown);
}
