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
use casque_client::{Client, ReleaseError, Released, ServerTrust, Timeouts};
use casque_secrets::{IdentityKey, OpenError, seal_configuration};
use casque_types::{Configuration, Rng, RngError, RuntimeData, Seconds, Secret, Timestamp};
use casque_wire as wire;
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

fn attest_answer(request: &Seen, signer: &IdentityKey) -> String {
    let request: wire::AttestRequest = serde_json::from_slice(&request.body).unwrap();
    let runtime = RuntimeData::parse(&request.runtime_data.0).unwrap();
    let configuration = Configuration {
        arguments: vec![Secret::new(b"web".to_vec()).into()],
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
    let key_hash = *identity.key_hash();
    let server = FakeServer::start(&test_identity(identity), move |seen| {
        if seen.line == "POST /v1/attest" {
            return Reply::Json(200, attest_answer(seen, &signer()));
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
    client.release(config, &SystemRng, |runtime, challenge| {
        assert_eq!(runtime.nonce(), &challenge.nonce);
        Ok(wire::Evidence::None {})
    })
}

#[test]
fn release_of_the_pinned_server_opens() {
    let identity = IdentityKey::generate().unwrap();
    let pkcs8 = identity.pkcs8().expose().to_vec();
    let signer = move || IdentityKey::from_pkcs8(&Secret::new(pkcs8.clone())).unwrap();
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
