//! Whose request an opened token answers.
//!
//! Nothing in a request to `attest/AzureGuest` is signed over its `ClientPayload`. Whoever ends TLS on the way to the
//! service can put another nonce there: the token is then over runtime data of his own choice, sealed to this TPM's key
//! all the same, and a guest that hands on whatever its TPM opens would open it for him. So a token counts only when it
//! gives back the nonce that was sent:
//!
//! ```json
//! {"x-ms-attestation-type":"azurevm","x-ms-runtime":{"client-payload":{"nonce":"…"}}}
//! ```
//! What else is in the token is for whoever verifies its signature. JSON is at most 128 levels deep, and a member that
//! stands twice is refused at any depth, since another reader may take the other value (RFC 8259, section 4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::strict_json;
use serde_json::Value;

use super::SealedTokenError;
use super::attestation_info::payload_nonce;

/// That `token`, a compact JWS whose signature is not looked at, answers the request that `nonce` was given for.
///
/// # Errors
/// [`SealedTokenError::OtherNonce`]; [`SealedTokenError::TooLong`]: it has more than 256 KiB.
pub fn require_nonce(token: &str, nonce: &[u8; 32]) -> Result<(), SealedTokenError> {
    super::sealed_token::require_length(token)?;
    let claims = claims_of(token).ok_or(other(CLAIMS))?;
    let text_at = |path| claims.pointer(path).and_then(Value::as_str);
    if text_at("/x-ms-attestation-type") != Some("azurevm") {
        return Err(other(TYPE));
    }
    if text_at("/x-ms-runtime/client-payload/nonce") != Some(&payload_nonce(nonce)) {
        return Err(other(NONCE));
    }
    Ok(())
}

fn claims_of(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    strict_json::from_str(str::from_utf8(&payload).ok()?).ok()
}

const fn other(expected: &'static str) -> SealedTokenError {
    SealedTokenError::OtherNonce { expected }
}

const CLAIMS: &str = "claims in JSON, each member once";
const TYPE: &str = "`azurevm` as `x-ms-attestation-type`";
const NONCE: &str = "the nonce that was sent, in `client-payload` of `x-ms-runtime`";

#[cfg(test)]
mod tests;
