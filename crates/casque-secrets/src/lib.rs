//! Secret values, ring 1: made, issued, formatted; and the seal around a released configuration.
//!
//! Pure: time and randomness are arguments, except that key generation, signatures and key encapsulation
//! draw from the crypto provider's own generator (aws-lc-rs has no other way).

mod identity;
mod make;
mod render;
mod seal;
mod value;

pub use identity::{IdentityError, IdentityKey};
pub use make::{
    CertificateRequest, EndpointUse, KeyAlgorithm, MakeError, issue_certificate, make_ascii,
    make_binary, make_private_key,
};
pub use render::{RenderError, render};
pub use seal::{
    ConfigurationKey, OpenError, SealError, SealedConfiguration, open_configuration,
    seal_configuration,
};
pub use value::{CertificateChain, ImportError, SecretValue, ValueParseError};
