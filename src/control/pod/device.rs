//! Which device answers at the pod's address, and whether it may be written to.

use std::sync::Arc;

use super::display::{self, Comparison};
use super::{Blocked, PodController, PodEvent};
use crate::control::identity::PodIdentity;
use crate::control::mutation::{self, Mutation};
use crate::control::now::Now;
use crate::model::agenda::Agenda;

impl PodController {
    /// Judges the device that was just looked at. `shown` is what its display shows.
    pub(super) fn identify(
        &mut self,
        device: Option<String>,
        shown: &Arc<Agenda>,
        now: Now,
    ) -> Vec<PodEvent> {
        let is_accepted = std::mem::take(&mut self.device.accept_next);
        let Some(device) = device else {
            self.device.live = None;
            return Vec::new();
        };
        if device.is_empty() {
            self.device.live = None;
            if std::mem::replace(&mut self.device.said_no_id, true) {
                return Vec::new();
            }
            return vec![PodEvent::NoDeviceId];
        }
        if self.device.live.as_ref() != Some(&device) {
            self.device.live = Some(device.clone());
        }
        let mut events = Vec::new();
        if self.device.accepted.as_ref() != Some(&device) {
            events.extend(self.other_device(device.clone(), is_accepted));
        } else if matches!(self.device.blocked, Some(Blocked::OtherRoom { .. })) {
            self.device.blocked = None;
        }
        if !matches!(self.device.blocked, Some(Blocked::OtherRoom { .. })) {
            events.extend(self.check_clash(&device, shown, now));
        }
        events
    }

    /// Another device than before answers, or one for the first time.
    fn other_device(&mut self, device: String, is_accepted: bool) -> Vec<PodEvent> {
        let is_permitted = self.device.permitted.as_ref() == Some(&device);
        if is_accepted || (is_permitted && self.device.accepted.is_some()) {
            self.new_device(device.clone());
            return vec![PodEvent::DeviceAccepted { device }];
        }
        let devices = self.devices.clone();
        let (own, room) = (&self.settings.pod, &self.settings.room);
        if let Some(owner) = devices.owner(&device, own, room) {
            // A first look may also find a clone, or a second name for one pod: that is
            // known only by what the display shows.
            let may_be_clone =
                self.device.accepted.is_none() && owner.live.as_deref() == Some(&device);
            let is_ignored = mutation::is(Mutation::OtherRoomsDeviceIsWritten);
            if !may_be_clone && !is_permitted && !is_ignored {
                return self.block_other_room(device, owner);
            }
        }
        match self.device.accepted.take() {
            Some(before) => {
                self.new_device(device.clone());
                vec![PodEvent::DeviceReplaced { before, device }]
            }
            None => {
                self.device.accepted = Some(device);
                self.device.blocked = None;
                Vec::new()
            }
        }
    }

    fn block_other_room(&mut self, device: String, owner: &PodIdentity) -> Vec<PodEvent> {
        let (room, pod) = (owner.room.clone(), owner.pod.clone());
        let blocked = Some(Blocked::OtherRoom {
            room: room.clone(),
            pod: pod.clone(),
        });
        if self.device.blocked == blocked {
            return Vec::new();
        }
        self.device.blocked = blocked;
        self.habits.shows_others = true;
        vec![PodEvent::DeviceOfOtherRoom { device, room, pod }]
    }

    /// Takes a device for this pod's: nothing that was known of the other one holds.
    pub(super) fn new_device(&mut self, device: String) {
        self.device.accepted = Some(device);
        self.device.blocked = None;
        self.device.is_replacement = true;
        self.sent = super::Sent::default();
        self.unshown.forget();
        let said_somebody_else = self.habits.said_somebody_else;
        self.habits = super::Habits {
            shows_others: true,
            said_somebody_else,
            ..super::Habits::default()
        };
        self.compared = None;
        self.mode = None;
        self.config_digest = None;
        self.clock_offset = None;
    }

    /// Whether another address leads to this very device: it shows what was put there.
    fn check_clash(&mut self, device: &str, shown: &Arc<Agenda>, now: Now) -> Vec<PodEvent> {
        let devices = self.devices.clone();
        let own = self.settings.pod.clone();
        let earlier = |other: &&Arc<PodIdentity>| {
            other.place < self.settings.place && other.room != self.settings.room
        };
        let twins: Vec<_> = devices.live(device, &own).filter(earlier).collect();
        if let Some(Blocked::Clash { pod, .. }) = &self.device.blocked {
            if twins.iter().any(|twin| twin.pod == *pod) {
                return Vec::new();
            }
            self.device.blocked = None;
            return vec![PodEvent::AddressClashEnded];
        }
        let mut events = Vec::new();
        for twin in twins {
            let (room, pod) = (twin.room.clone(), twin.pod.clone());
            if self.shows_set_of(twin, shown, now) {
                self.device.blocked = Some(Blocked::Clash {
                    room: room.clone(),
                    pod: pod.clone(),
                });
                self.habits.shows_others = true;
                let device = device.to_owned();
                events.push(PodEvent::AddressClash { device, room, pod });
                return events;
            }
            if self.device.shared_with.insert(pod.clone()) {
                let device = device.to_owned();
                events.push(PodEvent::SharedDeviceId { device, room, pod });
            }
        }
        events
    }

    /// Whether the display shows the set that was put on the twin, and not ours.
    fn shows_set_of(&self, twin: &PodIdentity, shown: &Agenda, now: Now) -> bool {
        let Some(theirs) = twin.sent.as_ref().filter(|sent| !sent.is_empty()) else {
            return false;
        };
        let known = self.habits.alteration.as_ref();
        let is = |agenda: &Agenda| {
            display::compare(shown, agenda, known, Some(now.wall)) == Comparison::Same
        };
        let has_meetings_to_come = shown
            .meetings()
            .iter()
            .any(|meeting| meeting.end_time > now.wall.plus(display::TOLERANCE));
        let is_ours = self.target(now).is_some_and(|ours| is(&ours))
            || self.sent.agenda.as_ref().is_some_and(|sent| is(sent));
        has_meetings_to_come && is(theirs) && !is_ours
    }
}
