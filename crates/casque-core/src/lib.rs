//! The use cases of Casque, ring 2, and the ports that they need.
//!
//! [`Casque`] is generic over its [`Ports`]: store, clock, randomness, Entra ID, Key Vault, MAA, endorsers.
//! It knows no HTTP, no SQL and no runtime; the order of one release is numbered in the module `attest`.

mod attempts;
mod attest;
mod casque;
mod certificate;
mod challenge;
mod configuration;
mod error;
mod export;
mod exported;
mod factors;
mod fill;
mod guest;
mod judge;
mod outside;
mod policies;
mod ports;
mod put;
mod read;
mod resolve;
mod values;
mod volumes;

pub use attempts::{Attempt, AttemptFailure, AttemptOutcome};
pub use attest::{AttestRequest, Released};
pub use casque::{Casque, Limits};
pub use certificate::IssueError;
pub use challenge::{Challenge, ChallengeKey, RedeemError};
pub use error::{
    AttestError, Blame, PutPolicyError, ReadPolicyError, ReadValueError, ResolveError, VolumeError,
};
pub use exported::{PublicValue, ValueQuery};
pub use factors::SecondFactors;
pub use guest::{AttestationInfo, GuestRequest, GuestRequestError, GuestTextError, SealedToken};
pub use ports::{
    AccessToken, AuditAction, AuditEvent, Clock, ClusterSource, EndorsementSource, ExportRequest,
    KeepError, Kept, KeptKey, KeptKeyError, KeptRevision, MaaSource, NewPolicy, Once, OnceError,
    PolicyPage, PolicyRecord, Ports, PutError, RemoteSource, SourceFailure, SourceKind, Spending,
    Store, StoreError, TokenPurpose, TokenSource, VaultSecret, VaultSource, VersionSummary,
};
pub use put::PutOutcome;
pub use read::{PolicyNames, PolicyText};
