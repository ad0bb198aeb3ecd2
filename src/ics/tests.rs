//! What a person sees of reading as a whole; the parts have their tests beside them.
//! Rows of the shared reference on feeds are named as there (P1, Z2, R3, T11).

use bytes::Bytes;
use jiff::civil::{DateTime, date};

pub mod feeds;
mod hostile;
mod series;
mod zones;

use super::*;
use crate::ics::series::*;
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
fn an_event_that_lost_its_end_is_read_and_said() {
    let read = reading(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:20260601T090000Z\nSUMMARY:A\n\
         BEGIN:VEVENT\nUID:b\nDTSTART:20260602T090000Z\nSUMMARY:B\nEND:VEVENT\nEND:VCALENDAR\n",
    );
    assert_eq!(titles(&read), ["A", "B"]);
    let what = "an event without its END".to_owned();
    assert!(
        read.verdicts
            .iter()
            .any(|one| one.rule == Why::Repaired { what: what.clone() }),
        "{:?}",
        read.verdicts
    );
}

#[test]
fn exclusions_between_semicolons_are_all_read() {
    let lines = "DTSTART:20260601T090000Z\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE:20260602T090000Z;20260604T090000Z";
    assert_eq!(event(lines).exclusion_dates.len(), 2);
    assert!(reading(event_calendar(lines)).verdicts.is_empty());
}

/// Templates leave a comment at the top, and PHP writes its warnings there.
#[test]
fn a_comment_or_a_warning_in_front_of_a_calendar_is_passed_over() {
    let calendar = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART:20260601T090000Z\r\nEND:VEVENT\r\n\
                    END:VCALENDAR\r\n";
    for front in [
        "<!-- made by a template -->\r\n",
        "\n<!-- made\nby a template -->\n\n",
        "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/srv/ics.php</b> on line <b>12</b><br />\n",
        "Notice: Undefined index in /srv/ics.php on line 3\n",
    ] {
        let reading = read(&item(format!("{front}{calendar}"))).unwrap();
        assert_eq!(reading.series.len(), 1, "{front}");
    }
    let quoted = format!("<!-- a page --><HTML><pre>\r\n{calendar}</pre></HTML>");
    assert_eq!(read(&item(quoted)), Err(NotACalendar::Html));
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
            Subject::Event(_) | Subject::Kept(_) => panic!("it was read"),
        })
        .collect();
    assert_eq!(
        said,
        [
            "9: unreadable: DTSTART is not a date",
            "12: unreadable: DTSTART is missing",
            "19: unreadable: RECURRENCE-ID is not a date",
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
            day(5),
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
        ("DTSTART;VALUE=DATE:2026-01-05T::", day(5), End::Unsaid),
    ] {
        let said = rules(&reading(event_calendar(lines)));
        if lines.starts_with("DTSTART:oops") {
            assert_eq!(said, ["note"], "{lines}");
        }
        let event = event(lines);
        assert_eq!((event.start, event.end), (start, end), "{lines}");
    }
}

/// Titles of the events of a body, and the keys of what is said about it.
fn read_whole(body: &str) -> (Vec<String>, Vec<&'static str>) {
    let read = reading(body);
    assert!(!read.cut_off, "{body}");
    (titles(&read), rules(&read))
}

#[test]
fn damage_is_said_and_read_where_it_is_plain_what_is_meant() {
    let whole = "BEGIN:VCALENDAR\nMETHOD:PUBLISH\nBEGIN:VEVENT\nUID:1\nDTSTART:20260105\nSUMMARY:One\n\
        DESCRIPTION:Folded\n here\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\nDTSTART:20260106\nSUMMARY:Two\n\
        END:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(
        read_whole(whole),
        (vec!["One".into(), "Two".into()], vec![])
    );
    let indented = format!("    {}", whole.trim_end().replace('\n', "\n    "));
    let one_more = indented.replace(" here", "  here");
    let template = whole.replace("BEGIN:VEVENT", "\tBEGIN:VEVENT");
    let stray = whole.replace("UID:2", "END:VALARM\nUID:2");
    let twice = whole.replace("END:VEVENT\n", "END:VEVENT\nEND:VEVENT\n");
    let glued = whole.replace("END:VEVENT\nBEGIN", "END:VEVENTBEGIN");
    let without_begin = whole.replace("BEGIN:VEVENT\nUID:2", "UID:2");
    let without_any = "BEGIN:VCALENDAR\nUID:1\nDTSTART:20260105\nSUMMARY:One\nUID:2\n\
        DTSTART:20260106\nX-WR-CALNAME:Oak\nSUMMARY:Two\nEND:VCALENDAR\n";
    let cut_in_two = whole.replace("SUMMARY:One", "END:VEVENT\nSUMMARY:One");
    for (body, times) in [
        (indented.as_str(), 1),
        (&one_more, 1),
        (&template, 1),
        (&stray, 1),
        (&twice, 2),
        (&glued, 1),
        (&without_begin, 1),
        (without_any, 2),
        (&cut_in_two, 1),
    ] {
        let (titles, said) = read_whole(body);
        assert_eq!(titles, ["One", "Two"], "{body}");
        let expected = vec!["repaired"; times];
        assert_eq!(said, expected, "{body}");
    }
    let read = reading(without_any);
    assert_eq!(read.name.as_deref(), Some("Oak"));
    assert_eq!(
        read.series[1].master.as_ref().unwrap().details.source.line,
        5
    );
}

#[test]
fn a_calendar_may_have_properties_of_its_own() {
    // RFC 7986 section 5.
    let body = "BEGIN:VCALENDAR\nUID:cal\nLAST-MODIFIED:20260101T000000Z\nURL:https://x\n\
        DESCRIPTION:d\nCATEGORIES:c\nSUMMARY:Oak\nX-WR-TIMEZONE:Asia/Tokyo\n\
        BEGIN:VEVENT\nUID:1\nDTSTART:20260105T090000\nSUMMARY:One\nEND:VEVENT\nEND:VCALENDAR\n";
    assert_eq!(read_whole(body), (vec!["One".into()], vec!["note"]));
    let event = only_master(reading(body), body);
    assert_eq!(event.floating_zone.unwrap().name(), "Asia/Tokyo");
    let body = body.replace("SUMMARY:Oak\n", "");
    assert_eq!(read_whole(&body), (vec!["One".into()], vec![]));
}

#[test]
fn damage_is_no_empty_calendar() {
    let body = "BEGIN:VCALENDAR\nX-A:1 BEGIN:VEVENT UID:1 DTSTART:20260105\nEND:VCALENDAR\n";
    let read = reading(body);
    assert!(read.cut_off && read.series.is_empty());
    assert_eq!(rules(&read), ["unreadable"]);
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
        (room.replace("ROOM", "\"ROOM\""), true),
        (room.replace("DECLINED", "\"ACCEPTED\""), false),
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

/// A million dates in one property must not search its parameters a million times.
#[test]
fn the_parameters_of_a_list_of_dates_are_searched_once() {
    let searches = |count: usize| {
        let dates = vec!["20260105T090000"; count].join(",");
        let before = property::SEARCHES.get();
        details(&format!(
            "EXDATE;X=1;TZID=Europe/Berlin:{dates}\nRDATE;TZID=Europe/Berlin:{dates}"
        ));
        property::SEARCHES.get() - before
    };
    assert_eq!(searches(1_000), searches(10));
}
