//! The use cases of Casque, ring 2, and the ports that they need.
//!
//! [`Casque`] is generic over its [`Ports`]: store, clock, randomness, Entra ID, Key Vault, MAA, endorsers.
//! It knows no HTTP, no SQL and no runtime; the order of one release is numbered in the module `attest`.

mod attest;
mod casque;
mod challenge;
mod error;
mod policies;
mod ports;
mod put;
mod read;
mod resolve;
mod values;

pub use attest::{AttestRequest, Released};
pub use casque::{Casque, Limits};
pub use challenge::{Challenge, ChallengeKey, RedeemError};
pub use error::{
    AttestError, Blame, PutPolicyError, ReadPolicyError, ReadValueError, ResolveError,
};
pub use ports::{
    AccessToken, AuditAction, AuditEvent, Clock, EndorsementSource, KeepError, Kept, KeptKey,
    KeptKeyError, KeptRevision, MaaSource, NewPolicy, Once, OnceError, PolicyPage, PolicyRecord,
    Ports, PutError, SourceFailure, SourceKind, Spending, Store, StoreError, TokenPurpose,
    TokenSource, VaultSecret, VaultSource, VersionSummary,
};
pub use put::PutOutcome;
pub use read::{PolicyText, PublicValue, ValueQuery};
