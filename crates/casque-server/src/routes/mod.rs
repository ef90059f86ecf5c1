//! The routes. Each parses what came in, calls one use case, and writes down what came out.
//!
//! The router and the OpenAPI document are made from one table, so that neither has what the other lacks.

mod attest;
mod description;
mod policies;
mod state;
mod values;

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post, put};
use axum::{Router, middleware};
use casque_core::{Blame, Casque};
use casque_secrets::SessionEncryptionKey;
use casque_types::{PolicyHash, PolicyName};
use serde::Serialize;
use utoipa::openapi::OpenApi;

use crate::answer::{Dialect, Refusal, status_of};
use crate::code::Code;
use crate::confidential;
use crate::limits::{RequestLimits, bound};
use crate::metrics::Metrics;
use crate::openapi::Operation;
use crate::ports::ServerPorts;

/// What every route needs.
pub(crate) struct Routes {
    pub(crate) casque: Arc<Casque<ServerPorts>>,
    pub(crate) metrics: Arc<Metrics>,
    /// What sessions are encrypted to.
    pub(crate) session_key: SessionEncryptionKey,
    /// The description of these routes.
    pub(crate) document: OpenApi,
}

type Shared = State<Arc<Routes>>;
type MaybePath = Result<Path<String>, PathRejection>;
type MaybeQuery<T> = Result<Query<T>, QueryRejection>;

/// A path with what answers there, and what is said of it.
struct Route {
    /// As axum writes it: `{*name}` also takes slashes.
    path: &'static str,
    methods: MethodRouter<Arc<Routes>>,
    operations: &'static [Operation],
}

const fn route(
    path: &'static str,
    methods: MethodRouter<Arc<Routes>>,
    operations: &'static [Operation],
) -> Route {
    Route {
        path,
        methods,
        operations,
    }
}

fn attestation() -> Vec<Route> {
    use description as described;
    vec![
        route(
            "/v1/challenge",
            post(attest::challenge),
            &[described::CHALLENGE],
        ),
        route("/v1/attest", post(attest::attest), &[described::RELEASE]),
        route(
            "/v1/attest/azure-guest",
            post(attest::azure_guest),
            &[described::AZURE_GUEST],
        ),
        route(
            "/v1/attempts/{*config}",
            get(attest::attempts),
            &[described::ATTEMPTS],
        ),
    ]
}

fn table() -> Vec<Route> {
    use description as described;
    let encrypted = put(policies::create_encrypted).post(policies::create_encrypted);
    let mut routes = attestation();
    routes.extend([
        route("/v1/version", get(attest::version), &[described::VERSION]),
        route("/session", post(policies::create), &[described::CREATE]),
        route("/v1/encrypted_sessions", encrypted, described::ENCRYPTED),
        route("/v1/sessions", get(policies::list), &[described::LIST]),
        route(
            "/v1/sessions/{*name}",
            get(policies::read),
            &[described::READ],
        ),
        route(
            "/session/{*name}",
            get(policies::read),
            &[described::READ_OLD],
        ),
        route(
            "/v1/history/{*name}",
            get(policies::history),
            &[described::HISTORY],
        ),
        route(
            "/v1/hashes/{*name}",
            get(policies::hash),
            &[described::HASH],
        ),
        route(
            "/v1/values/{*query}",
            get(values::values),
            described::VALUES,
        ),
        route("/v1/exports", post(values::export), &[described::EXPORT]),
        route(
            "/v1/openapi.json",
            get(state::openapi),
            &[described::OPENAPI],
        ),
        route("/healthz", get(state::healthy), &[described::HEALTHY]),
        route("/readyz", get(state::ready), &[described::READY]),
        route("/metrics", get(state::metrics), &[described::METRICS]),
    ]);
    routes
}

/// All that is said of the routes.
pub(crate) fn operations() -> Vec<&'static Operation> {
    let routes = table().into_iter();
    routes.flat_map(|route| route.operations).collect()
}

/// All routes, bounded in body, time and number.
pub(crate) fn router(routes: Arc<Routes>, limits: RequestLimits) -> Router {
    let mut router = Router::new();
    for route in table() {
        router = router.route(route.path, route.methods);
    }
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(limits, bound))
        .with_state(routes)
}

