//! The one place where local time becomes an instant, and back.
//!
//! A time that clocks show twice is the first; one that they skip takes the offset
//! from before the gap (RFC 5545 section 3.3.5, to which section 3.3.10 sends rules
//! as well). Named zones are `model::zone`'s; a VTIMEZONE that has to be evaluated
//! from its own rules is `own_zone`'s; dates are days of the room.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use jiff::tz::AmbiguousOffset;

use crate::ics::series::{Place, When};
use crate::model::time::{UnixTime, Window};
use crate::model::zone::Zone;

use super::civil::{DAY, Day, Reading, Wall};
use super::own_zone::{OwnClock, ZoneSteps};

/// A clock on some wall.
#[derive(Clone)]
pub(super) enum Clock<'a> {
    /// Seconds east of UTC.
    Fixed(i64),
    Zone(&'a Zone),
    Own(Rc<OwnClock>),
}

impl Clock<'_> {
    pub(super) fn instant(&self, wall: Wall) -> UnixTime {
        match self {
            Self::Fixed(offset) => UnixTime::from_seconds(wall.0.saturating_sub(*offset)),
            Self::Zone(zone) => zone.instant(wall.local()),
            Self::Own(clock) => clock.read(wall).first(),
        }
    }

    pub(super) fn read(&self, wall: Wall) -> Reading {
        match self {
            Self::Fixed(_) => Reading::Once(self.instant(wall)),
            Self::Zone(zone) => {
                let first = zone.instant(wall.local());
                let ambiguous = zone.time_zone().to_ambiguous_timestamp(wall.local());
                match ambiguous.offset() {
                    AmbiguousOffset::Unambiguous { .. } => Reading::Once(first),
                    AmbiguousOffset::Gap { .. } => Reading::Skipped(first),
                    AmbiguousOffset::Fold { after, .. } => {
                        let second = wall.0 - i64::from(after.seconds());
                        Reading::Twice(first, UnixTime::from_seconds(second))
                    }
                }
            }
            Self::Own(clock) => clock.read(wall),
        }
    }

    /// The first instant after the gap in which a wall time lies.
    pub(super) fn end_of_gap(&self, wall: Wall) -> Option<UnixTime> {
        let Reading::Skipped(at) = self.read(wall) else {
            return None;
        };
        // Before the gap clocks show the offset by which `at` was reckoned.
        let before = wall.0 - at.seconds();
        let (mut low, mut high) = (at.seconds() - DAY, at.seconds());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.offset(UnixTime::from_seconds(middle)) == before {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(UnixTime::from_seconds(high))
    }

    pub(super) fn wall(&self, at: UnixTime) -> Wall {
        Wall(at.seconds() + self.offset(at))
    }

    /// Seconds east of UTC at that instant.
    pub(super) fn offset(&self, at: UnixTime) -> i64 {
        match self {
            Self::Fixed(offset) => *offset,
            Self::Zone(zone) => i64::from(zone.time_zone().to_offset(at.timestamp()).seconds()),
            Self::Own(clock) => clock.offset(at),
        }
    }

    /// Bounds for the wall times that can mean an instant in `[from, to)`.
    ///
    /// A little wide near a clock change, because wall times there are out of order.
    pub(super) fn walls(&self, from: UnixTime, to: UnixTime) -> (Wall, Wall) {
        let day_before = |at: UnixTime| UnixTime::from_seconds(at.seconds() - DAY);
        let lowest = self.offset(from).min(self.offset(day_before(from)));
        let highest = self.offset(to).max(self.offset(day_before(to)));
        (Wall(from.seconds() + lowest), Wall(to.seconds() + highest))
    }
}

/// The clocks of a feed's events.
pub(super) struct Clocks<'a> {
    room: &'a Zone,
    window: Window,
    own: RefCell<HashMap<usize, Rc<OwnClock>>>,
    steps: ZoneSteps,
}

