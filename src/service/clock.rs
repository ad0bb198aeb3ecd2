//! The clocks that shells hand to controllers.

use tokio::time::Instant;

use crate::control::now::{Monotonic, Now};
use crate::model::time::UnixTime;

/// Where the wall clock is read; given from outside.
pub type WallClock = fn() -> UnixTime;

/// Both clocks of one process. Clones are the same clocks.
///
/// The monotonic one is tokio's, so that a test can stop it and move it on.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: WallClock,
    start: Instant,
}

impl Clock {
    /// Monotonic time begins now.
    #[must_use]
    pub fn start(wall: WallClock) -> Self {
        Self {
            wall,
            start: Instant::now(),
        }
    }

    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            wall: (self.wall)(),
            monotonic: Monotonic::from_start(self.start.elapsed()),
        }
    }

    /// Waits until a moment of the monotonic clock; for [`Monotonic::NEVER`] without end.
    pub async fn sleep_until(&self, at: Monotonic) {
        let wait = at.since(Monotonic::from_start(Default::default()));
        match self.start.checked_add(wait) {
            Some(at) if at != self.start => tokio::time::sleep_until(at).await,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_go_by_the_monotonic_clock() {
        let clock = Clock::start(|| UnixTime::from_seconds(1_000));
        let before = clock.now();
        let hour = Duration::from_secs(3600);
        clock.sleep_until(before.monotonic.plus(hour)).await;
        assert_eq!(clock.now().monotonic.since(before.monotonic), hour);
        assert_eq!(clock.now().wall, before.wall);
        let never = clock.sleep_until(Monotonic::NEVER);
        let waited = tokio::time::timeout(hour.saturating_mul(1000), never).await;
        assert!(waited.is_err());
    }
}
