//! The JSON Schema of the policy language, for editors: completion, descriptions, and the errors that can be
//! told without knowing the whole policy.
//!
//! `session.json` is JSON Schema 2020-12, written by hand beside the parser of `casque-policy`. It must
//! accept every policy that the parser accepts; what the parser refuses it may accept, where only the
//! relation between two places is wrong. Numbers, truth values and nothing stand where YAML makes them of
//! unquoted texts.

/// The schema.
pub(crate) const SCHEMA: &str = include_str!("session.json");

#[cfg(test)]
mod tests;
