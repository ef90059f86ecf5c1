//! The program casque-dev.

use std::process::ExitCode;

fn main() -> ExitCode {
    casque_dev::cli::main()
}
