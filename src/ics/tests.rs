//! What a person sees of reading as a whole; the parts have their tests beside them.
//! Rows of the shared reference on feeds are named as there (P1, Z2, R3, T11).

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::civil::{DateTime, date};
use proptest::prelude::*;

use super::series::*;
use super::*;
use crate::model::occurrence::{BusyStatus, Class, Details, Status};
use crate::model::verdict::{Rule as Why, Subject};
use crate::model::zone::Zone;

pub fn item(body: impl Into<Vec<u8>>) -> FeedItem {
    FeedItem {
        href: String::new(),
        etag: None,
        last_modified: None,
        body: Bytes::from(body.into()),
    }
}

fn reading(body: impl Into<Vec<u8>>) -> Reading {
    read(&item(body)).unwrap_or_else(|error| panic!("{error}"))
}

/// A calendar of these lines.
fn calendar(lines: &str) -> String {
    format!("BEGIN:VCALENDAR\n{lines}\nEND:VCALENDAR\n")
}

/// A calendar with one event of these lines.
fn event_calendar(lines: &str) -> String {
    calendar(&format!("BEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT"))
}

/// The only event of a calendar that holds nothing else.
fn event(lines: &str) -> Event {
    only_master(reading(event_calendar(lines)), lines)
}

fn only_master(reading: Reading, name: &str) -> Event {
    let mut masters: Vec<_> = reading
        .series
        .into_iter()
        .filter_map(|series| series.master)
        .collect();
    assert_eq!(masters.len(), 1, "{name}");
    masters.remove(0)
}

fn details(lines: &str) -> std::sync::Arc<Details> {
    event(&format!("DTSTART:20260105T090000Z\n{lines}")).details
}

fn rules(reading: &Reading) -> Vec<&'static str> {
    reading
        .verdicts
        .iter()
        .map(|verdict| verdict.rule.key())
        .collect()
}

fn titles(reading: &Reading) -> Vec<String> {
    let events = reading
        .series
        .iter()
        .flat_map(|series| series.master.iter().chain(&series.overrides));
    events
        .map(|event| event.details.summary.clone().unwrap_or_default())
        .collect()
}

fn local(text: &str) -> DateTime {
    text.parse().unwrap()
}

fn time(text: &str, place: Place) -> When {
    When::Time {
        local: local(text),
        place,
    }
}

fn zone(name: &str) -> Place {
    Place::Zone(Zone::named(name).unwrap())
}

fn seconds(seconds: i64) -> End {
    End::After(Nominal { days: 0, seconds })
}

// What is no calendar.

#[test]
fn a_login_page_is_not_an_empty_calendar() {
    for (body, expected) in [
        ("", NotACalendar::Empty),
        (" \r\n\t\n", NotACalendar::Empty),
        ("\u{FEFF}", NotACalendar::Empty),
        ("<!DOCTYPE html><html>BEGIN:VCALENDAR", NotACalendar::Html),
        (
            "\n  <html>\nBEGIN:VCALENDAR on a line</html>",
            NotACalendar::Html,
        ),
        ("<?xml version='1.0'?><d:error/>", NotACalendar::Html),
        (
            "EGIN:VCALENDAR\nEND:VCALENDAR",
            NotACalendar::NoCalendar { line: 1 },
        ),
        ("\n\n{\"error\": 401}", NotACalendar::NoCalendar { line: 3 }),
        (
            "BEGIN:VEVENT\nEND:VEVENT",
            NotACalendar::NoCalendar { line: 1 },
        ),
    ] {
        assert_eq!(read(&item(body)), Err(expected), "{body}");
    }
}

#[test]
fn what_is_said_about_a_body_never_quotes_it() {
    for body in ["<html>Ada</html>", "Ada", ""] {
        let error = read(&item(body)).unwrap_err();
        let said = format!("{error} {error:?} {}", error.hint());
        assert!(!said.contains("Ada"), "{said}");
    }
    let shown = format!(
        "{:?}",
        reading(event_calendar("DTSTART:20260105\nSUMMARY:Merger"))
    );
    assert!(!shown.contains("Merger"), "{shown}");
}

#[test]
fn a_calendar_without_events_is_a_calendar() {
    assert_eq!(
        reading("BEGIN:VCALENDAR\nEND:VCALENDAR"),
        Reading::default()
    );
    let warned = "PHP Warning: foo in bar\nbegin:vcalendar\nend:vcalendar\n";
    assert_eq!(reading(warned), Reading::default());
}

// Components (T11, T12, T13, P24).

#[test]
fn a_calendar_that_is_cut_off_keeps_its_whole_events() {
    let whole = "BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nSUMMARY:Whole\nEND:VEVENT\n";
    let no_end = reading(format!("BEGIN:VCALENDAR\n{whole}"));
    assert!(no_end.cut_off);
    assert_eq!(titles(&no_end), ["Whole"]);
    assert!(no_end.verdicts.is_empty());

    let inside = reading(format!(
        "BEGIN:VCALENDAR\n{whole}BEGIN:VEVENT\nUID:2\nDTSTART:20260"
    ));
    assert!(inside.cut_off);
    assert_eq!(titles(&inside), ["Whole"]);
    assert_eq!(rules(&inside), ["cut_off"]);
    assert!(matches!(
        inside.verdicts[0].subject,
        Subject::Line { line: 7, .. }
    ));

    let in_its_end = reading(format!("BEGIN:VCALENDAR\n{whole}END:VCALEN"));
    assert!(in_its_end.cut_off);
}

#[test]
fn a_missing_end_costs_nothing_when_the_next_component_begins() {
    let body = "BEGIN:VCALENDAR\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nSUMMARY:One\nBEGIN:VALARM\nTRIGGER:PT0S\n\
        BEGIN:VEVENT\nUID:2\nDTSTART:20260106\nSUMMARY:Two\nEND:VEVENT\nEND:VTODO\n\
        BEGIN:VTODO\nSUMMARY:Task\n\
        BEGIN:VEVENT\nUID:3\nDTSTART:20260107\nSUMMARY:Three\n\
        END:VCALENDAR\n";
    let read = reading(body);
    assert_eq!(titles(&read), ["One", "Two", "Three"]);
    assert!(!read.cut_off);
}

