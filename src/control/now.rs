//! The two clocks that every decision is given: what people see, and what waits.

use std::time::Duration;

use crate::model::time::UnixTime;

/// The time on both clocks.
///
/// Cron lines and what people see go by `wall`, which somebody may set; every wait
/// (retry, pause, hold, distance of polls, staleness) goes by `monotonic`, which nobody can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub wall: UnixTime,
    pub monotonic: Monotonic,
}

impl Now {
    /// When the wall clock will show `at`, if nobody sets it; now, where that is past.
    #[must_use]
    pub fn until_wall(self, at: UnixTime) -> Monotonic {
        self.monotonic.plus(at.since(self.wall))
    }

    /// What the wall clock will show at that moment, if nobody sets it.
    #[must_use]
    pub fn wall_at(self, at: Monotonic) -> UnixTime {
        self.wall.plus(at.since(self.monotonic))
    }

    /// What the wall clock would have shown at that moment in the past, as it goes now.
    #[must_use]
    pub fn wall_before(self, at: Monotonic) -> UnixTime {
        self.wall.minus(self.monotonic.since(at))
    }

    /// A wait that was stored as wall time to outlive a restart, never longer from
    /// now than its own maximum: a clock that was wrong then or is now costs no more.
    #[must_use]
    pub fn restored(self, until: UnixTime, longest: Duration) -> Monotonic {
        self.monotonic.plus(until.since(self.wall).min(longest))
    }
}

/// Time since the process began, on a clock that never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// Later than any wait: for what waits until something changes.
    pub const NEVER: Self = Self(Duration::MAX);

    #[must_use]
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now {
        wall: UnixTime::from_seconds(1_000_000),
        monotonic: Monotonic::from_start(Duration::from_secs(50)),
    };

    #[test]
    fn a_wait_that_was_stored_is_never_longer_than_its_maximum() {
        let hour = Duration::from_secs(3600);
        let restored = |until: i64| {
            let at = NOW.restored(UnixTime::from_seconds(until), hour);
            at.since(NOW.monotonic).as_secs()
        };
        assert_eq!([999_000, 1_000_060, 9_000_000].map(restored), [0, 60, 3600]);
    }

    #[test]
    fn wall_times_become_waits_and_back() {
        let later = NOW.until_wall(UnixTime::from_seconds(1_000_030));
        assert_eq!(later.since(NOW.monotonic), Duration::from_secs(30));
        assert_eq!(NOW.wall_at(later), UnixTime::from_seconds(1_000_030));
        assert_eq!(NOW.until_wall(UnixTime::MIN), NOW.monotonic);
    }
}
