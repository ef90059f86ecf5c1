//! Findings in a policy, shown where they are: file, line, column, code, hint and an excerpt of the source.

use std::fmt;
use std::path::Path;

use casque_types::Secret;
use casque_wire::Diagnostic;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::console::{Style, printable};

/// Where findings stand: the author's own file, before variables were filled in.
#[derive(Debug)]
pub(crate) struct SourceText {
    /// As the author named it; `-` is standard input.
    name: String,
    original: Secret,
    /// Whether lines of the original are lines of the text that the findings are about.
    has_excerpts: bool,
}

impl SourceText {
    pub(crate) fn new(path: &Path, original: &Secret) -> Self {
        let name = match path.to_str() {
            Some("-") => "<stdin>".to_owned(),
            _ => path.display().to_string(),
        };
        Self {
            name,
            // duplicated: excerpts are shown after the text itself was changed or sent
            original: original.duplicate(),
            has_excerpts: true,
        }
    }

    /// For a text that was made of the original: what a variable's value is must not be shown, so
    /// excerpts are always the original's, and only where its lines are still the same ones.
    pub(crate) fn shown_for(mut self, text: &str) -> Self {
        self.has_excerpts &= text.lines().count() == self.text().lines().count();
        self
    }

    pub(crate) fn clone_without_excerpts(&self) -> Self {
        Self {
            name: self.name.clone(),
            original: Secret::new(Vec::new()),
            has_excerpts: false,
        }
    }

    fn text(&self) -> &str {
        // exposed: the author's own file is shown to the author
        self.original.expose_text().unwrap_or_default()
    }

    /// Where a finding stands in the original, in bytes, and how long the word there is.
    fn span(&self, found: &Diagnostic) -> Option<(usize, usize)> {
        if !self.has_excerpts {
            return None;
        }
        let mut start = 0_usize;
        let mut lines = self.text().split_inclusive('\n');
        for _ in 1..found.line {
            start = start.checked_add(lines.next()?.len())?;
        }
        let line = lines.next()?.trim_end();
        let column = found.column.saturating_sub(1);
        let (at, _) = line.char_indices().nth(column)?;
        let word = line.get(at..)?.split([' ', ':', ',', '#']).next()?;
        Some((start.checked_add(at)?, word.len().max(1)))
    }
}

/// What was found in one policy.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) source: SourceText,
    pub(crate) found: Vec<Diagnostic>,
}

impl Findings {
    pub(crate) fn new(source: SourceText, found: Vec<casque_policy::Diagnostic>) -> Self {
        Self {
            source,
            found: found.into_iter().map(on_the_wire).collect(),
        }
    }

    /// For an error about them.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            source: SourceText {
                name: self.source.name.clone(),
                // duplicated: the other findings are shown after these
                original: self.source.original.duplicate(),
                has_excerpts: self.source.has_excerpts,
            },
            found: self.found.clone(),
        }
    }

    /// Adds findings, in the order of the text.
    pub(crate) fn add_sorted(&mut self, more: Vec<Diagnostic>) {
        self.found.extend(more);
        self.found.sort_by_key(|found| (found.line, found.column));
    }

    /// Adds those of the server that our own parser did not have.
    pub(crate) fn add_news(&mut self, told: Vec<Diagnostic>) {
        for found in told {
            let is_same = |own: &Diagnostic| own.code == found.code && own.message == found.message;
            if !self.found.iter().any(is_same) {
                self.found.push(found);
            }
        }
    }

    /// All of them, as text with excerpts, and a line that counts them.
    pub(crate) fn render(&self, style: Style) -> String {
        let theme = match style {
            Style::Colour => GraphicalTheme::unicode(),
            Style::Plain | Style::Json => GraphicalTheme::unicode_nocolor(),
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_wrap_lines(false);
        let mut text = String::new();
        for found in &self.found {
            let shown = Shown::new(&self.source, found);
            // Writing to a string does not fail.
            handler.render_report(&mut text, &shown).ok();
            text.push('\n');
        }
        text.push_str(&self.count());
        text
    }

    fn count(&self) -> String {
        let errors = self.found.iter().filter(|found| is_error(found)).count();
        let warnings = self.found.len().saturating_sub(errors);
        let name = &self.source.name;
        format!(
            "{name}: {}, {}\n",
            plural(errors, "error"),
            plural(warnings, "warning")
        )
    }
}

fn plural(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}

fn on_the_wire(found: casque_policy::Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: found.severity.as_str().to_owned(),
        code: found.code.to_owned(),
        message: found.message,
        line: found.position.line,
        column: found.position.column,
        hint: found.hint,
    }
}

fn is_error(found: &Diagnostic) -> bool {
    found.severity != "warning"
}

/// One finding, as miette draws it.
#[derive(Debug)]
struct Shown {
    message: String,
    code: String,
    severity: miette::Severity,
    hint: Option<String>,
    excerpt: Option<(NamedSource<String>, LabeledSpan)>,
}

impl Shown {
    fn new(source: &SourceText, found: &Diagnostic) -> Self {
        let excerpt = source.span(found).map(|(start, length)| {
            let named = NamedSource::new(&source.name, source.text().to_owned());
            (
                named,
                LabeledSpan::new_primary_with_span(None, (start, length)),
            )
        });
        let message = printable(&found.message);
        let (line, column) = (found.line, found.column);
        Self {
            message: match &excerpt {
                Some(_) => message,
                None => format!("{}:{line}:{column}: {message}", source.name),
            },
            code: printable(&found.code),
            severity: match is_error(found) {
                true => miette::Severity::Error,
                false => miette::Severity::Warning,
            },
            hint: found.hint.as_deref().map(printable),
            excerpt,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl miette::Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let severity = match self.severity {
            miette::Severity::Error => "error",
            _ => "warning",
        };
        Some(Box::new(format!("{severity}[{}]", self.code)))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let hint = self.hint.as_ref()?;
        Some(Box::new(hint))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let (source, _) = self.excerpt.as_ref()?;
        Some(source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, label) = self.excerpt.as_ref()?;
        Some(Box::new(std::iter::once(label.clone())))
    }
}
