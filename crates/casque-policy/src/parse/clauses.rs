//! Clauses while a policy is parsed: what its own text says of a secret is filled in at once, so that it is
//! judged at once; what is generated, imported or kept in a vault leaves the clause open.
//!
//! `kind: ascii` and `kind: config-fragment` with `value` are filled in. A clause that stays open is read all
//! the same, its placeholders being holes that no rule speaks of: what is wrong around them is found now.

use std::collections::BTreeMap;

use casque_types::{Encoding, Format, SecretKind};

use super::secrets::DEFAULT_SIZE;
use super::{factors, references};
use crate::clause::{OpenClause, ReadClause, nested};
use crate::codes;
use crate::fields::Fields;
use crate::findings::Findings;
use crate::placeholder::{self, Declarations};
use crate::splice::{self, Budget, Filled, Filler};
use crate::yaml::{Entry, Node, Text, Value};
use crate::{Clause, Diagnostic, Placeholder, Position, Severity, Template};

/// What the clauses of a policy are filled with while it is parsed.
pub(super) struct Scope<'s, 'n, 'a> {
    pub(super) secrets: Secrets<'s, 'n, 'a>,
    /// For all clauses of the policy.
    budget: Budget,
}

/// The secrets of a policy, as far as its text says them.
pub(super) struct Secrets<'s, 'n, 'a> {
    pub(super) declarations: &'s Declarations<'n>,
    values: BTreeMap<&'n str, Known<'n, 'a>>,
}

/// Where the value of a secret is.
pub(super) enum Known<'n, 'a> {
    /// The text says it.
    Stated {
        value: &'n Node<'a>,
        /// Whether it asks for secrets itself, which is refused.
        asks: bool,
    },
    /// Another policy or a vault has it.
    Elsewhere,
    /// It is a binary secret of so many bytes, as far as that can be read.
    Bytes(usize),
    /// It is made, or of a kind whose text stands in no clause.
    Made,
}

/// How a clause is read.
pub(super) struct Rules<T> {
    pub(super) read: ReadClause<T>,
    /// What stands for a clause that cannot be read, which is an error: the strictest.
    pub(super) strictest: fn() -> T,
    /// What a secret that the policy does not have means.
    pub(super) unknown: UnknownSecret,
    /// The keys whose placeholders are filled at each release.
    pub(super) templates: &'static [&'static str],
}

/// What a secret that the policy does not have means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownSecret {
    /// An error.
    Refused,
    /// An entry that gives nobody anything; section 3.2 has it so in `access_policy`.
    GivesNothing,
}

impl<'s, 'n, 'a> Scope<'s, 'n, 'a> {
    pub(super) fn new(policy: &Fields<'n, 'a>, declarations: &'s Declarations<'n>) -> Self {
        let mut values = BTreeMap::new();
        if let Some(Value::List(items)) = policy.value("secrets").map(|node| &node.value) {
            for (name, known) in items.iter().filter_map(known_of) {
                values.entry(name).or_insert(known);
            }
        }
        Self {
            secrets: Secrets {
                declarations,
                values,
            },
            budget: Budget::default(),
        }
    }

    /// Reads a clause.
    pub(super) fn clause<T>(
        &mut self,
        node: &Node<'_>,
        rules: &Rules<T>,
        findings: &mut Findings,
    ) -> Clause<T> {
        if !splice::asks(node) {
            let read = (rules.read)(node, findings);
            return Clause::Stated(read.unwrap_or_else(rules.strictest));
        }
        let mut asks = Vec::new();
        let filler = ByText {
            secrets: &self.secrets,
            unknown: rules.unknown,
            templates: rules.templates,
            asks: &mut asks,
        };
        let filled = splice::fill(node, filler, &mut self.budget, findings);
        let read = (rules.read)(&filled, findings);
        if asks.is_empty() {
            return Clause::Stated(read.unwrap_or_else(rules.strictest));
        }
        Clause::Open(OpenClause::new(filled, asks, rules.read))
    }
}

impl<'n, 'a> Secrets<'_, 'n, 'a> {
    /// Where the value of a secret is.
    pub(super) fn known(&self, name: &str) -> Option<&Known<'n, 'a>> {
        self.values.get(name)
    }

    /// The kind of a secret, if the policy says it.
    pub(super) fn kind(&self, name: &str) -> Option<SecretKind> {
        self.declarations.find(name)?.kind
    }
}

/// A secret's name, and where its value is.
fn known_of<'n, 'a>(item: &'n Node<'a>) -> Option<(&'n str, Known<'n, 'a>)> {
    let Value::Map(entries) = &item.value else {
        return None;
    };
    let value = |key: &str| {
        let entry = entries.iter().find(|entry| entry.key == key)?;
        (!entry.value.is_null()).then_some(&entry.value)
    };
    let name = value("name")?.text()?.as_str();
    if value("import").is_some() || value("import_akv").is_some() {
        return Some((name, Known::Elsewhere));
    }
    let is_filled_in = match value("kind")?.text()?.as_str() {
        "binary" => return Some((name, Known::Bytes(bytes_of(value("value"), value("size"))))),
        "ascii" => value("value").is_some_and(|value| value.text().is_some()),
        "config-fragment" => true,
        _ => false,
    };
    let known = match value("value").filter(|_| is_filled_in) {
        Some(value) => Known::Stated {
            value,
            asks: splice::asks(value),
        },
        None => Known::Made,
    };
    Some((name, known))
}

