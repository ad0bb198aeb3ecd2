//! One recurrence rule (RFC 5545 section 3.3.10), as wall times between two bounds.
//!
//! The rule is walked period by period, and of a period only its days are ever
//! held in memory: the times of a day are the product of BYHOUR, BYMINUTE and
//! BYSECOND, read by index. Without COUNT the walk begins at the bound; with COUNT
//! periods are only counted up to it, at once where all have the same size.
//!
//! Zones, EXDATE and whether DTSTART counts are left to `set` and `local`.

use std::ops::ControlFlow;

use crate::ics::series::{Freq, Rule};

use super::caps::{Allowance, Spent};
use super::civil::{Day, Wall};
use super::days::{DayFilter, Period};
use super::times::{Times, next_begin, pick};

/// A rule tied to the start that it counts from.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    freq: Freq,
    interval: i64,
    count: Option<u64>,
    /// Inclusive.
    until: Wall,
    start: Wall,
    days: DayFilter,
    set_pos: Vec<i64>,
    times: Times,
}

/// What a walk calls for each wall time, in order.
type Visit<'a> = dyn FnMut(Wall) -> ControlFlow<Spent> + 'a;

impl Pattern {
    /// `until` is inclusive, and in the wall time of the start.
    pub(super) fn new(rule: &Rule, start: Wall, all_day: bool, until: Wall) -> Self {
        Self {
            freq: rule.freq,
            interval: i64::from(rule.interval.max(1)),
            count: rule.count.map(u64::from),
            until,
            start,
            days: DayFilter::new(rule, start.day()),
            set_pos: rule.by_set_pos.iter().copied().map(i64::from).collect(),
            times: Times::new(rule, start.second_of_day(), all_day),
        }
    }

    /// The seconds between the periods of a rule shorter than a day that can go
    /// through a clock change in real time, so that no hour of the night is lost:
    /// a change by a multiple of it leaves such a rule in phase.
    ///
    /// Every hour, or every twenty minutes, does. Every five hours does not, and
    /// follows the clock on the wall as every engine does; so does a rule that names
    /// its hours, and one whose COUNT has to be counted out on the wall.
    pub(super) fn phase(&self) -> Option<i64> {
        let Times::OfPeriod {
            unit,
            hours: u64::MAX,
            is_plain,
            all_day: false,
            ..
        } = self.times
        else {
            return None;
        };
        let step = self.interval.saturating_mul(unit);
        (3_600 % step == 0 && (self.count.is_none() || is_plain)).then_some(step)
    }

    pub(super) fn count(&self) -> Option<u64> {
        self.count
    }

    /// Gives COUNT one less: DTSTART is off the rule and counts as the first instance.
    pub(super) fn count_start(&mut self) {
        self.count = self.count.map(|count| count.saturating_sub(1));
    }

    /// Whether DTSTART is what the rule generates first, whatever COUNT says.
    pub(super) fn is_on_rule(&self) -> bool {
        let day = self.start.day();
        match &self.times {
            Times::OfDay { .. } if !self.set_pos.is_empty() || self.days.moves() => {
                let mut found = false;
                let mut allowance = Allowance::of_steps(100_000);
                let _ = Self {
                    count: None,
                    ..self.clone()
                }
                .between(
                    self.start,
                    self.start.plus(1),
                    &mut allowance,
                    &mut |_| {
                        found = true;
                        ControlFlow::Continue(())
                    },
                );
                found
            }
            Times::OfDay {
                hours,
                minutes,
                seconds,
            } => {
                let second = self.start.second_of_day();
                hours.contains(&(second / 3_600 * 3_600))
                    && minutes.contains(&(second / 60 % 60 * 60))
                    && seconds.contains(&(second % 60))
                    && self.days.admits(day)
            }
            Times::OfPeriod {
                unit,
                within,
                hours,
                minutes,
                seconds,
                ..
            } => {
                let second = self.start.second_of_day();
                within.contains(&(second % unit))
                    && hours & 1 << (second / 3_600) != 0
                    && minutes & 1 << (second / 60 % 60) != 0
                    && seconds & 1 << (second % 60) != 0
                    && self.days.admits(day)
            }
        }
    }

