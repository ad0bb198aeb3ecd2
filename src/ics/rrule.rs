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

/// Reads a rule: in any letter case, in any order, unknown parts passed over,
/// INTERVAL at least 1, lists sorted and within their ranges.
///
/// # Errors
/// When following the rest would give other instances than were meant: no FREQ
/// that is known, a COUNT, an UNTIL or a list of which nothing is understood.
pub fn read(text: &str) -> Result<Rule, NoRule> {
    let mut freq = None;
    let mut rule = Rule::every(Freq::Daily);
    let mut skip = None;
    for part in text.split(';') {
        let Some((key, value)) = part.split_once('=') else {
            continue;
        };
        // `RRULE:RRULE:FREQ=DAILY` has been seen.
        let key = key
            .rsplit(':')
            .next()
            .unwrap_or(key)
            .trim()
            .to_ascii_uppercase();
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        let sound = match key.as_str() {
            "FREQ" => {
                freq = Some(frequency(value).ok_or(NoRule::Unreadable("FREQ"))?);
                Ok(())
            }
            "INTERVAL" => {
                rule.interval = whole(value).unwrap_or(1).max(1);
                Ok(())
            }
            "COUNT" => match whole(value) {
                None | Some(0) => Err("COUNT"),
                count => {
                    rule.count = count;
                    Ok(())
                }
            },
            "UNTIL" => match date::until(value) {
                None => Err("UNTIL"),
                until => {
                    rule.until = until;
                    Ok(())
                }
            },
            // A leap second is the one before it (section 3.3.12).
            "BYSECOND" => numbers(value, 0..=60, "BYSECOND").map(|list: Vec<u8>| {
                rule.by_second = list.into_iter().map(|second| second.min(59)).collect();
                rule.by_second.dedup();
            }),
            "BYMINUTE" => numbers(value, 0..=59, "BYMINUTE").map(|list| rule.by_minute = list),
            "BYHOUR" => numbers(value, 0..=23, "BYHOUR").map(|list| rule.by_hour = list),
            "BYMONTHDAY" => {
                numbers(value, -31..=31, "BYMONTHDAY").map(|list| rule.by_month_day = list)
            }
            "BYYEARDAY" => {
                numbers(value, -366..=366, "BYYEARDAY").map(|list| rule.by_year_day = list)
            }
            "BYWEEKNO" => numbers(value, -53..=53, "BYWEEKNO").map(|list| rule.by_week_no = list),
            "BYMONTH" => numbers(value, 1..=12, "BYMONTH").map(|list| rule.by_month = list),
            "BYSETPOS" => numbers(value, -366..=366, "BYSETPOS").map(|list| rule.by_set_pos = list),
            "BYDAY" => weekdays(value).map(|list| rule.by_day = list),
            "WKST" => {
                if let Some(day) = weekday(value) {
                    rule.week_start = day;
                }
                Ok(())
            }
            "RSCALE" if value.eq_ignore_ascii_case("GREGORIAN") => Ok(()),
            "RSCALE" => return Err(NoRule::Scale),
            "SKIP" => {
                skip = match value.to_ascii_uppercase().as_str() {
                    "BACKWARD" => Some(Skip::Backward),
                    "FORWARD" => Some(Skip::Forward),
                    _ => None,
                };
                Ok(())
            }
            _ => Ok(()),
        };
        sound.map_err(NoRule::Unreadable)?;
    }
    rule.freq = freq.ok_or(NoRule::Unreadable("FREQ"))?;
    rule.skip = skip.unwrap_or_default();
    Ok(rule)
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

/// A list of which at least one number is within the range. 0 is in none that
/// has negative numbers.
fn numbers<T>(
    value: &str,
    range: std::ops::RangeInclusive<i32>,
    part: &'static str,
) -> Result<Vec<T>, &'static str>
where
    T: TryFrom<i32> + Ord,
{
    let from_the_end = *range.start() < 0;
    let mut list: Vec<T> = value
        .split(',')
        .filter_map(|number| number.trim().parse::<i32>().ok())
        .filter(|number| range.contains(number) && !(from_the_end && *number == 0))
        .filter_map(|number| T::try_from(number).ok())
        .take(MAX_LIST)
        .collect();
    if list.is_empty() {
        return Err(part);
    }
    list.sort_unstable();
    list.dedup();
    Ok(list)
}

fn weekdays(value: &str) -> Result<Vec<WeekdayNum>, &'static str> {
    let mut list: Vec<WeekdayNum> = value
        .split(',')
        .filter_map(|entry| {
            let entry = entry.trim();
            let letters = entry.len().checked_sub(2)?;
            let (ordinal, day) = entry.split_at_checked(letters)?;
            let weekday = weekday(day)?;
            let ordinal = match ordinal.trim() {
                "" => 0,
                number => number.parse::<i8>().ok()?,
            };
            (-53..=53)
                .contains(&ordinal)
                .then_some(WeekdayNum { ordinal, weekday })
        })
        .take(MAX_LIST)
        .collect();
    if list.is_empty() {
        return Err("BYDAY");
    }
    list.sort_unstable_by_key(|day| (day.ordinal, day.weekday.to_monday_zero_offset()));
    list.dedup();
    Ok(list)
}

