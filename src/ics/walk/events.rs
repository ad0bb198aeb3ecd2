//! The events of a body: one begins and ends, or has lost its BEGIN, or is passed over and
//! perhaps read after all.

use std::collections::HashSet;

use super::super::MAX_VERDICTS;
use super::super::component::{Kind, OF_BOTH, OF_EVENTS};
use super::super::draft::Draft;
use super::super::line::{Line, Lines};
use super::super::property::Name;
use super::super::skim::{self, Passed};
use super::Walk;
use crate::model::verdict::Rule;

/// Events in one item that have a start. A feed of that many has 100 MB or more.
const MAX_EVENTS: usize = 250_000;
/// What an event that is passed over takes of memory.
const PER_PASSED: u64 = 2 * size_of::<Passed>() as u64;

impl<'a> Walk<'a> {
    /// Passes over the event that begins here, if it is beyond reach.
    pub(super) fn pass(&mut self, begin: &Line<'a>, behind: &Lines<'a>) -> Option<Passed> {
        let reach = self.options.reach?;
        if self.deeper > 0 || self.stack.last() != Some(&Kind::Calendar) {
            return None;
        }
        let passed = reach.pass(begin, behind, self.calendar())?;
        self.outside.clear();
        self.event_closed = false;
        self.passed.push(passed);
        self.used = self.used.saturating_add(PER_PASSED);
        Some(passed)
    }

    /// Reads what was passed over after all where other events have the same UID: copies,
    /// a series and its instances say more together.
    pub(super) fn take_back(&mut self, body: &'a [u8]) {
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
            if self.is_too_large() {
                self.file.is_too_large = true;
                return;
            }
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

    /// An event property beside the events: of one that lost its BEGIN, or that a
    /// stray END cut in two.
    pub(super) fn outside(&mut self, name: Name, line: &Line<'a>) {
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
            let mut draft = Box::new(Draft::new(calendar, number, start));
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
    pub(super) fn begins_next(&self, name: Name) -> bool {
        self.event.as_ref().is_some_and(|event| {
            event.without_begin && matches!(name, Name::Uid | Name::Start) && event.has(name)
        })
    }

    pub(super) fn finish_event(&mut self, end: usize) {
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
        self.used = self.used.saturating_add(event.weight());
        self.file.drafts.push(event);
        self.event_closed = true;
    }

    pub(super) fn drop_event(&mut self) {
        if let Some(event) = self.event.take() {
            self.verdict(event.kept_line.unwrap_or(event.line), Rule::CutOff);
        }
    }
}
