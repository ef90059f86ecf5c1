//! What gocryptfs says on its standard error: kept while a volume is being made or mounted, for the error
//! if there is one; shown on the agent's own standard error later, when it meets damage.
//!
//! Somebody must read as long as it lives: a full pipe would stop it, a closed one kill it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::ChildStderr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::report::clean;

/// Keeps what is said until it is dropped; then it is shown.
pub(super) struct Said(Receiver<String>);

impl Said {
    pub(super) fn listen(stderr: ChildStderr) -> io::Result<Self> {
        let (sender, receiver) = channel();
        thread::Builder::new().spawn(move || relay(stderr, &sender))?;
        Ok(Self(receiver))
    }

    /// What was said by a process that has ended.
    pub(super) fn text(self) -> String {
        let mut lines = Vec::new();
        // It ends with the last writer; whoever was left behind by the process is not waited for.
        while lines.len() < MOST_LINES
            && let Ok(line) = self.0.recv_timeout(PATIENCE)
        {
            lines.push(line);
        }
        match lines.is_empty() {
            true => "nothing".to_owned(),
            false => lines.join("; "),
        }
    }

    /// Shows what was said, and all that will be.
    pub(super) fn show(self) {
        for line in self.0.try_iter() {
            show(&line);
        }
    }
}

fn relay(stderr: ChildStderr, sender: &Sender<String>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut stderr)
            .take(MOST_LINE_BYTES)
            .read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() || text.contains(NOISE) {
            continue;
        }
        if let Err(unheard) = sender.send(text.to_owned()) {
            show(&unheard.0);
        }
    }
}

/// Nobody can be told when standard error is closed.
fn show(line: &str) {
    let text = format!("casque-agent: note: gocryptfs says: {}\n", clean(line));
    let _written = io::stderr().write_all(text.as_bytes());
}

/// FUSE requests of newer kernels, which the kernel does without then.
const NOISE: &str = "Unimplemented opcode";
const MOST_LINES: usize = 20;
const MOST_LINE_BYTES: u64 = 4096;
const PATIENCE: Duration = Duration::from_secs(1);
