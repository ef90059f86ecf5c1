//! The security context that Azure's host gives to confidential containers (ACI, and AKS with
//! confidential containers): three files, each base64.
//!
//! | file | older variable | decoded |
//! |---|---|---|
//! | `security-policy-base64` | `UVM_SECURITY_POLICY` | the containers' policy, whose digest is the report's `host_data` |
//! | `reference-info-base64` | `UVM_REFERENCE_INFO` | `COSE_Sign1` about the utility virtual machine |
//! | `host-amd-cert-base64` | `UVM_HOST_AMD_CERTIFICATE` | certificates of the host's processor, JSON of THIM |
//!
//! The files are in `UVM_SECURITY_CONTEXT_DIR`, else in a directory `/security-context-*`, else in
//! `/opt/confidential-containers/share/kata-containers` (microsoft/confidential-sidecar-containers).
//! The certificates may be absent: then the verifier fetches them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::SourceFiles;
use crate::thim::{certificates_pem, decode_base64};
use crate::waiter::Never;
use crate::{AttesterError, Collected, EvidenceSource, GuestData};

/// Where a security context may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextPlaces {
    /// `UVM_SECURITY_CONTEXT_DIR`.
    pub directory: Option<PathBuf>,
    /// The directory that may hold `security-context-*`: `/`.
    pub mounts: PathBuf,
    /// Where AKS has it.
    pub kata: PathBuf,
    /// `UVM_SECURITY_POLICY`.
    pub policy: Option<String>,
    /// `UVM_REFERENCE_INFO`.
    pub reference_info: Option<String>,
    /// `UVM_HOST_AMD_CERTIFICATE`.
    pub host_amd_certificate: Option<String>,
}

impl Default for ContextPlaces {
    /// The usual directories; no variables.
    fn default() -> Self {
        Self {
            directory: None,
            mounts: PathBuf::from("/"),
            kata: PathBuf::from("/opt/confidential-containers/share/kata-containers"),
            policy: None,
            reference_info: None,
            host_amd_certificate: None,
        }
    }
}

/// What the host says of a confidential container. The report vouches for the policy, Microsoft for the
/// reference, and AMD for the certificates: nothing of it is checked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityContext {
    /// The containers' policy, decoded.
    pub policy: Vec<u8>,
    /// Microsoft's reference of the utility virtual machine, `COSE_Sign1`.
    pub reference_info: Vec<u8>,
    /// Certificate of the key that signs the host's reports, then its authorities, PEM.
    pub vek: Option<String>,
}

/// Why a security context that is there is none.
#[derive(Debug, Error)]
pub enum ContextError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] Box<AttesterError>),
    /// A part is there without another.
    #[error(
        "the security context in {place} has no `{part}`: expected the policy and the reference info"
    )]
    Absent {
        /// The directory, or the environment.
        place: String,
        /// The file, or the variable.
        part: &'static str,
    },
    /// A part has another form.
    #[error("`{part}` of the security context in {place}: expected {expected}")]
    Malformed {
        /// The directory, or the environment.
        place: String,
        /// The file, or the variable.
        part: &'static str,
        /// What was expected.
        expected: &'static str,
    },
}

/// One of the three parts: the file's name, the variable's, and the most bytes of its text.
struct Part {
    file: &'static str,
    variable: &'static str,
    limit_bytes: usize,
}

impl ContextPlaces {
    /// The first place that holds a part of a security context, for people; `None` when there is none.
    #[must_use]
    pub fn find(&self) -> Option<String> {
        let directory = self.directory().map(|path| shown(&path));
        let is_in_environment = self.policy.is_some() || self.reference_info.is_some();
        directory.or_else(|| is_in_environment.then(|| ENVIRONMENT.to_owned()))
    }

    /// The places that are looked into, for people.
    pub(crate) fn looked_in(&self) -> String {
        let given = self.directory.iter().map(|path| shown(path));
        let usual = [
            shown(&self.mounts.join("security-context-*")),
            shown(&self.kata),
        ];
        given.chain(usual).collect::<Vec<_>>().join(", ")
    }

