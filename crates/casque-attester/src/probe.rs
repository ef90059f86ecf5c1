//! Looking for each source of evidence, without gathering any.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::azure_vm::{self, AzureVtpm};
use crate::context::{self, ConfidentialContainer};
use crate::devices::{self, SevGuest, TdxGuest};
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
pub(crate) const PROBES: [Probe; 6] = [
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
        name: devices::SEV_GUEST,
        place: |roots| shown(&roots.sev_guest),
        probe: sev_guest,
    },
    Probe {
        name: devices::TDX_GUEST,
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
    match snp_reports(roots) {
        Some(reports) => Probed::There {
            why: format!("a security context, and SNP reports of {}", reports.name()),
            source: Box::new(ConfidentialContainer::new(roots.context.clone(), reports)),
        },
        None => Probed::Unusable(format!(
            "a security context, and no SNP reports: see {} and {}",
            tsm::NAME,
            devices::SEV_GUEST
        )),
    }
}

/// The preferred source of SNP reports, if there is one: configfs-tsm, else the device.
#[must_use]
pub fn snp_reports(roots: &SourceRoots) -> Option<Box<dyn EvidenceSource + Send + Sync>> {
    if ConfigfsTsm::provider(&roots.tsm).is_ok_and(|provider| provider == Provider::SevGuest) {
        return Some(Box::new(ConfigfsTsm::new(roots.tsm.clone())));
    }
    match sev_guest(roots) {
        Probed::There { source, .. } => Some(source),
        Probed::Unusable(_) | Probed::Absent(_) => None,
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

fn sev_guest(roots: &SourceRoots) -> Probed {
    let path = &roots.sev_guest;
    match open_device(path) {
        Ok(_) => Probed::There {
            source: Box::new(SevGuest::new(path.clone())),
            why: "the device is there".to_owned(),
        },
        Err(error) => not_there(
            &error,
            "this is no SNP guest, or its module (`sev-guest`) is not loaded",
        ),
    }
}

fn tdx_guest(roots: &SourceRoots) -> Probed {
    let path = &roots.tdx_guest;
    if let Err(error) = open_device(path) {
        let hint = "this is no TDX guest, or its module (`tdx-guest`) is not loaded";
        return not_there(&error, hint);
    }
    match Imds::new(&roots.imds) {
        Ok(imds) => Probed::There {
            source: Box::new(TdxGuest::new(path.clone(), imds)),
            why: format!(
                "the device is there; the quote is made by Azure's metadata service, elsewhere it takes {}",
                tsm::NAME
            ),
        },
        Err(error) => Probed::Unusable(causes(&error)),
    }
}

fn open_device(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
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
            source: Box::new(
                AzureVtpm::new(roots.tpm.clone(), imds)
                    .with_ak_intermediates(roots.ak_intermediates.clone()),
            ),
            why: "the TPM has a paravisor's report (NV index `0x01400001`)".to_owned(),
        },
        Err(error) => Probed::Unusable(causes(&error)),
    }
}

/// A file that is not there, or that may not be opened.
fn not_there(error: &io::Error, hint: &str) -> Probed {
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::ConnectionRefused => Probed::Absent(hint.to_owned()),
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
