//! The words of pods and their displays.

use super::service::count;
use crate::control::pod::{Loss, PodEvent, PodState, Removal};
use crate::model::name::{PodUrl, RoomName};
use crate::telemetry::line::{Level, Line, time};

/// The line of an event of this pod, whose display is that of the room.
#[must_use]
pub fn line(room: &RoomName, pod: &PodUrl, event: &PodEvent) -> Line {
    let of = format!("room `{room}`: {pod}");
    let line = match event {
        PodEvent::State {
            before,
            state,
            detail,
            failures,
            is_quiet,
        } => health(&of, *before, *state, detail.as_deref(), *failures, *is_quiet),
        PodEvent::Flapping { changes } => Line::new(
            "pod.flapping",
            Level::Warn,
            format!(
                "{of} keeps failing and recovering, {changes} times within 15 minutes; single changes are not \
                 reported any more until it is steady"
            ),
        )
        .with("changes", *changes),
        PodEvent::Steady { state, changes } => Line::new(
            "pod.steady",
            Level::Info,
            format!(
                "{of} has been {} for 15 minutes, after {}",
                state.words(),
                count(*changes as usize, "change", "changes")
            ),
        )
        .with("state", state.key())
        .with("changes", *changes),
        PodEvent::Pushed { .. } => pushed(&of, event),
        PodEvent::PushFailed {
            failure,
            failures,
            since,
            is_quiet,
        } => Line::new(
            "push.failed",
            level(*is_quiet, match PodState::of_failure(failure.class).wants_a_person() {
                true => Level::Error,
                false => Level::Warn,
            }),
            format!(
                "{of}: the push failed{}: {}; {}",
                in_a_row(*failures),
                failure.says,
                failure.hint
            ),
        )
        .with("error.type", failure.kind.as_str())
        .with("failures", *failures)
        .with("since", time(*since)),
        PodEvent::DisplayLost {
            loss,
            times,
            is_quiet,
        } => lost(&of, *loss, *times, *is_quiet),
        PodEvent::SomebodyElseWrites { corrections } => Line::new(
            "display.somebody_else_writes",
            Level::Warn,
            format!(
                "{of}: somebody else writes to this display: it was corrected {corrections} times and shows other \
                 meetings again; from now on it is corrected less and less often. Look for another program, or a \
                 second podcal, that sends meetings to it"
            ),
        )
        .with("corrections", *corrections),
        PodEvent::TextsAltered { how } => Line::new(
            "display.altered",
            Level::Warn,
            format!("{of} rewrites the meetings that it is sent ({how}); its version is accepted"),
        )
        .with("how", how.as_str()),
        PodEvent::ShowsPart { shown, of: all } => Line::new(
            "display.shows_part",
            Level::Warn,
            format!(
                "{of} shows only the nearest {shown} of {all} meetings; lower `meetings.max` of the room to {shown}, \
                 or look at the pod's settings"
            ),
        )
        .with("shown", *shown)
        .with("meetings", *all),
        PodEvent::CannotBeVerified { how } => Line::new(
            "display.cannot_be_verified",
            Level::Warn,
            format!(
                "{of}: what its display shows cannot be verified: {how}; it is sent its meetings a few times an hour. \
                 Look at the display itself, and at the pod's firmware"
            ),
        ),
        PodEvent::ModeWrong { mode } => Line::new(
            "push.refused",
            Level::Error,
            format!(
                "{of} is in the calendar mode {mode} and is not written to; set it to \"3rd party only\" in its \
                 calendar settings"
            ),
        )
        .with("mode", mode.as_str()),
        PodEvent::ModeRight { mode, before } => Line::new(
            "push.allowed",
            Level::Info,
            format!("{of} is in the calendar mode {mode} again, after {before}; it is written to"),
        )
        .with("mode", mode.as_str())
        .with("before", before.as_str()),
        PodEvent::ModeNotVerified => Line::new(
            "pod.mode_unverified",
            Level::Warn,
            format!(
                "{of} does not report its calendar mode; podcal pushes anyway. If you know how it spells \"3rd party \
                 only\", write that to `third_party_type`"
            ),
        ),
        PodEvent::DeviceReplaced { .. }
        | PodEvent::DeviceOfOtherRoom { .. }
        | PodEvent::DeviceAccepted { .. }
        | PodEvent::AddressClash { .. }
        | PodEvent::AddressClashEnded
        | PodEvent::SharedDeviceId { .. }
        | PodEvent::NoDeviceId
        | PodEvent::CertificatePinned { .. } => device(&of, room, event),
        PodEvent::ConfigDrift { .. }
        | PodEvent::ConfigUnwanted { .. }
        | PodEvent::ConfigRepaired { .. }
        | PodEvent::ConfigFailed { .. } => config(&of, event),
        PodEvent::Removed { removal, shown } => removed(&of, removal, *shown),
    };
    line.with("room", room.as_str())
        .with("pod", pod.to_string())
}

