//! The codes, and the document that explains them.

use std::collections::BTreeSet;
use std::path::Path;

use casque_appraise::ServiceAccountTokenError;

use crate::code::Code;

#[test]
fn documents_list_exactly_the_codes_of_the_source() {
    let source: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(Code::ALL.len(), source.len(), "two codes have one text");
    let (mut of_clusters, of_azure): (BTreeSet<&str>, BTreeSet<&str>) =
        (source.iter()).partition(|code| code.starts_with("cluster-"));
    of_clusters.extend(ServiceAccountTokenError::CODES);
    for (document, source) in [
        ("errors-azure.md", of_azure),
        ("errors-clusters.md", of_clusters),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let text = std::fs::read_to_string(path.join(document)).unwrap();
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let documented: Vec<&str> = rows.map(|row| row.split_once('`').unwrap().0).collect();
        assert_eq!(documented.iter().copied().collect::<BTreeSet<_>>(), source);
        assert_eq!(documented.len(), source.len(), "a code is listed twice");
    }
}
