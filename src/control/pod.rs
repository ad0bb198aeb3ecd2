//! What to do next about one pod: when to look at it, and what to put on its display.
//!
//! One contact is one or more steps: a look; then, where the display does not show what it
//! should, the calendar mode, the push, and a look at what came of it. A push never happens
//! but right after a look that answered and a mode that allows it.

pub mod alteration;
pub mod budget;
mod configured;
mod contact;
mod decide;
mod device;
pub mod display;
pub mod drift;
pub mod event;
mod inputs;
mod learn;
mod remember;
pub mod settings;
pub mod state;
pub mod step;
mod verify;
pub mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use self::budget::{Corrections, Unshown};
use self::contact::{Check, Phase, Purpose};
use self::decide::Decision;
use self::display::Compared;
pub use self::event::{Loss, PodEvent, Removal};
use self::remember::Marks;
pub use self::settings::PodSettings;
use self::state::StateLog;
pub use self::step::{
    ConfigAnswer, LookAnswer, ModeAnswer, PatchAnswer, PodOutcome, PodStep, PutAnswer, PutFailure,
    ReportedMode,
};
pub use self::view::{
    PodCounts, PodState, PodView, PushFailing, PushReason, PushReport, PushResult,
};
use super::due;
use super::identity::{Devices, PodIdentity};
use super::now::{Monotonic, Now};
use super::published::Wanted;
use super::retry::Past;
use crate::model::agenda::Agenda;
use crate::model::memory::Alteration;
use crate::model::name::{PodUrl, RoomName};
use crate::model::time::UnixTime;

/// How long to wait where another request is just trying the same secret.
const BUSY: Duration = Duration::from_secs(5);
/// How often a rejected secret is compared with the one that is there now.
const CHECK_SIGN_IN: Duration = Duration::from_secs(30);
/// How often a display that shows only a part is sent the whole set again: its limit may have
/// gone.
const REFRESH_PART: Duration = Duration::from_secs(3600);
/// A poll that is late by so many of its periods comes before a push.
const LATE_PERIODS: u32 = 2;

/// Decides about one pod.
#[derive(Debug)]
pub struct PodController {
    settings: PodSettings,
    wanted: Option<Wanted>,
    devices: Arc<Devices>,
    phase: Phase,
    schedule: Schedule,
    /// What is known of the pod.
    device: Device,
    mode: Option<ReportedMode>,
    mode_checked_at: Option<UnixTime>,
    /// What the display showed when it was looked at last, since the process began.
    shown: Option<Arc<Agenda>>,
    /// What it showed under ids of our form before the first push of this ledger, as far as
    /// nothing accounted for it since; `None` until that is known.
    found: Option<Arc<Agenda>>,
    sent: Sent,
    habits: Habits,
    corrections: Corrections,
    /// Losses that were put right without limit, to say them less often.
    losses: Corrections,
    unshown: Unshown,
    failing: Option<PushFailing>,
    push_not_before: Monotonic,
    /// Counts of `--force` that were served.
    force_served: u64,
    /// The count of `--force` for which a push was tried, and failed.
    force_tried: u64,
    /// Whatever was asked for before it came to its room was not meant for it.
    takes_over_force: bool,
    /// Contacts that failed in a row.
    contact_failures: u32,
    config_failures: u32,
    log: StateLog,
    /// Of the configuration that was read last.
    config_digest: Option<[u8; 32]>,
    /// A configuration that is to be written down.
    new_config: Option<Value>,
    counts: PodCounts,
    last_push: Option<PushReport>,
    checked_at: Option<UnixTime>,
    seen_at: Option<UnixTime>,
    clock_offset: Option<i64>,
    is_settled: bool,
    memory_changes: u64,
    /// What the memory held when changes of it were counted last.
    noted: Option<Marks>,
    /// What the display was seen to show, against what it should show.
    compared: Option<Compared>,
}

/// When the pod may and must be talked to.
#[derive(Debug)]
struct Schedule {
    health_due: Monotonic,
    config_due: Monotonic,
    last_poll: Option<Monotonic>,
    config_was_read: bool,
    /// The pod asked to be left alone.
    silent_until: Option<Monotonic>,
    /// For how long it asked.
    silence: Duration,
    throttled: u32,
    /// Sign-in is paused after a rejected secret.
    paused_until: Option<Monotonic>,
    /// When the rejected secret is compared with the one that is there now.
    check_sign_in: Monotonic,
    /// Another request is trying the secret.
    busy_until: Option<Monotonic>,
}

