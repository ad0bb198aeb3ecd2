//! What the outcome of a step means.

use std::sync::Arc;

use super::contact::{Check, Phase, Plan, Purpose, PushClass};
use super::decide::{Decision, Push};
use super::display::{self, Comparison};
use super::step::{
    ConfigAnswer, LookAnswer, ModeAnswer, PatchAnswer, PodOutcome, PutAnswer, PutFailure,
    ReportedMode,
};
use super::{
    BUSY, Loss, PodController, PodEvent, PodState, PushFailing, PushReason, PushReport, PushResult,
    Removal, alteration, drift,
};
use crate::control::mutation::{self, Mutation};
use crate::control::now::{Monotonic, Now};
use crate::control::retry::{self, PUSH_RETRY, Past, worth_saying};
use crate::model::agenda::{Agenda, Changes};
use crate::model::failure::{Failure, FailureClass};
use crate::model::time::UnixTime;

impl PodController {
    /// Takes in what came of the step that [`PodController::next`] asked for.
    pub fn learn(&mut self, outcome: PodOutcome, now: Now) -> Vec<PodEvent> {
        let before = self.marks();
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let events = match (outcome, phase) {
            (PodOutcome::SignInPaused { until }, phase) => self.paused(phase, until, now),
            (PodOutcome::SignInChecked { paused_until }, Phase::CheckSignIn) => {
                match paused_until {
                    Some(until) => self.pause_sign_in(until, now),
                    None => self.secret_changed(now),
                }
                Vec::new()
            }
            (PodOutcome::SignInBusy, phase) => {
                self.schedule.busy_until = Some(now.monotonic.plus(BUSY));
                self.keep_clearing(phase)
            }
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
        self.note_marks(&before);
        events
    }

    fn looked(
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
            }
            _ => events.extend(self.end_contact(now)),
        }
        self.note_in_step(is_poll, now);
        events
    }

    /// Who answers, and what its display shows.
    fn see(&mut self, answer: LookAnswer, now: Now) -> Vec<PodEvent> {
        self.counts.looks += 1;
        self.checked_at = Some(now.wall);
        let is_same = |agenda: &&Arc<Agenda>| **agenda == answer.shown;
        let known = [&self.shown, &self.sent.agenda]
            .into_iter()
            .flatten()
            .find(is_same);
        let shown = known.unwrap_or(&answer.shown).clone();
        let events = self.identify(answer.device_id, &shown, now);
        self.shown = Some(shown);
        events
    }

    /// Whether this look is a poll too, and when the next one is due.
    fn polled(&mut self, now: Now) -> bool {
        let is_poll = self.schedule.health_due <= now.monotonic;
        if is_poll {
            self.schedule.last_poll = self.schedule.last_poll.max(Some(now.monotonic));
            self.schedule.health_due = self.due(true, now);
            if !self.schedule.config_was_read && self.schedule.config_due == Monotonic::NEVER {
                self.schedule.config_due = now.monotonic;
            }
        }
        is_poll
    }

    fn note_in_step(&mut self, is_poll: bool, now: Now) {
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

    fn set_mode(&mut self, mode: ReportedMode, now: Now) -> Vec<PodEvent> {
        let before = self.mode.replace(mode.clone());
        self.mode_checked_at = Some(now.wall);
        if mode.is_other() {
            self.habits.shows_others = true;
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

    fn put(
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
        self.sent.is_shown = false;
        self.device.is_replacement = false;
        self.habits.shows_others = false;
    }

    fn verified(
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
        let mut comparison = self.comparison(&shown, &ours, now);
        if !self.is_good(comparison) {
            let learnt = display::learn(&check.plan.before, &shown, &ours, self.believed(now));
            if let Some(learnt) = learnt.filter(|learnt| *learnt != Default::default()) {
                let how = alteration::words(&learnt);
                self.habits.alteration = Some(learnt);
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
    fn sees_sent(&mut self, comparison: Comparison) {
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
        let count = |of: fn(&Changes) -> usize| changes.map_or(0, of);
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

    fn read_config(&mut self, answer: Result<ConfigAnswer, Failure>, now: Now) -> Vec<PodEvent> {
        self.schedule.config_was_read = true;
        self.schedule.config_due = self.due(false, now);
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                // What keeps a pod from answering at all is for the health poll to say.
                let is_its_own = PodState::of_failure(failure.class) == PodState::Failing;
                self.throttle(&failure, now);
                return if is_its_own {
                    self.config_failures = self.config_failures.saturating_add(1);
                    let is_quiet = !worth_saying(self.config_failures);
                    vec![PodEvent::ConfigFailed {
                        what: "read",
                        failure,
                        is_quiet,
                    }]
                } else {
                    Vec::new()
                };
            }
        };
        self.counts.config_reads += 1;
        let mut events = self.answered(answer.clock, now);
        events.extend(self.set_mode(answer.mode, now));
        let config = drift::at_rest(answer.config);
        let patch = self.patch_for(&config);
        let digest = drift::digest(&config);
        let is_new = self.config_digest.replace(digest) != Some(digest);
        let last = answer.last.filter(|_| is_new);
        events.extend(self.drifted(&config, last.as_ref(), patch.as_ref()));
        if is_new {
            self.new_config = Some(config);
        }
        match patch {
            Some(patch) => self.phase = Phase::Patch(patch),
            None => {
                self.config_failures = 0;
                events.extend(self.end_contact(now));
            }
        }
        events
    }

    fn drifted(
        &self,
        config: &serde_json::Value,
        last: Option<&serde_json::Value>,
        patch: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Vec<PodEvent> {
        let patch = patch.cloned().map(serde_json::Value::Object);
        let enforced = patch.as_ref().map(drift::leaves).unwrap_or_default();
        let changed = last.map(|last| drift::between(last, config));
        let mut events: Vec<PodEvent> = changed
            .unwrap_or_default()
            .into_iter()
            // Of these `enforce` speaks.
            .filter(|drift| enforced.iter().all(|(path, _)| *path != drift.path))
            .map(|drift| PodEvent::ConfigDrift {
                before: drift::printed(drift.before.as_ref()),
                now: drift::printed(drift.now.as_ref()),
                path: drift.path,
            })
            .collect();
        for (path, wanted) in &enforced {
            let is = path.split('.').try_fold(config, drift::child);
            let event = PodEvent::ConfigUnwanted {
                path: path.clone(),
                now: drift::printed(is),
                wanted: drift::printed(Some(wanted)),
            };
            // A repair that the pod refuses is said again with the repair.
            if worth_saying(self.config_failures + 1) {
                events.push(event);
            }
        }
        events
    }

    fn patched(
        &mut self,
        answer: Result<PatchAnswer, Failure>,
        patch: &serde_json::Value,
        now: Now,
    ) -> Vec<PodEvent> {
        let mut events = match answer {
            Ok(answer) => {
                self.config_failures = 0;
                // What was repaired must not be found drifting at the next poll.
                if let Some(config) = &mut self.new_config {
                    drift::apply(patch, config);
                    self.config_digest = Some(drift::digest(config));
                }
                let settings: Vec<String> = drift::leaves(patch)
                    .into_iter()
                    .map(|(path, value)| format!("{path} = {}", drift::printed(Some(value))))
                    .collect();
                vec![PodEvent::ConfigRepaired {
                    settings: settings.join(", "),
                    reboot_required: answer.reboot_required,
                    restart_required: answer.restart_required,
                }]
            }
            Err(failure) => {
                self.throttle(&failure, now);
                self.config_failures = self.config_failures.saturating_add(1);
                let is_quiet = !worth_saying(self.config_failures);
                vec![PodEvent::ConfigFailed {
                    what: "repaired",
                    failure,
                    is_quiet,
                }]
            }
        };
        events.extend(self.end_contact(now));
        events
    }

    /// A request was answered.
    fn answered(&mut self, clock: Option<UnixTime>, now: Now) -> Vec<PodEvent> {
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

    fn paused(&mut self, phase: Phase, until: Monotonic, now: Now) -> Vec<PodEvent> {
        self.pause_sign_in(until, now);
        if matches!(
            phase,
            Phase::Look(Purpose::Clear) | Phase::AskMode(Purpose::Clear)
        ) {
            let why = "sign-in is paused".to_owned();
            return self.finish(Removal::NotCleared { why });
        }
        self.counts.attempts += 1;
        self.is_settled = true;
        let until = self.schedule.paused_until.unwrap_or(until);
        let until = now.wall_at(until);
        let detail = format!("its password was rejected; it is not tried again before {until}");
        let state = PodState::SignInPaused;
        self.log
            .note(state, Some(detail), self.contact_failures, now)
    }

    /// A step of a removal that could not be taken now is taken a little later.
    fn keep_clearing(&mut self, phase: Phase) -> Vec<PodEvent> {
        match phase {
            Phase::Look(Purpose::Clear) | Phase::AskMode(Purpose::Clear) | Phase::Finished => {
                let why = "another program is just signing in".to_owned();
                self.finish(Removal::NotCleared { why })
            }
            _ => Vec::new(),
        }
    }

    fn not_cleared(&mut self, failure: &Failure) -> Vec<PodEvent> {
        let why = failure.says.clone();
        self.finish(Removal::NotCleared { why })
    }

    fn contact_failed(
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

    fn push_failed(&mut self, failure: Failure, now: Now) -> Vec<PodEvent> {
        self.counts.failed_pushes += 1;
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

    fn throttle(&mut self, failure: &Failure, now: Now) {
        if failure.class == FailureClass::Throttled && !mutation::is(Mutation::SilenceIsBroken) {
            self.schedule.throttled = self.schedule.throttled.saturating_add(1);
            let wait = retry::pod_back_off(failure.retry_after, self.schedule.throttled);
            self.schedule.silent_until = Some(now.monotonic.plus(wait));
        }
    }

    /// A contact ended with an answer: notes the state that follows from it.
    fn end_contact(&mut self, now: Now) -> Vec<PodEvent> {
        self.phase = Phase::Idle;
        let events = self.note_decision(now);
        self.is_settled = !self.is_due(now);
        events
    }

    /// Notes the state that follows from what is known now.
    pub(super) fn note_decision(&mut self, now: Now) -> Vec<PodEvent> {
        if self.shown.is_none() && self.device.blocked.is_none() && self.counts.attempts == 0 {
            // The state of the last process holds until the first look.
            return Vec::new();
        }
        let mut events = Vec::new();
        if self.corrections.count(now) == 0 {
            self.habits.said_somebody_else = false;
        }
        let (state, detail) = match self.decide(now) {
            Decision::Nothing { state, detail } => {
                if matches!(
                    state,
                    PodState::InStep | PodState::ShowsPart | PodState::ClockWrong
                ) {
                    self.shows_target(now);
                }
                (state, detail)
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

    /// The display shows what it should, whoever put it there: it counts as sent.
    fn shows_target(&mut self, now: Now) {
        let (Some(shown), Some(target)) = (self.shown.clone(), self.target(now)) else {
            return;
        };
        let comparison = self.comparison(&shown, &target, now);
        let is_sent = self
            .sent
            .agenda
            .as_ref()
            .is_some_and(|sent| sent.looks_like(&target));
        if !is_sent {
            self.sent.agenda = Some(target);
            self.sent.at = Some(now.wall);
            self.device.is_replacement = false;
        }
        self.failing = None;
        self.push_not_before = now.monotonic;
        self.sees_sent(comparison);
    }
}

fn report(plan: &Plan, sent: &Option<Arc<Agenda>>, at: UnixTime, result: PushResult) -> PushReport {
    // A pod that gives meetings other ids shows ours, and nothing was removed.
    let before = match sent {
        Some(sent) if sent.looks_like(&plan.before) => sent,
        _ => &plan.before,
    };
    PushReport {
        at,
        reason: plan.reason,
        meetings: plan.agenda.len(),
        changes: Changes::between(before, &plan.agenda),
        duration: std::time::Duration::ZERO,
        result,
    }
}
