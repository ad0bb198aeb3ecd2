//! The shell of a pod: the only owner of its client, token and certificate. It takes the
//! steps that the controller says, one at a time, and publishes what came of them. Nothing
//! of it outlives the task: a request that is under way ends with it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use self::requests::{confirmed, failed, look, reported};
pub use self::requests::{not_writable, verdict};
use super::clock::Clock;
use super::gate::{self, Gate, Pass, Permit};
use super::identity_task::{Identities, Told};
use super::recorder::Recorder;
use super::room_task::ClockState;
use crate::config::load::changed;
use crate::config::{Pod, TlsTrust};
use crate::control::identity::{Devices, PodIdentity};
use crate::control::now::{Monotonic, Now};
use crate::control::pod::{
    ConfigAnswer, LookAnswer, ModeAnswer, PatchAnswer, PodController, PodEvent, PodOutcome,
    PodSettings, PodStep, PodView, PutAnswer, PutFailure,
};
use crate::control::published::Wanted;
use crate::control::secret_gate::Verdict;
use crate::ledger::WHICHEVER_ANSWERS;
use crate::model::failure::Failure;
use crate::model::fingerprint::Fingerprint;
use crate::model::sign_in::Credential;
use crate::model::time::UnixTime;
use crate::pod::{Access, PodClient, PodError, certificate};
use crate::telemetry::metrics::{self, DueWork};
use crate::telemetry::{self, words};

mod history;
pub mod requests;
#[cfg(test)]
mod tests;

/// A step takes several requests at most, each with the time-out of the pod.
const REQUESTS_OF_A_STEP: u32 = 10;

/// On a busy machine a task may be woken late.
const GRACE: std::time::Duration = std::time::Duration::from_secs(30);

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
    pub late_after: watch::Sender<Monotonic>,
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
pub async fn run(
    controller: PodController,
    config: PodConfig,
    shared: PodShared,
    inputs: PodInputs,
    outputs: PodOutputs,
) {
    let PodInputs {
        wanted,
        devices,
        clock_state,
        mut commands,
    } = inputs;
    let clock_steps = clock_state.borrow().steps;
    let mut task = PodTask {
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
    };
    let permitted = task.shared.recorder.accepted_device(&task.config.pod.url);
    task.expects_device = permitted.as_deref() == Some(WHICHEVER_ANSWERS);
    if task.expects_device {
        task.controller.expect_device();
    } else {
        task.controller.permit_device(permitted);
    }
    task.take_in();
    loop {
        let step = task.controller.next(task.now());
        task.publish_late_after(&step);
        let until = match step {
            PodStep::Wait(until) => {
                task.due = None;
                until
            }
            PodStep::Finished => return,
            step => {
                // Large, and of thousands of pods few are asked at a time.
                let outcome = Box::pin(task.perform(step)).await;
                // The newest of everything counts, before a push is decided on.
                task.take_in();
                let now = task.now();
                let mode = task.controller.mode_name();
                let events = task.controller.learn(outcome, now);
                task.publish(&events, mode).await;
                continue;
            }
        };
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(command) => task.obey(command).await,
                None => return,
            },
            Ok(()) = task.wanted.changed() => task.take_in(),
            Ok(()) = task.clock_state.changed() => task.take_in(),
            () = task.shared.clock.sleep_until(until) => task.due = Some(until),
        }
    }
}

impl PodTask {
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

    /// Accepts the certificate and the device that are at the address now.
    async fn trust(&mut self) -> (Result<String, Failure>, Vec<PodEvent>) {
        let found = match certificate(&self.config.pod).await {
            Ok(found) => found,
            Err(error) => return (Err(error.failure()), Vec::new()),
        };
        let mut events = Vec::new();
        if self.config.pod.tls == TlsTrust::Pin {
            events.push(self.pin(found).await);
        }
        self.client = None;
        let now = self.now();
        events.extend(self.controller.accept_device(now));
        (Ok(found.to_string()), events)
    }

    /// Writes a certificate down as the one that is trusted.
    async fn pin(&self, found: Fingerprint) -> PodEvent {
        let url = &self.config.pod.url;
        let written = self.shared.recorder.set_pin(url, Some(found.0)).await;
        PodEvent::CertificatePinned {
            fingerprint: found.to_string(),
            is_written: written.is_ok(),
        }
    }

