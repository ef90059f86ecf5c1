//! `casque-dev machine`: a program beside a real TPM, as in an Azure VM on a software TEE.
//!
//! The TPM is swtpm, a process of its own, on a port of the loopback interface. It holds what Azure's paravisor puts
//! into the TPM of a machine, and nothing vouches for it but the software TEE:
//!
//! | handle | content |
//! |---|---|
//! | 0x81000003 | the attestation key, RSA 2048, RSASSA with SHA-256 |
//! | 0x01400001 | the HCL report around a report of the software TEE; the data that this is over name the key |
//! | 0x01C101D0 | a certificate of the key with zeros behind it; it proves nothing, as its authorities are not served |
//!
//! libtpms has indexes of at most 2048 bytes; real ones of reports have 2600, of certificates 4096. A report does not
//! change with 0x01400002. VCEK and TD quotes are to be had from the machine's own metadata service: plain HTTP, as
//! Azure's is.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use casque_attester::{AzureVtpm, Imds};
use casque_testkit::azure_vm::{HclSpec, HclTee, SoftwareVtpmError, td_report};
use casque_testkit::sgx::SoftwareTeeError;
use casque_testkit::snp::{ReportSpec, software_snp_identity};
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{Digest, Seconds};
use clap::{Args, ValueEnum};
use tempfile::TempDir;
use thiserror::Error;

use crate::azure::MetadataService;
use crate::cli::{StateArgs, report};
use crate::clock::system_now;
use crate::measure::{MeasureError, find, measurements};
use crate::state::{FileError, StateDirectory};
use crate::tees::{SoftwareTees, TeesError};

/// What to start beside the TPM.
#[derive(Debug, Args)]
pub struct MachineArgs {
    #[command(flatten)]
    state: StateArgs,
    /// What the machine is on.
    #[arg(long, value_enum, default_value_t)]
    tee: MachineTee,
    /// The program, which the TEE measures; it finds the TPM in `CASQUE_TPM` and `TPM2TOOLS_TCTI`, the metadata service in
    /// `CASQUE_IMDS`.
    program: OsString,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// What a machine is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MachineTee {
    /// SEV-SNP.
    #[default]
    AzureSnp,
    /// TDX.
    AzureTdx,
}

