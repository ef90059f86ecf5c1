//! Requests to attest a whole machine, and their sealed answers, against a real TPM: swtpm. What it signs is verified
//! by `tpm2_checkquote` and by the crypto provider, and the key's policy is compared with the one of tpm2-tools.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use assert_matches::assert_matches;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casque_attester::{
    AttesterError, AzureVtpm, Collected, EvidenceSource as _, GuestPlaces, GuestRequest, Imds,
    PollEvery, SealedTokenError, TpmError, TpmQuote,
};
use casque_types::sha256;
use serde_json::{Value, json};
use support::sealing::{self, claims, member, seal, text_of, token};
use support::{
    AK, AK_CERTIFICATE, HCL_REPORT, Recorder, Service, Swtpm, THIM, hcl, nobody, report_data,
};

/// A machine on SNP, and where it says what it booted.
struct Machine {
    swtpm: Swtpm,
    source: AzureVtpm,
    collected: Collected,
    places: GuestPlaces,
}

impl Machine {
    fn start() -> Option<Self> {
        let swtpm = Swtpm::start()?;
        swtpm.make_key();
        swtpm.define(HCL_REPORT, &hcl(2));
        swtpm.define(AK_CERTIFICATE, &[CERTIFICATE, &[0; 30]].concat());
        swtpm.write("log", LOG);
        swtpm.write("os-release", b"NAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\n");
        let service = Service::start(THIM);
        let source = AzureVtpm::new(swtpm.tcti(), Imds::new(&service.base).unwrap());
        let collected = source.gather(&report_data(1)).unwrap();
        service.thread.join().unwrap();
        let places = GuestPlaces {
            tcg_log: swtpm.directory.path().join("log"),
            os_release: swtpm.directory.path().join("os-release"),
        };
        Some(Self {
            swtpm,
            source,
            collected,
            places,
        })
    }

    fn request(&self) -> Result<GuestRequest<'_>, AttesterError> {
        self.source
            .guest_request(&self.collected, &NONCE, &self.places)
    }

    /// A connection to the TPM whose answers are kept, and a request over it.
    fn recorded(&self) -> (TcpStream, Arc<Mutex<Vec<u8>>>, GuestRequest<'static>) {
        let stream = TcpStream::connect(("127.0.0.1", self.swtpm.port)).unwrap();
        let same = stream.try_clone().unwrap();
        let answers = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder(stream, Arc::clone(&answers));
        let request = GuestRequest::over(
            recorder,
            &self.swtpm.tcti(),
            &WAITER,
            &self.collected,
            &NONCE,
            &self.places,
        );
        (same, answers, request.unwrap())
    }

    /// That nothing is left in the TPM.
    fn assert_empty(&self) {
        for what in [
            "handles-transient",
            "handles-loaded-session",
            "handles-saved-session",
        ] {
            assert_eq!(self.swtpm.tool("tpm2_getcap", &[what]), "", "{what}");
        }
    }
}

fn info_of(request: &GuestRequest<'_>) -> Value {
    sealing::info_of(request.attestation_info())
}

/// A token that answers a request with `NONCE`.
fn answer() -> String {
    token(&claims(&STANDARD.encode(hex_of(&NONCE))))
}

/// The key that the answer is to be sealed to, `TPM2B_PUBLIC`.
fn sealing_key(request: &GuestRequest<'_>) -> Vec<u8> {
    member(&info_of(request), "/TpmInfo/EncKeyPub")
}

/// `CASQUE_SEEDS` names a directory of directories, one for each fuzz target.
fn keep_seed(target: &str, bytes: &[u8]) {
    if let Some(directory) = std::env::var_os("CASQUE_SEEDS") {
        fs::write(
            Path::new(&directory).join(target).join("swtpm-guest"),
            bytes,
        )
        .unwrap();
    }
}

