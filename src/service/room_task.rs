//! The shell of a room: waits for its feeds, composes on the blocking threads when the
//! controller says that composing is due, and publishes what the displays should show.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::clock::Clock;
use super::deadline::Deadline;
use super::recorder::Recorder;
use super::stage;
use crate::control::brake::{BrakeState, FeedOfRoom};
use crate::control::published::{FeedView, Wanted};
use crate::control::room::{
    ComposeJob, Composition, RoomController, RoomEvent, RoomSettings, RoomStep, RoomView,
};
use crate::ics::TooLarge;
use crate::model::name::RoomName;
use crate::net::memory::MemoryBudget;
use crate::telemetry::{self, words};

/// How many rooms compose at once: as many as small machines have processors.
const MAX_CONCURRENT_COMPOSITIONS: usize = 4;
static COMPOSING: Semaphore = Semaphore::const_new(MAX_CONCURRENT_COMPOSITIONS);
/// Of these, how many with large calendars, so that they hold up no other room.
const MAX_LARGE_COMPOSITIONS: usize = 2;
static COMPOSING_LARGE: Semaphore = Semaphore::const_new(MAX_LARGE_COMPOSITIONS);
/// In bytes, unpacked.
const LARGE: u64 = 256 * 1024;
/// What is made of the form that is kept takes about this many times its size, divided
/// by what the budget reckons for a body.
const PER_KEPT_BYTE: u64 = 4;

/// Composing waits for others that compose; longer is a fault of podcal.
const LONGEST_STEP: Duration = Duration::from_secs(15 * 60);
/// On a busy machine a task may be woken late.
const GRACE: Duration = Duration::from_secs(30);

/// What a room is told from outside.
#[derive(Debug)]
pub enum RoomCommand {
    /// Its settings or feeds changed.
    Configure {
        settings: RoomSettings,
        feeds: Vec<watch::Receiver<FeedView>>,
    },
    /// Accept what is held, and push to every display.
    Force { done: oneshot::Sender<()> },
}

/// What a room tells the brake.
#[derive(Clone, Debug)]
pub struct RoomLosses {
    pub room: RoomName,
    pub feeds: Vec<FeedOfRoom>,
}

/// What joins a room to the others.
pub struct RoomInputs {
    pub feeds: Vec<watch::Receiver<FeedView>>,
    pub brake: watch::Receiver<Arc<BrakeState>>,
    /// Whether the wall clock is believed; a change also says that it was set.
    pub clock_state: watch::Receiver<ClockState>,
    pub commands: mpsc::Receiver<RoomCommand>,
    /// For what is made of calendars while it composes.
    pub budget: MemoryBudget,
}

pub struct RoomOutputs {
    pub wanted: watch::Sender<Wanted>,
    pub view: watch::Sender<RoomView>,
    /// By when the task has to have moved on, for `status --healthy`.
    pub late_after: Deadline,
    pub losses: mpsc::UnboundedSender<RoomLosses>,
    pub recorder: Recorder,
}

/// Whether the wall clock is believed, and how often it was set since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockState {
    pub is_believed: bool,
    pub steps: u64,
}

struct RoomTask {
    room: RoomController,
    clock: Clock,
    budget: MemoryBudget,
    outputs: RoomOutputs,
    told: Vec<FeedOfRoom>,
}

/// Runs a room until its task is dropped.
///
/// There are thousands of these futures, nearly all of which wait. So the state has a place of
/// its own, and what is large for a moment another one.
pub fn run(
    room: RoomController,
    clock: Clock,
    inputs: RoomInputs,
    outputs: RoomOutputs,
) -> impl Future<Output = ()> + Send {
    let task = RoomTask {
        room,
        clock,
        budget: inputs.budget.clone(),
        outputs,
        told: Vec::new(),
    };
    serve(Box::new(task), inputs)
}

async fn serve(mut task: Box<RoomTask>, inputs: RoomInputs) {
    let RoomInputs {
        mut feeds,
        mut brake,
        mut clock_state,
        mut commands,
        budget: _,
    } = inputs;
    task.learn_clock(&mut clock_state);
    task.learn_feeds(&mut feeds);
    loop {
        let wait = match task.room.next(task.clock.now()) {
            RoomStep::Wait(until) => {
                task.outputs.late_after.set(until.plus(GRACE));
                until
            }
            RoomStep::Compose(jobs) => {
                let now = task.clock.now().monotonic;
                task.outputs.late_after.set(now.plus(LONGEST_STEP));
                Box::pin(task.compose(jobs)).await;
                continue;
            }
        };
        tokio::select! {
            () = changed(&mut feeds) => {
                // An answer may have told that the clock is wrong.
                task.learn_clock(&mut clock_state);
                task.learn_feeds(&mut feeds);
            }
            Ok(()) = brake.changed() => {
                let state = brake.borrow_and_update().clone();
                task.learn(|room, now| room.learn_brake(state, now));
            }
            Ok(()) = clock_state.changed() => task.learn_clock(&mut clock_state),
            command = commands.recv() => match command {
                Some(RoomCommand::Configure { settings, feeds: receivers }) => {
                    feeds = receivers;
                    feeds.iter_mut().for_each(watch::Receiver::mark_changed);
                    task.learn(|room, now| room.configure(settings, now));
                    task.learn_feeds(&mut feeds);
                }
                Some(RoomCommand::Force { done }) => {
                    task.learn(|room, now| room.force(now));
                    let _ = done.send(());
                }
                None => return,
            },
            () = task.clock.sleep_until(wait) => task.learn(RoomController::tick),
        }
    }
}

