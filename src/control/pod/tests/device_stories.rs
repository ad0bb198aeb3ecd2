//! Which device answers, in which mode it is, and how it is set up.

use super::*;

const EXCHANGE: &str = "Microsoft Exchange";

fn other_mode() -> ReportedMode {
    ReportedMode::Other(EXCHANGE.into())
}

#[test]
fn a_pod_in_another_mode_is_not_written_to_and_both_changes_are_said_once() {
    let mut story = Story::new();
    story.want(&DAY).live(60).expect_puts(1);
    story.pod.mode = other_mode();
    story.want(&[(100, "New")]).live(300).expect_puts(1);
    story.expect_state(PodState::WrongMode);
    // Its polls ask the mode in place of looking.
    let before = story.second;
    story.live(300);
    assert!(story.steps_since(before).iter().all(|step| *step == "mode"));
    assert!(story.steps_since(before).len() >= 9);
    story.pod.mode = ReportedMode::ThirdParty;
    story.live(31).expect_puts(2).expect_state(PodState::InStep);
    let wrong = PodEvent::ModeWrong {
        mode: EXCHANGE.into(),
    };
    let right = PodEvent::ModeRight {
        mode: "3rd party only".into(),
        before: EXCHANGE.into(),
    };
    assert_eq!(
        [story.count(|e| *e == wrong), story.count(|e| *e == right)],
        [1, 1]
    );
}

#[test]
fn the_config_poll_finds_another_mode_too() {
    let mut story = Story::new();
    story.want(&DAY).live(60);
    story.pod.mode = other_mode();
    story.live(900).expect_state(PodState::WrongMode);
    story.restart(5).live(60).expect_state(PodState::WrongMode);
    assert_eq!(
        story.count(|event| matches!(event, PodEvent::ModeWrong { .. })),
        1
    );
}

#[test]
fn no_answer_to_the_mode_no_push() {
    let mut story = Story::new();
    story.want(&DAY);
    // The look answers, the mode does not.
    let PodStep::Look = story.controller.next(story.now()) else {
        panic!()
    };
    let outcome = story.answer(PodStep::Look);
    story.controller.learn(outcome, story.now());
    story.pod.down = Some(failure(FailureClass::TimedOut));
    story
        .live(600)
        .expect_puts(0)
        .expect_state(PodState::Unreachable);
    story.pod.down = None;
    story.live(60).expect_puts(1);
}

#[test]
fn a_mode_that_is_not_reported_is_said_once_and_pushed_to() {
    let mut story = Story::new();
    story.pod.mode = ReportedMode::NotVerified;
    story
        .want(&DAY)
        .live(60)
        .want(&[(100, "Z")])
        .live(60)
        .expect_puts(2);
    story.restart(5).want(&[(100, "Y")]).live(60).expect_puts(3);
    assert_eq!(story.count(|event| *event == PodEvent::ModeNotVerified), 1);
}

/// What another pod of the configuration says of its device.
fn other(place: usize, accepted: &str, live: &str, sent: Option<Agenda>) -> PodIdentity {
    let id = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let settings = settings_of(place);
    PodIdentity {
        pod: settings.pod,
        room: settings.room,
        place,
        accepted: id(accepted),
        live: id(live),
        sent: sent.map(Arc::new),
    }
}

fn know(story: &mut Story, others: impl IntoIterator<Item = PodIdentity>) {
    story.controller.set_devices(Arc::new(Devices::of(others)));
}

#[test]
fn a_replaced_device_gets_the_meetings_and_is_said() {
    let mut story = Story::new();
    story.want(&DAY).live(60);
    story.pod.device = Some("dev-2".into());
    story.pod.shown.clear();
    story.live(31).expect_puts(2).expect_state(PodState::InStep);
    let replaced = |event: &PodEvent| matches!(event, PodEvent::DeviceReplaced { .. });
    let lost = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::DisplayLost {
                loss: Loss::Replaced,
                ..
            }
        )
    };
    assert_eq!([story.count(replaced), story.count(lost)], [1, 1]);
    let memory = story.controller.memory(story.now());
    assert_eq!(memory.device_id.as_deref(), Some("dev-2"));
}

