//! When a pod is talked to: polls, failures, pauses, restarts, and clocks that are set.

use super::*;

fn throttled(seconds: Option<u64>) -> Failure {
    Failure {
        retry_after: seconds.map(Duration::from_secs),
        ..failure(FailureClass::Throttled)
    }
}

#[test]
fn polls_go_by_the_schedule_and_keep_their_distance() {
    let mut with = settings();
    with.health = Cron::parse("*/2 * * * * *").unwrap();
    with.min_interval = Duration::from_secs(10);
    let mut story = Story::with(with);
    story.want(&DAY).live(3600);
    let polls: Vec<u64> = story
        .steps
        .iter()
        .filter(|(at, step)| *at > 0 && matches!(*step, "look" | "config"))
        .map(|(at, _)| *at)
        .collect();
    assert!(
        polls.windows(2).all(|two| two[1] - two[0] >= 10),
        "{polls:?}"
    );
    // The configuration is read, although a health poll is always due.
    assert_eq!(story.times("config").len(), 4);
}

#[test]
fn a_push_is_not_held_up_by_the_distance_of_polls() {
    let mut with = settings();
    with.min_interval = Duration::from_secs(300);
    let mut story = Story::with(with);
    story.want(&DAY).live(61);
    story.want(&[(100, "Z")]).live(1).expect_puts(2);
}

#[test]
fn pushes_without_end_do_not_starve_the_polls() {
    let mut story = Story::new();
    for hour in 0..2000 {
        story.want(&[(100 + hour, "A")]).live(1);
    }
    assert!(
        story.times("config").len() >= 2,
        "{:?}",
        story.times("config")
    );
    assert_eq!(story.puts.len(), 2000);
}

#[test]
fn a_failed_push_waits_for_the_next_poll_or_a_minute() {
    let mut story = Story::new();
    story.want(&DAY).live(61);
    // Looks answer, and the push fails.
    let at = story.second;
    story.want(&[(100, "Z")]);
    for _ in 0..2 {
        let step = story.controller.next(story.now());
        let outcome = story.answer(step);
        story.controller.learn(outcome, story.now());
    }
    story.pod.failures.push_back(failure(FailureClass::Other));
    story.live(300).expect_puts(2).expect_shown(&["Z"]);
    let puts: Vec<u64> = story
        .times("put")
        .into_iter()
        .filter(|put| *put >= at)
        .collect();
    assert_eq!(puts.len(), 2);
    assert!((60..=90).contains(&(puts[1] - puts[0])), "{puts:?}");
    let failed = |event: &PodEvent| matches!(event, PodEvent::PushFailed { failures: 1, .. });
    let pushed = |event: &PodEvent| matches!(event, PodEvent::Pushed { failures: 1, .. });
    assert_eq!([story.count(failed), story.count(pushed)], [1, 1]);
}

#[test]
fn failures_that_last_are_said_at_the_first_the_tenth_and_the_hundredth() {
    let mut story = Story::new();
    story.want(&DAY).live(60);
    story.pod.down = Some(failure(FailureClass::TimedOut));
    story.want(&[(100, "Z")]).live(2 * 3600);
    let loud = |event: &PodEvent| match event {
        PodEvent::State { is_quiet, .. } | PodEvent::PushFailed { is_quiet, .. } => !is_quiet,
        _ => false,
    };
    assert_eq!(story.count(loud), 6, "{:?}", story.events);
    story.expect_state(PodState::Unreachable);
    story.pod.down = None;
    story.live(31).expect_puts(2).expect_state(PodState::InStep);
}

#[test]
fn a_pod_that_asks_to_be_left_alone_is() {
    let mut story = Story::new();
    story.want(&DAY).live(61);
    story.pod.failures.push_back(throttled(Some(600)));
    let at = story.second;
    story.want(&[(100, "Z")]).live(599);
    assert_eq!(story.steps_since(at), ["look"]);
    story.expect_state(PodState::Throttled);
    story.restart(0);
    story.live(2).expect_puts(2).expect_state(PodState::InStep);
}

#[test]
fn without_a_time_the_waits_grow_up_to_their_maximum() {
    let mut story = Story::new();
    story.pod.down = Some(throttled(None));
    story.want(&DAY).live(3 * 3600);
    let looks: Vec<u64> = story.steps.iter().map(|(at, _)| *at).collect();
    let gaps: Vec<u64> = looks.windows(2).map(|two| (two[1] - two[0]) / 60).collect();
    assert_eq!(gaps[..6], [1, 2, 4, 8, 15, 15], "{looks:?}");
    // An answer ends it.
    story.pod.down = None;
    story.live(900).expect_state(PodState::InStep);
    assert_eq!(story.controller.schedule.throttled, 0);
}

