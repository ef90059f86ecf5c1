//! `casque-agent evidence`: what this guest can show, without a server.

use std::io::Write;

use casque_attester::{Detection, GuestData, Look};
use casque_wire::Evidence;
use clap::{Args, ValueEnum};

use crate::evidence::evidence_of;
use crate::sources::{Source, SourceArguments};
use crate::{AgentError, AgentExit, HostEnvironment, SettingsError};

/// The arguments of `casque-agent evidence`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ShowArguments {
    /// Look for every source, and say of each what was found, and why
    #[arg(long)]
    pub(crate) explain: bool,
    /// What the evidence is to carry: up to 64 bytes, zeros behind them (a TPM: 32 bytes); without it zeros
    #[arg(long, value_name = "HEX", default_value = "")]
    pub(crate) report_data: String,
    /// `json` prints the evidence as `casque explain --evidence` reads it, and nothing else, on standard output
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: OutputForm,
    #[command(flatten)]
    pub(crate) sources: SourceArguments,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// The source and the kind of its evidence
    #[default]
    Text,
    /// The evidence
    Json,
}

/// Gathers evidence that belongs to no request, and prints what it is, or itself.
pub(crate) fn show_evidence(
    arguments: &ShowArguments,
    host: &HostEnvironment,
    output: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<AgentExit, AgentError> {
    let report_data = read_report_data(&arguments.report_data)?;
    let look = match arguments.explain {
        true => Look::Everywhere,
        false => Look::UntilFound,
    };
    let source = match arguments.sources.open(host, look)? {
        Source::Absent => {
            print(&Evidence::None {}, "none", arguments.output, output);
            return Ok(AgentExit::Program(0));
        }
        Source::There { source, detection } => {
            let said: &mut dyn Write = match arguments.output {
                OutputForm::Text => &mut *output,
                OutputForm::Json => notes,
            };
            if let Some(detection) = detection {
                say(&detection, arguments, said);
            }
            source
        }
    };
    let collected = source.gather(&report_data)?;
    let kind = collected.kind().as_str();
    print(&evidence_of(collected), kind, arguments.output, output);
    Ok(AgentExit::Program(0))
}

/// Everything with `--explain`, else what was chosen; next to JSON only when asked for.
fn say(detection: &Detection, arguments: &ShowArguments, output: &mut dyn Write) {
    // Nobody can be told when the stream is closed.
    if arguments.explain {
        let _written = writeln!(output, "{detection}");
    } else if let (OutputForm::Text, Some(chosen)) = (arguments.output, detection.chosen()) {
        let _written = writeln!(output, "  {chosen}");
    }
}

fn print(evidence: &Evidence, kind: &str, form: OutputForm, output: &mut dyn Write) {
    let text = match form {
        OutputForm::Text => {
            format!("gathered evidence of kind `{kind}`; `--output json` prints it")
        }
        OutputForm::Json => serde_json::to_string(evidence).unwrap_or_default(),
    };
    let _written = writeln!(output, "{text}");
}

fn read_report_data(text: &str) -> Result<GuestData, SettingsError> {
    let given = hex::decode(text.trim()).map_err(|_| SettingsError::ReportData)?;
    let mut bytes = [0; 64];
    let start = bytes.get_mut(..given.len());
    let start = start.ok_or(SettingsError::ReportData)?;
    start.copy_from_slice(&given);
    Ok(GuestData::of_no_request(bytes))
}

#[cfg(test)]
mod tests;
