//! What the agent shows to the server, as its challenge allows.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_attester::{
    AttesterError, AzureVm, AzureVtpm, Collected, EvidenceSource, GuestPlaces, TeeKind,
};
use casque_client::{Challenge, Client, ClientError, EvidenceKind, Gathered};
use casque_types::{RuntimeData, is_compact_jws};
use casque_wire::{AnyB64, Evidence, TpmQuote};
use thiserror::Error;

/// Where the evidence comes from.
pub enum EvidencePlan<'a> {
    /// A source inside the guest.
    Source(&'a dyn EvidenceSource),
    /// A token that someone beside the agent obtains from Microsoft Azure Attestation.
    MaaToken(MaaPassport),
    /// Both, for policies that demand both (`require: [maa, evidence]`).
    Both {
        /// The source of the evidence.
        source: &'a dyn EvidenceSource,
        /// The token about the same TEE.
        passport: MaaPassport,
    },
    /// Evidence of an Azure virtual machine, and a token of Microsoft Azure Attestation about the machine with its TPM,
    /// which the server asks for and this TPM opens.
    AzureGuest(AzureGuest<'a>),
    /// None: for policies with `mode: none`, which release to anyone.
    Absent,
}

/// A virtual machine of Azure that the attestation service is to judge with its TPM (`attest/AzureGuest`).
pub struct AzureGuest<'a> {
    /// Its TPM and metadata service.
    pub vtpm: &'a AzureVtpm,
    /// Where it says what it booted.
    pub places: &'a GuestPlaces,
    /// Who hands the request on.
    pub judge: &'a dyn GuestJudge,
}

/// Whoever has the policy's attestation service judge a guest: a server, or a test's stand-in.
pub trait GuestJudge {
    /// Hands on `attestation_info`, and gives back the sealed token.
    ///
    /// # Errors
    /// [`ClientError`].
    fn submit_guest(
        &self,
        runtime: &RuntimeData,
        evidence: &Evidence,
        attestation_info: &str,
    ) -> Result<String, ClientError>;
}

impl GuestJudge for Client {
    fn submit_guest(
        &self,
        runtime: &RuntimeData,
        evidence: &Evidence,
        attestation_info: &str,
    ) -> Result<String, ClientError> {
        Self::submit_guest(self, runtime, evidence, attestation_info)
    }
}

/// How a token over the runtime data of one exchange comes to the agent (passport model).
///
/// A token carries the runtime data of exactly one exchange, so it cannot be there beforehand: the agent
/// writes the runtime data, then reads the token. Make `token_file` a named pipe, so that reading waits for
/// whoever obtains the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaaPassport {
    /// The compact JWS is read from here.
    pub token_file: PathBuf,
    /// The runtime data, verbatim, is written here first.
    pub runtime_data_file: Option<PathBuf>,
}

/// Why there is no evidence to show.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// The source failed.
    #[error(transparent)]
    Attester(#[from] AttesterError),
    /// The server, or the policy's attestation service, does not judge this guest.
    #[error("no token about this virtual machine could be had")]
    Judge(#[source] ClientError),
    /// The server appraises other evidence.
    #[error("this guest has evidence of kind `{found}`, the server takes: {taken}")]
    NotTaken {
        /// The kind there is.
        found: &'static str,
        /// The kinds that the server takes.
        taken: String,
    },
    /// The runtime data could not be written for whoever obtains the token.
    #[error("cannot write the runtime data to `{}`", .path.display())]
    RuntimeData {
        /// The file.
        path: PathBuf,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// The token could not be read.
    #[error("cannot read a token from `{}`", .path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// What was read is no token.
    #[error(
        "expected a compact JWS (three base64url parts joined by `.`) of at most {MAX_TOKEN_BYTES} bytes in `{}`", .path.display()
    )]
    Token {
        /// The file.
        path: PathBuf,
    },
}

impl EvidencePlan<'_> {
    /// Evidence bound to `runtime`, of a kind that the server takes, and the token beside it.
    pub(crate) fn gather(
        &self,
        runtime: &RuntimeData,
        challenge: &Challenge,
    ) -> Result<Gathered, EvidenceError> {
        match self {
            Self::Absent => Ok(Evidence::None {}.into()),
            Self::MaaToken(passport) => {
                let token = passport.obtain(runtime, challenge)?;
                Ok(Evidence::Maa { token }.into())
            }
            Self::Source(source) => Ok(taken_from(*source, runtime, challenge)?.into()),
            Self::AzureGuest(guest) => guest.gather(runtime, challenge),
            Self::Both { source, passport } => {
                // The token comes first: whoever obtains one on an Azure VM may write `user-data` for it, which are in
                // the paravisor's report, and the evidence must have the report that the token is about.
                let maa_token = Some(passport.obtain(runtime, challenge)?);
                let evidence = taken_from(*source, runtime, challenge)?;
                Ok(Gathered {
                    evidence,
                    maa_token,
                })
            }
        }
    }
}

