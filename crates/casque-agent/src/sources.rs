//! Which source of evidence is used, and where it is: by flags, else by variables, else as Linux and Azure have it.

use std::path::PathBuf;

use casque_attester::{
    AzureVtpm, ConfidentialContainer, ConfigfsTsm, ContextPlaces, Detection, EvidenceSource,
    GramineFiles, Imds, Look, SevGuest, SourceRoots, TdxGuest, detect, snp_reports,
};
use clap::{Args, ValueEnum};

use crate::intermediates::read_intermediates;
use crate::{AgentError, HostEnvironment, SettingsError};

/// The arguments that choose a source, and say where it is. None of these places is trusted: what a false one
/// gives, the server refuses.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SourceArguments {
    /// Where evidence comes from, without it `auto`
    #[arg(long, value_enum)]
    pub(crate) evidence: Option<EvidenceChoice>,
    /// The TPM: `device:PATH` or `swtpm:host=HOST,port=PORT`; without it `device:/dev/tpmrm0`
    /// [env: `CASQUE_TPM`]
    #[arg(long, value_name = "TCTI", help_heading = ADVANCED)]
    pub(crate) tpm: Option<String>,
    /// Certificates between the TPM's attestation key and Azure's root, 1 to 4 in PEM or one in DER: a TPM holds the
    /// key's own alone [env: `CASQUE_AK_INTERMEDIATES`]
    #[arg(long, value_name = "FILE", help_heading = ADVANCED)]
    pub(crate) ak_intermediates: Option<PathBuf>,
    /// Azure's metadata service, without it `http://169.254.169.254` [env: `CASQUE_IMDS`]
    #[arg(long, value_name = "URL", help_heading = ADVANCED)]
    pub(crate) imds: Option<String>,
    /// Gramine's files, without it `/dev/attestation` [env: `CASQUE_GRAMINE_DIR`]
    #[arg(long, value_name = "DIR", help_heading = ADVANCED)]
    pub(crate) gramine_dir: Option<PathBuf>,
    /// configfs-tsm, without it `/sys/kernel/config/tsm/report` [env: `CASQUE_TSM_DIR`]
    #[arg(long, value_name = "DIR", help_heading = ADVANCED)]
    pub(crate) tsm_dir: Option<PathBuf>,
    /// The device of SNP guests, without it `/dev/sev-guest` [env: `CASQUE_SEV_GUEST`]
    #[arg(long, value_name = "PATH", help_heading = ADVANCED)]
    pub(crate) sev_guest: Option<PathBuf>,
    /// The device of TDX guests, without it `/dev/tdx_guest` [env: `CASQUE_TDX_GUEST`]
    #[arg(long, value_name = "PATH", help_heading = ADVANCED)]
    pub(crate) tdx_guest: Option<PathBuf>,
    /// The security context of a confidential container [env: `UVM_SECURITY_CONTEXT_DIR`]
    #[arg(long, value_name = "DIR", help_heading = ADVANCED)]
    pub(crate) security_context_dir: Option<PathBuf>,
}

/// Where evidence comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvidenceChoice {
    /// The first source that is there, of those below from the top
    #[default]
    Auto,
    /// `/dev/attestation` of Gramine
    Gramine,
    /// Security context of a confidential container, with SNP reports of configfs-tsm or else `/dev/sev-guest`
    Container,
    /// configfs-tsm of the kernel
    Tsm,
    /// `/dev/sev-guest`
    SevGuest,
    /// `/dev/tdx_guest`, and Azure's metadata service
    TdxGuest,
    /// TPM of a confidential virtual machine of Azure
    AzureVtpm,
    /// None, for policies with `mode: none`, which release to anyone
    None,
}

/// A source that was opened.
pub(crate) enum Source {
    /// None was asked for.
    Absent,
    /// It is there.
    There {
        source: Box<dyn EvidenceSource + Send + Sync>,
        /// What was looked for; nothing when the source was named.
        detection: Option<Detection>,
    },
}

