//! Instants and spans of time: whole Unix seconds and half-open windows.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The range of instants that podcal deals in: the year 0000, UTC, to the last
/// evening of 9999 at which every zone still has a local time.
const MIN_SECONDS: i64 = -62_167_219_200;
const MAX_SECONDS: i64 = 253_402_207_200;

/// An instant in whole seconds since 1970-01-01T00:00:00Z.
///
/// Prints as RFC 3339 in UTC. Arithmetic saturates at the years 0000 and 9999,
/// so no date in a feed can overflow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(i64);

impl UnixTime {
    pub const MIN: Self = Self(MIN_SECONDS);
    pub const MAX: Self = Self(MAX_SECONDS);

    /// The instant this number of seconds after the epoch, held to the years 0000 to 9999.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        if seconds < MIN_SECONDS {
            Self::MIN
        } else if seconds > MAX_SECONDS {
            Self::MAX
        } else {
            Self(seconds)
        }
    }

    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 such as `2026-03-02T09:00:00Z` or `2026-03-02T10:00:00+01:00`.
    ///
    /// ```
    /// # use podcal::model::time::UnixTime;
    /// let at = UnixTime::parse("2026-03-02T10:00:00+01:00").unwrap();
    /// assert_eq!(at.to_string(), "2026-03-02T09:00:00Z");
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return Some(Self::from_seconds(timestamp.as_second()));
        }
        // The last hours of the year 9999 are beyond jiff's instants, not beyond RFC 3339.
        let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
        pieces.to_numeric_offset().and(pieces.time())?;
        (pieces.date().year() == 9999).then_some(Self::MAX)
    }

    /// This instant for jiff. Never fails: the range is narrower than jiff's.
    #[must_use]
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Self::from_seconds(self.0.saturating_add(seconds))
    }

    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        Self::from_seconds(self.0.saturating_sub(seconds))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(f)
    }
}

/// A span of time `[from, to)` with `from < to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: UnixTime,
    to: UnixTime,
}

impl Window {
    /// `None` unless `from < to`.
    #[must_use]
    pub fn new(from: UnixTime, to: UnixTime) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    #[must_use]
    pub fn from(&self) -> UnixTime {
        self.from
    }

    #[must_use]
    pub fn to(&self) -> UnixTime {
        self.to
    }

    /// Whether an instance from `start` to `end` overlaps the window.
    ///
    /// One without length is in it when `from <= start < to`.
    #[must_use]
    pub fn overlaps(&self, start: UnixTime, end: UnixTime) -> bool {
        if end <= start {
            self.from <= start && start < self.to
        } else {
            start < self.to && self.from < end
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds)
    }

    #[test]
    fn windows_are_half_open() {
        let window = Window::new(at(100), at(200)).unwrap();
        for (start, end, inside) in [
            (0, 100, false),
            (0, 101, true),
            (100, 100, true),
            (199, 300, true),
            (200, 200, false),
            (200, 300, false),
            (99, 99, false),
            (0, 300, true),
        ] {
            assert_eq!(
                window.overlaps(at(start), at(end)),
                inside,
                "{start}..{end}"
            );
        }
        assert!(Window::new(at(5), at(5)).is_none());
    }

    #[test]
    fn instants_stay_within_four_digit_years() {
        assert_eq!(at(i64::MAX).to_string(), "9999-12-30T22:00:00Z");
        assert_eq!(at(i64::MIN).to_string(), "0000-01-01T00:00:00Z");
        assert_eq!(UnixTime::MAX.plus(Duration::MAX), UnixTime::MAX);
        assert_eq!(at(0).minus(Duration::MAX), UnixTime::MIN);
    }

    #[test]
    fn rfc_3339_is_read_with_its_offset() {
        assert_eq!(UnixTime::parse("1970-01-01T01:00:00+01:00"), Some(at(0)));
        assert_eq!(UnixTime::parse("9999-12-31T23:59:59Z"), Some(UnixTime::MAX));
        assert_eq!(UnixTime::parse("9999-12-31T23:59:59"), None);
        assert_eq!(UnixTime::parse("yesterday"), None);
        assert_eq!(UnixTime::parse("2026-01-01"), None);
    }
}
