//! Looking for each source of evidence, without gathering any.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::azure_vm::{self, AzureVtpm};
use crate::context::{self, ConfidentialContainer};
use crate::gramine::{self, GramineFiles};
use crate::tsm::{self, ConfigfsTsm, Provider};
use crate::{EvidenceSource, Imds, SourceRoots, TpmError};

/// How to look for one source.
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    pub(crate) place: fn(&SourceRoots) -> String,
    pub(crate) probe: fn(&SourceRoots) -> Probed,
}

/// What was seen of one source.
pub(crate) enum Probed {
    There {
        source: Box<dyn EvidenceSource + Send + Sync>,
        why: String,
    },
    Unusable(String),
    Absent(String),
}

/// The preferred first.
pub(crate) const PROBES: [Probe; 5] = [
    Probe {
        name: gramine::NAME,
        place: |roots| shown(&roots.gramine),
        probe: gramine,
    },
    Probe {
        name: context::NAME,
        place: |roots| {
            roots
                .context
                .find()
                .unwrap_or_else(|| roots.context.looked_in())
        },
        probe: container,
    },
    Probe {
        name: tsm::NAME,
        place: |roots| shown(&roots.tsm),
        probe: configfs,
    },
    Probe {
        name: "TDX device",
        place: |roots| shown(&roots.tdx_guest),
        probe: tdx_guest,
    },
    Probe {
        name: azure_vm::NAME,
        place: |roots| format!("`{}`", roots.tpm),
        probe: azure_vtpm,
    },
];

fn gramine(roots: &SourceRoots) -> Probed {
    let root = &roots.gramine;
    if GramineFiles::is_there(root) {
        let why = "Gramine shows its files to processes in an SGX enclave alone".to_owned();
        let source = Box::new(GramineFiles::new(root.clone()));
        return Probed::There { source, why };
    }
    match fs::metadata(root) {
        Ok(_) => Probed::Absent(
            "the directory has no `quote` and `user_report_data`: set `sgx.remote_attestation = \"dcap\"` in the manifest".to_owned(),
        ),
        Err(error) => not_there(&error, "this is no process in Gramine"),
    }
}

/// A security context, and SNP reports.
fn container(roots: &SourceRoots) -> Probed {
    match roots.context.read() {
        Ok(Some(_)) => {}
        Ok(None) => return Probed::Absent("this is no confidential container of Azure".to_owned()),
        Err(error) => return Probed::Unusable(causes(&error)),
    }
    let of_tsm = match ConfigfsTsm::provider(&roots.tsm) {
        Ok(Provider::SevGuest) => Some(ConfigfsTsm::new(roots.tsm.clone())),
        _ => None,
    };
    match of_tsm {
        Some(reports) => Probed::There {
            source: Box::new(ConfidentialContainer::new(
                roots.context.clone(),
                Box::new(reports),
            )),
            why: format!("a security context, and SNP reports through {}", tsm::NAME),
        },
        None => Probed::Unusable(format!(
            "a security context, and no SNP reports: see {}",
            tsm::NAME
        )),
    }
}

fn configfs(roots: &SourceRoots) -> Probed {
    let root = &roots.tsm;
    match ConfigfsTsm::provider(root) {
        Ok(provider @ (Provider::SevGuest | Provider::TdxGuest)) => Probed::There {
            source: Box::new(ConfigfsTsm::new(root.clone())),
            why: format!("the kernel's provider is `{provider}`"),
        },
        Ok(Provider::Other(found)) => Probed::Unusable(format!(
            "expected the provider `sev_guest` or `tdx_guest`, found `{found}`"
        )),
        Err(error) if error.raw_os_error() == Some(ENXIO) => Probed::Absent(
            "the kernel has the interface and no provider: this is no SNP or TDX guest, or its module (`sev-guest`, `tdx-guest`) is not loaded".to_owned(),
        ),
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Probed::Unusable(
            "the file system is mounted read-only: mount the host's `/sys/kernel/config` writable".to_owned(),
        ),
        Err(error) => not_there(
            &error,
            "it takes Linux 6.7 and configfs at `/sys/kernel/config`, in a container the host's",
        ),
    }
}

fn tdx_guest(roots: &SourceRoots) -> Probed {
    match File::open(&roots.tdx_guest) {
        Ok(_) => Probed::Unusable(format!(
            "the device gives a report without a signature: a quote comes through {} (Linux 6.7)",
            tsm::NAME
        )),
        Err(error) => not_there(&error, "this is no TDX guest"),
    }
}

fn azure_vtpm(roots: &SourceRoots) -> Probed {
    match AzureVtpm::has_report(&roots.tpm) {
        Ok(true) => {}
        Ok(false) => {
            return Probed::Absent(
                "the TPM has no paravisor's report (NV index `0x01400001`): this is no confidential virtual machine of Azure".to_owned(),
            );
        }
        Err(TpmError::Open { source, .. }) => {
            let hint = "no TPM: a container needs the device and its group";
            return not_there(&source, hint);
        }
        Err(error) => return Probed::Unusable(causes(&error)),
    }
    match Imds::new(&roots.imds) {
        Ok(imds) => Probed::There {
            source: Box::new(AzureVtpm::new(roots.tpm.clone(), imds)),
            why: "the TPM has a paravisor's report (NV index `0x01400001`)".to_owned(),
        },
        Err(error) => Probed::Unusable(causes(&error)),
    }
}

/// A file that is not there, or that may not be opened.
fn not_there(error: &io::Error, hint: &str) -> Probed {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Probed::Absent(hint.to_owned()),
        io::ErrorKind::PermissionDenied => Probed::Unusable(format!(
            "{error}: run the agent as root or with the group of the file, and give a container the device"
        )),
        _ => Probed::Unusable(error.to_string()),
    }
}

/// An error and what led to it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

fn shown(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// What Linux says when no driver has registered itself with configfs-tsm.
const ENXIO: i32 = 6;
