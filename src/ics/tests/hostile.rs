//! Calendars that were made to hurt, and bytes that are none.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::model::time::UnixTime;

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
        let kept = keep(&item, UnixTime::from_seconds(keep_from), &[&only]);
        prop_assert!(read(&kept).is_ok());
        // Without a filter all that may come is read again as it was.
        let before = read(&item).unwrap();
        let held = keep(&item, UnixTime::MIN, &[]);
        let after = read(&held).unwrap();
        let shown = |reading: &Reading| {
            let events = reading.series.iter().flat_map(|s| s.master.iter().chain(&s.overrides));
            let public = events.filter(|event| event.details.class == Class::Public);
            public.map(|event| (*event.details).clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(before.cut_off, after.cut_off);
        prop_assert_eq!(before.series.len(), after.series.len());
        prop_assert_eq!(shown(&before), shown(&after));
        prop_assert_eq!(keep(&held, UnixTime::MIN, &[]).body, held.body);
    }
}

const LINES: [&str; 58] = [
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
    "    BEGIN:VEVENT",
    "\tEND:VEVENT",
    "  END:VCALENDAR",
    "    DTSTART:20260108",
    "  SUMMARY:indented",
    "END:VEVENTBEGIN:VEVENT",
    "SUMMARY;ENCODING=QUOTED-PRINTABLE:x=",
    "DTSTART:T",
    "DTSTART;TZID=GMT+05:30:20260605T020000",
    "DTSTART;TZID=America/New_York:20260308T024500",
    "DTEND;TZID=America/New_York:20260308T033000",
    "RRULE:FREQ=MONTHLY;BYYEARDAY=3;BYDAY=\"MO,XX\"",
    "LAST-MODIFIED:20260101T000000Z",
    "DTSTAMP:20260201T000000Z",
];
