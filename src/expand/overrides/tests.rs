//! Whole series, in real zones: what is on when.

use crate::expand::written::series;
use crate::expand::{Expansion, expand};
use crate::model::time::{UnixTime, Window};
use crate::model::zone::Zone;

fn run(text: &str, window: &str, zone: &str) -> Expansion {
    let text: String = text.split("---").fold(String::new(), |all, event| {
        if event.contains("BEGIN:VTIMEZONE") {
            all + event
        } else {
            all + "BEGIN:VEVENT\nUID:a\n" + event.trim() + "\nEND:VEVENT\n"
        }
    });
    let at = |text: &str| UnixTime::parse(&format!("{text}T00:00:00Z")).unwrap();
    let (from, to) = window.split_once("..").unwrap();
    let window = Window::new(at(from), at(to)).unwrap();
    expand(&series(&text), window, &Zone::named(zone).unwrap())
}

/// One word for each instance: `MM-DDTHH:MM+minutes`, in UTC, and the title after a
/// slash if there is one. The window is January 2026 in UTC, the room in Berlin.
#[track_caller]
fn check(text: &str, expected: &str) {
    check_in(text, "2026-01-01..2026-02-01", "Europe/Berlin", expected);
}

#[track_caller]
fn check_in(text: &str, window: &str, zone: &str, expected: &str) {
    let found: Vec<String> = run(text, window, zone)
        .occurrences
        .iter()
        .map(|one| {
            let start = one.start.timestamp().strftime("%m-%dT%H:%M");
            let minutes = (one.end.seconds() - one.start.seconds()) / 60;
            let title = one.details.summary.as_ref();
            let title = title.map_or(String::new(), |title| format!("/{title}"));
            format!("{start}+{minutes}{title}")
        })
        .collect();
    let expected: Vec<&str> = expected.split_whitespace().collect();
    assert_eq!(found, expected, "{text}");
}

/// The verdicts as `key@MM-DD` of their start.
#[track_caller]
fn check_verdicts(text: &str, expected: &str) {
    let found: Vec<String> = run(text, "2026-01-01..2026-02-01", "Europe/Berlin")
        .verdicts
        .iter()
        .map(|verdict| {
            let start = verdict
                .start
                .map(|start| format!("@{}", start.timestamp().strftime("%m-%d")));
            format!("{}{}", verdict.rule.key(), start.unwrap_or_default())
        })
        .collect();
    let expected: Vec<&str> = expected.split_whitespace().collect();
    assert_eq!(found, expected, "{text}");
}

const DAILY: &str = "DTSTART:20260105T090000Z\nDTEND:20260105T100000Z\nRRULE:FREQ=DAILY;COUNT=3\n";

#[test]
fn a_moved_instance_leaves_its_old_hour() {
    let moved = |id: &str| {
        format!("{DAILY}---RECURRENCE-ID{id}\nDTSTART:20260106T150000Z\nDTEND:20260106T153000Z")
    };
    let expected = "01-05T09:00+60 01-06T15:00+30 01-07T09:00+60";
    for id in [
        ":20260106T090000Z",
        ";TZID=Europe/Berlin:20260106T100000",
        ";TZID=America/New_York:20260106T040000",
        // Without a zone, that of the series.
        ":20260106T090000",
        ";VALUE=DATE:20260106",
    ] {
        check(&moved(id), expected);
    }
    check_verdicts(&moved(":20260106T090000Z"), "replaced@01-06");
}

#[test]
fn a_bare_date_replaces_only_where_the_day_has_one_instance() {
    check(
        "DTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=HOURLY;INTERVAL=6;COUNT=3\n\
         ---RECURRENCE-ID;VALUE=DATE:20260105\nDTSTART:20260105T200000Z\nDURATION:PT30M",
        "01-05T09:00+60 01-05T15:00+60 01-05T20:00+30 01-05T21:00+60",
    );
}

