//! Occurrences to the agenda of a display: what a display may show, and how.
//! Pure.

pub mod filter;
pub mod text;

use std::collections::{BTreeMap, HashMap};

use crate::config::{Description, MeetingRules, Only};
use crate::model::agenda::Agenda;
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::occurrence::{Details, Occurrence};
use crate::model::time::{UnixTime, Window};
use crate::model::verdict::{Rule, Subject, Verdict};

/// Every title where `hide_titles` is set.
pub const RESERVED: &str = "Reserved";
/// The title of an event that has none; the room is taken all the same.
const UNTITLED: &str = "Busy";

/// What one feed of a room brought.
#[derive(Clone, Copy, Debug)]
pub struct FromFeed<'a> {
    pub occurrences: &'a [Occurrence],
    pub only: &'a Only,
}

/// The agenda of a room's displays, and why each instance is on it or not.
#[derive(Clone, Debug, Default)]
pub struct Composed {
    pub agenda: Agenda,
    /// One for each occurrence.
    pub verdicts: Vec<Verdict>,
}

/// Composes what a display shows of the feeds of a room in a window, whose start is now.
///
/// A meeting that stands in two feeds is shown once: the same instance of the same
/// UID, or, across feeds, the same times and title. If one of the copies is
/// private, the meeting is.
#[must_use]
pub fn agenda(feeds: &[FromFeed<'_>], rules: &MeetingRules, window: Window) -> Composed {
    let mut verdicts = Vec::new();
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for (feed, from) in feeds.iter().enumerate() {
        for occurrence in from.occurrences {
            match filter::left_out(occurrence, from.only, rules)
                .or_else(|| out_of_time(occurrence, window))
            {
                Some(rule) => verdicts.push(verdict(occurrence, rule)),
                None => candidates.push(Candidate::new(feed, occurrence)),
            }
        }
    }
    let mut shown = merge_copies(candidates, &mut verdicts);
    shown.sort_by_key(|candidate| candidate.order());
    let max = rules.max;
    let mut ids = Ids::default();
    let mut meetings = Vec::new();
    for (place, candidate) in shown.iter().enumerate() {
        let rule = match candidate.is_private {
            _ if place >= max => Rule::BeyondMax { max },
            true => Rule::ShownPrivate,
            false => Rule::Shown,
        };
        if place < max {
            meetings.push(candidate.meeting(&mut ids, rules));
        }
        verdicts.push(verdict(candidate.occurrence, rule));
    }
    Composed {
        agenda: Agenda::new(meetings),
        verdicts,
    }
}

/// The instances as they are: no room's rules, no privacy, also without length;
/// cancelled and free ones are left out. Sorted by start, end and id.
#[must_use]
pub fn plain(occurrences: &[Occurrence]) -> Vec<Meeting> {
    let mut ids = Ids::default();
    let mut sorted: Vec<&Occurrence> = occurrences
        .iter()
        .filter(|occurrence| filter::not_taking_place(&occurrence.details).is_none())
        .collect();
    sorted.sort_by_key(|occurrence| (occurrence.start, occurrence.end));
    let mut meetings: Vec<Meeting> = sorted
        .into_iter()
        .map(|occurrence| Meeting {
            id: ids.next(occurrence),
            title: occurrence.details.summary.clone().unwrap_or_default(),
            organizer: text::organizer(&occurrence.details),
            description: text::join_links(&occurrence.details),
            start_time: occurrence.start,
            end_time: occurrence.end,
        })
        .collect();
    meetings
        .sort_by(|a, b| (a.start_time, a.end_time, &a.id).cmp(&(b.start_time, b.end_time, &b.id)));
    meetings
}

/// An instance that a display may show.
#[derive(Clone)]
struct Candidate<'a> {
    feed: usize,
    occurrence: &'a Occurrence,
    /// Of this copy, or of one that it stands for.
    is_private: bool,
}

impl<'a> Candidate<'a> {
    fn new(feed: usize, occurrence: &'a Occurrence) -> Self {
        Self {
            feed,
            occurrence,
            is_private: filter::is_private(&occurrence.details),
        }
    }

    /// The nearest first; the rest only makes the order the same each time.
    fn order(&self) -> (UnixTime, UnixTime, &'a str, &'a str) {
        (
            self.occurrence.start,
            self.occurrence.end,
            &self.occurrence.details.uid,
            &self.occurrence.instance,
        )
    }

