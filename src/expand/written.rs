//! Just enough iCalendar to write the tests of `expand` as calendars: one property a
//! line, nothing folded, nothing forgiven. The reader proper is `ics`.

#![expect(clippy::string_slice, reason = "the tests write ASCII")]

use std::sync::Arc;

use jiff::civil::{Date, DateTime, Weekday, date};

use crate::ics::series::{
    AddedDate, End, Event, Freq, Nominal, Observance, OwnZone, Place, RecurrenceId, Rule, Series,
    Skip, Until, WeekdayNum, When,
};
use crate::model::occurrence::{Details, Status};
use crate::model::zone::Zone;

/// The series of VEVENTs and VTIMEZONEs; events without UID are one series.
pub(super) fn series(text: &str) -> Vec<Series> {
    let mut zones: Vec<Arc<OwnZone>> = Vec::new();
    let mut all: Vec<Series> = Vec::new();
    let mut block: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        match line {
            "BEGIN:VEVENT" | "BEGIN:VTIMEZONE" => block.clear(),
            "END:VTIMEZONE" => zones.push(Arc::new(own_zone(&block))),
            "END:VEVENT" => {
                let event = event(&block, &zones);
                let uid = event.details.uid.clone();
                let known = all.iter().position(|one| one.uid == uid && !uid.is_empty());
                let index = known.unwrap_or_else(|| {
                    all.push(Series {
                        uid,
                        ..Series::default()
                    });
                    all.len() - 1
                });
                if event.recurrence_id.is_some() {
                    all[index].overrides.push(event);
                } else {
                    all[index].master = Some(event);
                }
            }
            _ => block.push(line),
        }
    }
    all
}

pub(super) fn event(lines: &[&str], zones: &[Arc<OwnZone>]) -> Event {
    let mut details = Details::default();
    let mut event = Event {
        details: Arc::default(),
        start: When::Date(date(1970, 1, 1)),
        end: End::Unsaid,
        recurrence_id: None,
        rules: Vec::new(),
        exclusion_rules: Vec::new(),
        dates: Vec::new(),
        exclusion_dates: Vec::new(),
        sequence: 0,
        floating_zone: None,
    };
    for line in lines.iter().filter(|line| !line.is_empty()) {
        let (head, value) = split(line);
        let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
        let whens = || value.split(',').map(|one| when(one, parameters, zones));
        match name {
            "UID" => details.uid = value.into(),
            "SUMMARY" => details.summary = Some(value.into()),
            "STATUS" if value == "CANCELLED" => details.status = Status::Cancelled,
            "LAST-MODIFIED" => details.modified = Some(stamp(value)),
            "DTSTAMP" => details.stamped = Some(stamp(value)),
            "SEQUENCE" => event.sequence = value.parse().unwrap(),
            "DTSTART" => event.start = when(value, parameters, zones),
            "DTEND" => event.end = End::At(when(value, parameters, zones)),
            "DURATION" => event.end = End::After(duration(value)),
            "RRULE" => event.rules.push(rule(value)),
            "EXRULE" => event.exclusion_rules.push(rule(value)),
            "EXDATE" => event.exclusion_dates.extend(whens()),
            "RDATE" => event.dates.extend(value.split(',').map(|one| {
                let (start, end) = one.split_once('/').unwrap_or((one, ""));
                AddedDate {
                    start: when(start, parameters, zones),
                    end: match end {
                        "" => None,
                        end if end.starts_with('P') => Some(End::After(duration(end))),
                        end => Some(End::At(when(end, parameters, zones))),
                    },
                }
            })),
            "RECURRENCE-ID" => {
                event.recurrence_id = Some(RecurrenceId {
                    when: when(value, parameters, zones),
                    this_and_future: parameters.contains("THISANDFUTURE"),
                });
            }
            _ => {}
        }
    }
    event.details = Arc::new(details);
    event
}

fn stamp(value: &str) -> crate::model::time::UnixTime {
    match when(value, "", &[]) {
        When::Time { local, .. } => Zone::utc().instant(local),
        When::Date(_) => panic!("{value}"),
    }
}

/// At the first colon outside quotes.
fn split(line: &str) -> (&str, &str) {
    let mut quoted = false;
    let colon = line.find(|c| {
        quoted ^= c == '"';
        c == ':' && !quoted
    });
    line.split_once(':')
        .map(|_| (&line[..colon.unwrap()], &line[colon.unwrap() + 1..]))
        .unwrap()
}

fn when(value: &str, parameters: &str, zones: &[Arc<OwnZone>]) -> When {
    let Some(local) = value.strip_suffix('Z').or(value.find('T').map(|_| value)) else {
        return When::Date(day(value));
    };
    let tzid = parameters
        .split(';')
        .find_map(|parameter| parameter.strip_prefix("TZID="))
        .map(|tzid| tzid.trim_matches('"'));
    let place = match tzid {
        _ if value.ends_with('Z') => Place::Utc,
        None => Place::Floating,
        Some(tzid) => Zone::named(tzid).map_or_else(
            || {
                let own = zones.iter().find(|zone| zone.tzid == tzid);
                Place::Own(Arc::clone(own.expect(tzid)))
            },
            Place::Zone,
        ),
    };
    When::Time {
        local: time(local),
        place,
    }
}

