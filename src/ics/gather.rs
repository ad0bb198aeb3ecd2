//! Events of one UID gathered into a series: copies told apart, instances given what
//! they lack from their master.

use std::collections::HashMap;
use std::sync::Arc;

use ring::digest;

use super::copies::{newest_masters, newest_overrides, start_text};
use super::date::{Suffix, Written};
use super::draft::Draft;
use super::event::{self, Resolved};
use super::series::{End, Event, Nominal, Place, Series, When};
use super::stamp::Stamp;
use super::walk::File;
use super::zone::{self, Zones};
use super::{MAX_VERDICTS, Reading};
use crate::model::digest::hex;
use crate::model::occurrence::Class;
use crate::model::verdict::{Rule, Subject, Verdict};
use crate::model::zone::Zone;

/// Names beyond these help nobody.
const MAX_UNKNOWN_ZONES: usize = 50;

/// The reading of one body.
#[must_use]
pub fn reading(mut file: File, href: &str) -> Reading {
    let resolved = resolve(&mut file, href);
    let mut verdicts = resolved.verdicts;
    let mut groups = Groups::default();
    for resolved in resolved.events.into_iter().flatten() {
        groups.add(resolved);
    }
    let series = groups.into_series(&mut verdicts);
    cap(&mut verdicts, href);
    Reading {
        series,
        verdicts,
        cut_off: file.cut_off,
        name: file.name,
        unknown_zones: resolved.unknown_zones,
    }
}

/// The events of a file, as many as there were drafts, and what was found on the way.
pub struct Events {
    pub events: Vec<Option<Resolved>>,
    pub verdicts: Vec<Verdict>,
    /// Names of zones that nothing tells, as they may be shown.
    pub unknown_zones: Vec<String>,
}

/// Makes an event of each draft of a file, and takes the drafts and zones out of it.
pub fn resolve(file: &mut File, href: &str) -> Events {
    let drafts = std::mem::take(&mut file.drafts);
    let mut zones = std::mem::take(&mut file.zones);
    let uids = uids(&drafts, &zones);
    let mut unknown_zones = Vec::new();
    let floating = floating_zones(file);
    let mut floats = vec![false; floating.zones.len()];
    let at_line = |(line, rule)| verdict_at(href, line, rule);
    let mut verdicts: Vec<Verdict> = file.verdicts.drain(..).map(at_line).collect();
    let mut events = Vec::with_capacity(drafts.len());
    for (draft, uid) in drafts.into_iter().zip(uids) {
        if draft.broken.is_some() {
            events.push(None);
            continue;
        }
        let index = draft.calendar as usize;
        let calendar = event::Calendar {
            href,
            cancelled: file
                .calendars
                .get(index)
                .is_some_and(|calendar| calendar.cancelled),
            floating_zone: floating.zones.get(index).and_then(Option::as_ref),
        };
        match draft.resolve(uid, &calendar, &mut zones) {
            Ok((resolved, troubles)) => {
                let details = &resolved.event.details;
                if let (Some(floats), true) = (floats.get_mut(index), floats_somewhere(&resolved)) {
                    *floats = true;
                }
                verdicts.extend(
                    troubles
                        .into_iter()
                        .map(|rule| event::verdict_on(details, rule)),
                );
                events.push(Some(resolved));
            }
            Err((line, rule)) => {
                verdicts.push(verdict_at(href, line, rule));
                events.push(None);
            }
        }
        verdicts.truncate(MAX_VERDICTS);
    }
    for (index, line, tzid) in floating.unknown {
        if floats.get(index) == Some(&true) {
            note_zone(&mut unknown_zones, &tzid);
            let zone = "the zone of the room".to_owned();
            verdicts.push(verdict_at(href, line, Rule::ZoneUnknown { tzid, zone }));
        }
    }
    for tzid in zones.take_unknown() {
        note_zone(&mut unknown_zones, &tzid);
    }
    verdicts.extend(zones.into_verdicts().into_iter().map(at_line));
    Events {
        events,
        verdicts,
        unknown_zones,
    }
}

/// Whether a time of an event is read in the zone of its calendar or of the room.
fn floats_somewhere(resolved: &Resolved) -> bool {
    matches!(
        resolved.event.start,
        When::Time {
            place: Place::Floating,
            ..
        }
    )
}

fn note_zone(zones: &mut Vec<String>, tzid: &str) {
    if zones.len() < MAX_UNKNOWN_ZONES && !zones.iter().any(|known| known == tzid) {
        zones.push(tzid.to_owned());
    }
}

