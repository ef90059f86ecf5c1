//! Asking other CASes for the secrets that their policies export to policies of this one: the adapter of
//! ring 3 for the port `RemoteSource` of `casque-core` (spec/policy-language.md section 3.3).
//!
//! Another CAS is an address and a key hash. The connection is TLS 1.3; the server's certificate counts by
//! its public key alone, which must have that hash and must have signed the handshake. This CAS shows the
//! certificate of its own identity key, by which the other one knows who asks. No redirect is followed, no
//! proxy is taken from the environment, no answer is read past its limit. Only addresses that the operator lists
//! are asked: a policy's author must not be able to make this server connect wherever they like. Connections are kept for a moment,
//! values never. Every failure has a stable code; `docs/errors-remote.md` explains them all.
//! Not here: who may have what, which the CAS that is asked decides; `cas_software_key`.

mod address;
mod clients;
mod exchange;
mod failure;
mod names;
mod remote;
mod tls;

pub use address::{RemoteAddress, RemoteAddressError};
pub use remote::{Remote, RemoteSetupError};

#[cfg(test)]
mod tests;
