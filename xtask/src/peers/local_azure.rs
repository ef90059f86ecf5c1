//! `casque-dev up`, started for the scripts and stopped after them.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::Failure;
use crate::run::{Profile, built, not_started, program, target};

/// The running local Azure; stopped when it is dropped.
pub(super) struct LocalAzure {
    child: Option<Child>,
    json_file: PathBuf,
}

impl LocalAzure {
    /// Starts it, and keeps the one line of JSON that it prints in a file.
    pub(super) fn start() -> Result<Self, Failure> {
        let mut command = program(built(Profile::Dev, "casque-dev"));
        command
            .args(["up", "--state"])
            .arg(target().join("peers/state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| not_started(&command, &error))?;
        let output = child.stdout.take();
        let mut azure = Self {
            child: Some(child),
            json_file: target().join("peers/up.json"),
        };
        let line = output.and_then(first_line).ok_or_else(|| {
            Failure::new(format!(
                "`casque-dev up` printed no line of JSON within {} s",
                START.as_secs()
            ))
        });
        let line = line?;
        if serde_json::from_str::<serde_json::Value>(&line).is_err() {
            azure.stop();
            return Err(Failure::new(format!(
                "expected `casque-dev up` to print one line of JSON, found `{line}`"
            )));
        }
        std::fs::write(&azure.json_file, line).map_err(|error| {
            let path = azure.json_file.display();
            Failure::new(format!("`{path}` cannot be written: {error}"))
        })?;
        Ok(azure)
    }

    /// Where the line stands.
    pub(super) fn json_file(&self) -> &Path {
        &self.json_file
    }

    /// Asks it to end, and ends it if it does not.
    fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let id = child.id().to_string();
        let (sender, ended) = mpsc::channel();
        let waiting = thread::spawn(move || {
            drop(child.wait());
            // The one who waits may have given up.
            let _ = sender.send(());
        });
        signal("-TERM", &id);
        if ended.recv_timeout(STOP).is_err() {
            signal("-KILL", &id);
        }
        drop(waiting.join());
    }
}

impl Drop for LocalAzure {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends a signal; a process that is gone takes none, and that is as good.
fn signal(name: &str, id: &str) {
    drop(program("kill").args([name, id]).status());
}

/// The first line, within a minute; what comes after it is read and dropped, so that the program never blocks.
fn first_line(output: impl Read + Send + 'static) -> Option<String> {
    let (sender, line) = mpsc::channel();
    thread::spawn(move || {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            drop(sender.send(text));
        }
    });
    line.recv_timeout(START).ok()
}

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(10);