#[test]
fn several_calendars_in_one_body_are_one_feed() {
    let one = event_calendar("DTSTART:20260105\nSUMMARY:One");
    let two = "\u{FEFF}".to_owned() + &one.replace("UID:1", "UID:2").replace("One", "Two");
    assert_eq!(
        titles(&reading(format!("{one}{two}junk behind it\n"))),
        ["One", "Two"]
    );
    // The second file was put behind one that was cut off.
    let cut = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:3\nDTSTART:20260107\n{two}");
    let read = reading(cut);
    assert_eq!(titles(&read), ["Two"]);
    assert_eq!(rules(&read), ["cut_off"]);
}

#[test]
fn only_events_are_read() {
    let body = calendar(
        "BEGIN:VTODO\nUID:1\nDTSTART:20260105\nSUMMARY:Task\nEND:VTODO\n\
        BEGIN:VJOURNAL\nDTSTART:20260105\nSUMMARY:Diary\nEND:VJOURNAL\n\
        BEGIN:VFREEBUSY\nDTSTART:20260105T000000Z\nFREEBUSY:x\nEND:VFREEBUSY\n\
        BEGIN:VAVAILABILITY\nBEGIN:AVAILABLE\nDTSTART:20260105\nEND:AVAILABLE\nEND:VAVAILABILITY\n\
        BEGIN:VEVENT\nUID:2\nDTSTART:20260105\n\
        BEGIN:X-COMP\nSUMMARY:Not this\nBEGIN:VALARM\nDTSTART:1\nEND:VALARM\nEND:X-COMP\n\
        BEGIN:VALARM\nSUMMARY:Nor this\nEND:VALARM\n\
        SUMMARY;X-P=1:Meeting\nX-Link\nX-JUNK;;==:\nEND:VEVENT",
    );
    assert_eq!(titles(&reading(body)), ["Meeting"]);
}

#[test]
fn letter_case_does_not_count() {
    let body = "begin:vcalendar\nbegin:vevent\nuid:1\ndtstart;tzid=europe/berlin;value=date-time:20260105t090000\n\
        summary:x\nclass:private\ntransp:transparent\nend:vevent\nend:vcalendar";
    let event = only_master(reading(body), body);
    assert_eq!(event.start, time("2026-01-05T09:00", zone("Europe/Berlin")));
    assert_eq!(event.details.class, Class::Private);
    assert!(event.details.transparent);
}

#[test]
fn a_cancelling_calendar_cancels_its_events() {
    let body = calendar("METHOD:CANCEL\nBEGIN:VEVENT\nUID:1\nDTSTART:20260105\nEND:VEVENT");
    assert_eq!(
        only_master(reading(body), "cancel").details.status,
        Status::Cancelled
    );
}

#[test]
fn an_event_that_cannot_be_read_costs_no_other() {
    let body = calendar(
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nSUMMARY:One\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:2\nDTSTART:20261305\nSUMMARY:Two\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:3\nSUMMARY:Three\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:4\nDTSTART:20260105\nRECURRENCE-ID:x\nSUMMARY:Four\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:5\nDTSTART:20260107\nSUMMARY:Five\nEND:VEVENT",
    );
    let read = reading(body);
    assert_eq!(titles(&read), ["One", "Five"]);
    let said: Vec<_> = read
        .verdicts
        .iter()
        .map(|verdict| match &verdict.subject {
            Subject::Line { line, .. } => format!("{line}: {}", verdict.rule),
            Subject::Event(_) => panic!("it was read"),
        })
        .collect();
    assert_eq!(
        said,
        [
            "9: unreadable: DTSTART is no date",
            "12: unreadable: DTSTART is missing",
            "19: unreadable: RECURRENCE-ID is no date",
        ]
    );
}

// Start and end (P2 to P8).

#[test]
fn ends_are_read_as_they_are_meant() {
    let berlin = || zone("Europe/Berlin");
    let day = |d: i8| When::Date(date(2026, 1, d));
    for (lines, start, end) in [
        (
            "DTSTART:20260105T090000Z",
            time("2026-01-05T09:00", Place::Utc),
            End::Unsaid,
        ),
        ("DTSTART;VALUE=DATE:20260105", day(5), End::Unsaid),
        ("DTSTART:20260105\nDTEND:20260107", day(5), End::At(day(7))),
        // P4: equal ends are one day.
        (
            "DTSTART:20260105\nDTEND:20260105",
            day(5),
            End::After(Nominal {
                days: 1,
                seconds: 0,
            }),
        ),
        // P6: DTEND wins.
        (
            "DTSTART:20260105T090000Z\nDURATION:PT5H\nDTEND:20260105T100000Z",
            time("2026-01-05T09:00", Place::Utc),
            End::At(time("2026-01-05T10:00", Place::Utc)),
        ),
        (
            "DTSTART:20260105T090000Z\nDURATION:PT1H",
            time("2026-01-05T09:00", Place::Utc),
            seconds(3_600),
        ),
        // What cannot be read is as if it were not there.
        (
            "DTSTART:20260105T090000Z\nDTEND:soon",
            time("2026-01-05T09:00", Place::Utc),
            End::Unsaid,
        ),
        (
            "DTSTART:20260105T090000Z\nDTEND:x\nDURATION:PT1H",
            time("2026-01-05T09:00", Place::Utc),
            seconds(3_600),
        ),
        // The form decides what it is, whatever it is called.
        (
            "DTSTART;VALUE=DATE:20260105T120000",
            time("2026-01-05T12:00", Place::Floating),
            End::Unsaid,
        ),
        ("DTSTART;VALUE=DATE-TIME:20260105", day(5), End::Unsaid),
        (
            "DTSTART;VALUE=DATE:20260105T000000\nDTEND;VALUE=DATE:20260106T000000",
            day(5),
            End::At(day(6)),
        ),
        // One of the two is a date.
        (
            "DTSTART:20260105\nDTEND:20260106T000000",
            day(5),
            End::At(day(6)),
        ),
        (
            "DTSTART:20260105\nDTEND:20260105T170000Z",
            time("2026-01-05T00:00", Place::Utc),
            End::At(time("2026-01-05T17:00", Place::Utc)),
        ),
        (
            "DTSTART;TZID=Europe/Berlin:20260105T090000\nDTEND;VALUE=DATE:20260106",
            time("2026-01-05T09:00", berlin()),
            End::At(time("2026-01-06T00:00", berlin())),
        ),
        (
            "DTSTART;TZID=Europe/Berlin:20260105T090000\nDTEND;VALUE=DATE:20260105",
            time("2026-01-05T09:00", berlin()),
            End::At(time("2026-01-06T00:00", berlin())),
        ),
        // The TZID of the end was forgotten.
        (
            "DTSTART;TZID=Europe/Berlin:20260105T090000\nDTEND:20260105T100000",
            time("2026-01-05T09:00", berlin()),
            End::At(time("2026-01-05T10:00", berlin())),
        ),
        // Section 3.2.19: a TZID says nothing about a time in UTC.
        (
            "DTSTART;TZID=Europe/Berlin:20260105T090000Z",
            time("2026-01-05T09:00", Place::Utc),
            End::Unsaid,
        ),
        (
            "DTSTART:20260105T090000+0100",
            time("2026-01-05T09:00", Place::Offset(3_600)),
            End::Unsaid,
        ),
        ("DTSTART:20260105\nDTSTART:20260106", day(5), End::Unsaid),
        ("DTSTART:oops\nDTSTART:20260106", day(6), End::Unsaid),
    ] {
        let body = event_calendar(lines);
        if lines.starts_with("DTSTART:oops") {
            assert_eq!(rules(&reading(body)), ["unreadable"], "{lines}");
            continue;
        }
        let event = event(lines);
        assert_eq!((event.start, event.end), (start, end), "{lines}");
    }
}

