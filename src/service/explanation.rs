//! Why each event of a room is on its display or not, for people: composed here alone, for
//! `podcal explain` and for the page of a room.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::past::PastDisplay;
use super::present::Present;
use super::study::Study;
use crate::compose::{self, filter};
use crate::config::Room;
use crate::model::memory::Memories;
use crate::model::occurrence::Details;
use crate::model::time::{UnixTime, Window};
use crate::model::verdict::{Rule, Subject, Verdict};
use crate::model::zone::Zone;
use crate::telemetry::words::service::count;

/// Instances of one event that are listed for each rule.
const FEW: usize = 20;
/// What is listed around a time that was picked.
pub const NEAR: Duration = Duration::from_secs(12 * 3600);

/// What is explained.
pub struct Explanation {
    pub name: String,
    pub zone: Zone,
    /// As of when.
    pub at: UnixTime,
    /// What a person is told of; `--json` has the rest too.
    pub near: Option<Window>,
    pub titles: Titles,
    /// What the displays showed, where it is about a time that is over.
    pub past: Option<Vec<PastDisplay>>,
    /// Whether the displays are known to show what they should.
    pub is_in_step: bool,
    /// How each feed was read, and what differs on a display, for people.
    pub notes: Vec<String>,
    /// By time.
    pub verdicts: Vec<Verdict>,
}

/// Which titles are told.
pub enum Titles {
    AsTheyAre,
    /// This one in place of that of a private event.
    PrivateAs(String),
    /// This one in place of each.
    AllAs(String),
}

/// Events with one heading.
pub struct Part {
    pub heading: &'static str,
    pub rows: Vec<Row>,
    /// How many more of the same there are.
    pub more: usize,
}

pub struct Row {
    pub when: String,
    pub what: String,
    pub why: String,
}

impl Explanation {
    /// Of a room, as its controller decided.
    #[must_use]
    pub fn of_room(
        room: &Room,
        study: Study,
        memories: &Memories,
        at: UnixTime,
        near: Option<Window>,
        titles: Titles,
    ) -> Self {
        let present = Present::of(room, memories, study.view.wanted.agenda.as_deref(), at);
        let mut notes = feeds(room, &study);
        notes.extend(present.notes);
        let explanation = Self {
            name: room.title.clone(),
            zone: room.zone.clone(),
            at,
            near,
            titles,
            past: None,
            is_in_step: present.is_in_step,
            notes,
            verdicts: study.verdicts,
        };
        explanation.in_order()
    }

