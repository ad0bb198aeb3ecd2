//! The health poll of a pod: sign in, identity, and what the display shows.

use std::fmt;

use tracing::{debug, error, info, warn};

use crate::config::{Pod, Room};
use crate::contact::{self, Contact};
use crate::edges::Edges;
use crate::fault::Fault as _;
use crate::ledger::old::{LedgerError, PodStanding};
use crate::model::agenda::Agenda;
use crate::model::time::UnixTime;
use crate::pod::PodClient;
use crate::pod::error::{ApiError, PodError};
use crate::sync::is_echo;
use crate::telemetry::events;

/// A set that a display keeps altering is sent again so often; then it is left at that.
const REPUSHES: u32 = 2;

/// The state of a pod, as kept in the ledger and shown by `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Well,
    /// It answers, but its display lost or does not show what it confirmed.
    Lost,
    /// No answer, or none that makes sense.
    Unreachable,
    /// It answers, but with an error.
    Failing,
    PasswordRejected,
    CertificateChanged,
    NotLicensed,
}

impl State {
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Lost => "lost",
            Self::Unreachable => "unreachable",
            Self::Failing => "failing",
            Self::PasswordRejected => "password_rejected",
            Self::CertificateChanged => "certificate_changed",
            Self::NotLicensed => "not_licensed",
        }
    }

    /// The state that an error tells of.
    #[must_use]
    pub fn of(error: &PodError) -> Self {
        match error {
            PodError::WrongPassword { .. } => Self::PasswordRejected,
            PodError::CertificateChanged { .. } => Self::CertificateChanged,
            PodError::Refused {
                error: ApiError::NotLicensed,
                ..
            } => Self::NotLicensed,
            PodError::Unreachable { .. }
            | PodError::TimedOut { .. }
            | PodError::LostAnswer { .. }
            | PodError::CutOff { .. }
            | PodError::Tls { .. } => Self::Unreachable,
            _ => Self::Failing,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// What a health poll found out for the room's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing to do.
    InStep,
    /// The display needs a push; the ledger says why.
    NeedsPush,
    NoAnswer,
}

/// What a look at a pod showed.
#[derive(Clone, Debug)]
pub struct Sight {
    pub device_id: Option<String>,
    pub shown: Agenda,
}

/// What a sight means for a display, judged against the ledger. Pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It shows what it confirmed, or nothing was ever pushed to it.
    InStep,
    /// The pod rewrites what it is sent; from now on this counts as in step.
    Alters,
    /// Another device answers at the address.
    Replaced,
    /// It shows nothing, though it confirmed meetings: a restart or a reset.
    Emptied,
    /// It shows something else: part of the set, or someone else's.
    Foreign,
}

/// Judges what a display shows.
///
/// | device | shown | judgement |
/// | --- | --- | --- |
/// | another than before | any | replaced |
/// | – | as confirmed, but for meetings that have ended | in step |
/// | – | never pushed to | in step |
/// | – | as confirmed, or as the pod is known to alter it | in step |
/// | – | the same times in other words, sent twice again | alters |
/// | – | nothing | emptied |
/// | – | anything else | foreign |
#[must_use]
pub fn judge(sight: &Sight, standing: &PodStanding, now: UnixTime) -> Judgement {
    if let (Some(known), Some(seen)) = (&standing.device_id, &sight.device_id)
        && known != seen
    {
        return Judgement::Replaced;
    }
    let Some(confirmed) = &standing.confirmed else {
        return Judgement::InStep;
    };
    // A pod may drop a meeting when it ends; the next sync does so anyway.
    let (confirmed, shown) = (
        &confirmed.still_to_come(now),
        &sight.shown.still_to_come(now),
    );
    let echoed = standing
        .echo
        .as_ref()
        .is_some_and(|echo| echo.still_to_come(now).looks_like(shown));
    if shown.looks_like(confirmed) || echoed {
        return Judgement::InStep;
    }
    if standing.repushes >= REPUSHES && is_part(confirmed, shown) {
        return Judgement::Alters;
    }
    if shown.is_empty() {
        Judgement::Emptied
    } else {
        Judgement::Foreign
    }
}

/// Whether all that is shown stems from our set: the same words, or the same times.
fn is_part(confirmed: &Agenda, shown: &Agenda) -> bool {
    let ours = |id| confirmed.meetings().iter().any(|meeting| &meeting.id == id);
    is_echo(confirmed, shown)
        || (!shown.is_empty() && shown.meetings().iter().all(|meeting| ours(&meeting.id)))
}

