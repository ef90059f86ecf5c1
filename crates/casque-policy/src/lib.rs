//! The policy language, ring 1: text in, [`Policy`] out, or [`Diagnostic`]s with their places; the
//! canonical hash; placeholders; and [`decide`], which turns an appraisal into a [`Grant`] or a [`Denial`].
//!
//! The language is SCONE's session language (spec/policy-language.md). Pure: no clock, no network, no file.

mod codes;
mod command;
mod decide;
mod diagnostic;
mod fields;
mod findings;
mod hash;
mod model;
mod parse;
mod pem;
mod placeholder;
mod reason;
mod substitute;
mod yaml;

pub use codes::DIAGNOSTIC_CODES;
pub use decide::{Grant, decide, screen};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use hash::{policy_hash, with_creator};
pub use model::{
    AccessPolicy, AttestationEntry, CertificateSpec, Endpoint, Generation, IgnoredAdvisories,
    Image, InjectionFile, KeyType, LanguageVersion, Mode, Operation, Origin, Part, Placeholder,
    Policy, Principals, SecretSpec, Security, Service, SignerRule, SvnRule, Template, Toleration,
    VaultImport,
};
pub use parse::Parsed;
pub use reason::{Denial, Reason, ReasonCode};
pub use substitute::substitute;