fn level(is_quiet: bool, level: Level) -> Level {
    if is_quiet { Level::Debug } else { level }
}

fn in_a_row(failures: u32) -> String {
    match failures {
        0 | 1 => String::new(),
        failures => format!(" ({failures} failures in a row)"),
    }
}

fn health(
    of: &str,
    before: PodState,
    state: PodState,
    detail: Option<&str>,
    failures: u32,
    is_quiet: bool,
) -> Line {
    let usual = match state {
        state if state.wants_a_person() => Level::Error,
        PodState::Unreachable | PodState::Failing | PodState::Throttled | PodState::ClockWrong => {
            Level::Warn
        }
        _ => Level::Info,
    };
    let words = match state {
        PodState::SignInPaused | PodState::CertificateChanged => format!("{of}: {}", state.words()),
        PodState::ClockWrong => format!("{of}: wrong clock"),
        state => format!("{of} is {}", state.words()),
    };
    let attempts = match failures {
        0 | 1 => String::new(),
        failures => format!(" ({failures} failures in a row)"),
    };
    let detail = detail
        .map(|detail| format!(": {detail}"))
        .unwrap_or_default();
    Line::new(
        "pod.health",
        level(is_quiet, usual),
        format!("{words}{attempts}{detail}"),
    )
    .with("state", state.key())
    .with("before", before.key())
    .with("failures", failures)
}

