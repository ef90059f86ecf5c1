//! AMD's documents from a service on this machine, from disk, and from a bundle in its place.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "the functions that tests call are tests"
)]

mod bundle;
mod documents;
mod flood;
mod patience;
mod service;
mod stale;
mod support;
