//! The customer's policy of what may run in the group, as far as a verifier must know it: which one it is, and whether
//! it is an open door.
//!
//! The digest of the policy is what the report proves; what the policy allows is its author's to know. Only texts that
//! plainly allow everything are told, by reading the text and not by evaluating it:
//!
//! - one whose digest is that of Microsoft's allow-all policy (`confcom` and the samples of confidential containers);
//! - Rego of `package policy` (containers of ACI) or `package agent_policy` (Kata's agent on AKS) in which every
//!   rule is an unconditional `true`, or an object whose `allowed` is `true`;
//! - Rego with `default AllowRequestsFailingPolicy := true`, which makes Kata's agent ignore every other rule;
//! - the same inside of a guest's initialization document (TOML), as newer Kata has it;
//! - the older JSON form with `"allow_all": true`.
//!
//! A text that allows everything by conditions that always hold is not told. Pin the digest of a policy that you know.
//!
//! Source: samples among the vectors (`aci-uvm`); hcsshim `pkg/securitypolicy/open_door.rego`; Kata Containers
//! `src/kata-opa/allow-all.rego` and its tests of `AllowRequestsFailingPolicy`.

use casque_types::{Digest, sha256};
use serde::Deserialize;

use casque_types::strict_json;

/// Whether the text plainly allows everything.
pub(super) fn allows_all(text: &[u8]) -> bool {
    if sha256(text) == Digest::from(MICROSOFT_ALLOW_ALL) {
        return true;
    }
    let Ok(text) = str::from_utf8(text) else {
        return false;
    };
    let json: Result<AllowAll, _> = strict_json::from_str(text);
    if let Ok(AllowAll { allow_all }) = json {
        return allow_all;
    }
    ignores_its_rules(text) || is_open_rego(text) || embedded(text).is_some_and(is_open_rego)
}

/// The policy of Kata's agent inside of the document that initializes its guest (TOML, in a text of several lines).
fn embedded(text: &str) -> Option<&str> {
    let at = text.find("package agent_policy")?;
    let policy = text.get(at..)?;
    let ends = ["'''", "\"\"\""].into_iter();
    let end = ends.filter_map(|quotes| policy.find(quotes)).min()?;
    policy.get(..end)
}

/// The older JSON form of policies.
#[derive(Deserialize)]
struct AllowAll {
    allow_all: bool,
}

/// A rule's value, where it is an object.
#[derive(Deserialize)]
struct Decision {
    allowed: bool,
}

fn ignores_its_rules(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let words: String = line.split_whitespace().collect();
        let rule = words.strip_prefix("defaultAllowRequestsFailingPolicy");
        rule.is_some_and(|value| value == ":=true" || value == "=true")
    })
}

fn is_open_rego(text: &str) -> bool {
    let Some(statements) = statements(text) else {
        return false;
    };
    let mut allowing = 0_usize;
    for statement in statements {
        match kind_of(&statement) {
            Statement::Allows => allowing = allowing.saturating_add(1),
            Statement::Says => {}
            Statement::Other => return false,
        }
    }
    allowing > 0
}

/// What a statement does.
enum Statement {
    /// It allows, whatever is asked.
    Allows,
    /// It allows and forbids nothing: a package, an import, a version.
    Says,
    /// Anything else.
    Other,
}

fn kind_of(statement: &str) -> Statement {
    let mut words = statement.split_whitespace();
    if matches!(words.next(), Some("package" | "import")) {
        return Statement::Says;
    }
    let statement = statement.strip_prefix("default ").unwrap_or(statement);
    let halves = statement
        .split_once(":=")
        .or_else(|| statement.split_once('='));
    let Some((name, value)) = halves else {
        return Statement::Other;
    };
    let (name, value) = (name.trim(), value.trim());
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Statement::Other;
    }
    if VERSIONS.contains(&name) && strict_json::from_str::<String>(value).is_ok() {
        return Statement::Says;
    }
    let allows = value == "true"
        || strict_json::from_str::<Decision>(value).is_ok_and(|decision| decision.allowed);
    if allows {
        Statement::Allows
    } else {
        Statement::Other
    }
}

/// The statements of a Rego text, without comments; one goes to the end of a line at which all brackets are closed.
/// `None`: brackets or strings that do not close, or a raw string, which no plain text needs.
fn statements(text: &str) -> Option<Vec<String>> {
    let mut scanner = Scanner::default();
    for character in text.chars() {
        scanner.take(character)?;
    }
    scanner.finish()
}

/// Where a scan stands.
#[derive(Default)]
struct Scanner {
    done: Vec<String>,
    current: String,
    open: usize,
    place: Place,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    Quoted,
    Escaped,
    Comment,
}

impl Scanner {
    fn take(&mut self, character: char) -> Option<()> {
        match (self.place, character) {
            (Place::Comment | Place::Text, '\n') => {
                self.place = Place::Text;
                self.end_of_line();
            }
            (Place::Comment, _) => {}
            (Place::Text, '#') => self.place = Place::Comment,
            (Place::Text, '`') | (Place::Quoted | Place::Escaped, '\n') => return None,
            (Place::Text, '"') => self.push(character, Place::Quoted),
            (Place::Text, '{' | '[' | '(') => {
                self.open = self.open.checked_add(1)?;
                self.push(character, Place::Text);
            }
            (Place::Text, '}' | ']' | ')') => {
                self.open = self.open.checked_sub(1)?;
                self.push(character, Place::Text);
            }
            (Place::Quoted, '\\') => self.push(character, Place::Escaped),
            (Place::Quoted, '"') => self.push(character, Place::Text),
            (Place::Escaped, _) => self.push(character, Place::Quoted),
            (place, _) => self.push(character, place),
        }
        Some(())
    }

    fn push(&mut self, character: char, place: Place) {
        self.current.push(character);
        self.place = place;
    }

    fn end_of_line(&mut self) {
        if self.open > 0 {
            self.current.push(' ');
            return;
        }
        let statement = std::mem::take(&mut self.current);
        if !statement.trim().is_empty() {
            self.done.push(statement.trim().to_owned());
        }
    }

    fn finish(mut self) -> Option<Vec<String>> {
        let closed = self.open == 0 && matches!(self.place, Place::Text | Place::Comment);
        self.end_of_line();
        closed.then_some(self.done)
    }
}

const VERSIONS: [&str; 3] = ["api_svn", "api_version", "framework_svn"];
/// SHA-256 of the allow-all policy; `4f4448c6…777d10` in reports of groups that run it.
const MICROSOFT_ALLOW_ALL: [u8; 32] = [
    0x4f, 0x44, 0x48, 0xc6, 0x7f, 0x3c, 0x8d, 0xfc, 0x8d, 0xe8, 0xa5, 0xe3, 0x71, 0x25, 0xd8, 0x07,
    0xda, 0xdc, 0xc4, 0x1f, 0x06, 0xcf, 0x23, 0xf6, 0x15, 0xdb, 0xd5, 0x2e, 0xec, 0x77, 0x7d, 0x10,
];

#[cfg(test)]
mod tests;
