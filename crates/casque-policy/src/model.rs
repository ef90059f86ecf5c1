//! A policy, parsed: every name refers to something, every rule of the language holds.
//!
//! Only the parser of this crate makes one. Key by key the language is described in
//! spec/policy-language.md; the section is named beside each type.

use std::collections::BTreeSet;

use casque_appraise::AdvisoryId;
use casque_types::{
    Digest, Encoding, EntraCredential, FileMode, Format, KeyHash, MaaUrl, MrEnclave, MrSigner,
    PolicyHash, PolicyName, Seconds, Secret, SecretKind, SecretName, ServiceName, VaultAddress,
    VaultSecretName,
};

use crate::Position;

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
    /// Its creator's key, if the text says it.
    pub creator: Option<KeyHash>,
    /// Who may read, update, and create policies below it.
    pub access: AccessPolicy,
    /// How evidence is judged.
    pub security: Security,
    /// Its services, in the order of the text.
    pub services: Vec<Service>,
    /// Its images.
    pub images: Vec<Image>,
    /// Its secrets.
    pub secrets: Vec<SecretSpec>,
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

    /// The image that a service runs, if it names one.
    #[must_use]
    pub fn image_of(&self, service: &Service) -> Option<&Image> {
        let name = service.image.as_ref()?;
        self.images.iter().find(|image| image.name == *name)
    }

    /// The templates that are filled for a service: its arguments, environment and files.
    pub fn templates_of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Template> {
        let files = (self.image_of(service)).map_or(&[][..], |image| &image.injection_files);
        (service.command.iter())
            .chain(service.environment.iter().map(|(_, value)| value))
            .chain(files.iter().map(|file| &file.content))
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

/// Who may do what with a policy, section 8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// Who may read its text.
    pub read: Principals,
    /// Who may replace it.
    pub update: Principals,
    /// Who may create policies in its namespace.
    pub create_sessions: Principals,
}

/// What one may want to do with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read its text.
    Read,
    /// Replace it.
    Update,
    /// Create a policy in its namespace.
    CreateSessions,
}

impl AccessPolicy {
    /// Whether the holder of `caller`'s key may do `operation`, `creator` being the policy's creator.
    #[must_use]
    pub fn permits(
        &self,
        operation: Operation,
        caller: Option<&KeyHash>,
        creator: &KeyHash,
    ) -> bool {
        let principals = match operation {
            Operation::Read => &self.read,
            Operation::Update => &self.update,
            Operation::CreateSessions => &self.create_sessions,
        };
        match principals {
            Principals::Any => true,
            Principals::Nobody => false,
            Principals::Listed {
                creator: with_creator,
                keys,
            } => caller.is_some_and(|caller| {
                keys.contains(caller) || (*with_creator && caller == creator)
            }),
        }
    }
}

/// A set of key holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principals {
    /// `ANY`: everyone, without any key.
    Any,
    /// `NONE`.
    Nobody,
    /// Those named.
    Listed {
        /// Whether `CREATOR` is among them.
        creator: bool,
        /// The others: keys of PEM certificates and key hashes.
        keys: Vec<KeyHash>,
    },
}

/// How evidence is judged, section 9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// By whom.
    pub mode: Mode,
    /// What would otherwise deny, and is accepted.
    pub tolerate: BTreeSet<Toleration>,
    /// Advisories that are accepted.
    pub ignore_advisories: IgnoredAdvisories,
}

/// Who judges evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Casque itself, from evidence of hardware. The default.
    Hardware,
    /// Nobody: everyone is granted everything.
    DangerousNone,
    /// Microsoft Azure Attestation.
    Maa {
        /// The only instance whose tokens count.
        url: MaaUrl,
        /// The least length of its RSA keys, default 2048.
        min_rsa_bits: u32,
    },
}

/// A word of `security.attestation.tolerate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Toleration {
    /// `debug-mode`
    DebugMode,
    /// `hyperthreading` (INTEL-SA-00233)
    Hyperthreading,
    /// `insecure-igpu` (INTEL-SA-00219)
    InsecureIgpu,
    /// `software-hardening-needed`
    SoftwareHardeningNeeded,
    /// `aepic-leak` (INTEL-SA-00657)
    AepicLeak,
    /// `insecure-configuration`
    InsecureConfiguration,
    /// `outdated-tcb`
    OutdatedTcb,
    /// `maa-managed-tcb`
    MaaManagedTcb,
}

/// `security.attestation.ignore_advisories`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IgnoredAdvisories {
    /// `"*"`.
    All,
    /// Those listed.
    Listed(BTreeSet<AdvisoryId>),
}

