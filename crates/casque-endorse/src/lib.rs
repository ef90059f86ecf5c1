//! Endorsements, ring 3: fetches what Intel states of SGX platforms, and keeps it as long as it is valid.
//!
//! From Intel's Provisioning Certification Service (PCS, version 4), a PCCS, or another cache that serves the
//! same paths. What comes is bounded, read and dated here, and not verified: every appraisal verifies it
//! (`casque-appraise`), so whoever serves it can withhold it, and nothing more.
//!
//! SGX only: endorsements of TDX and of AMD's platforms come with the verifiers that need them.

mod cache;
mod failure;
mod fetch;
mod http;
mod pcs;
mod settings;

pub use pcs::IntelPcs;
pub use settings::{EndorserSettings, EndorserSetupError};
