//! Tasks that ended by a fault of podcal are started again: the first time soon, then at
//! growing waits, each task by its own count.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};

use crate::telemetry::{self, words};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// A task that ran for this long begins with the first pause again.
const CALM: Duration = Duration::from_secs(3600);

/// How often a task ended by a fault.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    in_a_row: u32,
    ended_at: Option<Instant>,
    due: Option<Instant>,
}

impl Restarts {
    /// The task has ended. How long to wait before it is started again.
    pub(super) fn ended(&mut self, now: Instant) -> Duration {
        let is_calm = |at: Instant| now.saturating_duration_since(at) >= CALM;
        if self.ended_at.is_none_or(is_calm) {
            self.in_a_row = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.in_a_row.min(16));
        let pause = pause.min(LONGEST_PAUSE);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.ended_at = Some(now);
        self.due = Some(now + pause);
        pause
    }

    /// Whether the task waits for its restart.
    pub(super) fn is_waiting(&self) -> bool {
        self.due.is_some()
    }

    /// Whether it is to be started now; asked until it is.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = None;
        }
        is_due
    }
}

/// Work that the service cannot do without.
///
/// ```text
/// let mut keeper = Keeper::new("the page");
/// while keeper.failed(serve(&listener)).await {}
/// ```
pub(crate) struct Keeper {
    what: &'static str,
    restarts: Restarts,
}

impl Keeper {
    /// `what` is its name for people.
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            restarts: Restarts::default(),
        }
    }

    /// Does the work; whether it has to begin again, since it panicked. Then that has been
    /// said, and the pause is over. What the work needs is kept outside of it.
    pub(crate) async fn failed(&mut self, work: impl Future<Output = ()>) -> bool {
        let has_failed = AssertUnwindSafe(work).catch_unwind().await.is_err();
        if has_failed {
            let pause = self.restarts.ended(Instant::now());
            telemetry::emit(words::service::task_failed(self.what, pause));
            sleep(pause).await;
        }
        has_failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_each_end_and_begin_anew_after_a_calm_hour() {
        let start = Instant::now();
        let mut restarts = Restarts::default();
        let mut pauses = Vec::new();
        for _ in 0..11 {
            pauses.push(restarts.ended(start).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert!(restarts.is_waiting());
        assert!(!restarts.take_due(start + Duration::from_secs(299)));
        assert!(restarts.take_due(start + Duration::from_secs(300)));
        assert!(!restarts.is_waiting());
        assert_eq!(restarts.ended(start + CALM).as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_goes_on_with_what_it_had() {
        let mut done = Vec::new();
        let begun = Instant::now();
        let mut keeper = Keeper::new("the test");
        let work = async |done: &mut Vec<u64>| {
            done.push(begun.elapsed().as_secs());
            assert!(done.len() > 3, "a fault in the work");
        };
        while keeper.failed(work(&mut done)).await {}
        assert_eq!(done, [0, 1, 3, 7]);
    }
}
