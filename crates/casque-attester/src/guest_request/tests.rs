use std::fs;

use assert_matches::assert_matches;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::*;
use crate::TpmQuote;
use crate::tpm::scripted::{MadeKey, plain, refusal, sized, tpm, with_session};

fn vm(kind: u32) -> AzureVm {
    let mut hcl = vec![0; 0x600];
    hcl[..4].copy_from_slice(b"HCLA");
    hcl[0x20..0x4C0].fill(0xA5);
    hcl[0x4C8..0x4CC].copy_from_slice(&kind.to_le_bytes());
    hcl[0x4D0] = 2;
    hcl[0x4D4..0x4D6].copy_from_slice(b"{}");
    AzureVm {
        hcl,
        quote: TpmQuote {
            message: Vec::new(),
            signature: Vec::new(),
            pcrs: Vec::new(),
        },
        ak_certificate: vec![0x30],
        ak_intermediates: Vec::new(),
    }
}

fn snp() -> Collected {
    Collected::AzureSnp {
        vm: vm(2),
        vek: Some("PEM".to_owned()),
    }
}

/// The first event of a log.
fn log() -> Vec<u8> {
    let head = [&[0, 0, 0, 0, 3, 0, 0, 0][..], &[0; 20], &[16, 0, 0, 0]].concat();
    [&head[..], b"Spec ID Event03\0"].concat()
}

/// A directory with a log of `log_bytes` and a release file of `release_bytes`.
fn places(log_bytes: usize, release_bytes: usize) -> (TempDir, GuestPlaces) {
    let directory = tempfile::tempdir().unwrap();
    let places = GuestPlaces {
        tcg_log: directory.path().join("log"),
        os_release: directory.path().join("os-release"),
    };
    let mut log = log();
    log.resize(log_bytes, b'l');
    fs::write(&places.tcg_log, log).unwrap();
    fs::write(&places.os_release, vec![b'r'; release_bytes]).unwrap();
    (directory, places)
}

fn request(
    collected: &Collected,
    places: &GuestPlaces,
) -> Result<GuestRequest<'static>, AttesterError> {
    let about = About::read(collected, &[1; 32], places)?;
    GuestRequest::of_tpm(tpm(MadeKey::new(3).answers()), &about)
}

/// The decoded `AttestationInfo` of a machine without log and release file.
fn info(collected: &Collected) -> String {
    let nowhere = PathBuf::from("/nonexistent");
    let places = GuestPlaces {
        tcg_log: nowhere.clone(),
        os_release: nowhere,
    };
    let request = request(collected, &places).unwrap();
    let json = URL_SAFE_NO_PAD.decode(request.attestation_info()).unwrap();
    String::from_utf8(json).unwrap()
}

