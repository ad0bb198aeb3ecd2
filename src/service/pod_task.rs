//! The shell of a pod: the only owner of its client, token and certificate. It takes the
//! steps that the controller says, one at a time, and publishes what came of them. Nothing
//! of it outlives the task: a request that is under way ends with it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::clock::Clock;
use super::deadline::Deadline;
use super::gate::{self, Gate};
use super::identity_task::Identities;
use super::recorder::Recorder;
use super::room_task::ClockState;
use crate::config::Pod;
use crate::control::identity::{Devices, PodIdentity};
use crate::control::now::{Monotonic, Now};
use crate::control::pod::{PodController, PodSettings, PodStep, PodView};
use crate::control::published::Wanted;
use crate::ledger::WHICHEVER_ANSWERS;
use crate::model::failure::Failure;
use crate::model::sign_in::Credential;
use crate::pod::PodClient;

mod contact;
mod history;
mod publish;
pub mod requests;
#[cfg(test)]
mod tests;

/// A step takes several requests at most, each with the time-out of the pod.
const REQUESTS_OF_A_STEP: u32 = 10;

/// On a busy machine a task may be woken late.
const GRACE: std::time::Duration = std::time::Duration::from_secs(30);

/// Within a contact: a connection is kept over it.
const SHORT_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// A pod as the configuration has it.
#[derive(Clone, Debug)]
pub struct PodConfig {
    pub pod: Pod,
    pub settings: PodSettings,
}

/// What a pod is told from outside.
#[derive(Debug)]
pub enum PodCommand {
    /// Its settings, its address's password or its room changed.
    Configure {
        config: Box<PodConfig>,
        wanted: watch::Receiver<Wanted>,
    },
    /// Look at it now, with `try_password` although sign-in is paused.
    LookNow { try_password: bool },
    /// A person accepts the certificate and the device that are at its address now.
    Trust {
        done: oneshot::Sender<Result<String, Failure>>,
    },
    /// It left the configuration; the task ends when that is done.
    Remove { clear: bool },
}

/// What all pods of a process share.
#[derive(Clone)]
pub struct PodShared {
    pub clock: Clock,
    pub gate: Gate,
    pub recorder: Recorder,
    pub identities: Identities,
}

pub struct PodInputs {
    /// What the room wants its displays to show.
    pub wanted: watch::Receiver<Wanted>,
    /// What all pods know of their devices.
    pub devices: watch::Receiver<Arc<Devices>>,
    pub clock_state: watch::Receiver<ClockState>,
    /// The task ends when nobody can send any more.
    pub commands: mpsc::Receiver<PodCommand>,
}

pub struct PodOutputs {
    pub view: watch::Sender<PodView>,
    /// By when the task has to have moved on, for `status --healthy`.
    pub late_after: Deadline,
}

struct PodTask {
    controller: PodController,
    config: PodConfig,
    /// Made when it is needed, and again when the certificate or the secret is another one.
    client: Option<PodClient>,
    credential: Credential,
    shared: PodShared,
    wanted: watch::Receiver<Wanted>,
    devices: watch::Receiver<Arc<Devices>>,
    clock_state: watch::Receiver<ClockState>,
    outputs: PodOutputs,
    /// A person wants the password to be tried, by the next request alone.
    insists: bool,
    /// A person accepted whichever device answers first.
    expects_device: bool,
    clock_steps: u64,
    told: Option<PodIdentity>,
    /// The moment it was waited for, until what was due then begins.
    due: Option<Monotonic>,
    recorded: Option<u64>,
}

/// Runs a pod until its task is dropped, its commands end, or it was removed.
///
/// There are thousands of these futures, nearly all of which wait. So the state has a place of
/// its own, and what is large for a moment another one.
pub fn run(
    controller: PodController,
    config: PodConfig,
    shared: PodShared,
    inputs: PodInputs,
    outputs: PodOutputs,
) -> impl Future<Output = ()> + Send {
    let PodInputs {
        wanted,
        devices,
        clock_state,
        commands,
    } = inputs;
    let clock_steps = clock_state.borrow().steps;
    let task = Box::new(PodTask {
        credential: gate::credential_of(&config.pod),
        clock_steps,
        controller,
        config,
        client: None,
        shared,
        wanted,
        devices,
        clock_state,
        outputs,
        insists: false,
        expects_device: false,
        told: None,
        due: None,
        recorded: None,
    });
    task.serve(commands)
}