#[test]
fn request_says_what_evidence_and_machine_say() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let request = machine.request().unwrap();
    let info = info_of(&request);
    for (path, expected) in [
        ("/AttestationProtocolVersion", json!("2.0")),
        ("/OSType", json!("TGludXg=")),
        ("/OSDistro", json!("VWJ1bnR1")),
        ("/OSVersionMajor", json!(22)),
        ("/OSVersionMinor", json!(4)),
        ("/OSBuild", json!("Tm90QXBwbGljYXRpb24=")),
        ("/TcgLogs", json!(STANDARD.encode(LOG))),
        (
            "/ClientPayload",
            json!({"nonce": STANDARD.encode(hex_of(&NONCE))}),
        ),
        ("/TpmInfo/AikCert", json!(STANDARD.encode(CERTIFICATE))),
        ("/TpmInfo/PcrSet", json!([0, 1, 2, 3, 4, 5, 6, 7])),
        ("/IsolationInfo/Type", json!("SevSnp")),
    ] {
        assert_eq!(info.pointer(path), Some(&expected), "{path}");
    }
    assert_eq!(request.tcg_log_bytes(), LOG.len());
    drop(request);
    machine.assert_empty();
}

#[test]
fn request_has_report_certificates_and_paravisors_data() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let info = info_of(&machine.request().unwrap());
    let base64url = |value: &Value| URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap();
    let evidence = &info["IsolationInfo"]["Evidence"];
    let proof: Value = serde_json::from_slice(&base64url(&evidence["Proof"])).unwrap();
    assert_eq!(base64url(&proof["SnpReport"]), hcl(2)[0x20..0x4C0]);
    let chain = base64url(&proof["VcekCertChain"]);
    assert!(chain.starts_with(b"-----BEGIN CERTIFICATE-----\nAA=="));
    let data = br#"{"keys":[],"vm-configuration":{"secure-boot":true}}"#;
    assert_eq!(base64url(&evidence["RunTimeData"]), data);
}

#[test]
fn requests_quote_is_of_registers_0_to_7_by_the_attestation_key() {
    let Some(machine) = Machine::start() else {
        return;
    };
    machine.swtpm.tool(
        "tpm2_pcrextend",
        &[&format!("7:sha256={}", "11".repeat(32))],
    );
    let info = info_of(&machine.request().unwrap());
    let pcrs: Vec<[u8; 32]> = (0..8)
        .map(|index| {
            let path = format!("/TpmInfo/PCRs/{index}");
            assert_eq!(info.pointer(&format!("{path}/Index")), Some(&json!(index)));
            member(&info, &format!("{path}/Digest")).try_into().unwrap()
        })
        .collect();
    assert_eq!(info.pointer("/TpmInfo/PCRs/8"), None);
    let extended = [[0; 32], [0x11; 32]].concat();
    assert_eq!(&pcrs[7], sha256(&extended).as_bytes());
    let quote = TpmQuote {
        message: member(&info, "/TpmInfo/PcrQuote"),
        signature: member(&info, "/TpmInfo/PcrSignature"),
        pcrs,
    };
    machine.swtpm.check_quote(&quote, &[]);
    machine
        .swtpm
        .tool("tpm2_readpublic", &["-Q", "-c", AK, "-o", "ak.pub"]);
    assert_eq!(
        member(&info, "/TpmInfo/AikPub"),
        machine.swtpm.read("ak.pub")
    );
}

#[test]
fn requests_key_is_certified_and_bound_to_the_registers() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let info = info_of(&machine.request().unwrap());
    let ak = member(&info, "/TpmInfo/AikPub");
    let message = member(&info, "/TpmInfo/EncKeyCertifyInfo");
    let signature = member(&info, "/TpmInfo/EncKeyCertifyInfoSignature");
    let (n, e) = (&ak[ak.len() - 256..], &[1, 0, 1][..]);
    PublicKeyComponents { n, e }
        .verify(&RSA_PKCS1_2048_8192_SHA256, &message, &signature)
        .unwrap();
    let public = member(&info, "/TpmInfo/EncKeyPub");
    let name = [&[0, 0x0B][..], sha256(&public[2..]).as_bytes()].concat();
    let end = message.len() - 36;
    assert_eq!(message[end - 36..end], [&[0, 34][..], &name].concat());
    machine.swtpm.tool(
        "tpm2_createpolicy",
        &[
            "-Q",
            "--policy-pcr",
            "-l",
            "sha256:0,1,2,3,4,5,6,7",
            "-L",
            "policy",
        ],
    );
    // Size, type, algorithm of names, attributes; size of the policy; the policy.
    assert_eq!(public[..12], [1, 0x36, 0, 1, 0, 0x0B, 0, 2, 4, 0x32, 0, 32]);
    assert_eq!(public[12..44], machine.swtpm.read("policy"));
}