#[test]
fn another_rooms_device_is_not_written_to_until_a_person_accepts_it() {
    let mut story = Story::new();
    story.want(&DAY).live(60).expect_puts(1);
    // Two pods swapped their addresses; the other one was not looked at since.
    know(&mut story, [other(2, "dev-2", "dev-2", None)]);
    story.pod.device = Some("dev-2".into());
    story.pod.shown = agenda(&[(100, "Of room 2")]).meetings().to_vec();
    story
        .live(600)
        .expect_puts(1)
        .expect_state(PodState::DeviceChanged);
    let said = |event: &PodEvent| matches!(event, PodEvent::DeviceOfOtherRoom { .. });
    assert_eq!(story.count(said), 1);
    assert!(story.controller.view().detail.unwrap().contains("room2"));
    story.restart(5);
    know(&mut story, [other(2, "dev-2", "dev-1", None)]);
    story
        .live(300)
        .expect_puts(1)
        .expect_state(PodState::DeviceChanged);
    let events = story.controller.accept_device(story.now());
    assert_eq!(
        events,
        [PodEvent::DeviceAccepted {
            device: "dev-2".into()
        }]
    );
    story.live(31).expect_puts(2).expect_shown(&["A", "B", "C"]);
}

#[test]
fn a_device_that_comes_back_is_written_to_again() {
    let mut story = Story::new();
    story.want(&DAY).live(60);
    know(&mut story, [other(2, "dev-2", "", None)]);
    story.pod.device = Some("dev-2".into());
    story.live(60).expect_state(PodState::DeviceChanged);
    story.pod.device = Some("dev-1".into());
    story.live(60).expect_state(PodState::InStep);
    story.want(&[(100, "Z")]).live(1).expect_puts(2);
}

#[test]
fn a_device_that_is_accepted_before_it_was_seen_is_accepted_when_it_is() {
    let mut story = Story::new();
    know(&mut story, [other(2, "dev-1", "", None)]);
    story.controller.accept_device(story.now());
    story
        .want(&DAY)
        .live(10)
        .expect_puts(1)
        .expect_state(PodState::InStep);
}

#[test]
fn two_addresses_of_one_device_clash_once_that_is_proven() {
    let mut story = Story::with(settings_of(2));
    let theirs = agenda(&[(100, "Theirs"), (101, "More")]);
    let first = |sent: Option<Agenda>| other(1, "dev-1", "dev-1", sent);
    know(&mut story, [first(None)]);
    story.want(&DAY).live(60).expect_puts(1);
    // Nothing but the id is the same so far, and that may be a clone's.
    assert_eq!(
        story.count(|event| matches!(event, PodEvent::SharedDeviceId { .. })),
        1
    );
    // The first address puts its set, and it shows at the second.
    know(&mut story, [first(Some(theirs.clone()))]);
    story.pod.shown = theirs.meetings().to_vec();
    story
        .live(600)
        .expect_puts(1)
        .expect_state(PodState::AddressClash);
    let said = |event: &PodEvent| match event {
        PodEvent::AddressClash { room, .. } => room.as_str() == "room1",
        _ => false,
    };
    assert_eq!(story.count(said), 1);
    story.want(&[(100, "Z")]).live(600).expect_puts(1);
    // The configuration is corrected.
    know(&mut story, []);
    story.pod.device = Some("dev-1".into());
    story.live(31).expect_puts(2).expect_state(PodState::InStep);
}

#[test]
fn cloned_ids_and_the_same_meetings_are_no_clash() {
    let mut story = Story::with(settings_of(2));
    know(&mut story, [other(1, "dev-1", "dev-1", Some(agenda(&DAY)))]);
    story
        .want(&DAY)
        .live(600)
        .expect_puts(1)
        .expect_state(PodState::InStep);
    // Another display's set would be a clash, somebody else's is not.
    story.pod.shown = agenda(&[(100, "Foreign")]).meetings().to_vec();
    story.live(60).expect_puts(2).expect_state(PodState::InStep);
}

#[test]
fn the_earlier_of_two_addresses_goes_on() {
    let mut story = Story::with(settings_of(1));
    let theirs = agenda(&[(100, "Theirs")]);
    know(
        &mut story,
        [other(2, "dev-1", "dev-1", Some(theirs.clone()))],
    );
    story.want(&DAY).live(60);
    story.pod.shown = theirs.meetings().to_vec();
    story.live(60).expect_puts(2).expect_shown(&["A", "B", "C"]);
}

