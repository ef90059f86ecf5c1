//! The program `casque-agent`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let exit = casque_agent::main_with(
        std::env::args_os(),
        &std::env::vars_os().collect(),
        &mut std::io::stdout(),
        &mut std::io::stderr(),
    );
    ExitCode::from(exit.code())
}
