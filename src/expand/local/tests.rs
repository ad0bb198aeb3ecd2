use jiff::civil::date;

use super::*;

fn at(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}

fn wall(text: &str) -> Wall {
    Wall::from_local(text.parse().unwrap())
}

#[test]
fn wall_times_are_read_as_rfc_5545_section_3_3_5_says() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let clock = Clock::Zone(&berlin);
    for (local, reading) in [
        (
            "2026-01-05T09:00:00",
            Reading::Once(at("2026-01-05T08:00:00Z")),
        ),
        (
            "2026-03-29T02:30:00",
            Reading::Skipped(at("2026-03-29T01:30:00Z")),
        ),
        (
            "2026-10-25T02:30:00",
            Reading::Twice(at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z")),
        ),
    ] {
        assert_eq!(clock.read(wall(local)), reading, "{local}");
        assert_eq!(clock.instant(wall(local)), reading.first(), "{local}");
    }
}

/// Whatever instant lies between two others, its wall time lies within their bounds.
#[test]
fn the_bounds_of_wall_times_hold_over_every_change() {
    for name in [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Casablanca",
    ] {
        let zone = Zone::named(name).unwrap();
        let clock = Clock::Zone(&zone);
        // Apia left out 30 December 2011.
        let first = Day::from_date(date(2011, 12, 20)).midnight();
        for step in 0..3_000 {
            let wall = first.plus(step * 1_800);
            let instant = clock.instant(wall);
            for (before, after) in [(0, 1), (3_600, 3_601), (7_200, 90_000)] {
                let from = UnixTime::from_seconds(instant.seconds() - before);
                let to = UnixTime::from_seconds(instant.seconds() + after);
                let (low, high) = clock.walls(from, to);
                assert!(low <= wall && wall < high, "{name} {}", wall.local());
            }
        }
    }
}

#[test]
fn a_time_may_stand_for_a_date() {
    let room = Zone::named("America/New_York").unwrap();
    let window = Window::new(at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z")).unwrap();
    let clocks = Clocks::new(&room, window);
    let utc = |text: &str| When::Time {
        local: text.parse().unwrap(),
        place: Place::Utc,
    };
    for (text, day) in [
        // As written: midnights, last seconds, anything in between.
        ("2026-01-06T00:00:00", 6),
        ("2026-01-06T23:59:59", 6),
        ("2026-01-06T12:00:00", 6),
        ("2026-01-06T04:00:00", 6),
        // Midnight in New York, and the last second before it.
        ("2026-01-06T05:00:00", 6),
        ("2026-01-06T04:59:59", 5),
    ] {
        assert_eq!(clocks.day(&utc(text)).date(), date(2026, 1, day), "{text}");
    }
}

#[test]
fn one_zone_of_the_calendar_is_evaluated_once() {
    let room = Zone::utc();
    let window = Window::new(at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z")).unwrap();
    let clocks = Clocks::new(&room, window);
    let floating = clocks.floating(None);
    let place = Place::Own(Arc::new(crate::ics::series::OwnZone {
        tzid: "own".into(),
        observances: Vec::new(),
    }));
    let (Clock::Own(one), Clock::Own(other)) =
        (clocks.at(&place, &floating), clocks.at(&place, &floating))
    else {
        panic!();
    };
    assert!(Rc::ptr_eq(&one, &other));
}