#[test]
fn instances_may_swap_places() {
    check(
        &format!(
            "{DAILY}---RECURRENCE-ID:20260105T090000Z\nDTSTART:20260106T090000Z\nDTEND:20260106T100000Z\nSUMMARY:A\
             ---RECURRENCE-ID:20260106T090000Z\nDTSTART:20260105T090000Z\nDTEND:20260105T100000Z\nSUMMARY:B"
        ),
        "01-05T09:00+60/B 01-06T09:00+60/A 01-07T09:00+60",
    );
}

#[test]
fn a_timed_instance_may_become_a_day_and_back() {
    check(
        &format!("{DAILY}---RECURRENCE-ID:20260106T090000Z\nDTSTART;VALUE=DATE:20260106"),
        "01-05T09:00+60 01-05T23:00+1440 01-07T09:00+60",
    );
    check(
        "DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;COUNT=3\n\
         ---RECURRENCE-ID;VALUE=DATE:20260106\nDTSTART:20260106T090000Z\nDURATION:PT1H",
        "01-04T23:00+1440 01-06T09:00+60 01-06T23:00+1440",
    );
}

#[test]
fn an_override_for_what_the_rule_does_not_generate_is_shown_as_it_is() {
    check(
        &format!(
            "{DAILY}---RECURRENCE-ID:20260120T090000Z\nDTSTART:20260121T150000Z\nDURATION:PT1H"
        ),
        "01-05T09:00+60 01-06T09:00+60 01-07T09:00+60 01-21T15:00+60",
    );
}

/// Outlook and gateways write an EXDATE for the instance that they replace.
#[test]
fn an_override_that_is_excluded_too_takes_place_unless_the_exclusion_is_newer() {
    let text = |series: &str, instance: &str| {
        format!(
            "{DAILY}{series}\nEXDATE:20260106T090000Z\n---RECURRENCE-ID:20260106T090000Z\n{instance}\n\
             DTSTART:20260106T150000Z\nDURATION:PT1H"
        )
    };
    for (series, instance) in [
        ("", ""),
        ("SEQUENCE:2", "SEQUENCE:2"),
        ("SEQUENCE:1", "SEQUENCE:2"),
        ("DTSTAMP:20260101T000030Z", "DTSTAMP:20260101T000000Z"),
        (
            "SEQUENCE:1\nLAST-MODIFIED:20260105T000000Z",
            "SEQUENCE:2\nLAST-MODIFIED:20260104T000000Z",
        ),
    ] {
        let text = text(series, instance);
        check(&text, "01-05T09:00+60 01-06T15:00+60 01-07T09:00+60");
        check_verdicts(&text, "replaced@01-06");
    }
    for (series, instance) in [
        ("SEQUENCE:3", "SEQUENCE:2"),
        (
            "LAST-MODIFIED:20260105T000000Z",
            "LAST-MODIFIED:20260104T000000Z",
        ),
        ("DTSTAMP:20260102T000000Z", "DTSTAMP:20260101T000000Z"),
    ] {
        let text = text(series, instance);
        check(&text, "01-05T09:00+60 01-07T09:00+60");
        check_verdicts(&text, "excluded@01-06 excluded@01-06");
    }
}

/// DavMail leaves out what did not change.
#[test]
fn an_override_without_end_or_title_has_those_of_its_series() {
    check(
        &format!("{DAILY}SUMMARY:M\n---RECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T150000Z"),
        "01-05T09:00+60/M 01-06T15:00+60/M 01-07T09:00+60/M",
    );
}

#[test]
fn of_two_overrides_for_the_same_instance_the_newer_counts() {
    let text = format!(
        "{DAILY}---RECURRENCE-ID:20260106T090000Z\nSEQUENCE:2\nDTSTART:20260106T150000Z\nDURATION:PT1H\
         ---RECURRENCE-ID;TZID=Europe/Berlin:20260106T100000\nSEQUENCE:1\nDTSTART:20260106T170000Z\nDURATION:PT1H"
    );
    check(&text, "01-05T09:00+60 01-06T15:00+60 01-07T09:00+60");
    check_verdicts(&text, "superseded@01-06 replaced@01-06");
}