async fn no_route(State(routes): Shared) -> Response {
    let refusal = Refusal::new(
        Blame::Absent,
        Code::NoSuchRoute,
        "there is nothing at this path",
        Some(ROUTES_HINT),
    );
    routes.refuse(NO_ROUTE, Dialect::Scone, refusal)
}

async fn no_method(State(routes): Shared) -> Response {
    let refusal = Refusal::new(
        Blame::Absent,
        Code::NoSuchMethod,
        "this path answers other methods, which the header `Allow` lists",
        Some(ROUTES_HINT),
    );
    let mut response = routes.refuse(NO_ROUTE, Dialect::Scone, refusal);
    // The blame is the same as with a path that is not there; HTTP has a status of its own for it.
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

impl Routes {
    /// Writes an answer down, logs and counts it.
    fn answer<T: Serialize>(&self, operation: &Operation, answer: Result<T, Refusal>) -> Response {
        let written =
            answer.and_then(|answer| confidential::json(&answer).map_err(|_| unwritable()));
        match written {
            Ok(body) => {
                self.count(operation);
                (operation.status, JSON, body).into_response()
            }
            Err(refusal) => self.refuse(operation.route, operation.dialect, refusal),
        }
    }

    fn count(&self, operation: &Operation) {
        let status = operation.status.as_u16();
        self.metrics.count_answer(operation.route, status, "ok");
    }

    fn refuse(&self, route: &'static str, dialect: Dialect, refusal: Refusal) -> Response {
        let status = status_of(refusal.blame).as_u16();
        self.metrics.count_answer(route, status, refusal.code);
        for reason in &refusal.reasons {
            self.metrics.count_reason(reason);
        }
        tracing::info!(route, status, code = refusal.code, reasons = ?refusal.reasons, "refused");
        refusal.response(dialect)
    }
}

fn unwritable() -> Refusal {
    let message = "the answer could not be written";
    let hint = Some("this is a defect of Casque: please report it");
    Refusal::new(Blame::Bug, Code::AnswerUnwritable, message, hint)
}

fn text_of(path: MaybePath) -> Result<String, Refusal> {
    path.map(|Path(text)| text)
        .map_err(|rejection| malformed(&rejection.body_text()))
}

fn policy_name(what: &str, text: &str) -> Result<PolicyName, Refusal> {
    text.parse()
        .map_err(|error| malformed(&format!("{what}: {error}")))
}

fn policy_hash(what: &str, text: &str) -> Result<PolicyHash, Refusal> {
    text.parse()
        .map_err(|error| malformed(&format!("{what}: {error}")))
}

fn malformed(message: &str) -> Refusal {
    let hint = Some("docs/http.md shows the request");
    Refusal::new(Blame::Malformed, Code::RequestMalformed, message, hint)
}

fn malformed_json(what: &str, error: &serde_json::Error) -> Refusal {
    malformed(&format!("expected {what} in JSON: {error}"))
}

const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];
const ROUTES_HINT: &str = "the routes are listed in docs/http.md and at `/v1/openapi.json`";
/// The label of what reached no route.
const NO_ROUTE: &str = "none";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `/v1/values/session={session},secret={secret}` lies under `/v1/values/{*query}`.
    fn lies_under(described: &str, route: &str) -> bool {
        match route.split_once("{*") {
            Some((fixed, _)) => described.starts_with(fixed) && described.len() > fixed.len(),
            None => described == route,
        }
    }

    #[test]
    fn every_route_is_described_under_its_own_path() {
        for route in table() {
            assert!(!route.operations.is_empty(), "{}", route.path);
            for operation in route.operations {
                assert!(lies_under(operation.path, route.path), "{}", operation.path);
            }
        }
    }

    #[test]
    fn operations_have_ids_of_their_own() {
        let ids: BTreeSet<&str> = operations().iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), operations().len());
    }

    #[test]
    fn routes_stand_in_the_table_alone() {
        let source = include_str!("mod.rs").split("#[cfg(test)]").next().unwrap();
        assert_eq!(source.matches(".route(").count(), 1);
    }

    #[test]
    fn http_document_names_every_route() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/http.md");
        let text = std::fs::read_to_string(path).unwrap();
        for route in table() {
            let path = route.path.replace("{*query}", "session=");
            let path = path.replace("{*name}", "<name>");
            let path = path.replace("{*config}", "<name>/<service>");
            assert!(text.contains(&path), "docs/http.md lacks {path}");
        }
    }
}
