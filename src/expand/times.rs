//! Which times a rule names: the other half of RFC 5545 section 3.3.10.
//!
//! From DAILY up, a day has the product of BYHOUR, BYMINUTE and BYSECOND, which is
//! read by index and never built. Below, FREQ steps through periods within the day:
//! the parts longer than the period limit it, the shorter ones expand it.

use crate::ics::series::{Freq, Rule};

/// The times of a day, or of a period shorter than a day.
#[derive(Clone, Debug)]
pub(super) enum Times {
    /// DAILY and longer: each is one of hours, plus one of minutes, plus one of
    /// seconds, all in seconds and in order.
    OfDay {
        hours: Vec<i64>,
        minutes: Vec<i64>,
        seconds: Vec<i64>,
    },
    /// HOURLY and shorter.
    OfPeriod {
        /// Length of the period in seconds.
        unit: i64,
        /// From the start of a period, after BYSETPOS.
        within: Vec<i64>,
        /// A bit for each hour, minute and second at which a period may begin.
        hours: u64,
        minutes: u64,
        seconds: u64,
        /// Nothing but FREQ and INTERVAL is said.
        is_plain: bool,
        /// One instance a day is enough.
        all_day: bool,
    },
}

impl Times {
    /// `second` is that of the day of DTSTART.
    pub(super) fn new(rule: &Rule, second: i64, all_day: bool) -> Self {
        // On dates these parts mean nothing (section 3.3.10).
        let list = |part: &[u8], most: i64, implied: i64, unit: i64| -> Vec<i64> {
            let mut list: Vec<i64> = part
                .iter()
                // A leap second is the second before it (section 3.3.12).
                .map(|value| i64::from(*value).min(most) * unit)
                .collect();
            if list.is_empty() || all_day {
                list = vec![implied * unit];
            }
            list.sort_unstable();
            list.dedup();
            list
        };
        let hours = list(&rule.by_hour, 23, second / 3_600, 3_600);
        let minutes = list(&rule.by_minute, 59, second / 60 % 60, 60);
        let seconds = list(&rule.by_second, 59, second % 60, 1);
        let unit = match rule.freq {
            Freq::Hourly => 3_600,
            Freq::Minutely => 60,
            Freq::Secondly => 1,
            _ => {
                return Self::OfDay {
                    hours,
                    minutes,
                    seconds,
                };
            }
        };
        let zero = [0];
        let minutes_within: &[i64] = if unit == 3_600 { &minutes } else { &zero };
        let seconds_within: &[i64] = if unit > 1 { &seconds } else { &zero };
        let mut within: Vec<i64> = minutes_within
            .iter()
            .flat_map(|minute| seconds_within.iter().map(move |second| minute + second))
            .collect();
        if !rule.by_set_pos.is_empty() {
            let positions: Vec<i64> = rule.by_set_pos.iter().copied().map(i64::from).collect();
            let mut picks = Vec::new();
            pick(&positions, within.len(), &mut picks);
            within = picks
                .iter()
                .filter_map(|position| within.get(*position).copied())
                .collect();
        }
        // Each part limits those periods that are not longer than its own unit.
        let bits = |part: &[u8], most: u8, limits: bool| {
            if part.is_empty() || all_day || !limits {
                u64::MAX
            } else {
                part.iter()
                    .fold(0_u64, |bits, value| bits | 1 << (*value).min(most))
            }
        };
        let is_plain = !rule.has_limits() && rule.by_set_pos.is_empty() && !all_day;
        Self::OfPeriod {
            unit,
            within,
            hours: bits(&rule.by_hour, 23, true),
            minutes: bits(&rule.by_minute, 59, unit <= 60),
            seconds: bits(&rule.by_second, 59, unit == 1),
            is_plain,
            all_day,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::OfDay {
                hours,
                minutes,
                seconds,
            } => hours.len() * minutes.len() * seconds.len(),
            Self::OfPeriod { .. } => 0,
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<i64> {
        let Self::OfDay {
            hours,
            minutes,
            seconds,
        } = self
        else {
            return None;
        };
        let hour = hours.get(index / seconds.len() / minutes.len())?;
        let minute = minutes.get(index / seconds.len() % minutes.len())?;
        let second = seconds.get(index % seconds.len())?;
        Some(hour + minute + second)
    }
}

/// The indexes that BYSETPOS names in a set of that size, in order.
pub(super) fn pick(positions: &[i64], size: usize, picks: &mut Vec<usize>) {
    picks.clear();
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    picks.extend(
        positions
            .iter()
            .map(|position| {
                if *position > 0 {
                    position - 1
                } else {
                    size + position
                }
            })
            .filter(|index| (0..size).contains(index))
            .filter_map(|index| usize::try_from(index).ok()),
    );
    picks.sort_unstable();
    picks.dedup();
}

/// Where in the day the next period may begin, if `second` is not such a place.
pub(super) fn next_begin(second: i64, hours: u64, minutes: u64, seconds: u64) -> Option<i64> {
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    if hours & 1 << hour == 0 {
        return Some(next_bit(hours, hour, 24).unwrap_or(24) * 3_600);
    }
    if minutes & 1 << minute == 0 {
        let next = next_bit(minutes, minute, 60).unwrap_or(60);
        return Some(hour * 3_600 + next * 60);
    }
    if seconds & 1 << (second % 60) == 0 {
        let next = next_bit(seconds, second % 60, 60).unwrap_or(60);
        return Some(second / 60 * 60 + next);
    }
    None
}

/// The lowest bit set above `bit` and below `end`.
fn next_bit(bits: u64, bit: i64, end: i64) -> Option<i64> {
    (bit + 1..end).find(|next| bits & 1 << next != 0)
}
