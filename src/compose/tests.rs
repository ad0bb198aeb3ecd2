use std::sync::Arc;

use super::*;
use crate::model::meeting::MeetingId;
use crate::model::occurrence::{BusyStatus, Class, Person, Status};

const HOUR: i64 = 3600;

fn details(uid: &str) -> Details {
    Details {
        uid: uid.into(),
        summary: Some(format!("title of {uid}")),
        ..Details::default()
    }
}

fn occurrence(details: Details, start: i64, end: i64) -> Occurrence {
    Occurrence {
        details: Arc::new(details),
        instance: String::new(),
        start: UnixTime::from_seconds(start * HOUR),
        end: UnixTime::from_seconds(end * HOUR),
        all_day: false,
    }
}

fn window() -> Window {
    Window::new(
        UnixTime::from_seconds(10 * HOUR),
        UnixTime::from_seconds(100 * HOUR),
    )
    .unwrap()
}

fn compose(occurrences: &[Occurrence], rules: &MeetingRules) -> Composed {
    agenda(
        &[FromFeed {
            occurrences,
            only: &Only::default(),
        }],
        rules,
        window(),
    )
}

fn titles(composed: &Composed) -> Vec<&str> {
    composed
        .agenda
        .meetings()
        .iter()
        .map(|meeting| &*meeting.title)
        .collect()
}

#[track_caller]
fn check_rule(change: impl FnOnce(&mut Occurrence, &mut MeetingRules), expected: Rule) {
    let mut one = occurrence(details("a"), 20, 21);
    let mut rules = MeetingRules::default();
    change(&mut one, &mut rules);
    let composed = compose(&[one], &rules);
    assert_eq!(
        composed
            .verdicts
            .iter()
            .map(|verdict| &verdict.rule)
            .collect::<Vec<_>>(),
        [&expected]
    );
    assert_eq!(composed.agenda.is_empty(), !expected.is_shown());
}

fn with(change: impl FnOnce(&mut Details)) -> Occurrence {
    let mut details = details("a");
    change(&mut details);
    occurrence(details, 20, 21)
}

#[test]
fn each_rule_decides_what_it_is_for() {
    check_rule(|_, _| {}, Rule::Shown);
    check_rule(
        |one, _| *one = with(|d| d.status = Status::Cancelled),
        Rule::Cancelled,
    );
    check_rule(|one, _| *one = with(|d| d.transparent = true), Rule::Free);
    check_rule(
        |one, _| *one = with(|d| d.busy_status = Some(BusyStatus::Free)),
        Rule::Free,
    );
    check_rule(
        |one, _| *one = with(|d| d.room_declined = true),
        Rule::Declined,
    );
    check_rule(
        |one, _| *one = with(|d| d.class = Class::Private),
        Rule::ShownPrivate,
    );
    check_rule(
        |one, _| *one = with(|d| d.status = Status::Tentative),
        Rule::Shown,
    );
    check_rule(
        |one, rules| {
            *one = with(|d| d.busy_status = Some(BusyStatus::Tentative));
            rules.tentative = false;
        },
        Rule::Tentative,
    );
    check_rule(
        |one, rules| {
            one.all_day = true;
            rules.all_day = false;
        },
        Rule::AllDay,
    );
    check_rule(|one, _| one.end = one.start, Rule::NoLength);
    check_rule(|one, _| *one = occurrence(details("a"), 8, 10), Rule::Ended);
    check_rule(
        |one, _| *one = occurrence(details("a"), 100, 101),
        Rule::OutsideWindow,
    );
}

#[test]
fn where_outlook_and_transp_disagree_outlook_is_right() {
    check_rule(
        |one, _| {
            *one = with(|d| {
                d.transparent = true;
                d.busy_status = Some(BusyStatus::Busy);
            });
        },
        Rule::Shown,
    );
}

#[test]
fn nothing_of_a_private_meeting_but_its_times_is_shown() {
    let private = with(|d| {
        d.class = Class::Private;
        d.summary = Some("Merger".into());
        d.organizer = Some(Person {
            name: Some("Ada".into()),
            address: None,
        });
        d.description = Some("https://zoom.us/j/1".into());
    });
    let composed = compose(
        &[private],
        &MeetingRules {
            description: Description::Full,
            ..MeetingRules::default()
        },
    );
    let meeting = &composed.agenda.meetings()[0];
    assert_eq!(
        (&*meeting.title, &*meeting.organizer),
        ("Private meeting", "")
    );
    assert_eq!(meeting.description, None);
}

#[test]
fn hidden_titles_take_the_description_with_them() {
    let one = with(|d| {
        d.description = Some("https://zoom.us/j/1".into());
        d.organizer = Some(Person {
            name: Some("Ada".into()),
            address: None,
        });
    });
    let rules = MeetingRules {
        hide_titles: true,
        ..MeetingRules::default()
    };
    let composed = compose(std::slice::from_ref(&one), &rules);
    let meeting = &composed.agenda.meetings()[0];
    assert_eq!((&*meeting.title, &*meeting.organizer), ("Reserved", "Ada"));
    assert_eq!(meeting.description, None);
    let rules = MeetingRules {
        hide_organizers: true,
        ..MeetingRules::default()
    };
    assert_eq!(&*compose(&[one], &rules).agenda.meetings()[0].organizer, "");
}

#[test]
fn an_event_without_a_title_is_still_a_booking() {
    assert_eq!(
        titles(&compose(
            &[with(|d| d.summary = None)],
            &MeetingRules::default()
        )),
        ["Busy"]
    );
    assert_eq!(
        titles(&compose(
            &[with(|d| d.summary = Some(" \u{7} ".into()))],
            &MeetingRules::default()
        )),
        ["Busy"]
    );
}

