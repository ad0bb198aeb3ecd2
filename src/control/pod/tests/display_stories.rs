//! What is put on a display, and what is made of what it shows.

use super::*;

#[test]
fn a_push_follows_a_look_and_the_mode_and_is_looked_at() {
    let mut story = Story::new();
    story.want(&DAY).live(5);
    assert_eq!(story.steps_since(0), ["look", "mode", "put", "look"]);
    story
        .expect_state(PodState::InStep)
        .expect_shown(&["A", "B", "C"]);
    let pushed = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::Pushed {
                reason: PushReason::First,
                meetings: 3,
                added: 3,
                is_shown: true,
                ..
            }
        )
    };
    assert_eq!(story.count(pushed), 1);
    assert!(story.controller.view().is_settled);
}

#[test]
fn what_the_display_shows_already_is_not_pushed() {
    let mut story = Story::new();
    story.pod.shown = agenda(&DAY).meetings().to_vec();
    story.want(&DAY).live(3600).expect_puts(0);
    story.expect_state(PodState::InStep);
    assert_eq!(
        story.controller.memory(story.now()).sent,
        Some(agenda(&DAY))
    );
    story.restart(10).live(3600).expect_puts(0);
}

#[test]
fn a_change_is_pushed_at_once_and_its_changes_are_counted() {
    let mut story = Story::new();
    story.want(&DAY).live(47);
    let at = story.second;
    story
        .want(&[(100, "A"), (101, "Z"), (103, "D")])
        .live(2)
        .expect_puts(2);
    assert_eq!(story.steps_since(at), ["look", "mode", "put", "look"]);
    let pushed = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::Pushed {
                reason: PushReason::Changed,
                added: 1,
                removed: 1,
                changed: 1,
                ..
            }
        )
    };
    assert_eq!(story.count(pushed), 1);
    // The same again asks nothing of the pod.
    let steps = story.steps.len();
    story.want(&[(100, "A"), (101, "Z"), (103, "D")]).live(2);
    assert_eq!(story.steps.len(), steps);
}

#[test]
fn nothing_is_written_while_nothing_is_known_of_the_room() {
    let mut story = Story::new();
    story.pod.shown = agenda(&[(100, "Old")]).meetings().to_vec();
    let nothing = story.wanted();
    story.want_value(nothing).live(600).expect_puts(0);
    story.expect_state(PodState::Waiting).expect_shown(&["Old"]);
}

#[test]
fn a_title_that_turned_private_is_pushed_until_the_pod_shows_it() {
    let mut story = Story::new();
    story.want(&[(100, "Merger"), (101, "B")]).live(60);
    story.pod.quirk = Quirk::IgnoresOnce;
    story.want(&[(100, "Private meeting"), (101, "B")]).live(1);
    assert!(!story.state().is_in_step());
    story
        .live(30)
        .expect_puts(3)
        .expect_shown(&["Private meeting", "B"]);
    story.expect_state(PodState::InStep);
}

#[test]
fn an_old_title_that_could_be_a_cut_of_the_new_one_is_not_taken_for_it() {
    let mut story = Story::new();
    story.want(&[(100, "Review"), (101, "B")]).live(60);
    story.pod.quirk = Quirk::Ignores;
    story
        .want(&[(100, "Review of everything"), (101, "B")])
        .live(600);
    assert!(!story.state().is_in_step());
    assert_eq!(story.controller.habits.alteration, None);
    story.pod.quirk = Quirk::None;
    story.live(1200).expect_state(PodState::InStep);
    story.expect_shown(&["Review of everything", "B"]);
}

#[test]
fn a_pod_that_cuts_texts_is_in_step_and_its_way_is_said_once() {
    let mut story = Story::new();
    story.pod.quirk = Quirk::Cuts(6);
    story
        .want(&[(100, "Weekly review"), (101, "B")])
        .live(3600)
        .expect_puts(1);
    story.expect_state(PodState::InStep);
    story
        .want(&[(100, "Planning day"), (101, "B")])
        .live(3600)
        .expect_puts(2);
    story.restart(5).live(3600).expect_puts(2);
    story.expect_state(PodState::InStep);
    let said = |event: &PodEvent| {
        *event
            == PodEvent::TextsAltered {
                how: "cuts titles after 6 characters".into(),
            }
    };
    assert_eq!(story.count(said), 1);
}

