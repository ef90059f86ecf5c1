//! The form of signed tokens.

/// Whether a text has the form of a compact JWS: three parts of base64url (RFC 7515, section 7.1). Says nothing of what
/// is in them.
#[must_use]
pub fn is_compact_jws(text: &str) -> bool {
    let is_part = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.split('.').count() == 3 && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_jws_has_three_parts_of_base64url() {
        assert!(is_compact_jws("eyJ9.a-_9.c"));
        for text in [
            "", "a.b", "a.b.c.d", "a..c", "a.b.", "a.b+.c", "a.b=.c", "a.b c.d",
        ] {
            assert!(!is_compact_jws(text), "{text}");
        }
    }
}
