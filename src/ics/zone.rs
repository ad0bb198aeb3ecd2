//! TZID to a place: by its name, by what the file defines, or not at all.
//!
//! Order of trust, and why:
//! 1. a name of the IANA database, also behind a vendor's prefix: publishers cut old
//!    rules and do not know new ones, the database has both;
//! 2. a name of Windows or of Outlook's list, by the table in [`names`]: such feeds
//!    often define only the owner's zone, or none;
//! 3. the file's own VTIMEZONE: all there is for `Customized Time Zone`, and more
//!    than a mere offset in a name says;
//! 4. an offset in the name (`UTC+02:00`), then names in everyday use (`Eastern`);
//! 5. nothing: the time floats, so X-WR-TIMEZONE and then the room's zone decide.

pub mod names;
pub mod own;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::DateTime;

use super::date;
use super::series::{OwnZone, Place};
use crate::model::verdict;
use crate::model::zone::Zone;

/// What a TZID means by its name alone.
#[must_use]
pub fn named(tzid: &str) -> Option<Zone> {
    let tzid = clean(tzid);
    iana(&tzid)
        .or_else(|| windows(&tzid))
        .or_else(|| behind_prefix(&tzid))
        .or_else(|| labelled(&tzid))
}

/// Without the quotes, escapes and blanks that programs put around a name.
fn clean(tzid: &str) -> String {
    let text = super::property::unescape(tzid).replace("&amp;", "&");
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
        .to_owned()
}

/// What a TZID is looked up by in the file.
#[must_use]
pub fn key(tzid: &str) -> String {
    clean(tzid).to_lowercase()
}

fn iana(name: &str) -> Option<Zone> {
    // Names that the database has for "not known".
    if ["Etc/Unknown", "Factory"]
        .iter()
        .any(|no| name.eq_ignore_ascii_case(no))
    {
        return None;
    }
    Zone::named(name)
}

fn windows(name: &str) -> Option<Zone> {
    let find = |name: &str| {
        let row = names::WINDOWS
            .iter()
            .find(|(windows, _)| windows.eq_ignore_ascii_case(name));
        row.and_then(|(_, iana)| Zone::named(iana))
    };
    find(name).or_else(|| {
        // What Windows calls the same zone in summer.
        let stem = ["Daylight Time", "Summer Time"].iter().find_map(|season| {
            let (stem, end) = name.split_at_checked(name.len().checked_sub(season.len())?)?;
            end.eq_ignore_ascii_case(season).then_some(stem)
        })?;
        find(&format!("{stem}Standard Time"))
    })
}

/// `/mozilla.org/20050126_1/Europe/Berlin`, `tzone://Microsoft/Utc`, `America/New York`.
fn behind_prefix(name: &str) -> Option<Zone> {
    let name = name.replace(' ', "_");
    let mut rest = name.as_str();
    for _ in 0..8 {
        let is_name =
            rest.contains('/') || ["UTC", "GMT"].iter().any(|z| rest.eq_ignore_ascii_case(z));
        if is_name && let Some(zone) = iana(rest) {
            return Some(zone);
        }
        rest = rest.split_once('/')?.1;
    }
    None
}

/// `(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna`, or the words alone.
fn labelled(name: &str) -> Option<Zone> {
    let (prefix, words) = split_label(name);
    let label = words
        .to_lowercase()
        .replace(" / ", ", ")
        .replace(" and canada", " & canada")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let row = names::LABELS
        .iter()
        .find(|(known, _)| known.len() == label.len() && known.eq_ignore_ascii_case(&label));
    if let Some((_, name)) = row {
        return windows(name).or_else(|| iana(name));
    }
    // A list of cities that is not in the table: the first one whose clocks agree.
    let east = prefix?;
    label.split([',', ';']).find_map(|city| {
        city_zones(city).find(|zone| {
            [(2026, 1), (2026, 7)].iter().any(|(year, month)| {
                let local = jiff::civil::date(*year, *month, 1).at(0, 0, 0, 0);
                offset_of(zone, local) == east
            })
        })
    })
}

/// The offset in parentheses in front of a label, and the label.
fn split_label(name: &str) -> (Option<i32>, &str) {
    let Some((prefix, words)) = name.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
        return (None, name);
    };
    (offset_named(&prefix.replace('.', ":")), words.trim())
}

/// Zones of the database whose last part is this city.
fn city_zones(city: &str) -> impl Iterator<Item = Zone> {
    let city = city.trim().replace(' ', "_");
    let names = jiff::tz::db().available();
    names.filter_map(move |name| {
        let (_, last) = name.as_str().rsplit_once('/')?;
        last.eq_ignore_ascii_case(&city)
            .then(|| iana(name.as_str()))?
    })
}

