//! From settings to the program's exit status.

use std::io::Write;
use std::mem::take;

use aws_lc_rs::rand;
use casque_client::{Challenge, Client, Gathered, ReleaseError, Released, SecondFactors};
use casque_types::{ConfigId, Configuration, Rng, RngError, RuntimeData};

use crate::harden::harden;
use crate::place::place_files;
use crate::program::command;
use crate::report::{note_file_system, note_left, note_placed, note_volumes, report};
use crate::supervise::{catch_signals, supervise};
use crate::volumes::mount_volumes;
use crate::{AgentError, AgentExit, AgentSettings, EvidenceError, EvidencePlan};

/// Whoever releases configurations: a server, or a test's stand-in.
pub trait Releases {
    /// One release; `gather` makes the evidence for the server's challenge, `factors` are shown beside it.
    ///
    /// # Errors
    /// [`ReleaseError`].
    fn release(
        &self,
        config: ConfigId,
        factors: &SecondFactors,
        gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Gathered, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>>;
}

impl Releases for Client {
    fn release(
        &self,
        config: ConfigId,
        factors: &SecondFactors,
        gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Gathered, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>> {
        Self::release(self, config, &SystemRng, factors, gather)
    }
}

/// Attests to the server in `settings`, mounts the volumes, places the files, runs the program, unmounts, and
/// says how the program ended. What went wrong is written to `notes` (standard error).
pub fn run(
    settings: &AgentSettings,
    evidence: &EvidencePlan<'_>,
    notes: &mut dyn Write,
) -> AgentExit {
    match settings.client() {
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
    let config = settings.config.clone();
    let released = server.release(config, &settings.factors, &mut gather)?;
    let mut configuration = released.configuration;
    note_file_system(configuration.file_system.as_ref(), notes);
    let mut signals = catch_signals()?;
    let volumes = take(&mut configuration.volumes);
    let mut volumes = mount_volumes(volumes, settings, &SystemRng, &mut signals)?;
    note_volumes(&volumes, notes);
    let secrets = take(&mut configuration.template_secrets);
    let placed = place_files(take(&mut configuration.files), secrets)?;
    note_placed(&placed, notes);
    let command = command_of(settings, configuration)?;
    let exit = supervise(command, &mut signals)?;
    note_left(&volumes.unmount(), notes);
    Ok(exit)
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
pub(crate) struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        rand::fill(out).map_err(|_| RngError)
    }
}
