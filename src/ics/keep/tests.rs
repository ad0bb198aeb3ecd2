use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::ics::series::Series;
use crate::ics::tests::feeds::shared;
use crate::ics::tests::item;
use crate::ics::{Reading, read};
use crate::model::occurrence::Details;

fn at(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}

fn kept(lines: &str, only: &Only) -> String {
    kept_for(lines, &[only])
}

fn kept_for(lines: &str, filters: &[&Only]) -> String {
    let body = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{lines}\nEND:VCALENDAR\n");
    let kept = keep(&item(body), at("2026-06-01T00:00:00Z"), filters);
    String::from_utf8(kept.body.to_vec()).unwrap()
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\n{lines}\nEND:VEVENT")
}

fn titled(pattern: &str) -> Only {
    Only {
        title: Some(pattern.to_owned()),
        ..Only::default()
    }
}

#[test]
fn what_is_over_is_left_out_and_what_may_come_again_stays() {
    for (lines, stays) in [
        ("DTSTART:20260520T090000Z\nDTEND:20260520T100000Z", false),
        ("DTSTART:20260520\nDTEND:20260529", false),
        ("DTSTART:20260520\nDTEND:20260530", true),
        ("DTSTART:20260520T090000Z\nDURATION:P20D", true),
        ("DTSTART:20260531T090000Z", true),
        ("DTSTART:20270101", true),
        ("DTSTART:20200101T090000Z\nRRULE:FREQ=DAILY", true),
        ("DTSTART:20200101T090000Z\nRRULE:FREQ=DAILY;COUNT=2", false),
        ("DTSTART:20260501T090000Z\nRRULE:FREQ=DAILY;COUNT=30", true),
        (
            "DTSTART:20200101T090000Z\nRRULE:FREQ=DAILY;BYDAY=MO;COUNT=335",
            true,
        ),
        (
            "DTSTART:20200101T090000Z\nRRULE:FREQ=DAILY;UNTIL=20260101T000000Z",
            false,
        ),
        (
            "DTSTART:20200101T090000Z\nRRULE:FREQ=DAILY;UNTIL=20260531",
            true,
        ),
        (
            "DTSTART:20200101T090000Z\nDURATION:P30D\nRRULE:FREQ=YEARLY;UNTIL=20260515",
            true,
        ),
        ("DTSTART:20200101T090000Z\nRRULE:FREQ=NEVER", false),
        ("DTSTART:20200101T090000Z\nRDATE:20200201T090000Z", false),
        (
            "DTSTART:20200101T090000Z\nRDATE:20200201T090000Z,20270101T000000Z",
            true,
        ),
        (
            "DTSTART:20200101T090000Z\nRDATE;VALUE=PERIOD:20200201T090000Z/P9000D",
            true,
        ),
        (
            "RECURRENCE-ID:20200101T090000Z\nDTSTART:20200102T090000Z",
            false,
        ),
        (
            "RECURRENCE-ID:20200101T090000Z\nDTSTART:20270102T090000Z",
            true,
        ),
        (
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20200101T090000Z\nDTSTART:20200102T090000Z",
            true,
        ),
        // For `explain`.
        ("DTSTART:someday", true),
    ] {
        let kept = kept(&event(lines), &Only::default());
        assert_eq!(kept.contains("BEGIN:VEVENT"), stays, "{lines}");
        assert!(read(&item(kept)).is_ok(), "{lines}");
    }
}

#[test]
fn the_overrides_of_a_series_stay_with_it() {
    let lines = format!(
        "{}\n{}",
        event("DTSTART:20200101T090000Z\nRRULE:FREQ=DAILY"),
        event("RECURRENCE-ID:20200102T090000Z\nDTSTART:20200102T100000Z")
    );
    assert_eq!(
        kept(&lines, &Only::default())
            .matches("RECURRENCE-ID")
            .count(),
        1
    );
}

