//! A quick look at an event, which tells whether it can be passed over: it was over long
//! before a window, or begins long after it.
//!
//! Of its lines only those are understood that say when it takes place. What is not
//! written as nearly every program writes it (a fold inside a name, a property that stands
//! there twice, a component that is not VALARM) cannot be passed over and is read in full.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::SignedDuration;
use jiff::civil::DateTime;
use memchr::{memchr, memchr_iter, memrchr};

use super::date::{self, Written};
use super::line::{self, Line, Lines};
use super::rrule;
use super::series::Rule;
use crate::model::time::{UnixTime, Window};
use crate::model::zone::Zone;

/// Local times are compared as if they were UTC. Start and end may be local to two zones,
/// each less than a day from UTC, and an event that does not say its length may be a day.
const MARGIN: SignedDuration = SignedDuration::from_hours(3 * 24);
/// More bytes than any name has that is looked for.
const LONGEST_NAME: usize = 40;
/// The longest UID that is compared.
const MAX_UID: usize = 1_000;

/// An event that was passed over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passed {
    /// Its bytes, from BEGIN to the end of END.
    pub start: usize,
    pub end: usize,
    /// The numbers of its first line, and of the one behind its last.
    pub line: u32,
    pub next_line: u32,
    /// The number of its VCALENDAR in the file.
    pub calendar: u32,
    /// See [`uid_hash`].
    pub uid: u64,
}

/// By what the UIDs of events that were passed over and others are compared. Where two
/// have the same by chance, more is read than need be.
#[must_use]
pub fn uid_hash(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
}

/// The times between which events have to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    from: DateTime,
    to: DateTime,
}

impl Reach {
    #[must_use]
    pub fn of(window: Window) -> Self {
        let local = |at: UnixTime| Zone::utc().local(at);
        Self {
            from: local(window.from()).saturating_sub(MARGIN),
            to: local(window.to()).saturating_add(MARGIN),
        }
    }

    /// The event whose BEGIN is this line, if nothing of it can be within reach; `lines`
    /// stand behind that line.
    #[must_use]
    pub fn pass(&self, begin: &Line<'_>, lines: &Lines<'_>, calendar: u32) -> Option<Passed> {
        if !begin.is(b"BEGIN:VEVENT") || lines.end_at_lone_cr() {
            return None;
        }
        let mut skim = Skim {
            lines,
            reach: *self,
            times: Times::default(),
            buffer: Vec::new(),
        };
        let (end, count) = skim.end(begin.end)?;
        let Skim { times, .. } = skim;
        let uid = times.uid?;
        if times.may_be_within(*self) {
            return None;
        }
        Some(Passed {
            start: begin.start,
            end,
            line: begin.number,
            next_line: begin.number.checked_add(1)?.checked_add(count)?,
            calendar,
            uid,
        })
    }
}

/// When an event takes place, by its own lines. Local times stand for themselves.
#[derive(Default)]
struct Times {
    uid: Option<u64>,
    start: Option<DateTime>,
    end: Option<DateTime>,
    length: Option<SignedDuration>,
    /// It stands for an instance of a series.
    is_override: bool,
    rule: Option<Rule>,
}

impl Times {
    /// One property, with its name. `None` where it is there already, or says more than is
    /// understood here, or enough for the event to be read.
    fn take(&mut self, of: Of, line: &str, reach: Reach) -> Option<()> {
        match of {
            Of::Uid => {
                let uid = line.strip_prefix("UID:")?.trim();
                if uid.is_empty() || uid.len() > MAX_UID {
                    return None;
                }
                once(&mut self.uid, uid_hash(uid))
            }
            Of::Start => {
                let start = date(line)?;
                if reach.from <= start && start <= reach.to {
                    return None;
                }
                once(&mut self.start, start)
            }
            Of::End => once(&mut self.end, date(line)?),
            Of::Duration => {
                let length = date::duration(line.strip_prefix("DURATION:")?)?;
                let days = SignedDuration::from_hours(length.days.checked_mul(24)?);
                let length = days.checked_add(SignedDuration::from_secs(length.seconds))?;
                once(&mut self.length, length)
            }
            Of::RecurrenceId => {
                date(line)?;
                let is_one = !self.is_override && !line.to_ascii_uppercase().contains("RANGE");
                self.is_override = true;
                is_one.then_some(())
            }
            Of::Rule => {
                let text = line.strip_prefix("RRULE:")?;
                let is_endless = !text.contains("UNTIL") && !text.contains("COUNT");
                if is_endless && self.start.is_none_or(|start| start <= reach.to) {
                    return None;
                }
                let rule = rrule::read(text)
                    .ok()
                    .filter(|read| read.left_out.is_empty())?;
                once(&mut self.rule, rule.rule)
            }
        }
    }

    /// False only where that is certain.
    fn may_be_within(&self, reach: Reach) -> bool {
        let Some(start) = self.start else {
            return true;
        };
        let end = match (self.end, self.length) {
            (Some(end), None) => end.max(start),
            (None, Some(length)) => start.saturating_add(length),
            // It has the length of its series.
            (None, None) if self.is_override => return true,
            (None, None) => start,
            (Some(_), Some(_)) => return true,
        };
        let last = match &self.rule {
            None => Some(end),
            Some(rule) => rule
                .last_start(start)
                .map(|last| last.max(start).saturating_add(end.duration_since(start))),
        };
        start <= reach.to && last.is_none_or(|last| last >= reach.from)
    }
}