fn pushed(of: &str, event: &PodEvent) -> Line {
    let PodEvent::Pushed {
        reason,
        meetings,
        added,
        removed,
        changed,
        duration,
        reboot_required,
        restart_required,
        failures,
        is_shown,
    } = event
    else {
        return Line::new("push.done", Level::Info, of);
    };
    let after = match failures {
        0 => String::new(),
        failures => format!(
            ", recovered after {}",
            count(*failures as usize, "failure", "failures")
        ),
    };
    let needs = match (reboot_required, restart_required) {
        (true, _) => "; the pod reports that it needs a reboot",
        (false, true) => "; the pod reports that it needs a restart",
        (false, false) => "",
    };
    let unseen = if *is_shown {
        ""
    } else {
        "; the display does not show it yet"
    };
    let why = reason.words();
    Line::new(
        "push.done",
        Level::Info,
        format!(
            "{of}: pushed {} ({why}: {added} added, {removed} removed, {changed} changed){after}{unseen}{needs}",
            count(*meetings, "meeting", "meetings")
        ),
    )
    .with("reason", reason.key())
    .with("meetings", *meetings)
    .with("added", *added)
    .with("removed", *removed)
    .with("changed", *changed)
    .with("failures", *failures)
    .with("is_shown", *is_shown)
    .with("reboot_required", *reboot_required)
    .with("restart_required", *restart_required)
    .with("duration_ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn lost(of: &str, loss: Loss, times: u32, is_quiet: bool) -> Line {
    let says = loss.words();
    let again = match times {
        0 | 1 => String::new(),
        times => format!(" ({times} times within an hour)"),
    };
    Line::new(
        "display.lost",
        level(is_quiet, Level::Warn),
        format!("{of}: {says}{again}; pushing again"),
    )
    .with("reason", loss.key())
    .with("times", times)
}

fn device(of: &str, room: &RoomName, event: &PodEvent) -> Line {
    match event {
        PodEvent::DeviceReplaced { before, device } => Line::new(
            "pod.device_replaced",
            Level::Warn,
            format!("{of}: another device answers at its address than before"),
        )
        .with("before", before.as_str())
        .with("device", device.as_str()),
        PodEvent::DeviceOfOtherRoom {
            device,
            room: other,
            pod,
        } => Line::new(
            "pod.device_changed",
            Level::Error,
            format!(
                "{of}: the device at its address was that of room `{other}` ({pod}), so it is not written to; correct \
                 the addresses, or run `podcal pod {room} trust` if it belongs here now"
            ),
        )
        .with("device", device.as_str())
        .with("other_room", other.as_str())
        .with("other_pod", pod.to_string()),
        PodEvent::DeviceAccepted { device } => Line::new(
            "pod.device_accepted",
            Level::Info,
            format!("{of}: the device at its address is accepted as this room's"),
        )
        .with("device", device.as_str()),
        PodEvent::AddressClash {
            device,
            room: other,
            pod,
        } => Line::new(
            "pod.address_clash",
            Level::Error,
            format!(
                "{of} and {pod} of room `{other}` are the same device: its display shows what room `{other}` put there. \
                 It is not written to for room `{room}`; correct one of the two addresses"
            ),
        )
        .with("device", device.as_str())
        .with("other_room", other.as_str())
        .with("other_pod", pod.to_string()),
        PodEvent::SharedDeviceId {
            device,
            room: other,
            pod,
        } => Line::new(
            "pod.device_id_shared",
            Level::Warn,
            format!(
                "{of} reports the same device id as {pod} of room `{other}`; if they are two addresses of one pod, \
                 correct one of them"
            ),
        )
        .with("device", device.as_str())
        .with("other_room", other.as_str())
        .with("other_pod", pod.to_string()),
        PodEvent::NoDeviceId => Line::new(
            "pod.no_device_id",
            Level::Warn,
            format!("{of} reports an empty device id, so another device at its address would not be noticed"),
        ),
        PodEvent::CertificatePinned {
            fingerprint,
            is_written,
        } => {
            let (level, not) = match is_written {
                true => (Level::Info, ""),
                false => (
                    Level::Error,
                    "; the ledger cannot be written, so this holds only until podcal stops",
                ),
            };
            Line::new(
                "pod.certificate_pinned",
                level,
                format!(
                    "{of}: its certificate (sha256 {fingerprint}) is trusted from now on{not}"
                ),
            )
            .with("fingerprint", fingerprint.as_str())
        }
        _ => Line::new(
            "pod.address_clash_ended",
            Level::Info,
            format!("{of} no longer leads to the device of another room; it is written to again"),
        ),
    }
}

fn config(of: &str, event: &PodEvent) -> Line {
    match event {
        PodEvent::ConfigDrift { path, before, now } => Line::new(
            "pod.config_drift",
            Level::Warn,
            format!("{of}: {path} changed from {before} to {now}"),
        )
        .with("path", path.as_str())
        .with("before", before.as_str())
        .with("now", now.as_str()),
        PodEvent::ConfigUnwanted { path, now, wanted } => Line::new(
            "pod.config_drift",
            Level::Warn,
            format!("{of}: {path} is {now}, `enforce` wants {wanted}"),
        )
        .with("path", path.as_str())
        .with("now", now.as_str())
        .with("wanted", wanted.as_str()),
        PodEvent::ConfigFailed {
            what,
            failure,
            is_quiet,
        } => Line::new(
            "pod.config_failed",
            level(*is_quiet, Level::Warn),
            format!(
                "{of}: its configuration could not be {what}: {}; {}",
                failure.says, failure.hint
            ),
        )
        .with("error.type", failure.kind.as_str()),
        PodEvent::ConfigRepaired {
            settings,
            reboot_required,
            restart_required,
        } => Line::new(
            "pod.config_repaired",
            Level::Info,
            format!("{of}: repaired {settings}"),
        )
        .with("settings", settings.as_str())
        .with("reboot_required", *reboot_required)
        .with("restart_required", *restart_required),
        _ => Line::new("pod.config_repaired", Level::Info, of),
    }
}

fn removed(of: &str, removal: &Removal, shown: Option<usize>) -> Line {
    let shows = match shown {
        Some(shown) => format!(
            "its display still shows {}",
            count(shown, "meeting", "meetings")
        ),
        None => "what its display shows is not known".to_owned(),
    };
    let (level, says) = match removal {
        Removal::Kept => (Level::Info, format!("{of} left the configuration; {shows}")),
        Removal::Cleared => (
            Level::Info,
            format!("{of} left the configuration; its display was cleared"),
        ),
        Removal::NotCleared { why } => (
            Level::Warn,
            format!("{of} left the configuration and could not be cleared: {why}; {shows}"),
        ),
    };
    Line::new("pod.removed", level, says)
        .with("cleared", *removal == Removal::Cleared)
        .with("meetings", shown)
}

#[cfg(test)]
mod tests;
