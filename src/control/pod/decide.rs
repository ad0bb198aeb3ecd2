//! Whether a display needs a push, and when it may have it.

use std::sync::Arc;

use super::contact::{Plan, PushClass};
use super::display::{self, Compared, Comparison};
use super::event::Loss;
use super::view::PushReason;
use super::{Blocked, PodController, PodState, REFRESH_PART};
use crate::control::mutation::{self, Mutation};
use crate::control::now::{Monotonic, Now};
use crate::model::agenda::Agenda;
use crate::model::time::UnixTime;

/// Beyond this the pod's own clock is said to be wrong, in seconds.
const CLOCK_TOLERANCE: u64 = 120;

pub(super) enum Decision {
    /// Nothing is to be pushed; the display is in this state.
    Nothing {
        state: PodState,
        detail: Option<String>,
    },
    Push(Push),
}

pub(super) struct Push {
    pub at: Monotonic,
    pub plan: Plan,
    /// What became of what was sent before, where that is why.
    pub loss: Option<Loss>,
}

impl PodController {
    /// What to do by what is known now; right before a push it is what a look just found.
    pub(super) fn decide(&self, now: Now) -> Decision {
        if let Some(blocked) = &self.device.blocked {
            return blocked.decision();
        }
        if let Some(mode) = self.mode.as_ref().filter(|mode| mode.is_other()) {
            return Decision::Nothing {
                state: PodState::WrongMode,
                detail: Some(format!("its calendar mode is {}", mode.name())),
            };
        }
        let Some(shown) = &self.shown else {
            return nothing(PodState::Unknown);
        };
        let Some(target) = self.target(now) else {
            return nothing(PodState::Waiting);
        };
        let comparison = self.comparison(shown, &target, now);
        let is_forced = self.is_forced();
        let sent = self.sent.agenda.as_ref();
        let is_new = sent.is_none_or(|sent| !sent.looks_like(&target));
        let is_pushed_anyway = sent.is_none() && mutation::is(Mutation::PushWhatIsShown);
        if let Some(state) = self.good_state(comparison)
            && !is_forced
            && !is_pushed_anyway
            && !(matches!(comparison, Comparison::Nearest { .. })
                && (is_new || self.is_part_to_be_refreshed(now)))
        {
            return state;
        }
        let reason = match sent {
            _ if is_forced => PushReason::Forced,
            _ if self.device.is_replacement => PushReason::Lost,
            None => PushReason::First,
            Some(_) if is_new => PushReason::Changed,
            Some(_) if self.is_good(comparison) => PushReason::Refreshed,
            Some(_) => PushReason::Lost,
        };
        let is_lost = !is_forced && !is_new;
        let (class, at) = if is_forced {
            (PushClass::Ordinary, now.monotonic)
        } else if self.unshown.cannot_be_verified() {
            let is_other = self.sent.echo.as_ref().is_some_and(|echo| {
                let faces =
                    |agenda: &Agenda| agenda.still_to_come(now.wall.plus(display::TOLERANCE));
                !faces(echo).looks_like(&faces(shown))
            });
            let at = self.unshown.next(is_new || is_other, now);
            (PushClass::Unverified, at)
        } else if !is_lost || self.is_good(comparison) {
            (PushClass::Ordinary, now.monotonic)
        } else if comparison == Comparison::Empty
            && self.habits.was_in_step
            && !mutation::is(Mutation::EmptiedIsACorrection)
        {
            (PushClass::Refill, now.monotonic)
        } else {
            (PushClass::Correction, self.corrections.next(now))
        };
        let loss = match comparison {
            _ if self.device.is_replacement => Some(Loss::Replaced),
            _ if !is_lost || self.is_good(comparison) => None,
            _ if self.unshown.in_row() > 0 => Some(Loss::NotShown),
            Comparison::Empty => Some(Loss::Emptied),
            _ => Some(Loss::Foreign),
        };
        Decision::Push(Push {
            at: if self.is_urgent() {
                at
            } else {
                at.max(self.push_not_before)
            },
            loss,
            plan: Plan {
                agenda: target,
                reason,
                class,
                before: shown.clone(),
                force: self.wanted.as_ref().map_or(0, |wanted| wanted.force),
            },
        })
    }

