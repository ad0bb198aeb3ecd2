//! What names an instance of a series.

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
        for number in [year / 100, year % 100, month, day] {
            push_digits(&mut text, number);
        }
        if !is_day {
            let second = wall.second_of_day();
            text.push('T');
            for number in [second / 3_600, second / 60 % 60, second % 60] {
                push_digits(&mut text, number);
            }
            text.push('Z');
        }
        text
    }
}

/// Two digits. There is a text for each instance, and formatting takes ten times as long.
fn push_digits(text: &mut String, number: i64) {
    for digit in [number / 10 % 10, number % 10] {
        let digit = u32::try_from(digit)
            .ok()
            .and_then(|digit| char::from_digit(digit, 10));
        text.extend(digit);
    }
}
