//! Six-field cron lines, `second minute hour day month weekday`, in a time zone.
//!
//! The `cron` crate reads the fields and finds the next match on a calendar
//! without zones. It counts weekdays from 1 = Sunday where crontab has 0 or 7, so
//! that field is rewritten first; and its own zone handling skips a job in the
//! spring gap, runs it twice in the autumn fold and is not monotonic there, so
//! the step to an instant is taken here.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, TimeZone, Timelike, Utc};
use cron::TimeUnitSpec as _;
use jiff::civil;

use super::time::UnixTime;
use super::zone::Zone;

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Since then all clocks of the world are whole quarters of an hour apart: 2000-01-01T00:00:00Z.
const QUARTERS: UnixTime = UnixTime::from_seconds(946_684_800);

/// A cron line.
#[derive(Clone)]
pub struct Cron {
    text: String,
    schedule: cron::Schedule,
    every_hour: bool,
    /// The same in every hour, where the line says so.
    hourly: Option<Hourly>,
}

/// The minutes of an hour and the seconds of a minute that match, as bits.
#[derive(Clone, Copy)]
struct Hourly {
    minutes: u64,
    seconds: u64,
}

/// The same text comes at the same times.
impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl Cron {
    /// Reads a line such as `0 */5 * * * *` (every five minutes) or
    /// `0 0 8 * * mon-fri`. Weekdays are names or 0 to 7, 0 and 7 both Sunday.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [second, minute, hour, day, month, weekday] = fields.as_slice() else {
            let found = match fields.len() {
                1 => "one field".to_owned(),
                count => format!("{count} fields"),
            };
            return Err(format!(
                "has {found}; write six (second minute hour day month weekday), such as \"0 */5 * * * *\""
            ));
        };
        let weekday = weekdays(weekday)?;
        let line = format!("{second} {minute} {hour} {day} {month} {weekday}");
        let schedule = cron::Schedule::from_str(&line)
            .map_err(|_| wrong_field(&[second, minute, hour, day, month]))?;
        let every_hour = schedule.hours().count() == 24;
        let cron = Self {
            text: text.to_owned(),
            hourly: Hourly::of(&schedule),
            schedule,
            every_hour,
        };
        if cron
            .next_local(civil::date(2024, 1, 1).at(0, 0, 0, 0))
            .is_none()
        {
            return Err("never comes; is the day in the month?".to_owned());
        }
        Ok(cron)
    }

    /// The first match after `after`; `None` when there is none before the year 2100.
    ///
    /// A line that names hours comes once on every day: a time that clocks skip
    /// comes as long after the gap as it lies in it, a time that occurs twice is the
    /// first. A line for every hour goes on in real time through both.
    #[must_use]
    pub fn next(&self, after: UnixTime, zone: &Zone) -> Option<UnixTime> {
        if let Some(hourly) = self.hourly
            && let Some(at) = hourly.next(after, zone)
        {
            return Some(at);
        }
        if self.every_hour {
            self.next_in_real_time(after, zone)
        } else {
            self.next_by_the_clock(after, zone)
        }
    }

    fn next_by_the_clock(&self, after: UnixTime, zone: &Zone) -> Option<UnixTime> {
        let mut local = zone.local(after);
        // In the second half of a fold, or after a gap, a match may map to an
        // instant that has been; each step moves on, and a few are always enough.
        for _ in 0..10_000 {
            local = self.next_local(local)?;
            let at = zone.instant(local);
            if at > after {
                return Some(at);
            }
        }
        None
    }

    fn next_in_real_time(&self, after: UnixTime, zone: &Zone) -> Option<UnixTime> {
        let mut from = after;
        for _ in 0..10_000 {
            let local = zone.local(from);
            let offset = zone.time_zone().to_offset(from.timestamp());
            let matched = self.next_local(local)?;
            let at = UnixTime::from_seconds(offset.to_timestamp(matched).ok()?.as_second());
            let change = zone.time_zone().following(from.timestamp()).next();
            match change
                .map(|transition| UnixTime::from_seconds(transition.timestamp().as_second()))
            {
                // The second before the change looks on from it with the new offset.
                Some(change) if at >= change && change > from => {
                    let before = UnixTime::from_seconds(change.seconds() - 1);
                    if before > from {
                        from = before;
                        continue;
                    }
                    let new_offset = zone.time_zone().to_offset(change.timestamp());
                    let local = new_offset.to_datetime(before.timestamp());
                    let matched = self.next_local(local)?;
                    return Some(UnixTime::from_seconds(
                        new_offset.to_timestamp(matched).ok()?.as_second(),
                    ));
                }
                _ => return Some(at),
            }
        }
        None
    }

    fn next_local(&self, after: civil::DateTime) -> Option<civil::DateTime> {
        let next: DateTime<Utc> = self.schedule.after(&labelled_utc(after)?).next()?;
        let date = civil::Date::new(
            i16::try_from(next.year()).ok()?,
            i8::try_from(next.month()).ok()?,
            i8::try_from(next.day()).ok()?,
        )
        .ok()?;
        let time = civil::Time::new(
            i8::try_from(next.hour()).ok()?,
            i8::try_from(next.minute()).ok()?,
            i8::try_from(next.second()).ok()?,
            0,
        )
        .ok()?;
        Some(date.to_datetime(time))
    }
}

