//! What a run of the program is given: arguments, environment, time; and where its configuration is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use casque_appraise::TrustAnchors;
use casque_types::Timestamp;

use crate::args::OutputFormat;
use crate::console::Style;

/// One run of the program.
#[derive(Debug)]
pub struct Invocation {
    /// The arguments, the program's name first.
    pub arguments: Vec<OsString>,
    /// The environment; variables whose names are no UTF-8 are left out.
    pub environment: BTreeMap<String, OsString>,
    /// The present time.
    pub now: Timestamp,
    /// The roots that evidence is judged under: the vendors' own, but in tests.
    pub anchors: TrustAnchors,
    /// What standard error is.
    pub stderr: Terminal,
}

/// What a stream is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// A terminal.
    Terminal,
    /// A file or a pipe.
    File,
}

impl Invocation {
    /// The value of a variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.get(name).filter(|value| !value.is_empty())
    }

    /// The configuration file: as given, or named by the environment, or in the home directory.
    pub(crate) fn config_path(&self, given: Option<PathBuf>) -> Option<PathBuf> {
        given
            .or_else(|| self.variable("CASQUE_CONFIG").map(PathBuf::from))
            .or_else(|| self.variable("SCONE_CLI_CONFIG").map(PathBuf::from))
            .or_else(|| {
                let home = self.variable("HOME")?;
                Some(PathBuf::from(home).join(".casque/config.json"))
            })
    }

    pub(crate) fn style(&self, output: OutputFormat) -> Style {
        match output {
            OutputFormat::Json => Style::Json,
            OutputFormat::Text if self.stderr == Terminal::File => Style::Plain,
            OutputFormat::Text if self.variable("NO_COLOR").is_some() => Style::Plain,
            OutputFormat::Text => Style::Colour,
        }
    }
}
