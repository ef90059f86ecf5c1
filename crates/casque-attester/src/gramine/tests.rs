use assert_matches::assert_matches;
use tempfile::TempDir;

use super::*;
use crate::testing::{carrying, report_data};

/// The files, `quote` carrying this report data.
fn files(kind: &str, carried: &GuestData) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(TYPE), kind).unwrap();
    fs::write(root.path().join(REPORT_DATA), [0; 64]).unwrap();
    fs::write(root.path().join(QUOTE), carrying(carried.as_bytes(), 368)).unwrap();
    root
}

fn gather(root: &TempDir, report_data: &GuestData) -> Result<Collected, AttesterError> {
    GramineFiles::new(root.path().to_owned()).gather(report_data)
}

#[test]
fn gramine_quote_over_the_report_data_is_collected() {
    let root = files("dcap\n", &report_data(1));
    let collected = gather(&root, &report_data(1)).unwrap();
    let quote = carrying(report_data(1).as_bytes(), 368);
    assert_eq!(collected, Collected::SgxQuote(quote));
    let written = fs::read(root.path().join(REPORT_DATA)).unwrap();
    assert_eq!(written, report_data(1).as_bytes());
}

#[test]
fn gramine_quote_over_other_report_data_is_refused() {
    let root = files("dcap", &report_data(2));
    let refused = gather(&root, &report_data(1));
    assert_matches!(refused, Err(AttesterError::OtherReportData { .. }));
}

#[test]
fn gramine_without_dcap_says_what_to_set() {
    let root = files("epid\u{7}", &report_data(1));
    let refused = gather(&root, &report_data(1));
    assert_matches!(refused, Err(AttesterError::NotDcap { found, .. }) if found == "epid");
}

#[test]
fn gramine_file_that_is_missing_is_named() {
    for missing in [TYPE, REPORT_DATA, QUOTE] {
        let root = files("dcap", &report_data(1));
        fs::remove_file(root.path().join(missing)).unwrap();
        let refused = gather(&root, &report_data(1));
        assert_matches!(refused, Err(AttesterError::File { path, .. }) if path.ends_with(missing));
    }
}

#[test]
fn gramine_endless_quote_is_refused() {
    let root = files("dcap", &report_data(1));
    fs::write(root.path().join(QUOTE), vec![0; MAX_QUOTE_BYTES + 1]).unwrap();
    let refused = gather(&root, &report_data(1));
    let limit = MAX_QUOTE_BYTES;
    assert_matches!(refused, Err(AttesterError::TooLong { limit_bytes, .. }) if limit_bytes == limit);
}
