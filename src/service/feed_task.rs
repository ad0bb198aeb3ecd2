//! The shell of a feed: pulls, reads and publishes what the controller says, one step at
//! a time. Nothing of it outlives the task: a pull that is under way ends with it.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::gate::{self, Gate, Pass, Permit, SignInPause};
use super::read_budget::ReadBudget;
use super::reading::{self, Download, ReduceBy};
use super::recorder::Recorder;
use super::room_task::ClockState;
use crate::config::load::changed_login;
use crate::config::{Feed, Only, Source};
use crate::control::clock::RELEASED;
use crate::control::feed::{
    FeedController, FeedEvent, FeedOutcome, FeedSettings, FeedStep, PullNow,
};
use crate::control::now::{Monotonic, Now};
use crate::control::published::FeedView;
use crate::control::secret_gate::Verdict;
use crate::feed::error::{PullError, PullErrorKind, Rejection};
use crate::feed::inspect::Inspection;
use crate::feed::{FeedClient, Network};
use crate::ledger::{Event, HistoryLine};
use crate::model::failure::{Failure, FailureClass};
use crate::model::item::{FeedItem, FeedState, Held, Pulled};
use crate::model::name::RoomName;
use crate::model::sign_in::Credential;
use crate::model::time::UnixTime;
use crate::model::version::{FeedVersion, VersionId};
use crate::telemetry::{self, words};

#[cfg(test)]
mod tests;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerDate {
    pub host: String,
    pub date: UnixTime,
}

pub struct FeedInputs {
    pub clock_state: watch::Receiver<ClockState>,
    /// The task ends when nobody can send any more.
    pub commands: mpsc::Receiver<FeedCommand>,
}

pub struct FeedOutputs {
    pub view: watch::Sender<FeedView>,
    /// By when the task has to have moved on, for `status --healthy`.
    pub late_after: watch::Sender<Monotonic>,
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
    recorded: Option<VersionId>,
}

