//! The recurrence set of one event (RFC 5545 section 3.8.5): DTSTART, what its rules
//! generate, RDATE, less EXRULE and EXDATE. Overrides are left to `overrides`.
//!
//! DTSTART counts as the first instance, also where the rule would not generate it;
//! most calendars do so, and COUNT is then one less. A rule that ends before DTSTART
//! (UNTIL) generates nothing, DTSTART included: clients write it when a series is cut
//! at its first instance.
//!
//! Rules follow the clock on the wall. Those shorter than a day whose step divides a
//! clock change go through it in real time, see [`Pattern::phase`].

use std::ops::ControlFlow;

use crate::ics::series::{End, Event, Nominal, Place, Rule, Until, When};
use crate::model::time::UnixTime;

use super::caps::{Allowance, Spent};
use super::civil::{DAY, Day, Reading, Wall};
use super::key::Key;
use super::length::{Length, Reversed};
use super::local::{Clock, Clocks};
use super::rule::Pattern;

/// One member of the set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) start: UnixTime,
    /// By the clock of the event.
    pub(super) wall: Wall,
    pub(super) key: Key,
    /// From a PERIOD in RDATE.
    pub(super) length: Option<Length>,
    /// Removed by EXDATE or EXRULE.
    pub(super) excluded: bool,
}

/// An event with its clocks found and its length known.
pub(super) struct Timed<'a> {
    pub(super) event: &'a Event,
    pub(super) all_day: bool,
    /// Of the room for an all-day event.
    pub(super) clock: Clock<'a>,
    floating: Clock<'a>,
    pub(super) wall: Wall,
    pub(super) start: UnixTime,
    pub(super) length: Length,
    /// Clocks skip DTSTART, and DTEND comes before the instant that is taken for it.
    /// Then the event lasts from the end of the gap to its DTEND, or where that is the
    /// end of the gap itself, for as long as the clock says before it; `length` is that
    /// of its other instances.
    first: Option<Length>,
}

impl<'a> Timed<'a> {
    pub(super) fn new(event: &'a Event, clocks: &Clocks<'a>) -> Result<Self, Reversed> {
        let floating = clocks.floating(event.floating_zone.as_ref());
        let length = Length::new(&event.start, &event.end, clocks, &floating);
        if matches!(
            length,
            Err(Reversed) | Ok(Length::Exact(0) | Length::Wall(_))
        ) && let Some(timed) = Self::behind_gap(event, clocks, &floating)
        {
            return Ok(timed);
        }
        let length = length?;
        let (all_day, clock, wall) = match &event.start {
            When::Date(date) => (true, clocks.room(), Day::from_date(*date).midnight()),
            When::Time { local, place } => {
                let clock = clocks.at(place, &floating);
                (false, clock, Wall::from_local(*local))
            }
        };
        Ok(Self {
            event,
            all_day,
            start: clock.instant(wall),
            clock,
            floating,
            wall,
            length,
            first: None,
        })
    }

    /// An event whose start clocks skip, and that would be over before it begins by the
    /// offset from before the gap.
    fn behind_gap(event: &'a Event, clocks: &Clocks<'a>, floating: &Clock<'a>) -> Option<Self> {
        let (When::Time { local, place }, End::At(end)) = (&event.start, &event.end) else {
            return None;
        };
        let clock = clocks.at(place, floating);
        let wall = Wall::from_local(*local);
        let start = clock.end_of_gap(wall)?;
        let end = clocks.instant(end, floating);
        let on_wall = clock.wall(end).0 - wall.0;
        if on_wall <= 0 || end > clock.instant(wall) {
            return None;
        }
        let start = if start < end {
            start
        } else {
            UnixTime::from_seconds(end.seconds() - on_wall)
        };
        let seconds = end.seconds() - start.seconds();
        Some(Self {
            event,
            all_day: false,
            start,
            clock,
            floating: floating.clone(),
            wall,
            length: match place {
                Place::Floating => Length::Wall(on_wall),
                _ => Length::Exact(on_wall),
            },
            first: Some(Length::Exact(seconds)),
        })
    }