/// Polls the health of one pod, keeps and logs what changed.
///
/// # Errors
/// Only the ledger's.
pub async fn poll_health(
    edges: &Edges,
    room: &Room,
    pod: &Pod,
    now: UnixTime,
) -> Result<Found, LedgerError> {
    let _turn = edges.pods.turn(pod).await;
    let standing = edges.ledger.pod(&pod.url).await?;
    let client = match contact::open(edges, pod, &standing, now) {
        Contact::Open(client) => client,
        Contact::Resting { until } => {
            // A push may have been the one that was rejected.
            let says = format!("its password was rejected; it is not tried again before {until}");
            changed(
                edges,
                room,
                pod,
                &standing,
                State::PasswordRejected,
                Some(&says),
                now,
            )
            .await?;
            return Ok(Found::NoAnswer);
        }
        Contact::Failed(error) => {
            failed(edges, room, pod, &standing, &error, now).await?;
            return Ok(Found::NoAnswer);
        }
    };
    let sight = look(&client).await;
    let learnt = contact::note(edges, pod, &standing, &client, &sight, now).await?;
    if let Some(fingerprint) = learnt.pinned {
        let (room, pod) = (&room.name, &pod.url);
        info!(
            event = events::CERTIFICATE_PINNED, %room, %pod, %fingerprint,
            "room `{room}`: trusts the certificate of {pod} from now on"
        );
    }
    match sight {
        Ok(sight) => answered(edges, room, pod, &standing, &sight, now).await,
        Err(error) => {
            failed(edges, room, pod, &standing, &error, now).await?;
            Ok(Found::NoAnswer)
        }
    }
}

async fn look(client: &PodClient) -> Result<Sight, PodError> {
    let device_id = device_id(client).await?;
    let shown = Agenda::new(client.meetings().await?);
    Ok(Sight { device_id, shown })
}

