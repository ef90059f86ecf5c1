//! A policy, parsed: every name refers to something, every rule of the language holds.
//!
//! Only the parser of this crate makes one. Key by key the language is described in
//! spec/policy-language.md; the section is named beside each type.

mod access;
mod attestation;
mod secret;
mod security;
mod service;
mod template;
mod volume;

use casque_types::{
    Digest, KeyHash, PolicyHash, PolicyName, SecretName, ServiceName, VaultAddress, VolumeName,
};

use crate::Clause;

pub use access::{AccessPolicy, Credentials, Operation, Principal, Principals};
pub use attestation::{
    AciRule, AllowAllRule, AttestationEntry, AttestationKeyRule, AzureVmRule, AzureVmTeeRule,
    ClaimCondition, ClaimConstant, ClaimDemand, ClusterIssuer, ClusterIssuerParseError, MaaRule,
    MigrationRule, SecureBootRule, ServiceAccountDemand, ServiceAccountRule, SgxRule, SignerRule,
    SmtRule, SnpFloor, SnpFloors, SnpRule, SvnRule, TdxFloor, TdxRule, TeeRule,
};
pub use secret::{
    CasKey, CertificateSpec, ClaimValue, Endpoint, ExportTarget, Generation, Import, JwtSpec,
    KeyType, Origin, RemoteCas, SecretSpec, ValueEncoding, VaultImport, VaultSecretVersion,
};
pub use security::{IgnoredAdvisories, MaaDemands, Mode, Platform, Security, Toleration};
pub use service::{
    Content, FileProtection, Image, InjectionFile, Mount, ProtectionUpdate, Service, Variable,
};
pub use template::{Part, Placeholder, Template};
pub use volume::{OwnVolume, Volume, VolumeExport, VolumeImport, VolumeOrigin};

/// One version of a policy (SCONE: session), section 1.
#[derive(Debug)]
#[non_exhaustive]
pub struct Policy {
    /// Its name with namespace.
    pub name: PolicyName,
    /// The version of the language that it is written in.
    pub version: LanguageVersion,
    /// The hash of the version that it replaces; none on creation.
    pub predecessor: Option<PolicyHash>,
    /// The hash that its namespace must have when it is created.
    pub namespace_hash: Option<PolicyHash>,
    /// Randomness that makes its hash public, section 1.4.
    pub salt: Option<Salt>,
    /// Its creator's key, if the text says it: that of a client certificate, or of a session signer.
    pub creator: Option<KeyHash>,
    /// Who may read, update and list it, and create policies below it.
    pub access: Clause<AccessPolicy>,
    /// How evidence is judged.
    pub security: Clause<Security>,
    /// Its services, in the order of the text.
    pub services: Vec<Service>,
    /// Its images.
    pub images: Vec<Image>,
    /// Its volumes.
    pub volumes: Vec<Volume>,
    /// Its secrets.
    pub secrets: Vec<SecretSpec>,
    /// Where its values are kept.
    pub kept_in: KeptIn,
    /// The digest of its canonical form, its creator left out (see [`policy_hash`](crate::policy_hash)).
    pub(crate) canonical: Digest<32>,
}

impl Policy {
    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }

    /// The secret of this name.
    #[must_use]
    pub fn secret(&self, name: &SecretName) -> Option<&SecretSpec> {
        self.secrets.iter().find(|secret| secret.name == *name)
    }

    /// The volume of this name.
    #[must_use]
    pub fn volume(&self, name: &VolumeName) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.name == *name)
    }

    /// The image that a service runs, if it names one.
    #[must_use]
    pub fn image_of(&self, service: &Service) -> Option<&Image> {
        let name = service.image.as_ref()?;
        self.images.iter().find(|image| image.name == *name)
    }

    /// The templates that are filled for a service: its arguments, environment, files, and the keys of its
    /// volumes and file system.
    pub fn templates_of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Template> {
        let image = self.image_of(service);
        let files = image.map_or(&[][..], |image| &image.injection_files);
        let mounts = image.map_or(&[][..], |image| &image.mounts);
        let variables = service.environment.iter();
        let keys = (mounts.iter()).filter_map(|mount| self.volume(&mount.volume)?.key());
        (service.command.iter())
            .chain(variables.filter_map(|(_, variable)| variable.template()))
            .chain(files.iter().filter_map(|file| file.content.template()))
            .chain(
                service
                    .file_protection
                    .iter()
                    .filter_map(|file| file.key.as_ref()),
            )
            .chain(keys)
    }
}

/// A version of the language, such as `0.3.10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanguageVersion {
    /// `0`.
    pub major: u32,
    /// `1`, `2` or `3`.
    pub minor: u32,
    /// The patch level; 0 when the text gives none.
    pub patch: u32,
}

/// 16 bytes that randomise a policy's hash, section 1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub Digest<16>);

/// `secret_config.store_in`: where the values of a policy are kept, section 4.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeptIn {
    /// `!cas`: in Casque's own store. The default.
    #[default]
    Casque,
    /// `!akv`: in a vault, encrypted under keys that Casque keeps.
    KeyVault {
        /// The vault.
        vault: VaultAddress,
        /// The aad-token secret that authorises access to it.
        token: SecretName,
    },
}
