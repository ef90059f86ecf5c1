//! From settings to the program's exit status.

use std::io::Write;

use aws_lc_rs::rand;
use casque_client::{Challenge, Client, ReleaseError, Released};
use casque_types::{ConfigId, Configuration, Rng, RngError, RuntimeData};
use casque_wire::Evidence;

use crate::harden::harden;
use crate::place::{Placed, place_files};
use crate::program::command;
use crate::report::{report, report_on_disk};
use crate::supervise::supervise;
use crate::{AgentError, AgentExit, AgentSettings, EvidenceError, EvidencePlan};

/// Whoever releases configurations: a server, or a test's stand-in.
pub trait Releases {
    /// One release; `gather` makes the evidence for the server's challenge.
    ///
    /// # Errors
    /// [`ReleaseError`].
    fn release(
        &self,
        config: ConfigId,
        gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Evidence, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>>;
}

impl Releases for Client {
    fn release(
        &self,
        config: ConfigId,
        gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Evidence, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>> {
        Self::release(self, config, &SystemRng, gather)
    }
}

/// Attests to the server in `settings`, places the files, runs the program, and says how it ended. What
/// went wrong is written to `notes` (standard error).
pub fn run(
    settings: &AgentSettings,
    evidence: &EvidencePlan<'_>,
    notes: &mut dyn Write,
) -> AgentExit {
    let client = Client::new(
        settings.address.clone(),
        &settings.trust(),
        None,
        settings.timeouts,
    );
    match client {
        Ok(client) => run_with(&client, settings, evidence, notes),
        Err(error) => failed(&error.into(), settings, notes),
    }
}

/// The same, with another server.
pub fn run_with(
    server: &dyn Releases,
    settings: &AgentSettings,
    evidence: &EvidencePlan<'_>,
    notes: &mut dyn Write,
) -> AgentExit {
    match attempt(server, settings, evidence, notes) {
        Ok(exit) => exit,
        Err(error) => failed(&error, settings, notes),
    }
}

fn attempt(
    server: &dyn Releases,
    settings: &AgentSettings,
    evidence: &EvidencePlan<'_>,
    notes: &mut dyn Write,
) -> Result<AgentExit, AgentError> {
    harden().map_err(AgentError::Harden)?;
    let mut gather =
        |runtime: &RuntimeData, challenge: &Challenge| evidence.gather(runtime, challenge);
    let released = server.release(settings.config.clone(), &mut gather)?;
    let mut configuration = released.configuration;
    let Placed { on_disk } = place_files(std::mem::take(&mut configuration.files))?;
    report_on_disk(&on_disk, notes);
    let command = command_of(settings, configuration)?;
    Ok(supervise(command)?)
}

/// The configuration is wiped here, before the program runs.
fn command_of(
    settings: &AgentSettings,
    configuration: Configuration,
) -> Result<std::process::Command, AgentError> {
    let command = command(settings, &configuration)?;
    drop(configuration);
    Ok(command)
}

fn failed(error: &AgentError, settings: &AgentSettings, notes: &mut dyn Write) -> AgentExit {
    report(error, Some(&settings.config), notes);
    error.exit()
}

/// The crypto provider's generator, which the operating system seeds.
struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        rand::fill(out).map_err(|_| RngError)
    }
}
