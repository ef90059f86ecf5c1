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

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::SealedTokenError;
use super::attestation_info::payload_nonce;

/// That `token`, a compact JWS whose signature is not looked at, answers the request that `nonce` was given for.
///
/// # Errors
/// [`SealedTokenError::OtherNonce`]; [`SealedTokenError::TooLong`]: it has more than 256 KiB.
pub fn require_nonce(token: &str, nonce: &[u8; 32]) -> Result<(), SealedTokenError> {
    super::sealed_token::require_length(token)?;
    let claims = claims_of(token).ok_or(other(CLAIMS))?;
    if claims.text_at(&["x-ms-attestation-type"]) != Some("azurevm") {
        return Err(other(TYPE));
    }
    let found = claims.text_at(&["x-ms-runtime", "client-payload", "nonce"]);
    if found != Some(&payload_nonce(nonce)) {
        return Err(other(NONCE));
    }
    Ok(())
}

fn claims_of(token: &str) -> Option<Json> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}

const fn other(expected: &'static str) -> SealedTokenError {
    SealedTokenError::OtherNonce { expected }
}

/// JSON whose objects have each member once, at any depth. Of what is neither object nor text, nothing is kept.
enum Json {
    Object(BTreeMap<String, Self>),
    Text(String),
    Other,
}

impl Json {
    /// The text behind these members, each inside the one before.
    fn text_at(&self, path: &[&str]) -> Option<&str> {
        let found = path.iter().try_fold(self, |value, name| match value {
            Self::Object(members) => members.get(*name),
            Self::Text(_) | Self::Other => None,
        });
        match found? {
            Self::Text(text) => Some(text),
            Self::Object(_) | Self::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with each member once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Json::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        while items.next_element::<Json>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }
}

const CLAIMS: &str = "claims in JSON, each member once";
const TYPE: &str = "`azurevm` as `x-ms-attestation-type`";
const NONCE: &str = "the nonce that was sent, in `client-payload` of `x-ms-runtime`";

#[cfg(test)]
mod tests;
