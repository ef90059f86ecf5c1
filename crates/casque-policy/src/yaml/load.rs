//! Events of the YAML parser become nodes.

use std::borrow::Cow;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::bounds::{START, expect_bounded};
use super::input::{BoundedInput, Budget};
use super::tags::{ReadTag, read_tag};
use super::{Entry, Node, Offsets, Tag, Text, Value};
use crate::codes;
use crate::findings::{Findings, quoted};
use crate::{Diagnostic, Position};

/// Builds the tree of a text.
///
/// # Errors
/// One diagnostic where the text is no YAML or is out of bounds; all duplicate keys otherwise.
pub(crate) fn load(text: &str) -> Result<Node<'_>, Vec<Diagnostic>> {
    let text = expect_bounded(text).map_err(|refused| vec![refused])?;
    let mut loader = Loader::new(text);
    let root = loader.run().map_err(|refused| vec![refused])?;
    let duplicates = loader.duplicates.into_sorted();
    if duplicates.is_empty() {
        Ok(root)
    } else {
        Err(duplicates)
    }
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    Block,
}

/// A scalar that is a value, with the characters that it takes up.
#[derive(Debug)]
pub(crate) struct ScalarSpan<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) style: Style,
    /// Index of the first character; of the content, where a block has its header before.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) position: Position,
    pub(crate) is_key: bool,
    /// The number of events before: tells whether two texts have the same structure.
    pub(crate) ordinal: usize,
    /// How many collections are open around it.
    pub(crate) depth: usize,
}

/// Every scalar of a text, in order.
///
/// # Errors
/// The text is no YAML, or out of bounds.
pub(crate) fn scalars(text: &str) -> Result<Vec<ScalarSpan<'_>>, Diagnostic> {
    let mut loader = Loader::new(text);
    loader.spans = Some(Vec::new());
    loader.run()?;
    Ok(loader.spans.unwrap_or_default())
}

struct Loader<'a> {
    parser: Parser<'a, BoundedInput<'a>>,
    budget: Budget,
    offsets: Offsets<'a>,
    text: &'a str,
    open: Vec<Open<'a>>,
    root: Option<Node<'a>>,
    nodes: usize,
    duplicates: Findings,
    spans: Option<Vec<ScalarSpan<'a>>>,
}

/// A collection whose end has not come yet.
struct Open<'a> {
    position: Position,
    tag: Option<Tag>,
    content: Content<'a>,
}

enum Content<'a> {
    List(Vec<Node<'a>>),
    Map {
        entries: Vec<Entry<'a>>,
        key: Option<(Cow<'a, str>, Position)>,
    },
}

impl<'a> Loader<'a> {
    fn new(text: &'a str) -> Self {
        let budget = Budget::new();
        Self {
            parser: Parser::new(BoundedInput::new(text, budget.clone())),
            budget,
            offsets: Offsets::new(text),
            text,
            open: Vec::new(),
            root: None,
            nodes: 0,
            duplicates: Findings::default(),
            spans: None,
        }
    }

    fn run(&mut self) -> Result<Node<'a>, Diagnostic> {
        while let Some(event) = self.parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            if self.budget.is_spent() {
                return Err(too_many(position_of(span.end)));
            }
            self.budget.renew();
            self.step(event, span)?;
        }
        Ok(self.root.take().unwrap_or(Node {
            position: START,
            tag: None,
            value: Value::Null,
        }))
    }

    fn step(&mut self, event: Event<'a>, span: Span) -> Result<(), Diagnostic> {
        let position = position_of(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.begin_document(position),
            Event::Alias(_) => Err(alias(position)),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                Err(alias(position))
            }
            Event::Scalar(text, style, _, tag) => {
                let tag = tag.as_deref().map(|tag| read_tag(tag, position));
                self.scalar(text, style, tag.transpose()?, span)
            }
            Event::SequenceStart(_, tag) => {
                let tag = tag.as_deref().map(|tag| read_tag(tag, position));
                self.begin(Content::List(Vec::new()), tag.transpose()?, span)
            }
            Event::MappingStart(_, tag) => {
                let tag = tag.as_deref().map(|tag| read_tag(tag, position));
                let content = Content::Map {
                    entries: Vec::new(),
                    key: None,
                };
                self.begin(content, tag.transpose()?, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn begin_document(&self, position: Position) -> Result<(), Diagnostic> {
        if self.root.is_none() {
            return Ok(());
        }
        let message = "expected one YAML document, found a second one";
        let refused = Diagnostic::error(codes::YAML_DOCUMENTS, position, message);
        Err(refused.hint("put each policy into a file of its own"))
    }

    fn count(&mut self, position: Position) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(too_many(position))
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<ReadTag>,
        span: Span,
    ) -> Result<(), Diagnostic> {
        let position = position_of(span.start);
        self.count(position)?;
        if self.spans.is_some() {
            self.remember(text.clone(), style, span);
        }
        if let Some(Open {
            content: Content::Map { key, .. },
            ..
        }) = self.open.last_mut()
            && key.is_none()
        {
            *key = Some((text, position));
            return Ok(());
        }
        let is_plain = style == ScalarStyle::Plain && !matches!(tag, Some(ReadTag::Text));
        let value = if is_plain && is_null(&text) {
            Value::Null
        } else {
            let source = self.offsets.slice(span.start.index(), span.end.index());
            Value::Text(Text::new(text, source, position))
        };
        let tag = tag.and_then(ReadTag::local);
        self.place(Node {
            position,
            tag,
            value,
        })
    }

    fn remember(&mut self, text: Cow<'a, str>, style: ScalarStyle, span: Span) {
        let depth = self.open.len();
        let is_key = matches!(
            self.open.last().map(|open| &open.content),
            Some(Content::Map { key: None, .. })
        );
        let ordinal = self.nodes;
        let Some(spans) = &mut self.spans else {
            return;
        };
        spans.push(ScalarSpan {
            text,
            style: match style {
                ScalarStyle::Plain => Style::Plain,
                ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
            },
            start: span.start.index(),
            end: span.end.index(),
            position: position_of(span.start),
            is_key,
            ordinal,
            depth,
        });
    }

    fn begin(
        &mut self,
        content: Content<'a>,
        tag: Option<ReadTag>,
        span: Span,
    ) -> Result<(), Diagnostic> {
        let position = position_of(span.start);
        self.count(position)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(position));
        }
        self.open.push(Open {
            position,
            tag: tag.and_then(ReadTag::local),
            content,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Diagnostic> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => {
                find_duplicates(&entries, &mut self.duplicates);
                Value::Map(entries)
            }
        };
        self.place(Node {
            position: open.position,
            tag: open.tag,
            value,
        })
    }

    fn place(&mut self, node: Node<'a>) -> Result<(), Diagnostic> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, key } => {
                let Some((key, position)) = key.take() else {
                    let message = format!("expected a text as key, found {}", node.value.kind());
                    let refused = Diagnostic::error(codes::YAML_KEY, node.position, message);
                    let line = line_at(self.text, node.position.line);
                    return Err(match template_hint(line) {
                        Some(hint) => refused.hint(hint),
                        None => refused,
                    });
                };
                entries.push(Entry {
                    key,
                    position,
                    value: node,
                });
            }
        }
        Ok(())
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let position = position_of(*error.marker());
        if self.budget.is_spent() {
            return too_many(position);
        }
        let found = error.info();
        if found.contains("recursion limit") {
            return too_deep(position);
        }
        let line = line_at(self.text, position.line);
        let indentation = line.trim_start_matches(' ');
        if found.contains("tab") && indentation.starts_with('\t') {
            let message = "expected spaces as indentation, found a tab";
            let refused = Diagnostic::error(codes::YAML_TAB, position, message);
            return refused.hint("YAML does not allow tabs there: replace each by spaces");
        }
        let refused = Diagnostic::error(codes::YAML_SYNTAX, position, format!("not YAML: {found}"));
        match template_hint(line).or_else(|| syntax_hint(found)) {
            Some(hint) => refused.hint(hint),
            None => refused,
        }
    }
}

