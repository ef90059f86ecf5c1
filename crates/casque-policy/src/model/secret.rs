//! `secrets`: what they are, where their values come from, who else may have them, sections 3 and 4.

use casque_types::{
    EntraCredential, KeyHash, PolicyHash, PolicyName, Seconds, Secret, SecretKind, SecretName,
    VaultAddress, VaultSecretName,
};

use super::{Placeholder, Template};
use crate::Position;

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
    /// Which other policies may import it, section 3.3.
    pub exports: Vec<ExportTarget>,
    /// The private-key secret that belongs to a certificate, if the policy names one.
    pub private_key: Option<SecretName>,
    /// Where it stands.
    pub position: Position,
}

/// Who may import a secret, section 3.3.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExportTarget {
    /// One policy.
    Session {
        /// Its name.
        session: PolicyName,
        /// The version that it must have, if pinned.
        hash: Option<PolicyHash>,
        /// The other CAS that has it; this one when none.
        cas: Option<RemoteCas>,
    },
    /// A namespace: the policy of that name, and all below it.
    Namespace {
        /// Its name.
        namespace: PolicyName,
        /// The other CAS that has it; this one when none.
        cas: Option<RemoteCas>,
    },
}

/// Another CAS, by its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemoteCas {
    /// `host` or `host:port`; needed where it is asked, not where it asks.
    pub address: Option<String>,
    /// Which key it must have.
    pub key: CasKey,
}

/// The key by which a CAS is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CasKey {
    /// `cas_key`: its identity key.
    Identity(KeyHash),
    /// `cas_software_key`: a key that changes with its software.
    Software(KeyHash),
}

/// Where a secret's value comes from.
#[derive(Debug)]
pub enum Origin {
    /// Casque makes it when the policy is put.
    Generated(Generation),
    /// The policy gives it: text for `ascii`, decoded bytes for `binary`, PEM for keys and certificates,
    /// YAML in flow form for `config-fragment`.
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
    /// Another policy exports it, section 3.3.
    Import(Import),
    /// The public half of a private-key secret.
    PublicKey {
        /// That secret.
        private_key: SecretName,
    },
    /// Signed anew for each release.
    Jwt(JwtSpec),
}

impl Origin {
    /// Whether the store keeps a value for it.
    #[must_use]
    pub const fn is_stored(&self) -> bool {
        matches!(self, Self::Generated(_) | Self::Given { .. })
    }
}

/// An import from another policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The policy that exports it.
    pub session: PolicyName,
    /// The version that the exporter must have, if pinned.
    pub hash: Option<PolicyHash>,
    /// The secret's name there.
    pub secret: SecretName,
    /// The other CAS that has the policy; this one when none.
    pub cas: Option<RemoteCas>,
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
    /// An OpenPGP key.
    PgpKey,
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
    /// Its alternative names: DNS names, and IP addresses as such.
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

/// What a token of kind `jwt` says; `alg` is always ES384.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtSpec {
    /// The private-key secret, of type P-384, that signs it.
    pub signer: SecretName,
    /// How long it is valid.
    pub valid_for: Seconds,
    /// Its claims, in their order.
    pub payload: Vec<(String, ClaimValue)>,
}

/// What a claim of a token holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimValue {
    /// Text, or exactly one placeholder.
    Text(Template),
    /// `$$SCONE::self::software_identity$$`: the measurement of the service that was attested.
    SoftwareIdentity,
}

/// A value in a vault, section 4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultImport {
    /// The vault.
    pub vault: VaultAddress,
    /// The secret's name there.
    pub secret_name: VaultSecretName,
    /// Its version; the current one when none.
    pub version: Option<VaultSecretVersion>,
    /// The aad-token secret, own or imported, that authorises the read.
    pub token: SecretName,
    /// The binary secret of 32 bytes that opens the envelope which the vault holds.
    pub decryption_key: Option<Placeholder>,
    /// How the vault's text becomes bytes, where the policy says it.
    pub encoding: Option<ValueEncoding>,
}

/// The version of a secret in a vault: 32 letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSecretVersion(pub(crate) String);

impl VaultSecretVersion {
    /// The version as Key Vault writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a vault's text becomes the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueEncoding {
    /// `utf8`: the text itself.
    Utf8,
    /// `base64`
    Base64,
    /// `hex`
    Hex,
}
