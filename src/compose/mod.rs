//! Occurrences to the agenda of a display: what a display may show, and how.
//! Pure.

mod candidate;
pub(crate) mod filter;
mod merge;
mod plain;
pub(crate) mod text;

use std::collections::HashMap;
use std::sync::Arc;

use self::candidate::{Ids, Instance, Texts, hidden_title, richness};
use crate::config::{Description, MeetingRules, Only};
use crate::model::agenda::Agenda;
use crate::model::meeting::Meeting;
use crate::model::occurrence::{Details, Occurrence};
use crate::model::time::{UnixTime, Window};
use crate::model::verdict::{Rule, Subject, Verdict};

pub use candidate::Candidate;
pub use merge::{Fate, Merged, MergedMeeting, merge, verdicts};
pub use plain::plain;

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
#[must_use]
pub fn agenda(feeds: &[FromFeed<'_>], rules: &MeetingRules, window: Window) -> Composed {
    let feeds: Vec<FeedMeetings> = feeds
        .iter()
        .map(|from| of_feed(from.occurrences, from.only, rules, window))
        .collect();
    let candidates: Vec<&[Candidate]> = feeds
        .iter()
        .map(|feed| feed.candidates.as_slice())
        .collect();
    let merged = merge(&candidates, rules);
    let meetings = merged.meetings.iter().map(|one| one.meeting.clone());
    Composed {
        agenda: Agenda::new(meetings.collect()),
        verdicts: verdicts(feeds, &merged, rules),
    }
}

/// The meetings of one feed by the rules of one room, before they are merged with
/// those of the room's other feeds.
#[derive(Clone, Debug, Default)]
pub struct FeedMeetings {
    /// Sorted by start.
    pub candidates: Vec<Candidate>,
    /// Of each candidate, in the same order: shown, unless merging decides otherwise.
    pub shown: Vec<Verdict>,
    pub left_out: Vec<Verdict>,
}

/// Applies the rules of a room to the occurrences of one feed.
#[must_use]
pub fn of_feed(
    occurrences: &[Occurrence],
    only: &Only,
    rules: &MeetingRules,
    window: Window,
) -> FeedMeetings {
    let mut meetings = FeedMeetings::default();
    let mut kept: Vec<&Occurrence> = Vec::new();
    for occurrence in occurrences {
        match filter::left_out(occurrence, only, rules).or_else(|| out_of_time(occurrence, window))
        {
            Some(rule) => meetings.left_out.push(verdict(occurrence, rule)),
            None => kept.push(occurrence),
        }
    }
    let mut shown = one_of_each_instance(kept, &mut meetings.left_out);
    shown.sort_by_key(|instance| instance.order());
    let mut ids = Ids::default();
    let mut texts: HashMap<*const Details, Texts> = HashMap::new();
    for instance in shown {
        let details = &instance.occurrence.details;
        let texts = texts
            .entry(Arc::as_ptr(details))
            .or_insert_with(|| Texts::of(details, rules));
        let rule = if instance.is_private {
            Rule::ShownPrivate
        } else {
            Rule::Shown
        };
        meetings.shown.push(verdict(instance.occurrence, rule));
        meetings
            .candidates
            .push(instance.candidate(&mut ids, texts, rules));
    }
    meetings
}

/// Cuts the texts of a meeting that was composed before down to what may be shown now.
pub fn restrict(meeting: &mut Meeting, rules: &MeetingRules) {
    if rules.hide_titles {
        meeting.title = hidden_title(rules);
    }
    if rules.hide_organizers {
        meeting.organizer = Arc::default();
    }
    // A description says what a hidden title should not.
    let kept = meeting.description.take().filter(|_| !rules.hide_titles);
    meeting.description = match rules.description {
        Description::None => None,
        Description::Conference => kept.as_deref().and_then(text::links_of).map(Arc::from),
        Description::Full => kept,
    };
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

/// One of each instance: within a feed two different UIDs are two meetings, even with
/// the same title at the same time.
fn one_of_each_instance<'a>(
    occurrences: Vec<&'a Occurrence>,
    left_out: &mut Vec<Verdict>,
) -> Vec<Instance<'a>> {
    let mut places: HashMap<(&str, &str, UnixTime), usize> = HashMap::new();
    let mut kept: Vec<Instance<'a>> = Vec::new();
    for occurrence in occurrences {
        let details = &occurrence.details;
        let is_private = filter::is_private(details);
        let instance = (
            details.uid.as_str(),
            occurrence.instance.as_str(),
            occurrence.start,
        );
        let place = places.get(&instance).copied();
        match place.and_then(|place| kept.get_mut(place)) {
            Some(other) => {
                other.is_private |= is_private;
                if richness(details) > richness(&other.occurrence.details) {
                    left_out.push(verdict(other.occurrence, Rule::Duplicate));
                    other.occurrence = occurrence;
                } else {
                    left_out.push(verdict(occurrence, Rule::Duplicate));
                }
            }
            None => {
                places.insert(instance, kept.len());
                kept.push(Instance {
                    occurrence,
                    is_private,
                });
            }
        }
    }
    kept
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
