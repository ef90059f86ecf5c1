//! Names of policies, services and secrets, and the config id that selects a service.
//!
//! The characters are RFC 3986's unreserved ones, the limit per segment 512 characters
//! (spec/policy-language.md section 1.1). Names are not confidential: they appear in logs and errors.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is no name.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum NameParseError {
    /// A segment has no character.
    #[error("expected at least one character in each segment of the name")]
    Empty,
    /// A segment has more than 512 characters, or a path more than 16 segments.
    #[error(
        "expected at most {MAX_SEGMENT_CHARACTERS} characters in each of at most {MAX_SEGMENTS} segments"
    )]
    TooLong,
    /// A character outside letters, digits, `_`, `-`, `.`, `~`.
    #[error("expected letters, digits, `_`, `-`, `.` and `~` only, found `{found}`")]
    Character {
        /// The first such character.
        found: char,
    },
    /// `.` or `..` where no relative reference may stand: paths of URLs would lose them.
    #[error("expected a name, found `.` or `..`, which stand in relative references alone")]
    Dots,
    /// `..` above the root namespace.
    #[error("`..` leads above the root namespace")]
    AboveRoot,
    /// A config id without a `/` between policy and service.
    #[error("expected `policy/service`, found no `/`")]
    NoService,
}

/// A policy's name: segments joined by `/`; all but the last are its namespace. The root namespace is `/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyName(String);

impl PolicyName {
    /// The root namespace, `/`: the parent of every policy whose name has one segment.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Whether this is the root namespace.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The name as text, without a leading `/`; `/` for the root namespace.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The policy that is this one's namespace: the root for a name of one segment, none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let parent = self.0.rsplit_once('/');
        Some(parent.map_or_else(Self::root, |(parent, _)| Self(parent.to_owned())))
    }

    /// Whether this policy is `namespace` itself, or stands below it at any depth.
    #[must_use]
    pub fn is_within(&self, namespace: &Self) -> bool {
        if namespace.is_root() || self == namespace {
            return true;
        }
        let rest = self.0.strip_prefix(namespace.as_str());
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// The policy that `reference` means in a policy of this name: `..` is its namespace, `../x` a policy
    /// beside it, `./x` one below it, anything else an absolute name (spec/policy-language.md section 3.3).
    ///
    /// # Errors
    /// [`NameParseError`]: a segment is none, or `..` leads above the root.
    pub fn resolve(&self, reference: &str) -> Result<Self, NameParseError> {
        let is_relative = matches!(reference, "." | "..")
            || reference.starts_with("./")
            || reference.starts_with("../");
        if !is_relative {
            return reference.parse();
        }
        let mut segments: Vec<&str> = match self.is_root() {
            true => Vec::new(),
            false => self.0.split('/').collect(),
        };
        for segment in reference.split('/') {
            match segment {
                "." => {}
                ".." => {
                    segments.pop().ok_or(NameParseError::AboveRoot)?;
                }
                other => segments.push(other),
            }
        }
        match segments.is_empty() {
            true => Ok(Self::root()),
            false => segments.join("/").parse(),
        }
    }
}

impl FromStr for PolicyName {
    type Err = NameParseError;

    /// Reads a name; one leading `/` is accepted and dropped, as in SCONE's references. `/` is the root.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "/" {
            return Ok(Self::root());
        }
        let name = text.strip_prefix('/').unwrap_or(text);
        if name.split('/').count() > MAX_SEGMENTS {
            return Err(NameParseError::TooLong);
        }
        name.split('/').try_for_each(parse_segment)?;
        Ok(Self(name.to_owned()))
    }
}

/// Declares a one-segment name.
macro_rules! segment_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = NameParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_segment(text)?;
                Ok(Self(text.to_owned()))
            }
        }
    };
}

segment_name!(
    /// A service's name within its policy.
    ServiceName
);
segment_name!(
    /// A secret's name within its policy.
    SecretName
);
segment_name!(
    /// A volume's name within its policy.
    VolumeName
);

/// Which service of which policy a workload wants to be: `[namespace/…]policy/service`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigId {
    policy: PolicyName,
    service: ServiceName,
}

impl ConfigId {
    /// The config id of a service of a policy.
    #[must_use]
    pub const fn new(policy: PolicyName, service: ServiceName) -> Self {
        Self { policy, service }
    }

    /// The policy's name.
    #[must_use]
    pub const fn policy(&self) -> &PolicyName {
        &self.policy
    }

