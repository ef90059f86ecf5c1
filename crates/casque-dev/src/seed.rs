//! The seed file: what the local Azure starts with.
//!
//! TOML, documented by `examples/dev/seed.toml`, which is also the built-in default. Unknown keys are
//! refused. These types mirror the file; nothing in it is a real credential, so its secrets are texts.

use std::collections::BTreeMap;

use casque_types::{ClientId, TenantId, VaultSecretName};
use serde::Deserialize;
use thiserror::Error;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// Microsoft Entra ID.
    pub entra: EntraSeed,
    /// The one vault.
    pub vault: VaultSeed,
}

/// Microsoft Entra ID: one tenant and its applications.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntraSeed {
    /// The tenant's GUID.
    pub tenant_id: String,
    /// Verified domains that name it as well.
    #[serde(default)]
    pub domains: Vec<String>,
    /// How long access tokens live, in seconds.
    pub token_lifetime_s: u64,
    /// Resources that tokens are issued for.
    pub resources: Vec<String>,
    /// At least one; the first is the one whose credentials `casque-dev up` prints.
    pub applications: Vec<ApplicationSeed>,
}

/// One registered application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationSeed {
    /// For people.
    pub name: String,
    /// Its application (client) id.
    pub client_id: String,
    /// Its client secrets.
    #[serde(default)]
    pub secrets: Vec<ClientSecretSeed>,
    /// Whether a certificate is made for it.
    #[serde(default)]
    pub certificate: bool,
    /// Whether it is switched off.
    #[serde(default)]
    pub disabled: bool,
    /// What it may do in the vault.
    #[serde(default)]
    pub vault_access: VaultAccess,
}

/// A client secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSecretSeed {
    /// Its value.
    pub value: String,
    /// Whether its life is over.
    #[serde(default)]
    pub expired: bool,
}

/// What an application may do in the vault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultAccess {
    /// Everything.
    #[default]
    Granted,
    /// To read alone; for the rest it has no role.
    ReadOnly,
    /// Nothing, for want of a role.
    NoRole,
    /// Nothing, for want of an access policy.
    NoPolicy,
}

/// The vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultSeed {
    /// The audience of its tokens.
    pub resource: String,
    /// Secrets that a user set.
    #[serde(default)]
    pub secrets: Vec<SecretSeed>,
    /// Certificates with their keys, made at the start.
    #[serde(default)]
    pub certificates: Vec<CertificateSeed>,
}

/// One secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSeed {
    /// Its name.
    pub name: String,
    /// Value of its current version.
    pub value: String,
    /// Values of its older versions, the oldest first.
    #[serde(default)]
    pub older_values: Vec<String>,
    /// Free text.
    pub content_type: Option<String>,
    /// Free texts.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether it can be read.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// `nbf`, in seconds relative to the start.
    pub not_before_s: Option<i64>,
    /// `exp`, in seconds relative to the start.
    pub expires_s: Option<i64>,
    /// Whether it is soft-deleted.
    #[serde(default)]
    pub deleted: bool,
    /// Refuse every operation on it, for this cause.
    pub refuse: Option<Refusal>,
}

/// Why an operation is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// No role assignment.
    Rbac,
    /// No access policy.
    Policy,
    /// The firewall of the vault.
    Firewall,
}

/// One certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateSeed {
    /// Its name, and that of its secret.
    pub name: String,
    /// How its secret is written.
    pub format: CertificateFormat,
    /// The common name of its subject.
    pub common_name: String,
    /// Its DNS names.
    #[serde(default)]
    pub dns: Vec<String>,
}

/// How the secret of a certificate is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateFormat {
    /// `application/x-pem-file`: key, certificate, issuer.
    Pem,
    /// `application/x-pkcs12`: base64 of a PFX with an empty password.
    Pkcs12,
}

impl CertificateFormat {
    /// The content type of the secret.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Pem => "application/x-pem-file",
            Self::Pkcs12 => "application/x-pkcs12",
        }
    }
}

