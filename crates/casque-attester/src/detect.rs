//! Which source of evidence this guest has, and why that one.
//!
//! The order is from the inside to the outside: a process in an SGX enclave inside a confidential virtual
//! machine speaks for the enclave, and a confidential container for its pod.

use std::fmt;
use std::path::PathBuf;

use crate::probe::{PROBES, Probed};
use crate::{AttesterError, ContextPlaces, EvidenceSource, Imds, Tcti};

/// Where the sources are. None of these places is trusted: what a false one gives is refused by the verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRoots {
    /// Gramine's pseudo-files.
    pub gramine: PathBuf,
    /// The kernel's configfs-tsm reports.
    pub tsm: PathBuf,
    /// The device of SNP guests.
    pub sev_guest: PathBuf,
    /// The device of TDX guests.
    pub tdx_guest: PathBuf,
    /// The TPM.
    pub tpm: Tcti,
    /// Authorities of the TPM's attestation key, PEM, as [`AzureVtpm::with_ak_intermediates`] takes them.
    ///
    /// [`AzureVtpm::with_ak_intermediates`]: crate::AzureVtpm::with_ak_intermediates
    pub ak_intermediates: Vec<u8>,
    /// The address of Azure's metadata service.
    pub imds: String,
    /// The security context of confidential containers.
    pub context: ContextPlaces,
}

impl Default for SourceRoots {
    /// The places of Linux and of Azure.
    fn default() -> Self {
        Self {
            gramine: PathBuf::from("/dev/attestation"),
            tsm: PathBuf::from("/sys/kernel/config/tsm/report"),
            sev_guest: PathBuf::from("/dev/sev-guest"),
            tdx_guest: PathBuf::from("/dev/tdx_guest"),
            tpm: Tcti::default(),
            ak_intermediates: Vec::new(),
            imds: Imds::BASE.to_owned(),
            context: ContextPlaces::default(),
        }
    }
}

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Until there is a source: what comes after it is not touched.
    UntilFound,
    /// For every source.
    Everywhere,
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
    pub place: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why that came of it, and what to do.
    pub why: String,
}

/// What came of looking for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is there and was chosen.
    Chosen,
    /// It is there; one that is preferred is there too.
    Passed,
    /// Something of it is there, and cannot be used.
    Unusable,
    /// It is not there.
    Absent,
    /// It was not looked for, since one that is preferred is there.
    NotLookedFor,
}

impl Outcome {
    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chosen => "found, chosen",
            Self::Passed => "found, not used since another is preferred",
            Self::Unusable => "found, cannot be used",
            Self::Absent => "not there",
            Self::NotLookedFor => "not looked for since another is preferred",
        }
    }
}

impl Detection {
    /// What was chosen.
    #[must_use]
    pub fn chosen(&self) -> Option<&Finding> {
        let mut findings = self.findings.iter();
        findings.find(|one| one.outcome == Outcome::Chosen)
    }
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
        let outcome = self.outcome.as_str();
        write!(f, "{}: {} {outcome}", self.source, self.place)?;
        if !self.why.is_empty() {
            write!(f, ": {}", self.why)?;
        }
        Ok(())
    }
}

/// The preferred source of those that are there, and what was looked for.
///
/// # Errors
/// [`AttesterError::NoSource`] with everything that was looked for.
pub fn detect(
    roots: &SourceRoots,
    look: Look,
) -> Result<(Box<dyn EvidenceSource + Send + Sync>, Detection), AttesterError> {
    let mut chosen = None;
    let mut findings = Vec::new();
    for probe in PROBES {
        let place = (probe.place)(roots);
        let is_done = chosen.is_some() && look == Look::UntilFound;
        let (outcome, why) = if is_done {
            (Outcome::NotLookedFor, String::new())
        } else {
            match (probe.probe)(roots) {
                Probed::There { source, why } => {
                    let outcome = match &chosen {
                        None => Outcome::Chosen,
                        Some(_) => Outcome::Passed,
                    };
                    chosen = chosen.or(Some(source));
                    (outcome, why)
                }
                Probed::Unusable(why) => (Outcome::Unusable, why),
                Probed::Absent(why) => (Outcome::Absent, why),
            }
        };
        let source = probe.name;
        findings.push(Finding {
            source,
            place,
            outcome,
            why,
        });
    }
    let detection = Detection { findings };
    match chosen {
        Some(source) => Ok((source, detection)),
        None => Err(AttesterError::NoSource { detection }),
    }
}

#[cfg(test)]
mod tests;