#[test]
fn an_event_that_ends_before_it_starts_is_left_out_and_said() {
    for lines in [
        "DTSTART:20260105T090000Z\nDTEND:20260105T080000Z",
        "DTSTART:20260105T090000\nDTEND:20260105T080000",
        "DTSTART;TZID=Europe/Berlin:20260105T090000\nDTEND;TZID=Asia/Tokyo:20260105T100000",
        "DTSTART:20260105\nDTEND:20260104",
        "DTSTART:20260105T090000Z\nDURATION:-PT1H",
    ] {
        let read = reading(event_calendar(lines));
        assert!(read.series.is_empty(), "{lines}");
        assert_eq!(rules(&read).first(), Some(&"ends_before_start"), "{lines}");
    }
}

// Recurrence (R10 to R14).

#[test]
fn a_rule_that_cannot_be_read_leaves_the_first_instance() {
    for (rule, key) in [
        ("FREQ=FORTNIGHTLY", "unreadable"),
        ("FREQ=DAILY;COUNT=0", "unreadable"),
        ("RSCALE=HEBREW;FREQ=YEARLY", "unsupported"),
    ] {
        let read = reading(event_calendar(&format!(
            "DTSTART:20260105T090000Z\nRRULE:{rule}"
        )));
        assert_eq!(rules(&read), [key], "{rule}");
        assert!(read.verdicts[0].rule.is_trouble());
        assert!(matches!(read.verdicts[0].subject, Subject::Event(_)));
        assert!(only_master(read, rule).rules.is_empty());
    }
}

#[test]
fn dates_of_a_series_are_read_in_every_form() {
    let event = event(
        "DTSTART;TZID=Europe/Berlin:20260105T090000\nRRULE:FREQ=DAILY\nRRULE:FREQ=DAILY\n\
        EXRULE:FREQ=WEEKLY\nEXDATE:\nEXDATE;VALUE=DATE:20260107 \n\
        EXDATE:20260108T080000Z,20260109T090000, ,x\nEXDATE;TZID=Asia/Tokyo:20260110T170000\n\
        RDATE;VALUE=PERIOD:20260201T090000Z/PT2H,20260202T090000Z/20260202T093000Z,bad/PT1H\n\
        RDATE;VALUE=DATE:20260203",
    );
    assert_eq!((event.rules.len(), event.exclusion_rules.len()), (1, 1));
    assert_eq!(
        event.exclusion_dates,
        [
            When::Date(date(2026, 1, 7)),
            time("2026-01-08T08:00", Place::Utc),
            time("2026-01-09T09:00", zone("Europe/Berlin")),
            time("2026-01-10T17:00", zone("Asia/Tokyo")),
        ]
    );
    let ends: Vec<_> = event.dates.iter().map(|date| date.end.clone()).collect();
    let until = End::At(time("2026-02-02T09:30", Place::Utc));
    assert_eq!(ends, [Some(seconds(7_200)), Some(until), None]);
}

/// The only series of a calendar: a daily master, and these lines of an override.
fn overridden(master: &str, instance: &str) -> (Event, Event) {
    let body = calendar(&format!(
        "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20260106T090000Z\n{instance}\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260105T090000Z\nRRULE:FREQ=DAILY\n{master}\nEND:VEVENT"
    ));
    let mut series = reading(body).series;
    assert_eq!(series.len(), 1, "{instance}");
    let mut series = series.remove(0);
    (series.master.unwrap(), series.overrides.remove(0))
}

#[test]
fn an_override_has_what_it_lacks_from_its_master() {
    let master = "DTEND:20260105T103000Z\nSUMMARY:Board\nLOCATION:Oak\nORGANIZER:mailto:a@x";
    let (_, bare) = overridden(master, "DTSTART:20260106T110000Z");
    assert_eq!(bare.end, seconds(5_400));
    assert_eq!(bare.details.summary.as_deref(), Some("Board"));
    assert_eq!(bare.details.location.as_deref(), Some("Oak"));
    assert!(bare.details.organizer.is_some());
    // One that has a title is complete: that it has no place means that there is none.
    let (_, titled) = overridden(master, "DTSTART:20260106T110000Z\nSUMMARY:Moved");
    assert_eq!(titled.details.summary.as_deref(), Some("Moved"));
    assert_eq!(titled.details.location, None);
    // A cancelled one may have no start.
    let (_, cancelled) = overridden(master, "STATUS:CANCELLED");
    assert_eq!(cancelled.start, time("2026-01-06T09:00", Place::Utc));
    assert_eq!(cancelled.details.status, Status::Cancelled);
    // All day, in place of a time.
    let (_, all_day) = overridden(master, "DTSTART:20260106");
    assert_eq!(all_day.end, End::Unsaid);
}

