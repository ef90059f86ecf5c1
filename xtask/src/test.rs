//! `cargo xtask test`: everything that must hold, in the order in which it is cheap to know.
//!
//! The last line is `N passed, N failed, N skipped`. A test that cannot be made here prints a line
//! `skipped: why` and returns; it is counted as skipped, not as passed.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use crate::report::stage;
use crate::run::{Profile, build_programs, cargo, check, is_there, not_started, program, succeed};
use crate::{Failure, Tally, demo, packages, peers};

/// Runs all stages, also when an early one fails.
///
/// # Errors
/// What the stages need cannot be installed.
pub fn command() -> Result<ExitCode, Failure> {
    install_components()?;
    packages::install();
    let mut total = Tally::default();
    total += stage("format", || check(&mut cargo(&["fmt", "--all", "--check"])));
    total += stage("lints", || check(&mut cargo(CLIPPY)));
    total += stage("tests", tests);
    total += stage("documentation", || {
        check(
            cargo(&["doc", "--workspace", "--no-deps", "--quiet"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    });
    total += stage("programs", || {
        build_programs(Profile::Dev).map(|()| Tally::PASSED)
    });
    total += stage("demos", demo::check_all);
    total += stage("peers", peers::run);
    println!("{total}");
    Ok(total.exit_code())
}

/// A toolchain of the minimal profile has neither.
fn install_components() -> Result<(), Failure> {
    for component in ["fmt", "clippy"] {
        if !is_there(&mut cargo(&[component, "--version"])) {
            let name = if component == "fmt" {
                "rustfmt"
            } else {
                component
            };
            succeed(program("rustup").args(["component", "add", name]))?;
        }
    }
    Ok(())
}

fn tests() -> Result<Tally, Failure> {
    let mut command = cargo(&[
        "test",
        "--workspace",
        "--no-fail-fast",
        "--",
        "--show-output",
    ]);
    // What needs a TPM is not to be skipped where there is one.
    if is_there(program("swtpm").arg("--version")) {
        command.env("CASQUE_DEMAND_TPM", "1");
    }
    let (tally, success) = read_tests(&mut command)?;
    // Cargo failed and no test did: something did not build.
    let unbuilt = !success && tally.failed == 0;
    Ok(Tally {
        failed: tally.failed + usize::from(unbuilt),
        ..tally
    })
}

fn read_tests(command: &mut Command) -> Result<(Tally, bool), Failure> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| not_started(command, &error))?;
    let mut reader = TestReader::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if reader.read(&line) == Shown::Yes {
                println!("{line}");
            }
        }
    }
    let status = child.wait().map_err(|error| not_started(command, &error))?;
    Ok((reader.tally(), status.success()))
}

/// Whether a line is for the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Yes,
    No,
}

/// Reads what `cargo test -- --show-output` prints, and keeps the output of tests that passed from the terminal.
#[derive(Debug, Default)]
struct TestReader {
    counted: Tally,
    said_skipped: usize,
    part: Part,
}

/// Where in the output of one test program a line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Results,
    OutputOfPassed,
    /// The same, behind a line that says that the test was skipped; a test is skipped once.
    OutputOfSkipped,
}

impl TestReader {
    fn read(&mut self, line: &str) -> Shown {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.part = Part::Results;
            self.counted += parse_result(result);
            return Shown::Yes;
        }
        match (line, self.part) {
            ("successes:", _) => self.part = Part::OutputOfPassed,
            ("failures:", _) => {
                self.part = Part::Results;
                return Shown::Yes;
            }
            (_, Part::Results) => return Shown::Yes,
            (line, Part::OutputOfPassed) if line.starts_with("skipped: ") => {
                self.said_skipped += 1;
                self.part = Part::OutputOfSkipped;
                return Shown::Yes;
            }
            (line, _) if line.starts_with("---- ") => self.part = Part::OutputOfPassed,
            _ => {}
        }
        Shown::No
    }

    fn tally(&self) -> Tally {
        Tally {
            passed: self.counted.passed.saturating_sub(self.said_skipped),
            failed: self.counted.failed,
            skipped: self.counted.skipped + self.said_skipped,
        }
    }
}

/// `ok. 3 passed; 0 failed; 0 ignored; ...`
fn parse_result(text: &str) -> Tally {
    let count = |word: &str| {
        let mut words = text.split([' ', ';', '.']).filter(|part| !part.is_empty());
        let mut before = "";
        let number = words.find_map(|part| {
            let number = (part == word).then_some(before);
            before = part;
            number
        });
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Tally {
        passed: count("passed"),
        failed: count("failed"),
        skipped: count("ignored"),
    }
}

const CLIPPY: &[&str] = &[
    "clippy",
    "--workspace",
    "--all-targets",
    "--quiet",
    "--",
    "-D",
    "warnings",
];

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test b ... ok
test c ... FAILED

successes:

---- a stdout ----
a word of a test that passed

---- b stdout ----
skipped: no vectors
skipped: none at all


successes:
    a
    b

failures:

---- c stdout ----
why it failed

failures:
    c

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn test_output_is_counted_with_each_skipped_test_once() {
        let mut reader = TestReader::default();
        for line in OUTPUT.lines() {
            reader.read(line);
        }
        let expected = Tally {
            passed: 1,
            failed: 1,
            skipped: 2,
        };
        assert_eq!(reader.tally(), expected);
    }

    #[test]
    fn test_output_shown_is_that_of_failed_and_skipped_tests() {
        let mut reader = TestReader::default();
        let shown = |line: &&str| reader.read(line) == Shown::Yes;
        let shown: Vec<&str> = OUTPUT.lines().filter(shown).collect();
        assert!(shown.contains(&"why it failed"));
        assert!(shown.contains(&"skipped: no vectors"));
        assert!(!shown.contains(&"a word of a test that passed"));
    }
}
