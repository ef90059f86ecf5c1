//! What the software TEE makes has AMD's shapes; that verifiers take it, `casque-appraise` tests.

use assert_matches::assert_matches;
use casque_types::{Secret, SnpProduct, SnpSigner, Timestamp, sha256};
use der::Decode as _;
use x509_cert::crl::CertificateList;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_790_000_000);

fn tee() -> SoftwareSnp {
    SoftwareSnp::generate(SnpProduct::Genoa, NOW).unwrap()
}

#[test]
fn stored_platform_signs_as_before() {
    let tee = tee();
    let again = SoftwareSnp::from_bytes(&tee.to_bytes().unwrap()).unwrap();
    assert_eq!(again.platform(), tee.platform());
    assert_eq!(again.anchor(), tee.anchor());
    assert_eq!(again.created(), tee.created());
    for signer in [SnpSigner::Vcek, SnpSigner::Vlek] {
        assert_eq!(again.certificate(signer), tee.certificate(signer));
    }
    let list = RevocationSpec::empty(NOW);
    assert!(again.revocation_list(&list).is_ok());
    let broken = Secret::new(b"{}".to_vec());
    assert_matches!(
        SoftwareSnp::from_bytes(&broken),
        Err(SoftwareTeeError::Stored)
    );
}

#[test]
fn platforms_share_a_root_or_stand_apart() {
    let (first, second) = (tee(), tee());
    let key_of = |tee: &SoftwareSnp| {
        let ark = x509_cert::Certificate::from_der(&tee.anchor().ark).unwrap();
        ark.tbs_certificate().subject_public_key_info().clone()
    };
    assert_eq!(key_of(&first), key_of(&second));
    let platform = SnpSoftwarePlatform::of(SnpProduct::Genoa);
    let apart = SoftwareSnp::generate_apart(platform, NOW).unwrap();
    assert_ne!(key_of(&first), key_of(&apart));
}

#[test]
fn report_lies_in_amds_layout() {
    let identity = software_snp_identity([0x11; 48].into());
    let report = tee()
        .report(&ReportSpec::new(identity, [0x22; 64]).of_version(5))
        .unwrap();
    assert_eq!(report.len(), 1184);
    assert_eq!(report[..4], [5, 0, 0, 0]);
    assert_eq!(report[0x50..0x90], [0x22; 64]);
    assert_eq!(report[0x90..0xC0], [0x11; 48]);
    assert_eq!(report[0x180..0x188], [4, 0, 0, 0, 0, 0, 24, 219]);
    assert_eq!(report[0x188..0x18B], [0x19, 0x11, 1]);
    assert_eq!(report[0x1A0..0x1E0], tee().platform().chip_id);
    assert!(report[0x1F8] == 7 && report[0x200] == 7);
    assert!(report[0x2A0..0x2D0].iter().any(|byte| *byte != 0));
    assert!(report[0x330..].iter().all(|byte| *byte == 0));
}

#[test]
fn revocation_list_is_one_by_another_parser() {
    let spec = RevocationSpec {
        authorities: vec![Authority::Ask],
        ..RevocationSpec::empty(NOW)
    };
    let list = tee().revocation_list(&spec).unwrap();
    let list: CertificateList = CertificateList::from_der(&list).unwrap();
    let entries = list.tbs_cert_list.revoked_certificates.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].serial_number.as_bytes(), [2]);
}

#[test]
fn measurement_is_of_every_byte_of_the_program() {
    let program = vec![7_u8; 100_000];
    let measured = measure_snp_program(program.as_slice()).unwrap();
    let mut changed = program;
    changed[99_999] ^= 1;
    assert_ne!(measured, measure_snp_program(changed.as_slice()).unwrap());
    let identity = software_snp_identity(measured);
    assert_eq!(identity.measurement, measured);
    assert_eq!(identity.report_id, sha256(measured.as_bytes()));
}
