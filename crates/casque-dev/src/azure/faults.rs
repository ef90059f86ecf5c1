//! The fault switch: what a service does wrong, until it is told otherwise.
//!
//! One [`Faults`] for each service; the admin service changes it. A fault is applied before the
//! service sees the request, in the order latency, throttling, failure.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use casque_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::{guid, system_now};

/// What a service does wrong. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultPlan {
    /// How long each answer waits, in milliseconds.
    pub latency_ms: u64,
    /// How many of the next requests are answered 429.
    pub throttle: u32,
    /// `Retry-After` of those, in seconds.
    pub retry_after_s: u64,
    /// How many of the next requests are answered with `fail_status`.
    pub fail: u32,
    /// The status of those; 503 when it is none of 400 to 599.
    pub fail_status: u16,
    /// How far this service's clock is ahead of the system's, in seconds.
    pub clock_skew_s: i64,
    /// How long its tokens live, in seconds, instead of what the seed says.
    pub token_lifetime_s: Option<u64>,
}

/// The faults of one service, and what it was asked.
pub struct Faults {
    service: Service,
    state: Mutex<FaultState>,
}

#[derive(Default)]
struct FaultState {
    plan: FaultPlan,
    requests: BTreeMap<String, u64>,
}

/// One service of the local Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Microsoft Entra ID.
    Entra,
    /// Azure Key Vault.
    Vault,
    /// Microsoft Azure Attestation.
    Maa,
    /// Instance metadata.
    Imds,
    /// Intel's provisioning certificates, served for the software TEE.
    Pccs,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Entra, Self::Vault, Self::Maa, Self::Imds, Self::Pccs];

    /// Its name in the admin service's paths.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::Vault => "vault",
            Self::Maa => "maa",
            Self::Imds => "imds",
            Self::Pccs => "pccs",
        }
    }
}

impl Faults {
    /// No faults yet.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self {
            service,
            state: Mutex::default(),
        }
    }

    /// Which service they belong to.
    #[must_use]
    pub const fn service(&self) -> Service {
        self.service
    }

    /// What time the service believes it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let skew = self.lock().plan.clock_skew_s;
        Timestamp::from_unix_s(system_now().as_unix_s().saturating_add_signed(skew))
    }

    /// How long the service's tokens live, in seconds.
    #[must_use]
    pub fn token_lifetime_s(&self, seeded: u64) -> u64 {
        self.lock().plan.token_lifetime_s.unwrap_or(seeded)
    }

    /// The current plan.
    #[must_use]
    pub fn plan(&self) -> FaultPlan {
        self.lock().plan.clone()
    }

    /// Replaces the plan.
    pub fn set(&self, plan: FaultPlan) {
        self.lock().plan = plan;
    }

    /// How often each method and path was asked for since the start, faults included.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.lock().requests.clone()
    }

    fn count(&self, request: &Request) {
        let key = format!("{} {}", request.method(), request.uri().path());
        let requests = &mut self.lock().requests;
        if requests.len() < MOST_PATHS || requests.contains_key(&key) {
            *requests.entry(key).or_default() += 1;
        }
    }

    /// The fault that is due now, and the wait before it.
    fn next(&self) -> (Duration, Option<Fault>) {
        let plan = &mut self.lock().plan;
        let wait = Duration::from_millis(plan.latency_ms);
        if plan.throttle > 0 {
            plan.throttle -= 1;
            let retry_after_s = plan.retry_after_s;
            return (wait, Some(Fault::Throttle { retry_after_s }));
        }
        if plan.fail > 0 {
            plan.fail -= 1;
            let status = StatusCode::from_u16(plan.fail_status).ok();
            let status = status.filter(|s| s.is_client_error() || s.is_server_error());
            let status = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return (wait, Some(Fault::Fail { status }));
        }
        (wait, None)
    }

    fn lock(&self) -> MutexGuard<'_, FaultState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy)]
enum Fault {
    Throttle { retry_after_s: u64 },
    Fail { status: StatusCode },
}

/// Counts the request, and applies the service's faults to it.
pub(super) async fn apply(
    State(faults): State<std::sync::Arc<Faults>>,
    request: Request,
    next: Next,
) -> Response {
    faults.count(&request);
    let (wait, fault) = faults.next();
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let mut response = match fault {
        Some(fault) => fault.answer(faults.service),
        None => next.run(request).await,
    };
    let id = HeaderValue::from_str(&guid()).unwrap_or(HeaderValue::from_static("0"));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

impl Fault {
    fn answer(self, service: Service) -> Response {
        let (status, retry_after_s) = match self {
            Self::Throttle { retry_after_s } => {
                (StatusCode::TOO_MANY_REQUESTS, Some(retry_after_s))
            }
            Self::Fail { status } => (status, None),
        };
        let body = failure_body(service, status);
        let mut response = (status, axum::Json(body)).into_response();
        if let Some(seconds) = retry_after_s {
            let value = HeaderValue::from(seconds);
            response.headers_mut().insert("retry-after", value);
        }
        response
    }
}

/// The body in the words of the service.
fn failure_body(service: Service, status: StatusCode) -> Value {
    let throttled = status == StatusCode::TOO_MANY_REQUESTS;
    match service {
        Service::Entra => {
            let (code, text) = if throttled {
                (
                    90055,
                    "The tenant is throttled because of too many requests.",
                )
            } else {
                (90033, "A transient error has occurred. Please try again.")
            };
            super::entra::error_body("temporarily_unavailable", code, text, &guid())
        }
        Service::Vault if throttled => json!({"error": {
            "code": "Throttled", "message": "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
            "innererror": {"code": "VaultRequestTypeLimitReached"},
        }}),
        _ => {
            let code = if throttled {
                "TooManyRequests"
            } else {
                "InternalError"
            };
            json!({"error": {"code": code, "message": format!("fault switch: {status}")}})
        }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const MOST_PATHS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_throttle_is_used_up() {
        let faults = Faults::new(Service::Vault);
        faults.set(FaultPlan {
            throttle: 1,
            retry_after_s: 7,
            ..FaultPlan::default()
        });
        let answer = faults.next().1.unwrap().answer(Service::Vault);
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()["retry-after"], "7");
        assert!(faults.next().1.is_none());
    }

    #[test]
    fn faults_failure_without_status_is_503() {
        let faults = Faults::new(Service::Entra);
        faults.set(FaultPlan {
            fail: 1,
            ..FaultPlan::default()
        });
        let answer = faults.next().1.unwrap().answer(Service::Entra);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
