//! TZID to a place: by its name, by what the file defines, or not at all.
//!
//! Order of trust, and why:
//! 1. a name of the IANA database, also behind a vendor's prefix: publishers cut old
//!    rules and do not know new ones, the database has both;
//! 2. a name of Windows or of Outlook's list, by the table in [`names`]: such feeds
//!    often define only the owner's zone, or none;
//! 3. the file's own VTIMEZONE: all there is for `Customized Time Zone`, and more
//!    than a guess or an abbreviation says (`EST` is one offset in the database, and
//!    New York in calendars that define it);
//! 4. what a person would take the name for, see [`guess`];
//! 5. nothing: the time floats, so X-WR-TIMEZONE and then the room's zone decide, and
//!    the zone is reported as unknown.

pub mod guess;
pub use crate::model::zone_names as names;
pub mod own;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::civil::DateTime;

use super::date;
use super::series::{OwnZone, Place};
use crate::model::verdict;
use crate::model::zone::Zone;

/// Different names of a file that are guessed at. Real files have a few.
const MAX_GUESSES: usize = 1_000;
/// Observances, rules and dates that are compared with the zone that a file names; the
/// comparison only finds something to mention.
const MAX_COMPARED: usize = 500_000;

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

/// What a TZID is looked up by in the file: programs do not write the signs and blanks
/// in it alike.
#[must_use]
pub fn key(tzid: &str) -> String {
    let name = clean(tzid).to_lowercase();
    let mut key = name.clone();
    key.retain(|c| c.is_alphanumeric() || matches!(c, '+' | '-'));
    if key.is_empty() { name } else { key }
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
        const PLAIN: [&str; 6] = ["UTC", "GMT", "EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT"];
        let is_name = rest.contains('/') || PLAIN.iter().any(|z| rest.eq_ignore_ascii_case(z));
        if is_name && let Some(zone) = iana(rest) {
            return Some(zone);
        }
        rest = rest.split_once('/')?.1;
    }
    None
}

/// `(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna`, or the words alone.
fn labelled(name: &str) -> Option<Zone> {
    let label = match name.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((_, label)) => label.trim(),
        None => name,
    };
    let label = label
        .to_lowercase()
        .replace(" / ", ", ")
        .replace(" and canada", " & canada")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let row = names::LABELS
        .iter()
        .find(|(known, _)| known.len() == label.len() && known.eq_ignore_ascii_case(&label));
    row.and_then(|(_, name)| windows(name).or_else(|| iana(name)))
}