#[test]
fn a_pod_without_an_id_is_only_said() {
    let mut story = Story::new();
    story.pod.device = Some(String::new());
    story
        .want(&DAY)
        .live(600)
        .expect_puts(1)
        .expect_state(PodState::InStep);
    assert_eq!(story.count(|event| *event == PodEvent::NoDeviceId), 1);
    let mut story = Story::new();
    story.pod.device = None;
    story.want(&DAY).live(600).expect_puts(1);
    assert_eq!(story.count(|event| *event == PodEvent::NoDeviceId), 0);
}

#[test]
fn a_clock_of_the_pod_that_is_wrong_is_a_state() {
    let mut story = Story::new();
    story.pod.clock_ahead = Some(90);
    story.want(&DAY).live(60).expect_state(PodState::InStep);
    story.pod.clock_ahead = Some(-3600);
    story.live(60).expect_state(PodState::ClockWrong);
    let detail = story.controller.view().detail.unwrap();
    assert!(detail.contains("3600 s behind"), "{detail}");
    assert!(story.state().is_in_step());
    story.pod.clock_ahead = Some(0);
    story.live(60).expect_state(PodState::InStep);
}

#[test]
fn drift_is_said_and_only_what_is_enforced_is_repaired() {
    let mut with = settings();
    let wanted = json!({ "display": { "calendar": { "enabled": true } } });
    with.enforce = wanted.as_object().cloned();
    let mut story = Story::with(with);
    let config = |name: &str, enabled: bool| json!({ "display": { "name": name, "calendar": { "enabled": enabled, "show": true } } });
    story.pod.config = config("A", true);
    story.want(&DAY).live(60);
    assert!(story.times("patch").is_empty());
    story.pod.config = config("B", false);
    story.live(900);
    assert_eq!(story.times("patch").len(), 1);
    assert_eq!(story.pod.config, config("B", true));
    let drifted = |path: &'static str| move |event: &PodEvent| matches!(event, PodEvent::ConfigDrift { path: at, .. } if at == path);
    let unwanted = |event: &PodEvent| matches!(event, PodEvent::ConfigUnwanted { path, .. } if path == "display.calendar.enabled");
    assert_eq!(story.count(drifted("display.name")), 1);
    assert_eq!(story.count(drifted("display.calendar.enabled")), 0);
    assert_eq!(story.count(unwanted), 1);
    assert_eq!(
        story.count(|event| matches!(event, PodEvent::ConfigRepaired { .. })),
        1
    );
    story.restart(5).live(1800);
    assert_eq!(story.count(drifted("display.name")), 1);
    assert_eq!(story.times("patch").len(), 1);
}

#[test]
fn a_display_is_cleared_only_in_the_right_mode() {
    let mut story = Story::new();
    story.want(&DAY).live(61);
    story.controller.remove(true, story.now());
    let before = story.second;
    story.live(1).expect_shown(&[]);
    assert_eq!(story.steps_since(before), ["look", "mode", "put"]);
    assert_eq!(story.controller.next(story.now()), PodStep::Finished);
    assert!(story.events.contains(&PodEvent::Removed {
        removal: Removal::Cleared,
        shown: Some(3)
    }));

    let mut story = Story::new();
    story.want(&DAY).live(60);
    story.pod.mode = other_mode();
    story.controller.remove(true, story.now());
    story.live(1).expect_puts(1).expect_shown(&["A", "B", "C"]);
    let not_cleared = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::Removed {
                removal: Removal::NotCleared { .. },
                shown: Some(3)
            }
        )
    };
    assert_eq!(story.count(not_cleared), 1);

    let mut story = Story::new();
    story.want(&DAY).live(60);
    let events = story.controller.remove(false, story.now());
    assert_eq!(
        events,
        [PodEvent::Removed {
            removal: Removal::Kept,
            shown: Some(3)
        }]
    );
    story.live(60).expect_puts(1);
}

fn removal(story: &Story) -> Option<Removal> {
    let removals = story.events.iter().filter_map(|event| match event {
        PodEvent::Removed { removal, .. } => Some(removal.clone()),
        _ => None,
    });
    let removals: Vec<_> = removals.collect();
    assert!(removals.len() <= 1, "{removals:?}");
    removals.into_iter().next()
}