/// How long a binary secret is; what is wrong with its length is found where it is read.
fn bytes_of(value: Option<&Node<'_>>, size: Option<&Node<'_>>) -> usize {
    if let Some(value) = value.and_then(Node::text) {
        return value.as_str().len() / 2;
    }
    match size.and_then(Node::text) {
        Some(size) => size.as_str().parse().unwrap_or(usize::MAX),
        None => DEFAULT_SIZE,
    }
}

/// Fills in what the text of the policy says.
struct ByText<'f, 's, 'n, 'a> {
    secrets: &'f Secrets<'s, 'n, 'a>,
    unknown: UnknownSecret,
    templates: &'static [&'static str],
    asks: &'f mut Vec<(String, Placeholder)>,
}

impl Filler for ByText<'_, '_, '_, '_> {
    fn fill(
        &mut self,
        body: &str,
        position: Position,
        findings: &mut Findings,
    ) -> Result<Filled, Diagnostic> {
        let placeholder = match placeholder::parse_body(body, position, self.secrets.declarations) {
            Ok(placeholder) => placeholder,
            Err(found)
                if found.code == codes::UNKNOWN_SECRET
                    && self.unknown == UnknownSecret::GivesNothing =>
            {
                findings.push(unknown_in_access(found));
                return Ok(Filled::LeftOut);
            }
            Err(found) => return Err(found),
        };
        let name = placeholder.secret.as_str();
        let kind = self.secrets.kind(name);
        expect_fitting(&placeholder, kind)?;
        match self.secrets.known(name) {
            Some(Known::Stated { asks: true, .. }) => Err(nested(name, position)),
            // An encoding is for what is rendered: the text of the open clause.
            Some(Known::Stated { value, .. }) if placeholder.encoding == Encoding::Verbatim => {
                Ok(Filled::Node(stated(value, kind)))
            }
            _ => {
                self.asks.push((body.to_owned(), placeholder));
                Ok(Filled::Open)
            }
        }
    }

    fn template(&mut self, entry: &Entry<'_>, findings: &mut Findings) -> Option<Template> {
        if !self.templates.contains(&&*entry.key) {
            return None;
        }
        let text = entry.value.text().filter(|_| splice::asks(&entry.value))?;
        let template = placeholder::template(text, self.secrets.declarations, findings);
        if entry.key == factors::ONE_TIME_PASSWORD {
            factors::judge_shared_secret(&template, text.position(), self.secrets, findings);
        } else {
            references::refuse_fragments(&template, self.secrets.declarations, findings);
        }
        Some(template)
    }
}

/// What the text says of a secret, which stands where the text says it. An ascii secret is not shown.
fn stated(value: &Node<'_>, kind: Option<SecretKind>) -> Node<'static> {
    match value.text() {
        Some(text) if kind == Some(SecretKind::Ascii) => {
            let text = Text::of_secret(text.as_str().to_owned(), text.position());
            Node::new(value.position, Value::Text(text))
        }
        _ => value.owned(),
    }
}

fn unknown_in_access(found: Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code: codes::UNKNOWN_SECRET_IN_ACCESS,
        message: format!("{}: the entry gives nobody anything", found.message),
        ..found
    }
}

/// Whether the text of a secret can stand in a clause at all, as far as its kind is known.
fn expect_fitting(placeholder: &Placeholder, kind: Option<SecretKind>) -> Result<(), Diagnostic> {
    let name = placeholder.secret.as_str();
    let misfit = |message| Diagnostic::error(codes::FRAGMENT_MISFIT, placeholder.position, message);
    match (kind, placeholder.format) {
        (Some(SecretKind::Binary), Format::Plain | Format::Bin) => {
            let message = format!("`{name}` is of bytes, and a text is wanted here");
            Err(misfit(message).hint(format!("write `$$SCONE::{name}:hex$$`")))
        }
        (Some(kind), _) if factors::is_confidential(kind) => {
            let message = format!("a secret of kind `{kind}` says nothing that can stand here");
            Err(misfit(message))
        }
        (_, format) if !is_of_public_text(format) => {
            let message = format!("`{name}` in this format says nothing that can stand here");
            Err(misfit(message).hint(format!("write `$$SCONE::{name}$$`")))
        }
        _ => Ok(()),
    }
}

/// Whether a format is a text that others may know: a word, digits, a certificate, a public key.
const fn is_of_public_text(format: Format) -> bool {
    matches!(
        format,
        Format::Plain
            | Format::Hex
            | Format::Base64
            | Format::Base64Url
            | Format::Base32
            | Format::Base32NoPad
            | Format::CertificatePem
            | Format::SpkiPem
    )
}
