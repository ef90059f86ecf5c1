//! The three streams: data on standard output, everything else on standard error.

use std::io::{self, Read, Write};

use casque_wire::{ErrorAnswer, Failure};
use serde::Serialize;

use crate::error::CliError;
use crate::report::Findings;

/// How results and errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Text with colours.
    Colour,
    /// Text.
    Plain,
    /// JSON documents.
    Json,
}

/// The streams of one run.
pub(crate) struct Console<'a> {
    pub(crate) stdin: &'a mut dyn Read,
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    pub(crate) style: Style,
}

impl<'a> Console<'a> {
    pub(crate) fn new(
        stdin: &'a mut dyn Read,
        stdout: &'a mut dyn Write,
        stderr: &'a mut dyn Write,
        style: Style,
    ) -> Self {
        Self {
            stdin,
            stdout,
            stderr,
            style,
        }
    }

    /// The result: `text` as it is, or `document` as JSON.
    pub(crate) fn result(&mut self, text: &str, document: &impl Serialize) -> Result<(), CliError> {
        if self.style != Style::Json {
            return self.data(text.as_bytes());
        }
        let mut json = serde_json::to_vec(document).map_err(io::Error::from)?;
        json.push(b'\n');
        self.data(&json)
    }

    /// A document that is JSON whatever `--output` says.
    pub(crate) fn document(&mut self, document: &impl Serialize) -> Result<(), CliError> {
        let mut json = serde_json::to_vec_pretty(document).map_err(io::Error::from)?;
        json.push(b'\n');
        self.data(&json)
    }

    /// Bytes for standard output.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.stdout.write_all(bytes)?;
        Ok(self.stdout.flush()?)
    }

    /// Findings for people; in JSON they are part of the result.
    pub(crate) fn findings(&mut self, findings: &Findings) {
        if self.style != Style::Json && !findings.found.is_empty() {
            self.note(&findings.render(self.style));
        }
    }

    /// A remark for people that JSON has elsewhere or does not need.
    pub(crate) fn remark(&mut self, text: &str) {
        if self.style != Style::Json {
            self.note(&printable(text));
        }
    }

    /// A remark for people.
    pub(crate) fn note(&mut self, text: &str) {
        // Nobody is left to tell when standard error is closed.
        self.stderr.write_all(text.as_bytes()).ok();
    }

    /// Says why the command failed; the answer is the exit code.
    pub(crate) fn failed(&mut self, error: &CliError) -> u8 {
        let text = match (self.style, error) {
            (Style::Json, _) => json_of(error),
            (style, CliError::Policy(findings)) => findings.render(style),
            (_, error) => text_of(&error.failure()),
        };
        self.note(&text);
        error.exit_code()
    }
}

fn json_of(error: &CliError) -> String {
    let answer = ErrorAnswer {
        error: error.failure(),
        msg: Vec::new(),
    };
    let json = serde_json::to_string(&answer).unwrap_or_default();
    format!("{json}\n")
}

fn text_of(failure: &Failure) -> String {
    let mut text = format!("error[{}]: {}\n", failure.code, failure.message);
    for cause in &failure.causes {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    for reason in &failure.reasons {
        text.push_str(&format!(
            "  {}: {}: found {}",
            reason.code, reason.path, reason.found
        ));
        if let Some(expected) = &reason.expected {
            text.push_str(&format!(", expected {expected}"));
        }
        text.push_str(&format!(" ({})\n", reason.hint));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("  hint: {hint}\n"));
    }
    printable(&text)
}

/// Text from elsewhere, without control characters that a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}