/// The items of a feed as one.
#[must_use]
pub fn merge(mut readings: Vec<Reading>) -> Reading {
    if readings.len() == 1
        && let Some(only) = readings.pop()
    {
        return only;
    }
    let mut merged = Reading::default();
    let mut groups = Groups::default();
    for reading in readings {
        merged.cut_off |= reading.cut_off;
        merged.name = merged.name.or(reading.name);
        merged.verdicts.extend(reading.verdicts);
        for tzid in &reading.unknown_zones {
            note_zone(&mut merged.unknown_zones, tzid);
        }
        for series in reading.series {
            // Whether an override said its CLASS is not known any more. Without its
            // master in the same item it takes the stricter one.
            let class_said = series.master.is_some();
            let events = series.master.into_iter().chain(series.overrides);
            for event in events {
                groups.add(Resolved { event, class_said });
            }
        }
    }
    merged.series = groups.into_series(&mut merged.verdicts);
    merged
}

fn verdict_at(href: &str, line: u32, rule: Rule) -> Verdict {
    Verdict {
        subject: Subject::Line {
            href: href.to_owned(),
            line,
        },
        start: None,
        end: None,
        rule,
    }
}

fn cap(verdicts: &mut Vec<Verdict>, href: &str) {
    if verdicts.len() >= MAX_VERDICTS {
        verdicts.truncate(MAX_VERDICTS);
        let rule = Rule::Capped {
            cap: "verdicts on one calendar",
            at: MAX_VERDICTS as u64,
        };
        verdicts.push(verdict_at(href, 0, rule));
    }
}

/// X-WR-TIMEZONE of the calendars in a file.
#[derive(Default)]
struct FloatingZones {
    /// Of each calendar, where it names a zone.
    zones: Vec<Option<Zone>>,
    /// Calendar, line and name of those that nothing tells.
    unknown: Vec<(usize, u32, String)>,
}

fn floating_zones(file: &mut File) -> FloatingZones {
    let mut known: HashMap<String, Option<Zone>> = HashMap::new();
    let mut floating = FloatingZones::default();
    for (index, calendar) in file.calendars.iter().enumerate() {
        let Some((name, line)) = calendar.zone.as_ref().filter(|(name, _)| !name.is_empty()) else {
            floating.zones.push(None);
            continue;
        };
        let zone = known.entry(name.clone()).or_insert_with(|| {
            let zone = zone::of_calendar(name);
            if let Some(zone) = zone.as_ref().filter(|zone| zone.name() != name) {
                let rule = Rule::ZoneRead {
                    tzid: zone::shown(name),
                    zone: zone.name().to_owned(),
                };
                file.verdicts.push((*line, rule));
            }
            zone
        });
        if zone.is_none() {
            floating.unknown.push((index, *line, zone::shown(name)));
        }
        floating.zones.push(zone.clone());
    }
    floating
}

/// The UID of each draft, or a stand-in made of what tells events apart: start, end,
/// summary, organizer, and a count among equals.
#[must_use]
pub fn uids(drafts: &[Box<Draft>], zones: &Zones) -> Vec<String> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut stand_in = |draft: &Draft| {
        let organizer = draft.organizer.as_ref();
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [
            draft.start.map(|stamp| stamp_text(&stamp, zones)),
            draft.end.map(|stamp| stamp_text(&stamp, zones)),
            draft
                .duration
                .map(|length| format!("{}/{}", length.days, length.seconds)),
            draft
                .recurrence_id
                .map(|(stamp, _)| stamp_text(&stamp, zones)),
            draft.summary.clone(),
            organizer.and_then(|person| person.name.clone()),
            organizer.and_then(|person| person.address.clone()),
        ] {
            let part = part.unwrap_or_default();
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let digest = hex(context.finish().as_ref().get(..16).unwrap_or_default());
        let count = seen.entry(digest.clone()).or_insert(0);
        *count += 1;
        format!("podcal-{digest}-{count}")
    };
    drafts
        .iter()
        .map(|draft| draft.uid.clone().unwrap_or_else(|| stand_in(draft)))
        .collect()
}

/// A stamp as text, the same in every reading of the same lines.
fn stamp_text(stamp: &Stamp, zones: &Zones) -> String {
    let tzid = stamp
        .tzid
        .and_then(|tzid| zones.text(tzid))
        .unwrap_or_default();
    match stamp.written {
        Written::Date(date) => date.to_string(),
        Written::Time {
            local,
            suffix: Suffix::None,
        } => format!("{local} {tzid}"),
        Written::Time {
            local,
            suffix: Suffix::Utc,
        } => format!("{local} UTC"),
        Written::Time {
            local,
            suffix: Suffix::Offset(east),
        } => format!("{local} {east}"),
    }
}

#[derive(Default)]
struct Groups {
    groups: Vec<Group>,
    by_uid: HashMap<String, usize>,
}

#[derive(Default)]
struct Group {
    uid: String,
    masters: Vec<Resolved>,
    overrides: Vec<Resolved>,
}

