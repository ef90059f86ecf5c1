use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::*;
use crate::testing::{carrying, report_data};

fn places(of: &TempDir) -> ContextPlaces {
    ContextPlaces {
        mounts: of.path().to_owned(),
        kata: of.path().join("kata-containers"),
        ..ContextPlaces::default()
    }
}

fn write(directory: &Path, name: &str, decoded: &[u8]) {
    fs::create_dir_all(directory).unwrap();
    let text = format!("{}\n", STANDARD.encode(decoded));
    fs::write(directory.join(name), text).unwrap();
}

fn write_whole(directory: &Path, policy: &[u8]) {
    write(directory, "security-policy-base64", policy);
    write(directory, "reference-info-base64", b"cose");
    write(directory, "host-amd-cert-base64", THIM.as_bytes());
}

#[test]
fn context_is_read_from_its_directory() {
    let of = tempfile::tempdir().unwrap();
    let directory = of.path().join("given");
    write_whole(&directory, b"package policy");
    let places = ContextPlaces {
        directory: Some(directory),
        ..places(&of)
    };
    let context = places.read().unwrap().unwrap();
    assert_eq!(context.policy, b"package policy");
    assert_eq!(context.reference_info, b"cose");
    assert_eq!(context.vek.unwrap(), PEM);
}

#[test]
fn context_is_looked_for_in_order() {
    let of = tempfile::tempdir().unwrap();
    let mut places = places(&of);
    assert_eq!(places.read().unwrap(), None);
    places.policy = Some(STANDARD.encode("environment"));
    places.reference_info = Some(STANDARD.encode("cose"));
    let policy = |places: &ContextPlaces| places.read().unwrap().unwrap().policy;
    assert_eq!(policy(&places), b"environment");
    write_whole(&places.kata, b"kata");
    assert_eq!(policy(&places), b"kata");
    write_whole(&of.path().join("security-context-1234"), b"mounted");
    assert_eq!(policy(&places), b"mounted");
    let given = of.path().join("given");
    write_whole(&given, b"given");
    places.directory = Some(given);
    assert_eq!(policy(&places), b"given");
}

#[test]
fn context_without_certificates_is_whole() {
    let of = tempfile::tempdir().unwrap();
    let places = places(&of);
    write(&places.kata, "security-policy-base64", b"policy");
    write(&places.kata, "reference-info-base64", b"cose");
    assert_eq!(places.read().unwrap().unwrap().vek, None);
}

#[test]
fn context_without_policy_or_reference_is_refused() {
    for (kept, missing) in [
        ("security-policy-base64", "reference-info-base64"),
        ("reference-info-base64", "security-policy-base64"),
    ] {
        let of = tempfile::tempdir().unwrap();
        let places = places(&of);
        write(&places.kata, kept, b"x");
        assert_matches!(places.read(), Err(ContextError::Absent { part, .. }) if part == missing);
    }
}

#[test]
fn context_with_a_part_of_another_form_is_refused() {
    let of = tempfile::tempdir().unwrap();
    let places = places(&of);
    for part in [
        "security-policy-base64",
        "reference-info-base64",
        "host-amd-cert-base64",
    ] {
        write_whole(&places.kata, b"policy");
        fs::write(places.kata.join(part), "!").unwrap();
        assert_matches!(places.read(), Err(ContextError::Malformed { part: found, .. }) if found == part);
    }
    write_whole(&places.kata, b"policy");
    write(&places.kata, "host-amd-cert-base64", b"{}");
    assert_matches!(places.read(), Err(ContextError::Malformed { .. }));
}

#[test]
fn context_with_a_part_that_is_too_long_is_refused() {
    let of = tempfile::tempdir().unwrap();
    let places = places(&of);
    write_whole(&places.kata, b"policy");
    write(&places.kata, "reference-info-base64", &vec![0; 128 * 1024]);
    assert_matches!(places.read(), Err(ContextError::File(error)) if matches!(*error, AttesterError::TooLong { .. }));
}

struct Fixed(Collected);

impl EvidenceSource for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn gather(&self, _: &GuestData) -> Result<Collected, AttesterError> {
        Ok(self.0.clone())
    }
}

fn container(of: &TempDir, reports: Collected) -> ConfidentialContainer {
    ConfidentialContainer::new(places(of), Box::new(Fixed(reports)))
}

#[test]
fn container_puts_its_context_beside_the_report() {
    let of = tempfile::tempdir().unwrap();
    write_whole(&of.path().join("kata-containers"), b"policy");
    let report = carrying(report_data(1).as_bytes(), 80);
    let reports = Collected::SnpReport {
        report,
        certificates: Vec::new(),
    };
    let collected = container(&of, reports).gather(&report_data(1)).unwrap();
    assert!(collected.carries(&report_data(1)) && !collected.carries(&report_data(2)));
    assert_matches!(collected, Collected::AciSnp { context, .. } if context.policy == b"policy");
}

#[test]
fn container_without_context_or_snp_report_is_refused() {
    let of = tempfile::tempdir().unwrap();
    let quote = || Collected::TdxQuote(vec![4]);
    let refused = container(&of, quote()).gather(&report_data(1));
    assert_matches!(refused, Err(AttesterError::NoContext { .. }));
    write_whole(&of.path().join("kata-containers"), b"policy");
    let refused = container(&of, quote()).gather(&report_data(1));
    assert_matches!(refused, Err(AttesterError::OtherKind { .. }));
}

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
const THIM: &str =
    r#"{"vcekCert":"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"}"#;
