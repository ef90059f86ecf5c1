//! tmp
use clap::Args;
/// x
#[derive(Debug, Args)]
pub struct DemoArgs {}
/// x
pub fn demo(_: DemoArgs) -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
