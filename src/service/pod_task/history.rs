//! What of a pod is kept in the history.

use crate::control::pod::{PodEvent, PodState, PodView};
use crate::ledger::{Event, HistoryLine};
use crate::model::time::UnixTime;

/// The lines of the history for these events. `mode` is the calendar mode before them.
pub(super) fn lines(
    events: &[PodEvent],
    view: &PodView,
    mode: Option<String>,
    now: UnixTime,
) -> Vec<HistoryLine> {
    let mut mode = mode;
    events
        .iter()
        .filter_map(|event| line(event, view, &mut mode, now))
        .collect()
}

fn line(
    event: &PodEvent,
    view: &PodView,
    mode_before: &mut Option<String>,
    now: UnixTime,
) -> Option<HistoryLine> {
    let pod = view.identity.pod.to_string();
    let mut streak = None;
    let event = match event {
        PodEvent::Pushed {
            reason,
            meetings,
            duration,
            failures,
            ..
        } => Event::Pushed {
            pod,
            reason: reason.key().to_owned(),
            meetings: *meetings,
            changes: (*view.last_push.as_ref()?.changes).clone(),
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            failures: *failures,
        },
        PodEvent::PushFailed { failure, since, .. } => {
            streak = Some(*since);
            Event::PushFailed {
                pod,
                error: failure.says.clone(),
                kind: failure.kind.clone(),
                passing: failure.is_passing,
            }
        }
        PodEvent::DisplayLost { loss, .. } => Event::Lost {
            pod,
            reason: loss.key().to_owned(),
        },
        PodEvent::State {
            before,
            state,
            detail,
            ..
        } if before != state && !(is_usual(*before) && is_usual(*state)) => Event::Health {
            pod,
            before: (*before != PodState::Unknown).then(|| before.key().to_owned()),
            state: state.key().to_owned(),
            detail: detail.clone(),
        },
        PodEvent::ModeWrong { mode } | PodEvent::ModeRight { mode, .. } => Event::Mode {
            pod,
            before: mode_before.replace(mode.clone()),
            mode: mode.clone(),
        },
        PodEvent::ConfigDrift { path, before, now } => Event::Drift {
            pod,
            detail: format!("{path} changed from {before} to {now}"),
            repaired: false,
        },
        PodEvent::ConfigRepaired { settings, .. } => Event::Drift {
            pod,
            detail: settings.clone(),
            repaired: true,
        },
        _ => return None,
    };
    let identity = &view.identity;
    let line = HistoryLine::of_pod(Some(&identity.room), &identity.pod, now, event);
    Some(match streak {
        Some(since) => line.in_streak(since),
        None => line,
    })
}

/// States through which every pod goes as its room's meetings change.
fn is_usual(state: PodState) -> bool {
    matches!(
        state,
        PodState::Unknown | PodState::Waiting | PodState::InStep | PodState::Behind
    )
}
