//! The text of a recurrence rule (RFC 5545 section 3.3.10), made sound.

use jiff::civil::Weekday;

use super::date;
use super::series::{Freq, Rule, Skip, WeekdayNum};

/// More numbers than any list can have that are different and within its range.
pub const MAX_LIST: usize = 4_096;

/// Why there is no rule. No text of the feed is in it but known words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRule {
    /// The part that is missing or says nothing that a rule may say, such as `FREQ`.
    Unreadable(&'static str),
    /// A calendar other than the Gregorian (RFC 7529).
    Scale,
}

/// A rule, and what of its text does not count.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleText {
    pub rule: Rule,
    pub left_out: Vec<LeftOut>,
}

/// A part of a rule that does not count, or not in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// RFC 5545 forbids it beside the rule's FREQ; Google and Apple pass over it.
    Forbidden(&'static str),
    /// Ordinals of BYDAY (`1MO`) in a rule whose FREQ has none.
    Ordinals,
    /// An entry, or the whole part, that is nothing a rule may say.
    Entry(&'static str),
}

/// Reads a rule: in any letter case, in any order, with quotes or escapes of a program
/// that took it for text, unknown parts passed over, INTERVAL at least 1, lists sorted
/// and within their ranges.
///
/// # Errors
/// When following the rest would give other instances than were meant: no FREQ
/// that is known, a COUNT, an UNTIL or a list of which nothing is understood.
pub fn read(text: &str) -> Result<RuleText, NoRule> {
    let plain: String;
    let text = if text.contains(['"', '\'', '\\']) {
        plain = text.replace(['"', '\'', '\\'], "");
        &plain
    } else {
        text
    };
    let mut parts = Parts {
        freq: None,
        rule: Rule::every(Freq::Daily),
        left_out: Vec::new(),
        unread: Vec::new(),
    };
    for part in text.split(';') {
        let Some((key, value)) = part.split_once('=') else {
            continue;
        };
        // `RRULE:RRULE:FREQ=DAILY` has been seen.
        let key = key.rsplit(':').next().unwrap_or(key).trim();
        let value = value.trim();
        if !value.is_empty() {
            parts.take(&key.to_ascii_uppercase(), value)?;
        }
    }
    parts.finish()
}

struct Parts {
    freq: Option<Freq>,
    rule: Rule,
    left_out: Vec<LeftOut>,
    /// Parts of which nothing is understood.
    unread: Vec<&'static str>,
}

impl Parts {
    fn take(&mut self, key: &str, value: &str) -> Result<(), NoRule> {
        let rule = &mut self.rule;
        let read = match key {
            "FREQ" => {
                self.freq = Some(frequency(value).ok_or(NoRule::Unreadable("FREQ"))?);
                return Ok(());
            }
            "INTERVAL" => {
                let interval = whole(value).filter(|interval| *interval > 0);
                rule.interval = interval.unwrap_or(1);
                self.or_leave_out("INTERVAL", interval.is_some());
                return Ok(());
            }
            "COUNT" => {
                rule.count = whole(value).filter(|count| *count > 0);
                // -1 is what programs write that keep "no COUNT" as a number.
                match rule.count {
                    None if value == "-1" => self.or_leave_out("COUNT", false),
                    None => self.unread.push("COUNT"),
                    Some(_) => {}
                }
                return Ok(());
            }
            "UNTIL" => {
                let until = date::until(value);
                rule.until = Some(until.ok_or(NoRule::Unreadable("UNTIL"))?);
                return Ok(());
            }
            "WKST" => {
                let day = weekday(value);
                rule.week_start = day.unwrap_or(rule.week_start);
                self.or_leave_out("WKST", day.is_some());
                return Ok(());
            }
            "RSCALE" if value.eq_ignore_ascii_case("GREGORIAN") => return Ok(()),
            "RSCALE" => return Err(NoRule::Scale),
            "SKIP" => {
                rule.skip = match value.to_ascii_uppercase().as_str() {
                    "BACKWARD" => Skip::Backward,
                    "FORWARD" => Skip::Forward,
                    _ => Skip::Omit,
                };
                return Ok(());
            }
            "BYSECOND" => {
                let read = numbers(value, 0..=60, &mut rule.by_second);
                // A leap second is the one before it (section 3.3.12).
                for second in &mut rule.by_second {
                    *second = (*second).min(59);
                }
                rule.by_second.dedup();
                ("BYSECOND", read, rule.by_second.is_empty())
            }
            "BYMINUTE" => {
                let read = numbers(value, 0..=59, &mut rule.by_minute);
                ("BYMINUTE", read, rule.by_minute.is_empty())
            }
            "BYHOUR" => {
                let read = numbers(value, 0..=23, &mut rule.by_hour);
                ("BYHOUR", read, rule.by_hour.is_empty())
            }
            "BYMONTHDAY" => {
                let read = numbers(value, -31..=31, &mut rule.by_month_day);
                ("BYMONTHDAY", read, rule.by_month_day.is_empty())
            }
            "BYYEARDAY" => {
                let read = numbers(value, -366..=366, &mut rule.by_year_day);
                ("BYYEARDAY", read, rule.by_year_day.is_empty())
            }
            "BYWEEKNO" => {
                let read = numbers(value, -53..=53, &mut rule.by_week_no);
                ("BYWEEKNO", read, rule.by_week_no.is_empty())
            }
            "BYMONTH" => {
                let read = numbers(value, 1..=12, &mut rule.by_month);
                ("BYMONTH", read, rule.by_month.is_empty())
            }
            "BYSETPOS" => {
                let read = numbers(value, -366..=366, &mut rule.by_set_pos);
                ("BYSETPOS", read, rule.by_set_pos.is_empty())
            }
            "BYDAY" => {
                let read = weekdays(value, &mut rule.by_day);
                ("BYDAY", read, rule.by_day.is_empty())
            }
            _ => return Ok(()),
        };
        match read {
            (part, _, true) => self.unread.push(part),
            (part, is_whole, false) => self.or_leave_out(part, is_whole),
        }
        Ok(())
    }

    fn or_leave_out(&mut self, part: &'static str, is_whole: bool) {
        let left_out = LeftOut::Entry(part);
        if !is_whole && !self.left_out.contains(&left_out) {
            self.left_out.push(left_out);
        }
    }

    fn finish(mut self) -> Result<RuleText, NoRule> {
        let freq = self.freq.ok_or(NoRule::Unreadable("FREQ"))?;
        self.rule.freq = freq;
        self.forbid("BYWEEKNO", freq != Freq::Yearly, |rule| {
            &mut rule.by_week_no
        });
        let no_year_day = matches!(freq, Freq::Daily | Freq::Weekly | Freq::Monthly);
        self.forbid("BYYEARDAY", no_year_day, |rule| &mut rule.by_year_day);
        let no_month_day = freq == Freq::Weekly;
        self.forbid("BYMONTHDAY", no_month_day, |rule| &mut rule.by_month_day);
        if self.rule.until.is_some() && self.unread.contains(&"COUNT") {
            self.unread.retain(|part| *part != "COUNT");
            self.or_leave_out("COUNT", false);
        }
        if let Some(part) = self.unread.first() {
            return Err(NoRule::Unreadable(part));
        }
        let rule = &mut self.rule;
        let counts_weekdays =
            matches!(freq, Freq::Monthly | Freq::Yearly) && rule.by_week_no.is_empty();
        if !counts_weekdays && rule.by_day.iter().any(|day| day.ordinal != 0) {
            for day in &mut rule.by_day {
                day.ordinal = 0;
            }
            sort(&mut rule.by_day);
            self.left_out.push(LeftOut::Ordinals);
        }
        let alone = !rule.has_limits();
        self.forbid("BYSETPOS", alone, |rule| &mut rule.by_set_pos);
        Ok(RuleText {
            rule: self.rule,
            left_out: self.left_out,
        })
    }

    fn forbid<T>(
        &mut self,
        part: &'static str,
        is_forbidden: bool,
        list: fn(&mut Rule) -> &mut Vec<T>,
    ) {
        let list = list(&mut self.rule);
        if is_forbidden && (!list.is_empty() || self.unread.contains(&part)) {
            list.clear();
            self.unread.retain(|unread| *unread != part);
            self.left_out
                .retain(|left_out| *left_out != LeftOut::Entry(part));
            self.left_out.push(LeftOut::Forbidden(part));
        }
    }
}

fn frequency(value: &str) -> Option<Freq> {
    Some(match value.to_ascii_uppercase().as_str() {
        "SECONDLY" => Freq::Secondly,
        "MINUTELY" => Freq::Minutely,
        "HOURLY" => Freq::Hourly,
        "DAILY" => Freq::Daily,
        "WEEKLY" => Freq::Weekly,
        "MONTHLY" => Freq::Monthly,
        "YEARLY" => Freq::Yearly,
        _ => return None,
    })
}

/// Digits only; what is larger than a `u32` is as good as the largest.
fn whole(value: &str) -> Option<u32> {
    let digits = value.strip_prefix('+').unwrap_or(value);
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u32::MAX))
}

