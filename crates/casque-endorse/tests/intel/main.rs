//! Intel's documents from a service on this machine that answers truly, bent in one place, or not at all.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "the functions that tests call are tests"
)]

mod service;
mod setup;
mod stale;
mod support;