/// The properties that say when an event takes place, and which one it is.
#[derive(Clone, Copy)]
enum Of {
    Uid,
    Start,
    End,
    Duration,
    RecurrenceId,
    Rule,
}

struct Skim<'a> {
    lines: &'a Lines<'a>,
    reach: Reach,
    times: Times,
    buffer: Vec<u8>,
}

impl Skim<'_> {
    /// Goes through the lines of an event; where the one behind it begins, and how many it
    /// has. `None` where anything is not as usual.
    fn end(&mut self, from: usize) -> Option<(usize, u32)> {
        let body = self.lines.body();
        let (mut at, mut count, mut returns) = (from, 0, 0);
        let mut in_alarm = false;
        // The logical line that is open: where it begins, what it is of, and its last part.
        let (mut start, mut of) = (from, None);
        let (mut is_folded, mut before) = (false, b"".as_slice());
        loop {
            let rest = body.get(at..)?;
            let line = rest.get(..memchr(b'\n', rest)?)?;
            let next = at + line.len() + 1;
            count += 1;
            let line = match line {
                [line @ .., b'\r'] => {
                    returns += 1;
                    line
                }
                line => line,
            };
            if let [b' ' | b'\t', ..] = line {
                if !self.is_fold(at, start, before) {
                    return None;
                }
                is_folded = true;
            } else {
                if before.last() == Some(&b'=') {
                    // A line of quoted-printable text may go on here.
                    return None;
                }
                if let Some(of) = of.take()
                    && !in_alarm
                {
                    match is_folded {
                        true => self.take_folded(of, start, at)?,
                        false => self.times.take(of, &line::decode(before), self.reach)?,
                    }
                }
                (start, is_folded) = (at, false);
                match line.first()?.to_ascii_uppercase() {
                    b'B' if is_named(line, b"BEGIN")? => {
                        if in_alarm || line != b"BEGIN:VALARM" {
                            return None;
                        }
                        in_alarm = true;
                    }
                    b'E' if is_named(line, b"END")? => match line {
                        b"END:VALARM" if in_alarm => in_alarm = false,
                        b"END:VEVENT" if !in_alarm => {
                            let span = body.get(from..next)?;
                            let is_usual = memchr_iter(b'\r', span).count() == returns;
                            let is_last = is_behind_event(body.get(next..)?);
                            return (is_usual && is_last).then_some((next, count));
                        }
                        _ => return None,
                    },
                    b'D' if is_named(line, b"DTSTART")? => of = Some(Of::Start),
                    b'D' if is_named(line, b"DTEND")? => of = Some(Of::End),
                    b'D' if is_named(line, b"DURATION")? => of = Some(Of::Duration),
                    b'R' if is_named(line, b"RECURRENCE-ID")? => of = Some(Of::RecurrenceId),
                    b'R' if is_named(line, b"RRULE")? => of = Some(Of::Rule),
                    b'R' if is_named(line, b"RDATE")? && !in_alarm => return None,
                    b'U' if is_named(line, b"UID")? => of = Some(Of::Uid),
                    b'A'..=b'Z' => {}
                    _ => return None,
                }
            }
            before = line;
            at = next;
        }
    }

    /// Whether a line that begins with a blank, at `at`, continues the one `before` it, of
    /// that which began at `start`, and no name is folded.
    fn is_fold(&self, at: usize, start: usize, before: &[u8]) -> bool {
        let ends_name = |byte: &u8| matches!(byte, b':' | b';' | b' ' | b'\t');
        let has_name = before.len() >= LONGEST_NAME || before.iter().any(ends_name);
        has_name && !self.lines.begins_anew(at, start, 0, before.len())
    }

    fn take_folded(&mut self, of: Of, start: usize, end: usize) -> Option<()> {
        let line = self.lines.part(start, end, 0).next()?;
        let line = line::decode(line.unfold(&mut self.buffer));
        self.times.take(of, &line, self.reach)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    match slot.replace(value) {
        Some(_) => None,
        None => Some(()),
    }
}

/// Whether a line has this name, in any letter case; `None` where that is not certain.
fn is_named(line: &[u8], name: &[u8]) -> Option<bool> {
    match line.split_at_checked(name.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(name) => match rest.first()? {
            b':' | b';' => Some(true),
            byte if byte.is_ascii_alphanumeric() || *byte == b'-' => Some(false),
            _ => None,
        },
        _ => Some(false),
    }
}

/// Whether the end of an event is its end: a property that stands behind it may be of it.
fn is_behind_event(rest: &[u8]) -> bool {
    rest.starts_with(b"BEGIN:") || rest.starts_with(b"END:VCALENDAR")
}

/// The date or time that ends a line.
fn date(line: &str) -> Option<DateTime> {
    let colon = memrchr(b':', line.as_bytes())?;
    Some(match date::written(line.get(colon + 1..)?)? {
        Written::Date(date) => date.to_datetime(jiff::civil::Time::midnight()),
        Written::Time { local, .. } => local,
    })
}