/// Adds the numbers of a list that are within the range; whether all were. 0 is in
/// none that has negative numbers.
fn numbers<T>(value: &str, range: std::ops::RangeInclusive<i32>, list: &mut Vec<T>) -> bool
where
    T: TryFrom<i32> + Ord,
{
    let from_the_end = *range.start() < 0;
    let mut is_whole = true;
    for entry in value.split(',').map(str::trim).take(MAX_LIST) {
        let number = entry.parse::<i32>().ok().map(|number| match number {
            // A program that keeps -1 in a byte without a sign.
            128..=255 if from_the_end && !range.contains(&number) => number - 256,
            _ => number,
        });
        let number = number.filter(|n| range.contains(n) && !(from_the_end && *n == 0));
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => list.push(number),
            None => is_whole &= entry.is_empty(),
        }
    }
    list.sort_unstable();
    list.dedup();
    is_whole
}

/// Adds the weekdays of a list; whether all entries were some.
fn weekdays(value: &str, list: &mut Vec<WeekdayNum>) -> bool {
    let mut is_whole = true;
    for entry in value.split(',').map(str::trim).take(MAX_LIST) {
        if let Some(day) = numbered(entry) {
            list.push(day);
            continue;
        }
        // `MO TU WE`.
        for entry in entry.split_ascii_whitespace() {
            match numbered(entry) {
                Some(day) => list.push(day),
                None => is_whole = false,
            }
        }
    }
    sort(list);
    is_whole
}

