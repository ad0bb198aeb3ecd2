//! What names an instance of a series.

use std::fmt::Write as _;

use crate::model::time::UnixTime;

use super::civil::{Day, Wall};

/// What names an instance: the start that its series gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    At(UnixTime),
    /// Of an all-day series, or a bare date where a time should stand.
    On(Day),
}

impl Key {
    /// As `Occurrence::instance` has it.
    pub(super) fn text(self) -> String {
        let (wall, is_day) = match self {
            Self::At(at) => (Wall(at.seconds()), false),
            Self::On(day) => (day.midnight(), true),
        };
        let (year, month, day) = wall.day().civil();
        let mut text = String::with_capacity(16);
        // Writing to a string cannot fail.
        let _ = write!(text, "{year:04}{month:02}{day:02}");
        if !is_day {
            let second = wall.second_of_day();
            let (hour, minute) = (second / 3_600, second / 60 % 60);
            let _ = write!(text, "T{hour:02}{minute:02}{:02}Z", second % 60);
        }
        text
    }
}
