//! The properties of a body, each given to what is open: an event, a time zone, a calendar.

use super::super::component::{Kind, OF_CALENDARS};
use super::super::date;
use super::super::draft::{self, MAX_TEXT};
use super::super::line::{self, Line, MAX_LINE};
use super::super::property::{self, Name, Property};
use super::Walk;
use crate::model::verdict::Rule;

/// How many bytes of a property are looked at.
#[must_use]
pub fn limit(name: Name) -> usize {
    match name {
        Name::Summary | Name::Description | Name::Location | Name::Url | Name::Uid => MAX_TEXT,
        _ => MAX_LINE,
    }
}

impl<'a> Walk<'a> {
    pub(super) fn property(&mut self, name: Name, line: &Line<'a>) {
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
        // The form that is kept has it as it stands, and no filter asks for it.
        if top == Some(Kind::Event) && name == Name::Description && self.options.with_lines {
            return self.took(name, line);
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
                    if cut {
                        event.trouble(Rule::Capped {
                            cap: "bytes in a line",
                            at: limit as u64,
                        });
                    }
                }
                self.took(name, line);
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
                        let name = property::unescape(value);
                        self.file.name = Some(name).filter(|name| !name.is_empty());
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    /// A property of the event that is open.
    fn took(&mut self, name: Name, line: &Line<'_>) {
        let Some(event) = &mut self.event else {
            return;
        };
        if self.options.with_lines {
            event.lines.push((name, line.start, line.end));
        }
        // One event may be the whole body.
        if let Some(memory) = self.options.memory
            && event.weight() > memory.saturating_sub(self.used)
        {
            self.used = u64::MAX;
        }
    }
}