impl AzureGuest<'_> {
    /// The evidence first: the request holds the same report, and the policy may deny the evidence's claims before the
    /// service is asked.
    fn gather(
        &self,
        runtime: &RuntimeData,
        challenge: &Challenge,
    ) -> Result<Gathered, EvidenceError> {
        require_taken(EvidenceKind::Maa, challenge)?;
        let collected = self.vtpm.gather(&runtime.report_data().into())?;
        require_taken(kind_of(collected.kind()), challenge)?;
        let binding = runtime.binding();
        let request = (self.vtpm).guest_request(&collected, binding.as_bytes(), self.places)?;
        let evidence = evidence_of(collected);
        let info = request.attestation_info();
        let sealed = self.judge.submit_guest(runtime, &evidence, info);
        let token = request.open(&sealed.map_err(EvidenceError::Judge)?)?;
        Ok(Gathered {
            evidence,
            maa_token: Some(token),
        })
    }
}

fn taken_from(
    source: &dyn EvidenceSource,
    runtime: &RuntimeData,
    challenge: &Challenge,
) -> Result<Evidence, EvidenceError> {
    let collected = source.gather(&runtime.report_data().into())?;
    require_taken(kind_of(collected.kind()), challenge)?;
    Ok(evidence_of(collected))
}

/// Evidence as it is sent, and as `casque explain --evidence` reads it.
pub(crate) fn evidence_of(collected: Collected) -> Evidence {
    match collected {
        Collected::SgxQuote(quote) => Evidence::Sgx {
            quote: AnyB64(quote),
        },
        Collected::TdxQuote(quote) => Evidence::Tdx {
            quote: AnyB64(quote),
        },
        Collected::SnpReport {
            report,
            certificates,
        } => Evidence::Snp {
            report: AnyB64(report),
            vek: base64_of(&certificates),
        },
        Collected::AzureSnp { vm, vek } => Evidence::AzureSnpVtpm {
            quote: quote_of(&vm),
            ak_chain: chain_of(&vm),
            hcl: AnyB64(vm.hcl),
            vek,
        },
        Collected::AzureTdx { vm, td_quote } => Evidence::AzureTdxVtpm {
            quote: quote_of(&vm),
            ak_chain: chain_of(&vm),
            hcl: AnyB64(vm.hcl),
            td_quote: AnyB64(td_quote),
        },
        Collected::AciSnp {
            report,
            certificates,
            context,
        } => Evidence::AciSnp {
            report: AnyB64(report),
            vek: context.vek.or_else(|| base64_of(&certificates)),
            policy: AnyB64(context.policy),
            uvm: AnyB64(context.reference_info),
        },
    }
}

fn quote_of(vm: &AzureVm) -> TpmQuote {
    TpmQuote {
        message: AnyB64(vm.quote.message.clone()),
        signature: AnyB64(vm.quote.signature.clone()),
        pcrs: vm.quote.pcrs.iter().map(hex::encode).collect(),
    }
}

/// PEM as it is, DER in base64.
fn chain_of(vm: &AzureVm) -> Option<String> {
    let chain = vm.ak_chain();
    match str::from_utf8(&chain) {
        Ok(pem) if pem.contains(PEM_BEGIN) => Some(pem.to_owned()),
        _ => base64_of(&chain),
    }
}

/// Nothing of no bytes.
fn base64_of(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| STANDARD.encode(bytes))
}

const fn kind_of(kind: TeeKind) -> EvidenceKind {
    match kind {
        TeeKind::Sgx => EvidenceKind::Sgx,
        TeeKind::Tdx => EvidenceKind::Tdx,
        TeeKind::Snp => EvidenceKind::Snp,
        TeeKind::AzureSnp => EvidenceKind::AzureSnpVtpm,
        TeeKind::AzureTdx => EvidenceKind::AzureTdxVtpm,
        TeeKind::AciSnp => EvidenceKind::AciSnp,
    }
}

impl MaaPassport {
    /// A token over `runtime`, if the server takes tokens.
    fn obtain(
        &self,
        runtime: &RuntimeData,
        challenge: &Challenge,
    ) -> Result<String, EvidenceError> {
        require_taken(EvidenceKind::Maa, challenge)?;
        if let Some(path) = &self.runtime_data_file {
            write_whole(path, runtime.as_bytes()).map_err(|source| {
                let path = path.clone();
                EvidenceError::RuntimeData { path, source }
            })?;
        }
        let path = || self.token_file.clone();
        let text = read_bounded(&self.token_file).map_err(|source| EvidenceError::TokenFile {
            path: path(),
            source,
        })?;
        let token = text.trim();
        if text.len() > MAX_TOKEN_BYTES || !is_compact_jws(token) {
            return Err(EvidenceError::Token { path: path() });
        }
        Ok(token.to_owned())
    }
}

fn require_taken(kind: EvidenceKind, challenge: &Challenge) -> Result<(), EvidenceError> {
    if challenge.evidence.contains(&kind) {
        return Ok(());
    }
    let names = challenge.evidence.iter();
    let names = names.map(|kind| format!("`{}`", kind.as_str()));
    let taken = names.collect::<Vec<_>>().join(", ");
    let found = kind.as_str();
    Err(EvidenceError::NotTaken { found, taken })
}

/// So that whoever watches the file never reads half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let limit = u64::try_from(MAX_TOKEN_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_string(&mut text)?;
    Ok(text)
}

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const MAX_TOKEN_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
