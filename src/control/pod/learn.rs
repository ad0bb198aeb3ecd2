//! What the outcome of a step means.

use std::sync::Arc;

use super::contact::{Phase, Plan, Purpose, PushClass};
use super::decide::{Decision, Push};
use super::display::Comparison;
use super::step::{LookAnswer, ModeAnswer, PodOutcome, ReportedMode};
use super::verify::report;
use super::{
    BUSY, Loss, PodController, PodEvent, PodState, PushFailing, PushReason, PushResult, Removal,
};
use crate::control::mutation::{self, Mutation};
use crate::control::now::{Monotonic, Now};
use crate::control::retry::{self, PUSH_RETRY, Past, worth_saying};
use crate::model::agenda::Agenda;
use crate::model::failure::{Failure, FailureClass};
use crate::model::time::UnixTime;

impl PodController {
    /// Takes in what came of the step that [`PodController::next`] asked for.
    pub fn learn(&mut self, outcome: PodOutcome, now: Now) -> Vec<PodEvent> {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let events = match (outcome, phase) {
            // Whatever was under way when it ended.
            (_, Phase::Finished) => {
                self.phase = Phase::Finished;
                Vec::new()
            }
            (PodOutcome::SignInPaused { until, is_rejected }, phase) => {
                self.paused(phase, until, is_rejected, now)
            }
            (PodOutcome::SignInChecked { paused_until }, Phase::CheckSignIn) => {
                match paused_until {
                    Some(until) => self.pause_sign_in(until, now),
                    None => self.secret_changed(now),
                }
                Vec::new()
            }
            (PodOutcome::SignInBusy, phase) => self.busy(phase, now),
            (PodOutcome::Look(answer), Phase::Look(purpose)) => self.looked(answer, purpose, now),
            (PodOutcome::Look(answer), Phase::Verify(check)) => self.verified(answer, check, now),
            (PodOutcome::Mode(answer), Phase::AskMode(purpose)) => {
                self.asked_mode(answer, purpose, now)
            }
            (PodOutcome::Put(answer), Phase::Put(plan)) => self.put(answer, plan, now),
            (PodOutcome::Config(answer), Phase::ReadConfig) => self.read_config(answer, now),
            (PodOutcome::Patch(answer), Phase::Patch(patch)) => {
                self.patched(answer, &serde_json::Value::Object(patch), now)
            }
            // An answer to another step than the one under way says nothing.
            (_, phase) => {
                self.phase = phase;
                Vec::new()
            }
        };
        self.note_marks();
        events
    }

