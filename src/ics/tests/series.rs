//! Series, their overrides, and copies of one event (R10 to R14).

use super::*;

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
    assert_eq!(merge(Vec::new()), Reading::default());
}