/// Of the TPM's part: what stands there is what the scripted TPM answered.
fn tpm_info() -> String {
    let made = MadeKey::new(3);
    let base64 = |bytes: &[u8]| STANDARD.encode(bytes);
    let register = |index: u8| format!(r#"{{"Index":{index},"Digest":"{}"}}"#, base64(&[3; 32]));
    let registers: Vec<String> = (0..8).map(register).collect();
    format!(
        r#"{{"AikCert":"MA==","AikPub":"{}","PcrQuote":"{}","PcrSignature":"{}","PcrSet":[0,1,2,3,4,5,6,7],"PCRs":[{}],"EncKeyPub":"{}","EncKeyCertifyInfo":"{}","EncKeyCertifyInfoSignature":"{}"}}"#,
        base64(&sized(&made.ak[0])),
        base64(&made.quote),
        base64(&[9; 256]),
        registers.join(","),
        base64(&sized(&made.area)),
        base64(&made.certification),
        base64(&[9; 256]),
    )
}

const HEAD: &str = r#"{"AttestationProtocolVersion":"2.0","OSType":"TGludXg=","OSDistro":"","OSVersionMajor":0,"OSVersionMinor":0,"OSBuild":"Tm90QXBwbGljYXRpb24=","TcgLogs":"","ClientPayload":{"nonce":"MDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMQ=="},"TpmInfo":"#;

#[test]
fn snp_machines_json_is_the_services() {
    // base64url in base64url: {"SnpReport":"…","VcekCertChain":"UEVN"}
    let report = URL_SAFE_NO_PAD.encode([0xA5; 1184]);
    let proof = format!(r#"{{"SnpReport":"{report}","VcekCertChain":"UEVN"}}"#);
    let proof = URL_SAFE_NO_PAD.encode(proof);
    let isolation = format!(
        r#""IsolationInfo":{{"Type":"SevSnp","Evidence":{{"Proof":"{proof}","RunTimeData":"e30"}}}}"#
    );
    let expected = format!("{HEAD}{},{isolation}}}", tpm_info());
    assert_eq!(info(&snp()), expected);
}

#[test]
fn tdx_machines_json_is_the_services() {
    let td_quote = vec![4, 0, 2, 0];
    let collected = Collected::AzureTdx {
        vm: vm(4),
        td_quote,
    };
    let isolation =
        r#""IsolationInfo":{"Type":"Tdx","Evidence":{"Proof":"BAACAA==","RunTimeData":"e30="}}"#;
    let expected = format!("{HEAD}{},{isolation}}}", tpm_info());
    assert_eq!(info(&collected), expected);
}

#[test]
fn machine_without_certificate_has_an_empty_one() {
    let mut vm = vm(4);
    vm.ak_certificate.clear();
    let td_quote = vec![4];
    let info = info(&Collected::AzureTdx { vm, td_quote });
    assert!(info.contains(r#""AikCert":"","#));
}

#[test]
fn other_evidence_is_refused_with_its_kind() {
    let (_directory, places) = places(0, 0);
    let refused = request(&Collected::TdxQuote(vec![4]), &places).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Azure vTPM: expected evidence of a confidential virtual machine of Azure, found evidence of kind `tdx`"
    );
}

#[test]
fn evidence_without_the_processors_certificates_is_refused() {
    let (_directory, places) = places(0, 0);
    let collected = Collected::AzureSnp {
        vm: vm(2),
        vek: None,
    };
    assert_matches!(
        request(&collected, &places),
        Err(AttesterError::NoProcessorCertificates)
    );
}

#[test]
fn paravisors_report_of_another_form_is_refused() {
    let (_directory, places) = places(0, 0);
    let mut no_data = vm(2);
    no_data.hcl[0x4D2] = 1;
    for vm in [vm(4), no_data] {
        let vek = Some("PEM".to_owned());
        let refused = request(&Collected::AzureSnp { vm, vek }, &places);
        assert_matches!(refused, Err(AttesterError::Paravisor));
    }
}

#[test]
fn log_of_the_greatest_length_is_sent() {
    let (_directory, places) = places(512 * 1024, 64 * 1024);
    let request = request(&snp(), &places).unwrap();
    assert_eq!(request.tcg_log_bytes(), 512 * 1024);
}

#[test]
fn file_that_is_no_log_is_named_and_not_sent() {
    let (directory, places) = places(0, 0);
    let mut other = log();
    other[4] = 1;
    for bytes in [&b"some secret\n"[..], &other, &log()[..47]] {
        fs::write(&places.tcg_log, bytes).unwrap();
        let refused = request(&snp(), &places).unwrap_err();
        let expected = format!(
            "Azure vTPM: expected the firmware's log of the boot in `{}`, which begins with the event `Spec ID Event03` of TPM 2.0, or nothing, found something else: Linux has it in `/sys/kernel/security/tpm0/binary_bios_measurements`",
            directory.path().join("log").display()
        );
        assert_eq!(refused.to_string(), expected);
    }
    fs::write(&places.tcg_log, log()).unwrap();
    assert_eq!(request(&snp(), &places).unwrap().tcg_log_bytes(), 48);
}

#[test]
fn files_that_are_too_long_are_named() {
    for (log_bytes, release_bytes, name, limit) in [
        (512 * 1024 + 1, 0, "log", 512 * 1024),
        (0, 64 * 1024 + 1, "os-release", 64 * 1024),
    ] {
        let (directory, places) = places(log_bytes, release_bytes);
        let refused = request(&snp(), &places).unwrap_err();
        let path = directory.path().join(name);
        let expected = format!(
            "Azure vTPM: `{}` has more than {limit} bytes",
            path.display()
        );
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn log_that_may_not_be_read_is_none() {
    let (directory, mut places) = places(0, 0);
    // Opened, and not read: `EISDIR`.
    places.tcg_log = directory.path().to_owned();
    assert_eq!(request(&snp(), &places).unwrap().tcg_log_bytes(), 0);
}

#[test]
fn request_that_is_too_long_is_refused() {
    let (_directory, places) = places(512 * 1024, 0);
    let collected = Collected::AzureSnp {
        vm: vm(2),
        vek: Some("P".repeat(64 * 1024)),
    };
    assert_matches!(
        request(&collected, &places),
        Err(AttesterError::RequestTooLong {
            limit_bytes: 1_048_576,
            ..
        })
    );
}

/// What a request's TPM answers to opening, and what comes of it.
fn opened(answers: &[Vec<u8>]) -> Result<String, AttesterError> {
    let (_directory, places) = places(0, 0);
    let collected = snp();
    let about = About::read(&collected, &[1; 32], &places).unwrap();
    let made = MadeKey::new(3).answers();
    let tpm = tpm(made.into_iter().chain(answers.iter().cloned()));
    let request = GuestRequest::of_tpm(tpm, &about).unwrap();
    request.open(&sealed_to_nobody())
}

fn sealed_to_nobody() -> String {
    let key = STANDARD.encode([1; 256]);
    let json = format!(
        r#"{{"Jwt":"AAAA","EncryptedInnerKey":"{key}","EncryptionParams":{{"Iv":"AAAAAAAAAAAAAAAA"}},"AuthenticationData":"AAAAAAAAAAAAAAAAAAAAAA=="}}"#
    );
    URL_SAFE_NO_PAD.encode(json)
}

#[test]
fn refusal_to_decrypt_is_another_key_and_nothing_else_is() {
    let session = plain(&[&[3, 0, 0, 0][..], &sized(&[6; 16])].concat());
    let good = || vec![session.clone(), plain(&[])];
    let after = |answer: Vec<u8>| opened(&[good(), vec![answer]].concat());
    for code in [0x084, 0x1C4, 0x1D5, 0x101] {
        assert_matches!(
            after(refusal(code)),
            Err(AttesterError::SealedToken(SealedTokenError::OtherKey { code: found }))
                if found.0 == code
        );
    }
    let next_look = vec![refusal(0x128), plain(&[]), session.clone(), refusal(0x1C4)];
    assert_matches!(
        opened(&[good(), next_look].concat()),
        Err(AttesterError::Tpm(TpmError::RegistersChanged))
    );
    assert_matches!(
        after(refusal(0x99D)),
        Err(AttesterError::Tpm(TpmError::Refused { .. }))
    );
    // The same code of another command.
    assert_matches!(
        opened(&[refusal(0x101)]),
        Err(AttesterError::Tpm(TpmError::Refused { .. }))
    );
    assert_matches!(
        after(with_session(&sized(&[9; 20]))),
        Err(AttesterError::SealedToken(SealedTokenError::InnerKey {
            found_bytes: 20
        }))
    );
}

#[test]
fn refusal_to_decrypt_that_may_be_the_tpms_failure_says_so() {
    let code = crate::ResponseCode(0x101);
    assert_eq!(
        SealedTokenError::OtherKey { code }.to_string(),
        "the sealed token does not open: it was sealed to another key than this request's, or changed on its way, or the TPM failed: attest again, and restart the machine if it is so again (`TPM2_RSA_Decrypt`: response code `0x101`)"
    );
}

#[test]
fn refusal_to_decrypt_says_what_to_do() {
    let code = crate::ResponseCode(0x1C4);
    assert_eq!(
        SealedTokenError::OtherKey { code }.to_string(),
        "the sealed token does not open: it was sealed to another key than this request's, or changed on its way: attest again (`TPM2_RSA_Decrypt`: response code `0x1c4`)"
    );
}
