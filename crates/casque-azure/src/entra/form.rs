//! A form body (`application/x-www-form-urlencoded`, WHATWG URL section 5) in memory that is wiped.

use bytes::Bytes;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

/// The fields so far.
pub(super) struct Form(Zeroizing<Vec<u8>>);

impl Form {
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(Vec::new()))
    }

    /// Adds a field. The block is replaced and wiped, not grown in place, when it is too short.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) {
        let encoded = byte_serialize(value).map(str::len).sum::<usize>();
        let length = [self.0.len(), name.len(), encoded, 2];
        let length = length.iter().fold(0_usize, |sum, n| sum.saturating_add(*n));
        let mut longer = Zeroizing::new(Vec::with_capacity(length));
        longer.extend_from_slice(&self.0);
        if !longer.is_empty() {
            longer.push(b'&');
        }
        longer.extend_from_slice(name.as_bytes());
        longer.push(b'=');
        for part in byte_serialize(value) {
            longer.extend_from_slice(part.as_bytes());
        }
        self.0 = longer;
    }

    /// The body; it is wiped when the last request that holds it is gone.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_secret_with_special_characters_reads_back() {
        let secret = "a~b+c%d&e=f g\u{e9}/";
        let mut form = Form::new();
        form.add("client_id", b"x");
        form.add("client_secret", secret.as_bytes());
        let body = form.into_bytes();
        let written = "client_id=x&client_secret=a%7Eb%2Bc%25d%26e%3Df+g%C3%A9%2F";
        assert_eq!(body, written);
        let fields: Vec<_> = url::form_urlencoded::parse(&body).collect();
        assert_eq!(fields[1].1, secret);
    }
}
