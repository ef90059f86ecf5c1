//! Typed client of a Casque server whose identity it has checked, ring 3: for the CLI and the agent.
//!
//! Blocking, HTTP/1.1 over TLS 1.3 on one kept-alive connection; no async runtime. The server is known by
//! the hash of its public key ([`ServerTrust`]), not by a name in a certificate. Answers are bounded
//! ([`MAX_ANSWER_BYTES`], [`MAX_RELEASE_BYTES`]), every exchange has a deadline ([`Timeouts`]), redirects are not followed and
//! proxies of the environment are not used.
//!
//! It is not the place where a released configuration is judged: [`Client::release`] opens it with
//! `casque-secrets`, which checks the server's signature whatever TLS said.

mod address;
mod client;
mod error;
mod exchange;
mod factors;
mod policies;
mod release;
mod tls;
mod transport;

pub use address::{AddressParseError, DEFAULT_PORT, ServerAddress};
pub use client::{Challenge, Client, EvidenceKind, PublicValue, ServerVersion};
pub use error::ClientError;
pub use exchange::{MAX_ANSWER_BYTES, MAX_RELEASE_BYTES, Timeouts};
pub use factors::SecondFactors;
pub use policies::{MAX_LISTED, PolicyPage, PolicyText, PolicyVersion, PutPolicy};
pub use release::{FactorError, Gathered, ReleaseError, Released};
pub use tls::{ClientIdentity, ServerTrust};
