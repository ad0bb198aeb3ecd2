//! The components of a body, walked line by line without recursion: calendars,
//! events as drafts, time zones. Everything else is passed over.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::component::{Kind, OF_BOTH, OF_CALENDARS, OF_EVENTS, glued, named};
use super::date;
use super::draft::{self, Draft, MAX_TEXT};
use super::line::{self, Line, Lines, MAX_LINE};
use super::property::{Name, Property};
use super::skim::{self, Passed, Reach};
use super::zone::{Zones, own};
use super::{MAX_VERDICTS, NotACalendar};
use crate::model::verdict::Rule;

/// Components inside one another. Real calendars have three.
const MAX_DEPTH: usize = 64;
/// Events in one item that have a start. A feed of that many has 100 MB or more.
const MAX_EVENTS: usize = 250_000;
/// How far into a body its calendar may begin, behind warnings of a script, say.
const MAX_PREAMBLE: usize = 64 << 10;

/// What stands in a body, in its order.
#[derive(Debug, Default)]
pub struct File {
    pub calendars: Vec<Calendar>,
    pub drafts: Vec<Draft>,
    pub zones: Zones,
    /// The VTIMEZONEs: calendar, TZIDs, bytes.
    pub zone_spans: Vec<(u32, Vec<String>, Range<usize>)>,
    /// Line, or 0 for the body as a whole, and rule.
    pub verdicts: Vec<(u32, Rule)>,
    /// The body ends inside a component.
    pub cut_off: bool,
    pub name: Option<String>,
}

#[derive(Debug, Default)]
pub struct Calendar {
    /// METHOD:CANCEL.
    pub cancelled: bool,
    /// X-WR-TIMEZONE and its line.
    pub zone: Option<(String, u32)>,
}

/// What is wanted of a body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Only events that have to do with these times; else all.
    pub reach: Option<Reach>,
    /// Where the properties of each event stand.
    pub with_lines: bool,
}

/// Walks a body.
///
/// # Errors
/// When no calendar begins in it.
pub fn walk(body: &[u8], options: Options) -> Result<File, NotACalendar> {
    // A page may quote a calendar; it is a page all the same.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'<') {
        return Err(NotACalendar::Html);
    }
    let mut walk = Walk {
        options,
        ..Walk::default()
    };
    let mut first_line = None;
    let mut lines = Lines::new(body);
    let calendar = lines
        .by_ref()
        .inspect(|line| first_line = first_line.or(Some(line.number)))
        .find(|line| walk.is_calendar(line) || line.start > MAX_PREAMBLE)
        .filter(|line| walk.is_calendar(line));
    let Some(calendar) = calendar else {
        return Err(not_a_calendar(body, first_line));
    };
    walk.line(&calendar);
    while let Some(line) = lines.next() {
        match walk.pass(&line, &lines) {
            Some(passed) => lines.go_on_at(passed.end, passed.next_line),
            None => walk.line(&line),
        }
    }
    Ok(walk.finish(body))
}

fn not_a_calendar(body: &[u8], first_line: Option<u32>) -> NotACalendar {
    let text = body
        .iter()
        .find(|byte| !byte.is_ascii_whitespace() && **byte != 0);
    match (text, first_line) {
        (None, _) | (_, None) => NotACalendar::Empty,
        (Some(b'<'), _) => NotACalendar::Html,
        (Some(_), Some(line)) => NotACalendar::NoCalendar { line },
    }
}