#[test]
fn a_wait_that_a_pod_asked_for_does_not_outlive_a_wrong_clock() {
    let mut story = Story::new();
    story.set = 20 * 3600;
    story.pod.failures.push_back(throttled(Some(300)));
    story.want(&DAY).live(40).expect_state(PodState::Throttled);
    let memory = story.controller.memory(story.now());
    story.set = 0;
    story.boot = story.second;
    let now = story.now();
    story.controller = PodController::new(settings(), now);
    story.controller.restore(&memory, now);
    story.want(&DAY).live(299).expect_puts(0);
    story.live(2).expect_puts(1);
}

#[test]
fn a_retry_after_is_never_longer_than_a_day() {
    let mut story = Story::new();
    story.pod.failures.push_back(throttled(Some(10_000_000)));
    story.want(&DAY).live(86_500).expect_puts(1);
}

/// The gate says that sign-in is paused for so long.
fn pause(story: &mut Story, seconds: u64) {
    let now = story.now();
    let until = now.monotonic.plus(Duration::from_secs(seconds));
    story.pod.pause = Some(until);
    assert_eq!(story.controller.next(now), PodStep::Look);
    let events = story.controller.learn(
        PodOutcome::SignInPaused {
            until,
            is_rejected: true,
        },
        now,
    );
    story.events.extend(events);
}

#[test]
fn while_sign_in_is_paused_nothing_is_asked() {
    let mut story = Story::new();
    story.want(&DAY);
    pause(&mut story, 300);
    let said = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::State {
                state: PodState::SignInPaused,
                is_quiet: false,
                ..
            }
        )
    };
    assert_eq!(story.count(said), 1);
    assert!(story.controller.view().is_settled);
    story.live(299);
    // But the secret is compared now and then.
    assert!(story.steps.iter().all(|(_, step)| *step == "check"));
    assert!((8..=10).contains(&story.steps.len()), "{:?}", story.steps);
    story.pod.pause = None;
    story.live(1).expect_puts(1).expect_state(PodState::InStep);
}

#[test]
fn a_sign_in_that_was_not_answered_is_no_rejection() {
    let mut story = Story::new();
    story.pod.down = Some(failure(FailureClass::TimedOut));
    story
        .want(&DAY)
        .live(29)
        .expect_state(PodState::Unreachable);
    story.live(1);
    let until = story.now().monotonic.plus(Duration::from_secs(60));
    let now = story.now();
    story.controller.look_now(now);
    let _ = story.controller.next(now);
    let paused = PodOutcome::SignInPaused {
        until,
        is_rejected: false,
    };
    assert_eq!(story.controller.learn(paused, now), []);
    story.expect_state(PodState::Unreachable);
}

#[test]
fn another_secret_ends_a_pause_at_once() {
    let mut story = Story::new();
    story.want(&DAY);
    pause(&mut story, 3000);
    story.live(100).expect_state(PodState::SignInPaused);
    story.controller.secret_changed(story.now());
    story.live(0).expect_state(PodState::InStep);
    // It is noticed without being told.
    story.controller.look_now(story.now());
    pause(&mut story, 3000);
    story.pod.pause = None;
    story.live(30).expect_state(PodState::InStep);
}

#[test]
fn a_look_that_must_not_be_taken_is_an_attempt_in_vain() {
    let mut story = Story::new();
    story.want(&DAY);
    pause(&mut story, 3000);
    let before = story.controller.view().counts.attempts;
    story.controller.look_now(story.now());
    let view = story.controller.view();
    assert!(view.is_settled && view.counts.attempts > before);
    assert!(view.state.wants_a_person());
}

#[test]
fn a_pause_is_never_longer_than_its_maximum() {
    let mut story = Story::new();
    story.want(&DAY);
    pause(&mut story, 100 * 86_400);
    story.pod.pause = None;
    story.controller.schedule.check_sign_in = Monotonic::NEVER;
    story.live(6 * 3600).expect_puts(1);
}

#[test]
fn a_rejected_password_and_a_changed_certificate_are_said_at_once() {
    for (class, state) in [
        (FailureClass::SecretRejected, PodState::SignInPaused),
        (
            FailureClass::CertificateChanged,
            PodState::CertificateChanged,
        ),
        (FailureClass::NotLicensed, PodState::NotLicensed),
        (FailureClass::Other, PodState::Failing),
    ] {
        let mut story = Story::new();
        story.pod.down = Some(failure(class));
        story.want(&DAY).live(1).expect_state(state);
        assert!(state.wants_a_person() || state == PodState::Failing);
        let loud = |event: &PodEvent| {
            matches!(
                event,
                PodEvent::State {
                    is_quiet: false,
                    ..
                }
            )
        };
        assert_eq!(story.count(loud), 1);
    }
}

#[test]
fn a_clock_that_is_set_puts_off_nothing() {
    for set in [-7200, 86_400, 3 * 86_400] {
        let mut story = Story::new();
        story.want(&DAY).live(3600);
        story.set = set;
        story.controller.clock_stepped(story.now());
        story.pod.shown.clear();
        story.live(31).expect_puts(2);
    }
}

