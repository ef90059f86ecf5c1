//! `casque explain`: how evidence is judged, line by line. Offline from files, under the vendors' own roots, as of any
//! time; live, how a server judged the last who asked.
//!
//! Exit codes: 0 granted, or appraised without a policy; 4 denied; 5 not authentic; 2 for what cannot be used.

mod error;
mod live;
mod offline;
mod text;

use std::path::Path;

use casque_wire::Outcome;

use crate::args::ExplainArgs;
use crate::console::Console;
use crate::error::CliError;
use crate::exit;
use crate::invocation::Invocation;

pub(crate) use error::ExplainError;

/// Runs the command.
pub(crate) fn run(
    args: &ExplainArgs,
    invocation: &Invocation,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<u8, CliError> {
    match &args.config_id {
        Some(id) => live::run(id, args, invocation, config, console),
        None => offline::run(args, invocation, console),
    }
}

const fn exit_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Appraised | Outcome::Granted => exit::OK,
        Outcome::Denied => exit::DENIED,
        Outcome::NotAuthentic => exit::NOT_AUTHENTIC,
        Outcome::Failed => exit::UNUSABLE,
    }
}