#[test]
fn only_what_is_read_is_held() {
    let lines = "BEGIN:VTIMEZONE\nTZID:Used\nX-A:1\nBEGIN:STANDARD\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n\
        BEGIN:VTIMEZONE\nTZID:Unused\nBEGIN:STANDARD\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n\
        X-WR-CALNAME:Oak\\, 3rd\nX-PUBLISHED-TTL:PT1H\nBEGIN:VTODO\nSUMMARY:Task\nEND:VTODO\n\
        BEGIN:VEVENT\nUID:1\nDTSTART;TZID=used:20270101T090000\nSUMMARY:Long\n er\nX-ALT-DESC:html\n\
        ATTACH:x\nATTENDEE:mailto:guest@x\nATTENDEE;PARTSTAT=DECLINED:mailto:no@x\nCOMMENT:c\n\
        BEGIN:VALARM\nDESCRIPTION:alarm\nEND:VALARM\nLOCATION:Oak\nEND:VEVENT";
    let kept = kept(lines, &Only::default());
    for gone in [
        "Unused", "TTL", "Task", "html", "ATTACH", "guest", "COMMENT", "alarm",
    ] {
        assert!(!kept.contains(gone), "{gone}: {kept}");
    }
    for stays in [
        "TZID:Used",
        "SUMMARY:Longer",
        "no@x",
        "LOCATION:Oak",
        "X-WR-CALNAME",
    ] {
        assert!(kept.contains(stays), "{stays}: {kept}");
    }
    let again = read(&item(kept)).unwrap();
    assert_eq!(again.name.as_deref(), Some("Oak, 3rd"));
}

const TEXT: &str = "SUMMARY:Merger talks\nDESCRIPTION:with Ada\nLOCATION:Oak Room\n\
    ORGANIZER;CN=Ada:mailto:ada@x\nATTENDEE;PARTSTAT=DECLINED;CN=Ada:mailto:ada@x\n\
    CATEGORIES:Takeover\nURL:https://x/Merger\nCONFERENCE:https://x/Ada\nCOMMENT:Ada\nCONTACT:Ada\n\
    X-GOOGLE-CONFERENCE:https://x/Ada\nX-MICROSOFT-SKYPETEAMSMEETINGURL:https://x/Ada";

#[test]
fn no_text_of_a_private_event_is_held() {
    for class in [
        "CLASS:PRIVATE",
        "CLASS:CONFIDENTIAL",
        "CLASS:X-SECRET",
        "X-CALENDARSERVER-ACCESS:PRIVATE",
    ] {
        for rest in ["", "\nRRULE:FREQ=DAILY", "\nDTSTART:oops"] {
            let start = if rest.contains("oops") {
                ""
            } else {
                "DTSTART:20270101T090000Z\n"
            };
            for only in [Only::default(), titled("Merger*"), titled("*")] {
                let kept = kept(&event(&format!("{start}{TEXT}\n{class}{rest}")), &only);
                for text in ["Merger", "Ada", "ada@x", "Oak", "Takeover"] {
                    assert!(!kept.contains(text), "{class}{rest} {text}: {kept}");
                }
            }
        }
    }
    // An override that does not say its class has that of its master.
    let lines = format!(
        "{}\n{}",
        event("RECURRENCE-ID:20270102T090000Z\nDTSTART:20270102T090000Z\nSUMMARY:Merger"),
        event("DTSTART:20270101T090000Z\nRRULE:FREQ=DAILY\nCLASS:PRIVATE"),
    );
    assert!(!kept(&lines, &Only::default()).contains("Merger"));
}

