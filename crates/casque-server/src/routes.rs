//! The routes. Each parses what came in, calls one use case, and writes down what came out.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router, middleware};
use casque_core::{Blame, Casque, PublicValue, ValueQuery};
use casque_policy::Credentials;
use casque_secrets::SessionEncryptionKey;
use casque_types::{KeyHash, PolicyHash, PolicyName, SecretKind};
use casque_wire as wire;
use serde::{Deserialize, Serialize};

use crate::answer::{Dialect, Refusal, diagnostic, status_of};
use crate::body::bounded;
use crate::caller::Caller;
use crate::evidence::{self, KINDS};
use crate::limits::{RequestLimits, bound};
use crate::metrics::Metrics;
use crate::ports::ServerPorts;

/// What every route needs.
pub(crate) struct Routes {
    pub(crate) casque: Arc<Casque<ServerPorts>>,
    pub(crate) metrics: Arc<Metrics>,
}

type Shared = State<Arc<Routes>>;

/// All routes, bounded in body, time and number.
pub(crate) fn router(routes: Arc<Routes>, limits: RequestLimits) -> Router {
    Router::new()
        .route("/v1/challenge", post(challenge))
        .route("/v1/attest", post(attest))
        .route("/v1/version", get(version))
        .route("/session", post(create))
        .route("/session/{*name}", get(read))
        .route("/v1/sessions/{*name}", get(read))
        .route("/v1/values/{*query}", get(values))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(limits, bound))
        .with_state(routes)
}

async fn challenge(State(routes): Shared) -> Response {
    let offered = routes
        .casque
        .challenge()
        .map_err(|error| Refusal::new(Blame::Bug, "no-randomness", error.to_string(), None));
    let answer = offered.map(|offered| wire::Challenge {
        nonce: wire::B64(offered.nonce.as_bytes().to_vec()),
        expires: offered.expires.as_unix_s(),
        server: offered.server.to_string(),
        kems: vec!["X-Wing".to_owned()],
        evidence: KINDS.map(str::to_owned).to_vec(),
    });
    routes.answer("challenge", Dialect::Casque, StatusCode::OK, answer)
}

async fn attest(State(routes): Shared, body: Body) -> Response {
    let answer = routes.attest(body).await;
    routes.answer("attest", Dialect::Casque, StatusCode::OK, answer)
}

async fn version(State(routes): Shared) -> Response {
    let identity = routes.casque.identity();
    let answer = SessionEncryptionKey::of_identity(identity)
        .map(|key| wire::Version {
            name: "casque".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server: identity.key_hash().to_string(),
            server_key: wire::B64(identity.spki().to_vec()),
            session_encryption_key: key.public().to_string(),
        })
        .map_err(|error| Refusal::new(Blame::Bug, "no-encryption-key", error.to_string(), None));
    routes.answer("version", Dialect::Casque, StatusCode::OK, answer)
}

async fn create(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response {
    let answer = routes.create(caller, body).await;
    routes.answer(
        "session-create",
        Dialect::Scone,
        StatusCode::CREATED,
        answer,
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadQuery {
    hash: Option<String>,
}

async fn read(
    State(routes): Shared,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Response {
    let answer = routes.read(caller, &name, query).await;
    routes.answer("session-read", Dialect::Scone, StatusCode::OK, answer)
}

async fn values(State(routes): Shared, Path(query): Path<String>) -> Response {
    let answer = routes.values(&query).await;
    routes.answer("values", Dialect::Scone, StatusCode::OK, answer)
}

async fn ready(State(routes): Shared) -> Response {
    match routes.casque.check().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::error!(error = %error, "not ready");
            (
                status_of(Blame::Unavailable),
                "the store is not available\n",
            )
                .into_response()
        }
    }
}

async fn metrics(State(routes): Shared) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match routes.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, content_type)], text).into_response(),
        Err(_) => status_of(Blame::Bug).into_response(),
    }
}

async fn no_route(State(routes): Shared) -> Response {
    let refusal = Refusal::new(
        Blame::Absent,
        "no-such-route",
        "there is nothing at this path",
        Some("the routes are listed in docs/http.md"),
    );
    routes.answer::<()>("none", Dialect::Scone, StatusCode::OK, Err(refusal))
}

async fn no_method() -> Response {
    let text = "this path answers another method; the routes are listed in docs/http.md\n";
    (StatusCode::METHOD_NOT_ALLOWED, text).into_response()
}

