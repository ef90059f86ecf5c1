//! Releases end to end in memory: a valid one of each kind, then one thing bent at a time.
//!
//! The appraisers, the policy language, the seal and the use cases are the real ones; the ports are the test
//! kit's, the TEE and MAA are made of software with true formats.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test: what cannot be set up fails it"
)]

mod attempts;
mod clauses;
mod factors;
mod fields;
mod guest;
mod hardware;
mod kept_outside;
mod kinds;
mod kubernetes;
mod maa;
mod namespaces;
mod policies;
mod renewal;
mod secrets;
mod sharing;
mod simulation;
mod support;
mod tees;
mod vault;
mod volumes;