impl Groups {
    fn add(&mut self, resolved: Resolved) {
        let uid = &resolved.event.details.uid;
        let index = match self.by_uid.get(uid) {
            Some(index) => *index,
            None => {
                self.by_uid.insert(uid.clone(), self.groups.len());
                self.groups.push(Group {
                    uid: uid.clone(),
                    ..Group::default()
                });
                self.groups.len() - 1
            }
        };
        if let Some(group) = self.groups.get_mut(index) {
            let events = match resolved.event.recurrence_id {
                Some(_) => &mut group.overrides,
                None => &mut group.masters,
            };
            if events.is_empty() {
                // Most have one, and a vector that grows by itself makes room for four.
                events.reserve_exact(1);
            }
            events.push(resolved);
        }
    }

    fn into_series(self, verdicts: &mut Vec<Verdict>) -> Vec<Series> {
        let mut series = Vec::with_capacity(self.groups.len());
        for group in self.groups {
            let secret = is_secret(group.masters.iter());
            let masters = newest_masters(group.masters, verdicts);
            let mut overrides = newest_overrides(group.overrides, verdicts);
            let mut masters = masters.into_iter();
            let first = masters.next().map(|resolved| resolved.event);
            if let Some(master) = &first {
                for resolved in &mut overrides {
                    inherit(master, secret, resolved);
                }
            }
            let overrides = overrides
                .into_iter()
                .map(|resolved| resolved.event)
                .collect();
            series.push(Series {
                uid: group.uid,
                master: first,
                overrides,
            });
            // Different events of one UID: the first keeps it, the others are told
            // apart by their start.
            for Resolved { mut event, .. } in masters {
                let details = Arc::make_mut(&mut event.details);
                details.uid = format!("{}/{}", details.uid, start_text(&event.start));
                series.push(Series {
                    uid: details.uid.clone(),
                    master: Some(event),
                    overrides: Vec::new(),
                });
            }
        }
        series
    }
}

/// Whether a master of a UID, or one of its copies, is private. Then overrides that do
/// not say their CLASS are: rather one title too few than a secret shown.
pub fn is_secret<'e>(mut events: impl Iterator<Item = &'e Resolved>) -> bool {
    events.any(|resolved| {
        let event = &resolved.event;
        event.recurrence_id.is_none() && event.details.class == Class::Private
    })
}

/// Gives an override what it lacks (DavMail leaves out even the title).
///
/// RFC 5545 wants overrides complete, so a missing LOCATION means that there is
/// none, unless the SUMMARY is missing too. A public override gets no text from a
/// private master.
pub fn inherit(master: &Event, secret: bool, resolved: &mut Resolved) {
    let from = &master.details;
    let event = &mut resolved.event;
    if event.end == End::Unsaid {
        event.end = length_of(master, &event.start);
    }
    let stricter = secret && !resolved.class_said && event.details.class == Class::Public;
    let is_private = stricter || event.details.class == Class::Private;
    let text_may_pass = is_private || from.class == Class::Public;
    let partial = event.details.summary.is_none();
    let lacks_organizer = event.details.organizer.is_none() && from.organizer.is_some();
    if !(stricter || text_may_pass && (partial || lacks_organizer)) {
        return;
    }
    let details = Arc::make_mut(&mut event.details);
    if stricter {
        details.class = Class::Private;
    }
    if !text_may_pass {
        return;
    }
    if lacks_organizer {
        details.organizer.clone_from(&from.organizer);
    }
    if partial {
        details.summary.clone_from(&from.summary);
        details.description = details
            .description
            .take()
            .or_else(|| from.description.clone());
        details.location = details.location.take().or_else(|| from.location.clone());
        details.url = details.url.take().or_else(|| from.url.clone());
        details.busy_status = details.busy_status.or(from.busy_status);
        details.transparent |= from.transparent;
        let matched = details.only_matched.take();
        details.only_matched = matched.or_else(|| from.only_matched.clone());
        if details.categories.is_empty() {
            details.categories.clone_from(&from.categories);
        }
        if details.conference.is_empty() {
            details.conference.clone_from(&from.conference);
        }
    }
}

/// The length of a master, for an override that starts at `start` and does not say its own.
fn length_of(master: &Event, start: &When) -> End {
    let same_kind = matches!(
        (&master.start, start),
        (When::Date(_), When::Date(_)) | (When::Time { .. }, When::Time { .. })
    );
    if !same_kind {
        return End::Unsaid;
    }
    match (&master.start, &master.end) {
        (_, End::After(length)) => End::After(*length),
        (When::Date(from), End::At(When::Date(to))) => {
            let days = i64::from(to.since(*from).map_or(0, |span| span.get_days()));
            End::After(Nominal { days, seconds: 0 })
        }
        (from, End::At(to)) => {
            let seconds = event::exact_seconds(from, to);
            // Negative where clocks skip the start of the master.
            seconds
                .filter(|seconds| *seconds >= 0)
                .map_or(End::Unsaid, |seconds| {
                    End::After(Nominal { days: 0, seconds })
                })
        }
        (_, End::Unsaid) => End::Unsaid,
    }
}
