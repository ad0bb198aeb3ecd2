//! What reading makes of a calendar: one series a UID, with dates that are still
//! local and tied to a zone, and rules that are understood but not yet expanded.
//!
//! These types are all that `expand` knows of iCalendar.

use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, Weekday};

use crate::model::occurrence::Details;
use crate::model::zone::Zone;

/// All components of one UID: the master, and the components that stand for
/// single instances (RFC 5545 section 3.8.4.4). A single event is a master
/// without rules; overrides may stand without their master.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    pub uid: String,
    pub master: Option<Event>,
    /// Each has a `recurrence_id`; at most one for each instance, the newest.
    pub overrides: Vec<Event>,
}

/// One VEVENT that could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub details: Arc<Details>,
    pub start: When,
    pub end: End,
    pub recurrence_id: Option<RecurrenceId>,
    pub rules: Vec<Rule>,
    /// EXRULE (RFC 2445 section 4.8.5.2).
    pub exclusion_rules: Vec<Rule>,
    pub dates: Vec<AddedDate>,
    pub exclusion_dates: Vec<When>,
    pub sequence: u32,
    /// Where floating times of this event are read, when its calendar says so
    /// (X-WR-TIMEZONE); else the room's zone.
    pub floating_zone: Option<Zone>,
}

/// A date, or a local time and where it is local.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    Date(Date),
    Time { local: DateTime, place: Place },
}

/// Where a local time is local.
#[derive(Clone, PartialEq)]
pub enum Place {
    Utc,
    /// In the event's `floating_zone`, else in the room's.
    Floating,
    Zone(Zone),
    /// Seconds east of UTC.
    Offset(i32),
    /// A VTIMEZONE that has to be evaluated from its own rules.
    Own(Arc<OwnZone>),
}

/// A VTIMEZONE (RFC 5545 section 3.6.5).
#[derive(Clone, Debug, PartialEq)]
pub struct OwnZone {
    pub tzid: String,
    /// STANDARD and DAYLIGHT sub-components; at least one.
    pub observances: Vec<Observance>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Observance {
    /// DTSTART: local, by the offset from before it.
    pub start: DateTime,
    /// Seconds east of UTC before and after the onset.
    pub offset_from: i32,
    pub offset_to: i32,
    pub rules: Vec<Rule>,
    /// RDATE, local by the offset from before it.
    pub dates: Vec<DateTime>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Neither DTEND nor DURATION: a day for a date, no length for a time (section 3.6.1).
    Unsaid,
    /// DTEND.
    At(When),
    /// DURATION.
    After(Nominal),
}

/// A duration (section 3.3.6): days are nominal, the rest is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nominal {
    /// Weeks count seven.
    pub days: i64,
    pub seconds: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecurrenceId {
    pub when: When,
    /// RANGE=THISANDFUTURE (section 3.2.13).
    pub this_and_future: bool,
}

/// RDATE (section 3.8.5.2).
#[derive(Clone, Debug, PartialEq)]
pub struct AddedDate {
    pub start: When,
    /// Of a PERIOD; the length of the master otherwise.
    pub end: Option<End>,
}

/// A recurrence rule (section 3.3.10), as written but for what no reader
/// understands: unknown parts are dropped, INTERVAL is at least 1, lists are
/// sorted, free of repetitions and within the RFC's ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub freq: Freq,
    pub interval: u32,
    pub count: Option<u32>,
    pub until: Option<Until>,
    pub by_second: Vec<u8>,
    pub by_minute: Vec<u8>,
    pub by_hour: Vec<u8>,
    pub by_day: Vec<WeekdayNum>,
    pub by_month_day: Vec<i8>,
    pub by_year_day: Vec<i16>,
    pub by_week_no: Vec<i8>,
    pub by_month: Vec<u8>,
    pub by_set_pos: Vec<i16>,
    pub week_start: Weekday,
    /// SKIP (RFC 7529) with RSCALE=GREGORIAN.
    pub skip: Skip,
}

impl Rule {
    /// Whether any BYxxx part but BYSETPOS, which chooses among what the others give, is in it.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        !self.by_day.is_empty() || self.has_more_than_days()
    }

    /// The same of those but BYDAY.
    fn has_more_than_days(&self) -> bool {
        !(self.by_second.is_empty()
            && self.by_minute.is_empty()
            && self.by_hour.is_empty()
            && self.by_month_day.is_empty()
            && self.by_year_day.is_empty()
            && self.by_week_no.is_empty()
            && self.by_month.is_empty())
    }

    /// A time after which it generates nothing, where that is plain to see: by UNTIL, or by
    /// COUNT where each of its days or weeks has an instance.
    #[must_use]
    pub fn last_start(&self, start: DateTime) -> Option<DateTime> {
        let by_until = self.until.map(|until| match until {
            Until::Date(date) => date.to_datetime(Time::MAX),
            Until::Local(local) | Until::Utc(local) => local,
        });
        let days = match self.freq {
            Freq::Daily if !self.has_limits() => Some(1),
            Freq::Weekly if !self.has_more_than_days() && self.by_set_pos.is_empty() => Some(7),
            _ => None,
        };
        let by_count = self.count.zip(days).map(|(count, days)| {
            let periods = i64::from(count).saturating_mul(i64::from(self.interval));
            let seconds = periods.saturating_add(1).saturating_mul(days * 86_400);
            start.saturating_add(SignedDuration::from_secs(seconds))
        });
        by_until.into_iter().chain(by_count).min()
    }

    /// A rule of this frequency with nothing else said.
    #[must_use]
    pub fn every(freq: Freq) -> Self {
        Self {
            freq,
            interval: 1,
            count: None,
            until: None,
            by_second: Vec::new(),
            by_minute: Vec::new(),
            by_hour: Vec::new(),
            by_day: Vec::new(),
            by_month_day: Vec::new(),
            by_year_day: Vec::new(),
            by_week_no: Vec::new(),
            by_month: Vec::new(),
            by_set_pos: Vec::new(),
            week_start: Weekday::Monday,
            skip: Skip::Omit,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freq {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// `MO`, `2MO`, `-1MO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekdayNum {
    /// 0 where none is given.
    pub ordinal: i8,
    pub weekday: Weekday,
}

/// UNTIL in each form met in practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The whole of that day counts, in the zone of the start.
    Date(Date),
    /// Local to the zone of the start.
    Local(DateTime),
    Utc(DateTime),
}

/// What a day that a month does not have becomes (RFC 7529 section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skip {
    #[default]
    Omit,
    Backward,
    Forward,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utc => f.write_str("Utc"),
            Self::Floating => f.write_str("Floating"),
            Self::Zone(zone) => write!(f, "{zone:?}"),
            Self::Offset(seconds) => write!(f, "Offset({seconds})"),
            Self::Own(zone) => write!(f, "Own({})", zone.tzid),
        }
    }
}
