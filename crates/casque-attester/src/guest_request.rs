//! What Microsoft Azure Attestation judges of a whole machine (`attest/AzureGuest`): TEE, TPM and measured boot; and
//! the token that it seals to a key of the TPM. The service is asked by others: this is what to send, and how to read
//! what comes back.
//!
//! 1. take the TEE's report or quote and the paravisor's data out of evidence that was gathered for the same exchange;
//! 2. read what the firmware logged of the boot, and which distribution it is;
//! 3. have the TPM make a key that is bound to registers 0 to 7, certify it, and quote the registers
//!    ([`crate::tpm::sealing_key`]);
//! 4. put all of it into JSON ([`mod@attestation_info`]);
//! 5. open the sealed token by that key ([`SealedToken`]), and keep back what answers another request
//!    ([`mod@claims`]).
//!
//! Source: azure-guest-attestation-sdk 0.1.1 and the Go and Python clients, which agree. Nothing is judged here, the
//! token's signature neither. Machines without TEE ("trusted launch") are not supported.

mod attestation_info;
mod boot_log;
mod claims;
mod os_release;
mod sealed_token;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::azure_vm::{AK, Hardware, NAME, hardware, paravisor_data};
use crate::files::SourceFiles;
use crate::tpm::Tpm;
use crate::tpm::sealing_key::SealingKey;
use crate::waiter::Never;
use crate::{AttesterError, AzureVm, AzureVtpm, Collected, Tcti, TpmError, Waiter};
use attestation_info::{Boot, Isolation, TeeProof, attestation_info};
use boot_log::is_boot_log;
use os_release::OsRelease;

pub use claims::require_nonce;
pub use sealed_token::{SealedToken, SealedTokenError};

/// Where a guest says what it booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestPlaces {
    /// The firmware's log of what it measured (TCG PC Client Platform Firmware Profile), at most 512 KiB. It is sent, and
    /// so it must begin as one; none of a file that is not there, is empty, or may not be read.
    pub tcg_log: PathBuf,
    /// Which distribution it is, at most 64 KiB.
    pub os_release: PathBuf,
}

/// A request to `attest/AzureGuest` about this machine, and the key that its answer is sealed to. It keeps the TPM
/// open, and the key in it, until it is dropped: a TPM without resource manager (`/dev/tpm0`, swtpm) is nobody else's
/// until then, and keeps the key when the process is killed before.
pub struct GuestRequest<'a> {
    tpm: Tpm<'a>,
    key: SealingKey,
    /// The one that was sent.
    nonce: [u8; 32],
    attestation_info: String,
    tcg_log_bytes: usize,
}

impl Default for GuestPlaces {
    /// Linux's.
    fn default() -> Self {
        Self {
            tcg_log: PathBuf::from("/sys/kernel/security/tpm0/binary_bios_measurements"),
            os_release: PathBuf::from("/etc/os-release"),
        }
    }
}

impl AzureVtpm {
    /// Makes a request about this machine. `collected` is what [`gather`](crate::EvidenceSource::gather) gave for the
    /// same exchange: the TEE's report or quote, the processor's certificates and the paravisor's data are taken
    /// from it. `nonce` comes back in the token as 64 hexadecimal digits, in `client-payload` of `x-ms-runtime`.
    ///
    /// # Errors
    /// [`AttesterError::OtherKind`], [`AttesterError::NoProcessorCertificates`], [`AttesterError::Paravisor`]: the
    /// evidence; [`AttesterError::TooLong`]: the log or the release file; [`AttesterError::BootLog`];
    /// [`AttesterError::Tpm`]; [`AttesterError::RequestTooLong`].
    pub fn guest_request(
        &self,
        collected: &Collected,
        nonce: &[u8; 32],
        places: &GuestPlaces,
    ) -> Result<GuestRequest<'_>, AttesterError> {
        let about = About::read(collected, nonce, places)?;
        GuestRequest::of_tpm(self.open_tpm()?, &about)
    }
}

impl<'a> GuestRequest<'a> {
    /// The same over a TPM that was opened already, in whatever way, as [`AzureVm::read`].
    ///
    /// # Errors
    /// As [`AzureVtpm::guest_request`].
    pub fn over(
        stream: impl Read + Write + 'static,
        tcti: &Tcti,
        waiter: &'a dyn Waiter,
        collected: &Collected,
        nonce: &[u8; 32],
        places: &GuestPlaces,
    ) -> Result<Self, AttesterError> {
        let about = About::read(collected, nonce, places)?;
        Self::of_tpm(Tpm::over(Box::new(stream), tcti, waiter), &about)
    }

