//! The form in which a body is held in the ledger: without what is over, without what
//! nobody reads, and without the text of private events.
//!
//! Reading it gives the same meetings as reading the original, from `from` on. What is
//! written are the original lines, joined where they were folded, and three properties
//! that only [`super::read`] knows: `X-PODCAL-LINE` (where the event stood in the bytes
//! as they were sent), `X-PODCAL-ONLY` and `X-PODCAL-DECLINED` (what the text of a
//! private event said before it was taken out). Keeping a kept form changes nothing
//! but what has ended since, and the marks of filters that are not asked for any more.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use jiff::civil::{DateTime, Time};

use self::filters::Filters;
use super::draft::Draft;
use super::event::Resolved;
use super::line::{self, Lines};
use super::property::Name;
use super::series::{AddedDate, End, Event, When};
use super::skim::Reach;
use super::stamp::{PeriodEnd, Stamp};
use super::walk::{self, File};
use super::{TooLarge, component, copies, gather, zone};
use crate::config::Only;
use crate::model::item::FeedItem;
use crate::model::occurrence::Class;
use crate::model::time::{UnixTime, Window};
use crate::model::zone::Zone;

mod filters;
#[cfg(test)]
mod tests;

/// Local times are compared as if they were UTC. No zone is further from it than this,
/// and neither is a VTIMEZONE's offset.
const MARGIN_SECONDS: i64 = 2 * DAY;
const DAY: i64 = 86_400;

/// Events that cannot be read are held for `explain`, but not without end.
const MAX_UNREADABLE: usize = 100;

/// What a private event says besides its text.
const TIMES_AND_MARKS: [Name; 16] = [
    Name::Uid,
    Name::Start,
    Name::EndTime,
    Name::Duration,
    Name::RecurrenceId,
    Name::Rule,
    Name::ExclusionRule,
    Name::Dates,
    Name::ExclusionDates,
    Name::Sequence,
    Name::Modified,
    Name::Stamped,
    Name::Status,
    Name::Transparency,
    Name::BusyStatus,
    Name::IntendedStatus,
];

/// The form of an item that goes into the ledger.
///
/// Left out are series that were over two days before `from` (when in doubt they
/// stay), components other than events and the zones that these use, and properties
/// that podcal does not read. Events of a CLASS other than PUBLIC lose their text.
/// Since no filter could match them afterwards, each is marked with the filters that
/// it matches ([`Only::digest`]). One that no filter matches is left out; but one
/// instance of a series stays, so that the instance it replaces does not come back.
///
/// `filters` are those of all rooms that read the feed. When there are none, or one of
/// them lets everything through, no event is left out for them. A kept form may be kept
/// again with some of its filters; for a new filter the feed has to be pulled again.
///
/// The body of an item that is not a calendar becomes empty; one that is cut off stays so.
#[must_use]
pub fn keep(item: &FeedItem, from: UnixTime, filters: &[&Only]) -> FeedItem {
    let body = line::as_bytes(&item.body);
    let file = walk::walk(&body, options(from, None));
    kept(item, &body, file.ok(), from, filters)
}

/// The same, where no more than so many bytes may be taken for it beside the body.
///
/// # Errors
/// When it takes more.
pub fn keep_within(
    item: &FeedItem,
    from: UnixTime,
    filters: &[&Only],
    memory: u64,
) -> Result<FeedItem, TooLarge> {
    let body = line::as_bytes(&item.body);
    match walk::walk(&body, options(from, Some(memory))) {
        Ok(file) if file.is_too_large => Err(TooLarge),
        file => Ok(kept(item, &body, file.ok(), from, filters)),
    }
}

fn options(from: UnixTime, memory: Option<u64>) -> walk::Options {
    walk::Options {
        reach: Window::new(from, UnixTime::MAX).map(Reach::of),
        with_lines: true,
        memory,
    }
}

fn kept(
    item: &FeedItem,
    body: &[u8],
    file: Option<File>,
    from: UnixTime,
    filters: &[&Only],
) -> FeedItem {
    let write = |file| Keeper::new(body, file, &item.href, filters).write(from);
    FeedItem {
        href: item.href.clone(),
        etag: item.etag.clone(),
        last_modified: item.last_modified.clone(),
        body: file.map(write).unwrap_or_default().into(),
    }
}

