//! Keys that sign sessions: `signer` in `access_policy` and `creator`, section 8.
//!
//! A `SubjectPublicKeyInfo` in PEM (RFC 7468, RFC 5280) of Ed25519, P-256 or P-384, or what older clients
//! printed for Ed25519 keys: Base58Check with version byte 10 over the 32 bytes of the key.

use casque_types::KeyHash;

use crate::Diagnostic;
use crate::codes;
use crate::fields::{misplaced, shown};
use crate::pem;
use crate::placeholder::OPENING;
use crate::yaml::Text;

/// The hash of the key that a text is.
pub(super) fn read(text: &Text<'_>) -> Result<KeyHash, Diagnostic> {
    let found = text.as_str();
    if found.contains(OPENING) {
        return Err(misplaced(text.position(), "`signer`"));
    }
    let refused = |message: String| {
        Diagnostic::error(codes::BAD_SIGNER_KEY, text.position(), message)
            .hint("`casque self show-session-signing-key` prints the key of this client")
    };
    if pem::is_pem(found) {
        let key = pem::key_hash_of_public_key(found);
        return key.map_err(|error| refused(format!("`signer`: {error}")));
    }
    KeyHash::of_legacy_signer(found).map_err(|error| {
        let found = shown(text);
        refused(format!(
            "`signer`: expected a public key in PEM, or in its older form: {error}, in {found}"
        ))
    })
}
