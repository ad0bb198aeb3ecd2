//! How long instances last: DTEND, DURATION, or neither.
//!
//! RFC 5545 section 3.8.5.3: with DTEND every instance lasts exactly as many seconds
//! as the first; with DURATION days are nominal and the rest exact (section 3.3.6).
//! Dates last whole days of the room, be they 23 or 25 hours long. Floating times say
//! what clocks show, not which instant it is (section 3.3.5): a DTEND that floats with
//! its DTSTART is a length on the wall, or one night in the room's zone at which clocks
//! change would make every other night an hour too long.

use crate::ics::series::{End, Nominal, Place, When};
use crate::model::time::UnixTime;

use super::civil::{DAY, Day, Wall};
use super::local::{Clock, Clocks};

/// How long the instances of an event last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// Seconds.
    Exact(i64),
    /// Seconds on the wall.
    Wall(i64),
    /// Days on the wall, then seconds.
    Nominal(Nominal),
    /// Days of an all-day event; at least one.
    Days(i64),
}

/// The end is before the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reversed;

impl Length {
    /// The length of what starts at `start` and ends at `end`.
    pub(super) fn new<'a>(
        start: &'a When,
        end: &'a End,
        clocks: &Clocks<'a>,
        floating: &Clock<'a>,
    ) -> Result<Self, Reversed> {
        match (start, end) {
            (When::Date(_), End::Unsaid) => Ok(Self::Days(1)),
            (When::Time { .. }, End::Unsaid) => Ok(Self::Exact(0)),
            (When::Date(first), End::At(end)) => {
                let first = Day::from_date(*first);
                let (after, last) = clocks.day_after(end);
                if last.0 < first.0 {
                    return Err(Reversed);
                }
                // DTEND is exclusive; written as the same day, it means that day.
                Ok(Self::Days((after.0 - first.0).max(1)))
            }
            (
                When::Time {
                    local: first,
                    place: Place::Floating,
                },
                End::At(When::Time {
                    local: last,
                    place: Place::Floating,
                }),
            ) => {
                let seconds = Wall::from_local(*last).0 - Wall::from_local(*first).0;
                if seconds < 0 {
                    return Err(Reversed);
                }
                Ok(Self::Wall(seconds))
            }
            (When::Time { place, .. }, End::At(end)) => {
                let start = clocks.instant(start, floating);
                let end = match end {
                    // A date here is a midnight where the event starts.
                    When::Date(date) => clocks
                        .at(place, floating)
                        .instant(Day::from_date(*date).midnight()),
                    When::Time { .. } => clocks.instant(end, floating),
                };
                let seconds = end.seconds() - start.seconds();
                if seconds < 0 {
                    return Err(Reversed);
                }
                Ok(Self::Exact(seconds))
            }
            (_, End::After(nominal)) if nominal.days < 0 || nominal.seconds < 0 => Err(Reversed),
            (When::Date(_), End::After(Nominal { days, seconds })) => {
                let hours_as_days = seconds.saturating_add(DAY - 1) / DAY;
                Ok(Self::Days(days.saturating_add(hours_as_days).max(1)))
            }
            (When::Time { .. }, End::After(Nominal { days: 0, seconds })) => {
                Ok(Self::Exact(*seconds))
            }
            (When::Time { .. }, End::After(nominal)) => Ok(Self::Nominal(*nominal)),
        }
    }

    /// When an instance ends that starts at `start` by that clock.
    pub(super) fn end(self, start: UnixTime, clock: &Clock<'_>) -> UnixTime {
        let end = match self {
            Self::Exact(seconds) => UnixTime::from_seconds(start.seconds().saturating_add(seconds)),
            Self::Wall(seconds) => clock.instant(clock.wall(start).plus(seconds)),
            Self::Nominal(Nominal { days, seconds }) => {
                let wall = clock.wall(start).plus(days.saturating_mul(DAY));
                let day_end = clock.instant(wall);
                UnixTime::from_seconds(day_end.seconds().saturating_add(seconds))
            }
            Self::Days(days) => clock.instant(clock.wall(start).day().plus(days).midnight()),
        };
        end.max(start)
    }

    /// No instance lasts longer, whatever clocks do.
    pub(super) fn longest(self) -> i64 {
        match self {
            Self::Exact(seconds) => seconds,
            // Clocks change by less than a day.
            Self::Wall(seconds) => seconds.saturating_add(DAY),
            Self::Nominal(Nominal { days, seconds }) => days
                .saturating_add(2)
                .saturating_mul(DAY)
                .saturating_add(seconds),
            Self::Days(days) => days.saturating_add(2).saturating_mul(DAY),
        }
    }
}
