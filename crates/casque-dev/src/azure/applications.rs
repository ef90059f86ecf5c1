//! Keys and certificates of the seed's applications, kept in the state folder so that policies that hold
//! them stay good over a restart.

use std::path::PathBuf;

use rcgen::KeyPair;

use super::StartError;
use super::certificate::{rsa_key, self_signed, sha1};
use super::entra::Application;
use crate::seed::{ApplicationSeed, EntraSeed};
use crate::state::StateDirectory;

/// Where the first application's key lies, and the certificates of all of them.
pub(super) struct ApplicationFiles {
    pub(super) key_file: PathBuf,
    pub(super) certificate_file: PathBuf,
    pub(super) thumbprint: String,
    certificates: Vec<Option<Vec<u8>>>,
}

impl ApplicationFiles {
    /// Makes what is missing.
    pub(super) fn prepare(seed: &EntraSeed, state: &StateDirectory) -> Result<Self, StartError> {
        let certificates = seed.applications.iter().map(|application| {
            let wanted = application.certificate.then_some(application);
            wanted.map(|a| certificate_of(a, state)).transpose()
        });
        let certificates: Vec<Option<Vec<u8>>> = certificates.collect::<Result<_, _>>()?;
        let first = certificates.first().and_then(Option::as_ref);
        let name = seed.applications.first().map_or("", |a| a.name.as_str());
        Ok(Self {
            key_file: state.path(&key_name(name)),
            certificate_file: state.path(&certificate_name(name)),
            thumbprint: first.map_or(String::new(), |der| hex::encode_upper(sha1(der))),
            certificates,
        })
    }

    /// The applications as Entra ID knows them.
    pub(super) fn into_applications(self, seed: &EntraSeed) -> Vec<Application> {
        let seeds = seed.applications.iter().cloned();
        seeds
            .zip(self.certificates)
            .map(|(seed, certificate)| Application { seed, certificate })
            .collect()
    }
}

/// The certificate of an application, DER; its files are written anew from the stored key.
fn certificate_of(
    application: &ApplicationSeed,
    state: &StateDirectory,
) -> Result<Vec<u8>, StartError> {
    let name = &application.name;
    let (key_name, certificate_name) = (key_name(name), certificate_name(name));
    if let Some(der) = stored(state, &certificate_name)? {
        return Ok(der);
    }
    let key = rsa_key()?;
    let certificate = self_signed(name, &key)?;
    state.write(&key_name, key.serialize_pem().as_bytes())?;
    let both = format!("{}{}", key.serialize_pem(), certificate.pem());
    state.write(&certificate_name, both.as_bytes())?;
    Ok(certificate.der().to_vec())
}

/// The certificate in a file that holds a key and a certificate.
fn stored(state: &StateDirectory, name: &str) -> Result<Option<Vec<u8>>, StartError> {
    use der::{DecodePem as _, Encode as _};
    let Some(bytes) = state.read(name)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let pem = text.find("-----BEGIN CERTIFICATE-----");
    let pem = pem.and_then(|start| text.get(start..));
    let der = pem
        .and_then(|pem| x509_cert::Certificate::from_pem(pem).ok())
        .and_then(|certificate| certificate.to_der().ok());
    Ok(der)
}

/// The stored TLS authority, or a new one.
pub(super) fn load_authority(
    state: &StateDirectory,
) -> Result<super::certificate::Authority, StartError> {
    let stored = state.read(AUTHORITY_KEY)?;
    let key = stored.and_then(|bytes| {
        let pem = String::from_utf8(bytes).ok()?;
        KeyPair::from_pem(&pem).ok()
    });
    let key = match key {
        Some(key) => key,
        None => KeyPair::generate()?,
    };
    let authority = super::certificate::Authority::from_key("casque-dev local Azure CA", key)?;
    let pem = authority.key().serialize_pem();
    state.write(AUTHORITY_KEY, pem.as_bytes())?;
    state.write(CA_FILE, authority.certificate_pem.as_bytes())?;
    Ok(authority)
}

fn key_name(application: &str) -> String {
    format!("{}.key.pem", file_name(application))
}

fn certificate_name(application: &str) -> String {
    format!("{}.pem", file_name(application))
}

/// A name that can stand in a path.
fn file_name(application: &str) -> String {
    let kept = application
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    format!("app-{}", kept.collect::<String>())
}

const AUTHORITY_KEY: &str = "ca.key.pem";
/// The authority's certificate.
pub(super) const CA_FILE: &str = "ca.pem";
