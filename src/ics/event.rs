//! A draft with its zones looked up: an [`Event`], or the reason why there is none.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::{DateTime, Time};

use super::date::{Suffix, Written};
use super::draft::Draft;
use super::series::{AddedDate, End, Event, Nominal, Place, RecurrenceId, When};
use super::stamp::{PeriodEnd, Stamp};
use super::zone::Zones;
use crate::model::occurrence::{Class, Details, SourceLine, Status};
use crate::model::time::UnixTime;
use crate::model::verdict::{Rule, Subject, Verdict};
use crate::model::zone::Zone;

/// What holds for every event of a calendar.
pub struct Calendar<'a> {
    pub href: &'a str,
    pub cancelled: bool,
    pub floating_zone: Option<&'a Zone>,
}

/// An event, and what its series decides about it.
pub struct Resolved {
    pub event: Event,
    /// CLASS stood in it.
    pub class_said: bool,
}

/// What is said of an event as a whole.
#[must_use]
pub fn verdict_on(details: &Arc<Details>, rule: Rule) -> Verdict {
    Verdict {
        subject: Subject::Event(Arc::clone(details)),
        start: None,
        end: None,
        rule,
    }
}

impl Draft {
    /// What it says besides its times.
    fn details(&mut self, uid: String, calendar: &Calendar<'_>) -> Details {
        let room_declined = self.room_declined();
        let status = self.status.unwrap_or_default();
        Details {
            uid,
            source: SourceLine {
                href: calendar.href.to_owned(),
                line: self.kept_line.unwrap_or(self.line),
            },
            summary: self.summary.take(),
            description: self.description.take(),
            location: self.location.take(),
            categories: std::mem::take(&mut self.categories),
            organizer: self.organizer.take(),
            declined: std::mem::take(&mut self.declined),
            room_declined,
            class: self.class.unwrap_or(Class::Public),
            status: if calendar.cancelled {
                Status::Cancelled
            } else {
                status
            },
            transparent: self.transparent.unwrap_or(false),
            busy_status: self.busy_status.or(self.intended_status),
            conference: std::mem::take(&mut self.conference)
                .into_iter()
                .flatten()
                .collect(),
            url: self.url.take().filter(|url| !url.is_empty()),
            modified: self.modified,
            stamped: self.stamped,
            only_matched: self.only_matched.take(),
        }
    }

    /// The event, once all zones of the file are known.
    ///
    /// # Errors
    /// The rule by which there is none, and the line.
    pub fn resolve(
        mut self,
        uid: String,
        calendar: &Calendar<'_>,
        zones: &mut Zones,
    ) -> Result<(Resolved, Vec<Rule>), (u32, Rule)> {
        let line = self.kept_line.unwrap_or(self.line);
        let mut places = Places {
            calendar: self.calendar,
            zones,
        };
        let recurrence_id = self
            .recurrence_id
            .map(|(stamp, this_and_future)| RecurrenceId {
                when: places.when(&stamp),
                this_and_future,
            });
        // A cancelled instance may come without a start of its own.
        let start_stamp = match self.start.or(self.recurrence_id.map(|(stamp, _)| stamp)) {
            Some(start) if self.broken.is_none() => start,
            _ => {
                let (line, what) = self.broken.take().unwrap_or_default();
                let line = self.kept_line.unwrap_or(line);
                return Err((line, Rule::Unreadable { what }));
            }
        };
        let (start, end) = places.span(&start_stamp, self.end.as_ref(), self.duration);
        if ends_before(&start, &end) {
            return Err((line, Rule::EndsBeforeStart));
        }
        if matches!(start, When::Date(_)) {
            // Section 3.3.10: these are ignored where the start is a date.
            for rule in self.rules.iter_mut().chain(&mut self.exclusion_rules) {
                rule.by_hour.clear();
                rule.by_minute.clear();
                rule.by_second.clear();
            }
        }
        if recurrence_id.as_ref().is_some_and(|id| !id.this_and_future) {
            // Some programs repeat the rule of the series in each of its changed instances.
            self.rules.clear();
            self.exclusion_rules.clear();
            self.dates.clear();
            self.exclusion_dates.clear();
        }
        let dates = std::mem::take(&mut self.dates);
        let dates = dates
            .into_iter()
            .map(|(stamp, end)| AddedDate {
                start: places.beside(&stamp, &start),
                end: end.map(|end| match end {
                    PeriodEnd::After(length) => End::After(length),
                    PeriodEnd::At(stamp) => End::At(places.beside(&stamp, &start)),
                }),
            })
            .collect();
        let exclusion_dates = std::mem::take(&mut self.exclusion_dates);
        let exclusion_dates = exclusion_dates
            .into_iter()
            .map(|stamp| places.beside(&stamp, &start))
            .collect();
        let troubles = std::mem::take(&mut self.troubles);
        let class_said = self.class.is_some();
        let event = Event {
            start,
            end,
            recurrence_id,
            rules: std::mem::take(&mut self.rules),
            exclusion_rules: std::mem::take(&mut self.exclusion_rules),
            dates,
            exclusion_dates,
            sequence: self.sequence,
            floating_zone: calendar.floating_zone.cloned(),
            details: Arc::new(self.details(uid, calendar)),
        };
        Ok((Resolved { event, class_said }, troubles))
    }
}

