//! The sources of an Azure virtual machine against a real TPM, swtpm, and a stand-in for the metadata service.
//!
//! The TPM is made up as the paravisor makes it: an attestation key at 0x81000003, a report in NV index
//! 0x01400001, a certificate in 0x01C101D0. libtpms has NV indexes of at most 2,048 bytes: the report is that
//! long. Quotes are cross-checked by `tpm2_checkquote`; one machine, on the software TEE for SNP, is appraised.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

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
use casque_types::{Digest, SnpProduct, SnpSigner, Timestamp, sha256};
use tempfile::TempDir;

/// A TPM of its own for one test, ended on drop.
struct Swtpm {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Swtpm {
    /// `None`, said on standard output, where the programs are not installed.
    fn start() -> Option<Self> {
        for program in ["swtpm", "tpm2_checkquote"] {
            let mut command = Command::new(program);
            command.arg("--version").stdout(Stdio::null());
            if command.stderr(Stdio::null()).status().is_err() {
                println!("skipped: `{program}` is not installed");
                return None;
            }
        }
        // Another program may take a port that was free: then swtpm ends, and other ports are tried.
        let started = (0..10).find_map(|_| Self::at(two_free_ports()));
        Some(started.unwrap())
    }

    fn at(port: u16) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let channel = |port: u16| format!("type=tcp,port={port},bindaddr=127.0.0.1");
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", directory.path().display())])
            .args(["--server", &channel(port)])
            .args(["--ctrl", &channel(port.checked_add(1).unwrap())])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut swtpm = Self {
            process,
            port,
            directory,
        };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if swtpm.process.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::yield_now();
        }
        Some(swtpm)
    }

    fn tcti(&self) -> Tcti {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
            .parse()
            .unwrap()
    }

    /// Runs one of tpm2-tools in the directory.
    fn tool(&self, name: &str, arguments: &[&str]) {
        let output = Command::new(name)
            .args(arguments)
            .env("TPM2TOOLS_TCTI", self.tcti().to_string())
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    fn make_key(&self) {
        let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign";
        let scheme = "rsa2048:rsassa-sha256:null";
        let create = [
            "-Q", "-C", "e", "-G", scheme, "-a", attributes, "-c", "ak.ctx",
        ];
        self.tool("tpm2_createprimary", &create);
        self.tool("tpm2_evictcontrol", &["-Q", "-C", "o", "-c", "ak.ctx", AK]);
        self.tool("tpm2_flushcontext", &["-t"]);
        self.tool(
            "tpm2_readpublic",
            &["-Q", "-c", AK, "-f", "pem", "-o", "ak.pem"],
        );
    }

    fn define(&self, index: &str, bytes: &[u8]) {
        let attributes = "ownerread|ownerwrite|authwrite";
        let size = bytes.len().to_string();
        self.tool(
            "tpm2_nvdefine",
            &["-Q", "-C", "o", "-s", &size, "-a", attributes, index],
        );
        self.write("nv", bytes);
        self.tool("tpm2_nvwrite", &["-Q", "-C", "o", "-i", "nv", index]);
    }

    /// What `tpm2_checkquote` says of a quote for `extra_data`.
    fn check_quote(&self, vm: &AzureVm, extra_data: &[u8]) {
        let size = u16::try_from(vm.quote.signature.len()).unwrap();
        let signature = [
            &[0, 0x14, 0, 0x0B][..],
            &size.to_be_bytes(),
            &vm.quote.signature,
        ];
        self.write("message", &vm.quote.message);
        self.write("signature", &signature.concat());
        self.write("pcrs", &serialized(&vm.quote.pcrs));
        let extra_data: String = extra_data
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.tool(
            "tpm2_checkquote",
            &[
                "-u",
                "ak.pem",
                "-m",
                "message",
                "-s",
                "signature",
                "-g",
                "sha256",
                "-q",
                &extra_data,
                "-f",
                "pcrs",
            ],
        );
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// The file of registers of tpm2-tools 5: its structures as they stand in memory (little-endian, padded).
fn serialized(pcrs: &[[u8; 32]]) -> Vec<u8> {
    let mut bytes = [
        &1_u32.to_le_bytes()[..],
        &[0x0B, 0, 3, 0xFF, 0xFF, 0xFF, 0, 0],
    ]
    .concat();
    bytes.resize(4 + 16 * 8, 0);
    bytes.extend(3_u32.to_le_bytes());
    for eight in pcrs.chunks(8) {
        bytes.extend(8_u32.to_le_bytes());
        for register in eight {
            bytes.extend([&32_u16.to_le_bytes()[..], register, &[0; 32]].concat());
        }
    }
    bytes
}

/// tpm2-tss takes the control channel to be at the next port.
fn two_free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let next = port.checked_add(1);
        if next.is_some_and(|next| TcpListener::bind(("127.0.0.1", next)).is_ok()) {
            return port;
        }
    }
}

/// A metadata service that answers one request, and gives back its body.
struct Service {
    base: String,
    thread: JoinHandle<String>,
}

impl Service {
    fn start(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let head = head.to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|text| text.lines().next());
            let mut body = vec![0; length.map_or(0, |text| text.parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            let stream = reader.get_mut();
            stream
                .write_all(&[head.as_bytes(), answer.as_bytes()].concat())
                .unwrap();
            String::from_utf8(body).unwrap()
        });
        Self { base, thread }
    }
}

/// An address at which nobody answers.
fn nobody() -> Imds {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    Imds::new(&format!("http://{}", free.local_addr().unwrap())).unwrap()
}

/// A paravisor's report of 2,048 bytes in Azure's layout.
fn hcl(kind: u32) -> Vec<u8> {
    let mut hcl = vec![0; 2048];
    let data = br#"{"keys":[],"vm-configuration":{"secure-boot":true}}"#;
    hcl[..4].copy_from_slice(b"HCLA");
    for (offset, byte) in (0x20..0x4C0).zip(0..=u8::MAX) {
        hcl[offset] = byte;
    }
    hcl[0x4C8..0x4CC].copy_from_slice(&kind.to_le_bytes());
    hcl[0x4D4..][..data.len()].copy_from_slice(data);
    hcl
}

fn report_data(first: u8) -> GuestData {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(sha256(&[first]).as_bytes());
    GuestData::of_no_request(bytes)
}

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
    swtpm.check_quote(&vm, sha256(&[1]).as_bytes());
    assert_eq!(service.thread.join().unwrap(), "");
}

/// Keeps what the TPM answers.
struct Recorder(TcpStream, Arc<Mutex<Vec<u8>>>);

impl Read for Recorder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.lock().unwrap().extend(&buffer[..count]);
        Ok(count)
    }
}

impl Write for Recorder {
    fn write(&mut self, command: &[u8]) -> io::Result<usize> {
        self.0.write(command)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// `CASQUE_SEEDS` names a directory for the answers, as the fuzz target `tpm_answer` takes them.
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
    swtpm.check_quote(&vm, &[0; 32]);
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
        let name = Path::new(&directory).join("swtpm");
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
    swtpm.check_quote(&after, sha256(&[2]).as_bytes());
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

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const AK: &str = "0x81000003";
const HCL_REPORT: &str = "0x01400001";
const AK_CERTIFICATE: &str = "0x01C101D0";
const THIM: &str = r#"{"vcekCert":"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n","certificateChain":"","tcbm":"DB18000000000004","cacheControl":"86400"}"#;