fn weekday(value: &str) -> Option<Weekday> {
    Some(match value.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::series::Until;
    use super::*;
    use jiff::civil::date as day;

    fn rule(text: &str) -> Rule {
        read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    #[test]
    fn rules_are_read_in_any_case_and_order() {
        let read = rule("wkst=su;byday=tu,MO,mo;Interval=2;freq=weekly;count=10;");
        assert_eq!(read.freq, Freq::Weekly);
        assert_eq!((read.interval, read.count), (2, Some(10)));
        assert_eq!(read.week_start, Weekday::Sunday);
        let days: Vec<_> = read.by_day.iter().map(|day| day.weekday).collect();
        assert_eq!(days, [Weekday::Monday, Weekday::Tuesday]);
    }

    #[test]
    fn parts_that_nobody_knows_are_passed_over() {
        assert_eq!(
            rule("FREQ=DAILY;X-FOO=1;;BYEASTER=3;COUNT=3;BYDAY="),
            rule("FREQ=DAILY;COUNT=3")
        );
        assert_eq!(
            rule("RRULE:Anything;FREQ=WEEKLY"),
            rule("FREQ=WEEKLY"),
            "written by a program that repeats the name"
        );
        assert_eq!(
            rule("RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD").skip,
            Skip::Backward
        );
    }

    #[test]
    fn until_is_read_in_every_form() {
        let until = |text: &str| rule(&format!("FREQ=DAILY;UNTIL={text}")).until.unwrap();
        assert_eq!(until("20261203"), Until::Date(day(2026, 12, 3)));
        assert_eq!(
            until("20261203T090000"),
            Until::Local(day(2026, 12, 3).at(9, 0, 0, 0))
        );
        let utc = Until::Utc(day(2026, 12, 3).at(9, 0, 0, 0));
        assert_eq!(until("20261203T090000Z"), utc);
        assert_eq!(until("2026-12-03T10:00:00+01:00"), utc);
    }

    #[test]
    fn numbers_out_of_range_are_dropped() {
        assert_eq!(rule("FREQ=DAILY;INTERVAL=0").interval, 1);
        assert_eq!(rule("FREQ=DAILY;INTERVAL=-5").interval, 1);
        assert_eq!(
            rule("FREQ=DAILY;INTERVAL=99999999999999999999").interval,
            u32::MAX
        );
        assert_eq!(rule("FREQ=DAILY;COUNT=4294967296").count, Some(u32::MAX));
        let monthly = rule("FREQ=MONTHLY;BYMONTHDAY=31,-1,0,32,+15,15,x");
        assert_eq!(monthly.by_month_day, [-1, 15, 31]);
        assert_eq!(rule("FREQ=DAILY;BYSECOND=58,59,60").by_second, [58, 59]);
        let ordinals = rule("FREQ=YEARLY;BYDAY=-1SU,+2MO,99TU,MO,XX,é");
        let ordinals: Vec<_> = ordinals.by_day.iter().map(|day| day.ordinal).collect();
        assert_eq!(ordinals, [-1, 0, 2]);
    }

    /// A part that is dropped whole would make the rule say much more than was meant.
    #[test]
    fn a_rule_that_would_mean_something_else_is_no_rule() {
        for (text, part) in [
            ("", "FREQ"),
            ("FREQ=FORTNIGHTLY", "FREQ"),
            ("INTERVAL=2", "FREQ"),
            ("FREQ=DAILY;COUNT=0", "COUNT"),
            ("FREQ=DAILY;COUNT=-3", "COUNT"),
            ("FREQ=DAILY;UNTIL=whenever", "UNTIL"),
            ("FREQ=DAILY;BYMONTH=13", "BYMONTH"),
            ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
            ("FREQ=WEEKLY;BYDAY=MONDAY", "BYDAY"),
        ] {
            assert_eq!(read(text), Err(NoRule::Unreadable(part)), "{text}");
        }
        assert_eq!(read("RSCALE=HEBREW;FREQ=YEARLY"), Err(NoRule::Scale));
    }

    #[test]
    fn a_list_of_millions_costs_no_memory() {
        let list = "1,".repeat(1_000_000);
        let read = rule(&format!("FREQ=DAILY;BYHOUR={list}2"));
        assert!(read.by_hour.capacity() <= 2 * MAX_LIST);
    }
}
