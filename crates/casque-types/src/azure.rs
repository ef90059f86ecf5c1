//! Words of Azure: tenants, applications, credentials, vaults and attestation instances.
//!
//! Formats: spec/azure.md sections 1.1, 1.2 and 2. Which hosts may be contacted is not decided here:
//! the operator's clouds do that (`casque-azure`).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::Secret;

/// An Entra tenant: a GUID or one of its verified domains.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TenantId(String);

/// An application (client) id: a GUID.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientId(String);

/// Why a text is no id of Azure's.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum AzureIdParseError {
    /// Neither a GUID nor a domain name.
    #[error(
        "expected a GUID such as `e7cac514-f1aa-4e0d-b207-50b1d9a89d21` or a verified domain of the tenant"
    )]
    Tenant,
    /// `common`, `organizations` or `consumers`: no tenant that can issue application tokens.
    #[error("expected one tenant, found `{found}`, which no application token can be issued for")]
    SharedTenant {
        /// The word found.
        found: String,
    },
    /// Not a GUID.
    #[error(
        "expected a GUID such as `3f2c210e-83b4-4217-9eee-4f747d8aeeb3`: the application (client) id"
    )]
    Client,
    /// Not 40 hexadecimal digits.
    #[error("expected a SHA-1 certificate thumbprint of 40 hexadecimal digits, as Entra shows it")]
    Thumbprint,
    /// Not 3 to 24 letters, digits and hyphens.
    #[error("expected a vault name of 3 to 24 letters, digits and hyphens")]
    VaultName,
    /// Not 1 to 127 letters, digits and hyphens.
    #[error("expected a Key Vault secret name of 1 to 127 letters, digits and hyphens")]
    VaultSecretName,
}

impl TenantId {
    /// The id as text, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = AzureIdParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.to_ascii_lowercase();
        if ["common", "organizations", "consumers"].contains(&id.as_str()) {
            return Err(AzureIdParseError::SharedTenant { found: id });
        }
        if is_guid(&id) || (id.contains('.') && is_host_name(&id)) {
            return Ok(Self(id));
        }
        Err(AzureIdParseError::Tenant)
    }
}

impl ClientId {
    /// The id as text, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = AzureIdParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.to_ascii_lowercase();
        if is_guid(&id) {
            Ok(Self(id))
        } else {
            Err(AzureIdParseError::Client)
        }
    }
}

/// The SHA-1 thumbprint of a certificate: it identifies a key, it secures nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CertificateThumbprint([u8; 20]);

impl CertificateThumbprint {
    /// The 20 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl FromStr for CertificateThumbprint {
    type Err = AzureIdParseError;

    /// Reads hexadecimal digits of any case; colons, spaces and the invisible left-to-right mark that
    /// the certificate dialog of Windows puts in front are skipped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 128 {
            return Err(AzureIdParseError::Thumbprint);
        }
        let digits: String = text
            .chars()
            .filter(|c| !matches!(c, ':' | ' ' | '\u{200e}'))
            .collect();
        let mut bytes = [0_u8; 20];
        hex::decode_to_slice(&digits, &mut bytes).map_err(|_| AzureIdParseError::Thumbprint)?;
        Ok(Self(bytes))
    }
}

/// Who asks Entra ID for a token, and how it proves that.
#[derive(Debug)]
pub struct EntraCredential {
    /// The tenant that the application is registered in.
    pub tenant: TenantId,
    /// The application.
    pub client: ClientId,
    /// Its proof.
    pub proof: ClientProof,
}

/// How an application proves who it is.
#[derive(Debug)]
pub enum ClientProof {
    /// A shared secret (the value, not its id).
    Secret(Secret),
    /// A signed assertion with the key of a registered certificate.
    Certificate {
        /// RSA key, PKCS#8 in PEM.
        private_key: Secret,
        /// Thumbprint of the certificate.
        thumbprint: CertificateThumbprint,
    },
}

/// A vault's own name, 3 to 24 letters, digits and hyphens, lower case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct VaultName(String);

impl VaultName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VaultName {
    type Err = AzureIdParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length_fits = (3..=24).contains(&text.len());
        if length_fits && text.chars().all(is_azure_name_character) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(AzureIdParseError::VaultName)
        }
    }
}

/// A secret's name in a vault, 1 to 127 letters, digits and hyphens.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct VaultSecretName(String);

impl VaultSecretName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VaultSecretName {
    type Err = AzureIdParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length_fits = (1..=127).contains(&text.len());
        if length_fits && text.chars().all(is_azure_name_character) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AzureIdParseError::VaultSecretName)
        }
    }
}

/// Where a policy says its vault is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum VaultAddress {
    /// The name alone; the default cloud's suffix completes it.
    Name(VaultName),
    /// `host` or `host:port`, from a host or an `https` URL, lower case.
    Host(String),
}

impl FromStr for VaultAddress {
    type Err = UrlParseError;

    /// Reads a vault name, a host, or an `https` URL without path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") {
            return parse_https_origin(text).map(Self::Host);
        }
        if let Ok(name) = text.parse() {
            return Ok(Self::Name(name));
        }
        parse_authority(text).map(Self::Host)
    }
}

impl fmt::Display for VaultAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name.as_str()),
            Self::Host(host) => f.write_str(host),
        }
    }
}

