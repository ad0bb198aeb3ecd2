//! What goes by days where the room is: worked out once a day.

use super::{Basis, RoomController};
use crate::control::now::Now;
use crate::model::time::{UnixTime, Window};

/// A part of a day, from when it was looked at to its end where the room is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    from: UnixTime,
    until: UnixTime,
    window_ends: UnixTime,
}

impl Day {
    fn is(self, wall: UnixTime) -> bool {
        self.from <= wall && wall < self.until
    }
}

impl RoomController {
    pub(super) fn basis(&self, now: Now) -> Basis {
        let room = &self.settings.room;
        let window = match self.day.filter(|day| day.is(now.wall)) {
            Some(day) => Window::new(now.wall, day.window_ends),
            None => None,
        };
        Basis {
            window: window.unwrap_or_else(|| room.window(now.wall)),
            settings: self.revision,
        }
    }

    /// When tomorrow begins for the room.
    pub(super) fn tomorrow(&self, now: Now) -> UnixTime {
        match self.day.filter(|day| day.is(now.wall)) {
            Some(day) => day.until,
            None => self.settings.room.window_of_days(now.wall, 1).to(),
        }
    }

    /// Works out once a day what goes by days.
    pub(super) fn look_at_the_calendar(&mut self, now: Now) {
        if !self.day.is_some_and(|day| day.is(now.wall)) {
            let room = &self.settings.room;
            self.day = Some(Day {
                from: now.wall,
                until: room.window_of_days(now.wall, 1).to(),
                window_ends: room.window(now.wall).to(),
            });
        }
    }
}
