//! The sources of an Azure virtual machine against a real TPM, swtpm, and a stand-in for the metadata service.
//!
//! Quotes are cross-checked by `tpm2_checkquote`; one machine, on the software TEE for SNP, is appraised.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_appraise::{
    Appraiser, AzureVmEvidence, AzureVmParts, Bound, Endorsements, Evidence, TrustAnchors,
};
use casque_attester::{
    AttesterError, AzureVm, AzureVtpm, Collected, ContextPlaces, EvidenceSource as _, GuestData,
    Imds, Look, Outcome, PollEvery, SourceRoots, Tcti, TpmError, detect,
};
use casque_testkit::azure_vm::{HclSpec, HclTee, SoftwareVtpm};
use casque_testkit::snp::{ReportSpec, SoftwareSnp, software_snp_identity};
use casque_types::{Digest, SnpProduct, SnpSigner, sha256};
use support::{
    AK, AK_CERTIFICATE, HCL_REPORT, NOW, Recorder, Service, Swtpm, THIM, hcl, nobody, report_data,
};

fn roots(tpm: Tcti, empty: &Path) -> SourceRoots {
    SourceRoots {
        gramine: empty.join("attestation"),
        tsm: empty.join("report"),
        sev_guest: empty.join("sev-guest"),
        tdx_guest: empty.join("tdx_guest"),
        tpm,
        ak_intermediates: Vec::new(),
        imds: Imds::BASE.to_owned(),
        context: ContextPlaces {
            mounts: empty.to_owned(),
            kata: empty.to_owned(),
            ..ContextPlaces::default()
        },
    }
}

#[test]
fn snp_machine_gives_report_quote_and_certificates() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.make_key();
    swtpm.define(HCL_REPORT, &hcl(2));
    let certificate = [&[0x30, 0x82, 0x02, 0x00][..], &[7; 0x200]].concat();
    swtpm.define(AK_CERTIFICATE, &[&certificate[..], &[0; 300]].concat());
    let service = Service::start(THIM);
    let imds = Imds::new(&service.base).unwrap();
    let source = AzureVtpm::new(swtpm.tcti(), imds);
    let collected = source.gather(&report_data(1)).unwrap();
    assert!(collected.carries(&report_data(1)) && !collected.carries(&report_data(2)));
    let Collected::AzureSnp { vm, vek } = collected else {
        panic!("{collected:?}");
    };
    assert_eq!(vm.hcl, hcl(2));
    assert_eq!(vm.ak_certificate, certificate);
    assert!(vek.unwrap().starts_with("-----BEGIN CERTIFICATE-----\n"));
    swtpm.check_quote(&vm.quote, sha256(&[1]).as_bytes());
    assert_eq!(service.thread.join().unwrap(), "");
}

#[test]
fn intermediates_are_carried_beside_a_certificate_and_not_without() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.make_key();
    swtpm.define(HCL_REPORT, &hcl(2));
    let source = AzureVtpm::new(swtpm.tcti(), nobody()).with_ak_intermediates(b"PEM".to_vec());
    let intermediates = || match source.gather(&report_data(1)).unwrap() {
        Collected::AzureSnp { vm, .. } => vm.ak_intermediates,
        other => panic!("{other:?}"),
    };
    assert_eq!(intermediates(), b"");
    swtpm.define(AK_CERTIFICATE, &[0x30, 0x82, 0x00, 0x02, 7, 7, 0, 0]);
    assert_eq!(intermediates(), b"PEM");
}

/// `CASQUE_SEEDS` names a directory of directories, one for each fuzz target: the answers.
#[test]
fn opened_tpm_gives_what_the_source_gives() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.make_key();
    swtpm.define(HCL_REPORT, &hcl(2));
    swtpm.define(
        AK_CERTIFICATE,
        &[&[0x30, 0x82, 0x00, 0x10][..], &[7; 40]].concat(),
    );
    let answers = Arc::new(Mutex::new(Vec::new()));
    let stream = TcpStream::connect(("127.0.0.1", swtpm.port)).unwrap();
    let recorder = Recorder(stream, Arc::clone(&answers));
    let carried = GuestData::of_no_request([0; 64]);
    let vm = AzureVm::read(recorder, &swtpm.tcti(), &PollEvery::default(), &carried).unwrap();
    swtpm.check_quote(&vm.quote, &[0; 32]);
    let gathered = AzureVtpm::new(swtpm.tcti(), nobody()).gather(&carried);
    let Ok(Collected::AzureSnp { vm: gathered, .. }) = gathered else {
        panic!("{gathered:?}");
    };
    assert_eq!(vm.quote.pcrs, gathered.quote.pcrs);
    assert_eq!(
        (vm.hcl, vm.ak_certificate),
        (gathered.hcl, gathered.ak_certificate)
    );
    if let Some(directory) = std::env::var_os("CASQUE_SEEDS") {
        let name = Path::new(&directory).join("tpm_answer/swtpm");
        fs::write(name, &*answers.lock().unwrap()).unwrap();
    }
}

