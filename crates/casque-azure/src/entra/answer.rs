//! The token endpoint's answer (RFC 6749 section 5.1).

use casque_core::AccessToken;
use casque_types::{Seconds, Timestamp};
use serde::Deserialize;

use crate::json::{self, LooseSeconds, SecretText};

/// Reads a bearer token that lives for at least a second from `now` on, when it was asked for.
pub(super) fn read_token(body: &[u8], now: Timestamp) -> Option<AccessToken> {
    let raw: RawToken = json::read(body)?;
    let token = raw.access_token.0;
    // Exposed to see that it can stand in a header.
    let can_be_sent = token.expose().iter().all(u8::is_ascii_graphic) && !token.is_empty();
    let is_bearer = raw.token_type.eq_ignore_ascii_case("Bearer");
    let lives = (1..=MAX_LIFE_S).contains(&raw.expires_in.0);
    (can_be_sent && is_bearer && lives).then(|| AccessToken {
        token,
        expires: now.plus(Seconds(raw.expires_in.0)),
    })
}

/// The answer as it stands on the wire.
#[derive(Deserialize)]
struct RawToken {
    access_token: SecretText,
    token_type: String,
    expires_in: LooseSeconds,
}

/// What [`read_token`] reads.
pub(super) const EXPECTED: &str = "a JSON object with a bearer `access_token` and its `expires_in`";
/// Entra's longest tokens live for 28 hours.
const MAX_LIFE_S: u64 = 48 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_answer_with_seconds_as_text_is_read() {
        let body = br#"{"token_type":"Bearer","expires_in":"3599","access_token":"abc"}"#;
        let token = read_token(body, Timestamp::from_unix_s(1)).unwrap();
        assert_eq!(token.expires, Timestamp::from_unix_s(3600));
        assert_eq!(token.token.expose(), b"abc");
    }

    #[test]
    fn token_answer_bent_is_refused() {
        let good = r#"{"token_type":"Bearer","expires_in":60,"access_token":"abc"}"#;
        let now = Timestamp::from_unix_s(1);
        let reads = |body: &str| read_token(body.as_bytes(), now).is_some();
        assert!(reads(good));
        assert!(!reads(&good.replace("Bearer", "pop")));
        assert!(!reads(&good.replace("60", "0")));
        assert!(!reads(&good.replace("60", "172801")));
        assert!(!reads(&good.replace("60", "-1")));
        assert!(!reads(&good.replace("\"abc\"", "\"\"")));
        assert!(!reads(&good.replace("abc", "a b")));
        assert!(!reads(&good.replace('}', ",\"expires_in\":61}")));
        assert!(!reads(&format!("{good}x")));
    }
}
