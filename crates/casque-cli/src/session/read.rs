//! `casque session read`, `hash`, `list` and `history`.

use casque_client::PolicyVersion;
use casque_types::PolicyName;
use serde::Serialize;

use super::{Hashed, Session};
use crate::args::{ListArgs, NamedArgs, ReadArgs};
use crate::console::printable;
use crate::error::CliError;
use crate::exit;
use crate::policy_file::text_of;

/// What `read` prints with `--output json`.
#[derive(Serialize)]
struct Read<'a> {
    name: &'a str,
    hash: String,
    session: &'a str,
}

/// What `list` prints with `--output json`.
#[derive(Serialize)]
struct Listed<'a> {
    namespace: &'a str,
    sessions: Vec<&'a str>,
}

/// What `history` prints with `--output json`.
#[derive(Serialize)]
struct History<'a> {
    name: &'a str,
    versions: Vec<Version<'a>>,
}

#[derive(Serialize)]
struct Version<'a> {
    hash: String,
    predecessor: Option<String>,
    created: &'a str,
}

impl Session<'_, '_> {
    pub(super) fn read(&mut self, args: &ReadArgs) -> Result<u8, CliError> {
        let server = self.server(&args.server)?;
        let read = server.ask(|client| client.read_policy(&args.name, args.hash.as_ref()))?;
        // The author asked for the text.
        let text = text_of(&read.text);
        let document = Read {
            name: args.name.as_str(),
            hash: read.hash.to_string(),
            session: text,
        };
        self.console.result(text, &document)?;
        Ok(exit::OK)
    }

    pub(super) fn hash(&mut self, args: &NamedArgs) -> Result<u8, CliError> {
        let server = self.server(&args.server)?;
        let hash = server.ask(|client| client.current_hash(&args.name))?;
        let document = Hashed {
            name: Some(args.name.as_str()),
            hash: hash.to_string(),
            warnings: &[],
        };
        self.console.result(&format!("{hash}\n"), &document)?;
        Ok(exit::OK)
    }

    pub(super) fn list(&mut self, args: &ListArgs) -> Result<u8, CliError> {
        let namespace = args.namespace.clone().unwrap_or_else(PolicyName::root);
        let server = self.server(&args.server)?;
        let names = server.ask(|client| client.list_all(&namespace))?;
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        let document = Listed {
            namespace: namespace.as_str(),
            sessions: names.iter().map(PolicyName::as_str).collect(),
        };
        self.console.result(&text, &document)?;
        Ok(exit::OK)
    }

    pub(super) fn history(&mut self, args: &NamedArgs) -> Result<u8, CliError> {
        let server = self.server(&args.server)?;
        let mut versions = server.ask(|client| client.history(&args.name))?;
        versions.reverse();
        let text: String = versions.iter().map(line_of).collect();
        let document = History {
            name: args.name.as_str(),
            versions: versions.iter().map(version_of).collect(),
        };
        self.console.result(&text, &document)?;
        Ok(exit::OK)
    }
}

/// Hash, time, predecessor or `-`.
fn line_of(version: &PolicyVersion) -> String {
    let predecessor = version.predecessor.as_ref().map(ToString::to_string);
    let predecessor = predecessor.as_deref().unwrap_or("-");
    let created = printable(&version.created);
    format!("{} {created} {predecessor}\n", version.hash)
}

fn version_of(version: &PolicyVersion) -> Version<'_> {
    Version {
        hash: version.hash.to_string(),
        predecessor: version.predecessor.as_ref().map(ToString::to_string),
        created: &version.created,
    }
}