    /// Whether a contact for a push is due now.
    pub(super) fn is_due(&self, now: Now) -> bool {
        matches!(self.decide(now), Decision::Push(push) if push.at <= now.monotonic)
    }

    /// A person asked for a push that was not made yet.
    pub(super) fn is_forced(&self) -> bool {
        self.wanted
            .as_ref()
            .is_some_and(|wanted| wanted.agenda.is_some() && wanted.force > self.force_served)
    }

    /// The same, and it was not tried yet: after a try that failed it waits like any other push.
    fn is_urgent(&self) -> bool {
        let wanted = self.wanted.as_ref();
        self.is_forced() && wanted.is_some_and(|wanted| wanted.force > self.force_tried)
    }

    /// What the display should show; `None` while nothing is known.
    pub(super) fn target(&self, now: Now) -> Option<Arc<Agenda>> {
        let wanted = self.wanted.as_ref()?;
        let may_keep = !self.habits.shows_others;
        let found = self.found.as_deref().filter(|_| may_keep);
        let shown = self.shown.as_deref().filter(|_| may_keep);
        display::target(wanted, found, shown, now.wall)
    }

    /// Notes what the display shows before it was ever pushed to.
    pub(super) fn note_found(&mut self, shown: &Agenda) {
        let is_first = self.found.is_none() && self.sent.agenda.is_none();
        if is_first && !self.habits.shows_others {
            self.found = Some(Arc::new(display::under_our_ids(shown)));
            self.account_for_found();
        }
    }

    /// What the room shows by a reading is no longer kept for a feed that was never read:
    /// where it vanishes from there, it vanishes from the display.
    pub(super) fn account_for_found(&mut self) {
        let Some(found) = self.found.as_ref().filter(|found| !found.is_empty()) else {
            return;
        };
        let Some(wanted) = &self.wanted else { return };
        let Some(agenda) = &wanted.agenda else { return };
        let left = match &wanted.keep_shown {
            Some(_) => display::without_ids_of(found, agenda),
            None => Agenda::default(),
        };
        if left.len() < found.len() {
            self.found = Some(Arc::new(left));
        }
    }

    /// The time by which meetings have ended; `None` while the clock is not believed.
    pub(super) fn believed(&self, now: Now) -> Option<UnixTime> {
        let wanted = self.wanted.as_ref();
        wanted
            .is_none_or(|wanted| wanted.clock_is_believed)
            .then_some(now.wall)
    }

    pub(super) fn comparison(&self, shown: &Agenda, target: &Agenda, now: Now) -> Comparison {
        let believed = self.believed(now);
        if let Some(compared) = &self.compared
            && let Some(comparison) = compared.of(shown, target, believed)
        {
            return comparison;
        }
        let known = self.habits.alteration.as_ref();
        display::compare(shown, target, known, believed)
    }

    /// Works out once what many decisions need until something changes.
    pub(super) fn compare(&mut self, now: Now) {
        let (Some(shown), Some(target)) = (&self.shown, self.target(now)) else {
            return;
        };
        let believed = self.believed(now);
        let compared = self.compared.as_ref();
        if compared.is_none_or(|compared| compared.of(shown, &target, believed).is_none()) {
            let known = self.habits.alteration.as_ref();
            self.compared = Some(Compared::new(shown.clone(), target, known, believed));
        }
    }

    /// Whether the display shows all that it can.
    pub(super) fn is_good(&self, comparison: Comparison) -> bool {
        match comparison {
            Comparison::Same => true,
            Comparison::Nearest { .. } if mutation::is(Mutation::FewerIsInStep) => true,
            Comparison::Nearest { shown, .. } => self.habits.cap.is_some_and(|cap| shown >= cap),
            Comparison::Empty | Comparison::OtherTexts | Comparison::Other => false,
        }
    }

