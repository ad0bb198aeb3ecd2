use std::time::Duration;

use super::*;
use crate::control::pod::PushReason;
use crate::model::failure::{Failure, FailureClass};
use crate::model::time::UnixTime;

fn said(event: &PodEvent) -> Line {
    let room = RoomName::new("oak").unwrap();
    let pod = PodUrl::parse("192.0.2.11").unwrap();
    line(&room, &pod, event)
}

fn failure(class: FailureClass) -> Failure {
    Failure {
        class,
        kind: "timed_out".into(),
        says: "the pod did not answer".into(),
        hint: "look at it".into(),
        is_passing: true,
        retry_after: None,
        secret_was_sent: false,
    }
}

#[test]
fn a_line_names_room_and_pod_in_words_and_fields() {
    let line = said(&PodEvent::ShowsPart { shown: 4, of: 6 });
    assert!(
        line.text.starts_with("room `oak`: 192.0.2.11 "),
        "{}",
        line.text
    );
    assert!(line.text.contains("meetings.max"), "{}", line.text);
    assert!(line.fields.contains(&("room", "oak".into())));
    assert!(line.fields.contains(&("pod", "192.0.2.11".into())));
}

#[test]
fn levels_say_who_is_wanted() {
    let state = |state, is_quiet| PodEvent::State {
        before: PodState::InStep,
        state,
        detail: None,
        failures: 1,
        is_quiet,
    };
    let failed = |class| PodEvent::PushFailed {
        failure: failure(class),
        failures: 1,
        since: UnixTime::from_seconds(0),
        is_quiet: false,
    };
    for (event, level) in [
        (state(PodState::Unreachable, false), Level::Warn),
        (state(PodState::Unreachable, true), Level::Debug),
        (state(PodState::CertificateChanged, false), Level::Error),
        (state(PodState::InStep, false), Level::Info),
        (failed(FailureClass::TimedOut), Level::Warn),
        (failed(FailureClass::SecretRejected), Level::Error),
        (PodEvent::ModeWrong { mode: "x".into() }, Level::Error),
    ] {
        assert_eq!(said(&event).level, level, "{event:?}");
    }
}

#[test]
fn a_push_says_what_changed_and_what_ended() {
    let line = said(&PodEvent::Pushed {
        reason: PushReason::Changed,
        meetings: 1,
        added: 1,
        removed: 0,
        changed: 0,
        duration: Duration::from_millis(12),
        reboot_required: true,
        restart_required: false,
        failures: 5,
        is_shown: true,
    });
    assert_eq!(
        line.text,
        "room `oak`: 192.0.2.11: pushed 1 meeting (the calendar changed: 1 added, 0 removed, 0 changed), recovered after \
         5 failures; the pod reports that it needs a reboot"
    );
    assert_eq!((line.name, line.level), ("push.done", Level::Info));
}
