//! What came of a push: the pod's answer, and what its display shows after it.

use std::sync::Arc;

use super::contact::{Check, Phase, Plan, Purpose, PushClass};
use super::display::{self, Comparison};
use super::step::{LookAnswer, PutAnswer, PutFailure};
use super::{Loss, PodController, PodEvent, PushReport, PushResult, Removal, alteration};
use crate::control::now::Now;
use crate::control::retry::{Past, worth_saying};
use crate::model::agenda::{Agenda, Changes};
use crate::model::failure::Failure;
use crate::model::time::UnixTime;

impl PodController {
    pub(super) fn put(
        &mut self,
        answer: Result<PutAnswer, PutFailure>,
        plan: Plan,
        now: Now,
    ) -> Vec<PodEvent> {
        if plan.class == PushClass::Clear {
            return match answer {
                Ok(_) => {
                    self.sent.agenda = Some(Arc::default());
                    let events = self.finish(Removal::Cleared);
                    self.shown = Some(Arc::default());
                    events
                }
                Err(failed) => self.not_cleared(&failed.failure),
            };
        }
        let result = match &answer {
            Ok(_) => PushResult::Accepted,
            Err(failed) if failed.may_be_done => PushResult::Failed(failed.failure.clone()),
            Err(failed) => {
                let failure = failed.failure.clone();
                let mut report = report(
                    &plan,
                    &self.sent.agenda,
                    now.wall,
                    PushResult::Failed(failure.clone()),
                );
                report.duration = failed.duration;
                self.last_push = Some(report);
                return self.contact_failed(failure, Purpose::Push, false, now);
            }
        };
        let check = Check {
            pushed: Past::now(now),
            pushed_at: now.wall,
            looks: 0,
            answer,
            plan,
        };
        let mut report = report(&check.plan, &self.sent.agenda, now.wall, result);
        report.duration = check.duration();
        self.last_push = Some(report);
        if check.answer.is_ok() {
            self.accepted(&check, now);
        }
        self.phase = Phase::Verify(check);
        Vec::new()
    }

    /// Notes that the pod took a push.
    fn accepted(&mut self, check: &Check, now: Now) {
        self.counts.pushes += 1;
        self.force_served = self.force_served.max(check.plan.force);
        if check.plan.class == PushClass::Correction {
            self.corrections.note(now);
        }
        self.sent.agenda = Some(check.plan.agenda.clone());
        self.sent.at = Some(check.pushed_at);
        self.sent.past = Some(check.pushed);
        self.sent.is_shown = false;
        self.device.is_replacement = false;
        self.habits.shows_others = false;
    }

