//! Client assertions (RFC 7523) as Entra ID reads them (spec/azure.md section 1.2).
//!
//! Lenient where the real endpoint is: both base64 alphabets and padding in `x5t`, NumericDates with a
//! fraction, no `nbf`. Numbered steps:
//! 1. a JWS with RS256 or PS256;
//! 2. a key that is registered, named by `x5t`, `x5t#S256` or `x5c`;
//! 3. its signature;
//! 4. audience, issuer and subject;
//! 5. times.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_types::{Timestamp, sha256};
use serde_json::Value;

use super::error::EntraError;
use super::{Application, Entra, SKEW_S};
use crate::azure::certificate::{rsa_public_key, sha1};
use crate::azure::jws::Jws;

/// Checks an assertion of an application.
pub(super) fn check_assertion(
    entra: &Entra,
    tenant: &str,
    application: &Application,
    text: &str,
) -> Result<(), EntraError> {
    // 1
    let malformed = |why| EntraError::AssertionMalformed { why };
    let assertion = Jws::parse(text).ok_or(malformed("expected a compact JWS"))?;
    if assertion.algorithm().is_none() {
        return Err(malformed("expected the algorithm RS256 or PS256"));
    }
    // 2
    let client = &application.seed.client_id;
    let refused = |reason| EntraError::AssertionKey {
        reason,
        thumbprint: shown_thumbprint(&assertion),
        client: client.clone(),
    };
    let Some(certificate) = &application.certificate else {
        return Err(refused("The key was not found."));
    };
    if !names_certificate(&assertion, certificate) {
        return Err(refused("The key was not found."));
    }
    // 3
    let key = rsa_public_key(certificate).ok_or(refused("The key is not RSA."))?;
    if !assertion.is_signed_by(&key) {
        return Err(refused("The key was found but the signature is invalid."));
    }
    // 4
    check_audience(entra, tenant, &assertion)?;
    let is_client = |claim| {
        let found = assertion.text(claim);
        found.is_some_and(|found| found.eq_ignore_ascii_case(client))
    };
    if !is_client("iss") || !is_client("sub") {
        return Err(EntraError::AssertionSubject);
    }
    // 5
    check_times(&assertion, entra.faults.now())
}

fn check_audience(entra: &Entra, tenant: &str, assertion: &Jws<'_>) -> Result<(), EntraError> {
    let (url, id) = (entra.url(), entra.tenant_id());
    let accepted = [
        format!("{url}/{tenant}/oauth2/v2.0/token"),
        format!("{url}/{id}/oauth2/v2.0/token"),
        format!("{url}/{id}/v2.0"),
    ];
    let found = assertion.text("aud").unwrap_or_default();
    if accepted.iter().any(|a| a == found) {
        return Ok(());
    }
    let [expected, ..] = accepted;
    let found = found.to_owned();
    Err(EntraError::AssertionAudience { expected, found })
}

fn check_times(assertion: &Jws<'_>, now: Timestamp) -> Result<(), EntraError> {
    let not_before = assertion.date("nbf").or(assertion.date("iat"));
    let from = not_before.unwrap_or(0.0);
    let to = assertion.date("exp").unwrap_or(0.0);
    let now_s = now.as_unix_s() as f64;
    if from <= now_s + SKEW_S && now_s < to + SKEW_S {
        return Ok(());
    }
    // A float cast saturates; the result is only shown.
    let shown = |s: f64| Timestamp::from_unix_s(s.clamp(0.0, 4e10) as u64);
    Err(EntraError::AssertionTime {
        now,
        from: shown(from),
        to: shown(to),
    })
}

/// Whether the header names this certificate, in one of the ways that it may.
fn names_certificate(assertion: &Jws<'_>, certificate: &[u8]) -> bool {
    if let Some(thumbprint) = header_bytes(assertion, "x5t#S256") {
        return thumbprint == sha256(certificate).as_bytes();
    }
    if let Some(thumbprint) = header_bytes(assertion, "x5t") {
        return thumbprint == sha1(certificate);
    }
    let chain = assertion.header.get("x5c").and_then(Value::as_array);
    let leaf = chain.and_then(|chain| chain.first()?.as_str());
    let leaf = leaf.and_then(|leaf| STANDARD.decode(leaf).ok());
    leaf.is_some_and(|leaf| leaf == certificate)
}

fn header_bytes(assertion: &Jws<'_>, name: &str) -> Option<Vec<u8>> {
    any_base64(assertion.header.get(name)?.as_str()?)
}

/// Base64 in either alphabet, with or without padding: real clients send all four.
fn any_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let text = text.replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn shown_thumbprint(assertion: &Jws<'_>) -> String {
    let found = header_bytes(assertion, "x5t").or(header_bytes(assertion, "x5t#S256"));
    found.map_or_else(String::new, hex::encode_upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_base64_each_alphabet_and_padding_is_read() {
        let bytes = vec![0xfb, 0xff, 0xfe, 0x01];
        for text in ["+//+AQ==", "+//+AQ", "-__-AQ==", "-__-AQ"] {
            assert_eq!(any_base64(text), Some(bytes.clone()));
        }
    }
}