/// A service, section 2.
#[derive(Debug)]
#[non_exhaustive]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Evidence that satisfies any of these is enough; empty under `mode: none` alone.
    pub attestation: Vec<AttestationEntry>,
    /// Program name and arguments; empty when there is no `command`.
    pub command: Vec<Template>,
    /// The whole environment.
    pub environment: Vec<(String, Template)>,
    /// The working directory.
    pub directory: Option<String>,
    /// The image, by the `name` of one of the policy's images.
    pub image: Option<String>,
    /// Where it stands.
    pub position: Position,
}

/// One way to satisfy a service: every given factor must hold, section 2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationEntry {
    /// The measurement must be one of these; empty when only the signer counts.
    pub mr_enclaves: Vec<MrEnclave>,
    /// The signer, if it counts.
    pub signer: Option<SignerRule>,
    /// Where it stands.
    pub position: Position,
}

/// A demand on the signer of an enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerRule {
    /// The signer.
    pub mr_signer: MrSigner,
    /// The product.
    pub product_id: u16,
    /// Its security version.
    pub svn: SvnRule,
}

/// A demand on a security version; both ends count as inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SvnRule {
    /// The least accepted; 0 when none is demanded.
    pub least: u16,
    /// The greatest accepted; 65535 when none is demanded.
    pub greatest: u16,
}

/// An image: the files that are placed for its services, section 7.
#[derive(Debug)]
#[non_exhaustive]
pub struct Image {
    /// Its name; free text.
    pub name: String,
    /// The files.
    pub injection_files: Vec<InjectionFile>,
}

/// A file with secrets filled in.
#[derive(Debug)]
pub struct InjectionFile {
    /// Absolute path.
    pub path: String,
    /// Its content.
    pub content: Template,
    /// Its permission bits.
    pub mode: FileMode,
}

/// Text with placeholders, section 3.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The parts in their order; texts are never adjacent.
    pub parts: Vec<Part>,
}

impl Template {
    /// The secrets that it asks for, in order, repeated where asked for again.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.parts.iter().filter_map(|part| match part {
            Part::Secret(placeholder) => Some(&placeholder.secret),
            Part::Text(_) => None,
        })
    }
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// A secret's value.
    Secret(Placeholder),
}

/// `$$SCONE::name:format|encoding$$`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// The secret; the policy has one of this name.
    pub secret: SecretName,
    /// How its value is written; the kind has this format, where the kind is known.
    pub format: Format,
    /// What is done to the text then.
    pub encoding: Encoding,
    /// Where it stands.
    pub position: Position,
}

/// A secret, section 3.
#[derive(Debug)]
#[non_exhaustive]
pub struct SecretSpec {
    /// Its name.
    pub name: SecretName,
    /// What it is; unknown until import when the policy does not say.
    pub kind: Option<SecretKind>,
    /// Where its value comes from.
    pub origin: Origin,
    /// Whether everyone may read its value (`export_public: true`).
    pub public: bool,
    /// Where it stands.
    pub position: Position,
}

/// Where a secret's value comes from.
#[derive(Debug)]
pub enum Origin {
    /// Casque makes it when the policy is put.
    Generated(Generation),
    /// The policy gives it: text for `ascii`, decoded bytes for `binary`, PEM for keys and certificates.
    Given {
        /// The value.
        value: Secret,
        /// The secret that holds a given certificate's key, if the policy names one.
        private_key: Option<SecretName>,
    },
    /// Entra ID issues it when it is asked for, section 4.1.
    AadToken(EntraCredential),
    /// Key Vault holds it, section 4.2.
    KeyVault(VaultImport),
}

/// How Casque makes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Printable characters.
    Ascii {
        /// How many, 1 to 65536.
        characters: usize,
    },
    /// Random bytes.
    Binary {
        /// How many, 1 to 65536.
        bytes: usize,
    },
    /// A private key.
    PrivateKey {
        /// Its type.
        key_type: KeyType,
        /// Whether it survives an update (when both versions say so).
        migrate: bool,
    },
    /// A certificate, issued anew with every version of the policy.
    Certificate(CertificateSpec),
}

/// A type of private keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// ECDSA on P-256. The default.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
}

/// What a certificate says, section 3.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSpec {
    /// The private-key secret whose key it certifies.
    pub private_key: SecretName,
    /// The x509-ca secret that issues it; self-signed when none.
    pub issuer: Option<SecretName>,
    /// Its common name.
    pub common_name: String,
    /// Its extended key usage.
    pub endpoint: Option<Endpoint>,
    /// Its DNS names.
    pub dns: Vec<String>,
    /// How long it is valid; as long as X.509 can say when none.
    pub valid_for: Option<Seconds>,
}

/// Which end of a connection a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `serverAuth`
    Server,
    /// `clientAuth`
    Client,
}

/// A value in a vault, section 4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultImport {
    /// The vault.
    pub vault: VaultAddress,
    /// The secret's name there.
    pub secret_name: VaultSecretName,
    /// The aad-token secret that authorises the read.
    pub token: SecretName,
}
