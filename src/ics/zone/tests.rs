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
        "(UTC+09:00) Ljubljana",
        "W. Europe",
    ] {
        check(tzid, None);
    }
}

/// What a TZID is read as that the file does not define: a zone, an offset, or an
/// offset that may not be the one of the whole year (`?`).
fn guessed(tzid: &str) -> Option<String> {
    if let Some(zone) = named(tzid) {
        return Some(zone.name().to_owned());
    }
    let guess = guess::guess(&clean(tzid))?;
    Some(format!(
        "{}{}",
        guess.reading,
        if guess.is_doubtful { "?" } else { "" }
    ))
}

#[track_caller]
fn check_guesses(cases: &[(&str, &str)]) {
    for (tzid, expected) in cases {
        let expected = Some(*expected).filter(|expected| !expected.is_empty());
        assert_eq!(guessed(tzid).as_deref(), expected, "{tzid}");
    }
}

#[test]
fn names_are_read_as_a_person_would() {
    check_guesses(&[
        // Outlook numbers a second definition.
        ("Eastern Standard Time 1", "America/New_York"),
        ("W. Europe Standard Time 2", "Europe/Berlin"),
        ("Romance Standard Time (1)", "Europe/Paris"),
        ("Eastern Standard Time2026", "America/New_York"),
        ("Europe/Berlin 1", "Europe/Berlin"),
        // Notes.
        ("Eastern", "America/New_York"),
        ("W. Europe", "Europe/Berlin"),
        ("Romance", "Europe/Paris"),
        ("India", "Asia/Calcutta"),
        ("FLE", "Europe/Kiev"),
        ("SA Pacific", "America/Bogota"),
        ("Dateline", "Etc/GMT+12"),
        // Exchange 2000.
        ("Perth, Western Australia", "Australia/Perth"),
        ("(GMT+08:00) Perth, Western Australia", "Australia/Perth"),
        ("Eniwetok, Kwajalein, Dateline Time", "Etc/GMT-12"),
        ("Indiana", "America/Indianapolis"),
        // With slashes, dots, dashes and other signs.
        ("(GMT+01.00) Sarajevo/Warsaw/Zagreb", "Europe/Sarajevo"),
        (
            "(GMT+01.00) Sarajevo / Skopje / Warsaw / Zagreb",
            "Europe/Warsaw",
        ),
        (
            "(GMT) Greenwich Mean Time - Dublin / Edinburgh / Lisbon / London",
            "Europe/London",
        ),
        (
            "(GMT-08.00) Pacific Time (US & Canada) / Tijuana",
            "America/Los_Angeles",
        ),
        ("w europe standard time", "Europe/Berlin"),
        ("W.Europe_Standard_Time", "Europe/Berlin"),
        ("cape verde is", "Atlantic/Cape_Verde"),
        ("Cape Verde Islands", "Atlantic/Cape_Verde"),
        ("Europe_Berlin", "Europe/Berlin"),
        ("Europe\\Berlin", "Europe/Berlin"),
        ("america-new york", "America/New_York"),
        ("Europe/Berlin (UTC+01:00)", "Europe/Berlin"),
        ("(UTC+01:00) Europe/Berlin", "Europe/Berlin"),
        ("US America/New_York", "America/New_York"),
        (
            "/freeassociation.sourceforge.net/Tzfile/SystemV/EST5EDT",
            "EST5EDT",
        ),
        (
            "/mozilla.org/20070129_1/America/New York",
            "America/New_York",
        ),
        (
            "tzone://Microsoft/Eastern Standard Time",
            "America/New_York",
        ),
        // Webex.
        ("Europe Time", "Europe/Berlin"),
        ("Pacific Time", "America/Los_Angeles"),
        ("GMT Time", "Europe/London"),
        ("S. America Eastern Time", "America/Cayenne"),
        ("India Time", "Asia/Calcutta"),
        ("GMT-05:00, Eastern (New York)", "America/New_York"),
        ("GMT-07:00, Mountain (Arizona)", "America/Phoenix"),
        ("GMT+00:00, Greenwich (Casablanca)", "Atlantic/Reykjavik"),
        ("GMT+09:30, Australia Central (Darwin)", "Australia/Darwin"),
        // Google, browsers, Java.
        ("(GMT-05:00) Eastern Time - New York", "America/New_York"),
        (
            "(GMT-07:00) Mountain Standard Time - Phoenix",
            "America/Phoenix",
        ),
        (
            "(GMT+01:00) Central European Time - Berlin",
            "Europe/Berlin",
        ),
        ("GMT-0500 (Eastern Standard Time)", "America/New_York"),
        ("GMT+0200 (Central European Summer Time)", "Europe/Warsaw"),
        ("Central European Summer Time", "Europe/Warsaw"),
        ("British Summer Time", "Europe/London"),
        // Cities, also where nobody listed them together, and in other languages.
        ("(UTC+01:00) Ljubljana, Vaduz", "Europe/Ljubljana"),
        ("(GMT-05:00) New York", "America/New_York"),
        (
            "(GMT+01:00) Berlin, Bern, Brüssel, Rom, Stockholm, Wien",
            "Europe/Berlin",
        ),
        (
            "(GMT+01:00) Amsterdam, Berlijn, Bern, Rome, Stockholm, Wenen",
            "Europe/Amsterdam",
        ),
        ("São Paulo", "America/Sao_Paulo"),
        ("Osaka", "Asia/Tokyo"),
        // Abbreviations that mean one zone.
        ("EDT", "America/New_York"),
        ("MESZ", "Europe/Berlin"),
        ("CET/CEST", "Europe/Berlin"),
    ]);
}

