//! When the log says how all rooms stand: after the first pass, and every hour.

use std::time::Duration;

use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(3600);

pub(super) struct Summaries {
    first_is_said: bool,
    next: Instant,
}

impl Summaries {
    /// Of a service that starts now.
    pub(super) fn from(start: Instant) -> Self {
        Self {
            first_is_said: false,
            next: start + EVERY,
        }
    }

    /// Whether one is due, and whether it is that of the first pass. One an hour is enough,
    /// however late whoever asks comes.
    pub(super) fn due(
        &mut self,
        now: Instant,
        first_pass_is_done: impl FnOnce() -> bool,
    ) -> Option<bool> {
        if !self.first_is_said && first_pass_is_done() {
            self.first_is_said = true;
            return Some(true);
        }
        if now < self.next {
            return None;
        }
        while self.next <= now {
            self.next += EVERY;
        }
        Some(false)
    }

    /// Every room was looked at once.
    pub(super) fn first_is_said(&self) -> bool {
        self.first_is_said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_after_the_first_pass_and_one_an_hour() {
        let start = Instant::now();
        let mut summaries = Summaries::from(start);
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        assert_eq!(summaries.due(at(0), || false), None);
        assert_eq!(summaries.due(at(1), || true), Some(true));
        assert_eq!(summaries.due(at(2), || panic!("asked once")), None);
        assert_eq!(summaries.due(at(59), || true), None);
        assert_eq!(summaries.due(at(60), || true), Some(false));
        assert_eq!(summaries.due(at(61), || true), None);
        assert_eq!(summaries.due(at(120), || true), Some(false));
        // A machine that slept for hours is told of once.
        assert_eq!(summaries.due(at(600), || true), Some(false));
        assert_eq!(summaries.due(at(601), || true), None);
        assert_eq!(summaries.due(at(660), || true), Some(false));
    }

    #[test]
    fn rooms_that_are_never_looked_at_do_not_hold_up_the_hour() {
        let start = Instant::now();
        let mut summaries = Summaries::from(start);
        assert_eq!(summaries.due(start + EVERY, || false), Some(false));
        assert!(!summaries.first_is_said());
    }
}
