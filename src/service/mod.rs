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
//! task is a pure controller of `control` with a shell around it. [`crate::server`] is the loop of
//! `podcal run` around it, [`pass`] does one pass over some rooms for `podcal sync`, [`reload`]
//! exchanges settings by difference, and [`study`] asks the room's controller alone.

mod brake_task;
pub mod clock;
mod clock_task;
pub mod control_socket;
mod deadline;
pub mod explanation;
pub mod feed_task;
pub mod gate;
pub mod history_text;
mod identity_task;
mod joints;
pub mod once;
pub mod open_ledger;
pub mod pass;
pub mod past;
pub mod pod_contact;
pub mod pod_task;
pub mod present;
pub mod read_budget;
pub mod reading;
pub mod recorder;
pub mod reload;
pub mod remote;
pub mod replica_task;
pub mod report;
pub(crate) mod restart;
pub mod room_task;
mod share;
pub mod signals;
pub mod snapshot;
pub mod stage;
mod start;
pub mod status;
pub mod study;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::clock::Clock;
use self::deadline::Deadline;
use self::feed_task::FeedCommand;
use self::gate::Gate;
use self::joints::Joints;
use self::pod_task::PodCommand;
use self::recorder::Recorder;
use self::reload::Difference;
use self::restart::Restarts;
use self::room_task::RoomCommand;
use self::snapshot::{Snapshot, Views};
use self::status::{RoomState, Status};
use crate::config::Config;
use crate::control::now::Monotonic;
use crate::control::pod::PodView;
use crate::control::published::{FeedView, Wanted};
use crate::control::room::{RoomSettings, RoomView};
use crate::feed::Network;
use crate::model::name::{FeedId, PodUrl, RoomName};
use crate::model::replica::Roll;
use crate::telemetry::line::Line;
use crate::telemetry::{self, words};

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
pub struct Running<C, V, S = ()> {
    pub commands: mpsc::Sender<C>,
    pub view: watch::Receiver<V>,
    /// What it published first, kept where everything is done once: a pass tells what
    /// became different since.
    first: Option<V>,
    /// By when the task has to have moved on.
    late_after: Deadline,
    /// What it was told to read last.
    sources: S,
    task: JoinHandle<()>,
}

impl<C, V, S> Running<C, V, S> {
    fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends the task; when this is done, nothing of it is under way.
    async fn end(mut self) {
        // A handle that was awaited to its end must not be awaited again.
        if !self.has_ended() {
            self.task.abort();
            let _ = (&mut self.task).await;
        }
    }

    /// Nobody can tell it anything from now on, and it ends after what it is doing.
    fn let_go(&mut self) {
        self.commands = mpsc::channel(1).0;
    }

    fn is_late(&self, by: Duration, now: Monotonic) -> bool {
        self.has_ended() || self.late_after.get().plus(by) < now
    }
}

impl<C, V: Clone, S> Running<C, V, S> {
    /// What a pass that begins now compares with.
    fn before(&self) -> V {
        match &self.first {
            Some(first) => first.clone(),
            None => self.view.borrow().clone(),
        }
    }
}

/// None outlives its removal, also not in the middle of a request.
impl<C, V, S> Drop for Running<C, V, S> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A room's task publishes two things: one for its pods, one for everybody else.
pub struct RunningRoom {
    pub room: Running<RoomCommand, RoomView, RoomSources>,
    pub wanted: watch::Receiver<Wanted>,
}

/// What a room goes by.
pub struct RoomSources {
    settings: RoomSettings,
    feeds: Vec<watch::Receiver<FeedView>>,
}

impl RoomSources {
    fn is_same(&self, other: &Self) -> bool {
        let (one, settings) = (&self.settings, &other.settings);
        one.room == settings.room
            && one.shared_by == settings.shared_by
            && one.jitter == settings.jitter
            && self.feeds.len() == other.feeds.len()
            && self
                .feeds
                .iter()
                .zip(&other.feeds)
                .all(|(one, other)| one.same_channel(other))
    }
}