impl Hourly {
    fn of(schedule: &cron::Schedule) -> Option<Self> {
        let is_every_day = schedule.days_of_month().count() == 31
            && schedule.months().count() == 12
            && schedule.days_of_week().count() == 7
            && schedule.hours().count() == 24;
        let bits = |numbers: &mut dyn Iterator<Item = u32>| {
            numbers.fold(0_u64, |bits, number| bits | 1 << (number % 64))
        };
        is_every_day.then(|| Self {
            minutes: bits(&mut schedule.minutes().iter()),
            seconds: bits(&mut schedule.seconds().iter()),
        })
    }

    /// The next match, which comes within the hour; `None` where clocks change before it.
    fn next(self, after: UnixTime, zone: &Zone) -> Option<UnixTime> {
        if self.is_alike_in_every_zone() && after >= QUARTERS {
            return self.within_the_hour(after, 0);
        }
        let offset = zone.time_zone().to_offset(after.timestamp());
        let at = self.within_the_hour(after, offset.seconds())?;
        (zone.time_zone().to_offset(at.timestamp()) == offset).then_some(at)
    }

    /// Whether the line says the same in each quarter of an hour: then it comes at the same
    /// times in every zone, and no change of clocks matters.
    fn is_alike_in_every_zone(self) -> bool {
        const HOUR: u64 = (1 << 60) - 1;
        let turned = (self.minutes << 15 | self.minutes >> 45) & HOUR;
        turned == self.minutes & HOUR
    }

    fn within_the_hour(self, after: UnixTime, offset: i32) -> Option<UnixTime> {
        let local = after.seconds() + i64::from(offset);
        let (minute, second) = (local.rem_euclid(3600) / 60, local.rem_euclid(60));
        let later_seconds = self.seconds >> (second + 1);
        let seconds = if later_seconds != 0 && self.minutes >> minute & 1 == 1 {
            1 + i64::from(later_seconds.trailing_zeros())
        } else {
            let first = i64::from(self.seconds.trailing_zeros());
            let later_minutes = self.minutes.checked_shr(u32::try_from(minute + 1).ok()?)?;
            let minutes = match later_minutes {
                0 => 60 - minute + i64::from(self.minutes.trailing_zeros()),
                later => 1 + i64::from(later.trailing_zeros()),
            };
            minutes * 60 - second + first
        };
        Some(UnixTime::from_seconds(after.seconds() + seconds))
    }
}

