//! From what the author typed to a client of a pinned server.

use std::path::Path;

use casque_client::{Client, ServerAddress, ServerTrust, Timeouts};

use crate::config::{Config, PinnedCas};
use crate::error::CliError;
use crate::identity::Identity;

/// The pinned server of this name or address, or the default one.
pub(crate) fn pinned<'a>(
    config: &'a Config,
    asked: Option<&str>,
) -> Result<(&'a str, &'a PinnedCas), CliError> {
    let name = match asked {
        Some(asked) => asked,
        None => config.default_cas.as_deref().ok_or(CliError::NoCas)?,
    };
    if let Some((name, cas)) = config.cas.get_key_value(name) {
        return Ok((name, cas));
    }
    let unknown = || CliError::UnknownCas {
        name: name.to_owned(),
    };
    let address: ServerAddress = name.parse().map_err(|_| unknown())?;
    let mut same = config.cas.iter().filter(|(_, cas)| cas.address == address);
    match same.next() {
        Some((name, cas)) => Ok((name, cas)),
        None => Err(CliError::NotPinned { address }),
    }
}

/// A client of a pinned server, with the author's identity.
pub(crate) fn client(
    config: Option<&Path>,
    asked: Option<&str>,
    identity: &Identity,
) -> Result<Client, CliError> {
    let config = match config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let (_, cas) = pinned(&config, asked)?;
    let trust = ServerTrust::Pinned(cas.key_hash);
    let client_identity = identity.to_client()?;
    let address = cas.address.clone();
    Ok(Client::new(
        address,
        &trust,
        Some(client_identity),
        Timeouts::default(),
    )?)
}
