//! PEM (RFC 7468) with LF line ends and 64 characters a line, as OpenSSL writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One PEM block, with a line feed at its end.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (position, character) in text.chars().enumerate() {
        if position > 0 && position.is_multiple_of(LINE_CHARACTERS) {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str(&format!("\n-----END {label}-----\n"));
    pem
}

const LINE_CHARACTERS: usize = 64;
