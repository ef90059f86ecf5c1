//! Azure's instance metadata service: managed identity tokens (spec/azure.md section 1.4).
//!
//! The identity of this "machine" is the seed's first application. What a confidential machine gets here
//! beside tokens is in `thim`.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::entra::Entra;
use super::faults::Faults;
use crate::seed::Seed;

/// The machine's identity.
pub(super) struct Identity {
    client_id: String,
    resources: Vec<String>,
    lifetime_s: u64,
    entra: Arc<Entra>,
    faults: Arc<Faults>,
}

impl Identity {
    pub(super) fn new(seed: &Seed, entra: Arc<Entra>, faults: Arc<Faults>) -> Arc<Self> {
        let first = seed.entra.applications.first();
        Arc::new(Self {
            client_id: first.map_or(String::new(), |a| a.client_id.clone()),
            resources: seed.entra.resources.clone(),
            lifetime_s: LIFETIME_S,
            entra,
            faults,
        })
    }

    fn token(&self, query: &[(String, String)]) -> Result<Response, Response> {
        let parameter = |name: &str| {
            let found = query.iter().find(|(n, _)| n == name);
            found.map(|(_, value)| value.as_str())
        };
        if parameter("api-version").is_none() {
            return Err(bad(
                "invalid_request",
                "Required query variable 'api-version' is missing",
            ));
        }
        let Some(resource) = parameter("resource") else {
            return Err(bad(
                "invalid_request",
                "Required query variable 'resource' is missing",
            ));
        };
        let asked = parameter("client_id").unwrap_or(&self.client_id);
        let other = parameter("object_id").or(parameter("msi_res_id"));
        if !asked.eq_ignore_ascii_case(&self.client_id) || other.is_some() {
            return Err(bad("invalid_request", "Identity not found"));
        }
        let wanted = resource.trim_end_matches('/');
        if !self
            .resources
            .iter()
            .any(|r| r.trim_end_matches('/') == wanted)
        {
            return Err(bad(
                "invalid_resource",
                "AADSTS500011: The resource principal was not found in the tenant.",
            ));
        }
        let failed = || StatusCode::INTERNAL_SERVER_ERROR.into_response();
        let application = self.entra.application(&self.client_id).ok_or_else(failed)?;
        let now = self.faults.now();
        let life_s = self.faults.token_lifetime_s(self.lifetime_s);
        let token = self.entra.access_token(application, wanted, now, life_s);
        let now_s = now.as_unix_s();
        Ok(Json(json!({
            "access_token": token.map_err(|_| failed())?,
            "client_id": self.client_id,
            "expires_in": life_s.to_string(),
            "expires_on": now_s.saturating_add(life_s).to_string(),
            "ext_expires_in": life_s.to_string(),
            "not_before": now_s.to_string(),
            "resource": resource,
            "token_type": "Bearer",
        }))
        .into_response())
    }
}

pub(super) fn router(identity: Arc<Identity>) -> Router {
    Router::new()
        .route("/metadata/identity/oauth2/token", get(token))
        .fallback(absent)
        .with_state(identity)
}

async fn token(
    State(identity): State<Arc<Identity>>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let metadata = headers.get("metadata").and_then(|v| v.to_str().ok());
    if !metadata.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return bad("invalid_request", "Required metadata header not specified");
    }
    identity.token(&query).unwrap_or_else(|refused| refused)
}

async fn absent() -> Response {
    let body = json!({
        "error": "not_found",
        "error_description":
            "the local IMDS answers /metadata/identity/oauth2/token, /metadata/THIM/amd/certification and /acc/tdquote alone",
    });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

fn bad(error: &str, description: &str) -> Response {
    let body = json!({"error": error, "error_description": description});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

const LIFETIME_S: u64 = 86_399;
