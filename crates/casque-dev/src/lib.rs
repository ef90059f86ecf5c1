//! casque-dev: a local Azure, the software TEE, and a casqued beside them, for development and tests.
//!
//! The only program that can link the software TEE. Nothing here protects anything: its credentials stand
//! in a seed file, its platform keys in a folder. It is no part of a product installation.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "ring 4, development only: sums of seconds and of lengths that were bounded before"
)]

pub mod ask;
pub mod azure;
pub mod bench;
pub mod cas;
pub mod cli;
mod clock;
pub mod demo;
pub mod machine;
pub mod measure;
pub mod quote;
pub mod roots;
pub mod run;
pub mod seed;
pub mod serve;
pub mod state;
pub mod tee;
pub mod tees;
pub mod up;
