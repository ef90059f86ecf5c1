//! Bounds on requests: how many at once, and how long one may take.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use casque_core::Blame;
use tokio::sync::Semaphore;

use crate::answer::{Dialect, Refusal};
use crate::code::Code;

/// Shared by all connections of one listener.
#[derive(Clone)]
pub(crate) struct RequestLimits {
    slots: Arc<Semaphore>,
    most: Duration,
}

impl RequestLimits {
    pub(crate) fn new(requests: usize, most: Duration) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(requests)),
            most,
        }
    }
}

/// Answers 503 at once when all slots are taken, and the same when one takes too long, its body included.
pub(crate) async fn bound(
    State(limits): State<RequestLimits>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_slot) = limits.slots.try_acquire() else {
        let refusal = Refusal::new(
            Blame::Unavailable,
            Code::TooManyRequestsInWork,
            "the server has as many requests in work as it is allowed to",
            Some("try again in a moment; the operator can raise `limits.requests`"),
        );
        return refusal.response(Dialect::Scone);
    };
    match tokio::time::timeout(limits.most, next.run(request)).await {
        Ok(response) => response,
        Err(_) => too_slow(),
    }
}

fn too_slow() -> Response {
    let refusal = Refusal::new(
        Blame::Unavailable,
        Code::RequestTooSlow,
        "the request took longer than the server allows for one",
        Some("send the body without pauses; if Azure is slow, try again"),
    );
    refusal.response(Dialect::Scone)
}
