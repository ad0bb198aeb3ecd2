//! A pod asked by a command, through the gate for secrets as every other request.

use super::gate::{self, Gate, Pass, Permit};
use super::pod_task::requests::{not_writable, verdict};
use super::recorder::Recorder;
use crate::config::{Pod, TlsTrust};
use crate::model::failure::{Failure, FailureClass};
use crate::model::fingerprint::Fingerprint;
use crate::model::sign_in::Credential;
use crate::pod::{Access, PodClient, PodError, certificate};

/// The right of a command to send the password of a pod once.
pub struct SignInPermit(Pass);

impl SignInPermit {
    /// Waits for others that are just trying the same password. `insists`: although
    /// sign-in is paused.
    ///
    /// # Errors
    /// When sign-in is paused, or a pause could not be written down.
    pub async fn of(gate: &Gate, pod: &Pod, insists: bool) -> Result<Self, Failure> {
        let credential: Credential = gate::credential_of(pod);
        let user = pod.url.key();
        match gate.permit_in_turn(&credential, &user, insists).await {
            Permit::Go(pass) => Ok(Self(pass)),
            Permit::Paused(pause) => Err(Failure {
                class: FailureClass::SignInPaused,
                kind: "sign_in_paused".to_owned(),
                says: format!(
                    "sign-in to the pod at {} is paused until {}: {}",
                    pod.url,
                    pause.until_wall,
                    match pause.rejections {
                        0 => "the last one was not answered",
                        _ => "its password was rejected",
                    }
                ),
                hint: match pause.rejections {
                    0 => "wait until then; to try the password now add `--try-password`",
                    _ => "correct the password; to try it now add `--try-password`",
                }
                .to_owned(),
                is_passing: true,
                retry_after: None,
                secret_was_sent: false,
            }),
            Permit::NotWritable(says) => Err(not_writable(pod, &says)),
            Permit::NotNow => Err(not_writable(pod, "another request is trying it")),
        }
    }

    /// Tells what became of the password.
    pub async fn report<T>(self, answer: &Result<T, PodError>) {
        self.0.report(verdict(answer.as_ref().err())).await;
    }

    /// The same after a request that failed.
    pub async fn report_failure(self, error: &PodError) {
        self.0.report(verdict(Some(error))).await;
    }
}

/// A client that only reads, and the right to sign in with it.
pub struct PodContact {
    client: PodClient,
    permit: SignInPermit,
}

impl PodContact {
    /// Makes ready to talk to a pod. Where no certificate is known yet, the one that it
    /// shows now is insisted on for this contact, and nothing is written down.
    ///
    /// # Errors
    /// When it cannot be reached, or sign-in is paused.
    pub async fn open(
        recorder: &Recorder,
        gate: &Gate,
        pod: &Pod,
        insists: bool,
    ) -> Result<Self, Failure> {
        let known = recorder.pin(&pod.url).map(|pin| Fingerprint(pin.sha256));
        let expected = match (&pod.tls, known) {
            (TlsTrust::Pin, None) => Some(certificate(pod).await.map_err(|error| error.failure())?),
            (_, known) => known,
        };
        let client =
            PodClient::new(pod, expected, Access::ReadOnly).map_err(|error| error.failure())?;
        let permit = SignInPermit::of(gate, pod, insists).await?;
        client.permit_sign_in().await;
        Ok(Self { client, permit })
    }

    #[must_use]
    pub fn client(&self) -> &PodClient {
        &self.client
    }

    /// Tells what became of the password.
    pub async fn report<T>(self, answer: &Result<T, PodError>) {
        self.permit.report(answer).await;
    }
}
