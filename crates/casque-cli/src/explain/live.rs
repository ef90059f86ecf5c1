//! How a server judged the last who asked for a configuration.

use std::path::Path;

use casque_types::ConfigId;
use casque_wire::Attempts;

use super::{exit_code, text};
use crate::args::ExplainArgs;
use crate::console::Console;
use crate::error::CliError;
use crate::exit;
use crate::identity::Identity;
use crate::invocation::Invocation;
use crate::servers::{self, Server};

pub(super) fn run(
    id: &ConfigId,
    args: &ExplainArgs,
    invocation: &Invocation,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<u8, CliError> {
    let identity = Identity::load(args.server.identity.path(), config, invocation.now)?;
    let retries = servers::retries(&args.server.retries, invocation);
    let server = Server::find(config, args.server.cas.as_deref(), Some(&identity), retries)?;
    let attempts = server.ask(|client| client.attempts(id))?;
    let attempts = Attempts { attempts };
    if attempts.attempts.is_empty() {
        console.remark(&format!(
            "nobody has asked for `{id}` since the server began, or it has forgotten\n"
        ));
    }
    let shown: Vec<String> = (attempts.attempts.iter())
        .map(|attempt| {
            let explained = text::of(&attempt.explanation, true);
            format!(
                "{} by policy version {}\n{explained}",
                attempt.at, attempt.session_hash
            )
        })
        .collect();
    console.result(&shown.join("\n"), &attempts)?;
    // Of the latest attempt, so that a script can ask how it went.
    let latest = attempts.attempts.first();
    Ok(latest.map_or(exit::OK, |attempt| exit_code(attempt.explanation.outcome)))
}
