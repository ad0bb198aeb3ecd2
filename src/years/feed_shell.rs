//! The shell of a feed, as `service::feed_task` is: one step at a time, the gate before the
//! secret, the clock before anything is reduced by it.

mod answer;
mod gate;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::answer::answer;
pub use self::gate::{Permit, check_secret, note_gate, note_writes, permit};
use super::calendar::Reading;
use super::device::failure;
use super::env::{Env, FeedModel, Happening};
use super::plan::HostFault;
use super::process::{ClockState, Process};
use crate::config::Only;
use crate::control::clock::reduce_from;
use crate::control::feed::{
    FeedController, FeedEvent, FeedOutcome, FeedSettings, FeedStep, PullNow,
};
use crate::control::published::FeedView;
use crate::control::secret_gate::{Asked, GateEvent, Grant, Looked, Request, Verdict};
use crate::model::failure::{Failure, FailureClass};
use crate::model::time::UnixTime;
use crate::model::version::{FeedVersion, Reduction, VersionId};

const DAY: u64 = 24 * 3600;

pub struct FeedShell {
    pub controller: FeedController,
    pub filters: Vec<Only>,
    /// Which secret the process knows.
    secret: u32,
    request: Option<Request>,
    pub view: FeedView,
    clock: ClockState,
    recorded: Option<VersionId>,
    wake: (u64, u32),
    flight: Option<Flight>,
    waiting: VecDeque<Command>,
}

/// A pull under way.
struct Flight {
    turn: u32,
    afresh: bool,
    insists: bool,
    began: u64,
    grant: Option<Grant>,
}

enum Command {
    Pull(PullNow),
    Configure {
        settings: FeedSettings,
        filters: Vec<Only>,
        secret: u32,
    },
}

/// What a host answers.
struct Answer {
    pulled: Result<Pulled, Failure>,
    verdict: Verdict,
    date: Option<UnixTime>,
}

enum Pulled {
    Unchanged,
    Changed {
        entries: Vec<super::calendar::Entry>,
        missing: Vec<super::calendar::Entry>,
        state: Option<String>,
    },
}

impl Process {
    pub fn start_feed(
        &mut self,
        feed: usize,
        settings: FeedSettings,
        filters: Vec<Only>,
        secret: u32,
        env: &mut Env,
    ) {
        let clocks = env.clocks();
        let model = &env.feeds[feed];
        let mut controller = FeedController::new(model.id.clone(), settings, clocks);
        if let Some(memory) = self.recorder.current.feed(&model.id) {
            let memory = memory.clone();
            let latest = memory.latest.and_then(|id| {
                let key = (model.id.as_str().to_owned(), id);
                self.recorder.versions.get(&key).cloned()
            });
            controller.restore(&memory, latest, clocks);
        }
        let mut shell = FeedShell {
            view: controller.view(clocks),
            recorded: controller.latest().map(|version| version.id),
            request: model.has_login.then(|| model.request(secret)),
            controller,
            filters,
            secret,
            clock: ClockState {
                is_believed: true,
                steps: 0,
            },
            wake: (u64::MAX, 0),
            flight: None,
            waiting: VecDeque::new(),
        };
        shell.learn_clock(self.clock, env);
        self.feeds[feed] = Some(Box::new(shell));
    }

    /// It left the configuration; a pull that is under way ends with it.
    pub fn end_feed(&mut self, feed: usize, env: &mut Env) {
        if let Some(shell) = self.feeds[feed].take()
            && let Some(grant) = shell.flight.and_then(|flight| flight.grant)
        {
            let writes = self.gate.abandoned(&grant, env.clocks());
            note_writes(&writes, &mut self.recorder);
            env.disk.apply(writes);
        }
    }

    pub fn configure_feed(
        &mut self,
        feed: usize,
        settings: FeedSettings,
        filters: Vec<Only>,
        secret: u32,
        env: &mut Env,
    ) {
        let command = Command::Configure {
            settings,
            filters,
            secret,
        };
        self.command_feed(feed, command, env);
    }

    pub fn feed_is_asked(&mut self, feed: usize, command: PullNow, env: &mut Env) {
        let Some(shell) = &mut self.feeds[feed] else {
            return;
        };
        if let Some(flight) = &shell.flight {
            let serves = (flight.afresh || !command.afresh) && (flight.insists || !command.insists);
            if serves && env.now - flight.began <= 1000 {
                return;
            }
        }
        self.command_feed(feed, Command::Pull(command), env);
    }

    fn command_feed(&mut self, feed: usize, command: Command, env: &mut Env) {
        if let Some(shell) = &mut self.feeds[feed] {
            shell.waiting.push_back(command);
            self.drive_feed(feed, env);
        }
    }

    pub fn feed_learns_clock(&mut self, feed: usize, env: &mut Env) {
        let clock = self.clock;
        if let Some(shell) = &mut self.feeds[feed]
            // In the middle of a pull it is taken in with its outcome.
            && shell.flight.is_none()
        {
            shell.learn_clock(clock, env);
            self.publish_feed(feed, Vec::new(), env);
            self.drive_feed(feed, env);
        }
    }

