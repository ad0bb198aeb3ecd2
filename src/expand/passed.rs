//! What `ics::read_for` passes over is missed by nobody: calendars as text, read in full
//! and for a window, have the same meetings in it and the same said of what was read.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::ics::{self, Reading};
use crate::model::item::FeedItem;
use crate::model::time::UnixTime;

const DAY: i64 = 86_400;
/// 2026-06-01, a Monday; events are at most 60 days away from it.
const MIDDLE: i64 = 1_780_272_000;

const ZONES: &str = "BEGIN:VTIMEZONE\r\nTZID:Own\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
    TZOFFSETFROM:+2300\r\nTZOFFSETTO:+2300\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";

const UIDS: [&str; 8] = [
    "UID:a\r\n",
    "UID:b\r\n",
    "UID:c\r\n",
    "UID:d@example.com\r\n",
    "UID:\r\n d@example.com\r\n",
    "uid:b\r\n",
    "UID;X-A=b:c\r\n",
    "",
];
/// Of DTSTART, DTEND and RECURRENCE-ID.
const FORMS: [&str; 7] = [
    "",
    ";TZID=Europe/Berlin",
    ";TZID=Pacific/Kiritimati",
    ";TZID=Pacific/Pago_Pago",
    ";TZID=Own",
    ";TZID=Mars",
    ";VALUE=DATE",
];
const RULES: [&str; 12] = [
    "RRULE:FREQ=DAILY\r\n",
    "RRULE:FREQ=WEEKLY;UNTIL=20260520T120000Z\r\n",
    "RRULE:FREQ=DAILY;UNTIL=20260601\r\n",
    "RRULE:FREQ=DAILY;COUNT=7;INTERVAL=3\r\n",
    "RRULE:FREQ=WEEKLY;COUNT=5;BYDAY=MO,FR\r\n",
    "RRULE:FREQ=WEEKLY;COUNT=2;INTERVAL=4;BYDAY=SU\r\n",
    "RRULE:FREQ=DAILY;COUNT=5;BYDAY=SA\r\n",
    "RRULE:FREQ=MONTHLY;COUNT=2;BYMONTHDAY=31\r\n",
    "rrule:FREQ=DAILY\r\n",
    "RR\r\n ULE:FREQ=DAILY\r\n",
    "RRULE:FREQ=DAILY;UNT\r\n IL=20260701\r\n",
    "RRULE:FREQ=NEVER\r\n",
];
/// What else may stand in an event, harmless and not.
const MORE: [&str; 16] = [
    "BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nDURATION:PT1H\r\nRDATE:20260601T000000Z\r\nEND:VALARM\r\n",
    "DESCRIPTION:A text that is so long that it was folded in the middle of its lin\r\n e\\, and again\r\n",
    "DESCRIPTION;ENCODING=QUOTED-PRINTABLE:a=\r\nRRULE=3AFREQ=3DDAILY\r\n",
    "DESCRIPTION:short\r\n  DTSTART:20260601T090000Z\r\n",
    "X-NOTHING:text\rRRULE:FREQ=DAILY\r\n",
    "EXDATE:20260601T090000Z\r\n",
    "RDATE:20260603T090000Z\r\n",
    "RECURRENCE-ID;RANGE=THISANDFUTURE:20260525T090000Z\r\n",
    "BEGIN:X-PART\r\nDTSTART:20200101T000000Z\r\nEND:X-PART\r\n",
    "CLASS:PRIVATE\r\n",
    "STATUS:CANCELLED\r\n",
    "\r\n",
    "DTSTART:20260601T090000Z\r\n",
    "DTEND:someday\r\n",
    "SUMMARY:Oak\r\nLOCATION:2\r\n",
    "END:VEVENT\r\nRRULE:FREQ=DAILY\r\n",
];

fn stamp(name: &str, form: &str, at: i64) -> String {
    let local = Zone::utc().local(UnixTime::from_seconds(at));
    let (value, suffix) = match form {
        ";VALUE=DATE" => (local.strftime("%Y%m%d"), ""),
        "" if at % 7 < 3 => (local.strftime("%Y%m%dT%H%M%S"), ""),
        "" => (local.strftime("%Y%m%dT%H%M%S"), "Z"),
        _ => (local.strftime("%Y%m%dT%H%M%S"), ""),
    };
    format!("{name}{form}:{value}{suffix}\r\n")
}

/// Mostly nothing.
fn maybe<T: Clone + std::fmt::Debug + 'static>(
    one: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    prop_oneof![2 => Just(None).boxed(), 1 => one.prop_map(Some).boxed()]
}