/// Seconds east of UTC in a zone at a local time.
fn offset_of(zone: &Zone, local: DateTime) -> i32 {
    let as_utc = Zone::utc().instant(local).seconds();
    i32::try_from(as_utc - zone.instant(local).seconds()).unwrap_or(0)
}

/// `UTC+02:00`, `GMT-4`, `+0530`; seconds east of UTC. (`Etc/GMT-4` is a name of the
/// IANA database and means the opposite.)
#[must_use]
pub fn offset_named(name: &str) -> Option<i32> {
    let name = name
        .trim()
        .trim_start_matches('(')
        .trim_end_matches(')')
        .trim();
    if name.eq_ignore_ascii_case("Z") {
        return Some(0);
    }
    let rest = ["UTC", "GMT", "UT"]
        .iter()
        .find_map(|prefix| {
            let (head, rest) = name.split_at_checked(prefix.len())?;
            head.eq_ignore_ascii_case(prefix)
                .then_some(rest.trim_start())
        })
        .unwrap_or(name);
    match rest.bytes().next() {
        None => Some(0),
        // U+2212 is what word processors make of a hyphen.
        Some(b'+' | b'-') => date::offset(&rest.replacen("- ", "-", 1).replacen("+ ", "+", 1)),
        _ => date::offset(
            &rest
                .strip_prefix('\u{2212}')
                .map(|digits| format!("-{digits}"))?,
        ),
    }
}

/// Names in everyday use. Those that mean several zones, such as `CST` or `IST`, are
/// not among them.
fn everyday(name: &str) -> Option<Zone> {
    const NAMES: &[(&str, &str)] = &[
        ("Eastern", "America/New_York"),
        ("Central", "America/Chicago"),
        ("Mountain", "America/Denver"),
        ("Pacific", "America/Los_Angeles"),
        ("EDT", "America/New_York"),
        ("CDT", "America/Chicago"),
        ("MDT", "America/Denver"),
        ("PST", "America/Los_Angeles"),
        ("PDT", "America/Los_Angeles"),
        ("AKST", "America/Anchorage"),
        ("CEST", "Europe/Berlin"),
        ("BST", "Europe/London"),
        ("JST", "Asia/Tokyo"),
        ("AEST", "Australia/Sydney"),
        ("AEDT", "Australia/Sydney"),
        ("NZST", "Pacific/Auckland"),
    ];
    let row = NAMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    row.and_then(|(_, iana)| Zone::named(iana))
        .or_else(|| (!name.is_empty()).then(|| city_zones(name).next())?)
}

/// The VTIMEZONEs of a file and the places that its TZIDs turned out to be.
#[derive(Debug, Default)]
pub struct Zones {
    /// By calendar and key.
    definitions: HashMap<(u32, String), Arc<OwnZone>>,
    /// By key, for calendars that do not define it themselves.
    anywhere: HashMap<String, Arc<OwnZone>>,
    /// Interned TZIDs: as written, and the line of the first use.
    tzids: Vec<(String, u32)>,
    numbers: HashMap<String, u32>,
    by_name: HashMap<u32, Option<Zone>>,
    places: HashMap<(u32, u32), Found>,
    /// Line and rule, in the order in which they were found.
    verdicts: Vec<(u32, verdict::Rule)>,
}

#[derive(Debug)]
struct Found {
    place: Place,
    /// The file's rules, where the name was believed instead.
    passed_over: Option<Arc<OwnZone>>,
    latest: DateTime,
}

/// An interned TZID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tzid(u32);

impl Zones {
    /// `None` for a blank name.
    pub fn intern(&mut self, tzid: &str, line: u32) -> Option<Tzid> {
        let tzid = tzid.trim();
        if let Some(number) = self.numbers.get(tzid) {
            return Some(Tzid(*number));
        }
        if clean(tzid).is_empty() {
            return None;
        }
        let number = u32::try_from(self.tzids.len()).ok()?;
        self.tzids.push((tzid.to_owned(), line));
        self.numbers.insert(tzid.to_owned(), number);
        Some(Tzid(number))
    }

    /// As it was written first.
    #[must_use]
    pub fn text(&self, tzid: Tzid) -> Option<&str> {
        self.tzids
            .get(tzid.0 as usize)
            .map(|(text, _)| text.as_str())
    }

