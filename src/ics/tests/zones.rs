//! Zones of calendars as a whole (Z1 to Z10).

use super::*;

const CUSTOM: &str = "BEGIN:VTIMEZONE\nTZID:Customized Time Zone\n\
    BEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0417\nTZOFFSETTO:+0317\n\
    RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=1SU\nEND:STANDARD\n\
    BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+031700\nTZOFFSETTO:+041700\n\
    RRULE:FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=1\nEND:DAYLIGHT\nEND:VTIMEZONE\n";

fn zoned(definitions: &str, tzid: &str) -> (Place, Vec<String>) {
    // The zone is defined behind the event that uses it (T11 of real feeds).
    let body = calendar(&format!(
        "BEGIN:VEVENT\nUID:1\nDTSTART;TZID={tzid}:20260705T090000\nEND:VEVENT\n{definitions}"
    ));
    let read = reading(body);
    let said = read
        .verdicts
        .iter()
        .map(|verdict| verdict.rule.to_string())
        .collect();
    match only_master(read, tzid).start {
        When::Time { place, .. } => (place, said),
        When::Date(_) => panic!("{tzid}"),
    }
}

#[test]
fn a_zone_of_the_calendars_own_is_read_from_its_rules() {
    for tzid in [
        "Customized Time Zone",
        "\"Customized Time Zone\"",
        " customized time zone",
    ] {
        let (place, said) = zoned(CUSTOM, tzid);
        let Place::Own(own) = place else {
            panic!("{tzid}: {place:?}")
        };
        let offsets: Vec<_> = own.observances.iter().map(|one| one.offset_to).collect();
        assert_eq!(offsets, [11_820, 15_420], "{tzid}");
        assert_eq!(said.len(), 1, "{tzid}: {said:?}");
    }
}

#[test]
fn zone_definitions_that_are_odd_are_tolerated() {
    let standard = |offset: &str| {
        format!("BEGIN:STANDARD\nDTSTART:00010101T000000\nTZOFFSETTO:{offset}\nEND:STANDARD\n")
    };
    // Z7: one side only, the year 1, no TZOFFSETFROM, several names, a number for a name.
    let one_sided = format!(
        "BEGIN:VTIMEZONE\nTZID: 1\nTZID:Office\n{}END:VTIMEZONE\n",
        standard("+0300")
    );
    for tzid in ["1", " 1", "Office", "office"] {
        let (place, _) = zoned(&one_sided, tzid);
        let Place::Own(own) = place else {
            panic!("{tzid}: {place:?}")
        };
        assert_eq!(own.observances[0].offset_from, 10_800);
    }
    // An empty one defines nothing; the first of two counts; commas are escaped in one place only.
    let empty = "BEGIN:VTIMEZONE\nTZID:Office\nEND:VTIMEZONE\n";
    assert_eq!(zoned(empty, "Office").0, Place::Floating);
    let Place::Own(own) = zoned(&format!("{empty}{one_sided}"), "Office").0 else {
        panic!()
    };
    assert_eq!(own.observances[0].offset_to, 10_800);
    let commas = format!(
        "BEGIN:VTIMEZONE\nTZID:Oslo\\, Office\n{}END:VTIMEZONE\n",
        standard("+0100")
    );
    assert!(matches!(
        zoned(&commas, "\"Oslo, Office\"").0,
        Place::Own(_)
    ));
    // A missing END.
    let unclosed = "BEGIN:VTIMEZONE\nTZID:Office\nBEGIN:STANDARD\nTZOFFSETTO:+0100\n\
        BEGIN:DAYLIGHT\nTZOFFSETTO:+0200\n";
    let Place::Own(own) = zoned(unclosed, "Office").0 else {
        panic!()
    };
    assert_eq!(own.observances.len(), 2);
}