#[test]
fn tdx_machine_says_its_quote() {
    let Some(mut machine) = Machine::start() else {
        return;
    };
    let Collected::AzureSnp { mut vm, .. } = machine.collected else {
        panic!("expected SNP");
    };
    vm.hcl = hcl(4);
    let td_quote = vec![4, 0, 2];
    machine.collected = Collected::AzureTdx { vm, td_quote };
    let info = info_of(&machine.request().unwrap());
    let evidence = &info["IsolationInfo"]["Evidence"];
    assert_eq!(info["IsolationInfo"]["Type"], "Tdx");
    assert_eq!(evidence["Proof"], "BAAC");
    let data = br#"{"keys":[],"vm-configuration":{"secure-boot":true}}"#;
    assert_eq!(evidence["RunTimeData"], STANDARD.encode(data));
}

#[test]
fn machine_without_log_and_release_file_says_so() {
    let Some(mut machine) = Machine::start() else {
        return;
    };
    machine.places = GuestPlaces {
        tcg_log: PathBuf::from("/nonexistent/log"),
        os_release: PathBuf::from("/nonexistent/os-release"),
    };
    let request = machine.request().unwrap();
    assert_eq!(request.tcg_log_bytes(), 0);
    let info = info_of(&request);
    assert_eq!(
        (&info["TcgLogs"], &info["OSDistro"]),
        (&json!(""), &json!(""))
    );
    assert_eq!(info["OSVersionMajor"], 0);
}

#[test]
fn same_registers_give_the_same_key() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let first = sealing_key(&machine.request().unwrap());
    assert_eq!(sealing_key(&machine.request().unwrap()), first);
    machine.swtpm.tool(
        "tpm2_pcrextend",
        &[&format!("3:sha256={}", "11".repeat(32))],
    );
    assert_ne!(sealing_key(&machine.request().unwrap()), first);
}

/// `CASQUE_SEEDS`: the answers of the TPM, and the sealed token.
#[test]
fn token_sealed_to_the_requests_key_opens() {
    let Some(machine) = Machine::start() else {
        return;
    };
    for inner_key in [&[9; 32][..], &[9; 16]] {
        let (_stream, answers, request) = machine.recorded();
        let sealed = text_of(&seal(&sealing_key(&request), inner_key, &answer()));
        assert_eq!(request.open(&sealed).unwrap(), answer());
        keep_seed("tpm_answer", &answers.lock().unwrap());
        keep_seed("sealed_token", sealed.as_bytes());
    }
    let request = machine.request().unwrap();
    let sealed = seal(&sealing_key(&request), &[9; 32], &answer());
    assert_eq!(request.open(&text_of(&sealed)).unwrap(), answer());
    machine.assert_empty();
}

#[test]
fn inner_key_with_a_zero_before_it_opens() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let request = machine.request().unwrap();
    let mut sealed = seal(&sealing_key(&request), &[9; 32], &answer());
    let key = member(&sealed, "/EncryptedInnerKey");
    sealed["EncryptedInnerKey"] = json!(STANDARD.encode([&[0], &key[..]].concat()));
    assert_eq!(request.open(&text_of(&sealed)).unwrap(), answer());
}

/// `TPM2_PCR_Extend` by the connection that the request has: swtpm has one at a time.
fn extend(stream: &mut TcpStream, register: u8) {
    let mut command = vec![0x80, 2, 0, 0, 0, 65, 0, 0, 1, 0x82, 0, 0, 0, register];
    command.extend([0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0]);
    command.extend([0, 0, 0, 1, 0, 0x0B]);
    command.extend([0x11; 32]);
    stream.write_all(&command).unwrap();
    let mut answer = [0; 19];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[6..10], [0; 4]);
}