/// Which device is at the address.
#[derive(Debug, Default)]
struct Device {
    accepted: Option<String>,
    live: Option<String>,
    blocked: Option<Blocked>,
    /// Whatever answers the next look is accepted.
    accept_next: bool,
    /// A person accepted this one, perhaps without this process.
    permitted: Option<String>,
    /// It took another one's place since the last push.
    is_replacement: bool,
    /// Pods with which it shares its id, as said.
    shared_with: BTreeSet<PodUrl>,
    said_no_id: bool,
}

/// Why a device is not written to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Blocked {
    /// It is another room's.
    OtherRoom { room: RoomName, pod: PodUrl },
    /// An earlier address of the configuration leads to it too.
    Clash { room: RoomName, pod: PodUrl },
}

/// What was put on the display last.
#[derive(Debug, Default)]
struct Sent {
    agenda: Option<Arc<Agenda>>,
    at: Option<UnixTime>,
    /// The same moment, for waits.
    past: Option<Past>,
    /// Whether the display was seen to show it.
    is_shown: bool,
    /// What the display showed after it, where it is not that.
    echo: Option<Arc<Agenda>>,
}

/// What this pod is known to do.
#[derive(Debug, Default)]
struct Habits {
    alteration: Option<Alteration>,
    cap: Option<usize>,
    /// It kept so many of the last push; once more, and that is its cap.
    perhaps_cap: Option<usize>,
    applies_late: bool,
    /// What it shows may be somebody else's.
    shows_others: bool,
    /// The display was in step when a poll looked at it last.
    was_in_step: bool,
    /// Said, or restored as said, and not to be said again.
    said_somebody_else: bool,
}

impl PodController {
    /// Of a pod of which nothing is known. It is looked at after the jitter, and within
    /// seconds also where that is long.
    #[must_use]
    pub fn new(settings: PodSettings, now: Now) -> Self {
        let schedule = Schedule {
            health_due: now.monotonic.plus(due::soon(settings.jitter)),
            config_due: Monotonic::NEVER,
            last_poll: None,
            config_was_read: false,
            silent_until: None,
            silence: Duration::ZERO,
            throttled: 0,
            paused_until: None,
            check_sign_in: now.monotonic,
            busy_until: None,
        };
        let mut pod = Self {
            settings,
            wanted: None,
            devices: Arc::default(),
            phase: Phase::Idle,
            schedule,
            device: Device::default(),
            mode: None,
            mode_checked_at: None,
            shown: None,
            found: None,
            sent: Sent::default(),
            habits: Habits::default(),
            corrections: Corrections::default(),
            losses: Corrections::default(),
            unshown: Unshown::default(),
            failing: None,
            push_not_before: now.monotonic,
            force_served: 0,
            force_tried: 0,
            takes_over_force: false,
            contact_failures: 0,
            config_failures: 0,
            log: StateLog::new(now),
            config_digest: None,
            new_config: None,
            counts: PodCounts::default(),
            last_push: None,
            checked_at: None,
            seen_at: None,
            clock_offset: None,
            is_settled: false,
            memory_changes: 0,
            noted: None,
            compared: None,
        };
        pod.noted = Some(pod.marks());
        pod
    }

    /// What to do now, or until when to wait.
    pub fn next(&mut self, now: Now) -> PodStep {
        if let Phase::WaitToVerify(check, at) = &self.phase {
            if self.is_superseded(check, now) {
                self.phase = Phase::Idle;
            } else if (*at).min(self.schedule.health_due) <= now.monotonic {
                self.phase = Phase::Verify(check.clone());
            }
        }
        if matches!(self.phase, Phase::Idle) {
            if let Some(quiet) = self.schedule.quiet_until(now) {
                let check = self.schedule.check_sign_in;
                if !self.schedule.is_paused(now) {
                    return PodStep::Wait(quiet);
                } else if check > now.monotonic {
                    return PodStep::Wait(quiet.min(check));
                }
                self.phase = Phase::CheckSignIn;
                return PodStep::CheckSignIn;
            }
            match self.choose(now) {
                Ok(phase) => {
                    if phase.is_poll() {
                        self.schedule.last_poll = Some(now.monotonic);
                    }
                    self.phase = phase;
                }
                Err(until) => return PodStep::Wait(until),
            }
        }
        match &self.phase {
            Phase::Idle => PodStep::Wait(now.monotonic),
            Phase::Look(_) | Phase::Verify(_) => PodStep::Look,
            Phase::AskMode(_) => PodStep::AskMode,
            Phase::Put(plan) => PodStep::Put(plan.agenda.clone()),
            Phase::WaitToVerify(_, at) => PodStep::Wait((*at).min(self.schedule.health_due)),
            Phase::ReadConfig => PodStep::ReadConfig,
            Phase::Patch(patch) => PodStep::PatchConfig(patch.clone()),
            Phase::CheckSignIn => PodStep::CheckSignIn,
            Phase::Finished => PodStep::Finished,
        }
    }

