//! The codes, and the document that explains them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::failure::Code;

#[test]
fn document_lists_exactly_the_codes_of_the_source() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors-remote.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<&str> = rows.map(|row| row.split_once('`').unwrap().0).collect();
    let source: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(documented.iter().copied().collect::<BTreeSet<_>>(), source);
    assert_eq!(documented.len(), source.len(), "a code is listed twice");
    assert_eq!(Code::ALL.len(), source.len(), "two codes have one text");
}
