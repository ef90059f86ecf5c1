//! What a stage came to: counts, and a failure in words.

use std::fmt;
use std::ops::AddAssign;
use std::process::ExitCode;
use std::time::Instant;

/// How many checks went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Checks that held.
    pub passed: usize,
    /// Checks that did not.
    pub failed: usize,
    /// Checks that could not be made here.
    pub skipped: usize,
}

impl Tally {
    /// One check that held.
    pub const PASSED: Self = Self {
        passed: 1,
        failed: 0,
        skipped: 0,
    };
    /// One check that did not hold.
    pub const FAILED: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
    };
    /// One check that could not be made.
    pub const SKIPPED: Self = Self {
        passed: 0,
        failed: 0,
        skipped: 1,
    };

    /// Success if nothing failed, and something was checked at all.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        if self.failed == 0 && self.passed > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// Why a stage could not be carried out: a sentence for the one at the terminal.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// The failure that this sentence tells.
    #[must_use]
    pub const fn new(what: String) -> Self {
        Self(what)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a stage between two lines that name it; one that cannot be carried out counts as one failed check.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a stage took is told to a person and decides nothing"
)]
pub fn stage(name: &str, work: impl FnOnce() -> Result<Tally, Failure>) -> Tally {
    println!("==> {name}");
    let start = Instant::now();
    let tally = work().unwrap_or_else(|failure| {
        println!("error: {failure}");
        Tally::FAILED
    });
    println!("<== {name}: {tally} ({} s)", start.elapsed().as_secs());
    tally
}