#[test]
fn token_does_not_open_when_a_register_of_the_key_was_extended() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let (mut stream, _, request) = machine.recorded();
    let sealed = text_of(&seal(&sealing_key(&request), &[9; 32], &answer()));
    extend(&mut stream, 7);
    let refused = request.open(&sealed);
    assert_matches!(refused, Err(AttesterError::Tpm(TpmError::RegistersChanged)));
    drop(stream);
    machine.assert_empty();
}

#[test]
fn token_opens_when_another_register_was_extended() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let (mut stream, _, request) = machine.recorded();
    let sealed = text_of(&seal(&sealing_key(&request), &[9; 32], &answer()));
    extend(&mut stream, 8);
    assert_eq!(request.open(&sealed).unwrap(), answer());
}

/// Extends a register before a command to decrypt, as another program may that has the TPM too.
struct Meddler {
    stream: TcpStream,
    register: u8,
    /// How many times.
    left: u32,
}

impl Read for Meddler {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Meddler {
    fn write(&mut self, command: &[u8]) -> io::Result<usize> {
        if command[6..10] == RSA_DECRYPT && self.left > 0 {
            self.left = self.left.saturating_sub(1);
            extend(&mut self.stream, self.register);
        }
        self.stream.write(command)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What comes of a token when this register is extended so many times, each time after a session looked at them.
fn opened_beside(register: u8, left: u32) -> Option<Result<String, AttesterError>> {
    let machine = Machine::start()?;
    let stream = TcpStream::connect(("127.0.0.1", machine.swtpm.port)).unwrap();
    let meddler = Meddler {
        stream,
        register,
        left,
    };
    let request = GuestRequest::over(
        meddler,
        &machine.swtpm.tcti(),
        &WAITER,
        &machine.collected,
        &NONCE,
        &machine.places,
    );
    let request = request.unwrap();
    let sealed = text_of(&seal(&sealing_key(&request), &[9; 32], &answer()));
    let opened = request.open(&sealed);
    machine.assert_empty();
    Some(opened)
}

#[test]
fn token_opens_when_another_register_is_extended_meanwhile() {
    for times in [1, 7] {
        let Some(opened) = opened_beside(10, times) else {
            return;
        };
        assert_eq!(opened.unwrap(), answer());
    }
}

#[test]
fn token_does_not_open_when_a_register_is_extended_each_time() {
    let Some(opened) = opened_beside(10, 8) else {
        return;
    };
    assert_matches!(
        opened,
        Err(AttesterError::Tpm(TpmError::Registers { quotes: 8 }))
    );
}

#[test]
fn token_does_not_open_when_a_register_of_the_key_is_extended_meanwhile() {
    let Some(opened) = opened_beside(7, 1) else {
        return;
    };
    assert_matches!(opened, Err(AttesterError::Tpm(TpmError::RegistersChanged)));
}

#[test]
fn token_sealed_to_another_key_does_not_open() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let request = machine.request().unwrap();
    let ak = member(&info_of(&request), "/TpmInfo/AikPub");
    let refused = request.open(&text_of(&seal(&ak, &[9; 32], &answer())));
    assert_matches!(
        refused,
        Err(AttesterError::SealedToken(
            SealedTokenError::OtherKey { .. }
        ))
    );
    machine.assert_empty();
}

/// What whoever ends TLS can bring about: he puts a nonce of his own into the request, which nothing signs, and the
/// service seals a token over his runtime data to this TPM's key.
#[test]
fn token_that_answers_another_request_is_kept_back() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let nonce = "the nonce that was sent, in `client-payload` of `x-ms-runtime`";
    let mut no_nonce = claims("");
    no_nonce["x-ms-runtime"] = json!({"keys": []});
    let mut other_type = claims(&STANDARD.encode(hex_of(&NONCE)));
    other_type["x-ms-attestation-type"] = json!("sevsnpvm");
    for (claims, expected) in [
        (claims(&STANDARD.encode(hex_of(&[0x4F; 32]))), nonce),
        (no_nonce, nonce),
        (other_type, "`azurevm` as `x-ms-attestation-type`"),
    ] {
        let request = machine.request().unwrap();
        let sealed = seal(&sealing_key(&request), &[9; 32], &token(&claims));
        let refused = request.open(&text_of(&sealed));
        assert_matches!(
            refused,
            Err(AttesterError::SealedToken(SealedTokenError::OtherNonce { expected: found }))
                if found == expected
        );
        machine.assert_empty();
    }
}

#[test]
fn inner_key_of_another_length_does_not_open() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let request = machine.request().unwrap();
    let sealed = text_of(&seal(&sealing_key(&request), &[9; 24], &answer()));
    assert_matches!(
        request.open(&sealed),
        Err(AttesterError::SealedToken(SealedTokenError::InnerKey {
            found_bytes: 24
        }))
    );
    machine.assert_empty();
}

