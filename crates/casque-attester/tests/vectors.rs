//! Recorded answers of Azure: the certificates of a host as the metadata service gives them (THIM), and the security
//! context of a confidential container, as evidence that is appraised. Found through `CASQUE_VECTORS` (default
//! `../shared/vectors` beside the repository); absent ones are skipped and said so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_appraise::{
    AciEvidence, Appraiser, Endorsements, Evidence, Identity, Scope, SnpEvidence, TrustAnchors,
    Verdict,
};
use casque_attester::{
    AttesterError, Collected, ConfidentialContainer, ContextPlaces, EvidenceSource, GuestData, Imds,
};
use casque_types::{Timestamp, sha256};
use tempfile::TempDir;

fn vector(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/vectors"
            ))
        },
        PathBuf::from,
    );
    let read = fs::read(root.join("evidence/aci-uvm").join(name)).ok();
    if read.is_none() {
        println!("skipped: no vector {name}");
    }
    read
}

/// A metadata service that gives one answer.
fn service(answer: Vec<u8>) -> (Imds, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let imds = Imds::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0);
        }
        let length = answer.len();
        let answered = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let stream = reader.get_mut();
        stream
            .write_all(&[answered.as_bytes(), &answer].concat())
            .unwrap();
        head
    });
    (imds, thread)
}

fn verify(evidence: &Evidence) -> Result<Verdict, casque_appraise::AppraiseError> {
    Appraiser::new(TrustAnchors::vendors()).verify(evidence, &Endorsements::default(), NOW)
}

#[test]
fn certificates_of_the_metadata_service_vouch_for_the_hosts_report() {
    let (Some(json), Some(report)) = (
        vector("uvm_host_amd_certificate.json"),
        vector("snp_report.bin"),
    ) else {
        return;
    };
    let (imds, thread) = service(json);
    let pem = imds.amd_certificates().unwrap();
    let asked = thread.join().unwrap();
    assert!(asked.starts_with("GET /metadata/THIM/amd/certification "));
    assert_eq!(pem.matches("-----BEGIN CERTIFICATE-----").count(), 3);
    let evidence = SnpEvidence::parse(&report, Some(pem.as_bytes())).unwrap();
    let verdict = verify(&Evidence::Snp(evidence)).unwrap();
    assert_matches!(verdict.identity(), Identity::Snp(snp)
        if snp.measurement.to_string().starts_with("51068107"));
}

/// Gives one report, whatever is asked for.
struct Recorded(Vec<u8>);

impl EvidenceSource for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn gather(&self, _: &GuestData) -> Result<Collected, AttesterError> {
        Ok(Collected::SnpReport {
            report: self.0.clone(),
            certificates: Vec::new(),
        })
    }
}

/// What the container's source gives with this directory, as evidence.
fn gathered(directory: &Path, report: Vec<u8>) -> AciEvidence {
    let places = ContextPlaces {
        directory: Some(directory.to_owned()),
        ..ContextPlaces::default()
    };
    let source = ConfidentialContainer::new(places, Box::new(Recorded(report)));
    let collected = source.gather(&GuestData::of_no_request([0; 64]));
    let Ok(Collected::AciSnp {
        report, context, ..
    }) = collected
    else {
        panic!("{collected:?}");
    };
    let vek = context.vek.as_deref().map(str::as_bytes);
    AciEvidence::parse(&report, vek, &context.policy, &context.reference_info).unwrap()
}

/// A directory with the three files in Azure's names.
fn directory(policy: &[u8], reference_info: &[u8], certificates: &[u8]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("security-policy-base64", policy),
        ("reference-info-base64", reference_info),
        ("host-amd-cert-base64", certificates),
    ] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn claim(evidence: &AciEvidence, name: &str) -> String {
    let claims = evidence.claims();
    claims.into_iter().find(|it| it.name == name).unwrap().value
}

/// The policy, the reference and the certificates of this report, in the files of a security context.
#[test]
fn security_context_of_the_report_is_appraised_with_it() {
    let (Some(report), Some(policy), Some(reference), Some(thim)) = (
        vector("snp_report.bin"),
        vector("uvm_security_policy.base64"),
        vector("body.uvm_reference_info.bin"),
        vector("uvm_host_amd_certificate.json"),
    ) else {
        return;
    };
    let (reference, thim) = (STANDARD.encode(reference), STANDARD.encode(thim));
    let directory = directory(&policy, reference.as_bytes(), thim.as_bytes());
    let evidence = gathered(directory.path(), report);
    let digest = claim(&evidence, "policy_digest");
    assert_eq!(digest, claim(&evidence, "host_data"));
    let verdict = verify(&Evidence::Aci(evidence)).unwrap();
    assert_eq!(verdict.scope(), Scope::Pod);
}

/// The three recorded files as they are. They are another container's than the report: a policy that allows all, the
/// reference of version 100, the certificate of another processor. So they are read, and refused together with it.
#[test]
fn security_context_of_another_container_is_read_and_refused() {
    let (Some(report), Some(policy), Some(reference), Some(certificates)) = (
        vector("snp_report.bin"),
        vector("security-policy-base64"),
        vector("reference-info-base64"),
        vector("host-amd-cert-base64"),
    ) else {
        return;
    };
    let directory = directory(&policy, &reference, &certificates);
    let evidence = gathered(directory.path(), report);
    let text = STANDARD.decode(policy.trim_ascii()).unwrap();
    let digest = claim(&evidence, "policy_digest");
    assert_eq!(digest, sha256(&text).to_string());
    assert!(digest.starts_with("4f4448c6"));
    assert!(claim(&evidence, "host_data").starts_with("cadd74f7"));
    assert_eq!(evidence.claimed_identity().uvm.svn, 100);
    let refused = verify(&Evidence::Aci(evidence)).unwrap_err();
    assert_eq!(refused.code(), "snp-chip");
}

const NOW: Timestamp = Timestamp::from_unix_s(1_750_000_000);
