//! One step taken with the pod: through the gate for secrets, by a client that knows which
//! certificate to expect.

use std::sync::Arc;

use tokio::time::Instant;

use super::PodTask;
use super::requests::{confirmed, failed, look, not_writable, reported, verdict};
use crate::config::TlsTrust;
use crate::config::load::changed;
use crate::control::pod::{
    ConfigAnswer, LookAnswer, ModeAnswer, PatchAnswer, PodEvent, PodOutcome, PodStep, PutAnswer,
    PutFailure,
};
use crate::control::secret_gate::Verdict;
use crate::model::failure::Failure;
use crate::model::fingerprint::Fingerprint;
use crate::model::time::UnixTime;
use crate::pod::{Access, PodClient, PodError, certificate};
use crate::service::gate::{self, Pass, Permit};
use crate::telemetry::metrics::{self, DueWork};

impl PodTask {
    /// Accepts the certificate and the device that are at the address now.
    pub(super) async fn trust(&mut self) -> (Result<String, Failure>, Vec<PodEvent>) {
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
            // A dry run trusts it for as long as it runs.
            if !self.config.settings.is_dry {
                let event = self.pin(found).await;
                self.say(&[event]);
            }
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

    pub(super) async fn perform(&mut self, step: PodStep) -> PodOutcome {
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
}
