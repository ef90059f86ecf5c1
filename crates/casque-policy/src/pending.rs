//! Stand-ins until the parser lands in this crate; whoever lands it deletes this file.
use casque_types::{KeyHash, PolicyHash};

use crate::{Diagnostic, Policy};

/// A policy and what its author should look at.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parsed {
    /// The policy.
    pub policy: Policy,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

impl Policy {
    /// Parses.
    ///
    /// # Errors
    /// Diagnostics.
    pub fn parse(_text: &str) -> Result<Parsed, Vec<Diagnostic>> {
        todo!()
    }
}

/// Hash.
#[must_use]
pub fn policy_hash(_policy: &Policy, _creator: Option<&KeyHash>) -> PolicyHash {
    todo!()
}

/// Adds `creator`.
#[must_use]
pub fn with_creator(_text: &str, _creator: &KeyHash) -> String {
    todo!()
}