/// Waits until one of the feeds has published something.
async fn changed(feeds: &mut [watch::Receiver<FeedView>]) {
    let mut waiting: Vec<_> = feeds
        .iter_mut()
        // A feed whose task is gone says nothing any more.
        .filter(|feed| feed.has_changed().is_ok())
        .map(|feed| Box::pin(feed.changed()))
        .collect();
    while !waiting.is_empty() {
        let (changed, _, others) = select_all(waiting).await;
        if changed.is_ok() {
            return;
        }
        waiting = others;
    }
    std::future::pending().await
}

impl RoomTask {
    fn learn_clock(&mut self, clock_state: &mut watch::Receiver<ClockState>) {
        let state = *clock_state.borrow_and_update();
        self.learn(|room, now| room.learn_clock(state.is_believed, now));
    }

    fn learn_feeds(&mut self, feeds: &mut [watch::Receiver<FeedView>]) {
        for feed in feeds {
            let view = feed.borrow_and_update().clone();
            self.learn(|room, now| room.learn_feed(view, now));
        }
    }

    fn learn(
        &mut self,
        learn: impl FnOnce(&mut RoomController, crate::control::now::Now) -> Vec<RoomEvent>,
    ) {
        let now = self.clock.now();
        let events = learn(&mut self.room, now);
        let name = self.room.settings().room.name.clone();
        for event in &events {
            telemetry::emit(words::room::line(&name, event));
        }
        let wanted = self.room.wanted();
        self.outputs.wanted.send_if_modified(|published| {
            let is_new = published != wanted;
            if is_new {
                published.clone_from(wanted);
            }
            is_new
        });
        let losses = self.room.losses(now);
        if losses != self.told {
            let _ = self.outputs.losses.send(RoomLosses {
                room: name.clone(),
                feeds: losses.clone(),
            });
            self.told = losses;
        }
        self.outputs.recorder.room(&name, self.room.memory(now));
        self.outputs.view.send_replace(self.room.view(now));
    }

    async fn compose(&mut self, jobs: Vec<ComposeJob>) {
        let room = self.room.settings().room.clone();
        let sizes = jobs.iter().flat_map(|job| &job.version.items);
        let size: u64 = sizes.map(|item| item.body.size() as u64).sum();
        // The semaphores are never closed.
        let large = match size > LARGE {
            true => Some(COMPOSING_LARGE.acquire().await),
            false => None,
        };
        let jobs = Arc::new(jobs);
        let mut needs = size.saturating_mul(PER_KEPT_BYTE);
        let composed = loop {
            let memory = self.budget.room(Some(needs)).await;
            let place = COMPOSING.acquire().await;
            // What was read once with all the memory that there is, can be read again.
            let is_all = memory.size() >= self.budget.largest();
            let allowed = if is_all { u64::MAX } else { memory.bytes() };
            needs = memory.size().saturating_mul(2);
            let (jobs, room) = (Arc::clone(&jobs), Arc::clone(&room));
            let work = move || {
                let composed = compose(&jobs, &room, allowed);
                drop(memory);
                composed
            };
            let composed = tokio::task::spawn_blocking(work).await;
            drop(place);
            match composed {
                Ok(Err(TooLarge)) => {}
                Ok(Ok(compositions)) => break Ok(compositions),
                Err(error) => break Err(error),
            }
        };
        drop(large);
        match composed {
            Ok(compositions) => {
                self.learn(|room, now| room.learn_composed(compositions, now));
            }
            Err(error) => {
                let name = &self.room.settings().room.name;
                if error.is_panic() {
                    telemetry::emit(words::service::failed_inside(&format!("room `{name}`")));
                }
                // The same again at once would fail again; the next reading may not.
                let wait = self.clock.now().monotonic.plus(stage::AFTER_A_PANIC);
                self.clock.sleep_until(wait).await;
            }
        }
    }
}

pub(super) fn compose(
    jobs: &[ComposeJob],
    room: &crate::config::Room,
    memory: u64,
) -> Result<Vec<Composition>, TooLarge> {
    jobs.iter()
        .map(|job| {
            let (version, window) = (&job.version, job.basis.window);
            let mut meetings = stage::meetings_within(version, job.place, room, window, memory)?;
            let most = room.meetings.max.saturating_mul(2).saturating_add(100);
            let is_truncated = meetings.candidates.len() > most;
            meetings.candidates.truncate(most);
            Ok(Composition {
                place: job.place,
                version: job.version.id,
                basis: job.basis,
                candidates: meetings.candidates.into(),
                is_truncated,
            })
        })
        .collect()
}
