//! The program `casque-agent`; everything is in the library.

use std::process::ExitCode;

#[expect(
    clippy::disallowed_methods,
    reason = "the environment is read once, where the program starts"
)]
fn main() -> ExitCode {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let exit = casque_agent::main_with(
        std::env::args_os(),
        &environment,
        &mut std::io::stdout(),
        &mut std::io::stderr(),
    );
    ExitCode::from(exit.code())
}