#[test]
fn this_and_future_moves_the_rest_with_new_length_and_title() {
    check(
        "DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=5\nSUMMARY:S\n\
         ---RECURRENCE-ID;RANGE=THISANDFUTURE:20260107T080000Z\nDTSTART:20260107T100000Z\nDURATION:PT30M\nSUMMARY:L\
         ---RECURRENCE-ID:20260108T080000Z\nDTSTART:20260108T190000Z\nDURATION:PT15M\nSUMMARY:O",
        "01-05T08:00+60/S 01-06T08:00+60/S 01-07T10:00+30/L 01-08T19:00+15/O 01-09T10:00+30/L",
    );
    // Moved by some days, into the window from before it.
    check_in(
        "DTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY\n\
         ---RECURRENCE-ID;RANGE=THISANDFUTURE:20260112T090000Z\nDTSTART:20260115T090000Z\nDURATION:PT2H",
        "2026-01-14..2026-01-23",
        "UTC",
        "01-15T09:00+120 01-22T09:00+120",
    );
}

/// Both are said of one instance: it is as the one says, those after it as the other.
#[test]
fn an_instance_with_both_kinds_of_override_has_both() {
    let single =
        "---RECURRENCE-ID:20260107T090000Z\nDTSTART:20260107T190000Z\nDURATION:PT15M\nSUMMARY:O\n";
    let range = "---RECURRENCE-ID;RANGE=THISANDFUTURE:20260107T090000Z\nDTSTART:20260107T110000Z\n\
                 DURATION:PT30M\nSUMMARY:L\n";
    let master = "DTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=5\nSUMMARY:S\n";
    let expected =
        "01-05T09:00+60/S 01-06T09:00+60/S 01-07T19:00+15/O 01-08T11:00+30/L 01-09T11:00+30/L";
    check(&format!("{master}{single}{range}"), expected);
    check(&format!("{master}{range}{single}"), expected);
    // Also where the range brings a rule of its own.
    let ruled = format!("{range}RRULE:FREQ=DAILY;COUNT=3\n");
    check(&format!("{master}{single}{ruled}"), expected);
}

/// 200,000 of them took 11 seconds: each chapter looked at the shifts of all others.
#[test]
fn many_overrides_of_the_future_are_looked_at_once_each() {
    let looked_at = |count: usize| {
        let mut text = "DTSTART:20251201T000000Z\nDURATION:PT1M\nRRULE:FREQ=HOURLY\n".to_owned();
        for number in 0..count {
            let (day, hour) = (1 + number / 24, number % 24);
            let rule = ["", "RRULE:FREQ=HOURLY\n"][number % 2];
            text += &format!(
                "---RECURRENCE-ID;RANGE=THISANDFUTURE:202601{day:02}T{hour:02}0000Z\n\
                 DTSTART:202601{day:02}T{hour:02}3000Z\nDURATION:PT1M\n{rule}"
            );
        }
        let before = super::LOOKED_AT.get();
        assert!(
            !run(&text, "2026-01-01..2026-02-01", "UTC")
                .occurrences
                .is_empty()
        );
        super::LOOKED_AT.get() - before
    };
    let (few, many) = (looked_at(100), looked_at(400));
    assert!(few > 0 && many <= 4 * few + 4, "{few}, {many}");
}

#[test]
fn this_and_future_keeps_its_wall_time_over_a_clock_change() {
    check_in(
        "DTSTART;TZID=Europe/Berlin:20260327T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\n\
         ---RECURRENCE-ID;RANGE=THISANDFUTURE:20260328T080000Z\nDTSTART;TZID=Europe/Berlin:20260328T110000\nDURATION:PT1H",
        "2026-03-01..2026-04-01",
        "UTC",
        "03-27T08:00+60 03-28T10:00+60 03-29T09:00+60 03-30T09:00+60",
    );
}

