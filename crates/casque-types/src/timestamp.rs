//! Points and spans of time in whole seconds.

use std::fmt;

/// A span of time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u64);

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point of time `seconds` after the epoch.
    #[must_use]
    pub const fn from_unix_s(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn as_unix_s(self) -> u64 {
        self.0
    }

    /// The point `span` later; the last representable one if there is none.
    #[must_use]
    pub const fn plus(self, span: Seconds) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The point `span` earlier; the epoch if there is none.
    #[must_use]
    pub const fn minus(self, span: Seconds) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// How long after `earlier` this is; nothing if it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// Whole UTC time in RFC 3339, such as `2026-11-23T08:30:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / SECONDS_PER_DAY);
        let rest = self.0 % SECONDS_PER_DAY;
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Year, month and day of the `days`-th day after the epoch in the Gregorian calendar.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let mut year = 1970_u64;
    let mut rest = days % DAYS_PER_400_YEARS;
    year = year.saturating_add((days / DAYS_PER_400_YEARS).saturating_mul(400));
    loop {
        let length = 365_u64.saturating_add(u64::from(is_leap(year)));
        if rest < length {
            break;
        }
        rest = rest.saturating_sub(length);
        year = year.saturating_add(1);
    }
    let mut month = 1_u64;
    for length in month_lengths(year) {
        if rest < length {
            break;
        }
        rest = rest.saturating_sub(length);
        month = month.saturating_add(1);
    }
    (year, month, rest.saturating_add(1))
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn month_lengths(year: u64) -> [u64; 12] {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

const SECONDS_PER_DAY: u64 = 86_400;
const DAYS_PER_400_YEARS: u64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_shown_is_rfc_3339() {
        let shown = |s| Timestamp::from_unix_s(s).to_string();
        assert_eq!(shown(0), "1970-01-01T00:00:00Z");
        assert_eq!(shown(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(shown(1_795_424_399), "2026-11-23T08:59:59Z");
        assert_eq!(shown(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(shown(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
