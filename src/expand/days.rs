//! Which days a rule names: the date half of RFC 5545 section 3.3.10.
//!
//! A period (a day, week, month or year, by FREQ) yields its days in order; the
//! times within a day are `rule`'s business. The parts that the RFC lets DTSTART
//! imply are made explicit here, once.
//!
//! Where the RFC forbids a combination (BYWEEKNO outside YEARLY, BYYEARDAY or
//! BYMONTHDAY in WEEKLY ...), the part limits, as in dateutil and its descendants.

use crate::ics::series::{Freq, Rule, Skip, WeekdayNum};

use super::civil::{Day, days_in_month, days_in_year};

/// The part of the calendar that one step of INTERVAL covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    Day(Day),
    /// From its first day on.
    Week(Day),
    Month {
        year: i64,
        month: i64,
    },
    Year(i64),
}

impl Period {
    pub(super) fn first(self) -> Day {
        match self {
            Self::Day(day) | Self::Week(day) => day,
            Self::Month { year, month } => Day::new(year, month, 1),
            Self::Year(year) => Day::new(year, 1, 1),
        }
    }
}

/// The BY-parts of a rule that choose days.
#[derive(Clone, Debug)]
pub(super) struct DayFilter {
    /// Bit m for month m; 0 admits all.
    months: u16,
    week_nos: Numbers<1>,
    year_days: Numbers<6>,
    month_days: Numbers<1>,
    /// Bit for each plain weekday, Monday first.
    weekdays: u8,
    /// Of each weekday, Monday first.
    ordinals: [Numbers<1>; 7],
    has_ordinals: bool,
    /// Ordinals count within the month, else within the year.
    ordinals_in_month: bool,
    /// Monday is 0.
    week_start: i64,
    skip: Skip,
}

impl DayFilter {
    pub(super) fn new(rule: &Rule, start: Day) -> Self {
        let (_, start_month, start_day) = start.civil();
        let mut filter = Self {
            months: rule
                .by_month
                .iter()
                .filter(|month| (1..=12).contains(*month))
                .fold(0, |months, month| months | 1 << month),
            week_nos: rule.by_week_no.iter().copied().map(i64::from).collect(),
            year_days: rule.by_year_day.iter().copied().map(i64::from).collect(),
            month_days: rule.by_month_day.iter().copied().map(i64::from).collect(),
            weekdays: 0,
            ordinals: [Numbers::default(); 7],
            has_ordinals: false,
            ordinals_in_month: rule.freq == Freq::Monthly || !rule.by_month.is_empty(),
            week_start: i64::from(rule.week_start.to_monday_zero_offset()),
            skip: rule.skip,
        };
        // Outlook writes ordinals in weekly rules; there they have no meaning.
        let may_count = rule.freq >= Freq::Monthly;
        for WeekdayNum { ordinal, weekday } in &rule.by_day {
            let weekday = weekday.to_monday_zero_offset().unsigned_abs();
            if *ordinal == 0 || !may_count {
                filter.weekdays |= 1 << weekday;
            } else if let Some(ordinals) = filter.ordinals.get_mut(usize::from(weekday)) {
                ordinals.insert(i64::from(*ordinal));
                filter.has_ordinals = true;
            }
        }
        let no_day =
            filter.year_days.is_empty() && filter.month_days.is_empty() && filter.has_no_weekday();
        match rule.freq {
            // BYWEEKNO alone leaves the weekday to DTSTART, as BYMONTH leaves the day.
            Freq::Yearly if no_day && !filter.week_nos.is_empty() => {
                filter.weekdays = 1 << start.weekday();
            }
            Freq::Yearly if no_day => {
                if filter.months == 0 {
                    filter.months = 1 << start_month;
                }
                filter.month_days.insert(start_day);
            }
            Freq::Monthly if no_day && filter.week_nos.is_empty() => {
                filter.month_days.insert(start_day);
            }
            Freq::Weekly if no_day && filter.week_nos.is_empty() => {
                filter.weekdays = 1 << start.weekday();
            }
            _ => {}
        }
        filter
    }

    /// The weekday on which weeks begin; Monday is 0.
    pub(super) fn week_start(&self) -> i64 {
        self.week_start
    }

    /// Whether a day that is not there can become another.
    pub(super) fn moves(&self) -> bool {
        self.skip != Skip::Omit
    }

    /// Every day passes.
    pub(super) fn admits_all(&self) -> bool {
        self.admits_whole_weeks() && self.weekdays == 0
    }

