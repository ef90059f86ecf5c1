//! casque-agent: attests, places files, starts the program; as a library, so that a program can run it with
//! another source of evidence.
//!
//! The steps are 1 to 3 and 12 of the design (ARCHITECTURE.md, "One release, step by step"). It is blocking
//! and small: one TLS connection, no async machinery. What it does not do yet: ask again before the
//! configuration runs out (it starts the program once).

mod error;
mod launch;
mod place;
mod program;
mod rng;

pub use error::{AgentError, AgentExit};
pub use launch::LaunchError;
pub use place::PlaceError;
pub use program::{ProgramError, find_program};

use std::ffi::OsString;
use std::path::PathBuf;

use casque_attester::{AttesterError, Collected, EvidenceSource};
use casque_client::{
    Client, ClientError, ReleaseError, Released, ServerAddress, ServerTrust, Timeouts,
};
use casque_types::{ConfigId, KeyHash};
use casque_wire::{B64, Evidence};

/// What one run needs to know.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Where the server is.
    pub address: ServerAddress,
    /// The pinned key hash of its identity.
    pub server: KeyHash,
    /// Authorities (PEM) for an ingress that ends TLS before the server; the server's own key is expected in
    /// TLS when there are none.
    pub authorities_pem: Option<Vec<u8>>,
    /// The service to be.
    pub config: ConfigId,
    /// Program and arguments of the command line: the first replaces the policy's program, the others, when
    /// there are any, its arguments.
    pub command: Vec<OsString>,
    /// The file to start, when it is known beforehand: whoever measured it. Found by the program's name otherwise.
    pub program_file: Option<PathBuf>,
}

/// What the agent shows as proof of the program that it starts.
pub enum Proof<'a> {
    /// Evidence of this guest.
    Evidence(&'a dyn EvidenceSource),
    /// Nothing, for policies with `mode: none`.
    DangerousNothing,
}

/// Attests, places the files, starts the program, and waits for it.
///
/// # Errors
/// [`AgentError`]; nothing was started then.
pub fn run(settings: &AgentSettings, proof: &Proof<'_>) -> Result<u8, AgentError> {
    keep_memory_private();
    let released = release(settings, proof)?;
    let configuration = released.configuration;
    let command = program::command(&configuration, &settings.command)?;
    let directory = configuration.directory.as_deref();
    let file = match &settings.program_file {
        Some(file) => file.clone(),
        None => program::resolve(&command, directory)?,
    };
    place::place(&configuration.files)?;
    Ok(launch::run(&file, &command, &configuration)?)
}

fn release(settings: &AgentSettings, proof: &Proof<'_>) -> Result<Released, AgentError> {
    let trust = match &settings.authorities_pem {
        None => ServerTrust::Pinned(settings.server),
        Some(authorities_pem) => ServerTrust::CertificateAuthority {
            authorities_pem: authorities_pem.clone(),
            key_hash: settings.server,
        },
    };
    let client = Client::new(settings.address.clone(), &trust, None, Timeouts::default())
        .map_err(|error| AgentError::Server(Box::new(error)))?;
    let rng = rng::SystemRng::default();
    let released = client.release(
        settings.config.clone(),
        &rng,
        |runtime, _challenge| match proof {
            Proof::Evidence(source) => {
                let collected = source
                    .gather(&runtime.report_data())
                    .map_err(GatherError::Source)?;
                wire_evidence(collected)
            }
            Proof::DangerousNothing => Ok(Evidence::None {}),
        },
    );
    released.map_err(AgentError::from_release)
}

/// Why there is no evidence to send.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The source gave none.
    #[error(transparent)]
    Source(AttesterError),
    /// No server takes evidence of this kind yet.
    #[error(
        "this guest gives {kind} evidence, which today's servers do not appraise yet: run in SGX"
    )]
    Kind {
        /// `tdx` or `snp`.
        kind: &'static str,
    },
}

fn wire_evidence(collected: Collected) -> Result<Evidence, GatherError> {
    match collected {
        Collected::SgxQuote(quote) => Ok(Evidence::Sgx { quote: B64(quote) }),
        other => Err(GatherError::Kind {
            kind: other.kind().as_str(),
        }),
    }
}

impl AgentError {
    fn from_release(error: ReleaseError<GatherError>) -> Self {
        match error {
            ReleaseError::Client(ClientError::Refused { status, failure }) => {
                Self::Refused { status, failure }
            }
            ReleaseError::Client(error @ ClientError::OtherServer { .. }) => {
                Self::OtherServer(Box::new(error))
            }
            ReleaseError::Client(error) => Self::Server(Box::new(error)),
            ReleaseError::Open(error) => Self::OtherServer(Box::new(error)),
            ReleaseError::Key(error) => Self::Key(error),
            ReleaseError::Evidence(error) => Self::Evidence(error),
        }
    }
}

/// No core dumps, and no debuggers of the same user. What cannot be had is not a reason to stop.
fn keep_memory_private() {
    use nix::sys::resource::{Resource, setrlimit};
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    let _without_dumps = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _without_debuggers = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