prop_compose! {
    fn event()(
        uid in select(&UIDS[..]),
        form in select(&FORMS[..]),
        start in -60 * DAY..60 * DAY,
        length in maybe((select(&FORMS[..]), -DAY..30 * DAY, any::<bool>())),
        rule in maybe(select(&RULES[..])),
        instance in maybe((select(&FORMS[..]), -60 * DAY..60 * DAY)),
        sequence in maybe(0..3_u8),
        more in vec(select(&MORE[..]), 0..3),
        order in any::<bool>(),
    ) -> String {
        let start = MIDDLE + start;
        let mut lines = vec![stamp("DTSTART", form, start), uid.to_owned()];
        lines.extend(length.map(|(other, length, is_end)| match is_end {
            true => stamp("DTEND", if length % 2 == 0 { form } else { other }, start + length),
            false => format!("DURATION:PT{}S\r\n", length.abs()),
        }));
        lines.extend(rule.map(str::to_owned));
        lines.extend(instance.map(|(form, at)| stamp("RECURRENCE-ID", form, MIDDLE + at)));
        lines.extend(sequence.map(|sequence| format!("SEQUENCE:{sequence}\r\n")));
        if order {
            lines.reverse();
        }
        format!("BEGIN:VEVENT\r\n{}{}END:VEVENT\r\n", lines.concat(), more.concat())
    }
}

prop_compose! {
    /// Mostly whole events, now and then a line between them.
    fn calendar()(
        events in vec((event(), maybe(select(&["SUMMARY:Elm\r\n", "END:VEVENT\r\n", "BEGIN:VTODO\r\nEND:VTODO\r\n"][..]))), 1..10),
        line_end in select(&["\r\n", "\n"][..]),
        is_cut_off in maybe(Just(())),
    ) -> String {
        let mut text = format!("BEGIN:VCALENDAR\r\nX-WR-TIMEZONE:Asia/Tokyo\r\n{ZONES}");
        for (event, behind) in events {
            text.push_str(&event);
            text.push_str(behind.unwrap_or_default());
        }
        if is_cut_off.is_none() {
            text.push_str("END:VCALENDAR\r\n");
        }
        text.replace("\r\n", line_end)
    }
}

/// What was said of the events of some UIDs.
fn said_of<'v>(reading: &'v Reading, uids: &HashSet<&str>) -> Vec<&'v Verdict> {
    let is_of_these = |verdict: &&Verdict| match &verdict.subject {
        Subject::Event(details) => uids.contains(details.uid.as_str()),
        Subject::Kept(_) => false,
        Subject::Line { .. } => matches!(verdict.rule, Rule::Unreadable { .. } | Rule::CutOff),
    };
    reading.verdicts.iter().filter(is_of_these).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_passed_over_is_missed(
        text in calendar(),
        from in -40..40_i64,
        days in 1..20_i64,
        room in select(&["UTC", "Pacific/Honolulu", "Pacific/Kiritimati"][..]),
    ) {
        let at = |day| UnixTime::from_seconds(MIDDLE + day * DAY);
        let window = Window::new(at(from), at(from + days)).unwrap();
        let item = FeedItem { href: String::new(), etag: None, last_modified: None, body: text.into() };
        let whole = ics::read(&item).unwrap();
        let quick = ics::read_for(&item, window).unwrap();
        prop_assert_eq!(whole.cut_off, quick.cut_off);

        let room = Zone::named(room).unwrap();
        let expected = expand(&whole.series, window, &room).occurrences;
        prop_assert_eq!(expand(&quick.series, window, &room).occurrences, expected);

        let uids: HashSet<&str> = quick.series.iter().map(|one| one.uid.as_str()).collect();
        prop_assert_eq!(said_of(&quick, &uids), said_of(&whole, &uids));
    }
}

/// So that the test above has something to find.
#[test]
fn what_is_over_is_passed_over() {
    let over = "BEGIN:VEVENT\r\nUID:a\r\nDTSTART:20250601T090000Z\r\nDTEND:20250601T100000Z\r\n\
        RRULE:FREQ=DAILY;COUNT=100\r\nBEGIN:VALARM\r\nDURATION:PT1H\r\nEND:VALARM\r\nEND:VEVENT\r\n";
    let later = over.replace("UID:a", "UID:b").replace("2025", "2027");
    let copy = over.replace("UID:a", "UID:c");
    let now = copy.replace("2025", "2026");
    let text = format!("BEGIN:VCALENDAR\r\n{over}{later}{copy}{now}END:VCALENDAR\r\n");
    let item = FeedItem {
        href: String::new(),
        etag: None,
        last_modified: None,
        body: text.into(),
    };
    let window = Window::new(
        UnixTime::from_seconds(MIDDLE),
        UnixTime::from_seconds(MIDDLE + DAY),
    );
    let reading = ics::read_for(&item, window.unwrap()).unwrap();
    let uids: Vec<&str> = reading.series.iter().map(|one| one.uid.as_str()).collect();
    assert_eq!(uids, ["c", "c/2026-06-01T09:00:00Z"]);
}
