//! A policy's text on its way from a file to the parser: bounded, variables filled in, name replaced.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use casque_policy::{Parsed, Policy, substitute};
use casque_types::Secret;
use thiserror::Error;

use crate::args::TextArgs;
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
    #[error("`{}` is longer than {MAX_BYTES} bytes", path.display())]
    TooLong { path: PathBuf },
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
    /// Reads, fills in, parses.
    pub(crate) fn load(
        args: &TextArgs,
        invocation: &Invocation,
        stdin: &mut dyn Read,
    ) -> Result<Self, CliError> {
        let original = read_text(&args.file, stdin)?;
        let value_of = |name: &str| value_of(name, args, invocation);
        let source = SourceText::new(&args.file, &original);
        let text = match substitute(text_of(&original), &value_of) {
            Ok(text) => Secret::new(text.into_bytes()),
            Err(errors) => return Err(CliError::Policy(Findings::new(source, errors).into())),
        };
        let text = match &args.name {
            None => text,
            Some(name) => with_member(&text, "name", name.as_str())?,
        };
        Self::parse(text, source)
    }

    /// The same policy with another predecessor.
    pub(crate) fn with_predecessor(&self, hash: &str) -> Result<Self, CliError> {
        let text = with_member(&self.text, "predecessor", hash)?;
        let source = self.warnings.source.clone_without_excerpts();
        let changed = Self::parse(text, source).map_err(|_| CliError::Placement {
            member: "predecessor",
        })?;
        let is_there = changed
            .policy
            .predecessor
            .is_some_and(|found| found.to_string() == hash);
        match is_there && changed.policy.name == self.policy.name {
            true => Ok(changed),
            false => Err(CliError::Placement {
                member: "predecessor",
            }),
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
fn text_of(text: &Secret) -> &str {
    // exposed: the parser and the server read the policy
    text.expose_text().unwrap_or_default()
}

fn value_of(name: &str, args: &TextArgs, invocation: &Invocation) -> Option<String> {
    let given = args.variables.iter().rev().find(|(given, _)| given == name);
    if let Some((_, value)) = given {
        return Some(value.clone());
    }
    if !args.use_env {
        return None;
    }
    invocation.environment.get(name)?.clone().into_string().ok()
}

fn read_text(path: &Path, stdin: &mut dyn Read) -> Result<Secret, FileError> {
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
    let mut bytes = Vec::with_capacity(64 * 1024);
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
        });
    }
    Ok(Secret::new(bytes))
}

const MAX_BYTES: usize = 1024 * 1024;