    pub fn feed_wakes(&mut self, feed: usize, turn: u32, env: &mut Env) {
        let is_its = self.feeds[feed]
            .as_ref()
            .is_some_and(|shell| shell.wake.1 == turn);
        if is_its {
            if let Some(shell) = &mut self.feeds[feed] {
                shell.wake = (u64::MAX, 0);
            }
            self.drive_feed(feed, env);
        }
    }

    /// Takes steps until there is nothing to do but wait.
    pub fn drive_feed(&mut self, feed: usize, env: &mut Env) {
        loop {
            let clocks = env.clocks();
            let Some(shell) = &mut self.feeds[feed] else {
                return;
            };
            if shell.flight.is_some() {
                return;
            }
            while let Some(command) = shell.waiting.pop_front() {
                shell.take(command, &env.feeds[feed], clocks);
            }
            match shell.controller.next(clocks) {
                FeedStep::Wait(until) => {
                    env.oracle.feed_waits(feed, until, clocks, env.now);
                    if let Some(broken) = env.oracle.take_complaint() {
                        env.broken("nothing waits longer than its maximum", || broken);
                    }
                    let when = env.when(until);
                    let turn = self.turn();
                    let life = self.life;
                    if let Some(shell) = &mut self.feeds[feed]
                        && let Some(when) = when
                        && shell.wake.0 != when
                    {
                        shell.wake = (when, turn);
                        env.at(when, Happening::FeedWakes { life, feed, turn });
                    }
                    self.publish_feed(feed, Vec::new(), env);
                    return;
                }
                FeedStep::Pull { afresh, insists } => {
                    let turn = self.turn();
                    let began = env.now;
                    if let Some(shell) = &mut self.feeds[feed] {
                        shell.flight = Some(Flight {
                            turn,
                            afresh,
                            insists,
                            began,
                            grant: None,
                        });
                    }
                    self.feed_asks(feed, turn, env);
                    return;
                }
                FeedStep::CheckSignIn => {
                    let outcome = self.feed_checks_sign_in(feed, env);
                    self.feed_learns(feed, outcome, env);
                }
            }
        }
    }

    /// The gate is asked before a secret is sent; again in a moment, where another request is
    /// just proving it.
    pub fn feed_asks(&mut self, feed: usize, turn: u32, env: &mut Env) {
        let Some(shell) = &mut self.feeds[feed] else {
            return;
        };
        let Some(flight) = shell.flight.as_ref().filter(|flight| flight.turn == turn) else {
            return;
        };
        let insists = flight.insists;
        let request = match &mut shell.request {
            Some(request) => {
                request.insists = insists;
                Some(&*request)
            }
            None => None,
        };
        let permit = match request {
            None => Permit::Go(None),
            Some(request) => permit(&mut self.gate, request, env),
        };
        let life = self.life;
        match permit {
            Permit::Go(grant) => {
                if let Some(request) = request {
                    env.oracle
                        .secret_is_sent(&request.credential, &request.user, insists, env.now);
                    if let Some(broken) = env.oracle.take_complaint() {
                        env.broken("no secret more often than said", || broken);
                    }
                }
                env.oracle.pull_begins(feed, env.now, insists);
                if let Some(broken) = env.oracle.take_complaint() {
                    env.broken("a host that asks to be left alone is left alone", || broken);
                }
                let took = match env.feed_fault(feed) {
                    Some(HostFault::Hangs) => 20_000,
                    Some(HostFault::Slow(seconds)) => seconds * 1000,
                    _ => env.rng.between(50, 300),
                };
                if let Some(shell) = &mut self.feeds[feed]
                    && let Some(flight) = &mut shell.flight
                {
                    flight.grant = grant;
                }
                env.after(took, Happening::FeedAnswers { life, feed, turn });
            }
            Permit::Busy => env.after(250, Happening::FeedAsksGate { life, feed, turn }),
            Permit::Paused(until, _) => {
                let failure = failure(FailureClass::SignInPaused, None);
                self.end_flight(feed);
                self.feed_learns(feed, FeedOutcome::SignInPaused { failure, until }, env);
                self.drive_feed(feed, env);
            }
            Permit::NotWritable => {
                let failure = failure(FailureClass::SignInPaused, None);
                self.end_flight(feed);
                let outcome = FeedOutcome::Failed {
                    failure,
                    paused_until: None,
                };
                self.feed_learns(feed, outcome, env);
                self.drive_feed(feed, env);
            }
        }
    }

    fn end_flight(&mut self, feed: usize) {
        if let Some(shell) = &mut self.feeds[feed] {
            shell.flight = None;
        }
    }