#[test]
fn a_pod_that_keeps_fewer_meetings_is_never_in_step() {
    let mut story = Story::new();
    let many = [
        (100, "A"),
        (101, "B"),
        (102, "C"),
        (103, "D"),
        (104, "E"),
        (105, "F"),
    ];
    story.pod.quirk = Quirk::Keeps(4);
    story.want(&many);
    for _ in 0..120 {
        story.live(30);
        assert!(!story.state().is_in_step());
    }
    story.expect_state(PodState::ShowsPart).expect_puts(2);
    let detail = story.controller.view().detail.unwrap();
    assert!(
        detail.contains("4 of 6") && detail.contains("meetings.max"),
        "{detail}"
    );
    assert_eq!(
        story.count(|event| *event == PodEvent::ShowsPart { shown: 4, of: 6 }),
        1
    );
    // As few as it keeps: all of them are shown.
    story
        .want(&many[..4])
        .live(60)
        .expect_puts(2)
        .expect_state(PodState::InStep);
    story
        .want(&many)
        .live(60)
        .expect_puts(3)
        .expect_state(PodState::ShowsPart);
    // One of those it kept is lost: that is put right.
    story.pod.shown.remove(1);
    story
        .live(60)
        .expect_puts(4)
        .expect_shown(&["A", "B", "C", "D"]);
    // Another set is pushed, and once is enough.
    story
        .want(&many[1..])
        .live(60)
        .expect_puts(5)
        .expect_shown(&["B", "C", "D", "E"]);
    story
        .restart(5)
        .live(600)
        .expect_puts(5)
        .expect_state(PodState::ShowsPart);
    // The limit has gone: that is found out within the hour.
    story.pod.quirk = Quirk::None;
    story
        .live(3700)
        .expect_puts(6)
        .expect_state(PodState::InStep);
    story.live(7200).expect_puts(6);
}

#[test]
fn a_display_that_shows_three_of_four_is_not_in_step() {
    let mut story = Story::new();
    story
        .want(&[(100, "A"), (101, "B"), (102, "C"), (103, "D")])
        .live(60);
    story.pod.shown.pop();
    story
        .live(60)
        .expect_puts(2)
        .expect_shown(&["A", "B", "C", "D"]);
}

#[test]
fn a_pod_that_always_reads_back_empty_cannot_be_verified() {
    let mut story = Story::new();
    story.pod.quirk = Quirk::ReadsEmpty;
    story.want(&DAY).live(3600);
    story.expect_state(PodState::CannotBeVerified);
    assert!(story.puts.len() <= 5, "{} pushes", story.puts.len());
    assert_eq!(
        story.count(|event| matches!(event, PodEvent::CannotBeVerified { .. })),
        1
    );
    let before = story.puts.len();
    for hour in 0..5 {
        story.want(&[(100 + hour, "Z")]).live(720);
    }
    assert!(story.puts.len() - before <= 5);
    story.restart(10).live(3600);
    assert!(story.puts.len() - before <= 11);
    // What it shows can be read again.
    story.pod.quirk = Quirk::None;
    story.live(60).expect_state(PodState::InStep);
}

#[test]
fn a_pod_that_rewrites_texts_in_its_own_way_cannot_be_verified() {
    let mut story = Story::new();
    story.pod.quirk = Quirk::Rewrites;
    story.want(&DAY).live(3600);
    story.expect_state(PodState::CannotBeVerified);
    let detail = story.controller.view().detail.unwrap();
    assert!(detail.contains("other texts"), "{detail}");
    assert!(story.puts.len() <= 5, "{} pushes", story.puts.len());
    // It restarts: what it showed is gone, and that can be seen.
    story.live(3600);
    let before = story.puts.len();
    story.pod.shown.clear();
    story.live(30).expect_puts(before + 1);
}

#[test]
fn new_ids_are_fine() {
    let mut story = Story::new();
    story.pod.quirk = Quirk::NewIds;
    story
        .want(&DAY)
        .live(3600)
        .expect_puts(1)
        .expect_state(PodState::InStep);
    story
        .want(&[(100, "A"), (101, "B")])
        .live(60)
        .expect_puts(2);
    let last = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::Pushed {
                reason: PushReason::Changed,
                added: 0,
                removed: 1,
                changed: 0,
                ..
            }
        )
    };
    assert_eq!(story.count(last), 1, "{:?}", story.events);
}

