//! What the store keeps beside the versions of policies: things that are used once, and small state that
//! outlives a version.

use std::fmt;
use std::str::FromStr;

use casque_types::{Secret, Timestamp};
use thiserror::Error;

use super::StoreError;

/// Something that may be used once, such as a one-time password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    what: String,
    until: Timestamp,
}

impl Once {
    /// Names it: 1 to 1024 bytes, which say what it is, of whom, and which one. `until` is the last second in which
    /// it can be used: the store remembers it as long, and no longer.
    ///
    /// # Errors
    /// [`OnceError`] when the name is empty or too long.
    pub fn new(what: String, until: Timestamp) -> Result<Self, OnceError> {
        let found_bytes = what.len();
        if (1..=MAX_ONCE_BYTES).contains(&found_bytes) {
            Ok(Self { what, until })
        } else {
            Err(OnceError { found_bytes })
        }
    }

    /// Its name.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The last second in which it can be used.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }
}

/// Why a text does not name something that may be used once.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected a name of 1 to {MAX_ONCE_BYTES} bytes, found {found_bytes}")]
pub struct OnceError {
    /// The length of the text.
    pub found_bytes: usize,
}

/// What became of the attempt to use something that may be used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spending {
    /// It had not been used, and now it is.
    Fresh,
    /// It was used before, or its time is over.
    Spent,
}

/// The name of one kept value of a policy: 1 to 1200 printable ASCII characters (space to `~`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeptKey(String);

impl KeptKey {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeptKey {
    type Err = KeptKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(found) = text.chars().find(|c| !matches!(c, ' '..='~')) {
            return Err(KeptKeyError::Character { found });
        }
        let found_characters = text.len();
        if (1..=MAX_KEY_CHARACTERS).contains(&found_characters) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeptKeyError::Length { found_characters })
        }
    }
}

impl fmt::Display for KeptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// Why a text is no name of a kept value.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeptKeyError {
    /// It is empty or too long.
    #[error("expected a name of 1 to {MAX_KEY_CHARACTERS} characters, found {found_characters}")]
    Length {
        /// How many characters it has.
        found_characters: usize,
    },
    /// It has a character that is not printable ASCII.
    #[error("expected printable ASCII characters only, found `{}`", found.escape_default())]
    Character {
        /// The first such character.
        found: char,
    },
}

/// How often a kept value was kept: 1 for the first time, one more each further time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeptRevision(pub u64);

impl KeptRevision {
    /// The revision that follows, or the first.
    #[must_use]
    pub fn after(current: Option<Self>) -> Self {
        Self(current.map_or(0, |current| current.0).saturating_add(1))
    }
}

/// A kept value.
#[derive(Debug)]
pub struct Kept {
    /// The value.
    pub value: Secret,
    /// Its revision, to be named when it is to be replaced.
    pub revision: KeptRevision,
}

impl Kept {
    /// The length of the longest value that is kept, in bytes: 1 MiB.
    pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
}

/// Why a value was not kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// The current revision is another one: somebody was faster.
    #[error("the current revision is another one")]
    Conflict {
        /// The current revision, if there is one.
        current: Option<KeptRevision>,
    },
    /// The value is too long.
    #[error(
        "expected a value of at most {} bytes, found {found_bytes}",
        Kept::MAX_VALUE_BYTES
    )]
    TooLong {
        /// The length of the value.
        found_bytes: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const MAX_ONCE_BYTES: usize = 1024;
const MAX_KEY_CHARACTERS: usize = 1200;

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: Timestamp = Timestamp::from_unix_s(7);

    #[test]
    fn once_of_1_to_1024_bytes_is_taken_and_of_others_refused() {
        for bytes in [1, 1024] {
            let once = Once::new("x".repeat(bytes), UNTIL).unwrap();
            assert_eq!((once.what().len(), once.until()), (bytes, UNTIL));
        }
        for found_bytes in [0, 1025] {
            let refused = Once::new("x".repeat(found_bytes), UNTIL);
            assert_eq!(refused, Err(OnceError { found_bytes }));
        }
    }

    #[test]
    fn kept_key_of_1_to_1200_characters_is_taken_and_of_others_refused() {
        for characters in [1, 1200] {
            assert!("x".repeat(characters).parse::<KeptKey>().is_ok());
        }
        for found_characters in [0, 1201] {
            let refused = "x".repeat(found_characters).parse::<KeptKey>();
            assert_eq!(refused, Err(KeptKeyError::Length { found_characters }));
        }
    }

    #[test]
    fn kept_key_takes_printable_ascii_alone() {
        let printable: String = (' '..='~').collect();
        assert_eq!(printable.parse::<KeptKey>().unwrap().as_str(), printable);
        for found in ['\u{1f}', '\n', '\u{7f}', 'ä', '\0'] {
            let refused = format!("a{found}").parse::<KeptKey>();
            assert_eq!(refused, Err(KeptKeyError::Character { found }));
        }
    }

    #[test]
    fn kept_revision_after_none_is_the_first() {
        assert_eq!(KeptRevision::after(None), KeptRevision(1));
        assert_eq!(KeptRevision::after(Some(KeptRevision(4))), KeptRevision(5));
    }
}