#[derive(Default)]
struct Walk<'a> {
    file: File,
    options: Options,
    passed: Vec<Passed>,
    stack: Vec<Kind>,
    /// Components that are open beyond [`MAX_DEPTH`].
    deeper: u32,
    event: Option<Draft>,
    /// Properties of the calendar that may be the first of an event without BEGIN.
    outside: Vec<(Name, Line<'a>)>,
    /// The last component that was closed is the last draft.
    event_closed: bool,
    zone: Option<(own::Draft, usize)>,
    zone_room: own::Room,
    name_buffer: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn is_calendar(&mut self, line: &Line<'_>) -> bool {
        Name::of(line.name(&mut self.name_buffer)) == Name::Begin
            && Kind::of(named(line, &mut self.buffer)) == Kind::Calendar
    }

    /// Passes over the event that begins here, if it is beyond reach.
    fn pass(&mut self, begin: &Line<'a>, behind: &Lines<'a>) -> Option<Passed> {
        let reach = self.options.reach?;
        if self.deeper > 0 || self.stack.last() != Some(&Kind::Calendar) {
            return None;
        }
        let passed = reach.pass(begin, behind, self.calendar())?;
        self.outside.clear();
        self.event_closed = false;
        self.passed.push(passed);
        Some(passed)
    }

    /// Reads what was passed over after all where other events have the same UID: copies,
    /// a series and its instances say more together.
    fn take_back(&mut self, body: &'a [u8]) {
        let uids = self
            .file
            .drafts
            .iter()
            .filter_map(|draft| draft.uid.as_deref());
        let uids: HashSet<u64> = uids.map(skim::uid_hash).collect();
        let lines = Lines::new(body);
        let back = self
            .passed
            .extract_if(.., |passed| uids.contains(&passed.uid));
        for passed in back.collect::<Vec<_>>() {
            for line in lines.part(passed.start, passed.end, passed.line) {
                self.line(&line);
            }
            let draft = self.file.drafts.last_mut();
            if let Some(draft) = draft.filter(|draft| draft.span.start == passed.start) {
                draft.calendar = passed.calendar;
            }
        }
        self.file.drafts.sort_by_key(|draft| draft.span.start);
    }

    fn line(&mut self, line: &Line<'a>) {
        if line.indented {
            self.repaired(
                0,
                "lines that begin with blanks are read as lines of their own",
            );
        }
        match Name::of(line.name(&mut self.name_buffer)) {
            Name::Other => {}
            Name::Begin => {
                let kind = Kind::of(named(line, &mut self.buffer));
                self.begin(kind, line);
            }
            Name::End => {
                let (kind, next) = glued(named(line, &mut self.buffer));
                self.end(kind, line);
                if let Some((is_begin, next)) = next {
                    self.repaired(line.number, "two lines stand on one");
                    match is_begin {
                        true => self.begin(next, line),
                        false => self.end(next, line),
                    }
                }
            }
            name if self.deeper == 0 => self.property(name, line),
            _ => {}
        }
    }

    fn begin(&mut self, kind: Kind, line: &Line<'_>) {
        self.outside.clear();
        self.event_closed = false;
        match kind {
            Kind::Calendar => {
                // An event that is open here was cut off: another file was put behind it.
                self.drop_event();
                self.close_down_to(0, line.start);
                self.file.calendars.push(Calendar::default());
            }
            // These stand in a calendar only. What is open has lost its END.
            Kind::Event | Kind::Zone | Kind::Beside(_) => {
                let calendar = self.stack.iter().rposition(|open| *open == Kind::Calendar);
                self.close_down_to(calendar.map_or(0, |at| at + 1), line.start);
            }
            Kind::Observance if self.stack.last() == Some(&Kind::Observance) => {
                self.close_down_to(self.stack.len().saturating_sub(1), line.start);
            }
            Kind::Observance | Kind::Other(_) => {}
        }
        if self.stack.len() >= MAX_DEPTH {
            if self.deeper == 0 {
                let rule = Rule::Capped {
                    cap: "components inside one another",
                    at: MAX_DEPTH as u64,
                };
                self.verdict(line.number, rule);
            }
            self.deeper = self.deeper.saturating_add(1);
            return;
        }
        let calendar = self.calendar();
        match kind {
            Kind::Event => self.event = Some(Draft::new(calendar, line.number, line.start)),
            Kind::Zone => self.zone = Some((own::Draft::default(), line.start)),
            Kind::Observance => {
                if let (Some(Kind::Zone), Some((zone, _))) = (self.stack.last(), &mut self.zone) {
                    zone.open();
                }
            }
            _ => {}
        }
        self.stack.push(kind);
    }

    fn end(&mut self, kind: Kind, line: &Line<'_>) {
        if self.deeper > 0 && matches!(kind, Kind::Other(_) | Kind::Observance) {
            self.deeper -= 1;
            return;
        }
        match self.stack.iter().rposition(|open| *open == kind) {
            Some(at) => self.close_down_to(at, line.end),
            None => self.repaired(line.number, "an END without its BEGIN is passed over"),
        }
    }

    /// Closes what is open until so many components are left.
    fn close_down_to(&mut self, depth: usize, end: usize) {
        self.deeper = 0;
        while self.stack.len() > depth {
            match self.stack.pop() {
                Some(Kind::Event) => self.finish_event(end),
                Some(Kind::Zone) => self.finish_zone(end),
                Some(Kind::Observance) => {
                    if let Some((zone, _)) = &mut self.zone {
                        zone.close(&mut self.zone_room);
                    }
                }
                _ => {}
            }
        }
    }

    /// An event property beside the events: of one that lost its BEGIN, or that a
    /// stray END cut in two.
    fn outside(&mut self, name: Name, line: &Line<'a>) {
        if OF_BOTH.contains(&name) && self.outside.len() < 16 {
            self.outside.push((name, *line));
        }
        if !OF_EVENTS.contains(&name) {
            return;
        }
        let before = std::mem::take(&mut self.outside);
        let has_uid = before.iter().any(|(name, _)| *name == Name::Uid);
        let calendar = self.calendar();
        let cut = self.file.drafts.last().is_some_and(|last| {
            let is_here = self.event_closed && last.calendar == calendar;
            is_here && !has_uid && last.has(Name::Start) && !last.has(name)
        });
        let event = if cut { self.file.drafts.pop() } else { None };
        self.event = Some(event.unwrap_or_else(|| {
            let (number, start) = match before.first() {
                Some((_, first)) => (first.number, first.start),
                None => (line.number, line.start),
            };
            let mut draft = Draft::new(calendar, number, start);
            draft.without_begin = true;
            draft
        }));
        if cut {
            let what = "an event goes on behind its END";
            self.repaired(line.number, what);
        }
        self.event_closed = false;
        self.stack.push(Kind::Event);
        for (name, line) in &before {
            self.property(*name, line);
        }
    }

    /// Whether the event that is open has no BEGIN, and this belongs to the next one.
    fn begins_next(&self, name: Name) -> bool {
        let next = |event: &Draft| {
            event.without_begin && matches!(name, Name::Uid | Name::Start) && event.has(name)
        };
        self.event.as_ref().is_some_and(next)
    }

    fn property(&mut self, name: Name, line: &Line<'a>) {
        let mut top = self.stack.last().copied();
        if top == Some(Kind::Event) && self.event.as_ref().is_some_and(|e| e.without_begin) {
            if self.begins_next(name) {
                self.close_down_to(self.stack.len().saturating_sub(1), line.start);
                top = self.stack.last().copied();
            } else if OF_CALENDARS.contains(&name) {
                top = Some(Kind::Calendar);
            }
        }
        if top == Some(Kind::Calendar) && !OF_CALENDARS.contains(&name) {
            self.outside(name, line);
            top = self.stack.last().copied();
            if top == Some(Kind::Calendar) {
                return;
            }
        }
        match (top, name) {
            (Some(Kind::Event), Name::Attendee) => {
                // Guests of large meetings are most of some feeds.
                if !draft::attendee_matters(line.unfold(&mut self.buffer)) {
                    return;
                }
            }
            (Some(Kind::Event | Kind::Zone | Kind::Observance | Kind::Calendar), _) => {}
            // Behind END:VCALENDAR, or in a component that is not read.
            _ => return,
        }
        let limit = limit(name);
        let bytes = line.unfold_at_most(limit, &mut self.buffer);
        let cut = bytes.len() == limit && line.len() > limit;
        let text = line::decode(bytes);
        let property = Property::split(&text);
        match (top, property) {
            (Some(Kind::Event), Some(property)) => {
                if let Some(event) = &mut self.event {
                    let property = match name.is_date() {
                        true => property.behind_a_later_colon(&text, date::begins_with_date),
                        false => property,
                    };
                    event.take(name, &property, line.number, &mut self.file.zones);
                    if self.options.with_lines {
                        event.lines.push((name, line.start, line.end));
                    }
                    if cut {
                        event.trouble(Rule::Capped {
                            cap: "bytes in a line",
                            at: limit as u64,
                        });
                    }
                }
            }
            (Some(Kind::Event), None) => {
                if let Some(event) = &mut self.event {
                    let what = format!("line {} has no value", line.number);
                    event.trouble(Rule::Note { what });
                }
            }
            (Some(Kind::Zone), Some(property)) => {
                if let Some((zone, _)) = &mut self.zone {
                    zone.take(name, &property);
                }
            }
            (Some(Kind::Observance), Some(property)) => {
                if let Some((zone, _)) = &mut self.zone {
                    zone.take_inside(name, &property);
                }
            }
            (Some(Kind::Calendar), Some(property)) => {
                let value = property.value.trim();
                let Some(calendar) = self.file.calendars.last_mut() else {
                    return;
                };
                match name {
                    Name::Method => calendar.cancelled = value.eq_ignore_ascii_case("CANCEL"),
                    Name::CalendarZone if calendar.zone.is_none() => {
                        calendar.zone = Some((value.to_owned(), line.number));
                    }
                    Name::CalendarTitle | Name::NewCalendarTitle if self.file.name.is_none() => {
                        let name = super::property::unescape(value);
                        self.file.name = Some(name).filter(|name| !name.is_empty());
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn calendar(&self) -> u32 {
        u32::try_from(self.file.calendars.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn finish_event(&mut self, end: usize) {
        let Some(mut event) = self.event.take() else {
            return;
        };
        event.span.end = end;
        if event.without_begin {
            if event.start.is_none() {
                let what = "properties of an event stand outside of one".to_owned();
                return self.verdict(event.line, Rule::Note { what });
            }
            self.repaired(event.line, "an event without its BEGIN");
        }
        if event.start.is_none() && event.recurrence_id.is_none() && event.broken.is_none() {
            event.broken = Some((event.line, "DTSTART is missing".to_owned()));
        }
        if event.broken.is_some() && self.file.verdicts.len() >= MAX_VERDICTS {
            return;
        }
        if self.file.drafts.len() >= MAX_EVENTS {
            return self.verdict(
                0,
                Rule::Capped {
                    cap: "events",
                    at: MAX_EVENTS as u64,
                },
            );
        }
        if let Some((line, what)) = &event.broken {
            let rule = Rule::Unreadable { what: what.clone() };
            self.verdict(event.kept_line.unwrap_or(*line), rule);
        }
        self.file.drafts.push(event);
        self.event_closed = true;
    }

    fn repaired(&mut self, line: u32, what: &str) {
        let what = what.to_owned();
        self.verdict(line, Rule::Repaired { what });
    }

    fn drop_event(&mut self) {
        if let Some(event) = self.event.take() {
            self.verdict(event.kept_line.unwrap_or(event.line), Rule::CutOff);
        }
    }

    fn finish_zone(&mut self, end: usize) {
        let Some((mut zone, start)) = self.zone.take() else {
            return;
        };
        let calendar = self.calendar();
        let location = zone.take_location();
        let (zones, caps) = zone.into_zones(&mut self.zone_room);
        for (cap, at) in caps {
            let at = at as u64;
            self.verdict(0, Rule::Capped { cap, at });
        }
        let tzids = zones.iter().map(|zone| zone.tzid.clone()).collect();
        self.file.zone_spans.push((calendar, tzids, start..end));
        for zone in &zones {
            if let Some(location) = &location {
                self.file.zones.locate(&zone.tzid, location);
            }
            self.file.zones.define(calendar, &Arc::clone(zone));
        }
    }

    fn verdict(&mut self, line: u32, rule: Rule) {
        let verdicts = &mut self.file.verdicts;
        if verdicts.len() < MAX_VERDICTS && !verdicts.contains(&(line, rule.clone())) {
            verdicts.push((line, rule));
        }
    }

    fn finish(mut self, body: &'a [u8]) -> File {
        self.file.cut_off = !self.stack.is_empty();
        self.drop_event();
        self.close_down_to(0, body.len());
        self.take_back(body);
        // Damage must not pass for an empty calendar.
        if self.file.drafts.is_empty()
            && self.passed.is_empty()
            && !self.file.cut_off
            && memchr::memmem::find(body, b"BEGIN:VEVENT").is_some()
        {
            self.file.cut_off = true;
            let what = "events begin in this calendar, and none could be found".to_owned();
            self.verdict(0, Rule::Unreadable { what });
        }
        self.file
    }
}

/// How many bytes of a property are looked at.
#[must_use]
pub fn limit(name: Name) -> usize {
    match name {
        Name::Summary | Name::Description | Name::Location | Name::Url | Name::Uid => MAX_TEXT,
        _ => MAX_LINE,
    }
}
