//! `casque cas`: the servers that the author trusts.

use std::path::Path;

use casque_client::{Client, ServerTrust, ServerVersion, Timeouts};
use serde::Serialize;

use crate::args::{AttestArgs, CasArgs, CasCommand, IdentificationArgs};
use crate::config::{Config, ConfigError, PinnedCas};
use crate::console::{Console, printable};
use crate::error::CliError;
use crate::exit;
use crate::invocation::Invocation;
use crate::pem;
use crate::servers::{self, Server};

pub(crate) fn run(
    command: &CasCommand,
    invocation: &Invocation,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<u8, CliError> {
    let path = config.ok_or(ConfigError::NoPath)?;
    let cas = Cas {
        invocation,
        path,
        console,
    };
    match command {
        CasCommand::Attest(args) => cas.attest(args),
        CasCommand::List => cas.list(),
        CasCommand::SetDefault { name } => cas.set_default(name),
        CasCommand::ShowIdentification(args) => cas.show_identification(args),
        CasCommand::ShowCertificate(args) => cas.show_certificate(args),
        CasCommand::Version(args) => cas.version(args),
    }
}

struct Cas<'a, 'c> {
    invocation: &'a Invocation,
    path: &'a Path,
    console: &'a mut Console<'c>,
}

/// A pinned server, with `--output json`.
#[derive(Serialize)]
struct Listed {
    name: String,
    url: String,
    key_hash: String,
    default: bool,
    /// Only what was just asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Only what was just asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_encryption_key: Option<String>,
}

#[derive(Serialize)]
struct List {
    default: Option<String>,
    cas: Vec<Listed>,
}

impl Listed {
    fn new(config: &Config, name: &str, cas: &PinnedCas) -> Self {
        Self {
            name: name.to_owned(),
            url: format!("{}/", cas.address.url()),
            key_hash: cas.key_hash.to_string(),
            default: config.default_cas.as_deref() == Some(name),
            version: None,
            session_encryption_key: None,
        }
    }
}

impl Cas<'_, '_> {
    fn attest(self, args: &AttestArgs) -> Result<u8, CliError> {
        let server = ask_for_identity(args)?;
        let pinned = PinnedCas {
            address: args.address.clone(),
            key_hash: server.key_hash,
        };
        let name = args.name.as_deref().unwrap_or_else(|| args.address.host());
        let mut listed =
            Config::change(self.path, |config| pin(config, name, &pinned, args.replace))?;
        listed.version = Some(server.version);
        let text = format!(
            "CAS {name} at {} is pinned to {}\n",
            listed.url, listed.key_hash
        );
        if args.dangerous_trust_on_first_use {
            self.console.note(
                "warning: nobody vouches for this key hash: compare it with what its operator says\n",
            );
        }
        self.console.result(&text, &listed)?;
        Ok(exit::OK)
    }

    fn list(self) -> Result<u8, CliError> {
        let config = Config::load(self.path)?;
        let listed: Vec<Listed> = (config.cas.iter())
            .map(|(name, cas)| Listed::new(&config, name, cas))
            .collect();
        let mark = |cas: &Listed| if cas.default { "*" } else { " " };
        let line = |cas: &Listed| {
            let mark = mark(cas);
            format!("{mark} {} {} {}\n", cas.name, cas.url, cas.key_hash)
        };
        let text: String = listed.iter().map(line).collect();
        let document = List {
            default: config.default_cas,
            cas: listed,
        };
        self.console.result(&text, &document)?;
        Ok(exit::OK)
    }

    fn set_default(self, name: &str) -> Result<u8, CliError> {
        let listed = Config::change(self.path, |config| {
            let (name, cas) = servers::pinned(config, Some(name))?;
            let (name, cas) = (name.to_owned(), cas.clone());
            config.default_cas = Some(name.clone());
            Ok::<_, CliError>(Listed::new(config, &name, &cas))
        })?;
        self.console.result("", &listed)?;
        Ok(exit::OK)
    }

    fn show_identification(self, args: &IdentificationArgs) -> Result<u8, CliError> {
        let config = Config::load(self.path)?;
        let (name, cas) = servers::pinned(&config, args.cas.name.as_deref())?;
        let mut listed = Listed::new(&config, name, cas);
        let mut text = format!("{}\n", listed.key_hash);
        if args.session_encryption_key {
            let key = servers::encryption_key(&self.server(&args.cas)?)?;
            text = format!("{key}\n");
            listed.session_encryption_key = Some(key.to_string());
        }
        self.console.result(&text, &listed)?;
        Ok(exit::OK)
    }

    fn show_certificate(self, args: &CasArgs) -> Result<u8, CliError> {
        let server = self.server(args)?;
        server.ask(Client::version)?;
        let certificate = server.client().tls_certificate().unwrap_or_default();
        let certificate = pem::encode("CERTIFICATE", certificate);
        let document = serde_json::json!({"certificate": certificate});
        self.console.result(&certificate, &document)?;
        Ok(exit::OK)
    }

    fn version(self, args: &CasArgs) -> Result<u8, CliError> {
        let version = self.server(args)?.ask(Client::version)?;
        let (name, version) = (printable(&version.name), printable(&version.version));
        let document = serde_json::json!({"name": name, "version": version});
        self.console
            .result(&format!("{name} {version}\n"), &document)?;
        Ok(exit::OK)
    }

    /// A stranger to it: none of these questions needs an identity.
    fn server(&self, args: &CasArgs) -> Result<Server, CliError> {
        let retries = servers::retries(&args.retries, self.invocation);
        Server::find(Some(self.path), args.name.as_deref(), None, retries)
    }
}

/// Asks the server who it is; the TLS connection and its answer must agree, also with the author's hash.
fn ask_for_identity(args: &AttestArgs) -> Result<ServerVersion, CliError> {
    let trust = match (&args.key_hash, args.dangerous_trust_on_first_use) {
        (Some(key_hash), _) => ServerTrust::Pinned(*key_hash),
        (None, true) => ServerTrust::DangerousUnpinned,
        (None, false) => {
            let address = args.address.clone();
            return Err(CliError::NoKeyHash { address });
        }
    };
    // Without our identity: a stranger need not learn it.
    let client = Client::new(args.address.clone(), &trust, None, Timeouts::default())?;
    Ok(client.version()?)
}

fn pin(
    config: &mut Config,
    name: &str,
    pinned: &PinnedCas,
    replace: bool,
) -> Result<Listed, CliError> {
    if let Some(old) = config.cas.get(name)
        && old != pinned
        && !replace
    {
        return Err(CliError::OtherPin {
            name: name.to_owned(),
            pinned: Box::new(old.key_hash),
        });
    }
    config.cas.insert(name.to_owned(), pinned.clone());
    config.default_cas.get_or_insert_with(|| name.to_owned());
    Ok(Listed::new(config, name, pinned))
}
