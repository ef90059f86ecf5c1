//! Certificates (RFC 5280) as far as chains of TEE vendors need them, over aws-lc-rs.

/// Certificates that were verified, by digest.
#[derive(Debug, Default)]
pub(crate) struct Memory {}