    pub(super) fn verified(
        &mut self,
        answer: Result<LookAnswer, Failure>,
        mut check: Check,
        now: Now,
    ) -> Vec<PodEvent> {
        self.counts.attempts += 1;
        let is_poll = self.polled(now);
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                let mut events = match check.answer {
                    // The push is done; what became of it is for the next poll.
                    Ok(answer) if check.looks == 0 => vec![self.pushed(&check, answer, false)],
                    Ok(_) => Vec::new(),
                    Err(failed) => self.push_failed(failed.failure, now),
                };
                events.extend(self.contact_failed(failure, Purpose::Poll, true, now));
                return events;
            }
        };
        let mut events = self.answered(answer.clock, now);
        events.extend(self.see(answer, now));
        check.looks += 1;
        let shown = self.shown.clone().unwrap_or_default();
        let ours = check.plan.agenda.clone();
        self.compare(now);
        let mut comparison = self.comparison(&shown, &ours, now);
        if !self.is_good(comparison) {
            let learnt = display::learn(&check.plan.before, &shown, &ours, self.believed(now));
            if let Some(learnt) = learnt.filter(|learnt| *learnt != Default::default()) {
                let how = alteration::words(&learnt);
                self.habits.alteration = Some(learnt);
                self.compared = None;
                events.push(PodEvent::TextsAltered { how });
                comparison = self.comparison(&shown, &ours, now);
            }
        }
        if let Comparison::Nearest { shown, of } = comparison
            && self.habits.perhaps_cap == Some(shown)
            && self.habits.cap != Some(shown)
        {
            self.habits.cap = Some(shown);
            events.push(PodEvent::ShowsPart { shown, of });
        }
        if self.is_good(comparison) {
            events.extend(self.is_shown(&check, comparison, now));
            events.extend(self.end_contact(now));
            self.note_in_step(is_poll, now);
            return events;
        }
        if check.looks == 1
            && let Ok(answer) = check.answer
        {
            events.push(self.pushed(&check, answer, false));
        }
        let wait = check.wait(self.unshown.in_row(), self.habits.applies_late);
        match wait.filter(|_| !self.unshown.cannot_be_verified()) {
            Some(wait) => self.phase = Phase::WaitToVerify(check, now.monotonic.plus(wait)),
            None => {
                events.extend(self.not_shown(check, comparison, shown, now));
                events.extend(self.end_contact(now));
            }
        }
        events
    }

    /// The display shows what was put on it, all of it or its part.
    fn is_shown(&mut self, check: &Check, comparison: Comparison, now: Now) -> Vec<PodEvent> {
        let mut events = Vec::new();
        if check.answer.is_err() {
            // The answer was lost on its way; the display tells that it was done.
            self.accepted(check, now);
        }
        if check.looks == 1 || check.answer.is_err() {
            let answer = check.answer.clone().unwrap_or(PutAnswer {
                duration: check.duration(),
                ..PutAnswer::default()
            });
            events.push(self.pushed(check, answer, true));
        } else {
            self.habits.applies_late = true;
        }
        if let Some(report) = &mut self.last_push {
            report.result = PushResult::Shown;
        }
        self.sees_sent(comparison);
        events
    }

    /// What was sent is on the display.
    pub(super) fn sees_sent(&mut self, comparison: Comparison) {
        self.sent.is_shown = true;
        self.sent.echo = None;
        self.unshown.forget();
        if comparison == Comparison::Same {
            self.habits.perhaps_cap = None;
            let len = self.sent.agenda.as_ref().map_or(0, |sent| sent.len());
            if self.habits.cap.is_some_and(|cap| len > cap) {
                self.habits.cap = None;
            }
        }
    }

    fn pushed(&mut self, check: &Check, answer: PutAnswer, is_shown: bool) -> PodEvent {
        let failures = self.failing.take().map_or(0, |failing| failing.failures);
        let changes = self.last_push.as_ref().map(|report| &report.changes);
        let count = |of: fn(&Changes) -> usize| changes.map_or(0, |changes| of(changes));
        PodEvent::Pushed {
            reason: check.plan.reason,
            meetings: check.plan.agenda.len(),
            added: count(|changes| changes.added.len()),
            removed: count(|changes| changes.removed.len()),
            changed: count(|changes| changes.changed.len()),
            duration: answer.duration,
            reboot_required: answer.reboot_required,
            restart_required: answer.restart_required,
            failures,
            is_shown,
        }
    }

    fn not_shown(
        &mut self,
        check: Check,
        comparison: Comparison,
        shown: Arc<Agenda>,
        now: Now,
    ) -> Vec<PodEvent> {
        if let Err(failed) = check.answer {
            return self.push_failed(failed.failure, now);
        }
        self.sent.echo = Some(shown);
        if let Comparison::Nearest { shown, .. } = comparison {
            // Once more, and that is all that it keeps.
            self.habits.perhaps_cap = Some(shown);
            return Vec::new();
        }
        let was = self.unshown.cannot_be_verified();
        self.unshown.note(check.pushed);
        let times = self.unshown.in_row();
        let event = match (was, self.unshown.cannot_be_verified()) {
            (false, true) => PodEvent::CannotBeVerified {
                how: self.how_unverified(),
            },
            (is_known, _) => PodEvent::DisplayLost {
                loss: Loss::NotShown,
                times,
                is_quiet: is_known || !worth_saying(times),
            },
        };
        vec![event]
    }
}

pub(super) fn report(
    plan: &Plan,
    sent: &Option<Arc<Agenda>>,
    at: UnixTime,
    result: PushResult,
) -> PushReport {
    // A pod that gives meetings other ids shows ours, and nothing was removed.
    let before = match sent {
        Some(sent) if sent.looks_like(&plan.before) => sent,
        _ => &plan.before,
    };
    PushReport {
        at,
        reason: plan.reason,
        meetings: plan.agenda.len(),
        changes: Arc::new(Changes::between(before, &plan.agenda)),
        duration: std::time::Duration::ZERO,
        result,
    }
}