#[test]
fn an_override_is_as_private_as_its_master_unless_it_says_otherwise() {
    let (_, unsaid) = overridden(
        "CLASS:PRIVATE\nSUMMARY:Secret",
        "DTSTART:20260106T110000Z\nSUMMARY:x",
    );
    assert_eq!(unsaid.details.class, Class::Private);
    let (_, public) = overridden(
        "CLASS:PRIVATE\nSUMMARY:Secret",
        "DTSTART:20260106T110000Z\nCLASS:PUBLIC",
    );
    assert_eq!(public.details.class, Class::Public);
    assert_eq!(public.details.summary, None, "nothing of a private text");
}

#[test]
fn the_rule_of_an_override_counts_only_for_this_and_future() {
    let (_, one) = overridden("SUMMARY:x", "DTSTART:20260106T110000Z\nRRULE:FREQ=DAILY");
    assert!(one.rules.is_empty());
    let body = event_calendar(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20260106T090000Z\nDTSTART:20260106T110000Z\nRRULE:FREQ=DAILY",
    );
    let series = reading(body).series.remove(0);
    assert!(series.master.is_none());
    let id = series.overrides[0].recurrence_id.clone().unwrap();
    assert!(id.this_and_future);
    assert_eq!(series.overrides[0].rules.len(), 1);
}

fn versions(first: &str, second: &str) -> Reading {
    reading(calendar(&format!(
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nSUMMARY:first\n{first}\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nSUMMARY:second\n{second}\nEND:VEVENT"
    )))
}

#[test]
fn of_copies_the_newest_counts() {
    for (first, second, expected) in [
        ("SEQUENCE:2", "SEQUENCE:1", "first"),
        ("SEQUENCE:1", "SEQUENCE:2", "second"),
        (
            "SEQUENCE:1\nLAST-MODIFIED:20260101T000000Z",
            "LAST-MODIFIED:20260102T000000Z",
            "first",
        ),
        (
            "LAST-MODIFIED:20260102T000000Z",
            "LAST-MODIFIED:20260101T000000Z",
            "first",
        ),
        (
            "DTSTAMP:20260102T000000Z",
            "DTSTAMP:20260101T000000Z",
            "first",
        ),
        // A DTSTAMP is renewed at each download; it counts only where nothing else does.
        (
            "LAST-MODIFIED:20260101T000000Z\nDTSTAMP:20260109T000000Z",
            "LAST-MODIFIED:20260102T000000Z\nDTSTAMP:20260108T000000Z",
            "second",
        ),
        ("X-A:1", "X-A:1", "second"),
    ] {
        let read = versions(first, second);
        assert_eq!(titles(&read), [expected], "{first} / {second}");
        assert_eq!(rules(&read), ["superseded"], "{first} / {second}");
    }
}

#[test]
fn two_overrides_of_one_instance_are_copies_too() {
    let of = |id: &str, rest: &str| {
        format!(
            "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID{id}\nDTSTART:20260106T100000Z\n{rest}\nEND:VEVENT\n"
        )
    };
    let body = calendar(&format!(
        "{}{}{}",
        of(":20260106T090000Z", "SEQUENCE:3\nSUMMARY:new"),
        of(
            ";TZID=Europe/Berlin:20260106T100000",
            "SEQUENCE:2\nSUMMARY:old"
        ),
        of(":20260107T090000Z", "SUMMARY:other"),
    ));
    let read = reading(body);
    assert_eq!(titles(&read), ["new", "other"]);
    assert_eq!(rules(&read), ["superseded"]);
}

#[test]
fn different_events_with_one_uid_are_all_kept() {
    let body = calendar(
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nSUMMARY:a\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260107\nSUMMARY:b\nRRULE:FREQ=DAILY\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260106\nSUMMARY:c\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260106\nSUMMARY:c2\nEND:VEVENT",
    );
    let read = reading(body);
    let uids: Vec<_> = read
        .series
        .iter()
        .map(|series| series.uid.as_str())
        .collect();
    assert_eq!(uids, ["1", "1/2026-01-05", "1/2026-01-06"]);
    assert_eq!(titles(&read), ["b", "a", "c2"]);
}

#[test]
fn events_without_a_uid_are_told_apart_and_known_again() {
    let event = |title: &str| {
        format!("BEGIN:VEVENT\nDTSTART:20260105\nUID: \nSUMMARY:{title}\nEND:VEVENT\n")
    };
    let both = reading(calendar(&format!(
        "{}{}{}",
        event("a"),
        event("b"),
        event("a")
    )));
    let uids: Vec<_> = both
        .series
        .iter()
        .map(|series| series.uid.clone())
        .collect();
    assert_eq!(titles(&both), ["a", "b", "a"]);
    assert_eq!(
        uids.iter().collect::<std::collections::HashSet<_>>().len(),
        3
    );
    let alone = reading(calendar(&event("b")));
    assert_eq!(alone.series[0].uid, uids[1]);
}

#[test]
fn items_of_a_collection_are_merged() {
    let one = |lines: &str| reading(event_calendar(lines));
    let merged = merge(vec![
        one(
            "DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY\nSEQUENCE:1\nSUMMARY:old\nDTSTAMP:20260101T000000Z",
        ),
        one("RECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T100000Z"),
        one(
            "DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY\nSEQUENCE:2\nSUMMARY:new\nDTEND:20260105T100000Z",
        ),
        reading("BEGIN:VCALENDAR\nX-WR-CALNAME:Oak\n"),
    ]);
    assert_eq!(titles(&merged), ["new", "new"]);
    assert_eq!(merged.series[0].overrides[0].end, seconds(3_600));
    assert_eq!(rules(&merged), ["superseded"]);
    assert!(merged.cut_off);
    assert_eq!(merged.name.as_deref(), Some("Oak"));
    assert_eq!(
        merged.newest_stamp.unwrap().to_string(),
        "2026-01-01T00:00:00Z"
    );
    assert_eq!(merge(Vec::new()), Reading::default());
}

