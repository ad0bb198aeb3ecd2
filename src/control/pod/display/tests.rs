use std::time::Duration;

use super::*;
use crate::model::meeting::MeetingId;

const NOW: UnixTime = UnixTime::from_seconds(1_000_000);

/// A meeting of an hour, so many minutes from now.
fn meeting(minutes: i64, title: &str) -> Meeting {
    let start = UnixTime::from_seconds(NOW.seconds() + minutes * 60);
    Meeting {
        id: MeetingId::new(&minutes.to_string(), ""),
        title: title.into(),
        organizer: "".into(),
        description: None,
        start_time: start,
        end_time: start.plus(Duration::from_secs(3600)),
    }
}

fn agenda(meetings: &[(i64, &str)]) -> Agenda {
    Agenda::new(
        meetings
            .iter()
            .map(|(at, title)| meeting(*at, title))
            .collect(),
    )
}

#[track_caller]
fn check(shown: &[(i64, &str)], ours: &[(i64, &str)], expected: Comparison) {
    let found = compare(&agenda(shown), &agenda(ours), None, Some(NOW));
    assert_eq!(found, expected);
}

#[test]
fn a_display_is_compared_by_what_people_see() {
    let ours = [(0, "A"), (60, "B"), (120, "C")];
    check(&ours, &ours, Comparison::Same);
    check(&[], &ours, Comparison::Empty);
    check(&[], &[], Comparison::Same);
    check(
        &[(0, "A"), (60, "B")],
        &ours,
        Comparison::Nearest { shown: 2, of: 3 },
    );
    check(&[(60, "B"), (120, "C")], &ours, Comparison::Other);
    check(
        &[(0, "A"), (60, "X"), (120, "C")],
        &ours,
        Comparison::OtherTexts,
    );
    check(
        &[(0, "A"), (60, "B"), (120, "C"), (180, "D")],
        &ours,
        Comparison::Other,
    );
    check(&[(0, "A")], &[], Comparison::Other);
}

#[test]
fn new_ids_are_no_difference() {
    let ours = agenda(&[(0, "A"), (60, "B")]);
    let renamed = ours.meetings().iter().map(|one| Meeting {
        id: MeetingId::from_text(&format!("x{}", one.id)),
        ..one.clone()
    });
    let shown = Agenda::new(renamed.collect());
    assert_eq!(compare(&shown, &ours, None, Some(NOW)), Comparison::Same);
}

#[test]
fn what_is_about_to_end_may_be_there_or_not() {
    let ours = [(-59, "A"), (60, "B")];
    check(&[(60, "B")], &ours, Comparison::Same);
    check(&ours, &[(60, "B")], Comparison::Same);
    // What ended has to leave, once the room does not want it.
    check(&[(-61, "A"), (60, "B")], &[(60, "B")], Comparison::Other);
    check(
        &[(-61, "A"), (60, "B")],
        &[(-61, "A"), (60, "B")],
        Comparison::Same,
    );
    check(&[(-61, "A")], &[(60, "B")], Comparison::Empty);
    check(&[], &[(-59, "A")], Comparison::Same);
    // A pod with room for two, whose first meeting is about to leave.
    let four = [(-59, "A"), (60, "B"), (120, "C"), (180, "D")];
    check(&[(60, "B")], &four, Comparison::Nearest { shown: 2, of: 4 });
}

#[test]
fn while_the_clock_is_not_believed_nothing_has_ended() {
    let ours = agenda(&[(-600, "A"), (60, "B")]);
    let shown = agenda(&[(60, "B")]);
    assert_ne!(compare(&shown, &ours, None, None), Comparison::Same);
    assert_eq!(compare(&ours, &ours, None, None), Comparison::Same);
}

#[test]
fn texts_are_learnt_only_where_the_push_changed_the_display() {
    let ours = agenda(&[(0, "Weekly review"), (60, "Plan")]);
    let cut = agenda(&[(0, "Weekly"), (60, "Plan")]);
    let learnt = learn(&Agenda::default(), &cut, &ours, Some(NOW)).unwrap();
    assert_eq!(alteration::words(&learnt), "cuts titles after 6 characters");
    let known = Some(&learnt);
    assert_eq!(compare(&cut, &ours, known, Some(NOW)), Comparison::Same);
    // What was there before proves nothing, although it could be a cut of ours.
    assert_eq!(learn(&cut, &cut, &ours, Some(NOW)), None);
    // A text that is not ours is never accepted.
    let other = agenda(&[(0, "Merger"), (60, "Plan")]);
    assert_eq!(learn(&Agenda::default(), &other, &ours, Some(NOW)), None);
    assert_eq!(
        compare(&other, &ours, known, Some(NOW)),
        Comparison::OtherTexts
    );
}

#[test]
fn a_pod_may_both_cut_texts_and_keep_the_nearest() {
    let ours = agenda(&[(0, "Weekly review"), (60, "Planning"), (120, "C")]);
    let shown = agenda(&[(0, "Weekly"), (60, "Planni")]);
    let learnt = learn(&Agenda::default(), &shown, &ours, Some(NOW)).unwrap();
    assert_eq!(
        compare(&shown, &ours, Some(&learnt), Some(NOW)),
        Comparison::Nearest { shown: 2, of: 3 }
    );
}

fn wanted(meetings: &[(i64, &str)]) -> Wanted {
    Wanted {
        agenda: Some(Arc::new(agenda(meetings))),
        keep_shown: None,
        force: 0,
        clock_is_believed: true,
    }
}

fn titles(agenda: &Agenda) -> Vec<&str> {
    agenda.meetings().iter().map(|one| &*one.title).collect()
}

#[test]
fn meetings_under_our_ids_stay_while_a_feed_was_never_read() {
    let mut shown = agenda(&[(-90, "Over"), (0, "Kept"), (60, "B")]);
    let foreign = Meeting {
        id: MeetingId::from_text("001"),
        ..meeting(180, "Foreign")
    };
    shown = Agenda::new([shown.meetings(), &[foreign]].concat());
    let mut wanted = wanted(&[(60, "B new"), (120, "C")]);
    let shown = under_our_ids(&shown);
    let plain = target(&wanted, Some(&shown), None, NOW).unwrap();
    assert_eq!(titles(&plain), ["B new", "C"]);
    wanted.keep_shown = Some(Arc::default());
    let kept = target(&wanted, Some(&shown), None, NOW).unwrap();
    assert_eq!(titles(&kept), ["Kept", "B new", "C"]);
    let others = target(&wanted, None, Some(&shown), NOW).unwrap();
    assert_eq!(titles(&others), ["B new", "C"]);
    let hiding = MeetingRules {
        hide_titles: true,
        ..MeetingRules::default()
    };
    wanted.keep_shown = Some(Arc::new(hiding));
    let hidden = target(&wanted, Some(&shown), None, NOW).unwrap();
    assert!(!titles(&hidden).contains(&"Kept"));
    assert_eq!(hidden.len(), 3);
}

#[test]
fn a_clock_that_is_not_believed_takes_nothing_away() {
    let shown = agenda(&[(0, "A"), (60, "B")]);
    let mut wanted = wanted(&[(60, "B new")]);
    wanted.clock_is_believed = false;
    let target = target(&wanted, None, Some(&shown), NOW).unwrap();
    assert_eq!(titles(&target), ["A", "B new"]);
}
