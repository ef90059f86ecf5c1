//! The command line, as clap reads it.

use std::path::{Path, PathBuf};

use casque_types::{KeyHash, PolicyHash, PolicyName};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

/// Put policies on a Casque server, read and check them.
#[derive(Debug, Parser)]
#[command(name = "casque", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The same as --config, before the command only.
    #[arg(short = 'c', value_name = "FILE")]
    pub(crate) config_in_front: Option<PathBuf>,
    /// Configuration file [default: $CASQUE_CONFIG, $SCONE_CLI_CONFIG, ~/.casque/config.json].
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// How results are written to standard output.
    #[arg(long, value_enum, global = true, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Text for people and scripts.
    Text,
    /// One JSON document.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, update, read and check policies (SCONE: sessions).
    #[command(subcommand)]
    Session(SessionCommand),
    /// The servers (CAS) that this command line knows and trusts.
    #[command(subcommand)]
    Cas(CasCommand),
    /// This command line's own identity: made at first use, kept in the configuration file.
    #[command(subcommand, name = "self")]
    Own(SelfCommand),
    /// Write a completion script for a shell to standard output.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder.
    Man {
        /// An existing folder.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Put a policy that the server does not have yet; prints its hash.
    Create(PutArgs),
    /// Put the next version of a policy; fills in `predecessor` from the server, prints the new hash.
    Update(PutArgs),
    /// Print the text of a policy.
    Read(ReadArgs),
    /// Check a policy without a server; prints its text with the variables filled in.
    Check(LocalArgs),
    /// Check a policy without a server; prints its hash.
    Verify(LocalArgs),
}

/// A policy's text and its variables.
#[derive(Debug, Args)]
pub(crate) struct TextArgs {
    /// The policy; `-` for standard input.
    pub(crate) file: PathBuf,
    /// Fill in a variable; may be repeated.
    #[arg(short = 'e', long = "env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub(crate) variables: Vec<(String, String)>,
    /// Fill in variables from the environment, where no -e does.
    #[arg(long)]
    pub(crate) use_env: bool,
    /// Put another name in the place of the policy's `name`.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) name: Option<PolicyName>,
    /// Fail if there are warnings; nothing is sent then.
    #[arg(long)]
    pub(crate) fail_on_warning: bool,
}

#[derive(Debug, Args)]
pub(crate) struct IdentityArgs {
    /// Use the key and certificate in this PEM file instead of the configuration's.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
}

impl IdentityArgs {
    pub(crate) fn path(&self) -> Option<&Path> {
        self.identity.as_deref()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server, by name or address [default: the default CAS].
    #[arg(short = 'c', long, value_name = "NAME|ADDRESS")]
    pub(crate) cas: Option<String>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LocalArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// The policy's name.
    pub(crate) name: PolicyName,
    /// The version of this hash instead of the current one.
    #[arg(long, value_name = "HASH")]
    pub(crate) hash: Option<PolicyHash>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CasCommand {
    /// Pin the identity of a server, so that the other commands talk to it.
    Attest(AttestArgs),
    /// List the pinned servers; `*` marks the default.
    List,
    /// Make a pinned server the default.
    SetDefault {
        /// Its name.
        name: String,
    },
    /// Print the key hash that a server is pinned to.
    ShowIdentification {
        /// Its name [default: the default CAS].
        name: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AttestArgs {
    /// Where the server is: `host`, `host:port` or `https://host:port/`; port 8081 if none is given.
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: casque_client::ServerAddress,
    /// The key hash that its operator told you; the server must have it.
    #[arg(short = 'c', long, value_name = "HASH")]
    pub(crate) key_hash: Option<KeyHash>,
    /// The name to keep it under [default: the host].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Pin whatever server answers now. Attesting the server by its own evidence comes with a later release.
    #[arg(long, conflicts_with = "key_hash")]
    pub(crate) dangerous_trust_on_first_use: bool,
    /// Replace the key hash that the name is pinned to.
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SelfCommand {
    /// Print the identity: its key hash and its certificate.
    Show,
    /// Print the key hash, for `access_policy`.
    ShowKeyHash,
    /// Print the certificate in PEM.
    ShowCertificate,
}

/// The whole command line, for completions, manual pages and tests.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("expected NAME=VALUE, found no `=`".to_owned());
    };
    let mut characters = name.chars();
    let starts_well = characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(
            "expected a name of letters, digits and `_`, not starting with a digit, before the `=`"
                .to_owned(),
        );
    }
    Ok((name.to_owned(), value.to_owned()))
}
