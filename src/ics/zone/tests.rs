use super::*;
use jiff::civil::date;

fn check(tzid: &str, expected: Option<&str>) {
    let found = named(tzid);
    assert_eq!(found.as_ref().map(Zone::name), expected, "{tzid}");
}

#[test]
fn names_of_the_database_are_found_behind_anything() {
    for (tzid, name) in [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/BERLIN", "Europe/Berlin"),
        (" \"Europe/Berlin\" ", "Europe/Berlin"),
        ("/Europe/Berlin", "Europe/Berlin"),
        ("/mozilla.org/20050126_1/Europe/Berlin", "Europe/Berlin"),
        (
            "/mozilla.org/20070129_1/America/Argentina/Buenos_Aires",
            "America/Argentina/Buenos_Aires",
        ),
        (
            "/freeassociation.sourceforge.net/Tzfile/America/Los_Angeles",
            "America/Los_Angeles",
        ),
        (
            "/softwarestudio.org/Olson_20011030_5/America/Chicago",
            "America/Chicago",
        ),
        ("/citadel.org/20190914_1/Asia/Kolkata", "Asia/Kolkata"),
        ("America/New York", "America/New_York"),
        ("tzone://Microsoft/Utc", "UTC"),
        // Links to other names keep their own.
        ("US/Pacific", "US/Pacific"),
        ("Asia/Calcutta", "Asia/Calcutta"),
        // The sign is the other way round there.
        ("Etc/GMT+5", "Etc/GMT+5"),
        ("UTC", "UTC"),
        ("GMT", "GMT"),
    ] {
        check(tzid, Some(name));
    }
}

#[test]
fn names_of_windows_are_found_in_any_case() {
    for (tzid, name) in [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("w. europe standard time", "Europe/Berlin"),
        ("W. Europe Daylight Time", "Europe/Berlin"),
        ("SA Pacific Standard Time", "America/Bogota"),
        ("Pacific Standard Time", "America/Los_Angeles"),
        ("Pacific Standard Time (Mexico)", "America/Tijuana"),
        ("UTC-11", "Etc/GMT+11"),
        ("Kamchatka Standard Time", "Asia/Kamchatka"),
    ] {
        check(tzid, Some(name));
    }
}

#[test]
fn what_outlook_shows_is_found_in_each_of_its_spellings() {
    for (tzid, name) in [
        (
            "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
            "Europe/Berlin",
        ),
        (
            "(GMT+01.00) Amsterdam / Berlin / Bern / Rome / Stockholm / Vienna",
            "Europe/Berlin",
        ),
        (
            r"(UTC+01:00) Amsterdam\, Berlin\, Bern\, Rome\, Stockholm\, Vienna",
            "Europe/Berlin",
        ),
        (
            "\"(UTC-08:00) Pacific Time (US & Canada)\"",
            "America/Los_Angeles",
        ),
        (
            "(GMT-08:00) Pacific Time (US and Canada)",
            "America/Los_Angeles",
        ),
        (
            "(UTC-05:00) Eastern Time (US &amp; Canada)",
            "America/New_York",
        ),
        ("Eastern Time (US & Canada)", "America/New_York"),
        ("(UTC) Dublin, Edinburgh, Lisbon, London", "Europe/London"),
        (
            "(UTC+00:00) Dublin, Edinburgh, Lisbon, London",
            "Europe/London",
        ),
        (
            "(GMT) Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London",
            "Europe/London",
        ),
        ("(UTC) Coordinated Universal Time", "Etc/UTC"),
        (
            "(GMT+10:00) Canberra, Melbourne, Sydney",
            "Australia/Sydney",
        ),
        ("(UTC+07:00) Bangkok, Hanoi, Jakarta", "Asia/Bangkok"),
        // Not in the table, but its cities and its offset say it.
        ("(UTC+01:00) Ljubljana, Vaduz", "Europe/Ljubljana"),
        ("(GMT-05:00) New York", "America/New_York"),
    ] {
        check(tzid, Some(name));
    }
}

#[test]
fn names_that_mean_nothing_are_not_guessed() {
    for tzid in [
        "",
        "\"\"",
        "Mars/Phobos",
        "Customized Time Zone",
        "Customized Time Zone 1",
        "tzone://Microsoft/Custom",
        "My/Office",
        "1",
        "Etc/Unknown",
        "Factory",
        "GMT-4",
        "UTC+02:00",
        "+0530",
        "Eastern",
        "(UTC+01:00) Nowhere",
        // The offset does not fit the city.
        "(UTC+09:00) Ljubljana",
    ] {
        check(tzid, None);
    }
}

