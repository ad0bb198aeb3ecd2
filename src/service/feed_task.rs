//! The shell of a feed: pulls, reads and publishes what the controller says, one step at
//! a time. Nothing of it outlives the task: a pull that is under way ends with it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use super::clock::Clock;
use super::deadline::Deadline;
use super::gate::Gate;
use super::read_budget::ReadBudget;
use super::recorder::Recorder;
use super::room_task::ClockState;
use crate::config::{Feed, Only};
use crate::control::feed::{
    FeedController, FeedEvent, FeedOutcome, FeedSettings, FeedStep, PullNow,
};
use crate::control::now::{Monotonic, Now};
use crate::control::published::FeedView;
use crate::feed::error::PullError;
use crate::feed::{FeedClient, Network};
use crate::model::name::RoomName;
use crate::model::sign_in::Credential;
use crate::model::time::UnixTime;
use crate::model::version::VersionId;
use crate::telemetry::metrics::{self, PullCount};
use crate::telemetry::{self, words};

mod held;
mod history;
mod look;
mod pull;
mod sign_in;
#[cfg(test)]
mod tests;

pub use self::look::{Fetched, fetch_afresh, inspect};
pub use self::sign_in::failed_inside;

use self::history::history;
use self::sign_in::client;

/// A pull that began no longer ago serves also whoever asks for one now.
const JUST_BEGUN: Duration = Duration::from_secs(1);

/// What a feed is, with what its rooms want of it.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// The entry of any of its rooms; `only` does not count.
    pub feed: Feed,
    pub settings: FeedSettings,
    /// The filters that `settings` has the digests of.
    pub filters: Arc<[Only]>,
    /// For people.
    pub rooms: Vec<RoomName>,
}

/// What a feed is told from outside.
#[derive(Clone, Debug)]
pub enum FeedCommand {
    PullNow(PullNow),
    /// Its settings, its login or its rooms changed.
    Configure(Box<FeedConfig>),
}

/// What all feeds of a process share.
#[derive(Clone)]
pub struct FeedShared {
    pub clock: Clock,
    pub network: Network,
    pub gate: Gate,
    pub budget: ReadBudget,
    pub recorder: Recorder,
    /// What hosts say that the time is.
    pub dates: mpsc::UnboundedSender<ServerDate>,
}

/// The `Date` of an answer that was just received.
#[derive(Debug)]
pub struct ServerDate {
    pub host: String,
    pub date: UnixTime,
    /// Dropped when the clock was judged by it.
    pub judged: oneshot::Sender<()>,
}

pub struct FeedInputs {
    pub clock_state: watch::Receiver<ClockState>,
    /// The task ends when nobody can send any more.
    pub commands: mpsc::Receiver<FeedCommand>,
}

pub struct FeedOutputs {
    pub view: watch::Sender<FeedView>,
    /// By when the task has to have moved on, for `status --healthy`.
    pub late_after: Deadline,
}

struct FeedTask {
    controller: FeedController,
    config: FeedConfig,
    client: Result<FeedClient, PullError>,
    credential: Option<Credential>,
    shared: FeedShared,
    outputs: FeedOutputs,
    clock_state: ClockState,
    /// The size of the last download; more than what is held of it.
    last_size: Option<u64>,
    /// The moment it was waited for, until what was due then begins.
    due: Option<Monotonic>,
    recorded: Option<VersionId>,
    /// Why its newest refresh token could not be written, after the last pull.
    token_not_saved: Option<String>,
}

/// Runs a feed until its task is dropped or its commands end.
///
/// There are thousands of these futures, nearly all of which wait. So the state has a place of
/// its own, and what is large for a moment another one.
pub fn run(
    controller: FeedController,
    config: FeedConfig,
    shared: FeedShared,
    inputs: FeedInputs,
    outputs: FeedOutputs,
) -> impl Future<Output = ()> + Send {
    let task = Box::new(FeedTask::new(controller, config, shared, outputs));
    serve(task, inputs)
}

async fn serve(mut task: Box<FeedTask>, inputs: FeedInputs) {
    let FeedInputs {
        mut clock_state,
        mut commands,
    } = inputs;
    task.learn_clock(*clock_state.borrow_and_update());
    task.publish(Vec::new());
    let mut waiting = VecDeque::new();
    loop {
        while let Some(command) = waiting.pop_front() {
            task.take(command);
        }
        let now = task.shared.clock.now();
        let step = task.controller.next(now);
        task.publish_late_after();
        let wait = match step {
            FeedStep::Wait(until) => {
                task.due = None;
                until
            }
            FeedStep::Pull { afresh, insists } => {
                let pull = PullNow { afresh, insists };
                let began = Instant::now();
                let pulling = Box::pin(task.pull_while(pull, &mut commands, &mut waiting));
                let Some(outcome) = pulling.await else {
                    return;
                };
                count(&outcome, began.elapsed());
                task.learn_clock(*clock_state.borrow_and_update());
                task.learn(outcome);
                continue;
            }
            FeedStep::CheckSignIn => {
                let outcome = Box::pin(task.check_sign_in()).await;
                task.learn(outcome);
                continue;
            }
        };
        // A command that asked in vain for a pull counts as an attempt.
        task.publish(Vec::new());
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(command) => task.take(command),
                None => return,
            },
            Ok(()) = clock_state.changed() => {
                task.learn_clock(*clock_state.borrow_and_update());
            }
            () = task.shared.clock.sleep_until(wait) => task.due = Some(wait),
        }
    }
}