impl<'a> Clocks<'a> {
    pub(super) fn new(room: &'a Zone, window: Window) -> Self {
        Self {
            room,
            window,
            own: RefCell::default(),
            steps: ZoneSteps::default(),
        }
    }

    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// The clock of the room, by which days are counted.
    pub(super) fn room(&self) -> Clock<'a> {
        Clock::Zone(self.room)
    }

    /// Whether some VTIMEZONE was too much work to evaluate whole.
    pub(super) fn capped(&self) -> Option<u64> {
        self.steps.capped()
    }

    /// The clock by which `place` is local; `floating` is where floating times are.
    pub(super) fn at(&self, place: &'a Place, floating: &Clock<'a>) -> Clock<'a> {
        match place {
            Place::Utc => Clock::Fixed(0),
            Place::Floating => floating.clone(),
            Place::Zone(zone) => Clock::Zone(zone),
            Place::Offset(offset) => Clock::Fixed(i64::from(*offset)),
            Place::Own(zone) => {
                // The series hold on to their zones, so an address stays one zone's.
                let address = Arc::as_ptr(zone).addr();
                let mut own = self.own.borrow_mut();
                let clock = own
                    .entry(address)
                    .or_insert_with(|| Rc::new(OwnClock::new(zone, &self.steps)));
                Clock::Own(Rc::clone(clock))
            }
        }
    }

    /// Where floating times of an event are read.
    pub(super) fn floating(&self, zone: Option<&'a Zone>) -> Clock<'a> {
        Clock::Zone(zone.unwrap_or(self.room))
    }

    pub(super) fn instant(&self, when: &'a When, floating: &Clock<'a>) -> UnixTime {
        match when {
            When::Date(date) => self.midnight(Day::from_date(*date)),
            When::Time { local, place } => {
                self.at(place, floating).instant(Wall::from_local(*local))
            }
        }
    }

    /// The first instant of a day of the room.
    pub(super) fn midnight(&self, day: Day) -> UnixTime {
        self.room().instant(day.midnight())
    }

    /// The day that is meant where a date is expected.
    ///
    /// Exchange writes the midnights of its own zone in EXDATE and RECURRENCE-ID of
    /// all-day series, in UTC or not. A time in UTC that is the room's midnight, or
    /// the last second before it, means the room's day; any other is taken as written.
    pub(super) fn day(&self, when: &When) -> Day {
        match when {
            When::Date(date) => Day::from_date(*date),
            When::Time { local, place } => {
                let wall = Wall::from_local(*local);
                if *place == Place::Utc && !is_edge_of_day(wall) {
                    self.day_of_utc(wall)
                } else {
                    wall.day()
                }
            }
        }
    }

    /// The day after the last one of an all-day event that ends at this time, and the
    /// day of the time itself.
    pub(super) fn day_after(&self, when: &When) -> (Day, Day) {
        let When::Time { local, place } = when else {
            let day = self.day(when);
            return (day, day);
        };
        let mut wall = Wall::from_local(*local);
        if *place == Place::Utc && !is_edge_of_day(wall) {
            let here = self.room().wall(UnixTime::from_seconds(wall.0));
            if is_edge_of_day(here) {
                wall = here;
            }
        }
        let day = wall.day();
        let is_midnight = wall.second_of_day() == 0;
        (day.plus(i64::from(!is_midnight)), day)
    }

    /// As [`Self::day`], for a time in UTC.
    pub(super) fn day_of_utc(&self, wall: Wall) -> Day {
        let here = self.room().wall(UnixTime::from_seconds(wall.0));
        if !is_edge_of_day(wall) && is_edge_of_day(here) {
            here.day()
        } else {
            wall.day()
        }
    }
}

fn is_edge_of_day(wall: Wall) -> bool {
    matches!(wall.second_of_day(), 0 | 86_399)
}

#[cfg(test)]
mod tests;
