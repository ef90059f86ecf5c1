//! Real reports of SEV-SNP (spec/evidence.md section 2.2), found through `CASQUE_VECTORS` (default
//! `../shared/vectors` beside the repository); absent ones are skipped and said so.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the functions that tests call are tests"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use assert_matches::assert_matches;
use casque_appraise::{
    AmdEndorsements, AppraiseError, Appraiser, CertificateError, Endorsements, Evidence,
    EvidenceParseError, Identity, Scope, SnpAppraiseError, SnpEvidence, SnpReport, TcbStatus,
    TrustAnchors, Verdict,
};
use casque_types::{Seconds, SnpProduct, SnpSigner, SnpTcb, Timestamp};

/// A vector's bytes, or `None`, said aloud, when it is not there.
fn vector(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/vectors"
            ))
        },
        PathBuf::from,
    );
    let read = fs::read(root.join(path)).ok();
    if read.is_none() {
        println!("skipped: no vector {path}");
    }
    read
}

/// A report, raw or in hexadecimal digits.
fn report(path: &str) -> Option<Vec<u8>> {
    let bytes = vector(path)?;
    if bytes.len() == SnpReport::BYTES {
        return Some(bytes);
    }
    let digits: Vec<u8> = bytes.into_iter().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    Some(digits.chunks(2).map(pair).collect())
}

fn evidence(row: &Row) -> Option<Evidence> {
    let (report, vek) = (report(row.report)?, vector(row.vek)?);
    Some(Evidence::Snp(
        SnpEvidence::parse(&report, Some(&vek)).unwrap(),
    ))
}

fn verify(evidence: &Evidence, now: Timestamp) -> Result<Verdict, AppraiseError> {
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    appraiser.verify(evidence, &Endorsements::default(), now)
}

const fn tcb(fmc: Option<u8>, [bootloader, tee, snp, microcode]: [u8; 4]) -> SnpTcb {
    SnpTcb {
        fmc,
        bootloader,
        tee,
        snp,
        microcode,
    }
}

/// What a report is known to say.
struct Row {
    report: &'static str,
    vek: &'static str,
    now: u64,
    product: SnpProduct,
    signer: SnpSigner,
    tcb: SnpTcb,
    vmpl: u32,
    debug: bool,
    /// First and last bytes.
    measurement: &'static str,
    host_data: &'static str,
    report_data: &'static str,
}

const ZERO: &str = "00000000";

/// Rows of section 2.2 whose files are there.
const ROWS: [Row; 5] = [
    Row {
        report: "evidence/snp/virtee-report_milan.hex",
        vek: "evidence/snp/virtee-vcek_milan.der",
        now: 1_760_000_000,
        product: SnpProduct::Milan,
        signer: SnpSigner::Vcek,
        tcb: tcb(None, [3, 0, 8, 115]),
        vmpl: 0,
        debug: false,
        measurement: "7a1e5c26",
        host_data: ZERO,
        report_data: "",
    },
    Row {
        report: "evidence/snp/google-attestation.bin",
        vek: "evidence/snp/google-vcek.testcer",
        now: 1_760_000_000,
        product: SnpProduct::Milan,
        signer: SnpSigner::Vcek,
        tcb: tcb(None, [2, 0, 5, 68]),
        vmpl: 0,
        debug: true,
        measurement: "",
        host_data: "",
        report_data: "0102030405",
    },
    Row {
        report: "evidence/snp/trustee-test-report.bin",
        vek: "evidence/snp/trustee-test-vcek.der",
        now: 1_760_000_000,
        product: SnpProduct::Milan,
        signer: SnpSigner::Vcek,
        tcb: tcb(None, [3, 0, 8, 115]),
        vmpl: 0,
        debug: false,
        measurement: "",
        host_data: "",
        report_data: "",
    },
    Row {
        report: "evidence/snp/trustee-test-vlek-report.bin",
        vek: "evidence/snp/trustee-test-vlek.der",
        now: 1_750_000_000,
        product: SnpProduct::Milan,
        signer: SnpSigner::Vlek,
        tcb: tcb(None, [4, 0, 24, 217]),
        vmpl: 1,
        debug: false,
        measurement: "",
        host_data: "",
        report_data: "",
    },
    Row {
        report: "evidence/snp/genoa_attestation_report.bin",
        vek: "evidence/snp/genoa_vcek.pem",
        now: 1_790_000_000,
        product: SnpProduct::Genoa,
        signer: SnpSigner::Vcek,
        tcb: tcb(None, [10, 0, 23, 84]),
        vmpl: 0,
        debug: false,
        measurement: "5feee30d",
        host_data: "4f4448c6",
        report_data: "",
    },
];

#[test]
fn reports_are_verified_and_say_what_is_known_of_them() {
    for row in &ROWS {
        let Some(evidence) = evidence(row) else {
            continue;
        };
        let name = row.report;
        let verdict = verify(&evidence, Timestamp::from_unix_s(row.now));
        let verdict = verdict.unwrap_or_else(|error| panic!("{name}: {error}"));
        let Identity::Snp(identity) = verdict.identity() else {
            panic!("{name}: {:?}", verdict.identity())
        };
        assert!(
            identity
                .measurement
                .to_string()
                .starts_with(row.measurement),
            "{name}"
        );
        assert!(
            identity.host_data.to_string().starts_with(row.host_data),
            "{name}"
        );
        assert_eq!((identity.vmpl, identity.debug), (row.vmpl, row.debug));
        let report_data = hex::encode(verdict.bound().as_bytes());
        assert!(report_data.starts_with(row.report_data), "{name}");
        let platform = verdict.tcb().snp.as_ref().unwrap();
        assert_eq!(verdict.tcb().status, TcbStatus::ByVersions);
        assert_eq!(platform.product, Some(row.product), "{name}");
        assert_eq!(platform.signer, Some(row.signer), "{name}");
        assert_eq!(platform.reported_tcb, row.tcb, "{name}");
        assert!(!platform.revocation_judged);
        assert_eq!(platform.chip_id.is_none(), row.signer == SnpSigner::Vlek);
        assert_eq!(verdict.scope(), Scope::Vm);
    }
}