#[test]
fn token_that_was_changed_does_not_open() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let request = machine.request().unwrap();
    let mut sealed = seal(&sealing_key(&request), &[9; 32], &answer());
    sealed["AuthenticationData"] = json!(STANDARD.encode([0; 16]));
    assert_matches!(
        request.open(&text_of(&sealed)),
        Err(AttesterError::SealedToken(SealedTokenError::Changed))
    );
    machine.assert_empty();
}

#[test]
fn answer_that_is_no_sealed_token_is_refused_and_the_key_flushed() {
    let Some(machine) = Machine::start() else {
        return;
    };
    assert_matches!(
        machine.request().unwrap().open(&answer()),
        Err(AttesterError::SealedToken(
            SealedTokenError::Malformed { .. }
        ))
    );
    machine.assert_empty();
}

#[test]
fn owner_hierarchy_with_a_password_is_refused_with_the_reason() {
    let Some(machine) = Machine::start() else {
        return;
    };
    machine
        .swtpm
        .tool("tpm2_changeauth", &["-c", "owner", "secret"]);
    let refused = machine.request().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the TPM refuses `TPM2_CreatePrimary` of an RSA key in the owner hierarchy: the authorisation failed: the password is not empty (session 1, response code `0x9a2`)"
    );
    machine.assert_empty();
}

#[test]
fn attestation_key_that_is_not_there_is_named() {
    let Some(machine) = Machine::start() else {
        return;
    };
    machine
        .swtpm
        .tool("tpm2_evictcontrol", &["-Q", "-C", "o", "-c", AK]);
    let refused = machine.request().unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("the TPM refuses `TPM2_ReadPublic` of key `0x81000003`"),
        "{refused}"
    );
}

#[test]
fn attestation_key_that_may_not_sign_leaves_nothing_behind() {
    let Some(machine) = Machine::start() else {
        return;
    };
    machine
        .swtpm
        .tool("tpm2_evictcontrol", &["-Q", "-C", "o", "-c", AK]);
    let storage = ["-Q", "-C", "o", "-G", "rsa2048", "-c", "other.ctx"];
    machine.swtpm.tool("tpm2_createprimary", &storage);
    machine.swtpm.tool(
        "tpm2_evictcontrol",
        &["-Q", "-C", "o", "-c", "other.ctx", AK],
    );
    machine.swtpm.tool("tpm2_flushcontext", &["-t"]);
    assert_matches!(
        machine.request().unwrap_err(),
        AttesterError::Tpm(TpmError::Refused {
            command: "TPM2_Certify",
            ..
        })
    );
    machine.assert_empty();
}

#[test]
fn evidence_without_the_processors_certificates_is_refused() {
    let Some(mut machine) = Machine::start() else {
        return;
    };
    machine.source = AzureVtpm::new(machine.swtpm.tcti(), nobody());
    machine.collected = machine.source.gather(&report_data(1)).unwrap();
    assert_matches!(
        machine.request(),
        Err(AttesterError::NoProcessorCertificates)
    );
}

/// Frequent enough for a TPM that answers at once.
const WAITER: PollEvery = PollEvery {
    pause: std::time::Duration::from_millis(10),
    attempts: 3000,
};
/// `TPM_CC_RSA_Decrypt`
const RSA_DECRYPT: [u8; 4] = [0, 0, 1, 0x59];
const NONCE: [u8; 32] = [0x4E; 32];
/// The first event of a log for TPM 2.0, and what follows.
const LOG: &[u8] = b"\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0Spec ID Event03\0what was measured";
const CERTIFICATE: &[u8] = &[0x30, 0x82, 0, 4, 1, 2, 3, 4];

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
