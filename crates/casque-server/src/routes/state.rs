//! How the server is: alive, able to serve, what it counted, what it can do.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use casque_core::Blame;

use super::description::{METRICS, OPENAPI, READY};
use super::{Shared, unwritable};
use crate::answer::Refusal;
use crate::code::Code;

pub(super) async fn healthy() -> Response {
    "ok\n".into_response()
}

pub(super) async fn ready(State(routes): Shared) -> Response {
    let Err(error) = routes.casque.check().await else {
        return "ready\n".into_response();
    };
    tracing::error!(%error, "not ready");
    let refusal = Refusal::new(
        Blame::Unavailable,
        Code::StoreUnavailable,
        "the store is not available",
        Some("the operator should look at the log and at the disk"),
    );
    routes.refuse(READY.route, READY.dialect, refusal)
}

pub(super) async fn metrics(State(routes): Shared) -> Response {
    match routes.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => routes.refuse(METRICS.route, METRICS.dialect, unwritable()),
    }
}

pub(super) async fn openapi(State(routes): Shared) -> Response {
    routes.answer(&OPENAPI, Ok(&routes.document))
}

/// The media type of OpenMetrics.
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