    fn of_tpm(mut tpm: Tpm<'a>, about: &About<'_>) -> Result<Self, AttesterError> {
        let attested = tpm.attest_sealing_key(AK)?;
        let json = attestation_info(
            &about.boot,
            &about.isolation,
            &about.vm.ak_certificate,
            &attested,
        );
        let attestation_info = URL_SAFE_NO_PAD.encode(json);
        if attestation_info.len() > MAX_REQUEST_BYTES {
            return Err(AttesterError::RequestTooLong {
                found_bytes: attestation_info.len(),
                limit_bytes: MAX_REQUEST_BYTES,
            });
        }
        Ok(Self {
            tpm,
            key: attested.key,
            nonce: *about.boot.nonce,
            attestation_info,
            tcg_log_bytes: about.boot.tcg_log.len(),
        })
    }

    /// The request's `AttestationInfo`: JSON in base64url without padding, at most 1 MiB.
    #[must_use]
    pub fn attestation_info(&self) -> &str {
        &self.attestation_info
    }

    /// How many bytes of the firmware's log are in it; 0 when there was none, or when it could not be read. Then the
    /// service knows the registers alone, and says nothing about the boot.
    #[must_use]
    pub const fn tcg_log_bytes(&self) -> usize {
        self.tcg_log_bytes
    }

    /// Opens the `token` of the answer: a compact JWS, whose signature is not looked at. It gives back the nonce of this
    /// request: what answers another one is kept back.
    ///
    /// # Errors
    /// [`AttesterError::SealedToken`], with [`SealedTokenError::OtherNonce`] when it answers another request;
    /// [`AttesterError::Tpm`], with [`TpmError::RegistersChanged`] when a register from
    /// 0 to 7 was extended since the request was made.
    pub fn open(mut self, sealed: &str) -> Result<String, AttesterError> {
        let sealed = SealedToken::parse(sealed)?;
        let inner_key = self.tpm.decrypt(&self.key, sealed.encrypted_key());
        let inner_key = inner_key.map_err(|source| match source {
            TpmError::Refused {
                command: "TPM2_RSA_Decrypt",
                code,
                ..
            } if code.is_undecryptable() => SealedTokenError::OtherKey { code }.into(),
            source => AttesterError::Tpm(source),
        })?;
        Ok(sealed.open(&inner_key, &self.nonce)?)
    }
}

impl std::fmt::Debug for GuestRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestRequest")
            .field("key", &self.key)
            .field("tcg_log_bytes", &self.tcg_log_bytes)
            .finish_non_exhaustive()
    }
}

/// All of a request that is not the TPM's.
struct About<'a> {
    vm: &'a AzureVm,
    isolation: Isolation<'a>,
    boot: Boot<'a>,
}

impl<'a> About<'a> {
    fn read(
        collected: &'a Collected,
        nonce: &'a [u8; 32],
        places: &GuestPlaces,
    ) -> Result<Self, AttesterError> {
        let (vm, isolation) = isolation(collected)?;
        let tcg_log = read_if_there(&places.tcg_log, MAX_LOG_BYTES)?;
        if !is_boot_log(&tcg_log) {
            let path = places.tcg_log.clone();
            return Err(AttesterError::BootLog { path });
        }
        let os_release = read_if_there(&places.os_release, MAX_OS_RELEASE_BYTES)?;
        let os_release = OsRelease::parse(&String::from_utf8_lossy(&os_release));
        Ok(Self {
            vm,
            isolation,
            boot: Boot {
                tcg_log,
                os_release,
                nonce,
            },
        })
    }
}

/// The TEE's part.
fn isolation(collected: &Collected) -> Result<(&AzureVm, Isolation<'_>), AttesterError> {
    let (vm, proof) = match collected {
        Collected::AzureSnp { vm, vek } => {
            let Some(Hardware::Snp { report }) = hardware(&vm.hcl) else {
                return Err(AttesterError::Paravisor);
            };
            let certificates = vek.as_deref();
            let certificates = certificates.ok_or(AttesterError::NoProcessorCertificates)?;
            let proof = TeeProof::Snp {
                report,
                certificates,
            };
            (vm, proof)
        }
        Collected::AzureTdx { vm, td_quote } => (vm, TeeProof::Tdx { td_quote }),
        other => {
            return Err(AttesterError::OtherKind {
                source_name: NAME,
                expected: "evidence of a confidential virtual machine of Azure",
                found: other.kind(),
            });
        }
    };
    let paravisor_data = paravisor_data(&vm.hcl).ok_or(AttesterError::Paravisor)?;
    let isolation = Isolation {
        proof,
        paravisor_data,
    };
    Ok((vm, isolation))
}

/// Nothing of a file that is not there or that may not be read, as the official clients have it: the service judges
/// what a request without it is worth.
fn read_if_there(path: &Path, limit_bytes: usize) -> Result<Vec<u8>, AttesterError> {
    let files = SourceFiles {
        source_name: NAME,
        waiter: &Never,
    };
    match files.read(path, limit_bytes) {
        Err(AttesterError::File { .. }) => Ok(Vec::new()),
        read => read,
    }
}

/// In base64url, as it is sent.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;
/// Logs of Azure's machines have some 30 KiB.
const MAX_LOG_BYTES: usize = 512 * 1024;
const MAX_OS_RELEASE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