/// Why a text is no seed.
#[derive(Debug, Error)]
pub enum SeedError {
    /// Not TOML, or not these keys.
    #[error("the seed file does not parse: {0}")]
    Toml(#[from] toml::de::Error),
    /// `tenant_id` is no tenant.
    #[error("seed file: `entra.tenant_id`: expected a GUID, found `{found}`")]
    Tenant {
        /// What stands there.
        found: String,
    },
    /// There is no application to print the credentials of.
    #[error("seed file: expected at least one `[[entra.applications]]`")]
    NoApplication,
    /// A client id is none.
    #[error("seed file: application `{application}`: expected `client_id` to be a GUID")]
    Client {
        /// Its name.
        application: String,
    },
    /// A name that no vault holds.
    #[error(
        "seed file: `{name}`: expected a name of 1 to 127 letters, digits and hyphens, used once"
    )]
    ObjectName {
        /// The name.
        name: String,
    },
}

impl Seed {
    /// Reads a seed file.
    ///
    /// # Errors
    /// [`SeedError`] names the first thing that is not as it should be.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        let seed: Self = toml::from_str(text)?;
        let tenant = &seed.entra.tenant_id;
        if tenant.contains('.') || tenant.parse::<TenantId>().is_err() {
            return Err(SeedError::Tenant {
                found: tenant.clone(),
            });
        }
        seed.check_applications()?;
        seed.check_names()?;
        Ok(seed)
    }

    /// The built-in seed.
    ///
    /// # Errors
    /// Never; a test parses it.
    pub fn sample() -> Result<Self, SeedError> {
        Self::parse(SAMPLE)
    }

    fn check_applications(&self) -> Result<(), SeedError> {
        if self.entra.applications.is_empty() {
            return Err(SeedError::NoApplication);
        }
        let wrong = |a: &&ApplicationSeed| a.client_id.parse::<ClientId>().is_err();
        match self.entra.applications.iter().find(wrong) {
            Some(application) => Err(SeedError::Client {
                application: application.name.clone(),
            }),
            None => Ok(()),
        }
    }

    fn check_names(&self) -> Result<(), SeedError> {
        let secrets = self.vault.secrets.iter().map(|secret| &secret.name);
        let certificates = self.vault.certificates.iter().map(|c| &c.name);
        let mut seen = std::collections::BTreeSet::new();
        for name in secrets.chain(certificates) {
            let known = name.parse::<VaultSecretName>().is_ok();
            if !known || !seen.insert(name.to_ascii_lowercase()) {
                return Err(SeedError::ObjectName { name: name.clone() });
            }
        }
        Ok(())
    }
}

const fn yes() -> bool {
    true
}

/// The documented sample.
pub const SAMPLE: &str = include_str!("../../../examples/dev/seed.toml");

#[cfg(test)]
mod tests {
    use assert_matches::assert_matches;

    use super::*;

    #[test]
    fn seed_sample_parses_and_holds_each_kind_of_object() {
        let seed = Seed::sample().unwrap();
        let formats: Vec<_> = seed.vault.certificates.iter().map(|c| c.format).collect();
        assert_eq!(formats, [CertificateFormat::Pem, CertificateFormat::Pkcs12]);
        assert!(seed.vault.secrets.iter().any(|s| s.deleted));
        assert!(seed.vault.secrets.iter().any(|s| !s.enabled));
        assert!(seed.vault.secrets.iter().any(|s| s.refuse.is_some()));
        assert!(seed.entra.applications[0].certificate);
    }

    #[test]
    fn seed_unknown_key_is_refused() {
        let text = SAMPLE.replacen("[vault]", "[vault]\nspeed = 1", 1);
        assert_matches!(Seed::parse(&text), Err(SeedError::Toml(_)));
    }

    #[test]
    fn seed_name_used_twice_is_refused() {
        let text = SAMPLE.replace("\"web-pfx\"", "\"DB-password\"");
        assert_matches!(
            Seed::parse(&text),
            Err(SeedError::ObjectName { name }) if name == "DB-password"
        );
    }

    #[test]
    fn seed_tenant_that_is_a_domain_is_refused() {
        let text = SAMPLE.replace("e1c3b6de-6f5f-4b0e-9b1c-3f2a7d54c0a1", "casque.example");
        assert_matches!(Seed::parse(&text), Err(SeedError::Tenant { .. }));
    }
}