#[test]
fn this_and_future_may_bring_a_rule_of_its_own() {
    check(
        "DTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nSUMMARY:S\n\
         ---RECURRENCE-ID;RANGE=THISANDFUTURE:20260107T090000Z\nDTSTART:20260107T110000Z\nDURATION:PT30M\n\
         RRULE:FREQ=WEEKLY;COUNT=3\nSUMMARY:L",
        "01-05T09:00+60/S 01-06T09:00+60/S 01-07T11:00+30/L 01-14T11:00+30/L 01-21T11:00+30/L",
    );
}

#[test]
fn this_and_future_may_make_days_of_hours_and_hours_of_days() {
    check(
        "DTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3\n\
         ---RECURRENCE-ID;RANGE=THISANDFUTURE:20260106T090000Z\nDTSTART;VALUE=DATE:20260107",
        "01-05T09:00+60 01-06T23:00+1440 01-07T23:00+1440",
    );
    check(
        "DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;COUNT=3\n\
         ---RECURRENCE-ID;VALUE=DATE;RANGE=THISANDFUTURE:20260106\nDTSTART:20260106T120000Z\nDURATION:PT1H",
        "01-04T23:00+1440 01-06T12:00+60 01-07T12:00+60",
    );
}

#[test]
fn dtstart_is_the_first_instance_also_off_its_rule() {
    check(
        "DTSTART:20260105T090000Z\nRRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=3",
        "01-05T09:00+0 01-06T09:00+0 01-13T09:00+0",
    );
    // Another rule of the same series generates it.
    check(
        "DTSTART:20260105T090000Z\nRRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=2\nRRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=2",
        "01-05T09:00+0 01-06T09:00+0 01-12T09:00+0 01-13T09:00+0",
    );
    check(
        "DTSTART:20260105T090000Z\nRDATE:20260110T090000Z",
        "01-05T09:00+0 01-10T09:00+0",
    );
}

#[test]
fn until_is_read_in_every_form_that_is_written() {
    let timed = |until: &str| {
        format!("DTSTART;TZID=America/Los_Angeles:20260105T200000\nRRULE:FREQ=DAILY;UNTIL={until}")
    };
    let three = "01-06T04:00+0 01-07T04:00+0 01-08T04:00+0";
    for until in [
        "20260107",
        "20260107T200000",
        "20260108T040000Z",
        "20260109T035959Z",
    ] {
        check(&timed(until), three);
    }
    check(&timed("20260108T035959Z"), "01-06T04:00+0 01-07T04:00+0");
    // Cut at its first instance: nothing is left, and nothing is wrong.
    check(&timed("20260104"), "");
    check_verdicts(&timed("20260104"), "outside_window");
    for until in [
        "20260107",
        "20260107T000000Z",
        "20260106T230000Z",
        "20260107T225959Z",
        "20260107T120000Z",
    ] {
        check(
            &format!("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;UNTIL={until}"),
            "01-04T23:00+1440 01-05T23:00+1440 01-06T23:00+1440",
        );
    }
}

#[test]
fn dates_are_added_in_every_form() {
    check(
        "DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:PT1H\n\
         RDATE;TZID=Europe/Berlin:20260107T120000\nRDATE:20260108T090000Z\nRDATE;VALUE=DATE:20260109\n\
         RDATE;VALUE=PERIOD:20260110T090000Z/20260110T113000Z,20260111T090000Z/PT15M",
        "01-05T08:00+60 01-07T11:00+60 01-08T09:00+60 01-09T08:00+60 01-10T09:00+150 01-11T09:00+15",
    );
    check(
        "DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260107\nRDATE;VALUE=DATE:20260110",
        "01-04T23:00+2880 01-09T23:00+2880",
    );
    // The same instance twice is one; a period has its own length.
    check(
        &format!("{DAILY}RDATE:20260106T090000Z\nRDATE;VALUE=PERIOD:20260107T090000Z/PT3H"),
        "01-05T09:00+60 01-06T09:00+60 01-07T09:00+180",
    );
    // A period that began before the window.
    check(
        "DTSTART:20251220T090000Z\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20251230T090000Z/P3D",
        "12-30T09:00+4320",
    );
}