pub(super) fn time(text: &str) -> DateTime {
    let number = |range: std::ops::Range<usize>| text[range].parse().unwrap();
    day(&text[..8]).at(number(9..11), number(11..13), number(13..15), 0)
}

fn day(text: &str) -> Date {
    date(
        text[..4].parse().unwrap(),
        text[4..6].parse().unwrap(),
        text[6..8].parse().unwrap(),
    )
}

fn duration(text: &str) -> Nominal {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.trim_start_matches('+')),
    };
    let mut nominal = Nominal::default();
    let mut number = 0;
    for c in text.chars() {
        match c {
            'W' => nominal.days += sign * number * 7,
            'D' => nominal.days += sign * number,
            'H' => nominal.seconds += sign * number * 3_600,
            'M' => nominal.seconds += sign * number * 60,
            'S' => nominal.seconds += sign * number,
            _ => {}
        }
        number = c
            .to_digit(10)
            .map_or(0, |digit| number * 10 + i64::from(digit));
    }
    nominal
}

pub(super) fn weekday(text: &str) -> Weekday {
    match text {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        other => panic!("{other}"),
    }
}

pub(super) fn rule(text: &str) -> Rule {
    fn list<T: std::str::FromStr<Err: std::fmt::Debug> + Ord>(value: &str) -> Vec<T> {
        let mut list: Vec<T> = value.split(',').map(|one| one.parse().unwrap()).collect();
        list.sort();
        list.dedup();
        list
    }
    let mut rule = Rule::every(Freq::Daily);
    for (name, value) in text.split(';').map(|part| part.split_once('=').unwrap()) {
        match name {
            "FREQ" => {
                rule.freq = match value {
                    "SECONDLY" => Freq::Secondly,
                    "MINUTELY" => Freq::Minutely,
                    "HOURLY" => Freq::Hourly,
                    "DAILY" => Freq::Daily,
                    "WEEKLY" => Freq::Weekly,
                    "MONTHLY" => Freq::Monthly,
                    "YEARLY" => Freq::Yearly,
                    other => panic!("{other}"),
                };
            }
            "INTERVAL" => rule.interval = value.parse().unwrap(),
            "COUNT" => rule.count = Some(value.parse().unwrap()),
            "UNTIL" => {
                rule.until = Some(match value.len() {
                    8 => Until::Date(day(value)),
                    16 => Until::Utc(time(value)),
                    _ => Until::Local(time(value)),
                });
            }
            "BYSECOND" => rule.by_second = list(value),
            "BYMINUTE" => rule.by_minute = list(value),
            "BYHOUR" => rule.by_hour = list(value),
            "BYMONTHDAY" => rule.by_month_day = list(value),
            "BYYEARDAY" => rule.by_year_day = list(value),
            "BYWEEKNO" => rule.by_week_no = list(value),
            "BYMONTH" => rule.by_month = list(value),
            "BYSETPOS" => rule.by_set_pos = list(value),
            "WKST" => rule.week_start = weekday(value),
            "SKIP" => {
                rule.skip = match value {
                    "BACKWARD" => Skip::Backward,
                    "FORWARD" => Skip::Forward,
                    _ => Skip::Omit,
                };
            }
            "BYDAY" => {
                rule.by_day = value
                    .split(',')
                    .map(|one| WeekdayNum {
                        ordinal: one[..one.len() - 2].parse().unwrap_or(0),
                        weekday: weekday(&one[one.len() - 2..]),
                    })
                    .collect();
            }
            "RSCALE" => {}
            other => panic!("{other}"),
        }
    }
    rule
}

fn own_zone(lines: &[&str]) -> OwnZone {
    let mut zone = OwnZone {
        tzid: String::new(),
        observances: Vec::new(),
    };
    for line in lines {
        let (name, value) = split(line);
        if name == "TZID" {
            zone.tzid = value.into();
        } else if name == "BEGIN" {
            zone.observances.push(Observance {
                start: DateTime::constant(1970, 1, 1, 0, 0, 0, 0),
                offset_from: 0,
                offset_to: 0,
                rules: Vec::new(),
                dates: Vec::new(),
            });
        } else if let Some(observance) = zone.observances.last_mut() {
            match name {
                "DTSTART" => observance.start = time(value),
                "TZOFFSETFROM" => observance.offset_from = offset(value),
                "TZOFFSETTO" => observance.offset_to = offset(value),
                "RRULE" => observance.rules.push(rule(value)),
                "RDATE" => observance.dates.extend(value.split(',').map(time)),
                _ => {}
            }
        }
    }
    zone
}

fn offset(text: &str) -> i32 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<i32>().unwrap();
    let seconds = number(1..3) * 3_600 + number(3..5) * 60;
    if text.starts_with('-') {
        -seconds
    } else {
        seconds
    }
}
