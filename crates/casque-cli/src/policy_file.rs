//! A policy's text on its way from a file to the parser: bounded, variables filled in, name replaced.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use casque_policy::{Parsed, Policy, substitute};
use casque_secrets::SignerKey;
use casque_types::Secret;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::args::ChangeArgs;
use crate::edit;
use crate::error::CliError;
use crate::invocation::Invocation;
use crate::report::{Findings, SourceText};

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub(crate) enum FileError {
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is longer than {limit_bytes} bytes", path.display())]
    TooLong { path: PathBuf, limit_bytes: usize },
    #[error("`{}` is no UTF-8 text", path.display())]
    NotText { path: PathBuf },
}

/// A policy that parses, with its text as it will be sent.
#[derive(Debug)]
pub(crate) struct PolicyFile {
    /// The text; it may hold given secrets.
    text: Secret,
    pub(crate) policy: Policy,
    /// What its author should look at, with the source to show it in.
    pub(crate) warnings: Findings,
}

impl PolicyFile {
    /// Fills in the variables and the name of what was read from `path`, and parses it.
    pub(crate) fn of(
        original: &Secret,
        path: &Path,
        change: &ChangeArgs,
        invocation: &Invocation,
    ) -> Result<Self, CliError> {
        let value_of = |name: &str| value_of(name, change, invocation);
        let source = SourceText::new(path, original);
        let text = match substitute(text_of(original), &value_of) {
            Ok(text) => Secret::new(text.into_bytes()),
            Err(errors) => return Err(CliError::Policy(Findings::new(source, errors).into())),
        };
        let text = match &change.name {
            None => text,
            Some(name) => with_member(&text, "name", name.as_str())?,
        };
        Self::parse(text, source)
    }

    /// Parses a text that must stay as it is.
    pub(crate) fn as_it_is(text: Secret, path: &Path) -> Result<Self, CliError> {
        let source = SourceText::new(path, &text);
        Self::parse(text, source)
    }

    /// The same policy with this signer as its creator, unless that is said already.
    pub(crate) fn with_creator(self, signer: &SignerKey) -> Result<Self, CliError> {
        let key = signer.key_hash();
        if self.policy.creator == Some(key) {
            return Ok(self);
        }
        let unplaced = || CliError::Placement { member: "creator" };
        if self.policy.creator.is_some() {
            return Err(unplaced());
        }
        let pem = format!("{signer}\n");
        let quoted = serde_json::to_string(&pem).map_err(|_| unplaced())?;
        let value = format!("{{\"signer\": {quoted}}}");
        let edited = edit::set_top_level_yaml(text_of(&self.text), "creator", &value);
        let text = Secret::new(edited.ok_or_else(unplaced)?.into_bytes());
        let changed = self.changed_to(text, "creator")?;
        let is_there = changed.policy.creator == Some(key);
        is_there.then_some(changed).ok_or_else(unplaced)
    }

    /// The same policy with another predecessor.
    pub(crate) fn with_predecessor(&self, hash: &str) -> Result<Self, CliError> {
        let member = "predecessor";
        let text = with_member(&self.text, member, hash)?;
        let changed = self.changed_to(text, member)?;
        let found = changed.policy.predecessor.as_ref();
        match found.is_some_and(|found| found.to_string() == hash) {
            true => Ok(changed),
            false => Err(CliError::Placement { member }),
        }
    }

    /// Parses a text in which `member` was placed, and nothing else changed.
    fn changed_to(&self, text: Secret, member: &'static str) -> Result<Self, CliError> {
        let source = self.warnings.source.clone_without_excerpts();
        match Self::parse(text, source) {
            Ok(changed) if changed.policy.name == self.policy.name => Ok(changed),
            _ => Err(CliError::Placement { member }),
        }
    }

    fn parse(text: Secret, source: SourceText) -> Result<Self, CliError> {
        let source = source.shown_for(text_of(&text));
        match Policy::parse(text_of(&text)) {
            Ok(Parsed { policy, warnings }) => Ok(Self {
                text,
                policy,
                warnings: Findings::new(source, warnings),
            }),
            Err(errors) => Err(CliError::Policy(Findings::new(source, errors).into())),
        }
    }

    pub(crate) fn text(&self) -> &str {
        text_of(&self.text)
    }
}

fn with_member(text: &Secret, member: &'static str, value: &str) -> Result<Secret, CliError> {
    let edited = edit::set_top_level(text_of(text), member, value);
    let edited = edited.ok_or(CliError::Placement { member })?;
    Ok(Secret::new(edited.into_bytes()))
}

/// Text that was read as UTF-8, or made from such.
pub(crate) fn text_of(text: &Secret) -> &str {
    // exposed: the parser and the server read the policy
    text.expose_text().unwrap_or_default()
}

fn value_of(name: &str, args: &ChangeArgs, invocation: &Invocation) -> Option<String> {
    let given = args.variables.iter().rev().find(|(given, _)| given == name);
    if let Some((_, value)) = given {
        return Some(value.clone());
    }
    if !args.use_env {
        return None;
    }
    invocation.environment.get(name)?.clone().into_string().ok()
}

/// The whole of a text file of at most 1 MiB; `-` is standard input.
pub(crate) fn read_text(path: &Path, stdin: &mut dyn Read) -> Result<Secret, FileError> {
    let text = if path == Path::new("-") {
        bounded(stdin, path)?
    } else {
        read_bounded(path)?
    };
    match text.expose_text() {
        Some(_) => Ok(text),
        None => Err(FileError::NotText {
            path: path.to_owned(),
        }),
    }
}

/// The whole of a file of at most 1 MiB.
pub(crate) fn read_bounded(path: &Path) -> Result<Secret, FileError> {
    let file = File::open(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    bounded(file, path)
}

fn bounded(reader: impl Read, path: &Path) -> Result<Secret, FileError> {
    // Never grown: a block that is left behind is not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES.saturating_add(2)));
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    (reader.take(limit.saturating_add(1)))
        .read_to_end(&mut bytes)
        .map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })?;
    if bytes.len() > MAX_BYTES {
        return Err(FileError::TooLong {
            path: path.to_owned(),
            limit_bytes: MAX_BYTES,
        });
    }
    Ok(Secret::from(bytes))
}

const MAX_BYTES: usize = 1024 * 1024;
