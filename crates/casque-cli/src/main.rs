//! The program `casque`: reads arguments, environment and clock once, and hands them to the library.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use casque_appraise::TrustAnchors;
use casque_cli::{Invocation, Terminal};
use casque_types::Timestamp;

fn main() -> ExitCode {
    let invocation = Invocation {
        arguments: std::env::args_os().collect(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect(),
        now: now(),
        anchors: TrustAnchors::vendors(),
        stderr: match std::io::stderr().is_terminal() {
            true => Terminal::Terminal,
            false => Terminal::File,
        },
    };
    let mut stdin = std::io::stdin();
    let mut stdout = std::io::stdout();
    let mut stderr = std::io::stderr();
    let code = casque_cli::run(&invocation, &mut stdin, &mut stdout, &mut stderr);
    ExitCode::from(code)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock is read here, once, for the validity of a new identity's certificate"
)]
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_unix_s(since_epoch.map_or(0, |span| span.as_secs()))
}