#[test]
fn snp_machine_without_service_and_certificate_gives_the_rest() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.make_key();
    swtpm.define(HCL_REPORT, &hcl(2));
    let source = AzureVtpm::new(swtpm.tcti(), nobody());
    let zero = [0; 32];
    let extend = |value: &str| swtpm.tool("tpm2_pcrextend", &[&format!("16:sha256={value}")]);
    let register = |collected| match collected {
        Collected::AzureSnp { vm, vek: None } if vm.ak_certificate.is_empty() => vm,
        other => panic!("{other:?}"),
    };
    let before = register(source.gather(&report_data(1)).unwrap());
    assert_eq!(before.quote.pcrs[16], zero);
    extend(&"11".repeat(32));
    let after = register(source.gather(&report_data(2)).unwrap());
    let extended = [zero, [0x11; 32]].concat();
    assert_eq!(&after.quote.pcrs[16], sha256(&extended).as_bytes());
    swtpm.check_quote(&after.quote, sha256(&[2]).as_bytes());
}

/// The modulus of an RSA key of 2048 bits with the exponent 65537 in `SubjectPublicKeyInfo`, base64url: it stands
/// before the exponent's five bytes at the end.
fn modulus_of(der: &[u8]) -> String {
    let end = der.strip_suffix(&[2, 3, 1, 0, 1]).unwrap();
    URL_SAFE_NO_PAD.encode(end.last_chunk::<256>().unwrap())
}

/// `data` with the key of `vtpm` replaced by another of the same length.
fn with_key(data: &[u8], vtpm: &SoftwareVtpm, modulus: &str) -> Vec<u8> {
    let own: String = String::from_utf8(vtpm.paravisor_data(&HclSpec::default())).unwrap();
    let own = own.split(r#""n":""#).nth(1).unwrap();
    let own = own.split('"').next().unwrap().as_bytes();
    let at = data.windows(own.len()).position(|window| window == own);
    let mut data = data.to_vec();
    data[at.unwrap()..][..own.len()].copy_from_slice(modulus.as_bytes());
    data
}

#[test]
fn snp_machine_is_appraised_by_what_its_tpm_and_service_gave() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.make_key();
    swtpm.tool(
        "tpm2_readpublic",
        &["-Q", "-c", AK, "-f", "der", "-o", "ak.der"],
    );
    let modulus = modulus_of(&fs::read(swtpm.directory.path().join("ak.der")).unwrap());
    // The paravisor of software, with the key of swtpm.
    let (vtpm, spec) = (SoftwareVtpm::generate(NOW).unwrap(), HclSpec::default());
    let platform = SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap();
    let data = with_key(&vtpm.paravisor_data(&spec), &vtpm, &modulus);
    let mut carried = [0; 64];
    carried[..32].copy_from_slice(sha256(&data).as_bytes());
    let identity = software_snp_identity(Digest::from([0x5A; 48]));
    let report = platform
        .report(&ReportSpec::new(identity, carried))
        .unwrap();
    let blob = vtpm.hcl_report(&spec, HclTee::Snp, &report).unwrap();
    let blob = with_key(&blob, &vtpm, &modulus);
    swtpm.define(HCL_REPORT, &blob[..2048]);
    let vcek = platform.chain_pem(SnpSigner::Vcek);
    let thim = serde_json::json!({"vcekCert": vcek, "certificateChain": "", "tcbm": ""});
    let service = Service::start(thim.to_string());
    let imds = Imds::new(&service.base).unwrap();
    let collected = AzureVtpm::new(swtpm.tcti(), imds).gather(&report_data(1));
    service.thread.join().unwrap();
    let Ok(Collected::AzureSnp { vm, vek: Some(vek) }) = collected else {
        panic!("{collected:?}");
    };
    let evidence = AzureVmEvidence::parse(&AzureVmParts {
        hcl: &vm.hcl,
        message: &vm.quote.message,
        signature: &vm.quote.signature,
        pcrs: &vm.quote.pcrs,
        vek: Some(vek.as_bytes()),
        td_quote: None,
        ak_chain: None,
    });
    let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![platform.anchor()]);
    let verdict = Appraiser::new(anchors).verify(
        &Evidence::AzureVm(evidence.unwrap()),
        &Endorsements::default(),
        NOW,
    );
    let expected = Bound::ExtraData(sha256(&[1]).as_bytes().to_vec());
    assert_eq!(*verdict.unwrap().bound(), expected);
}

