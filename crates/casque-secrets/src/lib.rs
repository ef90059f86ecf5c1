//! Secret values, ring 1: made, issued, formatted; and the seal around a released configuration.
//!
//! Pure: time and randomness are arguments, except that key generation, signatures and PKCS#12 draw from
//! their libraries' own generators (aws-lc-rs and p12-keystore have no other way).

mod access_token;
mod certificate;
mod envelope;
mod fields;
mod gcm;
mod identity;
mod import;
mod issue;
mod jwt;
mod key;
mod layout;
mod make;
mod openpgp;
mod otp;
mod pem;
mod public_key;
mod render;
mod seal;
mod seed;
mod signer;
mod template;
mod upload;
mod value;
mod vault_text;
mod wrap;

pub use access_token::{ProofSide, access_token_proof, is_access_token_proof};
pub use certificate::CertificateChain;
pub use envelope::{EnvelopeError, SealEnvelopeError, open_envelope, seal_envelope};
pub use identity::{IdentityError, IdentityKey, verify};
pub use import::ImportError;
pub use issue::{CertificateRequest, EndpointUse, issue_certificate};
pub use jwt::{JwtError, JwtRequest, sign_jwt};
pub use make::{KeyAlgorithm, MakeError, make_ascii, make_binary, make_private_key};
pub use openpgp::make_pgp_key;
pub use otp::{OtpCode, OtpCodeParseError, OtpSecret, OtpSecretParseError, OtpStep};
pub use public_key::public_key_of;
pub use render::{RenderError, render};
pub use seal::{
    ConfigurationKey, OpenError, SealError, SealedConfiguration, open_configuration,
    seal_configuration,
};
pub use signer::{
    SignatureError, SignerAlgorithm, SignerKey, SignerKeyError, SigningKey, SigningKeyError,
};
pub use template::{MAX_TEMPLATE_BYTES, TemplateError, TemplatePlace, fill_template};
pub use upload::{
    DecryptSessionError, EncryptSessionError, SessionEncryptionKey, SessionEncryptionKeyError,
    SessionEncryptionPublicKey, decrypt_session, encrypt_session, session_message,
};
pub use value::{SecretValue, ValueParseError};
pub use vault_text::VaultText;
pub use wrap::{UnwrapError, WrapError, WrapKey, WrapKeyLength, unwrap_value, wrap_value};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;
