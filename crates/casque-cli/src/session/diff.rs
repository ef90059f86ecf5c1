//! `casque session diff`: what differs between two versions of a policy, without any secret.

use std::path::Path;

use casque_types::{PolicyHash, PolicyName, Secret};
use serde::Serialize;
use similar::{ChangeTag, DiffOp, TextDiff};

use super::Session;
use crate::args::DiffArgs;
use crate::console::printable;
use crate::error::CliError;
use crate::exit;
use crate::policy_file::text_of;
use crate::redact::redacted;
use crate::servers::Server;
use crate::upload::plain_text;
use crate::yaml;

/// A text to compare, and what it is called.
struct Side {
    label: String,
    text: Secret,
}

/// What `diff` prints with `--output json`.
#[derive(Serialize)]
struct Diff<'a> {
    old: &'a str,
    new: &'a str,
    /// Whether nothing differs.
    same: bool,
    changes: Vec<Change<'a>>,
}

/// A line that one side alone has.
#[derive(Serialize)]
struct Change<'a> {
    change: &'static str,
    /// From 1, on its own side.
    line: usize,
    text: &'a str,
}

impl Session<'_, '_> {
    pub(super) fn diff(&mut self, args: &DiffArgs) -> Result<u8, CliError> {
        let (old, new) = match args.files {
            true => self.files(args)?,
            false => self.versions(args)?,
        };
        let (old_text, new_text) = redacted(text_of(&old.text), text_of(&new.text))?;
        let (old_text, new_text) = (printable(&old_text), printable(&new_text));
        let diff = TextDiff::from_lines(old_text.as_str(), new_text.as_str());
        let changes = changes_of(&diff);
        let document = Diff {
            old: &old.label,
            new: &new.label,
            same: changes.is_empty(),
            changes,
        };
        let text = match (document.same, args.side_by_side) {
            (true, _) => String::new(),
            (false, true) => side_by_side(&diff, &old.label, &new.label),
            (false, false) => {
                let mut unified = diff.unified_diff();
                unified.header(&old.label, &new.label).to_string()
            }
        };
        self.console.result(&text, &document)?;
        Ok(exit::OK)
    }

    fn files(&mut self, args: &DiffArgs) -> Result<(Side, Side), CliError> {
        let mut side = |file: &str| {
            let text = plain_text(Path::new(file), self.console.stdin)?;
            let label = printable(file);
            Ok::<_, CliError>(Side { label, text })
        };
        let old = side(&args.name)?;
        let new = side(args.old.as_deref().unwrap_or_default())?;
        Ok((old, new))
    }

    fn versions(&self, args: &DiffArgs) -> Result<(Side, Side), CliError> {
        let name: PolicyName = args.name.parse().map_err(|_| CliError::NotAName)?;
        let old = args.old.as_deref().map(str::parse).transpose();
        let old: Option<PolicyHash> = old.map_err(|_| CliError::NotAHash)?;
        let server = self.server(&args.server)?;
        let new = version(&server, &name, args.new.as_ref())?;
        let old = match old {
            Some(hash) => hash,
            None => {
                let before = predecessor_of(text_of(&new.text));
                before.ok_or(CliError::OneVersion { name: name.clone() })?
            }
        };
        Ok((version(&server, &name, Some(&old))?, new))
    }
}

fn version(
    server: &Server,
    name: &PolicyName,
    hash: Option<&PolicyHash>,
) -> Result<Side, CliError> {
    let read = server.ask(|client| client.read_policy(name, hash))?;
    Ok(Side {
        label: format!("{name} {}", read.hash),
        text: read.text,
    })
}

fn predecessor_of(text: &str) -> Option<PolicyHash> {
    let root = yaml::load(text).ok()?;
    root.get("predecessor")?.text()?.parse().ok()
}

fn changes_of<'t>(diff: &'t TextDiff<'t, 't, str>) -> Vec<Change<'t>> {
    let from_1 = |index: Option<usize>| index.map_or(0, |index| index.saturating_add(1));
    let changes = diff.iter_all_changes().filter_map(|change| {
        let (word, line) = match change.tag() {
            ChangeTag::Equal => return None,
            ChangeTag::Delete => ("removed", from_1(change.old_index())),
            ChangeTag::Insert => ("added", from_1(change.new_index())),
        };
        Some(Change {
            change: word,
            line,
            text: change.value().trim_end_matches(['\n', '\r']),
        })
    });
    changes.collect()
}

/// Two columns of equal width; `|` between lines that differ, `<` and `>` beside those of one side.
fn side_by_side(diff: &TextDiff<'_, '_, str>, old: &str, new: &str) -> String {
    let mut text = row(Some(old), ' ', Some(new));
    for op in diff.ops() {
        let (mut old_range, mut new_range) = (op.old_range(), op.new_range());
        let mark = match op {
            DiffOp::Equal { .. } => ' ',
            DiffOp::Delete { .. } => '<',
            DiffOp::Insert { .. } => '>',
            DiffOp::Replace { .. } => '|',
        };
        loop {
            let old_line = old_range.next().and_then(|index| diff.old_slice(index));
            let new_line = new_range.next().and_then(|index| diff.new_slice(index));
            if old_line.is_none() && new_line.is_none() {
                break;
            }
            text.push_str(&row(old_line, mark, new_line));
        }
    }
    text
}

fn row(old: Option<&str>, mark: char, new: Option<&str>) -> String {
    let cell = |line: Option<&str>| -> String {
        let line = line.unwrap_or_default().trim_end_matches(['\n', '\r']);
        line.chars().take(COLUMN_CHARACTERS).collect()
    };
    let (old, new) = (cell(old), cell(new));
    let row = format!("{old:COLUMN_CHARACTERS$} {mark} {new}");
    format!("{}\n", row.trim_end())
}

/// Of each side; longer lines are cut off.
const COLUMN_CHARACTERS: usize = 76;