// What an event says (P10 to P23).

#[test]
fn classes_that_nobody_knows_are_private() {
    for (line, class) in [
        ("", Class::Public),
        ("CLASS:", Class::Public),
        ("CLASS:public", Class::Public),
        ("CLASS:PRIVATE", Class::Private),
        ("CLASS:CONFIDENTIAL", Class::Private),
        ("CLASS:X-FRIENDS", Class::Private),
        (
            "CLASS:PUBLIC\nX-CALENDARSERVER-ACCESS:RESTRICTED",
            Class::Private,
        ),
        ("CLASS:PRIVATE\nCLASS:PUBLIC", Class::Private),
    ] {
        assert_eq!(details(line).class, class, "{line}");
    }
}

#[test]
fn states_are_read_in_any_spelling() {
    for (line, status) in [
        ("STATUS:CANCELLED", Status::Cancelled),
        ("STATUS:canceled", Status::Cancelled),
        ("STATUS: TENTATIVE ", Status::Tentative),
        ("STATUS:CONFIRMED", Status::Confirmed),
        ("STATUS:WHATEVER", Status::Confirmed),
    ] {
        assert_eq!(details(line).status, status, "{line}");
    }
    for (lines, busy) in [
        ("X-MICROSOFT-CDO-BUSYSTATUS:Free", Some(BusyStatus::Free)),
        (
            "X-MICROSOFT-CDO-BUSYSTATUS:OOF\nX-MICROSOFT-CDO-INTENDEDSTATUS:FREE",
            Some(BusyStatus::OutOfOffice),
        ),
        (
            "X-MICROSOFT-CDO-INTENDEDSTATUS:BUSY",
            Some(BusyStatus::Busy),
        ),
        (
            "X-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE",
            Some(BusyStatus::WorkingElsewhere),
        ),
        ("X-MICROSOFT-CDO-BUSYSTATUS:?", None),
    ] {
        assert_eq!(details(lines).busy_status, busy, "{lines}");
    }
    assert!(details("TRANSP:transparent").transparent);
    assert!(!details("TRANSP:OPAQUE").transparent);
}

#[test]
fn organizers_are_named_by_cn_and_address() {
    for (line, name, address) in [
        ("ORGANIZER:MAILTO:Ada@X.org", None, Some("Ada@X.org")),
        ("ORGANIZER;CN=Ada:mailto:a@x", Some("Ada"), Some("a@x")),
        (
            "ORGANIZER;CN=\"Doe, John: CEO\":mailto:j@x",
            Some("Doe, John: CEO"),
            Some("j@x"),
        ),
        (
            "ORGANIZER;CN=\"'Ada'\":mailto:a@x",
            Some("Ada"),
            Some("a@x"),
        ),
        (
            "ORGANIZER;CN=Ada;EMAIL=a@x:/principals/1",
            Some("Ada"),
            Some("a@x"),
        ),
        ("ORGANIZER;CN=Ada:", Some("Ada"), None),
        ("ORGANIZER:invalid:nomail", None, Some("invalid:nomail")),
    ] {
        let details = details(line);
        let person = details.organizer.as_ref().unwrap();
        assert_eq!(
            (person.name.as_deref(), person.address.as_deref()),
            (name, address),
            "{line}"
        );
    }
    assert!(details("ORGANIZER:").organizer.is_none());
    assert!(details("ORGANIZER;CN=Sixt SE").organizer.is_none());
}

#[test]
fn a_room_that_declined_is_known() {
    let room = "ATTENDEE;CUTYPE=ROOM;PARTSTAT=DECLINED:mailto:Oak@x";
    let other = "ATTENDEE;CUTYPE=RESOURCE;PARTSTAT=ACCEPTED:mailto:elm@x";
    let person = "ATTENDEE;PARTSTAT=DECLINED;CN=Ada:mailto:ada@x";
    for (lines, declined) in [
        (room.to_owned(), true),
        (format!("{room}\n{other}"), false),
        (other.to_owned(), false),
        (person.to_owned(), false),
        (format!("ORGANIZER:mailto:Ada@x\n{person}"), true),
    ] {
        assert_eq!(details(&lines).room_declined, declined, "{lines}");
    }
    assert_eq!(
        details(&format!("{room}\n{person}")).declined,
        ["oak@x", "ada@x"]
    );
    let guests = "ATTENDEE;PARTSTAT=ACCEPTED:mailto:b@x\n".repeat(3);
    assert!(details(&guests).declined.is_empty());
}

#[test]
fn texts_links_and_categories_are_unescaped() {
    let details = details(
        "SUMMARY;LANGUAGE=de:a\\, b\\; c\\\\d\nDESCRIPTION:one\\ntwo <b>x</b>\nLOCATION:Oak\\, 3rd\n\
        CATEGORIES:A\\,B, C\nCATEGORIES:D\nCONFERENCE;VALUE=URI;FEATURE=VIDEO:https://c.example/1\n\
        X-MICROSOFT-SKYPETEAMSMEETINGURL:https://t.example/3\nX-GOOGLE-CONFERENCE:https://g.example/2\n\
        URL:https://u.example/?a=b\\,c\nSUMMARY:second",
    );
    assert_eq!(details.summary.as_deref(), Some("a, b; c\\d"));
    assert_eq!(details.description.as_deref(), Some("one\ntwo <b>x</b>"));
    assert_eq!(details.location.as_deref(), Some("Oak, 3rd"));
    assert_eq!(details.categories, ["A,B", "C", "D"]);
    assert_eq!(
        details.conference,
        [
            "https://c.example/1",
            "https://g.example/2",
            "https://t.example/3"
        ]
    );
    assert_eq!(details.url.as_deref(), Some("https://u.example/?a=b,c"));
}