impl SourceArguments {
    pub(crate) fn open(&self, host: &HostEnvironment, look: Look) -> Result<Source, AgentError> {
        let roots = self.roots(host)?;
        let source: Box<dyn EvidenceSource + Send + Sync> = match self.evidence.unwrap_or_default()
        {
            EvidenceChoice::None => return Ok(Source::Absent),
            EvidenceChoice::Auto => {
                let (source, detection) = detect(&roots, look)?;
                let detection = Some(detection);
                return Ok(Source::There { source, detection });
            }
            EvidenceChoice::Gramine => Box::new(GramineFiles::new(roots.gramine)),
            EvidenceChoice::Container => {
                let usual = || Box::new(ConfigfsTsm::new(roots.tsm.clone()));
                let reports = snp_reports(&roots).unwrap_or_else(|| usual());
                Box::new(ConfidentialContainer::new(roots.context, reports))
            }
            EvidenceChoice::Tsm => Box::new(ConfigfsTsm::new(roots.tsm)),
            EvidenceChoice::SevGuest => Box::new(SevGuest::new(roots.sev_guest)),
            EvidenceChoice::TdxGuest => {
                let imds = imds(&roots)?;
                Box::new(TdxGuest::new(roots.tdx_guest, imds))
            }
            EvidenceChoice::AzureVtpm => Box::new(azure_vtpm(roots)?),
        };
        let detection = None;
        Ok(Source::There { source, detection })
    }

    /// The TPM of an Azure virtual machine, and no other source.
    pub(crate) fn open_azure_vtpm(&self, host: &HostEnvironment) -> Result<AzureVtpm, AgentError> {
        match self.evidence.unwrap_or_default() {
            EvidenceChoice::Auto | EvidenceChoice::AzureVtpm => Ok(azure_vtpm(self.roots(host)?)?),
            other => {
                let name = other.to_possible_value();
                let found = name.map_or_else(String::new, |name| name.get_name().to_owned());
                Err(SettingsError::GuestOfOtherSource { found }.into())
            }
        }
    }

    fn ak_intermediates(&self, host: &HostEnvironment) -> Result<Vec<u8>, SettingsError> {
        let of_host = || host.setting("CASQUE_AK_INTERMEDIATES").map(PathBuf::from);
        let Some(path) = self.ak_intermediates.clone().or_else(of_host) else {
            return Ok(Vec::new());
        };
        read_intermediates(&path)
    }

    fn roots(&self, host: &HostEnvironment) -> Result<SourceRoots, SettingsError> {
        let usual = SourceRoots::default();
        let path = |flag: &Option<PathBuf>, name: &str| {
            let of_host = || host.setting(name).map(PathBuf::from);
            flag.clone().or_else(of_host)
        };
        let text = |flag: &Option<String>, name: &str| {
            let of_host = || host.setting(name).map(str::to_owned);
            flag.clone().or_else(of_host)
        };
        let variable = |name: &str| host.setting(name).map(str::to_owned);
        let tpm = text(&self.tpm, "CASQUE_TPM").map(|text| text.parse());
        let tpm = tpm.transpose().map_err(SettingsError::Tpm)?;
        Ok(SourceRoots {
            sev_guest: path(&self.sev_guest, "CASQUE_SEV_GUEST").unwrap_or(usual.sev_guest),
            tdx_guest: path(&self.tdx_guest, "CASQUE_TDX_GUEST").unwrap_or(usual.tdx_guest),
            gramine: path(&self.gramine_dir, "CASQUE_GRAMINE_DIR").unwrap_or(usual.gramine),
            tsm: path(&self.tsm_dir, "CASQUE_TSM_DIR").unwrap_or(usual.tsm),
            tpm: tpm.unwrap_or(usual.tpm),
            imds: text(&self.imds, "CASQUE_IMDS").unwrap_or(usual.imds),
            ak_intermediates: self.ak_intermediates(host)?,
            context: ContextPlaces {
                directory: path(&self.security_context_dir, "UVM_SECURITY_CONTEXT_DIR"),
                policy: variable("UVM_SECURITY_POLICY"),
                reference_info: variable("UVM_REFERENCE_INFO"),
                host_amd_certificate: variable("UVM_HOST_AMD_CERTIFICATE"),
                ..usual.context
            },
        })
    }
}

fn azure_vtpm(roots: SourceRoots) -> Result<AzureVtpm, SettingsError> {
    let imds = imds(&roots)?;
    Ok(AzureVtpm::new(roots.tpm, imds).with_ak_intermediates(roots.ak_intermediates))
}

fn imds(roots: &SourceRoots) -> Result<Imds, SettingsError> {
    Imds::new(&roots.imds).map_err(SettingsError::Imds)
}

pub(crate) const ADVANCED: &str = "Places of the sources";