    pub(super) fn end(&self) -> UnixTime {
        let length = self.first.unwrap_or(self.length);
        length.end(self.start, &self.clock)
    }

    /// No instance lasts longer, in seconds.
    pub(super) fn longest(&self) -> i64 {
        let of_dates = self.event.dates.iter().map(|added| match &added.end {
            None | Some(End::Unsaid) => 0,
            Some(End::After(Nominal { days, seconds })) => days
                .saturating_add(2)
                .saturating_mul(DAY)
                .saturating_add(*seconds),
            Some(End::At(end)) => rough_wall(end).0 - rough_wall(&added.start).0 + 3 * DAY,
        });
        of_dates.fold(self.length.longest(), i64::max)
    }

    /// Whether there can be more than one instance.
    pub(super) fn recurs(&self) -> bool {
        !self.event.rules.is_empty() || !self.event.dates.is_empty()
    }

    /// The instance that a RECURRENCE-ID, EXDATE or RDATE of this series means.
    pub(super) fn key(&self, when: &'a When, clocks: &Clocks<'a>) -> Key {
        match when {
            _ if self.all_day => Key::On(clocks.day(when)),
            When::Date(date) => Key::On(Day::from_date(*date)),
            When::Time { local, place } => Key::At(
                self.clock_at(place, clocks)
                    .instant(Wall::from_local(*local)),
            ),
        }
    }

    /// Where no zone is given in a property of this event, that of its start is meant.
    fn clock_at(&self, place: &'a Place, clocks: &Clocks<'a>) -> Clock<'a> {
        match place {
            Place::Floating => self.clock.clone(),
            place => clocks.at(place, &self.floating),
        }
    }

    /// The members that start in `[from, to)`, in order, those that are excluded
    /// marked. Some just outside may be among them.
    ///
    /// With the allowance spent, what was found so far stands.
    pub(super) fn slots(
        &self,
        from: UnixTime,
        to: UnixTime,
        clocks: &Clocks<'a>,
        allowance: &mut Allowance,
    ) -> (Vec<Slot>, Result<(), Spent>) {
        let mut slots = Vec::new();
        let span = Span::new(from, to, &self.clock);
        let mut result = self.generate(&span, clocks, allowance, &mut slots);
        for added in &self.event.dates {
            if span.may_hold(&added.start) {
                let mut slot = match (&added.start, self.key(&added.start, clocks)) {
                    (_, Key::On(day)) => self.slot(day.midnight().plus(self.wall.second_of_day())),
                    (_, Key::At(at)) => self.slot_at(at),
                };
                if let (false, Some(end)) = (self.all_day, &added.end) {
                    slot.length = Length::new(&added.start, end, clocks, &self.clock).ok();
                }
                slots.push(slot);
            }
        }
        // A PERIOD has its own length, whatever else generates the same start.
        slots.sort_by_key(|slot| (slot.key, slot.length.is_none()));
        slots.dedup_by_key(|slot| slot.key);
        if !self.event.exclusion_rules.is_empty() || !self.event.exclusion_dates.is_empty() {
            let mut exclusions = Exclusions::of_dates(self, clocks, Some(&span));
            result = result.and(exclusions.add_rules(self, &span, clocks, allowance));
            for slot in &mut slots {
                slot.excluded = exclusions.hold(slot.key, slot.wall.day());
            }
        }
        (slots, result)
    }

    /// DTSTART and what the rules generate.
    fn generate(
        &self,
        span: &Span,
        clocks: &Clocks<'a>,
        allowance: &mut Allowance,
        slots: &mut Vec<Slot>,
    ) -> Result<(), Spent> {
        let mut generators: Vec<Generator> = self
            .event
            .rules
            .iter()
            .map(|rule| Generator::new(rule, self, clocks))
            .collect();
        generators.retain(|generator| !generator.ends_before(self.start, self.wall));
        if generators.is_empty() && !self.event.rules.is_empty() {
            return Ok(());
        }
        if !generators
            .iter()
            .any(|generator| generator.pattern.is_on_rule())
        {
            slots.push(self.slot(self.wall));
            for generator in &mut generators {
                generator.pattern.count_start();
            }
        }
        generators
            .iter()
            .try_for_each(|generator| generator.run(self, span, allowance, slots))
    }

    fn slot(&self, wall: Wall) -> Slot {
        let start = self.clock.instant(wall);
        let key = if self.all_day {
            Key::On(wall.day())
        } else {
            Key::At(start)
        };
        let first = self.first.filter(|_| wall == self.wall);
        Slot {
            start: first.map_or(start, |_| self.start),
            wall,
            key,
            length: first,
            excluded: false,
        }
    }

    fn slot_at(&self, start: UnixTime) -> Slot {
        Slot {
            start,
            wall: self.clock.wall(start),
            key: Key::At(start),
            length: None,
            excluded: false,
        }
    }
}