#[test]
fn offsets_in_names_are_read() {
    check_guesses(&[
        ("GMT+05:30", "UTC+05:30"),
        ("UTC+01:00", "UTC+01:00"),
        ("GMT+5.30", "UTC+05:30"),
        ("(UTC-03:00)", "UTC-03:00"),
        ("Etc/GMT+5", "Etc/GMT+5"),
        ("UTC-11", "Etc/GMT+11"),
        // Of the two offsets of a year, and the rules of POSIX.
        (
            "GMT +0100 (Standard) / GMT +0200 (Daylight)",
            "Europe/Berlin",
        ),
        (
            "GMT -0800 (Standard) / GMT -0700 (Daylight)",
            "America/Los_Angeles",
        ),
        (
            "GMT -0000 (Standard) / GMT +0100 (Daylight)",
            "Europe/London",
        ),
        (
            "GMT +1000 (Standard) / GMT +1100 (Daylight)",
            "Australia/Sydney",
        ),
        ("GMT +0100 (Standard) / GMT +0100 (Daylight)", "UTC+01:00"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin"),
        ("CET-1CEST", "Europe/Berlin"),
        ("EST5EDT,M3.2.0,M11.1.0", "America/New_York"),
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", "Australia/Sydney"),
        ("<+03>-3", "UTC+03:00"),
        // Nothing but an offset is understood; it may be that of the winter.
        ("(UTC+01:00) Nowhere", "UTC+01:00?"),
        ("(UTC+09:00) Ljubljana", "UTC+09:00?"),
        ("GMT +0700 (Standard) / GMT +0900 (Daylight)", "UTC+07:00?"),
    ]);
}

#[test]
fn what_means_several_zones_or_none_is_not_read() {
    check_guesses(&[
        ("CST", ""),
        ("IST", ""),
        ("Local", ""),
        ("My Office", ""),
        ("Customized Time Zone", ""),
        ("Customized Time Zone 1", ""),
        ("tzone://Microsoft/Custom", ""),
        ("Standard Time", ""),
        ("North", ""),
        ("Raum2", ""),
        ("ROOM2", ""),
        ("7", ""),
        ("Berlin, Tokyo", ""),
        ("c3566dec-0958-48d5-8c80-57fb6274ccb2", ""),
    ]);
}

/// No two names of the tables may be taken for each other by their words alone.
#[test]
fn names_that_are_looked_up_by_their_words_have_one_time() {
    let windows: HashMap<&str, &str> = names::WINDOWS.iter().copied().collect();
    let labels = names::LABELS
        .iter()
        .chain(names::OTHERS)
        .chain(names::CITIES);
    for (name, zone) in names::WINDOWS.iter().chain(labels) {
        let iana = windows.get(zone).copied().unwrap_or(zone);
        let meant = Zone::named(iana).unwrap_or_else(|| panic!("{name}: {zone}"));
        let found = guess::guess(name).unwrap_or_else(|| panic!("{name}"));
        let Place::Zone(found) = found.place else {
            assert!(name.starts_with("UTC"), "{name}");
            continue;
        };
        for month in 1..=12 {
            let local = date(2026, month, 15).at(12, 0, 0, 0);
            assert_eq!(
                offset_of(&found, local),
                offset_of(&meant, local),
                "{name}: {found}"
            );
        }
    }
}

#[test]
fn hostile_names_cost_nothing() {
    for name in [
        "(".repeat(100_000),
        "+".repeat(100_000),
        "/a".repeat(100_000),
        "GMT+".repeat(70),
        "[(UTC+01:00) ".repeat(20),
        "-,;".repeat(90),
        "\u{301}".repeat(140),
    ] {
        let _ = guessed(&name);
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
        ("GMT+05.30", Some(19_800)),
        ("[UTC+1]", Some(3_600)),
        ("UTC+99", None),
        ("0100", None),
        ("Mars", None),
    ] {
        assert_eq!(guess::offset_named(name), east, "{name}");
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
            rules: vec![super::super::rrule::read(rule).unwrap().rule],
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

fn zone_of(tzid: &str, observance: &str) -> String {
    format!("BEGIN:VTIMEZONE\nTZID:{tzid}\n{observance}END:VTIMEZONE\n")
}

/// 40 zones of 1,000 observances with 32 rules each took 1.2 GB.
#[test]
fn what_the_zones_of_a_file_define_is_bounded_and_said() {
    let rules: String = (1..=32)
        .map(|day| format!("RRULE:FREQ=YEARLY;INTERVAL={day}\n"))
        .collect();
    let observance = format!(
        "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n{rules}END:STANDARD\n"
    );
    let zones: String = (0..12)
        .map(|zone| zone_of(&format!("Evil {zone}"), &observance.repeat(200)))
        .collect();
    let body = format!("BEGIN:VCALENDAR\n{zones}END:VCALENDAR\n");
    let file = crate::ics::walk::walk(body.as_bytes(), Default::default()).unwrap();
    let held: usize = file
        .zones
        .definitions
        .values()
        .map(|zone| own::parts(zone))
        .sum();
    assert!(held > 40_000 && held <= 50_000, "{held}");
    let said = |cap: &str| {
        let is_that = |rule: &verdict::Rule| matches!(rule, verdict::Rule::Capped { cap: said, .. } if *said == cap);
        file.verdicts.iter().any(|(_, rule)| is_that(rule))
    };
    assert!(
        said("parts of time zones and their rules"),
        "{:?}",
        file.verdicts
    );
}

/// One more name for a zone costs as much as another zone.
#[test]
fn further_names_of_a_zone_are_bounded_as_well() {
    let observance = "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:STANDARD\n";
    let zones: String = (0..8)
        .map(|zone| {
            let names: String = (0..15)
                .map(|name| format!("TZID:Name {zone} {name}\n"))
                .collect();
            zone_of(&format!("Evil {zone}"), &(names + &observance.repeat(990)))
        })
        .collect();
    let body = format!("BEGIN:VCALENDAR\n{zones}END:VCALENDAR\n");
    let file = crate::ics::walk::walk(body.as_bytes(), Default::default()).unwrap();
    let definitions = file.zones.definitions.values();
    let held: usize = definitions.map(|zone| own::parts(zone)).sum();
    assert!(held > 40_000 && held <= 50_000, "{held}");
}

/// Each calendar of a body has its own list of places, and one definition may serve all.
#[test]
fn a_definition_is_compared_with_its_name_once() {
    let observance = "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0500\nTZOFFSETTO:+0500\nEND:STANDARD\n";
    let compared = |calendars: usize| {
        let event = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART;TZID=Europe/Berlin:20260105T090000\n\
                     END:VEVENT\nEND:VCALENDAR\n";
        let zone = zone_of("Europe/Berlin", observance);
        let body = format!(
            "BEGIN:VCALENDAR\n{zone}END:VCALENDAR\n{}",
            event.repeat(calendars)
        );
        let item = crate::model::item::FeedItem {
            href: String::new(),
            etag: None,
            last_modified: None,
            body: body.into_bytes().into(),
        };
        let before = own::COMPARED.get();
        let reading = crate::ics::read(&item).unwrap();
        assert!(
            reading
                .verdicts
                .iter()
                .any(|one| matches!(one.rule, verdict::Rule::ZoneDiffers { .. }))
        );
        own::COMPARED.get() - before
    };
    assert_eq!(compared(50), compared(5));
}

#[test]
fn names_run_together_are_read_and_places_that_do_not_exist_are_not() {
    let read = |name: &str| match guess::guess(name)?.place {
        Place::Zone(zone) => Some(zone.name().to_owned()),
        _ => None,
    };
    for (name, iana) in [
        ("EasternStandardTime", "America/New_York"),
        ("WEurope Standard Time", "Europe/Berlin"),
        ("Ho Chi Minh City", "Asia/Ho_Chi_Minh"),
        ("Indian Standard Time", "Asia/Calcutta"),
        ("Mitteleuropaeische Zeit", "Europe/Berlin"),
        ("Mitteleurop. Zeit", "Europe/Berlin"),
        ("Western Europe Standard Time", "Europe/Berlin"),
        ("EST (US)", "America/New_York"),
        ("IST India", "Asia/Calcutta"),
        ("(GMT+01.00) Europe / Berlin", "Europe/Berlin"),
        ("Pacific", "America/Los_Angeles"),
        ("GMT Standard Time 1", "Europe/London"),
    ] {
        assert_eq!(read(name).as_deref(), Some(iana), "{name}");
    }
    for name in [
        "Europe/Atlantis",
        "Pacific/Atlantis",
        "Atlantic/Atlantis",
        "Indian/Atlantis",
        "America/Atlantis",
        "UTC+15",
        "UTC-13",
        "GMT+99",
    ] {
        assert!(guess::guess(name).is_none(), "{name}");
    }
}