#[test]
fn private_events_are_matched_before_their_text_is_gone() {
    let private = event(&format!("DTSTART:20270101T090000Z\n{TEXT}\nCLASS:PRIVATE"));
    let matched = |only: &Only| {
        let kept = read(&item(kept(&private, only))).unwrap();
        kept.series.first().map(|series| {
            let details = &series.master.as_ref().unwrap().details;
            assert_eq!(only.missed(details), None);
            details.only_matched.clone().unwrap()
        })
    };
    assert_eq!(matched(&Only::default()), Some(vec![]));
    let merger = titled("merger*");
    assert_eq!(matched(&merger), Some(vec![merger.digest()]));
    assert_eq!(matched(&titled("board*")), None);
    let oak = Only {
        location: Some("OAK room".into()),
        organizer: Some("ada@*".into()),
        ..Only::default()
    };
    assert_eq!(matched(&oak), Some(vec![oak.digest()]));
    // Kept once more, later, it is still known.
    let once = kept(&private, &merger);
    let twice = keep(&item(once.clone()), at("2026-07-01T00:00:00Z"), &[&merger]);
    assert_eq!(String::from_utf8(twice.body.to_vec()).unwrap(), once);
}

#[test]
fn one_copy_serves_rooms_with_different_filters() {
    let private = event(&format!("DTSTART:20270101T090000Z\n{TEXT}\nCLASS:PRIVATE"));
    let oak = Only {
        location: Some("oak*".into()),
        ..Only::default()
    };
    let (merger, board, all) = (titled("merger*"), titled("board*"), Only::default());
    let missed_by = |held: &FeedItem, only: &Only| {
        let reading = read(held).unwrap();
        let series = reading.series.first()?;
        Some(only.missed(&series.master.as_ref()?.details))
    };
    let held = item(kept_for(&private, &[&board, &oak, &merger]));
    assert_eq!(missed_by(&held, &oak), Some(None));
    assert_eq!(missed_by(&held, &merger), Some(None));
    assert_eq!(missed_by(&held, &board), Some(Some("title")));
    // A filter that nobody had when it was kept cannot be answered any more.
    assert_eq!(missed_by(&held, &titled("*")), Some(Some("title")));
    assert_eq!(missed_by(&held, &all), Some(None));

    let later = at("2026-07-01T00:00:00Z");
    let fewer = keep(&held, later, &[&merger, &board]);
    assert_eq!(missed_by(&fewer, &merger), Some(None));
    assert_eq!(missed_by(&fewer, &oak), Some(Some("location")));
    let none = keep(&held, later, &[&board]);
    assert_eq!(missed_by(&none, &board), None);
    for filters in [&[&board, &all][..], &[]] {
        let held = keep(&held, later, filters);
        assert_eq!(missed_by(&held, &all), Some(None));
        assert_eq!(missed_by(&held, &board), Some(Some("title")));
    }
    // What `keep` wrote before it knew of several filters is of no filter.
    let old = event("DTSTART:20270101T090000Z\nCLASS:PRIVATE\nX-PODCAL-ONLY:TRUE");
    let old = item(format!("BEGIN:VCALENDAR\n{old}\nEND:VCALENDAR\n"));
    assert_eq!(missed_by(&old, &titled("*")), Some(Some("title")));
}

/// It has no title of its own, but a place.
#[test]
fn a_private_instance_takes_no_mark_from_its_series() {
    let lines = format!(
        "{}\n{}",
        event("DTSTART:20270101T090000Z\nRRULE:FREQ=DAILY\nLOCATION:Oak\nCLASS:PRIVATE"),
        event("RECURRENCE-ID:20270102T090000Z\nDTSTART:20270102T090000Z\nLOCATION:Elm"),
    );
    let oak = Only {
        location: Some("oak".into()),
        ..Only::default()
    };
    let held = item(kept(&lines, &oak));
    for reading in [
        read(&held).unwrap(),
        read(&keep(&held, at("2026-07-01T00:00:00Z"), &[&oak])).unwrap(),
    ] {
        let series = &reading.series[0];
        assert_eq!(oak.missed(&series.master.as_ref().unwrap().details), None);
        assert_eq!(oak.missed(&series.overrides[0].details), Some("location"));
    }
}