    /// Nothing but the weekday counts, so that every week has the same days.
    pub(super) fn admits_whole_weeks(&self) -> bool {
        self.months == 0
            && self.week_nos.is_empty()
            && self.year_days.is_empty()
            && self.month_days.is_empty()
            && !self.has_ordinals
    }

    /// The days of a period in order, and how many were looked at.
    ///
    /// With SKIP=FORWARD the last of them may lie after the period.
    pub(super) fn fill(&self, period: Period, days: &mut Vec<Day>) -> u64 {
        days.clear();
        match period {
            Period::Day(day) => {
                days.extend(Some(day).filter(|day| self.admits(*day)));
                1
            }
            Period::Week(first) => self.scan(first, 7, days),
            Period::Month { year, month } => self.fill_month(year, month, days),
            Period::Year(year) => self.fill_year(year, days),
        }
    }

    fn fill_month(&self, year: i64, month: i64, days: &mut Vec<Day>) -> u64 {
        if !self.admits_month(month) {
            return 1;
        }
        if self.month_days.is_empty() {
            return self.scan(Day::new(year, month, 1), days_in_month(year, month), days);
        }
        self.expand_month_days(year, month, days);
        self.keep_admitted(days)
    }

    fn fill_year(&self, year: i64, days: &mut Vec<Day>) -> u64 {
        if !self.month_days.is_empty() {
            for month in (1..=12).filter(|month| self.admits_month(*month)) {
                self.expand_month_days(year, month, days);
            }
            return self.keep_admitted(days);
        }
        if !self.year_days.is_empty() {
            let length = days_in_year(year);
            days.extend(
                self.year_days
                    .iter()
                    .filter_map(|number| self.resolve(number, length))
                    .map(|number| Day::new(year, 1, number))
                    .filter(|day| self.admits_month(day.civil().1)),
            );
            return self.keep_admitted(days);
        }
        if self.months == 0 {
            return self.scan(Day::new(year, 1, 1), days_in_year(year), days);
        }
        (1..=12)
            .filter(|month| self.admits_month(*month))
            .map(|month| self.scan(Day::new(year, month, 1), days_in_month(year, month), days))
            .sum()
    }

    fn scan(&self, first: Day, length: i64, days: &mut Vec<Day>) -> u64 {
        days.extend(
            (0..length)
                .map(|number| first.plus(number))
                .filter(|day| self.admits(*day)),
        );
        u64::try_from(length).unwrap_or(0)
    }

    fn expand_month_days(&self, year: i64, month: i64, days: &mut Vec<Day>) {
        let length = days_in_month(year, month);
        days.extend(
            self.month_days
                .iter()
                .filter_map(|number| self.resolve(number, length))
                .map(|number| Day::new(year, month, number)),
        );
    }

    /// Day `number` of a month or year, negative from its end; one that is not
    /// there becomes its neighbour or nothing (RFC 7529 section 4.1).
    fn resolve(&self, number: i64, length: i64) -> Option<i64> {
        let day = if number < 0 {
            length + 1 + number
        } else {
            number
        };
        if (1..=length).contains(&day) {
            return Some(day);
        }
        match (self.skip, day < 1) {
            (Skip::Omit, _) => None,
            (Skip::Backward, true) => Some(0),
            (Skip::Backward, false) => Some(length),
            (Skip::Forward, true) => Some(1),
            (Skip::Forward, false) => Some(length + 1),
        }
    }

    /// Keeps the days that the parts after BYMONTHDAY admit; sorts, drops doubles.
    fn keep_admitted(&self, days: &mut Vec<Day>) -> u64 {
        let looked_at = days.len() as u64;
        days.sort_unstable();
        days.dedup();
        let year_days_count = !self.month_days.is_empty();
        days.retain(|day| {
            (!year_days_count || self.admits_year_day(*day))
                && self.admits_week(*day)
                && self.admits_weekday(*day)
        });
        looked_at.max(1)
    }

    /// Whether this day of any period passes every part.
    pub(super) fn admits(&self, day: Day) -> bool {
        if self.weekdays != 0 && !self.has_ordinals && !self.has_weekday(day) {
            return false;
        }
        if self.admits_whole_weeks() {
            return true;
        }
        let (year, month, number) = day.civil();
        self.admits_month(month)
            && (self.month_days.is_empty()
                || self.month_days.holds(number, days_in_month(year, month)))
            && self.admits_year_day(day)
            && self.admits_week(day)
            && self.admits_weekday(day)
    }

    fn admits_month(&self, month: i64) -> bool {
        self.months == 0 || self.months & 1 << month != 0
    }