#[test]
fn dates_are_excluded_in_every_form() {
    let weekly = "DTSTART;TZID=Europe/Berlin:20260105T090000\nRRULE:FREQ=DAILY;COUNT=3\n";
    for excluded in [
        "EXDATE;TZID=Europe/Berlin:20260106T090000",
        "EXDATE:20260106T080000Z",
        "EXDATE;TZID=America/New_York:20260106T030000",
        "EXDATE:20260106T090000",
        "EXDATE;VALUE=DATE:20260106",
        "EXRULE:FREQ=DAILY;INTERVAL=3;BYMONTHDAY=6\nEXDATE:20260106T080000Z",
        "EXRULE:FREQ=WEEKLY;BYDAY=TU",
        "RDATE:20260106T080000Z\nEXDATE:20260106T080000Z",
    ] {
        check(
            &format!("{weekly}{excluded}"),
            "01-05T08:00+0 01-07T08:00+0",
        );
    }
    check_verdicts(
        &format!("{weekly}EXDATE;VALUE=DATE:20260106"),
        "excluded@01-06",
    );
    check("DTSTART:20260105T090000Z\nEXDATE:20260105T090000Z", "");
    for excluded in [
        ";VALUE=DATE:20260106",
        ":20260106T000000Z",
        ":20260105T230000Z",
        ";TZID=America/New_York:20260106T000000",
    ] {
        check(
            &format!("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE{excluded}"),
            "01-04T23:00+1440 01-06T23:00+1440",
        );
    }
}

/// RFC 5545 sections 3.3.5 and 3.3.10.
#[test]
fn clock_changes_move_no_more_than_they_must() {
    let berlin = |start: &str, rest: &str| {
        format!("DTSTART;TZID=Europe/Berlin:{start}\nDURATION:PT15M\n{rest}")
    };
    // Skipped: by the offset from before; the days after keep their wall time.
    check_in(
        &berlin("20260328T023000", "RRULE:FREQ=DAILY;COUNT=3"),
        "2026-03-01..2026-04-01",
        "UTC",
        "03-28T01:30+15 03-29T01:30+15 03-30T00:30+15",
    );
    check_in(
        &berlin("20260329T023000", "RRULE:FREQ=DAILY;COUNT=2"),
        "2026-03-01..2026-04-01",
        "UTC",
        "03-29T01:30+15 03-30T00:30+15",
    );
    // Shown twice: the first.
    check_in(
        &berlin("20261024T023000", "RRULE:FREQ=DAILY;COUNT=3"),
        "2026-10-01..2026-11-01",
        "UTC",
        "10-24T00:30+15 10-25T00:30+15 10-26T01:30+15",
    );
}

