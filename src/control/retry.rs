//! Waits after failures, and which of many failures in a row are worth a line.

use std::time::Duration;

use super::now::{Monotonic, Now};
use crate::model::time::UnixTime;

const MINUTE: Duration = Duration::from_secs(60);
/// The longest time for which a device or host is left alone because it asks for it.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The longest wait of a pod that answers 429 and does not say until when.
pub const LONGEST_POD_BACK_OFF: Duration = Duration::from_secs(15 * 60);

/// Whether the `nth` failure in a row is worth a line: the 1st, 10th, 100th, and so on.
#[must_use]
pub fn worth_saying(nth: u32) -> bool {
    let mut left = nth;
    while left >= 10 && left.is_multiple_of(10) {
        left /= 10;
    }
    left == 1
}

/// Minutes that double with each failure in a row: 1, 2, 4 … up to `longest`.
///
/// `failures` counts from 1; nothing for 0.
#[must_use]
pub fn doubling_minutes(failures: u32, longest: Duration) -> Duration {
    doubling(MINUTE, failures, longest)
}

/// A wait that doubles with each failure in a row, up to `longest`; nothing for 0 failures.
#[must_use]
pub fn doubling(first: Duration, failures: u32, longest: Duration) -> Duration {
    match failures {
        0 => Duration::ZERO,
        failures => first
            .saturating_mul(1 << (failures - 1).min(20))
            .min(longest),
    }
}

/// How long a pod is left alone that asked for it, or that answered 429 without a time
/// for the `nth` time in a row.
#[must_use]
pub fn pod_back_off(retry_after: Option<Duration>, nth: u32) -> Duration {
    match retry_after {
        Some(wait) => wait.min(LONGEST_RETRY_AFTER),
        None => doubling_minutes(nth, LONGEST_POD_BACK_OFF),
    }
}

/// How long after a failed push the next one may follow at the earliest.
pub const PUSH_RETRY: Duration = MINUTE;

/// A moment that has been, perhaps before the process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    known_at: Monotonic,
    /// How long before that it was.
    ago: Duration,
}

impl Past {
    #[must_use]
    pub fn now(now: Now) -> Self {
        Self {
            known_at: now.monotonic,
            ago: Duration::ZERO,
        }
    }

    /// One that was stored as wall time; where that lies ahead, it counts as just now.
    #[must_use]
    pub fn restored(at: UnixTime, now: Now) -> Self {
        Self {
            known_at: now.monotonic,
            ago: now.wall.since(at),
        }
    }

    /// A moment of this process.
    #[must_use]
    pub fn at(at: Monotonic) -> Self {
        Self {
            known_at: at,
            ago: Duration::ZERO,
        }
    }

    /// The same moment, or a later one where it lay longer ago than this when it was learnt.
    #[must_use]
    pub fn at_most(self, ago: Duration) -> Self {
        Self {
            ago: self.ago.min(ago),
            ..self
        }
    }

    /// Whether a moment of this process came after it was learnt.
    #[must_use]
    pub fn is_before(self, at: Monotonic) -> bool {
        self.known_at < at
    }

    /// How long after it that was; `None` for a moment before it was learnt.
    #[must_use]
    pub fn until(self, at: Monotonic) -> Option<Duration> {
        (self.known_at <= at).then(|| self.elapsed(at))
    }

    #[must_use]
    pub fn elapsed(self, now: Monotonic) -> Duration {
        now.since(self.known_at).saturating_add(self.ago)
    }

    /// When so much time has passed since.
    #[must_use]
    pub fn plus(self, span: Duration) -> Monotonic {
        self.known_at.plus(span.saturating_sub(self.ago))
    }

    /// As wall time, to be stored.
    #[must_use]
    pub fn wall(self, now: Now) -> UnixTime {
        now.wall.minus(self.elapsed(now.monotonic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_the_tenth_and_the_hundredth_are_said() {
        let said: Vec<u32> = (0..=1000).filter(|nth| worth_saying(*nth)).collect();
        assert_eq!(said, [1, 10, 100, 1000]);
    }

    #[test]
    fn waits_double_up_to_their_maximum() {
        let minutes: Vec<u64> = (0..=7)
            .map(|failures| doubling_minutes(failures, LONGEST_POD_BACK_OFF).as_secs() / 60)
            .collect();
        assert_eq!(minutes, [0, 1, 2, 4, 8, 15, 15, 15]);
        assert_eq!(
            doubling_minutes(u32::MAX, LONGEST_POD_BACK_OFF),
            LONGEST_POD_BACK_OFF
        );
    }

    #[test]
    fn what_a_pod_asks_for_is_obeyed_up_to_a_day() {
        let seconds = |asked: u64| pod_back_off(Some(Duration::from_secs(asked)), 1).as_secs();
        assert_eq!([7, 1_000_000].map(seconds), [7, 86_400]);
        assert_eq!(pod_back_off(None, 2), Duration::from_secs(120));
    }
}