    /// Visits what the rule generates in `[from, to)`, in order; with SKIP=FORWARD a
    /// wall time can come twice.
    ///
    /// # Errors
    /// When the allowance, or the visitor's, is spent.
    pub(super) fn between(
        &self,
        from: Wall,
        to: Wall,
        allowance: &mut Allowance,
        visit: &mut Visit<'_>,
    ) -> Result<(), Spent> {
        let from = from.max(self.start);
        let to = to.min(self.until.plus(1)).min(Wall::MAX.plus(1));
        if from >= to || self.count == Some(0) {
            return Ok(());
        }
        match &self.times {
            Times::OfDay { .. } => self.walk_days(from, to, allowance, visit),
            Times::OfPeriod { .. } => self.walk_periods(from, to, allowance, visit),
        }
    }

    /// DAILY and longer.
    fn walk_days(
        &self,
        from: Wall,
        to: Wall,
        allowance: &mut Allowance,
        visit: &mut Visit<'_>,
    ) -> Result<(), Spent> {
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut number = 0;
        let mut days = Vec::new();
        let mut picks = Vec::new();
        // With SKIP=FORWARD the period before may reach into the one of `from`.
        let skipped = self.periods_before(from.day()).saturating_sub(1);
        if self.count.is_none() {
            number = skipped;
        }
        while let Some(period) = self
            .period(number)
            .filter(|period| period.first().midnight() < to)
        {
            let looked_at = self.days.fill(period, &mut days);
            allowance.steps(1 + looked_at / 16)?;
            let set = self.set(&days, &mut picks);
            let first = set.position(if number == 0 { self.start } else { Wall::MIN });
            let near = set.position(from);
            let before = (near.saturating_sub(first)) as u64;
            if self.count.is_some() {
                if left <= before {
                    return Ok(());
                }
                left -= before;
            }
            for wall in (near..set.len()).map_while(|position| set.get(position)) {
                if wall >= to {
                    return Ok(());
                }
                allowance.steps(1)?;
                if let ControlFlow::Break(spent) = visit(wall) {
                    return Err(spent);
                }
                if self.count.is_some() {
                    left -= 1;
                    if left == 0 {
                        return Ok(());
                    }
                }
            }
            let size = (set.len() - first) as u64;
            number += 1;
            // Where every period is alike, those before the bound need not be walked.
            if number == 2 && self.count.is_some() && skipped > number && self.is_regular() {
                let periods = u64::try_from(skipped - number).unwrap_or(0);
                let instances = periods.saturating_mul(size);
                if left <= instances {
                    return Ok(());
                }
                left -= instances;
                number = skipped;
            }
        }
        Ok(())
    }

    /// Whether every period but the first has equally many instances.
    fn is_regular(&self) -> bool {
        match self.freq {
            Freq::Daily => self.days.admits_all(),
            Freq::Weekly => self.days.admits_whole_weeks(),
            _ => false,
        }
    }

    /// How many whole steps of INTERVAL lie before the period that holds `day`.
    fn periods_before(&self, day: Day) -> i64 {
        let start = self.start.day();
        let (year, month, _) = day.civil();
        let (start_year, start_month, _) = start.civil();
        let periods = match self.freq {
            Freq::Weekly => (day.week(self.week_start()).0 - start.week(self.week_start()).0) / 7,
            Freq::Monthly => (year - start_year) * 12 + month - start_month,
            Freq::Yearly => year - start_year,
            _ => day.0 - start.0,
        };
        periods.max(0) / self.interval
    }

