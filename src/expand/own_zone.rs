//! A VTIMEZONE evaluated from its own observances (RFC 5545 section 3.6.5).
//!
//! Each observance names onsets: its DTSTART, its RDATEs, and what its rules
//! generate, local by the offset from before them. Onsets are looked up year by
//! year and kept, so that a zone since 1601 costs what its events touch. Before the
//! first onset of all, that observance's TZOFFSETFROM holds.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use crate::ics::series::{Observance, OwnZone, Until};
use crate::model::time::UnixTime;

use super::caps::{Allowance, Spent};
use super::civil::{DAY, Day, Reading, Wall};
use super::rule::Pattern;

/// Observances of one zone that are looked at; the longest history in the IANA
/// database has about 250.
const OBSERVANCES: usize = 1_000;
/// Steps for one question to one rule: a yearly rule takes two a year.
const STEPS_PER_QUESTION: u64 = 20_000;
/// Steps for all zones of a feed.
const STEPS_PER_FEED: u64 = 4_000_000;

/// What may still be spent on the zones of a feed.
#[derive(Clone)]
pub(super) struct ZoneSteps(Rc<Cell<u64>>);

impl Default for ZoneSteps {
    fn default() -> Self {
        Self(Rc::new(Cell::new(STEPS_PER_FEED)))
    }
}

impl ZoneSteps {
    /// The cap, when it was reached.
    pub(super) fn capped(&self) -> Option<u64> {
        (self.0.get() == 0).then_some(STEPS_PER_FEED)
    }

    fn take(&self, steps: u64) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(steps));
        left >= steps
    }
}

/// A change of the clock: from `at` on it shows `offset` seconds east of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Onset {
    at: i64,
    offset: i64,
}

/// The clock of a VTIMEZONE.
pub(super) struct OwnClock {
    /// Before the first onset.
    first_offset: i64,
    /// DTSTARTs and RDATEs, in order.
    fixed: Vec<Onset>,
    rules: Vec<OnsetRule>,
    years: RefCell<HashMap<i64, Rc<Year>>>,
    steps: ZoneSteps,
}

struct OnsetRule {
    pattern: Pattern,
    offset_from: i64,
    offset_to: i64,
    /// The first, and the last instant that UNTIL allows.
    start: i64,
    until: i64,
}

/// The changes of a year and of two days around it.
struct Year {
    /// Before the first of them.
    offset: i64,
    onsets: Vec<Onset>,
}

impl OwnClock {
    pub(super) fn new(zone: &OwnZone, steps: &ZoneSteps) -> Self {
        let observances = zone.observances.iter().take(OBSERVANCES);
        let first = observances
            .clone()
            .min_by_key(|observance| onset(observance, Wall::from_local(observance.start)).at);
        let mut fixed: Vec<Onset> = observances
            .clone()
            .flat_map(|observance| {
                std::iter::once(observance.start)
                    .chain(observance.dates.iter().copied())
                    .map(|local| onset(observance, Wall::from_local(local)))
            })
            .collect();
        fixed.sort_by_key(|onset| onset.at);
        let rules = observances
            .flat_map(|observance| {
                observance
                    .rules
                    .iter()
                    .map(|rule| OnsetRule::new(observance, rule))
            })
            .collect();
        Self {
            first_offset: first.map_or(0, |observance| i64::from(observance.offset_from)),
            fixed,
            rules,
            years: RefCell::default(),
            steps: steps.clone(),
        }
    }

    pub(super) fn offset(&self, at: UnixTime) -> i64 {
        let year = self.year(Wall(at.seconds()).day().year());
        let after = year
            .onsets
            .partition_point(|onset| onset.at <= at.seconds());
        after
            .checked_sub(1)
            .and_then(|last| year.onsets.get(last))
            .map_or(year.offset, |onset| onset.offset)
    }

