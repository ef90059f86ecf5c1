//! Encrypted, versioned store on SQLite: the embedded implementation of [`casque_core::Store`].
//!
//! One process owns one database (an advisory lock says so). One writer thread owns the writing
//! connection and commits queued operations in groups, each group with one sync; a few connections read.
//! The current version of every policy stands in memory, so that [`casque_core::Store::head`] touches no disk.
//!
//! ```text
//! root key (32 bytes, a file of mode 0600)
//!   |- wraps, AES-256-GCM -> namespace key 1..n (32 random bytes, one per top-level namespace and version)
//!   |                          `- seals, AES-256-GCM -> policies.text, secret_values.value, kept.value   (record.rs)
//!   `- derives, HMAC-SHA-256 -> state key, authenticates -> generation, audit head, sets of heads, kept and spent
//!                                                            (state.rs)
//! ```
//!
//! A record that was changed, moved, swapped or replayed does not open; a head, a kept value, what was used once, or
//! the end of the audit log, that was put back without the rest of the database is noticed when the store is opened;
//! heads and the revisions of kept values stand in memory, so that such a one is noticed while it runs too.
//! What it does not protect against: a whole database, with its write-ahead log, put back to an earlier moment
//! (that needs a counter outside of it), the loss of versions that are not current, a reader of this process's
//! memory, and a reader of the root key file. Names, hashes, times, creators, the names and lengths of kept values, and
//! audit facts are not confidential. What was used once and is struck out while the store is open can be used again
//! until the store is opened the next time, which then is refused.
//!
//! Source of the design: `ARCHITECTURE.md`, "Store".

#![allow(
    clippy::arithmetic_side_effects,
    reason = "outside rings 0 to 2; counts of rows and bytes in memory"
)]

mod audit;
mod error;
mod files;
mod heads;
mod kept;
mod namespace_keys;
mod readers;
mod record;
mod root_key;
mod schema;
mod spent;
mod sql;
mod state;
mod store;
mod versions;
mod write;
mod writer;

#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

pub use audit::{AuditDamage, AuditHead};
pub use error::OpenError;
pub use root_key::{RootKey, RootKeyError, RootKeyFile, RootKeySource};
pub use store::{SqliteStore, StoreSettings};
