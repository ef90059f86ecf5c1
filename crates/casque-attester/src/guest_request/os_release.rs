//! Which distribution it is: `NAME` and `VERSION_ID` of os-release(5).

/// What the service is told of the distribution; it believes none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OsRelease {
    /// `NAME`, such as `Ubuntu`; empty when the file does not say.
    pub(super) name: String,
    /// The number at the start of `VERSION_ID`; 0 when there is none.
    pub(super) major: u32,
    /// The number behind its first dot; 0 when there is none.
    pub(super) minor: u32,
}

impl OsRelease {
    /// The last line of each counts, as in a shell.
    pub(super) fn parse(text: &str) -> Self {
        let mut release = Self::default();
        for (variable, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let value = unquoted(value.trim());
            match variable.trim() {
                "NAME" => value.clone_into(&mut release.name),
                "VERSION_ID" => {
                    let mut numbers = value.split('.').map(|part| part.parse().unwrap_or(0));
                    release.major = numbers.next().unwrap_or(0);
                    release.minor = numbers.next().unwrap_or(0);
                }
                _ => {}
            }
        }
        release
    }
}

fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(name: &str, major: u32, minor: u32) -> OsRelease {
        let name = name.to_owned();
        OsRelease { name, major, minor }
    }

    #[test]
    fn name_and_version_are_read_with_quotes_or_without() {
        for (text, expected) in [
            (
                "PRETTY_NAME=\"Ubuntu 22.04.3 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.3\"\n",
                release("Ubuntu", 22, 4),
            ),
            (
                "NAME='Alpine Linux'\nVERSION_ID=3.19.1",
                release("Alpine Linux", 3, 19),
            ),
            ("NAME=Fedora\nVERSION_ID=40\n", release("Fedora", 40, 0)),
            ("NAME=a\nNAME=b\n", release("b", 0, 0)),
        ] {
            assert_eq!(OsRelease::parse(text), expected);
        }
    }

    #[test]
    fn what_is_not_said_is_empty() {
        for text in ["", "ID=arch\nVERSION_ID=rolling", "NAME", "# NAME=x"] {
            assert_eq!(OsRelease::parse(text), OsRelease::default(), "{text}");
        }
    }
}
