//! Parts of a policy that secrets may fill in: stated in the text, or open until the secrets are known.
//!
//! `access_policy`, `security`, `attestation` and `platforms` may be given, whole or in part, by
//! placeholders (spec/policy-language.md sections 2.1, 3.2, 8, 9). What the text itself says of such a secret
//! is filled in when the policy is parsed ([`crate::splice`]); what is generated or imported is known only
//! when the part is used. Then [`Clause::close`]
//! 1. puts each placeholder's text in its place; a config-fragment becomes the nodes of its YAML, a list
//!    among the items of a list is spliced into it;
//! 2. refuses a placeholder within what was filled in, and more than a whole policy may hold;
//! 3. reads the result by the same rules as stated text. Findings stand where the placeholder stands, and
//!    say nothing of what the secrets say.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use casque_types::{Encoding, Format, Secret, SecretName};
use thiserror::Error;

use crate::findings::Findings;
use crate::placeholder::OPENING;
use crate::splice::{self, Budget, Filled, Filler};
use crate::yaml::{self, Entry, Node, Text, Value};
use crate::{Diagnostic, Placeholder, Position, Severity, Template, codes};

/// A part of a policy: stated, or open until secrets are known.
#[derive(Debug)]
pub enum Clause<T> {
    /// Stated by the policy's text.
    Stated(T),
    /// Open.
    Open(OpenClause<T>),
}

/// How a clause is read from its nodes; `None` when that cannot be, which is among the findings.
pub(crate) type ReadClause<T> = fn(&Node<'_>, &mut Findings) -> Option<T>;

/// A part of a policy that asks for secrets.
pub struct OpenClause<T> {
    tree: Node<'static>,
    asks: Vec<Placeholder>,
    /// What each of `asks` is written as.
    bodies: Vec<String>,
    read: ReadClause<T>,
}

impl<T> fmt::Debug for OpenClause<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenClause")
            .field("asks", &self.asks)
            .finish_non_exhaustive()
    }
}

/// What fills a placeholder of a clause.
#[derive(Debug)]
pub enum Fill {
    /// The secret's text, in the format that the placeholder asks for.
    Text(Secret),
    /// The YAML of a config-fragment.
    Fragment(Secret),
    /// The secret cannot be had: an entry that it should give is left out, and gives nobody anything.
    Unreadable,
}

/// What is known of the secrets that clauses ask for.
#[derive(Debug, Default)]
pub struct Fills(HashMap<(SecretName, Format, Encoding), Fill>);

impl Fills {
    /// Says what fills a placeholder.
    pub fn insert(&mut self, placeholder: &Placeholder, fill: Fill) {
        self.0.insert(key(placeholder), fill);
    }
}

fn key(placeholder: &Placeholder) -> (SecretName, Format, Encoding) {
    let secret = placeholder.secret.clone();
    (secret, placeholder.format, placeholder.encoding)
}

/// Why a clause does not close: what its secrets say does not fit where they stand.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("what its secrets say does not fit: {}", listed(.found))]
pub struct ClauseError {
    /// At least one error; positions are those of the placeholders. No secret is shown.
    pub found: Vec<Diagnostic>,
}

fn listed(found: &[Diagnostic]) -> String {
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl<T: Clone> Clause<T> {
    /// The placeholders that must be filled to close it; none when it is stated.
    pub fn asks(&self) -> &[Placeholder] {
        match self {
            Self::Stated(_) => &[],
            Self::Open(open) => &open.asks,
        }
    }

    /// What it says once its secrets are known.
    ///
    /// # Errors
    /// [`ClauseError`]: a fill is missing, holds a placeholder itself, or does not fit by the rules of the
    /// language.
    pub fn close(&self, fills: &Fills) -> Result<Cow<'_, T>, ClauseError> {
        match self {
            Self::Stated(stated) => Ok(Cow::Borrowed(stated)),
            Self::Open(open) => open.close(fills).map(Cow::Owned),
        }
    }

    /// What it says, if the text states it.
    pub const fn stated(&self) -> Option<&T> {
        match self {
            Self::Stated(stated) => Some(stated),
            Self::Open(_) => None,
        }
    }
}

impl<T: Clone> Clause<Vec<T>> {
    /// What a list says, as [`Clause::close`].
    pub(crate) fn close_list(&self, fills: &Fills) -> Result<Cow<'_, [T]>, ClauseError> {
        Ok(match self.close(fills)? {
            Cow::Borrowed(list) => Cow::Borrowed(list.as_slice()),
            Cow::Owned(list) => Cow::Owned(list),
        })
    }
}

impl<T> OpenClause<T> {
    /// A clause over these nodes, whose placeholders are `asks` with what they are written as.
    pub(crate) fn new(
        tree: Node<'static>,
        asks: Vec<(String, Placeholder)>,
        read: ReadClause<T>,
    ) -> Self {
        let (bodies, asks) = asks.into_iter().unzip();
        Self {
            tree,
            asks,
            bodies,
            read,
        }
    }