#[test]
fn no_hour_of_the_long_night_is_lost() {
    let hourly = |rule: &str| {
        format!("DTSTART;TZID=Europe/Berlin:20261025T003000\nDURATION:PT15M\nRRULE:{rule}")
    };
    let october = ("2026-10-01..2026-11-01", "UTC");
    for rule in [
        "FREQ=HOURLY;COUNT=6",
        "FREQ=HOURLY;UNTIL=20261025T033000Z",
        "FREQ=HOURLY;BYDAY=SU;UNTIL=20261025T043000",
    ] {
        check_in(
            &hourly(rule),
            october.0,
            october.1,
            "10-24T22:30+15 10-24T23:30+15 10-25T00:30+15 10-25T01:30+15 10-25T02:30+15 10-25T03:30+15",
        );
    }
    // Hours that are named, and steps longer than the change, follow the wall.
    check_in(
        &hourly("FREQ=HOURLY;BYHOUR=0,2,3;COUNT=3"),
        october.0,
        october.1,
        "10-24T22:30+15 10-25T00:30+15 10-25T02:30+15",
    );
    check_in(
        &hourly("FREQ=HOURLY;INTERVAL=2;COUNT=3"),
        october.0,
        october.1,
        "10-24T22:30+15 10-25T00:30+15 10-25T03:30+15",
    );
    // Clocks on Lord Howe Island change by half an hour: every hour keeps its place on
    // the wall, every half hour goes through.
    let lord_howe = |rule: &str, expected: &str| {
        check_in(
            &format!("DTSTART;TZID=Australia/Lord_Howe:20260405T003000\nRRULE:{rule}"),
            "2026-04-01..2026-04-05",
            "UTC",
            expected,
        );
    };
    for bound in ["COUNT=4", "UNTIL=20260404T170000Z"] {
        lord_howe(
            &format!("FREQ=HOURLY;{bound}"),
            "04-04T13:30+0 04-04T14:30+0 04-04T16:00+0 04-04T17:00+0",
        );
    }
    lord_howe(
        "FREQ=MINUTELY;INTERVAL=30;COUNT=5",
        "04-04T13:30+0 04-04T14:00+0 04-04T14:30+0 04-04T15:00+0 04-04T15:30+0",
    );
    for rule in [
        "FREQ=HOURLY;COUNT=4",
        "FREQ=HOURLY;BYDAY=SU;UNTIL=20260329T043000",
    ] {
        check_in(
            &format!("DTSTART;TZID=Europe/Berlin:20260329T003000\nDURATION:PT15M\nRRULE:{rule}"),
            "2026-03-01..2026-04-01",
            "UTC",
            "03-28T23:30+15 03-29T00:30+15 03-29T01:30+15 03-29T02:30+15",
        );
    }
}

/// RFC 5545 sections 3.3.6 and 3.8.5.3.
#[test]
fn lengths_are_exact_by_end_and_nominal_by_days() {
    let march = |start: &str, rest: &str, expected: &str| {
        check_in(
            &format!("DTSTART;{start}\n{rest}"),
            "2026-03-01..2026-04-01",
            "Europe/Berlin",
            expected,
        );
    };
    let berlin = "TZID=Europe/Berlin:20260327T120000";
    march(
        berlin,
        "DTEND;TZID=Europe/Berlin:20260328T120000\nRRULE:FREQ=DAILY;COUNT=2",
        "03-27T11:00+1440 03-28T11:00+1440",
    );
    march(
        berlin,
        "DURATION:P1D\nRRULE:FREQ=DAILY;COUNT=2",
        "03-27T11:00+1440 03-28T11:00+1380",
    );
    march(
        berlin,
        "DURATION:PT24H\nRRULE:FREQ=DAILY;COUNT=2",
        "03-27T11:00+1440 03-28T11:00+1440",
    );
    march(
        "VALUE=DATE:20260328",
        "DTEND;VALUE=DATE:20260329\nRRULE:FREQ=DAILY;COUNT=2",
        "03-27T23:00+1440 03-28T23:00+1380",
    );
    march(
        "VALUE=DATE:20260329",
        "DTEND;VALUE=DATE:20260329",
        "03-28T23:00+1380",
    );
    march("VALUE=DATE:20260329", "DURATION:P2D", "03-28T23:00+2820");
    march("VALUE=DATE:20260329", "DURATION:PT24H", "03-28T23:00+1380");
    march(
        "TZID=America/New_York:20260310T180000",
        "DTEND;TZID=Europe/Berlin:20260311T073000",
        "03-10T22:00+510",
    );
    march(
        "TZID=Europe/Berlin:20260310T180000",
        "DTEND;VALUE=DATE:20260311",
        "03-10T17:00+360",
    );
}

