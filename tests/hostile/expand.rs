//! Calendars made to hurt: each must be read in moments, and the honest events
//! before and after the hostile one must still be shown.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A build without optimisation on a busy machine is far below this; what has no bound is far
/// above.
const LONGEST: Duration = Duration::from_secs(60);

const START: &str = "DTSTART:20200101T000000Z\r\nDTEND:20200101T000100Z";

/// Runs `podcal expand` over the week of 5 January 2026.
fn check(hostile: &str) {
    let calendar = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}{hostile}{}END:VCALENDAR\r\n",
        event(
            "first",
            "DTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\nSUMMARY:first"
        ),
        event(
            "last",
            "DTSTART:20260109T090000Z\r\nDTEND:20260109T100000Z\r\nSUMMARY:last"
        ),
    );
    let began = Instant::now();
    let mut podcal = Command::new(env!("CARGO_BIN_EXE_podcal"))
        .args(["expand", "-", "--json", "--time-zone", "UTC"])
        .args([
            "--from",
            "2026-01-05T00:00:00Z",
            "--to",
            "2026-01-12T00:00:00Z",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    podcal
        .stdin
        .take()
        .unwrap()
        .write_all(calendar.as_bytes())
        .unwrap();
    let output = podcal.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(began.elapsed() < LONGEST, "took {:?}", began.elapsed());
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let meetings = shown["meetings"].as_array().unwrap();
    for title in ["first", "last"] {
        assert_eq!(
            meetings
                .iter()
                .filter(|meeting| meeting["title"] == title)
                .count(),
            1,
            "{title}"
        );
    }
}

fn event(uid: &str, lines: &str) -> String {
    format!("BEGIN:VEVENT\r\nUID:{uid}\r\n{lines}\r\nEND:VEVENT\r\n")
}

fn rule(rule: &str) -> String {
    event("hostile", &format!("{START}\r\nRRULE:{rule}"))
}

fn numbers(count: u32) -> String {
    (0..count)
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

#[test]
fn rules_that_never_end() {
    for text in [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;COUNT=4294967295",
        "FREQ=MINUTELY;COUNT=99999999999999999999",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=YEARLY;INTERVAL=99999999999999999999",
    ] {
        check(&rule(text));
    }
}

#[test]
fn rules_that_never_hit() {
    for text in [
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
        "FREQ=SECONDLY;BYHOUR=3;BYSETPOS=366",
        "FREQ=MINUTELY;BYSETPOS=-366;BYYEARDAY=366",
        "FREQ=YEARLY;INTERVAL=97;BYMONTH=2;BYMONTHDAY=29;BYDAY=FR",
    ] {
        check(&rule(text));
    }
    let twenty_thousand: String = (0..20_000)
        .map(|uid| {
            event(
                &uid.to_string(),
                &format!("{START}\r\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"),
            )
        })
        .collect();
    check(&twenty_thousand);
}

#[test]
fn rules_with_lists_that_multiply() {
    let times = format!(
        "BYHOUR={};BYMINUTE={};BYSECOND={}",
        numbers(24),
        numbers(60),
        numbers(60)
    );
    check(&rule(&format!(
        "FREQ=YEARLY;BYMONTH={};BYMONTHDAY={};{times}",
        numbers(13),
        numbers(32)
    )));
    check(&rule(&format!(
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;{times};BYSETPOS=-1"
    )));
    check(&rule(&format!(
        "FREQ=MONTHLY;BYMONTHDAY={}",
        "1,".repeat(500_000)
    )));
}

#[test]
fn times_at_the_ends_of_the_calendar() {
    for lines in [
        "DTSTART:00010101T000000Z\r\nRRULE:FREQ=SECONDLY",
        "DTSTART:00000101T000000Z\r\nDTEND:99991231T235959Z\r\nRRULE:FREQ=DAILY",
        "DTSTART:99991231T235959Z\r\nDURATION:P99999999999999999W\r\nRRULE:FREQ=DAILY",
        "DTSTART:20200101T000000Z\r\nDURATION:P99999999999999999D",
        "DTSTART:20200101T000000Z\r\nDURATION:-P99999999999999999D\r\nRRULE:FREQ=DAILY",
        "DTSTART:20200101T000000Z\r\nDURATION:P36500D\r\nRRULE:FREQ=SECONDLY",
        "DTSTART;VALUE=DATE:99991231\r\nRRULE:FREQ=DAILY;INTERVAL=4294967295",
    ] {
        check(&event("hostile", lines));
    }
}

#[test]
fn a_hundred_thousand_dates_in_one_event() {
    let times: Vec<String> = (0..100_000)
        .map(|n| {
            format!(
                "2026{:02}{:02}T{:02}{:02}{:02}Z",
                n % 12 + 1,
                n % 28 + 1,
                n % 24,
                n % 60,
                n / 60 % 60
            )
        })
        .collect();
    check(&event(
        "hostile",
        &format!(
            "{START}\r\nRRULE:FREQ=DAILY\r\nEXDATE:{}",
            times.join("\r\nEXDATE:")
        ),
    ));
    check(&event(
        "hostile",
        &format!("{START}\r\nRRULE:FREQ=DAILY\r\nEXDATE:{}", times.join(",")),
    ));
    check(&event(
        "hostile",
        &format!("{START}\r\nRDATE:{}", times.join(",")),
    ));
}

#[test]
fn thousands_of_overrides_of_one_series() {
    for (range, count) in [("", 20_000), (";RANGE=THISANDFUTURE", 3_000)] {
        let overrides: String = (0..count)
            .map(|n| {
                let lines = format!(
                    "RECURRENCE-ID{range}:20{}{:02}{:02}T{:02}0000Z\r\nDTSTART:2026{:02}{:02}T103000Z\r\nDURATION:PT1H",
                    n % 8 + 20,
                    n % 12 + 1,
                    n % 28 + 1,
                    n / 8 % 24,
                    n % 12 + 1,
                    n % 28 + 1,
                );
                event("hostile", &lines)
            })
            .collect();
        check(&(rule("FREQ=HOURLY") + &overrides));
    }
}

#[test]
fn many_dense_series() {
    let series: String = (0..300)
        .map(|uid| {
            event(
                &uid.to_string(),
                "DTSTART:20200101T000000Z\r\nDURATION:P1D\r\nRRULE:FREQ=MINUTELY",
            )
        })
        .collect();
    check(&series);
    let rules: String = (1..1_000)
        .map(|n| format!("\r\nRRULE:FREQ=HOURLY;INTERVAL={n};COUNT=1000000"))
        .collect();
    check(&event("hostile", &format!("{START}{rules}")));
}

#[test]
fn zones_with_rules_that_never_end() {
    let observance = "BEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
                      RRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\n";
    let zone = format!(
        "BEGIN:VTIMEZONE\r\nTZID:Evil\r\n{}END:VTIMEZONE\r\n",
        observance.repeat(50)
    );
    let series: String = (0..200)
        .map(|uid| {
            event(
                &uid.to_string(),
                "DTSTART;TZID=Evil:20200101T000000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY",
            )
        })
        .collect();
    check(&(zone + &series));
}

#[test]
fn lines_of_tens_of_megabytes() {
    check(&event(
        "hostile",
        &format!("{START}\r\nSUMMARY:{}", "x".repeat(40_000_000)),
    ));
    check(&event(
        "hostile",
        &format!("{START}\r\nSUMMARY:{}", "x\r\n ".repeat(1_000_000)),
    ));
    check(&event(
        "hostile",
        &format!("{START}\r\nDESCRIPTION:{}", "\\".repeat(10_000_001)),
    ));
    check(&event(
        "hostile",
        &format!("{START}\r\nDESCRIPTION:{}", " ".repeat(10_000_000)),
    ));
    check(&event(
        "hostile",
        &format!("DTSTART{}:20260105T000000Z", ";X=1".repeat(1_000_000)),
    ));
    check(&event(
        "hostile",
        &format!("{START}\r\nATTENDEE{}:a", ";X=\"".repeat(1_000_000)),
    ));
}

#[test]
fn components_without_number_or_end() {
    check(&"BEGIN:VEVENT\r\nEND:VEVENT\r\n".repeat(500_000));
    check(&("BEGIN:X\r\n".repeat(20_000) + &"END:X\r\n".repeat(20_000)));
    check(&("BEGIN:VEVENT\r\n".repeat(20_000) + &"END:VEVENT\r\n".repeat(20_000)));
    let alarms = "BEGIN:VALARM\r\n".repeat(20_000) + &"END:VALARM\r\n".repeat(20_000);
    check(&event(
        "hostile",
        &format!("{START}\r\n{}", alarms.trim_end()),
    ));
}

#[test]
fn events_that_are_hard_to_tell_apart() {
    let same_uid: String = (0..20_000)
        .map(|n| {
            event(
                "hostile",
                &format!("{START}\r\nSEQUENCE:{n}\r\nSUMMARY:same"),
            )
        })
        .collect();
    check(&same_uid);
    let no_uid =
        format!("BEGIN:VEVENT\r\n{START}\r\nSUMMARY:same\r\nEND:VEVENT\r\n").repeat(20_000);
    check(&no_uid);
    let long_uids: String = (0..200)
        .map(|n| event(&format!("{}{n}", "u".repeat(100_000)), START))
        .collect();
    check(&long_uids);
}
