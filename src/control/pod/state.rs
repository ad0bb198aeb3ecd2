//! The state of a pod over time, and which of its changes are news.

use std::time::Duration;

use super::event::PodEvent;
use super::view::PodState;
use crate::control::now::{Monotonic, Now};
use crate::control::retry::worth_saying;
use crate::model::time::UnixTime;

/// More changes than this within `WATCHED`, and the pod is said to be flapping.
const MANY: usize = 5;
const WATCHED: Duration = Duration::from_secs(15 * 60);

#[derive(Clone, Debug)]
pub struct StateLog {
    state: PodState,
    since: UnixTime,
    detail: Option<String>,
    /// Changes that would be news, within the time watched.
    changes: Vec<Monotonic>,
    /// All of them since the pod was said to be flapping.
    flapping: Option<u32>,
}

impl StateLog {
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self::restored(PodState::Unknown, now.wall, None)
    }

    #[must_use]
    pub fn restored(state: PodState, since: UnixTime, detail: Option<String>) -> Self {
        Self {
            state,
            since,
            detail,
            changes: Vec::new(),
            flapping: None,
        }
    }

    #[must_use]
    pub fn state(&self) -> PodState {
        self.state
    }

    #[must_use]
    pub fn since(&self) -> UnixTime {
        self.since
    }

    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// Notes the state that was just found. `failures` counts contacts that failed in a row.
    pub fn note(
        &mut self,
        state: PodState,
        detail: Option<String>,
        failures: u32,
        now: Now,
    ) -> Vec<PodEvent> {
        let before = std::mem::replace(&mut self.state, state);
        self.detail = detail;
        let mut events = Vec::new();
        if before == state {
            if failures > 1 && worth_saying(failures) && self.flapping.is_none() {
                events.push(self.event(before, failures, false));
            }
            events.extend(self.steady(now));
            return events;
        }
        self.since = now.wall;
        let is_news = !(is_usual(before) && is_usual(state));
        if !is_news {
            events.push(self.event(before, failures, true));
            return events;
        }
        // Another kind of failure is no news in the middle of many.
        if failures > 1 && !state.wants_a_person() {
            let is_said = worth_saying(failures) && self.flapping.is_none();
            events.push(self.event(before, failures, !is_said));
            return events;
        }
        self.changes.retain(|at| now.monotonic.since(*at) < WATCHED);
        self.changes.push(now.monotonic);
        if let Some(changes) = &mut self.flapping {
            *changes = changes.saturating_add(1);
            events.push(self.event(before, failures, true));
        } else if self.changes.len() > MANY {
            let changes = u32::try_from(self.changes.len()).unwrap_or(u32::MAX);
            self.flapping = Some(changes);
            events.push(PodEvent::Flapping { changes });
        } else {
            let is_said = has_own_event(state) || ends_with_own_event(before);
            events.push(self.event(before, failures, is_said));
        }
        events
    }

    fn event(&self, before: PodState, failures: u32, is_quiet: bool) -> PodEvent {
        PodEvent::State {
            before,
            state: self.state,
            detail: self.detail.clone(),
            failures,
            is_quiet,
        }
    }

    fn steady(&mut self, now: Now) -> Option<PodEvent> {
        let changes = self.flapping?;
        let last = self.changes.last()?;
        if now.monotonic.since(*last) < WATCHED {
            return None;
        }
        self.flapping = None;
        self.changes.clear();
        Some(PodEvent::Steady {
            state: self.state,
            changes,
        })
    }
}

/// States through which every pod goes as its room's meetings change.
fn is_usual(state: PodState) -> bool {
    matches!(
        state,
        PodState::Unknown | PodState::Waiting | PodState::InStep | PodState::Behind
    )
}

/// States that are said by an event of their own, with more to tell.
fn has_own_event(state: PodState) -> bool {
    matches!(
        state,
        PodState::WrongMode
            | PodState::DeviceChanged
            | PodState::AddressClash
            | PodState::SomebodyElseWrites
            | PodState::ShowsPart
            | PodState::CannotBeVerified
    )
}

fn ends_with_own_event(state: PodState) -> bool {
    matches!(state, PodState::WrongMode | PodState::AddressClash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Now {
        Now {
            wall: UnixTime::from_seconds(1_000_000).plus(Duration::from_secs(seconds)),
            monotonic: Monotonic::from_start(Duration::from_secs(seconds)),
        }
    }

    fn is_loud(event: &PodEvent) -> bool {
        !matches!(event, PodEvent::State { is_quiet: true, .. })
    }

    #[test]
    fn the_first_tenth_and_hundredth_failure_are_said_whatever_their_kinds() {
        let mut log = StateLog::new(after(0));
        let mut said = Vec::new();
        for failure in 1..=100 {
            let state = PodState::Unreachable;
            let events = log.note(state, None, failure, after(u64::from(failure) * 30));
            if events.iter().any(is_loud) {
                said.push(failure);
            }
        }
        assert_eq!(said, [1, 10, 100]);
    }

    #[test]
    fn failures_of_two_kinds_by_turns_are_counted_as_one() {
        let mut log = StateLog::new(after(0));
        let mut said = Vec::new();
        for failure in 1..=100 {
            let state = match failure % 2 {
                0 => PodState::Failing,
                _ => PodState::Unreachable,
            };
            let events = log.note(state, None, failure, after(u64::from(failure) * 30));
            if events.iter().any(is_loud) {
                said.push(failure);
            }
        }
        assert_eq!(said, [1, 10, 100]);
    }

    #[test]
    fn a_flapping_pod_is_one_state_with_a_count() {
        let mut log = StateLog::new(after(0));
        let mut loud = Vec::new();
        let mut seconds = 0;
        for round in 0..100 {
            seconds = round * 60;
            let (state, failures) = match round % 2 {
                0 => (PodState::Unreachable, 1),
                _ => (PodState::InStep, 0),
            };
            let events = log.note(state, None, failures, after(seconds));
            loud.extend(events.into_iter().filter(is_loud));
        }
        assert_eq!(loud.len(), 6, "{loud:?}");
        assert_eq!(loud.last(), Some(&PodEvent::Flapping { changes: 6 }));
        let steady = log.note(PodState::InStep, None, 0, after(seconds + 900));
        let expected = PodEvent::Steady {
            state: PodState::InStep,
            changes: 100,
        };
        assert_eq!(steady, [expected]);
    }

    #[test]
    fn the_usual_course_of_a_display_is_no_news() {
        let mut log = StateLog::new(after(0));
        for (second, state) in [
            (0, PodState::Waiting),
            (1, PodState::Behind),
            (2, PodState::InStep),
        ] {
            let events = log.note(state, None, 0, after(second));
            assert!(!events.iter().any(is_loud), "{events:?}");
        }
        assert_eq!(log.since(), after(2).wall);
    }
}
