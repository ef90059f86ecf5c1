//! Endorsements, ring 3: gets what Intel and AMD state of their platforms, and keeps it as long as it is valid.
//!
//! From Intel's Provisioning Certification Service (PCS, version 4) or a PCCS, from AMD's Key Distribution
//! Service (KDS), from Azure's caches of both, and from a bundle of files for machines without a network.
//! What comes is bounded, read, dated and verified under the trust anchors; every appraisal verifies it again
//! (`casque-appraise`), and judges revocation. So whoever serves it can withhold it, and nothing more.
//!
//! The certificate of the machine that runs a program (Azure's `/metadata/THIM/amd/certification`) is the
//! agent's to fetch: it comes with the evidence.

mod amd;
mod bundle;
mod disk;
mod document;
mod document_id;
mod endorsers;
mod entry;
mod explain_form;
mod failure;
mod http;
mod intel;
mod json;
mod keeper;
mod pace;
mod settings;
mod slots;
mod source;
mod x509;

pub use casque_core::SourceFailure;

pub use bundle::{BundleError, Bundled, bundle_file, read_bundle, write_bundle_directory};
pub use disk::{Found, read_cache_directory, read_documents};
pub use document::{Document, DocumentError, Validity};
pub use document_id::DocumentId;
pub use endorsers::Endorsers;
pub use explain_form::{Stated, TooManyDocuments, explain_file, read_explain_file};
pub use keeper::EndorserCounts;
pub use settings::{EndorserSettings, EndorserSetupError, Network};