fn sort(days: &mut Vec<WeekdayNum>) {
    days.sort_unstable_by_key(|day| (day.ordinal, day.weekday.to_monday_zero_offset()));
    days.dedup();
}

/// `MO`, `-1SU`, `1 MO`, `2-FR` of vCalendar, `255SU` of a program that keeps -1 in a
/// byte without a sign.
fn numbered(entry: &str) -> Option<WeekdayNum> {
    let letters = entry.bytes().rev().take_while(u8::is_ascii_alphabetic);
    let (ordinal, day) = entry.split_at_checked(entry.len() - letters.count())?;
    let weekday = weekday(day)?;
    let ordinal = match ordinal.trim() {
        "" => 0,
        number => match number.strip_suffix('-') {
            Some(number) => -number.parse::<i32>().ok()?,
            None => number.trim_end_matches('+').parse::<i32>().ok()?,
        },
    };
    let ordinal = match ordinal {
        128..=255 => ordinal - 256,
        _ => ordinal,
    };
    let ordinal = i8::try_from(ordinal).ok()?;
    (-53..=53)
        .contains(&ordinal)
        .then_some(WeekdayNum { ordinal, weekday })
}

/// `MO`, `Mon`, `MONDAY`.
fn weekday(value: &str) -> Option<Weekday> {
    const NAMES: [(&str, Weekday); 7] = [
        ("MONDAY", Weekday::Monday),
        ("TUESDAY", Weekday::Tuesday),
        ("WEDNESDAY", Weekday::Wednesday),
        ("THURSDAY", Weekday::Thursday),
        ("FRIDAY", Weekday::Friday),
        ("SATURDAY", Weekday::Saturday),
        ("SUNDAY", Weekday::Sunday),
    ];
    let value = value.to_ascii_uppercase();
    let row = NAMES
        .iter()
        .find(|(name, _)| value.len() >= 2 && name.starts_with(&value));
    row.map(|(_, day)| *day)
}

#[cfg(test)]
mod tests;
