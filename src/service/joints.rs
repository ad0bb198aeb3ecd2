//! What tasks of one kind have of all others: how many rooms lost their meetings, whether the
//! clock is right, which device is whose.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::clock_task::{self, WatchedClock};
use super::feed_task::ServerDate;
use super::identity_task::{self, Identities};
use super::read_budget::ReadBudget;
use super::reload;
use super::room_task::{ClockState, RoomLosses};
use super::{Ground, brake_task};
use crate::config::Config;
use crate::control::brake::{BrakeSettings, BrakeState};
use crate::control::due;
use crate::control::identity::{Devices, PodIdentity};
use crate::model::name::PodUrl;

/// What joins tasks of one kind to all others.
pub(super) struct Joints {
    pub(super) brake_settings: watch::Sender<BrakeSettings>,
    pub(super) brake: watch::Receiver<Arc<BrakeState>>,
    pub(super) losses: mpsc::UnboundedSender<RoomLosses>,
    pub(super) clock_state: watch::Receiver<ClockState>,
    pub(super) dates: mpsc::UnboundedSender<ServerDate>,
    pub(super) devices: watch::Receiver<Arc<Devices>>,
    pub(super) identities: Identities,
    pub(super) budget: ReadBudget,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Joints {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Joints {
    pub(super) fn start(config: &Config, all: &Config, ground: &Ground) -> Self {
        let clock = ground.clock;
        let (brake_settings, settings) = watch::channel(brake_settings(config, ground));
        let (brake_sender, brake) = watch::channel(Arc::new(BrakeState::default()));
        let (losses, lost) = mpsc::unbounded_channel();
        let watched = WatchedClock::begin(clock);
        let (state_sender, clock_state) = watch::channel(watched.state());
        let (dates, dated) = mpsc::unbounded_channel();
        let known = remembered_devices(all, ground);
        let joined = Devices::of(known.values().cloned());
        let (devices_sender, devices) = watch::channel(Arc::new(joined));
        let (identities, told) = mpsc::unbounded_channel();
        let tasks = vec![
            tokio::spawn(brake_task::run(clock, settings, lost, brake_sender)),
            tokio::spawn(clock_task::run(clock, watched, dated, state_sender)),
            tokio::spawn(identity_task::run(known, told, devices_sender)),
        ];
        Self {
            brake_settings,
            brake,
            losses,
            clock_state,
            dates,
            devices,
            identities,
            budget: ReadBudget::new(ground.network.memory(), config.memory),
            tasks,
        }
    }
}

/// Which device each pod was, before any of them is looked at: pods that exchanged their
/// addresses meanwhile must not get each other's meetings.
fn remembered_devices(config: &Config, ground: &Ground) -> BTreeMap<PodUrl, PodIdentity> {
    let memories = ground.recorder.memories();
    let known = reload::pods(config).filter_map(|(place, room, pod)| {
        let memory = memories.pod(&pod.url)?;
        let identity = PodIdentity {
            pod: pod.url.clone(),
            room: room.name.clone(),
            place,
            accepted: memory.device_id.clone(),
            live: None,
            sent: None,
        };
        Some((pod.url.clone(), identity))
    });
    known.collect()
}

pub(super) fn brake_settings(config: &Config, ground: &Ground) -> BrakeSettings {
    let schedule = &config.schedule;
    let period = due::period(ground.clock.now(), &schedule.sync, &config.time_zone);
    BrakeSettings {
        rooms: config.brake_rooms,
        vanished: usize::try_from(config.guard.vanished).unwrap_or(usize::MAX),
        within: config
            .guard
            .hold
            .max(period.saturating_add(schedule.jitter)),
    }
}
