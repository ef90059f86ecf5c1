//! Why a command failed: what, where, why, and what to do next; and the exit code for it.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use casque_client::{ClientError, ServerAddress};
use casque_secrets::{EncryptSessionError, SignerKeyError, SigningKeyError};
use casque_types::{KeyHash, PolicyName};
use casque_wire::Failure;
use thiserror::Error;

use crate::argfile::MAX_ARGUMENTS;
use crate::config::ConfigError;
use crate::endorsements::EndorsementsError;
use crate::exit;
use crate::explain::ExplainError;
use crate::identity::OwnIdentityError;
use crate::policy_file::FileError;
use crate::report::Findings;
use crate::yaml::NotATree;

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Identity(#[from] OwnIdentityError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot write the result")]
    Output(#[from] io::Error),
    #[error("cannot write manual pages into `{}`", folder.display())]
    Manual {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the policy has errors")]
    Policy(Box<Findings>),
    #[error("the policy has warnings, and --fail-on-warning was given; nothing was sent")]
    Warnings(Box<Findings>),
    #[error("cannot set `{member}` in the policy's text without changing something else in it")]
    Placement { member: &'static str },
    #[error("no server is given, and there is no default CAS")]
    NoCas,
    #[error("no pinned CAS is called `{name}`")]
    UnknownCas { name: String },
    #[error("the identity of the server at `{address}` is not pinned: nothing is sent to it")]
    NotPinned { address: ServerAddress },
    #[error("nothing says which key hash the server at `{address}` should have")]
    NoKeyHash { address: ServerAddress },
    #[error("`{name}` is already pinned to the key hash `{pinned}`")]
    OtherPin { name: String, pinned: Box<KeyHash> },
    #[error("the server has no policy `{name}` yet")]
    NothingToUpdate { name: PolicyName },
    #[error(
        "cannot learn the current hash of `{name}`, which an update must name as `predecessor`"
    )]
    NoPredecessor {
        name: PolicyName,
        #[source]
        source: ClientError,
    },
    #[error("`{}` is signed or encrypted: its text cannot be changed any more", path.display())]
    Sealed { path: PathBuf },
    #[error("`{}` is encrypted: nobody but the server can read it", path.display())]
    Unreadable { path: PathBuf },
    #[error("signature {number} in `{}` is not one of its signer over the text beside it", path.display())]
    Signature { number: usize, path: PathBuf },
    #[error("`{}` holds no signature of this signer over this text", path.display())]
    ForeignSignature { path: PathBuf },
    #[error("`{}` is signed, and names no `predecessor`", path.display())]
    SignedWithoutPredecessor { path: PathBuf },
    #[error("`{}` holds no key that signs sessions: expected a `PRIVATE KEY` (PKCS#8 in PEM) of Ed25519, P-384 or P-256", path.display())]
    NoSigningKey { path: PathBuf },
    #[error("the file of --signer holds no public key")]
    SignerKey(#[source] SignerKeyError),
    #[error("the policy could not be signed")]
    Sign(#[from] SigningKeyError),
    #[error("the policy could not be encrypted")]
    Encrypt(#[from] EncryptSessionError),
    #[error("the server at `{address}` takes no encrypted policies")]
    NoEncryptionKey { address: ServerAddress },
    #[error("the `access_policy` of `{name}` would not let you update it again; nothing was sent")]
    LockOut { name: PolicyName },
    #[error("the hash depends on who the creator is, and the text does not say it")]
    CreatorUnknown,
    #[error(transparent)]
    Endorsements(#[from] EndorsementsError),
    #[error("no file is given")]
    NoFile,
    #[error("`{}` holds neither a `CERTIFICATE` nor a `PUBLIC KEY` in PEM", path.display())]
    NoCertificate { path: PathBuf },
    #[error("one of the texts cannot be shown without its secrets")]
    NotATree(#[from] NotATree),
    #[error("expected the name of a policy")]
    NotAName,
    #[error("expected the hash of a version, 64 hexadecimal digits")]
    NotAHash,
    #[error("this is the first version of `{name}`: there is none before it")]
    OneVersion { name: PolicyName },
    #[error("`{flag}` does not exist here: whom casque talks to is never left unchecked")]
    TestingFlag { flag: String },
    #[error(transparent)]
    Explain(#[from] ExplainError),
    #[error("more than {MAX_ARGUMENTS} arguments")]
    TooManyArguments,
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl CliError {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Policy(_) | Self::LockOut { .. } => exit::POLICY,
            Self::Explain(_) => exit::UNUSABLE,
            Self::Warnings(_) => exit::WARNINGS,
            Self::NoCas
            | Self::UnknownCas { .. }
            | Self::NotPinned { .. }
            | Self::NoKeyHash { .. }
            | Self::OtherPin { .. } => exit::UNREACHABLE,
            Self::NothingToUpdate { .. } | Self::OneVersion { .. } => exit::ABSENT,
            Self::NoEncryptionKey { .. } => exit::SERVER,
            Self::Client(error) | Self::NoPredecessor { source: error, .. } => client_exit(error),
            Self::Endorsements(error) => error.exit_code(),
            Self::Config(_)
            | Self::Identity(_)
            | Self::File(_)
            | Self::Output(_)
            | Self::Manual { .. }
            | Self::Placement { .. }
            | Self::Sealed { .. }
            | Self::Unreadable { .. }
            | Self::Signature { .. }
            | Self::ForeignSignature { .. }
            | Self::SignedWithoutPredecessor { .. }
            | Self::NoSigningKey { .. }
            | Self::SignerKey(_)
            | Self::Sign(_)
            | Self::Encrypt(_)
            | Self::CreatorUnknown
            | Self::NoFile
            | Self::NoCertificate { .. }
            | Self::NotATree(_)
            | Self::NotAName
            | Self::NotAHash
            | Self::TestingFlag { .. }
            | Self::TooManyArguments => exit::USAGE,
        }
    }

    /// The same, as it is shown and written in JSON.
    pub(crate) fn failure(&self) -> Failure {
        let mut failure = Failure {
            code: self.code(),
            message: self.to_string(),
            causes: self.causes(),
            hint: self.hint(),
            reasons: Vec::new(),
            diagnostics: Vec::new(),
        };
        match self {
            Self::Client(ClientError::Refused { failure: told, .. }) => {
                failure.message.clone_from(&told.message);
                failure.causes.clone_from(&told.causes);
                failure.hint = told.hint.clone().or(failure.hint);
                failure.reasons = told.reasons.iter().map(copied).collect();
                failure.diagnostics.clone_from(&told.diagnostics);
            }
            Self::Policy(findings) | Self::Warnings(findings) => {
                failure.diagnostics.clone_from(&findings.found);
            }
            _ => {}
        }
        failure
    }

    fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut source = self.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        causes
    }

    fn code(&self) -> String {
        let code = match self {
            Self::Config(_) => "configuration",
            Self::Identity(_) => "identity",
            Self::File(_) => "file",
            Self::Output(_) | Self::Manual { .. } => "output",
            Self::Policy(_) => "policy",
            Self::Warnings(_) => "warnings",
            Self::Placement { .. } => "placement",
            Self::NoCas => "no-cas",
            Self::UnknownCas { .. } => "unknown-cas",
            Self::NotPinned { .. } => "cas-not-pinned",
            Self::NoKeyHash { .. } => "no-key-hash",
            Self::OtherPin { .. } => "other-pin",
            Self::NothingToUpdate { .. } => "nothing-to-update",
            Self::NoPredecessor { .. } => "no-predecessor",
            Self::Sealed { .. } => "sealed",
            Self::Unreadable { .. } => "encrypted",
            Self::Signature { .. } | Self::ForeignSignature { .. } => "bad-signature",
            Self::SignedWithoutPredecessor { .. } => "no-predecessor",
            Self::NoSigningKey { .. } | Self::Sign(_) => "signing-key",
            Self::SignerKey(_) => "signer",
            Self::Encrypt(_) => "encryption",
            Self::NoEncryptionKey { .. } => "no-encryption-key",
            Self::LockOut { .. } => "lock-out",
            Self::CreatorUnknown => "creator-unknown",
            Self::Endorsements(error) => error.code(),
            Self::NoCertificate { .. } => "no-certificate",
            Self::NotATree(_) => "no-tree",
            Self::OneVersion { .. } => "one-version",
            Self::Explain(error) => error.code(),
            Self::NoFile
            | Self::NotAName
            | Self::NotAHash
            | Self::TestingFlag { .. }
            | Self::TooManyArguments => "usage",
            Self::Client(error) => return client_code(error),
        };
        code.to_owned()
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Config(error) | Self::Identity(OwnIdentityError::Config(error)) => error.hint(),
            Self::Identity(OwnIdentityError::Pem { .. }) => {
                "give another file, or remove the identity from the configuration: a new one is made at next use, which servers do not know"
                    .to_owned()
            }
            Self::Placement { member } => format!("write `{member}: …` on a line of its own into the file"),
            Self::Explain(error) => return error.hint().map(str::to_owned),
            Self::NoCas => "pin one: casque cas attest ADDRESS --key-hash HASH".to_owned(),
            Self::UnknownCas { .. } => {
                "casque cas list shows the pinned ones; casque cas attest ADDRESS --key-hash HASH pins another".to_owned()
            }
            Self::NotPinned { address } => {
                format!("ask its operator for the key hash, then: casque cas attest {address} --key-hash HASH")
            }
            Self::NoKeyHash { .. } => {
                "give --key-hash HASH as its operator told you, or --dangerous-trust-on-first-use to pin whatever answers now; attesting the server by its own evidence comes with a later release"
                    .to_owned()
            }
            Self::OtherPin { .. } => {
                "if its operator confirms that the server has a new identity, give --replace; or keep it beside the old one with --name NAME".to_owned()
            }
            Self::NothingToUpdate { .. } => "put it with: casque session create FILE".to_owned(),
            Self::NoPredecessor { .. } => {
                "write the current hash as `predecessor` into the file, or have `access_policy` let you read the policy".to_owned()
            }
            Self::Unreadable { .. } => {
                "give the policy or the signed session that it was made from".to_owned()
            }
            Self::NotATree(_) => {
                "write anchors and aliases out; casque session check FILE shows where".to_owned()
            }
            Self::Sealed { .. } => {
                "give -e, --use-env, -n, --predecessor and --with-self-as-creator where it is signed first".to_owned()
            }
            Self::Signature { .. } => "sign the text anew with: casque session sign FILE".to_owned(),
            Self::ForeignSignature { .. } => {
                "sign exactly what `casque session sign generate-message-to-be-signed` prints for the same file and variables".to_owned()
            }
            Self::SignedWithoutPredecessor { .. } => {
                "sign it with --predecessor $(casque session hash NAME)".to_owned()
            }
            Self::LockOut { .. } => {
                "have `update` name CREATOR or your key hash (casque self show-key-hash), or give --dangerous-lock-out".to_owned()
            }
            Self::CreatorUnknown => {
                "give --with-self-as-creator tls, or write `creator` into the text".to_owned()
            }
            Self::Endorsements(error) => return error.hint().map(str::to_owned),
            Self::NoEncryptionKey { .. } => "put it without --encrypted, or update the server".to_owned(),
            Self::OneVersion { .. } => "name two versions: casque session diff NAME OLD NEW".to_owned(),
            Self::TestingFlag { .. } => {
                "to try something out, pin the server with: casque cas attest ADDRESS --dangerous-trust-on-first-use".to_owned()
            }
            Self::Client(ClientError::OtherServer { .. }) => {
                "if its operator confirms the new identity: casque cas attest ADDRESS --key-hash HASH --replace".to_owned()
            }
            _ => return None,
        };
        Some(hint)
    }
}

fn copied(reason: &casque_wire::Reason) -> casque_wire::Reason {
    casque_wire::Reason {
        code: reason.code.clone(),
        path: reason.path.clone(),
        expected: reason.expected.clone(),
        found: reason.found.clone(),
        hint: reason.hint.clone(),
    }
}

const fn client_exit(error: &ClientError) -> u8 {
    match error {
        ClientError::Unreachable { .. }
        | ClientError::Tls { .. }
        | ClientError::OtherServer { .. }
        | ClientError::Timeout { .. } => exit::UNREACHABLE,
        ClientError::Refused { status, .. } => match *status {
            400 | 413 | 422 => exit::POLICY,
            401 | 403 => exit::DENIED,
            404 => exit::ABSENT,
            409 => exit::CONFLICT,
            _ => exit::SERVER,
        },
        ClientError::Identity { .. } | ClientError::CertificateAuthority => exit::USAGE,
        ClientError::Malformed { .. }
        | ClientError::TooLarge { .. }
        | ClientError::TooMany { .. }
        | ClientError::NoCommonKem { .. } => exit::SERVER,
    }
}

fn client_code(error: &ClientError) -> String {
    let code = match error {
        ClientError::Unreachable { .. } => "unreachable",
        ClientError::Tls { .. } => "tls",
        ClientError::OtherServer { .. } => "other-server",
        ClientError::Timeout { .. } => "timeout",
        ClientError::Refused { failure, .. } => return failure.code.clone(),
        ClientError::Malformed { .. } => "malformed-answer",
        ClientError::TooLarge { .. } | ClientError::TooMany { .. } => "answer-too-large",
        ClientError::NoCommonKem { .. } => "no-common-kem",
        ClientError::Identity { .. } => "identity",
        ClientError::CertificateAuthority => "certificate-authority",
    };
    code.to_owned()
}
