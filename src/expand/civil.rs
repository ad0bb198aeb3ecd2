//! The calendar as numbers: days, and local times as seconds since 1970 on the wall.
//!
//! A recurrence rule is arithmetic on whole days and seconds, millions of times
//! over; jiff's civil types check each step. Wall times become instants in `local`.

use jiff::civil::{Date, DateTime};

use crate::model::time::UnixTime;

/// Seconds in a day on the wall; real days may be longer or shorter.
pub(super) const DAY: i64 = 86_400;

/// Further from 1970, in seconds, than any date that can be written.
const FAR: i64 = 1_000_000_000_000;

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Day(pub(super) i64);

impl Day {
    /// 0000-01-01.
    pub(super) const MIN: Self = Self(-719_528);
    /// 9999-12-31.
    pub(super) const MAX: Self = Self(2_932_896);

    /// `month` is 1 to 12; `day` may lie outside the month and counts on from there.
    pub(super) fn new(year: i64, month: i64, day: i64) -> Self {
        // Years are counted from March, so that a leap day is the last of its year.
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self(era * 146_097 + day_of_era - 719_468)
    }

    pub(super) fn from_date(date: Date) -> Self {
        Self::new(
            i64::from(date.year()),
            i64::from(date.month()),
            i64::from(date.day()),
        )
    }

    /// Held to the years 0000 to 9999.
    pub(super) fn date(self) -> Date {
        let (year, month, day) = self.clamp(Self::MIN, Self::MAX).civil();
        let narrow = |value: i64| i8::try_from(value).unwrap_or(1);
        i16::try_from(year)
            .ok()
            .and_then(|year| Date::new(year, narrow(month), narrow(day)).ok())
            .unwrap_or_default()
    }

    /// Year, month 1 to 12, day 1 to 31.
    pub(super) fn civil(self) -> (i64, i64, i64) {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day)
    }

    pub(super) fn year(self) -> i64 {
        self.civil().0
    }

    /// Monday is 0.
    pub(super) fn weekday(self) -> i64 {
        (self.0 + 3).rem_euclid(7)
    }

    /// The day on which its week begins, if weeks begin on `week_start` (Monday is 0).
    pub(super) fn week(self, week_start: i64) -> Self {
        Self(self.0 - (self.weekday() - week_start).rem_euclid(7))
    }

    pub(super) fn midnight(self) -> Wall {
        Wall(self.0 * DAY)
    }

    /// Held to about the years -30000 to 30000, so that nothing after it overflows.
    pub(super) fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days).clamp(-FAR / DAY, FAR / DAY))
    }
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(super) fn days_in_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// What a clock on the wall shows: seconds since 1970-01-01T00:00:00 there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Wall(pub(super) i64);

impl Wall {
    pub(super) const MIN: Self = Self(Day::MIN.0 * DAY);
    /// The last second of 9999.
    pub(super) const MAX: Self = Self(Day::MAX.0 * DAY + DAY - 1);

    /// Parts of a second are dropped.
    pub(super) fn from_local(local: DateTime) -> Self {
        let seconds = i64::from(local.hour()) * 3_600
            + i64::from(local.minute()) * 60
            + i64::from(local.second());
        Self(Day::from_date(local.date()).0 * DAY + seconds)
    }

    /// Held to the years 0000 to 9999.
    pub(super) fn local(self) -> DateTime {
        let wall = self.clamp(Self::MIN, Self::MAX);
        let second = wall.second_of_day();
        let narrow = |value: i64| i8::try_from(value).unwrap_or(0);
        wall.day().date().at(
            narrow(second / 3_600),
            narrow(second / 60 % 60),
            narrow(second % 60),
            0,
        )
    }

    pub(super) fn day(self) -> Day {
        Day(self.0.div_euclid(DAY))
    }

    pub(super) fn second_of_day(self) -> i64 {
        self.0.rem_euclid(DAY)
    }

    /// Held to about the years -30000 to 30000, so that nothing after it overflows.
    pub(super) fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds).clamp(-FAR, FAR))
    }
}

/// What a wall time means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Once(UnixTime),
    Twice(UnixTime, UnixTime),
    /// Clocks skip it; the instant by the offset from before the gap.
    Skipped(UnixTime),
}

impl Reading {
    /// The instant that RFC 5545 section 3.3.5 chooses.
    pub(super) fn first(self) -> UnixTime {
        match self {
            Self::Once(at) | Self::Twice(at, _) | Self::Skipped(at) => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_and_dates_agree_with_jiff_over_ten_thousand_years() {
        assert_eq!(Day::from_date(date(0, 1, 1)), Day::MIN);
        assert_eq!(Day::from_date(date(9999, 12, 31)), Day::MAX);
        let mut expected = date(0, 1, 1);
        let mut day = Day::MIN;
        while day < Day::MAX {
            assert_eq!(day.date(), expected);
            assert_eq!(Day::from_date(expected), day);
            assert_eq!(
                day.weekday(),
                i64::from(expected.weekday().to_monday_zero_offset())
            );
            // A prime step, so that all months and weekdays come up.
            expected = expected.saturating_add(jiff::Span::new().days(37));
            day = day.plus(37);
        }
    }

    #[test]
    fn wall_times_survive_the_way_there_and_back() {
        for local in [
            date(1601, 1, 1).at(0, 0, 0, 0),
            date(1969, 12, 31).at(23, 59, 59, 0),
            date(2026, 2, 28).at(12, 30, 1, 0),
        ] {
            assert_eq!(Wall::from_local(local).local(), local);
        }
        assert_eq!(Wall(i64::MAX).local(), date(9999, 12, 31).at(23, 59, 59, 0));
        assert_eq!(Wall(i64::MIN).local(), date(0, 1, 1).at(0, 0, 0, 0));
    }

    #[test]
    fn weeks_begin_where_they_are_told_to() {
        let wednesday = Day::from_date(date(2026, 1, 7));
        assert_eq!(wednesday.week(0).date(), date(2026, 1, 5));
        assert_eq!(wednesday.week(6).date(), date(2026, 1, 4));
        assert_eq!(wednesday.week(2).date(), date(2026, 1, 7));
    }
}