#[test]
fn a_pod_that_shows_it_late_is_looked_at_again_before_it_is_pushed_to() {
    for late in [3, 8, 20, 45] {
        let mut story = Story::new();
        story.pod.quirk = Quirk::Late(late);
        story.want(&DAY).live(600).expect_state(PodState::InStep);
        let pushes = story.puts.len();
        assert!(
            pushes <= 3,
            "{pushes} pushes to a pod that is {late} s late"
        );
        story
            .want(&[(100, "Z")])
            .live(600)
            .expect_state(PodState::InStep);
        assert!(story.puts.len() <= pushes + 1, "late by {late} s is known");
    }
}

#[test]
fn a_display_that_was_in_step_and_is_empty_is_refilled_at_every_poll() {
    let mut story = Story::new();
    story.want(&DAY).live(60);
    for restart in 1..=20 {
        story.pod.shown.clear();
        story
            .live(30)
            .expect_puts(1 + restart)
            .expect_shown(&["A", "B", "C"]);
    }
    let loud = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::DisplayLost {
                loss: Loss::Emptied,
                is_quiet: false,
                ..
            }
        )
    };
    assert_eq!(story.count(loud), 2);
    assert_eq!(
        story.count(|event| matches!(event, PodEvent::SomebodyElseWrites { .. })),
        0
    );
}

#[test]
fn corrections_back_off_where_somebody_else_writes() {
    let mut story = Story::new();
    story.want(&DAY).live(60);
    let begun = story.second;
    for _ in 0..360 {
        story.pod.shown = agenda(&[(100, "Theirs")]).meetings().to_vec();
        story.live(10);
        story.pod.shown = agenda(&[(100, "Theirs")]).meetings().to_vec();
    }
    let corrections: Vec<u64> = story
        .times("put")
        .into_iter()
        .filter(|at| *at >= begun)
        .collect();
    let gaps: Vec<u64> = corrections
        .windows(2)
        .map(|two| (two[1] - two[0]).div_ceil(60))
        .collect();
    assert_eq!(gaps, [1, 1, 1, 2, 4, 8, 15, 15], "{corrections:?}");
    story.expect_state(PodState::SomebodyElseWrites);
    assert_eq!(
        story.count(|event| matches!(event, PodEvent::SomebodyElseWrites { .. })),
        1
    );
    // A change of the agenda is pushed at once, and resets nothing.
    let before = story.puts.len();
    story.want(&[(100, "New")]).live(1).expect_puts(before + 1);
    story.pod.shown = agenda(&[(100, "Theirs")]).meetings().to_vec();
    story.live(30).expect_puts(before + 1);
    // A restart ends no wait.
    story.restart(5).live(30).expect_puts(before + 1);
    assert_eq!(
        story.count(|event| matches!(event, PodEvent::SomebodyElseWrites { .. })),
        1
    );
    // An hour without a correction resets it.
    story.pod.shown = agenda(&[(100, "New")]).meetings().to_vec();
    story.live(3700).expect_state(PodState::InStep);
    story.pod.shown = agenda(&[(100, "Theirs")]).meetings().to_vec();
    story.live(30).expect_puts(before + 2);
}

#[test]
fn force_pushes_what_is_in_step_once() {
    let mut story = Story::new();
    story.want(&DAY).live(60).expect_puts(1);
    let forced = Wanted {
        force: 1,
        ..story.wanted()
    };
    story.want_value(forced).live(600).expect_puts(2);
    let pushed = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::Pushed {
                reason: PushReason::Forced,
                ..
            }
        )
    };
    assert_eq!(story.count(pushed), 1);
}

#[test]
fn force_does_not_wait_for_a_failed_push_or_a_budget() {
    let mut story = Story::new();
    story.want(&DAY).live(60);
    story.pod.failures.extend([failure(FailureClass::Other)]);
    story.want(&[(100, "Z")]).live(1).expect_puts(1);
    let forced = Wanted {
        force: 1,
        ..story.wanted()
    };
    story
        .want_value(forced)
        .live(1)
        .expect_puts(2)
        .expect_shown(&["Z"]);
}