#[test]
fn tdx_machine_gives_a_quote_over_its_report() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.make_key();
    swtpm.define(HCL_REPORT, &hcl(4));
    let service = Service::start(r#"{"quote":"BAAC"}"#);
    let imds = Imds::new(&service.base).unwrap();
    let collected = AzureVtpm::new(swtpm.tcti(), imds).gather(&report_data(1));
    assert_matches!(collected, Ok(Collected::AzureTdx { td_quote, .. }) if td_quote == [4, 0, 2]);
    let asked = service.thread.join().unwrap();
    // The first bytes of the report, 00 01 02, in base64url; 1,024 bytes make 1,366 digits.
    assert!(asked.starts_with(r#"{"report":"AAEC"#), "{asked}");
    assert_eq!(asked.len(), r#"{"report":""}"#.len() + 1366);
}

#[test]
fn tdx_machine_without_service_fails() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.make_key();
    swtpm.define(HCL_REPORT, &hcl(4));
    let refused = AzureVtpm::new(swtpm.tcti(), nobody()).gather(&report_data(1));
    assert_matches!(refused, Err(AttesterError::Imds(_)));
}

#[test]
fn tpm_of_another_machine_has_no_report() {
    let Some(swtpm) = Swtpm::start() else { return };
    let refused = AzureVtpm::new(swtpm.tcti(), nobody()).gather(&report_data(1));
    assert_matches!(refused, Err(AttesterError::NoParavisor));
    let empty = tempfile::tempdir().unwrap();
    let roots = roots(swtpm.tcti(), empty.path());
    let refused = detect(&roots, Look::Everywhere).map(|_| ());
    assert_matches!(refused, Err(AttesterError::NoSource { detection })
        if detection.findings[5].outcome == Outcome::Absent
            && detection.findings[5].why.contains("`0x01400001`"));
}

#[test]
fn tpm_with_a_report_is_detected() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.define(HCL_REPORT, &hcl(2));
    let empty = tempfile::tempdir().unwrap();
    let roots = roots(swtpm.tcti(), empty.path());
    let (source, detection) = detect(&roots, Look::UntilFound).unwrap();
    assert_eq!(source.name(), "Azure vTPM");
    assert_eq!(detection.chosen().unwrap().source, "Azure vTPM");
}

#[test]
fn report_of_another_form_is_refused() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.make_key();
    swtpm.define(HCL_REPORT, &hcl(3));
    let refused = AzureVtpm::new(swtpm.tcti(), nobody()).gather(&report_data(1));
    assert_matches!(refused, Err(AttesterError::Paravisor));
}

#[test]
fn key_that_is_not_there_is_named() {
    let Some(swtpm) = Swtpm::start() else { return };
    swtpm.define(HCL_REPORT, &hcl(2));
    let refused = AzureVtpm::new(swtpm.tcti(), nobody()).gather(&report_data(1));
    let Err(AttesterError::Tpm(TpmError::Refused { object, code, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(object, "key `0x81000003`");
    assert!(code.is_absent(), "{code}");
}

#[test]
fn report_data_of_more_than_32_bytes_is_refused() {
    let tcti = "swtpm:host=127.0.0.1,port=1".parse().unwrap();
    let refused = AzureVtpm::new(tcti, nobody()).gather(&GuestData::of_no_request([1; 64]));
    assert_matches!(refused, Err(AttesterError::SecondHalf { .. }));
}