fn count(outcome: &FeedOutcome, duration: Duration) {
    metrics::pull_ended(
        match outcome {
            FeedOutcome::Read { version, .. } if version.is_some() => PullCount::Changed,
            FeedOutcome::Read { .. } => PullCount::Unchanged,
            FeedOutcome::Failed { .. } => PullCount::Failed,
            FeedOutcome::SignInPaused { .. } | FeedOutcome::SignInChecked { .. } => {
                PullCount::Paused
            }
        },
        duration,
    );
}

impl FeedTask {
    fn new(
        controller: FeedController,
        config: FeedConfig,
        shared: FeedShared,
        outputs: FeedOutputs,
    ) -> Self {
        let (client, credential) = client(&config.feed, &shared.network);
        Self {
            recorded: controller.latest().map(|version| version.id),
            controller,
            config,
            client,
            credential,
            shared,
            outputs,
            clock_state: ClockState {
                is_believed: true,
                steps: 0,
            },
            last_size: None,
            due: None,
            token_not_saved: None,
        }
    }

    fn now(&self) -> Now {
        self.shared.clock.now()
    }

    fn take(&mut self, command: FeedCommand) {
        match command {
            FeedCommand::PullNow(command) => self.controller.pull_now(command),
            FeedCommand::Configure(config) => self.configure(*config),
        }
    }

    /// Pulls, and meanwhile puts commands aside; `None` when nobody can send any more. The pull
    /// comes to its end also then, so that it is written down what became of the secret.
    async fn pull_while(
        &mut self,
        pull: PullNow,
        commands: &mut mpsc::Receiver<FeedCommand>,
        waiting: &mut VecDeque<FeedCommand>,
    ) -> Option<FeedOutcome> {
        let clock = self.shared.clock;
        let began = clock.now().monotonic;
        let mut outcome = Box::pin(self.pull(pull.afresh, pull.insists));
        loop {
            tokio::select! {
                outcome = &mut outcome => return Some(outcome),
                command = commands.recv() => match command {
                    None => {
                        outcome.await;
                        return None;
                    }
                    // Whoever asks for a pull that has just begun anyway is served by it.
                    Some(FeedCommand::PullNow(asked))
                        if (pull.afresh || !asked.afresh)
                            && (pull.insists || !asked.insists)
                            && clock.now().monotonic.since(began) <= JUST_BEGUN => {}
                    Some(command) => waiting.push_back(command),
                },
            }
        }
    }

    fn learn_clock(&mut self, state: ClockState) {
        let now = self.now();
        if state.is_believed != self.clock_state.is_believed {
            self.controller.clock_believed(state.is_believed, now);
        }
        if state.steps != self.clock_state.steps {
            self.controller.clock_stepped(now);
        }
        self.clock_state = state;
    }

    fn configure(&mut self, config: FeedConfig) {
        let now = self.now();
        let is_same_source = same_source(&self.config.feed, &config.feed);
        self.controller.configure(config.settings.clone(), now);
        self.config = config;
        if !is_same_source {
            self.renew_client();
            self.controller.source_changed(now);
        }
    }

    fn renew_client(&mut self) {
        (self.client, self.credential) = client(&self.config.feed, &self.shared.network);
    }

    fn learn(&mut self, outcome: FeedOutcome) {
        let now = self.now();
        let is_pull = !matches!(outcome, FeedOutcome::SignInChecked { .. });
        let before = self.controller.view(now).failing;
        let mut events = self.controller.learn(outcome, now);
        let not_saved = self.token_not_saved.clone();
        events.extend(self.controller.token_saved(not_saved));
        if is_pull {
            let latest = self.controller.latest().filter(|latest| {
                // The recorder has the others.
                self.recorded.replace(latest.id) != Some(latest.id)
            });
            let memory = self.controller.memory(now);
            self.shared
                .recorder
                .feed(&self.config.feed.id, memory, latest.cloned());
        }
        let failing_since = before.map(|failing| failing.since);
        let line = history(&events, &self.config.feed, now.wall, failing_since);
        if let Some(line) = line {
            self.shared.recorder.history(line);
        }
        self.publish(events);
    }

    fn publish(&self, events: Vec<FeedEvent>) {
        let (feed, rooms) = (&self.config.feed.id, &self.config.rooms);
        for event in self.shared.gate.take_events() {
            telemetry::emit(words::gate::line(&event));
        }
        for event in &events {
            telemetry::emit(words::feed::line(feed, rooms, event));
        }
        let view = self.controller.view(self.now());
        self.outputs.view.send_if_modified(|published| {
            let is_new = !is_same_view(published, &view);
            if is_new {
                *published = view;
            }
            is_new
        });
        self.publish_late_after();
    }

    fn publish_late_after(&self) {
        self.outputs.late_after.set(self.controller.late_after());
    }
}

/// Whether the client of one asks as that of the other would.
fn same_source(one: &Feed, other: &Feed) -> bool {
    one.source == other.source
        && one.tls == other.tls
        && one.user_agent == other.user_agent
        && one.timeout == other.timeout
        && one.max_size == other.max_size
}

/// Whether rooms have nothing to learn from the newer one.
fn is_same_view(one: &FeedView, other: &FeedView) -> bool {
    let latest = |view: &FeedView| view.latest.as_ref().map(Arc::as_ptr);
    one.id == other.id
        && latest(one) == latest(other)
        && one.read_at == other.read_at
        && one.changed_at == other.changed_at
        && one.successes == other.successes
        && one.failing == other.failing
        && one.attempts == other.attempts
}