    /// The client, once it is known which certificate to expect: nothing is sent before that
    /// is written down.
    async fn client(&mut self) -> Result<PodClient, PodError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let pod = &self.config.pod;
        let mut pin = self.shared.recorder.pin(&pod.url);
        let mut expected = pin.take().map(|pin| Fingerprint(pin.sha256));
        if pod.tls == TlsTrust::Pin && expected.is_none() {
            let found = certificate(pod).await?;
            let event = self.pin(found).await;
            self.say(&[event]);
            expected = Some(found);
        }
        let access = match self.config.settings.is_dry {
            true => Access::ReadOnly,
            false => Access::ReadWrite,
        };
        let client = PodClient::new(&self.config.pod, expected, access)?;
        self.client = Some(client.clone());
        Ok(client)
    }

    async fn perform(&mut self, step: PodStep) -> PodOutcome {
        if step == PodStep::CheckSignIn {
            return self.check_sign_in().await;
        }
        // For this step alone, whatever becomes of it.
        let insists = std::mem::take(&mut self.insists);
        let begun = Instant::now();
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return failed(&step, error.failure()),
        };
        let permit = self.permit(insists).await;
        self.say_gate();
        let pass = match permit {
            Permit::Go(pass) => pass,
            Permit::Paused(pause) => {
                return PodOutcome::SignInPaused {
                    until: pause.until,
                    is_rejected: pause.rejections > 0,
                };
            }
            Permit::NotNow => return PodOutcome::SignInBusy,
            Permit::NotWritable(says) => {
                return failed(&step, not_writable(&self.config.pod, &says));
            }
        };
        if let Some(due) = self.due.take() {
            metrics::begun(DueWork::Contact, self.now().monotonic.since(due));
        }
        // The gate alone decides about pauses.
        client.permit_sign_in().await;
        match step {
            PodStep::Look => {
                let answer = look(&client).await;
                let answer = self.report(pass, answer).await;
                let clock = self.pod_clock(&client);
                PodOutcome::Look(answer.map(|(device_id, shown)| LookAnswer {
                    device_id,
                    shown: Arc::new(shown),
                    clock,
                }))
            }
            PodStep::AskMode => {
                let answer = client.calendar_mode().await;
                let answer = self.report(pass, answer).await;
                let clock = self.pod_clock(&client);
                PodOutcome::Mode(answer.map(|mode| ModeAnswer {
                    mode: reported(&mode),
                    clock,
                }))
            }
            PodStep::Put(agenda) => {
                let answer = client.set_meetings(agenda.meetings()).await;
                let answer = answer.and_then(|answer| confirmed(&client, answer));
                let may_be_done = answer.as_ref().is_err_and(PodError::ended_unanswered);
                let answer = self.report(pass, answer).await;
                let duration = begun.elapsed();
                metrics::push_ended(answer.is_ok(), duration);
                PodOutcome::Put(match answer {
                    Ok(answer) => Ok(PutAnswer {
                        duration,
                        reboot_required: answer.reboot_required,
                        restart_required: answer.restart_required,
                    }),
                    Err(failure) => Err(PutFailure {
                        failure,
                        duration,
                        may_be_done,
                    }),
                })
            }
            PodStep::ReadConfig => {
                let answer = async {
                    let config = client.config().await?;
                    Ok((config, client.calendar_mode().await?))
                };
                let answer = answer.await;
                let answer = self.report(pass, answer).await;
                let clock = self.pod_clock(&client);
                let last = self.last_config().await;
                PodOutcome::Config(answer.map(|(config, mode)| ConfigAnswer {
                    config: config.without_secrets(),
                    last,
                    mode: reported(&mode),
                    clock,
                }))
            }
            PodStep::PatchConfig(patch) => {
                let patch = serde_json::Value::Object(patch);
                let answer = client.patch_config(patch, None).await;
                let answer = self.report(pass, answer).await;
                PodOutcome::Patch(answer.map(|answer| PatchAnswer {
                    reboot_required: answer.reboot_required,
                    restart_required: answer.restart_required,
                }))
            }
            PodStep::Wait(_) | PodStep::CheckSignIn | PodStep::Finished => {
                pass.report(Verdict::NotSent).await;
                PodOutcome::SignInBusy
            }
        }
    }

    async fn permit(&self, insists: bool) -> Permit {
        let user = self.config.pod.url.key();
        let (gate, credential) = (&self.shared.gate, &self.credential);
        if insists {
            gate.permit_insisting(credential, &user).await
        } else {
            gate.permit(credential, &user).await
        }
    }

    /// Tells the gate what became of the secret.
    async fn report<T>(&mut self, pass: Pass, answer: Result<T, PodError>) -> Result<T, Failure> {
        let verdict = verdict(answer.as_ref().err());
        pass.report(verdict).await;
        if matches!(verdict, Verdict::Rejected | Verdict::Forbidden) {
            let user = self.config.pod.url.key();
            let pause = self.shared.gate.paused(&self.credential, &user).await;
            if let Some(pause) = pause {
                let now = self.now();
                self.controller.pause_sign_in(pause.until, now);
            }
        }
        self.say_gate();
        answer.map_err(|error| error.failure())
    }

    /// While sign-in is paused: is the password another one, or has the pause ended?
    async fn check_sign_in(&mut self) -> PodOutcome {
        let password = self.config.pod.password.clone();
        let renewed = tokio::task::spawn_blocking(move || changed(&password));
        if let Ok(Some(password)) = renewed.await {
            self.config.pod.password = password;
            self.credential = gate::credential_of(&self.config.pod);
            self.client = None;
            return PodOutcome::SignInChecked { paused_until: None };
        }
        let user = self.config.pod.url.key();
        let pause = self.shared.gate.paused(&self.credential, &user).await;
        PodOutcome::SignInChecked {
            paused_until: pause.map(|pause| pause.until),
        }
    }

    /// The configuration as it was written down; what cannot be read is compared with nothing.
    async fn last_config(&self) -> Option<serde_json::Value> {
        let recorder = &self.shared.recorder;
        let kept = recorder.known_pod_config(&self.config.pod.url).await;
        serde_json::from_str(&kept.ok().flatten()?).ok()
    }

    fn pod_clock(&self, client: &PodClient) -> Option<UnixTime> {
        let wall = self.now().wall;
        let offset = client.clock_offset(wall)?;
        Some(UnixTime::from_seconds(
            wall.seconds().saturating_add(offset),
        ))
    }

    fn say(&self, events: &[PodEvent]) {
        let settings = &self.config.settings;
        for event in events {
            telemetry::emit(words::pod::line(&settings.room, &settings.pod, event));
        }
    }

    /// Says what happened at the gate.
    fn say_gate(&self) {
        for event in self.shared.gate.take_events() {
            telemetry::emit(words::gate::line(&event));
        }
    }

    /// Says, records and shows what happened. `mode` is the calendar mode before.
    async fn publish(&mut self, events: &[PodEvent], mode: Option<String>) {
        self.say(events);
        let now = self.now();
        let view = self.controller.view();
        let recorder = &self.shared.recorder;
        for line in history::lines(events, &view, mode, now.wall) {
            recorder.history(line);
        }
        let url = &self.config.pod.url;
        let changes = Some(self.controller.memory_changes());
        if self.recorded != changes || self.controller.is_idle() {
            self.recorded = changes;
            recorder.pod(url, self.controller.memory(now));
        }
        if let Some(config) = self.controller.take_config() {
            recorder.pod_config(url, config.to_string());
        }
        let accepted = events.iter().find_map(|event| match event {
            PodEvent::DeviceAccepted { device } => Some(device),
            _ => None,
        });
        let first = view.identity.live.as_ref();
        let accepted = accepted.or(first.filter(|_| self.expects_device));
        if let Some(device) = accepted.filter(|_| !self.config.settings.is_dry) {
            // It holds for this process in any case.
            let _ = recorder.accept_device(url, device).await;
        }
        self.expects_device &= accepted.is_none();
        self.show();
    }

    fn show(&mut self) {
        let view = self.controller.view();
        if self.told.as_ref() != Some(&view.identity) {
            self.told = Some(view.identity.clone());
            let _ = self.shared.identities.send(Told {
                pod: self.config.pod.url.clone(),
                identity: Some(view.identity.clone()),
            });
        }
        self.outputs.view.send_replace(view);
    }

    fn publish_late_after(&self, step: &PodStep) {
        let late_after = match step {
            PodStep::Wait(until) => until.plus(GRACE),
            _ => {
                let step = self.config.pod.timeout * REQUESTS_OF_A_STEP;
                self.now().monotonic.plus(step)
            }
        };
        self.outputs
            .late_after
            .send_if_modified(|published| std::mem::replace(published, late_after) != late_after);
    }
}