#[test]
fn names_win_over_definitions_and_it_is_said_when_they_differ() {
    let berlin = |tzid: &str, summer: &str| {
        format!(
            "BEGIN:VTIMEZONE\nTZID:{tzid}\nBEGIN:STANDARD\nDTSTART:16010101T030000\n\
            TZOFFSETFROM:{summer}\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\n\
            BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:{summer}\n\
            RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\n"
        )
    };
    let (place, said) = zoned(&berlin("Europe/Berlin", "+0200"), "Europe/Berlin");
    assert_eq!((place, said.len()), (zone("Europe/Berlin"), 0));
    let (place, said) = zoned(&berlin("Europe/Berlin", "+0300"), "Europe/Berlin");
    assert_eq!(place, zone("Europe/Berlin"));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("differ"), "{said:?}");
    let (place, said) = zoned(
        &berlin("W. Europe Standard Time", "+0300"),
        "W. Europe Standard Time",
    );
    assert_eq!(place, zone("Europe/Berlin"));
    assert_eq!(said[0], "`W. Europe Standard Time` read as Europe/Berlin");
    assert_eq!(said.len(), 2);
    // An offset in a name says less than a definition with summer time.
    let (place, _) = zoned(&berlin("GMT+01:00", "+0200"), "\"GMT+01:00\"");
    assert!(matches!(place, Place::Own(_)), "{place:?}");
}

#[test]
fn what_nothing_defines_is_read_by_its_offset_or_floats() {
    for (tzid, place) in [
        ("\"UTC+02:00\"", Place::Offset(7_200)),
        ("+0530", Place::Offset(19_800)),
        ("GMT-4", Place::Offset(-14_400)),
        ("\"(UTC+05:00) Nowhere\"", Place::Offset(18_000)),
        ("Eastern", zone("America/New_York")),
        ("Mars/Phobos", Place::Floating),
        ("Customized Time Zone", Place::Floating),
    ] {
        let (found, said) = zoned("", tzid);
        assert_eq!(found, place, "{tzid}");
        let as_written = tzid == "\"UTC+02:00\"";
        assert_eq!(said.len(), usize::from(!as_written), "{tzid}: {said:?}");
    }
    // A blank name is no name, and nothing to speak of.
    assert_eq!(zoned("", ""), (Place::Floating, Vec::new()));
}

#[test]
fn floating_times_are_in_the_zone_of_their_calendar() {
    let floating = |header: &str| {
        let body = calendar(&format!(
            "BEGIN:VEVENT\nUID:1\nDTSTART:20260705T090000\nEND:VEVENT\n{header}"
        ));
        let read = reading(body);
        let said = rules(&read);
        (
            only_master(read, header)
                .floating_zone
                .map(|zone| zone.name().to_owned()),
            said,
        )
    };
    assert_eq!(floating(""), (None, vec![]));
    assert_eq!(
        floating("X-WR-TIMEZONE:Asia/Tokyo"),
        (Some("Asia/Tokyo".to_owned()), vec![])
    );
    assert_eq!(
        floating("X-WR-TIMEZONE;VALUE=TEXT:Tokyo Standard Time"),
        (Some("Asia/Tokyo".to_owned()), vec!["zone_read"])
    );
    assert_eq!(floating("X-WR-TIMEZONE:"), (None, vec![]));
    assert_eq!(
        floating("X-WR-TIMEZONE:Nowhere"),
        (None, vec!["zone_unknown"])
    );
    assert_eq!(
        floating("X-WR-TIMEZONE:GMT+02:00"),
        (Some("Etc/GMT-2".to_owned()), vec!["zone_read"])
    );
}

