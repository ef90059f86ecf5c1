//! The vault's content at the start: the seed's secrets, and certificates made for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_types::Timestamp;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};

use super::object::{CertificateObject, SecretObject};
use super::store::{NewVersion, Store};
use crate::azure::StartError;
use crate::azure::certificate::{Authority, Issued, rsa_key};
use crate::seed::{CertificateFormat, CertificateSeed, SecretSeed, VaultSeed};

impl Store {
    /// The content that the seed describes.
    pub(super) fn seeded(seed: &VaultSeed, now: Timestamp) -> Result<Self, StartError> {
        let mut store = Self::default();
        for secret in &seed.secrets {
            store.insert(text_secret(secret, now));
        }
        if !seed.certificates.is_empty() {
            let issuer = Authority::generate("casque-dev Vault Issuing CA")?;
            for certificate in &seed.certificates {
                store.insert(certificate_secret(certificate, &issuer, now)?);
            }
        }
        Ok(store)
    }
}

fn text_secret(seed: &SecretSeed, now: Timestamp) -> SecretObject {
    let at = |offset: i64| Timestamp::from_unix_s(now.as_unix_s().saturating_add_signed(offset));
    let values = seed.older_values.iter().chain([&seed.value]);
    let version = |value: &String| NewVersion {
        value: value.clone(),
        content_type: seed.content_type.clone(),
        tags: seed.tags.clone(),
        enabled: seed.enabled,
        not_before: seed.not_before_s.map(at),
        expires: seed.expires_s.map(at),
    };
    SecretObject {
        name: seed.name.clone(),
        versions: values.map(|value| version(value).made(now)).collect(),
        deleted: seed.deleted.then_some(now),
        refuse: seed.refuse,
        certificate: None,
    }
}

fn certificate_secret(
    seed: &CertificateSeed,
    issuer: &Authority,
    now: Timestamp,
) -> Result<SecretObject, StartError> {
    let issued = issuer.issue(&seed.common_name, &seed.dns, &rsa_key()?)?;
    let value = match seed.format {
        CertificateFormat::Pem => pem_value(&issued, issuer),
        CertificateFormat::Pkcs12 => pfx_value(&issued, issuer)?,
    };
    let version = NewVersion {
        value,
        content_type: Some(seed.format.content_type().to_owned()),
        tags: std::collections::BTreeMap::new(),
        enabled: true,
        not_before: Some(now),
        expires: Some(now.plus(casque_types::Seconds(365 * 86_400))),
    };
    Ok(SecretObject {
        name: seed.name.clone(),
        versions: vec![version.made(now)],
        deleted: None,
        refuse: None,
        certificate: Some(CertificateObject {
            der: issued.certificate_der,
            common_name: seed.common_name.clone(),
            dns: seed.dns.clone(),
            format: seed.format,
        }),
    })
}

/// Key, leaf, issuer.
fn pem_value(issued: &Issued, issuer: &Authority) -> String {
    let blocks = [
        &issued.key_pem,
        &issued.certificate_pem,
        &issuer.certificate_pem,
    ];
    let blocks = blocks.map(|block| format!("{}\n", block.replace('\r', "").trim_end()));
    blocks.concat()
}

/// Base64 of a PFX with an empty password, as a vault hands one out.
fn pfx_value(issued: &Issued, issuer: &Authority) -> Result<String, StartError> {
    let pkcs12 = |_| StartError::Pkcs12;
    let key = PrivateKey::from_der(&issued.key_pkcs8).map_err(pkcs12)?;
    let leaf = Certificate::from_der(&issued.certificate_der).map_err(pkcs12)?;
    let root = Certificate::from_der(&issuer.certificate_der).map_err(pkcs12)?;
    let mut keystore = KeyStore::new();
    let chain = PrivateKeyChain::new(vec![1, 0, 0, 0], key, [leaf, root]);
    keystore.add_entry("", KeyStoreEntry::PrivateKeyChain(chain));
    let pfx = keystore
        .writer("")
        .encryption_iterations(PFX_ITERATIONS)
        .mac_iterations(PFX_ITERATIONS)
        .write()
        .map_err(pkcs12)?;
    Ok(STANDARD.encode(pfx))
}

/// Few: the password is empty, and builds for development are slow.
const PFX_ITERATIONS: u32 = 2000;
