//! `casque session create`, `update` and `encrypt`.

use casque_client::{ClientError, PutPolicy};
use casque_policy::Policy;
use casque_types::{KeyHash, PolicyHash, PolicyName};
use casque_wire::EncryptedSession;

use super::{Hashed, Session};
use crate::args::{EncryptArgs, PutArgs};
use crate::error::CliError;
use crate::exit;
use crate::identity::Identity;
use crate::lock_out::{Standing, open_warning, standing};
use crate::policy_file::text_of;
use crate::report::Findings;
use crate::servers::{Server, encryption_key};
use crate::upload::{SignedFile, Upload};

/// Whether a policy is to be new.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    First,
    Next,
}

impl Session<'_, '_> {
    pub(super) fn create(&mut self, args: &PutArgs) -> Result<u8, CliError> {
        self.put(args, Step::First)
    }

    pub(super) fn update(&mut self, args: &PutArgs) -> Result<u8, CliError> {
        self.put(args, Step::Next)
    }

    fn put(&mut self, args: &PutArgs, step: Step) -> Result<u8, CliError> {
        let text = &args.text;
        let mut file = match Upload::load(
            &text.file,
            &text.change,
            self.invocation,
            self.console.stdin,
        )? {
            Upload::Readable(file) => *file,
            Upload::Encrypted(encrypted) => return self.put_encrypted(args, &encrypted),
        };
        let identity = self.identity(args.server.identity.path())?;
        warn_if_open(&mut file, args);
        self.expect_no_warnings(&text.change, &file.file)?;
        let server = self.server_for(&args.server, &identity)?;
        self.expect_way_back(args, step, &file, &identity, &server)?;
        if step == Step::Next {
            file = with_predecessor(&server, file, args)?;
        }
        let put = send(&server, &file, args);
        self.told(file, put)
    }

    fn put_encrypted(
        &mut self,
        args: &PutArgs,
        encrypted: &EncryptedSession,
    ) -> Result<u8, CliError> {
        let server = self.server(&args.server)?;
        let put = server.change(|client| client.put_encrypted(encrypted))?;
        let document = Hashed {
            name: None,
            hash: put.hash.to_string(),
            warnings: &put.warnings,
        };
        self.console.result(&format!("{}\n", put.hash), &document)?;
        for warning in &put.warnings {
            let text = format!("warning[{}]: {}\n", warning.code, warning.message);
            self.console.remark(&text);
        }
        Ok(exit::OK)
    }

    fn told(&mut self, file: SignedFile, put: Result<PutPolicy, CliError>) -> Result<u8, CliError> {
        let mut warnings = file.file.warnings;
        let put = match put {
            Err(CliError::Client(ClientError::Refused { failure, .. }))
                if !failure.diagnostics.is_empty() =>
            {
                let findings = Findings {
                    source: warnings.source,
                    found: failure.diagnostics,
                };
                return Err(CliError::Policy(findings.into()));
            }
            other => other?,
        };
        let known = warnings.found.len();
        warnings.add_news(put.warnings);
        let document = Hashed {
            name: Some(file.file.policy.name.as_str()),
            hash: put.hash.to_string(),
            warnings: &warnings.found,
        };
        self.console.result(&format!("{}\n", put.hash), &document)?;
        // Ours were told before the policy was sent.
        warnings.found.drain(..known);
        self.console.findings(&warnings);
        Ok(exit::OK)
    }

    /// Refuses a policy that its author could not update again.
    fn expect_way_back(
        &mut self,
        args: &PutArgs,
        step: Step,
        file: &SignedFile,
        identity: &Identity,
        server: &Server,
    ) -> Result<(), CliError> {
        if args.dangerous_lock_out {
            return Ok(());
        }
        let (policy, own) = (&file.file.policy, identity.key_hash());
        let judged = |creator: Option<&KeyHash>| standing(policy, own, &file.signers, creator);
        let creator = policy.creator.unwrap_or(*own);
        let mut found = judged(Some(&creator));
        // Where it depends on the creator, that of a policy which exists already counts.
        if step == Step::Next && policy.creator.is_none() && found != judged(None) {
            let known = creator_of(server, &policy.name);
            found = judged(Some(&known.unwrap_or(creator)));
        }
        match found {
            Standing::Alone | Standing::Open => Ok(()),
            Standing::WithOthers => {
                self.console
                    .remark("note: the next update takes signatures of others beside yours\n");
                Ok(())
            }
            Standing::LockedOut => Err(CliError::LockOut {
                name: policy.name.clone(),
            }),
        }
    }

    pub(super) fn encrypt(&mut self, args: &EncryptArgs) -> Result<u8, CliError> {
        let file = self.loaded(&args.text.file, &args.text.change)?;
        let key = match args.key {
            Some(key) => key,
            None => encryption_key(&self.server(&args.server)?)?,
        };
        self.console.document(&file.encrypted_to(&key)?)?;
        Ok(exit::OK)
    }
}

fn warn_if_open(file: &mut SignedFile, args: &PutArgs) {
    let is_open = file.file.policy.access.stated().is_none();
    if is_open && !args.dangerous_lock_out {
        let warning = open_warning(&file.file.policy);
        file.file.warnings.add_sorted(vec![warning]);
    }
}

/// The creator that the current version names; unknown to who may not read it.
fn creator_of(server: &Server, name: &PolicyName) -> Option<KeyHash> {
    let read = server.ask(|client| client.read_policy(name, None)).ok()?;
    let parsed = Policy::parse(text_of(&read.text)).ok()?;
    parsed.policy.creator
}

/// The policy with its current hash as predecessor, unless it names one.
fn with_predecessor(
    server: &Server,
    file: SignedFile,
    args: &PutArgs,
) -> Result<SignedFile, CliError> {
    if file.file.policy.predecessor.is_some() {
        return Ok(file);
    }
    if file.is_signed() {
        return Err(CliError::SignedWithoutPredecessor {
            path: args.text.file.clone(),
        });
    }
    let current = current_hash(server, &file.file.policy.name)?;
    let changed = file.file.with_predecessor(&current.to_string())?;
    Ok(SignedFile::unsigned(changed))
}

fn current_hash(server: &Server, name: &PolicyName) -> Result<PolicyHash, CliError> {
    match server.ask(|client| client.current_hash(name)) {
        Ok(current) => Ok(current),
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

fn send(server: &Server, file: &SignedFile, args: &PutArgs) -> Result<PutPolicy, CliError> {
    if args.encrypted {
        let encrypted = file.encrypted_to(&encryption_key(server)?)?;
        return Ok(server.change(|client| client.put_encrypted(&encrypted))?);
    }
    if file.is_signed() {
        let signed = file.to_wire();
        return Ok(server.change(|client| client.put_signed(&signed))?);
    }
    Ok(server.change(|client| client.put_policy(file.file.text()))?)
}
