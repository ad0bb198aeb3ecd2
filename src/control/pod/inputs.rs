//! What a pod's controller is told from outside.

use std::sync::Arc;

use super::contact::{Phase, Purpose};
use super::{CHECK_SIGN_IN, PodController, PodEvent, PodSettings, Removal};
use crate::control::identity::Devices;
use crate::control::now::{Monotonic, Now};
use crate::control::published::Wanted;
use crate::control::secret_gate::LONGEST_PAUSE;

impl PodController {
    /// Takes in what the room wants its displays to show.
    pub fn set_wanted(&mut self, wanted: Wanted, now: Now) -> Vec<PodEvent> {
        if self.wanted.as_ref() == Some(&wanted) {
            return Vec::new();
        }
        if std::mem::take(&mut self.takes_over_force) {
            self.come_to(&wanted);
        }
        self.wanted = Some(wanted);
        self.compared = None;
        self.account_for_found();
        let mut events = Vec::new();
        // A pause stays what is said of the pod, whatever its room wants meanwhile.
        let may_ask = self.schedule.quiet_until(now).is_none();
        if matches!(self.phase, Phase::Idle) && self.contact_failures == 0 && may_ask {
            events = self.note_decision(now);
        }
        self.is_settled = self.is_settled && matches!(self.phase, Phase::Idle) && !self.is_due(now);
        self.note_marks();
        events
    }

    /// It comes to a room in which pushes were asked for before: none of them is for it.
    pub fn come_to(&mut self, wanted: &Wanted) {
        self.force_served = wanted.force;
        self.force_tried = wanted.force;
    }

    /// Takes in what all pods together know of their devices.
    pub fn set_devices(&mut self, devices: Arc<Devices>) {
        self.devices = devices;
    }

    /// Takes in changed settings; what is known of the pod stays.
    ///
    /// `is_new_client`: the address or the way to sign in changed, so that it is tried at once.
    pub fn configure(&mut self, settings: PodSettings, is_new_client: bool, now: Now) {
        let old = std::mem::replace(&mut self.settings, settings);
        if old.room != self.settings.room {
            // What it shows are the other room's meetings.
            self.habits.shows_others = true;
            self.found = None;
            self.takes_over_force = true;
            self.wanted = None;
            self.is_settled = false;
        }
        if old.enforce != self.settings.enforce && self.schedule.config_was_read {
            self.schedule.config_due = now.monotonic;
        }
        self.clock_stepped(now);
        if is_new_client {
            self.secret_changed(now);
        }
    }

    /// The wall clock was set: what goes by cron lines is due at other times.
    pub fn clock_stepped(&mut self, now: Now) {
        if self.counts.attempts > 0 && self.schedule.health_due > now.monotonic {
            self.schedule.health_due = self.due(true, now);
        }
        if self.schedule.config_was_read && self.schedule.config_due > now.monotonic {
            self.schedule.config_due = self.due(false, now);
        }
    }

    /// The secret is another one, or a person wants it to be tried: no pause holds.
    pub fn secret_changed(&mut self, now: Now) {
        self.schedule.paused_until = None;
        self.schedule.busy_until = None;
        self.push_not_before = now.monotonic;
        self.look_now(now);
    }

    /// Looks at the pod as soon as it may be talked to, whenever the next poll is due.
    pub fn look_now(&mut self, now: Now) {
        self.counts.requests += 1;
        self.schedule.health_due = now.monotonic;
        self.schedule.last_poll = None;
        // Whoever asks does not wait for what only keeps polls from pushing too often.
        self.push_not_before = now.monotonic;
        self.is_settled = self.schedule.quiet_until(now).is_some();
        if self.is_settled {
            // It must not be talked to yet, so nothing more can be done now.
            self.counts.attempts += 1;
        }
    }

    /// The secret was just rejected, or the gate says that it was.
    pub fn pause_sign_in(&mut self, until: Monotonic, now: Now) {
        let longest = now.monotonic.plus(LONGEST_PAUSE);
        self.schedule.paused_until = Some(until.min(longest));
        self.schedule.check_sign_in = now.monotonic.plus(CHECK_SIGN_IN);
    }

    /// A person accepts the device that is at the address now: the one that was seen there,
    /// and whichever answers the next look.
    pub fn accept_device(&mut self, now: Now) -> Vec<PodEvent> {
        let mut events = Vec::new();
        if let Some(device) = self.device.live.clone()
            && self.device.accepted.as_ref() != Some(&device)
        {
            self.new_device(device.clone());
            events.push(PodEvent::DeviceAccepted { device });
        }
        self.device.accept_next = true;
        self.look_now(now);
        self.note_marks();
        events
    }

    /// A person accepted whichever device answers next, perhaps without this process.
    pub fn expect_device(&mut self) {
        self.device.accept_next = true;
    }

    /// A device that a person accepted at this address before.
    pub fn permit_device(&mut self, device: Option<String>) {
        self.device.permitted = device;
    }

    /// The calendar mode as it was found last, for people.
    #[must_use]
    pub fn mode_name(&self) -> Option<String> {
        self.mode.as_ref().map(|mode| mode.name().to_owned())
    }

    /// Whether no contact is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Finished)
    }

    /// The pod left the configuration. With `clear`, its display is cleared first; the steps
    /// end with `PodStep::Finished`.
    pub fn remove(&mut self, clear: bool, now: Now) -> Vec<PodEvent> {
        if !clear {
            return self.finish(Removal::Kept);
        }
        let hindrance = match &self.device.blocked {
            Some(_) => Some("the device at its address is another room's"),
            None if self.schedule.quiet_until(now).is_some() => {
                Some("it must not be talked to yet")
            }
            None if self.settings.is_dry => Some("this is a dry run"),
            None => None,
        };
        match hindrance {
            Some(why) => self.finish(Removal::NotCleared {
                why: why.to_owned(),
            }),
            None => {
                self.phase = Phase::Look(Purpose::Clear);
                Vec::new()
            }
        }
    }

    pub(super) fn finish(&mut self, removal: Removal) -> Vec<PodEvent> {
        self.phase = Phase::Finished;
        let shown = self.shown.as_ref().or(self.sent.agenda.as_ref());
        vec![PodEvent::Removed {
            removal,
            shown: shown.map(|agenda| agenda.len()),
        }]
    }
}
