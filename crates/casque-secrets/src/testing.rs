//! What this crate's tests share.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use casque_types::{Rng, RngError};

/// Counts: 0, 1, 2, … so that what is made from it is the same every time.
#[derive(Default)]
pub(crate) struct CountingRng(AtomicU8);

impl Rng for CountingRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        for byte in out {
            *byte = self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Always fails.
pub(crate) struct BrokenRng;

impl Rng for BrokenRng {
    fn fill(&self, _out: &mut [u8]) -> Result<(), RngError> {
        Err(RngError)
    }
}

/// Runs `openssl` with `input` on its standard input; `None`, said aloud, where it is not installed.
pub(crate) fn openssl(arguments: &[&str], input: &[u8]) -> Option<(bool, String)> {
    let started = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        println!("skipped: openssl is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}
