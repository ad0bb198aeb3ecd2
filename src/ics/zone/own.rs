//! VTIMEZONE: what its lines say, and its offset at a time where that is plain to see.
//!
//! `expand` evaluates such a zone in full. The short way here only serves to tell
//! when a calendar's rules differ from those of the zone that it names.

use std::sync::Arc;

use jiff::civil::{Date, DateTime};

use super::super::date::{self, Written};
use super::super::property::{Name, Property};
use super::super::rrule;
use super::super::series::{Freq, Observance, OwnZone, Rule, Until};

/// A zone that changed its clocks twice a year since 1883 has 300.
const MAX_OBSERVANCES: usize = 1_000;
const MAX_DATES: usize = 2_000;
const MAX_RULES: usize = 32;
/// Observances and rules of all zones of a file; sixteen dates count as one, which they
/// weigh. The whole IANA database since 1970 is about 20,000.
const MAX_PARTS: usize = 50_000;
const DATES_PER_PART: usize = 16;

/// How much the zones of a file may still define.
#[derive(Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_PARTS)
    }
}

impl Room {
    fn take(&mut self, parts: usize) -> bool {
        match self.0.checked_sub(parts) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}

/// A cap that was reached: what it bounds, and at how many.
pub type Cap = (&'static str, usize);

/// A VTIMEZONE as it is read.
#[derive(Debug, Default)]
pub struct Draft {
    /// More than one has been seen, with the parts of each in a row.
    tzids: Vec<String>,
    observances: Vec<Observance>,
    location: Option<String>,
    open: Option<OpenObservance>,
    caps: Vec<Cap>,
}

#[derive(Debug, Default)]
struct OpenObservance {
    start: Option<DateTime>,
    from: Option<i32>,
    to: Option<i32>,
    rules: Vec<Rule>,
    dates: Vec<DateTime>,
}

impl Draft {
    pub fn take(&mut self, name: Name, property: &Property<'_>) {
        if name == Name::Tzid && self.tzids.len() < 16 {
            self.tzids.push(property.value.trim().to_owned());
        }
        if name == Name::ZoneLocation {
            self.location = Some(property.value.trim().to_owned());
        }
    }

    pub fn open(&mut self) {
        self.open = Some(OpenObservance::default());
    }

    /// A line of the STANDARD or DAYLIGHT that is open.
    pub fn take_inside(&mut self, name: Name, property: &Property<'_>) {
        let Some(open) = &mut self.open else { return };
        let value = property.value;
        match name {
            Name::Start => open.start = open.start.or_else(|| local(value)),
            Name::OffsetFrom => open.from = date::offset(value),
            Name::OffsetTo => open.to = date::offset(value),
            Name::Rule => {
                if let Ok(text) = rrule::read(value)
                    && !open.rules.contains(&text.rule)
                {
                    if open.rules.len() >= MAX_RULES {
                        return self.capped("rules in a part of a time zone", MAX_RULES);
                    }
                    open.rules.push(text.rule);
                }
            }
            Name::Dates => {
                for date in value.split(',').filter_map(local) {
                    if open.dates.len() >= MAX_DATES {
                        return self.capped("RDATEs in a part of a time zone", MAX_DATES);
                    }
                    open.dates.push(date);
                }
            }
            _ => {}
        }
    }

    fn capped(&mut self, cap: &'static str, at: usize) {
        if !self.caps.contains(&(cap, at)) {
            self.caps.push((cap, at));
        }
    }

    /// The caps that were reached, each once.
    pub fn take_caps(&mut self) -> Vec<Cap> {
        std::mem::take(&mut self.caps)
    }

    /// The END of a STANDARD or DAYLIGHT. Without TZOFFSETTO it says nothing.
    pub fn close(&mut self, room: &mut Room) {
        let Some(open) = self.open.take() else { return };
        let Some(offset_to) = open.to else { return };
        if self.observances.len() >= MAX_OBSERVANCES {
            return self.capped("parts of a time zone", MAX_OBSERVANCES);
        }
        if !room.take(1 + open.rules.len() + open.dates.len() / DATES_PER_PART) {
            return self.capped("parts of time zones and their rules", MAX_PARTS);
        }
        self.observances.push(Observance {
            start: open
                .start
                .unwrap_or(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0)),
            offset_from: open.from.unwrap_or(offset_to),
            offset_to,
            rules: open.rules,
            dates: open.dates,
        });
    }

    /// X-LIC-LOCATION.
    pub fn take_location(&mut self) -> Option<String> {
        self.location.take()
    }

    /// One zone for each TZID; without observances it defines nothing. Each further
    /// name takes as much room as the first.
    #[must_use]
    pub fn into_zones(mut self, room: &mut Room) -> (Vec<Arc<OwnZone>>, Vec<Cap>) {
        self.close(room);
        let parts: usize = self
            .observances
            .iter()
            .map(|one| 1 + one.rules.len() + one.dates.len() / DATES_PER_PART)
            .sum();
        let mut zones = Vec::new();
        for tzid in std::mem::take(&mut self.tzids) {
            if !zones.is_empty() && !room.take(parts) {
                self.capped("parts of time zones and their rules", MAX_PARTS);
                break;
            }
            let observances = self.observances.clone();
            zones.push(Arc::new(OwnZone { tzid, observances }));
        }
        (zones, self.take_caps())
    }
}

/// How much there is to look at in a zone.
#[must_use]
pub fn parts(zone: &OwnZone) -> usize {
    #[cfg(test)]
    COMPARED.set(COMPARED.get() + 1);
    let parts = |one: &Observance| 1 + one.rules.len() + one.dates.len();
    zone.observances.iter().map(parts).sum()
}

#[cfg(test)]
thread_local! {
    /// How many zones were compared.
    pub static COMPARED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn local(text: &str) -> Option<DateTime> {
    // Of a PERIOD only the start is an onset.
    let text = text.split('/').next().unwrap_or(text);
    match date::written(text)? {
        Written::Date(date) => Some(date.at(0, 0, 0, 0)),
        Written::Time { local, .. } => Some(local),
    }
}

/// Seconds east of UTC at a local time; `None` where a rule is not of the plain
/// yearly kind that nearly every VTIMEZONE has.
#[must_use]
pub fn offset_at(zone: &OwnZone, at: DateTime) -> Option<i32> {
    let mut newest: Option<(DateTime, i32)> = None;
    let mut consider = |onset: DateTime, offset: i32| {
        if onset <= at && newest.is_none_or(|(newest, _)| onset > newest) {
            newest = Some((onset, offset));
        }
    };
    for observance in &zone.observances {
        consider(observance.start, observance.offset_to);
        for onset in &observance.dates {
            consider(*onset, observance.offset_to);
        }
        for rule in &observance.rules {
            for year in [at.year().saturating_sub(1), at.year()] {
                if let Some(onset) = onset_in(rule, observance, year)? {
                    consider(onset, observance.offset_to);
                }
            }
        }
    }
    let first = || {
        zone.observances
            .iter()
            .min_by_key(|observance| observance.start)
    };
    newest
        .map(|(_, offset)| offset)
        .or_else(|| first().map(|observance| observance.offset_from))
}

/// The onset of a yearly rule in a year, `Some(None)` where it has none.
fn onset_in(rule: &Rule, observance: &Observance, year: i16) -> Option<Option<DateTime>> {
    let plain = rule.freq == Freq::Yearly
        && rule.interval == 1
        && rule.count.is_none()
        && rule.by_set_pos.is_empty()
        && rule.by_week_no.is_empty()
        && rule.by_year_day.is_empty()
        && rule.by_month.len() <= 1
        && rule.by_day.len() <= 1;
    if !plain {
        return None;
    }
    let start = observance.start;
    let month = match rule.by_month.first() {
        Some(month) => i8::try_from(*month).ok()?,
        None => start.month(),
    };
    let Ok(first) = Date::new(year, month, 1) else {
        return Some(None);
    };
    let in_month = |day: i8| -> Option<Date> {
        if day > 0 {
            Date::new(year, month, day).ok()
        } else {
            Date::new(year, month, first.days_in_month() + 1 + day).ok()
        }
    };
    let date = match (rule.by_day.first(), rule.by_month_day.as_slice()) {
        (None, []) => in_month(start.day()),
        (None, [day]) => in_month(*day),
        (Some(day), []) if day.ordinal != 0 => {
            first.nth_weekday_of_month(day.ordinal, day.weekday).ok()
        }
        (Some(day), days @ [_, ..]) if day.ordinal == 0 => days
            .iter()
            .filter_map(|number| in_month(*number))
            .find(|date| date.weekday() == day.weekday),
        _ => return None,
    };
    let onset = date.map(|date| date.to_datetime(start.time()));
    Some(onset.filter(|onset| {
        let in_time = match rule.until {
            None => true,
            Some(Until::Date(date)) => onset.date() <= date,
            Some(Until::Local(until)) => *onset <= until,
            Some(Until::Utc(until)) => {
                let before = jiff::SignedDuration::from_secs(i64::from(observance.offset_from));
                onset.saturating_sub(before) <= until
            }
        };
        in_time && *onset >= start
    }))
}