type RunningFeed = Running<FeedCommand, FeedView>;
type RunningPod = Running<PodCommand, PodView, watch::Receiver<Wanted>>;

/// The tasks of all feeds, rooms and pods.
pub struct Service {
    ground: Ground,
    /// Whole, also where only some of its rooms are served here.
    config: Arc<Config>,
    /// The rooms that are served here; `None`: all of them.
    served: Option<BTreeSet<RoomName>>,
    /// Who serves what, where several podcal share the rooms.
    roll: Arc<Roll>,
    feeds: BTreeMap<FeedId, RunningFeed>,
    rooms: BTreeMap<RoomName, RunningRoom>,
    pods: BTreeMap<PodUrl, RunningPod>,
    /// Pods that left the configuration and are being cleared.
    leaving: BTreeMap<PodUrl, RunningPod>,
    /// Feeds that left the configuration in the middle of a pull: what became of their
    /// secrets is still written down.
    leaving_feeds: BTreeMap<FeedId, RunningFeed>,
    /// Of tasks that ended by a fault of podcal.
    restarts: BTreeMap<String, Restarts>,
    joints: Joints,
}

impl Service {
    /// Lets pods that are in the middle of a contact end it, so that what they were sent is
    /// remembered; whoever takes longer than `grace` is cut short by [`Service::end`].
    pub async fn finish(&mut self, grace: Duration) {
        for pod in self.pods.values_mut() {
            pod.let_go();
        }
        let ended = async {
            for pod in self.pods.values_mut() {
                let _ = (&mut pod.task).await;
            }
        };
        let _ = tokio::time::timeout(grace, ended).await;
    }

    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the tasks publish, for whoever reads without holding them up. Of the tasks
    /// that there are now.
    #[must_use]
    pub fn views(&self) -> Views {
        let feeds = self.feeds.iter();
        let pods = self.pods.iter();
        Views {
            feeds: feeds
                .map(|(feed, task)| (feed.clone(), task.view.clone()))
                .collect(),
            pods: pods
                .map(|(pod, task)| (pod.clone(), task.view.clone()))
                .collect(),
        }
    }

    /// All that the page and the metrics are made from, as of now.
    #[must_use]
    pub fn snapshot(&self, views: Arc<Views>, late: usize, first_pass: bool) -> Snapshot {
        let recorder = &self.ground.recorder;
        Snapshot {
            at: self.ground.clock.now(),
            config: self.config.clone(),
            memories: recorder.memories(),
            service: recorder.service(),
            views,
            late,
            is_first_pass_done: first_pass,
            is_ledger_writable: recorder.failing().is_none(),
            roll: self.roll.clone(),
            recorder: recorder.clone(),
        }
    }

    /// What a pod is told by; `None` where it is not configured.
    #[must_use]
    pub fn pod_commands(&self, key: &str) -> Option<mpsc::Sender<PodCommand>> {
        let mut pods = self.pods.iter();
        let (_, running) = pods.find(|(url, _)| url.key() == key)?;
        Some(running.commands.clone())
    }

    /// Whether every feed was tried, every room composed and every pod looked at.
    #[must_use]
    pub fn is_first_pass_done(&self) -> bool {
        let feeds = self.feeds.values();
        let is_tried = |view: &FeedView| {
            // One that must be left alone yet, says the last process, has had its turn.
            let failing = view.failing.as_ref();
            view.attempts > 0 || failing.is_some_and(|failing| failing.not_before.is_some())
        };
        feeds.into_iter().all(|feed| is_tried(&feed.view.borrow()))
            && self
                .rooms
                .values()
                .all(|room| room.room.view.borrow().is_settled)
            && self.pods.values().all(|pod| {
                let view = pod.view.borrow();
                view.counts.attempts > 0 && view.is_settled
            })
    }

