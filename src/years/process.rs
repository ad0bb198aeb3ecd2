//! One run of the service: the real controllers, joined as the shells of `service` join them.
//! Whatever a shell does between a step and its outcome, the model does in the same order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::configure::config_of;
use super::disk::Recorder;
use super::env::{Env, Happening};
use super::feed_shell::FeedShell;
use super::plan::{ConfigPlan, Plan};
use super::pod_shell::PodShell;
use super::room_shell::RoomShell;
use crate::config::Config;
use crate::control::brake::{Brake, BrakeState};
use crate::control::clock::{ClockEvent, ClockWatch};
use crate::control::feed::PullNow;
use crate::control::identity::{Devices, PodIdentity};
use crate::control::secret_gate::SecretGate;
use crate::model::name::PodUrl;
use crate::model::time::UnixTime;

/// Whether the wall clock is believed, and how often it was set since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockState {
    pub is_believed: bool,
    pub steps: u64,
}

pub struct Process {
    pub life: u32,
    /// The configuration as it was read last.
    pub plan: ConfigPlan,
    pub config: Arc<Config>,
    pub feeds: Vec<Option<Box<FeedShell>>>,
    pub rooms: Vec<Option<Box<RoomShell>>>,
    pub pods: Vec<Option<Box<PodShell>>>,
    pub brake: Brake,
    pub brake_state: Arc<BrakeState>,
    brake_turn: u32,
    identities: BTreeMap<PodUrl, PodIdentity>,
    pub devices: Arc<Devices>,
    is_joining: bool,
    watch: ClockWatch,
    pub clock: ClockState,
    pub gate: SecretGate,
    pub recorder: Recorder,
    pub is_ledger_new: bool,
    /// Numbers wakes and requests, so that one that was overtaken is dropped.
    pub turns: u32,
}

impl Process {
    /// As `podcal run` starts.
    #[must_use]
    pub fn start(life: u32, plan: &Plan, config: &ConfigPlan, env: &mut Env) -> Self {
        env.boot = env.now;
        let real = Arc::new(config_of(plan, config, &env.feeds));
        let mut watch = ClockWatch::default();
        let clocks = env.clocks();
        let first = watch.tick(clocks);
        let clock = ClockState {
            is_believed: watch.is_believed(),
            steps: 0,
        };
        env.oracle
            .starts(env.disk.beliefs.clone(), env.disk.is_full, env.now);
        env.say(|| format!("the service starts ({} rooms)", real.rooms.len()));
        let brake = Brake::new(super::configure::brake_settings(&real, clocks));
        let mut process = Self {
            life,
            plan: config.clone(),
            config: real,
            feeds: env.feeds.iter().map(|_| None).collect(),
            rooms: config.rooms.iter().map(|_| None).collect(),
            pods: env.addresses.iter().map(|_| None).collect(),
            brake,
            brake_state: Arc::default(),
            brake_turn: 0,
            identities: BTreeMap::new(),
            devices: Arc::default(),
            is_joining: false,
            watch,
            clock,
            gate: SecretGate::default(),
            recorder: Recorder::of(&env.disk),
            is_ledger_new: !env.disk.is_begun,
            turns: 0,
        };
        process.say_clock(&first, env);
        process.record_soon(env);
        process.arrange(plan, &Default::default(), env);
        env.after(1000, Happening::ClockLook { life });
        process
    }

    pub fn turn(&mut self) -> u32 {
        self.turns += 1;
        self.turns
    }

    /// What was handed to the process happens.
    pub fn happens(&mut self, plan: &Plan, what: Happening, env: &mut Env) {
        match what {
            Happening::FeedWakes { feed, turn, .. } => self.feed_wakes(feed, turn, env),
            Happening::FeedAsksGate { feed, turn, .. } => self.feed_asks(feed, turn, env),
            Happening::FeedAnswers { feed, turn, .. } => self.feed_answers(feed, turn, env),
            Happening::RoomWakes { room, turn, .. } => self.room_wakes(room, turn, env),
            Happening::PodWakes { address, turn, .. } => self.pod_wakes(address, turn, env),
            Happening::PodAnswers { address, turn, .. } => self.pod_answers(address, turn, env),
            Happening::Brake { turn, .. } if turn == self.brake_turn => self.judge_brake(env),
            Happening::Devices { .. } => self.join_devices(),
            Happening::ClockLook { .. } => {
                // Between two steps of the clock a look finds nothing; one now and then is enough.
                let events = self.watch.tick(env.clocks());
                self.clock_events(&events, env);
                let life = self.life;
                env.after(600_000, Happening::ClockLook { life });
            }
            Happening::Record { .. } => self.record(env),
            Happening::SyncGoesOn {
                room, stage, force, ..
            } => self.sync_goes_on(room, stage, force, env),
            _ => {
                let _ = plan;
            }
        }
    }

    /// Somebody set the wall clock: the look that comes within a second sees it.
    pub fn clock_was_set(&mut self, env: &mut Env) {
        let events = self.watch.tick(env.clocks());
        self.clock_events(&events, env);
    }

    /// What a host says that the time is.
    pub fn heard(&mut self, host: &str, date: UnixTime, env: &mut Env) {
        let events = self.watch.heard(host, date, env.clocks());
        if !events.is_empty() {
            self.clock_events(&events, env);
        }
    }

