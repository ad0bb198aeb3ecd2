//! Requests to a pod, and what their answers mean for the controller and the gate.

use std::time::Duration;

use crate::config::Pod;
use crate::control::pod::{PodOutcome, PodStep, PutFailure, ReportedMode};
use crate::control::secret_gate::Verdict;
use crate::model::agenda::Agenda;
use crate::model::failure::{Failure, FailureClass};
use crate::pod::{CalendarMode, Confirmation, Operation, PodClient, PodError, PodErrorKind};

/// The device is asked for last: where another one has just taken its place, what is shown is
/// never taken for the display of the one before.
pub(super) async fn look(client: &PodClient) -> Result<(Option<String>, Agenda), PodError> {
    let shown = Agenda::new(client.meetings().await?);
    let device_id = client.device_id().await?;
    Ok((device_id, shown))
}

/// A success that confirms nothing is how some firmware answers a token that it does not take:
/// what the display shows decides.
pub(super) fn confirmed(
    client: &PodClient,
    answer: Confirmation,
) -> Result<Confirmation, PodError> {
    if answer.confirmed {
        return Ok(answer);
    }
    let kind = PodErrorKind::NotConfirmed;
    Err(PodError::new(client.url(), Operation::SetMeetings, kind))
}

pub(super) fn reported(mode: &CalendarMode) -> ReportedMode {
    match mode {
        CalendarMode::ThirdParty => ReportedMode::ThirdParty,
        CalendarMode::Unverified => ReportedMode::NotVerified,
        other => ReportedMode::Other(other.to_string()),
    }
}

/// What an answer says about the password: whatever the pod answered to anything but a
/// sign-in, it had accepted the password for that.
pub fn verdict(error: Option<&PodError>) -> Verdict {
    let Some(error) = error else {
        return Verdict::Accepted;
    };
    match (&error.kind, error.operation) {
        (PodErrorKind::WrongPassword { asked: true }, _) => Verdict::Rejected,
        _ if !error.password_was_sent() => Verdict::NotSent,
        (_, Operation::SignIn) if error.status() == Some(403) => Verdict::Forbidden,
        // A pod that fails or is busy has not looked at the password.
        (_, Operation::SignIn) if error.status().is_some() => Verdict::Inconclusive,
        (_, Operation::SignIn) => Verdict::Unknown,
        _ => Verdict::Accepted,
    }
}

/// The step could not be taken.
pub(super) fn failed(step: &PodStep, failure: Failure) -> PodOutcome {
    match step {
        PodStep::AskMode => PodOutcome::Mode(Err(failure)),
        PodStep::Put(_) => PodOutcome::Put(Err(PutFailure {
            failure,
            duration: Duration::ZERO,
            may_be_done: false,
        })),
        PodStep::ReadConfig => PodOutcome::Config(Err(failure)),
        PodStep::PatchConfig(_) => PodOutcome::Patch(Err(failure)),
        PodStep::Look | PodStep::Wait(_) | PodStep::CheckSignIn | PodStep::Finished => {
            PodOutcome::Look(Err(failure))
        }
    }
}

pub fn not_writable(pod: &Pod, says: &str) -> Failure {
    Failure {
        class: FailureClass::SignInPaused,
        kind: "sign_in_not_writable".to_owned(),
        says: format!(
            "the password of the pod at {} was not tried, because a pause of sign-in could not be written: {says}",
            pod.url
        ),
        hint: "make the ledger writable; podcal then continues by itself".to_owned(),
        is_passing: true,
        retry_after: None,
        secret_was_sent: false,
    }
}