    /// How many rooms are in step, for the log.
    #[must_use]
    pub fn summary(&self, is_first: bool) -> Line {
        let status = self.status();
        let mut in_step = 0;
        let mut problems = Vec::new();
        for (state, count) in status.counts() {
            match state {
                RoomState::InStep => in_step = count,
                other => problems.push((other.words().to_owned(), count)),
            }
        }
        words::service::summary(is_first, status.rooms.len(), in_step, &problems)
    }

    /// How every room stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let recorder = &self.ground.recorder;
        Status::of(
            &self.config,
            &recorder.memories(),
            recorder.service(),
            self.ground.clock.now().wall,
        )
    }

    /// Tasks that have ended, or that should have moved on before this long. Not those that
    /// wait for their restart: that was said, and a restart of the process would not help.
    #[must_use]
    pub fn late(&self, by: Duration) -> Vec<String> {
        let now = self.ground.clock.now().monotonic;
        let feeds = self.feeds.iter().filter(|(_, task)| task.is_late(by, now));
        let rooms = self
            .rooms
            .iter()
            .filter(|(_, task)| task.room.is_late(by, now));
        let pods = self.pods.iter().filter(|(_, task)| task.is_late(by, now));
        let late = feeds
            .map(|(feed, _)| format!("feed {feed}"))
            .chain(rooms.map(|(room, _)| format!("room {room}")))
            .chain(pods.map(|(pod, _)| format!("pod {pod}")));
        let waits = |what: &String| self.restarts.get(what).is_some_and(Restarts::is_waiting);
        late.filter(|what| !waits(what)).collect()
    }

    /// Ends every task; when this is done, nothing of them is under way.
    pub async fn end(&mut self) {
        let pods = std::mem::take(&mut self.pods).into_values();
        let leaving = std::mem::take(&mut self.leaving).into_values();
        join_all(pods.chain(leaving).map(Running::end)).await;
        let feeds = std::mem::take(&mut self.feeds).into_values();
        let leaving = std::mem::take(&mut self.leaving_feeds).into_values();
        join_all(feeds.chain(leaving).map(Running::end)).await;
        let rooms = std::mem::take(&mut self.rooms).into_values();
        join_all(rooms.map(|room| room.room.end())).await;
    }

    /// Starts tasks anew that ended by a fault of podcal, from what is remembered, each after
    /// a wait of its own; says whether there were any.
    pub async fn revive(&mut self) -> bool {
        self.leaving.retain(|_, pod| !pod.has_ended());
        self.leaving_feeds.retain(|_, feed| !feed.has_ended());
        let now = Instant::now();
        let restarts = &mut self.restarts;
        let feeds = due(restarts, now, "feed", &self.feeds, Running::has_ended);
        let rooms = due(restarts, now, "room", &self.rooms, |room| {
            room.room.has_ended()
        });
        let pods = due(restarts, now, "pod", &self.pods, Running::has_ended);
        if feeds.is_empty() && rooms.is_empty() && pods.is_empty() {
            return false;
        }
        feeds.iter().for_each(|feed| drop(self.feeds.remove(feed)));
        rooms.iter().for_each(|room| drop(self.rooms.remove(room)));
        pods.iter().for_each(|pod| drop(self.pods.remove(pod)));
        let part = self.part_of(&self.config);
        self.arrange(&part, &Difference::default()).await;
        true
    }
}

/// The tasks of one kind that ended and whose wait is over. One that has just ended is said.
fn due<K: Clone + Ord + Display, T>(
    restarts: &mut BTreeMap<String, Restarts>,
    now: Instant,
    kind: &str,
    tasks: &BTreeMap<K, T>,
    has_ended: impl Fn(&T) -> bool,
) -> Vec<K> {
    let mut due = Vec::new();
    for (key, _) in tasks.iter().filter(|(_, task)| has_ended(task)) {
        let what = format!("{kind} {key}");
        let restart = restarts.entry(what.clone()).or_default();
        if restart.take_due(now) {
            due.push(key.clone());
        } else if !restart.is_waiting() {
            restart.ended(now);
            telemetry::emit(words::service::failed_inside(&what));
        }
    }
    due
}

#[cfg(test)]
mod tests;
