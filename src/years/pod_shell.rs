//! The shell of a pod, as `service::pod_task` is: one request at a time, through the gate for
//! secrets, and the newest of everything taken in before an outcome is learnt.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use self::answer::{answer, failed, latency};
use super::device::failure;
use super::env::{Env, Happening};
use super::feed_shell::{Permit, note_gate, note_writes, permit};
use super::names::pod_request;
use super::plan::PodFault;
use super::process::Process;
use crate::config::Pod;
use crate::control::identity::PodIdentity;
use crate::control::pod::{
    ConfigAnswer, LookAnswer, ModeAnswer, PatchAnswer, PodController, PodEvent, PodOutcome,
    PodSettings, PodStep, PutAnswer, PutFailure,
};
use crate::control::secret_gate::{Grant, Request, Verdict};
use crate::model::failure::{Failure, FailureClass};
use crate::model::name::PodUrl;

pub struct PodShell {
    pub controller: PodController,
    pub url: PodUrl,
    key: String,
    pub room: usize,
    secret: u32,
    request: Request,
    clock_steps: u64,
    told: Option<PodIdentity>,
    recorded: u64,
    wake: (u64, u32),
    flight: Option<Flight>,
    /// It left the configuration.
    pub is_leaving: bool,
}

struct Flight {
    turn: u32,
    step: PodStep,
    grant: Option<Grant>,
    began: u64,
}

impl Process {
    pub fn start_pod(
        &mut self,
        address: usize,
        room: usize,
        pod: &Pod,
        settings: PodSettings,
        secret: u32,
        env: &mut Env,
    ) {
        let clocks = env.clocks();
        let mut controller = PodController::new(settings, clocks);
        if let Some(memory) = self.recorder.current.pod(&pod.url) {
            let memory = memory.clone();
            controller.restore(&memory, clocks);
        }
        if let Some(room) = &self.rooms[room] {
            controller.come_to(&room.wanted);
        }
        let key = pod.url.key();
        controller.permit_device(self.recorder.accepted_devices.get(&key).cloned());
        let shell = PodShell {
            recorded: controller.memory_changes(),
            controller,
            url: pod.url.clone(),
            request: pod_request(address, &pod.url, secret),
            key,
            room,
            secret,
            clock_steps: self.clock.steps,
            told: None,
            wake: (u64::MAX, 0),
            flight: None,
            is_leaving: false,
        };
        self.pods[address] = Some(Box::new(shell));
        self.pod_takes_in(address, env);
    }

    pub fn configure_pod(
        &mut self,
        address: usize,
        room: usize,
        settings: PodSettings,
        secret: u32,
        env: &mut Env,
    ) {
        let clocks = env.clocks();
        let Some(shell) = &mut self.pods[address] else {
            return;
        };
        let is_new_secret = shell.secret != secret;
        if is_new_secret {
            shell.secret = secret;
            shell.request = pod_request(address, &shell.url, secret);
        }
        shell.room = room;
        shell.controller.configure(settings, is_new_secret, clocks);
        self.pod_takes_in(address, env);
    }

    pub fn remove_pod(&mut self, address: usize, clears: bool, env: &mut Env) {
        let Some(shell) = &mut self.pods[address] else {
            return;
        };
        let url = shell.url.clone();
        if clears && shell.flight.is_none() {
            shell.is_leaving = true;
            let events = shell.controller.remove(true, env.clocks());
            self.publish_pod(address, &events, env);
            self.tell_identity(url, None, env);
            self.drive_pod(address, env);
            return;
        }
        self.tell_identity(url, None, env);
        self.end_pod(address, env);
    }

    /// Nothing of it outlives its removal, also not in the middle of a request.
    pub fn end_pod(&mut self, address: usize, env: &mut Env) {
        if let Some(shell) = self.pods[address].take()
            && let Some(grant) = shell.flight.and_then(|flight| flight.grant)
        {
            let writes = self.gate.abandoned(&grant, env.clocks());
            note_writes(&writes, &mut self.recorder);
            env.disk.apply(writes);
        }
    }

    pub fn trust(&mut self, address: usize, env: &mut Env) {
        let clocks = env.clocks();
        let events = match &mut self.pods[address] {
            Some(shell) if !shell.is_leaving => shell.controller.accept_device(clocks),
            _ => return,
        };
        self.publish_pod(address, &events, env);
        self.drive_pod(address, env);
    }