/// Where members of the set are looked for.
pub(super) struct Span {
    from: UnixTime,
    to: UnixTime,
    from_wall: Wall,
    to_wall: Wall,
}

impl Span {
    fn new(from: UnixTime, to: UnixTime, clock: &Clock<'_>) -> Self {
        let (from_wall, to_wall) = clock.walls(from, to);
        Self {
            from,
            to,
            from_wall,
            to_wall,
        }
    }

    /// A cheap test, as a hundred thousand dates may come: no clock on earth is
    /// further than a day from another.
    fn may_hold(&self, when: &When) -> bool {
        let wall = rough_wall(when);
        self.from_wall.plus(-3 * DAY) < wall && wall < self.to_wall.plus(3 * DAY)
    }
}

/// What is written, wherever it is local.
fn rough_wall(when: &When) -> Wall {
    match when {
        When::Date(date) => Day::from_date(*date).midnight(),
        When::Time { local, .. } => Wall::from_local(*local),
    }
}

/// A rule of an event, and how far it goes.
struct Generator {
    pattern: Pattern,
    /// Exact, where UNTIL is in UTC.
    until: Option<UnixTime>,
    until_wall: Wall,
}

impl Generator {
    fn new(rule: &Rule, timed: &Timed<'_>, clocks: &Clocks<'_>) -> Self {
        let floats = matches!(
            timed.event.start,
            When::Time {
                place: Place::Floating,
                ..
            }
        );
        let mut until = None;
        let until_wall = match rule.until {
            None => Wall::MAX,
            Some(Until::Date(date)) => Day::from_date(date).midnight().plus(DAY - 1),
            Some(Until::Local(local)) if timed.all_day => Wall::from_local(local).day().midnight(),
            Some(Until::Utc(local)) if timed.all_day => {
                clocks.day_of_utc(Wall::from_local(local)).midnight()
            }
            // Who writes no zone in DTSTART but a Z in UNTIL means the same clock.
            Some(Until::Utc(local)) if floats => Wall::from_local(local),
            Some(Until::Local(local)) => Wall::from_local(local),
            Some(Until::Utc(local)) => {
                let at = UnixTime::from_seconds(Wall::from_local(local).0);
                until = Some(at);
                timed.clock.walls(at, at).1
            }
        };
        Self {
            pattern: Pattern::new(rule, timed.wall, timed.all_day, until_wall),
            until,
            until_wall,
        }
    }

    fn ends_before(&self, start: UnixTime, wall: Wall) -> bool {
        self.pattern.count() == Some(0)
            || self.until_wall < wall
            || self.until.is_some_and(|until| until < start)
    }

