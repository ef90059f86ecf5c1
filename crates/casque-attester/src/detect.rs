//! Which source of evidence this guest has, and why that one.
//!
//! The order is from the inside to the outside: a process in an SGX enclave inside a confidential virtual
//! machine speaks for the enclave.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::gramine::{self, GramineFiles};
use crate::tsm::{self, ConfigfsTsm};
use crate::{AttesterError, EvidenceSource};

/// Where the sources' files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRoots {
    /// Gramine's pseudo-files.
    pub gramine: PathBuf,
    /// The kernel's configfs-tsm reports.
    pub tsm: PathBuf,
}

impl Default for SourceRoots {
    /// `/dev/attestation` and `/sys/kernel/config/tsm/report`.
    fn default() -> Self {
        Self {
            gramine: PathBuf::from("/dev/attestation"),
            tsm: PathBuf::from("/sys/kernel/config/tsm/report"),
        }
    }
}

/// What was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Every source, in the order in which they are preferred.
    pub findings: Vec<Finding>,
}

/// What was found of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub source: &'static str,
    /// Where it was looked for.
    pub path: PathBuf,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of looking for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is there and was chosen.
    Chosen,
    /// It is there; one that is preferred is there too.
    Passed,
    /// It is not there.
    Absent,
}

impl fmt::Display for Detection {
    /// One line for each source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.findings.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}  {finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Chosen => "found, chosen",
            Outcome::Passed => "found, not used since another is preferred",
            Outcome::Absent => "not there",
        };
        write!(f, "{}: `{}` {outcome}", self.source, self.path.display())
    }
}

/// The preferred source of those that are there, and what was looked for.
///
/// # Errors
/// [`AttesterError::NoSource`] with everything that was looked for.
pub fn detect(
    roots: &SourceRoots,
) -> Result<(Box<dyn EvidenceSource + Send + Sync>, Detection), AttesterError> {
    let mut detection = Detection {
        findings: Vec::new(),
    };
    let gramine = GramineFiles::is_there(&roots.gramine);
    let gramine = detection.note(gramine::NAME, &roots.gramine, gramine);
    let tsm = ConfigfsTsm::is_there(&roots.tsm);
    let tsm = detection.note(tsm::NAME, &roots.tsm, tsm);
    if gramine == Outcome::Chosen {
        return Ok((
            Box::new(GramineFiles::new(roots.gramine.clone())),
            detection,
        ));
    }
    if tsm == Outcome::Chosen {
        return Ok((Box::new(ConfigfsTsm::new(roots.tsm.clone())), detection));
    }
    Err(AttesterError::NoSource { detection })
}

impl Detection {
    fn note(&mut self, source: &'static str, path: &Path, is_there: bool) -> Outcome {
        let is_first = self
            .findings
            .iter()
            .all(|one| one.outcome == Outcome::Absent);
        let outcome = match (is_there, is_first) {
            (false, _) => Outcome::Absent,
            (true, true) => Outcome::Chosen,
            (true, false) => Outcome::Passed,
        };
        let path = path.to_owned();
        self.findings.push(Finding {
            source,
            path,
            outcome,
        });
        outcome
    }
}

#[cfg(test)]
mod tests;
