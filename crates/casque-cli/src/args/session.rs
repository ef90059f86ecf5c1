//! The command line of `casque session`.

use std::path::{Path, PathBuf};

use casque_secrets::SessionEncryptionPublicKey;
use casque_types::{PolicyHash, PolicyName};
use clap::{Args, Subcommand, ValueEnum};

use super::RetryArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Put a policy that the server does not have yet; prints its hash.
    Create(PutArgs),
    /// Put the next version of a policy; fills in `predecessor` from the server, prints the new hash.
    Update(PutArgs),
    /// Print the text of a policy.
    Read(ReadArgs),
    /// Print the hash of a policy's current version; needs no read permission where it has a salt.
    Hash(NamedArgs),
    /// List the policies in a namespace.
    List(ListArgs),
    /// List the versions of a policy, the newest first.
    History(NamedArgs),
    /// Show what differs between two versions of a policy; secrets are never shown.
    Diff(DiffArgs),
    /// Check a policy without a server; prints its text with the variables filled in.
    Check(CheckArgs),
    /// Check a policy without a server; prints its hash.
    Verify(LocalArgs),
    /// Print the hash of a policy for a given creator, without a server.
    CalculateHash(CalculateHashArgs),
    /// Sign a policy; prints a signed session in JSON, which `create` and `update` take.
    Sign(SignArgs),
    /// Encrypt a policy, signed or not, to a server; prints an encrypted session in JSON.
    Encrypt(EncryptArgs),
    /// Print the JSON Schema of the policy language, for editors.
    Schema,
}

/// A policy's text and its variables.
#[derive(Debug, Args)]
pub(crate) struct TextArgs {
    /// The policy; `-` for standard input.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// What is changed in a text before it is used.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
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
    #[command(flatten)]
    pub(crate) retries: RetryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The policy, a signed or an encrypted session; `-` for standard input.
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Encrypt it to the server, so that only the server itself can read it, whatever TLS ends at.
    #[arg(long)]
    pub(crate) encrypted: bool,
    /// Put it even if its `access_policy` does not let you update it again.
    #[arg(long)]
    pub(crate) dangerous_lock_out: bool,
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
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) local: LocalArgs,
    /// Warn of what leaves SCONE's language.
    #[arg(long)]
    pub(crate) portable: bool,
    /// Print the policy in one layout, without comments; its meaning and hash stay.
    #[arg(long)]
    pub(crate) normalised: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CalculateHashArgs {
    #[command(flatten)]
    pub(crate) local: LocalArgs,
    /// Take your own identity for the creator: as TLS will prove it, or a signature.
    #[arg(long, value_name = "HOW")]
    pub(crate) with_self_as_creator: Option<SelfAsCreator>,
}

/// How the creator is known. Both name the same key, and so give the same hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SelfAsCreator {
    /// By the TLS client certificate.
    Tls,
    /// By the signature of the session.
    Signer,
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

#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// The policy's name.
    pub(crate) name: PolicyName,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The namespace [default: the root namespace].
    pub(crate) namespace: Option<PolicyName>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The policy's name; with --files the older file.
    pub(crate) name: String,
    /// The hash of the older version [default: the predecessor of the newer one]; with --files the newer
    /// file.
    pub(crate) old: Option<String>,
    /// The hash of the newer version [default: the current one].
    #[arg(conflicts_with = "files")]
    pub(crate) new: Option<PolicyHash>,
    /// Compare two files instead of two versions of a policy.
    #[arg(long, requires = "old")]
    pub(crate) files: bool,
    /// Show both versions beside each other.
    #[arg(long)]
    pub(crate) side_by_side: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EncryptArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// The server's session encryption key, 64 hexadecimal digits [default: the pinned server is asked].
    #[arg(long, value_name = "HEX")]
    pub(crate) key: Option<SessionEncryptionPublicKey>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SignArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SignCommand>,
    /// The policy, or a signed session; `-` for standard input.
    #[arg(required = true)]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: SignOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SignCommand {
    /// Sign with your own identity or with a key in a file; what `sign FILE` does.
    SignWithCliIdentity(SignFileArgs),
    /// Print the bytes to be signed, for a key that is kept elsewhere.
    GenerateMessageToBeSigned(TextArgs),
    /// Add a signature that was made elsewhere; prints the signed session.
    AddSignature(AddSignatureArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SignFileArgs {
    /// The policy, or a signed session; `-` for standard input.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) options: SignOptions,
}

#[derive(Debug, Args)]
pub(crate) struct SignOptions {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Sign with the private key in this PEM file (PKCS#8: Ed25519, P-384 or P-256), not with your identity.
    #[arg(long, value_name = "FILE", conflicts_with = "identity")]
    pub(crate) key: Option<PathBuf>,
    /// Write the signer into the text as its `creator`.
    #[arg(long)]
    pub(crate) with_self_as_creator: bool,
    /// Write this hash into the text as its `predecessor`: a signed session is sent as it is.
    #[arg(long, value_name = "HASH")]
    pub(crate) predecessor: Option<PolicyHash>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AddSignatureArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// The signer's public key, a PEM file.
    #[arg(long, value_name = "FILE")]
    pub(crate) signer: PathBuf,
    /// The signature: a file of its bytes, or of their hexadecimal digits or base64.
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: PathBuf,
}

pub(super) fn parse_variable(text: &str) -> Result<(String, String), String> {
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
