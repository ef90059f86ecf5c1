//! `casque session`: policies. One file for what needs a server to change, to read, or no server at all.

mod diff;
mod local;
mod put;
mod read;
mod scopes;
mod sign;

use std::path::Path;

use casque_wire::Diagnostic;
use serde::Serialize;

use crate::args::{ChangeArgs, ServerArgs, SessionCommand};
use crate::console::Console;
use crate::error::CliError;
use crate::identity::Identity;
use crate::invocation::Invocation;
use crate::policy_file::PolicyFile;
use crate::servers::{self, Server};
use crate::upload::{SignedFile, Upload};

pub(crate) fn run(
    command: &SessionCommand,
    invocation: &Invocation,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<u8, CliError> {
    let mut session = Session {
        invocation,
        config,
        console,
    };
    match command {
        SessionCommand::Create(args) => session.create(args),
        SessionCommand::Update(args) => session.update(args),
        SessionCommand::Read(args) => session.read(args),
        SessionCommand::Hash(args) => session.hash(args),
        SessionCommand::List(args) => session.list(args),
        SessionCommand::History(args) => session.history(args),
        SessionCommand::Diff(args) => session.diff(args),
        SessionCommand::Check(args) => session.check(args),
        SessionCommand::Verify(args) => session.verify(args),
        SessionCommand::CalculateHash(args) => session.calculate_hash(args),
        SessionCommand::Sign(args) => session.sign(args),
        SessionCommand::Encrypt(args) => session.encrypt(args),
        SessionCommand::Schema => session.schema(),
    }
}

struct Session<'a, 'c> {
    invocation: &'a Invocation,
    config: Option<&'a Path>,
    console: &'a mut Console<'c>,
}

/// What commands that print a hash print with `--output json`.
#[derive(Serialize)]
struct Hashed<'a> {
    /// Unknown of an encrypted session.
    name: Option<&'a str>,
    hash: String,
    warnings: &'a [Diagnostic],
}

impl Session<'_, '_> {
    /// A policy without errors, and without warnings if those are not wanted.
    fn loaded(&mut self, path: &Path, change: &ChangeArgs) -> Result<SignedFile, CliError> {
        let upload = Upload::load(path, change, self.invocation, self.console.stdin)?;
        let file = upload.into_readable(path)?;
        self.expect_no_warnings(change, &file.file)?;
        Ok(file)
    }

    /// Shows the warnings; an error if there are any and they are not wanted.
    fn expect_no_warnings(
        &mut self,
        change: &ChangeArgs,
        file: &PolicyFile,
    ) -> Result<(), CliError> {
        self.console.findings(&file.warnings);
        if change.fail_on_warning && !file.warnings.found.is_empty() {
            let warnings = file.warnings.duplicate();
            return Err(CliError::Warnings(warnings.into()));
        }
        Ok(())
    }

    fn identity(&self, file: Option<&Path>) -> Result<Identity, CliError> {
        Ok(Identity::load(file, self.config, self.invocation.now)?)
    }

    fn server(&self, args: &ServerArgs) -> Result<Server, CliError> {
        let identity = self.identity(args.identity.path())?;
        self.server_for(args, &identity)
    }

    fn server_for(&self, args: &ServerArgs, identity: &Identity) -> Result<Server, CliError> {
        let retries = servers::retries(&args.retries, self.invocation);
        Server::find(self.config, args.cas.as_deref(), Some(identity), retries)
    }
}