#[test]
fn a_display_that_is_empty_beyond_doubt_is_not_cleared_again() {
    // It showed what it was sent, and was emptied.
    let mut story = Story::new();
    story.want(&DAY).live(61);
    story.pod.shown.clear();
    story.controller.remove(true, story.now());
    let before = story.second;
    story.live(1);
    assert_eq!(story.steps_since(before), ["look", "mode"]);
    assert_eq!(removal(&story), Some(Removal::Cleared));

    // Nothing was ever sent to it.
    let mut story = Story::new();
    story.live(61);
    story.controller.remove(true, story.now());
    let before = story.second;
    story.live(1).expect_puts(0);
    assert_eq!(story.steps_since(before), ["look", "mode"]);
    assert_eq!(removal(&story), Some(Removal::Cleared));
}

#[test]
fn a_display_that_always_reads_back_empty_is_cleared() {
    let mut story = Story::new();
    story.pod.quirk = Quirk::ReadsEmpty;
    story.want(&DAY).live(61).expect_shown(&["A", "B", "C"]);
    let before = story.second;
    story.controller.remove(true, story.now());
    story.live(1).expect_shown(&[]);
    assert_eq!(story.steps_since(before), ["look", "mode", "put"]);
    assert_eq!(removal(&story), Some(Removal::Cleared));
}

#[test]
fn an_empty_display_in_another_mode_is_not_said_to_be_cleared() {
    let mut story = Story::new();
    story.want(&DAY).live(61);
    story.pod.shown.clear();
    story.pod.mode = other_mode();
    story.controller.remove(true, story.now());
    story.live(1).expect_puts(1);
    assert!(matches!(removal(&story), Some(Removal::NotCleared { .. })));
}

#[test]
fn a_removal_ends_also_where_its_push_may_not_be_made() {
    let paused = |now: Now| PodOutcome::SignInPaused {
        until: now.monotonic.plus(Duration::from_secs(300)),
        is_rejected: true,
    };
    let busy = |_: Now| PodOutcome::SignInBusy;
    let outcomes: [&dyn Fn(Now) -> PodOutcome; 2] = [&paused, &busy];
    for outcome in outcomes {
        for steps in 0..3 {
            let mut story = Story::new();
            story.want(&DAY).live(61);
            story.controller.remove(true, story.now());
            for _ in 0..steps {
                let step = story.controller.next(story.now());
                let answer = story.answer(step);
                let now = story.now();
                story.controller.learn(answer, now);
            }
            story.controller.next(story.now());
            let now = story.now();
            let events = story.controller.learn(outcome(now), now);
            story.events.extend(events);
            assert!(matches!(removal(&story), Some(Removal::NotCleared { .. })));
            story
                .live(3600)
                .expect_puts(1)
                .expect_shown(&["A", "B", "C"]);
            assert_eq!(story.controller.next(story.now()), PodStep::Finished);
        }
    }
}

#[test]
fn a_dry_run_ends_before_the_push() {
    let mut story = Story::with(settings().once(true));
    story.want(&DAY).live(60).expect_puts(0);
    let view = story.controller.view();
    assert!(view.is_settled);
    assert_eq!(view.last_push.unwrap().result, PushResult::WouldPush);
    assert_eq!(view.state, PodState::Behind);
    let mut story = Story::with(settings().once(true));
    story.pod.mode = other_mode();
    story.want(&DAY).live(60).expect_state(PodState::WrongMode);
    assert!(story.controller.view().is_settled);
}

#[test]
fn a_pod_that_moves_to_another_room_shows_nothing_worth_keeping() {
    let mut story = Story::new();
    story.want(&DAY).live(60);
    let moved = PodSettings {
        room: RoomName::new("other").unwrap(),
        ..settings()
    };
    story.controller.configure(moved, false, story.now());
    let wanted = Wanted {
        agenda: Some(Arc::new(agenda(&[(102, "C")]))),
        keep_shown: Some(Arc::new(MeetingRules::default())),
        force: 0,
        clock_is_believed: true,
    };
    story.want_value(wanted).live(31).expect_shown(&["C"]);
}