#[test]
fn offsets_are_read_out_of_names() {
    for (name, east) in [
        ("UTC+02:00", Some(7_200)),
        ("UTC-12:00", Some(-43_200)),
        ("GMT-4", Some(-14_400)),
        ("GMT +0100", Some(3_600)),
        ("+0530", Some(19_800)),
        ("-08:00", Some(-28_800)),
        ("utc", Some(0)),
        ("Z", Some(0)),
        ("(GMT+05:30)", Some(19_800)),
        ("UTC\u{2212}3", Some(-10_800)),
        ("GMT +0100 (Standard) / GMT +0200 (Daylight)", None),
        ("UTC+99", None),
        ("0100", None),
        ("Mars", None),
    ] {
        assert_eq!(offset_named(name), east, "{name}");
    }
}

#[test]
fn every_name_in_the_tables_leads_to_a_zone() {
    let cldr = names::WINDOWS.iter().take(139);
    assert!(cldr.clone().all(|(name, _)| !name.is_empty()));
    for (windows, iana) in names::WINDOWS {
        assert!(Zone::named(iana).is_some(), "{windows}: {iana}");
    }
    for (label, windows_name) in names::LABELS {
        let expected = names::WINDOWS.iter().find(|(name, _)| name == windows_name);
        let (_, iana) = expected.unwrap_or_else(|| panic!("{label}: {windows_name}"));
        check(&format!("(UTC+01:00) {label}"), Some(iana));
    }
    let mut keys: Vec<_> = names::WINDOWS
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), names::WINDOWS.len(), "each name once");
}

/// A label's zone must have the label's words in the right half of the world: its
/// standard offset is known from the label of the newest Windows.
#[test]
fn labels_agree_with_their_offsets() {
    for (label, east) in [
        ("Hawaii", -10),
        ("Alaska", -9),
        ("Arizona", -7),
        ("Yukon", -7),
        ("Saskatchewan", -6),
        ("Brasilia", -3),
        ("Azores", -1),
        ("Casablanca", 1),
        ("Cairo", 2),
        ("Istanbul", 3),
        ("Tbilisi", 4),
        ("Islamabad, Karachi", 5),
        ("Dhaka", 6),
        ("Krasnoyarsk", 7),
        ("Perth", 8),
        ("Seoul", 9),
        ("Brisbane", 10),
        ("Magadan", 11),
        ("Auckland, Wellington", 12),
        ("Samoa", 13),
        ("Kiritimati Island", 14),
    ] {
        let zone = named(label).unwrap_or_else(|| panic!("{label}"));
        let winter = [1, 7].map(|month| offset_of(&zone, date(2026, month, 15).at(12, 0, 0, 0)));
        assert!(winter.contains(&(east * 3_600)), "{label}: {winter:?}");
    }
}

fn own(rules: &[(&str, i32, i32, &str)]) -> OwnZone {
    let observances = rules.iter().map(|(start, offset_from, offset_to, rule)| {
        let date::Written::Time { local, .. } = date::written(start).unwrap() else {
            panic!("{start}")
        };
        super::super::series::Observance {
            start: local,
            offset_from: offset_from * 3_600,
            offset_to: offset_to * 3_600,
            rules: super::super::rrule::read(rule).into_iter().collect(),
            dates: Vec::new(),
        }
    });
    OwnZone {
        tzid: "x".to_owned(),
        observances: observances.collect(),
    }
}

#[test]
fn the_short_way_through_a_vtimezone_agrees_with_the_database() {
    let berlin = own(&[
        ("16010101T030000", 2, 1, "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10"),
        ("16010101T020000", 1, 2, "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"),
    ]);
    let zone = Zone::named("Europe/Berlin").unwrap();
    for month in 1..=12 {
        for day in [1, 15, 28] {
            let local = date(2026, month, day).at(12, 0, 0, 0);
            assert_eq!(
                own::offset_at(&berlin, local),
                Some(offset_of(&zone, local)),
                "{local}"
            );
        }
    }
    let odd = own(&[("19700101T000000", 0, 1, "FREQ=YEARLY;BYWEEKNO=3")]);
    assert_eq!(
        own::offset_at(&odd, date(2026, 1, 1).at(0, 0, 0, 0)),
        None,
        "not of that kind"
    );
}