#[test]
fn a_forced_push_that_failed_waits_like_any_other() {
    let mut story = Story::new();
    story.want(&DAY).live(60).expect_puts(1);
    story.pod.down = Some(failure(FailureClass::Unreachable));
    let forced = Wanted {
        force: 1,
        ..story.wanted()
    };
    let before = story.steps.len();
    story.want_value(forced).live(600);
    let requests = story.steps.len() - before;
    // At once, and then with each poll.
    assert!((20..=45).contains(&requests), "{requests} in ten minutes");
    // Whoever asks again need not wait.
    let again = Wanted {
        force: 2,
        ..story.wanted()
    };
    let before = story.steps.len();
    story.want_value(again).live(0);
    assert_eq!(story.steps.len(), before + 1);
    story.pod.down = None;
    story.live(60).expect_puts(2);
    let forced = |event: &PodEvent| {
        matches!(
            event,
            PodEvent::Pushed {
                reason: PushReason::Forced,
                ..
            }
        )
    };
    assert_eq!(story.count(forced), 1);
}

#[test]
fn an_answer_that_was_lost_is_no_failure_where_the_display_shows_it() {
    let mut story = Story::new();
    story.pod.loses_answer = true;
    story
        .want(&DAY)
        .live(600)
        .expect_puts(1)
        .expect_state(PodState::InStep);
    assert_eq!(
        story.count(|event| matches!(event, PodEvent::Pushed { is_shown: true, .. })),
        1
    );
    assert_eq!(
        story.count(|event| matches!(event, PodEvent::PushFailed { .. })),
        0
    );
}

#[test]
fn a_meeting_that_ends_leaves_with_the_next_set_and_not_before() {
    let mut story = Story::new();
    story.want(&[(0, "A"), (1, "B")]).live(3100).expect_puts(1);
    // It has ended, and the room has not said so yet.
    story
        .expect_shown(&["A", "B"])
        .expect_state(PodState::InStep);
    story
        .want(&[(1, "B")])
        .live(1)
        .expect_puts(2)
        .expect_shown(&["B"]);
    // The pod drops it itself a little early.
    story.want(&[(1, "B"), (3, "C")]).live(1);
    let end = 3600 + 3000;
    let before = end - TOLERANCE.as_secs() + 1;
    let puts = story.puts.len();
    story.live(before - story.second);
    story.pod.shown.remove(0);
    story
        .live(60)
        .expect_puts(puts)
        .expect_state(PodState::InStep);
}

#[test]
fn meetings_under_our_ids_stay_while_a_feed_was_never_read() {
    let mut story = Story::new();
    story.pod.shown = agenda(&[(100, "A"), (101, "B")]).meetings().to_vec();
    let wanted = Wanted {
        agenda: Some(Arc::new(agenda(&[(102, "C")]))),
        keep_shown: Some(Arc::new(MeetingRules::default())),
        ..story.wanted()
    };
    story
        .want_value(wanted.clone())
        .live(60)
        .expect_puts(1)
        .expect_shown(&["A", "B", "C"]);
    story.live(600).expect_puts(1);
    let read = Wanted {
        keep_shown: None,
        ..wanted
    };
    story.want_value(read).live(60).expect_shown(&["C"]);
}

#[test]
fn what_was_read_once_leaves_although_another_feed_was_never_read() {
    let mut story = Story::new();
    story.pod.shown = agenda(&[(100, "A"), (101, "B")]).meetings().to_vec();
    let base = Wanted {
        keep_shown: Some(Arc::new(MeetingRules::default())),
        ..story.wanted()
    };
    let wanted = |meetings: &[(i64, &str)]| Wanted {
        agenda: Some(Arc::new(agenda(meetings))),
        ..base.clone()
    };
    story
        .want_value(wanted(&[(100, "A"), (102, "C")]))
        .live(60)
        .expect_shown(&["A", "B", "C"]);
    story
        .want_value(wanted(&[(102, "C")]))
        .live(60)
        .expect_shown(&["B", "C"]);
    // Neither a restart nor a display that lost everything changes that.
    story.restart(5);
    story.pod.shown.clear();
    story.live(120).expect_shown(&["B", "C"]);
    story.want_value(wanted(&[])).live(60).expect_shown(&["B"]);
}

#[test]
fn what_is_shown_is_never_kept_after_another_mode() {
    let mut story = Story::new();
    story.pod.shown = agenda(&[(100, "Mailbox")]).meetings().to_vec();
    story.pod.mode = ReportedMode::Other("Microsoft Exchange".into());
    let wanted = Wanted {
        agenda: Some(Arc::new(agenda(&[(102, "C")]))),
        keep_shown: Some(Arc::new(MeetingRules::default())),
        ..story.wanted()
    };
    story.want_value(wanted).live(60).expect_puts(0);
    story.restart(5);
    story.pod.mode = ReportedMode::ThirdParty;
    story.live(60).expect_puts(1).expect_shown(&["C"]);
}