/// A wall-clock time in the only zone that has neither gaps nor folds.
fn labelled_utc(local: civil::DateTime) -> Option<DateTime<Utc>> {
    Utc.with_ymd_and_hms(
        i32::from(local.year()),
        u32::try_from(local.month()).ok()?,
        u32::try_from(local.day()).ok()?,
        u32::try_from(local.hour()).ok()?,
        u32::try_from(local.minute()).ok()?,
        u32::try_from(local.second()).ok()?,
    )
    .single()
}

/// The first of these fields that cannot be read, and what would be right.
fn wrong_field(fields: &[&str; 5]) -> String {
    const NAMES: [(&str, &str); 5] = [
        ("second", "0 to 59"),
        ("minute", "0 to 59"),
        ("hour", "0 to 23"),
        ("day of the month", "1 to 31"),
        ("month", "1 to 12, or names (jan)"),
    ];
    for (place, (field, (name, bounds))) in fields.iter().zip(NAMES).enumerate() {
        // Alone, beside fields that are right.
        let mut alone = ["*"; 6];
        if let Some(own) = alone.get_mut(place) {
            *own = field;
        }
        if cron::Schedule::from_str(&alone.join(" ")).is_err() {
            return format!(
                "has the {name} {field:?}; write {bounds}, \"*\" for each, or steps such as \"*/5\""
            );
        }
    }
    "is not a cron expression; write six fields such as \"0 */5 * * * *\"".to_owned()
}

/// The weekday field of crontab in the words of the `cron` crate.
fn weekdays(field: &str) -> Result<String, String> {
    if matches!(field, "*" | "?") {
        return Ok("*".to_owned());
    }
    let mut days = [false; 7];
    for part in field.split(',') {
        let (range, step) = part
            .split_once('/')
            .map_or((part, Some(1)), |(range, step)| (range, step.parse().ok()));
        let bounds = match range.split_once('-') {
            _ if range == "*" => Some((0, 6)),
            Some((first, last)) => weekday(first).zip(weekday(last)),
            None if part.contains('/') => weekday(range).map(|first| (first, 6)),
            None => weekday(range).map(|day| (day, day)),
        };
        let (Some((first, mut last)), Some(step @ 1..=7)) = (bounds, step) else {
            return Err(format!(
                "has the weekday {part:?}; write names (mon) or 0 to 7, such as \"mon-fri\" or \"1-5\""
            ));
        };
        if last < first {
            last += 7;
        }
        for day in (first..=last).step_by(step) {
            if let Some(day) = days.get_mut(day % 7) {
                *day = true;
            }
        }
    }
    let names: Vec<&str> = WEEKDAYS
        .iter()
        .zip(days)
        .filter(|(_, on)| *on)
        .map(|(name, _)| *name)
        .collect();
    Ok(names.join(","))
}