#[test]
fn the_nearest_meetings_are_kept() {
    let many: Vec<_> = (0..5)
        .map(|n| occurrence(details(&n.to_string()), 50 - n, 51 - n))
        .collect();
    let composed = compose(
        &many,
        &MeetingRules {
            max: 2,
            ..MeetingRules::default()
        },
    );
    assert_eq!(titles(&composed), ["title of 4", "title of 3"]);
    let beyond = composed
        .verdicts
        .iter()
        .filter(|verdict| verdict.rule == Rule::BeyondMax { max: 2 });
    assert_eq!(beyond.count(), 3);
}

#[test]
fn a_meeting_in_two_feeds_is_shown_once_and_stays_private() {
    let public = occurrence(details("same"), 20, 21);
    let private = occurrence(
        Details {
            class: Class::Private,
            ..details("same")
        },
        20,
        21,
    );
    let renamed = occurrence(
        Details {
            summary: Some("TITLE OF same".into()),
            ..details("other")
        },
        20,
        21,
    );
    let everything = Only::default();
    for (first, second) in [
        (&public, &private),
        (&private, &public),
        (&renamed, &private),
        (&private, &renamed),
    ] {
        let (first, second) = ([first.clone()], [second.clone()]);
        let feeds = [
            FromFeed {
                occurrences: &first,
                only: &everything,
            },
            FromFeed {
                occurrences: &second,
                only: &everything,
            },
        ];
        assert_eq!(
            titles(&agenda(&feeds, &MeetingRules::default(), window())),
            ["Private meeting"]
        );
    }
}

#[test]
fn two_meetings_with_one_title_in_one_feed_are_two() {
    let same = |uid: &str| Details {
        summary: Some("Office hours".into()),
        ..details(uid)
    };
    let composed = compose(
        &[occurrence(same("a"), 20, 21), occurrence(same("b"), 20, 21)],
        &MeetingRules::default(),
    );
    assert_eq!(titles(&composed), ["Office hours", "Office hours"]);
    let ids: Vec<_> = composed
        .agenda
        .meetings()
        .iter()
        .map(|meeting| &meeting.id)
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_repeated_uid_at_another_time_is_another_meeting_with_another_id() {
    let composed = compose(
        &[
            occurrence(details("a"), 20, 21),
            occurrence(details("a"), 30, 31),
        ],
        &MeetingRules::default(),
    );
    assert_eq!(composed.agenda.len(), 2);
}

#[test]
fn one_building_feed_serves_many_rooms() {
    let aurora = with(|d| d.location = Some("Building 7, Aurora".into()));
    let borealis = with(|d| d.location = Some("Borealis".into()));
    let nowhere = with(|d| d.location = None);
    let only = Only {
        location: Some("*aurora*".into()),
        ..Only::default()
    };
    let held_private = |matched: &Only| {
        with(|d| {
            d.class = Class::Private;
            d.only_matched = Some(vec![matched.digest()]);
        })
    };
    let other = Only {
        location: Some("*borealis*".into()),
        ..Only::default()
    };
    for (one, expected) in [
        (aurora, 1),
        (borealis, 0),
        (nowhere, 0),
        (held_private(&only), 1),
        (held_private(&other), 0),
    ] {
        let occurrences = [one];
        let feeds = [FromFeed {
            occurrences: &occurrences,
            only: &only,
        }];
        assert_eq!(
            agenda(&feeds, &MeetingRules::default(), window())
                .agenda
                .len(),
            expected
        );
    }
}

#[test]
fn expand_shows_titles_as_they_are_and_leaves_out_what_does_not_take_place() {
    let private = with(|d| {
        d.class = Class::Private;
        d.summary = Some("two\nlines".into());
    });
    let cancelled = with(|d| d.status = Status::Cancelled);
    let mut instant = occurrence(details("b"), 20, 20);
    instant.end = instant.start;
    let meetings = plain(&[cancelled, instant, private]);
    let titles: Vec<_> = meetings.iter().map(|meeting| &*meeting.title).collect();
    assert_eq!(titles, ["title of b", "two\nlines"]);
}

#[test]
fn a_meeting_that_was_composed_before_says_no_more_than_the_rules_of_today() {
    let of = |description: &str| Meeting {
        id: MeetingId::new("one", ""),
        title: "Budget".into(),
        organizer: "Ada".into(),
        description: Some(description.into()),
        start_time: UnixTime::from_seconds(0),
        end_time: UnixTime::from_seconds(60),
    };
    let rules = MeetingRules {
        description: Description::Conference,
        ..MeetingRules::default()
    };
    let conference = |description: &str| {
        let mut meeting = of(description);
        restrict(&mut meeting, &rules);
        meeting.description
    };
    let zoom = "https://example.zoom.us/j/123";
    assert_eq!(
        conference(&format!("Salaries of all.\nJoin: {zoom}.")).as_deref(),
        Some(zoom)
    );
    assert_eq!(conference("Salaries of all"), None);
    assert_eq!(
        conference("Salaries: https://intranet.example.com/salaries"),
        None
    );
    // Links that a calendar meant as such are shown as before.
    let own = format!("https://video.example.com/room/7\n{zoom}");
    assert_eq!(conference(&own).as_deref(), Some(own.as_str()));
    let mut hidden = of(zoom);
    let hides = MeetingRules {
        hide_titles: true,
        ..rules.clone()
    };
    restrict(&mut hidden, &hides);
    assert_eq!((&*hidden.title, hidden.description), ("Reserved", None));
}