    fn run(
        &self,
        timed: &Timed<'_>,
        span: &Span,
        allowance: &mut Allowance,
        slots: &mut Vec<Slot>,
    ) -> Result<(), Spent> {
        let mut phase = self.pattern.phase();
        if let (Some(step), Some(count)) = (phase, self.pattern.count()) {
            let offset = timed.clock.offset(timed.start);
            let in_phase = |at| (timed.clock.offset(at) - offset) % step == 0;
            if in_phase(span.from) && in_phase(span.to) {
                return self.run_in_real_time(step, count, timed, span, allowance, slots);
            }
            phase = None;
        }
        let mut from_wall = span.from_wall;
        if phase.is_some() {
            // What a clock that is about to be set back shows again lies before.
            let day_after = UnixTime::from_seconds(span.from.seconds() + DAY);
            let again = span.from.seconds() + timed.clock.offset(day_after);
            from_wall = from_wall.min(Wall(again));
        }
        let mut room = allowance.instances();
        let before = slots.len();
        let result = self
            .pattern
            .between(from_wall, span.to_wall, allowance, &mut |wall| {
                let mut push = |slot: Slot| {
                    if self.until.is_none_or(|until| slot.start <= until) {
                        room = room.checked_sub(1).ok_or(Spent::Instances)?;
                        slots.push(slot);
                    }
                    Ok(())
                };
                let slot = timed.slot(wall);
                let pushed = match phase.map(|step| (step, timed.clock.read(wall))) {
                    Some((step, Reading::Twice(first, second)))
                        if (second.seconds() - first.seconds()) % step == 0 =>
                    {
                        push(slot).and_then(|()| {
                            push(Slot {
                                start: second,
                                key: Key::At(second),
                                ..slot
                            })
                        })
                    }
                    // The instances after the gap are these already.
                    Some((step, Reading::Skipped(at)))
                        if wall != timed.wall && (timed.clock.wall(at).0 - wall.0) % step == 0 =>
                    {
                        Ok(())
                    }
                    _ => push(slot),
                };
                match pushed {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(spent) => ControlFlow::Break(spent),
                }
            });
        allowance.take_instances(slots.len() - before);
        result
    }

    /// Every N seconds from DTSTART on, M times.
    fn run_in_real_time(
        &self,
        step: i64,
        count: u64,
        timed: &Timed<'_>,
        span: &Span,
        allowance: &mut Allowance,
        slots: &mut Vec<Slot>,
    ) -> Result<(), Spent> {
        let start = timed.start.seconds();
        let ahead = span.from.seconds() - start;
        let first = if ahead > 0 {
            (ahead + step - 1) / step
        } else {
            0
        };
        for number in first..i64::try_from(count).unwrap_or(i64::MAX) {
            let at = UnixTime::from_seconds(start + number * step);
            let slot = timed.slot_at(at);
            let is_over = match self.until {
                Some(until) => until < at,
                None => self.until_wall < slot.wall,
            };
            if at >= span.to || is_over {
                break;
            }
            allowance.steps(1)?;
            allowance.instance()?;
            slots.push(slot);
        }
        Ok(())
    }
}

/// What EXDATE and EXRULE take out of the set of one event.
pub(super) struct Exclusions {
    keys: Vec<Key>,
}

impl Exclusions {
    /// EXDATE; only those near `span`, if one is given.
    pub(super) fn of_dates<'a>(
        timed: &Timed<'a>,
        clocks: &Clocks<'a>,
        span: Option<&Span>,
    ) -> Self {
        let mut keys: Vec<Key> = timed
            .event
            .exclusion_dates
            .iter()
            .filter(|when| span.is_none_or(|span| span.may_hold(when)))
            .map(|when| timed.key(when, clocks))
            .collect();
        keys.sort_unstable();
        Self { keys }
    }

    fn add_rules(
        &mut self,
        timed: &Timed<'_>,
        span: &Span,
        clocks: &Clocks<'_>,
        allowance: &mut Allowance,
    ) -> Result<(), Spent> {
        let mut slots = Vec::new();
        let result = timed
            .event
            .exclusion_rules
            .iter()
            .map(|rule| Generator::new(rule, timed, clocks))
            .try_for_each(|generator| generator.run(timed, span, allowance, &mut slots));
        self.keys.extend(slots.iter().map(|slot| slot.key));
        self.keys.sort_unstable();
        result
    }

    /// Whether the instance with that key, on that day of its own clock, is taken
    /// out; a bare date takes out the whole day.
    pub(super) fn hold(&self, key: Key, day: Day) -> bool {
        self.keys.binary_search(&key).is_ok() || self.keys.binary_search(&Key::On(day)).is_ok()
    }
}
