//! The stage: says what happens, runs commands and shows what they print.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::DemoError;

/// Where the story is told.
pub(super) struct Stage {
    programs: PathBuf,
    folder: PathBuf,
    chapter: u32,
    bold: bool,
    variables: Vec<(String, String)>,
}

/// What a command printed.
pub(super) struct Outcome {
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Stage {
    /// A stage for the programs in a folder, this program's own when none is named.
    pub(super) fn new(programs: Option<&Path>, folder: &Path) -> Result<Self, DemoError> {
        let own = std::env::current_exe().map_err(|source| DemoError::System {
            action: "find the folder of",
            path: PathBuf::from("casque-dev"),
            source,
        })?;
        let own = own.parent().unwrap_or(Path::new("/"));
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Ok(Self {
            programs: programs.unwrap_or(own).to_owned(),
            folder: folder.to_owned(),
            chapter: 0,
            bold: std::io::stdout().is_terminal() && !plain,
            variables: Vec::new(),
        })
    }

    /// The folder that commands run in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one of our programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Variables that further commands find in their environment.
    pub(super) fn set_variables(&mut self, variables: &[(&str, &str)]) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.variables = variables.iter().map(owned).collect();
        for (name, value) in variables {
            self.detail(&format!("{name}={value}"));
        }
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        let line = format!("{}. {title}", self.chapter);
        self.print(&format!("\n{}", self.emphasised(&line)));
    }

    /// A sentence.
    pub(super) fn say(&self, sentence: &str) {
        self.print(sentence);
    }

    /// A line of a command's output, or of what stands in a file.
    pub(super) fn detail(&self, line: &str) {
        self.print(&format!("   {line}"));
    }

    /// A command as it would be typed.
    pub(super) fn show(&self, words: &[&str]) {
        let line = format!("$ {}", words.join(" "));
        self.print(&format!("   {}", self.emphasised(&line)));
    }

    /// Shows and runs a command that is to succeed.
    pub(super) fn run(&self, words: &[&str]) -> Result<Outcome, DemoError> {
        self.show(words);
        let output = self.output(words)?;
        if !output.status.success() {
            return Err(self.ended_otherwise(words, &output));
        }
        Ok(Outcome::of(&output))
    }

    /// Shows and runs a command that is to be refused.
    pub(super) fn run_refused(&self, words: &[&str]) -> Result<Outcome, DemoError> {
        self.show(words);
        let output = self.output(words)?;
        match output.status.code() {
            Some(code) if code != 0 => {
                self.detail(&format!("(exit code {code})"));
                Ok(Outcome::of(&output))
            }
            _ => Err(self.ended_otherwise(words, &output)),
        }
    }

    /// Runs a command and shows what it printed.
    fn output(&self, words: &[&str]) -> Result<Output, DemoError> {
        let (name, arguments) = words.split_first().unwrap_or((&"", &[]));
        let program = self.program(name);
        let output = Command::new(&program)
            .args(arguments)
            .current_dir(&self.folder)
            .env("CASQUE_CONFIG", self.folder.join("casque.json"))
            .env("CASQUE_DEV_STATE", &self.folder)
            .env_remove("RUST_BACKTRACE")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .map_err(|source| DemoError::System {
                action: "start",
                path: program,
                source,
            })?;
        for stream in [&output.stdout, &output.stderr] {
            for line in String::from_utf8_lossy(stream).lines() {
                self.detail(line);
            }
        }
        Ok(output)
    }

    fn ended_otherwise(&self, words: &[&str], output: &Output) -> DemoError {
        let command: Vec<&str> = words.iter().take(3).copied().collect();
        DemoError::Ended {
            command: command.join(" "),
            status: output.status,
        }
    }

    fn emphasised(&self, line: &str) -> String {
        if self.bold {
            format!("\u{1b}[1m{line}\u{1b}[0m")
        } else {
            line.to_owned()
        }
    }

    /// Nobody is left to be told when the terminal is gone; the commands themselves decide.
    fn print(&self, line: &str) {
        let _written = writeln!(std::io::stdout(), "{line}");
    }
}

impl Outcome {
    fn of(output: &Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
