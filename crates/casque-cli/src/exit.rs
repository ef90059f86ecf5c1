//! Exit codes, as listed in `docs/cli.md`.

/// Done.
pub const OK: u8 = 0;
/// Wrong arguments, or something on this machine: a file, the configuration, the identity.
pub const USAGE: u8 = 1;
/// The policy has errors, or would lock its author out.
pub const POLICY: u8 = 2;
/// `explain`: evidence, endorsements or something else that was given cannot be used.
pub const UNUSABLE: u8 = 2;
/// The policy has warnings, and `--fail-on-warning` was given.
pub const WARNINGS: u8 = 3;
/// The server denied it to this identity (HTTP 401, 403), or `explain`: the policy denies.
pub const DENIED: u8 = 4;
/// The server cannot be reached, or is not known to be the right one.
pub const UNREACHABLE: u8 = 5;
/// `explain`: the evidence is not authentic.
pub const NOT_AUTHENTIC: u8 = 5;
/// Somebody else changed the policy first, or it exists already (HTTP 409).
pub const CONFLICT: u8 = 6;
/// The server has no such policy or version (HTTP 404).
pub const ABSENT: u8 = 7;
/// The server failed, or answered something that is none of the protocol's.
pub const SERVER: u8 = 8;