    fn close(&self, fills: &Fills) -> Result<T, ClauseError> {
        let mut findings = Findings::default();
        let mut budget = Budget::default();
        let filler = ByFills {
            asks: self
                .bodies
                .iter()
                .map(String::as_str)
                .zip(&self.asks)
                .collect(),
            fills,
            text_left: Budget::default(),
        };
        let filled = splice::fill(&self.tree, filler, &mut budget, &mut findings);
        if !findings.is_empty() {
            return Err(refused(findings));
        }
        let read = (self.read)(&filled, &mut findings);
        if read.is_none() && !findings.holds_error() {
            let message = "what secrets say here cannot be read";
            let place = self.tree.position;
            findings.push(Diagnostic::error(codes::FRAGMENT_MISFIT, place, message));
        }
        match read {
            Some(read) if !findings.holds_error() => Ok(read),
            _ => Err(ClauseError {
                found: (refused(findings).found.iter())
                    .map(without_values)
                    .collect(),
            }),
        }
    }
}

fn refused(findings: Findings) -> ClauseError {
    let mut found = findings.into_sorted();
    found.retain(|finding| finding.severity == Severity::Error);
    ClauseError { found }
}

/// What the readers say shows what they read, and that may be another policy's secret.
fn without_values(found: &Diagnostic) -> Diagnostic {
    let message = format!("what secrets say here does not fit: {}", found.code);
    Diagnostic::error(found.code, found.position, message)
}

/// Fills placeholders by what they are written as. Not by their order: an entry that is left out may have had
/// some, which do not stand in the tree any more.
struct ByFills<'c> {
    asks: HashMap<&'c str, &'c Placeholder>,
    fills: &'c Fills,
    /// What fragments may still be read: each is read again wherever it stands.
    text_left: Budget,
}

impl Filler for ByFills<'_> {
    fn fill(
        &mut self,
        body: &str,
        position: Position,
        _findings: &mut Findings,
    ) -> Result<Filled, Diagnostic> {
        let asked = self.asks.get(body).copied();
        let fill = asked.and_then(|asked| self.fills.0.get(&key(asked)));
        let name = asked.map_or("?", |asked| asked.secret.as_str());
        match fill {
            Some(Fill::Text(text)) => filled_text(name, text, position),
            Some(Fill::Fragment(yaml)) => {
                let spent = self.text_left.take(0, yaml.len());
                if let Err(found) = spent.map_err(|spent| spent.found(position)) {
                    return found.map_or(Ok(Filled::Open), Err);
                }
                filled_fragment(name, yaml, position)
            }
            Some(Fill::Unreadable) => Ok(Filled::LeftOut),
            None => {
                let message = format!("`{name}` has no value");
                Err(Diagnostic::error(codes::FRAGMENT_MISFIT, position, message))
            }
        }
    }

    /// Those of the text were made when it was parsed; those of secrets would be nested.
    fn template(&mut self, _entry: &Entry<'_>, _findings: &mut Findings) -> Option<Template> {
        None
    }
}

fn filled_text(name: &str, text: &Secret, position: Position) -> Result<Filled, Diagnostic> {
    // Exposed to stand where the policy wants it: key hashes, measurements, words.
    let Some(text) = text.expose_text() else {
        let message = format!("`{name}` holds bytes that are no text here");
        let found = Diagnostic::error(codes::FRAGMENT_MISFIT, position, message);
        return Err(found.hint("ask for `:hex`"));
    };
    if text.contains(OPENING) {
        return Err(nested(name, position));
    }
    let text = Text::of_secret(text.to_owned(), position);
    Ok(Filled::Node(Node::new(position, Value::Text(text))))
}

fn filled_fragment(name: &str, yaml: &Secret, position: Position) -> Result<Filled, Diagnostic> {
    let no_yaml = || {
        let message = format!("the config-fragment `{name}` is no YAML");
        Diagnostic::error(codes::FRAGMENT_MISFIT, position, message)
    };
    // Exposed to be read as the part of the policy that it is.
    let text = yaml.expose_text().ok_or_else(no_yaml)?;
    if text.contains(OPENING) {
        return Err(nested(name, position));
    }
    let node = yaml::load(text).map_err(|_| no_yaml())?;
    if splice::asks(&node) {
        return Err(nested(name, position));
    }
    Ok(Filled::Node(node.moved_to(position)))
}

/// That what fills a placeholder holds one itself.
pub(crate) fn nested(name: &str, position: Position) -> Diagnostic {
    let message = format!("the value of `{name}` holds a placeholder itself");
    Diagnostic::error(codes::NESTED_PLACEHOLDER, position, message)
        .hint("values are never looked through again: write the value out")
}