    pub(super) fn read(&self, wall: Wall) -> Reading {
        let year = self.year(wall.day().year());
        let at = |offset: i64| UnixTime::from_seconds(wall.0.saturating_sub(offset));
        // On the wall, the changes cut the year into pieces that overlap where the
        // clock is set back and leave gaps where it is set forward.
        let mut before = year.offset;
        let mut offset = year.offset;
        let mut begin = i64::MIN;
        for onset in &year.onsets {
            if wall.0 < onset.at + offset {
                return if wall.0 < begin.saturating_add(offset) {
                    Reading::Skipped(at(before))
                } else if wall.0 >= onset.at + onset.offset {
                    Reading::Twice(at(offset), at(onset.offset))
                } else {
                    Reading::Once(at(offset))
                };
            }
            (before, offset, begin) = (offset, onset.offset, onset.at);
        }
        if wall.0 < begin.saturating_add(offset) {
            Reading::Skipped(at(before))
        } else {
            Reading::Once(at(offset))
        }
    }

    fn year(&self, number: i64) -> Rc<Year> {
        if let Some(year) = self.years.borrow().get(&number) {
            return Rc::clone(year);
        }
        let year = Rc::new(self.evaluate(number));
        self.years.borrow_mut().insert(number, Rc::clone(&year));
        year
    }

    fn evaluate(&self, number: i64) -> Year {
        let from = Day::new(number, 1, 1).midnight().0 - 2 * DAY;
        let to = Day::new(number + 1, 1, 1).midnight().0 + 2 * DAY;
        let position = self.fixed.partition_point(|onset| onset.at < from);
        let mut last = position
            .checked_sub(1)
            .and_then(|index| self.fixed.get(index))
            .copied();
        let mut onsets: Vec<Onset> = self
            .fixed
            .iter()
            .skip(position)
            .take_while(|onset| onset.at < to)
            .copied()
            .collect();
        for rule in &self.rules {
            rule.between(from, to, &self.steps, &mut |onset| onsets.push(onset));
            last = last.max(rule.last_before(from, last, &self.steps));
        }
        onsets.sort_by_key(|onset| onset.at);
        onsets.dedup();
        Year {
            offset: last.map_or(self.first_offset, |onset| onset.offset),
            onsets,
        }
    }
}

impl OnsetRule {
    fn new(observance: &Observance, rule: &crate::ics::series::Rule) -> Self {
        let offset_from = i64::from(observance.offset_from);
        // Here UNTIL is in UTC (section 3.6.5); as a local time it is so by the
        // offset from before the onset.
        let until = match rule.until {
            None => Wall::MAX,
            Some(Until::Date(date)) => Day::from_date(date).midnight().plus(DAY - 1),
            Some(Until::Local(local)) => Wall::from_local(local),
            Some(Until::Utc(local)) => Wall::from_local(local).plus(offset_from),
        };
        let start = Wall::from_local(observance.start);
        Self {
            pattern: Pattern::new(rule, start, false, until),
            offset_from,
            offset_to: i64::from(observance.offset_to),
            start: start.0 - offset_from,
            until: until.0 - offset_from,
        }
    }

    fn between(&self, from: i64, to: i64, steps: &ZoneSteps, visit: &mut dyn FnMut(Onset)) {
        if from > self.until || to <= self.start || !steps.take(10) {
            return;
        }
        let mut allowance = Allowance::of_steps(STEPS_PER_QUESTION);
        let result = self.pattern.between(
            Wall(from.saturating_add(self.offset_from)),
            Wall(to.saturating_add(self.offset_from)),
            &mut allowance,
            &mut |wall| {
                visit(Onset {
                    at: wall.0 - self.offset_from,
                    offset: self.offset_to,
                });
                if steps.take(1) {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(Spent::Steps)
                }
            },
        );
        if result.is_err() {
            steps.take(STEPS_PER_QUESTION);
        }
    }

    /// The last onset before `to`, if it is later than `known`.
    fn last_before(&self, to: i64, known: Option<Onset>, steps: &ZoneSteps) -> Option<Onset> {
        let to = to.min(self.until.saturating_add(1));
        let floor = known.map_or(self.start, |known| known.at.max(self.start));
        let mut span = 400 * DAY;
        let mut end = to;
        while end > floor {
            let from = to.saturating_sub(span).max(floor);
            let mut last = None;
            self.between(from, end, steps, &mut |onset| last = Some(onset));
            if last.is_some() {
                return last;
            }
            end = from;
            span = span.saturating_mul(4);
        }
        None
    }
}

fn onset(observance: &Observance, wall: Wall) -> Onset {
    Onset {
        at: wall.0 - i64::from(observance.offset_from),
        offset: i64::from(observance.offset_to),
    }
}

#[cfg(test)]
mod tests;
