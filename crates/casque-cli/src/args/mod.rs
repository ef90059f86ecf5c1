//! The command line, as clap reads it; that of `casque session` stands in `session.rs`.

mod endorsements;
mod explain;
mod session;

use std::path::PathBuf;

use casque_types::KeyHash;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

pub(crate) use endorsements::{
    BundleArgs, Documents, EndorsementsCommand, FetchArgs, Form, TargetArgs,
};
pub(crate) use explain::ExplainArgs;
use session::parse_variable;
pub(crate) use session::{
    AddSignatureArgs, CalculateHashArgs, ChangeArgs, CheckArgs, DiffArgs, EncryptArgs, ListArgs,
    LocalArgs, NamedArgs, PutArgs, ReadArgs, ServerArgs, SessionCommand, SignArgs, SignCommand,
    SignOptions, TextArgs,
};

/// Put policies on a Casque server, read and check them.
#[derive(Debug, Parser)]
#[command(
    name = "casque",
    version,
    arg_required_else_help = true,
    after_help = "An argument `@FILE` stands for the lines of that file, one argument each."
)]
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
    /// Write what would go to standard output into this file instead, which only its owner may read.
    #[arg(short = 'o', long = "out", value_name = "FILE", global = true)]
    pub(crate) out: Option<PathBuf>,
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
    Session(Box<SessionCommand>),
    /// The servers (CAS) that this command line knows and trusts.
    #[command(subcommand)]
    Cas(CasCommand),
    /// Say how evidence is judged, and why: offline from files, or live as a server judged it last.
    Explain(Box<ExplainArgs>),
    /// Certificates in files.
    #[command(subcommand)]
    Cert(CertCommand),
    /// What Intel and AMD state of their platforms, in files for machines without a network.
    #[command(subcommand)]
    Endorsements(EndorsementsCommand),
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
    /// Print by what a server is known: the key hash that it is pinned to.
    ShowIdentification(IdentificationArgs),
    /// Print the certificate that a pinned server shows in TLS, in PEM.
    ShowCertificate(CasArgs),
    /// Print name and version of the program that a pinned server runs.
    Version(CasArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CasArgs {
    /// Its name or address [default: the default CAS].
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) retries: RetryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// Try so many times more when the server cannot be reached or is overloaded [default:
    /// $SCONE_CLI_RETRIES, or 0].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=20))]
    pub(crate) retries: Option<u8>,
}

#[derive(Debug, Args)]
pub(crate) struct IdentificationArgs {
    #[command(flatten)]
    pub(crate) cas: CasArgs,
    /// The key hash; what is printed anyway.
    #[arg(short = 'c', long)]
    pub(crate) key_hash: bool,
    /// The key that policies are encrypted to instead; asked from the server.
    #[arg(long, conflicts_with = "key_hash")]
    pub(crate) session_encryption_key: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Print the key hash of a certificate or public key, for `access_policy`.
    ShowKeyHash {
        /// A PEM file; `-` for standard input.
        file: PathBuf,
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
    /// Print the public key that `session sign` signs with, in PEM, for `signer` in `access_policy`.
    ShowSessionSigningKey,
}

/// The whole command line, for completions, manual pages and tests.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}