    fn clock_events(&mut self, events: &[ClockEvent], env: &mut Env) {
        if events.is_empty() {
            return;
        }
        self.say_clock(events, env);
        let newest = ClockState {
            is_believed: self.watch.is_believed(),
            steps: self.clock.steps
                + events
                    .iter()
                    .filter(|event| matches!(event, ClockEvent::Stepped { .. }))
                    .count() as u64,
        };
        if self.clock == newest {
            return;
        }
        self.clock = newest;
        // A room takes in the clock before what a feed says by it.
        for room in 0..self.rooms.len() {
            self.room_learns_clock(room, env);
        }
        for feed in 0..self.feeds.len() {
            self.feed_learns_clock(feed, env);
        }
        for address in 0..self.pods.len() {
            self.pod_takes_in(address, env);
        }
    }

    fn say_clock(&mut self, events: &[ClockEvent], env: &mut Env) {
        for event in events {
            env.oracle.line(env.now);
            let is_believed = self.watch.is_believed();
            if matches!(
                event,
                ClockEvent::NotBelieved { .. } | ClockEvent::Believed { .. }
            ) {
                env.oracle.clock_believed(is_believed, env.now);
            }
            env.say(|| format!("clock: {event:?}"));
        }
    }

    /// A room told what it lost.
    pub fn tell_brake(
        &mut self,
        room: usize,
        losses: Vec<crate::control::brake::FeedOfRoom>,
        env: &mut Env,
    ) {
        let name = super::names::room_name(room);
        self.brake.learn(&name, losses);
        self.judge_brake_soon(env.now, env);
    }

    /// What is told in one moment is judged together.
    pub fn judge_brake_soon(&mut self, when: u64, env: &mut Env) {
        self.brake_turn = self.brake_turn.wrapping_add(1);
        let (life, turn) = (self.life, self.brake_turn);
        env.at(when, Happening::Brake { life, turn });
    }

    fn judge_brake(&mut self, env: &mut Env) {
        let clocks = env.clocks();
        for event in self.brake.judge(clocks) {
            env.oracle.line(env.now);
            env.say(|| format!("brake: {event:?}"));
        }
        if *self.brake_state != *self.brake.state() {
            self.brake_state = Arc::new(self.brake.state().clone());
            for room in 0..self.rooms.len() {
                let state = self.brake_state.clone();
                self.room_learns(room, env, |room, now| room.learn_brake(state, now));
            }
        }
        if let Some(when) = env.when(self.brake.next_change(clocks)) {
            self.judge_brake_soon(when, env);
        }
    }

    pub fn tell_identity(&mut self, pod: PodUrl, identity: Option<PodIdentity>, env: &mut Env) {
        match identity {
            Some(identity) => self.identities.insert(pod, identity),
            None => self.identities.remove(&pod),
        };
        if !self.is_joining {
            self.is_joining = true;
            let life = self.life;
            env.after(100, Happening::Devices { life });
        }
    }

    fn join_devices(&mut self) {
        self.is_joining = false;
        let joined = Devices::of(self.identities.values().cloned());
        if *self.devices != joined {
            self.devices = Arc::new(joined);
        }
    }

    /// Something is to be written: within a second.
    pub fn record_soon(&mut self, env: &mut Env) {
        if self.recorder.is_dirty && !self.recorder.is_scheduled {
            self.recorder.is_scheduled = true;
            let when = (self.recorder.last_write + 1000).max(env.now + 20);
            let life = self.life;
            env.at(when, Happening::Record { life });
        }
    }

    fn record(&mut self, env: &mut Env) {
        let beliefs = env.oracle.beliefs.clone();
        let was_failing = self.recorder.failures > 0;
        if self.recorder.write(&mut env.disk, &beliefs, env.now) {
            env.oracle.wrote(env.now);
            if was_failing {
                env.disk.sign_ins = self.recorder.sign_ins.clone();
                env.oracle.line(env.now);
            }
            return;
        }
        if !was_failing {
            env.oracle.line(env.now);
        }
        self.recorder.is_scheduled = true;
        let wait = 1000_u64 << self.recorder.failures.min(5);
        let life = self.life;
        env.after(wait.min(30_000), Happening::Record { life });
    }

    /// The last write of a service that stops.
    pub fn stop(mut self, env: &mut Env) {
        let beliefs = env.oracle.beliefs.clone();
        self.recorder.write(&mut env.disk, &beliefs, env.now);
    }

    /// `podcal sync` of one room beside the service.
    pub fn sync(&mut self, room: usize, force: bool, env: &mut Env) {
        let Some(shell) = &self.rooms[room] else {
            return;
        };
        let feeds: Vec<usize> = shell.feeds.clone();
        for feed in feeds {
            let command = PullNow {
                afresh: false,
                insists: false,
            };
            self.feed_is_asked(feed, command, env);
        }
        let life = self.life;
        let stage = 0;
        env.after(
            25_000,
            Happening::SyncGoesOn {
                life,
                room,
                stage,
                force,
            },
        );
    }

    fn sync_goes_on(&mut self, room: usize, stage: u8, force: bool, env: &mut Env) {
        if self.rooms[room].is_none() {
            return;
        }
        if stage == 0 {
            if force {
                env.oracle.forced(room, &self.plan.rooms[room]);
                self.room_learns(room, env, |room, now| room.force(now));
            }
            let life = self.life;
            let stage = 1;
            env.after(
                1000,
                Happening::SyncGoesOn {
                    life,
                    room,
                    stage,
                    force,
                },
            );
            return;
        }
        for address in self.plan.rooms[room].addresses.clone() {
            if let Some(pod) = &mut self.pods[address] {
                pod.controller.look_now(env.clocks());
            }
            self.drive_pod(address, env);
        }
    }
}