/// An instance of Microsoft Azure Attestation; its text is exactly the issuer of its tokens.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MaaUrl(String);

impl MaaUrl {
    /// `https://host[:port]`, lower case, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `host[:port]`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.strip_prefix(HTTPS).unwrap_or(&self.0)
    }
}

impl FromStr for MaaUrl {
    type Err = UrlParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority = parse_https_origin(text)?;
        Ok(Self(format!("{HTTPS}{authority}")))
    }
}

impl fmt::Display for MaaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no address of an Azure service.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum UrlParseError {
    /// Another scheme than `https`, or none.
    #[error("expected `https://`")]
    Scheme,
    /// A path, query or fragment.
    #[error("expected no path, query or fragment after the host")]
    Path,
    /// A user name or password before the host.
    #[error("expected no user name before the host")]
    UserInfo,
    /// No host name, or one that is none.
    #[error("expected a host name such as `myvault.vault.azure.net`")]
    Host,
    /// A port that is not a number from 1 to 65535.
    #[error("expected a port from 1 to 65535 after the `:`")]
    Port,
}

fn parse_https_origin(text: &str) -> Result<String, UrlParseError> {
    let rest = text.strip_prefix(HTTPS).ok_or(UrlParseError::Scheme)?;
    parse_authority(rest.strip_suffix('/').unwrap_or(rest))
}

fn parse_authority(text: &str) -> Result<String, UrlParseError> {
    if text.contains(['/', '?', '#', '\\']) {
        return Err(UrlParseError::Path);
    }
    if text.contains('@') {
        return Err(UrlParseError::UserInfo);
    }
    let text = text.to_ascii_lowercase();
    let (host, port) = text
        .split_once(':')
        .map_or((text.as_str(), None), |(h, p)| (h, Some(p)));
    if !is_host_name(host) {
        return Err(UrlParseError::Host);
    }
    let Some(port) = port else {
        return Ok(host.to_owned());
    };
    match port.parse::<u16>() {
        Ok(443) => Ok(host.to_owned()),
        Ok(1..) => Ok(format!("{host}:{port}")),
        _ => Err(UrlParseError::Port),
    }
}

fn is_guid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    lengths.iter().all(|length| {
        let part = parts.next().unwrap_or_default();
        part.len() == *length && part.bytes().all(|b| b.is_ascii_hexdigit())
    }) && parts.next().is_none()
}

fn is_host_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len()) && label.chars().all(is_azure_name_character)
        })
}

const fn is_azure_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

const HTTPS: &str = "https://";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vault_address_name_host_and_url_are_told_apart() {
        let host = VaultAddress::Host("kv.vault.azure.net".to_owned());
        assert_eq!("https://KV.vault.azure.net/".parse(), Ok(host.clone()));
        assert_eq!("kv.vault.azure.net".parse(), Ok(host));
        let name = VaultAddress::Name("my-kv".parse().unwrap());
        assert_eq!("my-kv".parse(), Ok(name));
        let local = VaultAddress::Host("localhost:8443".to_owned());
        assert_eq!("https://localhost:8443".parse(), Ok(local));
    }

    #[test]
    fn vault_address_traps_are_refused_by_name() {
        let refused = |text: &str| text.parse::<VaultAddress>().unwrap_err();
        assert_eq!(refused("http://kv.vault.azure.net"), UrlParseError::Scheme);
        assert_eq!(
            refused("https://kv.vault.azure.net/secrets"),
            UrlParseError::Path
        );
        assert_eq!(
            refused("https://kv.vault.azure.net#.evil"),
            UrlParseError::Path
        );
        assert_eq!(refused("https://a@evil.example"), UrlParseError::UserInfo);
        assert_eq!(refused("https://kv..net"), UrlParseError::Host);
        assert_eq!(refused("https://kv.net:0"), UrlParseError::Port);
        assert_eq!(refused("https://kv.net:70000"), UrlParseError::Port);
    }

    #[test]
    fn maa_url_trailing_slash_and_default_port_are_dropped() {
        let url: MaaUrl = "https://sharedeus.eus.attest.azure.net:443/"
            .parse()
            .unwrap();
        assert_eq!(url.as_str(), "https://sharedeus.eus.attest.azure.net");
    }

    #[test]
    fn thumbprint_windows_dialog_text_is_read() {
        let shown = "\u{200e}B0 33 DB:596639F3CA02D6537055E85B8EFE060756";
        let thumbprint: CertificateThumbprint = shown.parse().unwrap();
        assert_eq!(thumbprint.as_bytes()[..3], [0xb0, 0x33, 0xdb]);
        let refused = "B033".parse::<CertificateThumbprint>();
        assert_eq!(refused, Err(AzureIdParseError::Thumbprint));
    }

    #[test]
    fn tenant_shared_word_is_refused() {
        assert!("contoso.onmicrosoft.com".parse::<TenantId>().is_ok());
        let refused = "common".parse::<TenantId>().unwrap_err();
        assert_eq!(
            refused,
            AzureIdParseError::SharedTenant {
                found: "common".to_owned()
            }
        );
        assert_eq!(
            "contoso".parse::<TenantId>(),
            Err(AzureIdParseError::Tenant)
        );
    }

    #[test]
    fn client_that_is_no_guid_is_refused() {
        assert_eq!("my-app".parse::<ClientId>(), Err(AzureIdParseError::Client));
    }
}
