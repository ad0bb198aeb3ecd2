//! One series: its recurrence set with the components that stand for single
//! instances put in their place (RFC 5545 section 3.8.4.4).
//!
//! An override is matched by the instant that its RECURRENCE-ID means, whatever zone
//! it is written in; a bare date on a timed series by that local day, when the series
//! has one instance then. It stands where its own DTSTART says, so it may enter the
//! window or leave it, and it counts also without its master and for an instance that
//! the rules do not generate. Outlook and gateways write an EXDATE for the instance
//! that they replace: it takes the override out only where it is newer.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::ics::series::{End, Event, Series, When};
use crate::model::occurrence::{Details, Occurrence};
use crate::model::time::{UnixTime, Window};
use crate::model::verdict::{Newer, Rule, Subject, Verdict};

use super::Expansion;
use super::caps::{Allowance, Spent, VERDICTS_PER_SERIES};
use super::chapters::{Chapter, Override, Shift, chapters};
use super::civil::{DAY, Day};
use super::key::Key;
use super::length::Reversed;
use super::local::Clocks;
use super::set::{Exclusions, Timed};

/// Adds what a series has in the window.
///
/// # Errors
/// When the allowance is spent; what was found so far has been added.
pub(super) fn expand(
    series: &Series,
    clocks: &Clocks<'_>,
    allowance: &mut Allowance,
    out: &mut Expansion,
) -> Result<(), Spent> {
    let mut listing = Listing::new(clocks.window(), out);
    let result = match &series.master {
        None => {
            listing.orphans(series, clocks);
            Ok(())
        }
        Some(master) => match Timed::new(master, clocks) {
            Err(Reversed) => {
                listing.reversed(master, clocks);
                listing.orphans(series, clocks);
                Ok(())
            }
            Ok(master) if !master.recurs() && series.overrides.is_empty() => {
                listing.single(&master, clocks, allowance)
            }
            Ok(master) => listing.series(series, &master, clocks, allowance),
        },
    };
    if result.is_ok() {
        listing.finish(series, clocks);
    }
    result
}

/// What one series adds to the expansion.
struct Listing<'a> {
    window: Window,
    out: &'a mut Expansion,
    before: (usize, usize),
    verdicts: usize,
}