    /// Adds a VTIMEZONE; of two with one name in one calendar the first counts.
    pub fn define(&mut self, calendar: u32, zone: &Arc<OwnZone>) {
        let key = key(&zone.tzid);
        if key.is_empty() || zone.observances.is_empty() {
            return;
        }
        self.definitions
            .entry((calendar, key.clone()))
            .or_insert_with(|| Arc::clone(zone));
        self.anywhere.entry(key).or_insert_with(|| Arc::clone(zone));
    }

    /// Where a time with this TZID is local; to be called when every VTIMEZONE is known.
    pub fn place(&mut self, calendar: u32, tzid: Tzid, local: DateTime) -> Place {
        if let Some(found) = self.places.get_mut(&(calendar, tzid.0)) {
            found.latest = found.latest.max(local);
            return found.place.clone();
        }
        let (written, line) = match self.tzids.get(tzid.0 as usize) {
            Some((written, line)) => (written.clone(), *line),
            None => return Place::Floating,
        };
        let first_time = !self.by_name.contains_key(&tzid.0);
        let by_name = self
            .by_name
            .entry(tzid.0)
            .or_insert_with(|| named(&written))
            .clone();
        let cleaned = clean(&written);
        let key = key(&written);
        let own = self
            .definitions
            .get(&(calendar, key.clone()))
            .or_else(|| self.anywhere.get(&key))
            .cloned();
        let (place, passed_over, reading) = match (by_name, own) {
            (Some(zone), own) => {
                let name = zone.name().to_owned();
                (Place::Zone(zone), own, Some(name))
            }
            (None, Some(own)) => {
                let reading = "the rules that the calendar gives for it (VTIMEZONE)".to_owned();
                (Place::Own(own), None, Some(reading))
            }
            (None, None) => match undefined(&cleaned) {
                Some((place, reading)) => (place, None, Some(reading)),
                None => (Place::Floating, None, None),
            },
        };
        if first_time {
            let tzid = shown(&written);
            let rule = match reading {
                Some(zone) if zone == cleaned => None,
                Some(zone) => Some(verdict::Rule::ZoneRead { tzid, zone }),
                None => Some(verdict::Rule::ZoneUnknown {
                    tzid,
                    zone: "the zone of the calendar (X-WR-TIMEZONE) or of the room".to_owned(),
                }),
            };
            self.verdicts.extend(rule.map(|rule| (line, rule)));
        }
        let found = Found {
            place: place.clone(),
            passed_over,
            latest: local,
        };
        self.places.insert((calendar, tzid.0), found);
        place
    }

    /// What was decided, with the line of each TZID's first use.
    ///
    /// A name and its VTIMEZONE are compared at the newest time that has the name, and
    /// half a year before: old rules that were right in their time are no news.
    #[must_use]
    pub fn into_verdicts(self) -> Vec<(u32, verdict::Rule)> {
        let mut verdicts = self.verdicts;
        let mut differing: Vec<u32> = Vec::new();
        for ((_, number), found) in &self.places {
            let (Place::Zone(zone), Some(own)) = (&found.place, &found.passed_over) else {
                continue;
            };
            let half_a_year = jiff::SignedDuration::from_hours(24 * 182);
            let before = found.latest.saturating_sub(half_a_year);
            let differs = [before, found.latest].into_iter().any(|local| {
                own::offset_at(own, local).is_some_and(|east| east != offset_of(zone, local))
            });
            if differs && !differing.contains(number) {
                differing.push(*number);
            }
        }
        differing.sort_unstable();
        for number in differing {
            let Some((written, line)) = self.tzids.get(number as usize) else {
                continue;
            };
            if let Some(Some(zone)) = self.by_name.get(&number) {
                let rule = verdict::Rule::ZoneDiffers {
                    tzid: shown(written),
                    zone: zone.name().to_owned(),
                };
                verdicts.push((*line, rule));
            }
        }
        verdicts
    }
}

/// A TZID that neither the database nor the file defines, and how it is read.
fn undefined(name: &str) -> Option<(Place, String)> {
    if let Some(east) = offset_named(name).or_else(|| split_label(name).0) {
        let (sign, minutes) = (if east < 0 { '-' } else { '+' }, east.abs() / 60);
        let reading = format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        return Some((Place::Offset(east), reading));
    }
    let zone = everyday(name)?;
    let reading = zone.name().to_owned();
    Some((Place::Zone(zone), reading))
}

/// A TZID for people: one line, and not a long one.
#[must_use]
pub fn shown(tzid: &str) -> String {
    tzid.chars()
        .filter(|character| !character.is_control())
        .take(80)
        .collect()
}