    pub fn feed_answers(&mut self, feed: usize, turn: u32, env: &mut Env) {
        let Some(shell) = &mut self.feeds[feed] else {
            return;
        };
        let Some(flight) = shell.flight.take_if(|flight| flight.turn == turn) else {
            return;
        };
        let state = match flight.afresh {
            false => shell.controller.client_state().map(str::to_owned),
            true => None,
        };
        let secret = shell.secret;
        let answer = answer(feed, state.as_deref(), secret, env);
        if let Some(date) = answer.date {
            let host = env.feeds[feed].id.clone();
            self.heard(host.host(), date, env);
        }
        let mut paused_until = None;
        if let Some(grant) = flight.grant {
            let request = grant.request().clone();
            let clocks = env.clocks();
            let (writes, events) = self.gate.report(grant, answer.verdict, clocks);
            note_gate(&events, &mut self.recorder, env);
            note_writes(&writes, &mut self.recorder);
            env.disk.apply(writes);
            env.oracle.secret_was_judged(
                &request.credential,
                &request.user,
                answer.verdict,
                env.now,
            );
            if matches!(answer.verdict, Verdict::Rejected | Verdict::Forbidden) {
                let rows = env.disk.rows(&request);
                paused_until = self
                    .gate
                    .peek(&request, rows, clocks)
                    .map(|pause| pause.until);
            }
        }
        let outcome = match answer.pulled {
            Err(failure) => FeedOutcome::Failed {
                failure,
                paused_until,
            },
            Ok(pulled) => self.read(feed, pulled, flight.afresh, state, answer.date, env),
        };
        self.feed_learns(feed, outcome, env);
        self.drive_feed(feed, env);
    }

    /// From what a pull brought to a version.
    fn feed_learns(&mut self, feed: usize, outcome: FeedOutcome, env: &mut Env) {
        let clock = self.clock;
        let clocks = env.clocks();
        let Some(shell) = &mut self.feeds[feed] else {
            return;
        };
        shell.learn_clock(clock, env);
        let is_pull = !matches!(outcome, FeedOutcome::SignInChecked { .. });
        let asked = match &outcome {
            FeedOutcome::Failed { failure, .. } => Some((failure.class, failure.retry_after)),
            _ => None,
        };
        let events = shell.controller.learn(outcome, clocks);
        if let Some((class, retry_after)) = asked {
            env.oracle.feed_failed(feed, class, retry_after, env.now);
        }
        if is_pull {
            let latest = shell.controller.latest().cloned();
            let is_new = latest
                .as_ref()
                .is_some_and(|latest| shell.recorded.replace(latest.id) != Some(latest.id));
            let memory = shell.controller.memory(clocks);
            self.recorder.feed(
                env.feeds[feed].id.as_str(),
                memory,
                latest.filter(|_| is_new),
            );
        }
        self.publish_feed(feed, events, env);
        self.record_soon(env);
    }

    pub fn publish_feed(&mut self, feed: usize, events: Vec<FeedEvent>, env: &mut Env) {
        let clocks = env.clocks();
        let Some(shell) = &mut self.feeds[feed] else {
            return;
        };
        for event in &events {
            if is_loud(event) {
                env.oracle.line(env.now);
                env.say(|| format!("feed {feed}: {event:?}"));
            }
        }
        let view = shell.controller.view(clocks);
        if is_same_view(&shell.view, &view) {
            return;
        }
        let reading = view
            .latest
            .as_ref()
            .and_then(|latest| env.readings.get(&(feed, latest.id)).cloned());
        let is_failing = view.failing.is_some();
        let is_success = view.successes > shell.view.successes;
        shell.view = view;
        env.oracle.feed_published(
            feed,
            reading,
            is_failing,
            is_success,
            &self.plan,
            env.now,
            clocks.wall,
        );
        self.rooms_learn_feed(feed, env);
    }
}

impl FeedShell {
    fn learn_clock(&mut self, state: ClockState, env: &Env) {
        let clocks = env.clocks();
        if state.is_believed != self.clock.is_believed {
            self.controller.clock_believed(state.is_believed, clocks);
        }
        if state.steps != self.clock.steps {
            self.controller.clock_stepped(clocks);
        }
        self.clock = state;
    }

    fn take(&mut self, command: Command, model: &FeedModel, clocks: crate::control::now::Now) {
        match command {
            Command::Pull(command) => self.controller.pull_now(command),
            Command::Configure {
                settings,
                filters,
                secret,
            } => {
                let is_same_source = secret == self.secret || !model.has_login;
                self.controller.configure(settings, clocks);
                self.filters = filters;
                if !is_same_source {
                    self.secret = secret;
                    self.request = Some(model.request(secret));
                    self.controller.source_changed(clocks);
                }
            }
        }
    }
}

fn is_same_view(one: &FeedView, other: &FeedView) -> bool {
    let latest = |view: &FeedView| view.latest.as_ref().map(Arc::<FeedVersion>::as_ptr);
    latest(one) == latest(other)
        && one.read_at == other.read_at
        && one.changed_at == other.changed_at
        && one.successes == other.successes
        && one.failing == other.failing
        && one.attempts == other.attempts
}

fn is_loud(event: &FeedEvent) -> bool {
    match event {
        FeedEvent::Pulled { .. } => false,
        FeedEvent::Failing { is_quiet, .. } | FeedEvent::Recovered { is_quiet, .. } => !is_quiet,
        _ => true,
    }
}