    fn admits_year_day(&self, day: Day) -> bool {
        if self.year_days.is_empty() {
            return true;
        }
        let year = day.year();
        let number = day.0 - Day::new(year, 1, 1).0 + 1;
        self.year_days.holds(number, days_in_year(year))
    }

    /// Weeks as in ISO 8601, but for the day on which they begin: week 1 is the
    /// first with at least four days in the year.
    fn admits_week(&self, day: Day) -> bool {
        if self.week_nos.is_empty() {
            return true;
        }
        let week = day.week(self.week_start);
        let year = week.plus(3).year();
        let first_of = |year| Day::new(year, 1, 4).week(self.week_start);
        let number = (week.0 - first_of(year).0) / 7 + 1;
        let length = (first_of(year + 1).0 - first_of(year).0) / 7;
        self.week_nos.holds(number, length)
    }

    fn admits_weekday(&self, day: Day) -> bool {
        self.has_no_weekday() || self.has_weekday(day) || self.has_ordinal(day)
    }

    fn has_no_weekday(&self) -> bool {
        self.weekdays == 0 && !self.has_ordinals
    }

    fn has_weekday(&self, day: Day) -> bool {
        self.weekdays & 1 << day.weekday() != 0
    }

    fn has_ordinal(&self, day: Day) -> bool {
        if !self.has_ordinals {
            return false;
        }
        let (year, month, number) = day.civil();
        let (number, length) = if self.ordinals_in_month {
            (number, days_in_month(year, month))
        } else {
            (day.0 - Day::new(year, 1, 1).0 + 1, days_in_year(year))
        };
        let from_start = (number - 1) / 7 + 1;
        let from_end = (length - number) / 7 + 1;
        usize::try_from(day.weekday())
            .ok()
            .and_then(|weekday| self.ordinals.get(weekday))
            .is_some_and(|ordinals| ordinals.has(from_start) || ordinals.has(-from_end))
    }
}

/// A set of numbers from 1 on, or from -1 on where they count from the end, as bits.
#[derive(Clone, Copy, Debug)]
struct Numbers<const WORDS: usize> {
    from_start: [u64; WORDS],
    from_end: [u64; WORDS],
    is_empty: bool,
}

impl<const WORDS: usize> Default for Numbers<WORDS> {
    fn default() -> Self {
        Self {
            from_start: [0; WORDS],
            from_end: [0; WORDS],
            is_empty: true,
        }
    }
}

impl<const WORDS: usize> Numbers<WORDS> {
    /// What is out of reach is never met; the set is not empty all the same.
    fn insert(&mut self, number: i64) {
        self.is_empty = false;
        let words = if number < 0 {
            &mut self.from_end
        } else {
            &mut self.from_start
        };
        let (word, bit) = place(number);
        if let Some(word) = words.get_mut(word) {
            *word |= bit;
        }
    }

    fn is_empty(&self) -> bool {
        self.is_empty
    }

    fn has(&self, number: i64) -> bool {
        let words = if number < 0 {
            &self.from_end
        } else {
            &self.from_start
        };
        let (word, bit) = place(number);
        words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether `number` of `length` is among them.
    fn holds(&self, number: i64, length: i64) -> bool {
        self.has(number) || self.has(number - length - 1)
    }

    fn iter(&self) -> impl Iterator<Item = i64> {
        let end = i64::try_from(WORDS * 64).unwrap_or(i64::MAX);
        (1 - end..end).filter(|number| self.has(*number))
    }
}

impl<const WORDS: usize> FromIterator<i64> for Numbers<WORDS> {
    fn from_iter<I: IntoIterator<Item = i64>>(numbers: I) -> Self {
        let mut set = Self::default();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

/// Word and bit of a number.
fn place(number: i64) -> (usize, u64) {
    let size = number.unsigned_abs();
    (
        usize::try_from(size / 64).unwrap_or(usize::MAX),
        1 << (size % 64),
    )
}

#[cfg(test)]
mod tests {
    use super::Numbers;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_of_bits_holds_what_a_list_holds(
            list in proptest::collection::btree_set(-366_i64..=366, 0..20),
            number in 1_i64..=366,
            length in 365_i64..=366,
        ) {
            let set: Numbers<6> = list.iter().copied().collect();
            let plain = list.contains(&number) || list.contains(&(number - length - 1));
            prop_assert_eq!(set.holds(number, length), plain);
            prop_assert!(set.iter().eq(list.iter().copied()));
            prop_assert_eq!(set.is_empty(), list.is_empty());
        }
    }
}
