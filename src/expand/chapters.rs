//! Overrides for this and all future instances (RFC 5545 section 3.2.13): what each of
//! them makes of the rest of its series.

use std::sync::Arc;

use crate::model::occurrence::Details;
use crate::model::time::UnixTime;

use super::key::Key;
use super::local::Clocks;
use super::set::{Slot, Timed};

/// An override and the instance that it stands for.
pub(super) struct Override<'a> {
    pub(super) timed: Timed<'a>,
    pub(super) key: Key,
    pub(super) details: Arc<Details>,
    pub(super) this_and_future: bool,
}

/// A recurrence set that holds from one instant to another: the master's, until an
/// override for this and all future instances brings a rule of its own.
pub(super) struct Chapter<'b, 'a> {
    pub(super) timed: &'b Timed<'a>,
    pub(super) details: &'b Arc<Details>,
    pub(super) from: UnixTime,
    pub(super) to: UnixTime,
    pub(super) is_master: bool,
}

impl Chapter<'_, '_> {
    /// The shifts that begin in this chapter, of all in order.
    pub(super) fn shifts<'s, 'b, 'a>(&self, shifts: &'s [Shift<'b, 'a>]) -> &'s [Shift<'b, 'a>] {
        let first = shifts.partition_point(|shift| shift.from < self.from);
        let after = shifts.partition_point(|shift| shift.from < self.to);
        shifts.get(first..after).unwrap_or_default()
    }
}

/// The instances from an override with RANGE=THISANDFUTURE on (section 3.2.13): all
/// move as it did, with its length and details.
pub(super) struct Shift<'b, 'a> {
    pub(super) from: UnixTime,
    /// By the clock of the series.
    pub(super) seconds: i64,
    pub(super) series: &'b Timed<'a>,
    pub(super) moved: &'b Override<'a>,
}

impl<'b, 'a> Shift<'b, 'a> {
    pub(super) fn new(moved: &'b Override<'a>, series: &'b Timed<'a>) -> Self {
        let (from, wall) = match moved.key {
            Key::At(at) => (at, series.clock.wall(at)),
            Key::On(day) => (
                series.clock.instant(day.midnight()),
                day.midnight().plus(series.wall.second_of_day()),
            ),
        };
        let to = if series.all_day || moved.timed.all_day {
            moved.timed.wall
        } else {
            series.clock.wall(moved.timed.start)
        };
        Self {
            from,
            seconds: to.0.saturating_sub(wall.0),
            series,
            moved,
        }
    }

    pub(super) fn apply(&self, slot: &Slot, clocks: &Clocks<'_>) -> (UnixTime, UnixTime) {
        let moved = &self.moved.timed;
        let wall = slot.wall.plus(self.seconds);
        let start = if moved.all_day {
            clocks.midnight(wall.day())
        } else if self.series.all_day {
            moved.clock.instant(wall)
        } else {
            self.series.clock.instant(wall)
        };
        (start, moved.length.end(start, &moved.clock))
    }
}

/// Divides what follows the overrides for this and all future instances: those with
/// rules of their own open a chapter, the others shift the one that they stand in.
pub(super) fn chapters<'b, 'a>(
    master: &'b Timed<'a>,
    shifts: Vec<Shift<'b, 'a>>,
) -> (Vec<Chapter<'b, 'a>>, Vec<Shift<'b, 'a>>) {
    let mut chapters = vec![Chapter {
        timed: master,
        details: &master.event.details,
        from: UnixTime::MIN,
        to: UnixTime::MAX,
        is_master: true,
    }];
    let mut rest = Vec::new();
    for shift in shifts {
        if shift.moved.timed.event.rules.is_empty() {
            rest.push(shift);
            continue;
        }
        if let Some(last) = chapters.last_mut() {
            last.to = shift.from;
        }
        chapters.push(Chapter {
            timed: &shift.moved.timed,
            details: &shift.moved.details,
            from: shift.from,
            to: UnixTime::MAX,
            is_master: false,
        });
    }
    (chapters, rest)
}
