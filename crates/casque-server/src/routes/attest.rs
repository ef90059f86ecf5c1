//! Attestation: challenge and release; and who this server is.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use casque_core::Blame;
use casque_wire as wire;

use super::description::{CHALLENGE, RELEASE, VERSION};
use super::{Routes, Shared, malformed_json};
use crate::answer::Refusal;
use crate::body::bounded;
use crate::code::Code;
use crate::evidence::{self, KINDS};

pub(super) async fn challenge(State(routes): Shared) -> Response {
    let offered = routes.casque.challenge().map_err(|error| {
        let hint = Some("the operating system gives no randomness: the operator should look");
        Refusal::new(Blame::Bug, Code::NoRandomness, error.to_string(), hint)
    });
    let answer = offered.map(|offered| wire::Challenge {
        nonce: wire::B64(offered.nonce.as_bytes().to_vec()),
        expires: offered.expires.as_unix_s(),
        server: offered.server.to_string(),
        kems: vec!["X-Wing".to_owned()],
        evidence: KINDS.map(str::to_owned).to_vec(),
    });
    routes.answer(&CHALLENGE, answer)
}

pub(super) async fn attest(State(routes): Shared, body: Body) -> Response {
    let answer = routes.attest(body).await;
    routes.answer(&RELEASE, answer)
}

pub(super) async fn version(State(routes): Shared) -> Response {
    let identity = routes.casque.identity();
    let version = wire::Version {
        name: "casque".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        server: identity.key_hash().to_string(),
        server_key: wire::B64(identity.spki().to_vec()),
        session_encryption_key: routes.session_key.public().to_string(),
    };
    routes.answer(&VERSION, Ok(version))
}

impl Routes {
    async fn attest(&self, body: Body) -> Result<wire::AttestAnswer, Refusal> {
        let body = bounded(body, MOST_ATTEST_BYTES, "docs/http.md shows the request").await?;
        let raw = serde_json::from_slice(&body);
        let raw = raw.map_err(|error| malformed_json("an attestation request", &error))?;
        let released = self.casque.attest(evidence::request(raw)?).await?;
        Ok(wire::AttestAnswer {
            sealed: wire::Sealed {
                encapsulated: wire::B64(released.sealed.encapsulated),
                ciphertext: wire::B64(released.sealed.ciphertext),
                server_key: wire::B64(released.sealed.server_spki),
                signature: wire::B64(released.sealed.signature),
            },
            refresh_after_s: released.refresh_after.0,
        })
    }
}

const MOST_ATTEST_BYTES: usize = 128 * 1024;