// Zones (Z1 to Z10).

const CUSTOM: &str = "BEGIN:VTIMEZONE\nTZID:Customized Time Zone\n\
    BEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0417\nTZOFFSETTO:+0317\n\
    RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=1SU\nEND:STANDARD\n\
    BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+031700\nTZOFFSETTO:+041700\n\
    RRULE:FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=1\nEND:DAYLIGHT\nEND:VTIMEZONE\n";

fn zoned(definitions: &str, tzid: &str) -> (Place, Vec<String>) {
    // The zone is defined behind the event that uses it (T11 of real feeds).
    let body = calendar(&format!(
        "BEGIN:VEVENT\nUID:1\nDTSTART;TZID={tzid}:20260705T090000\nEND:VEVENT\n{definitions}"
    ));
    let read = reading(body);
    let said = read
        .verdicts
        .iter()
        .map(|verdict| verdict.rule.to_string())
        .collect();
    match only_master(read, tzid).start {
        When::Time { place, .. } => (place, said),
        When::Date(_) => panic!("{tzid}"),
    }
}

#[test]
fn a_zone_of_the_calendars_own_is_read_from_its_rules() {
    for tzid in [
        "Customized Time Zone",
        "\"Customized Time Zone\"",
        " customized time zone",
    ] {
        let (place, said) = zoned(CUSTOM, tzid);
        let Place::Own(own) = place else {
            panic!("{tzid}: {place:?}")
        };
        let offsets: Vec<_> = own.observances.iter().map(|one| one.offset_to).collect();
        assert_eq!(offsets, [11_820, 15_420], "{tzid}");
        assert_eq!(said.len(), 1, "{tzid}: {said:?}");
    }
}

#[test]
fn zone_definitions_that_are_odd_are_tolerated() {
    let standard = |offset: &str| {
        format!("BEGIN:STANDARD\nDTSTART:00010101T000000\nTZOFFSETTO:{offset}\nEND:STANDARD\n")
    };
    // Z7: one side only, the year 1, no TZOFFSETFROM, several names, a number for a name.
    let one_sided = format!(
        "BEGIN:VTIMEZONE\nTZID: 1\nTZID:Office\n{}END:VTIMEZONE\n",
        standard("+0300")
    );
    for tzid in ["1", " 1", "Office", "office"] {
        let (place, _) = zoned(&one_sided, tzid);
        let Place::Own(own) = place else {
            panic!("{tzid}: {place:?}")
        };
        assert_eq!(own.observances[0].offset_from, 10_800);
    }
    // An empty one defines nothing; the first of two counts; commas are escaped in one place only.
    let empty = "BEGIN:VTIMEZONE\nTZID:Office\nEND:VTIMEZONE\n";
    assert_eq!(zoned(empty, "Office").0, Place::Floating);
    let Place::Own(own) = zoned(&format!("{empty}{one_sided}"), "Office").0 else {
        panic!()
    };
    assert_eq!(own.observances[0].offset_to, 10_800);
    let commas = format!(
        "BEGIN:VTIMEZONE\nTZID:Oslo\\, Office\n{}END:VTIMEZONE\n",
        standard("+0100")
    );
    assert!(matches!(
        zoned(&commas, "\"Oslo, Office\"").0,
        Place::Own(_)
    ));
    // A missing END.
    let unclosed = "BEGIN:VTIMEZONE\nTZID:Office\nBEGIN:STANDARD\nTZOFFSETTO:+0100\n\
        BEGIN:DAYLIGHT\nTZOFFSETTO:+0200\n";
    let Place::Own(own) = zoned(unclosed, "Office").0 else {
        panic!()
    };
    assert_eq!(own.observances.len(), 2);
}

#[test]
fn names_win_over_definitions_and_it_is_said_when_they_differ() {
    let berlin = |tzid: &str, summer: &str| {
        format!(
            "BEGIN:VTIMEZONE\nTZID:{tzid}\nBEGIN:STANDARD\nDTSTART:16010101T030000\n\
            TZOFFSETFROM:{summer}\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\n\
            BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:{summer}\n\
            RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\n"
        )
    };
    let (place, said) = zoned(&berlin("Europe/Berlin", "+0200"), "Europe/Berlin");
    assert_eq!((place, said.len()), (zone("Europe/Berlin"), 0));
    let (place, said) = zoned(&berlin("Europe/Berlin", "+0300"), "Europe/Berlin");
    assert_eq!(place, zone("Europe/Berlin"));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("differ"), "{said:?}");
    let (place, said) = zoned(
        &berlin("W. Europe Standard Time", "+0300"),
        "W. Europe Standard Time",
    );
    assert_eq!(place, zone("Europe/Berlin"));
    assert_eq!(said[0], "`W. Europe Standard Time` read as Europe/Berlin");
    assert_eq!(said.len(), 2);
    // An offset in a name says less than a definition with summer time.
    let (place, _) = zoned(&berlin("GMT+01:00", "+0200"), "\"GMT+01:00\"");
    assert!(matches!(place, Place::Own(_)), "{place:?}");
}

#[test]
fn what_nothing_defines_is_read_by_its_offset_or_floats() {
    for (tzid, place) in [
        ("\"UTC+02:00\"", Place::Offset(7_200)),
        ("+0530", Place::Offset(19_800)),
        ("GMT-4", Place::Offset(-14_400)),
        ("\"(UTC+05:00) Nowhere\"", Place::Offset(18_000)),
        ("Eastern", zone("America/New_York")),
        ("Mars/Phobos", Place::Floating),
        ("Customized Time Zone", Place::Floating),
    ] {
        let (found, said) = zoned("", tzid);
        assert_eq!(found, place, "{tzid}");
        let as_written = tzid == "\"UTC+02:00\"";
        assert_eq!(said.len(), usize::from(!as_written), "{tzid}: {said:?}");
    }
    // A blank name is no name, and nothing to speak of.
    assert_eq!(zoned("", ""), (Place::Floating, Vec::new()));
}

