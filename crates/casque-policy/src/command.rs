//! A `command` text becomes arguments: split at white space; single and double quotes protect, section 2.
//!
//! Nothing else of a shell: no escapes, no variables, no globs.

/// A quote that nothing closes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnbalancedQuote(pub(crate) char);

/// Splits a command.
pub(crate) fn split(text: &str) -> Result<Vec<String>, UnbalancedQuote> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                current.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => arguments.extend(current.take()),
            _ => current.get_or_insert_default().push(c),
        }
    }
    arguments.extend(current.take());
    match quote {
        Some(open) => Err(UnbalancedQuote(open)),
        None => Ok(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_quotes_protect_spaces() {
        let split = split(r#"sh -c 'a "b"  c' x"y z"w "" end"#).unwrap();
        assert_eq!(split, ["sh", "-c", r#"a "b"  c"#, "xy zw", "", "end"]);
    }

    #[test]
    fn command_open_quote_is_named() {
        assert_eq!(split("a 'b"), Err(UnbalancedQuote('\'')));
    }
}
