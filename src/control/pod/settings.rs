//! What a pod's controller is told by the configuration.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::control::due;
use crate::model::cron::Cron;
use crate::model::name::{PodUrl, RoomName};
use crate::model::zone::Zone;

#[derive(Clone, Debug)]
pub struct PodSettings {
    pub pod: PodUrl,
    pub room: RoomName,
    /// Its place among all pods of the configuration.
    pub place: usize,
    pub health: Cron,
    pub config: Cron,
    /// In which the cron lines are read.
    pub zone: Zone,
    /// Of this pod, not the spread of all of them.
    pub jitter: Duration,
    pub min_interval: Duration,
    /// The part of the configuration that is repaired when it drifts.
    pub enforce: Option<Map<String, Value>>,
    /// A command that does everything once: the configuration is not polled.
    pub is_once: bool,
    /// Nothing is written to the pod.
    pub is_dry: bool,
}

impl PodSettings {
    /// As the service needs them.
    #[must_use]
    pub fn of(
        config: &crate::config::Config,
        room: &crate::config::Room,
        pod: &crate::config::Pod,
        place: usize,
    ) -> Self {
        let schedule = &config.schedule;
        Self {
            pod: pod.url.clone(),
            room: room.name.clone(),
            place,
            health: schedule.health.clone(),
            config: schedule.config.clone(),
            zone: config.time_zone.clone(),
            jitter: due::jitter(&pod.url.key(), schedule.jitter),
            min_interval: pod.min_interval,
            enforce: pod.enforce.clone(),
            is_once: false,
            is_dry: false,
        }
    }

    /// The same for a command that does everything once: it begins at once.
    #[must_use]
    pub fn once(mut self, is_dry: bool) -> Self {
        self.jitter = Duration::ZERO;
        self.is_once = true;
        self.is_dry = is_dry;
        self
    }
}
