//! The components of a body, walked line by line without recursion: calendars,
//! events as drafts, time zones. Everything else is passed over.

mod events;
mod properties;

use std::ops::Range;
use std::sync::Arc;

use super::component::{Kind, glued, named};
use super::draft::Draft;
use super::line::{Line, Lines};
use super::property::Name;
use super::skim::{Passed, Reach};
use super::zone::{Zones, own};
use super::{MAX_VERDICTS, NotACalendar};
use crate::model::verdict::Rule;

pub use properties::limit;

/// Components inside one another. Real calendars have three.
const MAX_DEPTH: usize = 64;
/// What a VCALENDAR, and a part of a VTIMEZONE, take of memory.
const PER_CALENDAR: u64 = 128;
const PER_ZONE_PART: u64 = 1024;
/// How far into a body its calendar may begin, behind warnings of a script, say.
const MAX_PREAMBLE: usize = 64 << 10;

/// What stands in a body, in its order.
#[derive(Debug, Default)]
pub struct File {
    pub calendars: Vec<Calendar>,
    #[expect(
        clippy::vec_box,
        reason = "each for itself: they are given up one by one"
    )]
    pub drafts: Vec<Box<Draft>>,
    pub zones: Zones,
    /// The VTIMEZONEs: calendar, TZIDs, bytes.
    pub zone_spans: Vec<(u32, Vec<String>, Range<usize>)>,
    /// Line, or 0 for the body as a whole, and rule.
    pub verdicts: Vec<(u32, Rule)>,
    /// The body ends inside a component.
    pub cut_off: bool,
    pub name: Option<String>,
    /// It was left there: more would have taken more memory than was allowed.
    pub is_too_large: bool,
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
    /// How many bytes may be made of it, beside the body.
    pub memory: Option<u64>,
}

/// Walks a body.
///
/// # Errors
/// When no calendar begins in it.
pub fn walk(body: &[u8], options: Options) -> Result<File, NotACalendar> {
    if is_page(body) {
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
        if walk.is_too_large() {
            return Ok(walk.too_large());
        }
    }
    Ok(walk.finish(body))
}

/// A page may quote a calendar; it is a page all the same. A comment or a warning of PHP in
/// front of a calendar makes no page of it.
fn is_page(body: &[u8]) -> bool {
    let text = body.trim_ascii_start();
    if !text.starts_with(b"<") {
        return false;
    }
    let preamble = text.get(..MAX_PREAMBLE).unwrap_or(text);
    let begin = memchr::memmem::find(preamble, b"\nBEGIN:VCALENDAR");
    let Some(preamble) = begin.and_then(|begin| preamble.get(..begin)) else {
        return true;
    };
    let tags = ["<html", "<!doctype", "<?xml", "<head", "<body", "<script"];
    let preamble = preamble.to_ascii_lowercase();
    tags.iter()
        .any(|tag| memchr::memmem::find(&preamble, tag.as_bytes()).is_some())
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
    /// About how many bytes were made of it.
    used: u64,
    passed: Vec<Passed>,
    stack: Vec<Kind>,
    /// Components that are open beyond [`MAX_DEPTH`].
    deeper: u32,
    event: Option<Box<Draft>>,
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

    fn is_too_large(&self) -> bool {
        self.options.memory.is_some_and(|memory| self.used > memory)
    }

    fn too_large(mut self) -> File {
        self.file.is_too_large = true;
        self.file
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
                self.used += PER_CALENDAR;
            }
            // These stand in a calendar only. What is open has lost its END.
            Kind::Event | Kind::Zone | Kind::Beside(_) => {
                if let Some(event) = self.event.as_ref().filter(|event| !event.without_begin) {
                    self.repaired(event.line, "an event without its END");
                }
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
            Kind::Event => {
                let draft = Draft::new(calendar, line.number, line.start);
                self.event = Some(Box::new(draft));
            }
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

    fn calendar(&self) -> u32 {
        u32::try_from(self.file.calendars.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn repaired(&mut self, line: u32, what: &str) {
        let what = what.to_owned();
        self.verdict(line, Rule::Repaired { what });
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
        let parts: usize = zones.iter().map(|zone| 1 + own::parts(zone)).sum();
        self.used = self.used.saturating_add(PER_ZONE_PART * parts as u64);
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