    /// The service's name.
    #[must_use]
    pub const fn service(&self) -> &ServiceName {
        &self.service
    }
}

impl FromStr for ConfigId {
    type Err = NameParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix('/').unwrap_or(text);
        let (policy, service) = text.rsplit_once('/').ok_or(NameParseError::NoService)?;
        // The root namespace has no services: `//x` is no config id.
        let policy = match policy {
            "" => return Err(NameParseError::Empty),
            name => name.parse()?,
        };
        Ok(Self::new(policy, service.parse()?))
    }
}

impl fmt::Display for ConfigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.policy.0, self.service.0)
    }
}

/// Shows a name as its text.
macro_rules! shown_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "`{}`", self.0)
            }
        }
    )*};
}
shown_as_text!(PolicyName, ServiceName, SecretName, VolumeName);

impl fmt::Debug for ConfigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

fn parse_segment(text: &str) -> Result<(), NameParseError> {
    if text.is_empty() {
        return Err(NameParseError::Empty);
    }
    if text.len() > MAX_SEGMENT_CHARACTERS {
        return Err(NameParseError::TooLong);
    }
    if matches!(text, "." | "..") {
        return Err(NameParseError::Dots);
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "_-.~".contains(*c);
    match text.chars().find(|c| !allowed(c)) {
        Some(found) => Err(NameParseError::Character { found }),
        None => Ok(()),
    }
}

const MAX_SEGMENT_CHARACTERS: usize = 512;
const MAX_SEGMENTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_name_leading_slash_is_dropped() {
        let name: PolicyName = "/a/b".parse().unwrap();
        assert_eq!(name.as_str(), "a/b");
        assert_eq!(name.parent().unwrap().as_str(), "a");
        assert_eq!(name.parent().unwrap().parent(), Some(PolicyName::root()));
        assert_eq!(PolicyName::root().parent(), None);
    }

    fn policy(text: &str) -> PolicyName {
        text.parse().unwrap()
    }

    #[test]
    fn policy_name_relative_references_are_resolved() {
        let here = policy("a/b");
        for (reference, expected) in [
            ("..", "a"),
            ("../c", "a/c"),
            ("../../c", "c"),
            ("../..", "/"),
            ("./c", "a/b/c"),
            ("x/y", "x/y"),
            ("/x", "x"),
        ] {
            assert_eq!(here.resolve(reference), Ok(policy(expected)), "{reference}");
        }
        let above = here.resolve("../../../c");
        assert_eq!(above, Err(NameParseError::AboveRoot));
    }

    #[test]
    fn policy_name_of_dots_is_refused() {
        for text in ["..", "a/../b", "./a", "a/."] {
            assert_eq!(
                text.parse::<PolicyName>(),
                Err(NameParseError::Dots),
                "{text}"
            );
        }
        assert!("a.b/..c".parse::<PolicyName>().is_ok());
    }

    #[test]
    fn policy_name_within_counts_whole_segments() {
        assert!(policy("a/b/c").is_within(&policy("a/b")));
        assert!(policy("a/b").is_within(&policy("a/b")));
        assert!(policy("a").is_within(&PolicyName::root()));
        assert!(!policy("a/bc").is_within(&policy("a/b")));
        assert!(!policy("a").is_within(&policy("a/b")));
    }

    #[test]
    fn policy_name_space_is_named() {
        let refused = "a/b c".parse::<PolicyName>().unwrap_err();
        assert_eq!(refused, NameParseError::Character { found: ' ' });
    }

    #[test]
    fn policy_name_empty_segment_is_refused() {
        assert_eq!("a//b".parse::<PolicyName>(), Err(NameParseError::Empty));
    }

    #[test]
    fn segment_of_513_characters_is_too_long() {
        assert!("x".repeat(512).parse::<SecretName>().is_ok());
        let refused = "x".repeat(513).parse::<SecretName>();
        assert_eq!(refused, Err(NameParseError::TooLong));
    }

    #[test]
    fn config_id_last_segment_is_the_service() {
        let id: ConfigId = "ns/app/web".parse().unwrap();
        assert_eq!(id.policy().as_str(), "ns/app");
        assert_eq!(id.service().as_str(), "web");
        assert_eq!(id.to_string(), "ns/app/web");
    }

    #[test]
    fn config_id_without_slash_has_no_service() {
        assert_eq!("app".parse::<ConfigId>(), Err(NameParseError::NoService));
    }
}