#[test]
fn zones_that_nothing_tells_are_named() {
    let event = |tzid: &str| {
        format!("BEGIN:VEVENT\nUID:{tzid}\nDTSTART;TZID=\"{tzid}\":20260705T090000\nEND:VEVENT\n")
    };
    let of = |lines: &str| {
        let read = reading(calendar(lines));
        let troubles = read.verdicts.iter().filter(|one| one.rule.is_trouble());
        assert_eq!(troubles.count(), read.unknown_zones.len(), "{lines}");
        read.unknown_zones
    };
    let lines = [
        "Mars/Phobos",
        "Eastern",
        "My \u{7}\u{202E}Office",
        "Mars/Phobos",
        "UTC+1",
    ];
    let lines: String = lines.into_iter().map(event).collect();
    assert_eq!(of(&lines), ["Mars/Phobos", "My Office"]);
    // Only the offset of the winter may be known.
    assert_eq!(of(&event("(UTC+01:00) Nowhere")), ["(UTC+01:00) Nowhere"]);
    // The zone of the calendar matters where times float.
    let floating = "BEGIN:VEVENT\nUID:1\nDTSTART:20260705T090000\nEND:VEVENT\nX-WR-TIMEZONE:Mars";
    assert_eq!(of(floating), ["Mars"]);
    assert!(of(&floating.replace("90000\n", "90000Z\n")).is_empty());
    assert!(of(&floating.replace("T090000", "")).is_empty());
    // Of a whole feed each once.
    let read = || reading(calendar(&format!("{lines}{floating}")));
    let merged = merge(vec![read(), read()]);
    assert_eq!(merged.unknown_zones, ["Mars", "Mars/Phobos", "My Office"]);
    // No number of them is too many.
    let many: String = (0..2_000)
        .map(|n| event(&format!("Zone nr. {n} of Mars")))
        .collect();
    assert_eq!(reading(calendar(&many)).unknown_zones.len(), 50);
}

#[test]
fn a_name_may_have_a_colon_and_no_quotes() {
    for (line, place, local) in [
        (
            "TZID=GMT+05:30:20260705T090000",
            Place::Offset(19_800),
            "2026-07-05T09:00",
        ),
        (
            "TZID=(UTC-05:00) Eastern Time (US & Canada):20260705T090000",
            zone("America/New_York"),
            "2026-07-05T09:00",
        ),
        (
            "TZID=(UTC-05:00) Eastern Time (US & Canada);VALUE=DATE-TIME:2026-07-05T09:00:00",
            zone("America/New_York"),
            "2026-07-05T09:00",
        ),
        (
            "VALUE=DATE-TIME;TZID=GMT +01:00:2026-07-05T09:00:00",
            Place::Offset(3_600),
            "2026-07-05T09:00",
        ),
        (
            "TZID=Pacific Time (US & Canada); Tijuana:20260705T090000",
            zone("America/Los_Angeles"),
            "2026-07-05T09:00",
        ),
        (
            "TZID=Greenwich Mean Time; Dublin, Edinburgh, London:20260705T090000",
            zone("Europe/London"),
            "2026-07-05T09:00",
        ),
        (
            "TZID=Europe/Berlin:2026-07-05T09:00:00",
            zone("Europe/Berlin"),
            "2026-07-05T09:00",
        ),
    ] {
        let event = event(&format!("DTSTART;{line}"));
        assert_eq!(event.start, time(local, place), "{line}");
    }
}

#[test]
fn an_abbreviation_is_what_the_calendar_says() {
    let rules = CUSTOM.replace("TZID:Customized Time Zone", "TZID:EST");
    assert!(matches!(zoned(&rules, "EST").0, Place::Own(_)));
    let (place, _) = zoned("", "EST");
    assert!(matches!(&place, Place::Zone(_)), "{place:?}");
    // The signs in a name are not written alike everywhere.
    let rules = CUSTOM.replace("TZID:Customized Time Zone", "TZID:/My_Office (Oak)");
    assert!(matches!(zoned(&rules, "My Office Oak").0, Place::Own(_)));
}

#[test]
fn each_zone_is_spoken_of_once() {
    let event =
        "BEGIN:VEVENT\nUID:{n}\nDTSTART;TZID=Romance Standard Time:20260105T090000\nEND:VEVENT\n";
    let events: String = (0..50)
        .map(|n| event.replace("{n}", &n.to_string()))
        .collect();
    let two = calendar(&events) + &calendar(&events);
    let read = reading(two);
    let zones = read
        .verdicts
        .iter()
        .filter(|verdict| verdict.rule.key() == "zone_read");
    assert_eq!(zones.count(), 1);
}
