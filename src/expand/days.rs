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
    week_nos: Vec<i64>,
    year_days: Vec<i64>,
    month_days: Vec<i64>,
    /// Bit for each plain weekday, Monday first.
    weekdays: u8,
    ordinals: Vec<(i64, i64)>,
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
            ordinals: Vec::new(),
            ordinals_in_month: rule.freq == Freq::Monthly || !rule.by_month.is_empty(),
            week_start: i64::from(rule.week_start.to_monday_zero_offset()),
            skip: rule.skip,
        };
        // Outlook writes ordinals in weekly rules; there they have no meaning.
        let may_count = rule.freq >= Freq::Monthly;
        for WeekdayNum { ordinal, weekday } in &rule.by_day {
            let weekday = i64::from(weekday.to_monday_zero_offset());
            if *ordinal == 0 || !may_count {
                filter.weekdays |= 1 << weekday;
            } else {
                filter.ordinals.push((i64::from(*ordinal), weekday));
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
                filter.month_days.push(start_day);
            }
            Freq::Monthly if no_day && filter.week_nos.is_empty() => {
                filter.month_days.push(start_day);
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
            && self.ordinals.is_empty()
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
                    .filter_map(|number| self.resolve(*number, length))
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
                .filter_map(|number| self.resolve(*number, length))
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
        if self.weekdays != 0 && self.ordinals.is_empty() && !self.has_weekday(day) {
            return false;
        }
        if self.admits_whole_weeks() {
            return true;
        }
        let (year, month, number) = day.civil();
        self.admits_month(month)
            && (self.month_days.is_empty()
                || holds(&self.month_days, number, days_in_month(year, month)))
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
        holds(&self.year_days, number, days_in_year(year))
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
        holds(&self.week_nos, number, length)
    }

    fn admits_weekday(&self, day: Day) -> bool {
        self.has_no_weekday() || self.has_weekday(day) || self.has_ordinal(day)
    }

    fn has_no_weekday(&self) -> bool {
        self.weekdays == 0 && self.ordinals.is_empty()
    }

    fn has_weekday(&self, day: Day) -> bool {
        self.weekdays & 1 << day.weekday() != 0
    }

    fn has_ordinal(&self, day: Day) -> bool {
        if self.ordinals.is_empty() {
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
        let weekday = day.weekday();
        self.ordinals.iter().any(|(ordinal, wanted)| {
            *wanted == weekday && (*ordinal == from_start || *ordinal == -from_end)
        })
    }
}

/// Whether `number` of `length` is among those, which may count from the end.
fn holds(numbers: &[i64], number: i64, length: i64) -> bool {
    numbers
        .iter()
        .any(|wanted| *wanted == number || *wanted == number - length - 1)
}