/// Who the pod says it is; `None` for firmware that does not tell.
///
/// # Errors
/// The pod could not be asked.
pub async fn device_id(client: &PodClient) -> Result<Option<String>, PodError> {
    match client.device_id().await {
        Ok(device_id) => Ok(Some(device_id)),
        // Firmware that does not tell who it is can still show meetings.
        Err(
            PodError::Refused {
                error: ApiError::NotFound,
                ..
            }
            | PodError::Unexpected { status: 404, .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn answered(
    edges: &Edges,
    room: &Room,
    pod: &Pod,
    standing: &PodStanding,
    sight: &Sight,
    now: UnixTime,
) -> Result<Found, LedgerError> {
    let ledger = &edges.ledger;
    let judgement = judge(sight, standing, now);
    // A command beside the service may have pushed since the poll began.
    if judgement != Judgement::InStep
        && ledger.pod(&pod.url).await?.confirmed_at != standing.confirmed_at
    {
        return Ok(Found::InStep);
    }
    if let Some(device_id) = &sight.device_id
        && standing.device_id.as_ref() != Some(device_id)
    {
        ledger.set_device(&pod.url, device_id).await?;
    }
    let (name, url) = (&room.name, &pod.url);
    match &judgement {
        Judgement::InStep => {
            changed(edges, room, pod, standing, State::Well, None, now).await?;
            if standing.repushes > 0 && standing.echo.is_none() && !standing.lost {
                ledger.reset_repushes(&pod.url).await?;
            }
            let was_lost = standing.lost && standing.confirmed.is_some();
            return Ok(if was_lost {
                Found::NeedsPush
            } else {
                Found::InStep
            });
        }
        Judgement::Alters => {
            ledger.set_echo(&pod.url, Some(&sight.shown)).await?;
            warn!(
                event = events::DISPLAY_ALTERED, room = %name, pod = %url, meetings = sight.shown.len(),
                "room `{name}`: {url} alters the meetings that it is sent; left at that"
            );
            changed(
                edges,
                room,
                pod,
                standing,
                State::Well,
                Some("alters what it is sent"),
                now,
            )
            .await?;
            return Ok(Found::InStep);
        }
        Judgement::Replaced | Judgement::Emptied | Judgement::Foreign => {}
    }
    let (reason, says) = match judgement {
        Judgement::Replaced => ("replaced", "another device answers at its address"),
        Judgement::Emptied => ("emptied", "its display lost the meetings"),
        _ => (
            "foreign",
            "its display shows other meetings than it was sent",
        ),
    };
    ledger.forget(&pod.url, reason, now).await?;
    ledger.count_repush(&pod.url).await?;
    if !standing.lost {
        warn!(
            event = events::DISPLAY_LOST, room = %name, pod = %url, reason,
            "room `{name}`: {url}: {says}; pushing again"
        );
    }
    changed(edges, room, pod, standing, State::Lost, Some(says), now).await?;
    Ok(Found::NeedsPush)
}

async fn failed(
    edges: &Edges,
    room: &Room,
    pod: &Pod,
    standing: &PodStanding,
    error: &PodError,
    now: UnixTime,
) -> Result<(), LedgerError> {
    let says = crate::fault::chain(error);
    let detail = format!("{says}; {}", error.hint());
    changed(
        edges,
        room,
        pod,
        standing,
        State::of(error),
        Some(&detail),
        now,
    )
    .await
}

/// Keeps the state and says when it is another than before; at the first poll of a pod
/// that is well there is nothing to say.
async fn changed(
    edges: &Edges,
    room: &Room,
    pod: &Pod,
    standing: &PodStanding,
    state: State,
    detail: Option<&str>,
    now: UnixTime,
) -> Result<(), LedgerError> {
    let before = edges
        .ledger
        .set_health(&pod.url, state.key(), detail, now)
        .await?;
    let is_first = standing.health.is_none();
    let before = match before {
        Some(before) => before,
        None if is_first && state != State::Well => "unknown".to_owned(),
        None => return Ok(()),
    };
    let (name, url) = (&room.name, &pod.url);
    let says = detail
        .map(|detail| format!(": {detail}"))
        .unwrap_or_default();
    match state {
        State::Well => info!(
            event = events::POD_HEALTH, room = %name, pod = %url, state = state.key(), before,
            "room `{name}`: {url} is well{says}"
        ),
        State::PasswordRejected | State::CertificateChanged | State::NotLicensed => error!(
            event = events::POD_HEALTH, room = %name, pod = %url, state = state.key(), before,
            "room `{name}`: {url} {state}{says}"
        ),
        // What the display lost was said with the reason.
        State::Lost => debug!(
            event = events::POD_HEALTH, room = %name, pod = %url, state = state.key(), before,
            "room `{name}`: {url} {state}{says}"
        ),
        State::Unreachable | State::Failing => warn!(
            event = events::POD_HEALTH, room = %name, pod = %url, state = state.key(), before,
            "room `{name}`: {url} {state}{says}"
        ),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::meeting::{Meeting, MeetingId};

    fn agenda(meetings: &[(&str, i64, &str)]) -> Agenda {
        let meetings = meetings.iter().map(|(id, start, title)| Meeting {
            id: MeetingId::from_text(id),
            title: (*title).to_owned(),
            organizer: String::new(),
            description: None,
            start_time: UnixTime::from_seconds(*start),
            end_time: UnixTime::from_seconds(start + 60),
        });
        Agenda::new(meetings.collect())
    }

    fn confirmed() -> PodStanding {
        PodStanding {
            device_id: Some("dev-1".into()),
            confirmed: Some(agenda(&[("a", 0, "A"), ("b", 60, "B")])),
            ..PodStanding::default()
        }
    }

    #[track_caller]
    fn check(
        device: &str,
        shown: &[(&str, i64, &str)],
        standing: &PodStanding,
        expected: Judgement,
    ) {
        let sight = Sight {
            device_id: Some(device.into()),
            shown: agenda(shown),
        };
        assert_eq!(
            judge(&sight, standing, UnixTime::from_seconds(-1)),
            expected
        );
    }

    #[test]
    fn a_display_is_judged_by_what_people_see() {
        let same = [("a", 0, "A"), ("b", 60, "B")];
        check("dev-1", &same, &confirmed(), Judgement::InStep);
        check(
            "dev-1",
            &[("1", 0, "A"), ("2", 60, "B")],
            &confirmed(),
            Judgement::InStep,
        );
        check("dev-1", &[], &confirmed(), Judgement::Emptied);
        check("dev-1", &[("a", 0, "A")], &confirmed(), Judgement::Foreign);
        check("dev-1", &[("x", 0, "X")], &confirmed(), Judgement::Foreign);
        check("dev-2", &same, &confirmed(), Judgement::Replaced);
        check(
            "dev-2",
            &[("x", 0, "X")],
            &PodStanding::default(),
            Judgement::InStep,
        );
    }

    #[test]
    fn a_pod_may_drop_a_meeting_when_it_ends() {
        let sight = |shown: &[(&str, i64, &str)]| Sight {
            device_id: None,
            shown: agenda(shown),
        };
        let after_the_first = UnixTime::from_seconds(60);
        assert_eq!(
            judge(&sight(&[("b", 60, "B")]), &confirmed(), after_the_first),
            Judgement::InStep
        );
        assert_eq!(
            judge(&sight(&[]), &confirmed(), UnixTime::from_seconds(120)),
            Judgement::InStep
        );
        assert_eq!(
            judge(&sight(&[]), &confirmed(), after_the_first),
            Judgement::Emptied
        );
    }

    #[test]
    fn a_pod_that_alters_what_it_is_sent_is_not_fought_with() {
        let mut standing = confirmed();
        let altered = [("a", 0, "A..."), ("b", 60, "B")];
        let trimmed = [("a", 0, "A")];
        check("dev-1", &altered, &standing, Judgement::Foreign);
        standing.repushes = REPUSHES;
        check("dev-1", &altered, &standing, Judgement::Alters);
        check("dev-1", &trimmed, &standing, Judgement::Alters);
        check("dev-1", &[("x", 0, "X")], &standing, Judgement::Foreign);
        check("dev-1", &[], &standing, Judgement::Emptied);
        standing.echo = Some(agenda(&altered));
        check("dev-1", &altered, &standing, Judgement::InStep);
    }
}
