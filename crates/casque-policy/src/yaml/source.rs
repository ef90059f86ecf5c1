//! Places in the text: characters to bytes, and bytes to lines and columns.

use crate::Position;

/// Byte offsets by character index: the YAML parser counts characters, slices count bytes.
pub(crate) struct Offsets<'a> {
    text: &'a str,
    /// The byte offset of every 64th character; empty when all characters are one byte long.
    every_64th: Vec<usize>,
}

impl<'a> Offsets<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let every_64th = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices()
                .step_by(STEP)
                .map(|(offset, _)| offset)
                .collect()
        };
        Self { text, every_64th }
    }

    /// The byte offset of the character with this index; the text's end when there is none.
    pub(crate) fn byte(&self, character: usize) -> usize {
        if self.every_64th.is_empty() {
            return character.min(self.text.len());
        }
        let block = character / STEP;
        let Some(&start) = self.every_64th.get(block) else {
            return self.text.len();
        };
        let rest = self.text.get(start..).unwrap_or_default();
        rest.char_indices()
            .nth(character % STEP)
            .map_or(self.text.len(), |(offset, _)| start.saturating_add(offset))
    }

    /// The text between two character indices.
    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a str {
        let (start, end) = (self.byte(start), self.byte(end));
        self.text.get(start..end).unwrap_or_default()
    }
}

/// Walks through a piece of the file from one find to the next.
pub(crate) struct Places<'a> {
    rest: &'a str,
    position: Position,
    start: Position,
}

impl<'a> Places<'a> {
    pub(crate) const fn new(source: &'a str, position: Position) -> Self {
        Self {
            rest: source,
            position,
            start: position,
        }
    }

    /// The place of the next `needle`; the start of the piece when there is none, as for a needle that is
    /// written with escapes. Then there is none later either, and nothing is looked through again.
    pub(crate) fn next(&mut self, needle: &str) -> Position {
        let Some((before, _)) = self.rest.split_once(needle) else {
            self.rest = "";
            return self.start;
        };
        let found = after(self.position, before);
        let skipped = before.len().saturating_add(needle.len());
        self.rest = self.rest.get(skipped..).unwrap_or_default();
        self.position = after(found, needle);
        found
    }
}

/// The position behind `text` that begins at `position`.
pub(crate) fn after(position: Position, text: &str) -> Position {
    let Some((before, last)) = text.rsplit_once('\n') else {
        return Position {
            line: position.line,
            column: position.column.saturating_add(text.chars().count()),
        };
    };
    let breaks = before.matches('\n').count().saturating_add(1);
    Position {
        line: position.line.saturating_add(breaks),
        column: last.chars().count().saturating_add(1),
    }
}

const STEP: usize = 64;
