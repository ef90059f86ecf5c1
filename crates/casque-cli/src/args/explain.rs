//! The command line of `casque explain`.
//!
//! Times, digits and names are read by the command, not by clap: what cannot be used ends with its own exit code.

use std::path::PathBuf;

use casque_types::ConfigId;
use clap::Args;

use super::ServerArgs;

/// Offline: --evidence, and what it is judged with. Live: a configuration id, and --last.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ExplainArgs {
    /// Show how a server judged who asked for this configuration: `<policy>/<service>`.
    #[arg(value_name = "CONFIG-ID", required_unless_present = "evidence", conflicts_with_all = ["evidence", "endorsements", "at", "report_data", "policy"])]
    pub(crate) config_id: Option<ConfigId>,
    /// The last attempts, the latest first; as many as the server remembers.
    #[arg(long, requires = "config_id", conflicts_with = "evidence")]
    pub(crate) last: bool,
    /// The evidence, JSON, as `casque-agent evidence --output json` writes it; `-` for standard input. Given twice: evidence and a token about it.
    #[arg(long, value_name = "FILE", num_args = 1)]
    pub(crate) evidence: Vec<PathBuf>,
    /// What vendors and issuers state, JSON, as `casque endorsements fetch --form explain` writes it.
    #[arg(long, value_name = "FILE")]
    pub(crate) endorsements: Option<PathBuf>,
    /// Judge as of this time, such as 2026-11-24T12:00:00Z [default: now].
    #[arg(long, value_name = "RFC3339")]
    pub(crate) at: Option<String>,
    /// What the evidence must be bound to, hexadecimal digits: the report data (zeros at its end may be left
    /// out), or the extra data of a TPM quote. Not judged if it is left out.
    #[arg(long, value_name = "HEX")]
    pub(crate) report_data: Option<String>,
    /// Apply this policy.
    #[arg(long, value_name = "FILE", requires = "service")]
    pub(crate) policy: Option<PathBuf>,
    /// The service of the policy.
    #[arg(long, value_name = "NAME", requires = "policy")]
    pub(crate) service: Option<String>,
    /// Fill in a variable of the policy; may be repeated.
    #[arg(short = 'e', long = "env", value_name = "NAME=VALUE", requires = "policy", value_parser = super::parse_variable)]
    pub(crate) variables: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

const EXIT_CODES: &str = "Exit codes: 0 granted, or appraised without a policy; 4 denied; 5 the evidence is not authentic; 2 something given cannot be used.";
