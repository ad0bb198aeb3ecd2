use std::fmt::Write as _;
use std::path::Path;

use super::written::series;
use super::*;
use crate::model::time::UnixTime;

fn at(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}

/// Every calendar of the shared conformance suite that needs no more than `written`;
/// where the suite is not beside the repository, there is nothing to compare with.
#[test]
fn the_conformance_suite_comes_out_as_it_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = here
        .ancestors()
        .map(|above| above.join("shared/conformance"));
    let Some(files) = folders
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .next()
    else {
        return;
    };
    let mut failures = String::new();
    for path in files.map(|file| file.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "json")
            || name.starts_with("text-")
            || name.starts_with("filter-")
            || name.contains("windows-name")
            || name.contains("outlook")
        {
            continue;
        }
        let case: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let text = std::fs::read_to_string(path.with_extension("ics")).unwrap();
        let field = |key: &str| case[key].as_str().unwrap().to_owned();
        let window = Window::new(at(&field("from")), at(&field("to"))).unwrap();
        let zone = Zone::named(&field("time_zone")).unwrap();
        let expansion = expand(&series(&text), window, &zone);
        let mut found: Vec<_> = expansion
            .occurrences
            .iter()
            .map(|one| {
                let title = one.details.summary.clone().unwrap_or_default();
                (one.start.to_string(), one.end.to_string(), title)
            })
            .collect();
        found.sort();
        let mut expected: Vec<_> = case["expected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let text = |index: usize| one[index].as_str().unwrap().to_owned();
                (text(0), text(1), text(2))
            })
            .collect();
        expected.sort();
        if found != expected {
            writeln!(failures, "{name}:\n  {found:?}\n  {expected:?}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn event(text: &str) -> String {
    format!("BEGIN:VEVENT\n{text}\nEND:VEVENT\n")
}

fn window(from: &str, to: &str) -> Window {
    Window::new(at(from), at(to)).unwrap()
}

fn fortnight() -> Window {
    window("2026-11-23T00:00:00Z", "2026-12-07T00:00:00Z")
}

fn caps(expansion: &Expansion) -> Vec<&'static str> {
    expansion
        .verdicts
        .iter()
        .filter_map(|verdict| match verdict.rule {
            Rule::Capped { cap, .. } => Some(cap),
            _ => None,
        })
        .collect()
}