fn line_at(text: &str, number: usize) -> &str {
    let line = text.lines().nth(number.saturating_sub(1));
    line.unwrap_or_default()
}

/// For a line that another tool's template would have written anew.
fn template_hint(line: &str) -> Option<&'static str> {
    if line.contains("{{") {
        return Some("`{{` begins a template of another tool: render it, then check what it wrote");
    }
    if line.contains("${") && line.contains(['[', ',']) {
        return Some("within brackets write `$NAME`, or quotes around `\"${NAME}\"`");
    }
    None
}

fn syntax_hint(found: &str) -> Option<&'static str> {
    if found.contains("mapping values are not allowed") {
        return Some("check the indentation, or put quotes around a text that holds `: `");
    }
    if found.contains("unexpected character") {
        return Some("a text that begins with `@`, a back quote or `%` needs quotes around it");
    }
    if found.contains("simple key") {
        return Some(
            "every line is `key: value`, `- item` or deeper than the key above it; \
             a template that puts in whole lines is rendered first",
        );
    }
    if found.contains("unknown escape") {
        return Some("within double quotes a backslash is written twice; single quotes need none");
    }
    None
}

fn alias(position: Position) -> Diagnostic {
    let message = "anchors and aliases (`&name`, `*name`) are not accepted";
    let refused = Diagnostic::error(codes::YAML_ALIAS, position, message);
    refused.hint("write the value out, or put quotes around a text that begins with `&` or `*`")
}

fn too_many(position: Position) -> Diagnostic {
    let message = format!("expected at most {MAX_NODES} keys and values");
    Diagnostic::error(codes::YAML_TOO_MANY, position, message)
        .hint("split the policy; a text of many thousand words stands better in a block, under `|`")
}

fn too_deep(position: Position) -> Diagnostic {
    let message = format!("expected at most {MAX_DEPTH} levels of lists and maps");
    Diagnostic::error(codes::YAML_TOO_DEEP, position, message)
}

fn find_duplicates(entries: &[Entry<'_>], findings: &mut Findings) {
    let mut sorted: Vec<(&str, Position)> = entries.iter().map(|e| (&*e.key, e.position)).collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        let [(first, first_position), (second, position)] = pair else {
            continue;
        };
        if first == second {
            let key = quoted(second);
            let message = format!("the key {key} stands here again, first at {first_position}");
            let refused = Diagnostic::error(codes::DUPLICATE_KEY, *position, message);
            findings.push(refused.hint("remove one of the two"));
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn position_of(marker: Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col().saturating_add(1),
    }
}

const MAX_DEPTH: usize = 32;
pub(super) const MAX_NODES: usize = 16_384;