#[test]
fn floating_times_are_in_the_zone_of_their_calendar() {
    let floating = |header: &str| {
        let body = calendar(&format!(
            "BEGIN:VEVENT\nUID:1\nDTSTART:20260705T090000\nEND:VEVENT\n{header}"
        ));
        let read = reading(body);
        let said = rules(&read);
        (
            only_master(read, header)
                .floating_zone
                .map(|zone| zone.name().to_owned()),
            said,
        )
    };
    assert_eq!(floating(""), (None, vec![]));
    assert_eq!(
        floating("X-WR-TIMEZONE:Asia/Tokyo"),
        (Some("Asia/Tokyo".to_owned()), vec![])
    );
    assert_eq!(
        floating("X-WR-TIMEZONE;VALUE=TEXT:Tokyo Standard Time"),
        (Some("Asia/Tokyo".to_owned()), vec!["zone_read"])
    );
    assert_eq!(floating("X-WR-TIMEZONE:"), (None, vec![]));
    assert_eq!(
        floating("X-WR-TIMEZONE:Nowhere"),
        (None, vec!["zone_unknown"])
    );
}

#[test]
fn each_zone_is_spoken_of_once() {
    let event =
        "BEGIN:VEVENT\nUID:{n}\nDTSTART;TZID=Romance Standard Time:20260105T090000\nEND:VEVENT\n";
    let events: String = (0..50)
        .map(|n| event.replace("{n}", &n.to_string()))
        .collect();
    let two = calendar(&events) + &calendar(&events);
    let read = reading(two);
    let zones = read
        .verdicts
        .iter()
        .filter(|verdict| verdict.rule.key() == "zone_read");
    assert_eq!(zones.count(), 1);
}

// Hostile input.

/// Reads it and says how long that took.
fn timed(body: impl Into<Vec<u8>>) -> (Reading, Duration) {
    let item = item(body);
    let start = Instant::now();
    let reading = read(&item).unwrap();
    (reading, start.elapsed())
}

/// Ten times what a slow machine needs without optimization; quadratic time is far beyond.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn hostile_calendars_cost_bounded_time_and_no_other_meeting() {
    let good = "BEGIN:VEVENT\nUID:good\nDTSTART:20260105\nSUMMARY:Good\nEND:VEVENT\n";
    let dates = |name: &str, n: usize| {
        let lines: String = (0..n)
            .map(|_| format!("{name}:20260105T090000Z\n"))
            .collect();
        format!("BEGIN:VEVENT\nUID:1\nDTSTART:20260105T090000Z\n{lines}END:VEVENT\n")
    };
    let one_line = format!(
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260105T090000Z\nEXDATE:{}\nEND:VEVENT\n",
        "20260105T090000Z,".repeat(150_000)
    );
    for (name, body, rule) in [
        ("nested", "BEGIN:X\n".repeat(20_000), Some("capped")),
        (
            "nested events",
            "BEGIN:VEVENT\n".repeat(20_000),
            Some("unreadable"),
        ),
        (
            "nested, closed",
            "BEGIN:X\n".repeat(20_000) + &"END:X\n".repeat(20_000),
            Some("capped"),
        ),
        (
            "a long line",
            "X-A:".to_owned() + &"x".repeat(10_000_000) + "\n",
            None,
        ),
        (
            "a long text",
            format!(
                "BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nDESCRIPTION:{}\nEND:VEVENT\n",
                "x".repeat(10_000_000)
            ),
            Some("capped"),
        ),
        (
            "folds",
            "X-A:".to_owned() + &"\n x".repeat(1_000_000) + "\n",
            None,
        ),
        (
            "folds in a text",
            "BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nSUMMARY:".to_owned()
                + &"\n x".repeat(500_000)
                + "\nEND:VEVENT\n",
            Some("capped"),
        ),
        ("EXDATEs", dates("EXDATE", 120_000), Some("capped")),
        ("RDATEs", dates("RDATE", 120_000), Some("capped")),
        ("EXDATEs in one line", one_line, Some("capped")),
        (
            "empty events",
            "BEGIN:VEVENT\nEND:VEVENT\n".repeat(100_000),
            Some("unreadable"),
        ),
        (
            "one UID",
            (0..20_000)
                .map(|n| {
                    format!(
                        "BEGIN:VEVENT\nUID:1\nDTSTART:20260105T{:02}{:02}{:02}\nEND:VEVENT\n",
                        n / 3600,
                        n / 60 % 60,
                        n % 60
                    )
                })
                .collect(),
            None,
        ),
        (
            "no UID",
            "BEGIN:VEVENT\nDTSTART:20260105\nEND:VEVENT\n".repeat(20_000),
            None,
        ),
        (
            "zones",
            (0..20_000)
                .map(|n| {
                    format!(
                        "BEGIN:VEVENT\nUID:{n}\nDTSTART;TZID=Z{n}:20260105T000000\nEND:VEVENT\n"
                    )
                })
                .collect(),
            Some("zone_unknown"),
        ),
        (
            "returns",
            "X-A:\n".to_owned() + &"\r".repeat(2_000_000),
            None,
        ),
        ("blanks", " ".repeat(2_000_000), None),
        ("blank lines", "\n".repeat(2_000_000), None),
        (
            "quotes",
            "BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nSUMMARY;".to_owned()
                + &"A=\";".repeat(200_000)
                + ":x\nEND:VEVENT\n",
            Some("note"),
        ),
        ("calendars", "BEGIN:VCALENDAR\n".repeat(100_000), None),
        (
            "rules",
            "BEGIN:VEVENT\nUID:1\nDTSTART:20260105\n".to_owned()
                + &(1..5_000)
                    .map(|n| format!("RRULE:FREQ=DAILY;INTERVAL={n}\n"))
                    .collect::<String>()
                + "END:VEVENT\n",
            Some("capped"),
        ),
        (
            "observances",
            "BEGIN:VTIMEZONE\nTZID:x\n".to_owned()
                + &"BEGIN:STANDARD\nTZOFFSETTO:+0100\nEND:STANDARD\n".repeat(20_000)
                + "END:VTIMEZONE\n",
            None,
        ),
    ] {
        let (read, took) = timed(calendar(&format!("{body}\n{good}")));
        assert!(titles(&read).contains(&"Good".to_owned()), "{name}");
        assert!(took < PATIENCE, "{name}: {took:?}");
        assert!(
            read.verdicts.len() <= 2 * MAX_VERDICTS + 1,
            "{name}: {}",
            read.verdicts.len()
        );
        if let Some(rule) = rule {
            assert!(rules(&read).contains(&rule), "{name}");
        }
    }
}

