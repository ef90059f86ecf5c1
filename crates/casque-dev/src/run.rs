//! tmp
use clap::Args;
/// x
#[derive(Debug, Args)]
pub struct RunArgs {}
/// x
pub fn run(_: RunArgs) -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
