//! JSON for files: the same bytes for the same value.

use serde::Serialize;

/// Indented by two spaces, with a line end at its end.
#[expect(
    clippy::expect_used,
    reason = "structures of texts and numbers have a JSON form"
)]
pub(crate) fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("texts and numbers are JSON");
    bytes.push(b'\n');
    bytes
}
