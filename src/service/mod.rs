//! The running service: one task for each feed, room and pod, and what joins them.
//!
//! ```text
//!  feed_task   one for each distinct feed; several rooms share it
//!     │  FeedView
//!     ▼
//!  room_task   guard, brake, composing; what the displays should show
//!     │  Wanted
//!     ▼
//!  pod_task    the only one that talks to its pod
//!     │  PodView
//!     ▼
//!  recorder, status, page, log: they read and never hold anybody up
//! ```
//!
//! Values flow one way over watch channels; a slow reader misses the ones between. Each
//! task is a pure controller of `control` with a shell around it. [`run`] is the loop of
//! `podcal run`, [`pass`] does one pass over some rooms for `podcal sync`, [`reload`] exchanges
//! settings by difference, and [`study`] asks the room's controller alone.

mod brake_task;
pub mod clock;
pub mod control_socket;
pub mod feed_task;
pub mod gate;
mod identity_task;
pub mod once;
pub mod open_ledger;
pub mod pass;
pub mod pod_task;
pub mod recorder;
pub mod reload;
pub mod report;
pub mod room_task;
pub mod run;
pub mod signals;
pub mod stage;
pub mod study;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::clock::Clock;
use self::feed_task::FeedCommand;
use self::gate::Gate;
use self::pod_task::PodCommand;
use self::recorder::Recorder;
use self::room_task::{ClockState, RoomCommand, RoomLosses};
use crate::config::Config;
use crate::control::brake::{BrakeSettings, BrakeState};
use crate::control::due;
use crate::control::identity::Devices;
use crate::control::now::Now;
use crate::control::pod::PodView;
use crate::control::published::{FeedView, Wanted};
use crate::control::room::RoomView;
use crate::feed::Network;
use crate::model::name::{FeedId, PodUrl, RoomName};

/// How a service goes about its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Nothing is written to a pod.
    pub is_dry: bool,
    /// Everything begins at once, without jitter, for a command that does one pass.
    pub is_once: bool,
    /// Whether the ledger began anew: displays may show what it forgot.
    pub ledger_is_new: bool,
}

/// What a service is made of besides its configuration.
#[derive(Clone)]
pub struct Ground {
    pub clock: Clock,
    pub recorder: Recorder,
    pub gate: Gate,
    pub network: Network,
    pub mode: Mode,
}

/// A task, how to tell it something, and what it publishes. The task ends with this.
pub struct Running<C, V> {
    pub commands: mpsc::Sender<C>,
    pub view: watch::Receiver<V>,
    task: JoinHandle<()>,
}

impl<C, V> Running<C, V> {
    fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

/// None outlives its removal, also not in the middle of a request.
impl<C, V> Drop for Running<C, V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A room's task publishes two things: one for its pods, one for everybody else.
pub struct RunningRoom {
    pub room: Running<RoomCommand, RoomView>,
    pub wanted: watch::Receiver<Wanted>,
}

/// The tasks of all feeds, rooms and pods.
pub struct Service {
    ground: Ground,
    config: Arc<Config>,
    feeds: BTreeMap<FeedId, Running<FeedCommand, FeedView>>,
    rooms: BTreeMap<RoomName, RunningRoom>,
    pods: BTreeMap<PodUrl, Running<PodCommand, PodView>>,
    /// Pods that left the configuration and are cleared.
    leaving: Vec<Running<PodCommand, PodView>>,
    shared: Shared,
    helpers: Vec<JoinHandle<()>>,
}

/// What joins tasks of one kind to all others.
struct Shared {
    brake_settings: watch::Sender<BrakeSettings>,
    brake: watch::Receiver<Arc<BrakeState>>,
    losses: mpsc::UnboundedSender<RoomLosses>,
    clock_state: watch::Receiver<ClockState>,
    dates: mpsc::UnboundedSender<feed_task::ServerDate>,
    devices: watch::Receiver<Arc<Devices>>,
    identities: identity_task::Identities,
}