    /// Takes in the newest value of everything that others publish.
    pub fn pod_takes_in(&mut self, address: usize, env: &mut Env) {
        let clocks = env.clocks();
        let (clock, devices) = (self.clock, self.devices.clone());
        let Some(shell) = &mut self.pods[address] else {
            return;
        };
        if shell.flight.is_some() {
            // With its outcome.
            return;
        }
        if clock.steps != std::mem::replace(&mut shell.clock_steps, clock.steps) {
            shell.controller.clock_stepped(clocks);
        }
        shell.controller.set_devices(devices);
        let mut events = Vec::new();
        if let Some(room) = &self.rooms[shell.room]
            && !shell.is_leaving
        {
            events = shell.controller.set_wanted(room.wanted.clone(), clocks);
        }
        say(&events, address, env);
        self.show_pod(address, env);
        self.drive_pod(address, env);
    }

    pub fn pod_wakes(&mut self, address: usize, turn: u32, env: &mut Env) {
        let is_its = self.pods[address]
            .as_ref()
            .is_some_and(|shell| shell.wake.1 == turn);
        if is_its {
            if let Some(shell) = &mut self.pods[address] {
                shell.wake = (u64::MAX, 0);
            }
            self.drive_pod(address, env);
        }
    }

    /// Takes steps until there is nothing to do but wait.
    pub fn drive_pod(&mut self, address: usize, env: &mut Env) {
        let clocks = env.clocks();
        let life = self.life;
        loop {
            let Some(shell) = &mut self.pods[address] else {
                return;
            };
            if shell.flight.is_some() {
                return;
            }
            let step = shell.controller.next(clocks);
            match step {
                PodStep::Wait(until) => {
                    let Some(when) = env.when(until) else {
                        env.broken("nothing waits longer than its maximum", || {
                            format!("the pod at address {address} waits for ever")
                        });
                        return;
                    };
                    super::promises::pod_waits(address, when, env);
                    if shell.wake.0 != when {
                        self.turns += 1;
                        let turn = self.turns;
                        shell.wake = (when, turn);
                        env.at(
                            when,
                            Happening::PodWakes {
                                life,
                                address,
                                turn,
                            },
                        );
                    }
                    return;
                }
                PodStep::Finished => {
                    self.pods[address] = None;
                    return;
                }
                PodStep::CheckSignIn => {
                    let outcome = self.pod_checks_sign_in(address, env);
                    self.pod_learns(address, outcome, env);
                }
                step => match permit(&mut self.gate, &shell.request, env) {
                    Permit::Go(grant) => {
                        self.turns += 1;
                        let turn = self.turns;
                        env.oracle.secret_is_sent(
                            &shell.request.credential,
                            &shell.request.user,
                            false,
                            env.now,
                        );
                        if let Some(broken) = env.oracle.take_complaint() {
                            env.broken("no secret more often than said", || broken);
                        }
                        super::promises::pod_is_asked(address, shell.room, &step, env);
                        let took = latency(address, &step, env);
                        let began = env.now;
                        shell.flight = Some(Flight {
                            turn,
                            step,
                            grant,
                            began,
                        });
                        env.after(
                            took,
                            Happening::PodAnswers {
                                life,
                                address,
                                turn,
                            },
                        );
                        return;
                    }
                    Permit::Paused(until, is_rejected) => {
                        let outcome = PodOutcome::SignInPaused { until, is_rejected };
                        self.pod_learns(address, outcome, env);
                    }
                    Permit::Busy => self.pod_learns(address, PodOutcome::SignInBusy, env),
                    Permit::NotWritable => {
                        let failure = failure(FailureClass::SignInPaused, None);
                        self.pod_learns(address, failed(&step, failure, false, 0), env);
                    }
                },
            }
        }
    }

    fn pod_checks_sign_in(&mut self, address: usize, env: &mut Env) -> PodOutcome {
        let clocks = env.clocks();
        let configured = env.oracle.configured.pod_secrets[address];
        let mut paused_until = None;
        if let Some(shell) = &mut self.pods[address] {
            if shell.secret != configured {
                shell.secret = configured;
                shell.request = pod_request(address, &shell.url, configured);
            } else {
                let rows = env.disk.rows(&shell.request);
                let pause = self.gate.peek(&shell.request, rows, clocks);
                if let Some(wrong) = pause.as_ref().and_then(|pause| pause.correction.as_ref()) {
                    env.disk
                        .reserve(&wrong.key, Some(&wrong.expected), &wrong.new);
                }
                paused_until = pause.map(|pause| pause.until);
            }
        }
        PodOutcome::SignInChecked { paused_until }
    }

