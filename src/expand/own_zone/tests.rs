use super::*;
use crate::expand::local::Clock;
use crate::expand::written::{rule, time};
use crate::model::zone::Zone;

/// One observance a line: start, offsets from and to in minutes, then a rule or
/// `RDATE=` and further onsets.
fn clock(text: &str) -> OwnClock {
    let observances = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.split_whitespace();
            let start = time(words.next().unwrap());
            let mut offset = || words.next().unwrap().parse::<i32>().unwrap() * 60;
            let (offset_from, offset_to) = (offset(), offset());
            let mut observance = Observance {
                start,
                offset_from,
                offset_to,
                rules: Vec::new(),
                dates: Vec::new(),
            };
            for word in words {
                match word.strip_prefix("RDATE=") {
                    Some(dates) => observance.dates.extend(dates.split(',').map(time)),
                    None => observance.rules.push(rule(word)),
                }
            }
            observance
        })
        .collect();
    let zone = OwnZone {
        tzid: "own".into(),
        observances,
    };
    OwnClock::new(&zone, &ZoneSteps::default())
}

fn at(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}

/// Every two hours of some years, both ways, against a zone of the database.
fn agrees(own: &OwnClock, name: &str, years: std::ops::RangeInclusive<i16>) {
    let zone = Zone::named(name).unwrap();
    let clock = Clock::Zone(&zone);
    let first = Wall::from_local(jiff::civil::date(*years.start(), 1, 1).at(0, 30, 0, 0));
    let last = Wall::from_local(jiff::civil::date(*years.end(), 12, 31).at(0, 30, 0, 0));
    let mut wall = first;
    while wall < last {
        assert_eq!(own.read(wall), clock.read(wall), "{name} {}", wall.local());
        let instant = UnixTime::from_seconds(wall.0);
        assert_eq!(
            own.offset(instant),
            clock.offset(instant),
            "{name} {instant}"
        );
        wall = wall.plus(3_600);
    }
}

const BERLIN: &str = "
    19810329T020000 60 120 FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
    19961027T030000 120 60 FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU";

#[test]
fn the_rules_of_a_zone_give_what_the_database_has() {
    agrees(&clock(BERLIN), "Europe/Berlin", 2024..=2027);
    agrees(
        &clock(
            "16010101T020000 -300 -240 FREQ=YEARLY;BYMONTH=3;BYDAY=2SU
             16010101T020000 -240 -300 FREQ=YEARLY;BYMONTH=11;BYDAY=1SU",
        ),
        "America/New_York",
        2025..=2026,
    );
    // South of the equator, and by half an hour.
    agrees(
        &clock(
            "20080406T020000 660 630 FREQ=YEARLY;BYMONTH=4;BYDAY=1SU
             20081005T020000 630 660 FREQ=YEARLY;BYMONTH=10;BYDAY=1SU",
        ),
        "Australia/Lord_Howe",
        2025..=2026,
    );
}

#[test]
fn eras_with_until_follow_one_another() {
    let own = clock(
        "19870405T020000 -300 -240 FREQ=YEARLY;BYMONTH=4;BYDAY=1SU;UNTIL=20060402T070000Z
         19671029T020000 -240 -300 FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=20061029T060000Z
         20070311T020000 -300 -240 FREQ=YEARLY;BYMONTH=3;BYDAY=2SU
         20071104T020000 -240 -300 FREQ=YEARLY;BYMONTH=11;BYDAY=1SU",
    );
    agrees(&own, "America/New_York", 2004..=2008);
}

#[test]
fn onsets_may_be_listed_one_by_one() {
    let own = clock(
        "20250330T020000 60 120 RDATE=20260329T020000
         20251026T030000 120 60 RDATE=20261025T030000",
    );
    agrees(&own, "Europe/Berlin", 2025..=2026);
    // After the last of them nothing changes any more.
    assert_eq!(own.offset(at("2030-07-01T00:00:00Z")), 3_600);
}

#[test]
fn a_zone_may_have_one_offset_only() {
    let own = clock("19700101T000000 330 330");
    for year in [1900, 1970, 2026, 9999] {
        let wall = Wall::from_local(jiff::civil::date(year, 7, 1).at(12, 0, 0, 0));
        assert_eq!(
            own.read(wall),
            Reading::Once(UnixTime::from_seconds(wall.0 - 330 * 60))
        );
    }
}

#[test]
fn before_the_first_onset_its_own_offset_from_holds() {
    let own = clock("20260101T000000 -60 120 FREQ=YEARLY");
    assert_eq!(own.offset(at("2025-12-31T23:59:59Z")), -3_600);
    assert_eq!(own.offset(at("2026-01-01T00:59:59Z")), -3_600);
    assert_eq!(own.offset(at("2026-01-01T01:00:00Z")), 7_200);
    assert_eq!(clock("").offset(at("2026-01-01T00:00:00Z")), 0);
}

#[test]
fn times_skipped_take_the_offset_from_before_and_times_shown_twice_are_the_first() {
    let own = clock(BERLIN);
    let read = |text: &str| own.read(Wall::from_local(time(text)));
    assert_eq!(
        read("20260329T023000"),
        Reading::Skipped(at("2026-03-29T01:30:00Z"))
    );
    assert_eq!(
        read("20261025T023000"),
        Reading::Twice(at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"))
    );
    assert_eq!(
        read("20261025T030000"),
        Reading::Once(at("2026-10-25T02:00:00Z"))
    );
}

/// A rule that ended long ago still says what holds now.
#[test]
fn the_last_change_may_be_long_ago() {
    let own = clock("19400101T000000 0 60 FREQ=YEARLY;UNTIL=19450101T000000Z");
    assert_eq!(own.offset(at("2026-01-01T00:00:00Z")), 3_600);
    let own = clock("19400101T000000 0 60 FREQ=YEARLY;COUNT=3");
    assert_eq!(own.offset(at("9999-01-01T00:00:00Z")), 3_600);
}

#[test]
fn a_zone_that_changes_every_second_is_given_up_on() {
    let rules = "00010101T000000 0 60 FREQ=SECONDLY\n".repeat(2_000);
    let steps = ZoneSteps::default();
    let zone = OwnZone {
        tzid: "own".into(),
        observances: rules
            .lines()
            .map(|_| Observance {
                start: time("00010101T000000"),
                offset_from: 0,
                offset_to: 3_600,
                rules: vec![rule("FREQ=SECONDLY")],
                dates: Vec::new(),
            })
            .collect(),
    };
    let own = OwnClock::new(&zone, &steps);
    for year in 1_900..2_100 {
        own.offset(UnixTime::from_seconds(Day::new(year, 6, 1).midnight().0));
    }
    assert!(steps.capped().is_some());
}