    /// Of a time that is over, about which the calendars say nothing any more.
    #[must_use]
    pub fn of_past(room: &Room, at: UnixTime, past: Vec<PastDisplay>) -> Self {
        Self {
            name: room.title.clone(),
            zone: room.zone.clone(),
            at,
            near: None,
            titles: Titles::AsTheyAre,
            past: Some(past),
            is_in_step: true,
            notes: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    #[must_use]
    pub fn with_past(self, past: Option<Vec<PastDisplay>>) -> Self {
        Self { past, ..self }
    }

    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.verdicts
            .sort_by_key(|verdict| (verdict.start, verdict.end));
        self
    }

    /// What the display shows at that time, and what it does not, as sentences.
    #[must_use]
    pub fn answers(&self) -> Vec<String> {
        let Some(past) = &self.past else {
            return self.answers_of_calendars();
        };
        let is_alone = past.len() == 1;
        let past = past.iter();
        let past = past.flat_map(|display| display.answers(is_alone, self.at, &self.zone));
        let mut answers: Vec<String> = past.collect();
        if self.notes.is_empty() {
            answers.push(
                "Why another meeting was not there is not known: podcal does not keep the calendars of earlier days."
                    .to_owned(),
            );
        } else {
            answers.push("By the calendars and the configuration as they are now:".to_owned());
            answers.extend(self.answers_of_calendars());
        }
        answers
    }

    fn answers_of_calendars(&self) -> Vec<String> {
        let as_of = self.local(self.at);
        let then = |verdict: &&Verdict| {
            verdict.start.is_some_and(|start| start <= self.at)
                && verdict.end.is_some_and(|end| end > self.at)
        };
        let (shown, missing): (Vec<_>, Vec<_>) = self
            .verdicts
            .iter()
            .filter(then)
            .partition(|verdict| verdict.rule.is_shown());
        let shows = match self.is_in_step {
            true => "shows",
            false => "should show",
        };
        let mut answers = Vec::new();
        if shown.is_empty() {
            let next = self.verdicts.iter().filter(|one| one.rule.is_shown());
            let next = next.filter_map(|one| one.start.filter(|start| *start > self.at));
            let until = next.min().map(|at| self.until(self.at, at));
            let until = until.map_or_else(String::new, |until| format!(" until {until}"));
            answers.push(format!(
                "At {as_of} the display {shows} the room as free{until}."
            ));
        }
        answers.extend(shown.iter().map(|verdict| {
            let title = self.title(verdict);
            match &verdict.rule {
                Rule::Shown => format!("At {as_of} the display {shows} `{title}`."),
                rule => format!("At {as_of} the display {shows} `{title}`: {rule}."),
            }
        }));
        answers.extend(missing.iter().map(|verdict| {
            let (title, rule) = (self.title(verdict), &verdict.rule);
            format!("It does not show `{title}`: {rule}.")
        }));
        answers
    }

    /// The events that are near, by what became of them; without parts that are empty.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let (timed, others): (Vec<_>, Vec<_>) = self
            .verdicts
            .iter()
            .partition(|verdict| verdict.start.is_some());
        let (shown, missing): (Vec<_>, Vec<_>) = timed
            .into_iter()
            .filter(|verdict| self.is_near(verdict) == Some(true))
            .partition(|verdict| verdict.rule.is_shown());
        [
            ("On the display", shown),
            ("Not on the display", missing),
            ("About the calendar", others),
        ]
        .into_iter()
        .filter(|(_, verdicts)| !verdicts.is_empty())
        .map(|(heading, verdicts)| {
            let (verdicts, more) = few_of_each(verdicts);
            let rows = verdicts.into_iter().map(|verdict| self.row(verdict));
            Part {
                heading,
                rows: rows.collect(),
                more,
            }
        })
        .collect()
    }

    /// How many are over or too far away to be listed.
    #[must_use]
    pub fn far(&self) -> usize {
        let near = self.verdicts.iter().map(|verdict| self.is_near(verdict));
        near.filter(|near| *near == Some(false)).count()
    }

    /// Whether it is near enough to be listed; `None` where it is about no time.
    fn is_near(&self, verdict: &Verdict) -> Option<bool> {
        let start = verdict.start?;
        let end = verdict.end.unwrap_or(start);
        Some(self.near.is_none_or(|near| near.overlaps(start, end)))
    }

    fn row(&self, verdict: &Verdict) -> Row {
        let when = match (verdict.start, verdict.end) {
            (Some(start), Some(end)) => {
                format!("{} - {}", self.local(start), self.until(start, end))
            }
            (Some(start), None) => self.local(start),
            _ => place(verdict),
        };
        Row {
            when,
            what: self.title(verdict),
            why: verdict.rule.to_string(),
        }
    }

    #[must_use]
    pub fn as_json(&self) -> Value {
        let verdicts: Vec<Value> = self
            .verdicts
            .iter()
            .map(|verdict| {
                json!({
                    "rule": verdict.rule.key(),
                    "says": verdict.rule.to_string(),
                    "shown": verdict.rule.is_shown(),
                    "title": self.title(verdict),
                    "start_time": verdict.start,
                    "end_time": verdict.end,
                    "place": place(verdict),
                })
            })
            .collect();
        let mut document = json!({
            "subject": self.name,
            "time_zone": self.zone.name(),
            "at": self.at,
            "notes": self.notes,
            "verdicts": verdicts,
        });
        if let (Some(past), Some(document)) = (&self.past, document.as_object_mut()) {
            let displays = past.iter().map(PastDisplay::as_json).collect();
            document.insert("displays".to_owned(), displays);
        }
        document
    }

