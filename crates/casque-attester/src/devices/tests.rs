use assert_matches::assert_matches;

use super::*;
use crate::testing::report_data;

fn answer(status: u32, size: u32) -> Vec<u8> {
    let mut answer = vec![0; 4000];
    answer[..4].copy_from_slice(&status.to_le_bytes());
    answer[4..8].copy_from_slice(&size.to_le_bytes());
    answer[32] = 2;
    answer[32 + 1183] = 9;
    answer
}

#[test]
fn report_is_taken_out_of_the_firmwares_answer() {
    let answer = answer(0, 1184);
    let report = report_in(&answer).unwrap().unwrap();
    assert_eq!((report.len(), report[0], report[1183]), (1184, 2, 9));
}

#[test]
fn answer_of_another_form_or_with_a_status_is_told() {
    assert_eq!(report_in(&answer(0x16, 0)), Some(Err(0x16)));
    for bent in [
        answer(0, 1183),
        answer(0, u32::MAX),
        answer(0, 1184)[..1000].to_vec(),
        Vec::new(),
    ] {
        assert_eq!(report_in(&bent), None);
    }
}

#[test]
fn table_without_an_entry_is_none() {
    assert_eq!(table(vec![0; 4096]), [0; 0]);
    let one = [&[1; 24][..], &[0; 100]].concat();
    assert_eq!(table(one.clone()), one);
}

#[test]
fn file_that_is_no_device_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("device");
    let imds = || Imds::new(Imds::BASE).unwrap();
    let snp = || SevGuest::new(path.clone()).gather(&report_data(1));
    let tdx = || TdxGuest::new(path.clone(), imds()).gather(&report_data(1));
    assert_matches!(snp(), Err(AttesterError::File { action: "open", .. }));
    assert_matches!(tdx(), Err(AttesterError::File { action: "open", .. }));
    std::fs::write(&path, "").unwrap();
    assert_matches!(snp(), Err(AttesterError::SnpDevice { .. }));
    assert_matches!(tdx(), Err(AttesterError::File { action: "ask", .. }));
}
