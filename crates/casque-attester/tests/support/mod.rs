//! A real TPM, swtpm, made up as a paravisor's, and a stand-in for the metadata service.
//!
//! The TPM has an attestation key at 0x81000003, a report in NV index 0x01400001, a certificate in 0x01C101D0. libtpms
//! has NV indexes of at most 2,048 bytes: the report is that long.

#![allow(dead_code, reason = "each test program uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

pub(crate) mod sealing;

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use casque_attester::{GuestData, Imds, Tcti, TpmQuote};
use casque_types::{Timestamp, sha256};
use tempfile::TempDir;

/// A TPM of its own for one test, ended on drop.
pub(crate) struct Swtpm {
    process: Child,
    pub(crate) port: u16,
    pub(crate) directory: TempDir,
}

impl Swtpm {
    /// `None`, said on standard output, where the programs are not installed; a failure there where
    /// `CASQUE_DEMAND_TPM` is set, so that no test is passed over where they should be.
    pub(crate) fn start() -> Option<Self> {
        for program in ["swtpm", "tpm2_checkquote"] {
            let mut command = Command::new(program);
            command.arg("--version").stdout(Stdio::null());
            if command.stderr(Stdio::null()).status().is_err() {
                let demanded = std::env::var_os("CASQUE_DEMAND_TPM").is_some();
                assert!(!demanded, "CASQUE_DEMAND_TPM: `{program}` is not installed");
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

    pub(crate) fn tcti(&self) -> Tcti {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
            .parse()
            .unwrap()
    }

    /// Runs one of tpm2-tools in the directory: what it writes to standard output.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let output = Command::new(name)
            .args(arguments)
            .env("TPM2TOOLS_TCTI", self.tcti().to_string())
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.directory.path().join(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    pub(crate) fn make_key(&self) {
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

    pub(crate) fn define(&self, index: &str, bytes: &[u8]) {
        let attributes = "ownerread|ownerwrite|authwrite";
        let size = bytes.len().to_string();
        self.tool(
            "tpm2_nvdefine",
            &["-Q", "-C", "o", "-s", &size, "-a", attributes, index],
        );
        self.write("nv", bytes);
        self.tool("tpm2_nvwrite", &["-Q", "-C", "o", "-i", "nv", index]);
    }

    /// What `tpm2_checkquote` says of a quote for `extra_data`, of the registers from 0 on.
    pub(crate) fn check_quote(&self, quote: &TpmQuote, extra_data: &[u8]) {
        let size = u16::try_from(quote.signature.len()).unwrap();
        let signature = [
            &[0, 0x14, 0, 0x0B][..],
            &size.to_be_bytes(),
            &quote.signature,
        ];
        self.write("message", &quote.message);
        self.write("signature", &signature.concat());
        self.write("pcrs", &serialized(&quote.pcrs));
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
    let lists = pcrs.len().div_ceil(8);
    let mut bytes = [&1_u32.to_le_bytes()[..], &[0x0B, 0, 3], &vec![0xFF; lists]].concat();
    bytes.resize(4 + 16 * 8, 0);
    bytes.extend(u32::try_from(lists).unwrap().to_le_bytes());
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
pub(crate) struct Service {
    pub(crate) base: String,
    pub(crate) thread: JoinHandle<String>,
}

impl Service {
    pub(crate) fn start(answer: impl Into<String>) -> Self {
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
pub(crate) fn nobody() -> Imds {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    Imds::new(&format!("http://{}", free.local_addr().unwrap())).unwrap()
}

/// A paravisor's report of 2,048 bytes in Azure's layout.
pub(crate) fn hcl(kind: u32) -> Vec<u8> {
    let mut hcl = vec![0; 2048];
    let data = br#"{"keys":[],"vm-configuration":{"secure-boot":true}}"#;
    hcl[..4].copy_from_slice(b"HCLA");
    for (offset, byte) in (0x20..0x4C0).zip(0..=u8::MAX) {
        hcl[offset] = byte;
    }
    hcl[0x4C8..0x4CC].copy_from_slice(&kind.to_le_bytes());
    hcl[0x4D0] = u8::try_from(data.len()).unwrap();
    hcl[0x4D4..][..data.len()].copy_from_slice(data);
    hcl
}

pub(crate) fn report_data(first: u8) -> GuestData {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(sha256(&[first]).as_bytes());
    GuestData::of_no_request(bytes)
}

/// Keeps what the TPM answers.
pub(crate) struct Recorder(pub(crate) TcpStream, pub(crate) Arc<Mutex<Vec<u8>>>);

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

pub(crate) const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
pub(crate) const AK: &str = "0x81000003";
pub(crate) const HCL_REPORT: &str = "0x01400001";
pub(crate) const AK_CERTIFICATE: &str = "0x01C101D0";
pub(crate) const THIM: &str = r#"{"vcekCert":"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n","certificateChain":"","tcbm":"DB18000000000004","cacheControl":"86400"}"#;