#[test]
fn while_the_clock_is_not_believed_nothing_is_taken_away() {
    let mut story = Story::new();
    story.want(&[(1, "A"), (2, "B"), (3, "C")]).live(60);
    story.set = 7 * 86_400;
    story.controller.clock_stepped(story.now());
    let wrong = Wanted {
        agenda: Some(Arc::new(agenda(&[(3, "C new")]))),
        clock_is_believed: false,
        ..story.wanted()
    };
    story
        .want_value(wrong.clone())
        .live(300)
        .expect_shown(&["A", "B", "C new"]);
    story.set = 0;
    story.controller.clock_stepped(story.now());
    let right = Wanted {
        clock_is_believed: true,
        ..wrong
    };
    story.want_value(right).live(31).expect_shown(&["C new"]);
}

#[test]
fn a_restart_goes_on_where_the_last_process_was() {
    let mut story = Story::new();
    story.want(&DAY).live(60);
    story.pod.down = Some(failure(FailureClass::TimedOut));
    story.live(200).expect_state(PodState::Unreachable);
    let since = story.controller.memory(story.now()).state_since;
    story.restart(30);
    story.expect_state(PodState::Unreachable);
    story.live(60);
    assert_eq!(story.controller.memory(story.now()).state_since, since);
    let said = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::State {
                is_quiet: false,
                state: PodState::Unreachable,
                ..
            }
        )
    };
    assert_eq!(story.count(said), 1);
    story.pod.down = None;
    story.live(31).expect_puts(1).expect_state(PodState::InStep);
}

#[test]
fn a_poll_that_found_nothing_new_is_nothing_to_write_down() {
    let mut story = Story::new();
    story.want(&DAY).live(120);
    let before = story.controller.memory_changes();
    story.live(3600);
    assert_eq!(story.controller.memory_changes(), before);
    story.pod.shown.clear();
    story.live(31);
    assert!(story.controller.memory_changes() > before);
}

#[test]
fn an_old_ledger_is_understood() {
    let old = json!({ "state": "well", "sent": agenda(&DAY), "device_id": "dev-1" });
    let memory: PodMemory = serde_json::from_value(old).unwrap();
    let mut story = Story::new();
    let now = story.now();
    story.controller.restore(&memory, now);
    assert_eq!(story.state(), PodState::InStep);
    story.pod.shown = agenda(&DAY).meetings().to_vec();
    story
        .want(&DAY)
        .live(60)
        .expect_puts(0)
        .expect_state(PodState::InStep);
}

#[test]
fn a_one_shot_run_ends_when_the_display_was_looked_at_since() {
    let mut story = Story::with(settings().once(false));
    assert!(!story.controller.view().is_settled);
    story.want(&DAY);
    assert!(!story.controller.view().is_settled);
    story.live(0);
    let view = story.controller.view();
    assert!(view.is_settled);
    assert_eq!(view.last_push.unwrap().result, PushResult::Shown);
    // What is wanted changes: the display has to be looked at again.
    story.want(&[(100, "Z")]);
    assert!(!story.controller.view().is_settled);
    story.live(0);
    assert!(story.controller.view().is_settled);
    // A display that shows it already needs nothing.
    story.want(&[(100, "Z")]);
    assert!(story.controller.view().is_settled);
    let mut story = Story::with(settings().once(false));
    story.pod.down = Some(failure(FailureClass::Unreachable));
    story.want(&DAY).live(0);
    assert!(story.controller.view().is_settled);
    assert_eq!(story.state(), PodState::Unreachable);
}

#[test]
fn a_password_that_is_rejected_for_the_configuration_is_said_of_the_pod() {
    let mut story = Story::new();
    story.want(&DAY).live(2);
    while story.controller.next(story.now()) != PodStep::ReadConfig {
        story.second += 1;
    }
    let now = story.now();
    let until = now.monotonic.plus(Duration::from_secs(300));
    story.controller.pause_sign_in(until, now);
    let rejected = failure(FailureClass::SecretRejected);
    story
        .controller
        .learn(PodOutcome::Config(Err(rejected)), now);
    assert_eq!(story.controller.view().state, PodState::SignInPaused);
    // Whatever the room wants meanwhile.
    story.want(&DAY[..1]);
    assert_eq!(story.controller.view().state, PodState::SignInPaused);
}

#[test]
fn what_was_forced_in_a_room_before_is_not_pushed_to_a_pod_that_comes_to_it() {
    let mut story = Story::new();
    story.want(&DAY).live(60).expect_puts(1);
    let mut settings = settings();
    settings.room = RoomName::new("other").unwrap();
    story.controller.configure(settings, false, story.now());
    let wanted = Wanted {
        agenda: Some(Arc::new(agenda(&DAY))),
        keep_shown: None,
        force: 3,
        clock_is_believed: true,
    };
    story.want_value(wanted).live(120).expect_puts(1);
}
