//! Attestation: challenge and release; and who this server is.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use casque_appraise::EvidenceKind;
use casque_core::Blame;
use casque_types::ConfigId;
use casque_wire as wire;

use super::description::{ATTEMPTS, AZURE_GUEST, CHALLENGE, RELEASE, VERSION};
use super::{MaybePath, Routes, Shared, malformed, malformed_json, text_of};
use crate::answer::Refusal;
use crate::attempts::attempt;
use crate::body::bounded;
use crate::caller::Caller;
use crate::code::Code;
use crate::evidence;

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
        evidence: EvidenceKind::ALL
            .map(|kind| kind.as_str().to_owned())
            .to_vec(),
    });
    routes.answer(&CHALLENGE, answer)
}

pub(super) async fn attest(State(routes): Shared, body: Body) -> Response {
    let answer = routes.attest(body).await;
    routes.answer(&RELEASE, answer)
}

pub(super) async fn azure_guest(State(routes): Shared, body: Body) -> Response {
    let answer = routes.azure_guest(body).await;
    routes.answer(&AZURE_GUEST, answer)
}

pub(super) async fn attempts(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    config: MaybePath,
) -> Response {
    let answer = routes.attempts(caller, config).await;
    routes.answer(&ATTEMPTS, answer)
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
    async fn attempts(&self, caller: Caller, config: MaybePath) -> Result<wire::Attempts, Refusal> {
        let text = text_of(config)?;
        // A name may be written with the slash that SCONE's clients put before it.
        let config: ConfigId = (text.strip_prefix('/').unwrap_or(&text).parse())
            .map_err(|error| malformed(&format!("config id: {error}")))?;
        let kept = self.casque.attempts(&config, &caller.credentials()).await?;
        Ok(wire::Attempts {
            attempts: kept.iter().map(|kept| attempt(&config, kept)).collect(),
        })
    }

    async fn azure_guest(&self, body: Body) -> Result<wire::GuestAnswer, Refusal> {
        let body = bounded(body, MOST_ATTEST_BYTES, "docs/http.md shows the request").await?;
        let raw = serde_json::from_slice(&body);
        let raw = raw.map_err(|error| malformed_json("a request of a guest", &error))?;
        let request = evidence::guest_request(raw)?;
        let sealed = self.casque.submit_guest(request).await?;
        Ok(wire::GuestAnswer {
            sealed_token: sealed.into_string(),
        })
    }

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

/// Evidence in base64 takes four bytes for three. The largest is that of confidential containers: a policy of 1 MiB
/// and a reference of the utility machine of 256 KiB, beside a report and certificates of less than 64 KiB; then two
/// tokens of 64 KiB and 16 KiB. What is kept of a request in work is bounded so, times `limits.requests`.
const MOST_ATTEST_BYTES: usize = 2 * 1024 * 1024;