struct Places<'a> {
    calendar: u32,
    zones: &'a mut Zones,
}

impl Places<'_> {
    fn when(&mut self, stamp: &Stamp) -> When {
        let Written::Time { local, suffix } = stamp.written else {
            return When::Date(stamp.local().date());
        };
        let place = match (suffix, stamp.tzid) {
            (Suffix::Utc, _) => Place::Utc,
            (Suffix::Offset(east), _) => Place::Offset(east),
            (Suffix::None, Some(tzid)) => self.zones.place(self.calendar, tzid, local),
            (Suffix::None, None) => Place::Floating,
        };
        When::Time { local, place }
    }

    /// A date that belongs to an event: where it has a time and no zone at all, it is
    /// in that of the start. Programs forget the TZID; nobody means a floating end.
    fn beside(&mut self, stamp: &Stamp, start: &When) -> When {
        let bare = stamp.tzid.is_none()
            && matches!(
                stamp.written,
                Written::Time {
                    suffix: Suffix::None,
                    ..
                }
            );
        match (start, self.when(stamp)) {
            (When::Time { place, .. }, When::Time { local, .. }) if bare => When::Time {
                local,
                place: place.clone(),
            },
            (_, when) => when,
        }
    }

    /// Start and end, of one kind: both dates or both times.
    fn span(&mut self, start: &Stamp, end: Option<&Stamp>, length: Option<Nominal>) -> (When, End) {
        // `DTSTART;VALUE=DATE:20260105T000000` is a day; with another time, it is a time.
        let all_dates = end.is_none_or(|end| end.as_date().is_some());
        if let (Some(date), true) = (start.as_date(), all_dates) {
            let end = match end.and_then(Stamp::as_date) {
                // Equal ends are meant as one day.
                Some(end) if end == date => End::After(Nominal {
                    days: 1,
                    seconds: 0,
                }),
                Some(end) => End::At(When::Date(end)),
                None => length.map_or(End::Unsaid, End::After),
            };
            return (When::Date(date), end);
        }
        let Some(end) = end else {
            return (self.when(start), length.map_or(End::Unsaid, End::After));
        };
        match (self.when(start), start.as_date(), end.as_date()) {
            // A date, and an end with a time: whole days, up to the one of that time.
            (When::Date(date), ..) => {
                let end_local = end.local();
                let end = if end_local.time() == Time::midnight() && end_local.date() > date {
                    When::Date(end_local.date())
                } else {
                    self.when(end)
                };
                (When::Date(date), End::At(end))
            }
            // A time, and a date for its end: that midnight, or the one after it
            // where the meeting would end before it starts.
            (When::Time { local, place }, None, Some(end_date)) => {
                let mut until = end_date.to_datetime(Time::midnight());
                if end_date == local.date() {
                    until = until.saturating_add(SignedDuration::from_hours(24));
                }
                let end = When::Time {
                    local: until,
                    place: place.clone(),
                };
                (When::Time { local, place }, End::At(end))
            }
            (start, ..) => {
                let end = self.beside(end, &start);
                (start, End::At(end))
            }
        }
    }
}

/// Whether that is certain without the room's zone.
fn ends_before(start: &When, end: &End) -> bool {
    match end {
        End::Unsaid => false,
        End::After(length) => length.days < 0 || length.seconds < 0,
        End::At(end) => match (start, end) {
            (When::Date(start), When::Date(end)) => end < start,
            (When::Time { local, place }, _) if is_skipped(*local, place) => false,
            _ => exact_seconds(start, end).is_some_and(|seconds| seconds < 0),
        },
    }
}

/// Whether clocks there skip this time.
fn is_skipped(local: DateTime, place: &Place) -> bool {
    match place {
        Place::Zone(zone) => matches!(
            zone.time_zone().to_ambiguous_timestamp(local).offset(),
            jiff::tz::AmbiguousOffset::Gap { .. }
        ),
        _ => false,
    }
}

/// How long after `start` the other time is, where no zone is missing for it.
#[must_use]
pub fn exact_seconds(start: &When, end: &When) -> Option<i64> {
    let (
        When::Time {
            local: from,
            place: here,
        },
        When::Time {
            local: to,
            place: there,
        },
    ) = (start, end)
    else {
        return None;
    };
    match (instant(*from, here), instant(*to, there)) {
        (Some(from), Some(to)) => Some(to.seconds() - from.seconds()),
        _ if here == there => Some(to.duration_since(*from).as_secs()),
        _ => None,
    }
}

/// The instant of a local time, unless it floats or is in a zone of the file's own.
#[must_use]
pub fn instant(local: DateTime, place: &Place) -> Option<UnixTime> {
    Some(match place {
        Place::Utc => Zone::utc().instant(local),
        Place::Zone(zone) => zone.instant(local),
        Place::Offset(east) => {
            let at = Zone::utc().instant(local).seconds() - i64::from(*east);
            UnixTime::from_seconds(at)
        }
        Place::Floating | Place::Own(_) => return None,
    })
}