fn weekday(text: &str) -> Option<usize> {
    if let Ok(number) = text.parse::<usize>() {
        return (number <= 7).then_some(number);
    }
    let text = text.to_ascii_lowercase();
    let full = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    WEEKDAYS
        .iter()
        .position(|day| *day == text)
        .or_else(|| full.iter().position(|day| *day == text))
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, zone: &str, after: &str, expected: &[&str]) {
        let cron = Cron::parse(line).unwrap();
        let zone = Zone::named(zone).unwrap();
        let mut at = UnixTime::parse(after).unwrap();
        for expected in expected {
            at = cron.next(at, &zone).unwrap();
            assert_eq!(at.to_string(), *expected, "{line}");
        }
    }

    #[test]
    fn the_next_time_is_after_now() {
        check(
            "0 */5 * * * *",
            "UTC",
            "2026-01-01T00:00:00Z",
            &["2026-01-01T00:05:00Z", "2026-01-01T00:10:00Z"],
        );
        check(
            "*/30 * * * * *",
            "UTC",
            "2026-01-01T00:00:31Z",
            &["2026-01-01T00:01:00Z", "2026-01-01T00:01:30Z"],
        );
        check(
            "0 0 8 * * *",
            "America/Denver",
            "2026-01-01T15:00:00Z",
            &["2026-01-02T15:00:00Z"],
        );
    }

    #[test]
    fn weekdays_are_those_of_crontab() {
        // 2026-01-04 is a Sunday.
        for sunday in ["0", "7", "sun", "SUNDAY"] {
            check(
                &format!("0 0 9 * * {sunday}"),
                "UTC",
                "2026-01-01T00:00:00Z",
                &["2026-01-04T09:00:00Z"],
            );
        }
        for workdays in ["1-5", "mon-fri", "1,2,3,4,5"] {
            check(
                &format!("0 0 9 * * {workdays}"),
                "UTC",
                "2026-01-02T10:00:00Z",
                &["2026-01-05T09:00:00Z", "2026-01-06T09:00:00Z"],
            );
        }
        check(
            "0 0 9 * * fri-mon",
            "UTC",
            "2026-01-02T10:00:00Z",
            &["2026-01-03T09:00:00Z", "2026-01-04T09:00:00Z"],
        );
        check(
            "0 0 9 * * 5-7",
            "UTC",
            "2026-01-02T10:00:00Z",
            &["2026-01-03T09:00:00Z", "2026-01-04T09:00:00Z"],
        );
    }

    #[test]
    fn a_daily_job_comes_once_on_the_day_of_a_clock_change() {
        check(
            "0 30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"],
        );
        check(
            "0 30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        );
    }

    #[test]
    fn a_job_of_every_hour_goes_on_through_a_clock_change() {
        check(
            "0 */30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:59:00Z",
            &[
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ],
        );
        check(
            "0 */30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:15:00Z",
            &[
                "2026-03-29T00:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-29T01:30:00Z",
            ],
        );
        // Lord Howe changes by half an hour.
        check(
            "0 */20 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:45:00Z",
            &[
                "2026-04-04T15:10:00Z",
                "2026-04-04T15:30:00Z",
                "2026-04-04T15:50:00Z",
            ],
        );
    }

    #[test]
    fn what_is_the_same_in_every_hour_is_found_without_a_search() {
        let start = UnixTime::parse("2026-03-29T00:10:07Z").unwrap();
        for line in [
            "*/30 * * * * *",
            "0 */5 * * * *",
            "7,59 59 * * * *",
            "0 0 * * * *",
        ] {
            let cron = Cron::parse(line).unwrap();
            assert!(cron.hourly.is_some());
            for zone in [
                "UTC",
                "Europe/Berlin",
                "Asia/Kathmandu",
                "Australia/Lord_Howe",
            ] {
                let zone = Zone::named(zone).unwrap();
                for step in 0..2_000 {
                    let at = UnixTime::from_seconds(start.seconds() + step * 31);
                    let searched = cron.next_in_real_time(at, &zone);
                    assert_eq!(cron.next(at, &zone), searched, "{line} {zone} {at}");
                }
            }
        }
        assert!(Cron::parse("0 0 8 * * *").unwrap().hourly.is_none());
    }

    #[test]
    fn what_is_no_cron_line_is_explained() {
        for (line, says) in [
            ("*/5 * * * *", "has 5 fields"),
            ("", "has 0 fields"),
            ("0 0 0 30 2 *", "never comes"),
            ("0 99 * * * *", "has the minute \"99\"; write 0 to 59"),
            ("0 0 25 * * *", "has the hour \"25\"; write 0 to 23"),
            ("0 0 9 0 * *", "day of the month"),
            ("0 0 9 * jam *", "the month \"jam\""),
            ("x 0 9 * * *", "the second"),
            ("0 0 9 * * 8", "0 to 7"),
            ("0 0 9 * * someday", "0 to 7"),
            ("0 0 9 * * mon/0", "0 to 7"),
        ] {
            let error = Cron::parse(line).unwrap_err();
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