impl Routes {
    async fn attest(&self, body: Body) -> Result<wire::AttestAnswer, Refusal> {
        let body = bounded(body, MOST_ATTEST_BYTES).await?;
        let raw = serde_json::from_slice(&body).map_err(|error| not_a_request(&error))?;
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

    async fn create(
        &self,
        Caller(caller): Caller,
        body: Body,
    ) -> Result<wire::PolicyCreated, Refusal> {
        let body = bounded(body, MOST_POLICY_BYTES).await?;
        let text = std::str::from_utf8(&body).map_err(|error| not_utf8(&body, &error))?;
        let put = self.casque.put_policy(text, &credentials(caller)).await?;
        tracing::info!(policy_hash = %put.hash, "policy put");
        Ok(wire::PolicyCreated {
            hash: put.hash.to_string(),
            warnings: put.warnings.iter().map(diagnostic).collect(),
        })
    }

    async fn read(
        &self,
        Caller(caller): Caller,
        name: &str,
        query: Result<Query<ReadQuery>, QueryRejection>,
    ) -> Result<wire::PolicyRead, Refusal> {
        let Query(query) = query.map_err(|rejection| malformed(&rejection.body_text()))?;
        let name = policy_name(name)?;
        let hash = query.hash.map(|hash| policy_hash(&hash)).transpose()?;
        let found = self
            .casque
            .read_policy(&name, hash.as_ref(), &credentials(caller))
            .await?;
        // the reader is permitted to see the whole text
        let session = found.text.expose_text().unwrap_or_default().to_owned();
        Ok(wire::PolicyRead {
            session,
            hash: found.hash.to_string(),
        })
    }

    async fn values(&self, query: &str) -> Result<ValuesAnswer, Refusal> {
        let query = value_query(query)?;
        let all = query.secret.is_none();
        let found = self.casque.read_values(&query).await?;
        let mut values: BTreeMap<String, wire::Value> = found
            .iter()
            .map(|value| (value.name.to_string(), wire_value(value)))
            .collect();
        match values.pop_first() {
            Some((_, value)) if !all => Ok(ValuesAnswer::One(value)),
            Some((name, value)) => {
                values.insert(name, value);
                Ok(ValuesAnswer::All(wire::Values { values }))
            }
            None => Err(malformed("no value")),
        }
    }

    /// Writes an answer down, logs and counts it.
    fn answer<T: Serialize>(
        &self,
        route: &'static str,
        dialect: Dialect,
        success: StatusCode,
        answer: Result<T, Refusal>,
    ) -> Response {
        match answer {
            Ok(body) => {
                self.metrics.count_answer(route, success.as_u16(), "ok");
                (success, Json(body)).into_response()
            }
            Err(refusal) => {
                let status = status_of(refusal.blame).as_u16();
                self.metrics.count_answer(route, status, refusal.code);
                for reason in &refusal.reasons {
                    self.metrics.count_reason(reason);
                }
                tracing::info!(route, status, code = refusal.code, reasons = ?refusal.reasons, "refused");
                refusal.response(dialect)
            }
        }
    }
}

/// One value, or all of a policy.
#[derive(Serialize)]
#[serde(untagged)]
enum ValuesAnswer {
    One(wire::Value),
    All(wire::Values),
}

/// `session=S[,secret=N][,session_hash=H]`, with an optional slash before `S`.
fn value_query(text: &str) -> Result<ValueQuery, Refusal> {
    let (mut policy, mut secret, mut hash) = (None, None, None);
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("session", name)) if policy.is_none() => policy = Some(policy_name(name)?),
            Some(("secret", name)) if secret.is_none() => {
                let name = name
                    .parse()
                    .map_err(|error| malformed(&format!("secret: {error}")))?;
                secret = Some(name);
            }
            Some(("session_hash", digest)) if hash.is_none() => hash = Some(policy_hash(digest)?),
            _ => {
                return Err(malformed(&format!(
                    "expected `session=NAME`, `secret=NAME` or `session_hash=HASH`, each once, found `{part}`"
                )));
            }
        }
    }
    let policy = policy.ok_or_else(|| malformed("expected `session=NAME`"))?;
    Ok(ValueQuery {
        policy,
        secret,
        hash,
    })
}

fn wire_value(value: &PublicValue) -> wire::Value {
    // the policy's author exported this value to everyone
    let text = match (value.kind, value.value.expose_text()) {
        (SecretKind::Binary, _) | (_, None) => hex_text(value.value.expose()),
        (_, Some(text)) => text.to_owned(),
    };
    wire::Value {
        kind: scone_kind(value.kind).to_owned(),
        value: text,
        expires: value.expires.map(|at| at.to_string()),
        renew: value.renew.map(|at| at.to_string()),
    }
}

/// SCONE's clients see `string` for text (spec/policy-language.md section 12).
const fn scone_kind(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Ascii => "string",
        other => other.as_str(),
    }
}

fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn credentials(caller: Option<KeyHash>) -> Credentials {
    caller.map_or_else(Credentials::default, Credentials::of_tls)
}

fn policy_name(text: &str) -> Result<PolicyName, Refusal> {
    text.parse()
        .map_err(|error| malformed(&format!("policy name: {error}")))
}

fn policy_hash(text: &str) -> Result<PolicyHash, Refusal> {
    text.parse()
        .map_err(|error| malformed(&format!("policy hash: {error}")))
}

fn malformed(message: &str) -> Refusal {
    Refusal::new(Blame::Malformed, "request-malformed", message, None)
}

fn not_a_request(error: &serde_json::Error) -> Refusal {
    let message = format!("expected an attestation request in JSON: {error}");
    let hint = "docs/http.md shows the body";
    Refusal::new(Blame::Malformed, "request-malformed", message, Some(hint))
}

fn not_utf8(body: &[u8], error: &std::str::Utf8Error) -> Refusal {
    let before = body.get(..error.valid_up_to()).unwrap_or_default();
    let line = before
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        .saturating_add(1);
    let message = format!("expected a policy in UTF-8, found a byte that is none in line {line}");
    let hint = "save the file as UTF-8";
    Refusal::new(Blame::Malformed, "policy-not-utf8", message, Some(hint))
}

const MOST_POLICY_BYTES: usize = 1024 * 1024;
const MOST_ATTEST_BYTES: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_query_of_scone_form_is_read() {
        let query = value_query("session=ns/app,secret=pw").unwrap();
        assert_eq!(query.policy.as_str(), "ns/app");
        assert_eq!(query.secret.unwrap().as_str(), "pw");
        assert!(query.hash.is_none());
    }

    #[test]
    fn value_query_twice_the_session_is_refused() {
        let refused = value_query("session=a,session=b").unwrap_err();
        assert_eq!(refused.code, "request-malformed");
    }

    #[test]
    fn not_utf8_names_the_line() {
        let body = [b"name: a\nb: ".as_slice(), &[0xff]].concat();
        let error = std::str::from_utf8(&body).unwrap_err();
        assert!(format!("{:?}", not_utf8(&body, &error)).contains("line 2"));
    }
}
