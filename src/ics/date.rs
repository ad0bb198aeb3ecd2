//! Dates, times, durations and offsets as text (RFC 5545 section 3.3), in the forms
//! that are met in practice; not yet tied to a zone.

use jiff::civil::{Date, DateTime, Time};

use super::series::{Nominal, Until};
use crate::model::time::UnixTime;
use crate::model::zone::Zone;

/// A date or local time as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Written {
    Date(Date),
    Time { local: DateTime, suffix: Suffix },
}

/// What stands behind a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Suffix {
    None,
    /// `Z`.
    Utc,
    /// `+0100`, which RFC 5545 forbids and some programs write. Seconds east of UTC.
    Offset(i32),
}

/// Days and seconds beyond these say nothing about a calendar any more; they keep
/// sums far from overflow.
const MAX_DAYS: i64 = 4_000_000;
const MAX_SECONDS: i64 = MAX_DAYS * 86_400;

/// `20260105`, `20260105T090000`, `20260105T090000Z`; the same with dashes and
/// colons, without seconds, with fractions, with an offset; in any letter case.
///
/// 24:00:00 is midnight of the next day, a leap second is the one before it
/// (section 3.3.12).
#[must_use]
pub fn written(text: &str) -> Option<Written> {
    // A program quoted the value, or its quotes closed too late.
    let text = text.trim().trim_matches('"').trim();
    let mut scan = Scan(text.as_bytes());
    let year = scan.number(4)?;
    let dashes = scan.take(b'-');
    let month = scan.number(2)?;
    if dashes {
        scan.take(b'-');
    }
    let day = scan.number(2)?;
    let date = Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()?;
    if scan.0.is_empty() {
        return Some(Written::Date(date));
    }
    if !(scan.take(b'T') || scan.take(b't') || scan.take(b' ')) {
        return None;
    }
    // `2026-06-12T::`: a template that had no time to fill in.
    if scan.0.iter().all(|byte| matches!(byte, b':' | b' ')) {
        return Some(Written::Date(date));
    }
    let hour = scan.number(2)?;
    let colons = scan.take(b':');
    let minute = scan.number(2)?;
    if colons {
        scan.take(b':');
    }
    let second = scan.number(2).unwrap_or(0);
    if scan.take(b'.') || scan.take(b',') {
        while scan.number(1).is_some() {}
    }
    let suffix = match scan.0.trim_ascii() {
        [] => Suffix::None,
        [b'Z' | b'z'] => Suffix::Utc,
        rest => Suffix::Offset(offset(str::from_utf8(rest).ok()?)?),
    };
    let (date, hour) = match (hour, minute, second) {
        (24, 0, 0) => (date.tomorrow().ok()?, 0),
        _ => (date, hour),
    };
    let second = if second == 60 { 59 } else { second };
    let time = Time::new(
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        0,
    );
    let local = date.to_datetime(time.ok()?);
    Some(Written::Time { local, suffix })
}

/// Whether the first entry of a list is a date or a time.
#[must_use]
pub fn begins_with_date(list: &str) -> bool {
    let first = list.split([',', '/']).next().unwrap_or(list);
    written(first).is_some()
}

/// `PT1H30M`, `P1W`, `-P1DT12H`, also with weeks beside days and in lower case.
#[must_use]
pub fn duration(text: &str) -> Option<Nominal> {
    let mut scan = Scan(text.trim().as_bytes());
    let sign = if scan.take(b'-') {
        -1
    } else {
        scan.take(b'+');
        1
    };
    if !(scan.take(b'P') || scan.take(b'p')) {
        return None;
    }
    let mut length = Nominal::default();
    let mut in_time = false;
    let mut said = false;
    while !scan.0.is_empty() {
        if scan.take(b'T') || scan.take(b't') {
            in_time = true;
            continue;
        }
        let number = scan.long_number()?;
        let unit = scan.next()?.to_ascii_uppercase();
        let (days, seconds) = match (in_time, unit) {
            (false, b'W') => (number.saturating_mul(7), 0),
            (_, b'D') => (number, 0),
            (true, b'H') => (0, number.saturating_mul(3_600)),
            (true, b'M') => (0, number.saturating_mul(60)),
            (true, b'S') => (0, number),
            _ => return None,
        };
        length.days = length.days.saturating_add(days).min(MAX_DAYS);
        length.seconds = length.seconds.saturating_add(seconds).min(MAX_SECONDS);
        said = true;
    }
    length.days *= sign;
    length.seconds *= sign;
    said.then_some(length)
}

/// `+0100`, `-075258`, `+05:30`, `+1`: seconds east of UTC, less than a day.
#[must_use]
pub fn offset(text: &str) -> Option<i32> {
    let text = text.trim();
    let (sign, digits) = match text.split_at_checked(1)? {
        ("-", digits) => (-1, digits),
        ("+", digits) => (1, digits),
        // Without a sign it is meant to be east; but only in full.
        _ if text.len() >= 4 => (1, text),
        _ => return None,
    };
    let mut scan = Scan(digits.as_bytes());
    let leading = digits.bytes().take_while(u8::is_ascii_digit).count();
    let hours = if leading == 1 || leading == 3 {
        scan.number(1)?
    } else {
        scan.number(2)?
    };
    let mut parts = [0; 2];
    for part in &mut parts {
        if scan.0.is_empty() {
            break;
        }
        scan.take(b':');
        *part = scan.number(2)?;
    }
    let [minutes, seconds] = parts;
    if !scan.0.is_empty() || hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    i32::try_from(hours * 3_600 + minutes * 60 + seconds)
        .ok()
        .map(|value| sign * value)
}