    /// Reads the security context; `None` when there is none.
    ///
    /// # Errors
    /// [`ContextError`]
    pub fn read(&self) -> Result<Option<SecurityContext>, ContextError> {
        let Some(place) = self.find() else {
            return Ok(None);
        };
        let directory = self.directory();
        let directory = directory.as_deref();
        let of = |part: &Part, variable: &Option<String>| {
            let text = text_of(part, directory, variable.as_deref())?;
            Ok::<_, ContextError>(text.map(|text| (part.name(directory), text)))
        };
        let needed = |part: &Part, variable| {
            let (name, text) = of(part, variable)?.ok_or_else(|| ContextError::Absent {
                place: place.clone(),
                part: part.name(directory),
            })?;
            let malformed = || malformed(&place, name, "base64");
            decode_base64(&text).ok_or_else(malformed)
        };
        let policy = needed(&POLICY, &self.policy)?;
        let reference_info = needed(&REFERENCE_INFO, &self.reference_info)?;
        let vek = match of(&HOST_AMD_CERTIFICATE, &self.host_amd_certificate)? {
            None => None,
            Some((name, text)) => {
                let pem = decode_base64(&text).and_then(|json| certificates_pem(&json));
                let expected = "JSON with certificates in PEM in `vcekCert`, in base64";
                Some(pem.ok_or_else(|| malformed(&place, name, expected))?)
            }
        };
        Ok(Some(SecurityContext {
            policy,
            reference_info,
            vek,
        }))
    }

    /// The first directory with a policy or a reference in it.
    fn directory(&self) -> Option<PathBuf> {
        let holds_one = |directory: &PathBuf| {
            let mut parts = [&POLICY, &REFERENCE_INFO].into_iter();
            parts.any(|part| fs::exists(directory.join(part.file)).unwrap_or(false))
        };
        let mut mounted: Vec<PathBuf> = fs::read_dir(&self.mounts)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(MOUNTED))
            .map(|entry| entry.path())
            .collect();
        mounted.sort();
        let given = self.directory.iter().cloned();
        let kata = std::iter::once(self.kata.clone());
        given.chain(mounted).chain(kata).find(holds_one)
    }
}

impl Part {
    const fn name(&self, directory: Option<&Path>) -> &'static str {
        match directory {
            Some(_) => self.file,
            None => self.variable,
        }
    }
}

/// A part's text; `None` when it is not there.
fn text_of(
    part: &Part,
    directory: Option<&Path>,
    variable: Option<&str>,
) -> Result<Option<Vec<u8>>, ContextError> {
    let Some(directory) = directory else {
        return Ok(variable.map(|text| text.as_bytes().to_vec()));
    };
    let files = SourceFiles {
        source_name: NAME,
        waiter: &Never,
    };
    match files.read(&directory.join(part.file), part.limit_bytes) {
        Ok(text) => Ok(Some(text)),
        Err(AttesterError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(Box::new(error).into()),
    }
}

fn malformed(place: &str, part: &'static str, expected: &'static str) -> ContextError {
    ContextError::Malformed {
        place: place.to_owned(),
        part,
        expected,
    }
}

fn shown(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// SNP reports with the security context beside them.
pub struct ConfidentialContainer {
    places: ContextPlaces,
    reports: Box<dyn EvidenceSource + Send + Sync>,
}

impl ConfidentialContainer {
    /// `reports` gives SNP reports.
    #[must_use]
    pub fn new(places: ContextPlaces, reports: Box<dyn EvidenceSource + Send + Sync>) -> Self {
        Self { places, reports }
    }
}

impl EvidenceSource for ConfidentialContainer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn gather(&self, report_data: &GuestData) -> Result<Collected, AttesterError> {
        let Some(context) = self.places.read()? else {
            let looked_in = self.places.looked_in();
            return Err(AttesterError::NoContext { looked_in });
        };
        match self.reports.gather(report_data)? {
            Collected::SnpReport {
                report,
                certificates,
            } => Ok(Collected::AciSnp {
                report,
                certificates,
                context,
            }),
            other => Err(AttesterError::OtherKind {
                source_name: NAME,
                expected: "an SNP report",
                found: other.kind(),
            }),
        }
    }
}

impl std::fmt::Debug for ConfidentialContainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfidentialContainer")
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

pub(crate) const NAME: &str = "confidential container";
const ENVIRONMENT: &str = "the environment";
const MOUNTED: &str = "security-context-";
const POLICY: Part = Part {
    file: "security-policy-base64",
    variable: "UVM_SECURITY_POLICY",
    // 1 MiB decoded, which is what servers take.
    limit_bytes: 1_398_200,
};
const REFERENCE_INFO: Part = Part {
    file: "reference-info-base64",
    variable: "UVM_REFERENCE_INFO",
    limit_bytes: 128 * 1024,
};
const HOST_AMD_CERTIFICATE: Part = Part {
    file: "host-amd-cert-base64",
    variable: "UVM_HOST_AMD_CERTIFICATE",
    limit_bytes: 128 * 1024,
};

#[cfg(test)]
mod tests;
