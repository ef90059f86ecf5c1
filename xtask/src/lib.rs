//! The project's own commands: `cargo xtask <command>`.
//!
//! It builds in seconds, so that a fresh machine gets to the first real step soon; it runs cargo and other programs
//! and reads what they print. It ships nothing, and nothing that is shipped knows it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the workspace: it counts lines and talks to a terminal"
)]

pub mod bench;
pub mod demo;
pub mod fuzz;
pub mod measure;
pub mod packages;
pub mod peers;
pub mod rates;
pub mod report;
pub mod run;
pub mod source;
pub mod test;

pub use report::{Failure, Tally};
