//! The policy language, ring 1: text in, [`Policy`] out, or [`Diagnostic`]s with their places; the
//! canonical hash; placeholders; and [`decide`], which turns an appraisal into a [`Grant`] or a [`Denial`].
//!
//! The language is SCONE's session language (spec/policy-language.md). Pure: no clock, no network, no file.

mod decide;
mod diagnostic;
mod model;
mod pending;

pub use decide::{Denial, Grant, Reason, ReasonCode, decide, screen};
pub use diagnostic::{Diagnostic, Position, Severity};
pub use pending::{Parsed, policy_hash, with_creator};
pub use model::{
    AccessPolicy, AttestationEntry, CertificateSpec, Endpoint, Generation, IgnoredAdvisories,
    Image, InjectionFile, KeyType, LanguageVersion, Mode, Operation, Origin, Part, Placeholder,
    Policy, Principals, SecretSpec, Security, Service, SignerRule, SvnRule, Template, Toleration,
    VaultImport,
};