    fn title(&self, verdict: &Verdict) -> String {
        let details = match (&verdict.subject, &self.titles) {
            (Subject::Event(details), _) => details,
            (Subject::Kept(_), Titles::AllAs(title)) => return title.clone(),
            (Subject::Kept(meeting), _) => return meeting.title.to_string(),
            (Subject::Line { .. }, _) => return String::new(),
        };
        let own = |details: &Details| {
            let summary = details.summary.as_deref();
            summary
                .and_then(compose::text::title)
                .unwrap_or_else(|| "(no title)".to_owned())
        };
        match &self.titles {
            Titles::AllAs(title) => title.clone(),
            Titles::PrivateAs(title) if filter::is_private(details) => title.clone(),
            Titles::PrivateAs(_) | Titles::AsTheyAre => own(details),
        }
    }

    /// A time in the zone of what is explained.
    #[must_use]
    pub fn local(&self, at: UnixTime) -> String {
        local(&self.zone, at)
    }

    fn until(&self, start: UnixTime, end: UnixTime) -> String {
        let (start, end) = (self.zone.local(start), self.zone.local(end));
        let format = if start.date() == end.date() {
            "%H:%M"
        } else {
            "%a %Y-%m-%d %H:%M"
        };
        end.strftime(format).to_string()
    }
}

fn local(zone: &Zone, at: UnixTime) -> String {
    zone.local(at).strftime("%a %Y-%m-%d %H:%M").to_string()
}

/// How each feed was read, and what the display keeps besides, for people.
fn feeds(room: &Room, study: &Study) -> Vec<String> {
    let time = |at| local(&room.zone, at);
    let mut says: Vec<String> = study
        .feeds
        .iter()
        .map(|feed| {
            let read = match feed.read_at.filter(|_| feed.is_remembered) {
                Some(at) => format!("read at {}", time(at)),
                None => "read now".to_owned(),
            };
            match (&feed.failure, feed.read_at) {
                (Some(failure), Some(at)) => format!(
                    "{}: as it was at {}, because {}; {}",
                    feed.id,
                    time(at),
                    failure.says,
                    failure.hint
                ),
                (Some(failure), None) => format!(
                    "{}: never read, because {}; {}",
                    feed.id, failure.says, failure.hint
                ),
                (None, None) if feed.is_remembered => format!("{}: not read yet", feed.id),
                (None, _) if feed.missing > 0 => format!(
                    "{}: {read}, except {} that could not be fetched",
                    feed.id,
                    count(feed.missing, "event", "events")
                ),
                (None, _) => format!("{}: {read}", feed.id),
            }
        })
        .collect();
    for held in &study.view.held {
        says.push(format!(
            "{}: {} vanished at once; the display keeps them until {} unless they come back",
            held.feed,
            count(held.missing, "upcoming meeting", "upcoming meetings"),
            time(held.until)
        ));
    }
    if study.view.kept > 0 {
        says.push(format!(
            "the display keeps {} that no feed accounts for, until they end",
            count(study.view.kept, "meeting", "meetings")
        ));
    }
    says
}

/// Of each event and rule the first instances, and how many were left out: one mad
/// series must not hide what else there is.
fn few_of_each(verdicts: Vec<&Verdict>) -> (Vec<&Verdict>, usize) {
    let mut counts: HashMap<(String, &'static str), usize> = HashMap::new();
    let all = verdicts.len();
    let few: Vec<&Verdict> = verdicts
        .into_iter()
        .filter(|verdict| {
            let uid = match &verdict.subject {
                Subject::Event(details) => details.uid.clone(),
                Subject::Kept(meeting) => meeting.id.to_string(),
                Subject::Line { .. } => place(verdict),
            };
            let count = counts.entry((uid, verdict.rule.key())).or_default();
            *count += 1;
            *count <= FEW
        })
        .collect();
    let more = all - few.len();
    (few, more)
}

/// Where in the calendar it stands.
fn place(verdict: &Verdict) -> String {
    let (href, line) = match &verdict.subject {
        Subject::Event(details) => (&details.source.href, details.source.line),
        Subject::Kept(_) => return String::new(),
        Subject::Line { href, line } => (href, *line),
    };
    match (href.is_empty(), line) {
        (true, 0) => "the calendar".to_owned(),
        (true, line) => format!("line {line}"),
        (false, 0) => href.clone(),
        (false, line) => format!("{href} line {line}"),
    }
}
