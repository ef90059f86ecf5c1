//! `casque session`: policies.

use std::path::Path;

use casque_client::{Client, ClientError};
use casque_policy::policy_hash;
use casque_types::PolicyHash;
use casque_wire::Diagnostic;
use serde::Serialize;

use crate::args::{LocalArgs, PutArgs, ReadArgs, SessionCommand, TextArgs};
use crate::console::{Console, Style};
use crate::error::CliError;
use crate::exit;
use crate::identity::Identity;
use crate::invocation::Invocation;
use crate::policy_file::PolicyFile;
use crate::report::Findings;
use crate::servers;

pub(crate) fn run(
    command: &SessionCommand,
    invocation: &Invocation,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<u8, CliError> {
    let mut session = Session {
        invocation,
        config,
        console,
    };
    match command {
        SessionCommand::Create(args) => session.create(args),
        SessionCommand::Update(args) => session.update(args),
        SessionCommand::Read(args) => session.read(args),
        SessionCommand::Check(args) => session.check(args),
        SessionCommand::Verify(args) => session.verify(args),
    }
}

struct Session<'a, 'c> {
    invocation: &'a Invocation,
    config: Option<&'a Path>,
    console: &'a mut Console<'c>,
}

/// What `create`, `update` and `verify` print with `--output json`.
#[derive(Serialize)]
struct Hashed<'a> {
    name: &'a str,
    hash: String,
    warnings: &'a [Diagnostic],
}

/// What `read` prints with `--output json`.
#[derive(Serialize)]
struct Read<'a> {
    name: &'a str,
    hash: String,
    session: &'a str,
}

/// What `check` prints with `--output json`.
#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    hash: Option<String>,
    diagnostics: &'a [Diagnostic],
}

impl Session<'_, '_> {
    fn create(&mut self, args: &PutArgs) -> Result<u8, CliError> {
        let file = self.loaded(&args.text)?;
        let client = self.client(args.server.cas.as_deref(), args.server.identity.path())?;
        self.put(&client, file)
    }

    fn update(&mut self, args: &PutArgs) -> Result<u8, CliError> {
        let file = self.loaded(&args.text)?;
        let client = self.client(args.server.cas.as_deref(), args.server.identity.path())?;
        let file = match file.policy.predecessor {
            Some(_) => file,
            None => {
                let current = current_hash(&client, &file)?;
                file.with_predecessor(&current.to_string())?
            }
        };
        self.put(&client, file)
    }

    fn put(&mut self, client: &Client, file: PolicyFile) -> Result<u8, CliError> {
        let put = match client.put_policy(file.text()) {
            Err(ClientError::Refused { failure, .. }) if !failure.diagnostics.is_empty() => {
                let findings = Findings {
                    source: file.warnings.source,
                    found: failure.diagnostics,
                };
                return Err(CliError::Policy(findings.into()));
            }
            other => other?,
        };
        let mut warnings = file.warnings;
        let known = warnings.found.len();
        warnings.add_news(put.warnings);
        let document = Hashed {
            name: file.policy.name.as_str(),
            hash: put.hash.to_string(),
            warnings: &warnings.found,
        };
        self.console.result(&format!("{}\n", put.hash), &document)?;
        // Ours were told before the policy was sent.
        warnings.found.drain(..known);
        self.console.findings(&warnings);
        Ok(exit::OK)
    }

    fn read(&mut self, args: &ReadArgs) -> Result<u8, CliError> {
        let client = self.client(args.server.cas.as_deref(), args.server.identity.path())?;
        let read = client.read_policy(&args.name, args.hash.as_ref())?;
        // exposed: the author asked for the text
        let text = read.text.expose_text().unwrap_or_default();
        let document = Read {
            name: args.name.as_str(),
            hash: read.hash.to_string(),
            session: text,
        };
        self.console.result(text, &document)?;
        Ok(exit::OK)
    }

    fn check(&mut self, args: &LocalArgs) -> Result<u8, CliError> {
        let loaded = PolicyFile::load(&args.text, self.invocation, self.console.stdin);
        let file = match loaded {
            Err(CliError::Policy(findings)) if self.console.style == Style::Json => {
                return self.checked(None, &findings, exit::POLICY);
            }
            other => other?,
        };
        self.console.findings(&file.warnings);
        let hash = self.hash_of(&file, args.identity.path())?;
        let failed = args.text.fail_on_warning && !file.warnings.found.is_empty();
        let code = if failed { exit::WARNINGS } else { exit::OK };
        if self.console.style == Style::Json {
            return self.checked(Some(hash), &file.warnings, code);
        }
        self.console.data(file.text().as_bytes())?;
        let name = &file.policy.name;
        if !failed {
            self.console
                .note(&format!("ok: policy `{name}`, hash {hash}\n"));
        }
        Ok(code)
    }

    fn checked(
        &mut self,
        hash: Option<PolicyHash>,
        findings: &Findings,
        code: u8,
    ) -> Result<u8, CliError> {
        let document = Checked {
            ok: code == exit::OK,
            hash: hash.map(|hash| hash.to_string()),
            diagnostics: &findings.found,
        };
        self.console.result("", &document)?;
        Ok(code)
    }

    fn verify(&mut self, args: &LocalArgs) -> Result<u8, CliError> {
        let file = self.loaded(&args.text)?;
        let hash = self.hash_of(&file, args.identity.path())?;
        let document = Hashed {
            name: file.policy.name.as_str(),
            hash: hash.to_string(),
            warnings: &file.warnings.found,
        };
        self.console.result(&format!("{hash}\n"), &document)?;
        Ok(exit::OK)
    }

    /// A policy without errors, and without warnings if those are not wanted.
    fn loaded(&mut self, args: &TextArgs) -> Result<PolicyFile, CliError> {
        let file = PolicyFile::load(args, self.invocation, self.console.stdin)?;
        self.console.findings(&file.warnings);
        if args.fail_on_warning && !file.warnings.found.is_empty() {
            return Err(CliError::Warnings(file.warnings.into()));
        }
        Ok(file)
    }

    /// The hash that the policy has once this identity has put it.
    fn hash_of(&self, file: &PolicyFile, identity: Option<&Path>) -> Result<PolicyHash, CliError> {
        if file.policy.creator.is_some() {
            return Ok(policy_hash(&file.policy, None));
        }
        let identity = self.identity(identity)?;
        Ok(policy_hash(&file.policy, Some(identity.key_hash())))
    }

    fn identity(&self, file: Option<&Path>) -> Result<Identity, CliError> {
        Ok(Identity::load(file, self.config, self.invocation.now)?)
    }

    fn client(&self, cas: Option<&str>, identity: Option<&Path>) -> Result<Client, CliError> {
        let identity = self.identity(identity)?;
        servers::client(self.config, cas, &identity)
    }
}

fn current_hash(client: &Client, file: &PolicyFile) -> Result<PolicyHash, CliError> {
    let name = &file.policy.name;
    match client.read_policy(name, None) {
        Ok(current) => Ok(current.hash),
        Err(ClientError::Refused { status: 404, .. }) => {
            Err(CliError::NothingToUpdate { name: name.clone() })
        }
        Err(source @ ClientError::Refused { .. }) => Err(CliError::NoPredecessor {
            name: name.clone(),
            source,
        }),
        Err(other) => Err(other.into()),
    }
}
