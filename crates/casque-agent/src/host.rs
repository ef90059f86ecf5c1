//! The environment that the host gave the agent.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

/// The agent's own environment, as it was when it started. A service access token may be in it: it is not
/// printed. Nothing of it reaches the program unless the policy asks for it by name (`@@NAME`).
#[derive(Clone, Default)]
pub struct HostEnvironment(BTreeMap<OsString, OsString>);

impl HostEnvironment {
    /// The value of a variable, whatever it holds.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The value of a setting: UTF-8, and not empty.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        let value = self.value(name)?.to_str()?;
        (!value.is_empty()).then_some(value)
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for HostEnvironment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter();
        Self(
            variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for HostEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostEnvironment({} variables)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_environment_hides_values_from_debug() {
        let host: HostEnvironment = [("TOKEN", "hunter2")].into_iter().collect();
        assert_eq!(format!("{host:?}"), "HostEnvironment(1 variables)");
    }

    #[test]
    fn host_setting_that_is_empty_counts_as_absent() {
        let host: HostEnvironment = [("A", ""), ("B", "b")].into_iter().collect();
        assert_eq!(
            (host.setting("A"), host.value("A")),
            (None, Some(OsStr::new("")))
        );
        assert_eq!(host.setting("B"), Some("b"));
        assert_eq!((host.setting("C"), host.value("C")), (None, None));
    }
}