#[test]
fn dates_at_the_ends_of_time_are_read() {
    for lines in [
        "DTSTART:00010101T000000Z\nDTEND:99991231T235959Z",
        "DTSTART:00000101\nRRULE:FREQ=DAILY;UNTIL=99991231",
        "DTSTART:99991231T235959\nDURATION:P99999999999999999999W",
        "DTSTART;TZID=Europe/Berlin:99991231T235959\nDTEND;TZID=America/New_York:99991231T235959",
        "DTSTART:99991231\nDTEND:99991231",
    ] {
        event(lines);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&item(body.clone()));
        let mut inside = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260105\n".to_vec();
        inside.extend(body);
        let read_it = read(&item(inside.clone())).unwrap();
        prop_assert!(read_it.cut_off || inside.windows(13).any(|w| w.eq_ignore_ascii_case(b"END:VCALENDAR")));
    }

    /// Lines of a calendar in any order, cut anywhere.
    #[test]
    fn no_order_of_lines_panics(
        picks in prop::collection::vec((0..LINES.len(), 0..60_usize), 0..60),
        keep_from in -4_000_000_000_i64..4_000_000_000,
    ) {
        let mut body = String::from("BEGIN:VCALENDAR\nVERSION:2.0\n");
        for (line, cut) in picks {
            let line = LINES[line];
            body.push_str(line.get(..cut).unwrap_or(line));
            body.push('\n');
        }
        let item = item(body);
        let read_it = read(&item).unwrap();
        let _ = merge(vec![read_it.clone(), read_it]);
        let only = crate::config::Only { title: Some("a*".into()), ..Default::default() };
        let kept = keep(&item, UnixTime::from_seconds(keep_from), &only);
        prop_assert!(read(&kept).is_ok());
    }
}

const LINES: [&str; 44] = [
    "BEGIN:VEVENT",
    "BEGIN:VEVENT",
    "BEGIN:VEVENT",
    "END:VEVENT",
    "END:VEVENT",
    "END:VEVENT",
    "BEGIN:VALARM",
    "END:VALARM",
    "BEGIN:VTIMEZONE",
    "END:VTIMEZONE",
    "BEGIN:STANDARD",
    "END:STANDARD",
    "BEGIN:VCALENDAR",
    "END:VCALENDAR",
    "UID:a",
    "UID:b",
    "DTSTART:20260105T090000Z",
    "DTSTART;TZID=Europe/Berlin:20260105T090000",
    "DTSTART;TZID=My Zone:20260105T090000",
    "DTSTART;VALUE=DATE:20260105",
    "DTSTART:99991231T240000",
    "DTEND:20260105T100000Z",
    "DTEND:20260106",
    "DTEND:00010101T000000",
    "DURATION:-P1D",
    "DURATION:P9999999999999999W",
    "RRULE:FREQ=DAILY;UNTIL=20260110",
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
    "RDATE:20260107T090000/PT1H",
    "EXDATE:20260106",
    "RECURRENCE-ID;RANGE=THISANDFUTURE:20260106T090000Z",
    "RECURRENCE-ID:20260106T090000Z",
    "TZID:My Zone",
    "TZOFFSETFROM:+0100",
    "TZOFFSETTO:+0200",
    "X-WR-TIMEZONE:Asia/Tokyo",
    "SUMMARY:a\\",
    "SUMMARY;X=\"unclosed:b",
    "CLASS:PRIVATE",
    "CLASS:PUBLIC",
    "ATTENDEE;CUTYPE=ROOM;PARTSTAT=DECLINED:mailto:a",
    "SEQUENCE:7",
    " a fold",
    "METHOD:CANCEL",
];

// Files that podcal did not make.

/// The calendars beside the repository, where they are there.
pub fn shared(folder: &str) -> Vec<(String, FeedItem)> {
    let root = ["../shared", "../../shared"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.is_dir());
    let Some(root) = root else {
        eprintln!("left out: there is no folder `shared` beside the repository");
        return Vec::new();
    };
    let mut items = Vec::new();
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ics") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            items.push((name, item(std::fs::read(&path).unwrap())));
        }
    }
    items
}

#[test]
fn every_real_feed_is_read_whole() {
    for (name, item) in shared("real-feeds") {
        if name == "telerik-radscheduler-first-letter-missing.ics" {
            assert_eq!(
                read(&item),
                Err(NotACalendar::NoCalendar { line: 1 }),
                "{name}"
            );
            continue;
        }
        let read = read(&item).unwrap_or_else(|error| panic!("{name}: {error}"));
        let begun = memchr::memmem::find_iter(&item.body, b"BEGIN:VEVENT").count();
        let events: usize = read
            .series
            .iter()
            .map(|series| series.overrides.len() + usize::from(series.master.is_some()))
            .sum();
        assert_eq!(events, begun, "{name}");
        assert_eq!(read.cut_off, name == "pagerduty-on-call.ics", "{name}");
        let trouble = read
            .verdicts
            .iter()
            .filter(|verdict| verdict.rule.is_trouble())
            .count();
        // `DTEND;VALUE=DATE-TIME:20031114T18300` lacks a digit.
        assert_eq!(
            trouble,
            usize::from(name == "phpicalendar-sample-mixed-components.ics"),
            "{name}"
        );
        let unknown = read
            .verdicts
            .iter()
            .any(|verdict| matches!(verdict.rule, Why::ZoneUnknown { .. }));
        assert_eq!(
            unknown,
            name == "outlook-published-invalid-timezone.ics",
            "{name}"
        );
    }
}
