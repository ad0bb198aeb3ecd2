//! The service as others see it at one moment: for the page, the metrics and the health
//! check. Cheap to make and to hand on; nobody who reads it holds the service up.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::recorder::Recorder;
use super::status::{RoomStatus, Status};
use crate::config::Config;
use crate::control::now::Now;
use crate::control::pod::PodView;
use crate::control::published::FeedView;
use crate::ledger::ServiceTimes;
use crate::model::memory::Memories;
use crate::model::name::{FeedId, PodUrl};
use crate::model::replica::Roll;

/// All that can be read of the service. Published again and again.
#[derive(Clone)]
pub struct Snapshot {
    pub at: Now,
    pub config: Arc<Config>,
    pub memories: Arc<Memories>,
    pub service: ServiceTimes,
    pub views: Arc<Views>,
    /// How many tasks have ended or should have moved on long ago.
    pub late: usize,
    pub is_first_pass_done: bool,
    pub is_ledger_writable: bool,
    /// Who serves what, where several podcal share the rooms.
    pub roll: Arc<Roll>,
    /// For pins and the history, which are not in memory.
    pub recorder: Recorder,
}

/// The newest value of each task.
#[derive(Default)]
pub struct Views {
    pub feeds: BTreeMap<FeedId, watch::Receiver<FeedView>>,
    pub pods: BTreeMap<PodUrl, watch::Receiver<PodView>>,
}

impl Snapshot {
    /// How every room stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let service = self.service.clone();
        Status::of(&self.config, &self.memories, service, self.at.wall).with_roll(self.roll.clone())
    }

    /// How the room at this place of the configuration stands.
    #[must_use]
    pub fn room(&self, place: usize) -> Option<RoomStatus> {
        let room = self.config.rooms.get(place)?;
        Some(RoomStatus::of(room, &self.memories))
    }
}
