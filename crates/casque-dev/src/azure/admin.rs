//! The fault switch, on its own port.
//!
//! | method, path | meaning |
//! |---|---|
//! | `GET /faults/<service>` | the current [`FaultPlan`] |
//! | `PUT /faults/<service>` | another one, whole |
//! | `DELETE /faults` | no faults anywhere |
//! | `POST /keys/<entra or maa>/rotate` | another signing key from now on |
//! | `GET /requests/<service>` | how often each method and path was asked for |
//! | `POST /evidence` | evidence of a software TEE: [`EvidenceRequest`] to the JSON form of evidence |
//! | `GET /command?config=<config id>` | the [`Program`] that the service's policy starts |

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use casque_types::ConfigId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Services;
use super::faults::{FaultPlan, Faults};
use crate::measure::Measurements;
use crate::tees::{SoftwareTees, TeeKind};

/// Tells which program a service's policy starts: bound late, since the server starts after Azure.
#[derive(Clone, Default)]
pub struct Commands(Arc<OnceLock<Lookup>>);

/// A program that a policy starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The first word of the `command`.
    pub program: String,
    /// The directory that it is started in, if the policy names one.
    pub directory: Option<String>,
}

/// What became of a question for a program; `Err` says why there is none.
pub type Answer = Pin<Box<dyn Future<Output = Result<Program, String>> + Send>>;
type Lookup = Box<dyn Fn(ConfigId) -> Answer + Send + Sync>;

impl Commands {
    /// Says how to look a program up; the first one counts.
    pub fn bind(&self, lookup: impl Fn(ConfigId) -> Answer + Send + Sync + 'static) {
        if self.0.set(Box::new(lookup)).is_err() {
            tracing::warn!("programs are looked up already");
        }
    }

    async fn of(&self, config: ConfigId) -> Result<Program, String> {
        match self.0.get() {
            Some(lookup) => lookup(config).await,
            None => Err("no server runs beside this local Azure".to_owned()),
        }
    }
}

#[derive(Clone)]
struct Admin {
    services: Arc<Services>,
    commands: Commands,
    tees: Arc<SoftwareTees>,
}

/// What evidence is asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRequest {
    /// The kind of TEE.
    pub tee: TeeKind,
    /// SHA-256 of the program's file.
    pub sha256: String,
    /// SHA-384 of the program's file.
    pub sha384: String,
    /// 64 bytes in hexadecimal digits.
    pub report_data: String,
}

pub(super) fn router(
    services: Arc<Services>,
    commands: Commands,
    tees: Arc<SoftwareTees>,
) -> Router {
    Router::new()
        .route("/faults", delete(reset))
        .route("/faults/{service}", get(show).put(set))
        .route("/keys/{service}/rotate", post(rotate))
        .route("/requests/{service}", get(requests))
        .route("/command", get(command))
        .route("/evidence", post(evidence))
        .with_state(Admin {
            services,
            commands,
            tees,
        })
}

impl Admin {
    fn faults(&self, service: &str) -> Result<&Arc<Faults>, Response> {
        let found = self.services.faults(service);
        found.ok_or_else(|| {
            refusal(
                StatusCode::NOT_FOUND,
                "expected entra, vault, maa, imds or pccs",
            )
        })
    }
}

async fn reset(State(admin): State<Admin>) -> StatusCode {
    for faults in &admin.services.faults {
        faults.set(FaultPlan::default());
    }
    StatusCode::NO_CONTENT
}

async fn show(State(admin): State<Admin>, Path(service): Path<String>) -> Response {
    let faults = admin.faults(&service);
    faults.map_or_else(|refused| refused, |f| Json(f.plan()).into_response())
}

async fn set(
    State(admin): State<Admin>,
    Path(service): Path<String>,
    body: axum::body::Bytes,
) -> Response {
    let faults = match admin.faults(&service) {
        Ok(faults) => faults,
        Err(refused) => return refused,
    };
    match serde_json::from_slice::<FaultPlan>(&body) {
        Ok(plan) => {
            faults.set(plan.clone());
            Json(plan).into_response()
        }
        Err(error) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn rotate(State(admin): State<Admin>, Path(service): Path<String>) -> Response {
    let rotated = match service.as_str() {
        "entra" => admin.services.entra.rotate(),
        "maa" => admin.services.maa.rotate(),
        _ => return refusal(StatusCode::NOT_FOUND, "expected entra or maa"),
    };
    match rotated {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn requests(State(admin): State<Admin>, Path(service): Path<String>) -> Response {
    let faults = admin.faults(&service);
    faults.map_or_else(|refused| refused, |f| Json(f.requests()).into_response())
}

#[derive(Deserialize)]
struct CommandQuery {
    config: String,
}

async fn command(State(admin): State<Admin>, Query(query): Query<CommandQuery>) -> Response {
    let config = match query.config.parse::<ConfigId>() {
        Ok(config) => config,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match admin.commands.of(config).await {
        Ok(program) => Json(program).into_response(),
        Err(why) => refusal(StatusCode::NOT_FOUND, &why),
    }
}

async fn evidence(State(admin): State<Admin>, body: axum::body::Bytes) -> Response {
    let Some((kind, program, report_data)) = parse_evidence_request(&body) else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "expected `tee`, `sha256`, `sha384` and 64 bytes of `report_data`",
        );
    };
    match admin.tees.evidence(kind, &program, report_data) {
        Ok(evidence) => Json(evidence).into_response(),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn parse_evidence_request(body: &[u8]) -> Option<(TeeKind, Measurements, [u8; 64])> {
    let request: EvidenceRequest = serde_json::from_slice(body).ok()?;
    let program = Measurements {
        sha256: request.sha256.parse().ok()?,
        sha384: request.sha384.parse().ok()?,
    };
    let mut report_data = [0; 64];
    hex::decode_to_slice(request.report_data, &mut report_data).ok()?;
    Some((request.tee, program, report_data))
}

fn refusal(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