    pub(super) fn looked(
        &mut self,
        answer: Result<LookAnswer, Failure>,
        purpose: Purpose,
        now: Now,
    ) -> Vec<PodEvent> {
        self.counts.attempts += 1;
        let is_poll = self.polled(now);
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) if purpose == Purpose::Clear => return self.not_cleared(&failure),
            Err(failure) => return self.contact_failed(failure, purpose, true, now),
        };
        let mut events = self.answered(answer.clock, now);
        events.extend(self.see(answer, now));
        if purpose == Purpose::Clear {
            if self.device.blocked.is_some() {
                events.extend(self.finish(Removal::NotCleared {
                    why: "another room's device is at its address".to_owned(),
                }));
            } else {
                self.phase = Phase::AskMode(Purpose::Clear);
            }
            return events;
        }
        match self.decide(now) {
            Decision::Push(push) if push.at <= now.monotonic => {
                events.extend(self.say_loss(&push, now));
                let skips_mode = mutation::is(Mutation::PushComesWithoutMode)
                    || (self.mode.is_some() && mutation::is(Mutation::ModeIsRemembered));
                self.phase = match skips_mode {
                    true => Phase::Put(push.plan),
                    false => Phase::AskMode(Purpose::Push),
                };
                // Whoever waits for it waits for the push too.
                self.is_settled = false;
            }
            decision => events.extend(self.end_contact_with(decision, now)),
        }
        self.note_in_step(is_poll, now);
        events
    }

    /// Who answers, and what its display shows.
    pub(super) fn see(&mut self, answer: LookAnswer, now: Now) -> Vec<PodEvent> {
        self.counts.looks += 1;
        self.checked_at = Some(now.wall);
        let is_same = |agenda: &&Arc<Agenda>| **agenda == answer.shown;
        // The room's own first: what is one and the same is compared without its texts.
        let wanted = self
            .wanted
            .as_ref()
            .and_then(|wanted| wanted.agenda.as_ref());
        let known = [wanted, self.shown.as_ref(), self.sent.agenda.as_ref()]
            .into_iter()
            .flatten()
            .find(is_same);
        let shown = known.unwrap_or(&answer.shown).clone();
        let events = self.identify(answer.device_id, &shown, now);
        self.note_found(&shown);
        self.shown = Some(shown);
        self.compare(now);
        events
    }

    /// Whether this look is a poll too, and when the next one is due.
    pub(super) fn polled(&mut self, now: Now) -> bool {
        let is_poll = self.schedule.health_due <= now.monotonic;
        if is_poll {
            self.schedule.last_poll = self.schedule.last_poll.max(Some(now.monotonic));
            self.schedule.health_due = self.due(true, now);
            if !self.settings.is_once
                && !self.schedule.config_was_read
                && self.schedule.config_due == Monotonic::NEVER
            {
                self.schedule.config_due = now.monotonic;
            }
        }
        is_poll
    }

    pub(super) fn note_in_step(&mut self, is_poll: bool, now: Now) {
        let (Some(shown), Some(target)) = (self.shown.clone(), self.target(now)) else {
            return;
        };
        let comparison = self.comparison(&shown, &target, now);
        if self.is_good(comparison) {
            self.habits.was_in_step |= is_poll;
        } else if comparison != Comparison::Empty
            && self
                .sent
                .agenda
                .as_ref()
                .is_some_and(|sent| sent.looks_like(&target))
        {
            self.habits.was_in_step = false;
        }
    }

    fn say_loss(&mut self, push: &Push, now: Now) -> Option<PodEvent> {
        let loss = push.loss?;
        if loss == Loss::NotShown || push.plan.class == PushClass::Unverified {
            return None;
        }
        self.losses.note(now);
        let times = self.losses.count(now);
        Some(PodEvent::DisplayLost {
            loss,
            times,
            is_quiet: !worth_saying(times),
        })
    }

    fn asked_mode(
        &mut self,
        answer: Result<ModeAnswer, Failure>,
        purpose: Purpose,
        now: Now,
    ) -> Vec<PodEvent> {
        if purpose == Purpose::Poll {
            self.counts.attempts += 1;
            self.polled(now);
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) if purpose == Purpose::Clear => return self.not_cleared(&failure),
            Err(failure) => return self.contact_failed(failure, purpose, false, now),
        };
        let mut events = self.answered(answer.clock, now);
        events.extend(self.set_mode(answer.mode, now));
        let is_other = self.mode.as_ref().is_some_and(ReportedMode::is_other);
        match purpose {
            Purpose::Clear if is_other => {
                let why = "its calendar is in another mode".to_owned();
                events.extend(self.finish(Removal::NotCleared { why }));
            }
            Purpose::Clear if self.is_proven_empty() => {
                events.extend(self.finish(Removal::Cleared));
            }
            Purpose::Clear => {
                self.phase = Phase::Put(Plan {
                    agenda: Arc::default(),
                    reason: PushReason::Cleared,
                    class: PushClass::Clear,
                    before: self.shown.clone().unwrap_or_default(),
                    force: self.force_served,
                });
            }
            Purpose::Poll if !is_other => self.phase = Phase::Look(Purpose::Poll),
            Purpose::Push if !is_other => match self.decide(now) {
                Decision::Push(push) if push.at <= now.monotonic => {
                    if self.settings.is_dry {
                        self.would_push(push.plan, now);
                        events.extend(self.end_contact(now));
                    } else {
                        self.phase = Phase::Put(push.plan);
                    }
                }
                _ => events.extend(self.end_contact(now)),
            },
            Purpose::Poll | Purpose::Push => events.extend(self.end_contact(now)),
        }
        events
    }

    /// Whether the display is empty beyond doubt: it reads so, and what was sent to it before
    /// was seen on it; or nothing ever was sent, and it says that it is in our mode.
    fn is_proven_empty(&self) -> bool {
        let reads_empty = self.shown.as_ref().is_some_and(|shown| shown.is_empty());
        let is_ours = self.mode == Some(ReportedMode::ThirdParty);
        reads_empty && (self.sent.is_shown || (self.sent.agenda.is_none() && is_ours))
    }

    pub(super) fn set_mode(&mut self, mode: ReportedMode, now: Now) -> Vec<PodEvent> {
        let before = self.mode.replace(mode.clone());
        self.mode_checked_at = Some(now.wall);
        if mode.is_other() {
            self.habits.shows_others = true;
            self.found = None;
        }
        if before.as_ref() == Some(&mode) {
            return Vec::new();
        }
        let was_other = before.as_ref().is_some_and(ReportedMode::is_other);
        let name = mode.name().to_owned();
        let event = match (&mode, before) {
            (ReportedMode::Other(_), _) => PodEvent::ModeWrong { mode: name },
            (_, Some(before)) if was_other => PodEvent::ModeRight {
                mode: name,
                before: before.name().to_owned(),
            },
            (ReportedMode::NotVerified, _) => PodEvent::ModeNotVerified,
            (ReportedMode::ThirdParty, _) => return Vec::new(),
        };
        vec![event]
    }

    fn would_push(&mut self, plan: Plan, now: Now) {
        self.push_not_before = Monotonic::NEVER;
        self.force_served = plan.force;
        self.last_push = Some(report(
            &plan,
            &self.sent.agenda,
            now.wall,
            PushResult::WouldPush,
        ));
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, clock: Option<UnixTime>, now: Now) -> Vec<PodEvent> {
        self.seen_at = Some(now.wall);
        self.contact_failures = 0;
        self.schedule.throttled = 0;
        self.schedule.silent_until = None;
        self.schedule.paused_until = None;
        self.schedule.busy_until = None;
        if let Some(clock) = clock
            && self.believed(now).is_some()
        {
            self.clock_offset = Some(clock.seconds().saturating_sub(now.wall.seconds()));
        }
        Vec::new()
    }

    fn paused(
        &mut self,
        phase: Phase,
        until: Monotonic,
        is_rejected: bool,
        now: Now,
    ) -> Vec<PodEvent> {
        self.pause_sign_in(until, now);
        if phase.is_clearing() {
            let why = "sign-in is paused".to_owned();
            return self.finish(Removal::NotCleared { why });
        }
        self.counts.attempts += 1;
        self.is_settled = true;
        let until = now.wall_at(self.schedule.paused_until.unwrap_or(until));
        let (state, why) = match is_rejected {
            true => (PodState::SignInPaused, "its password was rejected"),
            false => (PodState::Unreachable, "the last sign-in was not answered"),
        };
        if !is_rejected && self.log.state() == state {
            return Vec::new();
        }
        let detail = format!("{why}; it is not tried again before {until}");
        self.log.note(state, Some(detail), 1, now)
    }

    /// A step was not taken because the secret is just being tried elsewhere. A removal does
    /// not wait for that.
    fn busy(&mut self, phase: Phase, now: Now) -> Vec<PodEvent> {
        self.schedule.busy_until = Some(now.monotonic.plus(BUSY));
        if !phase.is_clearing() {
            return Vec::new();
        }
        let why = "another program is just signing in".to_owned();
        self.finish(Removal::NotCleared { why })
    }

    pub(super) fn not_cleared(&mut self, failure: &Failure) -> Vec<PodEvent> {
        let why = failure.says.clone();
        self.finish(Removal::NotCleared { why })
    }

    pub(super) fn contact_failed(
        &mut self,
        failure: Failure,
        purpose: Purpose,
        was_look: bool,
        now: Now,
    ) -> Vec<PodEvent> {
        self.contact_failures = self.contact_failures.saturating_add(1);
        self.throttle(&failure, now);
        let state = PodState::of_failure(failure.class);
        let detail = format!("{}; {}", failure.says, failure.hint);
        let mut events = Vec::new();
        match purpose {
            // The next poll tries again, and pushes where its look is answered.
            Purpose::Push if was_look => {
                events.extend(self.push_failed(failure, now));
                self.push_not_before = self.schedule.health_due;
            }
            Purpose::Push => events.extend(self.push_failed(failure, now)),
            Purpose::Poll | Purpose::Clear => {}
        }
        events.extend(
            self.log
                .note(state, Some(detail), self.contact_failures, now),
        );
        self.is_settled = true;
        events
    }

    pub(super) fn push_failed(&mut self, failure: Failure, now: Now) -> Vec<PodEvent> {
        self.counts.failed_pushes += 1;
        self.force_tried = self.wanted.as_ref().map_or(0, |wanted| wanted.force);
        let minute = now.monotonic.plus(PUSH_RETRY);
        self.push_not_before = minute.max(self.schedule.health_due);
        if mutation::is(Mutation::FailedPushFollowsAtOnce) {
            self.push_not_before = now.monotonic;
        }
        let (since, before) = match &self.failing {
            Some(failing) => (failing.since, failing.failures),
            None => (now.wall, 0),
        };
        let failures = before.saturating_add(1);
        self.failing = Some(PushFailing {
            since,
            failures,
            failure: failure.clone(),
        });
        vec![PodEvent::PushFailed {
            failure,
            failures,
            since,
            is_quiet: !worth_saying(failures),
        }]
    }

    pub(super) fn throttle(&mut self, failure: &Failure, now: Now) {
        if failure.class == FailureClass::Throttled && !mutation::is(Mutation::SilenceIsBroken) {
            self.schedule.throttled = self.schedule.throttled.saturating_add(1);
            let wait = retry::pod_back_off(failure.retry_after, self.schedule.throttled);
            self.schedule.silence = wait;
            self.schedule.silent_until = Some(now.monotonic.plus(wait));
        }
    }

    /// A contact ended with an answer: notes the state that follows from it.
    pub(super) fn end_contact(&mut self, now: Now) -> Vec<PodEvent> {
        let decision = self.decide(now);
        self.end_contact_with(decision, now)
    }

    fn end_contact_with(&mut self, decision: Decision, now: Now) -> Vec<PodEvent> {
        self.phase = Phase::Idle;
        if self.says_nothing_yet() {
            self.is_settled = !self.is_due(now);
            return Vec::new();
        }
        let may_be_due = match &decision {
            Decision::Nothing { state, .. } => *state != PodState::InStep || !self.is_sent(now),
            Decision::Push(_) => true,
        };
        let events = self.note(decision, now);
        self.is_settled = !(may_be_due && self.is_due(now));
        events
    }

    /// Notes the state that follows from what is known now.
    pub(super) fn note_decision(&mut self, now: Now) -> Vec<PodEvent> {
        match self.says_nothing_yet() {
            true => Vec::new(),
            false => self.note(self.decide(now), now),
        }
    }

    /// The state of the last process holds until the first look.
    fn says_nothing_yet(&self) -> bool {
        self.shown.is_none() && self.device.blocked.is_none() && self.counts.attempts == 0
    }

    fn note(&mut self, decision: Decision, now: Now) -> Vec<PodEvent> {
        let mut events = Vec::new();
        if self.corrections.count(now) == 0 {
            self.habits.said_somebody_else = false;
        }
        let (state, detail) = match decision {
            // A look that failed says more than none.
            Decision::Nothing {
                state: PodState::Unknown,
                ..
            } => return events,
            Decision::Nothing { state, detail } => {
                if matches!(
                    state,
                    PodState::InStep | PodState::ShowsPart | PodState::ClockWrong
                ) {
                    self.shows_target(now);
                }
                let more = (state == PodState::InStep).then(|| self.how_in_step());
                (state, detail.or(more.flatten()))
            }
            Decision::Push(push) => self.waiting_state(&push, now),
        };
        if state == PodState::SomebodyElseWrites && !self.habits.said_somebody_else {
            self.habits.said_somebody_else = true;
            events.push(PodEvent::SomebodyElseWrites {
                corrections: self.corrections.count(now),
            });
        }
        let failures = self.contact_failures;
        events.extend(self.log.note(state, detail, failures, now));
        events
    }

    /// Whether what the display should show is what was sent last.
    fn is_sent(&self, now: Now) -> bool {
        let Some(target) = self.target(now) else {
            return false;
        };
        let sent = self.sent.agenda.as_ref();
        sent.is_some_and(|sent| sent.looks_like(&target))
    }

    /// The display shows what it should, whoever put it there: it counts as sent.
    fn shows_target(&mut self, now: Now) {
        let (Some(shown), Some(target)) = (self.shown.clone(), self.target(now)) else {
            return;
        };
        let comparison = self.comparison(&shown, &target, now);
        if !self.is_sent(now) {
            self.sent.agenda = Some(target);
            self.sent.at = Some(now.wall);
            self.sent.past = Some(Past::now(now));
            self.device.is_replacement = false;
        }
        self.failing = None;
        self.push_not_before = now.monotonic;
        self.sees_sent(comparison);
    }
}