#[cfg(test)]
thread_local! {
    /// How often a shift was looked at: what must not be once for each chapter.
    static LOOKED_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// What the overrides of a series stand for.
struct StandIns {
    by_key: HashSet<Key>,
    /// Those that take place though they are excluded.
    shown: HashSet<Key>,
    /// Some are bare dates, which stand for the one instance of their day.
    has_days: bool,
}

impl<'o> Listing<'o> {
    fn new(window: Window, out: &'o mut Expansion) -> Self {
        let before = (out.occurrences.len(), out.verdicts.len());
        Self {
            window,
            out,
            before,
            verdicts: 0,
        }
    }

    fn single<'a>(
        &mut self,
        timed: &Timed<'a>,
        clocks: &Clocks<'a>,
        allowance: &mut Allowance,
    ) -> Result<(), Spent> {
        // An EXDATE can take out even the only instance.
        if !timed.event.exclusion_dates.is_empty() || !timed.event.exclusion_rules.is_empty() {
            let from = timed.start;
            let to = UnixTime::from_seconds(from.seconds() + 1);
            let (slots, result) = timed.slots(from, to, clocks, allowance);
            if slots.iter().any(|slot| slot.excluded) {
                self.verdict(
                    &timed.event.details,
                    timed.start,
                    timed.end(),
                    Rule::Excluded,
                );
                return result;
            }
        }
        self.add(
            &timed.event.details,
            String::new,
            timed.all_day,
            timed.start,
            timed.end(),
        );
        Ok(())
    }

    /// Overrides without a master that could be read.
    fn orphans<'a>(&mut self, series: &'a Series, clocks: &Clocks<'a>) {
        for event in &series.overrides {
            match Timed::new(event, clocks) {
                Err(Reversed) => self.reversed(event, clocks),
                Ok(timed) => {
                    let key = match event.recurrence_id.as_ref().map(|id| &id.when) {
                        None => Key::At(timed.start),
                        Some(When::Date(date)) => Key::On(Day::from_date(*date)),
                        Some(when) => timed.key(when, clocks),
                    };
                    self.add(
                        &event.details,
                        || key.text(),
                        timed.all_day,
                        timed.start,
                        timed.end(),
                    );
                }
            }
        }
    }

    fn series<'a>(
        &mut self,
        series: &'a Series,
        master: &Timed<'a>,
        clocks: &Clocks<'a>,
        allowance: &mut Allowance,
    ) -> Result<(), Spent> {
        let dates = master.event.exclusion_dates.len() + master.event.dates.len();
        allowance.steps((series.overrides.len() + dates / 8) as u64)?;
        let overrides = self.overrides(series, master, clocks);
        let by_key: HashSet<Key> = overrides.iter().map(|moved| moved.key).collect();
        let shown = self.add_overrides(master, &overrides, clocks);

        let mut shifts: Vec<Shift<'_, 'a>> = overrides
            .iter()
            .filter(|moved| moved.this_and_future)
            .map(|moved| Shift::new(moved, master))
            .collect();
        shifts.sort_by_key(|shift| shift.from);
        let (chapters, shifts) = chapters(master, shifts);
        let stand_ins = StandIns {
            has_days: by_key.iter().any(|key| matches!(key, Key::On(_))),
            by_key,
            shown,
        };
        // Chapters and shifts are in order, so that each shift is looked at in one
        // chapter only.
        chapters.iter().try_for_each(|chapter| {
            let own = chapter.shifts(&shifts);
            self.chapter(chapter, own, &stand_ins, clocks, allowance)
        })
    }

    /// The overrides by what they stand for; of two for the same, the newer one.
    fn overrides<'a>(
        &mut self,
        series: &'a Series,
        master: &Timed<'a>,
        clocks: &Clocks<'a>,
    ) -> Vec<Override<'a>> {
        let mut overrides: Vec<Override<'a>> = Vec::with_capacity(series.overrides.len());
        // Of one instance there may be both: what it is, and what all from it on are.
        let mut by_key: HashMap<(Key, bool), usize> =
            HashMap::with_capacity(series.overrides.len());
        for event in &series.overrides {
            let Some(id) = &event.recurrence_id else {
                continue;
            };
            let Ok(mut timed) = Timed::new(event, clocks) else {
                self.reversed(event, clocks);
                continue;
            };
            // DavMail leaves out end and title where they did not change; without
            // its end no display would show the meeting.
            if event.end == End::Unsaid && !timed.all_day && !master.all_day {
                timed.length = master.length;
            }
            let moved = Override {
                timed,
                key: master.key(&id.when, clocks),
                details: with_title(&event.details, &master.event.details),
                this_and_future: id.this_and_future,
            };
            let key = (moved.key, moved.this_and_future);
            match by_key.get(&key).copied() {
                None => {
                    by_key.insert(key, overrides.len());
                    overrides.push(moved);
                }
                Some(index) => {
                    if let Some(held) = overrides.get_mut(index) {
                        let by = match event.sequence.cmp(&held.timed.event.sequence) {
                            Ordering::Equal => Newer::Place,
                            _ => Newer::Sequence,
                        };
                        let older = if event.sequence >= held.timed.event.sequence {
                            std::mem::replace(held, moved)
                        } else {
                            moved
                        };
                        let (start, end) = (older.timed.start, older.timed.end());
                        self.verdict(&older.details, start, end, Rule::Superseded { by });
                    }
                }
            }
        }
        overrides
    }

    /// Overrides stand where they say, wherever the instance was. Returns what those
    /// stand for that take place though they are excluded.
    fn add_overrides<'a>(
        &mut self,
        master: &Timed<'a>,
        overrides: &[Override<'a>],
        clocks: &Clocks<'a>,
    ) -> HashSet<Key> {
        let mut shown = HashSet::new();
        if overrides.is_empty() {
            return shown;
        }
        let exclusions = Exclusions::of_dates(master, clocks, None);
        let single: HashSet<Key> = overrides
            .iter()
            .filter(|moved| !moved.this_and_future)
            .map(|moved| moved.key)
            .collect();
        for moved in overrides {
            // The instance has an override of its own, which says more of it.
            if moved.this_and_future && single.contains(&moved.key) {
                continue;
            }
            let (start, end) = (moved.timed.start, moved.timed.end());
            let day = match moved.key {
                Key::On(day) => day,
                Key::At(at) => master.clock.wall(at).day(),
            };
            let excluded = exclusions.hold(moved.key, day);
            if excluded && is_newer(master.event, moved.timed.event) {
                self.verdict(&moved.details, start, end, Rule::Excluded);
                continue;
            }
            if excluded {
                shown.insert(moved.key);
            }
            let instance = || moved.key.text();
            self.add(&moved.details, instance, moved.timed.all_day, start, end);
        }
        shown
    }

    fn chapter<'a>(
        &mut self,
        chapter: &Chapter<'_, 'a>,
        shifts: &[Shift<'_, 'a>],
        stand_ins: &StandIns,
        clocks: &Clocks<'a>,
        allowance: &mut Allowance,
    ) -> Result<(), Spent> {
        let StandIns { by_key, shown, .. } = stand_ins;
        let timed = chapter.timed;
        let by_day = !timed.all_day && stand_ins.has_days;
        let (from, to) = self.reach(chapter, shifts, by_day);
        if from >= to {
            return Ok(());
        }
        let (slots, result) = timed.slots(from, to, clocks, allowance);
        let mut of_day: HashMap<Day, usize> = HashMap::new();
        if by_day {
            for slot in slots.iter().filter(|slot| !slot.excluded) {
                *of_day.entry(slot.wall.day()).or_default() += 1;
            }
        }
        for slot in &slots {
            // The override that opens a chapter has been added with the others.
            let opens = !chapter.is_master && slot.start == timed.start;
            if opens || slot.start < chapter.from || chapter.to <= slot.start {
                continue;
            }
            let day = slot.wall.day();
            let is_replaced = by_key.contains(&slot.key)
                || (of_day.get(&day) == Some(&1) && by_key.contains(&Key::On(day)));
            let length = slot.length.unwrap_or(timed.length);
            let end = length.end(slot.start, &timed.clock);
            if slot.excluded || is_replaced {
                if self.window.overlaps(slot.start, end) {
                    let rule = if slot.excluded && !shown.contains(&slot.key) {
                        Rule::Excluded
                    } else {
                        Rule::Replaced
                    };
                    self.verdict(chapter.details, slot.start, end, rule);
                }
                continue;
            }
            let instance = || match chapter.is_master && !timed.recurs() {
                true => String::new(),
                false => slot.key.text(),
            };
            let begun = shifts.partition_point(|shift| shift.from <= slot.start);
            match begun.checked_sub(1).and_then(|last| shifts.get(last)) {
                None => self.add(chapter.details, instance, timed.all_day, slot.start, end),
                Some(shift) => {
                    let (start, end) = shift.apply(slot, clocks);
                    let moved = shift.moved;
                    self.add(&moved.details, instance, moved.timed.all_day, start, end);
                }
            }
        }
        result
    }

    /// Between which instants a slot has to start to be of interest.
    fn reach(
        &self,
        chapter: &Chapter<'_, '_>,
        shifts: &[Shift<'_, '_>],
        whole_days: bool,
    ) -> (UnixTime, UnixTime) {
        let timed = chapter.timed;
        let (mut before, mut after) = (timed.longest(), 0);
        for shift in shifts {
            #[cfg(test)]
            LOOKED_AT.set(LOOKED_AT.get() + 1);
            let length = shift.moved.timed.length.longest();
            before = before.max(
                length
                    .saturating_add(shift.seconds.max(0))
                    .saturating_add(2 * DAY),
            );
            after = after.max(
                shift
                    .seconds
                    .saturating_neg()
                    .max(0)
                    .saturating_add(2 * DAY),
            );
        }
        let from = UnixTime::from_seconds(self.window.from().seconds().saturating_sub(before));
        let to = UnixTime::from_seconds(self.window.to().seconds().saturating_add(after));
        let (from, to) = (from.max(chapter.from), to.min(chapter.to));
        if !whole_days {
            return (from, to);
        }
        let midnight = |at: UnixTime, days: i64| {
            let day = timed.clock.wall(at).day().plus(days);
            timed.clock.instant(day.midnight())
        };
        (midnight(from, 0), midnight(to, 1))
    }

    /// Adds an instance if it overlaps the window.
    fn add(
        &mut self,
        details: &Arc<Details>,
        instance: impl FnOnce() -> String,
        all_day: bool,
        start: UnixTime,
        end: UnixTime,
    ) {
        if self.window.overlaps(start, end) {
            self.out.occurrences.push(Occurrence {
                details: Arc::clone(details),
                instance: instance(),
                start,
                end,
                all_day,
            });
        }
    }

    fn reversed<'a>(&mut self, event: &'a Event, clocks: &Clocks<'a>) {
        let floating = clocks.floating(event.floating_zone.as_ref());
        let start = clocks.instant(&event.start, &floating);
        let end = match &event.end {
            End::At(end) => clocks.instant(end, &floating),
            _ => start,
        };
        self.verdict(&event.details, start, end, Rule::EndsBeforeStart);
    }

    fn verdict(&mut self, details: &Arc<Details>, start: UnixTime, end: UnixTime, rule: Rule) {
        if self.verdicts < VERDICTS_PER_SERIES {
            self.verdicts += 1;
            self.out.verdicts.push(Verdict {
                subject: Subject::Event(Arc::clone(details)),
                start: Some(start),
                end: Some(end),
                rule,
            });
        }
    }

    /// A series of which nothing was said so far is outside the window.
    fn finish<'a>(self, series: &'a Series, clocks: &Clocks<'a>) {
        if self.before != (self.out.occurrences.len(), self.out.verdicts.len()) {
            return;
        }
        let Some(event) = series.master.as_ref().or(series.overrides.first()) else {
            return;
        };
        let timed = Timed::new(event, clocks).ok();
        let start = timed.as_ref().and_then(|timed| {
            if timed.recurs() && timed.start < self.window.to() {
                next_start(timed, self.window.to(), clocks)
            } else {
                Some(timed.start)
            }
        });
        let end = timed
            .zip(start)
            .map(|(timed, start)| timed.length.end(start, &timed.clock));
        self.out.verdicts.push(Verdict {
            subject: Subject::Event(Arc::clone(&event.details)),
            start,
            end,
            rule: Rule::OutsideWindow,
        });
    }
}

