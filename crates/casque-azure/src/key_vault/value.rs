//! The body that sets a secret's value, in memory that is wiped.

use std::io;

use bytes::Bytes;
use casque_core::{SourceFailure, SourceKind};
use casque_types::Secret;
use serde::Serialize;
use zeroize::Zeroizing;

use super::asked::Asked;
use crate::code::Code;
use crate::failure::{VAULT, lasting};

/// The body that sets `value`; it is wiped when the last request that holds it is gone.
pub(super) fn body(asked: &Asked<'_>, value: &Secret) -> Result<Bytes, SourceFailure> {
    let refused = |code, found: String, mend| {
        let what = format!(
            "was to set secret `{}` in vault `{}`: {found}",
            asked.name.as_str(),
            asked.host
        );
        lasting(SourceKind::KeyVault, code, what, mend)
    };
    if value.len() > MAX_VALUE_BYTES {
        let found = format!(
            "expected a value of at most {MAX_VALUE_BYTES} bytes, found {}",
            value.len()
        );
        let mend = "keep a smaller value there, or keep this one in Casque's own store";
        return Err(refused(Code::VaultValueTooLarge, found, mend));
    }
    // Exposed to be written into the request that sets it.
    let text = value.expose_text().ok_or_else(|| {
        let found = "expected a value of UTF-8 text, found other bytes".to_owned();
        let mend = "a vault holds text only: encode the value, or keep it in Casque's own store";
        refused(Code::VaultValueNotText, found, mend)
    })?;
    let raw = RawSet {
        value: text,
        content_type: CONTENT_TYPE,
    };
    written(&raw)
        .ok_or_else(|| VAULT.malformed(&asked.sentence(), &asked.host, "a value that makes JSON"))
}

/// Writes twice, first to count: the block has its final size from the start, and never moves.
fn written(raw: &RawSet<'_>) -> Option<Bytes> {
    let mut size = Count(0);
    serde_json::to_writer(&mut size, raw).ok()?;
    let mut body = Zeroizing::new(Vec::with_capacity(size.0));
    serde_json::to_writer(&mut *body, raw).ok()?;
    Some(Bytes::from_owner(body))
}

/// Counts what is written, and keeps nothing.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body as it stands on the wire; a version is enabled and has no end unless it says so.
#[derive(Serialize)]
struct RawSet<'a> {
    value: &'a str,
    #[serde(rename = "contentType")]
    content_type: &'static str,
}

/// Tells people who look into the vault whose value that is.
const CONTENT_TYPE: &str = "application/vnd.casque.kept";
/// Vaults allow 25 kB, and do not say how long a kB is.
const MAX_VALUE_BYTES: usize = 25_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_value_of_any_text_reads_back_from_a_block_of_its_size() {
        let value = "a\"\\/\n\u{0}\u{7f}\u{e9}\u{2028}\u{1f511}";
        let raw = RawSet {
            value,
            content_type: CONTENT_TYPE,
        };
        let mut size = Count(0);
        serde_json::to_writer(&mut size, &raw).unwrap();
        let body = written(&raw).unwrap();
        assert_eq!(body.len(), size.0);
        let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(read["value"], value);
    }
}