    pub fn pod_answers(&mut self, address: usize, turn: u32, env: &mut Env) {
        let Some(shell) = &mut self.pods[address] else {
            return;
        };
        let Some(flight) = shell.flight.take_if(|flight| flight.turn == turn) else {
            return;
        };
        let secret = shell.secret;
        let (outcome, verdict) = answer(address, &flight, secret, env);
        if env.put_was_done && env.kill_at_put.is_some() {
            // Killed between a push and its record; the world does that.
            return;
        }
        let clocks = env.clocks();
        if let Some(grant) = flight.grant {
            let (writes, events) = self.gate.report(grant, verdict, clocks);
            note_gate(&events, &mut self.recorder, env);
            note_writes(&writes, &mut self.recorder);
            env.disk.apply(writes);
            env.oracle.secret_was_judged(
                &shell.request.credential,
                &shell.request.user,
                verdict,
                env.now,
            );
            if matches!(verdict, Verdict::Rejected | Verdict::Forbidden) {
                let rows = env.disk.rows(&shell.request);
                if let Some(pause) = self.gate.peek(&shell.request, rows, clocks) {
                    shell.controller.pause_sign_in(pause.until, clocks);
                }
            }
        }
        self.pod_learns(address, outcome, env);
        self.drive_pod(address, env);
    }

    fn pod_learns(&mut self, address: usize, outcome: PodOutcome, env: &mut Env) {
        let clocks = env.clocks();
        let (clock, devices) = (self.clock, &self.devices);
        let Some(shell) = &mut self.pods[address] else {
            return;
        };
        if clock.steps != std::mem::replace(&mut shell.clock_steps, clock.steps) {
            shell.controller.clock_stepped(clocks);
        }
        shell.controller.set_devices(devices.clone());
        let mut events = Vec::new();
        if let Some(room) = &self.rooms[shell.room]
            && !shell.is_leaving
        {
            events = shell.controller.set_wanted(room.wanted.clone(), clocks);
        }
        events.extend(shell.controller.learn(outcome, clocks));
        self.publish_pod(address, &events, env);
    }

    fn publish_pod(&mut self, address: usize, events: &[PodEvent], env: &mut Env) {
        say(events, address, env);
        let clocks = env.clocks();
        let Some(shell) = &mut self.pods[address] else {
            return;
        };
        let changes = shell.controller.memory_changes();
        if shell.recorded != changes {
            shell.recorded = changes;
            self.recorder
                .pod(&shell.key, shell.controller.memory(clocks));
        }
        for event in events {
            if let PodEvent::DeviceAccepted { device } = event {
                self.recorder
                    .accepted_devices
                    .insert(shell.key.clone(), device.clone());
                if !env.disk.is_full {
                    env.disk
                        .accepted_devices
                        .insert(shell.key.clone(), device.clone());
                }
            }
        }
        self.record_soon(env);
        self.show_pod(address, env);
    }

    fn show_pod(&mut self, address: usize, env: &mut Env) {
        let Some(shell) = &mut self.pods[address] else {
            return;
        };
        if shell.is_leaving {
            return;
        }
        let identity = shell.controller.identity();
        if shell.told.as_ref() != Some(&identity) {
            shell.told = Some(identity.clone());
            let url = shell.url.clone();
            self.tell_identity(url, Some(identity), env);
        }
    }
}

fn say(events: &[PodEvent], address: usize, env: &mut Env) {
    for event in events {
        if is_loud(event) {
            env.oracle.line(env.now);
        }
        let is_told = is_loud(event) || matches!(event, PodEvent::State { .. });
        if is_told {
            env.say(|| format!("pod {address}: {}", super::story::pod_event(event)));
        }
    }
}

fn is_loud(event: &PodEvent) -> bool {
    match event {
        PodEvent::State { is_quiet, .. }
        | PodEvent::PushFailed { is_quiet, .. }
        | PodEvent::DisplayLost { is_quiet, .. }
        | PodEvent::ConfigFailed { is_quiet, .. } => !is_quiet,
        _ => true,
    }
}