/// Why there is no machine.
#[derive(Debug, Error)]
pub enum MachineError {
    /// A program that it is made of.
    #[error(
        "`{program}` is not installed: on Debian it comes with swtpm, tpm2-tools and libtss2-tcti-swtpm0"
    )]
    NotInstalled {
        /// Its name.
        program: &'static str,
    },
    /// The TPM ended at once, each time.
    #[error("swtpm did not start on any of ten ports")]
    NoPort,
    /// A program refused.
    #[error("`{program}` refused: {said}")]
    Tool {
        /// Its name.
        program: &'static str,
        /// What it wrote to standard error.
        said: String,
    },
    /// The operating system.
    #[error("the operating system")]
    System(#[from] io::Error),
    /// Its own addresses are none: a defect.
    #[error("the addresses of TPM and metadata service are none: a defect of casque-dev")]
    Unreachable,
    /// The attestation key came in another form.
    #[error(
        "expected the attestation key as RSA of 2048 bits with the exponent 65537, in `SubjectPublicKeyInfo`"
    )]
    Key,
    /// A report or a certificate does not fit into an index.
    #[error("expected at most 2048 bytes for an index of the TPM, found {found_bytes}")]
    TooLong {
        /// Its length without what pads it.
        found_bytes: usize,
    },
    /// The software TEE.
    #[error(transparent)]
    Tee(#[from] SoftwareTeeError),
    /// The software paravisor.
    #[error(transparent)]
    Vtpm(#[from] SoftwareVtpmError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] FileError),
    /// What the state folder holds.
    #[error(transparent)]
    Tees(#[from] TeesError),
    /// The program to be run.
    #[error(transparent)]
    Measure(#[from] MeasureError),
}

/// A running TPM; ended, by its own process, when it is dropped.
#[derive(Debug)]
pub struct Machine {
    process: Child,
    port: u16,
    /// The TPM's state, and files for its tools.
    directory: TempDir,
    metadata: MetadataService,
}

impl Machine {
    /// Makes a machine whose paravisor has this measurement: on SNP `measurement`, on TDX `mrtd`.
    ///
    /// # Errors
    /// [`MachineError`]: swtpm or its tools are not there or refuse, or the crypto provider failed.
    pub fn start(
        tees: &SoftwareTees,
        kind: MachineTee,
        measurement: Digest<48>,
    ) -> Result<Self, MachineError> {
        for program in PROGRAMS {
            let mut command = Command::new(program);
            command.arg("--version").stdout(Stdio::null());
            if command.stderr(Stdio::null()).status().is_err() {
                return Err(MachineError::NotInstalled { program });
            }
        }
        let machine = Self::with_empty_tpm(tees)?;
        let spki = machine.make_attestation_key()?;
        let hcl = hcl_report(tees, kind, measurement, modulus_of(&spki)?)?;
        machine.define(HCL_REPORT, &hcl)?;
        let certificate = tees.vtpm.ak_certificate_of(&spki)?;
        machine.define(AK_CERTIFICATE, &for_index(certificate)?)?;
        Ok(machine)
    }

    /// Where the TPM is, as `CASQUE_TPM` of the agent and `TPM2TOOLS_TCTI` of tpm2-tools say it.
    #[must_use]
    pub fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    /// The source of evidence that the agent has of it.
    ///
    /// # Errors
    /// [`MachineError::Unreachable`]
    pub fn vtpm(&self) -> Result<AzureVtpm, MachineError> {
        let tcti = self.tcti().parse().map_err(|_| MachineError::Unreachable)?;
        let imds = Imds::new(self.imds()).map_err(|_| MachineError::Unreachable)?;
        Ok(AzureVtpm::new(tcti, imds))
    }

    /// Where the metadata service is, as `CASQUE_IMDS` of the agent says it.
    #[must_use]
    pub fn imds(&self) -> &str {
        self.metadata.url()
    }

    /// Extends a register of the SHA-256 bank by a digest.
    ///
    /// # Errors
    /// [`MachineError`]: the TPM refused.
    pub fn extend(&self, register: u8, digest: Digest<32>) -> Result<(), MachineError> {
        let what = format!("{register}:sha256={digest}");
        self.tool("tpm2_pcrextend", &[&what])
    }

    /// Another program may take a port that was free: then swtpm ends, and other ports are tried.
    fn with_empty_tpm(tees: &SoftwareTees) -> Result<Self, MachineError> {
        for _ in 0..10 {
            let mut machine = Self::spawn(tees)?;
            let deadline = system_now().plus(START);
            while machine.process.try_wait()?.is_none() && system_now() < deadline {
                if TcpStream::connect(("127.0.0.1", machine.port)).is_ok() {
                    return Ok(machine);
                }
                std::thread::yield_now();
            }
        }
        Err(MachineError::NoPort)
    }

    fn spawn(tees: &SoftwareTees) -> Result<Self, MachineError> {
        let metadata = MetadataService::start(tees)?;
        let (port, control_port) = two_free_ports()?;
        let directory = tempfile::tempdir()?;
        let channel = |port: u16| format!("type=tcp,port={port},bindaddr=127.0.0.1");
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", directory.path().display())])
            .args(["--server", &channel(port), "--ctrl", &channel(control_port)])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            process,
            port,
            directory,
            metadata,
        })
    }

    /// The public part of the key that it makes, `SubjectPublicKeyInfo`.
    fn make_attestation_key(&self) -> Result<Vec<u8>, MachineError> {
        // Without `noda` the first use of the key is answered `TPM_RC_RETRY`, which not every client takes for that.
        let attributes =
            "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign";
        let scheme = "rsa2048:rsassa-sha256:null";
        let create = ["-C", "e", "-G", scheme, "-a", attributes, "-c", "ak"];
        self.tool("tpm2_createprimary", &create)?;
        self.tool("tpm2_evictcontrol", &["-C", "o", "-c", "ak", AK])?;
        self.tool("tpm2_flushcontext", &["-t"])?;
        let read = ["-c", AK, "-f", "der", "-o", "ak.der"];
        self.tool("tpm2_readpublic", &read)?;
        Ok(std::fs::read(self.path("ak.der"))?)
    }

    fn define(&self, index: &str, content: &[u8]) -> Result<(), MachineError> {
        let (attributes, size) = ("ownerread|ownerwrite|authwrite", content.len().to_string());
        let define = ["-C", "o", "-s", &size, "-a", attributes, index];
        self.tool("tpm2_nvdefine", &define)?;
        std::fs::write(self.path("nv"), content)?;
        self.tool("tpm2_nvwrite", &["-C", "o", "-i", "nv", index])
    }

    /// Runs one of tpm2-tools in the directory.
    fn tool(&self, program: &'static str, arguments: &[&str]) -> Result<(), MachineError> {
        let output = Command::new(program)
            .arg("-Q")
            .args(arguments)
            .env("TPM2TOOLS_TCTI", self.tcti())
            .current_dir(self.directory.path())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(MachineError::Tool { program, said })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs the program beside the TPM; the exit status is its own.
#[must_use]
pub fn run(args: &MachineArgs) -> ExitCode {
    match run_beside(args) {
        Ok(status) => {
            let code = status
                .code()
                .or(status.signal().map(|signal| signal | 0x80));
            let code = code.and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn run_beside(args: &MachineArgs) -> Result<ExitStatus, MachineError> {
    let state = StateDirectory::open(&args.state.directory())?;
    let tees = SoftwareTees::load_or_make(&state)?;
    let program = find(&args.program, None)?;
    let measured = measurements(&program)?;
    let machine = Machine::start(&tees, args.tee, measured.sha384)?;
    let mut command = Command::new(&program);
    command.args(&args.arguments);
    for name in ["CASQUE_TPM", "TPM2TOOLS_TCTI"] {
        command.env(name, OsStr::new(&machine.tcti()));
    }
    command.env("CASQUE_IMDS", machine.imds());
    Ok(command.status()?)
}

/// The blob, as long as an index.
fn hcl_report(
    tees: &SoftwareTees,
    kind: MachineTee,
    measurement: Digest<48>,
    modulus: &[u8],
) -> Result<Vec<u8>, MachineError> {
    let spec = HclSpec::default().with_attestation_key(modulus);
    let report_data = tees.vtpm.report_data(&spec);
    let hcl = match kind {
        MachineTee::AzureSnp => {
            let report = ReportSpec::new(software_snp_identity(measurement), report_data);
            let report = tees.snp.report(&report)?;
            tees.vtpm.hcl_report(&spec, HclTee::Snp, &report)?
        }
        MachineTee::AzureTdx => {
            let report = td_report(
                &software_tdx_identity(*measurement.as_bytes()),
                &report_data,
            );
            tees.vtpm.hcl_report(&spec, HclTee::Tdx, &report)?
        }
    };
    for_index(hcl)
}

/// As long as an index, by zeros behind it, more or fewer.
fn for_index(mut content: Vec<u8>) -> Result<Vec<u8>, MachineError> {
    let padding = content.iter().rev().take_while(|byte| **byte == 0).count();
    let found_bytes = content.len().saturating_sub(padding);
    if found_bytes > INDEX_BYTES {
        return Err(MachineError::TooLong { found_bytes });
    }
    content.resize(INDEX_BYTES, 0);
    Ok(content)
}

/// Of a key with the exponent 65537, whose five bytes stand last.
fn modulus_of(spki: &[u8]) -> Result<&[u8], MachineError> {
    let before = spki.strip_suffix(&[2, 3, 1, 0, 1]);
    let modulus = before.and_then(<[u8]>::last_chunk::<256>);
    modulus.map(<[u8; 256]>::as_slice).ok_or(MachineError::Key)
}

/// tpm2-tss takes the control channel to be at the next port.
fn two_free_ports() -> io::Result<(u16, u16)> {
    loop {
        let first = TcpListener::bind("127.0.0.1:0")?;
        let port = first.local_addr()?.port();
        let Some(next) = port.checked_add(1) else {
            continue;
        };
        if TcpListener::bind(("127.0.0.1", next)).is_ok() {
            return Ok((port, next));
        }
    }
}

/// How long swtpm may take until it listens.
const START: Seconds = Seconds(30);
const PROGRAMS: [&str; 2] = ["swtpm", "tpm2_createprimary"];
const AK: &str = "0x81000003";
const HCL_REPORT: &str = "0x01400001";
const AK_CERTIFICATE: &str = "0x01C101D0";
/// As much as an index of libtpms holds.
const INDEX_BYTES: usize = 2048;