    /// `None` after the year 9999.
    fn period(&self, number: i64) -> Option<Period> {
        let start = self.start.day();
        let (year, month, _) = start.civil();
        let offset = number.checked_mul(self.interval)?;
        let period = match self.freq {
            Freq::Weekly => {
                Period::Week(start.week(self.week_start()).plus(offset.checked_mul(7)?))
            }
            Freq::Monthly => {
                let months = (year * 12 + month - 1).checked_add(offset)?;
                Period::Month {
                    year: months.div_euclid(12),
                    month: months.rem_euclid(12) + 1,
                }
            }
            Freq::Yearly => Period::Year(year.checked_add(offset)?),
            _ => Period::Day(start.plus(offset)),
        };
        let in_range = match period {
            Period::Month { year, .. } | Period::Year(year) => year <= 9_999,
            Period::Day(day) | Period::Week(day) => day <= Day::MAX,
        };
        in_range.then_some(period)
    }

    fn week_start(&self) -> i64 {
        self.days.week_start()
    }

    fn set<'a>(&'a self, days: &'a [Day], picks: &'a mut Vec<usize>) -> DaySet<'a> {
        let mut set = DaySet {
            days,
            times: &self.times,
            picks: None,
        };
        if !self.set_pos.is_empty() {
            pick(&self.set_pos, set.len(), picks);
            set.picks = Some(picks);
        }
        set
    }

    /// HOURLY and shorter.
    fn walk_periods(
        &self,
        from: Wall,
        to: Wall,
        allowance: &mut Allowance,
        visit: &mut Visit<'_>,
    ) -> Result<(), Spent> {
        let Times::OfPeriod {
            unit,
            within,
            hours,
            minutes,
            seconds,
            is_plain,
            all_day,
        } = &self.times
        else {
            return Ok(());
        };
        let first = self.start.0.div_euclid(*unit) * unit;
        let step = self.interval.saturating_mul(*unit);
        let last_within = within.last().copied().unwrap_or(0);
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut number = 0;
        if self.count.is_none() || *is_plain {
            // The first period that is not over before the bound.
            number = div_ceil(from.0 - last_within - first, step).max(0);
            if self.count.is_some() {
                left = left.saturating_sub(u64::try_from(number).unwrap_or(u64::MAX));
            }
        }
        let mut admitted = None;
        while left > 0 {
            let Some(begin) = number
                .checked_mul(step)
                .and_then(|offset| first.checked_add(offset))
                .filter(|begin| *begin < to.0)
            else {
                return Ok(());
            };
            allowance.steps(1)?;
            let wall = Wall(begin);
            let day = wall.day();
            let second = wall.second_of_day();
            if admitted != Some(day) {
                if !self.days.admits(day) {
                    number = (number + 1).max(div_ceil(day.plus(1).midnight().0 - first, step));
                    continue;
                }
                admitted = Some(day);
            }
            if let Some(next) = next_begin(second, *hours, *minutes, *seconds) {
                number = (number + 1).max(div_ceil(day.midnight().0 + next - first, step));
                continue;
            }
            for wall in within.iter().map(|offset| wall.plus(*offset)) {
                if wall < self.start {
                    continue;
                }
                if wall >= to {
                    return Ok(());
                }
                if wall >= from {
                    allowance.steps(1)?;
                    if let ControlFlow::Break(spent) = visit(wall) {
                        return Err(spent);
                    }
                }
                left -= 1;
                if left == 0 {
                    return Ok(());
                }
            }
            number += 1;
            if *all_day {
                number = number.max(div_ceil(day.plus(1).midnight().0 - first, step));
            }
        }
        Ok(())
    }
}

/// What a period of days generates: every time on every day, then BYSETPOS.
struct DaySet<'a> {
    days: &'a [Day],
    times: &'a Times,
    picks: Option<&'a [usize]>,
}

impl DaySet<'_> {
    fn len(&self) -> usize {
        self.picks
            .map_or(self.days.len() * self.times.len(), <[usize]>::len)
    }

    fn get(&self, position: usize) -> Option<Wall> {
        let index = match self.picks {
            Some(picks) => *picks.get(position)?,
            None => position,
        };
        let times = self.times.len().max(1);
        let day = self.days.get(index / times)?;
        Some(day.midnight().plus(self.times.get(index % times)?))
    }

    /// The position of the first that is not before `wall`.
    fn position(&self, wall: Wall) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(|found| found < wall) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

fn div_ceil(value: i64, by: i64) -> i64 {
    -(-value).div_euclid(by)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod oracle;