    /// Whether the last push to a display that shows a part was long ago.
    fn is_part_to_be_refreshed(&self, now: Now) -> bool {
        let past = self.sent.past;
        past.is_none_or(|past| past.elapsed(now.monotonic) >= REFRESH_PART)
    }

    fn good_state(&self, comparison: Comparison) -> Option<Decision> {
        if !self.is_good(comparison) {
            return None;
        }
        if let Comparison::Nearest { shown, of } = comparison {
            return Some(Decision::Nothing {
                state: PodState::ShowsPart,
                detail: Some(format!(
                    "shows {shown} of {of} meetings; lower `meetings.max` of the room to {shown}"
                )),
            });
        }
        if let Some(offset) = self.clock_offset
            && offset.unsigned_abs() > CLOCK_TOLERANCE
        {
            let direction = if offset > 0 { "ahead" } else { "behind" };
            return Some(Decision::Nothing {
                state: PodState::ClockWrong,
                detail: Some(format!(
                    "its clock is {} s {direction}; set its time server",
                    offset.unsigned_abs()
                )),
            });
        }
        Some(Decision::Nothing {
            state: PodState::InStep,
            detail: None,
        })
    }

    /// What more there is to say of a display that is in step.
    pub(super) fn how_in_step(&self) -> Option<String> {
        let alteration = self.habits.alteration.as_ref().filter(|_| self.alters())?;
        Some(format!("the pod {}", super::alteration::words(alteration)))
    }

    pub(super) fn alters(&self) -> bool {
        let known = self.habits.alteration.as_ref();
        known.is_some_and(|known| *known != Default::default())
    }

    /// The state while a push is to come.
    pub(super) fn waiting_state(&self, push: &Push, now: Now) -> (PodState, Option<String>) {
        if self.unshown.cannot_be_verified() {
            return (PodState::CannotBeVerified, Some(self.how_unverified()));
        }
        if push.plan.class == PushClass::Correction
            && push.at > now.monotonic
            && self.corrections.are_used_up(now)
        {
            return (
                PodState::SomebodyElseWrites,
                Some("it was corrected several times, and shows other meetings again".to_owned()),
            );
        }
        let detail = self
            .failing
            .as_ref()
            .map(|failing| format!("{}; {}", failing.failure.says, failing.failure.hint));
        (PodState::Behind, detail)
    }

    /// What a display does that accepts pushes and does not show them.
    pub(super) fn how_unverified(&self) -> String {
        let echo = self.sent.echo.as_deref();
        let sent = self.sent.agenda.as_deref();
        match (echo, sent) {
            (Some(echo), _) if echo.is_empty() => "it accepts meetings and always reads back empty",
            (Some(echo), Some(sent)) if has_times_of(echo, sent) => {
                "it accepts meetings and shows their times with other texts"
            }
            _ => "it accepts meetings and does not show them",
        }
        .to_owned()
    }
}

fn has_times_of(one: &Agenda, other: &Agenda) -> bool {
    let times = |agenda: &Agenda| -> Vec<_> {
        let meetings = agenda.meetings().iter();
        meetings.map(|one| (one.start_time, one.end_time)).collect()
    };
    times(one) == times(other)
}

fn nothing(state: PodState) -> Decision {
    Decision::Nothing {
        state,
        detail: None,
    }
}

impl Blocked {
    fn decision(&self) -> Decision {
        let (state, detail) = match self {
            Self::OtherRoom { room, pod } => (
                PodState::DeviceChanged,
                format!(
                    "the device at its address was that of room `{room}` ({pod}); \
                     accept it with `podcal pod ROOM trust`, or correct the addresses"
                ),
            ),
            Self::Clash { room, pod } => (
                PodState::AddressClash,
                format!("{pod} of room `{room}` is the same device; correct one of the addresses"),
            ),
        };
        Decision::Nothing {
            state,
            detail: Some(detail),
        }
    }
}