/// UNTIL in each form met in practice.
#[must_use]
pub fn until(text: &str) -> Option<Until> {
    Some(match written(text)? {
        Written::Date(date) => Until::Date(date),
        Written::Time { local, suffix } => match suffix {
            Suffix::None => Until::Local(local),
            Suffix::Utc => Until::Utc(local),
            Suffix::Offset(east) => Until::Utc(
                local
                    .checked_sub(jiff::SignedDuration::from_secs(i64::from(east)))
                    .ok()?,
            ),
        },
    })
}

/// A time stamp such as DTSTAMP, which is to be in UTC and is read so.
#[must_use]
pub fn stamp(text: &str) -> Option<UnixTime> {
    let (local, east) = match written(text)? {
        Written::Date(date) => (date.at(0, 0, 0, 0), 0),
        Written::Time { local, suffix } => match suffix {
            Suffix::Offset(east) => (local, east),
            Suffix::None | Suffix::Utc => (local, 0),
        },
    };
    let at = Zone::utc().instant(local).seconds() - i64::from(east);
    Some(UnixTime::from_seconds(at))
}

struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, wanted: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == wanted => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        let value = head.iter().try_fold(0_i64, |value, byte| {
            byte.is_ascii_digit()
                .then(|| value * 10 + i64::from(byte - b'0'))
        })?;
        self.0 = rest;
        Some(value)
    }

    /// All the digits there are, at least one.
    fn long_number(&mut self) -> Option<i64> {
        let mut value = self.number(1)?;
        while let Some(digit) = self.number(1) {
            value = value.saturating_mul(10).saturating_add(digit);
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_as_people_write_them() {
        let show = |text: &str| match written(text) {
            None => "-".to_owned(),
            Some(Written::Date(date)) => date.to_string(),
            Some(Written::Time { local, suffix }) => match suffix {
                Suffix::None => local.to_string(),
                Suffix::Utc => format!("{local}Z"),
                Suffix::Offset(east) => format!("{local} {east}"),
            },
        };
        for (text, expected) in [
            ("20260105", "2026-01-05"),
            ("20260105T090000", "2026-01-05T09:00:00"),
            ("20260105T090000Z", "2026-01-05T09:00:00Z"),
            (" 20260105t090000z ", "2026-01-05T09:00:00Z"),
            ("20260105T0900", "2026-01-05T09:00:00"),
            ("2026-01-05", "2026-01-05"),
            ("2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z"),
            ("2026-01-05 09:00", "2026-01-05T09:00:00"),
            ("2026-01-05T09:00:00.000Z", "2026-01-05T09:00:00Z"),
            ("20260105T090000+0100", "2026-01-05T09:00:00 3600"),
            ("20260105T090000-05:30", "2026-01-05T09:00:00 -19800"),
            // Section 3.3.12: there is no 24th hour, but it is written.
            ("20260105T240000", "2026-01-06T00:00:00"),
            ("20261231T240000Z", "2027-01-01T00:00:00Z"),
            // Section 3.3.12: a leap second is taken for the one before it.
            ("20161231T235960Z", "2016-12-31T23:59:59Z"),
            ("00010101T000000", "0001-01-01T00:00:00"),
            ("99991231T235959Z", "9999-12-31T23:59:59Z"),
            ("20240229", "2024-02-29"),
            ("20260229", "-"),
            ("20261301", "-"),
            ("20260105T250000", "-"),
            ("20260105T240001", "-"),
            ("20260105T096000", "-"),
            ("20260105T090061", "-"),
            ("20031114T18300", "-"),
            ("\"20260105T090000Z\"", "2026-01-05T09:00:00Z"),
            ("20260105\"", "2026-01-05"),
            ("20260105T", "2026-01-05"),
            ("2026-06-12T::", "2026-06-12"),
            ("20260612T: :", "2026-06-12"),
            ("20260612T::Z", "-"),
            ("2026", "-"),
            ("tomorrow", "-"),
            ("", "-"),
            ("２０２６0105", "-"),
        ] {
            assert_eq!(show(text), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_read_with_sign_weeks_and_any_number() {
        for (text, expected) in [
            ("PT1H30M", Some((0, 5_400))),
            ("+PT45M", Some((0, 2_700))),
            ("P1W", Some((7, 0))),
            ("P1DT2H", Some((1, 7_200))),
            ("-P1W6DT15H", Some((-13, -54_000))),
            ("pt1h", Some((0, 3_600))),
            ("PT90S", Some((0, 90))),
            ("PT0S", Some((0, 0))),
            ("P99999999999999999999D", Some((MAX_DAYS, 0))),
            ("PT99999999999999999999H", Some((0, MAX_SECONDS))),
            ("-PT99999999999999999999H", Some((0, -MAX_SECONDS))),
            ("PT-2H", None),
            ("P", None),
            ("PT", None),
            ("P1H", None),
            ("1H", None),
            ("PT1", None),
            ("", None),
        ] {
            let found = duration(text).map(|length| (length.days, length.seconds));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn offsets_have_two_four_or_six_digits() {
        for (text, expected) in [
            ("+0100", Some(3_600)),
            ("-0800", Some(-28_800)),
            ("-075258", Some(-28_378)),
            ("+05:30", Some(19_800)),
            ("+05", Some(18_000)),
            ("-4", Some(-14_400)),
            ("+530", Some(19_800)),
            ("0100", Some(3_600)),
            ("-0000", Some(0)),
            ("+2400", None),
            ("+0160", None),
            ("+01000", None),
            ("+", None),
            ("", None),
            ("abc", None),
            ("+é0", None),
        ] {
            assert_eq!(offset(text), expected, "{text}");
        }
    }
}