    /// The next contact, or when there will be one.
    fn choose(&self, now: Now) -> Result<Phase, Monotonic> {
        let schedule = &self.schedule;
        let spaced = |due: Monotonic| {
            let earliest = schedule
                .last_poll
                .map(|last| last.plus(self.settings.min_interval));
            earliest.map_or(due, |earliest| due.max(earliest))
        };
        let health = (
            schedule.health_due,
            &self.settings.health,
            self.health_poll(),
        );
        let config = (
            schedule.config_due,
            &self.settings.config,
            Phase::ReadConfig,
        );
        // The one that waits longer comes first.
        let (due, cron, poll) = if config.0 < health.0 { config } else { health };
        let ready = spaced(due);
        let is_ready = ready <= now.monotonic;
        let is_late = || {
            let period = due::period(now, cron, &self.settings.zone);
            now.monotonic.since(due) >= period.saturating_mul(LATE_PERIODS)
        };
        // No period is shorter than a second, so that most polls need not ask for theirs.
        let may_be_late = now.monotonic.since(due) >= Duration::from_secs(2);
        if is_ready && may_be_late && is_late() {
            return Ok(poll);
        }
        let push = match self.decide(now) {
            Decision::Push(push) => push.at,
            Decision::Nothing { .. } => Monotonic::NEVER,
        };
        if push <= now.monotonic {
            return Ok(Phase::Look(Purpose::Push));
        }
        if is_ready {
            return Ok(poll);
        }
        Err(push.min(ready))
    }

    /// What a health poll does: in another mode it asks for that in place of looking.
    fn health_poll(&self) -> Phase {
        match &self.mode {
            Some(mode) if mode.is_other() => Phase::AskMode(Purpose::Poll),
            _ => Phase::Look(Purpose::Poll),
        }
    }

    /// Whether the room wants something else by now than what was just pushed.
    fn is_superseded(&self, check: &Check, now: Now) -> bool {
        self.is_forced()
            || self
                .target(now)
                .is_some_and(|target| !target.looks_like(&check.plan.agenda))
    }

    /// When the next poll of that kind comes, after one that was just made.
    fn due(&self, is_health: bool, now: Now) -> Monotonic {
        let settings = &self.settings;
        let cron = if is_health {
            &settings.health
        } else {
            &settings.config
        };
        due::next_due(now, cron, &settings.zone, settings.jitter)
    }

    /// A configuration of the pod that is another than before, without secrets: to be written
    /// down, and handed back with the next one that is read.
    pub fn take_config(&mut self) -> Option<Value> {
        match self.phase {
            Phase::Patch(_) => None,
            _ => self.new_config.take(),
        }
    }

    /// Counts changes of what [`PodController::memory`] gives, but for the times at which
    /// the pod was seen.
    #[must_use]
    pub fn memory_changes(&self) -> u64 {
        self.memory_changes
    }

    fn patch_for(&self, config: &Value) -> Option<Map<String, Value>> {
        let wanted = self.settings.enforce.as_ref()?;
        let may_write = !self.settings.is_dry && self.device.blocked.is_none();
        may_write.then(|| drift::repair(wanted, config)).flatten()
    }

    /// What the other pods must know of its device.
    #[must_use]
    pub fn identity(&self) -> PodIdentity {
        PodIdentity {
            pod: self.settings.pod.clone(),
            room: self.settings.room.clone(),
            place: self.settings.place,
            accepted: self.device.accepted.clone(),
            live: self.device.live.clone(),
            sent: self.known_set().cloned(),
        }
    }

    /// What was put on the display, where it was seen there and the device is this pod's.
    fn known_set(&self) -> Option<&Arc<Agenda>> {
        let is_known = self.device.blocked.is_none() && self.sent.is_shown;
        self.sent.agenda.as_ref().filter(|_| is_known)
    }
}

impl Schedule {
    /// Until when the pod must not be talked to at all.
    fn quiet_until(&self, now: Now) -> Option<Monotonic> {
        [self.silent_until, self.paused_until, self.busy_until]
            .into_iter()
            .flatten()
            .max()
            .filter(|until| *until > now.monotonic)
    }

    fn is_paused(&self, now: Now) -> bool {
        self.paused_until.is_some_and(|until| until > now.monotonic)
    }
}

#[cfg(test)]
mod tests;