/// Were it dropped, the instance that it replaces would come back.
#[test]
fn a_private_instance_that_is_not_for_this_room_stays_without_a_mark() {
    let lines = format!(
        "{}\n{}",
        event("DTSTART:20270101T090000Z\nRRULE:FREQ=DAILY\nLOCATION:Oak\nSUMMARY:Open"),
        event(
            "RECURRENCE-ID:20270102T090000Z\nDTSTART:20270102T090000Z\nLOCATION:Elm\nSUMMARY:Merger\nCLASS:PRIVATE"
        ),
    );
    let only = Only {
        location: Some("oak".into()),
        ..Only::default()
    };
    let kept = read(&item(kept(&lines, &only))).unwrap();
    let series = &kept.series[0];
    assert_eq!(only.missed(&series.master.as_ref().unwrap().details), None);
    assert_eq!(only.missed(&series.overrides[0].details), Some("location"));
}

#[test]
fn a_private_event_that_the_room_declined_stays_declined() {
    let room = "ATTENDEE;CUTYPE=ROOM;PARTSTAT=DECLINED:mailto:oak@x";
    let kept = kept(
        &event(&format!("DTSTART:20270101\nCLASS:PRIVATE\n{room}")),
        &Only::default(),
    );
    assert!(!kept.contains("oak@x"));
    let read = read(&item(kept)).unwrap();
    assert!(
        read.series[0]
            .master
            .as_ref()
            .unwrap()
            .details
            .room_declined
    );
}

#[test]
fn a_body_that_is_cut_off_stays_cut_off_and_no_calendar_becomes_nothing() {
    let keep_it = |body: &str| keep(&item(body), at("2026-06-01T00:00:00Z"), &[]);
    let cut =
        keep_it("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20270101\nEND:VEVENT\nBEGIN:VEV");
    assert!(read(&cut).unwrap().cut_off);
    assert_eq!(read(&cut).unwrap().series.len(), 1);
    assert!(keep_it("<html>Ada</html>").body.is_empty());
    let item = FeedItem {
        href: "/a".into(),
        etag: Some("1".into()),
        ..item("BEGIN:VCALENDAR\nEND:VCALENDAR")
    };
    let kept = keep(&item, at("2026-06-01T00:00:00Z"), &[]);
    assert_eq!((kept.href, kept.etag), (item.href, item.etag));
}

/// Whether a series can have an instance that ends at or after `from`.
fn may_come(series: &Series, from: UnixTime) -> bool {
    series
        .master
        .iter()
        .chain(&series.overrides)
        .any(|event| !is_over(event, DAY, from))
}

fn by_uid(reading: &Reading) -> HashMap<&str, &Series> {
    reading
        .series
        .iter()
        .map(|series| (series.uid.as_str(), series))
        .collect()
}

/// What is held is read as the original was, but for the text of private events.
fn same_after_keeping(name: &str, original: &FeedItem, from: UnixTime) {
    let Ok(before) = read(original) else { return };
    let kept = keep(original, from, &[]);
    let after = read(&kept).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(before.cut_off, after.cut_off, "{name}");
    let held = by_uid(&after);
    for series in &before.series {
        let Some(held) = held.get(series.uid.as_str()) else {
            assert!(!may_come(series, from), "{name}: {}", series.uid);
            continue;
        };
        assert_eq!(masked(series), masked(held), "{name}: {}", series.uid);
    }
    assert!(after.series.len() <= before.series.len(), "{name}");
    let again = keep(&kept, from, &[]);
    assert_eq!(
        kept.body, again.body,
        "{name}: keeping twice is keeping once"
    );
}

