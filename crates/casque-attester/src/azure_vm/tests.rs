use super::*;

fn hcl(kind: u32) -> Vec<u8> {
    let mut hcl = vec![0_u8; 0x600];
    hcl[..4].copy_from_slice(b"HCLA");
    hcl[0x20] = 0x81;
    hcl[0x4C8..0x4CC].copy_from_slice(&kind.to_le_bytes());
    hcl
}

#[test]
fn paravisors_report_says_which_hardware_it_is_on() {
    let snp = hcl(2);
    let report = &snp[0x20..0x4C0];
    assert_eq!(hardware(&snp), Some(Hardware::Snp { report }));
    let tdx = hcl(4);
    let report = &tdx[0x20..0x420];
    assert_eq!(hardware(&tdx), Some(Hardware::Tdx { report }));
}

#[test]
fn paravisors_report_of_another_form_is_none() {
    let mut other_magic = hcl(2);
    other_magic[0] = b'X';
    for bent in [hcl(3), other_magic, hcl(2)[..0x4CA].to_vec(), Vec::new()] {
        assert_eq!(hardware(&bent), None);
    }
}

#[test]
fn paravisors_data_are_as_long_as_they_say() {
    let mut whole = hcl(2);
    whole[0x4D4..0x4D8].copy_from_slice(b"{ } ");
    whole[0x4D0] = 3;
    assert_eq!(paravisor_data(&whole), Some(&b"{ }"[..]));
    let mut longer = whole.clone();
    longer[0x4D2] = 1;
    for bent in [longer, whole[..0x4D6].to_vec(), whole[..0x4D2].to_vec()] {
        assert_eq!(paravisor_data(&bent), None);
    }
}

#[test]
fn certificate_is_taken_out_of_its_padding() {
    let certificate = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
    let padded = [&certificate[..], &[0; 100]].concat();
    assert_eq!(without_padding(&padded), certificate);
    assert_eq!(without_padding(&certificate), certificate);
}

#[test]
fn area_without_a_whole_certificate_has_none() {
    for area in [
        &[0_u8; 64][..],
        &[],
        &[0x30, 0x82, 0x01, 0x00, 7],
        &[0x30, 0x03, 1, 2, 3],
    ] {
        assert_eq!(without_padding(area), b"");
    }
}