/// Abbreviations of the database: one offset there, and often another thing where a
/// calendar defines them.
fn is_abbreviation(name: &str) -> bool {
    name.len() <= 4
        && !name.eq_ignore_ascii_case("UTC")
        && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The zone in which floating times of a calendar are, by its X-WR-TIMEZONE.
#[must_use]
pub fn of_calendar(name: &str) -> Option<Zone> {
    if let Some(zone) = named(name) {
        return Some(zone);
    }
    match guess::guess(&clean(name))?.place {
        Place::Zone(zone) => Some(zone),
        Place::Offset(east) if east % 3_600 == 0 => {
            // The sign is the other way round there.
            let sign = if east > 0 { '-' } else { '+' };
            Zone::named(&format!("Etc/GMT{sign}{}", east.abs() / 3_600))
        }
        _ => None,
    }
}

/// Seconds east of UTC in a zone at a local time.
fn offset_of(zone: &Zone, local: DateTime) -> i32 {
    let as_utc = Zone::utc().instant(local).seconds();
    i32::try_from(as_utc - zone.instant(local).seconds()).unwrap_or(0)
}

/// The VTIMEZONEs of a file and the places that its TZIDs turned out to be.
#[derive(Debug, Default)]
pub struct Zones {
    /// By calendar and key.
    definitions: HashMap<(u32, String), Arc<OwnZone>>,
    /// By key, for calendars that do not define it themselves.
    anywhere: HashMap<String, Arc<OwnZone>>,
    /// By key: what a VTIMEZONE without rules says that it is (X-LIC-LOCATION).
    locations: HashMap<String, Zone>,
    /// TZIDs that nothing tells, for people.
    unknown: Vec<String>,
    /// Interned TZIDs: as written, and the line of the first use.
    tzids: Vec<(String, u32)>,
    numbers: HashMap<String, u32>,
    by_name: HashMap<u32, Option<Zone>>,
    guesses: HashMap<u32, Option<guess::Guess>>,
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

    /// Remembers X-LIC-LOCATION of a VTIMEZONE, which says more than a TZID that
    /// nobody knows.
    pub fn locate(&mut self, tzid: &str, location: &str) {
        if let Some(zone) = named(location) {
            self.locations.entry(key(tzid)).or_insert(zone);
        }
    }

    /// The TZIDs in use that nothing tells, each once.
    pub fn take_unknown(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unknown)
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
        let by_name = by_name.filter(|_| own.is_none() || !is_abbreviation(&cleaned));
        let (place, passed_over, reading, is_known) = match (by_name, own) {
            (Some(zone), own) => {
                let name = zone.name().to_owned();
                (Place::Zone(zone), own, name, true)
            }
            (None, Some(own)) => {
                let reading = "the rules that the calendar gives for it (VTIMEZONE)".to_owned();
                (Place::Own(own), None, reading, true)
            }
            (None, None) => match (
                self.locations.get(&key).cloned(),
                self.guess(tzid, &cleaned),
            ) {
                (Some(zone), _) => {
                    let name = zone.name().to_owned();
                    (Place::Zone(zone), None, name, true)
                }
                (None, Some(guess)) if guess.is_doubtful => {
                    let reading = format!("{}, the offset in its name", guess.reading);
                    (guess.place, None, reading, false)
                }
                (None, Some(guess)) => (guess.place, None, guess.reading, true),
                (None, None) => {
                    let reading = "the zone of the calendar (X-WR-TIMEZONE) or of the room";
                    (Place::Floating, None, reading.to_owned(), false)
                }
            },
        };
        if first_time {
            let tzid = shown(&written);
            if !is_known {
                self.unknown.push(tzid.clone());
                let rule = verdict::Rule::ZoneUnknown {
                    tzid,
                    zone: reading,
                };
                self.verdicts.push((line, rule));
            } else if reading != cleaned {
                let rule = verdict::Rule::ZoneRead {
                    tzid,
                    zone: reading,
                };
                self.verdicts.push((line, rule));
            }
        }
        let found = Found {
            place: place.clone(),
            passed_over,
            latest: local,
        };
        self.places.insert((calendar, tzid.0), found);
        place
    }

    fn guess(&mut self, tzid: Tzid, name: &str) -> Option<guess::Guess> {
        if self.guesses.len() >= MAX_GUESSES && !self.guesses.contains_key(&tzid.0) {
            return None;
        }
        let guess = self.guesses.entry(tzid.0);
        guess.or_insert_with(|| guess::guess(name)).clone()
    }

    /// What was decided, with the line of each TZID's first use.
    ///
    /// A name and its VTIMEZONE are compared at the newest time that has the name, and
    /// half a year before: old rules that were right in their time are no news.
    #[must_use]
    pub fn into_verdicts(self) -> Vec<(u32, verdict::Rule)> {
        // One definition may stand for any number of calendars and spellings of its name.
        let mut pairs: BTreeMap<(u32, *const OwnZone), (&Zone, &OwnZone, DateTime)> =
            BTreeMap::new();
        for ((_, number), found) in &self.places {
            if let (Place::Zone(zone), Some(own)) = (&found.place, &found.passed_over) {
                let pair =
                    pairs
                        .entry((*number, Arc::as_ptr(own)))
                        .or_insert((zone, own, found.latest));
                pair.2 = pair.2.max(found.latest);
            }
        }
        let mut verdicts = self.verdicts;
        let mut differing: BTreeSet<u32> = BTreeSet::new();
        let mut parts_left = MAX_COMPARED;
        for ((number, _), (zone, own, latest)) in pairs {
            if differing.contains(&number) {
                continue;
            }
            let Some(left) = parts_left.checked_sub(own::parts(own)) else {
                break;
            };
            parts_left = left;
            let half_a_year = jiff::SignedDuration::from_hours(24 * 182);
            let differs = [latest.saturating_sub(half_a_year), latest]
                .into_iter()
                .any(|local| {
                    own::offset_at(own, local).is_some_and(|east| east != offset_of(zone, local))
                });
            if differs {
                differing.insert(number);
            }
        }
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

/// A TZID for people: one line, and not a long one.
#[must_use]
pub fn shown(tzid: &str) -> String {
    let plain = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    tzid.chars().filter(plain).take(80).collect()
}
