//! How a feed fails, and which of its failures are worth a line.

use std::time::Duration;

use super::FeedEvent;
use crate::control::now::{Monotonic, Now};
use crate::control::retry::{Past, worth_saying};
use crate::model::failure::Failure;
use crate::model::memory::FailingMemory;
use crate::model::time::UnixTime;

/// A feed that fell ill more often than this within an hour flaps.
const STEADY_TIMES: usize = 3;
const HOUR: Duration = Duration::from_secs(3600);

/// Failures in a row.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    pub(super) since: UnixTime,
    pub(super) began: Past,
    /// Pulls that were tried and failed; 0 where sign-in was paused from the start.
    pub(super) failures: u32,
    pub(super) failure: Failure,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    failing: Option<Failing>,
    /// When it began to fail, within the last hour.
    began: Vec<Monotonic>,
    flapping: Option<Flapping>,
}

#[derive(Clone, Copy, Debug)]
struct Flapping {
    times: u32,
    failed_at: Monotonic,
}

impl Health {
    pub(super) fn failing(&self) -> Option<&Failing> {
        self.failing.as_ref()
    }

    pub(super) fn restore(&mut self, memory: Option<&FailingMemory>, now: Now) {
        self.failing = memory.map(|memory| Failing {
            since: memory.since,
            began: Past::restored(memory.since, now),
            failures: memory.failures,
            failure: memory.failure.clone(),
        });
    }

    pub(super) fn failed(
        &mut self,
        failure: Failure,
        read_at: Option<UnixTime>,
        now: Now,
    ) -> Vec<FeedEvent> {
        let mut events = Vec::new();
        let is_first = self
            .failing
            .as_ref()
            .is_none_or(|failing| failing.failures == 0);
        if is_first {
            events.extend(self.began(now));
        }
        if let Some(flapping) = &mut self.flapping {
            flapping.failed_at = now.monotonic;
        }
        let is_flapping = self.flapping.is_some();
        let failing = self.failing.get_or_insert_with(|| Failing {
            since: now.wall,
            began: Past::now(now),
            failures: 0,
            failure: failure.clone(),
        });
        failing.failures = failing.failures.saturating_add(1);
        failing.failure = failure.clone();
        let is_quiet = match failing.failures {
            1 => is_flapping,
            failures => !worth_saying(failures),
        };
        events.push(FeedEvent::Failing {
            failure,
            since: failing.since,
            failures: failing.failures,
            read_at,
            is_quiet,
        });
        events
    }

    /// Sign-in is paused, which the gate says: quiet, and no failure more. The failure
    /// that led to the pause stays the one that people see.
    pub(super) fn not_tried(
        &mut self,
        failure: Failure,
        read_at: Option<UnixTime>,
        now: Now,
    ) -> Vec<FeedEvent> {
        if self.failing.is_some() {
            return Vec::new();
        }
        self.failing = Some(Failing {
            since: now.wall,
            began: Past::now(now),
            failures: 0,
            failure: failure.clone(),
        });
        vec![FeedEvent::Failing {
            failure,
            since: now.wall,
            failures: 0,
            read_at,
            is_quiet: true,
        }]
    }

    pub(super) fn succeeded(&mut self, now: Now) -> Vec<FeedEvent> {
        let mut events = Vec::new();
        if let Some(failing) = self.failing.take() {
            events.push(FeedEvent::Recovered {
                since: failing.since,
                failures: failing.failures,
                is_quiet: self.flapping.is_some() || failing.failures == 0,
            });
        }
        if let Some(flapping) = self.flapping
            && now.monotonic.since(flapping.failed_at) >= HOUR
        {
            self.flapping = None;
            self.began.clear();
            events.push(FeedEvent::Steady {
                times: flapping.times,
            });
        }
        events
    }

    /// It begins to fail; said in another way where it did so several times lately.
    fn began(&mut self, now: Now) -> Option<FeedEvent> {
        self.began.retain(|at| now.monotonic.since(*at) < HOUR);
        self.began.push(now.monotonic);
        if let Some(flapping) = &mut self.flapping {
            flapping.times = flapping.times.saturating_add(1);
            return None;
        }
        if self.began.len() <= STEADY_TIMES {
            return None;
        }
        let times = u32::try_from(self.began.len()).unwrap_or(u32::MAX);
        self.flapping = Some(Flapping {
            times,
            failed_at: now.monotonic,
        });
        let first = self.began.first().copied().unwrap_or(now.monotonic);
        Some(FeedEvent::Flapping {
            times,
            since: now.wall_before(first),
        })
    }
}
