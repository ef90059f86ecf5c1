//! The test kit: a software TEE and MAA with true formats under their own roots, and fakes of all ports.
//!
//! Tests and `casque-dev` link it; no product program can. Nothing here protects anything.

pub mod aci;
pub mod azure_vm;
pub mod cluster;
pub mod fakes;
pub mod maa;
mod pem;
mod request;
pub mod sgx;
pub mod snp;
pub mod store_contract;
pub mod tdx;
mod world;

pub use request::runtime_data;
pub use world::{Attempt, GroupSpec, MachineSpec, TestWorld};