/// The next instance of a series within a year or so, if it is found at once.
fn next_start<'a>(timed: &Timed<'a>, after: UnixTime, clocks: &Clocks<'a>) -> Option<UnixTime> {
    let to = UnixTime::from_seconds(after.seconds() + 400 * DAY);
    let mut allowance = Allowance::for_one_instance();
    let (slots, _) = timed.slots(after, to, clocks, &mut allowance);
    let mut coming = slots.iter().filter(|slot| slot.start >= after);
    coming
        .next()
        .filter(|slot| !slot.excluded)
        .map(|slot| slot.start)
}

/// Whether a series, and with it its EXDATEs, was written after one of its overrides.
/// Programs stamp all parts of a feed as they write them; that tells nothing.
fn is_newer(series: &Event, instance: &Event) -> bool {
    if series.sequence != instance.sequence {
        return series.sequence > instance.sequence;
    }
    let modified = series.details.modified.zip(instance.details.modified);
    let stamped = series.details.stamped.zip(instance.details.stamped);
    modified
        .or(stamped)
        .is_some_and(|(series, instance)| series.seconds() - instance.seconds() > 60)
}

/// The details of an override that has no title, with that of its series: a display
/// would show nothing else.
fn with_title(details: &Arc<Details>, series: &Details) -> Arc<Details> {
    if details.summary.is_some() || series.summary.is_none() {
        return Arc::clone(details);
    }
    Arc::new(Details {
        summary: series.summary.clone(),
        ..Details::clone(details)
    })
}

#[cfg(test)]
mod tests;
