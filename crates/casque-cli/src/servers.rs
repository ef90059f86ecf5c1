//! From what the author typed to a client of a pinned server, which tries again when told to.

use std::path::Path;
use std::time::Duration;

use casque_client::{Client, ClientError, ServerAddress, ServerTrust, Timeouts};
use casque_secrets::SessionEncryptionPublicKey;

use crate::args::RetryArgs;
use crate::config::{Config, PinnedCas};
use crate::error::CliError;
use crate::identity::Identity;
use crate::invocation::Invocation;

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

/// A pinned server.
pub(crate) struct Server {
    client: Client,
    retries: u8,
}

impl Server {
    /// The pinned server of this name or address; `identity` is shown to it, if there is one.
    pub(crate) fn find(
        config: Option<&Path>,
        asked: Option<&str>,
        identity: Option<&Identity>,
        retries: u8,
    ) -> Result<Self, CliError> {
        let config = match config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        let (_, cas) = pinned(&config, asked)?;
        let trust = ServerTrust::Pinned(cas.key_hash);
        let identity = identity.map(Identity::to_client).transpose()?;
        let client = Client::new(cas.address.clone(), &trust, identity, Timeouts::default())?;
        Ok(Self { client, retries })
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Asks what may be asked twice.
    pub(crate) fn ask<T>(
        &self,
        request: impl Fn(&Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        self.tried(request, ClientError::is_retryable)
    }

    /// Asks for a change, again only where it was surely not made: made twice it is a conflict.
    pub(crate) fn change<T>(
        &self,
        request: impl Fn(&Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        self.tried(request, was_not_heard)
    }

    fn tried<T>(
        &self,
        request: impl Fn(&Client) -> Result<T, ClientError>,
        is_retryable: fn(&ClientError) -> bool,
    ) -> Result<T, ClientError> {
        for retry in 0..self.retries {
            match request(&self.client) {
                Err(error) if is_retryable(&error) => pause(retry),
                other => return other,
            }
        }
        request(&self.client)
    }
}

/// Whether the server refused to begin, or nobody listened.
fn was_not_heard(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { status, .. } => matches!(*status, 429 | 503),
        ClientError::Unreachable { source, .. } => matches!(
            source.kind(),
            std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound
        ),
        _ => false,
    }
}

/// 0.2 s, then twice as long each time, 6.4 s at most.
#[expect(
    clippy::disallowed_methods,
    reason = "the program has nothing else to do until the server is back"
)]
fn pause(retry: u8) {
    let millis = 200_u64.checked_shl(u32::from(retry.min(5)));
    std::thread::sleep(Duration::from_millis(millis.unwrap_or(200)));
}

/// The key that policies are encrypted to: the server's own, told over a connection that its pinned key vouches for.
pub(crate) fn encryption_key(server: &Server) -> Result<SessionEncryptionPublicKey, CliError> {
    let version = server.ask(Client::version)?;
    version
        .session_encryption_key
        .ok_or_else(|| CliError::NoEncryptionKey {
            address: server.client().address().clone(),
        })
}

/// How often to try again: as given, or as the environment says.
pub(crate) fn retries(args: &RetryArgs, invocation: &Invocation) -> u8 {
    let of_environment = || {
        let text = invocation.variable("SCONE_CLI_RETRIES")?.to_str()?;
        let number: u8 = text.parse().ok()?;
        Some(number.min(MAX_RETRIES))
    };
    args.retries.or_else(of_environment).unwrap_or_default()
}

const MAX_RETRIES: u8 = 20;
