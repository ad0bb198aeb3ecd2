//! The secret of a feed: whether it may be sent, and what an answer says of it.

use crate::config::Feed;
use crate::control::secret_gate::Verdict;
use crate::feed::error::{PullError, PullErrorKind, Rejection};
use crate::feed::{FeedClient, Network};
use crate::model::failure::{Failure, FailureClass};
use crate::model::sign_in::Credential;
use crate::service::gate::{self, Gate, Pass, Permit, SignInPause};

/// Why a secret may not be sent.
pub(super) enum Refusal {
    Paused(SignInPause),
    /// Its pause cannot be written.
    NotWritable(Failure),
}

impl Refusal {
    pub(super) fn failure(self, feed: &Feed) -> Failure {
        match self {
            Self::Paused(pause) => paused(feed, &pause),
            Self::NotWritable(failure) => failure,
        }
    }
}

/// Waits for the right to send the secret of a feed; `None` where it has none.
pub(super) async fn permit(
    feed: &Feed,
    credential: Option<&Credential>,
    gate: &Gate,
    insists: bool,
) -> Result<Option<Pass>, Refusal> {
    let Some(credential) = credential else {
        return Ok(None);
    };
    loop {
        match gate.permit_in_turn(credential, &user(feed), insists).await {
            Permit::Go(pass) => return Ok(Some(pass)),
            Permit::Paused(pause) => return Err(Refusal::Paused(pause)),
            Permit::NotWritable(says) => {
                return Err(Refusal::NotWritable(not_writable(feed, &says)));
            }
            // Not in turn: asked again.
            Permit::NotNow => {}
        }
    }
}

/// The client of a feed, and what it signs in with.
pub(super) fn client(
    feed: &Feed,
    network: &Network,
) -> (Result<FeedClient, PullError>, Option<Credential>) {
    let client = FeedClient::new(feed, network);
    let credential = client
        .as_ref()
        .ok()
        .and_then(|client| gate::credential_of_feed(client, &feed.source));
    (client, credential)
}

/// What a feed is called at the gate: all of its digest, since two feeds must not share
/// a pause.
pub(super) fn user(feed: &Feed) -> String {
    format!("{}#{}", feed.id.host(), feed.id.as_str())
}

/// What an answer says of the secret.
pub(super) fn verdict<T>(answer: &Result<T, PullError>) -> Verdict {
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

pub(super) fn paused(feed: &Feed, pause: &SignInPause) -> Failure {
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
        hint: "make the ledger writable; podcal then continues by itself".to_owned(),
        is_passing: true,
        retry_after: None,
        secret_was_sent: false,
    }
}

/// A step failed inside podcal.
#[must_use]
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