#[test]
fn reports_are_refused_before_and_after_their_certificates_life() {
    for row in &ROWS {
        let Some(evidence) = evidence(row) else {
            continue;
        };
        let appraiser = Appraiser::new(TrustAnchors::vendors());
        let verify = |now| appraiser.verify(&evidence, &Endorsements::default(), now);
        let now = Timestamp::from_unix_s(row.now);
        let until = verify(now).unwrap().valid_until().unwrap();
        assert!(verify(until).is_ok());
        assert_matches!(
            verify(until.plus(Seconds(1))),
            Err(AppraiseError::Snp(SnpAppraiseError::CertificateExpired(
                CertificateError::Expired { until: found, .. }
            ))) if found == until
        );
        // Remembered or not: 2019 is before every certificate of AMD's for SEV-SNP.
        assert_matches!(
            verify(Timestamp::from_unix_s(1_560_000_000)),
            Err(AppraiseError::Snp(
                SnpAppraiseError::CertificateNotYetValid(_)
            ))
        );
    }
}

#[test]
fn reports_with_any_signed_bit_flipped_are_refused() {
    for row in &ROWS {
        let (Some(good), Some(vek)) = (report(row.report), vector(row.vek)) else {
            continue;
        };
        let appraiser = Appraiser::new(TrustAnchors::vendors());
        for at in 0..0x2A0 + 144 {
            let mut bent = good.clone();
            bent[at] ^= 1;
            let Ok(evidence) = SnpEvidence::parse(&bent, Some(&vek)) else {
                continue;
            };
            let now = Timestamp::from_unix_s(row.now);
            let refused = appraiser.verify(&Evidence::Snp(evidence), &Endorsements::default(), now);
            assert_matches!(
                refused,
                Err(AppraiseError::Snp(_)),
                "{} byte {at:#x}",
                row.report
            );
        }
    }
}

#[test]
fn certificates_of_other_chips_and_levels_are_refused_with_what_differs() {
    let Some(bytes) = report("evidence/snp/trustee-test-report.bin") else {
        return;
    };
    let refused = |vek: &str| {
        let vek = vector(vek)?;
        let evidence = Evidence::Snp(SnpEvidence::parse(&bytes, Some(&vek)).unwrap());
        let error = verify(&evidence, Timestamp::from_unix_s(1_760_000_000)).unwrap_err();
        println!("{error}");
        Some(error)
    };
    for name in ["legacy", "new"] {
        let path = format!("evidence/snp/trustee-test-vcek-invalid-{name}.der");
        assert_matches!(
            refused(&path),
            None | Some(AppraiseError::Snp(SnpAppraiseError::Chain(
                CertificateError::Signature { .. }
            )))
        );
    }
    assert_matches!(
        refused("evidence/snp/google-vcek.testcer"),
        None | Some(AppraiseError::Snp(SnpAppraiseError::Tcb { .. }))
    );
    assert_matches!(
        refused("evidence/snp/virtee-vcek_milan.der"),
        None | Some(AppraiseError::Snp(SnpAppraiseError::Chip))
    );
    assert_matches!(
        refused("evidence/snp/genoa_vcek.pem"),
        None | Some(AppraiseError::Snp(_))
    );
}

#[test]
fn chains_of_amds_key_service_are_no_signing_keys_and_count_as_authorities() {
    let Some(bytes) = report("evidence/snp/google-attestation.bin") else {
        return;
    };
    let Some(chain) = vector("evidence/snp/google-milan.testcer") else {
        return;
    };
    let refused = SnpEvidence::parse(&bytes, Some(&chain)).unwrap_err();
    assert_matches!(refused, EvidenceParseError::Malformed { .. });
    let Some(fetched) = vector("evidence/snp/google-vcek.testcer") else {
        return;
    };
    let evidence = Evidence::Snp(SnpEvidence::parse(&bytes, None).unwrap());
    let amd = |vcek| Endorsements {
        amd: Some(Arc::new(AmdEndorsements {
            vcek,
            ..AmdEndorsements::default()
        })),
        intel: None,
    };
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let now = Timestamp::from_unix_s(1_760_000_000);
    assert!(
        appraiser
            .verify(&evidence, &amd(Some(fetched)), now)
            .is_ok()
    );
    assert_matches!(
        appraiser.verify(&evidence, &amd(None), now),
        Err(AppraiseError::Snp(SnpAppraiseError::CertificateMissing))
    );
    // Version 2 without a certificate: nobody knows which generation.
    assert_matches!(
        evidence.endorsements_id(),
        Err(EvidenceParseError::Malformed { .. })
    );
}

#[test]
fn report_of_confidential_containers_is_verified() {
    let Some(report) = vector("evidence/aci-uvm/snp_report.bin") else {
        return;
    };
    let Some(vek) = vector("evidence/aci-uvm/uvm_host_amd_certificate.pem") else {
        return;
    };
    let evidence = SnpEvidence::parse(&report, Some(&vek)).unwrap();
    let evidence = Evidence::Snp(evidence);
    let verdict = verify(&evidence, Timestamp::from_unix_s(1_760_000_000)).unwrap();
    let Identity::Snp(identity) = verdict.identity() else {
        panic!("{:?}", verdict.identity())
    };
    assert!(identity.measurement.to_string().starts_with("51068107"));
}