impl PodTask {
    async fn serve(mut self: Box<Self>, mut commands: mpsc::Receiver<PodCommand>) {
        self.begin();
        loop {
            let step = self.controller.next(self.now());
            self.publish_late_after(&step);
            let until = match step {
                PodStep::Wait(until) => {
                    self.due = None;
                    self.rest_until(until);
                    until
                }
                PodStep::Finished => return,
                step => {
                    Box::pin(self.take(step)).await;
                    continue;
                }
            };
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => Box::pin(self.obey(command)).await,
                    None => return,
                },
                Ok(()) = self.wanted.changed() => self.take_in(),
                Ok(()) = self.clock_state.changed() => self.take_in(),
                () = self.shared.clock.sleep_until(until) => self.due = Some(until),
            }
        }
    }

    fn begin(&mut self) {
        let permitted = self.shared.recorder.accepted_device(&self.config.pod.url);
        self.expects_device = permitted.as_deref() == Some(WHICHEVER_ANSWERS);
        if self.expects_device {
            self.controller.expect_device();
        } else {
            self.controller.permit_device(permitted);
        }
        self.take_in();
    }

    async fn take(&mut self, step: PodStep) {
        let outcome = Box::pin(self.perform(step)).await;
        // The newest of everything counts, before a push is decided on.
        self.take_in();
        let now = self.now();
        let mode = self.controller.mode_name();
        let events = self.controller.learn(outcome, now);
        self.publish(&events, mode).await;
    }

    /// Between contacts nothing is held that a connection needs.
    fn rest_until(&self, until: Monotonic) {
        if let Some(client) = &self.client
            && until.since(self.now().monotonic) > SHORT_WAIT
        {
            client.close();
        }
    }

    fn now(&self) -> Now {
        self.shared.clock.now()
    }

    /// Takes in the newest value of everything that others publish.
    fn take_in(&mut self) {
        let now = self.now();
        let steps = self.clock_state.borrow_and_update().steps;
        if steps != std::mem::replace(&mut self.clock_steps, steps) {
            self.controller.clock_stepped(now);
        }
        let devices = self.devices.borrow_and_update().clone();
        self.controller.set_devices(devices);
        let wanted = self.wanted.borrow_and_update().clone();
        let events = self.controller.set_wanted(wanted, now);
        self.say(&events);
        self.show();
    }

    async fn obey(&mut self, command: PodCommand) {
        let now = self.now();
        let mode = self.controller.mode_name();
        let events = match command {
            PodCommand::Configure { config, wanted } => {
                self.configure(*config, now);
                self.wanted = wanted;
                self.take_in();
                Vec::new()
            }
            PodCommand::LookNow { try_password } => {
                if try_password {
                    self.insists = true;
                    self.controller.secret_changed(now);
                }
                self.controller.look_now(now);
                Vec::new()
            }
            PodCommand::Trust { done } => {
                let (answer, events) = self.trust().await;
                let _ = done.send(answer);
                events
            }
            PodCommand::Remove { clear } => self.controller.remove(clear, now),
        };
        self.publish(&events, mode).await;
    }

    fn configure(&mut self, config: PodConfig, now: Now) {
        let (old, new) = (&self.config.pod, &config.pod);
        let is_new_secret =
            old.username != new.username || old.password != new.password || old.tls != new.tls;
        let is_new_client = is_new_secret
            || old.timeout != new.timeout
            || old.third_party_type != new.third_party_type
            || self.config.settings.is_dry != config.settings.is_dry;
        if is_new_client {
            self.client = None;
        }
        self.credential = gate::credential_of(new);
        let settings = config.settings.clone();
        self.controller.configure(settings, is_new_secret, now);
        self.config = config;
    }
}
