//! Secret values, ring 1: made, issued, formatted; and the seal around a released configuration.
//!
//! Pure: time and randomness are arguments, except that key generation, signatures and PKCS#12 draw from
//! their libraries' own generators (aws-lc-rs and p12-keystore have no other way).

mod access_token;
mod certificate;
mod fields;
mod identity;
mod import;
mod issue;
mod key;
mod layout;
mod make;
mod otp;
mod pem;
mod render;
mod seal;
mod template;
mod value;

pub use access_token::{ProofSide, access_token_proof, is_access_token_proof};
pub use certificate::CertificateChain;
pub use identity::{IdentityError, IdentityKey, verify};
pub use import::ImportError;
pub use issue::{CertificateRequest, EndpointUse, issue_certificate};
pub use make::{KeyAlgorithm, MakeError, make_ascii, make_binary, make_private_key};
pub use otp::{OtpCode, OtpCodeParseError, OtpSecret, OtpSecretParseError, OtpStep};
pub use render::{RenderError, render};
pub use seal::{
    ConfigurationKey, OpenError, SealError, SealedConfiguration, open_configuration,
    seal_configuration,
};
pub use template::{MAX_TEMPLATE_BYTES, TemplateError, TemplatePlace, fill_template};
pub use value::{SecretValue, ValueParseError};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;