#[test]
fn an_event_that_ends_before_it_starts_is_left_out_with_a_reason() {
    for text in [
        "DTSTART:20260105T090000Z\nDTEND:20260105T080000Z",
        "DTSTART:20260105T090000Z\nDURATION:-PT1H",
        "DTSTART;VALUE=DATE:20260106\nDTEND;VALUE=DATE:20260105",
    ] {
        check(text, "");
        check_verdicts(text, "ends_before_start@01-05");
    }
}

#[test]
fn long_instances_that_began_before_the_window_are_in_it() {
    check(
        "DTSTART:20251101T090000Z\nDURATION:P10D\nRRULE:FREQ=WEEKLY;COUNT=9",
        "12-27T09:00+14400",
    );
    check(
        "DTSTART:20250101T000000Z\nDTEND:20270101T000000Z",
        "01-01T00:00+1051200",
    );
}

#[test]
fn an_event_with_nothing_in_the_window_says_so_once() {
    check_verdicts(
        "DTSTART:20260301T090000Z\nDURATION:PT1H",
        "outside_window@03-01",
    );
    check_verdicts(
        "DTSTART:20250301T090000Z\nRRULE:FREQ=DAILY;COUNT=300",
        "outside_window",
    );
    check_verdicts(
        "DTSTART:20260301T090000Z\nRRULE:FREQ=DAILY",
        "outside_window@03-01",
    );
    // Every second year: the next one is not far.
    check_verdicts(
        "DTSTART:20240310T090000Z\nRRULE:FREQ=YEARLY;INTERVAL=2",
        "outside_window@03-10",
    );
    check_verdicts("DTSTART:20260105T090000Z\nDURATION:PT1H", "");
}

#[test]
fn instances_are_named_by_what_their_series_gave_them() {
    let names = |text: &str| -> Vec<String> {
        let expansion = run(text, "2026-01-01..2026-02-01", "Europe/Berlin");
        expansion
            .occurrences
            .into_iter()
            .map(|one| one.instance)
            .collect()
    };
    assert_eq!(names("DTSTART:20260105T090000Z"), [""]);
    assert_eq!(
        names(&format!(
            "{DAILY}---RECURRENCE-ID;TZID=Europe/Berlin:20260106T100000\nDTSTART:20260120T090000Z"
        )),
        ["20260105T090000Z", "20260107T090000Z", "20260106T090000Z"],
    );
    assert_eq!(
        names("DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;COUNT=2"),
        ["20260105", "20260106"],
    );
    assert_eq!(
        names("RECURRENCE-ID;TZID=Europe/Berlin:20260106T100000\nDTSTART:20260120T090000Z"),
        ["20260106T090000Z"],
    );
    assert_eq!(
        names(
            "DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY;COUNT=2\n\
             ---RECURRENCE-ID;RANGE=THISANDFUTURE:20260105T090000Z\nDTSTART:20260105T110000Z"
        ),
        ["20260105T090000Z", "20260106T090000Z"],
    );
}

#[test]
fn floating_times_and_days_are_the_rooms() {
    for (zone, expected) in [
        ("America/New_York", "01-05T05:00+1440 01-05T14:00+0"),
        ("Asia/Tokyo", "01-04T15:00+1440 01-05T00:00+0"),
    ] {
        check_in(
            "DTSTART;VALUE=DATE:20260105\nRDATE;VALUE=DATE:20250105",
            "2026-01-01..2026-02-01",
            zone,
            expected.split_once(' ').unwrap().0,
        );
        check_in(
            "DTSTART:20260105T090000",
            "2026-01-01..2026-02-01",
            zone,
            expected.split_once(' ').unwrap().1,
        );
    }
}