#[test]
fn every_second_since_2020_is_3600_instances_an_hour() {
    let text = event("DTSTART;TZID=Europe/Berlin:20200101T000000\nRRULE:FREQ=SECONDLY");
    let hour = window("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
    let expansion = expand(&series(&text), hour, &Zone::utc());
    assert_eq!(expansion.occurrences.len(), 3_600);
    assert_eq!(caps(&expansion), [""; 0]);
}

/// Each of these is at the top of a feed; what comes after must be there all the same.
#[test]
fn hostile_series_are_cut_short_and_cost_the_others_nothing() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let all = |part: &str, most: u32| {
        let numbers: Vec<String> = (0..=most).map(|number| number.to_string()).collect();
        format!("{part}={}", numbers.join(","))
    };
    let product = [all("BYHOUR", 23), all("BYMINUTE", 59), all("BYSECOND", 59)].join(";");
    let dates: Vec<String> = (0..100_000)
        .map(|number| {
            format!(
                "2026{:02}{:02}T{:02}0000Z",
                number % 12 + 1,
                number % 28 + 1,
                number % 24
            )
        })
        .collect();
    let dates = dates.join(",");
    let since_2020 =
        |rule: &str| format!("DTSTART;TZID=Europe/Berlin:20200101T000000\nRRULE:{rule}");
    let moved: String = (0..20_000)
        .map(|number| {
            event(&format!(
                "UID:moved\nRECURRENCE-ID:20{:02}{:02}{:02}T{:02}0000Z\nDTSTART:2026{:02}{:02}T120000Z",
                number % 30 + 20, number / 30 % 12 + 1, number / 360 % 28 + 1, number / 10_080 % 24,
                number % 12 + 1, number % 28 + 1,
            ))
        })
        .collect();
    for (text, cap) in [
        (
            event(&since_2020("FREQ=SECONDLY")),
            Some("instances of a series"),
        ),
        (
            event(&format!("DURATION:P9999D\n{}", since_2020("FREQ=SECONDLY"))),
            Some("instances of a series"),
        ),
        (
            event(&since_2020(&format!("FREQ=DAILY;BYMONTH=11,12;{product}"))),
            Some("instances of a series"),
        ),
        (
            event(&since_2020(&format!(
                "FREQ=SECONDLY;BYDAY=MO,TU,WE,TH,FR;{product}"
            ))),
            Some("instances of a series"),
        ),
        (
            event(&since_2020("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30")),
            None,
        ),
        (
            event(&since_2020("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")),
            None,
        ),
        (
            event(&since_2020(
                "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=4294967295",
            )),
            None,
        ),
        (
            event(&since_2020("FREQ=SECONDLY;BYSECOND=7;COUNT=4294967295")),
            Some("steps of a series"),
        ),
        (
            event(&since_2020("FREQ=SECONDLY;COUNT=4294967295;BYHOUR=3")),
            Some("steps of a series"),
        ),
        (
            event(&since_2020(
                "FREQ=DAILY;COUNT=4294967295;INTERVAL=4294967295",
            )),
            None,
        ),
        (
            event("DTSTART:00010101T000000Z\nRRULE:FREQ=DAILY;BYDAY=MO,TU;COUNT=4294967295"),
            None,
        ),
        (
            event("DTSTART:00010101T000000Z\nRRULE:FREQ=MINUTELY;BYDAY=MO,TU;COUNT=4294967295"),
            Some("steps of a series"),
        ),
        (
            event(
                "DTSTART;TZID=Europe/Berlin:99991231T235959\nDURATION:P9999999D\nRRULE:FREQ=SECONDLY",
            ),
            None,
        ),
        (
            event("DTSTART;VALUE=DATE:99991231\nRRULE:FREQ=YEARLY;SKIP=FORWARD"),
            None,
        ),
        (
            event("DTSTART;VALUE=DATE:00010101\nRRULE:FREQ=SECONDLY"),
            None,
        ),
        (
            event(&format!("{}\nEXDATE:{dates}", since_2020("FREQ=HOURLY"))),
            None,
        ),
        (
            event(&format!("{}\nRDATE:{dates}", since_2020("FREQ=HOURLY"))),
            None,
        ),
        (
            event(&format!(
                "{}\nEXRULE:FREQ=SECONDLY",
                since_2020("FREQ=SECONDLY")
            )),
            Some("instances of a series"),
        ),
        (
            format!(
                "{}{moved}",
                event("UID:moved\nDTSTART:20260101T000000Z\nRRULE:FREQ=DAILY")
            ),
            None,
        ),
    ] {
        let name: String = text
            .lines()
            .skip(1)
            .take(4)
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(100)
            .collect();
        let text = text
            + &event(
                "UID:good\nDTSTART;TZID=Europe/Berlin:20200102T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY",
            );
        let series = series(&text);
        let began = std::time::Instant::now();
        let expansion = expand(&series, fortnight(), &zone);
        let took = began.elapsed();
        println!("{took:?} {name}");
        assert_eq!(caps(&expansion).first().copied(), cap, "{name}");
        let good = expansion
            .occurrences
            .iter()
            .filter(|one| one.details.uid == "good");
        assert_eq!(good.count(), 2, "{name}");
        // Milliseconds as it is built for use; far more than that in a test.
        assert!(took.as_secs() < 10, "{took:?} {name}");
    }
}

#[test]
fn ten_thousand_hostile_series_are_bounded_together() {
    let hostile = [
        "DTSTART:20200101T000000Z\nRRULE:FREQ=SECONDLY",
        "DTSTART:00010101T000000Z\nRRULE:FREQ=MINUTELY;BYDAY=MO;COUNT=4294967295",
        "DTSTART:20200101T000000Z\nRRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;COUNT=4294967295",
        "DTSTART:20200101T000000Z\nDURATION:P3000D\nRRULE:FREQ=MINUTELY;BYSECOND=1,2,3,4,5;BYSETPOS=-1",
    ];
    let mut text = String::new();
    for number in 0..10_000 {
        text += &event(&format!(
            "UID:{number}\n{}",
            hostile[number % hostile.len()]
        ));
        if number % 100 == 0 {
            text += &event(&format!(
                "UID:single {number}\nDTSTART:20261130T090000Z\nDURATION:PT1H"
            ));
            text += &event(&format!(
                "UID:weekly {number}\nDTSTART:20191130T090000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=500"
            ));
        }
    }
    let series = series(&text);
    let began = std::time::Instant::now();
    let expansion = expand(&series, fortnight(), &Zone::utc());
    println!("{:?}", began.elapsed());
    assert!(expansion.occurrences.len() < 500_000);
    let of = |name: &str| {
        let those = |one: &&Occurrence| one.details.uid.starts_with(name);
        expansion.occurrences.iter().filter(those).count()
    };
    assert_eq!((of("single"), of("weekly")), (100, 200));
    assert_eq!(caps(&expansion).len(), 7_500);
}