/// A series without what `keep` takes out of private events.
fn masked(series: &Series) -> Series {
    let mut series = series.clone();
    for event in series.master.iter_mut().chain(&mut series.overrides) {
        let details = std::sync::Arc::make_mut(&mut event.details);
        if details.class == Class::Private {
            *details = Details {
                uid: details.uid.clone(),
                source: details.source.clone(),
                class: details.class,
                status: details.status,
                transparent: details.transparent,
                busy_status: details.busy_status,
                room_declined: details.room_declined,
                modified: details.modified,
                stamped: details.stamped,
                ..Details::default()
            };
        }
    }
    series
}

#[test]
fn real_feeds_are_the_same_after_they_were_held() {
    for (name, item) in shared("real-feeds")
        .into_iter()
        .chain(shared("conformance"))
    {
        for from in [
            "1990-01-01T00:00:00Z",
            "2018-03-01T00:00:00Z",
            "2026-01-06T12:00:00Z",
        ] {
            same_after_keeping(&name, &item, at(from));
        }
    }
}

/// Damage, names of zones, and everything else that is read as it was meant.
#[test]
fn odd_calendars_are_the_same_after_they_were_held() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/conformance");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let calendars = files.filter(|path| path.extension().is_some_and(|kind| kind == "ics"));
    let own: Vec<_> = calendars
        .map(|path| {
            (
                path.display().to_string(),
                item(std::fs::read(&path).unwrap()),
            )
        })
        .collect();
    assert!(own.len() > 250, "{}", own.len());
    for (name, item) in own.into_iter().chain(shared("found")) {
        for from in ["1990-01-01T00:00:00Z", "2026-07-08T12:00:00Z"] {
            same_after_keeping(&name, &item, at(from));
        }
    }
}

#[test]
fn unknown_zones_are_held_with_the_meetings_that_have_them() {
    let lines = "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Mars:20270101T090000\nEND:VEVENT\n\
        BEGIN:VEVENT\nUID:2\nDTSTART;TZID=Venus:20200101T090000\nEND:VEVENT";
    let held = item(kept_for(lines, &[]));
    assert_eq!(read(&held).unwrap().unknown_zones, ["Mars"]);
}

proptest! {
    #[test]
    fn any_series_is_the_same_after_it_was_held(
        events in prop::collection::vec((0..3_usize, 0..5_usize, 0..4_usize, 0..3_usize, 0..28_i8, 0..3_usize), 1..12),
        from in 0..60_i64,
    ) {
        let mut body = String::from("BEGIN:VCALENDAR\r\n");
        for (uid, start, rule, class, day, id) in events {
            let uid = ["UID:a\n", "UID:b\n", ""][uid];
            let day = 1 + day;
            let start = [
                format!("DTSTART:202601{day:02}T090000Z\n"),
                format!("DTSTART;TZID=Asia/Tokyo:202601{day:02}T090000\nDURATION:PT3H\n"),
                format!("DTSTART;VALUE=DATE:202601{day:02}\n"),
                format!("DTSTART:202601{day:02}T000000\nDTEND:202602{day:02}T000000\n"),
                String::new(),
            ][start].clone();
            let rule = ["", "RRULE:FREQ=DAILY;UNTIL=20260120\n", "RRULE:FREQ=WEEKLY\n", "RDATE:20260125T000000Z\n"][rule];
            let class = ["", "CLASS:PRIVATE\n", "CLASS:PUBLIC\n"][class];
            let id = ["", "", "RECURRENCE-ID:20260110T090000Z\n"][id];
            body.push_str(&format!("BEGIN:VEVENT\r\n{uid}{start}{rule}{class}{id}"));
            if day % 3 > 0 {
                body.push_str("SUMMARY:Fo\n o\nBEGIN:VALARM\nDTSTART:x\nEND:VALARM\n");
            }
            body.push_str("END:VEVENT\r\n");
        }
        body.push_str("END:VCALENDAR\r\n");
        let from = UnixTime::from_seconds(1_767_225_600 + from * 86_400);
        same_after_keeping("generated", &item(body), from);
    }
}