    fn meeting(&self, ids: &mut Ids, rules: &MeetingRules) -> Meeting {
        let details = &self.occurrence.details;
        let hidden = self.is_private || rules.hide_titles;
        let title = match (rules.hide_titles, self.is_private) {
            (true, _) => RESERVED.to_owned(),
            (false, true) => {
                text::title(&rules.private_title).unwrap_or_else(|| UNTITLED.to_owned())
            }
            (false, false) => details
                .summary
                .as_deref()
                .and_then(text::title)
                .unwrap_or_else(|| UNTITLED.to_owned()),
        };
        Meeting {
            id: ids.next(self.occurrence),
            title,
            organizer: if self.is_private || rules.hide_organizers {
                String::new()
            } else {
                text::organizer(details)
            },
            // A description says what a hidden title should not.
            description: if hidden {
                None
            } else {
                description(details, rules.description)
            },
            start_time: self.occurrence.start,
            end_time: self.occurrence.end,
        }
    }
}

fn description(details: &Details, wanted: Description) -> Option<String> {
    match wanted {
        Description::None => None,
        Description::Conference => text::join_links(details),
        Description::Full => details
            .description
            .as_deref()
            .and_then(text::plain)
            .or_else(|| text::join_links(details)),
    }
}

fn out_of_time(occurrence: &Occurrence, window: Window) -> Option<Rule> {
    if occurrence.end <= window.from() {
        Some(Rule::Ended)
    } else if !window.overlaps(occurrence.start, occurrence.end) {
        Some(Rule::OutsideWindow)
    } else {
        None
    }
}

/// One candidate for each meeting.
///
/// Within a feed two different UIDs are two meetings, even with the same title at
/// the same time; across feeds they are copies of one.
fn merge_copies<'a>(
    candidates: Vec<Candidate<'a>>,
    verdicts: &mut Vec<Verdict>,
) -> Vec<Candidate<'a>> {
    let mut by_instance: HashMap<(&str, &str, UnixTime), usize> = HashMap::new();
    let mut by_face: HashMap<(UnixTime, UnixTime, String), Vec<usize>> = HashMap::new();
    let mut kept: Vec<Candidate<'a>> = Vec::new();
    for candidate in candidates {
        let occurrence = candidate.occurrence;
        let details = &occurrence.details;
        let instance = (
            details.uid.as_str(),
            occurrence.instance.as_str(),
            occurrence.start,
        );
        let name = details
            .summary
            .as_deref()
            .and_then(text::title)
            .unwrap_or_default()
            .to_lowercase();
        let face = (occurrence.start, occurrence.end, name);
        let elsewhere = || {
            let places = by_face.get(&face)?;
            places.iter().copied().find(|&place| {
                kept.get(place)
                    .is_some_and(|other| other.feed != candidate.feed)
            })
        };
        // Without a title there is nothing to know a copy by.
        let copy = by_instance
            .get(&instance)
            .copied()
            .or_else(|| if face.2.is_empty() { None } else { elsewhere() });
        match copy.and_then(|place| kept.get_mut(place)) {
            Some(other) => {
                let is_private = other.is_private || candidate.is_private;
                if richness(details) > richness(&other.occurrence.details) {
                    verdicts.push(verdict(other.occurrence, Rule::Duplicate));
                    other.occurrence = occurrence;
                } else {
                    verdicts.push(verdict(occurrence, Rule::Duplicate));
                }
                other.is_private = is_private;
            }
            None => {
                by_instance.insert(instance, kept.len());
                by_face.entry(face).or_default().push(kept.len());
                kept.push(candidate);
            }
        }
    }
    kept
}

/// Of two copies the one that says more is kept.
fn richness(details: &Details) -> usize {
    let said = [
        details.summary.is_some(),
        details.organizer.is_some(),
        text::join_links(details).is_some(),
    ];
    said.into_iter().filter(|said| *said).count()
}

/// Ids that are unique within one set, also where a feed repeats a UID.
#[derive(Default)]
struct Ids {
    used: BTreeMap<MeetingId, u32>,
}

impl Ids {
    fn next(&mut self, occurrence: &Occurrence) -> MeetingId {
        let uid = &occurrence.details.uid;
        let id = MeetingId::new(uid, &occurrence.instance);
        let times = self.used.entry(id.clone()).or_default();
        *times += 1;
        match *times {
            1 => id,
            nth => MeetingId::new(uid, &format!("{}#{nth}", occurrence.instance)),
        }
    }
}

fn verdict(occurrence: &Occurrence, rule: Rule) -> Verdict {
    Verdict {
        subject: Subject::Event(occurrence.details.clone()),
        start: Some(occurrence.start),
        end: Some(occurrence.end),
        rule,
    }
}

#[cfg(test)]
mod tests;
