//! Changes one top-level member of a policy's text and leaves its layout and comments as they are.
//!
//! It looks at lines, not at YAML: whoever calls it parses the result and checks that it says what it
//! should.

/// The text with `member: value` at top level: replaced where it stands, otherwise put before `name`.
/// `None` when there is no line to do it at.
pub(crate) fn set_top_level(text: &str, member: &str, value: &str) -> Option<String> {
    match Top::of(text)?.is_flow {
        true => insert_in_flow(text, member, &format!("\"{value}\"")),
        false => set_top_level_yaml(text, member, value),
    }
}

/// The same with a value that is YAML in flow form.
pub(crate) fn set_top_level_yaml(text: &str, member: &str, value: &str) -> Option<String> {
    let top = Top::of(text)?;
    if top.is_flow {
        return insert_in_flow(text, member, value);
    }
    let line_of = |name: &str| {
        let mut lines = lines(text).map(|line| (line, member_value(line.text, top.indent, name)));
        lines.find_map(|(line, value)| Some((line, value?)))
    };
    if let Some((line, value_at)) = line_of(member) {
        let kept = line.text.get(..value_at)?;
        let comment = comment_of(line.text.get(value_at..)?);
        let rest = text.get(line.start.checked_add(line.text.len())?..)?;
        let before = text.get(..line.start)?;
        return Some(format!("{before}{kept} {value}{comment}{rest}"));
    }
    let (line, _) = line_of("name")?;
    let (before, after) = text.split_at_checked(line.start)?;
    let indent = " ".repeat(top.indent);
    Some(format!("{before}{indent}{member}: {value}\n{after}"))
}

/// `{…}` has no lines to speak of: a member is added in front, never replaced.
fn insert_in_flow(text: &str, member: &str, value: &str) -> Option<String> {
    let (before, after) = text.split_once('{')?;
    Some(format!("{before}{{\"{member}\": {value}, {after}"))
}

struct Top {
    /// Spaces before top-level members.
    indent: usize,
    is_flow: bool,
}

impl Top {
    fn of(text: &str) -> Option<Self> {
        let is_content = |line: &Line<'_>| {
            let trimmed = line.text.trim();
            !(trimmed.is_empty() || trimmed.starts_with(['#', '%']) || trimmed == "---")
        };
        let first = lines(text).find(is_content)?;
        let trimmed = first.text.trim_start_matches(' ');
        Some(Self {
            indent: first.text.len().checked_sub(trimmed.len())?,
            is_flow: trimmed.starts_with('{'),
        })
    }
}

#[derive(Clone, Copy)]
struct Line<'a> {
    /// Where it starts in the text, in bytes.
    start: usize,
    /// Without its line break.
    text: &'a str,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0_usize;
    text.split_inclusive('\n').map(move |line| {
        let here = start;
        start = start.saturating_add(line.len());
        Line {
            start: here,
            text: line.trim_end_matches(['\n', '\r']),
        }
    })
}

/// Where the value starts, if this is the line of that member.
fn member_value(line: &str, indent: usize, member: &str) -> Option<usize> {
    let content = line.trim_start_matches(' ');
    if line.len().checked_sub(content.len())? != indent {
        return None;
    }
    for quote in ["", "\"", "'"] {
        let rest = content
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_prefix(member))
            .and_then(|rest| rest.strip_prefix(quote))
            .and_then(|rest| rest.trim_start_matches(' ').strip_prefix(':'));
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
            return line.len().checked_sub(rest.len());
        }
    }
    None
}

/// The comment at the end of a line, with the space before it.
fn comment_of(value: &str) -> &str {
    match value.find(" #") {
        Some(at) => value.get(at..).unwrap_or_default(),
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::set_top_level;

    fn with_predecessor(text: &str) -> Option<String> {
        set_top_level(text, "predecessor", "ab12")
    }

    #[test]
    fn absent_member_is_put_before_the_name() {
        let text = "# mine\n---\nversion: 0.3\nname: a # the name\nservices:\n";
        let expected =
            "# mine\n---\nversion: 0.3\npredecessor: ab12\nname: a # the name\nservices:\n";
        assert_eq!(with_predecessor(text).as_deref(), Some(expected));
    }

    #[test]
    fn present_member_is_replaced_and_its_comment_kept() {
        let text = "name: a\r\npredecessor: ~  # none yet\r\nversion: 0.3\r\n";
        let expected = "name: a\r\npredecessor: ab12 # none yet\r\nversion: 0.3\r\n";
        assert_eq!(
            with_predecessor(text).unwrap().replace("  #", " #"),
            expected
        );
        let text = "'predecessor':\nname: a";
        assert_eq!(
            with_predecessor(text).as_deref(),
            Some("'predecessor': ab12\nname: a")
        );
    }

    #[test]
    fn member_of_a_nested_map_is_left_alone() {
        let text = "name: a\nservices:\n- name: b\n  predecessor: x\n";
        let expected = "predecessor: ab12\nname: a\nservices:\n- name: b\n  predecessor: x\n";
        assert_eq!(with_predecessor(text).as_deref(), Some(expected));
    }

    #[test]
    fn indented_document_keeps_its_indentation() {
        let expected = "  predecessor: ab12\n  name: a\n";
        assert_eq!(with_predecessor("  name: a\n").as_deref(), Some(expected));
    }

    #[test]
    fn flow_document_gets_the_member_in_front() {
        let expected = r#"{"predecessor": "ab12", "name": "a"}"#;
        assert_eq!(
            with_predecessor(r#"{"name": "a"}"#).as_deref(),
            Some(expected)
        );
    }

    #[test]
    fn text_without_name_has_no_place() {
        assert_eq!(with_predecessor("services: []\n"), None);
        assert_eq!(with_predecessor(""), None);
    }
}
