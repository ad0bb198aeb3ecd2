//! What outlives a restart, and what is published.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Blocked, Corrections, PodController, PodState, PodView, PushFailing, ReportedMode, StateLog,
    Unshown,
};
use crate::control::now::{Monotonic, Now};
use crate::control::retry::{LONGEST_RETRY_AFTER, PUSH_RETRY, Past};
use crate::model::agenda::Agenda;
use crate::model::memory::{Alteration, FailingMemory, PodMemory};
use crate::model::time::UnixTime;

/// Whether these are one and the same, told without comparing meetings.
fn is_it(one: &Option<Arc<Agenda>>, other: &Option<Arc<Agenda>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// What changes of the memory are told by.
#[derive(Debug)]
pub(super) struct Marks {
    accepted: Option<String>,
    blocked: Option<Blocked>,
    mode: Option<ReportedMode>,
    sent: Option<Arc<Agenda>>,
    sent_at: Option<UnixTime>,
    echo: Option<Arc<Agenda>>,
    found: Option<Arc<Agenda>>,
    state: PodState,
    detail: Option<String>,
    failures: u32,
    push_not_before: Monotonic,
    silent_until: Option<Monotonic>,
    corrections: Corrections,
    unshown: Unshown,
    alteration: Option<Alteration>,
    cap: Option<usize>,
    flags: [bool; 3],
}

impl PodController {
    pub(super) fn marks(&self) -> Marks {
        let habits = &self.habits;
        Marks {
            accepted: self.device.accepted.clone(),
            blocked: self.device.blocked.clone(),
            mode: self.mode.clone(),
            sent: self.sent.agenda.clone(),
            sent_at: self.sent.at,
            echo: self.sent.echo.clone(),
            found: self.found.clone(),
            state: self.log.state(),
            detail: self.log.detail().map(str::to_owned),
            failures: self.failures_in_row(),
            push_not_before: self.noted_push_not_before(),
            silent_until: self.schedule.silent_until,
            corrections: self.corrections.clone(),
            unshown: self.unshown.clone(),
            alteration: habits.alteration.clone(),
            cap: habits.cap,
            flags: [habits.applies_late, habits.shows_others, habits.was_in_step],
        }
    }

    /// Counts a change of the memory, where there was one since the last time.
    pub(super) fn note_marks(&mut self) {
        let noted = self.noted.as_ref();
        if !noted.is_some_and(|noted| self.has_marks(noted)) {
            self.memory_changes += 1;
            self.noted = Some(self.marks());
        }
    }

    /// Whether nothing changed, told without copying anything.
    fn has_marks(&self, noted: &Marks) -> bool {
        let habits = &self.habits;
        noted.accepted == self.device.accepted
            && noted.blocked == self.device.blocked
            && noted.mode == self.mode
            && is_it(&noted.sent, &self.sent.agenda)
            && noted.sent_at == self.sent.at
            && is_it(&noted.echo, &self.sent.echo)
            && is_it(&noted.found, &self.found)
            && noted.state == self.log.state()
            && noted.detail.as_deref() == self.log.detail()
            && noted.failures == self.failures_in_row()
            && noted.push_not_before == self.noted_push_not_before()
            && noted.silent_until == self.schedule.silent_until
            && noted.corrections == self.corrections
            && noted.unshown == self.unshown
            && noted.alteration == habits.alteration
            && noted.cap == habits.cap
            && noted.flags == [habits.applies_late, habits.shows_others, habits.was_in_step]
    }

    fn failures_in_row(&self) -> u32 {
        self.failing.as_ref().map_or(0, |failing| failing.failures)
    }

    /// It is moved along while there is nothing to wait for.
    fn noted_push_not_before(&self) -> Monotonic {
        match &self.failing {
            Some(_) => self.push_not_before,
            None => Monotonic::default(),
        }
    }

    /// What is to be written down.
    #[must_use]
    pub fn memory(&self, now: Now) -> PodMemory {
        let (corrections, corrected_at) = self.corrections.remembered(now);
        let (unshown, unshown_at) = self.unshown.remembered(now);
        let agenda = |agenda: &Option<Arc<Agenda>>| agenda.as_deref().cloned();
        let later = |at: Monotonic| (at > now.monotonic).then(|| now.wall_at(at));
        PodMemory {
            room: Some(self.settings.room.as_str().to_owned()),
            device_id: self.device.accepted.clone(),
            mode: self.mode.as_ref().map(|mode| mode.name().to_owned()),
            mode_checked_at: self.mode_checked_at,
            sent: agenda(&self.sent.agenda),
            found: agenda(&self.found),
            sent_at: self.sent.at,
            state: Some(self.log.state().key().to_owned()),
            state_since: Some(self.log.since()),
            detail: self.log.detail().map(str::to_owned),
            seen_at: self.seen_at,
            checked_at: self.checked_at,
            failing: self.failing.as_ref().map(|failing| FailingMemory {
                since: failing.since,
                failures: failing.failures,
                failure: failing.failure.clone(),
            }),
            push_not_before: self
                .failing
                .as_ref()
                .and_then(|_| later(self.push_not_before)),
            silent_until: self.schedule.silent_until.and_then(later),
            silent_seconds: self.schedule.silence.as_secs(),
            throttled: self.schedule.throttled,
            corrections,
            corrected_at,
            was_in_step: self.habits.was_in_step,
            unshown,
            unshown_at,
            echo: agenda(&self.sent.echo),
            alteration: self.habits.alteration.clone(),
            cap: self.habits.cap,
            applies_late: self.habits.applies_late,
            shows_others: self.habits.shows_others,
        }
    }

    /// Goes on from what was written down.
    pub fn restore(&mut self, memory: &PodMemory, now: Now) {
        let memory = memory.clone();
        let pod = self;
        let was_here = memory.room.as_deref() == Some(pod.settings.room.as_str());
        pod.device.accepted = memory.device_id;
        pod.mode = memory.mode.as_deref().map(ReportedMode::of_name);
        pod.mode_checked_at = memory.mode_checked_at;
        pod.found = memory.found.filter(|_| was_here).map(Arc::new);
        pod.sent.agenda = memory.sent.map(Arc::new);
        pod.sent.at = memory.sent_at;
        pod.sent.past = memory.sent_at.map(|at| Past::restored(at, now));
        pod.sent.is_shown = memory.was_in_step;
        pod.sent.echo = memory.echo.map(Arc::new);
        pod.corrections = Corrections::restored(memory.corrections, memory.corrected_at, now);
        pod.unshown = Unshown::restored(memory.unshown, &memory.unshown_at, now);
        pod.habits.alteration = memory.alteration;
        pod.habits.cap = memory.cap;
        pod.habits.applies_late = memory.applies_late;
        pod.habits.was_in_step = memory.was_in_step;
        pod.habits.shows_others = memory.shows_others || (memory.room.is_some() && !was_here);
        let state = memory.state.as_deref().and_then(PodState::of_key);
        pod.habits.said_somebody_else = state == Some(PodState::SomebodyElseWrites);
        if let Some(state) = state {
            let since = memory.state_since.unwrap_or(now.wall);
            pod.log = StateLog::restored(state, since, memory.detail);
        }
        pod.failing = memory.failing.map(|failing| PushFailing {
            since: failing.since,
            failures: failing.failures,
            failure: failing.failure,
        });
        if let Some(until) = memory.push_not_before {
            pod.push_not_before = now.restored(until, PUSH_RETRY);
        }
        pod.schedule.throttled = memory.throttled;
        // Not longer than it was, should the clock have been wrong then.
        pod.schedule.silence = match memory.silent_seconds {
            0 => LONGEST_RETRY_AFTER,
            seconds => Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER),
        };
        pod.schedule.silent_until = memory
            .silent_until
            .map(|until| now.restored(until, pod.schedule.silence));
        pod.seen_at = memory.seen_at;
        pod.checked_at = memory.checked_at;
        pod.noted = Some(pod.marks());
    }

    /// What others may know.
    #[must_use]
    pub fn view(&self) -> PodView {
        PodView {
            identity: self.identity(),
            state: self.log.state(),
            detail: self.log.detail().map(str::to_owned),
            mode: self.mode.clone(),
            wanted: self.wanted.clone(),
            seen_at: self.seen_at,
            is_settled: self.is_settled,
            counts: self.counts,
            last_push: self.last_push.clone(),
            failing: self.failing.clone(),
            clock_offset: self.clock_offset,
            cap: self.habits.cap,
        }
    }
}