/// Runs a feed until its task is dropped or its commands end.
pub async fn run(
    controller: FeedController,
    config: FeedConfig,
    shared: FeedShared,
    inputs: FeedInputs,
    outputs: FeedOutputs,
) {
    let FeedInputs {
        mut clock_state,
        mut commands,
    } = inputs;
    let mut task = FeedTask::new(controller, config, shared, outputs);
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
            FeedStep::Wait(until) => until,
            FeedStep::Pull { afresh, insists } => {
                let pull = PullNow { afresh, insists };
                let Some(outcome) = task.pull_while(pull, &mut commands, &mut waiting).await else {
                    return;
                };
                task.learn_clock(*clock_state.borrow_and_update());
                task.learn(outcome);
                continue;
            }
            FeedStep::CheckSignIn => {
                let outcome = task.check_sign_in().await;
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
            () = task.shared.clock.sleep_until(wait) => {}
        }
    }
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

    /// Pulls, and meanwhile puts commands aside; `None` when nobody can send any more.
    async fn pull_while(
        &mut self,
        pull: PullNow,
        commands: &mut mpsc::Receiver<FeedCommand>,
        waiting: &mut VecDeque<FeedCommand>,
    ) -> Option<FeedOutcome> {
        let clock = self.shared.clock;
        let began = clock.now().monotonic;
        let mut outcome = pin!(self.pull(pull.afresh, pull.insists));
        loop {
            tokio::select! {
                outcome = &mut outcome => return Some(outcome),
                command = commands.recv() => match command? {
                    // Whoever asks for a pull that has just begun anyway is served by it.
                    FeedCommand::PullNow(asked)
                        if (pull.afresh || !asked.afresh)
                            && (pull.insists || !asked.insists)
                            && clock.now().monotonic.since(began) <= JUST_BEGUN => {}
                    command => waiting.push_back(command),
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
        let events = self.controller.learn(outcome, now);
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
        let late_after = self.controller.late_after();
        self.outputs
            .late_after
            .send_if_modified(|published| std::mem::replace(published, late_after) != late_after);
    }

    async fn pull(&mut self, afresh: bool, insists: bool) -> FeedOutcome {
        let user = user(&self.config.feed);
        let pass = match &self.credential {
            None => None,
            Some(credential) => {
                let gate = &self.shared.gate;
                match gate.permit_in_turn(credential, &user, insists).await {
                    Permit::Go(pass) => Some(pass),
                    Permit::Paused(pause) => return paused(&self.config.feed, &pause),
                    Permit::NotWritable(says) => {
                        return FeedOutcome::Failed {
                            failure: not_writable(&self.config.feed, &says),
                            paused_until: None,
                        };
                    }
                    // In turn, somebody is always let through or told when.
                    Permit::NotNow => {
                        return FeedOutcome::SignInChecked {
                            paused_until: Some(self.now().monotonic),
                        };
                    }
                }
            }
        };
        let latest = self.controller.latest().cloned();
        let size = self.last_size.or_else(|| latest.as_deref().map(size));
        let mut room = self.shared.budget.room(size).await;
        let held = match (&latest, afresh) {
            (Some(latest), false) => held(latest, self.controller.client_state()),
            _ => Held::default(),
        };
        let answer = match &self.client {
            Ok(client) => client.pull(&held, self.now().wall).await,
            Err(error) => Err(error.clone()),
        };
        let verdict = verdict(&answer);
        let (host, date) = match &answer {
            Ok(pulled) => (self.config.feed.id.host().to_owned(), pulled.server_date()),
            Err(error) => (error.host.clone(), error.server_date()),
        };
        if let Some(date) = date {
            // The clock is judged before anything is reduced by it.
            let _ = self.shared.dates.send(ServerDate { host, date });
        }
        let paused_until = self.report(pass, verdict, &user).await;
        let pulled = match answer {
            Ok(pulled) => pulled,
            Err(error) => {
                return FeedOutcome::Failed {
                    failure: error.failure(),
                    paused_until,
                };
            }
        };
        let by = ReduceBy {
            from: self.reduce_from(date),
            filters: self.config.filters.clone(),
            largest: self.shared.budget.largest(),
            host: self.config.feed.id.host().to_owned(),
        };
        let (download, state) = match pulled {
            Pulled::Unchanged { state, missing, .. } => {
                let version = latest.and_then(|held| reading::with_missing(&held, &missing));
                return FeedOutcome::Read {
                    version: version.map(Arc::new),
                    client_state: state.0,
                };
            }
            Pulled::Changed {
                items,
                removed,
                state,
                missing,
                ..
            } => {
                let download = Download {
                    is_document: !matches!(self.config.feed.source, Source::CalDav { .. }),
                    items,
                    removed,
                    missing,
                    held: latest,
                    is_afresh: afresh,
                };
                (download, state.0)
            }
        };
        let size = download
            .items
            .iter()
            .map(|item| item.body.len() as u64)
            .sum();
        self.last_size = Some(size);
        self.shared
            .budget
            .grow(&mut room, size.min(by.largest))
            .await;
        let read = self.shared.budget.read(move || {
            let version = reading::version(&download, &by);
            // Given back only when the downloaded bytes are.
            drop((download, room));
            version
        });
        match read.await {
            Ok(Ok(version)) => FeedOutcome::Read {
                version: Some(Arc::new(version)),
                client_state: state,
            },
            Ok(Err(failure)) => FeedOutcome::Failed {
                failure,
                paused_until: None,
            },
            Err(_) => FeedOutcome::Failed {
                failure: failed_inside(&self.config.feed),
                paused_until: None,
            },
        }
    }

    /// Reports to the gate what became of the secret; until when sign-in is paused for it.
    async fn report(&self, pass: Option<Pass>, verdict: Verdict, user: &str) -> Option<Monotonic> {
        pass?.report(verdict).await;
        let credential = self.credential.as_ref()?;
        match verdict {
            Verdict::Rejected | Verdict::Forbidden => {
                let pause = self.shared.gate.paused(credential, user).await;
                pause.map(|pause| pause.until)
            }
            Verdict::Accepted | Verdict::NotSent | Verdict::Inconclusive | Verdict::Unknown => None,
        }
    }

    /// The time from which on a version is complete. By a clock that is not believed, or
    /// that this very answer contradicts, only what was over long ago is left out.
    fn reduce_from(&self, date: Option<UnixTime>) -> UnixTime {
        const DAY: u64 = 24 * 3600;
        let wall = self.now().wall;
        let contradicts = |date: UnixTime| wall.since(date).as_secs() > DAY;
        if self.clock_state.is_believed && !date.is_some_and(contradicts) {
            wall
        } else {
            wall.min(RELEASED)
        }
    }

    /// While sign-in is paused: is the secret another one, or has the pause ended?
    async fn check_sign_in(&mut self) -> FeedOutcome {
        let mut feed = self.config.feed.clone();
        let renewed = tokio::task::spawn_blocking(move || {
            let login = match &mut feed.source {
                Source::Ics { login, .. } | Source::CalDav { login, .. } => login,
                Source::File { .. } => return None,
            };
            *login = changed_login(login)?;
            Some(feed)
        });
        if let Ok(Some(feed)) = renewed.await {
            self.config.feed = feed;
            self.renew_client();
            return FeedOutcome::SignInChecked { paused_until: None };
        }
        let user = user(&self.config.feed);
        let pause = match &self.credential {
            Some(credential) => self.shared.gate.paused(credential, &user).await,
            None => None,
        };
        FeedOutcome::SignInChecked {
            paused_until: pause.map(|pause| pause.until),
        }
    }
}

/// A feed as it is now, whole.
pub struct Fetched {
    pub items: Vec<FeedItem>,
    /// Members that are listed and could not be had.
    pub missing: Vec<String>,
}

/// Pulls a feed once and whole, for a command that asks why; through the gate for secrets
/// as every pull.
///
/// # Errors
/// Why nothing came, also because sign-in is paused.
pub async fn fetch_afresh(
    feed: &Feed,
    network: &Network,
    gate: &Gate,
    insists: bool,
    now: UnixTime,
) -> Result<Fetched, Failure> {
    let (client, credential) = client(feed, network);
    let user = feed.id.to_string();
    let pass = match &credential {
        None => None,
        Some(credential) => match gate.permit_in_turn(credential, &user, insists).await {
            Permit::Go(pass) => Some(pass),
            Permit::Paused(pause) => return Err(paused_failure(feed, &pause)),
            Permit::NotWritable(says) => return Err(not_writable(feed, &says)),
            Permit::NotNow => return Err(failed_inside(feed)),
        },
    };
    let answer = match &client {
        Ok(client) => client.pull(&Held::default(), now).await,
        Err(error) => Err(error.clone()),
    };
    if let Some(pass) = pass {
        pass.report(verdict(&answer)).await;
    }
    match answer {
        Ok(Pulled::Changed { items, missing, .. }) => Ok(Fetched { items, missing }),
        Ok(Pulled::Unchanged { missing, .. }) => Ok(Fetched {
            items: Vec::new(),
            missing,
        }),
        Err(error) => Err(error.failure()),
    }
}

/// Looks at who answers at a feed's address and how, through the gate for secrets.
///
/// # Errors
/// Why nothing can be said, also because sign-in is paused.
pub async fn inspect(
    feed: &Feed,
    network: &Network,
    gate: &Gate,
    insists: bool,
    now: UnixTime,
) -> Result<Inspection, Failure> {
    let (_, credential) = client(feed, network);
    let user = feed.id.to_string();
    let pass = match &credential {
        None => None,
        Some(credential) => match gate.permit_in_turn(credential, &user, insists).await {
            Permit::Go(pass) => Some(pass),
            Permit::Paused(pause) => return Err(paused_failure(feed, &pause)),
            Permit::NotWritable(says) => return Err(not_writable(feed, &says)),
            Permit::NotNow => return Err(failed_inside(feed)),
        },
    };
    let found = crate::feed::inspect::inspect(feed, network, now).await;
    if let Some(pass) = pass {
        pass.report(verdict(&found)).await;
    }
    found.map_err(|error| error.failure())
}

fn client(feed: &Feed, network: &Network) -> (Result<FeedClient, PullError>, Option<Credential>) {
    let client = FeedClient::new(feed, network);
    let credential = client
        .as_ref()
        .ok()
        .and_then(|client| gate::credential_of_feed(client, &feed.source));
    (client, credential)
}

/// What is held, as the client needs it to ask for what changed: it compares names and
/// validators, so the bodies stay packed.
fn held(version: &FeedVersion, state: Option<&str>) -> Held {
    let items = version.items.iter().map(|item| FeedItem {
        href: item.href.clone(),
        etag: item.etag.clone(),
        last_modified: item.last_modified.clone(),
        body: item.body.as_held(),
    });
    Held {
        items: items.collect(),
        state: FeedState(state.map(str::to_owned)),
    }
}

/// The unpacked size of what is held.
fn size(version: &FeedVersion) -> u64 {
    let sizes = version.items.iter().map(|item| item.body.size() as u64);
    sizes.sum()
}

/// What an answer says of the secret.
fn verdict<T>(answer: &Result<T, PullError>) -> Verdict {
    let Err(error) = answer else {
        return Verdict::Accepted;
    };
    match (error.rejection(), &error.kind) {
        (Some(Rejection::Unauthorized), _) => Verdict::Rejected,
        (Some(Rejection::Forbidden), _) => Verdict::Forbidden,
        (None, _) if !error.secret_was_sent() => Verdict::NotSent,
        (
            None,
            PullErrorKind::TimedOut(_)
            | PullErrorKind::Unreachable(_)
            | PullErrorKind::CutOff { .. }
            | PullErrorKind::NoAccessToken(_),
        ) => Verdict::Unknown,
        (None, _) => Verdict::Inconclusive,
    }
}

/// Whether the client of one asks as that of the other would.
fn same_source(one: &Feed, other: &Feed) -> bool {
    one.source == other.source
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

/// The line of the history that a pull leaves, if any.
fn history(
    events: &[FeedEvent],
    feed: &Feed,
    at: UnixTime,
    failing_since: Option<UnixTime>,
) -> Option<HistoryLine> {
    let mut written = None;
    for event in events {
        match event {
            FeedEvent::Recovered { failures, .. } if *failures > 0 => {
                written = Some((false, *failures));
            }
            FeedEvent::Pulled { is_new: true, .. } => {
                written = Some((true, written.map_or(0, |(_, failures)| failures)));
            }
            FeedEvent::Failing {
                failure, failures, ..
            } if *failures > 0 => {
                let event = Event::PullFailed {
                    feed: feed.id.to_string(),
                    error: failure.says.clone(),
                    kind: failure.kind.clone(),
                    passing: failure.is_passing,
                };
                let line = HistoryLine::of_feed(&feed.id, at, event);
                return Some(HistoryLine {
                    streak_since: Some(failing_since.unwrap_or(at)),
                    ..line
                });
            }
            _ => {}
        }
    }
    let (changed, failures) = written?;
    let event = Event::Pulled {
        feed: feed.id.to_string(),
        changed,
        failures,
    };
    Some(HistoryLine::of_feed(&feed.id, at, event))
}

/// What a feed is called at the gate: all of its digest, since two feeds must not share
/// a pause.
fn user(feed: &Feed) -> String {
    format!("{}#{}", feed.id.host(), feed.id.as_str())
}

fn paused(feed: &Feed, pause: &SignInPause) -> FeedOutcome {
    FeedOutcome::SignInPaused {
        failure: paused_failure(feed, pause),
        until: pause.until,
    }
}

fn paused_failure(feed: &Feed, pause: &SignInPause) -> Failure {
    let says = format!(
        "sign-in to {} is paused until {}{}",
        feed.id.host(),
        pause.until_wall,
        match (pause.rejections, pause.is_alone) {
            (0, _) => ", because the last one was not answered",
            (_, true) => ", because this feed was rejected",
            (_, false) => ", because the password or token was rejected",
        }
    );
    Failure {
        class: FailureClass::SignInPaused,
        kind: "sign_in_paused".to_owned(),
        says,
        hint: "correct the password or token where the configuration names it; podcal notices within half a \
               minute, or try at once with `podcal check --connect --try-password`"
            .to_owned(),
        is_passing: true,
        retry_after: None,
        secret_was_sent: false,
    }
}

fn not_writable(feed: &Feed, says: &str) -> Failure {
    Failure {
        class: FailureClass::SignInPaused,
        kind: "sign_in_not_writable".to_owned(),
        says: format!(
            "the password or token for {} was not tried, because a pause of sign-in could not be written: {says}",
            feed.id.host()
        ),
        hint: "make the ledger writable; podcal goes on by itself".to_owned(),
        is_passing: true,
        retry_after: None,
        secret_was_sent: false,
    }
}

pub fn failed_inside(feed: &Feed) -> Failure {
    Failure {
        class: FailureClass::Other,
        kind: "internal".to_owned(),
        says: format!(
            "the calendar of {} could not be read: a step failed inside podcal",
            feed.id.host()
        ),
        hint: "this is a fault of podcal; please report it with the calendar".to_owned(),
        is_passing: false,
        retry_after: None,
        secret_was_sent: true,
    }
}