/// What is known of one VEVENT, besides the event itself.
struct Piece {
    calendar: u32,
    line: u32,
    uid: String,
    uid_said: bool,
    /// `None` where it was not said, or the event could not be read.
    class: Option<Class>,
    summary_said: bool,
    /// It stands for an instance of a series.
    is_override: bool,
    room_declined: bool,
    tzids: Vec<String>,
    lines: Vec<(Name, usize, usize)>,
}

struct Keeper<'a> {
    lines: Lines<'a>,
    file: File,
    pieces: Vec<Piece>,
    events: Vec<Option<Resolved>>,
    filters: Filters<'a>,
}

/// What becomes of an event.
#[derive(Clone, PartialEq)]
enum Fate {
    Dropped,
    Whole,
    /// Without its text; the digests of the filters that it matched.
    Masked {
        matched: Vec<String>,
    },
}

impl<'a> Keeper<'a> {
    fn new(body: &'a [u8], mut file: File, href: &str, filters: &[&'a Only]) -> Self {
        let uids = gather::uids(&file.drafts, &file.zones);
        let drafts = file.drafts.iter_mut().zip(uids);
        let pieces = drafts
            .map(|(draft, uid)| Piece {
                calendar: draft.calendar,
                line: draft.kept_line.unwrap_or(draft.line),
                uid,
                uid_said: draft.uid.is_some(),
                class: draft.class,
                summary_said: draft.summary.is_some(),
                is_override: draft.recurrence_id.is_some(),
                room_declined: draft.room_declined(),
                tzids: tzids(draft, &file.zones),
                lines: std::mem::take(&mut draft.lines),
            })
            .collect();
        let events = gather::resolve(&mut file, href).events;
        Self {
            lines: Lines::new(body),
            file,
            pieces,
            events,
            filters: Filters::new(filters),
        }
    }

    fn write(&self, from: UnixTime) -> Vec<u8> {
        let fates = self.fates(from);
        let mut used: HashSet<String> = HashSet::new();
        let kept = |index: usize| fates.get(index).is_some_and(|fate| *fate != Fate::Dropped);
        for (index, piece) in self.pieces.iter().enumerate() {
            if kept(index) {
                used.extend(piece.tzids.iter().map(|tzid| zone::key(tzid)));
            }
        }
        let mut out = Vec::with_capacity(self.size(&fates));
        let mut name = self.file.name.as_deref();
        let mut pieces = self.pieces.iter().enumerate().peekable();
        let mut zones = self.file.zone_spans.iter().peekable();
        let last = self.file.calendars.len().saturating_sub(1);
        for (number, calendar) in self.file.calendars.iter().enumerate() {
            let begin = out.len();
            out.extend_from_slice(b"BEGIN:VCALENDAR\r\n");
            if calendar.cancelled {
                out.extend_from_slice(b"METHOD:CANCEL\r\n");
            }
            if let Some((zone, _)) = &calendar.zone {
                property(&mut out, "X-WR-TIMEZONE", zone);
            }
            if let Some(name) = name {
                property(&mut out, "X-WR-CALNAME", &escape(name));
            }
            let inside = out.len();
            while let Some((_, tzids, span)) = zones.next_if(|(of, ..)| *of as usize == number) {
                if tzids.iter().any(|tzid| used.contains(&zone::key(tzid))) {
                    self.copy(span, &mut out);
                }
            }
            while let Some((index, piece)) =
                pieces.next_if(|(_, piece)| piece.calendar as usize == number)
            {
                if let Some(fate) = fates.get(index).filter(|fate| **fate != Fate::Dropped) {
                    self.event(piece, fate, &mut out);
                }
            }
            if inside == out.len() && number != last {
                out.truncate(begin);
                continue;
            }
            name = None;
            if number != last || !self.file.cut_off {
                out.extend_from_slice(b"END:VCALENDAR\r\n");
            }
        }
        out
    }

    /// About how many bytes are written. One that grew as it was written would be held twice.
    fn size(&self, fates: &[Fate]) -> usize {
        const FRAME: usize = 96;
        let kept = self.pieces.iter().zip(fates);
        let kept = kept.filter(|(_, fate)| **fate != Fate::Dropped);
        let sizes = kept.map(|(piece, _)| {
            let lines = piece.lines.iter();
            FRAME + lines.map(|(_, start, end)| end - start).sum::<usize>()
        });
        sizes.sum::<usize>() + 1024
    }

    /// What becomes of each VEVENT. Those of one UID stand or fall together.
    fn fates(&self, from: UnixTime) -> Vec<Fate> {
        let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            groups.entry(&piece.uid).or_default().push(index);
        }
        let mut fates = vec![Fate::Dropped; self.pieces.len()];
        for indices in groups.values() {
            let events = || indices.iter().filter_map(|index| self.event_at(*index));
            let readable = events().next().is_some();
            // An override that does not say its length has that of its master.
            let lengths = events().map(|one| length(&one.event.start, &one.event.end, DAY));
            let longest = lengths.max().unwrap_or(DAY);
            if readable && events().all(|resolved| is_over(&resolved.event, longest, from)) {
                continue;
            }
            let master = newest_master(events());
            let secret = gather::is_secret(events());
            let mut wanted = false;
            for index in indices {
                let (Some(piece), Some(fate)) = (self.pieces.get(*index), fates.get_mut(*index))
                else {
                    continue;
                };
                *fate = match piece.class {
                    Some(Class::Private) => self.masked(*index, master, secret),
                    None if secret && piece.is_override => self.masked(*index, master, secret),
                    _ => Fate::Whole,
                };
                wanted |= self.filters.everything
                    || !matches!(fate, Fate::Masked { matched } if matched.is_empty());
            }
            if !wanted {
                for fate in indices {
                    if let Some(fate) = fates.get_mut(*fate) {
                        *fate = Fate::Dropped;
                    }
                }
            }
        }
        // Unreadable ones beyond the cap.
        let mut unreadable = 0;
        for (index, fate) in fates.iter_mut().enumerate() {
            if *fate != Fate::Dropped && self.event_at(index).is_none() {
                unreadable += 1;
                if unreadable > MAX_UNREADABLE {
                    *fate = Fate::Dropped;
                }
            }
        }
        fates
    }

    fn event_at(&self, index: usize) -> Option<&Resolved> {
        self.events.get(index).and_then(Option::as_ref)
    }

    /// The fate of a private event: what the filters say of it with what it has from its
    /// master.
    fn masked(&self, index: usize, master: Option<&Event>, secret: bool) -> Fate {
        let matched = self.event_at(index).map(|resolved| match master {
            Some(master) if resolved.event.recurrence_id.is_some() => {
                let mut resolved = Resolved {
                    event: resolved.event.clone(),
                    class_said: resolved.class_said,
                };
                gather::inherit(master, secret, &mut resolved);
                self.filters.matched(&resolved.event.details)
            }
            _ => self.filters.matched(&resolved.event.details),
        });
        Fate::Masked {
            matched: matched.unwrap_or_default(),
        }
    }

    fn event(&self, piece: &Piece, fate: &Fate, out: &mut Vec<u8>) {
        out.extend_from_slice(b"BEGIN:VEVENT\r\n");
        property(out, "X-PODCAL-LINE", &piece.line.to_string());
        if !piece.uid_said {
            property(out, "UID", &piece.uid);
        }
        let mut buffer = Vec::new();
        for (name, start, end) in &piece.lines {
            let wanted = match fate {
                Fate::Masked { .. } => TIMES_AND_MARKS.contains(name),
                _ => !matches!(name, Name::KeptLine | Name::KeptOnly | Name::KeptDeclined),
            };
            if wanted && let Some(line) = self.lines.part(*start, *end, piece.line).next() {
                out.extend_from_slice(line.unfold_at_most(walk::limit(*name), &mut buffer));
                out.extend_from_slice(b"\r\n");
            }
        }
        if let Fate::Masked { matched } = fate {
            out.extend_from_slice(b"CLASS:PRIVATE\r\n");
            // That it had one decides what an instance takes over from its master.
            if piece.summary_said {
                out.extend_from_slice(b"SUMMARY:\r\n");
            }
            property(out, "X-PODCAL-ONLY", &matched.join(","));
            if piece.room_declined {
                out.extend_from_slice(b"X-PODCAL-DECLINED:TRUE\r\n");
            }
        }
        out.extend_from_slice(b"END:VEVENT\r\n");
    }

    /// The lines of a VTIMEZONE.
    fn copy(&self, span: &Range<usize>, out: &mut Vec<u8>) {
        let mut buffer = Vec::new();
        for line in self.lines.part(span.start, span.end, 1) {
            // A stray END would close the calendar that is written.
            let is_end = Name::of(line.name(&mut buffer)) == Name::End;
            if is_end && component::named_kind(&line, &mut buffer).stands_beside_zones() {
                continue;
            }
            out.extend_from_slice(line.unfold(&mut buffer));
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn property(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// The TZIDs of an event, as they are written.
fn tzids(draft: &Draft, zones: &zone::Zones) -> Vec<String> {
    let ends = draft.dates.iter().filter_map(|(_, end)| match end {
        Some(PeriodEnd::At(stamp)) => Some(stamp),
        _ => None,
    });
    let stamps = draft
        .start
        .iter()
        .chain(&draft.end)
        .chain(draft.recurrence_id.iter().map(|(stamp, _)| stamp))
        .chain(draft.dates.iter().map(|(stamp, _)| stamp))
        .chain(&draft.exclusion_dates)
        .chain(ends);
    let mut numbers: Vec<_> = Vec::new();
    for tzid in stamps.filter_map(|stamp: &Stamp| stamp.tzid) {
        if numbers.last() != Some(&tzid) && numbers.len() < 100 && !numbers.contains(&tzid) {
            numbers.push(tzid);
        }
    }
    let texts = numbers.into_iter().filter_map(|tzid| zones.text(tzid));
    texts.map(str::to_owned).collect()
}

fn newest_master<'e>(events: impl Iterator<Item = &'e Resolved>) -> Option<&'e Event> {
    events
        .map(|resolved| &resolved.event)
        .filter(|event| event.recurrence_id.is_none())
        .reduce(|best, event| {
            if copies::revision(event, best).0.is_lt() {
                best
            } else {
                event
            }
        })
}

/// Whether nothing of an event can be at or after `from`. Where it does not say its
/// length, it has `unsaid` seconds.
fn is_over(event: &Event, unsaid: i64, from: UnixTime) -> bool {
    let shifts_others = event
        .recurrence_id
        .as_ref()
        .is_some_and(|id| id.this_and_future);
    if shifts_others {
        return false;
    }
    let limit = from.seconds().saturating_sub(MARGIN_SECONDS);
    let start = seconds(&event.start);
    let length = length(&event.start, &event.end, unsaid);
    let ends_by = |start: i64| start.saturating_add(length) < limit;
    let date_is_over = |date: &AddedDate| {
        let start = seconds(&date.start);
        match &date.end {
            None => ends_by(start),
            Some(end) => start.saturating_add(self::length(&date.start, end, unsaid)) < limit,
        }
    };
    let rules_are_over = event.rules.iter().all(|rule| {
        let last = rule.last_start(local(&event.start));
        last.is_some_and(|last| ends_by(as_utc(last)))
    });
    ends_by(start) && rules_are_over && event.dates.iter().all(date_is_over)
}

/// In seconds; `unsaid` where that is not said.
fn length(start: &When, end: &End, unsaid: i64) -> i64 {
    let seconds = match end {
        End::Unsaid => unsaid,
        End::At(end) => seconds(end).saturating_sub(seconds(start)),
        End::After(length) => length
            .days
            .saturating_mul(DAY)
            .saturating_add(length.seconds),
    };
    seconds.max(0)
}

fn seconds(when: &When) -> i64 {
    as_utc(local(when))
}

fn local(when: &When) -> DateTime {
    match when {
        When::Date(date) => date.to_datetime(Time::midnight()),
        When::Time { local, .. } => *local,
    }
}

fn as_utc(local: DateTime) -> i64 {
    Zone::utc().instant(local).seconds()
}
